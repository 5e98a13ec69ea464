/* The pump: octets in, events out, bodies and replies out, until nothing moves any more. */
#include "link/link_impl.h"

static struct lm_bytes output(const struct lm_link *link)
{
	return lm_session_output(link->session);
}

static bool wants(const struct lm_link *link, unsigned bits)
{
	return (lm_session_wants(link->session) & bits) != 0;
}

/* Returns whether there were any. */
static bool pull_events(struct lm_link *link)
{
	struct lm_event event;
	bool any = false;

	while (!link->must_abort && lm_session_event(link->session, &event) == 1) {
		any = true;
		link->owner->event(link->ctx, &event);
	}
	return any;
}

/* What came earlier goes first. */
static bool feed(struct lm_link *link, struct lm_bytes *in)
{
	bool is_kept = lm_buf_len(&link->input) > 0;
	struct lm_bytes octets = is_kept ? lm_buf_bytes(&link->input) : *in;
	size_t taken = 0;
	int err;

	if (!octets.len || !wants(link, LM_WANT_INPUT) || wants(link, LM_WANT_CLOSE))
		return false;
	err = lm_session_feed(link->session, octets, lm_loop_now(link->loop), &taken);
	if (err) {
		lm_link_fail(link, err);
		return false;
	}
	if (!is_kept)
		*in = lm_bytes_from(*in, taken);
	else
		lm_buf_drop(&link->input, taken);
	return taken > 0;
}

static void body_failed(struct lm_link *link, int err)
{
	lm_link_close_source(link);
	(void)lm_session_body_failed(link->session, err);
}

/* Returns whether there is a chunk to push. */
static bool fetch_chunk(struct lm_link *link)
{
	bool last = false;
	int err;

	if (link->has_chunk)
		return true;
	if (!link->source || link->source_waits)
		return false;
	link->source_waits = true;
	err = link->source->ops->read(link->source, LM_LINK_OUTPUT_HIGH, &link->chunk, &last);
	if (err == LM_E_AGAIN)
		return false;
	link->source_waits = false;
	if (!err && !link->chunk.len && !last)
		err = LM_E_MISUSE;
	if (err) {
		body_failed(link, err);
		return false;
	}
	link->has_chunk = true;
	link->chunk_is_last = last;
	return true;
}

static bool push_body(struct lm_link *link)
{
	size_t taken = 0, offered;
	int err;

	if (!wants(link, LM_WANT_BODY)) {
		lm_link_close_source(link);
		return false;
	}
	if (!link->source) {
		(void)lm_session_body_failed(link->session, LM_E_MISUSE);
		return true;
	}
	if (!fetch_chunk(link))
		return false;
	offered = link->chunk.len;
	err = lm_session_body(link->session, link->chunk, link->chunk_is_last,
	                      lm_loop_now(link->loop), &taken);
	if (err) {
		lm_link_fail(link, err);
		return false;
	}
	link->chunk = lm_bytes_from(link->chunk, taken);
	if (!link->chunk.len) {
		link->has_chunk = false;
		if (link->chunk_is_last)
			lm_link_close_source(link);
	}
	return taken > 0 || !offered;
}

/* Everything said has left this process, as far as the transport can know. */
static bool all_sent(const struct lm_link *link)
{
	return !output(link).len && !link->is_owing;
}

/* One octet now and then is no progress: a peer could hold a maildrop for ever. */
static void note_progress(struct lm_link *link, size_t n)
{
	link->drip = n < link->write_floor - link->drip ? link->drip + (uint32_t)n : 0;
	if (!link->drip)
		link->stuck_since = LM_NEVER;
}

static void note_all_sent(struct lm_link *link)
{
	link->drip = 0;
	link->stuck_since = LM_NEVER;
}

/* One write; whether another is worth while. The last one is empty: a transport may have taken more
 * than it could pass on. */
static bool write_once(struct lm_link *link)
{
	struct lm_bytes out = output(link);
	size_t n = 0;
	int err = link->transport->ops->write(link->transport, out, &n);

	if (err == LM_E_AGAIN)
		link->is_blocked = true;
	else if (err)
		lm_link_fail(link, err);
	else if (!out.len)
		link->is_owing = false;
	if (err || !out.len)
		return false;
	lm_session_sent(link->session, n);
	link->stats.octets_out += n;
	note_progress(link, n);
	link->is_owing = true;
	link->turn += (uint32_t)n;
	/* Others' turn: the loop comes back, as writing is possible still. */
	if (link->turn > LM_LINK_TURN_MAX)
		link->is_blocked = true;
	return !link->is_blocked;
}

/* Write all there is, unless the peer or the turn sets an end. Returns whether anything went. */
static bool flush(struct lm_link *link)
{
	uint64_t before = link->stats.octets_out;

	if (!link->is_blocked && !all_sent(link))
		while (write_once(link))
			;
	if (all_sent(link))
		note_all_sent(link);
	else if (link->stuck_since == LM_NEVER)
		link->stuck_since = lm_loop_now(link->loop);
	return link->stats.octets_out != before;
}

/* One round; whether another is worth while. */
static bool step(struct lm_link *link, struct lm_bytes *in)
{
	bool moved = pull_events(link);

	if (link->has_failed || link->must_abort || wants(link, LM_WANT_ABORT))
		return false;
	if (output(link).len < LM_LINK_OUTPUT_HIGH) {
		moved = feed(link, in) || moved;
		moved = push_body(link) || moved;
	}
	if (link->has_failed)
		return false;
	/* One write for all that a batch of input brought forth. */
	if (moved && output(link).len < LM_LINK_OUTPUT_HIGH)
		return true;
	return flush(link) || moved;
}

static void keep_input(struct lm_link *link, struct lm_bytes in)
{
	int err = lm_buf_add(&link->input, in);

	if (err)
		lm_link_fail(link, err);
}

/* Reading goes on while there is room to keep what comes, also while an answer is awaited: to
 * change what is waited for costs system calls. */
static void set_wants(struct lm_link *link)
{
	unsigned io = 0;

	if (!link->has_ended && !wants(link, LM_WANT_CLOSE) &&
	    lm_buf_len(&link->input) < LM_LINK_INPUT_MAX &&
	    !(link->is_blocked && output(link).len >= LM_LINK_OUTPUT_HIGH))
		io |= LM_IO_READ;
	if (link->is_blocked)
		io |= LM_IO_WRITE;
	link->transport->ops->want(link->transport, io);
}

/* The peer has said all; the session hears of it when all of that is done. */
static bool is_over(struct lm_link *link)
{
	return link->has_ended && all_sent(link) &&
	       !wants(link, LM_WANT_ANSWER | LM_WANT_BODY | LM_WANT_CLOSE);
}

/* What the session wants of its link, now that nothing moves. */
static void settle(struct lm_link *link)
{
	unsigned want = lm_session_wants(link->session);

	if (want & LM_WANT_ABORT)
		link->must_abort = true;
	if (link->must_abort && !link->has_failed)
		lm_link_fail(link, LM_E_CANCELED);
	if (link->has_failed || is_over(link) || ((want & LM_WANT_CLOSE) && all_sent(link))) {
		lm_link_finish(link);
		return;
	}
	if ((want & LM_WANT_TLS) && all_sent(link)) {
		lm_link_start_tls(link);
		return;
	}
	set_wants(link);
	lm_link_set_timer(link);
}

void lm_link_pump(struct lm_link *link, struct lm_bytes in)
{
	if (link->state != LM_LINK_PLAYING)
		return;
	LM_ASSERT(!link->is_pumping);
	link->is_pumping = true;
	link->turn = 0;
	/* A session that minds words before its greeting must see them before it greets. */
	if (!link->has_begun)
		feed(link, &in);
	link->has_begun = true;
	/* Octets may only be fed behind those kept from before. */
	while (step(link, &in))
		;
	if (in.len && !link->has_failed)
		keep_input(link, in);
	if (!lm_buf_len(&link->input))
		lm_buf_done(&link->input);
	link->is_pumping = false;
	settle(link);
}

void lm_link_readable(struct lm_link *link)
{
	uint8_t *scratch = lm_loop_scratch(link->loop, LM_SCRATCH_READ);
	size_t cap = LM_LINK_INPUT_MAX - lm_buf_len(&link->input), n = 0;
	int err;

	if (!cap || link->has_ended) {
		lm_link_pump(link, lm_bytes(NULL, 0));
		return;
	}
	err = link->transport->ops->read(link->transport, scratch, cap, &n);
	if (err == LM_E_CLOSED)
		link->has_ended = true;
	else if (err && err != LM_E_AGAIN)
		lm_link_fail(link, err);
	link->stats.octets_in += n;
	lm_link_pump(link, lm_bytes(scratch, n));
}
