/** @file
 * SMTP, submission and LMTP sessions as values (see session.h), server and client: RFC 5321, 6409,
 * 2033 and extensions.
 */
#ifndef LETTERMILL_SMTP_H
#define LETTERMILL_SMTP_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What becomes of a message with a CR or LF that stands alone (docs/octets.md). */
enum lm_bare_policy {
	LM_BARE_REFUSE, /**< read to its true end, then 550 5.6.11 */
	LM_BARE_KEEP,   /**< accepted octet for octet */
};

/** Settings shared by sessions; borrowed as long as any of them lives. */
struct lm_smtp_server_params {
	uint32_t size;             /**< sizeof(struct lm_smtp_server_params) */
	enum lm_protocol protocol; /**< LM_SMTP, LM_SUBMISSION or LM_LMTP */
	const char *hostname;      /**< in the greeting and EHLO */
	uint64_t decides; /**< set of LM_EVENT_BIT to emit as decisions; the rest takes the table's
	                     default */
	const char *mechanisms; /**< SASL mechanisms to offer, separated by spaces; NULL: no AUTH */
	bool tls;               /**< STARTTLS is possible */
	bool plain_login;       /**< PLAIN, LOGIN allowed without TLS */
	bool require_tls;       /**< 530 5.7.0 to MAIL and AUTH without TLS */
	bool require_auth; /**< 530 5.7.0 to MAIL before AUTH (RFC 6409; always on for LM_SUBMISSION
	                      by default) */
	uint64_t max_message_size; /**< octets un-stuffed; 0: no limit. Announced as SIZE, enforced
	                              while receiving */
	unsigned max_recipients; /**< a transaction; at least 100 (RFC 5321 4.5.3.1.8); announced by
	                            LIMITS */
	enum lm_bare_policy bare;
	/** false: LM_SMTP refuses input before the greeting with 554, and closes */
	bool early_talkers;
	lm_time_ms idle_timeout;    /**< between commands; RFC 5321 4.5.3.2.7: 5 minutes */
	lm_time_ms command_timeout; /**< from the first octet of a command line to its end */
	uint32_t min_rate;   /**< octets a second a message must come with, over a minute; 0: any */
	unsigned max_errors; /**< bad commands until 421; 10 */
	size_t max_line;     /**< command line with CRLF; AUTH lines may have 12288 (RFC 4954) */
	/** Extensions and commands not to offer, separated by spaces ("STARTTLS VRFY"), in any
	 * case; words of POP3 mean nothing here. Such a command is an unknown one, such a parameter
	 * too; without ENHANCEDSTATUSCODES replies have none, without CHUNKING there is no BDAT.
	 * NULL: none. */
	const char *hide;
	/** EHLO keywords that are not announced and work all the same; NULL: none */
	const char *unannounced;
	const char *banner; /**< behind the name in the greeting; NULL: "ready" */
	/** Where AUTH is offered: with so many commands before a login (AUTH and QUIT are not
	 * counted) the session ends with 421; 0: any number */
	unsigned max_unauthenticated;
	/** Parameters of MAIL and RCPT that nobody knows are taken: handlers find them in
	 * `parameters`. Else 555 */
	bool unknown_parameters;
};

LM_API void lm_smtp_server_params_init(struct lm_smtp_server_params *params,
                                       enum lm_protocol protocol);

struct lm_smtp_server_peer {
	uint64_t id;
	const char *peer_address;
	uint16_t peer_port;
	const char *local_address;
	uint16_t local_port;
	bool xclient;  /**< a listed peer: XCLIENT is offered and believed */
	bool xforward; /**< a listed peer: XFORWARD is offered, and shown to handlers */
};

/** Make a session; free with lm_session_free. Greets when its first event is pulled (or, with
 * LM_EVENT_CONNECT among the decisions, when that was answered); what is fed before comes from an
 * early talker. For implicit TLS call lm_session_tls_up before the first event is pulled. Errors:
 * LM_E_NOMEM. */
LM_API LM_MUST int lm_smtp_server_new(const struct lm_smtp_server_params *params,
                                      const struct lm_smtp_server_peer *peer, lm_time_ms now,
                                      struct lm_session **out_session);

/** Settings shared by client sessions; borrowed as long as any of them lives. */
struct lm_smtp_client_session_params {
	uint32_t size;             /**< sizeof(struct lm_smtp_client_session_params) */
	enum lm_protocol protocol; /**< LM_SMTP, LM_SUBMISSION or LM_LMTP */
	const char *host;          /**< the server's name: SASL and errors need it */
	const char *helo;          /**< what EHLO says: a name or an address literal */
	enum lm_tls_mode tls;
	bool plain_login;   /**< passwords and tokens may go out readable where there is no TLS */
	lm_time_ms timeout; /**< of every wait; 60 s. The reply to the end of a message may take ten
	                       times as long (RFC 5321 4.5.3.2.6) */
	bool no_pipelining; /**< one command at a time, also where PIPELINING is offered */
	bool no_chunking;   /**< DATA also where CHUNKING is offered */
	bool force_8bit;    /**< send 8-bit octets also to a server without 8BITMIME; else
	                       LM_E_UNSUPPORTED */
	size_t max_line;    /**< octets of a reply line; 8192 */
	size_t max_reply;   /**< octets of all lines of a reply; 64 KB */
	bool trace;         /**< emit LM_EVENT_TRACE */
};
LM_API void lm_smtp_client_session_params_init(struct lm_smtp_client_session_params *params,
                                               enum lm_protocol protocol);

/**
 * Make a client session; free with lm_session_free. Errors: LM_E_NOMEM, LM_E_SYNTAX (helo).
 *
 * It opens by itself: greeting, EHLO (LHLO, or HELO where EHLO is refused), STARTTLS. Where `tls`
 * is LM_TLS_STARTTLS and the server does not offer it, OPEN ends with LM_E_UNSUPPORTED and nothing
 * more is sent. With LM_TLS_IMPLICIT it wants LM_WANT_TLS before all else. What the peer does wrong
 * (LM_E_PROTO) or in no time (LM_E_TIMEOUT) is told by outcomes: the call itself gives 0, and
 * LM_WANT_ABORT is set.
 *
 * LM_REQUEST_LOGIN: LM_E_DENIED with LM_SIDE_CLIENT where only mechanisms fit that would show the
 * secret, and neither TLS is up nor `plain_login` set. A 535 to CRAM-MD5 or SCRAM is answered by
 * one try with PLAIN or LOGIN where that is allowed and no mechanism was named.
 *
 * LM_REQUEST_SEND: the envelope's sender, recipients (address, notify, orcpt), size, eight_bit,
 * binary, smtputf8, require_tls, dsn_ret, envid and auth become the parameters of MAIL and RCPT.
 * What was asked for and the server does not offer (SMTPUTF8, BINARYMIME, REQUIRETLS, DSN) is
 * LM_E_UNSUPPORTED before MAIL; a SIZE over the server's is LM_E_LIMIT, and so is one message more
 * than its MAILMAX (RFC 9422). Recipients beyond its RCPTMAX are not tried and told LM_E_LIMIT:
 * send them in another transaction. The outcome's result is 0 when every recipient was accepted,
 * LM_E_DENIED or LM_E_AGAIN when none was (AGAIN as soon as one of them may be tried again) or the
 * message was refused, and LM_E_NOT_FOUND when some were not: each is named in `recipients`.
 * LM_EVENT_DATA comes when the server is ready for the message; a no to it cuts the connection
 * behind DATA, with BDAT only the transaction ends.
 * The message's octets must have CRLF line ends only (lm_outgoing makes them so): a bare CR or LF
 * is LM_E_SYNTAX and the connection is cut so that nothing of it is delivered, unless it goes out
 * by BDAT with envelope->binary. Behind DATA a last line without CRLF gets it.
 */
LM_API LM_MUST int lm_smtp_client_session_new(const struct lm_smtp_client_session_params *params,
                                              lm_time_ms now, struct lm_session **out_session);

/** Whether EHLO announced a keyword ("SIZE"); what stands behind it goes to *out_rest (may be
 * NULL), alive until the next call on the session. Knows only the last EHLO. */
LM_API bool lm_smtp_client_session_has(const struct lm_session *session, const char *keyword,
                                       struct lm_bytes *out_rest);
/** All of them as they came, LF behind each; empty before EHLO. */
LM_API struct lm_bytes lm_smtp_client_session_capabilities(const struct lm_session *session);
/** Text of the greeting behind its code. */
LM_API struct lm_bytes lm_smtp_client_session_greeting(const struct lm_session *session);

#ifdef __cplusplus
}
#endif
#endif
