/** @file
 * Script workers: threads with a loop and a VM each, and what waits for them. One more place may be
 * the runtime that made the handler, where hooks that are functions run.
 *
 * Locks: the pool's before a place's; of two places' that of the lower number first. Under a
 * place's a ticket is answered, and under the handler's (hooks.c) files are read: none of ours is
 * taken there.
 */
#ifndef LM_SCRIPT_POOL_H
#define LM_SCRIPT_POOL_H

#include "script/runtime.h"
#include "script/session.h"

#include <pthread.h>

struct lm_script_handler;
struct lm_sp_compiled;

/** The calls of js/session.js, held. */
struct lm_ss_calls {
	struct lm_js_value *table, *open, *move, *bind, *bind_function, *allow, *accept, *tell,
	        *hear, *login, *maildrop, *retrieve, *remove, *look, *mark, *receive, *end,
	        *restore, *replace, *explain;
};

enum lm_sp_state {
	LM_SP_STARTING, /**< its VM is being made */
	LM_SP_RUNNING,
	LM_SP_BROKEN, /**< it could not be made */
	LM_SP_LOST,   /**< given up: its sessions are elsewhere */
	LM_SP_ENDED,  /**< its thread has nothing more to do */
};

struct lm_sp_place {
	struct lm_sp *pool;
	struct lm_script_handler *handler;
	struct lm_sp_place *next; /**< of the pool's; none is ever taken out */
	unsigned number;
	bool is_guest; /**< it lives in a runtime that is somebody else's */
	pthread_t thread;

	/* ---- its thread's ---- */
	struct lm_loop *loop;
	struct lm_runtime *rt;
	struct lm_js *js;
	struct lm_ss_calls calls;
	struct lm_sp_compiled *compiled;
	unsigned ended_calls; /**< calls in a row that a limit ended */
	bool renew;           /**< a new VM is due */
	struct lm_ss_message
	        *current; /**< whose hook is called just now; NULL: it ended meanwhile */
	bool is_ended;    /**< its thread was joined */

	/* ---- anybody's: see lm_sp_enter ---- */
	atomic_bool inside, losing;
	atomic_uint pending; /**< hooks that wait for promises */

	/* ---- under the lock ---- */
	pthread_mutex_t lock;
	pthread_cond_t changed; /**< `state` has */
	enum lm_sp_state state;
	struct lm_ss_message *first, **last;
	size_t queued;
	struct lm_task task;
	bool is_ready; /**< loop, rt and js are there for others to use */
	bool is_posted, is_closing;
	/** Only to be compared, as `serves`: both may be freed before the next message is taken. */
	const struct lm_ss_message *running;
	const struct lm_ss *serves; /**< whose message `running` is */
	lm_time_ms since;           /**< `running` began */
	lm_time_ms gone;            /**< since when the session of `running` is gone; 0: is there */
	bool interrupted;
	bool sweep;      /**< look for hooks that nobody waits for */
	bool is_minded;  /**< its minder is busy with its VM */
	bool is_stopped; /**< its thread was stopped for good */
	unsigned tries;  /**< to stop it */
	bool is_over;    /**< its thread has nothing more to do */
	struct lm_ss *sessions;
	size_t session_count;
};

struct lm_minder;

struct lm_sp {
	struct lm_script_handler *handler;
	struct lm_minder *minder;
	unsigned size, eager; /**< workers at most; those that start before others wait */
	struct lm_sp_place *guest;
	struct lm_sp_place limbo; /**< no worker: where sessions are that nobody can serve */
	pthread_mutex_t lock;     /**< guards the rest */
	struct lm_sp_place *places;
	unsigned live, lost, numbers;
	bool is_ending; /**< nobody goes anywhere any more */
};

enum {
	LM_SP_TRIES = 5,     /**< to stop a thread that was given up; each may take seconds */
	LM_SP_LOST_MAX = 16, /**< workers given up before no more are started */
	LM_SP_BUSY = 5,      /**< ms in one event after which a worker counts as blocked */
	LM_SP_NOTICE_PATIENCE = 5000, /**< ms that events wait for the hook of a notice */
};

/** `rt`: where functions run, NULL when there are none. Threads are started when they are needed.
 */
LM_MUST int lm_sp_new(struct lm_script_handler *handler, struct lm_runtime *rt, unsigned size,
                      struct lm_sp **out_pool);
/** Behind the last session's end. Lets running events end; gives up those that do not. */
void lm_sp_free(struct lm_sp *pool);

/** Queue a message; the first of a session chooses its place. Takes it. Errors: LM_E_SCRIPT (too
 * many workers were lost), LM_E_NOMEM, LM_E_AGAIN (no thread can be started). Threads: any. */
LM_MUST int lm_sp_post(struct lm_ss_message *message);
/** Nobody waits for this decision any more: it is not begun, or its waiting ends. Threads: any. */
void lm_sp_late(struct lm_ss *session, uint32_t event);
/** The session's connection is gone: no ticket of it is used from now on. */
void lm_sp_gone(struct lm_ss *session);

/** @name On the place's thread */
/**@{*/
/**
 * Whoever touches sessions is inside; script is run outside, since its thread may be given up
 * there, and its sessions be elsewhere when it comes back. False: they are; touch nothing.
 */
LM_MUST bool lm_sp_enter(struct lm_sp_place *place);
void lm_sp_leave(struct lm_sp_place *place);
/** Answer a message's decision unless nobody waits any more. `reply` NULL: proceed. A source in it
 * is closed where it is of no use. */
void lm_sp_answer(struct lm_sp_place *place, struct lm_ss_message *message,
                  const struct lm_reply *reply);
bool lm_sp_is_late(struct lm_sp_place *place, const struct lm_ss_message *message);
/** Put a list of messages in front of the queue again. */
void lm_sp_requeue(struct lm_sp_place *place, struct lm_ss_message *first,
                   struct lm_ss_message **last);
/** The session is over: take it out and free it. */
void lm_sp_remove(struct lm_sp_place *place, struct lm_ss *session);
/** Whether a limit ended a call: the VM is made anew when that happens again and again. */
void lm_sp_note_end(struct lm_sp_place *place, bool ended);
/**@}*/

/** @name minder.c */
/**@{*/
LM_MUST int lm_minder_new(struct lm_sp *pool, struct lm_minder **out_minder);
void lm_minder_free(struct lm_minder *minder);
/** Something runs: look every now and then. Cheap. Threads: any. */
void lm_minder_wake(struct lm_minder *minder);
/**@}*/

/** @name For the minder (place.c) */
/**@{*/
/** Start a worker. Under the pool's lock. */
LM_MUST int lm_sp_start(struct lm_sp *pool, struct lm_sp_place **out_place);
/** Where a new session is best. Under the pool's lock. `but`: not there. NULL: nowhere. */
struct lm_sp_place *lm_sp_choose(struct lm_sp *pool, const struct lm_sp_place *but);
/** Sessions of a blocked worker that never ran a hook go elsewhere. Under the pool's lock. */
void lm_sp_relieve(struct lm_sp_place *from);
/** Give a worker up that does not come back; its sessions go on elsewhere. False: not just now.
 * Under the pool's lock. */
bool lm_sp_lose(struct lm_sp_place *place);
/** Answer with a temporary failure, or the same for all that is queued. Under the place's lock. */
void lm_sp_refuse(struct lm_ss_message *message);
void lm_sp_refuse_all(struct lm_sp_place *place);
/** A new VM: all sessions of the place start anew in it. Under its lock. */
void lm_sp_uproot_all(struct lm_sp_place *place);
/** Let the place's thread come by. Under its lock. */
void lm_sp_nudge(struct lm_sp_place *place);
/**@}*/

#endif
