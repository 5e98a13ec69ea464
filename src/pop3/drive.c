/* Test support: pumps a session and answers its events. */
#include "pop3/drive.h"

struct counted {
	struct lm_source source;
	struct drive *drive;
};

static void counted_close(struct lm_source *source)
{
	struct counted *c = lm_container(source, struct counted, source);

	c->drive->sources_closed++;
	lm_free(c);
}

struct lm_source *drive_source(struct drive *d)
{
	static const struct lm_source_ops ops = { .close = counted_close };
	struct counted *c = lm_alloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct counted){ { .ops = &ops }, d };
	return &c->source;
}

void drive_init(struct drive *d)
{
	static const struct lm_message messages[] = { { 70, 8, { (const uint8_t *)"a", 1 } },
		                                      { 71, 9, { (const uint8_t *)"b", 1 } },
		                                      { 72, 5, { (const uint8_t *)"c", 1 } } };

	*d = (struct drive){ .now = 1000, .messages = messages, .message_count = 3 };
	lm_pop3_server_params_init(&d->params);
	d->params.decides = UINT64_MAX;
	d->body = lm_str("A: 1\r\n\r\nbody\r\n");
	lm_buf_init(&d->said, SIZE_MAX / 2);
	lm_buf_init(&d->events, SIZE_MAX / 2);
}

int drive_open(struct drive *d)
{
	struct lm_pop3_server_peer peer = {
		.id = 7, .peer_address = "::1", .peer_port = 9, .stamp = "1-2.3"
	};

	return lm_pop3_server_new(&d->params, &peer, d->now, &d->session);
}

void drive_done(struct drive *d)
{
	lm_session_free(d->session);
	d->session = NULL;
	lm_buf_done(&d->said);
	lm_buf_done(&d->events);
}

static void note(struct drive *d, int err)
{
	if (err < 0 && !d->failed)
		d->failed = err;
}

static void fill(struct drive *d, const struct lm_event *ev, struct lm_reply *r)
{
	if (ev->type == LM_EVENT_AUTH && ev->auth.kind == LM_AUTH_PASSWORD)
		r->result = lm_bytes_equal(ev->auth.password, lm_str("secret")) ? 0 : LM_E_AUTH;
	if (ev->type == LM_EVENT_AUTH && ev->auth.need == LM_NEED_PLAIN)
		r->secret.plain = lm_str("secret");
	if (ev->type == LM_EVENT_MAILDROP) {
		r->messages = d->messages;
		r->message_count = d->message_count;
	}
	if (ev->type == LM_EVENT_COMMAND)
		r->result = LM_E_UNSUPPORTED;
	if (ev->type == LM_EVENT_RETR || ev->type == LM_EVENT_TOP)
		r->source = drive_source(d);
	if (ev->type == LM_EVENT_QUIT) {
		d->deleted_count = ev->deleted_count;
		if (ev->deleted_count)
			memcpy(d->deleted, ev->deleted, ev->deleted_count * sizeof(*d->deleted));
	}
}

static void answer(struct drive *d, const struct lm_event *ev)
{
	struct lm_reply r = LM_REPLY_INIT;
	int err;

	if (d->hold == ev->type) {
		d->held = *ev;
		return;
	}
	fill(d, ev, &r);
	if (d->reply_to == ev->type) {
		if (r.source)
			r.source->ops->close(r.source);
		r = d->reply;
		d->reply_to = LM_EVENT_NONE;
	}
	err = lm_session_answer(d->session, ev->id, &r, d->now);
	note(d, err);
	if (!err && r.source) /* the driver pushes d->body, whatever the source is */
		r.source->ops->close(r.source);
}

static bool push_body(struct drive *d)
{
	struct lm_bytes rest = d->body;
	size_t taken = 1;
	bool moved = false;

	if (!(lm_session_wants(d->session) & LM_WANT_BODY))
		return false;
	while (drive_inside(d)->transfer == LM_POP3_BODY && taken && !d->failed) {
		size_t held;

		note(d, lm_session_body(d->session, rest, true, d->now, &taken));
		rest = lm_bytes_from(rest, taken);
		moved |= taken || drive_inside(d)->transfer != LM_POP3_BODY;
		held = lm_session_output(d->session).len;
		d->most_held = held > d->most_held ? held : d->most_held;
		note(d, lm_buf_add(&d->said, lm_session_output(d->session)));
		lm_session_sent(d->session, held);
	}
	return moved;
}

static bool take_output(struct drive *d)
{
	struct lm_bytes out = lm_session_output(d->session);

	if (!out.len)
		return false;
	d->most_held = out.len > d->most_held ? out.len : d->most_held;
	note(d, lm_buf_add(&d->said, out));
	lm_session_sent(d->session, out.len);
	return true;
}

void drive_pump(struct drive *d)
{
	bool moved = true;

	while (moved && !d->failed) {
		struct lm_event ev;

		moved = false;
		while (lm_session_event(d->session, &ev) == 1) {
			moved = true;
			note(d, lm_buf_printf(&d->events, "%s ", lm_event_name(ev.type)));
			if (ev.id)
				answer(d, &ev);
		}
		moved |= push_body(d);
		moved |= take_output(d);
		if (lm_session_wants(d->session) & LM_WANT_ABORT)
			return;
	}
}

size_t drive_feed(struct drive *d, struct lm_bytes in)
{
	size_t all = 0, taken = 1;

	drive_pump(d);
	while (taken && all < in.len && !d->failed) {
		note(d, lm_session_feed(d->session, lm_bytes_from(in, all), d->now, &taken));
		all += taken;
		drive_pump(d);
	}
	return all;
}

void drive_say(struct drive *d, const char *text)
{
	lm_buf_clear(&d->said);
	LM_ASSERT(drive_feed(d, lm_str(text)) == strlen(text));
	LM_ASSERT(!d->failed);
}

void drive_login(struct drive *d)
{
	drive_say(d, "USER u\r\nPASS secret\r\n");
	LM_ASSERT(drive_inside(d)->state == LM_POP3_TRANSACTION);
}
