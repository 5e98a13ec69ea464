/* Named locks across runtimes: handed on in the order they were asked for. */
#include "script/memory_impl.h"

#include <errno.h>
#include <time.h>

/* How often who waits looks whether it still should. */
enum { LOOK = 20 };

static struct lm_memory_lock **find(struct lm_script_memory *m, struct lm_bytes name)
{
	struct lm_memory_lock **at = &m->locks[lm_memory_hash(m, name) % LM_MEMORY_LOCK_CHAINS];

	while (*at && !lm_bytes_equal(lm_bytes((*at)->name, (*at)->name_len), name))
		at = &(*at)->next;
	return at;
}

static int make(struct lm_script_memory *m, struct lm_memory_lock **at, struct lm_bytes name,
                const void *owner)
{
	struct lm_memory_lock *lock;

	if (m->lock_count >= LM_MEMORY_LOCKS || name.len > LM_SCRIPT_MEMORY_NAME)
		return LM_E_LIMIT;
	lock = lm_alloc_zero(1, sizeof(*lock) + name.len);
	if (!lock)
		return LM_E_NOMEM;
	lock->owner = owner;
	lock->depth = 1;
	lock->name_len = name.len;
	if (name.len)
		memcpy(lock->name, name.data, name.len);
	*at = lock;
	m->lock_count++;
	return 0;
}

/* A lock exists while somebody has it: it goes to who waits longest, or away. */
static void hand_on(struct lm_script_memory *m, struct lm_memory_lock **at)
{
	struct lm_memory_lock *lock = *at;
	struct lm_memory_waiter *w = lock->first;

	if (!w) {
		*at = lock->next;
		m->lock_count--;
		lm_free(lock);
		return;
	}
	lock->first = w->next;
	lock->owner = w->owner;
	lock->depth = 1;
	w->granted = true;
	pthread_cond_signal(&w->wake);
}

static void enqueue(struct lm_script_memory *m, struct lm_memory_lock *lock,
                    struct lm_memory_waiter *w)
{
	struct lm_memory_waiter **at = &lock->first;

	while (*at)
		at = &(*at)->next;
	*at = w;
	w->lock = lock;
	w->after = m->waiting;
	if (m->waiting)
		m->waiting->before = w;
	m->waiting = w;
}

/* Out of its lock's queue, if it is still in it. */
static void leave_queue(struct lm_memory_waiter *w)
{
	struct lm_memory_waiter **at = &w->lock->first;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
}

static void leave(struct lm_script_memory *m, struct lm_memory_waiter *w)
{
	if (!w->granted && !w->sent_away)
		leave_queue(w);
	if (w->before)
		w->before->after = w->after;
	else
		m->waiting = w->after;
	if (w->after)
		w->after->before = w->before;
}

/* What an owner waits for without end; NULL: nothing. */
static const struct lm_memory_lock *waits_for(const struct lm_script_memory *m, const void *owner)
{
	for (const struct lm_memory_waiter *w = m->waiting; w; w = w->after)
		if (w->owner == owner && w->endless && !w->granted && !w->sent_away)
			return w->lock;
	return NULL;
}

/* A chain of owners that wait for each other has no circle yet: it ends. */
static bool would_wait_for_itself(const struct lm_script_memory *m,
                                  const struct lm_memory_lock *lock, const void *owner)
{
	while (lock && lock->owner != owner)
		lock = waits_for(m, lock->owner);
	return lock;
}

static struct timespec after(lm_time_ms ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

/* One look at a time, so that an interrupt is seen: it cannot wake this. */
static int wait_turn(struct lm_script_memory *m, struct lm_memory_waiter *w, lm_time_ms until,
                     bool (*keep_on)(void *ctx), void *ctx)
{
	while (!w->granted) {
		lm_time_ms left = until == LM_NEVER ? LOOK : until - lm_memory_now();
		struct timespec at = after(left < LOOK ? left : LOOK);
		bool go_on;

		if (left <= 0)
			return LM_E_TIMEOUT;
		pthread_cond_timedwait(&w->wake, &m->mutex, &at);
		if (w->granted)
			return 0;
		pthread_mutex_unlock(&m->mutex);
		go_on = keep_on(ctx);
		pthread_mutex_lock(&m->mutex);
		if (!w->granted && (!go_on || w->sent_away))
			return LM_E_CANCELED;
	}
	return 0;
}

static int wait(struct lm_script_memory *m, struct lm_memory_lock *lock, const void *owner,
                lm_time_ms timeout, bool (*keep_on)(void *ctx), void *ctx)
{
	struct lm_memory_waiter w = { .owner = owner, .endless = timeout == LM_NEVER };
	lm_time_ms until;
	pthread_condattr_t attr;
	int err;

	if (timeout <= 0)
		return LM_E_TIMEOUT;
	if (w.endless && would_wait_for_itself(m, lock, owner))
		return LM_E_IN_USE;
	if (w.endless || !lm_add(lm_memory_now(), timeout, &until))
		until = LM_NEVER;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w.wake, &attr);
	pthread_condattr_destroy(&attr);
	enqueue(m, lock, &w);
	err = wait_turn(m, &w, until, keep_on, ctx);
	leave(m, &w);
	pthread_cond_destroy(&w.wake);
	return err;
}

int lm_memory_lock(struct lm_script_memory *memory, struct lm_bytes name, const void *owner,
                   lm_time_ms timeout, bool (*keep_on)(void *ctx), void *ctx)
{
	struct lm_memory_lock **at;
	int err = 0;

	pthread_mutex_lock(&memory->mutex);
	at = find(memory, name);
	if (!*at)
		err = make(memory, at, name, owner);
	else if ((*at)->owner == owner)
		(*at)->depth++;
	else
		err = wait(memory, *at, owner, timeout, keep_on, ctx);
	pthread_mutex_unlock(&memory->mutex);
	return err;
}

bool lm_memory_unlock(struct lm_script_memory *memory, struct lm_bytes name, const void *owner)
{
	struct lm_memory_lock **at;
	bool is_own;

	pthread_mutex_lock(&memory->mutex);
	at = find(memory, name);
	is_own = *at && (*at)->owner == owner;
	if (is_own && --(*at)->depth == 0)
		hand_on(memory, at);
	pthread_mutex_unlock(&memory->mutex);
	return is_own;
}

static void release_chain(struct lm_script_memory *m, struct lm_memory_lock **at, const void *owner)
{
	while (*at) {
		struct lm_memory_lock *lock = *at;

		if (lock->owner == owner)
			hand_on(m, at);
		if (*at == lock)
			at = &lock->next;
	}
}

void lm_memory_release(struct lm_script_memory *memory, const void *owner)
{
	pthread_mutex_lock(&memory->mutex);
	/* A thread that was given up would be handed locks for ever. */
	for (struct lm_memory_waiter *w = memory->waiting; w; w = w->after) {
		if (w->owner != owner || w->granted || w->sent_away)
			continue;
		leave_queue(w);
		w->sent_away = true;
	}
	for (size_t i = 0; i < LM_MEMORY_LOCK_CHAINS && memory->lock_count; i++)
		release_chain(memory, &memory->locks[i], owner);
	pthread_mutex_unlock(&memory->mutex);
}

void lm_script_memory_release(struct lm_runtime *rt)
{
	if (rt->script->memory)
		lm_memory_release(rt->script->memory, rt);
}

void lm_memory_locks_done(struct lm_script_memory *memory)
{
	for (size_t i = 0; i < LM_MEMORY_LOCK_CHAINS; i++) {
		while (memory->locks[i]) {
			struct lm_memory_lock *lock = memory->locks[i];

			memory->locks[i] = lock->next;
			lm_free(lock);
		}
	}
}
