/** @file
 * The insides of the store handler: store_handler.c (doors), store_auth.c (logins, addresses),
 * store_drop.c (POP3), store_delivery.c (SMTP).
 *
 * A session may vanish while an operation is under way. So what the store or the pool works on is
 * an object of its own, which its session lets go of (`gone`) and which ends itself when the
 * operation completes; the worker's part of the handler stays until the last of them has ended.
 *
 * Threads: everything belongs to its worker's thread, but for struct lm_store_handler, which does
 * not change, and a job's memory while the pool has it.
 */
#ifndef LM_SERVER_STORE_HANDLER_IMPL_H
#define LM_SERVER_STORE_HANDLER_IMPL_H

#include "server/resolve.h"
#include "server/store_handler.h"
#include "server/verify.h"
#include "server/worker.h"

#include <stdatomic.h>

/** Shared by all workers. Counted, because a reload replaces it while sessions still use it. */
struct lm_store_handler {
	_Atomic unsigned refs;
	struct lm_store *store;
	struct lm_accounts **accounts;
	size_t account_count;
	struct lm_pool *pool;
	char *hostname, *catch_all, *postmaster;
	char **domains;
	struct lm_resolve_rules rules;
	bool add_trace;
	int (*check_token)(void *ctx, const struct lm_auth *auth, char out_user[256]);
	void *token_ctx;
	const struct lm_log *log;
	struct lm_verify *verify;
	_Atomic uint32_t iterations;   /**< of the last SCRAM record seen, for made-up ones */
	_Atomic uint64_t next_message; /**< a number for Received */
};

/** One worker's part. */
struct lm_sh_worker {
	struct lm_store_handler *handler;
	struct lm_worker *worker;
	struct lm_loop *loop;
	struct lm_resolve_cache *cache;
	char login[256]; /* the account of an answer being given */
	size_t pending;  /**< operations under way */
	bool stopped;
};

/** An accepted recipient. */
struct lm_sh_recipient {
	char *address; /**< the account's name stands behind its NUL */
	size_t len;
	const char *account;
};

/** One session's part, made when first needed. */
struct lm_sh_session {
	struct lm_sh_worker *worker;
	unsigned refs; /**< the session, and a look-up of an address */
	struct lm_sh_drop *drop;
	struct lm_sh_delivery *delivery;
	struct lm_sh_recipient *recipients;
	size_t recipient_count, recipient_room;
};

/** An operation begins, or has completed: in between the worker goes on and its part stays. */
void lm_sh_begin(struct lm_sh_worker *w);
void lm_sh_end(struct lm_sh_worker *w);
/** The session's part; NULL when out of memory. */
struct lm_sh_session *lm_sh_session(struct lm_sh_worker *w, void **slot);
void lm_sh_session_unref(struct lm_sh_session *s);
void lm_sh_forget_recipients(struct lm_sh_session *s);
/** The account an accepted recipient leads to, or NULL. *hint: where to look first. */
const char *lm_sh_account_of(const struct lm_sh_session *s, struct lm_bytes address, size_t *hint);
/** Answer a ticket with nothing but a result. */
void lm_sh_answer(struct lm_ticket ticket, int result);

enum lm_verdict lm_sh_auth(struct lm_sh_worker *w, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
enum lm_verdict lm_sh_rcpt(struct lm_sh_worker *w, struct lm_sh_session *s,
                           const struct lm_event *event, struct lm_reply *out_reply,
                           struct lm_ticket ticket);

enum lm_verdict lm_sh_maildrop(struct lm_sh_session *s, const struct lm_event *event,
                               struct lm_reply *out_reply, struct lm_ticket ticket);
enum lm_verdict lm_sh_retr(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
enum lm_verdict lm_sh_quit(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
/** Close it as soon as nothing is under way. NULL is allowed. */
void lm_sh_drop_release(struct lm_sh_drop *drop);

enum lm_verdict lm_sh_data(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
enum lm_verdict lm_sh_body(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
enum lm_verdict lm_sh_message(struct lm_sh_session *s, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket);
/** Drop the draft as soon as nothing is under way. NULL is allowed. */
void lm_sh_delivery_release(struct lm_sh_delivery *delivery);

#endif
