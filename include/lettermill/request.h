/** @file
 * What a client session is asked to do, and what came of it.
 *
 * Client sessions have the shape of every session (session.h): requests are pushed with
 * lm_session_request, events are pulled. A request ends with exactly one LM_EVENT_OUTCOME, in the
 * order in which requests were pushed; so each outcome is told also when the connection is lost.
 */
#ifndef LETTERMILL_REQUEST_H
#define LETTERMILL_REQUEST_H

#include "reply.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_envelope;

/** POP3 knows those from STAT to LANG, SMTP and LMTP those from SEND to EXPN, all the rest. */
enum lm_request_type {
	LM_REQUEST_NONE,
	/** The first outcome of every session, asked for by nobody: greeting read, capabilities
	 * known, TLS up as the policy wants; other requests may be pushed before and wait for it.
	 */
	LM_REQUEST_OPEN,
	LM_REQUEST_LOGIN, /**< `credentials`; the best mechanism both sides have */
	LM_REQUEST_CAPA,  /**< the server's capabilities anew: an LM_EVENT_ITEM for each line */
	LM_REQUEST_NOOP,
	LM_REQUEST_RSET,
	LM_REQUEST_QUIT,    /**< the session ends behind it, whatever the server says */
	LM_REQUEST_COMMAND, /**< `argument` is a whole line (no multi-line reply in POP3); SMTP: any
	                       reply code is a success */
	LM_REQUEST_STAT,    /**< outcome: count, octets */
	LM_REQUEST_LIST,    /**< `number`, 0: all; an LM_EVENT_ITEM for each message */
	LM_REQUEST_UIDL,    /**< the same */
	LM_REQUEST_RETR,    /**< `number`; LM_EVENT_BODY for each piece */
	LM_REQUEST_TOP,     /**< `number`, `lines`; the same */
	LM_REQUEST_DELE,    /**< `number` */
	LM_REQUEST_UTF8,
	LM_REQUEST_LANG, /**< `argument`: the tag, "*", or empty: the list, an LM_EVENT_ITEM each */
	LM_REQUEST_SEND, /**< `envelope`: a whole transaction; LM_EVENT_DATA asks for the message */
	LM_REQUEST_VRFY, /**< `argument`; any 2yz is a success */
	LM_REQUEST_EXPN,
	LM_REQUEST_COUNT
};

/** What one logs in with. An empty member is not there; no NUL, CR or LF in any of them. */
struct lm_credentials {
	struct lm_bytes user, password;
	struct lm_bytes authzid; /**< whom to act as; empty: himself */
	struct lm_bytes token;   /**< OAuth bearer token */
	bool ask_token; /**< a token can be had: LM_EVENT_AUTH asks for it once a mechanism needs it
	                 */
	bool certificate; /**< TLS showed a certificate: EXTERNAL is possible */
	/** A SASL mechanism in any case, "APOP" or "USER" (USER and PASS); NULL: the best. With a
	 * name nothing else is tried. */
	const char *mechanism;
};

/** Zero it (LM_REQUEST_INIT), then set what the type wants. All slices and pointers are borrowed
 * until the call returns, but for `envelope`, which must live until the outcome. */
struct lm_request {
	uint32_t size; /**< sizeof(struct lm_request) */
	enum lm_request_type type;
	void *tag; /**< comes back in the outcome */
	struct lm_bytes argument;
	uint64_t number;   /**< of a message, from 1 */
	int64_t lines;     /**< TOP: of the body */
	uint64_t expected; /**< RETR: octets as LIST said; 0: unknown. Helps with servers that do
	                      not stuff dots (docs/octets.md) */
	const struct lm_credentials *credentials;
	const struct lm_envelope *envelope;
};
#define LM_REQUEST_INIT(kind) \
	((struct lm_request){ .size = sizeof(struct lm_request), .type = (kind) })

/** Who is to blame, so that an error can say it. */
enum lm_side {
	LM_SIDE_NONE,
	LM_SIDE_CLIENT,  /**< this program: a wrong argument, a limit, a policy; nothing was sent */
	LM_SIDE_SERVER,  /**< it said no */
	LM_SIDE_PEER,    /**< it broke the protocol */
	LM_SIDE_NETWORK, /**< the connection, TLS, time */
};

/** What became of a request. Its slices live until the next call on the session. */
struct lm_outcome {
	enum lm_request_type type;
	void *tag;
	int result; /**< 0 or a negative enum lm_err. A temporary refusal (4yz, [SYS/TEMP]) is
	               LM_E_AGAIN, a final one LM_E_DENIED, a wrong login LM_E_AUTH, [IN-USE]
	               LM_E_IN_USE, what the server lacks LM_E_UNSUPPORTED */
	enum lm_side side;
	struct lm_bytes command; /**< what was sent, secrets masked: "RETR 3"; empty: nothing */
	/** SMTP: the reply's code; 0: none. POP3: 0. */
	int smtp_code;
	uint8_t enhanced[3]; /**< RFC 3463; class 0: none */
	enum lm_pop3_code pop3_code;
	struct lm_bytes text; /**< the reply's text without codes, lines separated by LF; or what is
	                         wrong in words. As it came: escape before showing */
	uint64_t count, octets; /**< STAT; RETR, TOP: octets of the message; SEND: as sent */
	/** SEND: one a recipient of the envelope, in its order; result, side, codes and text are
	 * set. */
	const struct lm_outcome *recipients;
	size_t recipient_count;
	/** SEND: the whole message was handed over but no reply came: it may have been delivered.
	 */
	bool unknown;
	/** RETR: how the octets were counted and LIST's size differ, or the end was not clear. */
	bool odd_size;
};

/** How a client uses TLS. */
enum lm_tls_mode {
	LM_TLS_OPPORTUNISTIC, /**< STLS/STARTTLS when offered; certificates are not judged */
	LM_TLS_OFF,
	LM_TLS_STARTTLS, /**< required, before anything else */
	LM_TLS_IMPLICIT, /**< from the first octet */
};

#ifdef __cplusplus
}
#endif
#endif
