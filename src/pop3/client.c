/* The client session itself: what comes in, what is told, what goes out, and when it is over. */
#include "pop3/client.h"

#include <stdio.h>

struct trace {
	struct lm_pop3c_note note;
	const char *who; /* literal */
	struct lm_buf line;
};

static struct lm_pop3c *of(struct lm_session *session)
{
	return lm_container(session, struct lm_pop3c, session);
}

static const struct lm_pop3c *of_const(const struct lm_session *session)
{
	return lm_container(session, const struct lm_pop3c, session);
}

/* ---- what is told ---- */

void lm_pop3c_tell(struct lm_pop3c *c, struct lm_pop3c_note *note, enum lm_event_type type)
{
	note->type = type;
	note->next = NULL;
	*c->notes_end = note;
	c->notes_end = &note->next;
}

static void free_note(struct lm_pop3c *c, struct lm_pop3c_note *note)
{
	if (note->type == LM_EVENT_OUTCOME) {
		lm_pop3c_ask_free(lm_container(note, struct lm_pop3c_ask, note));
	} else if (note->type == LM_EVENT_TRACE) {
		struct trace *t = lm_container(note, struct trace, note);

		lm_buf_done(&t->line);
		lm_free(t);
	} else if (note->type == LM_EVENT_ITEM && c->state == LM_POP3C_CLOSED) {
		lm_buf_done(&c->item.text);
	}
}

/* Slices of a notice live until the next call: this is it. */
static void forget_told(struct lm_pop3c *c)
{
	if (c->told)
		free_note(c, c->told);
	c->told = NULL;
}

int lm_pop3c_trace(struct lm_pop3c *c, const char *who, struct lm_bytes line)
{
	struct trace *t;

	if (!c->params->trace)
		return 0;
	t = lm_alloc_zero(1, sizeof(*t));
	if (!t)
		return LM_E_NOMEM;
	t->who = who;
	lm_buf_init(&t->line, SIZE_MAX / 2);
	if (lm_buf_add(&t->line, line)) {
		lm_free(t);
		return LM_E_NOMEM;
	}
	lm_pop3c_tell(c, &t->note, LM_EVENT_TRACE);
	return 0;
}

void lm_pop3c_decide(struct lm_pop3c *c, enum lm_event_type type)
{
	LM_ASSERT(c->decision.type == LM_EVENT_NONE);
	if (++c->last_event == 0)
		c->last_event = 1;
	c->decision.type = type;
	c->decision.id = c->last_event;
	c->decision.pulled = false;
	c->decision.at = c->now;
}

static void describe_note(struct lm_pop3c *c, struct lm_pop3c_note *note, struct lm_event *out)
{
	out->type = note->type;
	if (note->type == LM_EVENT_OUTCOME) {
		out->outcome = &lm_container(note, struct lm_pop3c_ask, note)->outcome;
	} else if (note->type == LM_EVENT_TRACE) {
		struct trace *t = lm_container(note, struct trace, note);

		out->argument = lm_buf_bytes(&t->line);
		out->verb = lm_str(t->who);
	} else if (note->type == LM_EVENT_ITEM) {
		out->argument = lm_buf_bytes(&c->item.text);
		out->message.number = (size_t)c->item.number;
		out->message.octets = c->item.octets;
	}
}

static void describe_decision(struct lm_pop3c *c, struct lm_event *out)
{
	c->decision.pulled = true;
	out->type = c->decision.type;
	out->id = c->decision.id;
	if (out->type == LM_EVENT_BODY) {
		out->argument = lm_buf_bytes(&c->body.chunk);
		out->message.number = (size_t)c->head->number;
	} else {
		const struct lm_pop3c_login *l = c->head->login;

		out->auth = (struct lm_auth){ .kind = LM_AUTH_TOKEN,
			                      .mechanism = lm_str(l->mechanism),
			                      .authcid = l->creds.user,
			                      .authzid = l->creds.authzid };
	}
}

static int client_event(struct lm_session *session, struct lm_event *out_event)
{
	struct lm_pop3c *c = of(session);
	struct lm_pop3c_note *note;

	forget_told(c);
	*out_event = (struct lm_event){ .info = &c->info, .message.lines = -1 };
	note = c->notes;
	if (note) {
		c->notes = note->next;
		if (!c->notes)
			c->notes_end = &c->notes;
		c->told = note;
		describe_note(c, note, out_event);
		return 1;
	}
	if (c->decision.type && !c->decision.pulled) {
		describe_decision(c, out_event);
		return 1;
	}
	if (!c->ended || c->end_told)
		return 0;
	c->end_told = true;
	out_event->type = LM_EVENT_DISCONNECT;
	return 1;
}

/* ---- states ---- */

static int guard(struct lm_pop3c *c, int err)
{
	if (err < 0 && !c->fatal) {
		c->fatal = err;
		lm_pop3c_end(c, err, LM_SIDE_CLIENT, "%s", lm_err_text(err));
	}
	return c->fatal;
}

static void drop_buffers(struct lm_pop3c *c)
{
	lm_buf_done(&c->body.chunk);
	lm_buf_done(&c->reader.partial);
	if (!c->notes && !c->told)
		lm_buf_done(&c->item.text);
}

static void drop_output(struct lm_pop3c *c)
{
	if (c->secret_out)
		lm_buf_wipe(&c->out);
	else
		lm_buf_done(&c->out);
	c->secret_out = false;
}

void lm_pop3c_end(struct lm_pop3c *c, int result, enum lm_side side, const char *fmt, ...)
{
	char text[400];
	va_list args;

	if (c->state == LM_POP3C_CLOSED)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->state = LM_POP3C_CLOSED;
	c->decision.type = LM_EVENT_NONE;
	c->want_tls = false;
	while (c->head) {
		lm_pop3c_finish(c, result, side, text);
		if (result != LM_E_CANCELED)
			result = LM_E_CLOSED;
		side = LM_SIDE_NETWORK;
	}
}

/* Behind every step: the moment for what waits. */
static int settle(struct lm_pop3c *c, int err)
{
	if (!err && c->state != LM_POP3C_CLOSED && c->body.ended && !c->decision.type)
		err = lm_pop3c_body_settle(c);
	if (!err && c->state != LM_POP3C_CLOSED)
		err = lm_pop3c_advance(c);
	if (!c->head)
		drop_buffers(c);
	return guard(c, err);
}

/* ---- input ---- */

static bool is_listening(const struct lm_pop3c *c)
{
	return !c->fatal && c->state != LM_POP3C_CLOSED && !c->decision.type && !c->want_tls &&
	       !c->notes;
}

/* A stream of drops is no progress: the wait begins anew behind so many octets only. */
static void note_progress(struct lm_pop3c *c, size_t n)
{
	c->progress += n;
	if (c->progress < LM_POP3C_FLOOR)
		return;
	c->progress = 0;
	c->since = c->now;
}

static int take_line(struct lm_pop3c *c, struct lm_bytes in, size_t *out_taken)
{
	struct lm_line line;
	int got;

	if (!lm_line_pending(&c->reader))
		c->reader.partial.max = c->params->max_line;
	got = lm_line_read(&c->reader, in, out_taken, &line);
	return got > 0 ? lm_pop3c_line(c, &line) : got;
}

static int take(struct lm_pop3c *c, struct lm_bytes in, size_t *out_taken)
{
	int err;

	if (c->reading == LM_POP3C_BODY || c->reading == LM_POP3C_PEEK)
		err = lm_pop3c_body_take(c, in, out_taken);
	else
		err = take_line(c, in, out_taken);
	/* Nor is a line that has no end. */
	if (!c->reader.dropping)
		note_progress(c, *out_taken);
	return settle(c, err);
}

static int client_feed(struct lm_session *session, struct lm_bytes in, lm_time_ms now,
                       size_t *out_taken)
{
	struct lm_pop3c *c = of(session);
	int err = c->fatal;

	forget_told(c);
	*out_taken = 0;
	c->now = now;
	if (in.len && c->fresh && c->params->tls == LM_TLS_IMPLICIT && !c->info.tls.active)
		return LM_E_MISUSE;
	c->fresh = c->fresh && !in.len;
	while (!err && *out_taken < in.len && is_listening(c)) {
		size_t n = 0;

		err = take(c, lm_bytes_from(in, *out_taken), &n);
		*out_taken += n;
	}
	/* What came with the reply to STLS came from nobody who was identified. */
	if (!err && c->want_tls && *out_taken < in.len)
		lm_pop3c_end(c, LM_E_PROTO, LM_SIDE_PEER,
		             "the server sent octets behind its reply to STLS, before TLS");
	return err;
}

/* ---- answers ---- */

static int client_answer(struct lm_session *session, uint32_t event_id,
                         const struct lm_reply *reply, lm_time_ms now)
{
	struct lm_pop3c *c = of(session);
	enum lm_event_type type = c->decision.type;
	int err = c->fatal;

	forget_told(c);
	if (!err && (!type || !c->decision.pulled || c->decision.id != event_id))
		err = LM_E_NOT_FOUND;
	if (err) {
		if (reply && reply->source)
			reply->source->ops->close(reply->source);
		return err;
	}
	if (reply && reply->source)
		reply->source->ops->close(reply->source);
	/* The owner's time is not the server's; but an answer is no progress of the server. */
	c->since += now - c->decision.at;
	c->now = now;
	c->decision.type = LM_EVENT_NONE;
	if (type == LM_EVENT_BODY)
		lm_pop3c_body_answer(c, reply ? reply->result : 0);
	else
		err = lm_pop3c_login_token(c, reply);
	return settle(c, err);
}

static int client_body(struct lm_session *session, struct lm_bytes chunk, bool last, lm_time_ms now,
                       size_t *out_taken)
{
	(void)session;
	(void)chunk;
	(void)last;
	(void)now;
	*out_taken = 0;
	return LM_E_MISUSE;
}

static int client_body_failed(struct lm_session *session, int error)
{
	(void)session;
	(void)error;
	return LM_E_MISUSE;
}

/* ---- output ---- */

int lm_pop3c_say(struct lm_pop3c *c, struct lm_bytes line, const char *shown)
{
	uint8_t *room;
	int err = lm_buf_room(&c->out, line.len + 2, &room);

	if (err)
		return err;
	if (line.len)
		memcpy(room, line.data, line.len);
	memcpy(room + line.len, "\r\n", 2);
	lm_buf_grew(&c->out, line.len + 2);
	c->secret_out |= shown != NULL;
	return lm_pop3c_trace(c, "C", shown ? lm_str(shown) : line);
}

static struct lm_bytes client_output(const struct lm_session *session)
{
	return lm_buf_bytes(&of_const(session)->out);
}

static void client_sent(struct lm_session *session, size_t n)
{
	struct lm_pop3c *c = of(session);

	forget_told(c);
	lm_buf_drop(&c->out, n);
	if (lm_buf_len(&c->out) == 0)
		drop_output(c);
}

static unsigned client_wants(const struct lm_session *session)
{
	const struct lm_pop3c *c = of_const(session);
	unsigned wants = 0;

	if (c->fatal)
		return LM_WANT_ABORT;
	if (lm_buf_len(&c->out))
		wants |= LM_WANT_OUTPUT;
	if (c->state == LM_POP3C_CLOSED)
		wants |= LM_WANT_CLOSE;
	if (c->decision.type)
		wants |= LM_WANT_ANSWER;
	if (c->want_tls)
		wants |= LM_WANT_TLS;
	if (is_listening(c))
		wants |= LM_WANT_INPUT;
	return wants;
}

/* ---- time ---- */

/* Only a server whose turn it is can be late. */
static lm_time_ms client_deadline(const struct lm_session *session)
{
	const struct lm_pop3c *c = of_const(session);

	if (c->fatal || c->state == LM_POP3C_CLOSED || c->decision.type || c->want_tls ||
	    !c->outstanding || c->params->timeout <= 0)
		return LM_NEVER;
	return c->since + c->params->timeout;
}

static int client_tick(struct lm_session *session, lm_time_ms now)
{
	struct lm_pop3c *c = of(session);

	forget_told(c);
	if (c->fatal || now < client_deadline(session))
		return c->fatal;
	c->now = now;
	lm_pop3c_end(c, LM_E_TIMEOUT, LM_SIDE_NETWORK, "no answer from the server for %lld ms",
	             (long long)c->params->timeout);
	return settle(c, 0);
}

/* ---- beginning and end ---- */

static int client_tls_up(struct lm_session *session, const struct lm_tls_info *info, lm_time_ms now)
{
	struct lm_pop3c *c = of(session);
	bool asked = c->want_tls && !lm_buf_len(&c->out);

	forget_told(c);
	if (c->fatal)
		return c->fatal;
	if (c->info.tls.active || !(c->fresh || asked))
		return LM_E_MISUSE;
	c->info.tls = *info;
	c->info.tls.active = true;
	c->now = c->since = now;
	c->progress = 0;
	lm_pop3c_tell(c, &c->tls_note, LM_EVENT_TLS);
	if (!asked)
		return 0;
	c->want_tls = false;
	lm_line_wipe(&c->reader);
	return settle(c, lm_pop3c_secured(c));
}

static void client_eof(struct lm_session *session, lm_time_ms now)
{
	struct lm_pop3c *c = of(session);

	forget_told(c);
	c->now = now;
	c->ended = true;
	guard(c, c->state == LM_POP3C_CLOSED ? 0 : lm_pop3c_body_eof(c));
	lm_pop3c_end(c, LM_E_CLOSED, LM_SIDE_NETWORK, "the server closed the connection");
	settle(c, 0);
}

static void client_drain(struct lm_session *session, lm_time_ms now)
{
	struct lm_pop3c *c = of(session);

	forget_told(c);
	if (c->fatal || c->state == LM_POP3C_CLOSED || c->draining)
		return;
	c->now = now;
	c->draining = true;
	settle(c, lm_pop3c_wind_up(c));
}

static const struct lm_session_info *client_info(const struct lm_session *session)
{
	return &of_const(session)->info;
}

static void client_free(struct lm_session *session)
{
	struct lm_pop3c *c = of(session);

	forget_told(c);
	lm_pop3c_end(c, LM_E_CANCELED, LM_SIDE_CLIENT, "canceled");
	while (c->notes) {
		struct lm_pop3c_note *next = c->notes->next;

		free_note(c, c->notes);
		c->notes = next;
	}
	drop_buffers(c);
	drop_output(c);
	lm_buf_done(&c->item.text);
	lm_buf_done(&c->greeting);
	lm_buf_done(&c->stamp);
	lm_buf_done(&c->capa);
	lm_free(c->user);
	lm_free(c);
}

static int client_request(struct lm_session *session, const struct lm_request *request,
                          lm_time_ms now)
{
	struct lm_pop3c *c = of(session);
	int err;

	forget_told(c);
	if (c->fatal)
		return c->fatal;
	if (c->state == LM_POP3C_CLOSED || c->quitting || c->draining)
		return LM_E_CLOSED;
	c->now = now;
	err = lm_pop3c_request(c, request);
	return err ? err : settle(c, 0);
}

static const struct lm_session_ops ops = {
	.name = "pop3-client",
	.feed = client_feed,
	.event = client_event,
	.answer = client_answer,
	.body = client_body,
	.body_failed = client_body_failed,
	.output = client_output,
	.sent = client_sent,
	.wants = client_wants,
	.deadline = client_deadline,
	.tick = client_tick,
	.tls_up = client_tls_up,
	.eof = client_eof,
	.drain = client_drain,
	.info = client_info,
	.free = client_free,
	.request = client_request,
};

void lm_pop3_client_session_params_init(struct lm_pop3_client_session_params *params)
{
	*params = (struct lm_pop3_client_session_params){ .size = sizeof(*params),
		                                          .host = "localhost",
		                                          .tls = LM_TLS_STARTTLS,
		                                          .timeout = 60 * 1000,
		                                          .pipeline = 32,
		                                          .max_line = 8192,
		                                          .max_message = UINT64_C(1) << 30,
		                                          .max_items = 10 * 1000 * 1000 };
}

static void init_buffers(struct lm_pop3c *c)
{
	lm_line_reader_init(&c->reader, c->params->max_line);
	c->reader.lenient = true;
	lm_buf_init(&c->out, LM_POP3C_OUTPUT_MAX);
	lm_buf_init(&c->item.text, c->params->max_line);
	lm_buf_init(&c->greeting, c->params->max_line);
	lm_buf_init(&c->stamp, c->params->max_line);
	lm_buf_init(&c->capa, LM_POP3C_CAPA_MAX);
	lm_buf_init(&c->body.chunk, LM_POP3C_CHUNK_MAX + 64);
}

int lm_pop3_client_session_new(const struct lm_pop3_client_session_params *params, lm_time_ms now,
                               struct lm_session **out_session)
{
	struct lm_pop3c *c;
	struct lm_bytes host = lm_str(params->host);
	int err;

	if (host.len && (memchr(host.data, '\r', host.len) || memchr(host.data, '\n', host.len)))
		return LM_E_SYNTAX;
	c = lm_alloc_zero(1, sizeof(*c));
	if (!c)
		return LM_E_NOMEM;
	c->session.ops = &ops;
	c->params = params;
	c->fresh = true;
	c->now = c->since = now;
	c->notes_end = &c->notes;
	c->tail = &c->head;
	c->info = (struct lm_session_info){ .protocol = LM_POP3, .language = "en" };
	init_buffers(c);
	err = lm_pop3c_push_open(c);
	if (err)
		client_free(&c->session);
	else
		*out_session = &c->session;
	return err;
}

bool lm_pop3_client_session_has(const struct lm_session *session, const char *capability,
                                struct lm_bytes *out_rest)
{
	return lm_pop3c_has(of_const(session), capability, out_rest);
}

struct lm_bytes lm_pop3_client_session_capabilities(const struct lm_session *session)
{
	return lm_buf_bytes(&of_const(session)->capa);
}

struct lm_bytes lm_pop3_client_session_greeting(const struct lm_session *session)
{
	return lm_buf_bytes(&of_const(session)->greeting);
}

struct lm_bytes lm_pop3_client_session_stamp(const struct lm_session *session)
{
	return lm_buf_bytes(&of_const(session)->stamp);
}
