/** @file
 * The handler that runs scripts: events of a server's sessions go to script workers, one VM each,
 * and their results back as replies.
 *
 * A session keeps the VM it began on. With a function among the hooks all of them run on the
 * runtime that made the handler, because a function cannot leave its VM.
 */
#ifndef LM_SCRIPT_HANDLER_H
#define LM_SCRIPT_HANDLER_H

#include "script/runtime.h"

#include <lettermill/handler.h>

/** One row of hooks.def. */
struct lm_script_hook {
	const char *property; /**< "onLogin" */
	enum lm_event_type event;
	unsigned protocols; /**< set of 1 << enum lm_protocol */
	bool documented;
	const char *summary;
};
const struct lm_script_hook *lm_script_hooks(size_t *out_count);

/** What is hooked: a file name as the script gave it, or a function. */
struct lm_script_hooked {
	const struct lm_script_hook *hook;
	const char *file; /**< NULL: function */
	struct lm_js_value
	        *function; /**< held by the caller until lm_script_handler_new returned */
};

struct lm_script_handler_params {
	enum lm_protocol protocol;
	const struct lm_script_hooked *hooked;
	size_t hooked_count;
	unsigned pool_size;       /**< script workers at most; 1 to 1024 */
	lm_time_ms cpu;           /**< processor time of one event; 0: 5 s */
	uint64_t heap;            /**< octets of a worker's VM; 0: 512 MB */
	lm_time_ms gone_patience; /**< ms a hook may go on once its session is gone; 0: 30 s */
	bool has_store; /**< a store's handler stands behind: what no script decides it does */
};

struct lm_script_handler;
/** Reads and compiles every file, so that a missing or wrong one is found now; false: thrown. */
bool lm_script_handler_new(struct lm_runtime *rt, const struct lm_script_handler_params *params,
                           struct lm_script_handler **out_handler);
/** For lm_server_handler. Lives as long as the handler. */
const struct lm_handler_ops *lm_script_handler_ops(const struct lm_script_handler *handler);
/** Behind lm_server_free: ends the workers. NULL is allowed. */
void lm_script_handler_free(struct lm_script_handler *handler);

#endif
