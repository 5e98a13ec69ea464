/* The queues of script workers: where a session goes, what waits, who is told. */
#include "script/pool.h"

#include "script/handler_impl.h"

#include <sched.h>

/* A worker that is given up is somewhere in script, and not among sessions: see lm_sp_enter. */
#define KEEP_OUT_MS 100

/* ---- choosing a place ---- */

struct load {
	bool is_usable, is_blocked;
	size_t weight;
};

static struct load load_of(struct lm_sp_place *place)
{
	struct load load;

	pthread_mutex_lock(&place->lock);
	load.is_usable = place->state == LM_SP_STARTING || place->state == LM_SP_RUNNING;
	load.is_blocked = place->running && lm_script_now() - place->since > LM_SP_BUSY;
	load.weight = place->session_count + 4 * place->queued + 4 * (place->running != NULL);
	pthread_mutex_unlock(&place->lock);
	return load;
}

/* Another worker where the best there is has somebody already, while there are processors, or is
 * blocked. */
static bool wants_another(const struct lm_sp *pool, const struct lm_sp_place *best,
                          const struct load *load)
{
	if (pool->lost >= LM_SP_LOST_MAX || pool->live >= pool->size)
		return false;
	return !best || load->is_blocked || (pool->live < pool->eager && load->weight);
}

struct lm_sp_place *lm_sp_choose(struct lm_sp *pool, const struct lm_sp_place *but)
{
	struct load best_load = { .weight = SIZE_MAX };
	struct lm_sp_place *best = NULL, *fresh;

	if (pool->is_ending)
		return NULL;
	if (pool->guest)
		return pool->guest;
	for (struct lm_sp_place *p = pool->places; p; p = p->next) {
		struct load load = load_of(p);
		bool is_better = load.is_blocked == best_load.is_blocked
		                         ? load.weight < best_load.weight
		                         : !load.is_blocked;

		if (p == but || !load.is_usable || (best && !is_better))
			continue;
		best = p;
		best_load = load;
	}
	if (wants_another(pool, best, &best_load) && lm_sp_start(pool, &fresh) == 0)
		return fresh;
	return best;
}

static void link_session(struct lm_sp_place *place, struct lm_ss *ss)
{
	ss->prev = NULL;
	ss->next = place->sessions;
	if (ss->next)
		ss->next->prev = ss;
	place->sessions = ss;
	place->session_count++;
	atomic_store(&ss->place, place);
}

static void unlink_session(struct lm_sp_place *place, struct lm_ss *ss)
{
	if (ss->prev)
		ss->prev->next = ss->next;
	else
		place->sessions = ss->next;
	if (ss->next)
		ss->next->prev = ss->prev;
	place->session_count--;
}

static int settle_down(struct lm_sp *pool, struct lm_ss *ss)
{
	struct lm_sp_place *place;
	int err = 0;

	pthread_mutex_lock(&pool->lock);
	place = lm_sp_choose(pool, NULL);
	if (place) {
		pthread_mutex_lock(&place->lock);
		link_session(place, ss);
		pthread_mutex_unlock(&place->lock);
	} else {
		err = pool->lost >= LM_SP_LOST_MAX ? LM_E_SCRIPT : LM_E_AGAIN;
	}
	pthread_mutex_unlock(&pool->lock);
	return err;
}

/* Its place, locked; it stays there until that is unlocked. */
static struct lm_sp_place *lock_place(struct lm_ss *ss)
{
	for (;;) {
		struct lm_sp_place *place = atomic_load(&ss->place);

		if (!place)
			return NULL;
		pthread_mutex_lock(&place->lock);
		if (atomic_load(&ss->place) == place)
			return place;
		pthread_mutex_unlock(&place->lock);
	}
}

/* ---- queues ---- */

void lm_sp_nudge(struct lm_sp_place *place)
{
	if (!place->is_ready || place->is_posted)
		return;
	place->is_posted = true;
	lm_loop_post(place->loop, &place->task);
}

static void append(struct lm_sp_place *place, struct lm_ss_message *m)
{
	m->next = NULL;
	*place->last = m;
	place->last = &m->next;
	place->queued++;
}

int lm_sp_post(struct lm_ss_message *m)
{
	struct lm_ss *ss = m->session;
	struct lm_sp *pool = ss->handler->pool;
	int err = atomic_load(&ss->place) ? 0 : settle_down(pool, ss);
	struct lm_sp_place *place;

	if (err) {
		lm_ss_message_free(m);
		return err;
	}
	place = lock_place(ss);
	append(place, m);
	if (m->ticket.event)
		ss->open = m;
	if (place->state == LM_SP_BROKEN)
		lm_sp_refuse_all(place);
	else
		lm_sp_nudge(place);
	pthread_mutex_unlock(&place->lock);
	lm_minder_wake(pool->minder);
	return 0;
}

struct list {
	struct lm_ss_message *first, **last;
};

static void list_add(struct list *list, struct lm_ss_message *m)
{
	*list->last = m;
	list->last = &m->next;
	m->next = NULL;
}

static void prepend(struct lm_sp_place *place, struct list *list)
{
	for (struct lm_ss_message *m = list->first; m; m = m->next)
		place->queued++;
	if (!list->first)
		return;
	if (!place->first)
		place->last = list->last;
	*list->last = place->first;
	place->first = list->first;
}

void lm_sp_requeue(struct lm_sp_place *place, struct lm_ss_message *first,
                   struct lm_ss_message **last)
{
	struct list list = { first, last };

	if (!first)
		return;
	pthread_mutex_lock(&place->lock);
	prepend(place, &list);
	lm_sp_nudge(place);
	pthread_mutex_unlock(&place->lock);
}

/* ---- tickets ---- */

/* Under the place's lock, so that no ticket is used once lm_sp_gone has returned. */
static void answer_locked(struct lm_ss_message *m, const struct lm_reply *reply)
{
	struct lm_ss *ss = m->session;
	bool is_due = m->ticket.event && !m->late && !ss->gone;

	if (ss->open == m)
		ss->open = NULL;
	m->late = true;
	if (is_due)
		lm_ticket_answer(m->ticket, reply);
	else if (reply && reply->source)
		reply->source->ops->close(reply->source);
}

void lm_sp_refuse(struct lm_ss_message *m)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = LM_E_SCRIPT;
	answer_locked(m, &reply);
}

/* A session whose end is among them is freed. */
void lm_sp_refuse_all(struct lm_sp_place *place)
{
	while (place->first) {
		struct lm_ss_message *m = place->first;
		struct lm_ss *ss = m->session;

		place->first = m->next;
		lm_sp_refuse(m);
		if (m->type == LM_EVENT_DISCONNECT) {
			unlink_session(place, ss);
			lm_ss_free(ss);
		}
		lm_ss_message_free(m);
	}
	place->last = &place->first;
	place->queued = 0;
}

void lm_sp_remove(struct lm_sp_place *place, struct lm_ss *ss)
{
	pthread_mutex_lock(&place->lock);
	unlink_session(place, ss);
	pthread_mutex_unlock(&place->lock);
	lm_ss_free(ss);
}

void lm_sp_answer(struct lm_sp_place *place, struct lm_ss_message *m, const struct lm_reply *reply)
{
	pthread_mutex_lock(&place->lock);
	answer_locked(m, reply);
	pthread_mutex_unlock(&place->lock);
}

bool lm_sp_is_late(struct lm_sp_place *place, const struct lm_ss_message *m)
{
	bool late;

	pthread_mutex_lock(&place->lock);
	late = m->late;
	pthread_mutex_unlock(&place->lock);
	return late;
}

static void interrupt(struct lm_sp_place *place)
{
	if (!place->is_ready || place->interrupted)
		return;
	place->interrupted = true;
	lm_runtime_interrupt(place->rt);
}

void lm_sp_late(struct lm_ss *ss, uint32_t event)
{
	struct lm_sp_place *place = lock_place(ss);
	struct lm_ss_message *m;

	if (!place)
		return;
	m = ss->open;
	if (m && m->ticket.event == event) {
		m->late = true;
		ss->open = NULL;
		if (place->running == m)
			interrupt(place);
	}
	pthread_mutex_unlock(&place->lock);
}

void lm_sp_gone(struct lm_ss *ss)
{
	struct lm_sp_place *place = lock_place(ss);

	ss->gone = lm_script_now();
	if (!place)
		return;
	if (place->serves == ss)
		place->gone = ss->gone;
	if (ss->open)
		ss->open->late = true;
	ss->open = NULL;
	pthread_mutex_unlock(&place->lock);
}

/* ---- moving ---- */

/* The one that is older comes first, whichever way sessions go; limbo is older than all. */
static void lock_both(struct lm_sp_place *a, struct lm_sp_place *b)
{
	bool in_order = a->number < b->number;

	pthread_mutex_lock(in_order ? &a->lock : &b->lock);
	pthread_mutex_lock(in_order ? &b->lock : &a->lock);
}

static void unlock_both(struct lm_sp_place *a, struct lm_sp_place *b)
{
	pthread_mutex_unlock(&a->lock);
	pthread_mutex_unlock(&b->lock);
}

static void move_session(struct lm_sp_place *from, struct lm_sp_place *to, struct lm_ss *ss)
{
	unlink_session(from, ss);
	link_session(to, ss);
}

/* Queued messages of sessions that are in `to` by now follow them, in their order. */
static void move_messages(struct lm_sp_place *from, struct lm_sp_place *to)
{
	struct lm_ss_message **at = &from->first, *m;

	while ((m = *at)) {
		if (atomic_load(&m->session->place) != to) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		from->queued--;
		append(to, m);
	}
	from->last = at;
}

void lm_sp_relieve(struct lm_sp_place *from)
{
	struct lm_sp_place *to = lm_sp_choose(from->pool, from);
	bool any = false;

	if (!to || load_of(to).is_blocked)
		return;
	lock_both(from, to);
	for (struct lm_ss *next, *ss = from->sessions; ss; ss = next) {
		next = ss->next;
		if (ss->is_touched || !ss->open)
			continue;
		move_session(from, to, ss);
		any = true;
	}
	if (any) {
		move_messages(from, to);
		lm_sp_nudge(to);
	}
	unlock_both(from, to);
}

/* What cannot be run again is not; the end of a session still comes, without its hook. */
static void uproot(struct lm_ss *ss, struct list *out)
{
	struct lm_ss_message *waiting, *m = lm_ss_uproot(ss, &waiting);

	if (m && m->type == LM_EVENT_DISCONNECT) {
		m->late = true;
		list_add(out, m);
	} else if (m) {
		lm_sp_refuse(m);
		lm_ss_message_free(m);
	}
	while (waiting) {
		m = waiting;
		waiting = m->next;
		list_add(out, m);
	}
}

void lm_sp_uproot_all(struct lm_sp_place *place)
{
	struct list list = { .last = &list.first };

	for (struct lm_ss *ss = place->sessions; ss; ss = ss->next)
		uproot(ss, &list);
	atomic_store(&place->pending, 0);
	prepend(place, &list);
}

static void move_all(struct lm_sp_place *from, struct lm_sp_place *to)
{
	struct list list = { .last = &list.first };

	while (from->sessions) {
		struct lm_ss *ss = from->sessions;

		move_session(from, to, ss);
		uproot(ss, &list);
	}
	while (list.first) {
		struct lm_ss_message *m = list.first;

		list.first = m->next;
		append(to, m);
	}
	move_messages(from, to);
	from->running = NULL;
}

/* False: it is among sessions just now. */
static bool keep_out(struct lm_sp_place *place)
{
	lm_time_ms until;

	atomic_store(&place->losing, true);
	until = lm_script_now() + KEEP_OUT_MS;
	while (atomic_load(&place->inside) && lm_script_now() < until)
		sched_yield();
	if (!atomic_load(&place->inside))
		return true;
	atomic_store(&place->losing, false);
	return false;
}

bool lm_sp_lose(struct lm_sp_place *place)
{
	struct lm_sp *pool = place->pool;
	struct lm_sp_place *to;

	if (!keep_out(place))
		return false;
	pool->lost++;
	pool->live--;
	pthread_mutex_lock(&place->lock);
	place->state = LM_SP_LOST;
	pthread_mutex_unlock(&place->lock);
	to = lm_sp_choose(pool, place);
	if (!to)
		to = &pool->limbo;
	lock_both(place, to);
	move_all(place, to);
	if (to->state == LM_SP_BROKEN)
		lm_sp_refuse_all(to);
	lm_sp_nudge(to);
	unlock_both(place, to);
	return true;
}
