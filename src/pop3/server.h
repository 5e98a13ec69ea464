/** @file
 * Inside of the POP3 server session: what its files share. Reading order: README.md.
 *
 * Functions return 0 or a negative enum lm_err, which is fatal to the session (out of memory).
 */
#ifndef LM_POP3_SERVER_H
#define LM_POP3_SERVER_H

#include "pop3/lang.h"
#include "wire/dot.h"
#include "wire/line.h"

#include <lettermill/pop3.h>

/** RFC 1939 3, and what lies before and behind. As bits, for tables of legal states. */
enum lm_pop3_state {
	LM_POP3_GREETING = 1,      /**< CONNECT is not decided */
	LM_POP3_AUTHORIZATION = 2, /**< nobody is logged in */
	LM_POP3_TRANSACTION = 4,   /**< the maildrop is ours */
	LM_POP3_UPDATE = 8,        /**< QUIT after login: messages are being removed */
	LM_POP3_CLOSED = 16,       /**< nothing more is read */
};

enum lm_pop3_limit {
	/** Output above which no more commands are taken: a peer that pipelines and never reads
	 * costs no more memory than this and one reply. */
	LM_POP3_OUTPUT_HIGH = 64 * 1024,
	/** Output up to which body is wanted: a little above OUTPUT_HIGH, so that it is wanted
	 * whenever a RETR was just answered. */
	LM_POP3_BODY_LOW = LM_POP3_OUTPUT_HIGH + 2 * 1024,
	/** Output up to which body octets are taken then; and while nothing of it can be shown. */
	LM_POP3_BODY_HIGH = 128 * 1024,
	LM_POP3_BODY_HIDDEN = 8 * 1024,
	/** All of it, the last body octets doubled by dot-stuffing. */
	LM_POP3_OUTPUT_MAX = 2 * LM_POP3_BODY_HIGH + 4096,
	/** RFC 2449 4. */
	LM_POP3_LINE_MAX = 255,
	/** RFC 1939 3. */
	LM_POP3_REPLY_MAX = 512,
	/** A line of a SASL exchange: RFC 4954's bound, RFC 5034 leaves it to the mechanisms. */
	LM_POP3_SASL_LINE_MAX = 12288,
};

enum lm_pop3_flag {
	LM_POP3_REST = 1,   /**< the argument is the whole rest of the line */
	LM_POP3_SECRET = 2, /**< the argument must not be logged */
	LM_POP3_LAST = 4,   /**< ends a group of pipelined commands */
	LM_POP3_LONG = 8,   /**< the line may be as long as SASL needs */
	LM_POP3_JUDGE = 16, /**< apply sees a no, too */
	LM_POP3_BASE = 32,  /**< every server has it, RFC 1939 5 and 6: not to be hidden */
};

struct lm_pop3_server;

/** A command's arguments, borrowed from its line. */
struct lm_pop3_args {
	struct lm_bytes rest;   /**< all behind the verb's space */
	struct lm_bytes arg[2]; /**< cut at single spaces; with REST the first is `rest` */
	unsigned count;
};

/** A row of commands.def. */
struct lm_pop3_command {
	const char *verb;
	unsigned states, min, max, flags;
	enum lm_event_type event;
	int otherwise; /**< result of the decision when nobody decides it */
	/** Protocol order and grammar: 0, a positive enum lm_pop3_say that refuses, or an error.
	 * Keeps what apply needs. */
	int (*check)(struct lm_pop3_server *s, const struct lm_pop3_args *args);
	/** The effect and its reply, after a yes (or any answer, with JUDGE). */
	int (*apply)(struct lm_pop3_server *s, const struct lm_reply *reply);
	const char *rfc, *doc;
};

/** The command table, for tests and documentation. */
extern const struct lm_pop3_command lm_pop3_commands[];
extern const size_t lm_pop3_command_count;

/** What goes on with the answer to a decision. */
typedef int (*lm_pop3_then_fn)(struct lm_pop3_server *s, const struct lm_reply *reply);

/** One login under way; there is none most of the time. */
struct lm_pop3_login {
	struct lm_buf name;   /**< what USER or APOP said */
	struct lm_buf secret; /**< what PASS said, or APOP's digest */
	struct lm_buf user;   /**< canonical name, once the check has said yes */
	struct lm_buf text;   /**< the handler's own words for a no */
	struct lm_auth auth;  /**< the question; slices into this or into `sasl` */
	struct lm_sasl_server *sasl;
	const char *mechanism; /**< literal or from the table of mechanisms */
	enum lm_pop3_say welcome;
	bool has_initial; /**< AUTH came with an initial response */
	bool last_round;  /**< the server's proof was sent; the next line ends the exchange */
	int result;       /**< the check's no, told behind AUTH_DONE */
	enum lm_pop3_code code;
};

/** The maildrop of this session. */
struct lm_pop3_drop {
	const struct lm_message *messages; /**< the handler's */
	size_t count, live;                /**< all, and not deleted */
	uint64_t octets, live_octets;
	uint8_t *deleted; /**< a bit a message; NULL while none was ever deleted */
};

enum lm_pop3_transfer { LM_POP3_IDLE, LM_POP3_BODY, LM_POP3_LISTING };

/** Where words are missing in the output; offsets from its front. */
struct lm_pop3_gap {
	size_t line; /**< where the line begins: so much is shown */
	size_t at;
	size_t most; /**< octets that may go there */
};

/** Words of a reply that are being asked for. */
struct lm_pop3_hole {
	struct lm_pop3_gap gap;
	struct lm_say about; /**< its slices are copies, but the UIDL */
	struct lm_buf words; /**< English, where the handler has none */
	struct lm_buf user, text;
};

struct lm_pop3_server {
	struct lm_session session;
	const struct lm_pop3_server_params *params;
	struct lm_session_info info;
	struct lm_pop3_voice voice;
	char *stamp; /**< "<…@host>", or NULL */
	char *user;
	int fatal;
	enum lm_pop3_state state;
	lm_time_ms now, active, line_since;
	struct lm_line_reader reader;
	struct lm_buf out;
	struct lm_pop3_hole *hole; /**< NULL: none; else its decision is open */
	struct {
		enum lm_event_type type; /**< NONE: no decision is open */
		uint32_t id;
		bool pulled;
		lm_pop3_then_fn then;
	} decision;
	uint32_t last_event;
	unsigned errors;
	bool fresh, tls_notice, end_notice, ended, want_tls, closing, draining, slow_reader;
	const struct lm_pop3_command *command;
	struct lm_buf text; /**< octets the current command is about */
	size_t verb_at;     /**< an unknown command: where in `text` its verb stands */
	size_t number;      /**< the current command's message, 1 to count; 0 all */
	int64_t lines;      /**< TOP's */
	struct lm_pop3_login *login;
	struct lm_pop3_drop drop;
	uint64_t *quit_ids;
	size_t quit_count;
	enum lm_pop3_transfer transfer;
	struct lm_dot_encoder dots;
	struct {
		bool active, in_body, only_cr;
		size_t length; /**< of the line so far, without its end */
	} top;
	size_t list_next; /**< index of the next message to list */
	bool list_uidl;
};

/* server.c */

/** Ask the handler; `then` goes on with the answer, at once where nobody decides this event. */
LM_MUST int lm_pop3_decide(struct lm_pop3_server *s, enum lm_event_type type, lm_pop3_then_fn then);
/** The one state setter. */
void lm_pop3_enter(struct lm_pop3_server *s, enum lm_pop3_state state);
/** A RETR decision's octets may also serve TOP: the event type that is asked for it. */
enum lm_event_type lm_pop3_event_of(const struct lm_pop3_server *s,
                                    const struct lm_pop3_command *c);

/** Octets of the longest command line. */
size_t lm_pop3_command_max(const struct lm_pop3_server_params *params);
/** Octets of the longest line that may come now. */
size_t lm_pop3_line_max(const struct lm_pop3_server *s);
/* command.c */

/** Check one line and begin what it asks for. */
LM_MUST int lm_pop3_line(struct lm_pop3_server *s, const struct lm_line *line);
/** What a decision comes to when nobody decides it. */
int lm_pop3_otherwise(const struct lm_pop3_server *s, enum lm_event_type type);
/** The number of a message that is there; else as lm_pop3_command.check. */
int lm_pop3_parse_message(struct lm_pop3_server *s, struct lm_bytes word,
                          enum lm_pop3_say if_deleted);

/* reply.c */

/** The reply of the table. */
LM_MUST int lm_pop3_say(struct lm_pop3_server *s, enum lm_pop3_say say);
/** The same with the handler's own words where it has any. */
LM_MUST int lm_pop3_yes(struct lm_pop3_server *s, enum lm_pop3_say say,
                        const struct lm_reply *reply);
/** The reply to a handler's no. */
LM_MUST int lm_pop3_no(struct lm_pop3_server *s, const struct lm_reply *reply);
/** The same for the rest of `no` with the table's words `say`. */
LM_MUST int lm_pop3_no_as(struct lm_pop3_server *s, const struct lm_reply *no,
                          enum lm_pop3_say say);
/** The longest part of a text that has at most so many octets and cuts no UTF-8 sequence. */
size_t lm_pop3_cut(struct lm_bytes text, size_t most);
/** "." CRLF */
LM_MUST int lm_pop3_dot(struct lm_pop3_server *s);

/* hole.c */

/** Ask for the words that are missing there; `words` are used where none come. */
LM_MUST int lm_pop3_hole_open(struct lm_pop3_server *s, const struct lm_say *about,
                              struct lm_bytes words, struct lm_pop3_gap gap);
/** Forget it, and what was said but not shown. */
void lm_pop3_hole_drop(struct lm_pop3_server *s);

/* login.c */

/** A new login under way, any old one dropped. */
LM_MUST int lm_pop3_login_begin(struct lm_pop3_server *s);
/** Forget it, its secrets wiped. */
void lm_pop3_login_drop(struct lm_pop3_server *s);
/** The handler's answer to a check, and whether the proof was right: go on to login_checked. */
LM_MUST int lm_pop3_login_judged(struct lm_pop3_server *s, const struct lm_reply *reply,
                                 bool proven);
/** Keep a no for the reply behind AUTH_DONE. */
LM_MUST int lm_pop3_login_keep(struct lm_pop3_login *l, const struct lm_reply *no);
/** The check has ended with `no`, or with NULL well: tell the handler, open the maildrop, reply. */
LM_MUST int lm_pop3_login_checked(struct lm_pop3_server *s, const struct lm_reply *no);
/** Names and passwords may be sent in the clear now. */
bool lm_pop3_plain_allowed(const struct lm_pop3_server *s);

/* auth.c */

/** What AUTH would accept now, separated by spaces. */
LM_MUST int lm_pop3_offer(const struct lm_pop3_server *s, struct lm_buf *out);
/** The next line is a response, not a command. */
bool lm_pop3_sasl_waits(const struct lm_pop3_server *s);
LM_MUST int lm_pop3_auth_line(struct lm_pop3_server *s, const struct lm_line *line);
void lm_pop3_sasl_drop(struct lm_pop3_login *l);

/* maildrop.c */

/** Take the handler's snapshot. LM_E_MISUSE where it cannot be shown on the wire. */
LM_MUST int lm_pop3_drop_open(struct lm_pop3_drop *d, const struct lm_message *messages,
                              size_t count);
void lm_pop3_drop_close(struct lm_pop3_drop *d);
bool lm_pop3_drop_deleted(const struct lm_pop3_drop *d, size_t number);
/** Add lines of a listing until the output is well filled, and its end. */
LM_MUST int lm_pop3_list_more(struct lm_pop3_server *s);

/* body.c */

/** Octets of the message being sent. */
LM_MUST int lm_pop3_body(struct lm_pop3_server *s, struct lm_bytes chunk, bool last,
                         size_t *out_taken);

/* The rows of commands.def. */
#define C(verb, states, min, max, flags, event, otherwise, check, apply, rfc, doc)      \
	int lm_pop3_##check(struct lm_pop3_server *s, const struct lm_pop3_args *args); \
	int lm_pop3_##apply(struct lm_pop3_server *s, const struct lm_reply *reply);
#include "pop3/commands.def"
#undef C

#endif
