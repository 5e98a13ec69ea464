/** @file
 * The pump between one transport and one session; knows neither protocol.
 *
 * The link owns both, reads into its worker's shared buffer, feeds, pulls events for its owner,
 * writes each batch of output in one go, keeps the session's deadline on the loop, does the
 * STARTTLS switch, and closes. Octets that came with STLS/STARTTLS end the connection before the
 * handshake. It never calls the owner from inside a call of the owner.
 */
#ifndef LM_LINK_LINK_H
#define LM_LINK_LINK_H

#include "net/transport.h"

#include <lettermill/session.h>

struct lm_link;

struct lm_link_owner {
	/** An event was pulled. A decision must be answered with lm_link_answer, now or later. */
	void (*event)(void *ctx, const struct lm_event *event);
	/** The session wants the TLS handshake: the context to use (borrowed until return; the link
	 * refs it), or NULL to close. */
	struct lm_tls_context *(*tls)(void *ctx);
	/** The link is over: LM_EVENT_DISCONNECT went through `event` before. Free the link here or
	 * later. `error`: 0 orderly. */
	void (*closed)(void *ctx, int error);
	/** Server: a client asks for that name (as lm_transport_tls_asked) and its handshake waits:
	 * lm_link_certificate must answer, now or later, once; the handshake's timeout goes on.
	 * NULL: nobody is asked. */
	void (*certificate)(void *ctx, struct lm_bytes name);
};

struct lm_link_stats {
	uint64_t octets_in, octets_out;
};

struct lm_link_params {
	struct lm_loop *loop;
	struct lm_transport *transport; /**< owned by the link from now on */
	struct lm_session *session;     /**< owned by the link from now on */
	/** NULL: this end is the server. Else the TLS handshakes are a client's, and this name is
	 * sent (SNI) and checked; borrowed until lm_link_free. */
	const char *server_name;
	bool tls_first; /**< the transport is TLS already (implicit): wait for its handshake, then
	                   tls_up */
	lm_time_ms handshake_timeout;
	lm_time_ms write_timeout; /**< unsent output that makes no progress for so long aborts */
	uint32_t write_floor;     /**< octets that are progress; 0: any */
	const struct lm_link_owner *owner;
	void *ctx;
};

/** Start pumping (from the loop, not inside the call). On error both are freed. */
LM_MUST int lm_link_new(const struct lm_link_params *params, struct lm_link **out_link);
/** Close at once if still open (without calling the owner) and free. Not from inside `event`. */
void lm_link_free(struct lm_link *link);

/** Answer a decision, from inside `event` or later. A source in the reply is read by the link while
 * the session wants body, and closed by it: the session closes a source only when it returns an
 * error. Result as lm_session_answer. */
int lm_link_answer(struct lm_link *link, uint32_t event_id, const struct lm_reply *reply);

/** Choose certificates, from inside `certificate` or later. Result as lm_transport_tls_choose. */
LM_MUST int lm_link_certificate(struct lm_link *link, const struct lm_tls_choice *choice,
                                struct lm_error *out_error);

/** Push a request to a client session, from inside `event` or later. Result as lm_session_request.
 */
LM_MUST int lm_link_request(struct lm_link *link, const struct lm_request *request);

/** End as soon as no transaction is open. */
void lm_link_drain(struct lm_link *link);
/** End now: `closed` follows from the loop. */
void lm_link_abort(struct lm_link *link);

/** Why it ended, in words, for the log: a failed handshake names its reason. In `closed` or later;
 * lives as long as the link. */
const char *lm_link_reason(const struct lm_link *link);
/** Why it is about to end: 0 while nothing has failed. */
int lm_link_error(const struct lm_link *link);
/** As lm_transport_tls_doubt; "" without TLS. */
const char *lm_link_tls_doubt(const struct lm_link *link);
struct lm_session *lm_link_session(struct lm_link *link);
struct lm_link_stats lm_link_stats(const struct lm_link *link);

#endif
