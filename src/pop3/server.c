/* The session itself: what comes in, what waits, what goes out, and when it is over. */
#include "pop3/server.h"

#include "pop3/capa.h"

static struct lm_pop3_server *of(struct lm_session *session)
{
	return lm_container(session, struct lm_pop3_server, session);
}

static const struct lm_pop3_server *of_const(const struct lm_session *session)
{
	return lm_container(session, const struct lm_pop3_server, session);
}

/* ---- states ---- */

static unsigned states_after(enum lm_pop3_state state)
{
	switch (state) {
	case LM_POP3_GREETING:
		return LM_POP3_AUTHORIZATION | LM_POP3_CLOSED;
	case LM_POP3_AUTHORIZATION:
		return LM_POP3_TRANSACTION | LM_POP3_CLOSED;
	case LM_POP3_TRANSACTION:
		return LM_POP3_UPDATE | LM_POP3_CLOSED;
	default:
		return LM_POP3_CLOSED;
	}
}

static void release(struct lm_pop3_server *s)
{
	lm_pop3_hole_drop(s);
	lm_pop3_login_drop(s);
	lm_pop3_drop_close(&s->drop);
	lm_line_wipe(&s->reader);
	lm_buf_done(&s->text);
	lm_free(s->quit_ids);
	s->quit_ids = NULL;
	s->quit_count = 0;
	s->transfer = LM_POP3_IDLE;
	s->want_tls = false;
	s->decision.type = LM_EVENT_NONE;
	s->command = NULL;
	s->number = 0;
}

void lm_pop3_enter(struct lm_pop3_server *s, enum lm_pop3_state state)
{
	LM_ASSERT(states_after(s->state) & state);
	s->state = state;
	if (state == LM_POP3_CLOSED)
		release(s);
}

/* A fatal error stays: what was said so far cannot be relied on any more. */
static int guard(struct lm_pop3_server *s, int err)
{
	if (err < 0 && !s->fatal)
		s->fatal = err;
	return s->fatal;
}

/* Between commands: the moment for whatever was put off. */
static int settle(struct lm_pop3_server *s, int err)
{
	unsigned open = LM_POP3_AUTHORIZATION | LM_POP3_TRANSACTION | LM_POP3_UPDATE;

	if (err < 0 || s->fatal || !(s->state & open))
		return guard(s, err);
	if (s->decision.type || s->transfer || s->want_tls)
		return 0;
	if (s->draining && !s->closing) {
		s->closing = true;
		err = lm_pop3_say(s, LM_SAY_SHUTDOWN);
	}
	if (s->closing && !s->hole)
		lm_pop3_enter(s, LM_POP3_CLOSED);
	return guard(s, err);
}

/* ---- decisions ---- */

int lm_pop3_decide(struct lm_pop3_server *s, enum lm_event_type type, lm_pop3_then_fn then)
{
	struct lm_reply otherwise = LM_REPLY_INIT;

	LM_ASSERT(s->decision.type == LM_EVENT_NONE);
	if (s->params->decides & LM_EVENT_BIT(type)) {
		if (++s->last_event == 0)
			s->last_event = 1;
		s->decision.type = type;
		s->decision.id = s->last_event;
		s->decision.pulled = false;
		s->decision.then = then;
		return 0;
	}
	otherwise.result = lm_pop3_otherwise(s, type);
	return then(s, &otherwise);
}

enum lm_event_type lm_pop3_event_of(const struct lm_pop3_server *s, const struct lm_pop3_command *c)
{
	uint64_t decides = s->params->decides;

	if (c->event == LM_EVENT_TOP && !(decides & LM_EVENT_BIT(LM_EVENT_TOP)) &&
	    decides & LM_EVENT_BIT(LM_EVENT_RETR))
		return LM_EVENT_RETR;
	return c->event;
}

static void describe(const struct lm_pop3_server *s, struct lm_event *out)
{
	struct lm_bytes text = lm_buf_bytes(&s->text);

	*out = (struct lm_event){ .type = s->decision.type,
		                  .id = s->decision.id,
		                  .info = &s->info,
		                  .message.lines = s->lines };
	if (s->command)
		out->verb = lm_str(s->command->verb);
	if (out->type == LM_EVENT_LANG)
		out->argument = text;
	if (out->type == LM_EVENT_SAY)
		out->say = &s->hole->about;
	if (out->type == LM_EVENT_USER)
		out->argument = lm_buf_bytes(&s->login->name);
	if (out->type == LM_EVENT_COMMAND) {
		out->argument = lm_bytes(text.data, s->verb_at);
		out->verb = lm_bytes_from(text, s->verb_at);
	}
	if (out->type == LM_EVENT_AUTH || out->type == LM_EVENT_AUTH_DONE)
		out->auth = s->login->auth;
	if (s->number) {
		out->message.number = s->number;
		out->message.id = s->drop.messages[s->number - 1].id;
		out->message.octets = s->drop.messages[s->number - 1].octets;
	}
	if (out->type == LM_EVENT_QUIT) {
		out->deleted = s->quit_ids;
		out->deleted_count = s->quit_count;
	}
}

static void describe_notice(const struct lm_pop3_server *s, enum lm_event_type type,
                            struct lm_event *out)
{
	*out = (struct lm_event){ .type = type, .info = &s->info, .message.lines = -1 };
}

static int pop3_event(struct lm_session *session, struct lm_event *out_event)
{
	struct lm_pop3_server *s = of(session);

	s->fresh = false;
	if (s->tls_notice) {
		s->tls_notice = false;
		describe_notice(s, LM_EVENT_TLS, out_event);
		return 1;
	}
	if (s->decision.type && !s->decision.pulled && !s->fatal) {
		s->decision.pulled = true;
		describe(s, out_event);
		return 1;
	}
	if (s->end_notice) {
		s->end_notice = false;
		describe_notice(s, LM_EVENT_DISCONNECT, out_event);
		return 1;
	}
	return 0;
}

static bool is_wire_text(struct lm_bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == 0)
			return false;
	return true;
}

/* The handler's reply as this version knows it; nonsense becomes a refusal. */
static struct lm_reply checked(const struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_reply r = LM_REPLY_INIT;

	if (!reply) {
		r.result = lm_pop3_otherwise(s, s->decision.type);
		return r;
	}
	memcpy(&r, reply, reply->size < sizeof(r) ? reply->size : sizeof(r));
	if (r.result <= 0 && reply->size && is_wire_text(r.text) && r.pop3_code <= LM_POP3_UTF8)
		return r;
	return (struct lm_reply){ .size = sizeof(r), .result = LM_E_MISUSE, .flags = r.flags };
}

static int refuse_answer(const struct lm_reply *reply, int err)
{
	if (reply && reply->source)
		reply->source->ops->close(reply->source);
	return err;
}

static int pop3_answer(struct lm_session *session, uint32_t event_id, const struct lm_reply *reply,
                       lm_time_ms now)
{
	struct lm_pop3_server *s = of(session);
	struct lm_reply r;
	int err = 0;

	if (s->fatal)
		return refuse_answer(reply, s->fatal);
	if (!s->decision.type || !s->decision.pulled || s->decision.id != event_id)
		return refuse_answer(reply, LM_E_NOT_FOUND);
	r = checked(s, reply);
	s->now = s->active = now;
	s->decision.type = LM_EVENT_NONE;
	if (r.flags & LM_REPLY_CLOSE)
		s->closing = true;
	if ((r.flags & LM_REPLY_CLOSE) && (r.flags & LM_REPLY_SILENT))
		lm_pop3_enter(s, LM_POP3_CLOSED);
	else
		err = s->decision.then(s, &r);
	err = settle(s, err);
	return err ? refuse_answer(reply, err) : 0;
}

/* ---- input ---- */

size_t lm_pop3_command_max(const struct lm_pop3_server_params *params)
{
	return params->max_line > LM_POP3_LINE_MAX ? params->max_line : LM_POP3_LINE_MAX;
}

size_t lm_pop3_line_max(const struct lm_pop3_server *s)
{
	size_t max = lm_pop3_command_max(s->params);

	if (s->state != LM_POP3_TRANSACTION && s->params->mechanisms && max < LM_POP3_SASL_LINE_MAX)
		max = LM_POP3_SASL_LINE_MAX;
	return max;
}

/* The next octets would be taken. */
static bool is_listening(const struct lm_pop3_server *s)
{
	return !s->fatal && s->state & (LM_POP3_AUTHORIZATION | LM_POP3_TRANSACTION) &&
	       !s->decision.type && !s->transfer && !s->want_tls &&
	       lm_buf_len(&s->out) < LM_POP3_OUTPUT_HIGH;
}

/* One line, or all that is left of it. */
static int take(struct lm_pop3_server *s, struct lm_bytes in, size_t *out_taken)
{
	struct lm_line line;
	bool begun = lm_line_pending(&s->reader);
	int got, err;

	if (!begun)
		s->reader.partial.max = lm_pop3_line_max(s);
	got = lm_line_read(&s->reader, in, out_taken, &line);
	if (got <= 0) {
		if (!begun)
			s->line_since = s->now;
		return got;
	}
	s->active = s->now;
	err = lm_pop3_sasl_waits(s) ? lm_pop3_auth_line(s, &line) : lm_pop3_line(s, &line);
	lm_line_wipe(&s->reader);
	return settle(s, err);
}

static int pop3_feed(struct lm_session *session, struct lm_bytes in, lm_time_ms now,
                     size_t *out_taken)
{
	struct lm_pop3_server *s = of(session);
	int err = s->fatal;

	*out_taken = 0;
	s->now = now;
	s->fresh = false;
	while (!err && *out_taken < in.len && is_listening(s)) {
		size_t n = 0;

		err = guard(s, take(s, lm_bytes_from(in, *out_taken), &n));
		*out_taken += n;
	}
	return err;
}

/* ---- output ---- */

static int pop3_body(struct lm_session *session, struct lm_bytes chunk, bool last, lm_time_ms now,
                     size_t *out_taken)
{
	struct lm_pop3_server *s = of(session);

	if (s->fatal)
		return s->fatal;
	*out_taken = 0;
	if (s->transfer != LM_POP3_BODY)
		return 0;
	s->now = s->active = now;
	return settle(s, lm_pop3_body(s, chunk, last, out_taken));
}

static int pop3_body_failed(struct lm_session *session, int error)
{
	return guard(of(session), error < 0 ? error : LM_E_STORE);
}

/* What stands behind missing words waits for them. */
static struct lm_bytes shown(const struct lm_pop3_server *s)
{
	struct lm_bytes out = lm_buf_bytes(&s->out);

	if (s->hole)
		out.len = s->hole->gap.line;
	return out;
}

static struct lm_bytes pop3_output(const struct lm_session *session)
{
	return shown(of_const(session));
}

static void pop3_sent(struct lm_session *session, size_t n)
{
	struct lm_pop3_server *s = of(session);

	s->fresh = false;
	lm_buf_drop(&s->out, n);
	if (s->hole) {
		s->hole->gap.line -= n;
		s->hole->gap.at -= n;
	}
	s->slow_reader = lm_buf_len(&s->out) > 0;
	if (s->transfer == LM_POP3_LISTING && lm_buf_len(&s->out) < LM_POP3_OUTPUT_HIGH / 2)
		settle(s, lm_pop3_list_more(s));
	if (lm_buf_len(&s->out) == 0 && s->transfer == LM_POP3_IDLE)
		lm_buf_done(&s->out);
}

static unsigned pop3_wants(const struct lm_session *session)
{
	const struct lm_pop3_server *s = of_const(session);
	unsigned wants = 0;

	if (s->fatal)
		return LM_WANT_ABORT;
	if (shown(s).len)
		wants |= LM_WANT_OUTPUT;
	if (s->state == LM_POP3_CLOSED)
		wants |= LM_WANT_CLOSE;
	if (s->decision.type)
		wants |= LM_WANT_ANSWER;
	if (s->want_tls && !s->hole)
		wants |= LM_WANT_TLS;
	if (s->transfer == LM_POP3_BODY && (s->hole || lm_buf_len(&s->out) <= LM_POP3_BODY_LOW))
		wants |= LM_WANT_BODY;
	if (is_listening(s))
		wants |= LM_WANT_INPUT;
	return wants;
}

/* ---- time ---- */

static lm_time_ms after(lm_time_ms since, lm_time_ms timeout)
{
	return timeout > 0 ? since + timeout : LM_NEVER;
}

static lm_time_ms command_deadline(const struct lm_pop3_server *s)
{
	return lm_line_pending(&s->reader) ? after(s->line_since, s->params->command_timeout)
	                                   : LM_NEVER;
}

/* Only a peer whose turn it is can be late; answers and unsent output are their owners' affair. */
static lm_time_ms pop3_deadline(const struct lm_session *session)
{
	const struct lm_pop3_server *s = of_const(session);
	lm_time_ms idle = after(s->active, s->params->idle_timeout);
	lm_time_ms command = command_deadline(s);

	if (!is_listening(s))
		return LM_NEVER;
	return command < idle ? command : idle;
}

/* RFC 1939 3: closed without a word, and nothing is removed. */
static int pop3_tick(struct lm_session *session, lm_time_ms now)
{
	struct lm_pop3_server *s = of(session);

	if (s->fatal || now < pop3_deadline(session))
		return s->fatal;
	if (now < command_deadline(s) && (s->slow_reader || lm_buf_len(&s->out))) {
		/* It was still reading what it had asked for. */
		s->slow_reader = false;
		s->active = now;
		return 0;
	}
	lm_pop3_enter(s, LM_POP3_CLOSED);
	return 0;
}

/* ---- beginning and end ---- */

static void use_default_language(struct lm_pop3_server *s)
{
	s->voice = lm_pop3_voice_default(s->params);
	s->info.language = lm_pop3_voice_tag(&s->voice);
}

static int connect_then(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	lm_pop3_enter(s, LM_POP3_AUTHORIZATION);
	if (reply->result < 0) {
		s->closing = true;
		return lm_pop3_no(s, reply);
	}
	return s->draining ? 0 : lm_pop3_yes(s, LM_SAY_GREETING, reply);
}

/* Implicit TLS: it is as if TLS had been there before the session was. */
static int tls_first(struct lm_pop3_server *s)
{
	if (s->state == LM_POP3_GREETING)
		return 0;
	lm_pop3_hole_drop(s);
	lm_buf_clear(&s->out);
	return lm_pop3_say(s, LM_SAY_GREETING);
}

static int pop3_tls_up(struct lm_session *session, const struct lm_tls_info *info, lm_time_ms now)
{
	struct lm_pop3_server *s = of(session);

	if (s->fatal)
		return s->fatal;
	if (s->info.tls.active || !(s->fresh || (s->want_tls && !lm_buf_len(&s->out))))
		return LM_E_MISUSE;
	s->info.tls = *info;
	s->info.tls.active = true;
	s->tls_notice = true;
	s->now = s->active = now;
	if (!s->want_tls)
		return guard(s, tls_first(s));
	/* RFC 2595 4: what was learnt before is forgotten. */
	s->want_tls = false;
	s->info.utf8 = false;
	lm_pop3_login_drop(s);
	lm_line_wipe(&s->reader);
	use_default_language(s);
	return settle(s, 0);
}

static void pop3_eof(struct lm_session *session, lm_time_ms now)
{
	struct lm_pop3_server *s = of(session);

	s->now = now;
	if (s->ended)
		return;
	s->ended = s->end_notice = true;
	if (s->state != LM_POP3_CLOSED)
		lm_pop3_enter(s, LM_POP3_CLOSED);
}

static void pop3_drain(struct lm_session *session, lm_time_ms now)
{
	struct lm_pop3_server *s = of(session);

	s->now = now;
	s->draining = true;
	settle(s, 0);
}

static const struct lm_session_info *pop3_info(const struct lm_session *session)
{
	return &of_const(session)->info;
}

static void pop3_free(struct lm_session *session)
{
	struct lm_pop3_server *s = of(session);

	release(s);
	lm_buf_done(&s->out);
	lm_free(s->user);
	lm_free(s->stamp);
	lm_free(s);
}

static const struct lm_session_ops ops = {
	.name = "pop3",
	.feed = pop3_feed,
	.event = pop3_event,
	.answer = pop3_answer,
	.body = pop3_body,
	.body_failed = pop3_body_failed,
	.output = pop3_output,
	.sent = pop3_sent,
	.wants = pop3_wants,
	.deadline = pop3_deadline,
	.tick = pop3_tick,
	.tls_up = pop3_tls_up,
	.eof = pop3_eof,
	.drain = pop3_drain,
	.info = pop3_info,
	.free = pop3_free,
};

void lm_pop3_server_params_init(struct lm_pop3_server_params *params)
{
	*params = (struct lm_pop3_server_params){ .size = sizeof(*params),
		                                  .hostname = "localhost",
		                                  .language = "en",
		                                  .plain_login = true,
		                                  .expire = -1,
		                                  .idle_timeout = 10 * 60 * 1000,
		                                  .command_timeout = 60 * 1000,
		                                  .max_errors = 10,
		                                  .max_line = LM_POP3_LINE_MAX };
}

static void copy_address(char out[64], const char *address)
{
	size_t n = address ? strnlen(address, 63) : 0;

	if (n)
		memcpy(out, address, n);
	out[n] = '\0';
}

static int make_stamp(struct lm_pop3_server *s, const char *stamp)
{
	struct lm_buf b;
	int err;

	if (!s->params->apop || !stamp || lm_pop3_hides(s->params, "APOP"))
		return 0;
	lm_buf_init(&b, 1024);
	err = lm_buf_printf(&b, "<%s@%s>", stamp, s->params->hostname);
	if (!err)
		s->info.stamp = s->stamp = lm_strdup_bytes(lm_buf_bytes(&b));
	lm_buf_done(&b);
	return s->stamp ? 0 : LM_E_NOMEM;
}

int lm_pop3_server_new(const struct lm_pop3_server_params *params,
                       const struct lm_pop3_server_peer *peer, lm_time_ms now,
                       struct lm_session **out_session)
{
	struct lm_pop3_server *s = lm_alloc_zero(1, sizeof(*s));
	int err;

	if (!s)
		return LM_E_NOMEM;
	s->session.ops = &ops;
	s->params = params;
	s->state = LM_POP3_GREETING;
	s->fresh = true;
	s->now = s->active = now;
	s->info = (struct lm_session_info){ .protocol = LM_POP3,
		                            .id = peer->id,
		                            .peer_port = peer->peer_port,
		                            .local_port = peer->local_port };
	copy_address(s->info.peer_address, peer->peer_address);
	copy_address(s->info.local_address, peer->local_address);
	use_default_language(s);
	lm_line_reader_init(&s->reader, lm_pop3_command_max(params));
	lm_buf_init(&s->out, LM_POP3_OUTPUT_MAX);
	lm_buf_init(&s->text, 2 * lm_pop3_line_max(s) + 2);
	err = make_stamp(s, peer->stamp);
	if (!err)
		err = lm_pop3_decide(s, LM_EVENT_CONNECT, connect_then);
	if (err) {
		pop3_free(&s->session);
		return err;
	}
	*out_session = &s->session;
	return 0;
}
