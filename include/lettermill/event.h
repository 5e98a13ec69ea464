/** @file
 * What happens in a session, as one typed value: the only thing a handler ever sees. Servers and
 * clients share it; the types from OUTCOME on are the clients' alone.
 */
#ifndef LETTERMILL_EVENT_H
#define LETTERMILL_EVENT_H

#include "reply.h"
#include "request.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_protocol { LM_SMTP = 1, LM_SUBMISSION, LM_LMTP, LM_POP3 };

/**
 * Kinds of event. A decision waits for an answer and may change the outcome; a notice does not.
 * Which protocol has which: commands.def of src/pop3 and src/smtp.
 */
enum lm_event_type {
	LM_EVENT_NONE,
	LM_EVENT_CONNECT,   /**< decision: a peer is there, nothing was sent yet. No: refused and
	                       closed */
	LM_EVENT_TLS,       /**< notice: the session is under TLS now */
	LM_EVENT_HELO,      /**< decision, SMTP: EHLO, HELO or LHLO; `argument` is the name */
	LM_EVENT_AUTH,      /**< decision: are these credentials good (see struct lm_auth) */
	LM_EVENT_AUTH_DONE, /**< decision: the check ended, `auth.ok` says how; the reply goes out
	                       when answered, so an answer that waits is a delay. No: a success is
	                       refused after all */
	LM_EVENT_MAILDROP,  /**< decision, POP3: lock and list the maildrop of `info->user`;
	                       reply.messages */
	LM_EVENT_STAT,      /**< decision, POP3 */
	LM_EVENT_LIST,      /**< decision, POP3: `message.number` 0 for all */
	LM_EVENT_UIDL,      /**< decision, POP3: `message.number` 0 for all */
	LM_EVENT_RETR,      /**< decision, POP3: reply.source */
	LM_EVENT_TOP,  /**< decision, POP3: reply.source; the session itself cuts at `message.lines`
	                */
	LM_EVENT_DELE, /**< decision, POP3 */
	LM_EVENT_RSET, /**< decision */
	LM_EVENT_NOOP, /**< decision */
	LM_EVENT_CAPA, /**< decision, POP3 */
	LM_EVENT_LANG, /**< decision, POP3: `argument` is the tag asked for */
	LM_EVENT_UTF8, /**< decision, POP3 */
	LM_EVENT_QUIT, /**< decision. POP3 after login: `deleted` lists what must go, all or
	                  nothing; +OK is sent only when the answer says yes */
	LM_EVENT_MAIL, /**< decision, SMTP: envelope->sender is new */
	LM_EVENT_RCPT, /**< decision, SMTP: envelope's last recipient is new; refused ones are taken
	                  out again */
	LM_EVENT_DATA, /**< decision, SMTP: a message is about to come (DATA, or the first BDAT) */
	LM_EVENT_BODY, /**< decision, SMTP: `argument` holds the next octets of the message,
	                  un-stuffed; answer when they were taken (this is the back-pressure). No:
	                  the rest is swallowed and the message refused with this answer */
	LM_EVENT_MESSAGE, /**< decision, SMTP: the message is complete; yes means it is safe on disk
	                   */
	LM_EVENT_ABORT, /**< notice, SMTP: a transaction after a yes to MAIL ended without a message
	                     (RSET, EHLO, lost connection, refusal); drop what was kept of it.
	                     `argument`: a message was refused, with this ("552 5.3.4 Message too
	                     big"); else empty */
	LM_EVENT_VRFY,  /**< decision, SMTP: `argument` */
	LM_EVENT_EXPN,  /**< decision, SMTP: `argument` */
	LM_EVENT_HELP,  /**< decision, SMTP: `argument` */
	LM_EVENT_COMMAND, /**< decision: a verb the tables do not know; `argument` is the whole
	                     line. With the table's default it is an error */
	LM_EVENT_USER,    /**< decision, POP3: USER named the maildrop `argument`; no:
	                     failure.user.rejected. Where no handler decides it every name is
	                     taken, so that names cannot be tried out */
	LM_EVENT_SAY, /**< decision, POP3: the words of a reply that the session's language leaves
	                 open (struct lm_pop3_language): `say` is what it is about; reply.text are
	                 the words. With a no, or none: those of English */
	LM_EVENT_CERTIFICATE, /**< decision: a TLS client asks for the server name `argument` (RFC
	                         6066 3); may come before CONNECT. reply.certificate and reply.key;
	                         the table's default: those of the configuration; no: the handshake
	                         is refused (unrecognized_name; internal_error where the result is
	                         one that SMTP would call temporary, or the PEM is broken) */
	LM_EVENT_DISCONNECT,  /**< notice: the last event of every session, whatever ended it */
	LM_EVENT_OUTCOME,     /**< notice, client: a request is over, see `outcome` */
	LM_EVENT_ITEM,  /**< notice, client: a line of LIST, UIDL (`message`, `argument` the UIDL),
	                   CAPA  or LANG (`argument` the line) */
	LM_EVENT_TRACE, /**< notice, client, where asked for: `argument` is a line of the dialogue
	                   as it is to be shown, secrets masked, message octets summed up; `verb`
	                   "C" or "S" */
	LM_EVENT_COUNT
};

/**
 * In a client session the decisions are: LM_EVENT_BODY (`argument`: the next octets of the message
 * being fetched, un-stuffed, `message.number` its number; answer when they were taken; a no lets
 * the rest pass by and fails the request with the answer's result), LM_EVENT_DATA (the server waits
 * for the message: answer with reply.source, whose octets go out through lm_session_body as they
 * are, line ends included; a no ends the transaction) and LM_EVENT_AUTH (kind LM_AUTH_TOKEN: give
 * reply.secret.plain). An answer NULL to BODY is a yes, to the others a no.
 */
/** The bit of an event type in a set of them. */
#define LM_EVENT_BIT(type) (UINT64_C(1) << (type))

/** How credentials are to be judged. */
enum lm_auth_kind {
	LM_AUTH_PASSWORD = 1, /**< authcid and password in the clear: compare */
	/** Give reply.secret of authcid: the session does the arithmetic. For a name that does not
	 * exist give a made-up secret that is the same each time. */
	LM_AUTH_SECRET,
	LM_AUTH_TOKEN,    /**< an OAuth bearer token (RFC 7628) */
	LM_AUTH_EXTERNAL, /**< the peer's TLS certificate speaks for authzid (RFC 4422 A) */
};

enum lm_secret_need { LM_NEED_PLAIN = 1, LM_NEED_SCRAM_SHA1, LM_NEED_SCRAM_SHA256 };

struct lm_auth {
	enum lm_auth_kind kind;
	enum lm_secret_need need;  /**< LM_AUTH_SECRET: which */
	struct lm_bytes mechanism; /**< "PLAIN", "SCRAM-SHA-256-PLUS", "APOP", "USER" … */
	struct lm_bytes authcid;   /**< who proves to be himself */
	struct lm_bytes authzid;   /**< who he wants to act as; empty: himself */
	struct lm_bytes password;  /**< LM_AUTH_PASSWORD; wiped after the answer */
	struct lm_bytes token;     /**< LM_AUTH_TOKEN */
	/** CRAM-MD5: what the server said and the digest that came back (RFC 2195), for handlers
	 * that compare them by themselves (LM_REPLY_PROVEN); else empty */
	struct lm_bytes challenge, response;
	bool ok; /**< LM_EVENT_AUTH_DONE: the proof was right */
};

/** What a reply is about, for LM_EVENT_SAY; what does not apply is 0 or empty. */
struct lm_say {
	const char *key;       /**< "failure.no_such_message" (src/pop3/replies.def) */
	const char *verb;      /**< of the command: "RETR" */
	const char *state;     /**< the state it needs: "TRANSACTION" */
	unsigned min, max;     /**< how many arguments it takes */
	uint64_t number;       /**< of the message, from 1 */
	uint64_t octets;       /**< its size */
	struct lm_bytes uidl;  /**< its name */
	uint64_t count, total; /**< the maildrop: messages not deleted, and their octets */
	struct lm_bytes user;  /**< named by USER, or logged in */
	struct lm_bytes text;  /**< what was asked for: a language, a mechanism */
};

/** RFC 3461 NOTIFY; 0: not given. */
enum lm_dsn_notify {
	LM_NOTIFY_NEVER = 1,
	LM_NOTIFY_SUCCESS = 2,
	LM_NOTIFY_FAILURE = 4,
	LM_NOTIFY_DELAY = 8
};

struct lm_recipient {
	struct lm_bytes address;    /**< without angle brackets, as given, SMTP quoting kept */
	struct lm_bytes orcpt;      /**< RFC 3461 ORCPT, as given; empty: none */
	unsigned notify;            /**< enum lm_dsn_notify */
	struct lm_bytes parameters; /**< what stands behind the path, as given; empty: nothing */
};

/** What MAIL and RCPT said. Valid until the transaction ends. */
struct lm_envelope {
	struct lm_bytes sender; /**< without angle brackets; empty is the null path `<>` */
	struct lm_recipient *recipients;
	size_t recipient_count;
	uint64_t size;              /**< RFC 1870 SIZE as declared; 0: not */
	bool eight_bit;             /**< BODY=8BITMIME */
	bool binary;                /**< BODY=BINARYMIME */
	bool smtputf8;              /**< RFC 6531 */
	bool require_tls;           /**< RFC 8689 */
	char dsn_ret;               /**< RFC 3461 RET: 'F', 'H' or 0 */
	struct lm_bytes envid;      /**< RFC 3461 ENVID, as given; empty: none */
	struct lm_bytes auth;       /**< RFC 4954 AUTH=, xtext decoded; empty: none */
	struct lm_bytes parameters; /**< what stands behind MAIL's path, as given; empty: nothing */
};

/** What is known of a connection under TLS. */
struct lm_tls_info {
	bool active;
	const char *version; /**< "TLSv1.3" */
	const char *cipher;
	int bits;
	const char *server_name;  /**< SNI asked for; "" none */
	const char *peer_subject; /**< subject of a verified client certificate, RFC 2253 form; ""
	                             none */
	const char *peer_name; /**< first e-mail or DNS name in it, else its common name; "" none */
	struct lm_bytes
	        exporter; /**< RFC 9266 tls-exporter channel binding; empty where there is none */
};

/** A session as handlers see it; filled by the session, valid as long as it lives. */
struct lm_session_info {
	enum lm_protocol protocol;
	uint64_t id;           /**< unique in this process */
	char peer_address[64]; /**< textual IPv4, IPv6, or "unix" */
	uint16_t peer_port;
	char local_address[64];
	uint16_t local_port;
	struct lm_tls_info tls;
	bool esmtp;                /**< EHLO or LHLO, not HELO */
	struct lm_bytes helo;      /**< SMTP; empty before */
	struct lm_bytes user;      /**< who is logged in; empty before */
	struct lm_bytes mechanism; /**< how; empty before */
	/** SMTP: what listed peers said by XCLIENT and by XFORWARD, as given: "NAME=a
	 * ADDR=192.0.2.1" (values in xtext; of a name that comes twice the last one counts); empty:
	 * nothing */
	struct lm_bytes xclient, xforward;
	const char *language; /**< POP3: "en" */
	bool utf8;            /**< POP3: UTF8 was given */
	/** POP3: the stamp of the greeting, with its brackets; NULL: none */
	const char *stamp;
};

struct lm_event {
	enum lm_event_type type;
	uint32_t id; /**< 0: a notice; else answer with this number */
	const struct lm_session_info *info;
	struct lm_bytes argument; /**< octets, see the types; borrowed until answered */
	struct lm_bytes verb;     /**< the command's verb in upper case; empty where none */
	struct lm_auth auth;
	struct {
		size_t number; /**< 1 to count; 0 none */
		uint64_t id;   /**< struct lm_message id */
		uint64_t octets;
		int64_t lines; /**< TOP: body lines asked for, -1: no limit */
	} message;
	const uint64_t *deleted; /**< POP3 QUIT: ids to remove */
	size_t deleted_count;
	const struct lm_envelope *envelope; /**< SMTP, while a transaction is open; else NULL */
	uint64_t octets;                    /**< MESSAGE: size as received, un-stuffed */
	bool has_bare; /**< MESSAGE: a bare CR or LF is among the octets (kept by option) */
	const struct lm_outcome *outcome; /**< OUTCOME; else NULL */
	const struct lm_say *say;         /**< SAY; else NULL */
};

/** "RCPT" for LM_EVENT_RCPT. Threads: any. */
LM_API const char *lm_event_name(enum lm_event_type type);

#ifdef __cplusplus
}
#endif
#endif
