/** @file
 * For tests of the session: a peer that talks to it and a handler that answers, both scripted.
 * Include lm_test.h before it.
 */
#ifndef LM_SMTP_PEER_H
#define LM_SMTP_PEER_H

#include "smtp/smtp.h"

struct peer {
	struct lm_smtp_server_params params;
	struct lm_smtp_server_peer who;
	struct lm_session *session;
	struct lm_buf said;   /**< all output so far */
	struct lm_buf events; /**< names of all events but BODY, a space behind each */
	struct lm_buf body;   /**< octets of BODY events */
	struct lm_buf sizes;  /**< their lengths, as text */
	struct lm_reply answers[LM_EVENT_COUNT];
	bool table[LM_EVENT_COUNT]; /**< answer with NULL */
	enum lm_event_type hold;    /**< leave this one open */
	struct lm_event held;
	lm_time_ms now;
};

static void peer_init(struct peer *p, enum lm_protocol protocol)
{
	*p = (struct peer){ .now = 1000 };
	lm_smtp_server_params_init(&p->params, protocol);
	p->params.hostname = "mx";
	p->params.decides = UINT64_MAX;
	p->params.plain_login = true;
	p->who = (struct lm_smtp_server_peer){ .id = 1, .peer_address = "192.0.2.1" };
	lm_buf_init(&p->said, 64 << 20);
	lm_buf_init(&p->events, 64 << 20);
	lm_buf_init(&p->body, 64 << 20);
	lm_buf_init(&p->sizes, 64 << 20);
	for (int i = 0; i < LM_EVENT_COUNT; i++)
		p->answers[i] = LM_REPLY_INIT;
	p->table[LM_EVENT_COMMAND] = true;
}

static void peer_done(struct peer *p)
{
	lm_session_free(p->session);
	lm_buf_done(&p->said);
	lm_buf_done(&p->events);
	lm_buf_done(&p->body);
	lm_buf_done(&p->sizes);
}

static void peer_take_event(struct peer *p, const struct lm_event *ev)
{
	const struct lm_reply *reply = p->table[ev->type] ? NULL : &p->answers[ev->type];

	if (ev->type == LM_EVENT_BODY) {
		assert_err(lm_buf_add(&p->body, ev->argument), 0);
		assert_err(lm_buf_printf(&p->sizes, "%zu ", ev->argument.len), 0);
	} else {
		assert_err(lm_buf_printf(&p->events, "%s ", lm_event_name(ev->type)), 0);
	}
	if (ev->id && ev->type == p->hold)
		p->held = *ev;
	else if (ev->id)
		(void)lm_session_answer(p->session, ev->id, reply, p->now);
}

/** Everything the session wants to do by itself. */
static void peer_pump(struct peer *p)
{
	struct lm_bytes out;
	struct lm_event ev;

	do {
		while (lm_session_event(p->session, &ev) == 1)
			peer_take_event(p, &ev);
		out = lm_session_output(p->session);
		assert_err(lm_buf_add(&p->said, out), 0);
		lm_session_sent(p->session, out.len);
	} while (out.len);
}

static void peer_open(struct peer *p)
{
	assert_err(lm_smtp_server_new(&p->params, &p->who, p->now, &p->session), 0);
	peer_pump(p);
}

/** Feed in pieces of `step`; returns what the session would not take. */
static size_t peer_send(struct peer *p, struct lm_bytes in, size_t step)
{
	size_t taken = 1;

	while (in.len && taken) {
		size_t n = in.len < step ? in.len : step;
		int err = lm_session_feed(p->session, lm_bytes(in.data, n), p->now, &taken);

		in = lm_bytes_from(in, taken);
		if (err)
			break;
		peer_pump(p);
	}
	return in.len;
}

static void peer_say(struct peer *p, const char *text)
{
	lm_buf_clear(&p->said);
	(void)peer_send(p, lm_str(text), SIZE_MAX);
}

static inline void peer_heard(struct peer *p, const char *want, const char *file, int line)
{
	lm_test_bytes(lm_buf_bytes(&p->said), lm_str(want), file, line);
	lm_buf_clear(&p->said);
}
#define assert_heard(p, want) peer_heard((p), (want), __FILE__, __LINE__)

/** How the last output begins: its code. */
static int peer_code(const struct peer *p)
{
	struct lm_bytes b = lm_buf_bytes(&p->said);
	const uint8_t *d = b.data;

	return b.len < 3 ? 0 : (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0');
}

static inline struct lm_smtp *peer_inside(const struct peer *p)
{
	return lm_container(p->session, struct lm_smtp, base);
}

static inline bool peer_saw(const struct peer *p, const char *event)
{
	struct lm_bytes b = lm_buf_bytes(&p->events);

	return b.len && memmem(b.data, b.len, event, strlen(event)) != NULL;
}

#endif
