/* The client session: takes replies, keeps the queue of requests, their outcomes, the deadline. */
#include "smtp/client.h"

#include "smtp/path.h"
#include "wire/text.h"

static struct lm_smtpc *of(const struct lm_session *session)
{
	return lm_container(session, struct lm_smtpc, base);
}

/* The outcome's frame; transactions have filled in more of it already. */
void lm_smtpc_finish(struct lm_smtpc *s, int result, enum lm_side side, bool with_reply)
{
	struct lm_outcome *o = &s->outcome;

	if (!s->job || s->told)
		return;
	o->type = s->job->type;
	o->tag = s->job->tag;
	o->result = result;
	o->side = side;
	o->command = lm_buf_bytes(&s->command);
	if (with_reply) {
		o->smtp_code = s->answer.code;
		memcpy(o->enhanced, s->answer.enhanced, sizeof(o->enhanced));
		o->text = s->answer.text;
	}
	s->told = LM_SMTPC_DUE;
	s->await = LM_SMTPC_NOTHING;
}

static void finish_vwords(struct lm_smtpc *s, int result, enum lm_side side, const char *fmt,
                          va_list args)
{
	if (!s->job || s->told)
		return;
	lm_buf_clear(&s->words);
	if (lm_buf_vprintf(&s->words, fmt, args) == 0)
		s->outcome.text = lm_buf_bytes(&s->words);
	lm_smtpc_finish(s, result, side, false);
}

void lm_smtpc_finish_words(struct lm_smtpc *s, int result, enum lm_side side, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	finish_vwords(s, result, side, fmt, args);
	va_end(args);
}

void lm_smtpc_end(struct lm_smtpc *s)
{
	s->ending = true;
	s->await = LM_SMTPC_NOTHING;
	lm_line_wipe(&s->line);
}

/* Whatever is asked or waited for now will not come. */
static void forget_decision(struct lm_smtpc *s)
{
	s->decision = 0;
}

/* A message that was given up must not be ended; commands may still go out. */
static void withhold(struct lm_smtpc *s)
{
	if (s->send && (s->send->body || s->send->ended) && !s->send->empty)
		lm_buf_clear(&s->output);
}

void lm_smtpc_fail(struct lm_smtpc *s, int err, enum lm_side side, const char *fmt, ...)
{
	va_list args;

	if (s->fatal)
		return;
	s->fatal = err;
	forget_decision(s);
	if (s->send && !s->told)
		lm_smtpc_send_cut(s, err, side);
	withhold(s);
	va_start(args, fmt);
	finish_vwords(s, err, side, fmt, args);
	va_end(args);
	lm_smtpc_end(s);
}

bool lm_smtpc_refusal(struct lm_smtpc *s, int *out_result)
{
	int code = s->answer.code;

	if (code < 400) {
		lm_smtpc_fail(s, LM_E_PROTO, LM_SIDE_PEER, "a reply that fits nothing: %d %.*s",
		              code, s->answer.text.len < 100 ? (int)s->answer.text.len : 100,
		              (const char *)s->answer.text.data);
		return false;
	}
	*out_result = code < 500 ? LM_E_AGAIN : LM_E_DENIED;
	return true;
}

void lm_smtpc_ask(struct lm_smtpc *s, enum lm_event_type question)
{
	if (++s->last_decision == 0)
		s->last_decision = 1;
	s->decision = s->last_decision;
	s->question = question;
	s->pulled = false;
}

static void say_command(struct lm_smtpc *s, const char *verb)
{
	struct lm_bytes argument = lm_buf_bytes(&s->job->argument);
	bool wide = lm_path_is_8bit(argument) && s->job->type != LM_REQUEST_COMMAND;

	/* RFC 6531 3.7.4.2 */
	if (wide && !lm_smtpc_has(s, "SMTPUTF8", NULL)) {
		lm_smtpc_finish_words(s, LM_E_UNSUPPORTED, LM_SIDE_SERVER,
		                      "the server does not offer SMTPUTF8");
		return;
	}
	s->await = LM_SMTPC_COMMAND;
	if (s->job->type == LM_REQUEST_COMMAND)
		lm_smtpc_say(s, "%.*s", LM_FMT(argument));
	else
		lm_smtpc_say(s, "%s%s%.*s%s", verb, argument.len ? " " : "", LM_FMT(argument),
		             wide ? " SMTPUTF8" : "");
}

static void begin(struct lm_smtpc *s)
{
	s->begun = true;
	switch (s->job->type) {
	case LM_REQUEST_LOGIN:
		lm_smtpc_login(s);
		return;
	case LM_REQUEST_SEND:
		lm_smtpc_send(s);
		return;
	case LM_REQUEST_CAPA:
		lm_smtpc_hello(s);
		return;
	case LM_REQUEST_NOOP:
		say_command(s, "NOOP");
		return;
	case LM_REQUEST_RSET:
		s->rset_due = false;
		say_command(s, "RSET");
		return;
	case LM_REQUEST_VRFY:
		say_command(s, "VRFY");
		return;
	case LM_REQUEST_EXPN:
		say_command(s, "EXPN");
		return;
	case LM_REQUEST_QUIT:
		say_command(s, "QUIT");
		return;
	default:
		say_command(s, "");
		return;
	}
}

static void on_command(struct lm_smtpc *s)
{
	enum lm_request_type type = s->job->type;
	int code = s->answer.code, result;

	if (code / 100 == 2 || type == LM_REQUEST_COMMAND || type == LM_REQUEST_QUIT)
		lm_smtpc_finish(s, 0, LM_SIDE_NONE, true);
	else if (lm_smtpc_refusal(s, &result))
		lm_smtpc_finish(s, code == 500 || code == 502 ? LM_E_UNSUPPORTED : result,
		                LM_SIDE_SERVER, true);
	if (type == LM_REQUEST_COMMAND && lm_starts_nocase(lm_buf_bytes(&s->command), "MAIL"))
		s->rset_due = true;
	/* Behind a 3yz the server waits for what nobody here has. */
	if (type == LM_REQUEST_QUIT || code / 100 == 3)
		lm_smtpc_end(s);
}

static void on_nothing(struct lm_smtpc *s)
{
	lm_smtpc_fail(s, LM_E_PROTO, LM_SIDE_PEER, "a reply to nothing");
}

static void (*const on_reply[LM_SMTPC_AWAITS])(struct lm_smtpc *) = {
	[LM_SMTPC_NOTHING] = on_nothing,
	[LM_SMTPC_GREETING] = lm_smtpc_on_greeting,
	[LM_SMTPC_EHLO] = lm_smtpc_on_ehlo,
	[LM_SMTPC_HELO] = lm_smtpc_on_helo,
	[LM_SMTPC_STARTTLS] = lm_smtpc_on_starttls,
	[LM_SMTPC_AUTH] = lm_smtpc_on_auth,
	[LM_SMTPC_CANCEL] = lm_smtpc_on_cancel,
	[LM_SMTPC_COMMAND] = on_command,
	[LM_SMTPC_SEND] = lm_smtpc_on_send,
};

/* RFC 5321 3.8: 421 may come at any time and ends the session. */
static void on_goodbye(struct lm_smtpc *s)
{
	bool quit = s->begun && s->job->type == LM_REQUEST_QUIT;

	if (s->begun && s->send && !s->told)
		lm_smtpc_send_cut(s, 0, LM_SIDE_SERVER);
	if (s->begun)
		lm_smtpc_finish(s, quit ? 0 : LM_E_AGAIN, quit ? LM_SIDE_NONE : LM_SIDE_SERVER,
		                true);
	withhold(s);
	lm_smtpc_end(s);
}

static void dispatch(struct lm_smtpc *s)
{
	s->since = s->now;
	s->flowed = false;
	if (s->answer.code == 421)
		on_goodbye(s);
	else
		on_reply[s->await](s);
}

static void release(struct lm_buf *b)
{
	if (lm_buf_len(b) == 0 && b->cap > LM_SMTPC_KEEP)
		lm_buf_done(b);
}

/* The outcome was seen: its request is no more. */
static void forget_outcome(struct lm_smtpc *s)
{
	struct lm_smtpc_job *job = s->job;

	s->told = LM_SMTPC_QUIET;
	s->outcome = (struct lm_outcome){ 0 };
	s->job = job->next;
	s->jobs--;
	if (!s->job)
		s->newest = NULL;
	s->begun = false;
	lm_smtpc_job_free(job);
	lm_smtpc_send_free(s->send);
	s->send = NULL;
	lm_smtpc_login_free(s->login);
	s->login = NULL;
	lm_buf_done(&s->reply);
	lm_buf_done(&s->command);
	lm_buf_done(&s->words);
}

/* At the start of each call: give back what the one before lent. */
static void enter(struct lm_smtpc *s)
{
	if (s->shown)
		lm_smtpc_drop_notice(s);
	if (s->told == LM_SMTPC_SHOWN)
		forget_outcome(s);
}

/* RFC 5321 4.1.1.10: leave with a word, not waiting for the answer. */
static void leave(struct lm_smtpc *s)
{
	lm_smtpc_say(s, "QUIT");
	lm_buf_done(&s->command);
	lm_smtpc_end(s);
}

/* At the end of each call: begin what may begin. */
static int settle(struct lm_smtpc *s)
{
	bool free = !s->told && !s->decision;

	if (free && s->job && !s->begun && s->ending)
		lm_smtpc_finish_words(s, LM_E_CLOSED, LM_SIDE_NETWORK, "the session has ended");
	else if (free && s->job && !s->begun && s->draining)
		lm_smtpc_finish_words(s, LM_E_CANCELED, LM_SIDE_CLIENT, "canceled");
	else if (free && s->job && !s->begun)
		begin(s);
	else if (free && !s->job && s->draining && !s->ending)
		leave(s);
	else if (free && s->send)
		lm_smtpc_send_more(s);
	release(&s->line.partial);
	release(&s->notices);
	/* The peer's errors are told by outcomes; the owner sees LM_WANT_ABORT. */
	return s->fatal == LM_E_NOMEM ? s->fatal : 0;
}

/* A chunk that may go goes before the next reply is read: otherwise it would depend on the pieces
 * of the input how many chunks go out before a refusal is seen. */
static bool is_chunk_due(const struct lm_smtpc *s)
{
	return s->send && s->send->chunked && lm_smtpc_body_wants(s);
}

static bool wants_input(const struct lm_smtpc *s)
{
	return !is_chunk_due(s) && !s->ending && !s->told && !s->decision &&
	       s->await != LM_SMTPC_HANDSHAKE && lm_buf_len(&s->notices) == s->shown;
}

static int op_feed(struct lm_session *session, struct lm_bytes in, lm_time_ms now,
                   size_t *out_taken)
{
	struct lm_smtpc *s = of(session);
	bool whole;
	size_t at = 0;

	*out_taken = 0;
	if (s->fatal)
		return s->fatal;
	s->now = now;
	enter(s);
	settle(s);
	while (at < in.len && wants_input(s)) {
		at += lm_smtpc_read(s, lm_bytes_from(in, at), &whole);
		if (whole) {
			dispatch(s);
			settle(s);
		}
	}
	/* Not taken: the owner sees them, too. */
	s->injected |= at < in.len && s->await == LM_SMTPC_HANDSHAKE;
	*out_taken = at;
	return settle(s);
}

static void fill_question(struct lm_smtpc *s, struct lm_event *out)
{
	out->type = s->question;
	out->id = s->decision;
	if (s->question == LM_EVENT_AUTH)
		lm_smtpc_auth_event(s, out);
	else
		out->envelope = s->job->envelope;
	s->pulled = true;
}

static int op_event(struct lm_session *session, struct lm_event *out_event)
{
	struct lm_smtpc *s = of(session);

	enter(s);
	settle(s);
	*out_event = (struct lm_event){ .info = &s->info };
	if (lm_smtpc_take_notice(s, out_event))
		return 1;
	if (s->decision && !s->pulled) {
		fill_question(s, out_event);
		return 1;
	}
	if (s->told == LM_SMTPC_DUE) {
		s->told = LM_SMTPC_SHOWN;
		out_event->type = LM_EVENT_OUTCOME;
		out_event->outcome = &s->outcome;
		return 1;
	}
	if (!s->notice_disconnect || s->job)
		return 0;
	s->notice_disconnect = false;
	out_event->type = LM_EVENT_DISCONNECT;
	return 1;
}

static int op_answer(struct lm_session *session, uint32_t event_id, const struct lm_reply *reply,
                     lm_time_ms now)
{
	struct lm_smtpc *s = of(session);
	struct lm_source *source = reply ? reply->source : NULL;
	bool valid = !s->fatal && event_id && event_id == s->decision;

	if (source && !(valid && s->question == LM_EVENT_DATA && !reply->result))
		source->ops->close(source);
	if (!valid)
		return s->fatal ? s->fatal : LM_E_NOT_FOUND;
	enter(s);
	s->now = s->since = now;
	s->flowed = false;
	s->decision = 0;
	if (s->question == LM_EVENT_AUTH)
		lm_smtpc_on_token(s, reply);
	else
		lm_smtpc_on_source(s, reply);
	return settle(s);
}

static int op_body(struct lm_session *session, struct lm_bytes chunk, bool last, lm_time_ms now,
                   size_t *out_taken)
{
	struct lm_smtpc *s = of(session);
	int err;

	*out_taken = 0;
	if (s->fatal)
		return s->fatal;
	if (!s->send || !s->send->body || s->told)
		return LM_E_MISUSE;
	enter(s);
	s->now = now;
	err = lm_smtpc_body(s, chunk, last, out_taken);
	if (*out_taken || !s->send || !s->send->body)
		s->since = now;
	settle(s);
	return err;
}

static int op_body_failed(struct lm_session *session, int error)
{
	struct lm_smtpc *s = of(session);

	if (s->fatal)
		return s->fatal;
	if (!s->send || !s->send->body || s->told)
		return LM_E_MISUSE;
	enter(s);
	lm_smtpc_fail(s, error ? error : LM_E_IO, LM_SIDE_CLIENT,
	              "the message could not be read to its end: %s", lm_err_text(error));
	return 0;
}

static struct lm_bytes op_output(const struct lm_session *session)
{
	return lm_buf_bytes(&of(session)->output);
}

static void op_sent(struct lm_session *session, size_t n)
{
	struct lm_smtpc *s = of(session);

	/* Less may be left than was seen: what belonged to a message given up is gone. */
	lm_buf_drop(&s->output, n < lm_buf_len(&s->output) ? n : lm_buf_len(&s->output));
	s->flowed |= n > 0;
	release(&s->output);
	if (!s->told && !s->decision && s->send)
		lm_smtpc_send_more(s);
}

static unsigned op_wants(const struct lm_session *session)
{
	const struct lm_smtpc *s = of(session);
	unsigned wants = 0;

	if (s->fatal)
		return LM_WANT_ABORT;
	if (lm_buf_len(&s->output))
		wants |= LM_WANT_OUTPUT;
	if (wants_input(s))
		wants |= LM_WANT_INPUT;
	if (s->decision)
		wants |= LM_WANT_ANSWER;
	if (s->send && s->send->body && !s->told)
		wants |= LM_WANT_BODY;
	if (s->await == LM_SMTPC_HANDSHAKE)
		wants |= LM_WANT_TLS;
	if (s->ending)
		wants |= LM_WANT_CLOSE;
	return wants;
}

/* The reply to a whole message may take long (RFC 5321 4.5.3.2.6). */
static lm_time_ms patience(const struct lm_smtpc *s)
{
	return s->params->timeout * (s->send && s->send->ended ? 10 : 1);
}

static lm_time_ms op_deadline(const struct lm_session *session)
{
	const struct lm_smtpc *s = of(session);

	if (s->fatal || s->ending || s->told || s->decision || s->params->timeout <= 0 ||
	    s->await == LM_SMTPC_NOTHING || s->await == LM_SMTPC_HANDSHAKE)
		return LM_NEVER;
	/* The owner's turn. */
	if (s->send && lm_smtpc_body_wants(s) && !lm_buf_len(&s->output))
		return LM_NEVER;
	return s->since + patience(s);
}

static int op_tick(struct lm_session *session, lm_time_ms now)
{
	struct lm_smtpc *s = of(session);

	if (s->fatal || now < op_deadline(session))
		return s->fatal;
	enter(s);
	s->now = now;
	if (s->flowed && lm_buf_len(&s->output)) {
		s->since = now;
		s->flowed = false;
		return 0;
	}
	lm_smtpc_fail(s, LM_E_TIMEOUT, LM_SIDE_NETWORK, "no reply within %g seconds",
	              (double)patience(s) / 1000);
	return settle(s);
}

/* Whoever sent them did not wait for TLS; perhaps it was not even the server. */
static void injected(struct lm_smtpc *s)
{
	lm_smtpc_fail(s, LM_E_PROTO, LM_SIDE_PEER, "octets came where TLS should begin");
}

static int op_tls_up(struct lm_session *session, const struct lm_tls_info *info, lm_time_ms now)
{
	struct lm_smtpc *s = of(session);
	bool first = s->await == LM_SMTPC_GREETING && !s->in_reply && !lm_line_pending(&s->line);
	bool implicit = s->params->tls == LM_TLS_IMPLICIT && !lm_buf_len(&s->greeting);

	if (s->fatal)
		return s->fatal;
	if (s->await != LM_SMTPC_HANDSHAKE && !first)
		return LM_E_MISUSE;
	LM_ASSERT(!lm_line_pending(&s->line));
	enter(s);
	if (s->injected) {
		injected(s);
		return s->fatal;
	}
	s->now = s->since = now;
	s->info.tls = *info;
	s->info.tls.active = true;
	lm_smtpc_notice(s, LM_EVENT_TLS, 0, lm_bytes(NULL, 0));
	lm_buf_done(&s->caps);
	s->info.esmtp = false;
	if (first || implicit)
		s->await = LM_SMTPC_GREETING;
	else
		lm_smtpc_hello(s);
	return settle(s);
}

static void op_eof(struct lm_session *session, lm_time_ms now)
{
	struct lm_smtpc *s = of(session);
	bool quit = s->begun && s->job->type == LM_REQUEST_QUIT;

	if (s->closed)
		return;
	s->now = now;
	s->closed = s->notice_disconnect = true;
	forget_decision(s);
	if (s->injected)
		injected(s);
	if (s->begun && s->send && !s->told)
		lm_smtpc_send_cut(s, LM_E_CLOSED, LM_SIDE_NETWORK);
	if (s->begun)
		lm_smtpc_finish_words(s, quit ? 0 : LM_E_CLOSED,
		                      quit ? LM_SIDE_NONE : LM_SIDE_NETWORK,
		                      "the connection was closed");
	lm_buf_clear(&s->output);
	lm_smtpc_end(s);
}

static void op_drain(struct lm_session *session, lm_time_ms now)
{
	struct lm_smtpc *s = of(session);
	bool patient = !s->draining;

	enter(s);
	s->now = now;
	s->draining = true;
	if (!patient && s->begun && !s->told)
		lm_smtpc_fail(s, LM_E_CANCELED, LM_SIDE_CLIENT, "canceled");
	settle(s);
}

static const struct lm_session_info *op_info(const struct lm_session *session)
{
	return &of(session)->info;
}

static int op_request(struct lm_session *session, const struct lm_request *request, lm_time_ms now)
{
	struct lm_smtpc *s = of(session);
	int err;

	if (s->ending || s->draining || s->quitting)
		return LM_E_CLOSED;
	enter(s);
	s->now = now;
	err = lm_smtpc_request(s, request);
	if (!err)
		settle(s);
	return err;
}

static void op_free(struct lm_session *session)
{
	struct lm_smtpc *s = of(session);

	while (s->job)
		forget_outcome(s);
	lm_line_wipe(&s->line);
	lm_buf_wipe(&s->output);
	lm_buf_done(&s->reply);
	lm_buf_done(&s->notices);
	lm_buf_done(&s->caps);
	lm_buf_done(&s->greeting);
	lm_buf_done(&s->command);
	lm_buf_done(&s->words);
	lm_free((void *)s->info.user.data);
	lm_free(s);
}

static const struct lm_session_ops client_ops = {
	.name = "smtp client",
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
	.request = op_request,
};

void lm_smtp_client_session_params_init(struct lm_smtp_client_session_params *params,
                                        enum lm_protocol protocol)
{
	*params = (struct lm_smtp_client_session_params){
		.size = sizeof(*params),
		.protocol = protocol,
		.host = "localhost",
		.helo = "localhost",
		.timeout = 60000,
		.max_line = 8192,
		.max_reply = 64 * 1024,
	};
}

static void init_buffers(struct lm_smtpc *s)
{
	const struct lm_smtp_client_session_params *p = s->params;

	lm_line_reader_init(&s->line, p->max_line);
	s->line.lenient = true;
	lm_buf_init(&s->reply, p->max_reply);
	lm_buf_init(&s->output, LM_SMTPC_OUTPUT);
	/* A line may be as short as three octets; each has its head. */
	lm_buf_init(&s->notices, LM_SMTPC_OUTPUT + 16 * p->max_reply + p->max_line);
	lm_buf_init(&s->caps, p->max_reply + 1);
	lm_buf_init(&s->greeting, p->max_reply);
	lm_buf_init(&s->command, LM_SMTPC_OUTPUT);
	lm_buf_init(&s->words, 1024 + p->max_reply);
}

int lm_smtp_client_session_new(const struct lm_smtp_client_session_params *params, lm_time_ms now,
                               struct lm_session **out_session)
{
	struct lm_smtpc_job *job;
	struct lm_smtpc *s;

	if (params->max_line < 16 || params->max_reply < 16 || params->protocol == LM_POP3 ||
	    !lm_smtpc_is_word(lm_str(params->helo)) || strlen(params->helo) > 255 ||
	    lm_path_is_8bit(lm_str(params->helo)))
		return LM_E_SYNTAX;
	s = lm_alloc_zero(1, sizeof(*s));
	job = lm_alloc_zero(1, sizeof(*job));
	if (!s || !job) {
		lm_free(s);
		lm_free(job);
		return LM_E_NOMEM;
	}
	s->base.ops = &client_ops;
	s->params = params;
	s->info = (struct lm_session_info){ .protocol = params->protocol,
		                            .helo = lm_str(params->helo) };
	init_buffers(s);
	job->type = LM_REQUEST_OPEN;
	s->job = s->newest = job;
	s->jobs = 1;
	s->begun = true;
	s->await = params->tls == LM_TLS_IMPLICIT ? LM_SMTPC_HANDSHAKE : LM_SMTPC_GREETING;
	s->now = s->since = now;
	*out_session = &s->base;
	return 0;
}

bool lm_smtp_client_session_has(const struct lm_session *session, const char *keyword,
                                struct lm_bytes *out_rest)
{
	return lm_smtpc_has(of(session), keyword, out_rest);
}

struct lm_bytes lm_smtp_client_session_capabilities(const struct lm_session *session)
{
	return lm_buf_bytes(&of(session)->caps);
}

struct lm_bytes lm_smtp_client_session_greeting(const struct lm_session *session)
{
	return lm_buf_bytes(&of(session)->greeting);
}
