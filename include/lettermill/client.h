/** @file
 * Clients for POP3, SMTP and LMTP: connect, secure, log in, fetch or send.
 *
 * One object with two faces. Asynchronous: lm_client_new on a loop; requests are pushed
 * (request.h), events come back by the owner's callbacks. Blocking: lm_client_open, which has a
 * loop of its own, then lm_pop3_client_* or lm_smtp_client_*.
 *
 * Threads: a client belongs to its loop's thread; with lm_client_open to one thread at a time.
 */
#ifndef LETTERMILL_CLIENT_H
#define LETTERMILL_CLIENT_H

#include "event.h"
#include "loop.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_client;

/** Where to and how. Everything is copied by lm_client_new and lm_client_open. An empty string is
 * as good as NULL, but for a password. */
struct lm_client_params {
	uint32_t size;             /**< sizeof(struct lm_client_params) */
	enum lm_protocol protocol; /**< LM_POP3, LM_SMTP, LM_SUBMISSION, LM_LMTP */
	const char *host; /**< a name or an address, which certificates are checked for; or the path
	                     of a Unix socket, with a "/" at its start */
	uint16_t port;    /**< 0: 110, 995, 25, 587, 465 or 24, as protocol and tls say */
	enum lm_tls_mode tls;
	bool insecure; /**< go on whatever the certificate says (OPPORTUNISTIC always does) and
	                  tell by lm_client_tls_doubt. A Unix socket has no name to be checked:
	                  STARTTLS and IMPLICIT there are LM_E_CONFIG without this */
	/** The next three: a file in PEM form, or what would stand in it, from "-----BEGIN" on. */
	const char *ca_file;   /**< trust these; NULL: the system's */
	const char *cert_file; /**< the client's own certificate and chain; NULL: none */
	const char *key_file;
	unsigned tls_min, tls_max; /**< 2 to 5: TLS 1.0 to 1.3; 0: 1.2 and 1.3 */
	bool legacy_connect;       /**< servers without RFC 5746 */
	bool legacy_renegotiation;
	lm_time_ms timeout; /**< bounds connecting (look-up and handshake included) and every wait
	                       for the server; 60 s */

	/* Logging in: done behind OPEN when there is a user, a token or a way to one. */
	const char *user, *password, *authzid, *mechanism; /**< see struct lm_credentials */
	const char *token;
	/** Asked on the loop when a mechanism needs a token: call lm_client_token, now or later. */
	void (*ask_token)(void *ctx, struct lm_client *client);
	bool no_login; /**< stay logged out; LM_REQUEST_LOGIN may be pushed */
	/** Readable passwords over a connection without TLS: allowed when tls is OFF or
	 * OPPORTUNISTIC, refused with this. */
	bool no_plain;

	const char *helo; /**< SMTP; NULL: this machine's name, or its address in brackets */
	bool no_pipelining, no_chunking, force_8bit;
	uint64_t max_message; /**< POP3, octets of one message; 0: 1 GiB; UINT64_MAX: any */
	uint64_t max_items;   /**< POP3, lines of a listing; 0: 10,000,000 */

	/** See the dialogue, one line without its end a call, secrets masked; NULL: not. */
	void (*trace)(void *ctx, bool from_server, struct lm_bytes line);
	/** Octets of the message under way, now and then; `total` 0: unknown. NULL: not. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx; /**< first argument of ask_token, trace and progress */
	/** Another client of this loop: where its TLS settings are the same they are shared, with
	 * the files read for them (the system's authorities may take 20 ms and a megabyte) and the
	 * sessions to resume. Borrowed until lm_client_new returns. NULL: none. */
	const struct lm_client *like;
};
LM_API void lm_client_params_init(struct lm_client_params *params, enum lm_protocol protocol);

/** A URL taken apart: pop3:// pop3s:// smtp:// smtps:// submission:// lmtp://, also as RFC 2384
 * (pop://user;AUTH=mech@host:port) and curl write them. Fixed size; wipe it when it held a
 * password. */
struct lm_client_url {
	enum lm_protocol protocol;
	bool tls; /**< the scheme wants TLS from the first octet */
	char host[256];
	uint16_t port;                                /**< 0: not given */
	char user[512], password[512], mechanism[64]; /**< percent-decoded; "" not given */
	bool has_password;
	char path[1024]; /**< behind the host, without its first "/" */
};
/** Errors: LM_E_SYNTAX, with what is wrong and how it should look; never the password. CR, LF, NUL
 * and control characters are refused in every part. Threads: any. */
LM_API LM_MUST int lm_client_url_parse(const char *url, struct lm_client_url *out_url,
                                       struct lm_error *out_error);

/** @name Asynchronous */
/**@{*/
struct lm_client_owner {
	/**
	 * An outcome, an item, or a decision (BODY, DATA) to be answered with lm_client_answer. The
	 * first outcomes are those of OPEN and, where there is a login, of LOGIN. Called from the
	 * loop only, never from inside a call.
	 */
	void (*event)(void *ctx, const struct lm_event *event);
	/** It is over, every outcome was told; `why->code` 0: orderly. Free the client here or
	 * later. */
	void (*closed)(void *ctx, const struct lm_error *why);
};

/** Begin to connect. Errors: LM_E_NOMEM, LM_E_SYNTAX, LM_E_CONFIG, LM_E_TLS (files). What goes
 * wrong later is told by the outcomes and by `closed`: LM_E_NO_HOST, LM_E_CONNECT, LM_E_TIMEOUT,
 * LM_E_TLS, LM_E_CLOSED, LM_E_PROTO and what the server refused with (docs/clients.md). */
LM_API LM_MUST int lm_client_new(struct lm_loop *loop, const struct lm_client_params *params,
                                 const struct lm_client_owner *owner, void *ctx,
                                 struct lm_client **out_client, struct lm_error *out_error);
/** As lm_session_request; may be called at once: up to 256 requests wait for the connection. What
 * only the session finds wrong with one that waited is told by its outcome (LM_SIDE_CLIENT). */
LM_API LM_MUST int lm_client_request(struct lm_client *client, const struct lm_request *request);
/** As lm_session_answer. A source in the reply is read on the loop and closed by the client. */
LM_API int lm_client_answer(struct lm_client *client, uint32_t event_id,
                            const struct lm_reply *reply);
/** The token that was asked for; empty: there is none, the login fails. */
LM_API int lm_client_token(struct lm_client *client, struct lm_bytes token);
/** End now, without QUIT: `closed` follows from the loop. */
LM_API void lm_client_abort(struct lm_client *client);
/** Close if still open (`closed` is not called) and free. Not from inside `event`. NULL is allowed.
 */
LM_API void lm_client_free(struct lm_client *client);
/** What is known of the connection and its TLS; NULL before there is one. */
LM_API const struct lm_session_info *lm_client_info(const struct lm_client *client);
/** As lm_pop3_client_session_has and lm_smtp_client_session_has. */
LM_API bool lm_client_has(const struct lm_client *client, const char *capability,
                          struct lm_bytes *out_rest);
/** All that the server says it can do, a line each with LF behind it. */
LM_API struct lm_bytes lm_client_capabilities(const struct lm_client *client);
LM_API struct lm_bytes lm_client_greeting(const struct lm_client *client);
LM_API struct lm_bytes lm_client_stamp(const struct lm_client *client);
/** What became of a request in words: which side, which command, which reply; what the server said
 * is escaped and cut. Fills *out_error (may be NULL) and returns outcome->result. Threads: any. */
LM_API int lm_client_outcome_error(const struct lm_outcome *outcome, struct lm_error *out_error);
/** Why the server's certificate would not have been taken, where that was passed over; "" when all
 * is well or there is no TLS. */
LM_API const char *lm_client_tls_doubt(const struct lm_client *client);
/**@}*/

/**
 * @name Blocking
 * Every call returns when its outcome is there: 0 or a negative enum lm_err, with *out_error (may
 * be NULL) saying which side, which command and which reply. After a failure of the connection only
 * lm_client_free is left; a -ERR or a refusal leaves it usable.
 */
/**@{*/
/** Connect, secure, log in. */
LM_API LM_MUST int lm_client_open(const struct lm_client_params *params,
                                  struct lm_client **out_client, struct lm_error *out_error);
/** QUIT, then close. The client still has to be freed. POP3: LM_E_* means that marked messages may
 * still be there. */
LM_API LM_MUST int lm_client_quit(struct lm_client *client, struct lm_error *out_error);
LM_API LM_MUST int lm_client_login(struct lm_client *client,
                                   const struct lm_credentials *credentials,
                                   struct lm_error *out_error);
LM_API LM_MUST int lm_client_noop(struct lm_client *client, struct lm_error *out_error);
LM_API LM_MUST int lm_client_reset(struct lm_client *client, struct lm_error *out_error);
/** Any request but SEND; `event` (may be NULL) sees its items, bodies and its outcome; a result of
 * it that is not 0 ends the request (a body passes by) and is returned. */
LM_API LM_MUST int lm_client_do(struct lm_client *client, const struct lm_request *request,
                                int (*event)(void *ctx, const struct lm_event *event), void *ctx,
                                struct lm_error *out_error);
/** Several at once, pipelined where the server allows; every outcome is told, a refused one ends
 * nothing. Returns the first failure of the connection, or of `event`. */
LM_API LM_MUST int lm_client_do_all(struct lm_client *client, const struct lm_request *requests,
                                    size_t count,
                                    int (*event)(void *ctx, const struct lm_event *event),
                                    void *ctx, struct lm_error *out_error);

/** Takes the octets of a message piece by piece; a negative result stops and is returned. */
typedef int (*lm_sink_fn)(void *ctx, struct lm_bytes octets);

LM_API LM_MUST int lm_pop3_client_stat(struct lm_client *client, uint64_t *out_count,
                                       uint64_t *out_octets, struct lm_error *out_error);
/** `each` gets number and octets; number 0: all. */
LM_API LM_MUST int lm_pop3_client_list(struct lm_client *client, uint64_t number,
                                       int (*each)(void *ctx, uint64_t number, uint64_t octets),
                                       void *ctx, struct lm_error *out_error);
LM_API LM_MUST int lm_pop3_client_uidl(struct lm_client *client, uint64_t number,
                                       int (*each)(void *ctx, uint64_t number, struct lm_bytes id),
                                       void *ctx, struct lm_error *out_error);
/** `expected`: octets as LIST said, 0 unknown (struct lm_request). */
LM_API LM_MUST int lm_pop3_client_retr(struct lm_client *client, uint64_t number, uint64_t expected,
                                       lm_sink_fn sink, void *ctx, struct lm_error *out_error);
LM_API LM_MUST int lm_pop3_client_top(struct lm_client *client, uint64_t number, int64_t lines,
                                      lm_sink_fn sink, void *ctx, struct lm_error *out_error);
LM_API LM_MUST int lm_pop3_client_dele(struct lm_client *client, uint64_t number,
                                       struct lm_error *out_error);

/** What became of each recipient. Valid until the next call on the client. */
struct lm_send_result {
	const struct lm_outcome *recipients;
	size_t recipient_count;
	bool unknown; /**< the connection was lost behind the message's end: it may be delivered */
};
/** Send one message (see lm_smtp_client_session_new). `source` is closed in any case. *out_result
 * (may be NULL) is set also on an error. */
LM_API LM_MUST int lm_smtp_client_send(struct lm_client *client, const struct lm_envelope *envelope,
                                       struct lm_source *source, struct lm_send_result *out_result,
                                       struct lm_error *out_error);
/** VRFY. *out_text lives until the next call. */
LM_API LM_MUST int lm_smtp_client_verify(struct lm_client *client, struct lm_bytes who,
                                         struct lm_bytes *out_text, struct lm_error *out_error);
/**@}*/

#ifdef __cplusplus
}
#endif
#endif
