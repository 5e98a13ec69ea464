/** @file
 * A server: listeners, worker threads, a store, handlers. Configured by name and text, as the
 * command line and the configuration file are: `lettermill serve --help` lists every name
 * (src/server/options.def).
 */
#ifndef LETTERMILL_SERVER_H
#define LETTERMILL_SERVER_H

#include "handler.h"
#include "log.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_server;

/** Make a server that is not configured yet. Free with lm_server_free. Errors: LM_E_NOMEM. */
LM_API LM_MUST int lm_server_new(struct lm_server **out_server);
/** Stops what runs, waits for it, frees. NULL is allowed. */
LM_API void lm_server_free(struct lm_server *server);

/**
 * Set an option by its long name without dashes, for example ("pop3", "127.0.0.1:0"). Repeatable
 * options add; NULL puts an option back to its default. "cert", "key" and "client-ca" take the name
 * of a PEM file, or what would stand in it, from "-----BEGIN" on, up to 1 MiB. Errors: LM_E_CONFIG
 * for an unknown name (the text names the nearest known one) or a value out of range. Before
 * lm_server_start only, but see lm_server_reload.
 */
LM_API LM_MUST int lm_server_set(struct lm_server *server, const char *name, const char *value,
                                 struct lm_error *out_error);

struct lm_pop3_language;
/** Give POP3 sessions one more language (pop3.h), or another one of that tag; copied. Before
 * lm_server_start only; then "language" may name it. Errors: LM_E_CONFIG, LM_E_MISUSE, LM_E_NOMEM.
 */
LM_API LM_MUST int lm_server_language(struct lm_server *server,
                                      const struct lm_pop3_language *language,
                                      struct lm_error *out_error);

/** Where the library writes its log. `log` must outlive the server. Default: none. */
LM_API void lm_server_log(struct lm_server *server, const struct lm_log *log);

/**
 * Add a handler in front of the store's. `ops` and `handler` must outlive the server. Before start
 * only. Errors: LM_E_MISUSE, LM_E_LIMIT (eight).
 */
LM_API LM_MUST int lm_server_handler(struct lm_server *server, const struct lm_handler_ops *ops,
                                     void *handler);
/** The same with a callback table, which is copied. */
LM_API LM_MUST int lm_server_callbacks(struct lm_server *server,
                                       const struct lm_callbacks *callbacks);

/**
 * Open the store, bind, start the workers; returns when every listener accepts. On error nothing
 * runs, and after a change of options it may be tried again. Errors: LM_E_CONFIG, LM_E_EXISTS (an
 * address is taken), LM_E_IN_USE (the store is), LM_E_TLS, LM_E_IO … and what a handler's
 * worker_start says.
 */
LM_API LM_MUST int lm_server_start(struct lm_server *server, struct lm_error *out_error);

/**
 * Where a listener is: "127.0.0.1:2110" or a socket path; NULL when that listener is off.
 * `name`: "smtp", "smtps", "submission", "lmtp", "pop3", "pop3s". Lives as long as the server.
 */
LM_API const char *lm_server_endpoint(const struct lm_server *server, const char *name);

/**
 * Take changed options (set them again with lm_server_set first) and certificate files for new
 * sessions; running ones are not touched. What cannot change while running (store, addresses,
 * workers) is LM_E_CONFIG and nothing changes. Threads: any, one at a time.
 */
LM_API LM_MUST int lm_server_reload(struct lm_server *server, struct lm_error *out_error);

/**
 * Accept no more; tell sessions between commands 421 or -ERR [SYS/TEMP]; let transactions finish
 * for at most `timeout` ms; then close the rest. Returns at once; lm_server_wait returns when it is
 * over. Called again, the earlier end counts. Threads: any.
 */
LM_API void lm_server_drain(struct lm_server *server, lm_time_ms timeout);
/** Behind lm_server_drain: wait until nothing is accepted any more, so that another server may have
 * the addresses. Sessions may go on. Threads: any but the workers. */
LM_API void lm_server_wait_shut(struct lm_server *server);
/** Wait until the server has stopped. Threads: any but the workers. */
LM_API void lm_server_wait(struct lm_server *server);

/** Figures for tests and for people; octets are those of sessions that have ended. Threads: any. */
struct lm_server_stats {
	uint64_t sessions_open, sessions_total, sessions_refused, messages_in, messages_out,
	        octets_in, octets_out, auth_failures;
};
LM_API void lm_server_stats(const struct lm_server *server, struct lm_server_stats *out_stats);

#ifdef __cplusplus
}
#endif
#endif
