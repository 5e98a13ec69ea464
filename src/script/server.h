/** @file
 * Servers of a program: each run of one is a struct lm_server with a handler of scripts in front,
 * owned by the main runtime until it has drained.
 *
 * Threads: the runtime's own, but for what waits for a drain.
 */
#ifndef LM_SCRIPT_SERVER_H
#define LM_SCRIPT_SERVER_H

#include "script/handler.h"

#include <lettermill/server.h>

/** One run, from start to the end of its drain. Counted: its list, and the handle in script. */
struct lm_script_server;
/** All runs of a runtime. */
struct lm_script_servers;

LM_MUST int lm_script_servers_new(struct lm_runtime *rt, struct lm_script_servers **out_servers);
/** Cuts off what runs, waits for it, frees. */
void lm_script_servers_free(struct lm_script_servers *servers);

struct lm_script_server_params {
	const char *name;           /**< "infinity.pop3.server", for messages */
	const char *listener;       /**< the option of the one listener: "pop3s" */
	const char *where;          /**< its value */
	const char *const *options; /**< name, value, … of options.def */
	size_t option_count;        /**< of strings: twice the pairs */
	struct lm_script_handler_params handler;
};
/** Start; false: thrown. *out_run is the caller's reference. */
bool lm_script_server_start(struct lm_script_servers *servers,
                            const struct lm_script_server_params *params,
                            struct lm_script_server **out_run);
void lm_script_server_unref(struct lm_script_server *run);

/** Accept no more (that holds when it returns) and drain for `timeout` ms, below 0: as the option
 * drain-timeout says. Again: the earlier end counts. */
void lm_script_server_stop(struct lm_script_server *run, lm_time_ms timeout);
/** A promise that is kept when its last session has ended; undefined: it has. NULL: thrown. */
struct lm_js_value *lm_script_server_ended(struct lm_js *js, struct lm_script_server *run);
/** It accepts: was started, and nobody stopped it. */
bool lm_script_server_runs(const struct lm_script_server *run);
/** "127.0.0.1:2110" or a path. */
const char *lm_script_server_address(const struct lm_script_server *run);
/** Its figures, the last ones where it has ended. */
void lm_script_server_stats(const struct lm_script_server *run, struct lm_server_stats *out_stats);

/** Whether a certificate is signed by `root_file` (PEM; NULL: those this machine trusts) and in
 * force now. Errors: LM_E_TLS, with the reason; LM_E_NOT_FOUND and the like for files. */
LM_MUST int lm_script_certificate_verify(const char *cert_file, const char *root_file,
                                         struct lm_error *out_error);

/** The module infinity.server: what js/server.js needs. */
extern const struct lm_script_module lm_script_module_server;

#endif
