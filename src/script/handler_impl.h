/** @file
 * The inside of a script handler, shared by handler.c, hooks.c, pool.c and session*.c.
 */
#ifndef LM_SCRIPT_HANDLER_IMPL_H
#define LM_SCRIPT_HANDLER_IMPL_H

#include "script/handler.h"
#include "script/pool.h"
#include "script/session.h"

#include <pthread.h>
#include <time.h>

enum { LM_HOOKED_MAX = 32 };

/** What a hook's file looked like when it was last read. */
struct lm_hook_stamp {
	uint64_t device, inode, size;
	struct timespec changed;
};

struct lm_hooked {
	const struct lm_script_hook *hook;
	char *path;                   /**< absolute; NULL: a function */
	struct lm_js_value *function; /**< held in the runtime that made the handler */
	struct lm_hook_stamp stamp;   /**< under the handler's lock */
};

/** A generation of hook files, as read. Never changes. Counted. */
struct lm_ss_code {
	atomic_uint refs;
	struct lm_buf texts[LM_HOOKED_MAX]; /**< by the places in the handler's `hooked` */
};

/** The same in a VM. */
struct lm_sp_compiled {
	struct lm_sp_compiled *next;
	struct lm_ss_code *code; /**< counted */
	size_t sessions;
	struct lm_js_value *calls[LM_HOOKED_MAX]; /**< held: functions of a state */
};

struct lm_script_handler {
	struct lm_handler_ops ops;
	struct lm_script *script;
	struct lm_runtime *rt; /**< that made it; for functions only */
	enum lm_protocol protocol;
	bool has_store;
	struct lm_js_limits limits;
	lm_time_ms gone_patience;
	size_t count;
	struct lm_hooked hooked[LM_HOOKED_MAX];
	/** By event: places in `hooked`, -1 none; of AUTH the second is onAuth. */
	int by_event[LM_EVENT_COUNT][2];
	bool has_functions;
	pthread_mutex_t lock;    /**< guards the rest */
	struct lm_ss_code *code; /**< the newest generation */
	lm_time_ms looked;       /**< when files were last compared */
	struct lm_sp *pool;
};

/** "pop3", "smtp", "lmtp": the namespace a protocol's scripts see. */
const char *lm_script_namespace(enum lm_protocol protocol);
/** Milliseconds of the monotonic clock. Threads: any. */
lm_time_ms lm_script_now(void);

/** @name hooks.c */
/**@{*/
/** Fill `hooked` and read and compile all files in `rt`; false: thrown. */
bool lm_hooks_open(struct lm_script_handler *handler, struct lm_runtime *rt,
                   const struct lm_script_handler_params *params);
void lm_hooks_close(struct lm_script_handler *handler);
/** The hook that decides an event, or NULL. */
const struct lm_hooked *lm_hooks_of(const struct lm_script_handler *handler,
                                    enum lm_event_type type);
/** The newest generation, once changed files were looked for; the caller's reference. */
struct lm_ss_code *lm_hooks_code(struct lm_sp_place *place);
void lm_hooks_code_unref(struct lm_ss_code *code);
/** A generation in this VM, compiled when it is new here; counts a session. NULL: thrown. */
struct lm_sp_compiled *lm_hooks_compiled(struct lm_sp_place *place, struct lm_ss_code *code);
/** One session less; the last of an old generation frees it. */
void lm_hooks_release(struct lm_sp_place *place, struct lm_sp_compiled *compiled);
/** The VM ends. */
void lm_hooks_forget(struct lm_sp_place *place, bool vm_lives);
/**@}*/

#endif
