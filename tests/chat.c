/* Runs a dialogue against a session, the input cut every way. */
#include "chat.h"

#include "sasl/sasl.h"
#include "wire/text.h"

#include "lm_test.h"

#include <stdlib.h>

enum { ONE_OCTET = -1, ALL_AT_ONCE = -2 };

struct run {
	const struct chat *chat;
	struct lm_session *session;
	struct chat_answer answers[64];
	lm_time_ms now;
	struct lm_buf output;  /* said and not yet expected */
	struct lm_buf events;  /* all events as text lines */
	struct lm_buf message; /* being delivered */
	size_t delivered, sent_messages;
	struct lm_source *source;
	struct lm_bytes piece; /* of the source, not yet taken */
	bool has_piece, is_last;
	bool injected;
	struct lm_message messages[32];
};

const char *chat_option(const struct chat *chat, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < chat->option_count; i++) {
		const char *o = chat->options[i];

		if (strncmp(o, name, n) == 0 && (o[n] == '=' || o[n] == '\0'))
			return o[n] ? o + n + 1 : "";
	}
	return NULL;
}

bool chat_is_client(const struct chat *chat)
{
	struct lm_bytes protocol = lm_str(chat->option_count ? chat->options[0] : "");

	return protocol.len > 7 &&
	       lm_bytes_equal(lm_bytes_from(protocol, protocol.len - 7), lm_str("-client"));
}

/* ---- events as text ---- */

static void put(struct lm_buf *b, const char *key, struct lm_bytes value)
{
	if (value.data)
		assert_err(lm_buf_printf(b, " %s=%.*s", key, LM_FMT(value)), 0);
}

static void put_number(struct lm_buf *b, const char *key, int64_t n)
{
	assert_err(lm_buf_printf(b, " %s=%lld", key, (long long)n), 0);
}

static void put_auth(struct lm_buf *b, const struct lm_auth *a)
{
	static const char *const kinds[] = { "none", "password", "secret", "token", "external" };

	put(b, "kind", lm_str(kinds[a->kind]));
	put(b, "mechanism", a->mechanism);
	put(b, "authcid", a->authcid);
	put(b, "authzid", a->authzid);
	put(b, "password", a->password);
	put(b, "token", a->token);
	put(b, "ok", lm_str(a->ok ? "yes" : "no"));
}

static void put_envelope(struct lm_buf *b, const struct lm_envelope *e)
{
	assert_err(lm_buf_printf(b, " sender=%.*s", LM_FMT(e->sender)), 0);
	put_number(b, "count", (int64_t)e->recipient_count);
	if (e->recipient_count) {
		const struct lm_recipient *last = &e->recipients[e->recipient_count - 1];

		put(b, "rcpt", last->address);
		put(b, "orcpt", last->orcpt);
		put(b, "given", last->parameters);
		put_number(b, "notify", last->notify);
	}
	put_number(b, "size", (int64_t)e->size);
	put_number(b, "smtputf8", e->smtputf8);
	put_number(b, "binary", e->binary);
	put_number(b, "eight_bit", e->eight_bit);
	put_number(b, "requiretls", e->require_tls);
	if (e->dsn_ret)
		put(b, "ret", lm_bytes(&e->dsn_ret, 1));
	put(b, "envid", e->envid);
	put(b, "auth", e->auth);
	put(b, "parameters", e->parameters);
}

static void put_say(struct lm_buf *b, const struct lm_say *s)
{
	put(b, "key", lm_str(s->key));
	put(b, "state", lm_str(s->state));
	put_number(b, "min", s->min);
	put_number(b, "max", s->max);
	put_number(b, "size", (int64_t)s->octets);
	put(b, "uidl", s->uidl);
	put_number(b, "count", (int64_t)s->count);
	put_number(b, "total", (int64_t)s->total);
	put(b, "name", s->user);
	put(b, "text", s->text);
}

static void note_event(struct run *run, const struct lm_event *ev)
{
	struct lm_buf *b = &run->events;

	if (ev->type == LM_EVENT_BODY)
		return; /* how many there are depends on the split; B lines check the octets */
	assert_err(lm_buf_add_str(b, lm_event_name(ev->type)), 0);
	put(b, "verb", ev->verb);
	put(b, "argument", ev->argument);
	if (ev->type == LM_EVENT_AUTH || ev->type == LM_EVENT_AUTH_DONE)
		put_auth(b, &ev->auth);
	put_number(b, "number", (int64_t)ev->message.number);
	put_number(b, "lines", ev->message.lines);
	put_number(b, "deleted", (int64_t)ev->deleted_count);
	if (ev->envelope)
		put_envelope(b, ev->envelope);
	put_number(b, "octets", (int64_t)ev->octets);
	put_number(b, "bare", ev->has_bare);
	put_number(b, "tls", ev->info->tls.active);
	put(b, "user", ev->info->user);
	put(b, "helo", ev->info->helo);
	put(b, "peer", lm_str(ev->info->peer_address));
	put(b, "xclient", ev->info->xclient);
	put(b, "xforward", ev->info->xforward);
	if (ev->type == LM_EVENT_ITEM)
		put_number(b, "size", (int64_t)ev->message.octets);
	if (ev->outcome)
		chat_put_outcome(b, ev->outcome);
	if (ev->say)
		put_say(b, ev->say);
	assert_err(lm_buf_add_str(b, " \n"), 0);
}

/* Every word of `want` stands in the event's line, its first word first. */
static bool event_matches(const char *line, const char *want)
{
	struct lm_bytes rest = lm_str(want), type = lm_next_word(&rest);
	char word[300];

	if (strncmp(line, (const char *)type.data, type.len) != 0 || line[type.len] != ' ')
		return false;
	while (rest.len) {
		struct lm_bytes next = lm_next_word(&rest);

		snprintf(word, sizeof(word), " %.*s ", LM_FMT(next));
		if (!strstr(line, word))
			return false;
	}
	return true;
}

static void check_events(struct run *run)
{
	char *all = lm_strdup_bytes(lm_buf_bytes(&run->events)), *end;
	size_t next = 0;

	for (char *line = all; *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		if (next < run->chat->expected_event_count &&
		    event_matches(line, run->chat->expected_events[next]))
			next++;
		for (size_t i = 0; i < run->chat->never_count; i++)
			if (event_matches(line, run->chat->never[i]))
				fail_msg("%s: event that must not come: %s", run->chat->name, line);
	}
	if (next < run->chat->expected_event_count) {
		lm_test_show("events", lm_buf_bytes(&run->events));
		fail_msg("%s: event missing: %s", run->chat->name,
		         run->chat->expected_events[next]);
	}
	lm_free(all);
}

/* ---- the runner's own handler ---- */

static bool is_alice(struct lm_bytes name)
{
	return lm_equal_nocase(name, lm_str("alice"));
}

static void answer_auth(const struct lm_auth *a, struct lm_reply *reply)
{
	reply->user = lm_str("alice");
	if (a->kind == LM_AUTH_PASSWORD)
		reply->result = is_alice(a->authcid) &&
		                                lm_bytes_equal(a->password, lm_str("secret"))
		                        ? 0
		                        : LM_E_AUTH;
	else if (a->kind == LM_AUTH_SECRET && a->need == LM_NEED_PLAIN)
		reply->secret.plain = is_alice(a->authcid) ? lm_str("secret")
		                                           : lm_str("\x01made up");
	else if (a->kind == LM_AUTH_TOKEN)
		reply->result = lm_bytes_equal(a->token, lm_str("token")) ? 0 : LM_E_AUTH;
	else
		reply->result = LM_E_AUTH;
}

static void open_message(struct run *run, const struct lm_event *ev, struct lm_reply *reply)
{
	assert_in_range(ev->message.id, 100, 131);
	reply->source = lm_source_from_bytes(run->chat->bodies[ev->message.id - 100]);
	assert_non_null(reply->source);
}

static void take_message(struct run *run)
{
	const struct chat *chat = run->chat;

	if (chat->delivered_count) {
		assert_true(run->delivered < chat->delivered_count);
		assert_bytes(lm_buf_bytes(&run->message), chat->delivered[run->delivered]);
	}
	run->delivered++;
	lm_buf_clear(&run->message);
}

/* A client that asks: for a token, or for the message it is to send. */
static void answer_client(struct run *run, const struct lm_event *ev, struct lm_reply *reply)
{
	if (ev->type == LM_EVENT_AUTH)
		reply->secret.plain = lm_str("token");
	if (ev->type == LM_EVENT_DATA) {
		size_t i = run->sent_messages++;

		assert_true(i < run->chat->message_count);
		reply->source = lm_source_from_bytes(run->chat->bodies[i]);
		assert_non_null(reply->source);
	}
}

static void answer_by_default(struct run *run, const struct lm_event *ev, struct lm_reply *reply)
{
	const struct lm_envelope *e = ev->envelope;

	if (chat_is_client(run->chat))
		answer_client(run, ev, reply);
	else if (ev->type == LM_EVENT_AUTH)
		answer_auth(&ev->auth, reply);
	else if (ev->type == LM_EVENT_MAILDROP) {
		reply->messages = run->chat->messages;
		reply->message_count = run->chat->message_count;
	} else if (ev->type == LM_EVENT_RETR || ev->type == LM_EVENT_TOP) {
		open_message(run, ev, reply);
	} else if (ev->type == LM_EVENT_RCPT) {
		struct lm_bytes to = e->recipients[e->recipient_count - 1].address;

		reply->result = lm_starts_nocase(to, "nobody") ? LM_E_NOT_FOUND : 0;
	} else if (ev->type == LM_EVENT_MESSAGE) {
		take_message(run);
	} else if (ev->type == LM_EVENT_SAY) {
		reply->text = lm_str(ev->say->key);
	}
}

static struct chat_answer *answer_written(struct run *run, enum lm_event_type type)
{
	for (size_t i = 0; i < run->chat->answer_count; i++)
		if (run->answers[i].type == type && !run->answers[i].used)
			return &run->answers[i];
	return NULL;
}

static bool has_table_default(enum lm_event_type type)
{
	return type == LM_EVENT_STAT || type == LM_EVENT_LIST || type == LM_EVENT_UIDL ||
	       type == LM_EVENT_COMMAND || type == LM_EVENT_VRFY || type == LM_EVENT_EXPN ||
	       type == LM_EVENT_HELP || type == LM_EVENT_CAPA || type == LM_EVENT_LANG ||
	       type == LM_EVENT_NOOP || type == LM_EVENT_RSET || type == LM_EVENT_UTF8;
}

static void decide(struct run *run, const struct lm_event *ev)
{
	struct chat_answer *written = answer_written(run, ev->type);
	struct lm_reply reply = LM_REPLY_INIT;
	bool use_table = has_table_default(ev->type);

	if (ev->type == LM_EVENT_BODY && !written)
		assert_err(lm_buf_add(&run->message, ev->argument), 0);
	if (written) {
		written->used = true;
		use_table = false;
		reply = written->reply;
	}
	/* A written yes to a password lets any password pass; written words stand alone. */
	if (!(written && !written->pass &&
	      (ev->auth.kind == LM_AUTH_PASSWORD || ev->type == LM_EVENT_SAY)) &&
	    (!written || written->pass || reply.result == 0) && !use_table)
		answer_by_default(run, ev, &reply);
	assert_true(lm_session_answer(run->session, ev->id, use_table ? NULL : &reply, run->now) >=
	            0);
	if (reply.source && (lm_session_wants(run->session) & LM_WANT_BODY))
		run->source = reply.source;
	else if (reply.source)
		reply.source->ops->close(reply.source);
}

/* ---- the pump ---- */

/* A message fetched is compared like one delivered; of a failed one nothing is kept. */
static void end_fetch(struct run *run, const struct lm_outcome *outcome)
{
	bool is_message = outcome->type == LM_REQUEST_RETR || outcome->type == LM_REQUEST_TOP;

	if (is_message && outcome->result == 0) {
		assert_int_equal(lm_buf_len(&run->message), outcome->octets);
		take_message(run);
	}
	lm_buf_clear(&run->message);
}

static bool pump_events(struct run *run)
{
	struct lm_event ev = { .type = LM_EVENT_NONE };
	bool moved = false;

	while (lm_session_event(run->session, &ev) == 1) {
		moved = true;
		note_event(run, &ev);
		if (ev.id)
			decide(run, &ev);
		else if (ev.type == LM_EVENT_ABORT)
			lm_buf_clear(&run->message);
		else if (ev.type == LM_EVENT_OUTCOME)
			end_fetch(run, ev.outcome);
	}
	return moved;
}

/* One piece of the message being sent; whether any of it was taken. A session may have to hear an
 * answer first. */
static bool push_piece(struct run *run)
{
	size_t taken = 0, offered;

	if (!run->source || !(lm_session_wants(run->session) & LM_WANT_BODY))
		return false;
	if (!run->has_piece)
		assert_err(run->source->ops->read(run->source, 7, &run->piece, &run->is_last), 0);
	run->has_piece = true;
	offered = run->piece.len;
	assert_err(lm_session_body(run->session, run->piece, run->is_last, run->now, &taken), 0);
	run->piece = lm_bytes_from(run->piece, taken);
	run->has_piece = run->piece.len > 0 ||
	                 (!offered && (lm_session_wants(run->session) & LM_WANT_BODY));
	return taken > 0 || !run->has_piece;
}

static bool pump_body(struct run *run)
{
	bool moved = false;

	while (push_piece(run))
		moved = true;
	if (run->source && !(lm_session_wants(run->session) & LM_WANT_BODY)) {
		run->source->ops->close(run->source);
		run->source = NULL;
		run->has_piece = false;
	}
	return moved;
}

static bool pump_output(struct run *run)
{
	struct lm_bytes out = lm_session_output(run->session);

	if (!out.len)
		return false;
	assert_err(lm_buf_add(&run->output, out), 0);
	lm_session_sent(run->session, out.len);
	return true;
}

static bool is_over(const struct run *run)
{
	return run->injected || (lm_session_wants(run->session) & (LM_WANT_CLOSE | LM_WANT_ABORT));
}

/* Octets behind STARTTLS in the same piece are the owner's to refuse. */
static bool pump_tls(struct run *run, struct lm_bytes rest)
{
	static const struct lm_tls_info info = { .active = true,
		                                 .version = "TLSv1.3",
		                                 .cipher = "TLS_AES_256_GCM_SHA384",
		                                 .bits = 256,
		                                 .server_name = "",
		                                 .peer_subject = "",
		                                 .peer_name = "" };

	if (!(lm_session_wants(run->session) & LM_WANT_TLS) || lm_session_output(run->session).len)
		return false;
	if (rest.len)
		run->injected = true;
	else
		assert_err(lm_session_tls_up(run->session, &info, run->now), 0);
	return true;
}

static void feed(struct run *run, struct lm_bytes in)
{
	bool moved = true;

	while (moved && !is_over(run)) {
		size_t taken = 0;

		moved = pump_events(run);
		moved |= pump_body(run);
		moved |= pump_output(run);
		moved |= pump_tls(run, in);
		if (!in.len || is_over(run) || !(lm_session_wants(run->session) & LM_WANT_INPUT))
			continue;
		assert_err(lm_session_feed(run->session, in, run->now, &taken), 0);
		moved |= taken > 0;
		in = lm_bytes_from(in, taken);
	}
	pump_events(run);
	pump_output(run);
	if (in.len && (lm_session_wants(run->session) & LM_WANT_TLS))
		run->injected = true;
	else if (in.len && !is_over(run))
		fail_msg("%s: %zu octets were not taken", run->chat->name, in.len);
}

/* ---- steps ---- */

/* `text` with its wildcards stands at the beginning of `have`; the length, or 0. */
static size_t line_matches(struct lm_bytes have, struct lm_bytes text)
{
	const uint8_t *end = have.len ? memmem(have.data, have.len, "\r\n", 2) : NULL;
	size_t len, h = 0, t = 0, star = SIZE_MAX, mark = 0;

	if (!end)
		return 0;
	len = (size_t)(end - have.data) + 2;
	while (h < len) {
		if (t < text.len && text.data[t] == '*') {
			star = t++;
			mark = h;
		} else if (t < text.len && text.data[t] == have.data[h]) {
			t++;
			h++;
		} else if (star != SIZE_MAX) {
			t = star + 1;
			h = ++mark;
		} else {
			return 0;
		}
	}
	return t == text.len ? len : 0;
}

static void expect_line(struct run *run, const struct chat_step *step, int split)
{
	size_t n = line_matches(lm_buf_bytes(&run->output), step->text);

	if (!n) {
		lm_test_show("said", lm_buf_bytes(&run->output));
		lm_test_show("want", step->text);
		fail_msg("%s:%d (split %d): something else is said", run->chat->file, step->line,
		         split);
	}
	lm_buf_drop(&run->output, n);
}

static void send_step(struct run *run, struct lm_bytes text, int split, size_t sent)
{
	if (split == ONE_OCTET) {
		for (size_t i = 0; i < text.len; i++)
			feed(run, lm_bytes(text.data + i, 1));
	} else if (split > 0 && (size_t)split > sent && (size_t)split < sent + text.len) {
		feed(run, lm_bytes(text.data, (size_t)split - sent));
		feed(run, lm_bytes_from(text, (size_t)split - sent));
	} else {
		feed(run, text);
	}
}

/* Lines of the other end that follow each other go out together. */
static size_t send_steps(struct run *run, size_t i, int split, size_t *sent)
{
	const struct chat *chat = run->chat;
	char fed = chat_is_client(chat) ? 'S' : 'C';
	struct lm_buf all;

	lm_buf_init(&all, 1 << 24);
	for (; i < chat->step_count && (chat->steps[i].kind == fed || split == ALL_AT_ONCE); i++)
		if (chat->steps[i].kind == fed)
			assert_err(lm_buf_add(&all, chat->steps[i].text), 0);
	send_step(run, lm_buf_bytes(&all), split, *sent);
	*sent += lm_buf_len(&all);
	lm_buf_done(&all);
	return i;
}

static void other_step(struct run *run, const struct chat_step *step)
{
	if (step->kind == 'D')
		lm_session_drain(run->session, run->now);
	else if (step->kind == 'F')
		lm_session_eof(run->session, run->now);
	else if (step->kind == 'R')
		chat_request(run->chat, step, run->session, run->now);
	else {
		run->now += strtoll((const char *)step->text.data, NULL, 10);
		assert_true(lm_session_tick(run->session, run->now) >= 0);
	}
	feed(run, lm_bytes(NULL, 0));
}

static void take_steps(struct run *run, int split)
{
	const struct chat *chat = run->chat;
	char fed = chat_is_client(chat) ? 'S' : 'C', said = fed == 'S' ? 'C' : 'S';
	size_t sent = 0, i = 0;

	feed(run, lm_bytes(NULL, 0));
	if (split == ALL_AT_ONCE) {
		send_steps(run, 0, split, &sent);
		for (; i < chat->step_count; i++)
			if (chat->steps[i].kind == said)
				expect_line(run, &chat->steps[i], split);
		return;
	}
	while (i < chat->step_count) {
		const struct chat_step *step = &chat->steps[i];

		if (step->kind == fed) {
			i = send_steps(run, i, split, &sent);
			continue;
		}
		if (step->kind == said)
			expect_line(run, step, split);
		else
			other_step(run, step);
		i++;
	}
}

static void check_end(struct run *run)
{
	unsigned wants = lm_session_wants(run->session);
	const char *end = run->injected           ? "injection"
	                  : wants & LM_WANT_ABORT ? "abort"
	                  : wants & LM_WANT_CLOSE ? "close"
	                                          : "open";

	if (lm_buf_len(&run->output)) {
		lm_test_show("said more", lm_buf_bytes(&run->output));
		fail_msg("%s: more is said than is written", run->chat->name);
	}
	if (strcmp(end, run->chat->end ? run->chat->end : "open") != 0)
		fail_msg("%s: ends %s, should be %s", run->chat->name, end,
		         run->chat->end ? run->chat->end : "open");
	lm_session_eof(run->session, run->now);
	pump_events(run);
	check_events(run);
	assert_non_null(memmem(run->events.data, run->events.len, "DISCONNECT", 10));
	if (run->chat->delivered_count)
		assert_int_equal(run->delivered, run->chat->delivered_count);
}

static void run_once(const struct chat *chat, chat_factory_fn factory, int split)
{
	struct run run = { .chat = chat, .now = 1000000 };

	memcpy(run.answers, chat->answers, sizeof(run.answers));
	lm_buf_init(&run.output, 1 << 24);
	lm_buf_init(&run.events, 1 << 24);
	lm_buf_init(&run.message, 1 << 24);
	run.session = factory(chat, run.now);
	assert_non_null(run.session);
	if (chat_option(chat, "tls") && strcmp(chat_option(chat, "tls"), "implicit") == 0) {
		static const struct lm_tls_info info = { .active = true,
			                                 .version = "TLSv1.3",
			                                 .cipher = "x",
			                                 .bits = 256,
			                                 .server_name = "",
			                                 .peer_subject = "",
			                                 .peer_name = "" };

		assert_err(lm_session_tls_up(run.session, &info, run.now), 0);
	}
	take_steps(&run, split);
	check_end(&run);
	if (run.source)
		run.source->ops->close(run.source);
	lm_session_free(run.session);
	lm_buf_done(&run.output);
	lm_buf_done(&run.events);
	lm_buf_done(&run.message);
}

void chat_run(const struct chat *chat, chat_factory_fn factory)
{
	char fed = chat_is_client(chat) ? 'S' : 'C';
	size_t total = 0;

	for (size_t i = 0; i < chat->step_count; i++)
		total += chat->steps[i].kind == fed ? chat->steps[i].text.len : 0;
	run_once(chat, factory, 0);
	run_once(chat, factory, ONE_OCTET);
	if (chat_option(chat, "pipeline"))
		run_once(chat, factory, ALL_AT_ONCE);
	for (size_t split = 1; split < total && split<20000; split += total> 2000 ? 7 : 1)
		run_once(chat, factory, (int)split);
}
