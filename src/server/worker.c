/* A worker: one thread, one loop, its own listeners and connections. */
#include "server/serving.h"

#include "base/error.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* How long nothing is stirred before the heap is trimmed, and what is not worth it. */
enum { TRIM_MS = 200, TRIM_MIN = 16 };

/* Between the last word of a drain that ran out of time and the cut. */
enum { LAST_WORD_MS = 200 };

struct lm_doorway {
	struct lm_worker *worker;
	enum lm_service service;
	struct lm_listener *listener;
};

struct lm_loop *lm_worker_loop(struct lm_worker *worker)
{
	return worker->loop;
}

unsigned lm_worker_index(const struct lm_worker *worker)
{
	return worker->index;
}

void lm_worker_hold(struct lm_worker *worker)
{
	worker->held++;
}

void lm_worker_release(struct lm_worker *worker)
{
	LM_ASSERT(worker->held);
	worker->held--;
	lm_worker_check_end(worker);
}

void lm_worker_check_end(struct lm_worker *w)
{
	if (w->draining && w->conn_count == 0 && w->held == 0)
		lm_loop_stop(w->loop);
}

static void set_trim(struct lm_worker *w)
{
	w->stirred_seen = w->stirred;
	lm_timer_arm(w->loop, &w->trim_timer, lm_loop_now(w->loop) + TRIM_MS);
}

void lm_worker_stir(struct lm_worker *w)
{
	w->stirred++;
	if (w->stirred >= TRIM_MIN && !w->trim_timer.armed && !w->draining)
		set_trim(w);
}

/* A handshake takes 40 KB for a while and leaves what must stay in between: without this an idle
 * session costs twice what it holds. In a burst the holes are used again. */
static void trim(struct lm_timer *timer)
{
	struct lm_worker *w = lm_container(timer, struct lm_worker, trim_timer);

	if (w->stirred != w->stirred_seen) {
		set_trim(w);
		return;
	}
	w->stirred = 0;
	lm_mem_trim();
}

static int setup_new(struct lm_worker *w, struct lm_config *config, struct lm_setup **out_setup,
                     struct lm_error *out_error)
{
	const struct lm_handler_ops *ops = lm_store_handler_ops();
	struct lm_setup *setup = lm_alloc_zero(1, sizeof(*setup));
	int err = 0;

	if (!setup)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	setup->refs = 1;
	setup->store_context = config->store_handler;
	if (config->store_handler && ops->worker_start)
		err = ops->worker_start(config->store_handler, w, &setup->store_context, out_error);
	if (err) {
		lm_free(setup);
		return err;
	}
	setup->config = lm_config_ref(config);
	*out_setup = setup;
	return 0;
}

void lm_setup_unref(struct lm_worker *w, struct lm_setup *setup)
{
	const struct lm_handler_ops *ops = lm_store_handler_ops();

	(void)w;
	if (!setup || --setup->refs)
		return;
	if (setup->config->store_handler && ops->worker_stop)
		ops->worker_stop(setup->store_context);
	lm_config_unref(setup->config);
	lm_free(setup);
}

static void handlers_stop(struct lm_worker *w, size_t count)
{
	while (count--) {
		const struct lm_handler_ops *ops = w->shared->handlers[count].ops;

		if (ops->worker_stop)
			ops->worker_stop(w->contexts[count]);
	}
}

static int handlers_start(struct lm_worker *w, struct lm_error *out_error)
{
	for (size_t i = 0; i < w->shared->handler_count; i++) {
		const struct lm_installed *h = &w->shared->handlers[i];
		int err = 0;

		w->contexts[i] = h->handler;
		if (h->ops->worker_start)
			err = h->ops->worker_start(h->handler, w, &w->contexts[i], out_error);
		if (err) {
			handlers_stop(w, i);
			return err;
		}
	}
	return 0;
}

static void accepted(void *ctx, const struct lm_accepted *a)
{
	struct lm_doorway *door = ctx;
	struct lm_worker *w = door->worker;
	const struct lm_option_nets *proxies = &w->setup->config->options.proxy_from;

	if (a->fd < 0)
		lm_conn_refuse(w, door->service, a, "out of descriptors");
	else if (lm_network_contains(proxies->items, proxies->count, a->peer))
		lm_proxy_begin(w, door->service, a);
	else
		lm_conn_begin(w, door->service, a, false);
}

static void doors_close(struct lm_worker *w)
{
	for (int s = 0; s < LM_SERVICE_COUNT; s++) {
		if (w->doorways[s])
			lm_listener_free(w->doorways[s]->listener);
		lm_free(w->doorways[s]);
		w->doorways[s] = NULL;
		if (w->fds[s] >= 0)
			close(w->fds[s]);
		w->fds[s] = -1;
	}
}

static int door_open(struct lm_worker *w, enum lm_service service)
{
	struct lm_doorway *door = lm_alloc_zero(1, sizeof(*door));
	int fd = w->fds[service], err;

	if (!door)
		return LM_E_NOMEM;
	*door = (struct lm_doorway){ w, service, NULL };
	w->fds[service] = -1;
	err = lm_listener_new(w->loop, fd, accepted, door, &door->listener);
	if (err)
		lm_free(door);
	else
		w->doorways[service] = door;
	return err;
}

static int doors_open(struct lm_worker *w, struct lm_error *out_error)
{
	for (int s = 0; s < LM_SERVICE_COUNT; s++) {
		int err = w->fds[s] < 0 ? 0 : door_open(w, (enum lm_service)s);

		if (err)
			return lm_fail(out_error, err, "listener %s: %s",
			               lm_service_info((enum lm_service)s)->name, lm_err_text(err));
	}
	return 0;
}

static void drain_links(struct lm_worker *w)
{
	for (uint32_t i = 0; i < w->seat_count; i++)
		if (w->seats[i].conn)
			lm_link_drain(w->seats[i].conn->link);
}

static void abort_all(struct lm_timer *timer)
{
	struct lm_worker *w = lm_container(timer, struct lm_worker, drain_timer);

	/* Those that still run get a last word, and whoever does not read is not waited for. */
	if (!w->warned) {
		w->warned = true;
		drain_links(w);
		lm_timer_arm(w->loop, timer, lm_loop_now(w->loop) + LAST_WORD_MS);
		return;
	}
	for (uint32_t i = 0; i < w->seat_count; i++)
		if (w->seats[i].conn)
			lm_link_abort(w->seats[i].conn->link);
}

static void drain(struct lm_worker *w, lm_time_ms timeout)
{
	lm_time_ms at = lm_loop_now(w->loop) + (timeout < 0 ? 0 : timeout);

	if (!w->draining) {
		w->draining = true;
		doors_close(w);
		w->shared->shut(w->shared);
		lm_proxy_close_all(w);
		drain_links(w);
	}
	/* A second, more impatient drain shortens the first. */
	if (!w->drain_timer.armed || at < w->drain_timer.at)
		lm_timer_arm(w->loop, &w->drain_timer, at);
	lm_worker_check_end(w);
}

static void reconfigure(struct lm_worker *w, struct lm_config *config)
{
	struct lm_setup *setup = NULL;
	struct lm_error error = { 0 };

	if (setup_new(w, config, &setup, &error) == 0) {
		lm_setup_unref(w, w->setup);
		w->setup = setup;
	} else {
		lm_log(w->shared->log, LM_LOG_ERROR, "reload.fail",
		       LM_LOG_NUMBER("worker", w->index), LM_LOG_TEXT("why", lm_str(error.text)));
	}
	lm_config_unref(config);
}

static void wake(struct lm_task *task)
{
	struct lm_worker *w = lm_container(task, struct lm_worker, inbox.wake);
	struct lm_inbox *inbox = &w->inbox;
	struct lm_answer_message *first;
	struct lm_config *config;
	lm_time_ms timeout;
	bool drains;

	pthread_mutex_lock(&inbox->lock);
	first = inbox->first;
	inbox->first = NULL;
	inbox->last = &inbox->first;
	config = inbox->config;
	inbox->config = NULL;
	drains = inbox->drain && !inbox->closed;
	inbox->drain = false;
	timeout = inbox->drain_timeout;
	inbox->posted = false;
	pthread_mutex_unlock(&inbox->lock);

	if (config)
		reconfigure(w, config);
	lm_answers_deliver(w, first);
	if (drains)
		drain(w, timeout);
}

void lm_inbox_wake(struct lm_worker *w)
{
	if (w->inbox.posted || w->inbox.closed)
		return;
	w->inbox.posted = true;
	lm_loop_post(w->loop, &w->inbox.wake);
}

void lm_worker_drain(struct lm_worker *w, lm_time_ms timeout)
{
	pthread_mutex_lock(&w->inbox.lock);
	if (!w->inbox.drain || timeout < w->inbox.drain_timeout)
		w->inbox.drain_timeout = timeout;
	w->inbox.drain = true;
	lm_inbox_wake(w);
	pthread_mutex_unlock(&w->inbox.lock);
}

void lm_worker_reconfigure(struct lm_worker *w, struct lm_config *config)
{
	struct lm_config *old;

	pthread_mutex_lock(&w->inbox.lock);
	old = w->inbox.config;
	w->inbox.config = w->inbox.closed ? NULL : lm_config_ref(config);
	lm_inbox_wake(w);
	pthread_mutex_unlock(&w->inbox.lock);
	lm_config_unref(old);
}

/* What was posted too late is dropped here, and from now on by who posts. */
static void inbox_close(struct lm_worker *w)
{
	struct lm_answer_message *first;
	struct lm_config *config;

	pthread_mutex_lock(&w->inbox.lock);
	w->inbox.closed = true;
	first = w->inbox.first;
	w->inbox.first = NULL;
	w->inbox.last = &w->inbox.first;
	config = w->inbox.config;
	w->inbox.config = NULL;
	pthread_mutex_unlock(&w->inbox.lock);
	lm_answers_deliver(w, first);
	lm_config_unref(config);
}

static void *worker_main(void *arg)
{
	struct lm_worker *w = arg;
	struct lm_config *config = w->inbox.config;
	struct lm_error error = { 0 };
	int err = handlers_start(w, &error);
	bool handling = err == 0;

	w->inbox.config = NULL;
	if (!err)
		err = setup_new(w, config, &w->setup, &error);
	if (!err)
		err = doors_open(w, &error);
	lm_config_unref(config);
	w->shared->started(w->shared, err, &error);
	if (!err)
		lm_loop_run(w->loop);
	lm_timer_disarm(w->loop, &w->drain_timer);
	lm_timer_disarm(w->loop, &w->trim_timer);
	doors_close(w);
	inbox_close(w);
	lm_setup_unref(w, w->setup);
	w->setup = NULL;
	if (handling)
		handlers_stop(w, w->shared->handler_count);
	lm_dispatch_done(w);
	w->shared->ended(w->shared);
	return NULL;
}

int lm_worker_new(struct lm_shared *shared, unsigned index, struct lm_config *config,
                  struct lm_worker **out_worker)
{
	struct lm_worker *w = lm_alloc_zero(1, sizeof(*w));
	int err;

	if (!w)
		return LM_E_NOMEM;
	w->shared = shared;
	w->index = index;
	w->next_id = index + 1;
	w->inbox.last = &w->inbox.first;
	w->inbox.wake.run = wake;
	w->inbox.closed = true;
	w->drain_timer.fire = abort_all;
	w->trim_timer.fire = trim;
	for (int s = 0; s < LM_SERVICE_COUNT; s++)
		w->fds[s] = -1;
	err = lm_loop_new(&w->loop);
	if (err) {
		lm_free(w);
		return err;
	}
	pthread_mutex_init(&w->inbox.lock, NULL);
	w->inbox.config = lm_config_ref(config);
	*out_worker = w;
	return 0;
}

/* Signals are for the program's own threads. */
int lm_worker_run(struct lm_worker *w)
{
	sigset_t all, before;
	char name[16];
	int failed;

	w->inbox.closed = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		w->inbox.closed = true;
		return lm_err_from_errno(failed);
	}
	w->thread_made = true;
	snprintf(name, sizeof(name), "lm-worker-%u", w->index % 1000);
	pthread_setname_np(w->thread, name);
	return 0;
}

void lm_worker_free(struct lm_worker *w)
{
	if (!w)
		return;
	if (w->thread_made)
		pthread_join(w->thread, NULL);
	doors_close(w);
	lm_config_unref(w->inbox.config);
	lm_loop_free(w->loop);
	lm_free(w->seats);
	pthread_mutex_destroy(&w->inbox.lock);
	lm_free(w);
}
