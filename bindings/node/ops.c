/* What the bridge does with values of Node.js, by Node-API. */
#include "host.h"

/* Less is copied sooner than the collector is told of somebody else's memory. */
enum { COPIED = 2048 };

napi_value lm_node_throw(napi_env env, const char *code, const char *text)
{
	bool pending = true;

	if (napi_is_exception_pending(env, &pending) == napi_ok && !pending)
		napi_throw_error(env, code, text);
	return NULL;
}

static struct lm_host_value *op_undefined(struct lm_host *host)
{
	napi_value value = NULL;

	return lm_node_out(napi_get_undefined(host->env, &value), &value);
}

static struct lm_host_value *op_boolean(struct lm_host *host, bool is)
{
	napi_value value = NULL;

	return lm_node_out(napi_get_boolean(host->env, is, &value), &value);
}

static struct lm_host_value *op_number(struct lm_host *host, double number)
{
	napi_value value = NULL;

	return lm_node_out(napi_create_double(host->env, number, &value), &value);
}

static struct lm_host_value *op_string(struct lm_host *host, struct lm_bytes octets)
{
	return (struct lm_host_value *)lm_node_string(host->env, octets);
}

/* Node-API has two pointers for a finalizer: the octets, and who frees them. */
union freer {
	void (*done)(void *data);
	void *pointer;
};

static void free_bytes(napi_env env, void *data, void *hint)
{
	union freer freer = { .pointer = hint };

	(void)env;
	freer.done(data);
}

static struct lm_host_value *op_bytes(struct lm_host *host, void *data, size_t len,
                                      void (*done)(void *data))
{
	union freer freer = { .done = done };
	napi_value value = NULL;

	if (len > COPIED && napi_create_external_buffer(host->env, len, data, free_bytes,
	                                                freer.pointer, &value) == napi_ok)
		return (struct lm_host_value *)value;
	/* Some runtimes forbid memory that is not theirs. */
	if (napi_create_buffer_copy(host->env, len, data, NULL, &value) != napi_ok)
		value = lm_node_throw(host->env, "NOMEM", "no memory for octets");
	done(data);
	return (struct lm_host_value *)value;
}

static struct lm_host_value *op_object(struct lm_host *host)
{
	napi_value value = NULL;

	return lm_node_out(napi_create_object(host->env, &value), &value);
}

static struct lm_host_value *op_array(struct lm_host *host, size_t count)
{
	napi_value value = NULL;

	return lm_node_out(napi_create_array_with_length(host->env, count, &value), &value);
}

static bool op_set(struct lm_host *host, struct lm_host_value *object, const char *name,
                   struct lm_host_value *value)
{
	return napi_set_named_property(host->env, lm_node_in(object), name, lm_node_in(value)) ==
	       napi_ok;
}

static bool op_put(struct lm_host *host, struct lm_host_value *array, size_t index,
                   struct lm_host_value *value)
{
	return napi_set_element(host->env, lm_node_in(array), (uint32_t)index, lm_node_in(value)) ==
	       napi_ok;
}

static enum lm_host_kind object_kind(napi_env env, napi_value value)
{
	napi_typedarray_type type;
	bool is = false;

	if (napi_is_array(env, value, &is) == napi_ok && is)
		return LM_HOST_ARRAY;
	if (napi_is_typedarray(env, value, &is) != napi_ok || !is)
		return LM_HOST_OBJECT;
	if (napi_get_typedarray_info(env, value, &type, NULL, NULL, NULL, NULL) != napi_ok)
		return LM_HOST_OTHER;
	return type == napi_uint8_array ? LM_HOST_BYTES : LM_HOST_OBJECT;
}

static enum lm_host_kind op_kind(struct lm_host *host, struct lm_host_value *value)
{
	napi_valuetype type;

	if (napi_typeof(host->env, lm_node_in(value), &type) != napi_ok)
		return LM_HOST_OTHER;
	switch (type) {
	case napi_undefined:
	case napi_null:
		return LM_HOST_UNDEFINED;
	case napi_boolean:
		return LM_HOST_BOOL;
	case napi_number:
		return LM_HOST_NUMBER;
	case napi_string:
		return LM_HOST_STRING;
	case napi_object:
		return object_kind(host->env, lm_node_in(value));
	default:
		return LM_HOST_OTHER;
	}
}

static double op_to_number(struct lm_host *host, struct lm_host_value *value)
{
	double number = 0;

	napi_get_value_double(host->env, lm_node_in(value), &number);
	return number;
}

static bool op_to_bool(struct lm_host *host, struct lm_host_value *value)
{
	napi_value as_bool;
	bool is = false;

	if (napi_coerce_to_bool(host->env, lm_node_in(value), &as_bool) == napi_ok)
		napi_get_value_bool(host->env, as_bool, &is);
	return is;
}

static size_t op_octets(struct lm_host *host, struct lm_host_value *value, uint8_t *to, size_t size)
{
	return lm_node_put_octets(host->env, lm_node_in(value), to, size);
}

static struct lm_bytes op_view(struct lm_host *host, struct lm_host_value *bytes)
{
	void *data = NULL;
	size_t len = 0;

	if (napi_get_typedarray_info(host->env, lm_node_in(bytes), NULL, &len, &data, NULL, NULL) !=
	    napi_ok)
		return lm_bytes(NULL, 0);
	return lm_bytes(data, len);
}

static struct lm_host_value *op_get(struct lm_host *host, struct lm_host_value *object,
                                    const char *name)
{
	napi_value value = NULL;

	return lm_node_out(napi_get_named_property(host->env, lm_node_in(object), name, &value),
	                   &value);
}

static size_t op_length(struct lm_host *host, struct lm_host_value *array)
{
	uint32_t count = 0;

	napi_get_array_length(host->env, lm_node_in(array), &count);
	return count;
}

static struct lm_host_value *op_at(struct lm_host *host, struct lm_host_value *array, size_t index)
{
	napi_value value = NULL;

	return lm_node_out(napi_get_element(host->env, lm_node_in(array), (uint32_t)index, &value),
	                   &value);
}

static struct lm_host_ref *op_keep(struct lm_host *host, struct lm_host_value *value)
{
	napi_ref ref = NULL;

	if (napi_create_reference(host->env, lm_node_in(value), 1, &ref) != napi_ok)
		return NULL;
	return (struct lm_host_ref *)ref;
}

static void op_drop(struct lm_host *host, struct lm_host_ref *ref)
{
	napi_delete_reference(host->env, (napi_ref)ref);
}

static void op_fail(struct lm_host *host, const struct lm_error *error)
{
	napi_value code, text, thrown;
	napi_status status;

	code = lm_node_string(host->env, lm_str(lm_err_name(error->code)));
	text = lm_node_string(host->env, lm_str(error->text));
	if (!code || !text)
		return;
	if (error->code == LM_E_MISUSE)
		status = napi_create_type_error(host->env, code, text, &thrown);
	else
		status = napi_create_error(host->env, code, text, &thrown);
	if (status == napi_ok)
		napi_throw(host->env, thrown);
}

const struct lm_host_ops lm_node_ops = {
	.size = sizeof(struct lm_host_ops),
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
	.record = lm_node_record,
};
