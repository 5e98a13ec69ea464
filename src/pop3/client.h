/** @file
 * Inside of the POP3 client session: what its files share. Reading order: README.md.
 *
 * Functions return 0 or a negative enum lm_err, which is fatal to the session (out of memory); what
 * the server does wrong ends in outcomes and lm_pop3c_end instead.
 */
#ifndef LM_POP3_CLIENT_H
#define LM_POP3_CLIENT_H

#include "sasl/sasl.h"
#include "wire/dot.h"
#include "wire/line.h"

#include <lettermill/pop3.h>

enum lm_pop3c_limit {
	LM_POP3C_QUEUE_MAX = 1024,        /**< requests that wait, so that pushing has an end */
	LM_POP3C_CHUNK_MAX = 64 * 1024,   /**< octets of a message in one event */
	LM_POP3C_OUTPUT_HIGH = 32 * 1024, /**< unsent octets above which no more is pipelined */
	LM_POP3C_OUTPUT_MAX = 256 * 1024,
	LM_POP3C_COMMAND_MAX = 255, /**< octets of a command with its CRLF, RFC 2449 4 */
	LM_POP3C_NAME_MAX = 1024,   /**< octets of a user name, password or authorization id */
	LM_POP3C_TOKEN_MAX = 8192,
	LM_POP3C_CAPA_MAX = 16 * 1024, /**< octets of capabilities that are kept */
	LM_POP3C_UIDL_MAX = 1024,      /**< RFC 1939 7 has 70 */
	LM_POP3C_FLOOR = 512, /**< octets in a timeout that are progress: drops prolong nothing */
};

enum lm_pop3c_state {
	LM_POP3C_OPENING, /**< greeting, capabilities, TLS */
	LM_POP3C_OPEN,
	LM_POP3C_CLOSED, /**< nothing more is read */
};

/** What the next octets are. */
enum lm_pop3c_reading {
	LM_POP3C_STATUS,  /**< a reply's first line */
	LM_POP3C_LISTING, /**< the other lines of a multi-line reply */
	LM_POP3C_BODY,    /**< a message */
	LM_POP3C_PEEK,    /**< behind a terminator: does a reply follow? */
};

struct lm_pop3c;
struct lm_pop3c_ask;

/** The first line of a reply; its slices live in the line. */
struct lm_pop3c_status {
	bool ok;
	enum lm_pop3_code code;
	struct lm_bytes text; /**< behind +OK or -ERR, and a known response code */
};

enum lm_pop3c_flag {
	LM_POP3C_ALONE = 1, /**< nothing is under way before or behind it */
	LM_POP3C_JUDGE = 2, /**< `reply` sees -ERR, too */
	LM_POP3C_DROP = 4,  /**< needs a maildrop: not sent behind a login that failed */
};

/** What behind the verb is made of. */
enum lm_pop3c_form {
	LM_POP3C_PLAIN,  /**< nothing */
	LM_POP3C_NUMBER, /**< a message */
	LM_POP3C_ANY,    /**< a message, or none: all */
	LM_POP3C_LINES,  /**< a message and a count */
	LM_POP3C_WORD,   /**< the argument, or nothing */
	LM_POP3C_WHOLE,  /**< the argument is the line */
	LM_POP3C_OWN,    /**< `begin` says what it has to say */
};

/** A row of the table: a type of request. */
struct lm_pop3c_kind {
	enum lm_request_type type;
	const char *verb;
	enum lm_pop3c_form form;
	unsigned flags;
	/** It is its turn; NULL: its line is sent. */
	int (*begin)(struct lm_pop3c *c, struct lm_pop3c_ask *a);
	/** The first line of the reply; without JUDGE only +OK comes here. */
	int (*reply)(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_pop3c_status *st);
	/** A line of a listing, un-stuffed; `end`: there are no more. */
	int (*line)(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
	            bool end);
};
/** All but OPEN. */
extern const struct lm_pop3c_kind lm_pop3c_kinds[];
extern const size_t lm_pop3c_kind_count;

/** Something to be told: a link of the queue of notices. */
struct lm_pop3c_note {
	struct lm_pop3c_note *next;
	enum lm_event_type type;
};

/** A request, from its push until its outcome was told. */
struct lm_pop3c_ask {
	struct lm_pop3c_note note;
	struct lm_pop3c_ask *next;
	const struct lm_pop3c_kind *kind;
	struct lm_outcome outcome;
	struct lm_buf line; /**< the command as it was or will be sent, secrets masked */
	struct lm_buf text; /**< of the outcome */
	uint64_t number, expected, items;
	struct lm_pop3c_login *login; /**< LOGIN's */
	int refused;                  /**< it is not to be sent: the result */
	int fault;                    /**< what was wrong with a listing's lines */
	bool sent, own;               /**< `own`: nobody asked for it, nobody is told */
};

enum lm_pop3c_login_step {
	LM_POP3C_PICK,
	LM_POP3C_TOKEN, /**< the owner is asked for one */
	LM_POP3C_SASL,
	LM_POP3C_CANCEL, /**< "*" was sent */
	LM_POP3C_APOP,
	LM_POP3C_USER,
	LM_POP3C_PASS,
	LM_POP3C_RECHECK, /**< capabilities behind the login */
};

/** The login under way; there is none most of the time. */
struct lm_pop3c_login {
	enum lm_pop3c_login_step step;
	struct lm_buf secrets; /**< all of the credentials, one behind the other */
	struct lm_buf token;   /**< the one that was asked for */
	struct lm_sasl_credentials creds;
	char named[32];        /**< the only mechanism to try, upper case; "": the best */
	const char *mechanism; /**< under way */
	bool ask_token, fell_back;
	struct lm_sasl_client *sasl;
	struct lm_buf initial; /**< base64, waits for the first continuation */
	bool has_initial;
	int verdict; /**< why it was cancelled */
};

/** A message on its way in. */
struct lm_pop3c_body {
	struct lm_dot_decoder dots;
	struct lm_buf chunk; /**< decoded, being told */
	uint64_t count;      /**< octets of the message so far */
	uint64_t expected;   /**< 0: unknown */
	bool hinted;         /**< `expected` is from the reply, not from LIST */
	bool ended;          /**< a terminator was seen */
	bool unclear;        /**< a dot line belonged to the message */
	bool skipping;       /**< the rest passes by: the request fails with `result` */
	int result;
	uint8_t peek[4];
	size_t peeked;
};

struct lm_pop3c {
	struct lm_session session;
	const struct lm_pop3_client_session_params *params;
	struct lm_session_info info;
	int fatal;
	enum lm_pop3c_state state;
	enum lm_pop3c_reading reading;
	lm_time_ms now, since; /**< of the wait for the server */
	size_t progress;       /**< octets since then */
	struct lm_line_reader reader;
	struct lm_buf out;
	bool fresh, want_tls, quitting, draining, secret_out, ended, end_told;
	struct lm_pop3c_note *notes, **notes_end;
	struct lm_pop3c_note *told; /**< its slices are being looked at */
	struct lm_pop3c_note tls_note;
	struct {
		struct lm_pop3c_note note;
		struct lm_buf text;
		uint64_t number, octets;
	} item;
	struct {
		enum lm_event_type type; /**< NONE: no decision is open */
		uint32_t id;
		bool pulled;
		lm_time_ms at;
	} decision;
	uint32_t last_event;
	struct lm_pop3c_ask *head, **tail, *unsent;
	struct lm_pop3c_ask sentinel;
	size_t queued, outstanding;
	bool greeted, stls_sent; /**< of OPEN */
	bool lf_line;            /**< the last line ended with a bare LF */
	struct lm_buf greeting, stamp, capa;
	bool capa_known, shut_out /* the last login failed */, keeps_dots, keeps_dots_behind_lf;
	char *user;
	char mechanism[32];
	struct lm_pop3c_body body;
};

/* client.c */

/** Octets to the server, and a line of the trace; `shown` stands for a line with a secret. */
LM_MUST int lm_pop3c_say(struct lm_pop3c *c, struct lm_bytes line, const char *shown);
/** A line of the dialogue for the trace, where it is wanted. */
LM_MUST int lm_pop3c_trace(struct lm_pop3c *c, const char *who, struct lm_bytes line);
/** Ask the owner. */
void lm_pop3c_decide(struct lm_pop3c *c, enum lm_event_type type);
/** Tell an event. */
void lm_pop3c_tell(struct lm_pop3c *c, struct lm_pop3c_note *note, enum lm_event_type type);
/** End the session: what is under way fails with `result`, what waits with LM_E_CLOSED. */
void lm_pop3c_end(struct lm_pop3c *c, int result, enum lm_side side, const char *fmt, ...)
        LM_PRINTF(4, 5);

/* client_request.c */

LM_MUST int lm_pop3c_request(struct lm_pop3c *c, const struct lm_request *request);
/** The request at the head of the queue is over; a NULL text leaves what is there. */
void lm_pop3c_finish(struct lm_pop3c *c, int result, enum lm_side side, const char *text);
/** The same with what the server said. */
void lm_pop3c_finish_status(struct lm_pop3c *c, const struct lm_pop3c_status *st, int result);
/** The result of a -ERR. */
int lm_pop3c_refusal(const struct lm_pop3c *c, const struct lm_pop3c_ask *a,
                     const struct lm_pop3c_status *st);
/** Send what may be sent now. */
LM_MUST int lm_pop3c_advance(struct lm_pop3c *c);
/** Send the line of a request. */
LM_MUST int lm_pop3c_send(struct lm_pop3c *c, struct lm_pop3c_ask *a);
/** Put a NOOP of our own behind the head and send it. */
LM_MUST int lm_pop3c_send_sentinel(struct lm_pop3c *c);
void lm_pop3c_ask_free(struct lm_pop3c_ask *a);
/** Make OPEN the first request. */
LM_MUST int lm_pop3c_push_open(struct lm_pop3c *c);
/** Refuse what was not sent yet, and say QUIT behind what was. */
LM_MUST int lm_pop3c_wind_up(struct lm_pop3c *c);

/* client_reply.c */

/** A whole line of a reply. */
LM_MUST int lm_pop3c_line(struct lm_pop3c *c, const struct lm_line *line);
int lm_pop3c_stat_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st);
int lm_pop3c_list_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st);
int lm_pop3c_list_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                       bool end);
int lm_pop3c_lang_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st);
int lm_pop3c_text_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                       bool end);

/* client_open.c */

extern const struct lm_pop3c_kind lm_pop3c_open_kind;
/** What was learnt without TLS counts no more; capabilities are asked for again. */
LM_MUST int lm_pop3c_secured(struct lm_pop3c *c);
/** What the server says it can, kept line by line. */
void lm_pop3c_capa_forget(struct lm_pop3c *c);
LM_MUST int lm_pop3c_capa_add(struct lm_pop3c *c, struct lm_bytes line);
bool lm_pop3c_has(const struct lm_pop3c *c, const char *word, struct lm_bytes *out_rest);
int lm_pop3c_capa_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st);
int lm_pop3c_capa_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                       bool end);

/* client_login.c, client_sasl.c */

/** A copy of the credentials. LM_E_SYNTAX, LM_E_LIMIT, LM_E_NOMEM. */
LM_MUST int lm_pop3c_login_new(const struct lm_credentials *credentials,
                               struct lm_pop3c_login **out_login);
/** Wipes what it held. NULL is allowed. */
void lm_pop3c_login_free(struct lm_pop3c_login *l);
int lm_pop3c_login_begin(struct lm_pop3c *c, struct lm_pop3c_ask *a);
int lm_pop3c_login_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                         const struct lm_pop3c_status *st);
int lm_pop3c_login_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                        bool end);
/** The owner's answer to the question for a token. */
LM_MUST int lm_pop3c_login_token(struct lm_pop3c *c, const struct lm_reply *reply);
/** A line that is no +OK and no -ERR may be a challenge: 1 when it was taken as one. */
int lm_pop3c_login_continue(struct lm_pop3c *c, const struct lm_line *line);
/** The server said yes. */
LM_MUST int lm_pop3c_login_done(struct lm_pop3c *c, const struct lm_pop3c_status *st);
/** The server said no: another way, or the outcome. */
LM_MUST int lm_pop3c_login_refused(struct lm_pop3c *c, const struct lm_pop3c_status *st);
/** Say a line of a login; `shown` is what may be seen of it. */
LM_MUST int lm_pop3c_login_say(struct lm_pop3c *c, struct lm_bytes line, const char *shown);
LM_MUST int lm_pop3c_sasl_begin(struct lm_pop3c *c);
LM_MUST int lm_pop3c_sasl_challenge(struct lm_pop3c *c, struct lm_bytes text);
LM_MUST int lm_pop3c_sasl_reply(struct lm_pop3c *c, const struct lm_pop3c_status *st);

/* client_body.c */

int lm_pop3c_body_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st);
/** Octets of the message, or behind its terminator. */
LM_MUST int lm_pop3c_body_take(struct lm_pop3c *c, struct lm_bytes in, size_t *out_taken);
/** The owner took what was told, or (result < 0) will not have the rest. */
void lm_pop3c_body_answer(struct lm_pop3c *c, int result);
/** A terminator was seen and all was told: is this the end? */
LM_MUST int lm_pop3c_body_settle(struct lm_pop3c *c);
/** No more will come: a message whose terminator was seen and whose size nobody knew is whole. */
LM_MUST int lm_pop3c_body_eof(struct lm_pop3c *c);

#endif
