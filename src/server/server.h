/** @file
 * A server's own state, shared by server.c and start.c.
 */
#ifndef LM_SERVER_SERVER_H
#define LM_SERVER_SERVER_H

#include "server/resolve.h"
#include "server/serving.h"

struct lm_server {
	struct lm_shared shared;
	struct lm_config_base base;
	struct lm_config *config;      /**< for new sessions */
	void *memory[LM_MAX_HANDLERS]; /**< of callback tables */
	struct lm_languages languages; /**< does not change while workers run */
	struct lm_worker **workers;    /**< NULL: does not run */
	char endpoints[LM_SERVICE_COUNT][128];
	char *socket_path;                   /**< to remove at the end */
	char *own_cert, *own_key, *own_name; /**< PEM made in memory, and for which host name */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct lm_server_options options;    /**< as set, for the next start or reload */
	unsigned starting, accepting, alive; /**< workers */
	int start_result;
	struct lm_error start_error;
};

/** The options as they would run. Free with lm_server_options_done. Threads: any. */
LM_MUST int lm_server_options_ready(struct lm_server *server, struct lm_server_options *out_options,
                                    bool *out_own_cert, struct lm_error *out_error);
/** Make the certificate the server gives itself, where there is none yet; one that is not to lie on
 * disk is put into the options. */
LM_MUST int lm_server_own_cert(struct lm_server *server, struct lm_server_options *options,
                               struct lm_error *out_error);
/** Free the one in memory. */
void lm_server_forget_cert(struct lm_server *server);
/** Warn of options that name an account which is not there (yet). Asks the accounts, so it may
 * block. */
void lm_server_check_names(const struct lm_server *server, const struct lm_server_options *options);
/** Say so where mail for postmaster has nowhere to go (RFC 5321 4.5.1). */
void lm_server_check_postmaster(const struct lm_server *server,
                                const struct lm_server_options *options);
/** Free all that lm_server_start opened; the workers have ended. */
void lm_server_close(struct lm_server *server);

void lm_server_worker_started(struct lm_shared *shared, int err, const struct lm_error *error);
void lm_server_worker_ended(struct lm_shared *shared);
void lm_server_worker_shut(struct lm_shared *shared);

#endif
