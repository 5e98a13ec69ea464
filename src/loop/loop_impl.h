/** @file
 * The inside of a loop, shared by the files of this room only.
 */
#ifndef LM_LOOP_LOOP_IMPL_H
#define LM_LOOP_LOOP_IMPL_H

#include "loop/loop.h"
#include "loop/wheel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/** Tasks in the order posted. */
struct lm_task_queue {
	struct lm_task *first, *last;
};

struct lm_loop {
	uv_loop_t uv;
	uv_async_t wake;  /* other threads' posts and the stop */
	uv_timer_t alarm; /* the wheel's next moment */
	uv_idle_t busy;   /* keeps the loop from waiting while tasks are left over */
	lm_time_ms alarm_at;
	struct lm_wheel wheel;
	struct lm_task_queue local; /* the running thread's alone */
	bool is_busy, is_draining;
	atomic_uintptr_t runner; /* who is in lm_loop_run; 0: nobody */
	atomic_bool stop;
	atomic_bool has_remote;
	pthread_mutex_t lock; /* guards remote */
	struct lm_task_queue remote;
	uint8_t *scratch[2];
};

/** Run what was posted; every callback from libuv ends with it. */
void lm_loop_drain(struct lm_loop *loop);

#endif
