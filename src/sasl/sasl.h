/** @file
 * SASL as a value: one exchange of one mechanism, server side (client side beside it in the same
 * files). GNU SASL does the arithmetic; OAUTHBEARER and XOAUTH2 are ours. RFC 4422, 4616, 5802,
 * 7677, 9266, 7628.
 *
 * Credentials are asked for, never looked up: lm_sasl_server_step says LM_SASL_ASK with a struct
 * lm_auth, the owner gets an answer from wherever, and gives it to lm_sasl_server_answer. Threads:
 * one exchange, one thread at a time.
 */
#ifndef LM_SASL_SASL_H
#define LM_SASL_SASL_H

#include "base/buf.h"

#include <lettermill/event.h>

struct lm_sasl_server;

enum lm_sasl_state {
	LM_SASL_CONTINUE, /**< send the challenge (raw, not base64), then step with the peer's
	                     response */
	LM_SASL_ASK, /**< the question is in lm_sasl_server_question; then lm_sasl_server_answer */
	LM_SASL_OK,  /**< proven; a last challenge (server's proof) may be in out and must be sent
	                with success  or as one more round (both protocols have no success data: one
	                more round) */
	LM_SASL_FAILED, /**< not proven. XOAUTH2 and OAUTHBEARER have sent their error round before
	                   this */
};

struct lm_sasl_policy {
	bool tls;                 /**< the connection is under TLS */
	bool plain_allowed;       /**< PLAIN and LOGIN, XOAUTH2, OAUTHBEARER may be used as it is */
	struct lm_bytes exporter; /**< tls-exporter channel binding; empty: no -PLUS mechanism */
	bool plus_offered; /**< a -PLUS mechanism was announced: a client that says 'y' was tricked
	                    */
	bool external;     /**< the peer has a verified certificate */
	const char *hostname, *service; /**< "smtp" or "pop" */
};

/** All mechanism names known, best first, NULL at the end. */
const char *const *lm_sasl_mechanisms(void);

/**
 * Those of `wanted` (separated by spaces; unknown ones are skipped) that `policy` allows now, into
 * `out`, separated by spaces, best first. What EHLO and CAPA announce and what AUTH accepts both
 * come from here, so they cannot differ.
 */
LM_MUST int lm_sasl_offer(const char *wanted, const struct lm_sasl_policy *policy,
                          struct lm_buf *out);

/** Begin. `mechanism` in any case. Errors: LM_E_UNSUPPORTED (not in the offer), LM_E_NOMEM. */
LM_MUST int lm_sasl_server_new(const char *wanted, struct lm_bytes mechanism,
                               const struct lm_sasl_policy *policy,
                               struct lm_sasl_server **out_sasl);
/** Wipes what it held. NULL is allowed. */
void lm_sasl_server_free(struct lm_sasl_server *sasl);

/**
 * Give the peer's decoded response (first call: the initial response; has_response=false when there
 * was none) and get the next state; LM_SASL_CONTINUE and LM_SASL_OK may add octets to `out`. Never
 * fails but for LM_E_NOMEM: a broken response is LM_SASL_FAILED.
 */
LM_MUST int lm_sasl_server_step(struct lm_sasl_server *sasl, bool has_response,
                                struct lm_bytes response, struct lm_buf *out,
                                enum lm_sasl_state *out_state);

/** The question of LM_SASL_ASK; its slices live until it is answered. */
const struct lm_auth *lm_sasl_server_question(const struct lm_sasl_server *sasl);

/**
 * The answer: reply->result 0 or an error, reply->user, reply->secret. Gives the next state as step
 * does. A temporary failure (LM_E_STORE and the like) is kept for lm_sasl_server_error.
 */
LM_MUST int lm_sasl_server_answer(struct lm_sasl_server *sasl, const struct lm_reply *reply,
                                  struct lm_buf *out, enum lm_sasl_state *out_state);

/** After LM_SASL_OK: the canonical name of who is logged in. After FAILED: who tried (for the log),
 * or empty. */
struct lm_bytes lm_sasl_server_user(const struct lm_sasl_server *sasl);
/** After LM_SASL_FAILED: LM_E_AUTH, or the temporary error of the answer, or LM_E_SYNTAX for a
 * broken response. */
int lm_sasl_server_error(const struct lm_sasl_server *sasl);

/** What a client proves itself with. Everything is borrowed until lm_sasl_client_new returns. */
struct lm_sasl_credentials {
	struct lm_bytes user, password; /**< empty: none; no NUL in them */
	struct lm_bytes authzid;        /**< whom to act as; empty: himself */
	struct lm_bytes token;          /**< OAuth bearer token; empty: none */
	struct lm_bytes exporter;       /**< tls-exporter channel binding; empty: none */
	bool certificate;               /**< the TLS handshake showed one: EXTERNAL is possible */
	bool plain_allowed; /**< passwords and tokens may be shown to the peer as they are */
};

struct lm_sasl_client;

/** The best mechanism of `offered` (the server's words, separated by spaces) that the credentials
 * allow; NULL when there is none. */
const char *lm_sasl_client_choose(const char *offered,
                                  const struct lm_sasl_credentials *credentials);
/** Begin with `mechanism` (in any case). Errors: LM_E_UNSUPPORTED (the credentials do not allow
 * it), LM_E_MISUSE (NUL in them), LM_E_NOMEM. */
LM_MUST int lm_sasl_client_new(const char *mechanism, const struct lm_sasl_credentials *credentials,
                               struct lm_sasl_client **out_sasl);
/** Wipes what it held. NULL is allowed. */
void lm_sasl_client_free(struct lm_sasl_client *sasl);
/** The client speaks first: step with an empty challenge gives the initial response. */
bool lm_sasl_client_first(const struct lm_sasl_client *sasl);
/** A decoded challenge in, the response into `out`. Errors: LM_E_AUTH (the server could not prove
 * itself: close), LM_E_PROTO (a challenge nobody asked for), LM_E_NOMEM. */
LM_MUST int lm_sasl_client_step(struct lm_sasl_client *sasl, struct lm_bytes challenge,
                                struct lm_buf *out);
/** Nothing is missing: only then a success the server tells may be believed (SCRAM: it knew the
 * password's keys, too). */
bool lm_sasl_client_done(const struct lm_sasl_client *sasl);

/** APOP: true when `digest` (hex in any case) is MD5 of stamp (with its <>) and secret; constant
 * time. */
LM_MUST bool lm_apop_matches(struct lm_bytes stamp, struct lm_bytes secret, struct lm_bytes digest);

/**
 * SCRAM keys of a password: `sha256` false is SHA-1. *out_stored and *out_server have room for 32
 * octets; *out_len is their length (20 or 32). Slow on purpose (PBKDF2). Errors: LM_E_NOMEM,
 * LM_E_MISUSE.
 */
LM_MUST int lm_scram_keys(bool sha256, struct lm_bytes password, struct lm_bytes salt,
                          uint32_t iterations, uint8_t *out_stored, uint8_t *out_server,
                          size_t *out_len);

#endif
