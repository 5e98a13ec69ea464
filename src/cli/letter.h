/** @file
 * A message from file to server: what "smtp send" and "sendmail" share.
 */
#ifndef LM_CLI_LETTER_H
#define LM_CLI_LETTER_H

#include "cli/progress.h"
#include "cli/remote.h"

#include <lettermill/outgoing.h>

/** How messages are made ready. Zero it, then set what is wanted; all is borrowed. */
struct lm_letter_plan {
	unsigned flags;        /**< enum lm_outgoing_flag; whether the header is asked follows from
	                          the rest */
	const char *from;      /**< the sender; "" is the null path; NULL: as the header says */
	const char *from_else; /**< where the header names none; NULL: that is an error */
	const char *const *to; /**< count 0: as the header says */
	size_t to_count;
	const char *domain; /**< put behind addresses that have none; NULL: they stay */
	const char *name;   /**< full name in a From that is added; NULL: none */
	unsigned notify;    /**< enum lm_dsn_notify, for every recipient */
	char ret;           /**< 'F', 'H' or 0 */
	const char *envid;  /**< in xtext; NULL: none */
	bool require_tls;
};

/** Messages handed over one after another; zero it and set the first line. */
struct lm_letter_run {
	struct lm_remote *remote;
	bool json;
	bool any_refusal_fails; /**< a refused recipient is as bad as if all were: sendmail's way */

	struct lm_client *client; /**< opened for the first message; NULL: not, or lost */
	size_t good, bad;         /**< messages that reached everybody, or not */
	int code;                 /**< exit code of the first that did not */
	struct lm_progress progress;
};

/** Whether `text` is addresses with commas between, as in a header: "anna@x, Berta <berta@x>".
 * Errors: LM_E_SYNTAX names the one that is not. */
LM_MUST int lm_letter_check_recipients(const char *text, struct lm_error *out_error);
/** Whether it is one address, or "" or "<>" for nobody. */
LM_MUST int lm_letter_check_sender(const char *text, struct lm_error *out_error);

/** What the options "dsn", "ret" and "envid" say (RFC 3461) into the plan, which borrows `envid`,
 * where it is kept as xtext. Complaints name the options as `dsn_shown` and `envid_shown`. Returns
 * an exit code. */
LM_MUST int lm_letter_delivery(const struct lm_cli_call *call, const char *dsn_shown,
                               const char *envid_shown, struct lm_letter_plan *plan,
                               char envid[101]);

/** Read a message to the end of `fd`. Errors: those of lm_outgoing_*, LM_E_IO; *out_error is always
 * set then, and there is nothing to free. */
LM_MUST int lm_letter_read(const struct lm_letter_plan *plan, int fd,
                           struct lm_outgoing **out_letter, struct lm_error *out_error);
/** It could not be read: complain, and add that to the run. */
void lm_letter_unread(struct lm_letter_run *run, const char *shown, int exit_code, const char *why);

/** Send it and say what became of it: refusals on standard error, or a line of JSON on standard
 * output. The outcome is added to the run. */
void lm_letter_send(struct lm_letter_run *run, struct lm_outgoing *letter, const char *shown);
/** QUIT, and the exit code of all: 1 where some reached everybody and some did not. */
int lm_letter_done(struct lm_letter_run *run);

#endif
