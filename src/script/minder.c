/* Looks after script workers from outside: who cannot be ended is given up, who waits for a worker
 * that is blocked goes to another. */
#include "script/handler_impl.h"
#include "script/memory.h"

#include <signal.h>

enum {
	LOOK_EVERY = 100,   /* ms while something runs */
	OVERDUE_MAX = 1000, /* ms of processor time behind the limit: no end from inside */
	BLOCKED = 100,      /* ms in one event after which those who wait are moved */
};

struct lm_minder {
	struct lm_sp *pool;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool is_awake;
	bool is_ending;
};

/* What a look at a place shows. */
struct sight {
	bool is_busy, is_overdue, is_blocked;
	bool is_loose; /* given up, and still running */
};

/* A hook whose session is gone may finish, but not for ever. Under the place's lock. */
static void look_at_gone(struct lm_sp_place *place, lm_time_ms now)
{
	if (place->running && place->gone &&
	    now - place->gone > place->pool->handler->gone_patience && !place->interrupted) {
		place->interrupted = true;
		lm_runtime_interrupt(place->rt);
	}
	if (!atomic_load(&place->pending))
		return;
	place->sweep = true;
	lm_sp_nudge(place);
}

static struct sight look_at(struct lm_sp_place *place)
{
	lm_time_ms now = lm_script_now();
	struct sight s = { .is_busy = false };

	pthread_mutex_lock(&place->lock);
	/* What was posted meanwhile runs without another call to look. */
	s.is_busy = place->state == LM_SP_STARTING;
	if (place->is_ready && place->state == LM_SP_RUNNING) {
		s.is_busy = place->running || place->first || atomic_load(&place->pending);
		s.is_overdue = lm_js_overdue(place->js) > OVERDUE_MAX;
		s.is_blocked = place->running && place->first && now - place->since > BLOCKED;
		look_at_gone(place, now);
	}
	s.is_loose = place->is_ready && place->state == LM_SP_LOST && !place->is_stopped &&
	             place->tries < LM_SP_TRIES;
	pthread_mutex_unlock(&place->lock);
	return s;
}

/* The sessions are elsewhere by now; this may take seconds, so no lock is held. */
static void stop_thread(struct lm_sp_place *place)
{
	bool is_there, is_stopped;

	pthread_mutex_lock(&place->lock);
	is_there = place->is_ready;
	place->is_minded = is_there;
	pthread_mutex_unlock(&place->lock);
	if (!is_there)
		return;
	is_stopped = lm_js_abandon(place->js) == 0;
	if (is_stopped) {
		lm_script_memory_release(place->rt);
		lm_runtime_lost(place->rt);
	}
	pthread_mutex_lock(&place->lock);
	place->is_stopped = is_stopped;
	place->tries++;
	place->is_minded = false;
	pthread_cond_broadcast(&place->changed);
	pthread_mutex_unlock(&place->lock);
}

static void tell_lost(struct lm_sp_place *place)
{
	struct lm_sp *pool = place->pool;
	const struct lm_log *log = pool->handler->script->log;

	lm_log(log, LM_LOG_ERROR, "script.lost", LM_LOG_NUMBER("worker", place->number),
	       LM_LOG_NUMBER("lost", pool->lost));
	if (pool->lost == LM_SP_LOST_MAX)
		lm_log(log, LM_LOG_ERROR, "script.refused",
		       LM_LOG_TEXT("why", lm_str("too many workers were lost: no more scripts are "
		                                 "run until the program is restarted")));
}

/* One worker a turn; true: something runs. */
static bool look_around(struct lm_sp *pool)
{
	struct lm_sp_place *lost = NULL, *loose = NULL;
	bool is_busy = false;

	pthread_mutex_lock(&pool->lock);
	for (struct lm_sp_place *p = pool->guest ? pool->guest : pool->places; p && !lost;
	     p = p->next) {
		struct sight s = look_at(p);

		is_busy |= s.is_busy;
		if (s.is_loose)
			loose = p;
		if (s.is_overdue && !p->is_guest && lm_sp_lose(p)) {
			lost = p;
			tell_lost(p);
		} else if (s.is_blocked) {
			lm_sp_relieve(p);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	if (lost || loose)
		stop_thread(lost ? lost : loose);
	return is_busy || lost || loose;
}

static struct timespec soon(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += LOOK_EVERY * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	return t;
}

/* It goes to sleep behind one look that found nothing. */
static bool await_turn(struct lm_minder *minder)
{
	struct timespec until;

	pthread_mutex_lock(&minder->lock);
	while (!minder->is_ending && !atomic_load(&minder->is_awake))
		pthread_cond_wait(&minder->wake, &minder->lock);
	until = soon();
	while (!minder->is_ending &&
	       pthread_cond_timedwait(&minder->wake, &minder->lock, &until) == 0)
		continue;
	pthread_mutex_unlock(&minder->lock);
	return !minder->is_ending;
}

static void *minder_main(void *arg)
{
	struct lm_minder *minder = arg;

	while (await_turn(minder)) {
		atomic_store(&minder->is_awake, false);
		if (look_around(minder->pool))
			atomic_store(&minder->is_awake, true);
	}
	return NULL;
}

int lm_minder_new(struct lm_sp *pool, struct lm_minder **out_minder)
{
	struct lm_minder *minder = lm_alloc_zero(1, sizeof(*minder));
	pthread_condattr_t attr;
	sigset_t all, before;
	int failed;

	if (!minder)
		return LM_E_NOMEM;
	minder->pool = pool;
	pthread_mutex_init(&minder->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&minder->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&minder->thread, NULL, minder_main, minder);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		lm_free(minder);
		return LM_E_AGAIN;
	}
	*out_minder = minder;
	return 0;
}

void lm_minder_free(struct lm_minder *minder)
{
	if (!minder)
		return;
	pthread_mutex_lock(&minder->lock);
	minder->is_ending = true;
	pthread_cond_signal(&minder->wake);
	pthread_mutex_unlock(&minder->lock);
	pthread_join(minder->thread, NULL);
	pthread_mutex_destroy(&minder->lock);
	pthread_cond_destroy(&minder->wake);
	lm_free(minder);
}

void lm_minder_wake(struct lm_minder *minder)
{
	if (atomic_load_explicit(&minder->is_awake, memory_order_relaxed) ||
	    atomic_exchange(&minder->is_awake, true))
		return;
	pthread_mutex_lock(&minder->lock);
	pthread_cond_signal(&minder->wake);
	pthread_mutex_unlock(&minder->lock);
}
