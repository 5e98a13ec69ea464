/** @file
 * The addon's own: an environment of Node.js (the main thread, or a worker) as the bridge's host.
 */
#ifndef LM_NODE_HOST_H
#define LM_NODE_HOST_H

#define NAPI_VERSION 8
#include <node_api.h>

#include <lettermill/bridge.h>

struct lm_node_binding;
/** Functions that make objects, one for each list of members (shapes.c). */
struct lm_node_shapes;

/** One an environment; belongs to its thread. */
struct lm_host {
	napi_env env;
	struct lm_bridge *bridge; /**< NULL: ended */
	struct lm_node_binding *bindings;
	napi_threadsafe_function waker;
	napi_ref pump; /**< what `wake` calls, or NULL */
	struct lm_node_shapes *shapes;
	struct lm_host *next;
};

/** The operations on values. */
extern const struct lm_host_ops lm_node_ops;

static inline napi_value lm_node_in(struct lm_host_value *value)
{
	return (napi_value)value;
}

/* What a call of Node-API put at `value`. */
static inline struct lm_host_value *lm_node_out(napi_status status, const napi_value *value)
{
	return status == napi_ok ? (struct lm_host_value *)*value : NULL;
}

/** A string by docs/octets.md; NULL: thrown. */
napi_value lm_node_string(napi_env env, struct lm_bytes octets);
/** The octets of a string, in a Buffer; NULL: thrown. */
napi_value lm_node_octets(napi_env env, napi_value string);
/** As lm_host_ops.octets. */
size_t lm_node_put_octets(napi_env env, napi_value string, uint8_t *to, size_t size);
/** As lm_host_ops.record. */
struct lm_host_value *lm_node_record(struct lm_host *host, size_t count, const char *const names[],
                                     struct lm_host_value *const values[]);
void lm_node_shapes_free(struct lm_host *host);
/** Throw where nothing is thrown yet. Returns NULL. */
napi_value lm_node_throw(napi_env env, const char *code, const char *text);

#endif
