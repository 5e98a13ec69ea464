/** @file
 * A loop for asynchronous clients: one thread waits in it for many connections.
 *
 * Threads: a loop, and all that was made on it, belongs to the thread that runs it, but for
 * lm_loop_stop and lm_loop_post.
 */
#ifndef LETTERMILL_LOOP_H
#define LETTERMILL_LOOP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_loop;

/** Errors: LM_E_NOMEM, LM_E_IO (out of descriptors). */
LM_API LM_MUST int lm_loop_new(struct lm_loop **out_loop);
/** All that was made on it must be freed before; tasks still queued are run in it. NULL is allowed.
 */
LM_API void lm_loop_free(struct lm_loop *loop);
/** Run on this thread until lm_loop_stop; tasks posted before the stop are still run. May be called
 * again. */
LM_API void lm_loop_run(struct lm_loop *loop);
/** Threads: any. */
LM_API void lm_loop_stop(struct lm_loop *loop);
/** Something to do on a loop; embedded in its owner, may be posted again from its own run. */
struct lm_task {
	void (*run)(struct lm_task *task);
	struct lm_task *next; /* the loop's */
};
/**
 * Run `task` once on the loop, in the order posted, never inside this call; from the loop's own
 * thread it costs no system call and runs when the current callback has returned, before the loop
 * waits. Threads: any.
 */
LM_API void lm_loop_post(struct lm_loop *loop, struct lm_task *task);
/** The loop's idea of now, refreshed each time it wakes. */
LM_API lm_time_ms lm_loop_now(const struct lm_loop *loop);
/** Its uv_loop_t, to be watched by or embedded into another loop. */
LM_API void *lm_loop_uv(struct lm_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
