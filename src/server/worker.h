/** @file
 * What handlers of this library may ask of their worker (struct lm_worker is the server's own).
 */
#ifndef LM_SERVER_WORKER_H
#define LM_SERVER_WORKER_H

#include "loop/loop.h"

#include <lettermill/handler.h>

/** Its number, from 0. */
unsigned lm_worker_index(const struct lm_worker *worker);

/**
 * While held, the worker's loop goes on, also when its last session is gone and the server drains:
 * for operations that complete on the loop and may outlive their session. One release a hold.
 * Threads: the worker's.
 */
void lm_worker_hold(struct lm_worker *worker);
void lm_worker_release(struct lm_worker *worker);

#endif
