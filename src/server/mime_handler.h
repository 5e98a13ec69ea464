/** @file
 * A handler that serves POP3 from a mime store: whoever knows the one password gets in under any
 * name, and what is retrieved is consumed.
 *
 * MAILDROP is a query of the store. RETR consumes: the message is staged, handed out, then archived
 * (not where the store's commit mode is off; there everything stays as it is). A session that ends
 * without QUIT after a RETR marks the message it retrieved last pop3failed. What DELE marked is
 * archived at QUIT, in one go with QUIT's answer. A second session of a name (in any case) is
 * refused with [IN-USE].
 *
 * The store blocks, so one thread of the handler's own does all its work, in the order asked.
 */
#ifndef LM_SERVER_MIME_HANDLER_H
#define LM_SERVER_MIME_HANDLER_H

#include <lettermill/handler.h>
#include <lettermill/log.h>
#include <lettermill/mime_store.h>

struct lm_mime_handler;

struct lm_mime_handler_params {
	struct lm_mime_store *store; /**< borrowed until free; nobody else uses it meanwhile */
	const char *password;        /**< everybody's; NULL: nobody gets in */
	const char *const *users;    /**< names that may log in, in any case; none: any name */
	size_t user_count;
	unsigned tags; /**< of lm_mime_store_query */
	size_t limit;  /**< the same */
	/** Read each message when the maildrop is opened, so that LIST tells what RETR sends. For
	 * stores whose sizes are not exactly that; without it LIST shows the store's own. */
	bool count_octets;
	const char *spool_dir; /**< where large messages wait for slow readers, in files without
	                          names; NULL: $TMPDIR or /tmp */
	const struct lm_log *log;
};

/** Errors: LM_E_NOMEM, LM_E_AGAIN (no thread). Copies all but store and log. */
LM_MUST int lm_mime_handler_new(const struct lm_mime_handler_params *params,
                                struct lm_mime_handler **out_handler, struct lm_error *out_error);
/** When the server is freed: finishes what is still to be marked, then wipes. NULL is allowed. */
void lm_mime_handler_free(struct lm_mime_handler *handler);

/** Its operations; `handler` of struct lm_handler_ops is the struct lm_mime_handler. */
const struct lm_handler_ops *lm_mime_handler_ops(void);

#endif
