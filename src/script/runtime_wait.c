/* Waiting without running script, and the end of a program as its threads hear of it. */
#include "script/runtime_impl.h"

#include <time.h>

double lm_runtime_now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* ---- Sleeping ---- */

static struct timespec in_future(lm_time_ms ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

bool lm_runtime_sleep(struct lm_runtime *rt, lm_time_ms ms)
{
	struct lm_script_own *script = rt->script->own;
	struct timespec until = in_future(ms);
	bool may_wait, in_time = true;

	pthread_mutex_lock(&script->lock);
	for (;;) {
		may_wait = !rt->own->interrupted && !atomic_load(&rt->script->terminated);
		if (!may_wait || !in_time)
			break;
		in_time = pthread_cond_timedwait(&rt->own->wake, &script->lock, &until) == 0;
	}
	pthread_mutex_unlock(&script->lock);
	return may_wait;
}

/* Under the script's lock. */
static void wake(struct lm_runtime_private *own)
{
	pthread_cond_broadcast(&own->wake);
	if (own->waker)
		own->waker(own->waker_ctx);
}

static void set_interrupted(struct lm_runtime *rt, bool interrupted)
{
	pthread_mutex_lock(&rt->script->own->lock);
	rt->own->interrupted = interrupted;
	wake(rt->own);
	pthread_mutex_unlock(&rt->script->own->lock);
}

void lm_runtime_interrupt(struct lm_runtime *rt)
{
	set_interrupted(rt, true);
}

void lm_runtime_resume(struct lm_runtime *rt)
{
	set_interrupted(rt, false);
}

bool lm_runtime_is_interrupted(struct lm_runtime *rt)
{
	bool interrupted;

	pthread_mutex_lock(&rt->script->own->lock);
	interrupted = rt->own->interrupted;
	pthread_mutex_unlock(&rt->script->own->lock);
	return interrupted;
}

void lm_runtime_set_waker(struct lm_runtime *rt, void (*waker)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&rt->script->own->lock);
	rt->own->waker = waker;
	rt->own->waker_ctx = ctx;
	pthread_mutex_unlock(&rt->script->own->lock);
}

/* ---- Turns of the loop ---- */

static void run_turn(struct lm_task *task)
{
	struct lm_runtime_turn *turn = lm_container(task, struct lm_runtime_turn, task);
	struct lm_runtime *rt = turn->rt;

	if (!rt) {
		lm_free(turn);
		return;
	}
	pthread_mutex_lock(&rt->script->own->lock);
	turn->is_posted = false;
	pthread_mutex_unlock(&rt->script->own->lock);
	if (rt->own->has_immediates)
		lm_timers_run_immediates(rt);
	if (atomic_load(&rt->script->terminated))
		lm_runtime_end(rt);
}

void lm_runtime_post_turn_locked(struct lm_runtime_private *own)
{
	if (own->turn->is_posted)
		return;
	own->turn->is_posted = true;
	own->turn->task.run = run_turn;
	lm_loop_post(own->rt->loop, &own->turn->task);
}

void lm_runtime_post_turn(struct lm_runtime *rt)
{
	pthread_mutex_lock(&rt->script->own->lock);
	lm_runtime_post_turn_locked(rt->own);
	pthread_mutex_unlock(&rt->script->own->lock);
}

/* ---- The end ---- */

void lm_script_terminate(struct lm_script *script)
{
	pthread_mutex_lock(&script->own->lock);
	atomic_store(&script->terminated, true);
	for (struct lm_runtime_private *own = script->own->runtimes; own; own = own->next) {
		wake(own);
		lm_runtime_post_turn_locked(own);
	}
	pthread_mutex_unlock(&script->own->lock);
}

int lm_runtime_on_terminate(struct lm_runtime *rt, void (*stop)(void *ctx), void *ctx)
{
	struct lm_runtime_stopper *stopper = lm_alloc_zero(1, sizeof(*stopper));

	if (!stopper)
		return LM_E_NOMEM;
	*stopper = (struct lm_runtime_stopper){ stop, ctx, rt->own->stoppers };
	rt->own->stoppers = stopper;
	if (atomic_load(&rt->script->terminated))
		lm_runtime_post_turn(rt);
	return 0;
}

void lm_runtime_off_terminate(struct lm_runtime *rt, void (*stop)(void *ctx), void *ctx)
{
	struct lm_runtime_stopper **at = &rt->own->stoppers, *gone;

	while (*at && ((*at)->stop != stop || (*at)->ctx != ctx))
		at = &(*at)->next;
	gone = *at;
	if (!gone)
		return;
	*at = gone->next;
	lm_free(gone);
}

void lm_runtime_end(struct lm_runtime *rt)
{
	struct lm_runtime_private *own = rt->own;
	struct lm_runtime_stopper *stopper;

	if (!own->is_ending) {
		own->grace_end = lm_runtime_now() + LM_RUNTIME_GRACE;
		lm_loop_update(rt->loop);
		lm_timer_arm(rt->loop, &own->grace, lm_loop_now(rt->loop) + LM_RUNTIME_GRACE);
	}
	own->is_ending = true;
	while ((stopper = own->stoppers)) {
		own->stoppers = stopper->next;
		stopper->stop(stopper->ctx);
		lm_free(stopper);
	}
	lm_runtime_settle(rt);
}
