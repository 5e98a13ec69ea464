/** @file
 * The insides of a running server: workers, connections, and decisions under way. Only for the
 * files of this room that turn connections into sessions (worker.c conn.c proxy.c dispatch.c
 * ticket.c server.c).
 *
 * Threads: everything belongs to its worker's thread but for struct lm_inbox.
 */
#ifndef LM_SERVER_SERVING_H
#define LM_SERVER_SERVING_H

#include "link/link.h"
#include "net/listener.h"
#include "server/config.h"
#include "server/limits.h"
#include "server/worker.h"

#include <lettermill/server.h>

#include <pthread.h>
#include <stdatomic.h>

enum { LM_MAX_HANDLERS = 8 };

/** Counted by one thread, read by any. */
struct lm_counters {
	_Atomic uint64_t open, total, refused, messages_in, messages_out, octets_in, octets_out,
	        auth_failures;
};
static inline void lm_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
	                      memory_order_relaxed);
}

/** An installed handler. */
struct lm_installed {
	const struct lm_handler_ops *ops;
	void *handler;
};

/** What all workers share. It does not change while they run. */
struct lm_shared {
	struct lm_installed handlers[LM_MAX_HANDLERS]; /**< in front of the store's */
	size_t handler_count;
	bool has_store;        /**< its handler is asked behind them */
	bool asks_certificate; /**< one of them decides LM_EVENT_CERTIFICATE */
	const struct lm_log *log;
	struct lm_limits *limits;
	unsigned worker_count;
	/** A worker has started (0) or could not, or has ended. */
	void (*started)(struct lm_shared *shared, int err, const struct lm_error *error);
	void (*ended)(struct lm_shared *shared);
	/** A worker that has started accepts no more. */
	void (*shut)(struct lm_shared *shared);
};

/** A snapshot as one worker uses it: with the store handler's context for this thread. */
struct lm_setup {
	struct lm_config *config;
	void *store_context;
	size_t refs; /**< sessions, and the worker while it is current */
};

struct lm_answer_message;

/** The one door for other threads. */
struct lm_inbox {
	pthread_mutex_t lock;
	struct lm_answer_message *first, **last;
	struct lm_config *config; /**< to use for new sessions; NULL: no change */
	bool drain;
	lm_time_ms drain_timeout;
	bool posted; /**< `wake` is under way */
	bool closed; /**< the worker does not run yet, or no more: what comes now is dropped */
	struct lm_task wake;
};

struct lm_doorway; /* one listener of one worker */

struct lm_seat {
	uint32_t generation; /**< so that a ticket of an earlier session finds nobody */
	uint32_t next_free;
	struct lm_conn *conn;
};

struct lm_worker {
	struct lm_shared *shared;
	unsigned index;
	struct lm_loop *loop;
	pthread_t thread;
	bool thread_made;
	struct lm_inbox inbox;
	struct lm_counters counters;
	int fds[LM_SERVICE_COUNT]; /**< listening, until the worker took them; -1: off */

	struct lm_doorway *doorways[LM_SERVICE_COUNT];
	struct lm_setup *setup; /**< for new sessions */
	void *contexts[LM_MAX_HANDLERS];
	struct lm_seat *seats;
	uint32_t seat_count, free_seat; /**< free_seat == seat_count: none */
	size_t conn_count, held;
	struct lm_proxy_wait *proxies; /**< connections that owe a PROXY header */
	struct lm_decision *spare;
	unsigned spare_count;
	uint64_t next_id;
	bool draining, warned; /**< … and has told those that would not end */
	struct lm_timer drain_timer;
	unsigned stirred, stirred_seen; /**< since the heap was trimmed; … when that was last due */
	struct lm_timer trim_timer;
	lm_time_ms refused_logged;
	uint64_t refused_unlogged;
};

/** One connection with its session. */
struct lm_conn {
	struct lm_worker *worker;
	struct lm_setup *setup;
	struct lm_link *link;
	struct lm_decision *open; /**< waits for its answer */
	uint64_t key;             /**< seat and generation: struct lm_ticket session */
	lm_time_ms began;
	struct lm_peer_key peer; /**< whose place it takes in the limits */
	uint8_t service;
	bool secured;     /**< a trusted proxy said the peer came to it under TLS */
	bool auth_unsure; /**< the last credentials could not be judged: no failure */
	bool is_over;     /**< LM_EVENT_DISCONNECT was told */
	uint16_t auth_failures;
	uint32_t messages_in, messages_out;
	void *slots[]; /**< one a handler, the store's last */
};

/* worker.c */

/** Make a worker and its loop; `fds` are its own from then on. */
LM_MUST int lm_worker_new(struct lm_shared *shared, unsigned index, struct lm_config *config,
                          struct lm_worker **out_worker);
/** Run its thread; shared->started tells the rest. */
LM_MUST int lm_worker_run(struct lm_worker *worker);
/** Join and free; the worker was drained or never ran. NULL is allowed. */
void lm_worker_free(struct lm_worker *worker);
/** Threads: any. */
void lm_worker_drain(struct lm_worker *worker, lm_time_ms timeout);
/** Use another snapshot for new sessions. Threads: any. */
void lm_worker_reconfigure(struct lm_worker *worker, struct lm_config *config);
/** With the inbox's lock held: see that it will be read. */
void lm_inbox_wake(struct lm_worker *worker);
/** End the loop where a drain has nothing left to wait for. */
void lm_worker_check_end(struct lm_worker *worker);
/** Something left holes in the heap: a handshake's end, a session's. Behind many they are given
 * back. */
void lm_worker_stir(struct lm_worker *worker);
void lm_setup_unref(struct lm_worker *worker, struct lm_setup *setup);

/* conn.c */

/** A connection arrived (PROXY header read): make its session, or refuse it. The descriptor is
 * taken. `secured`: the peer speaks TLS with a trusted proxy, so a password was not overheard. */
void lm_conn_begin(struct lm_worker *worker, enum lm_service service,
                   const struct lm_accepted *accepted, bool secured);
/** Say no in one line without waiting for anything, and close. */
void lm_conn_refuse(struct lm_worker *worker, enum lm_service service,
                    const struct lm_accepted *accepted, const char *why);
/** The connection of a ticket, or NULL. */
struct lm_conn *lm_conn_find(struct lm_worker *worker, uint64_t key);
/** End its session without a word, from the loop. Whoever is gone already is not disturbed in
 * saying good-bye. */
void lm_conn_cut(struct lm_worker *worker, uint64_t key);
/** The answer to LM_EVENT_CERTIFICATE. */
void lm_conn_certificate(struct lm_conn *conn, const struct lm_event *event,
                         const struct lm_reply *reply);

/* proxy.c */

/** Read the PROXY header a listed peer owes, then lm_conn_begin with the addresses in it. */
void lm_proxy_begin(struct lm_worker *worker, enum lm_service service,
                    const struct lm_accepted *accepted);
/** Close all that still wait. */
void lm_proxy_close_all(struct lm_worker *worker);

/* dispatch.c */

/** A decision under way: which handler has it, until when. */
struct lm_decision {
	struct lm_conn *conn;
	struct lm_decision *next_spare;
	struct lm_event event; /**< its slices live until the session is answered */
	size_t next;           /**< the handler to ask next */
	struct lm_timer timer;
	bool asking;   /**< a handler is being called right now */
	bool answered; /**< … and has used its ticket inside that call */
	bool passed;   /**< … to say LM_PROCEED */
	bool delaying; /**< the answer is there and held back; `held` is what it was */
	bool has_held;
	struct lm_reply held;
	char *held_text;
};

/** The number of LM_EVENT_CERTIFICATE, which the server asks and no session does. */
#define LM_CERTIFICATE_ID UINT32_MAX
/** Ask, in order; tell of notices. */
void lm_dispatch_event(struct lm_conn *conn, const struct lm_event *event);
/** An answer for a ticket (reply NULL: proceed); LM_E_NOT_FOUND when nobody waits for it. */
int lm_dispatch_answer(struct lm_worker *worker, const struct lm_ticket *ticket,
                       const struct lm_reply *reply);
/** The session is gone: what it waited for is forgotten. */
void lm_dispatch_cancel(struct lm_conn *conn);
void lm_dispatch_done(struct lm_worker *worker);
/** Close a source that nobody will read. */
void lm_reply_drop(const struct lm_reply *reply);

/* guard.c */

/** Count logins and failures; true when the answer to LM_EVENT_AUTH_DONE must wait for
 * *out_delay ms; *reply (may become `storage`) may be changed to one that closes. */
bool lm_guard_auth_done(struct lm_conn *conn, const struct lm_event *event,
                        const struct lm_reply **reply, struct lm_reply *storage,
                        lm_time_ms *out_delay);

/** RFC 2449 6.5: false, with *out_reply, when the account logged in too short a while ago. */
bool lm_guard_login_due(const struct lm_conn *conn, const struct lm_event *event,
                        struct lm_reply *out_reply);

/* ticket.c */

/** Give out the answers of other threads, and close what they want closed. */
void lm_answers_deliver(struct lm_worker *worker, struct lm_answer_message *first);

/* callbacks.c */

/** A handler over a copy of a callback table; lm_free it after the server. */
LM_MUST int lm_callbacks_new(const struct lm_callbacks *callbacks, struct lm_installed *out_handler,
                             void **out_memory);

#endif
