/** @file
 * Stopping a thread from outside, for ever, by a signal whose handler does not return.
 */
#ifndef LM_SCRIPT_ENGINE_PARK_H
#define LM_SCRIPT_ENGINE_PARK_H

#include <lettermill/error.h>

#include <pthread.h>

/** Install the handler (SIGRTMIN + 6). Errors: LM_E_IO. */
LM_MUST int lm_park_setup(struct lm_error *out_error);
/**
 * Park a thread where the rest of the process, the engine above all, goes on without it. A thread
 * that is parked holds its stack, its memory and its thread for ever; nobody can join it.
 * Errors: LM_E_NOMEM; LM_E_TIMEOUT (no such place was found, or the thread takes no signals; it
 * runs on). Threads: any but `thread`.
 */
LM_MUST int lm_park(pthread_t thread);

#endif
