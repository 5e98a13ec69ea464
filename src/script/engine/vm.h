/** @file
 * What the files of this folder share: the VM, and values as the engine names them.
 */
#ifndef LM_SCRIPT_ENGINE_VM_H
#define LM_SCRIPT_ENGINE_VM_H

#include "script/engine/engine.h"
#include "script/engine/jsc.h"

#include <pthread.h>
#include <stdatomic.h>

/** Octets of an error's texts. */
#define LM_JS_MESSAGE_MAX 2000
#define LM_JS_STACK_MAX   8000

/** Names of properties by the address of their literal; open addressing, a power of two. */
struct lm_js_names {
	struct lm_js_name {
		const char *literal;
		JSStringRef string;
	} * slots;
	size_t count, size;
};

/** A script that was compiled: its first line stands behind the head of the function. */
struct lm_js_file {
	struct lm_js_file *next;
	unsigned shift; /**< columns of line 1 that are not the file's */
	char name[];
};

/** One lm_js_class in this VM. */
struct lm_js_kind {
	struct lm_js_kind *next;
	const struct lm_js_class *kind;
	JSClassRef class;
};

/** Why script was ended. */
enum lm_js_end { LM_JS_END_NOT, LM_JS_END_CPU, LM_JS_END_HEAP };

/** Kept for the VM's life, so that no script can put another in its place. */
enum lm_js_root {
	LM_JS_ROOT_ERROR, /**< in the order of enum lm_js_error_kind */
	LM_JS_ROOT_TYPE_ERROR,
	LM_JS_ROOT_RANGE_ERROR,
	LM_JS_ROOT_SYNTAX_ERROR,
	LM_JS_ROOT_STRING,    /**< String */
	LM_JS_ROOT_KEYS,      /**< Object.keys */
	LM_JS_ROOT_PARSE,     /**< JSON.parse */
	LM_JS_ROOT_CALL,      /**< Function.prototype.call */
	LM_JS_ROOT_FUNCTIONS, /**< Function.prototype */
	LM_JS_ROOTS,
};

struct lm_js {
	JSContextGroupRef group;
	JSGlobalContextRef ctx;
	void *owner;
	JSClassRef function_class; /**< of functions in C */
	JSClassRef box_class;      /**< parent of all that lm_js_wrap makes */
	struct lm_js_kind *kinds;
	JSObjectRef roots[LM_JS_ROOTS];
	JSValueRef code; /**< symbol: the enum lm_err in an error of ours */
	struct lm_js_names names;
	struct lm_js_file *files;
	struct lm_js_promise *promises;
	void (*rejected)(void *ctx, struct lm_js_value *reason);
	void *rejected_ctx;

	JSValueRef thrown; /**< protected; NULL: nothing was */
	enum lm_js_end thrown_end;
	struct lm_buf message, file, stack; /**< of the last lm_js_error */

	pthread_t thread;
	clockid_t clock;       /**< the thread's processor time */
	unsigned depth;        /**< calls of ours that are under way, one in the other */
	enum lm_js_end ending; /**< the callback said to end */
	enum lm_js_end ended;  /**< the same for the outermost call, and for lm_js_was_ended */
	uint64_t heap;         /**< limit in octets */
	int64_t heap_ask;      /**< processor time from which on to look at it again */
	bool asked;            /**< the callback runs */
	_Atomic int64_t cpu;   /**< limit in nanoseconds */
	/** Processor time at the outermost entry in nanoseconds, or one of these. The clock costs
	 * as much as a short call, so it is read when somebody asks first. */
	_Atomic int64_t entry;
	int64_t entries; /**< the number of the outermost entry */
};
#define LM_JS_ENTRY_NONE (-1)
/** Nobody asked yet; another value for each entry, so that none is taken for the next one. */
#define LM_JS_ENTRY_UNKNOWN(n) (-2 - (n))

static inline JSValueRef lm_js_in(const struct lm_js_value *v)
{
	return (JSValueRef)v;
}

static inline struct lm_js_value *lm_js_out(JSValueRef v)
{
	return (struct lm_js_value *)(uintptr_t)v;
}

/** Of a value that is known to be an object. */
static inline JSObjectRef lm_js_in_object(const struct lm_js_value *v)
{
	return (JSObjectRef)(uintptr_t)v;
}

static inline const JSValueRef *lm_js_in_all(struct lm_js_value *const values[])
{
	return (const JSValueRef *)values;
}

/** @name Entering (call.c). Around all that may run script: the outermost one is what the limits
 * are for. leave is true when it was ended; then its result does not count. */
/**@{*/
static inline void lm_js_enter(struct lm_js *js)
{
	if (js->depth++ == 0)
		atomic_store_explicit(&js->entry, LM_JS_ENTRY_UNKNOWN(js->entries++),
		                      memory_order_relaxed);
}
bool lm_js_leave_slow(struct lm_js *js);
static inline bool lm_js_leave(struct lm_js *js)
{
	if (--js->depth > 0)
		return false;
	atomic_store_explicit(&js->entry, LM_JS_ENTRY_NONE, memory_order_relaxed);
	return js->ending && lm_js_leave_slow(js);
}
/** Leave, behind what gave `exception` (NULL: none); false: it threw, or was ended. */
bool lm_js_finish(struct lm_js *js, JSValueRef exception);
/** The same with the result of the call; NULL when it threw or was ended. */
struct lm_js_value *lm_js_result(struct lm_js *js, JSValueRef result, JSValueRef exception);
/**@}*/

/** @name error.c */
/**@{*/
/** Keep what was thrown for lm_js_catch; NULL, so that one can return it. */
struct lm_js_value *lm_js_thrown(struct lm_js *js, JSValueRef exception);
void lm_js_forget(struct lm_js *js);
/**@}*/

/** @name string.c */
/**@{*/
/** NULL when out of memory or over 1 GB; nothing is thrown. The caller releases. */
JSStringRef lm_js_jsstring(struct lm_bytes octets);
/** The name of a literal; NULL when out of memory (thrown). The table's own. */
JSStringRef lm_js_name(struct lm_js *js, const char *literal);
void lm_js_names_free(struct lm_js_names *names);
/** Octets of a string, by the rule; what does not fit is cut when `cut`, else LM_E_LIMIT. */
LM_MUST int lm_js_jsstring_octets(JSStringRef s, bool cut, struct lm_buf *out);
/**@}*/

/** @name function.c, promise.c */
/**@{*/
bool lm_js_classes_make(struct lm_js *js);
void lm_js_classes_free(struct lm_js *js);
void lm_js_promises_free(struct lm_js *js);
/**@}*/

#endif
