/* infinity.memory: what js/memory.js calls. */
#include "script/js/sources.h"
#include "script/memory_impl.h"
#include "script/octets.h"
#include "script/values.h"

#include "base/error.h"

enum { NAMES_MAX = 1 << 28, TTL_MAX = INT32_MAX };

static struct lm_script_memory *memory_of(const struct lm_js_call *call)
{
	const struct lm_runtime *rt = call->data;

	if (!rt->script->memory)
		lm_value_throw(call->js, LM_E_UNSUPPORTED, "infinity.memory");
	return rt->script->memory;
}

/* What there is no room for is a RangeError. */
static struct lm_js_value *fail(const struct lm_js_call *call, int err)
{
	if (err != LM_E_LIMIT)
		return lm_value_throw(call->js, err, "infinity.memory");
	return lm_js_throw(call->js, LM_JS_RANGE_ERROR,
	                   "infinity.memory: there is no room for more (%d MB in all)",
	                   LM_SCRIPT_MEMORY_OCTETS >> 20);
}

static bool name_arg(const struct lm_js_call *call, struct lm_buf *out)
{
	*out = (struct lm_buf){ .max = LM_SCRIPT_MEMORY_NAME };
	if (lm_js_add_octets(call->js, lm_js_arg(call, 0), out))
		return true;
	lm_buf_done(out);
	return false;
}

/* A call about one name. */
static struct lm_js_value *with_name(const struct lm_js_call *call,
                                     struct lm_js_value *(*step)(const struct lm_js_call *,
                                                                 struct lm_script_memory *,
                                                                 struct lm_bytes))
{
	struct lm_script_memory *m = memory_of(call);
	struct lm_js_value *result;
	struct lm_buf name;

	if (!m || !name_arg(call, &name))
		return NULL;
	result = step(call, m, lm_buf_bytes(&name));
	lm_buf_done(&name);
	return result;
}

/* (name, JSON text, bytes that go with it, milliseconds, only where there is none): whether */
static struct lm_js_value *put(const struct lm_js_call *call, struct lm_script_memory *m,
                               struct lm_bytes name)
{
	bool only_absent = lm_js_truth(call->js, lm_js_arg(call, 4));
	struct lm_buf value = { .max = LM_VALUE_MAX };
	uint64_t ttl;
	int err;

	if (!lm_value_count(call, 3, UINT64_MAX, &ttl) || !lm_value_octets(call, 1, &value)) {
		lm_buf_done(&value);
		return NULL;
	}
	err = (only_absent ? lm_memory_add : lm_memory_put)(m, name, lm_buf_bytes(&value),
	                                                    (lm_time_ms)ttl);
	lm_buf_done(&value);
	if (err && err != LM_E_EXISTS)
		return fail(call, err);
	return lm_js_bool(call->js, err == 0);
}

static struct lm_js_value *memory_put(const struct lm_js_call *call)
{
	return with_name(call, put);
}

/* (name): [JSON text, bytes that go with it], or undefined */
static struct lm_js_value *get(const struct lm_js_call *call, struct lm_script_memory *m,
                               struct lm_bytes name)
{
	struct lm_buf value = { .max = LM_VALUE_MAX };
	int err = lm_memory_get(m, name, &value);
	struct lm_js_value *result;

	if (err == LM_E_NOT_FOUND)
		return lm_js_undefined(call->js);
	result = err ? fail(call, err) : lm_value_of(call->js, lm_buf_bytes(&value));
	lm_buf_done(&value);
	return result;
}

static struct lm_js_value *memory_get(const struct lm_js_call *call)
{
	return with_name(call, get);
}

/* (name, by): the new number; undefined: what is there is none */
static struct lm_js_value *count(const struct lm_js_call *call, struct lm_script_memory *m,
                                 struct lm_bytes name)
{
	double value, by = lm_js_to_number(call->js, lm_js_arg(call, 1));
	int err = lm_memory_count(m, name, by, &value);

	if (err == LM_E_MISUSE)
		return lm_js_undefined(call->js);
	return err ? fail(call, err) : lm_js_number(call->js, value);
}

static struct lm_js_value *memory_count(const struct lm_js_call *call)
{
	return with_name(call, count);
}

static struct lm_js_value *exists(const struct lm_js_call *call, struct lm_script_memory *m,
                                  struct lm_bytes name)
{
	lm_time_ms ttl;

	return lm_js_bool(call->js, lm_memory_ttl(m, name, &ttl) == 0);
}

static struct lm_js_value *memory_exists(const struct lm_js_call *call)
{
	return with_name(call, exists);
}

static struct lm_js_value *remove_value(const struct lm_js_call *call, struct lm_script_memory *m,
                                        struct lm_bytes name)
{
	return lm_js_bool(call->js, lm_memory_remove(m, name));
}

static struct lm_js_value *memory_remove(const struct lm_js_call *call)
{
	return with_name(call, remove_value);
}

/* (name): milliseconds that are left, 0: it stays; undefined: it is not there */
static struct lm_js_value *ttl_of(const struct lm_js_call *call, struct lm_script_memory *m,
                                  struct lm_bytes name)
{
	lm_time_ms ttl;

	if (lm_memory_ttl(m, name, &ttl))
		return lm_js_undefined(call->js);
	return lm_js_number(call->js, (double)ttl);
}

static struct lm_js_value *memory_ttl(const struct lm_js_call *call)
{
	return with_name(call, ttl_of);
}

/* (name, milliseconds): whether it is there */
static struct lm_js_value *set_ttl(const struct lm_js_call *call, struct lm_script_memory *m,
                                   struct lm_bytes name)
{
	uint64_t ttl;

	if (!lm_value_count(call, 1, UINT64_MAX, &ttl))
		return NULL;
	return lm_js_bool(call->js, lm_memory_set_ttl(m, name, (lm_time_ms)ttl) == 0);
}

static struct lm_js_value *memory_set_ttl(const struct lm_js_call *call)
{
	return with_name(call, set_ttl);
}

/* (prefix): names, with a NUL behind each */
static struct lm_js_value *names(const struct lm_js_call *call, struct lm_script_memory *m,
                                 struct lm_bytes prefix)
{
	struct lm_buf out = { .max = NAMES_MAX };
	int err = lm_memory_names(m, prefix, &out);
	struct lm_js_value *result = err ? fail(call, err)
	                                 : lm_js_string(call->js, lm_buf_bytes(&out));

	lm_buf_done(&out);
	return result;
}

static struct lm_js_value *memory_names(const struct lm_js_call *call)
{
	return with_name(call, names);
}

static struct lm_js_value *memory_clear(const struct lm_js_call *call)
{
	struct lm_script_memory *m = memory_of(call);

	if (!m)
		return NULL;
	lm_memory_clear(m);
	return lm_js_undefined(call->js);
}

static struct lm_js_value *memory_size(const struct lm_js_call *call)
{
	struct lm_script_memory *m = memory_of(call);
	uint64_t octets;

	return m ? lm_js_number(call->js, (double)lm_memory_values(m, &octets)) : NULL;
}

static bool keep_on(void *ctx)
{
	return lm_runtime_sleep(ctx, 0);
}

/* (name, milliseconds or undefined): false when the time is over */
static struct lm_js_value *lock(const struct lm_js_call *call, struct lm_script_memory *m,
                                struct lm_bytes name)
{
	struct lm_error error;
	uint64_t timeout = LM_NEVER;
	int err;

	if (lm_js_type(call->js, lm_js_arg(call, 1)) != LM_JS_UNDEFINED &&
	    !lm_value_count(call, 1, UINT64_MAX, &timeout))
		return NULL;
	err = lm_memory_lock(m, name, call->data, (lm_time_ms)timeout, keep_on, call->data);
	switch (err) {
	case 0:
	case LM_E_TIMEOUT:
		return lm_js_bool(call->js, err == 0);
	case LM_E_IN_USE:
		lm_fail(&error, err,
		        "infinity.memory.lock: who holds it waits for a lock of this script");
		break;
	case LM_E_CANCELED:
		lm_fail(&error, err, "infinity.memory.lock: the script is to end");
		break;
	case LM_E_LIMIT:
		return lm_js_throw(call->js, LM_JS_RANGE_ERROR,
		                   "infinity.memory.lock: %d locks are held already",
		                   LM_MEMORY_LOCKS);
	default:
		return fail(call, err);
	}
	return lm_js_throw_error(call->js, &error);
}

static struct lm_js_value *memory_lock(const struct lm_js_call *call)
{
	return with_name(call, lock);
}

static struct lm_js_value *unlock(const struct lm_js_call *call, struct lm_script_memory *m,
                                  struct lm_bytes name)
{
	return lm_js_bool(call->js, lm_memory_unlock(m, name, call->data));
}

static struct lm_js_value *memory_unlock(const struct lm_js_call *call)
{
	return with_name(call, unlock);
}

static const struct lm_js_source *const sources[] = { &lm_js_values, &lm_js_memory, NULL };
static const struct lm_script_native natives[] = {
	{ "memoryPut", memory_put },
	{ "memoryGet", memory_get },
	{ "memoryCount", memory_count },
	{ "memoryExists", memory_exists },
	{ "memoryRemove", memory_remove },
	{ "memoryTtl", memory_ttl },
	{ "memorySetTtl", memory_set_ttl },
	{ "memoryNames", memory_names },
	{ "memoryClear", memory_clear },
	{ "memorySize", memory_size },
	{ "memoryLock", memory_lock },
	{ "memoryUnlock", memory_unlock },
	{ NULL, NULL },
};

const struct lm_script_module lm_script_module_memory = {
	.name = "infinity.memory",
	.sources = sources,
	.natives = natives,
};
