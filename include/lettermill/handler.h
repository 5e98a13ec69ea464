/** @file
 * Handlers: the only door for policy. A handler decides events, or hears of them.
 *
 * A server asks its handlers in order; the first that does not say LM_PROCEED has decided. When
 * all proceed, the table's default holds (commands.def): it refuses whatever would need a store.
 *
 * Threads: `decide` and `notice` are called on the I/O worker that owns the session, and must not
 * block.
 */
#ifndef LETTERMILL_HANDLER_H
#define LETTERMILL_HANDLER_H

#include "event.h"
#include "loop.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_verdict {
	LM_PROCEED,  /**< not mine: the next handler, or the table's default */
	LM_ANSWERED, /**< *out_reply is the answer */
	LM_PENDING,  /**< lm_ticket_answer will bring it, later, once, from any thread */
};

/** The right to answer one decision later. A value: copy it freely. */
struct lm_ticket {
	struct lm_worker *worker;
	uint64_t session;
	uint32_t event;
};

/**
 * Answer a pending decision. Late, double and orphaned answers are harmless: they change nothing
 * (and a source in them is closed). An unanswered ticket is answered by the handler deadline with a
 * temporary failure. The reply's slices are copied before the call returns. NULL means LM_PROCEED:
 * the next handler is asked. Tickets are dead, and must not be used, once lm_server_free returned.
 * Threads: any.
 */
LM_API void lm_ticket_answer(struct lm_ticket ticket, const struct lm_reply *reply);

/** Cut the session that the ticket (of any event, or of a notice: `event` 0) belongs to, now and
 * without a word; LM_EVENT_DISCONNECT follows. Harmless when it is gone. Threads: any. */
LM_API void lm_ticket_close(struct lm_ticket ticket);

struct lm_worker;

/** The loop a worker runs on: for sources that wait (lm_loop_post). Lives until worker_stop
 * returned; a session's source is closed before. Threads: any. */
LM_API struct lm_loop *lm_worker_loop(struct lm_worker *worker);

struct lm_handler_ops {
	uint32_t size; /**< sizeof(struct lm_handler_ops) */
	const char *name;
	/**
	 * A worker thread starts, or ends: make what each thread needs of its own. Optional.
	 * On error the server does not start.
	 */
	int (*worker_start)(void *handler, struct lm_worker *worker, void **out_context,
	                    struct lm_error *out_error);
	void (*worker_stop)(void *context);
	/**
	 * Decide an event. `context` is worker_start's (or the handler itself without one),
	 * `session_slot` a pointer of this handler's own, NULL at first, that lives with the
	 * session. *out_reply is LM_REPLY_INIT on entry; its slices must live until the next call
	 * for that session.
	 */
	enum lm_verdict (*decide)(void *context, void **session_slot, const struct lm_event *event,
	                          struct lm_reply *out_reply, struct lm_ticket ticket);
	/**
	 * Hear of a notice (reply NULL), or (when it is in `hears`) of a decision that was just
	 * made, with its reply (NULL: the table's default). LM_EVENT_DISCONNECT comes last: free
	 * what session_slot holds. Optional.
	 */
	void (*notice)(void *context, void **session_slot, const struct lm_event *event,
	               const struct lm_reply *reply);
	uint64_t decides; /**< set of LM_EVENT_BIT that decide wants; others never reach it */
	uint64_t hears;   /**< set of LM_EVENT_BIT of decisions that notice wants to hear of */
};

/**
 * The callback table: one optional member a decision, for C programs that want no more than that.
 * NULL members proceed. `connection` is the session_slot. See struct lm_handler_ops for lifetimes
 * and threads.
 */
typedef enum lm_verdict (*lm_decide_fn)(void *ctx, void **connection, const struct lm_event *event,
                                        struct lm_reply *out_reply, struct lm_ticket ticket);
struct lm_callbacks {
	uint32_t size; /**< sizeof(struct lm_callbacks) */
	void *ctx;     /**< first argument of every callback */
	lm_decide_fn on_connect, on_helo, on_auth, on_auth_done, on_maildrop, on_stat, on_list,
	        on_uidl, on_retr, on_top, on_dele, on_rset, on_noop, on_capa, on_lang, on_utf8,
	        on_quit, on_mail, on_rcpt, on_data, on_body, on_message, on_vrfy, on_expn, on_help,
	        on_command;
	/** Notices: LM_EVENT_TLS, LM_EVENT_ABORT, LM_EVENT_DISCONNECT. */
	void (*on_notice)(void *ctx, void **connection, const struct lm_event *event);
	lm_decide_fn on_user, on_say, on_certificate;
};

#ifdef __cplusplus
}
#endif
#endif
