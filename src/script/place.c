/* One script worker: its thread, its VM, and the run of its queue. */
#include "base/error.h"
#include "script/handler_impl.h"
#include "script/memory.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
	STACK = 4 << 20,
	BATCH = 64,      /* events before the loop may look at timers */
	ENDED_CALLS = 3, /* in a row ended by a limit: the VM is made anew */
};

bool lm_sp_enter(struct lm_sp_place *place)
{
	atomic_store(&place->inside, true);
	if (!atomic_load(&place->losing))
		return true;
	atomic_store(&place->inside, false);
	return false;
}

void lm_sp_leave(struct lm_sp_place *place)
{
	atomic_store(&place->inside, false);
}

void lm_sp_note_end(struct lm_sp_place *place, bool ended)
{
	place->ended_calls = ended ? place->ended_calls + 1 : 0;
	if (place->ended_calls >= ENDED_CALLS && !place->is_guest)
		place->renew = true;
}

/* ---- the VM ---- */

static void tell(struct lm_sp_place *place, const char *what, const struct lm_error *error)
{
	lm_log(place->handler->script->log, LM_LOG_ERROR, "script.worker",
	       LM_LOG_NUMBER("worker", place->number), LM_LOG_TEXT("what", lm_str(what)),
	       LM_LOG_TEXT("error", lm_str(error->text)));
}

static void thrown_text(struct lm_sp_place *place, struct lm_error *out_error)
{
	struct lm_js_error error;

	if (lm_js_catch(place->rt->js, &error, NULL))
		lm_fail(out_error, LM_E_SCRIPT, "%s:%u: %s", error.file, error.line, error.message);
	else
		lm_fail(out_error, LM_E_SCRIPT, "%s", lm_err_text(LM_E_SCRIPT));
}

/* The classes of a protocol come with the executable; who links less does without. */
static bool load_namespace(struct lm_sp_place *place, struct lm_error *out_error)
{
	struct lm_js_error error;
	char name[32];

	snprintf(name, sizeof(name), "infinity.%s", lm_script_namespace(place->handler->protocol));
	if (lm_runtime_load(place->rt, lm_str(name)))
		return true;
	if (lm_js_catch(place->js, &error, NULL) && error.code == LM_E_NOT_FOUND)
		return true;
	lm_fail(out_error, LM_E_SCRIPT, "%s: %s", name, error.message);
	return false;
}

static int vm_open(struct lm_sp_place *place)
{
	struct lm_script_handler *h = place->handler;
	struct lm_error error = { 0 };
	struct lm_runtime *rt;
	int err = lm_runtime_new(h->script, place->loop, false, &h->limits, &rt, &error);

	if (!err) {
		place->rt = rt;
		place->js = rt->js;
		if (!load_namespace(place, &error)) {
			err = LM_E_SCRIPT;
		} else if (!lm_ss_setup(place)) {
			thrown_text(place, &error);
			err = LM_E_SCRIPT;
		}
		if (err) {
			lm_runtime_free(rt);
			place->rt = NULL;
			place->js = NULL;
		}
	}
	if (err)
		tell(place, "no VM", &error);
	return err;
}

static void vm_close(struct lm_sp_place *place)
{
	if (!place->rt)
		return;
	lm_hooks_forget(place, true);
	lm_ss_setdown(place);
	lm_runtime_free(place->rt);
	place->rt = NULL;
	place->js = NULL;
}

/* From now on others may not use the VM; who does so already is waited for. */
static void hide(struct lm_sp_place *place)
{
	pthread_mutex_lock(&place->lock);
	while (place->is_minded)
		pthread_cond_wait(&place->changed, &place->lock);
	place->is_ready = false;
	pthread_mutex_unlock(&place->lock);
}

static void show(struct lm_sp_place *place, enum lm_sp_state state)
{
	pthread_mutex_lock(&place->lock);
	if (place->state == LM_SP_STARTING || place->state == LM_SP_RUNNING)
		place->state = state;
	place->is_ready = place->state == LM_SP_RUNNING;
	if (place->state == LM_SP_BROKEN)
		lm_sp_refuse_all(place);
	if (place->first || place->is_closing)
		lm_sp_nudge(place);
	pthread_cond_broadcast(&place->changed);
	pthread_mutex_unlock(&place->lock);
}

static void renew(struct lm_sp_place *place)
{
	struct lm_error why = { 0 };
	int err;

	place->renew = false;
	place->ended_calls = 0;
	hide(place);
	lm_fail(&why, LM_E_LIMIT, "a limit ended its scripts again and again");
	tell(place, "VM made anew", &why);
	pthread_mutex_lock(&place->lock);
	lm_sp_uproot_all(place);
	pthread_mutex_unlock(&place->lock);
	vm_close(place);
	err = vm_open(place);
	show(place, err ? LM_SP_BROKEN : LM_SP_RUNNING);
	if (err)
		lm_loop_stop(place->loop);
}

/* ---- the queue ---- */

/* The next message; what the one before it left behind ends here. */
static struct lm_ss_message *take(struct lm_sp_place *place)
{
	struct lm_ss_message *m;

	pthread_mutex_lock(&place->lock);
	place->running = NULL;
	if (place->interrupted) {
		place->interrupted = false;
		lm_runtime_resume(place->rt);
	}
	m = place->first;
	if (m) {
		place->first = m->next;
		if (!place->first)
			place->last = &place->first;
		place->queued--;
		m->next = NULL;
		m->session->is_touched = true;
		place->running = m;
		place->since = lm_script_now();
		place->serves = m->session;
		place->gone = m->session->gone;
	}
	pthread_mutex_unlock(&place->lock);
	return m;
}

/* False: the place is lost, or there is nothing left. */
static bool run_one(struct lm_sp_place *place)
{
	struct lm_ss_message *m;

	if (!lm_sp_enter(place))
		return false;
	m = take(place);
	if (m) {
		lm_ss_run(place, m);
		if (!lm_sp_enter(place))
			return false;
		lm_script_memory_release(place->rt);
		if (place->renew)
			renew(place);
	}
	lm_sp_leave(place);
	return m != NULL;
}

static void sweep_if_due(struct lm_sp_place *place)
{
	bool sweep;

	pthread_mutex_lock(&place->lock);
	sweep = place->sweep;
	place->sweep = false;
	pthread_mutex_unlock(&place->lock);
	if (!sweep || !lm_sp_enter(place))
		return;
	lm_ss_sweep(place);
	lm_sp_leave(place);
}

static void come_again(struct lm_sp_place *place)
{
	pthread_mutex_lock(&place->lock);
	if (place->first)
		lm_sp_nudge(place);
	else if (place->is_closing && !place->is_guest)
		lm_loop_stop(place->loop);
	pthread_mutex_unlock(&place->lock);
}

static void free_place(struct lm_sp_place *place)
{
	pthread_mutex_destroy(&place->lock);
	pthread_cond_destroy(&place->changed);
	lm_free(place);
}

static void run_queue(struct lm_task *task)
{
	struct lm_sp_place *place = lm_container(task, struct lm_sp_place, task);
	unsigned n = 0;

	pthread_mutex_lock(&place->lock);
	place->is_posted = false;
	pthread_mutex_unlock(&place->lock);
	if (place->is_guest && place->is_closing) {
		free_place(place);
		return;
	}
	sweep_if_due(place);
	while (n < BATCH && run_one(place))
		n++;
	if (atomic_load(&place->losing))
		lm_loop_stop(place->loop);
	else
		come_again(place);
}

/* ---- the thread ---- */

/* Sessions are there only where the server was not freed first. */
static void free_sessions(struct lm_sp_place *place)
{
	while (place->sessions) {
		struct lm_ss *ss = place->sessions;
		struct lm_ss_message *waiting, *m = lm_ss_uproot(ss, &waiting);

		lm_ss_message_free(m);
		while (waiting) {
			m = waiting;
			waiting = m->next;
			lm_ss_message_free(m);
		}
		place->sessions = ss->next;
		lm_ss_free(ss);
	}
	place->session_count = 0;
}

static void *place_main(void *arg)
{
	struct lm_sp_place *place = arg;
	int err = lm_loop_new(&place->loop);

	if (!err)
		err = vm_open(place);
	show(place, err ? LM_SP_BROKEN : LM_SP_RUNNING);
	if (!err)
		lm_loop_run(place->loop);
	hide(place);
	/* Those of a place without a VM end with their connections. */
	if (place->rt && !atomic_load(&place->losing))
		free_sessions(place);
	vm_close(place);
	lm_loop_free(place->loop);
	pthread_mutex_lock(&place->lock);
	if (place->state == LM_SP_RUNNING)
		place->state = LM_SP_ENDED;
	place->is_over = true;
	pthread_cond_broadcast(&place->changed);
	pthread_mutex_unlock(&place->lock);
	return NULL;
}

static void init_place(struct lm_sp *pool, struct lm_sp_place *place)
{
	pthread_condattr_t attr;

	place->pool = pool;
	place->handler = pool->handler;
	place->last = &place->first;
	place->task.run = run_queue;
	pthread_mutex_init(&place->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&place->changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* Signals that speak to the process are the main thread's; the engine's own get through. */
static int start_thread(struct lm_sp_place *place)
{
	static const int not_here[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
		                        SIGUSR2, SIGPIPE, SIGCHLD, SIGALRM };
	sigset_t some, before;
	pthread_attr_t attr;
	int failed;

	sigemptyset(&some);
	for (size_t i = 0; i < sizeof(not_here) / sizeof(*not_here); i++)
		sigaddset(&some, not_here[i]);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	/* Who starts it may have blocked more. */
	pthread_sigmask(SIG_SETMASK, &some, &before);
	failed = pthread_create(&place->thread, &attr, place_main, place);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return failed ? LM_E_AGAIN : 0;
}

int lm_sp_start(struct lm_sp *pool, struct lm_sp_place **out_place)
{
	struct lm_sp_place *place = lm_alloc_zero(1, sizeof(*place));
	int err;

	if (!place)
		return LM_E_NOMEM;
	init_place(pool, place);
	place->number = ++pool->numbers;
	err = start_thread(place);
	if (err) {
		lm_free(place);
		return err;
	}
	place->next = pool->places;
	pool->places = place;
	pool->live++;
	*out_place = place;
	return 0;
}

/* ---- the guest ---- */

static int guest_new(struct lm_sp *pool, struct lm_runtime *rt)
{
	struct lm_sp_place *place = lm_alloc_zero(1, sizeof(*place));

	if (!place)
		return LM_E_NOMEM;
	init_place(pool, place);
	place->is_guest = true;
	place->rt = rt;
	place->js = rt->js;
	place->loop = rt->loop;
	if (!lm_ss_setup(place)) {
		lm_free(place);
		return LM_E_SCRIPT;
	}
	place->state = LM_SP_RUNNING;
	place->is_ready = true;
	pool->guest = place;
	return 0;
}

/* What is queued is run to its end; a task that is posted still comes, and frees the place. */
static void guest_free(struct lm_sp_place *place)
{
	bool posted;

	if (!place)
		return;
	while (run_one(place))
		continue;
	hide(place);
	free_sessions(place);
	lm_hooks_forget(place, true);
	lm_ss_setdown(place);
	pthread_mutex_lock(&place->lock);
	place->is_closing = true;
	posted = place->is_posted;
	pthread_mutex_unlock(&place->lock);
	if (!posted)
		free_place(place);
}

/* ---- the pool ---- */

int lm_sp_new(struct lm_script_handler *handler, struct lm_runtime *rt, unsigned size,
              struct lm_sp **out_pool)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct lm_sp *pool = lm_alloc_zero(1, sizeof(*pool));
	int err;

	if (!pool)
		return LM_E_NOMEM;
	pool->handler = handler;
	pool->size = size;
	pool->eager = cpus > 0 && (unsigned)cpus < size ? (unsigned)cpus : size;
	pthread_mutex_init(&pool->lock, NULL);
	init_place(pool, &pool->limbo);
	pool->limbo.state = LM_SP_BROKEN;
	err = rt ? guest_new(pool, rt) : 0;
	if (!err)
		err = lm_minder_new(pool, &pool->minder);
	if (err) {
		guest_free(pool->guest);
		lm_free(pool);
		return err;
	}
	*out_pool = pool;
	return 0;
}

static void ask_to_end(struct lm_sp_place *place)
{
	pthread_mutex_lock(&place->lock);
	place->is_closing = true;
	if (place->is_ready && place->running && !place->interrupted) {
		place->interrupted = true;
		lm_runtime_interrupt(place->rt);
	}
	lm_sp_nudge(place);
	pthread_mutex_unlock(&place->lock);
}

/* False: its thread was stopped for good, or cannot be; then its memory stays. */
static bool await_end(struct lm_sp_place *place)
{
	bool is_over;

	pthread_mutex_lock(&place->lock);
	while (!place->is_over && !place->is_stopped && place->tries < LM_SP_TRIES)
		pthread_cond_wait(&place->changed, &place->lock);
	is_over = place->is_over;
	pthread_mutex_unlock(&place->lock);
	if (is_over)
		pthread_join(place->thread, NULL);
	else
		pthread_detach(place->thread);
	return is_over;
}

void lm_sp_free(struct lm_sp *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->is_ending = true;
	pthread_mutex_unlock(&pool->lock);
	for (struct lm_sp_place *p = pool->places; p; p = p->next)
		ask_to_end(p);
	/* The minder still looks after those that do not end. */
	for (struct lm_sp_place *p = pool->places; p; p = p->next)
		p->is_ended = await_end(p);
	lm_minder_free(pool->minder);
	for (struct lm_sp_place *next, *p = pool->places; p; p = next) {
		next = p->next;
		if (p->is_ended)
			free_place(p);
	}
	guest_free(pool->guest);
	pthread_mutex_destroy(&pool->limbo.lock);
	pthread_cond_destroy(&pool->limbo.changed);
	pthread_mutex_destroy(&pool->lock);
	lm_free(pool);
}
