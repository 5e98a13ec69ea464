/** @file
 * Inside of the SMTP server session: its state, and what its files call of each other.
 *
 * A line goes dispatch (server.c) -> check -> decide -> apply. Replies and states change only by
 * lm_smtp_say* and lm_smtp_set_state.
 */
#ifndef LM_SMTP_SMTP_H
#define LM_SMTP_SMTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/dot.h"
#include "wire/line.h"

#include <lettermill/smtp.h>

enum {
	LM_SMTP_SLICE = 64 * 1024,       /**< octets of one BODY event */
	LM_SMTP_OUTPUT_HIGH = 64 * 1024, /**< unsent output that stops the intake */
	LM_SMTP_AUTH_LINE = 12288,       /**< RFC 4954 4 */
	LM_SMTP_KEEP = 128,              /**< a buffer up to this size is kept by an idle session */
	LM_SMTP_TEXT = 512,              /**< octets of a reply line (RFC 5321 4.5.3.1.5) */
};

enum lm_smtp_state {
	LM_SMTP_CONNECTING, /**< CONNECT is being decided */
	LM_SMTP_START,      /**< greeted, no hello yet */
	LM_SMTP_READY,      /**< between transactions */
	LM_SMTP_MAIL,       /**< has a sender */
	LM_SMTP_RCPT,       /**< has a recipient */
	LM_SMTP_CHUNK,      /**< between the chunks of a message */
	LM_SMTP_DATA,       /**< octets of a message are due */
	LM_SMTP_AUTH,       /**< a SASL response is due, or being judged */
	LM_SMTP_TLS,        /**< the handshake is due */
	LM_SMTP_CLOSING,
	LM_SMTP_CLOSED,
	LM_SMTP_STATES
};

#define LM_SMTP_ON(state) (1u << LM_SMTP_##state)

enum lm_smtp_reply_id {
	LM_SMTP_GOOD, /**< no reply: go on */
#define R(name, ...) LM_SMTP_R_##name,
#include "smtp/replies.def"
#undef R
	LM_SMTP_REPLIES
};

/** A reply before it is written. */
struct lm_smtp_words {
	int code;
	uint8_t enhanced[3];
	struct lm_bytes text;
};

struct lm_smtp;

/** What was decided, in words; `reply` is the handler's own or NULL. */
struct lm_smtp_verdict {
	bool yes;
	unsigned flags;
	struct lm_smtp_words words;
	const struct lm_reply *reply;
};

/** How a decision goes: what to say by itself, what to do with the answer. */
struct lm_smtp_row {
	enum lm_event_type event;
	unsigned flags;
	enum lm_smtp_reply_id yes, fallback;
	void (*apply)(struct lm_smtp *, const struct lm_smtp_verdict *);
};

enum lm_smtp_argument { LM_SMTP_ARG_NONE, LM_SMTP_ARG_MAYBE, LM_SMTP_ARG_DUE };
enum lm_smtp_flag {
	LM_SMTP_SECRET = 1,
	LM_SMTP_LAST = 2,
	LM_SMTP_WORLD = 4,
	LM_SMTP_PLAIN = 8,
};
enum { LM_SMTP_BY_SMTP = 1, LM_SMTP_BY_LMTP = 2 };

struct lm_smtp_command {
	const char *verb;
	unsigned protocols, states;
	enum lm_smtp_argument argument;
	enum lm_smtp_reply_id (*check)(struct lm_smtp *, struct lm_bytes argument);
	struct lm_smtp_row row;
	const char *rfc, *doc;
};

/** A transaction, from MAIL on. */
struct lm_smtp_txn {
	struct lm_arena arena;
	struct lm_envelope envelope;
	size_t recipient_room;
	uint8_t *fates; /**< one octet an accepted RCPT, in order: is it dropped silently */
	size_t fate_count, fate_room;
	bool accepted; /**< MAIL got its yes: the handler must hear of the end */
	bool discard;  /**< say yes, keep nothing */
	bool tried;    /**< a RCPT was refused */
	bool chunked, last, after_cr, has_bare, has_nul;
	struct lm_dot_decoder dot;
	struct lm_buf fill, wait; /**< being decoded into; handed out in a BODY event */
	uint64_t octets, dropped;
};

struct lm_smtp {
	struct lm_session base;
	const struct lm_smtp_server_params *params;
	enum lm_smtp_state state;
	int fatal;
	struct lm_session_info info;
	struct lm_line_reader line;
	struct lm_buf output;
	struct lm_buf scratch; /**< the command that is being decided */
	struct lm_bytes argument;
	const struct lm_smtp_command *command; /**< the last one looked up */
	const struct lm_smtp_row *row;         /**< the decision under way */
	uint32_t decision, last_decision;      /**< 0: none is open */
	uint32_t limbo; /**< a decision that lost its meaning, what it borrowed still lives */
	struct lm_smtp_txn *limbo_txn;
	bool pulled; /**< the open decision was handed out */
	unsigned errors;
	unsigned before_login; /**< commands */
	bool notice_tls, notice_abort, notice_disconnect;
	bool fresh; /**< nobody has looked yet: CONNECT is still to be asked */
	bool draining, greeted, heard, xclient, xforward, chunk_last;
	struct lm_smtp_txn *txn;
	struct lm_smtp_auth *auth;
	uint64_t chunk_left;          /**< octets of the current chunk still to come */
	struct lm_smtp_words refusal; /**< code 0: none. What the message gets at its end */
	char *refusal_text;
	char *abort_why; /**< argument of the next ABORT; NULL: empty */
	lm_time_ms now, active, line_start, rate_start;
	uint64_t rate_octets;
};

/* server.c */

/** The one place where the state changes; an edge that is not in the table is a bug. */
void lm_smtp_set_state(struct lm_smtp *s, enum lm_smtp_state state);
/** Nothing works any more: every call returns `err` from now on. */
void lm_smtp_fail(struct lm_smtp *s, int err);
/** End the transaction, ask for the close. */
void lm_smtp_close(struct lm_smtp *s);
/** Ask for a decision, or apply its default at once. */
void lm_smtp_decide(struct lm_smtp *s, const struct lm_smtp_row *row, struct lm_bytes argument);
/** Replace *text (heap) with a copy and point *out at it; false when out of memory. */
LM_MUST bool lm_smtp_keep(struct lm_bytes *out, struct lm_bytes text);
void lm_smtp_drop(struct lm_bytes *kept);

/* command.c */

const struct lm_smtp_command *lm_smtp_commands(size_t *out_count);
const struct lm_smtp_command *lm_smtp_command_find(enum lm_protocol protocol, struct lm_bytes verb);
/** The row of a decision without a verb. */
const struct lm_smtp_row *lm_smtp_row_of(enum lm_event_type event);

/* reply.c */

struct lm_smtp_words lm_smtp_words_of(enum lm_smtp_reply_id id);
void lm_smtp_say(struct lm_smtp *s, enum lm_smtp_reply_id id);
void lm_smtp_say_words(struct lm_smtp *s, const struct lm_smtp_words *words);
/** One line of a reply; `last` false puts a hyphen behind the code. */
void lm_smtp_say_line(struct lm_smtp *s, const struct lm_smtp_words *words, bool last);
/** A reply to a bad command: counted, and 421 when it was one too many. */
void lm_smtp_say_bad(struct lm_smtp *s, enum lm_smtp_reply_id id);
/** Close with 421 when there were too many errors. */
void lm_smtp_check_errors(struct lm_smtp *s);
/** What a handler's answer (NULL: none) means for `row`. LM_E_MISUSE: nonsense, the verdict is a
 * temporary failure. */
int lm_smtp_judge(const struct lm_smtp_row *row, const struct lm_reply *reply,
                  struct lm_smtp_verdict *out_verdict);

/* txn.c */

/** Forget the transaction; `abort` tells the handler when there was one for it. */
void lm_smtp_txn_end(struct lm_smtp *s, bool abort);

void lm_smtp_txn_free(struct lm_smtp_txn *txn);
/** ABORT is due. */
void lm_smtp_note_abort(struct lm_smtp *s);

/* param.c */

/** Read the parameters behind MAIL's or RCPT's path; the first octet is the space. */
enum lm_smtp_reply_id lm_smtp_mail_params(struct lm_smtp *s, struct lm_bytes text);
enum lm_smtp_reply_id lm_smtp_rcpt_params(struct lm_smtp *s, struct lm_bytes text,
                                          struct lm_recipient *recipient);

/* data.c */

/** The last octet of a refused chunk went by. */
void lm_smtp_chunk_dropped(struct lm_smtp *s);

/** Take octets of the message, as many as may be kept now. */
size_t lm_smtp_data_take(struct lm_smtp *s, struct lm_bytes in);
/** Would it take any. */
bool lm_smtp_data_wants(const struct lm_smtp *s);
/** The message is refused with these words once it was read. */
void lm_smtp_refuse(struct lm_smtp *s, const struct lm_smtp_words *words);
void lm_smtp_refusal_clear(struct lm_smtp *s);

/* ehlo.c */

/** The word does not exist here: a verb or an EHLO keyword. */
bool lm_smtp_hides(const struct lm_smtp *s, struct lm_bytes word);
/** The command with this verb, as long as it is not hidden. */
const struct lm_smtp_command *lm_smtp_command_of(const struct lm_smtp *s, struct lm_bytes verb);
/** Whether an extension can be used now: what EHLO announces, but for `unannounced`. */
bool lm_smtp_works(const struct lm_smtp *s, const char *keyword);

/* auth.c */

/** A line of the exchange. */
void lm_smtp_auth_line(struct lm_smtp *s, const struct lm_line *line);
/** Fill the event of AUTH or AUTH_DONE. */
void lm_smtp_auth_event(const struct lm_smtp *s, struct lm_event *event);
void lm_smtp_auth_end(struct lm_smtp *s);
/** Mechanisms on offer now, separated by spaces, into `out`. */
LM_MUST int lm_smtp_auth_offer(const struct lm_smtp *s, struct lm_buf *out);

/* Checks and applies, named by commands.def. */
#define C(verb, protocols, states, argument, flags, event, yes, fallback, check, apply, rfc, doc)  \
	enum lm_smtp_reply_id lm_smtp_check_##check(struct lm_smtp *s, struct lm_bytes argument_); \
	void lm_smtp_apply_##apply(struct lm_smtp *s, const struct lm_smtp_verdict *v);
#define D(event, flags, yes, fallback, apply) \
	void lm_smtp_apply_##apply(struct lm_smtp *s, const struct lm_smtp_verdict *v);
#include "smtp/commands.def"
#undef C
#undef D

#endif
