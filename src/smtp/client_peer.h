/** @file
 * For tests of the client session: an owner that answers its questions, and a server whose words
 * are given. Include lm_test.h before it.
 */
#ifndef LM_SMTP_CLIENT_PEER_H
#define LM_SMTP_CLIENT_PEER_H

#include "smtp/client.h"

struct owner {
	struct lm_smtp_client_session_params params;
	struct lm_session *session;
	struct lm_buf said;     /**< all output so far */
	struct lm_buf outcomes; /**< see owner_note */
	struct lm_buf trace;
	struct lm_bytes message; /**< what is sent for each LM_EVENT_DATA */
	size_t piece;            /**< octets of it at once; 0: all */
	struct lm_bytes token;
	bool withhold; /**< say no to LM_EVENT_DATA */
	bool stall;    /**< send nothing of the message */
	bool blocked;  /**< leave the output where it is */
	bool cut;      /**< the session wanted that */
	size_t at;     /**< of the message */
	int body_error;
	lm_time_ms now;
};

static inline void owner_init(struct owner *o, enum lm_protocol protocol)
{
	*o = (struct owner){ .now = 1000, .message = lm_str("Subject: x\r\n\r\n.hi\r\n") };
	lm_smtp_client_session_params_init(&o->params, protocol);
	o->params.helo = "me";
	o->params.tls = LM_TLS_OFF;
	o->params.plain_login = true;
	lm_buf_init(&o->said, 64 << 20);
	lm_buf_init(&o->outcomes, 64 << 20);
	lm_buf_init(&o->trace, 64 << 20);
}

static inline void owner_done(struct owner *o)
{
	lm_session_free(o->session);
	lm_buf_done(&o->said);
	lm_buf_done(&o->outcomes);
	lm_buf_done(&o->trace);
}

/* "RESULT code text unknown;" and a "[...]" for each recipient. */
static inline void owner_note(struct owner *o, const struct lm_outcome *out)
{
	assert_err(lm_buf_printf(&o->outcomes, "%s", lm_err_name(out->result)), 0);
	if (out->smtp_code)
		assert_err(lm_buf_printf(&o->outcomes, " %d", out->smtp_code), 0);
	if (out->enhanced[0])
		assert_err(lm_buf_printf(&o->outcomes, " %d.%d.%d", out->enhanced[0],
		                         out->enhanced[1], out->enhanced[2]),
		           0);
	if (out->text.len)
		assert_err(lm_buf_printf(&o->outcomes, " %.*s", LM_FMT(out->text)), 0);
	if (out->unknown)
		assert_err(lm_buf_add_str(&o->outcomes, " unknown"), 0);
	for (size_t i = 0; i < out->recipient_count; i++) {
		assert_err(lm_buf_add_str(&o->outcomes, " ["), 0);
		owner_note(o, &out->recipients[i]);
		o->outcomes.len--; /* its semicolon */
		assert_err(lm_buf_add_str(&o->outcomes, "]"), 0);
	}
	assert_err(lm_buf_add_str(&o->outcomes, ";"), 0);
}

static inline void owner_take(struct owner *o, const struct lm_event *ev)
{
	struct lm_reply reply = LM_REPLY_INIT;

	if (ev->type == LM_EVENT_OUTCOME)
		owner_note(o, ev->outcome);
	else if (ev->type == LM_EVENT_ITEM)
		assert_err(lm_buf_printf(&o->outcomes, "+%.*s;", LM_FMT(ev->argument)), 0);
	else if (ev->type == LM_EVENT_TRACE)
		assert_err(lm_buf_printf(&o->trace, "%.*s: %.*s\n", LM_FMT(ev->verb),
		                         LM_FMT(ev->argument)),
		           0);
	else if (!ev->id)
		assert_err(lm_buf_printf(&o->outcomes, "%s;", lm_event_name(ev->type)), 0);
	if (!ev->id)
		return;
	o->at = 0;
	if (o->withhold)
		reply.result = LM_E_NOT_FOUND;
	reply.secret.plain = o->token;
	(void)lm_session_answer(o->session, ev->id, &reply, o->now);
}

static inline bool owner_push(struct owner *o)
{
	struct lm_bytes rest = lm_bytes_from(o->message, o->at);
	size_t n = o->piece && o->piece < rest.len ? o->piece : rest.len, taken = 0;

	if (o->stall || !(lm_session_wants(o->session) & LM_WANT_BODY))
		return false;
	o->body_error = lm_session_body(o->session, lm_bytes(rest.data, n), n == rest.len, o->now,
	                                &taken);
	o->at += taken;
	return !o->body_error && (taken || !rest.len);
}

/** Everything the session wants to do by itself. */
static inline void owner_pump(struct owner *o)
{
	struct lm_event ev;
	struct lm_bytes out;
	bool moved;

	do {
		while (lm_session_event(o->session, &ev) == 1)
			owner_take(o, &ev);
		moved = owner_push(o) || (lm_session_wants(o->session) == LM_WANT_ABORT && !o->cut);
		o->cut = lm_session_wants(o->session) == LM_WANT_ABORT;
		out = lm_session_output(o->session);
		if (o->blocked)
			continue;
		moved |= out.len > 0;
		assert_err(lm_buf_add(&o->said, out), 0);
		lm_session_sent(o->session, out.len);
	} while (moved);
}

static inline void owner_open(struct owner *o)
{
	assert_err(lm_smtp_client_session_new(&o->params, o->now, &o->session), 0);
	owner_pump(o);
}

/** The server says `in`, in pieces of `step`; returns what was not taken. */
static inline size_t owner_feed(struct owner *o, struct lm_bytes in, size_t step)
{
	while (in.len) {
		size_t n = in.len < step ? in.len : step, taken = 0;

		if (lm_session_feed(o->session, lm_bytes(in.data, n), o->now, &taken))
			taken = 0;
		in = lm_bytes_from(in, taken);
		owner_pump(o);
		if (!taken && !(lm_session_wants(o->session) & LM_WANT_INPUT))
			break;
	}
	return in.len;
}

/** The server says `text`; what was said before is forgotten. */
static inline void owner_hear(struct owner *o, const char *text)
{
	lm_buf_clear(&o->said);
	lm_buf_clear(&o->outcomes);
	(void)owner_feed(o, lm_str(text), SIZE_MAX);
}

static inline int owner_ask(struct owner *o, const struct lm_request *r)
{
	int err;

	lm_buf_clear(&o->said);
	lm_buf_clear(&o->outcomes);
	err = lm_session_request(o->session, r, o->now);
	owner_pump(o);
	return err;
}

#define assert_said(o, want)     assert_bytes(lm_buf_bytes(&(o)->said), lm_str(want))
#define assert_outcomes(o, want) assert_bytes(lm_buf_bytes(&(o)->outcomes), lm_str(want))

/** Open with these capabilities ("" none), separated by CRLF and "250-". */
static inline void owner_greet(struct owner *o, const char *ehlo_reply)
{
	owner_open(o);
	owner_hear(o, "220 mx ESMTP\r\n");
	owner_hear(o, ehlo_reply);
	assert_int_equal(lm_buf_len(&o->outcomes) > 2, 1);
	assert_memory_equal(o->outcomes.data, "OK", 2);
}

#endif
