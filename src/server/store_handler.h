/** @file
 * The default handler: mailboxes of a store, accounts that may log in, addresses that lead to them.
 */
#ifndef LM_SERVER_STORE_HANDLER_H
#define LM_SERVER_STORE_HANDLER_H

#include "store/account.h"
#include "store/store.h"

#include <lettermill/handler.h>
#include <lettermill/log.h>

struct lm_store_handler;

struct lm_store_handler_params {
	struct lm_store *store;        /**< borrowed, as everything here, until free */
	struct lm_accounts **accounts; /**< asked in order; the first that knows a name decides */
	size_t account_count;
	struct lm_pool *pool; /**< where account lookups and password checks block */
	const char *hostname; /**< in Received */
	const char **domains; /**< mail for local@D goes to account local@D, or local; none: every
	                         account name is its own address */
	size_t domain_count;
	const char *catch_all;  /**< account that gets all mail, or NULL */
	const char *postmaster; /**< … that gets mail for postmaster where none has that name */
	bool add_trace;         /**< add Return-Path and Received (RFC 5321 4.4) */
	int (*check_token)(void *ctx, const struct lm_auth *auth, char out_user[256]); /**< OAuth
	                                     hook, on the pool; NULL: refused */
	void *token_ctx;
	const struct lm_log *log;
};

/** Make one handler for all workers of a server. Free when the workers have stopped. */
LM_MUST int lm_store_handler_new(const struct lm_store_handler_params *params,
                                 struct lm_store_handler **out_handler);
void lm_store_handler_free(struct lm_store_handler *handler);

/** Its operations; `handler` of struct lm_handler_ops is the struct lm_store_handler. */
const struct lm_handler_ops *lm_store_handler_ops(void);

#endif
