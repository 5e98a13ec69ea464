/** @file
 * A server to speak to, as the command line names it: URL, TLS, and who logs in with what.
 *
 * The options stand in remote.def, to be included in a command's table.
 */
#ifndef LM_CLI_REMOTE_H
#define LM_CLI_REMOTE_H

#include "cli/action.h"

#include <lettermill/client.h>

enum lm_remote_login {
	LM_REMOTE_NO_LOGIN, /**< never */
	LM_REMOTE_MAY,      /**< when a user is named, by URL, --user or --netrc, or there is a
	                         token */
	LM_REMOTE_MUST,     /**< a user is needed */
};

/** Bits for lm_remote_init. */
#define LM_REMOTE_POP3 (1u << LM_POP3)
#define LM_REMOTE_SMTP (1u << LM_SMTP | 1u << LM_SUBMISSION | 1u << LM_LMTP)

struct lm_remote {
	/** Complete, for lm_client_open or lm_client_new; `progress` and `ctx` are free to set.
	 * Points into what follows. */
	struct lm_client_params params;
	struct lm_client_url url;
	char *user, *password, *token; /**< owned; NULL: none */
	char where[300];               /**< "host" or "host:port", for people */
	bool verbose;
};

/**
 * Read call->operands[index] as a URL, and the options. A password in the URL is warned about and
 * overwritten in argv. May run commands and ask at the terminal. `protocols`: which the action
 * speaks. Returns LM_EXIT_OK, or an exit code after complaining, and there is nothing to free.
 */
int lm_remote_init(struct lm_remote *out_remote, const struct lm_cli_call *call, size_t index,
                   unsigned protocols, enum lm_remote_login login);
/** Whether a host is this machine: a loopback address, "localhost", the path of a socket. */
bool lm_remote_is_local(const char *host);
/** Wipes and frees. Zeroed memory is fine. */
void lm_remote_done(struct lm_remote *remote);
/** Complain that something went wrong with it; returns the exit code. */
int lm_remote_failed(const struct lm_remote *remote, const struct lm_error *why);

#endif
