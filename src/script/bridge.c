/* The bridge's host in JavaScriptCore: its operations on values, its natives as functions, and the
 * way from its queue to script. */
#include <lettermill/bridge.h>

#include "script/runtime_impl.h"

#include "base/error.h"

enum { STRING_MAX = 1 << 30 };

/* Comes back to the loop. Its own memory: a posted task cannot be taken back. */
struct waker {
	struct lm_task task;
	struct lm_loop *loop;
	struct lm_host *host; /* NULL: the runtime is gone */
	atomic_bool is_posted;
};

struct binding {
	struct lm_host *host;
	const struct lm_bridge_native *native;
};

/* One runtime's. */
struct lm_host {
	struct lm_runtime *rt;
	struct lm_js *js;
	struct lm_bridge *bridge;
	struct waker *waker;
	struct binding *bindings;
	struct lm_js_value *pump, *terminate; /* held; NULL: script has not said */
};

static struct lm_js_value *in(struct lm_host_value *value)
{
	return (struct lm_js_value *)value;
}

static struct lm_host_value *out(struct lm_js_value *value)
{
	return (struct lm_host_value *)value;
}

/* ---- making values ---- */

static struct lm_host_value *op_undefined(struct lm_host *host)
{
	return out(lm_js_undefined(host->js));
}

static struct lm_host_value *op_boolean(struct lm_host *host, bool value)
{
	return out(lm_js_bool(host->js, value));
}

static struct lm_host_value *op_number(struct lm_host *host, double value)
{
	return out(lm_js_number(host->js, value));
}

static struct lm_host_value *op_string(struct lm_host *host, struct lm_bytes octets)
{
	return out(lm_js_string(host->js, octets));
}

/* The engine has one pointer beside the octets: who frees them. */
union freer {
	void (*done)(void *data);
	void *pointer;
};

static void free_bytes(void *data, void *ctx)
{
	union freer freer = { .pointer = ctx };

	freer.done(data);
}

static struct lm_host_value *op_bytes(struct lm_host *host, void *data, size_t len,
                                      void (*done)(void *data))
{
	union freer freer = { .done = done };

	return out(lm_js_bytes_over(host->js, data, len, free_bytes, freer.pointer));
}

static struct lm_host_value *op_object(struct lm_host *host)
{
	return out(lm_js_object(host->js));
}

static struct lm_host_value *op_array(struct lm_host *host, size_t count)
{
	(void)count;
	return out(lm_js_array(host->js, 0, NULL));
}

static bool op_set(struct lm_host *host, struct lm_host_value *object, const char *name,
                   struct lm_host_value *value)
{
	return lm_js_set(host->js, in(object), name, in(value));
}

static bool op_put(struct lm_host *host, struct lm_host_value *array, size_t index,
                   struct lm_host_value *value)
{
	return lm_js_put(host->js, in(array), (unsigned)index, in(value));
}

/* ---- looking at values ---- */

static enum lm_host_kind op_kind(struct lm_host *host, struct lm_host_value *value)
{
	switch (lm_js_type(host->js, in(value))) {
	case LM_JS_UNDEFINED:
	case LM_JS_NULL:
		return LM_HOST_UNDEFINED;
	case LM_JS_BOOL:
		return LM_HOST_BOOL;
	case LM_JS_NUMBER:
		return LM_HOST_NUMBER;
	case LM_JS_STRING:
		return LM_HOST_STRING;
	case LM_JS_ARRAY:
		return LM_HOST_ARRAY;
	case LM_JS_BYTES:
		return LM_HOST_BYTES;
	case LM_JS_OBJECT:
		return LM_HOST_OBJECT;
	default:
		return LM_HOST_OTHER;
	}
}

static double op_to_number(struct lm_host *host, struct lm_host_value *value)
{
	return lm_js_to_number(host->js, in(value));
}

static bool op_to_bool(struct lm_host *host, struct lm_host_value *value)
{
	return lm_js_truth(host->js, in(value));
}

/* What cannot be had is longer than anything is allowed to be. */
static size_t op_octets(struct lm_host *host, struct lm_host_value *value, uint8_t *to, size_t size)
{
	struct lm_buf room = { .max = STRING_MAX };
	struct lm_js_error ignored;
	size_t len;

	if (!lm_js_add_octets(host->js, in(value), &room)) {
		lm_js_catch(host->js, &ignored, NULL);
		lm_buf_wipe(&room);
		if (size)
			memset(to, 0, size);
		return SIZE_MAX;
	}
	len = lm_buf_len(&room);
	if (len && size)
		memcpy(to, lm_buf_bytes(&room).data, len < size ? len : size);
	lm_buf_wipe(&room);
	return len;
}

static struct lm_bytes op_view(struct lm_host *host, struct lm_host_value *bytes)
{
	return lm_js_view(host->js, in(bytes));
}

static struct lm_host_value *op_get(struct lm_host *host, struct lm_host_value *object,
                                    const char *name)
{
	return out(lm_js_get(host->js, in(object), name));
}

static size_t op_length(struct lm_host *host, struct lm_host_value *array)
{
	struct lm_js_value *length = lm_js_get(host->js, in(array), "length");

	return length ? (size_t)lm_js_to_number(host->js, length) : 0;
}

static struct lm_host_value *op_at(struct lm_host *host, struct lm_host_value *array, size_t index)
{
	return out(lm_js_at(host->js, in(array), (unsigned)index));
}

static struct lm_host_ref *op_keep(struct lm_host *host, struct lm_host_value *value)
{
	lm_js_hold(host->js, in(value));
	return (struct lm_host_ref *)value;
}

static void op_drop(struct lm_host *host, struct lm_host_ref *ref)
{
	lm_js_drop(host->js, (struct lm_js_value *)ref);
}

static void fail_type(struct lm_js *js, const struct lm_error *error)
{
	struct lm_js_value *thrown, *code = lm_js_string(js, lm_str(lm_err_name(error->code)));
	struct lm_js_error ignored;

	lm_js_throw(js, LM_JS_TYPE_ERROR, "%s", error->text);
	if (code && lm_js_catch(js, &ignored, &thrown) && lm_js_set(js, thrown, "code", code))
		lm_js_throw_value(js, thrown);
}

static void op_fail(struct lm_host *host, const struct lm_error *error)
{
	if (error->code == LM_E_MISUSE)
		fail_type(host->js, error);
	else
		lm_js_throw_error(host->js, error);
}

static const struct lm_host_ops ops = {
	.size = sizeof(ops),
	.undefined = op_undefined,
	.boolean = op_boolean,
	.number = op_number,
	.string = op_string,
	.bytes = op_bytes,
	.object = op_object,
	.array = op_array,
	.set = op_set,
	.put = op_put,
	.kind = op_kind,
	.to_number = op_to_number,
	.to_bool = op_to_bool,
	.octets = op_octets,
	.view = op_view,
	.get = op_get,
	.length = op_length,
	.at = op_at,
	.keep = op_keep,
	.drop = op_drop,
	.fail = op_fail,
};

/* ---- waking script ---- */

/* What script does not catch there, nobody else would see. */
static void call(struct lm_host *host, struct lm_js_value *function)
{
	if (function && !lm_js_call(host->js, function, NULL, 0, NULL))
		lm_runtime_fail_caught(host->rt, "lettermill");
}

static void woken(struct lm_task *task)
{
	struct waker *waker = lm_container(task, struct waker, task);

	if (!waker->host) {
		lm_free(waker);
		return;
	}
	atomic_store(&waker->is_posted, false);
	call(waker->host, waker->host->pump);
}

static void wake(void *ctx)
{
	struct waker *waker = ((struct lm_host *)ctx)->waker;

	if (!atomic_exchange(&waker->is_posted, true))
		lm_loop_post(waker->loop, &waker->task);
}

static void alive(void *ctx, bool alive)
{
	struct lm_host *host = ctx;

	if (alive)
		lm_runtime_hold(host->rt);
	else
		lm_runtime_release(host->rt);
}

static void terminated(void *ctx)
{
	struct lm_host *host = ctx;

	call(host, host->terminate);
}

/* ---- functions ---- */

static struct lm_js_value *run_native(const struct lm_js_call *call)
{
	const struct binding *binding = call->data;
	const size_t max = LM_BRIDGE_PARAMS_MAX;
	const struct lm_bridge_call inner = {
		.bridge = binding->host->bridge,
		.host = binding->host,
		.count = call->count < max ? call->count : max,
		.args = (struct lm_host_value *const *)call->args,
	};

	return in(binding->native->run(&inner));
}

static struct lm_host *host_of(const struct lm_js_call *call)
{
	return lm_runtime_state(call->data, &lm_script_module_bridge);
}

/* The bridge's natives, by name. */
static struct lm_js_value *native_functions(const struct lm_js_call *call)
{
	struct lm_js_value *object = lm_js_object(call->js), *function;

	for (struct binding *b = host_of(call)->bindings; object && b->native; b++) {
		function = lm_js_function(call->js, b->native->name, run_native, b);
		if (!function || !lm_js_set(call->js, object, b->native->name, function))
			return NULL;
	}
	return object;
}

static struct lm_js_value *hold(const struct lm_js_call *call, struct lm_js_value **place)
{
	if (*place)
		lm_js_drop(call->js, *place);
	*place = lm_js_arg(call, 0);
	lm_js_hold(call->js, *place);
	return lm_js_undefined(call->js);
}

static struct lm_js_value *native_on_wake(const struct lm_js_call *call)
{
	return hold(call, &host_of(call)->pump);
}

static struct lm_js_value *native_on_terminate(const struct lm_js_call *call)
{
	return hold(call, &host_of(call)->terminate);
}

static void free_octets(void *data)
{
	lm_free(data);
}

/* A string's octets, by the house's rule. */
static struct lm_js_value *native_octets(const struct lm_js_call *call)
{
	struct lm_buf room = { .max = STRING_MAX };
	struct lm_js_value *value = NULL;
	uint8_t *octets;
	size_t len;

	if (lm_native_text(call, 0, &room)) {
		len = lm_buf_len(&room);
		octets = lm_alloc(len + 1);
		if (octets && len)
			memcpy(octets, lm_buf_bytes(&room).data, len);
		value = octets ? in(op_bytes(host_of(call), octets, len, free_octets))
		               : lm_native_nomem(call->js);
	}
	lm_buf_wipe(&room);
	return value;
}

static struct lm_js_value *native_text(const struct lm_js_call *call)
{
	return lm_js_string(call->js, lm_js_view(call->js, lm_js_arg(call, 0)));
}

/* ---- the module ---- */

static void host_close(void *state)
{
	struct lm_host *host = state;

	lm_runtime_off_terminate(host->rt, terminated, host);
	lm_bridge_free(host->bridge, host);
	if (host->pump)
		lm_js_drop(host->js, host->pump);
	if (host->terminate)
		lm_js_drop(host->js, host->terminate);
	/* Nobody posts any more; what is posted finds nobody. */
	if (host->waker && atomic_load(&host->waker->is_posted))
		host->waker->host = NULL;
	else
		lm_free(host->waker);
	lm_free(host->bindings);
	lm_free(host);
}

static int make_bindings(struct lm_host *host)
{
	const struct lm_bridge_native *natives = lm_bridge_natives();
	size_t count = 0;

	while (natives[count].name)
		count++;
	host->bindings = lm_alloc_zero(count + 1, sizeof(*host->bindings));
	if (!host->bindings)
		return LM_E_NOMEM;
	for (size_t i = 0; i < count; i++)
		host->bindings[i] = (struct binding){ host, &natives[i] };
	return 0;
}

static int make_bridge(struct lm_host *host)
{
	const struct lm_bridge_host params = {
		.size = sizeof(params), .ops = &ops, .wake = wake, .alive = alive, .ctx = host
	};

	host->waker = lm_alloc_zero(1, sizeof(*host->waker));
	if (!host->waker)
		return LM_E_NOMEM;
	host->waker->task.run = woken;
	host->waker->loop = host->rt->loop;
	host->waker->host = host;
	return lm_bridge_new(&params, &host->bridge);
}

/* Workers have events of a server to answer, and no loop that would run for others. */
static int host_open(struct lm_runtime *rt, void **out_state, struct lm_error *out_error)
{
	struct lm_host *host;
	int err;

	if (!rt->is_main)
		return lm_fail(out_error, LM_E_UNSUPPORTED,
		               "require('lettermill'): is for the main script only");
	host = lm_alloc_zero(1, sizeof(*host));
	if (!host)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	host->rt = rt;
	host->js = rt->js;
	err = make_bindings(host);
	if (!err)
		err = make_bridge(host);
	if (!err)
		err = lm_runtime_on_terminate(rt, terminated, host);
	if (err) {
		host_close(host);
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	}
	*out_state = host;
	return 0;
}

static const struct lm_script_native natives[] = {
	{ "functions", native_functions },
	{ "onWake", native_on_wake },
	{ "onTerminate", native_on_terminate },
	{ "octets", native_octets },
	{ "text", native_text },
	{ NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_bridge, NULL };

const struct lm_script_module lm_script_module_bridge = {
	.name = "infinity.bridge",
	.sources = sources,
	.natives = natives,
	.open = host_open,
	.close = host_close,
};
