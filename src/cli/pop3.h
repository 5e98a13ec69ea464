/** @file
 * What the actions of `lettermill pop3` share.
 */
#ifndef LM_CLI_POP3_H
#define LM_CLI_POP3_H

#include "cli/maildrop.h"
#include "cli/remote.h"

/** One run of an action on an open connection. */
struct lm_pop3_run {
	const struct lm_cli_call *call;
	struct lm_remote remote;
	struct lm_client *client;
	struct lm_drop drop;
	int code; /**< exit code so far; 1 behind a message that failed */
};

/** List the maildrop and choose what the operands behind the URL and --uidl say; without both, all
 * if `all`. Returns LM_EXIT_OK, or an exit code after complaining. */
int lm_pop3_choose(struct lm_pop3_run *run, bool with_ids, bool all);
/** Complain about a message; the run goes on, to end with 1. */
void lm_pop3_pass_over(struct lm_pop3_run *run, uint64_t number, const struct lm_error *why);
/** A failure that ends the connection, so that nothing more can be asked. */
bool lm_pop3_is_fatal(int err, enum lm_side side);

/** Connect, log in, call `run`, QUIT. Returns the exit code. */
int lm_pop3_with_client(const struct lm_cli_call *call, enum lm_remote_login login,
                        int (*action)(struct lm_pop3_run *run));

int lm_pop3_top(const struct lm_cli_call *call);
int lm_pop3_retr(const struct lm_cli_call *call);
int lm_pop3_fetch(const struct lm_cli_call *call);

#endif
