/** @file
 * Servers and clients for a JavaScript: one thread that runs script, many that speak protocols.
 *
 * A host (Node.js, JavaScriptCore, another engine) implements struct lm_host_ops, a few operations
 * on its values; it gets a table of native functions to offer to script. What they do and which
 * entries lm_bridge_natives' `take` gives is written in bindings/README.md, the JavaScript above
 * them stands in bindings/js.
 *
 * Threads: a bridge belongs to the thread that runs script. Sessions run on the servers' workers,
 * clients on a thread of the bridge; what they tell is copied into a queue, and `wake` says that
 * there is something in it.
 */
#ifndef LETTERMILL_BRIDGE_H
#define LETTERMILL_BRIDGE_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The engine's moment: napi_env, struct lm_js. Opaque to the bridge. */
struct lm_host;
/** A value of script; lives until the native function that got or made it returns. */
struct lm_host_value;
/** A value that is kept. */
struct lm_host_ref;

enum lm_host_kind {
	LM_HOST_UNDEFINED, /**< null, too */
	LM_HOST_BOOL,
	LM_HOST_NUMBER,
	LM_HOST_STRING,
	LM_HOST_BYTES, /**< a Uint8Array (Buffer) */
	LM_HOST_ARRAY,
	LM_HOST_OBJECT,
	LM_HOST_OTHER,
};

/**
 * What a host does for the bridge; all on the script's thread. Functions that make values return
 * NULL when script threw or memory ran out; the native function then returns NULL itself.
 * Strings are octets by docs/octets.md: UTF-8, where an octet that is no part of valid UTF-8 is the
 * lone surrogate U+DC00 + octet.
 */
struct lm_host_ops {
	uint32_t size; /**< sizeof(struct lm_host_ops) */
	struct lm_host_value *(*undefined)(struct lm_host *host);
	struct lm_host_value *(*boolean)(struct lm_host *host, bool value);
	struct lm_host_value *(*number)(struct lm_host *host, double value);
	struct lm_host_value *(*string)(struct lm_host *host, struct lm_bytes octets);
	/** A Uint8Array (in Node a Buffer) over `data`, without a copy where the engine can; `done`
	 * frees it, on any thread, once, also when this fails. */
	struct lm_host_value *(*bytes)(struct lm_host *host, void *data, size_t len,
	                               void (*done)(void *data));
	struct lm_host_value *(*object)(struct lm_host *host);
	struct lm_host_value *(*array)(struct lm_host *host, size_t count);
	/** `name` is a literal. False: thrown. */
	bool (*set)(struct lm_host *host, struct lm_host_value *object, const char *name,
	            struct lm_host_value *value);
	bool (*put)(struct lm_host *host, struct lm_host_value *array, size_t index,
	            struct lm_host_value *value);

	enum lm_host_kind (*kind)(struct lm_host *host, struct lm_host_value *value);
	double (*to_number)(struct lm_host *host, struct lm_host_value *value);
	bool (*to_bool)(struct lm_host *host, struct lm_host_value *value);
	/** Octets of a string: with `size` 0 how many there are, else at most `size` of them are
	 * put at `to`. Returns the whole length. */
	size_t (*octets)(struct lm_host *host, struct lm_host_value *value, uint8_t *to,
	                 size_t size);
	/** In place; valid until the native function returns, or as long as a ref keeps it. */
	struct lm_bytes (*view)(struct lm_host *host, struct lm_host_value *bytes);
	struct lm_host_value *(*get)(struct lm_host *host, struct lm_host_value *object,
	                             const char *name);
	size_t (*length)(struct lm_host *host, struct lm_host_value *array);
	struct lm_host_value *(*at)(struct lm_host *host, struct lm_host_value *array,
	                            size_t index);

	/** Keep a value alive, at its place in memory. NULL: out of memory. */
	struct lm_host_ref *(*keep)(struct lm_host *host, struct lm_host_value *value);
	void (*drop)(struct lm_host *host, struct lm_host_ref *ref);
	/** Throw an Error with `message` error->text and `code` "EXISTS" and the like
	 * (lm_err_name); LM_E_MISUSE is a TypeError. */
	void (*fail)(struct lm_host *host, const struct lm_error *error);
	/** Optional: an object with these members at once, which is faster; `names` are literals.
	 * The same names in the same order come again and again. */
	struct lm_host_value *(*record)(struct lm_host *host, size_t count,
	                                const char *const names[],
	                                struct lm_host_value *const values[]);
};

struct lm_bridge;

struct lm_bridge_host {
	uint32_t size; /**< sizeof(struct lm_bridge_host) */
	const struct lm_host_ops *ops;
	/** There is something to take, where `take` gave nothing before: run the script's pump
	 * soon. Once until the next empty `take`. Any thread; must not block. */
	void (*wake)(void *ctx);
	/** Something that runs begins, or the last such ends: keep the program alive meanwhile. On
	 * the script's thread. May be NULL. */
	void (*alive)(void *ctx, bool alive);
	void *ctx;
};

/** Make a bridge. Errors: LM_E_NOMEM. */
LM_API LM_MUST int lm_bridge_new(const struct lm_bridge_host *host, struct lm_bridge **out_bridge);
/** Stop all that runs, at once, and free; `wake` and `alive` are not called any more. `host` may be
 * NULL where script can no longer run: what was kept is then not dropped. Blocks until all threads
 * have ended. */
LM_API void lm_bridge_free(struct lm_bridge *bridge, struct lm_host *host);

/** A call of a native function. */
struct lm_bridge_call {
	struct lm_bridge *bridge;
	struct lm_host *host;
	size_t count;
	struct lm_host_value *const *args;
};
struct lm_bridge_native {
	const char *name;
	/** NULL: it threw. */
	struct lm_host_value *(*run)(const struct lm_bridge_call *call);
	unsigned params; /**< how many arguments it looks at, at most LM_BRIDGE_PARAMS_MAX */
};
enum { LM_BRIDGE_PARAMS_MAX = 8 };
/** The functions, up to a NULL name. Threads: any. */
LM_API const struct lm_bridge_native *lm_bridge_natives(void);

#ifdef __cplusplus
}
#endif
#endif
