/** @file
 * A loop for asynchronous clients: one thread waits in it for many connections.
 *
 * Threads: a loop, and all that was made on it, belongs to the thread that runs it, but for
 * lm_loop_stop.
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
/** The loop's idea of now, refreshed each time it wakes. */
LM_API lm_time_ms lm_loop_now(const struct lm_loop *loop);
/** Its uv_loop_t, to be watched by or embedded into another loop. */
LM_API void *lm_loop_uv(struct lm_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
