/* The loop of clients inside the loop of their runtime: turns, blocking, and what is told when. */
#include "script/client.h"

/* Promises settled in one go: a script that asks again at once must not keep the others waiting. */
enum { TELL_MAX = 256 };

struct lm_clients {
	struct lm_runtime *rt;
	struct lm_loop *loop;   /* NULL: not needed yet */
	struct lm_watch *watch; /* of it, on the runtime's */
	struct lm_timer timer;  /* on the runtime's */
	struct lm_conn *conns;
	struct lm_ask *done, *last_done; /* to be told */
	struct lm_ask *awaited;          /* somebody blocks for it */
};

struct lm_runtime *lm_clients_runtime(const struct lm_clients *clients)
{
	return clients->rt;
}

/* ---- Telling ---- */

static struct lm_ask *take_done(struct lm_clients *clients)
{
	struct lm_ask *ask = clients->done;

	if (!ask)
		return NULL;
	clients->done = ask->next;
	if (!clients->done)
		clients->last_done = NULL;
	return ask;
}

static void settle(struct lm_clients *clients, struct lm_ask *ask)
{
	struct lm_js *js = clients->rt->js;
	struct lm_js_value *value = lm_ask_record(ask, js);
	struct lm_js_promise *promise = ask->promise;
	struct lm_js_error error;
	const bool good = value != NULL;

	if (!good && !lm_js_catch(js, &error, &value))
		value = lm_js_undefined(js);
	ask->promise = NULL;
	lm_ask_free(ask);
	lm_js_promise_settle(js, promise, good, value);
	lm_runtime_release(clients->rt);
}

static void tell_later(struct lm_clients *clients)
{
	struct lm_loop *loop = clients->rt->loop;

	lm_timer_arm(loop, &clients->timer, lm_loop_now(loop));
}

/* From the runtime's loop only: settling runs script. */
static void tell(struct lm_clients *clients)
{
	struct lm_ask *ask;

	for (int i = 0; i < TELL_MAX && (ask = take_done(clients)); i++)
		settle(clients, ask);
	if (clients->done)
		tell_later(clients);
}

static void rearm(struct lm_clients *clients, lm_time_ms wait)
{
	const lm_time_ms now = lm_loop_now(clients->rt->loop);

	if (clients->done)
		wait = 0;
	lm_timer_arm(clients->rt->loop, &clients->timer, wait == LM_NEVER ? LM_NEVER : now + wait);
}

void lm_clients_turn(struct lm_clients *clients)
{
	if (clients->loop)
		rearm(clients, lm_loop_turn(clients->loop));
}

static void go_on(struct lm_clients *clients)
{
	lm_clients_turn(clients);
	tell(clients);
	lm_clients_turn(clients);
}

static void on_ready(void *ctx, unsigned io)
{
	(void)io;
	go_on(ctx);
}

static void on_timer(struct lm_timer *timer)
{
	go_on(lm_container(timer, struct lm_clients, timer));
}

void lm_clients_done(struct lm_clients *clients, struct lm_ask *ask)
{
	ask->is_done = true;
	if (!ask->promise) {
		if (clients->awaited == ask)
			lm_loop_stop(clients->loop);
		return;
	}
	ask->next = NULL;
	if (clients->last_done)
		clients->last_done->next = ask;
	else
		clients->done = ask;
	clients->last_done = ask;
	tell_later(clients);
}

/* ---- Blocking ---- */

static void wake(void *ctx)
{
	lm_loop_stop(ctx);
}

static bool is_given_up(struct lm_clients *clients, bool was_ending)
{
	return lm_runtime_is_interrupted(clients->rt) ||
	       (!was_ending && atomic_load(&clients->rt->script->terminated));
}

void lm_clients_wait(struct lm_clients *clients, struct lm_ask *ask)
{
	/* Who is ending may still take leave of a server. */
	const bool was_ending = atomic_load(&clients->rt->script->terminated);

	clients->awaited = ask;
	if (!ask->is_done)
		lm_runtime_set_waker(clients->rt, wake, clients->loop);
	while (!ask->is_done) {
		/* What came while script ran is seen before time is called on it. A wake in this
		 * turn is lost, so the looking comes behind it. */
		(void)lm_loop_turn(clients->loop);
		if (ask->is_done)
			break;
		if (is_given_up(clients, was_ending))
			lm_conn_close(ask->conn, LM_E_CANCELED, "interrupted");
		else
			lm_loop_run(clients->loop);
	}
	lm_runtime_set_waker(clients->rt, NULL, NULL);
	clients->awaited = NULL;
	lm_clients_turn(clients);
}

/* ---- Life ---- */

int lm_clients_new(struct lm_runtime *rt, struct lm_clients **out_clients)
{
	struct lm_clients *clients = lm_alloc_zero(1, sizeof(*clients));

	if (!clients)
		return LM_E_NOMEM;
	clients->rt = rt;
	clients->timer.fire = on_timer;
	*out_clients = clients;
	return 0;
}

int lm_clients_loop(struct lm_clients *clients, struct lm_loop **out_loop)
{
	struct lm_loop *loop;
	int err;

	if (!clients->loop) {
		err = lm_loop_new(&loop);
		if (err)
			return err;
		err = lm_watch_new(clients->rt->loop, lm_loop_fd(loop), on_ready, clients,
		                   &clients->watch);
		if (err) {
			lm_loop_free(loop);
			return err;
		}
		clients->loop = loop;
		lm_watch_want(clients->watch, LM_IO_READ);
	}
	*out_loop = clients->loop;
	return 0;
}

void lm_clients_add(struct lm_clients *clients, struct lm_conn *conn)
{
	conn->prev = NULL;
	conn->next = clients->conns;
	if (conn->next)
		conn->next->prev = conn;
	clients->conns = conn;
}

void lm_clients_remove(struct lm_clients *clients, struct lm_conn *conn)
{
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		clients->conns = conn->next;
}

void lm_clients_free(struct lm_clients *clients)
{
	struct lm_ask *ask;

	if (!clients)
		return;
	for (struct lm_conn *conn = clients->conns; conn; conn = conn->next)
		lm_conn_close(conn, LM_E_CANCELED, "the program ends");
	while ((ask = take_done(clients))) {
		lm_js_promise_free(clients->rt->js, ask->promise);
		ask->promise = NULL;
		lm_ask_free(ask);
	}
	while (clients->conns) {
		struct lm_conn *conn = clients->conns;

		lm_clients_remove(clients, conn);
		conn->clients = NULL;
	}
	if (clients->loop) {
		lm_timer_disarm(clients->rt->loop, &clients->timer);
		lm_watch_free(clients->watch);
		lm_loop_free(clients->loop);
	}
	lm_free(clients);
}
