/** @file
 * The JavaScript engine behind one small interface: a VM for a thread, its values, calls in both
 * directions, limits. Only the files of this folder know which engine it is.
 *
 * Values live while the C function that got them runs (they are found on the stack); what is kept
 * longer, on the heap above all, must be held. Octets become strings and back by one rule
 * (docs/octets.md): UTF-8, where an octet that is no part of valid UTF-8 is the lone surrogate
 * U+DC00 + octet; so octets to string to octets is the identity.
 *
 * Errors: what can run script returns NULL when it threw. Native functions hand that on by
 * returning NULL themselves; others take it with lm_js_catch.
 *
 * Threads: a VM and all that came from it belong to the thread that made it, but for
 * lm_js_overdue and lm_js_abandon.
 */
#ifndef LM_SCRIPT_ENGINE_ENGINE_H
#define LM_SCRIPT_ENGINE_ENGINE_H

#include "base/buf.h"

struct lm_js;
struct lm_js_value;

/** Load the engine and settle what is the whole process's (signals, heap hints). Call it before any
 * other thread starts; again it does nothing. Errors: LM_E_UNSUPPORTED (the library is not there;
 * the text names the package). */
LM_MUST int lm_js_setup(struct lm_error *out_error);
/** "JavaScriptCore 2.50.6". Threads: any, behind lm_js_setup. */
const char *lm_js_engine(void);

/** What one call from outside may cost, microtasks included. 0: no limit. */
struct lm_js_limits {
	lm_time_ms cpu; /**< processor time */
	uint64_t heap;  /**< octets the VM may hold */
};

/** Make a VM. `owner` is the caller's own, see lm_js_owner. Errors: LM_E_NOMEM. */
LM_MUST int lm_js_new(const struct lm_js_limits *limits, void *owner, struct lm_js **out_js,
                      struct lm_error *out_error);
/** Holds that are left are let go; finalizers run in it at the latest. NULL is allowed. */
void lm_js_free(struct lm_js *js);
void *lm_js_owner(const struct lm_js *js);

/** @name Making values */
/**@{*/
struct lm_js_value *lm_js_undefined(struct lm_js *js);
struct lm_js_value *lm_js_null(struct lm_js *js);
struct lm_js_value *lm_js_bool(struct lm_js *js, bool value);
struct lm_js_value *lm_js_number(struct lm_js *js, double value);
/** A string of octets, by the rule above. NULL (and thrown) when out of memory or over 1 GB. */
struct lm_js_value *lm_js_string(struct lm_js *js, struct lm_bytes octets);
/** A string of one unit an octet (latin-1, "binary string"). */
struct lm_js_value *lm_js_binary(struct lm_js *js, struct lm_bytes octets);
/** A Uint8Array with a copy. */
struct lm_js_value *lm_js_bytes(struct lm_js *js, struct lm_bytes octets);
/** A Uint8Array over the caller's memory without a copy; `done` frees it, perhaps on another
 * thread, and must not call the engine. */
struct lm_js_value *lm_js_bytes_over(struct lm_js *js, void *data, size_t len,
                                     void (*done)(void *data, void *ctx), void *ctx);
struct lm_js_value *lm_js_object(struct lm_js *js);
struct lm_js_value *lm_js_array(struct lm_js *js, size_t count, struct lm_js_value *const values[]);
/** What JSON text says; NULL and thrown (SyntaxError) for what is none. */
struct lm_js_value *lm_js_from_json(struct lm_js *js, struct lm_bytes json);
/** JSON of a value, added to `out`; indent 0 to 10. False: it threw, or there is none (a function).
 */
bool lm_js_to_json(struct lm_js *js, struct lm_js_value *value, unsigned indent,
                   struct lm_buf *out);
/**@}*/

/** @name Looking at values */
/**@{*/
enum lm_js_type {
	LM_JS_UNDEFINED,
	LM_JS_NULL,
	LM_JS_BOOL,
	LM_JS_NUMBER,
	LM_JS_STRING,
	LM_JS_FUNCTION,
	LM_JS_ARRAY,
	LM_JS_BYTES, /**< any typed array, or an ArrayBuffer */
	LM_JS_OBJECT,
	LM_JS_OTHER, /**< a symbol, a BigInt */
};
enum lm_js_type lm_js_type(struct lm_js *js, struct lm_js_value *value);
/** Truth as JavaScript sees it. */
bool lm_js_truth(struct lm_js *js, struct lm_js_value *value);
/** Of a number; NAN of anything else: nothing is converted. */
double lm_js_to_number(struct lm_js *js, struct lm_js_value *value);
/** The octets of a string, added to `out`, by the rule above (a lone surrogate that stands for no
 * octet becomes U+FFFD). Only strings: else, and past the buffer's maximum, it throws and is false.
 */
bool lm_js_add_octets(struct lm_js *js, struct lm_js_value *value, struct lm_buf *out);
/** The same of String(value), for messages to people; never throws, cuts at the maximum. */
void lm_js_add_text(struct lm_js *js, struct lm_js_value *value, struct lm_buf *out);
/** The octets of a LM_JS_BYTES, in place: until the next call on the VM. Else none. */
struct lm_bytes lm_js_view(struct lm_js *js, struct lm_js_value *value);
/** A property; NULL: a getter threw. `name` is a literal (it is interned by its address). */
struct lm_js_value *lm_js_get(struct lm_js *js, struct lm_js_value *object, const char *name);
struct lm_js_value *lm_js_at(struct lm_js *js, struct lm_js_value *array, unsigned index);
bool lm_js_set(struct lm_js *js, struct lm_js_value *object, const char *name,
               struct lm_js_value *value);
/** An array's element; false: thrown. */
bool lm_js_put(struct lm_js *js, struct lm_js_value *array, unsigned index,
               struct lm_js_value *value);
/** The names of an object's own enumerable properties, one call each; false of `each` stops. */
bool lm_js_each_name(struct lm_js *js, struct lm_js_value *object,
                     bool (*each)(void *ctx, struct lm_bytes name), void *ctx);
/** Keep a value beyond the C frame. Counted: as many drops as holds. */
void lm_js_hold(struct lm_js *js, struct lm_js_value *value);
void lm_js_drop(struct lm_js *js, struct lm_js_value *value);
/**@}*/

/** @name Calls into script */
/**@{*/
/** A script as it was read. `file` is what errors show. */
struct lm_js_source {
	const char *file;
	struct lm_bytes text;
};
/** Run a whole script in the global scope; gives its completion value. */
struct lm_js_value *lm_js_run(struct lm_js *js, const struct lm_js_source *source);
/**
 * Make a function of a script's text as its body: `return` may stand anywhere, and `await` too
 * (then the function is an async one). `parameters`: names with commas between. Lines are counted
 * as in the file.
 */
struct lm_js_value *lm_js_compile(struct lm_js *js, const struct lm_js_source *source,
                                  const char *parameters);
/** `self` NULL: undefined. */
struct lm_js_value *lm_js_call(struct lm_js *js, struct lm_js_value *function,
                               struct lm_js_value *self, size_t count,
                               struct lm_js_value *const args[]);
struct lm_js_value *lm_js_construct(struct lm_js *js, struct lm_js_value *constructor, size_t count,
                                    struct lm_js_value *const args[]);

/** A script's error as people want to see it. Strings live until the next lm_js_catch. */
struct lm_js_error {
	const char *message;   /**< "TypeError: x is not a function", one line */
	const char *file;      /**< "" unknown */
	unsigned line, column; /**< 0: unknown, as the column of what the parser refuses */
	const char *stack;     /**< lines "  at function (file:line:column)"; may be "" */
	/** A limit was met: the script was ended and could not catch that. */
	bool ended;
	int code; /**< the enum lm_err of an error made by lm_js_throw_error; 0: the script's own */
};
/** Take what was thrown last; false: nothing was. *out_value (may be NULL) gets the thrown value.
 */
bool lm_js_catch(struct lm_js *js, struct lm_js_error *out_error, struct lm_js_value **out_value);
/** The same of any value, as a rejected promise gives it. */
void lm_js_describe(struct lm_js *js, struct lm_js_value *thrown, struct lm_js_error *out_error);
/**@}*/

/** @name Functions for script */
/**@{*/
struct lm_js_call {
	struct lm_js *js;
	void *data; /**< as given to lm_js_function */
	struct lm_js_value *self;
	size_t count;
	struct lm_js_value *const *args;
};
/** Returns NULL when it threw. */
typedef struct lm_js_value *(*lm_js_fn)(const struct lm_js_call *call);
/** `name` is a literal. `data` must live as long as the VM. */
struct lm_js_value *lm_js_function(struct lm_js *js, const char *name, lm_js_fn fn, void *data);
/** The i-th argument, undefined where there is none. */
struct lm_js_value *lm_js_arg(const struct lm_js_call *call, size_t i);

enum lm_js_error_kind { LM_JS_ERROR, LM_JS_TYPE_ERROR, LM_JS_RANGE_ERROR, LM_JS_SYNTAX_ERROR };
/** Throw; always NULL, so that one can return it. */
struct lm_js_value *lm_js_throw(struct lm_js *js, enum lm_js_error_kind kind, const char *fmt, ...)
        LM_PRINTF(3, 4);
/** Throw an Error with `message` error->text and `code` "NOT_FOUND" and the like. */
struct lm_js_value *lm_js_throw_error(struct lm_js *js, const struct lm_error *error);
/** Throw a value. */
struct lm_js_value *lm_js_throw_value(struct lm_js *js, struct lm_js_value *value);

/** A kind of native object; one static object each. */
struct lm_js_class {
	const char *name;
	/** The object is gone. On the VM's thread; must not call the engine. */
	void (*finalize)(void *data);
};
/** An object with a C pointer inside. `cost`: octets it holds outside the VM, for its collector. */
struct lm_js_value *lm_js_wrap(struct lm_js *js, const struct lm_js_class *kind, void *data,
                               size_t cost);
/** The pointer; NULL for anything that is not of this class. */
void *lm_js_unwrap(struct lm_js *js, struct lm_js_value *value, const struct lm_js_class *kind);
/** Tell the collector that something holds more outside the VM than it can see. */
void lm_js_cost(struct lm_js *js, size_t octets);

/** A promise to be settled from the VM's loop. */
struct lm_js_promise;
struct lm_js_value *lm_js_promise_new(struct lm_js *js, struct lm_js_promise **out_promise);
/** Settle and free; `value` is the result or the reason. What waits for it runs before this
 * returns, when no script is running further up. */
void lm_js_promise_settle(struct lm_js *js, struct lm_js_promise *promise, bool good,
                          struct lm_js_value *value);
/** Forget it unsettled (the VM ends). */
void lm_js_promise_free(struct lm_js *js, struct lm_js_promise *promise);
/** Where rejections go that nobody handled by the end of a turn. */
void lm_js_on_rejection(struct lm_js *js, void (*rejected)(void *ctx, struct lm_js_value *reason),
                        void *ctx);
/**@}*/

/** @name Limits */
/**@{*/
/** Other limits from the next call on. */
void lm_js_set_limits(struct lm_js *js, const struct lm_js_limits *limits);
/** A call from outside was ended by a limit; reset by reading. The VM still works. */
bool lm_js_was_ended(struct lm_js *js);
/** How long the call that runs now is over its processor time; 0: it is not, or none runs. Counted
 * from when the first one asks in that call, so ask now and then. What is far over cannot be ended
 * from inside: an endless chain of microtasks, or a regular expression that goes back and forth.
 * Threads: any. */
lm_time_ms lm_js_overdue(struct lm_js *js);
/**
 * Stop the VM's thread for good, wherever it is: it neither runs nor ends any more, and cannot be
 * joined. Its memory is lost, and nobody may use the VM again. For what cannot be ended otherwise.
 * It is left only where others were seen to go on without it, which takes some milliseconds, and
 * some seconds at worst. Threads: any but its own. Errors: LM_E_MISUSE (it is not in a call),
 * LM_E_TIMEOUT (no such place was found: it runs on), LM_E_NOMEM.
 */
LM_MUST int lm_js_abandon(struct lm_js *js);
/** Octets in use. Costs a third of a millisecond. */
uint64_t lm_js_heap(struct lm_js *js);
/** Collect now; for tests. */
void lm_js_collect(struct lm_js *js);
/**@}*/

#endif
