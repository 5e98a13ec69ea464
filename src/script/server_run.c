/* One run of a scripted server: started on the program's thread, drained beside it. */
#include "script/server.h"

#include "base/error.h"
#include "server/options.h"

#include <pthread.h>
#include <stdio.h>

/* The end of a drain on its way to the loop. Its own memory: a posted task cannot be taken back. */
struct ending {
	struct lm_task task;
	struct lm_script_server *run; /* NULL: nobody waits any more */
};

struct promised {
	struct lm_js_promise *promise;
	struct promised *next;
};

struct lm_script_server {
	struct lm_script_servers *servers; /* NULL: it has ended */
	struct lm_script_server *next;
	unsigned refs;
	struct lm_server *server;
	struct lm_script_handler *handler;
	struct lm_log log;
	lm_time_ms drain_timeout;
	char address[128];
	struct lm_server_stats stats; /* the last, when it has ended */
	bool is_stopping;
	bool has_waiter;
	pthread_t waiter;
	struct ending *ending;
	struct promised *promised;
};

struct lm_script_servers {
	struct lm_runtime *rt;
	struct lm_script_server *first;
};

int lm_script_servers_new(struct lm_runtime *rt, struct lm_script_servers **out_servers)
{
	struct lm_script_servers *servers = lm_alloc_zero(1, sizeof(*servers));

	if (!servers)
		return LM_E_NOMEM;
	servers->rt = rt;
	*out_servers = servers;
	return 0;
}

void lm_script_server_unref(struct lm_script_server *run)
{
	if (run && --run->refs == 0)
		lm_free(run);
}

static void leave_list(struct lm_script_server *run)
{
	struct lm_script_server **at = &run->servers->first;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
}

/* Behind the drain: nothing of the run is left but its last figures. */
static void end(struct lm_script_server *run)
{
	if (run->has_waiter)
		pthread_join(run->waiter, NULL);
	run->has_waiter = false;
	lm_server_stats(run->server, &run->stats);
	lm_server_free(run->server);
	lm_script_handler_free(run->handler);
	run->server = NULL;
	run->handler = NULL;
	leave_list(run);
	run->servers = NULL;
}

static void keep_promises(struct lm_runtime *rt, struct lm_script_server *run)
{
	while (run->promised) {
		struct promised *p = run->promised;

		run->promised = p->next;
		lm_js_promise_settle(rt->js, p->promise, true, lm_js_undefined(rt->js));
		lm_free(p);
	}
}

static void stop_at_end(void *ctx)
{
	lm_script_server_stop(ctx, -1);
}

static void ended(struct lm_task *task)
{
	struct ending *ending = lm_container(task, struct ending, task);
	struct lm_script_server *run = ending->run;
	struct lm_runtime *rt;

	lm_free(ending);
	if (!run)
		return;
	run->ending = NULL;
	rt = run->servers->rt;
	end(run);
	keep_promises(rt, run);
	lm_script_server_unref(run);
	lm_runtime_release(rt);
}

static void *wait_for_end(void *ctx)
{
	struct lm_script_server *run = ctx;
	struct lm_loop *loop = run->servers->rt->loop;
	struct ending *ending = run->ending;

	lm_server_wait(run->server);
	lm_loop_post(loop, &ending->task);
	return NULL;
}

/* Waits here where no thread can be had: then sessions have no time left. */
static void await(struct lm_script_server *run)
{
	run->has_waiter = pthread_create(&run->waiter, NULL, wait_for_end, run) == 0;
	if (run->has_waiter)
		return;
	lm_server_drain(run->server, 0);
	(void)wait_for_end(run);
}

void lm_script_server_stop(struct lm_script_server *run, lm_time_ms timeout)
{
	if (!run->servers)
		return;
	lm_server_drain(run->server, timeout < 0 ? run->drain_timeout : timeout);
	if (run->is_stopping)
		return;
	run->is_stopping = true;
	lm_runtime_off_terminate(run->servers->rt, stop_at_end, run);
	lm_server_wait_shut(run->server);
	await(run);
}

struct lm_js_value *lm_script_server_ended(struct lm_js *js, struct lm_script_server *run)
{
	struct promised *p;
	struct lm_js_value *value;

	if (!run->servers)
		return lm_js_undefined(js);
	p = lm_alloc_zero(1, sizeof(*p));
	if (!p)
		return lm_js_throw(js, LM_JS_ERROR, "out of memory");
	value = lm_js_promise_new(js, &p->promise);
	if (!value) {
		lm_free(p);
		return NULL;
	}
	p->next = run->promised;
	run->promised = p;
	return value;
}

bool lm_script_server_runs(const struct lm_script_server *run)
{
	return run->servers && !run->is_stopping;
}

const char *lm_script_server_address(const struct lm_script_server *run)
{
	return run->address;
}

void lm_script_server_stats(const struct lm_script_server *run, struct lm_server_stats *out_stats)
{
	*out_stats = run->stats;
	if (run->server)
		lm_server_stats(run->server, out_stats);
}

/* ---- start ---- */

static int set_all(struct lm_server *server, const struct lm_script_server_params *params,
                   struct lm_error *out_error)
{
	static const char *const listeners[] = { "smtp", "smtps", "submission",
		                                 "lmtp", "pop3",  "pop3s" };
	char dir[LM_OPTION_MAX_VALUE + 1];
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(listeners) / sizeof(*listeners); i++)
		err = lm_server_set(server, listeners[i], "off", out_error);
	/* The certificate a server gives itself stays, as clients trust it. */
	if (!err && lm_default_data_dir(dir, NULL) == 0)
		err = lm_server_set(server, "data-dir", dir, out_error);
	for (size_t i = 0; !err && i + 1 < params->option_count; i += 2)
		err = lm_server_set(server, params->options[i], params->options[i + 1], out_error);
	return err ? err : lm_server_set(server, params->listener, params->where, out_error);
}

/* What the executable makes of options that are not the server's own. */
static int read_own(struct lm_script_server *run, const struct lm_script *script,
                    const struct lm_script_server_params *params, struct lm_error *out_error)
{
	struct lm_server_options o;
	bool has_level = false;
	int err = lm_server_options_init(&o);

	for (size_t i = 0; !err && i + 1 < params->option_count; i += 2) {
		const char *name = params->options[i];
		bool is_level = strcmp(name, "log-level") == 0;

		if (is_level || strcmp(name, "drain-timeout") == 0)
			err = lm_server_options_set(&o, name, params->options[i + 1], out_error);
		has_level = has_level || is_level;
	}
	run->drain_timeout = o.drain_timeout;
	if (script->log) {
		run->log = *script->log;
		if (has_level)
			run->log.level = (enum lm_log_level)o.log_level.index;
		lm_server_log(run->server, &run->log);
	}
	lm_server_options_done(&o);
	return err;
}

static int open_server(struct lm_script_server *run, struct lm_runtime *rt,
                       const struct lm_script_server_params *params, struct lm_error *out_error)
{
	const struct lm_handler_ops *ops = lm_script_handler_ops(run->handler);
	int err = lm_server_new(&run->server);

	if (err)
		return lm_fail(out_error, err, "out of memory");
	err = set_all(run->server, params, out_error);
	if (!err)
		err = read_own(run, rt->script, params, out_error);
	if (!err && lm_server_handler(run->server, ops, run->handler))
		err = lm_fail(out_error, LM_E_MISUSE, "the handler does not fit");
	return err ? err : lm_server_start(run->server, out_error);
}

static bool fail_start(struct lm_runtime *rt, const char *name, const struct lm_error *why)
{
	struct lm_error full = { .code = why->code };

	snprintf(full.text, sizeof(full.text), "%s.start: %.190s", name, why->text);
	lm_js_throw_error(rt->js, &full);
	return false;
}

static void run_free(struct lm_script_server *run)
{
	if (!run)
		return;
	lm_server_free(run->server);
	lm_script_handler_free(run->handler);
	lm_free(run->ending);
	lm_free(run);
}

static struct lm_script_server *run_new(void)
{
	struct lm_script_server *run = lm_alloc_zero(1, sizeof(*run));

	if (!run)
		return NULL;
	run->ending = lm_alloc_zero(1, sizeof(*run->ending));
	if (!run->ending) {
		lm_free(run);
		return NULL;
	}
	run->ending->task.run = ended;
	run->ending->run = run;
	return run;
}

static int launch(struct lm_script_servers *servers, struct lm_script_server *run,
                  const struct lm_script_server_params *params, struct lm_error *out_error)
{
	struct lm_runtime *rt = servers->rt;
	int err = open_server(run, rt, params, out_error);

	if (!err) {
		err = lm_runtime_on_terminate(rt, stop_at_end, run);
		if (err)
			lm_fail(out_error, err, "%s", lm_err_text(err));
	}
	return err;
}

bool lm_script_server_start(struct lm_script_servers *servers,
                            const struct lm_script_server_params *params,
                            struct lm_script_server **out_run)
{
	struct lm_runtime *rt = servers->rt;
	struct lm_script_server *run = run_new();
	struct lm_error why = { LM_E_NOMEM, "out of memory" };

	if (!run)
		return fail_start(rt, params->name, &why);
	if (!lm_script_handler_new(rt, &params->handler, &run->handler)) {
		run_free(run);
		return false;
	}
	if (launch(servers, run, params, &why)) {
		run_free(run);
		return fail_start(rt, params->name, &why);
	}
	snprintf(run->address, sizeof(run->address), "%s",
	         lm_server_endpoint(run->server, params->listener));
	run->refs = 2;
	run->servers = servers;
	run->next = servers->first;
	servers->first = run;
	lm_runtime_hold(rt);
	*out_run = run;
	return true;
}

/* The loop runs no more: nobody takes the ending from it. */
static void cut(struct lm_script_server *run)
{
	struct lm_runtime *rt = run->servers->rt;

	lm_runtime_off_terminate(rt, stop_at_end, run);
	lm_server_drain(run->server, 0);
	lm_server_wait(run->server);
	if (run->is_stopping)
		run->ending->run = NULL;
	else
		lm_free(run->ending);
	end(run);
	while (run->promised) {
		struct promised *p = run->promised;

		run->promised = p->next;
		lm_js_promise_free(rt->js, p->promise);
		lm_free(p);
	}
	lm_script_server_unref(run);
}

void lm_script_servers_free(struct lm_script_servers *servers)
{
	while (servers->first)
		cut(servers->first);
	lm_free(servers);
}
