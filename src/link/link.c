/* The life of a link: its start, its clock, the switch to TLS and its end. */
#include "link/link_impl.h"

#include "base/error.h"

static const struct lm_bytes nothing;

void lm_link_schedule(struct lm_link *link)
{
	if (link->is_posted || link->is_pumping)
		return;
	link->is_posted = true;
	lm_loop_post(link->loop, &link->task);
}

void lm_link_fail(struct lm_link *link, int err)
{
	if (link->has_failed)
		return;
	link->has_failed = true;
	link->result = (int16_t)err;
}

void lm_link_close_source(struct lm_link *link)
{
	struct lm_source *source = link->source;

	link->source = NULL;
	link->has_chunk = link->source_waits = false;
	link->chunk = nothing;
	if (source)
		source->ops->close(source);
}

static lm_time_ms earlier(lm_time_ms a, lm_time_ms b)
{
	return a < b ? a : b;
}

static lm_time_ms write_deadline(const struct lm_link *link)
{
	if (link->stuck_since == LM_NEVER || !link->write_timeout)
		return LM_NEVER;
	return link->stuck_since + link->write_timeout;
}

/* A deadline that moved away leaves the timer alone: it looks again when it fires. */
void lm_link_set_timer(struct lm_link *link)
{
	lm_time_ms at = earlier(link->phase_until, write_deadline(link));

	if (link->state == LM_LINK_PLAYING)
		at = earlier(at, lm_session_deadline(link->session));
	if (at == LM_NEVER || (link->timer.armed && link->timer.at <= at))
		return;
	lm_timer_arm(link->loop, &link->timer, at);
}

static void release(struct lm_link *link)
{
	lm_timer_disarm(link->loop, &link->timer);
	lm_link_close_source(link);
	/* What the session knows of TLS lives in the transport. */
	lm_session_free(link->session);
	if (link->transport)
		link->transport->ops->free(link->transport, link->must_abort);
	lm_buf_done(&link->input);
	lm_free(link->error);
}

/* An owner that does not free at once still lets the peer go at once. */
static void close_now(struct lm_link *link)
{
	bool was_posted = link->is_posted;

	link->state = LM_LINK_CLOSED;
	lm_timer_disarm(link->loop, &link->timer);
	link->is_posted = true;
	link->owner->closed(link->ctx, link->result);
	link->is_posted = was_posted;
	if (!link->is_freed && link->transport) {
		link->transport->ops->want(link->transport, 0);
		link->transport->ops->shutdown(link->transport);
	} else if (link->is_freed && !was_posted) {
		lm_free(link);
	}
}

/* Throws away what the peer still sends; false when that is over. */
static bool swallow(struct lm_link *link)
{
	uint8_t *scratch = lm_loop_scratch(link->loop, LM_SCRATCH_READ);
	size_t n = 0;
	int err = link->transport->ops->read(link->transport, scratch, LM_SCRATCH_READ_SIZE, &n);

	link->linger += (uint32_t)n;
	return err == LM_E_AGAIN || (!err && link->linger < LM_LINK_LINGER_OCTETS);
}

/* To close a socket with unread octets is a reset, which may overtake the last reply. So when the
 * peer is still talking let him finish, for a while; most peers are not. */
static bool must_linger(struct lm_link *link)
{
	if (link->has_failed || link->has_ended || !swallow(link))
		return false;
	return link->linger || lm_buf_len(&link->input);
}

void lm_link_finish(struct lm_link *link)
{
	struct lm_event event;
	bool linger = link->transport && must_linger(link);

	lm_link_close_source(link);
	link->is_pumping = true;
	lm_session_eof(link->session, lm_loop_now(link->loop));
	while (lm_session_event(link->session, &event) == 1)
		link->owner->event(link->ctx, &event);
	link->is_pumping = false;
	lm_buf_done(&link->input);
	link->stuck_since = LM_NEVER;
	if (!linger) {
		close_now(link);
		return;
	}
	link->state = LM_LINK_LINGERING;
	link->transport->ops->shutdown(link->transport);
	link->phase_until = lm_loop_now(link->loop) + LM_LINK_LINGER_MS;
	link->transport->ops->want(link->transport, LM_IO_READ);
	lm_link_set_timer(link);
}

static void end_with(struct lm_link *link, int err)
{
	lm_link_fail(link, err);
	lm_link_finish(link);
}

static void on_changed(void *ctx, unsigned io)
{
	struct lm_link *link = ctx;

	if (io & LM_IO_WRITE)
		link->is_blocked = false;
	if (link->state == LM_LINK_HANDSHAKE)
		lm_link_handshake(link);
	else if (link->state == LM_LINK_LINGERING && !swallow(link))
		close_now(link);
	else if (link->state == LM_LINK_PLAYING && (io & LM_IO_READ))
		lm_link_readable(link);
	else if (link->state == LM_LINK_PLAYING)
		lm_link_pump(link, nothing);
}

static void attach(struct lm_link *link, struct lm_transport *transport)
{
	link->transport = transport;
	transport->changed = on_changed;
	transport->ctx = link;
}

/* The client speaks first. The link may be freed when it returns. */
static void enter_handshake(struct lm_link *link)
{
	bool asks = link->owner->certificate && !link->server_name;
	int err = asks ? lm_transport_tls_ask(link->transport) : 0;

	link->state = LM_LINK_HANDSHAKE;
	link->is_blocked = false;
	link->is_shaking = true;
	if (err) {
		end_with(link, err);
		return;
	}
	if (link->handshake_timeout)
		link->phase_until = lm_loop_now(link->loop) + link->handshake_timeout;
	link->transport->ops->want(link->transport, LM_IO_READ);
	lm_link_set_timer(link);
	if (link->server_name)
		lm_link_handshake(link);
}

static void handshake_failed(struct lm_link *link, const struct lm_error *error)
{
	link->error = lm_alloc(sizeof(*link->error));
	if (link->error)
		*link->error = *error;
	end_with(link, error->code);
}

/* Whoever sent octets did not wait for TLS; perhaps it was not even the peer. */
static void refuse_injection(struct lm_link *link)
{
	struct lm_error error;

	lm_fail(&error, LM_E_PROTO, "octets in the clear came in front of the TLS handshake");
	handshake_failed(link, &error);
}

void lm_link_start_tls(struct lm_link *link)
{
	struct lm_transport *transport = NULL;
	struct lm_tls_context *context;
	int err;

	if (lm_buf_len(&link->input)) {
		refuse_injection(link);
		return;
	}
	context = link->owner->tls(link->ctx);
	if (!context) {
		end_with(link, LM_E_TLS);
		return;
	}
	err = lm_transport_tls(link->loop, link->transport, context, !link->server_name,
	                       link->server_name, &transport);
	link->transport = NULL;
	if (err) {
		end_with(link, err);
		return;
	}
	attach(link, transport);
	enter_handshake(link);
}

static void ask_owner(struct lm_link *link)
{
	struct lm_bytes name = lm_transport_tls_asked(link->transport);

	if (!name.len || link->has_asked)
		return;
	link->has_asked = true;
	link->owner->certificate(link->ctx, name);
}

int lm_link_certificate(struct lm_link *link, const struct lm_tls_choice *choice,
                        struct lm_error *out_error)
{
	int err;

	if (link->state != LM_LINK_HANDSHAKE || !link->transport)
		return LM_E_NOT_FOUND;
	err = lm_transport_tls_choose(link->transport, choice, out_error);
	lm_link_schedule(link);
	return err;
}

void lm_link_handshake(struct lm_link *link)
{
	uint8_t *scratch = lm_loop_scratch(link->loop, LM_SCRATCH_READ);
	struct lm_error error = { 0 };
	size_t n = 0;
	int read, done, err;

	/* The last flight may bring the first command with it. */
	read = link->transport->ops->read(link->transport, scratch, LM_LINK_INPUT_MAX, &n);
	done = lm_transport_tls_done(link->transport, &error);
	if (done < 0) {
		error.code = done;
		handshake_failed(link, &error);
		return;
	}
	if (!done) {
		ask_owner(link);
		return;
	}
	link->state = LM_LINK_PLAYING;
	link->phase_until = LM_NEVER;
	err = lm_session_tls_up(link->session, link->transport->ops->tls(link->transport),
	                        lm_loop_now(link->loop));
	link->stats.octets_in += n;
	link->has_ended = read == LM_E_CLOSED;
	if (read && read != LM_E_AGAIN && read != LM_E_CLOSED)
		lm_link_fail(link, read);
	if (err)
		lm_link_fail(link, err);
	lm_link_pump(link, lm_bytes(scratch, n));
}

static void on_timer(struct lm_timer *timer)
{
	struct lm_link *link = lm_container(timer, struct lm_link, timer);
	lm_time_ms now = lm_loop_now(link->loop);
	bool phase_over = link->phase_until <= now;
	int err;

	if (link->state == LM_LINK_LINGERING && phase_over) {
		close_now(link);
		return;
	}
	if (phase_over || write_deadline(link) <= now) {
		link->must_abort = true;
		end_with(link, LM_E_TIMEOUT);
		return;
	}
	if (link->state != LM_LINK_PLAYING || lm_session_deadline(link->session) > now) {
		lm_link_set_timer(link);
		return;
	}
	err = lm_session_tick(link->session, now);
	if (err)
		lm_link_fail(link, err);
	lm_link_pump(link, nothing);
}

static void on_task(struct lm_task *task)
{
	struct lm_link *link = lm_container(task, struct lm_link, task);

	link->is_posted = false;
	if (link->is_freed) {
		lm_free(link);
		return;
	}
	if (link->must_abort && link->state == LM_LINK_HANDSHAKE)
		end_with(link, LM_E_CANCELED);
	else if (link->must_abort && link->state == LM_LINK_LINGERING)
		close_now(link);
	else if (link->state == LM_LINK_HANDSHAKE && !link->is_shaking)
		enter_handshake(link);
	else if (link->state == LM_LINK_HANDSHAKE)
		lm_link_handshake(link);
	else if (!link->has_begun && (lm_session_wants(link->session) & LM_WANT_INPUT))
		lm_link_readable(link);
	else
		lm_link_pump(link, nothing);
}

static uint32_t clamp(lm_time_ms span)
{
	return span < 0 ? 0 : span > INT32_MAX ? INT32_MAX : (uint32_t)span;
}

int lm_link_new(const struct lm_link_params *params, struct lm_link **out_link)
{
	struct lm_link *link = lm_alloc_zero(1, sizeof(*link));

	if (!link) {
		params->transport->ops->free(params->transport, true);
		lm_session_free(params->session);
		return LM_E_NOMEM;
	}
	link->loop = params->loop;
	link->session = params->session;
	link->owner = params->owner;
	link->ctx = params->ctx;
	link->server_name = params->server_name;
	link->handshake_timeout = clamp(params->handshake_timeout);
	link->write_timeout = clamp(params->write_timeout);
	link->write_floor = params->write_floor;
	link->stuck_since = link->phase_until = LM_NEVER;
	link->task.run = on_task;
	link->timer.fire = on_timer;
	lm_buf_init(&link->input, LM_LINK_INPUT_MAX);
	attach(link, params->transport);
	link->state = params->tls_first ? LM_LINK_HANDSHAKE : LM_LINK_PLAYING;
	lm_link_schedule(link);
	*out_link = link;
	return 0;
}

void lm_link_free(struct lm_link *link)
{
	if (!link)
		return;
	LM_ASSERT(!link->is_pumping);
	release(link);
	link->is_freed = true;
	if (!link->is_posted)
		lm_free(link);
}

static void on_source_ready(void *ctx)
{
	struct lm_link *link = ctx;

	link->source_waits = false;
	lm_link_schedule(link);
}

int lm_link_answer(struct lm_link *link, uint32_t event_id, const struct lm_reply *reply)
{
	int err = lm_session_answer(link->session, event_id, reply, lm_loop_now(link->loop));

	/* An answer that was nonsense has a reply, too. */
	if (err && err != LM_E_NOT_FOUND)
		lm_link_schedule(link);
	if (err)
		return err;
	if (reply && reply->source) {
		lm_link_close_source(link);
		link->source = reply->source;
		link->source->ready = on_source_ready;
		link->source->ready_ctx = link;
	}
	lm_link_schedule(link);
	return 0;
}

int lm_link_request(struct lm_link *link, const struct lm_request *request)
{
	int err = lm_session_request(link->session, request, lm_loop_now(link->loop));

	if (!err)
		lm_link_schedule(link);
	return err;
}

void lm_link_drain(struct lm_link *link)
{
	if (link->state == LM_LINK_HANDSHAKE) {
		lm_link_abort(link);
	} else if (link->state == LM_LINK_PLAYING) {
		lm_session_drain(link->session, lm_loop_now(link->loop));
		lm_link_schedule(link);
	}
}

void lm_link_abort(struct lm_link *link)
{
	link->must_abort = true;
	lm_link_schedule(link);
}

int lm_link_error(const struct lm_link *link)
{
	return link->has_failed ? link->result : 0;
}

const char *lm_link_tls_doubt(const struct lm_link *link)
{
	return link->transport ? lm_transport_tls_doubt(link->transport) : "";
}

struct lm_session *lm_link_session(struct lm_link *link)
{
	return link->session;
}

struct lm_link_stats lm_link_stats(const struct lm_link *link)
{
	return link->stats;
}

const char *lm_link_reason(const struct lm_link *link)
{
	const char *reason = link->transport ? lm_transport_reason(link->transport) : "";

	if (link->error)
		return link->error->text;
	return link->result == LM_E_TLS && reason[0] ? reason : lm_err_text(link->result);
}
