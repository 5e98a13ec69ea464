/** @file
 * POP3 sessions as values (see session.h), server and client: RFC 1939, 2449, 2595, 3206, 5034,
 * 6856, 8314.
 */
#ifndef LETTERMILL_POP3_H
#define LETTERMILL_POP3_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One text of a language. */
struct lm_pop3_text {
	const char *key; /**< of src/pop3/replies.def: "success.dele.deleted" */
	/** In UTF-8, with places in braces as replies.def lists them ("message {n} deleted.");
	 * NULL: asked for by LM_EVENT_SAY each time. */
	const char *text;
};
/** A language of replies beside, or instead of, those that are built in. */
struct lm_pop3_language {
	const char *tag;  /**< RFC 5646, in lower case: "fr"; an own one of that tag is replaced */
	const char *name; /**< what LANG lists: "Francais" */
	const struct lm_pop3_text *texts; /**< keys that are missing are said in English */
	size_t text_count;
};

/** Settings shared by sessions; borrowed as long as any of them lives. */
struct lm_pop3_server_params {
	uint32_t size;              /**< sizeof(struct lm_pop3_server_params) */
	const char *hostname;       /**< in the greeting */
	const char *implementation; /**< CAPA IMPLEMENTATION; NULL: "Lettermill" and the version */
	const char *language;       /**< a tag, "en", "nl" or one of `languages`; NULL: "en" */
	uint64_t decides; /**< set of LM_EVENT_BIT: which events to emit as decisions. Those left
	                     out take the table's default at once, without an event */
	const char *mechanisms;  /**< SASL mechanisms to offer, separated by spaces; NULL: none */
	bool tls;                /**< STLS is possible */
	bool plain_login;        /**< USER/PASS, PLAIN, LOGIN allowed without TLS */
	bool require_tls;        /**< no login of any kind without TLS */
	bool apop;               /**< APOP is offered (needs a stamp) */
	int login_delay;         /**< CAPA LOGIN-DELAY, seconds */
	int expire;              /**< CAPA EXPIRE, days; -1: NEVER */
	lm_time_ms idle_timeout; /**< RFC 1939 3: at least 10 minutes in production */
	lm_time_ms command_timeout; /**< from the first octet of a command line to its end: stops
	                               slow octets */
	unsigned max_errors; /**< bad commands until the session is ended with a last word; 10 */
	size_t max_line;     /**< octets of a command line, CRLF included; 255 (RFC 2449 4) or more.
	                        AUTH and its responses may have 12288 (RFC 5034 4) */
	const struct lm_pop3_language *languages; /**< more languages; checked by
	                                             lm_pop3_language_check */
	size_t language_count;
	/** Capabilities and commands not to offer, separated by spaces ("APOP UTF8"), in any case:
	 * such a command is an unknown one. Words of SMTP mean nothing here. NULL: none. */
	const char *hide;
};

/** Whether a language can be used: known keys, known places, one line each, and nothing that
 * clients would take for a response code (RFC 2449 8) or a second stamp in the greeting. Errors:
 * LM_E_CONFIG, with the key and what is wrong. Threads: any. */
LM_API LM_MUST int lm_pop3_language_check(const struct lm_pop3_language *language,
                                          struct lm_error *out_error);

/** Fill in defaults. */
LM_API void lm_pop3_server_params_init(struct lm_pop3_server_params *params);

/** Who is at the other end; all copied. */
struct lm_pop3_server_peer {
	uint64_t id;
	const char *peer_address;
	uint16_t peer_port;
	const char *local_address;
	uint16_t local_port;
	const char *stamp; /**< APOP: unpredictable and unique, letters, digits, dots and hyphens
	                      only, without
	                        "<>" and "@host"; copied. NULL: no stamp in the greeting */
};

/** Make a session; free with lm_session_free. Greets after LM_EVENT_CONNECT was answered (or at
 * once). For implicit TLS call lm_session_tls_up before the first event is pulled. Errors:
 * LM_E_NOMEM. */
LM_API LM_MUST int lm_pop3_server_new(const struct lm_pop3_server_params *params,
                                      const struct lm_pop3_server_peer *peer, lm_time_ms now,
                                      struct lm_session **out_session);

/** Settings shared by client sessions; borrowed as long as any of them lives. */
struct lm_pop3_client_session_params {
	uint32_t size;        /**< sizeof(struct lm_pop3_client_session_params) */
	const char *host;     /**< the server's name: SASL and errors need it */
	enum lm_tls_mode tls; /**< OPPORTUNISTIC and STARTTLS: STLS; IMPLICIT: the owner calls
	                         lm_session_tls_up before the first octet */
	bool plain_login;     /**< passwords and tokens may go out readable where there is no TLS */
	lm_time_ms timeout;   /**< of every wait for the server; a stream of single octets does not
	                         prolong it for ever; 60 s */
	unsigned pipeline; /**< most commands under way where the server has PIPELINING; 32. 1: none
	                    */
	size_t max_line;   /**< octets of a reply line, and of a line in a listing; 8192 */
	uint64_t max_message; /**< octets of a message; 1 GiB. 0: no limit */
	uint64_t max_items;   /**< lines of a listing; 10,000,000 */
	bool trace;           /**< emit LM_EVENT_TRACE */
};
LM_API void lm_pop3_client_session_params_init(struct lm_pop3_client_session_params *params);

/**
 * Make a client session; free with lm_session_free. It waits for the greeting, asks for
 * capabilities, and goes under TLS as the policy wants it; then the first outcome is told.
 * `info->peer_address` and the like stay empty.
 *
 * - What the server does wrong ends in outcomes and LM_WANT_CLOSE: what is under way fails with
 *   LM_E_PROTO, LM_E_LIMIT, LM_E_TIMEOUT or LM_E_CLOSED, what waits with LM_E_CLOSED. Only
 *   LM_E_NOMEM is fatal.
 * - LOGIN: EXTERNAL, SCRAM, tokens, CRAM-MD5, APOP (where the stamp is good; under TLS only where
 *   there is nothing else), and where it may be shown the password by PLAIN, LOGIN, USER. Behind a
 *   final no to one that hides it (but to a -PLUS) the password is shown once where that is
 *   allowed. Behind a LOGIN that failed, what needs a maildrop fails with LM_E_AUTH unsent.
 * - LIST, UIDL: a line that makes no sense is left out; the outcome is LM_E_PROTO and quotes the
 *   first, all others were told. Names have up to 1024 octets without blanks and control
 *   characters; they may come twice.
 * - RETR: how the end of a message is found, also without dot-stuffing: docs/octets.md. One over
 *   `max_message` fails with LM_E_LIMIT while the rest passes by; when as much again has passed by
 *   the session ends.
 * - lm_session_drain: what was sent ends, what was not fails with LM_E_CANCELED, then QUIT.
 * - lm_session_body and lm_session_body_failed are LM_E_MISUSE.
 *
 * Errors: LM_E_NOMEM, LM_E_SYNTAX (a host with CR, LF or NUL).
 */
LM_API LM_MUST int lm_pop3_client_session_new(const struct lm_pop3_client_session_params *params,
                                              lm_time_ms now, struct lm_session **out_session);

/** Whether the server announced a capability ("UIDL", "PIPELINING"); what it says behind the word
 * goes to *out_rest (may be NULL), alive until the next call on the session. Knows only what was
 * said under the present security (RFC 2595 4). */
LM_API bool lm_pop3_client_session_has(const struct lm_session *session, const char *capability,
                                       struct lm_bytes *out_rest);
/** All of them as they came, LF behind each; empty before they are known. */
LM_API struct lm_bytes lm_pop3_client_session_capabilities(const struct lm_session *session);
/** Text of the greeting behind +OK, and the APOP stamp with its brackets; empty where none, or
 * where it is no valid msg-id (CVE-2007-1558). STLS makes the text forgotten; the stamp is told
 * once and stays. */
LM_API struct lm_bytes lm_pop3_client_session_greeting(const struct lm_session *session);
LM_API struct lm_bytes lm_pop3_client_session_stamp(const struct lm_session *session);

#ifdef __cplusplus
}
#endif
#endif
