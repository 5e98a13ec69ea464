/* A session under arbitrary input, with a handler that accepts almost everything. */
#include "session_driver.h"

#include <string.h>

enum { NOW = 1000 };

struct drive {
	struct lm_session *session;
	struct lm_buf events, output, body;
	struct lm_source *source;
	struct lm_bytes chunk; /* of it, not yet taken */
	bool has_chunk, is_last;
};

static const struct lm_message messages[] = {
	{ 1, 20, { (const uint8_t *)"u1", 2 } },
	{ 2, 7, { (const uint8_t *)"u2", 2 } },
};
static const char *const bodies[] = { "A: b\r\n\r\n.x\r\n.\r\nyyy\r\n", "no end." };

/* To a server DATA is a question of another kind. */
static bool is_client(const struct drive *d)
{
	return strstr(d->session->ops->name, "client") != NULL;
}

/* Octets of the peer's among them; none; or a no. */
static void find_words(const struct lm_say *say, struct lm_reply *reply)
{
	FUZZ_CHECK(say && say->key && say->verb && say->state);
	FUZZ_CHECK(say->number <= 2 && say->count <= 2);
	reply->text = say->text.len ? say->text : lm_str(say->key);
	if (say->user.len % 3 == 1)
		reply->text = lm_bytes(NULL, 0);
	if (say->user.len % 3 == 2)
		reply->result = LM_E_AGAIN;
}

static void fill(const struct drive *d, const struct lm_event *ev, struct lm_reply *reply)
{
	reply->user = lm_str("fuzz");
	reply->secret.plain = lm_str("secret");
	if (ev->type == LM_EVENT_MAILDROP) {
		reply->messages = messages;
		reply->message_count = 2;
	} else if (ev->type == LM_EVENT_RETR || ev->type == LM_EVENT_TOP) {
		FUZZ_CHECK(ev->message.id == 1 || ev->message.id == 2);
		reply->source = lm_source_from_bytes(lm_str(bodies[ev->message.id - 1]));
	} else if (ev->type == LM_EVENT_USER) {
		reply->result = ev->argument.len % 4 == 3 ? LM_E_NOT_FOUND : 0;
	} else if (ev->type == LM_EVENT_SAY) {
		find_words(ev->say, reply);
	} else if (ev->type == LM_EVENT_DATA && is_client(d)) {
		reply->source = lm_source_from_bytes(lm_str(bodies[ev->envelope->size % 2]));
	}
}

/* One piece of the message under way; whether any of it was taken. */
static bool push(struct drive *d)
{
	size_t taken = 0, offered;

	if (!d->source || !(lm_session_wants(d->session) & LM_WANT_BODY))
		return false;
	if (!d->has_chunk)
		FUZZ_CHECK(d->source->ops->read(d->source, 5, &d->chunk, &d->is_last) == 0);
	d->has_chunk = true;
	offered = d->chunk.len;
	FUZZ_CHECK(lm_session_body(d->session, d->chunk, d->is_last, NOW, &taken) == 0);
	FUZZ_CHECK(taken <= offered);
	d->chunk = lm_bytes_from(d->chunk, taken);
	d->has_chunk = d->chunk.len || (!offered && lm_session_wants(d->session) & LM_WANT_BODY);
	return taken > 0 || !d->has_chunk;
}

/* All but what waits for words goes on while they are looked for. */
static void go_on_without_words(struct drive *d)
{
	const unsigned never = LM_WANT_INPUT | LM_WANT_TLS | LM_WANT_CLOSE;
	struct lm_bytes out = lm_session_output(d->session);

	FUZZ_CHECK((lm_session_wants(d->session) & (never | LM_WANT_ANSWER)) == LM_WANT_ANSWER);
	FUZZ_CHECK(lm_buf_add(&d->output, out) == 0);
	lm_session_sent(d->session, out.len);
	while (push(d))
		;
	FUZZ_CHECK(lm_session_output(d->session).len == 0);
}

static void decide(struct drive *d, const struct lm_event *ev)
{
	struct lm_reply reply = LM_REPLY_INIT;
	bool table = ev->type == LM_EVENT_COMMAND || ev->type == LM_EVENT_VRFY ||
	             ev->type == LM_EVENT_EXPN || ev->type == LM_EVENT_LANG ||
	             ev->type == LM_EVENT_HELP || ev->type == LM_EVENT_STAT ||
	             ev->type == LM_EVENT_LIST || ev->type == LM_EVENT_UIDL ||
	             ev->type == LM_EVENT_CAPA;

	fill(d, ev, &reply);
	if (ev->type == LM_EVENT_SAY)
		go_on_without_words(d);
	FUZZ_CHECK(lm_session_answer(d->session, ev->id, table ? NULL : &reply, NOW) >= 0);
	FUZZ_CHECK(lm_session_answer(d->session, ev->id, NULL, NOW) == LM_E_NOT_FOUND);
	if (reply.source && (lm_session_wants(d->session) & LM_WANT_BODY))
		d->source = reply.source;
	else if (reply.source)
		reply.source->ops->close(reply.source);
}

/* Everything that must not depend on the split. */
static void note(struct drive *d, const struct lm_event *ev)
{
	const struct lm_outcome *o = ev->outcome;

	if (ev->type == LM_EVENT_BODY) {
		FUZZ_CHECK(lm_buf_add(&d->body, ev->argument) == 0);
		return;
	}
	FUZZ_CHECK(lm_buf_printf(&d->events, "%s %zu %zu\n", lm_event_name(ev->type),
	                         lm_buf_len(&d->body), ev->message.number) == 0);
	if (ev->type == LM_EVENT_ITEM || ev->type == LM_EVENT_TRACE)
		FUZZ_CHECK(lm_buf_add(&d->events, ev->argument) == 0);
	if (!o)
		return;
	FUZZ_CHECK(lm_buf_printf(&d->events, "%d %d %d %llu %llu %d %d %d\n", o->type, o->result,
	                         o->side, (unsigned long long)o->count,
	                         (unsigned long long)o->octets, o->odd_size, o->smtp_code,
	                         o->unknown) == 0);
	for (size_t i = 0; i < o->recipient_count; i++)
		FUZZ_CHECK(lm_buf_printf(&d->events, "[%d %d %d]\n", o->recipients[i].result,
		                         o->recipients[i].smtp_code,
		                         o->recipients[i].unknown) == 0);
	FUZZ_CHECK(lm_buf_add(&d->events, o->command) == 0);
	FUZZ_CHECK(lm_buf_add(&d->events, o->text) == 0);
}

static bool pump(struct drive *d)
{
	struct lm_event ev = { .type = LM_EVENT_NONE };
	bool moved = false;

	while (lm_session_event(d->session, &ev) == 1) {
		moved = true;
		note(d, &ev);
		if (ev.id)
			decide(d, &ev);
	}
	while (push(d))
		moved = true;
	if (d->source && !(lm_session_wants(d->session) & LM_WANT_BODY)) {
		d->source->ops->close(d->source);
		d->source = NULL;
		d->has_chunk = false;
	}
	if (lm_session_output(d->session).len) {
		struct lm_bytes out = lm_session_output(d->session);

		FUZZ_CHECK(lm_buf_add(&d->output, out) == 0);
		lm_session_sent(d->session, out.len);
		moved = true;
	}
	return moved;
}

static bool is_over(const struct drive *d)
{
	return (lm_session_wants(d->session) & (LM_WANT_CLOSE | LM_WANT_ABORT | LM_WANT_TLS)) != 0;
}

static void feed(struct drive *d, struct lm_bytes in)
{
	bool moved = true;

	while (moved && !is_over(d)) {
		size_t taken = 0;

		moved = pump(d);
		if (in.len && !is_over(d) && (lm_session_wants(d->session) & LM_WANT_INPUT)) {
			FUZZ_CHECK(lm_session_feed(d->session, in, NOW, &taken) == 0 &&
			           taken <= in.len);
			moved |= taken > 0;
			in = lm_bytes_from(in, taken);
		}
	}
	FUZZ_CHECK(in.len == 0 || is_over(d));
	pump(d);
}

static void run(fuzz_factory_fn factory, struct lm_bytes in, size_t step, struct drive *d)
{
	*d = (struct drive){ .session = factory() };
	lm_buf_init(&d->events, 64 << 20);
	lm_buf_init(&d->output, 64 << 20);
	lm_buf_init(&d->body, 64 << 20);
	FUZZ_CHECK(d->session);
	feed(d, lm_bytes(NULL, 0));
	while (in.len && !is_over(d)) {
		size_t n = in.len < step ? in.len : step;

		feed(d, lm_bytes(in.data, n));
		in = lm_bytes_from(in, n);
	}
	lm_session_eof(d->session, NOW);
	pump(d);
	if (d->source)
		d->source->ops->close(d->source);
	lm_session_free(d->session);
}

static void done(struct drive *d)
{
	lm_buf_done(&d->events);
	lm_buf_done(&d->output);
	lm_buf_done(&d->body);
}

void fuzz_session(fuzz_factory_fn factory, struct lm_bytes in)
{
	static const size_t steps[] = { 1, 7 };
	struct drive whole, pieces;

	run(factory, in, SIZE_MAX, &whole);
	for (size_t i = 0; i < 2; i++) {
		run(factory, in, steps[i], &pieces);
		FUZZ_CHECK(
		        lm_bytes_equal(lm_buf_bytes(&whole.output), lm_buf_bytes(&pieces.output)));
		FUZZ_CHECK(
		        lm_bytes_equal(lm_buf_bytes(&whole.events), lm_buf_bytes(&pieces.events)));
		FUZZ_CHECK(lm_bytes_equal(lm_buf_bytes(&whole.body), lm_buf_bytes(&pieces.body)));
		done(&pieces);
	}
	done(&whole);
}
