/** @file
 * Waiting: one loop a thread, descriptors, timers, tasks from other threads, and a pool for work
 * that blocks. A thin face over libuv. Objects are embedded in their owner: to wait allocates
 * nothing.
 *
 * Threads: an object belongs to its loop's thread, but for lm_loop_post, lm_loop_stop,
 * lm_op_complete and lm_pool_submit.
 */
#ifndef LM_LOOP_LOOP_H
#define LM_LOOP_LOOP_H

#include "base/mem.h"

#include <lettermill/loop.h>

/** The calling thread is the one in lm_loop_run. */
bool lm_loop_is_own(const struct lm_loop *loop);
/** Look at the clock, for who calls from outside lm_loop_run: lm_loop_now is old there. */
void lm_loop_update(struct lm_loop *loop);
/** @name A loop inside another one
 * It is not run but given a turn, from outside of it: now, whenever lm_loop_fd is readable, when
 * the time the last turn gave has passed, and behind each call on its objects. */
/**@{*/
int lm_loop_fd(struct lm_loop *loop);
/** Do what can be done without waiting; what has come in is seen before timers are. Returns when
 * the next turn is due at the latest, in milliseconds from now; LM_NEVER: when lm_loop_fd says. */
lm_time_ms lm_loop_turn(struct lm_loop *loop);
/**@}*/
/** Memory that all objects of a loop share: its content is anybody's once control goes back to the
 * loop or to an owner, so that no idle connection keeps a buffer. */
enum lm_scratch { LM_SCRATCH_READ, LM_SCRATCH_WRITE };
enum { LM_SCRATCH_READ_SIZE = 64 * 1024, LM_SCRATCH_WRITE_SIZE = 80 * 1024 };
uint8_t *lm_loop_scratch(struct lm_loop *loop, enum lm_scratch which);

/** A timer, precise to about 10 ms; thousands are cheap. Zeroed with `fire` set it is disarmed. */
struct lm_timer {
	void (*fire)(struct lm_timer *timer);
	lm_time_ms at;
	struct lm_timer *prev, *next; /* the loop's */
	size_t index;                 /* the loop's */
	bool armed;
};

/** (Re)arm for `at`; LM_NEVER disarms. A moment that has come already is the next millisecond:
 * `fire` is never called inside. */
void lm_timer_arm(struct lm_loop *loop, struct lm_timer *timer, lm_time_ms at);
void lm_timer_disarm(struct lm_loop *loop, struct lm_timer *timer);

enum lm_io { LM_IO_READ = 1, LM_IO_WRITE = 2 };

/** Readiness of a descriptor. */
struct lm_watch;
/** Watch `fd` (non-blocking). `ready` gets the set of enum lm_io that is ready, each turn of the
 * loop anew while it is; an error counts as both and ends the waiting until the next
 * lm_watch_want. Does not own the descriptor. */
LM_MUST int lm_watch_new(struct lm_loop *loop, int fd, void (*ready)(void *ctx, unsigned io),
                         void *ctx, struct lm_watch **out_watch);
/** Change what is waited for (0: nothing). Cheap when unchanged. */
void lm_watch_want(struct lm_watch *watch, unsigned io);
/** Stop and free; `ready` is not called any more. The descriptor may be closed at once. Safe inside
 * `ready`. */
void lm_watch_free(struct lm_watch *watch);

/**
 * An operation that completes exactly once, later, on its loop. Embedded in a typed operation. The
 * starter sets `loop` and `done`; whoever carries it out calls lm_op_complete, from any thread.
 */
struct lm_op {
	struct lm_task task;
	struct lm_loop *loop;
	void (*done)(struct lm_op *op);
	int result; /**< 0 or a negative enum lm_err */
};
void lm_op_complete(struct lm_op *op, int result);

/** Threads for work that blocks (password hashes, account files). */
struct lm_pool;
struct lm_job {
	void (*work)(struct lm_job *job); /**< on a pool thread */
	/** Completed with `result` behind work. Without a loop it is not: the job is work's. */
	struct lm_op op;
	int result;
	struct lm_job *next;
};
LM_MUST int lm_pool_new(unsigned threads, size_t max_queue, struct lm_pool **out_pool);
/** Finishes what is queued. NULL is allowed. */
void lm_pool_free(struct lm_pool *pool);
/** LM_E_LIMIT when the queue is full: the job was not taken. Threads: any. */
LM_MUST int lm_pool_submit(struct lm_pool *pool, struct lm_job *job);

#endif
