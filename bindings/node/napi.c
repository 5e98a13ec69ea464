/* The addon: a bridge for each environment of Node.js, and its functions as a module's exports. */
#include "host.h"

#include <pthread.h>
#include <stdlib.h>

struct lm_node_binding {
	struct lm_host *host;
	const struct lm_bridge_native *native;
};

/* ---- Threads that must not outlive the process's libraries ---- */

/* process.exit() runs no hooks of environments, but ends libraries while our threads use them: so
 * all bridges are known here, and end first. */
static struct {
	pthread_mutex_t lock;
	struct lm_host *hosts;
	bool watching;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void end_all(void)
{
	pthread_mutex_lock(&all.lock);
	for (struct lm_host *host = all.hosts; host; host = host->next) {
		lm_bridge_free(host->bridge, NULL);
		host->bridge = NULL;
	}
	all.hosts = NULL;
	pthread_mutex_unlock(&all.lock);
}

/* The first time that something runs: behind all that its libraries register for the end. */
static void watch_exit(void)
{
	pthread_mutex_lock(&all.lock);
	if (!all.watching)
		all.watching = atexit(end_all) == 0;
	pthread_mutex_unlock(&all.lock);
}

static void add_host(struct lm_host *host)
{
	pthread_mutex_lock(&all.lock);
	host->next = all.hosts;
	all.hosts = host;
	pthread_mutex_unlock(&all.lock);
}

static void remove_host(struct lm_host *host)
{
	pthread_mutex_lock(&all.lock);
	for (struct lm_host **at = &all.hosts; *at; at = &(*at)->next)
		if (*at == host) {
			*at = host->next;
			break;
		}
	pthread_mutex_unlock(&all.lock);
}

/* ---- Waking script ---- */

static void wake(void *ctx)
{
	struct lm_host *host = ctx;

	napi_call_threadsafe_function(host->waker, NULL, napi_tsfn_nonblocking);
}

static void keep_alive(void *ctx, bool alive)
{
	struct lm_host *host = ctx;

	if (alive) {
		watch_exit();
		napi_ref_threadsafe_function(host->env, host->waker);
	} else {
		napi_unref_threadsafe_function(host->env, host->waker);
	}
}

/* What script did not catch is the process's uncaughtException, as with any callback. */
static void call_pump(napi_env env, napi_value unused, void *ctx, void *data)
{
	struct lm_host *host = ctx;
	napi_value pump, nobody, error;

	(void)unused;
	(void)data;
	if (!env || !host->pump || napi_get_undefined(env, &nobody) != napi_ok ||
	    napi_get_reference_value(env, host->pump, &pump) != napi_ok || !pump)
		return;
	if (napi_call_function(env, nobody, pump, 0, NULL, NULL) != napi_pending_exception)
		return;
	if (napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
}

static napi_status make_waker(struct lm_host *host)
{
	napi_status status;
	napi_value name;

	status = napi_create_string_latin1(host->env, "lettermill", NAPI_AUTO_LENGTH, &name);
	if (status == napi_ok)
		status = napi_create_threadsafe_function(host->env, NULL, NULL, name, 0, 1, NULL,
		                                         NULL, host, call_pump, &host->waker);
	if (status == napi_ok)
		status = napi_unref_threadsafe_function(host->env, host->waker);
	return status;
}

/* ---- Functions ---- */

static napi_value run_native(napi_env env, napi_callback_info info)
{
	napi_value args[LM_BRIDGE_PARAMS_MAX];
	size_t count = LM_BRIDGE_PARAMS_MAX;
	struct lm_node_binding *binding;
	struct lm_bridge_call call;
	void *data;

	if (napi_get_cb_info(env, info, &count, args, NULL, &data) != napi_ok)
		return lm_node_throw(env, "MISUSE", "no call");
	binding = data;
	if (!binding->host->bridge)
		return lm_node_throw(env, "CLOSED", "lettermill has ended with its environment");
	call = (struct lm_bridge_call){
		.bridge = binding->host->bridge,
		.host = binding->host,
		.count = count < LM_BRIDGE_PARAMS_MAX ? count : LM_BRIDGE_PARAMS_MAX,
		.args = (struct lm_host_value *const *)args,
	};
	return (napi_value)binding->native->run(&call);
}

/* setWake(fn) */
static napi_value set_wake(napi_env env, napi_callback_info info)
{
	struct lm_host *host;
	napi_valuetype type;
	size_t count = 1;
	napi_value fn;
	void *data;

	if (napi_get_cb_info(env, info, &count, &fn, NULL, &data) != napi_ok ||
	    napi_typeof(env, fn, &type) != napi_ok || type != napi_function) {
		napi_throw_type_error(env, "MISUSE", "setWake: a function");
		return NULL;
	}
	host = data;
	if (host->pump)
		napi_delete_reference(env, host->pump);
	host->pump = NULL;
	napi_create_reference(env, fn, 1, &host->pump);
	return NULL;
}

/* octets(string) -> Buffer */
static napi_value octets(napi_env env, napi_callback_info info)
{
	napi_valuetype type;
	napi_value string;
	size_t count = 1;

	if (napi_get_cb_info(env, info, &count, &string, NULL, NULL) != napi_ok ||
	    napi_typeof(env, string, &type) != napi_ok || type != napi_string) {
		napi_throw_type_error(env, "MISUSE", "octets: a string");
		return NULL;
	}
	return lm_node_octets(env, string);
}

/* text(bytes) -> string */
static napi_value text(napi_env env, napi_callback_info info)
{
	struct lm_host host = { .env = env };
	struct lm_host_value *bytes;
	napi_value value;
	size_t count = 1;

	if (napi_get_cb_info(env, info, &count, &value, NULL, NULL) != napi_ok)
		return NULL;
	bytes = (struct lm_host_value *)value;
	if (lm_node_ops.kind(&host, bytes) != LM_HOST_BYTES) {
		napi_throw_type_error(env, "MISUSE", "text: a Uint8Array");
		return NULL;
	}
	return lm_node_string(env, lm_node_ops.view(&host, bytes));
}

static bool export_function(napi_env env, napi_value exports, const char *name,
                            napi_callback callback, void *data)
{
	napi_value function;

	return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) ==
	               napi_ok &&
	       napi_set_named_property(env, exports, name, function) == napi_ok;
}

static bool export_natives(struct lm_host *host, napi_value exports)
{
	const struct lm_bridge_native *natives = lm_bridge_natives();
	size_t count = 0;

	while (natives[count].name)
		count++;
	host->bindings = calloc(count, sizeof(*host->bindings));
	if (!host->bindings)
		return false;
	for (size_t i = 0; i < count; i++) {
		host->bindings[i] = (struct lm_node_binding){ host, &natives[i] };
		if (!export_function(host->env, exports, natives[i].name, run_native,
		                     &host->bindings[i]))
			return false;
	}
	return export_function(host->env, exports, "setWake", set_wake, host) &&
	       export_function(host->env, exports, "octets", octets, NULL) &&
	       export_function(host->env, exports, "text", text, NULL);
}

/* ---- Environments ---- */

/* Before the waker's own hook, which is older: no thread calls it any more. Script does not run any
 * more, but references can be dropped. */
static void end_host(void *data)
{
	struct lm_host *host = data;

	remove_host(host);
	lm_bridge_free(host->bridge, host);
	host->bridge = NULL;
	lm_node_shapes_free(host);
	if (host->pump)
		napi_delete_reference(host->env, host->pump);
	host->pump = NULL;
}

static void free_host(napi_env env, void *data, void *hint)
{
	struct lm_host *host = data;

	(void)env;
	(void)hint;
	free(host->bindings);
	free(host);
}

static int make_bridge(struct lm_host *host)
{
	struct lm_bridge_host params = {
		.size = sizeof(params),
		.ops = &lm_node_ops,
		.wake = wake,
		.alive = keep_alive,
		.ctx = host,
	};

	return lm_bridge_new(&params, &host->bridge);
}

static bool start(struct lm_host *host, napi_value exports)
{
	if (!export_natives(host, exports) || make_waker(host) != napi_ok || make_bridge(host) < 0)
		return false;
	add_host(host);
	return napi_add_env_cleanup_hook(host->env, end_host, host) == napi_ok;
}

/* NAPI_MODULE_INIT() declares it otherwise than the compiler's warnings want. */
NAPI_EXTERN napi_value napi_register_module_v1(napi_env env, napi_value exports);
NAPI_EXTERN int32_t node_api_module_get_api_version_v1(void);

int32_t node_api_module_get_api_version_v1(void)
{
	return NAPI_VERSION;
}

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	struct lm_host *host = calloc(1, sizeof(*host));

	if (!host)
		return lm_node_throw(env, "NOMEM", "no memory for lettermill");
	host->env = env;
	if (napi_set_instance_data(env, host, free_host, NULL) != napi_ok) {
		free(host);
		return lm_node_throw(env, "NOMEM", "no memory for lettermill");
	}
	return start(host, exports) ? exports
	                            : lm_node_throw(env, "NOMEM", "lettermill cannot start");
}
