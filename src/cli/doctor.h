/** @file
 * What the examinations of servers share: findings, and connections that are made for one question.
 */
#ifndef LM_CLI_DOCTOR_H
#define LM_CLI_DOCTOR_H

#include "base/buf.h"
#include "cli/remote.h"

enum lm_severity { LM_FINE, LM_REMARK, LM_WEAK, LM_WRONG, LM_SEVERITY_COUNT };

struct lm_doctor {
	const struct lm_cli_call *call;
	struct lm_remote remote;
	bool json;
	size_t found[LM_SEVERITY_COUNT];
	bool local; /**< on this machine: what is readable on the way is read by nobody else */
};

/** Tell a finding; `topic` is one word, of programs' interest. What servers said may stand in it.
 */
void lm_doctor_say(struct lm_doctor *doctor, enum lm_severity severity, const char *topic,
                   const char *fmt, ...) LM_PRINTF(4, 5);

/** Lines of a server's capabilities, each with a LF. */
struct lm_capabilities {
	struct lm_buf lines;
};

/** One line a time out of `rest`; false: no more. */
bool lm_next_line(struct lm_bytes *rest, struct lm_bytes *out_line);
/** The line that begins with this word, without case; *out_rest is what follows it. */
bool lm_capabilities_find(const struct lm_capabilities *capabilities, const char *word,
                          struct lm_bytes *out_rest);
/** Ask anew. Free the lines in any case. */
LM_MUST int lm_capabilities_ask(struct lm_client *client, struct lm_capabilities *out,
                                struct lm_error *out_error);

/** A capability in words. */
struct lm_capability_words {
	const char *word, *meaning;
};
/** Tell each line of capabilities in words; the table ends with a row of NULL. */
void lm_doctor_explain(struct lm_doctor *doctor, const struct lm_capabilities *capabilities,
                       const struct lm_capability_words *table);

/** Connect with what the command line said but for this; whoever is at the other end, and without a
 * login unless `login`, which is then as safe as --tls and --insecure say. */
LM_MUST int lm_doctor_open(struct lm_doctor *doctor, enum lm_tls_mode tls, bool login,
                           struct lm_client **out_client, struct lm_error *out_error);
/** QUIT and free; NULL is allowed. */
void lm_doctor_close(struct lm_client *client);

/** Everything about TLS: is it there, which version, what certificate, are old versions taken.
 * `verb` is STLS or STARTTLS; `offered`: it is among the capabilities. */
void lm_doctor_tls(struct lm_doctor *doctor, const char *verb, bool offered);
/** Whether mechanisms that show the password are offered where all can read it. */
void lm_doctor_plain_login(struct lm_doctor *doctor, struct lm_bytes mechanisms);
/** What a greeting tells strangers. */
void lm_doctor_greeting(struct lm_doctor *doctor, struct lm_bytes greeting);

int lm_doctor_pop3(struct lm_doctor *doctor);
int lm_doctor_smtp(struct lm_doctor *doctor);
/** Does the end of a message have lookalikes? Sends up to four messages to `recipient`. */
void lm_doctor_smuggle(struct lm_doctor *doctor, const char *recipient);

#endif
