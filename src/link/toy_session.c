/* Tests only: a session of one-word lines. */
#include "link/toy_session.h"

#include "base/buf.h"
#include "base/error.h"

enum { OUTPUT_MAX = 256 * 1024, LINE_MAX_OCTETS = 64 };

struct toy {
	struct lm_session base;
	struct lm_session_info info;
	struct lm_buf out, line, argument;
	struct lm_event pending;
	lm_time_ms idle, deadline;
	uint32_t last_id, open_id;
	unsigned wants, ticks;
	int fatal;
	bool has_event, has_ended, told_end;
};

static struct toy *self(struct lm_session *s)
{
	return lm_container(s, struct toy, base);
}

static const struct toy *peek(const struct lm_session *s)
{
	return lm_container(s, const struct toy, base);
}

/* Without memory it is over. */
static void put(struct toy *t, struct lm_buf *buf, struct lm_bytes octets)
{
	if (!lm_buf_add(buf, octets))
		return;
	t->fatal = LM_E_NOMEM;
	t->wants = LM_WANT_ABORT;
}

static void say(struct toy *t, const char *text)
{
	put(t, &t->out, lm_str(text));
}

static void ask(struct toy *t, enum lm_event_type type, struct lm_bytes argument)
{
	lm_buf_clear(&t->argument);
	put(t, &t->argument, argument);
	t->open_id = ++t->last_id;
	t->has_event = true;
	t->pending = (struct lm_event){ .type = type,
		                        .id = t->open_id,
		                        .info = &t->info,
		                        .argument = lm_buf_bytes(&t->argument) };
}

static bool is_word(struct lm_bytes line, const char *word)
{
	size_t len = strlen(word);

	return line.len >= len && lm_bytes_equal(lm_bytes(line.data, len), lm_str(word));
}

static void obey(struct toy *t, struct lm_bytes line)
{
	if (is_word(line, "ECHO ")) {
		put(t, &t->out, lm_bytes_from(line, 5));
		say(t, "\n");
	} else if (is_word(line, "ASK ")) {
		ask(t, LM_EVENT_NOOP, lm_bytes_from(line, 4));
	} else if (is_word(line, "BODY")) {
		ask(t, LM_EVENT_RETR, lm_bytes_from(line, 4));
	} else if (is_word(line, "TLS")) {
		say(t, "go\n");
		t->wants = LM_WANT_TLS;
	} else if (is_word(line, "QUIT")) {
		say(t, "bye\n");
		t->wants = LM_WANT_CLOSE;
	} else if (is_word(line, "ABORT")) {
		say(t, "never seen\n");
		t->wants = LM_WANT_ABORT;
	} else {
		t->fatal = LM_E_PROTO;
	}
}

static bool takes_input(const struct toy *t)
{
	return !t->fatal && !t->open_id && !t->wants && !t->has_ended;
}

static int toy_feed(struct lm_session *s, struct lm_bytes in, lm_time_ms now, size_t *out_taken)
{
	struct toy *t = self(s);
	size_t taken = 0;

	if (t->fatal)
		return t->fatal;
	while (taken < in.len && takes_input(t) && lm_buf_len(&t->out) < OUTPUT_MAX / 2) {
		uint8_t c = in.data[taken++];

		if (c != '\n') {
			t->fatal = lm_buf_add(&t->line, lm_bytes(&c, 1));
			continue;
		}
		t->deadline = now + t->idle;
		obey(t, lm_buf_bytes(&t->line));
		lm_buf_clear(&t->line);
	}
	*out_taken = taken;
	return t->fatal;
}

static int toy_event(struct lm_session *s, struct lm_event *out_event)
{
	struct toy *t = self(s);

	if (t->has_event) {
		t->has_event = false;
		*out_event = t->pending;
		return 1;
	}
	if (!t->has_ended || t->told_end)
		return 0;
	t->told_end = true;
	*out_event = (struct lm_event){ .type = LM_EVENT_DISCONNECT, .info = &t->info };
	return 1;
}

static int toy_answer(struct lm_session *s, uint32_t id, const struct lm_reply *reply,
                      lm_time_ms now)
{
	struct toy *t = self(s);

	if (!id || id != t->open_id || t->has_ended) {
		if (reply && reply->source)
			reply->source->ops->close(reply->source);
		return LM_E_NOT_FOUND;
	}
	t->open_id = 0;
	t->deadline = now + t->idle;
	if (t->pending.type == LM_EVENT_CONNECT)
		say(t, "hello\n");
	else if (reply && reply->source)
		t->wants = LM_WANT_BODY;
	else
		say(t, reply && reply->result ? "no\n" : "yes\n");
	return 0;
}

static int toy_body(struct lm_session *s, struct lm_bytes chunk, bool last, lm_time_ms now,
                    size_t *out_taken)
{
	struct toy *t = self(s);
	size_t room = OUTPUT_MAX / 2 - lm_buf_len(&t->out);

	(void)now;
	/* Never more than a little at once, so that chunks are taken in pieces. */
	if (room > 10000)
		room = 10000;
	if (chunk.len > room) {
		last = false;
		chunk.len = room;
	}
	put(t, &t->out, chunk);
	if (last) {
		say(t, "end\n");
		t->wants = 0;
	}
	*out_taken = chunk.len;
	return 0;
}

static int toy_body_failed(struct lm_session *s, int error)
{
	(void)error;
	self(s)->wants = LM_WANT_ABORT;
	return 0;
}

static struct lm_bytes toy_output(const struct lm_session *s)
{
	return lm_buf_bytes(&peek(s)->out);
}

static void toy_sent(struct lm_session *s, size_t n)
{
	lm_buf_drop(&self(s)->out, n);
}

static unsigned toy_wants(const struct lm_session *s)
{
	const struct toy *t = peek(s);
	unsigned wants = t->wants;

	if (takes_input(t))
		wants |= LM_WANT_INPUT;
	if (t->open_id)
		wants |= LM_WANT_ANSWER;
	if (lm_buf_len(&t->out))
		wants |= LM_WANT_OUTPUT;
	return wants;
}

static lm_time_ms toy_deadline(const struct lm_session *s)
{
	return peek(s)->deadline;
}

static int toy_tick(struct lm_session *s, lm_time_ms now)
{
	struct toy *t = self(s);

	t->ticks++;
	if (now < t->deadline)
		return 0;
	t->deadline = LM_NEVER;
	say(t, "timeout\n");
	t->wants = LM_WANT_CLOSE;
	return 0;
}

static int toy_tls_up(struct lm_session *s, const struct lm_tls_info *info, lm_time_ms now)
{
	struct toy *t = self(s);

	(void)now;
	t->info.tls = *info;
	t->wants = 0;
	say(t, "secure\n");
	return 0;
}

static void toy_eof(struct lm_session *s, lm_time_ms now)
{
	(void)now;
	self(s)->has_ended = true;
	self(s)->open_id = 0;
	self(s)->has_event = false;
}

static void toy_drain(struct lm_session *s, lm_time_ms now)
{
	(void)now;
	say(self(s), "drained\n");
	self(s)->wants = LM_WANT_CLOSE;
}

static const struct lm_session_info *toy_info(const struct lm_session *s)
{
	return &peek(s)->info;
}

static void toy_free(struct lm_session *s)
{
	struct toy *t = self(s);

	lm_buf_done(&t->out);
	lm_buf_done(&t->line);
	lm_buf_done(&t->argument);
	lm_free(t);
}

static const struct lm_session_ops toy_ops = {
	"toy",      toy_feed,  toy_event, toy_answer,   toy_body, toy_body_failed,
	toy_output, toy_sent,  toy_wants, toy_deadline, toy_tick, toy_tls_up,
	toy_eof,    toy_drain, toy_info,  toy_free,
};

struct lm_session *toy_session_new(lm_time_ms idle)
{
	struct toy *t = lm_alloc_zero(1, sizeof(*t));

	if (!t)
		return NULL;
	t->base.ops = &toy_ops;
	t->idle = idle;
	t->deadline = LM_NEVER;
	lm_buf_init(&t->out, OUTPUT_MAX);
	lm_buf_init(&t->line, LINE_MAX_OCTETS);
	lm_buf_init(&t->argument, LINE_MAX_OCTETS);
	ask(t, LM_EVENT_CONNECT, lm_bytes(NULL, 0));
	return &t->base;
}

unsigned toy_session_ticks(const struct lm_session *session)
{
	return peek(session)->ticks;
}
