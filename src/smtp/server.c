/* The server session: takes input, keeps the one open decision, the state and the deadlines. */
#include "smtp/smtp.h"

#include "wire/text.h"

static struct lm_smtp *of(const struct lm_session *session)
{
	return lm_container(session, struct lm_smtp, base);
}

/* The states that may follow each state; closing may follow all of them. */
static const unsigned edges[LM_SMTP_STATES] = {
	[LM_SMTP_CONNECTING] = LM_SMTP_ON(START),
	[LM_SMTP_START] = LM_SMTP_ON(READY) | LM_SMTP_ON(TLS) | LM_SMTP_ON(CONNECTING),
	[LM_SMTP_READY] = LM_SMTP_ON(READY) | LM_SMTP_ON(MAIL) | LM_SMTP_ON(AUTH) |
	                  LM_SMTP_ON(TLS) | LM_SMTP_ON(CONNECTING),
	[LM_SMTP_MAIL] = LM_SMTP_ON(RCPT) | LM_SMTP_ON(READY),
	[LM_SMTP_RCPT] = LM_SMTP_ON(DATA) | LM_SMTP_ON(READY),
	[LM_SMTP_CHUNK] = LM_SMTP_ON(DATA) | LM_SMTP_ON(READY),
	[LM_SMTP_DATA] = LM_SMTP_ON(CHUNK) | LM_SMTP_ON(READY),
	[LM_SMTP_AUTH] = LM_SMTP_ON(READY),
	[LM_SMTP_TLS] = LM_SMTP_ON(START),
};

void lm_smtp_set_state(struct lm_smtp *s, enum lm_smtp_state state)
{
	unsigned always = LM_SMTP_ON(CLOSED) |
	                  (s->state == LM_SMTP_CLOSED ? 0 : LM_SMTP_ON(CLOSING));

	LM_ASSERT((edges[s->state] | always) & (1u << state));
	s->state = state;
}

/* What an open decision borrowed lives on until it is answered or the session is freed. */
static void cancel_decision(struct lm_smtp *s)
{
	if (!s->decision)
		return;
	s->limbo = s->decision;
	s->decision = 0;
	if (s->txn && s->txn->accepted)
		lm_smtp_note_abort(s);
	s->limbo_txn = s->txn;
	s->txn = NULL;
}

static void end_everything(struct lm_smtp *s, enum lm_smtp_state state)
{
	bool waiting = s->decision != 0;

	cancel_decision(s);
	lm_smtp_txn_end(s, true);
	if (!waiting)
		lm_smtp_auth_end(s);
	lm_line_wipe(&s->line);
	s->chunk_left = 0;
	lm_smtp_set_state(s, state);
}

void lm_smtp_fail(struct lm_smtp *s, int err)
{
	if (s->fatal)
		return;
	s->fatal = err;
	if (s->state < LM_SMTP_CLOSING)
		end_everything(s, LM_SMTP_CLOSING);
}

void lm_smtp_close(struct lm_smtp *s)
{
	if (s->state < LM_SMTP_CLOSING)
		end_everything(s, LM_SMTP_CLOSING);
}

bool lm_smtp_keep(struct lm_bytes *out, struct lm_bytes text)
{
	char *copy = lm_strdup_bytes(text);

	if (!copy)
		return false;
	lm_smtp_drop(out);
	*out = lm_bytes(copy, text.len);
	return true;
}

void lm_smtp_drop(struct lm_bytes *kept)
{
	lm_free((void *)kept->data);
	*kept = lm_bytes(NULL, 0);
}

static bool is_decided(const struct lm_smtp *s, enum lm_event_type event)
{
	return event && (s->params->decides & LM_EVENT_BIT(event));
}

/* A reply that closes is the last one; a silent one is none. */
static void apply(struct lm_smtp *s, const struct lm_smtp_row *row, const struct lm_smtp_verdict *v)
{
	bool silent = (v->flags & LM_REPLY_SILENT) && (v->flags & LM_REPLY_CLOSE);

	if (!silent)
		row->apply(s, v);
	if (v->flags & LM_REPLY_CLOSE)
		lm_smtp_close(s);
}

void lm_smtp_decide(struct lm_smtp *s, const struct lm_smtp_row *row, struct lm_bytes argument)
{
	struct lm_smtp_verdict v;

	s->row = row;
	s->argument = argument;
	if (is_decided(s, row->event)) {
		if (++s->last_decision == 0)
			s->last_decision = 1;
		s->decision = s->last_decision;
		s->pulled = false;
		return;
	}
	if (lm_smtp_judge(row, NULL, &v) == 0)
		apply(s, row, &v);
}

static void out_of_order(struct lm_smtp *s, const struct lm_smtp_command *c)
{
	enum lm_smtp_reply_id id = LM_SMTP_R_SEQUENCE;

	if (s->state == LM_SMTP_START)
		id = LM_SMTP_R_HELLO_FIRST;
	else if (c->states == LM_SMTP_ON(RCPT))
		id = s->state == LM_SMTP_CHUNK   ? LM_SMTP_R_NO_MIX
		     : s->state == LM_SMTP_READY ? LM_SMTP_R_MAIL_FIRST
		     : s->txn && s->txn->tried   ? LM_SMTP_R_NO_RECIPIENTS
		                                 : LM_SMTP_R_RCPT_FIRST;
	else if (s->state == LM_SMTP_READY)
		id = LM_SMTP_R_MAIL_FIRST;
	else if (c->row.event == LM_EVENT_MAIL)
		id = LM_SMTP_R_MAIL_TWICE;
	lm_smtp_say_bad(s, id);
}

static enum lm_smtp_reply_id check_line(const struct lm_smtp *s, const struct lm_smtp_command *c,
                                        const struct lm_line *line)
{
	bool secret = c && (c->row.flags & LM_SMTP_SECRET);

	if ((line->flags & LM_LINE_TOO_LONG) ||
	    (!secret && line->text.len + 2 > s->params->max_line))
		return secret ? LM_SMTP_R_AUTH_TOO_LONG : LM_SMTP_R_LINE_TOO_LONG;
	if (line->flags & (LM_LINE_BARE | LM_LINE_NUL | LM_LINE_CONTROL))
		return LM_SMTP_R_LINE_BROKEN;
	if ((line->flags & LM_LINE_8BIT) && !(c && (c->row.flags & LM_SMTP_WORLD)))
		return LM_SMTP_R_LINE_8BIT;
	return LM_SMTP_GOOD;
}

static enum lm_smtp_reply_id check_argument(const struct lm_smtp_command *c, struct lm_bytes arg)
{
	if (c->argument == LM_SMTP_ARG_NONE && arg.len)
		return LM_SMTP_R_NO_ARGUMENT;
	if (c->argument == LM_SMTP_ARG_DUE && !arg.len)
		return c->row.event == LM_EVENT_HELO ? LM_SMTP_R_HELLO_SYNTAX
		                                     : LM_SMTP_R_ARGUMENT_DUE;
	return LM_SMTP_GOOD;
}

/* What a decision shows must outlive the input it came in. */
static bool keep_argument(struct lm_smtp *s, enum lm_event_type event, struct lm_bytes *argument)
{
	if (!is_decided(s, event))
		return true;
	lm_buf_clear(&s->scratch);
	if (lm_buf_add(&s->scratch, *argument))
		return false;
	*argument = lm_buf_bytes(&s->scratch);
	return true;
}

static void run(struct lm_smtp *s, const struct lm_smtp_command *c, struct lm_bytes argument)
{
	enum lm_smtp_reply_id bad = check_argument(c, argument);

	if (bad) {
		lm_smtp_say_bad(s, bad);
		return;
	}
	if (!(c->states & (1u << s->state))) {
		out_of_order(s, c);
		return;
	}
	s->command = c;
	bad = keep_argument(s, c->row.event, &argument) ? c->check(s, argument)
	                                                : LM_SMTP_R_NO_MEMORY;
	if (bad)
		lm_smtp_say_bad(s, bad);
	else
		lm_smtp_decide(s, &c->row, argument);
}

static void unknown(struct lm_smtp *s, struct lm_bytes text)
{
	s->command = NULL;
	if (keep_argument(s, LM_EVENT_COMMAND, &text))
		lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_COMMAND), text);
	else
		lm_smtp_say(s, LM_SMTP_R_NO_MEMORY);
}

/* A web page that makes a browser talk here must not get a word through: the lines behind the
 * request are its own (RFC 9112 3). */
static bool is_http(struct lm_bytes line)
{
	struct lm_bytes rest = line, target, version;

	lm_next_word(&rest);
	target = lm_next_word(&rest);
	version = lm_next_word(&rest);
	return target.len && version.len == 8 && !rest.len && lm_starts_nocase(version, "HTTP/");
}

/* Unknown commands count as errors do; a message in chunks is no fiddling around. */
static bool is_one_too_early(struct lm_smtp *s, const struct lm_smtp_command *c)
{
	unsigned max = s->params->max_unauthenticated;
	bool free = !c || c->check == lm_smtp_check_auth || c->check == lm_smtp_check_bdat ||
	            c->row.event == LM_EVENT_QUIT;

	if (!max || free || s->info.user.len || !s->params->mechanisms ||
	    lm_smtp_hides(s, lm_str("AUTH")))
		return false;
	return ++s->before_login >= max;
}

static void dispatch(struct lm_smtp *s, const struct lm_line *line)
{
	struct lm_bytes rest = line->text, verb = lm_next_word(&rest);
	const struct lm_smtp_command *c = lm_smtp_command_of(s, verb);
	enum lm_smtp_reply_id bad = check_line(s, c, line);

	if (is_http(line->text) || is_one_too_early(s, c)) {
		lm_smtp_say(s, is_http(line->text) ? LM_SMTP_R_HTTP : LM_SMTP_R_TOO_MANY_EARLY);
		lm_smtp_close(s);
		return;
	}
	while (rest.len && (rest.data[rest.len - 1] == ' ' || rest.data[rest.len - 1] == '\t'))
		rest.len--; /* RFC 5321 4.1.1: blanks at the end are tolerated */
	if (bad)
		lm_smtp_say_bad(s, bad);
	else if (c)
		run(s, c, rest);
	else
		unknown(s, line->text);
}

static size_t take_line(struct lm_smtp *s, struct lm_bytes in)
{
	bool fresh = !lm_line_pending(&s->line), secret = s->state == LM_SMTP_AUTH;
	struct lm_line line;
	size_t taken;
	int got = lm_line_read(&s->line, in, &taken, &line);

	if (got < 0)
		lm_smtp_fail(s, got);
	if (fresh)
		s->line_start = s->now;
	if (got <= 0)
		return taken;
	s->command = NULL;
	if (secret)
		lm_smtp_auth_line(s, &line);
	else
		dispatch(s, &line);
	if (secret || (s->command && (s->command->row.flags & LM_SMTP_SECRET)))
		lm_line_wipe(&s->line);
	return taken;
}

static size_t drop_chunk(struct lm_smtp *s, struct lm_bytes in)
{
	size_t n = in.len < s->chunk_left ? in.len : (size_t)s->chunk_left;

	s->chunk_left -= n;
	if (s->chunk_left == 0)
		lm_smtp_chunk_dropped(s);
	return n;
}

static bool has_notice(const struct lm_smtp *s)
{
	return s->notice_tls || s->notice_abort;
}

static bool in_message(const struct lm_smtp *s)
{
	return s->state == LM_SMTP_DATA || s->chunk_left;
}

/* Who submits mail logs in, and is let off. */
static bool talks_early(const struct lm_smtp *s)
{
	return !s->greeted && s->state == LM_SMTP_CONNECTING && s->params->protocol == LM_SMTP &&
	       !s->params->early_talkers;
}

static bool wants_input(const struct lm_smtp *s)
{
	if (s->fatal || has_notice(s) || lm_buf_len(&s->output) > LM_SMTP_OUTPUT_HIGH)
		return false;
	switch (s->state) {
	case LM_SMTP_DATA:
		return lm_smtp_data_wants(s);
	case LM_SMTP_CONNECTING: /* only to notice who talks too early */
		return talks_early(s);
	case LM_SMTP_TLS:
	case LM_SMTP_CLOSING:
	case LM_SMTP_CLOSED:
		return false;
	default:
		return s->decision == 0;
	}
}

static size_t take(struct lm_smtp *s, struct lm_bytes in)
{
	if (s->state == LM_SMTP_DATA)
		return lm_smtp_data_take(s, in);
	return s->chunk_left ? drop_chunk(s, in) : take_line(s, in);
}

static void release(struct lm_buf *b)
{
	if (lm_buf_len(b) == 0 && b->cap > LM_SMTP_KEEP)
		lm_buf_done(b);
}

/* After every call: what waited for a quiet moment. */
static int settle(struct lm_smtp *s)
{
	bool idle = (s->state == LM_SMTP_START || s->state == LM_SMTP_READY) && !s->decision &&
	            !s->chunk_left;

	if (idle && s->draining && !s->fatal) {
		lm_smtp_say(s, LM_SMTP_R_DRAIN);
		lm_smtp_close(s);
	}
	if (!s->decision && !s->limbo) {
		lm_buf_clear(&s->scratch);
		release(&s->scratch);
	}
	release(&s->line.partial);
	return s->fatal;
}

static int op_feed(struct lm_session *session, struct lm_bytes in, lm_time_ms now,
                   size_t *out_taken)
{
	struct lm_smtp *s = of(session);
	size_t at = 0;

	*out_taken = 0;
	if (s->fatal)
		return s->fatal;
	s->now = now;
	if (in.len && talks_early(s)) {
		lm_smtp_say(s, LM_SMTP_R_EARLY_TALKER);
		lm_smtp_close(s);
		*out_taken = in.len;
		return settle(s);
	}
	while (at < in.len && wants_input(s))
		at += take(s, lm_bytes_from(in, at));
	if (at) {
		s->active = now;
		s->heard = true;
		s->rate_octets += at;
	}
	*out_taken = at;
	return settle(s);
}

static void fill_event(const struct lm_smtp *s, struct lm_event *out)
{
	bool of_command = s->command && s->row == &s->command->row;

	out->type = s->row->event;
	out->id = s->decision;
	out->argument = s->argument;
	out->verb = of_command ? lm_str(s->command->verb) : lm_bytes(NULL, 0);
	if (s->txn)
		out->envelope = &s->txn->envelope;
	if (out->type == LM_EVENT_AUTH || out->type == LM_EVENT_AUTH_DONE)
		lm_smtp_auth_event(s, out);
	if (out->type == LM_EVENT_MESSAGE && s->txn) {
		out->octets = s->txn->octets;
		out->has_bare = s->txn->has_bare;
	}
}

static bool take_notice(bool *pending, enum lm_event_type type, struct lm_event *out)
{
	if (!*pending)
		return false;
	*pending = false;
	out->type = type;
	return true;
}

static int op_event(struct lm_session *session, struct lm_event *out_event)
{
	struct lm_smtp *s = of(session);

	*out_event = (struct lm_event){ .info = &s->info };
	if (take_notice(&s->notice_tls, LM_EVENT_TLS, out_event))
		return 1;
	if (take_notice(&s->notice_abort, LM_EVENT_ABORT, out_event)) {
		out_event->argument = s->abort_why ? lm_str(s->abort_why) : lm_bytes(NULL, 0);
		return 1;
	}
	/* Asked no sooner, so that an owner who feeds first learns of early talkers. */
	if (s->fresh && s->state == LM_SMTP_CONNECTING && !s->fatal)
		lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_CONNECT), lm_bytes(NULL, 0));
	s->fresh = false;
	if (s->decision && !s->pulled) {
		s->pulled = true;
		fill_event(s, out_event);
		return 1;
	}
	return take_notice(&s->notice_disconnect, LM_EVENT_DISCONNECT, out_event);
}

static void end_limbo(struct lm_smtp *s)
{
	s->limbo = 0;
	lm_smtp_txn_free(s->limbo_txn);
	s->limbo_txn = NULL;
	lm_smtp_auth_end(s);
}

static int op_answer(struct lm_session *session, uint32_t event_id, const struct lm_reply *reply,
                     lm_time_ms now)
{
	struct lm_smtp *s = of(session);
	struct lm_smtp_verdict v;
	int err;

	if (reply && reply->source)
		reply->source->ops->close(reply->source); /* no event of SMTP takes one */
	if (event_id && event_id == s->limbo)
		end_limbo(s);
	if (s->fatal)
		return s->fatal;
	if (!event_id || event_id != s->decision)
		return LM_E_NOT_FOUND;
	s->now = s->active = s->rate_start = now;
	s->rate_octets = 0;
	s->decision = 0;
	err = lm_smtp_judge(s->row, reply, &v);
	apply(s, s->row, &v);
	settle(s);
	return s->fatal ? s->fatal : err;
}

static int op_body(struct lm_session *session, struct lm_bytes chunk, bool last, lm_time_ms now,
                   size_t *out_taken)
{
	(void)session, (void)chunk, (void)last, (void)now;
	*out_taken = 0;
	return LM_E_MISUSE;
}

static int op_body_failed(struct lm_session *session, int error)
{
	(void)session, (void)error;
	return LM_E_MISUSE;
}

static struct lm_bytes op_output(const struct lm_session *session)
{
	return lm_buf_bytes(&of(session)->output);
}

static void op_sent(struct lm_session *session, size_t n)
{
	struct lm_smtp *s = of(session);

	lm_buf_drop(&s->output, n);
	release(&s->output);
}

static unsigned op_wants(const struct lm_session *session)
{
	const struct lm_smtp *s = of(session);
	unsigned wants = 0;

	if (s->fatal)
		return LM_WANT_ABORT;
	if (lm_buf_len(&s->output))
		wants |= LM_WANT_OUTPUT;
	if (wants_input(s))
		wants |= LM_WANT_INPUT;
	if (s->decision)
		wants |= LM_WANT_ANSWER;
	if (s->state == LM_SMTP_TLS)
		wants |= LM_WANT_TLS;
	if (s->state >= LM_SMTP_CLOSING)
		wants |= LM_WANT_CLOSE;
	return wants;
}

static lm_time_ms sooner(lm_time_ms a, lm_time_ms since, lm_time_ms span)
{
	return span > 0 && since + span < a ? since + span : a;
}

enum { RATE_WINDOW = 60000 };

static lm_time_ms op_deadline(const struct lm_session *session)
{
	const struct lm_smtp *s = of(session);
	lm_time_ms at = LM_NEVER;

	if (s->fatal || s->decision || s->state == LM_SMTP_CONNECTING || s->state >= LM_SMTP_TLS)
		return LM_NEVER;
	at = sooner(at, s->active, s->params->idle_timeout);
	if (in_message(s))
		return s->params->min_rate ? sooner(at, s->rate_start, RATE_WINDOW) : at;
	if (lm_line_pending(&s->line))
		at = sooner(at, s->line_start, s->params->command_timeout);
	return at;
}

static int op_tick(struct lm_session *session, lm_time_ms now)
{
	struct lm_smtp *s = of(session);
	bool idle = s->params->idle_timeout > 0 && now >= s->active + s->params->idle_timeout;
	bool fast = in_message(s) &&
	            s->rate_octets >= (uint64_t)s->params->min_rate * (RATE_WINDOW / 1000);

	if (s->fatal || now < op_deadline(session))
		return s->fatal;
	s->now = now;
	if (!idle && fast) {
		s->rate_start = now;
		s->rate_octets = 0;
		return 0;
	}
	lm_smtp_say(s, idle ? LM_SMTP_R_IDLE : LM_SMTP_R_SLOW);
	lm_smtp_close(s);
	return settle(s);
}

static void forget_peer(struct lm_smtp *s)
{
	lm_smtp_drop(&s->info.helo);
	lm_smtp_drop(&s->info.user);
	lm_smtp_drop(&s->info.mechanism);
	lm_smtp_drop(&s->info.xclient);
	lm_smtp_drop(&s->info.xforward);
	s->info.esmtp = false;
}

static int op_tls_up(struct lm_session *session, const struct lm_tls_info *info, lm_time_ms now)
{
	struct lm_smtp *s = of(session);

	if (s->fatal)
		return s->fatal;
	if (s->state != LM_SMTP_TLS && (s->heard || s->state > LM_SMTP_START))
		return LM_E_MISUSE;
	LM_ASSERT(!lm_line_pending(&s->line));
	if (s->state == LM_SMTP_TLS) {
		forget_peer(s);
		lm_smtp_set_state(s, LM_SMTP_START);
	}
	s->info.tls = *info;
	s->info.tls.active = true;
	s->notice_tls = true;
	s->now = s->active = now;
	return settle(s);
}

static void op_eof(struct lm_session *session, lm_time_ms now)
{
	struct lm_smtp *s = of(session);

	if (s->state == LM_SMTP_CLOSED)
		return;
	s->now = now;
	end_everything(s, LM_SMTP_CLOSED);
	s->notice_disconnect = true;
}

static void op_drain(struct lm_session *session, lm_time_ms now)
{
	struct lm_smtp *s = of(session);
	bool patient = !s->draining;

	s->now = now;
	s->draining = true;
	/* RFC 5321 3.8: no transaction is cut without a word. An answer under way has its own. */
	if (!patient && !s->fatal && !s->decision && s->state > LM_SMTP_CONNECTING &&
	    s->state < LM_SMTP_TLS) {
		lm_smtp_say(s, LM_SMTP_R_DRAIN);
		lm_smtp_close(s);
	}
	settle(s);
}

static const struct lm_session_info *op_info(const struct lm_session *session)
{
	return &of(session)->info;
}

static void op_free(struct lm_session *session)
{
	struct lm_smtp *s = of(session);

	lm_smtp_txn_free(s->txn);
	lm_smtp_txn_free(s->limbo_txn);
	lm_smtp_auth_end(s);
	lm_smtp_refusal_clear(s);
	forget_peer(s);
	lm_free(s->abort_why);
	lm_line_wipe(&s->line);
	lm_buf_done(&s->output);
	lm_buf_wipe(&s->scratch);
	lm_free(s);
}

static const struct lm_session_ops server_ops = {
	.name = "smtp",
	.feed = op_feed,
	.event = op_event,
	.answer = op_answer,
	.body = op_body,
	.body_failed = op_body_failed,
	.output = op_output,
	.sent = op_sent,
	.wants = op_wants,
	.deadline = op_deadline,
	.tick = op_tick,
	.tls_up = op_tls_up,
	.eof = op_eof,
	.drain = op_drain,
	.info = op_info,
	.free = op_free,
};

void lm_smtp_server_params_init(struct lm_smtp_server_params *params, enum lm_protocol protocol)
{
	*params = (struct lm_smtp_server_params){
		.size = sizeof(*params),
		.protocol = protocol,
		.hostname = "localhost",
		.require_auth = protocol == LM_SUBMISSION,
		.max_message_size = UINT64_C(50) << 20,
		.max_recipients = 1000,
		.bare = LM_BARE_REFUSE,
		.idle_timeout = 300000,
		.command_timeout = 60000,
		.min_rate = 64,
		.max_errors = 10,
		.max_line = 2048,
	};
}

static void copy_address(char out[64], const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len > 63)
		len = 63;
	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

/* Over LMTP one message may be answered a thousand times (RFC 2033 4.2). */
static size_t output_max(const struct lm_smtp_server_params *params)
{
	size_t replies = params->protocol == LM_LMTP ? params->max_recipients : 0;

	return 4 * LM_SMTP_OUTPUT_HIGH + replies * 2 * LM_SMTP_TEXT;
}

int lm_smtp_server_new(const struct lm_smtp_server_params *params,
                       const struct lm_smtp_server_peer *peer, lm_time_ms now,
                       struct lm_session **out_session)
{
	struct lm_smtp *s = lm_alloc_zero(1, sizeof(*s));

	if (!s)
		return LM_E_NOMEM;
	s->base.ops = &server_ops;
	s->params = params;
	s->info = (struct lm_session_info){ .protocol = params->protocol,
		                            .id = peer->id,
		                            .peer_port = peer->peer_port,
		                            .local_port = peer->local_port };
	copy_address(s->info.peer_address, peer->peer_address);
	copy_address(s->info.local_address, peer->local_address);
	s->xclient = peer->xclient;
	s->xforward = peer->xforward;
	s->now = s->active = now;
	lm_line_reader_init(&s->line, params->max_line > LM_SMTP_AUTH_LINE ? params->max_line
	                                                                   : LM_SMTP_AUTH_LINE);
	lm_buf_init(&s->output, output_max(params));
	lm_buf_init(&s->scratch, s->line.partial.max);
	s->fresh = true;
	*out_session = &s->base;
	return 0;
}
