/** @file
 * The shape of every session: a protocol as a value, without socket, clock or thread.
 *
 * Law: for any split of the input the events and the output are the same octets. After a fatal
 * error every call returns that error again. A session never calls back: events are pulled with
 * lm_session_event, answers are pushed with lm_session_answer.
 *
 * The owner's loop: feed what arrived; pull events and answer them; while LM_WANT_BODY is set push
 * body; write output and say what was sent; call tick at `deadline`; stop at LM_WANT_CLOSE once the
 * output is empty, or at LM_WANT_ABORT at once.
 *
 * Threads: a session belongs to one thread at a time.
 */
#ifndef LETTERMILL_SESSION_H
#define LETTERMILL_SESSION_H

#include "event.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_want {
	LM_WANT_INPUT = 1 << 0,  /**< feed would take octets now */
	LM_WANT_OUTPUT = 1 << 1, /**< output is not empty */
	LM_WANT_ANSWER = 1 << 2, /**< a decision waits for its answer */
	LM_WANT_BODY = 1 << 3,   /**< body would take octets of the message being sent */
	LM_WANT_TLS =
	        1 << 4, /**< once the output is empty: start the TLS handshake, then call tls_up.
	                     Octets that arrived already and were not taken are a protocol error
	                   (plaintext behind STLS/STARTTLS): the owner must check and close */
	LM_WANT_CLOSE = 1 << 5, /**< nothing more will be read: flush the output, then close */
	LM_WANT_ABORT = 1 << 6, /**< close at once, unsent output included */
};

struct lm_session;

struct lm_session_ops {
	const char *name;
	int (*feed)(struct lm_session *, struct lm_bytes in, lm_time_ms now, size_t *out_taken);
	int (*event)(struct lm_session *, struct lm_event *out_event);
	int (*answer)(struct lm_session *, uint32_t event_id, const struct lm_reply *reply,
	              lm_time_ms now);
	int (*body)(struct lm_session *, struct lm_bytes chunk, bool last, lm_time_ms now,
	            size_t *out_taken);
	int (*body_failed)(struct lm_session *, int error);
	struct lm_bytes (*output)(const struct lm_session *);
	void (*sent)(struct lm_session *, size_t n);
	unsigned (*wants)(const struct lm_session *);
	lm_time_ms (*deadline)(const struct lm_session *);
	int (*tick)(struct lm_session *, lm_time_ms now);
	int (*tls_up)(struct lm_session *, const struct lm_tls_info *info, lm_time_ms now);
	void (*eof)(struct lm_session *, lm_time_ms now);
	void (*drain)(struct lm_session *, lm_time_ms now);
	const struct lm_session_info *(*info)(const struct lm_session *);
	void (*free)(struct lm_session *);
	int (*request)(struct lm_session *, const struct lm_request *request, lm_time_ms now);
};

/** The head of every session; only `ops` is to be read from outside. */
struct lm_session {
	const struct lm_session_ops *ops;
};

/**
 * Give octets that arrived. *out_taken <= in.len; a short take is back-pressure: keep the rest and
 * offer it again when LM_WANT_INPUT is set (a pipelined command waits so for the answer to the one
 * before it). Errors: LM_E_NOMEM, or the session's fatal error.
 */
LM_MUST static inline int lm_session_feed(struct lm_session *s, struct lm_bytes in, lm_time_ms now,
                                          size_t *out_taken)
{
	return s->ops->feed(s, in, now, out_taken);
}

/**
 * Pull the next event: 1 and *out_event, or 0 when there is none. Slices in it live until it is
 * answered (a decision) or until the next call on the session (a notice). At most one decision is
 * open at a time.
 */
static inline int lm_session_event(struct lm_session *s, struct lm_event *out_event)
{
	return s->ops->event(s, out_event);
}

/**
 * Answer a decision; NULL means the table's default. An answer to an event that is not open any
 * more is LM_E_NOT_FOUND and changes nothing. Nothing in `reply` is kept but `messages` and
 * `source` (see reply.h); on any error a source in it was closed.
 */
static inline int lm_session_answer(struct lm_session *s, uint32_t event_id,
                                    const struct lm_reply *reply, lm_time_ms now)
{
	return s->ops->answer(s, event_id, reply, now);
}

/** Push octets of the message being sent while LM_WANT_BODY is set; `last` counts once all was
 * taken. TOP may be sated early: then LM_WANT_BODY is gone and the rest need not be read. */
LM_MUST static inline int lm_session_body(struct lm_session *s, struct lm_bytes chunk, bool last,
                                          lm_time_ms now, size_t *out_taken)
{
	return s->ops->body(s, chunk, last, now, out_taken);
}

/** The rest of the message being sent cannot be had: the connection is cut (LM_WANT_ABORT). */
static inline int lm_session_body_failed(struct lm_session *s, int error)
{
	return s->ops->body_failed(s, error);
}

/** What is to be written; say with lm_session_sent how much of it was. Lives until the next call
 * that is not const. */
static inline struct lm_bytes lm_session_output(const struct lm_session *s)
{
	return s->ops->output(s);
}

static inline void lm_session_sent(struct lm_session *s, size_t n)
{
	s->ops->sent(s, n);
}

/** Set of enum lm_want. */
static inline unsigned lm_session_wants(const struct lm_session *s)
{
	return s->ops->wants(s);
}

/** When to call tick at the latest; LM_NEVER: no need. */
static inline lm_time_ms lm_session_deadline(const struct lm_session *s)
{
	return s->ops->deadline(s);
}

/** Time has passed: state deadlines end the session with a last word. */
static inline int lm_session_tick(struct lm_session *s, lm_time_ms now)
{
	return s->ops->tick(s, now);
}

/** The handshake is done, asked for by LM_WANT_TLS or before the first octet (implicit TLS). `info`
 * is copied but for its strings and slices, which must live as long as the session. */
static inline int lm_session_tls_up(struct lm_session *s, const struct lm_tls_info *info,
                                    lm_time_ms now)
{
	return s->ops->tls_up(s, info, now);
}

/** The peer will send no more, or the connection is gone: the session ends with
 * LM_EVENT_DISCONNECT. */
static inline void lm_session_eof(struct lm_session *s, lm_time_ms now)
{
	s->ops->eof(s, now);
}

/** End as soon as no transaction is open: 421, or -ERR [SYS/TEMP]. Called again: no more patience,
 * SMTP says 421 inside a transaction or a login, too. */
static inline void lm_session_drain(struct lm_session *s, lm_time_ms now)
{
	s->ops->drain(s, now);
}

static inline const struct lm_session_info *lm_session_info(const struct lm_session *s)
{
	return s->ops->info(s);
}

/**
 * Push a request to a client session (request.h). It waits for those before it; the session sends
 * several at once where the server allows (RFC 2449 6.6, RFC 2920). Errors: LM_E_SYNTAX (CR, LF,
 * NUL or a wrong form: nothing was taken, nothing is sent), LM_E_LIMIT (too many wait already),
 * LM_E_UNSUPPORTED (a server session, or a type of the other protocol), LM_E_CLOSED (it has ended
 * or will: QUIT was pushed), LM_E_NOMEM.
 */
LM_MUST static inline int lm_session_request(struct lm_session *s, const struct lm_request *request,
                                             lm_time_ms now)
{
	return s->ops->request ? s->ops->request(s, request, now) : LM_E_UNSUPPORTED;
}

/** NULL is allowed. Emits nothing: pull LM_EVENT_DISCONNECT (after lm_session_eof) first. */
static inline void lm_session_free(struct lm_session *s)
{
	if (s)
		s->ops->free(s);
}

#ifdef __cplusplus
}
#endif
#endif
