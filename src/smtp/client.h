/** @file
 * Inside of the SMTP and LMTP client session: its state, and what its files call of each other.
 *
 * Requests wait in a queue; the one at its head is under way until its outcome was pulled, and
 * while an outcome, a notice or a decision is due nothing more is read. Replies go by
 * `await` to the file that asked (client_hello.c, client_auth.c, client_send.c, client.c).
 */
#ifndef LM_SMTP_CLIENT_H
#define LM_SMTP_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "sasl/sasl.h"
#include "wire/dot.h"
#include "wire/line.h"

#include <lettermill/smtp.h>

enum {
	LM_SMTPC_REQUESTS = 1000,       /**< that may wait */
	LM_SMTPC_GROUP = 16 * 1024,     /**< unsent octets that hold back the next command */
	LM_SMTPC_BODY = 64 * 1024,      /**< unsent octets that hold back the message; a chunk */
	LM_SMTPC_OUTPUT = 512 * 1024,   /**< the most there can be: a stuffed piece and a group */
	LM_SMTPC_CHUNKS = 4,            /**< BDAT commands without a reply */
	LM_SMTPC_WORDS = 512,           /**< octets kept of what is said of a recipient */
	LM_SMTPC_ADDRESS = 320,         /**< octets of an address: more than RFC 5321 allows */
	LM_SMTPC_ARGUMENT = 2000,       /**< octets of other arguments */
	LM_SMTPC_AUTH_ARGUMENT = 65536, /**< octets of all credentials; tokens are long */
	LM_SMTPC_KEEP = 128,            /**< a buffer up to this size is kept by an idle session */
};

/** What the next reply is to. */
enum lm_smtpc_await {
	LM_SMTPC_NOTHING,
	LM_SMTPC_GREETING,
	LM_SMTPC_EHLO,
	LM_SMTPC_HELO,
	LM_SMTPC_STARTTLS,
	LM_SMTPC_AUTH,
	LM_SMTPC_CANCEL, /**< the "*" that ends a login */
	LM_SMTPC_COMMAND,
	LM_SMTPC_SEND,
	LM_SMTPC_HANDSHAKE, /**< no reply at all: TLS */
	LM_SMTPC_AWAITS
};

/** A request that waits or is under way. */
struct lm_smtpc_job {
	struct lm_smtpc_job *next;
	enum lm_request_type type;
	void *tag;
	struct lm_buf argument;            /**< a copy */
	struct lm_credentials credentials; /**< slices and name lie in `secrets` */
	struct lm_buf secrets;             /**< wiped */
	const struct lm_envelope *envelope;
};

/** A reply as it was read. */
struct lm_smtpc_answer {
	int code;
	uint8_t enhanced[3];
	struct lm_bytes text;
};

/** A login under way. */
struct lm_smtpc_login {
	struct lm_sasl_client *sasl;
	const char *mechanism;
	struct lm_buf initial; /**< a response too long for AUTH's line, in base64 */
	bool has_initial, fell_back, asked;
};

/** A transaction under way. */
struct lm_smtpc_send {
	struct lm_arena arena;
	const struct lm_envelope *envelope;
	struct lm_outcome *fates; /**< one a recipient */
	size_t limit;             /**< so many recipients are tried */
	size_t sent, answered, accepted;
	size_t delivered; /**< LMTP: recipients whose last reply was read, refused ones included */
	bool rset_sent, mail_sent, mail_answered, data_sent, data_answered;
	bool chunked, pipelined, utf8;
	bool body;    /**< octets of the message are due */
	bool ended;   /**< and all of them were handed over, the end included */
	bool empty;   /**< the end of no message at all: nobody wants it (RFC 2920 3.1) */
	bool refused; /**< `main` is the fate of all */
	bool after_cr;
	size_t chunks; /**< without a reply */
	struct lm_dot_encoder dot;
	uint64_t octets;
	struct lm_outcome main;
};

enum lm_smtpc_told { LM_SMTPC_QUIET, LM_SMTPC_DUE, LM_SMTPC_SHOWN };

struct lm_smtpc {
	struct lm_session base;
	const struct lm_smtp_client_session_params *params;
	struct lm_session_info info;
	int fatal;
	bool ending;   /**< nothing more is read or said */
	bool closed;   /**< the connection is gone */
	bool quitting; /**< QUIT was pushed */
	bool draining;
	bool injected; /**< octets came behind the reply to STARTTLS */
	bool notice_disconnect;
	enum lm_smtpc_await await;
	struct lm_line_reader line;
	struct lm_buf reply; /**< text so far, lines separated by LF */
	bool in_reply;
	struct lm_smtpc_answer answer;
	struct lm_buf output;
	struct lm_buf notices; /**< TRACE, ITEM and TLS that wait; see client_say.c */
	size_t shown;          /**< octets of it that were handed out */
	struct lm_buf caps;    /**< lines of the last EHLO, LF behind each */
	struct lm_buf greeting;
	struct lm_buf command; /**< the last one, as it may be shown */
	struct lm_buf words;   /**< an outcome's text that is not the reply's */
	struct lm_smtpc_job *job, *newest;
	size_t jobs;
	bool begun; /**< `job` is under way */
	enum lm_smtpc_told told;
	struct lm_outcome outcome;
	uint32_t decision, last_decision; /**< 0: none is open */
	enum lm_event_type question;
	bool pulled;
	struct lm_smtpc_login *login;
	struct lm_smtpc_send *send;
	bool rset_due;     /**< a transaction was left open */
	uint64_t messages; /**< transactions begun (RFC 9422 MAILMAX) */
	lm_time_ms now, since;
	bool flowed; /**< output went out since `since` */
};

/* client.c */

/** Nothing works any more: the request under way ends so, the connection is to be cut. */
void lm_smtpc_fail(struct lm_smtpc *s, int err, enum lm_side side, const char *fmt, ...)
        LM_PRINTF(4, 5);
/** The session is over in good order: write what is left, then close. */
void lm_smtpc_end(struct lm_smtpc *s);
/** The request under way is over. The outcome's text is the last reply's, if there was one for it
 * (`with_reply`). */
void lm_smtpc_finish(struct lm_smtpc *s, int result, enum lm_side side, bool with_reply);
/** The same with words of our own. */
void lm_smtpc_finish_words(struct lm_smtpc *s, int result, enum lm_side side, const char *fmt, ...)
        LM_PRINTF(4, 5);
/** The reply under `answer` was a refusal, or (else) one nobody can understand: then the session
 * fails. Returns whether it was a refusal; *out_result is what it means. */
bool lm_smtpc_refusal(struct lm_smtpc *s, int *out_result);
/** Ask the owner. */
void lm_smtpc_ask(struct lm_smtpc *s, enum lm_event_type question);

/* client_say.c */

/** A command, without its line end. */
void lm_smtpc_say(struct lm_smtpc *s, const char *fmt, ...) LM_PRINTF(2, 3);
/** The same; `shown` stands for it wherever it is shown. */
void lm_smtpc_say_secret(struct lm_smtpc *s, const char *shown, struct lm_bytes line);
/** Let the owner know, when his turn comes. */
void lm_smtpc_notice(struct lm_smtpc *s, enum lm_event_type type, char from, struct lm_bytes text);
void lm_smtpc_trace(struct lm_smtpc *s, char from, struct lm_bytes text);
/** Fill the oldest notice into *out; false when there is none. */
bool lm_smtpc_take_notice(struct lm_smtpc *s, struct lm_event *out);
/** Give back what the last notice borrowed. */
void lm_smtpc_drop_notice(struct lm_smtpc *s);

/* client_reply.c */

/** Take octets up to the end of a line; returns how many. *out_whole: `answer` is a reply now. */
size_t lm_smtpc_read(struct lm_smtpc *s, struct lm_bytes in, bool *out_whole);

/* client_hello.c */

void lm_smtpc_on_greeting(struct lm_smtpc *s);
void lm_smtpc_on_ehlo(struct lm_smtpc *s);
void lm_smtpc_on_helo(struct lm_smtpc *s);
void lm_smtpc_on_starttls(struct lm_smtpc *s);
void lm_smtpc_hello(struct lm_smtpc *s);
bool lm_smtpc_has(const struct lm_smtpc *s, const char *keyword, struct lm_bytes *out_rest);
/** The next line of capabilities off *rest. */
bool lm_smtpc_next_cap(struct lm_bytes *rest, struct lm_bytes *out_line);

/* client_auth.c */

void lm_smtpc_login(struct lm_smtpc *s);
void lm_smtpc_on_auth(struct lm_smtpc *s);
void lm_smtpc_on_cancel(struct lm_smtpc *s);
void lm_smtpc_on_token(struct lm_smtpc *s, const struct lm_reply *reply);
void lm_smtpc_auth_event(const struct lm_smtpc *s, struct lm_event *event);
void lm_smtpc_login_free(struct lm_smtpc_login *login);

/* client_envelope.c */

/** An envelope may be sent at all: no octet in it can break a command. LM_E_SYNTAX. */
LM_MUST int lm_smtpc_check_envelope(const struct lm_envelope *envelope);
LM_MUST bool lm_smtpc_is_word(struct lm_bytes b);
LM_MUST bool lm_smtpc_is_text(struct lm_bytes b);
/** This server can do what the envelope asks for; ends the request and returns false else. */
LM_MUST bool lm_smtpc_can_send(struct lm_smtpc *s, const struct lm_envelope *envelope);
void lm_smtpc_say_mail(struct lm_smtpc *s);
void lm_smtpc_say_rcpt(struct lm_smtpc *s, const struct lm_recipient *recipient);
/** A limit of RFC 9422, or `none`. */
uint64_t lm_smtpc_limit(const struct lm_smtpc *s, const char *name, uint64_t none);

/* client_send.c */

void lm_smtpc_send(struct lm_smtpc *s);
/** Say more of the transaction's commands, as many as may be said now. */
void lm_smtpc_send_more(struct lm_smtpc *s);
void lm_smtpc_on_send(struct lm_smtpc *s);
void lm_smtpc_on_source(struct lm_smtpc *s, const struct lm_reply *reply);
/** The session ends in the midst of it: who was told nothing is told `err` (0: what `answer` says).
 */
void lm_smtpc_send_cut(struct lm_smtpc *s, int err, enum lm_side side);
void lm_smtpc_send_free(struct lm_smtpc_send *send);

/* client_body.c */

LM_MUST int lm_smtpc_body(struct lm_smtpc *s, struct lm_bytes chunk, bool last, size_t *out_taken);
/** It would take octets now. */
bool lm_smtpc_body_wants(const struct lm_smtpc *s);

/* client_request.c */

LM_MUST int lm_smtpc_request(struct lm_smtpc *s, const struct lm_request *request);
void lm_smtpc_job_free(struct lm_smtpc_job *job);

#endif
