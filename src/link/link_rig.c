/* Tests only: a link between an owner that answers and a scripted peer. */
#include "link/link_rig.h"

#include "lm_test.h"

enum { GUARD_MS = 20000, RECEIVED_MAX = 8 * 1024 * 1024 };

/* A source of `size` octets that makes its reader wait now and then. */
struct slow_source {
	struct lm_source base;
	struct lm_task task;
	struct lm_loop *loop;
	size_t size, at, fail_at;
	unsigned reads;
	bool waiting, is_orphan, *is_closed;
	uint8_t chunk[30000];
};

uint8_t rig_octet_at(size_t at)
{
	return (uint8_t)(at % 251);
}

static void source_ready(struct lm_task *task)
{
	struct slow_source *s = lm_container(task, struct slow_source, task);

	s->waiting = false;
	if (s->is_orphan)
		lm_free(s);
	else
		s->base.ready(s->base.ready_ctx);
}

static int source_read(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct slow_source *s = lm_container(source, struct slow_source, base);
	size_t n = s->size - s->at;

	assert_false(s->waiting);
	if (s->fail_at && s->at >= s->fail_at)
		return LM_E_STORE;
	if (++s->reads % 3 == 2) {
		s->waiting = true;
		lm_loop_post(s->loop, &s->task);
		return LM_E_AGAIN;
	}
	if (n > max)
		n = max;
	if (n > sizeof(s->chunk))
		n = sizeof(s->chunk);
	for (size_t i = 0; i < n; i++)
		s->chunk[i] = rig_octet_at(s->at + i);
	s->at += n;
	*out_chunk = lm_bytes(s->chunk, n);
	*out_last = s->at == s->size;
	return 0;
}

static void source_close(struct lm_source *source)
{
	struct slow_source *s = lm_container(source, struct slow_source, base);

	assert_false(*s->is_closed);
	*s->is_closed = true;
	s->is_orphan = true;
	if (!s->waiting)
		lm_free(s);
}

static const struct lm_source_ops source_ops = { source_read, source_close };

struct lm_source *rig_source(struct link_test *test, size_t size, size_t fail_at, bool *is_closed)
{
	struct slow_source *s = lm_alloc_zero(1, sizeof(*s));

	assert_non_null(s);
	s->base.ops = &source_ops;
	s->task.run = source_ready;
	s->loop = test->loop;
	s->size = size;
	s->fail_at = fail_at;
	s->is_closed = is_closed;
	*is_closed = false;
	return &s->base;
}

void rig_answer(struct link_test *test)
{
	struct lm_reply reply = LM_REPLY_INIT;

	if (test->open_type == LM_EVENT_RETR) {
		reply.source = test->source;
		test->source = NULL;
	}
	test->answers++;
	assert_err(lm_link_answer(test->link, test->open_id, &reply), 0);
	/* Nobody can answer twice. */
	reply.source = NULL;
	assert_err(lm_link_answer(test->link, test->open_id, &reply), LM_E_NOT_FOUND);
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct link_test *test = ctx;

	assert_false(test->was_disconnected);
	test->events++;
	if (event->type == LM_EVENT_DISCONNECT) {
		test->was_disconnected = true;
		return;
	}
	test->open_id = event->id;
	test->open_type = event->type;
	if (test->abort_in_event && event->type == LM_EVENT_NOOP)
		lm_link_abort(test->link);
	else if (!test->answer_later || event->type == LM_EVENT_CONNECT)
		rig_answer(test);
	else
		lm_loop_stop(test->loop);
}

static struct lm_tls_context *on_tls(void *ctx)
{
	struct link_test *test = ctx;

	return test->refuse_tls ? NULL : test->tls;
}

static void on_closed(void *ctx, int error)
{
	struct link_test *test = ctx;

	assert_false(test->is_closed);
	assert_true(test->was_disconnected);
	test->is_closed = true;
	test->error = error;
	snprintf(test->reason, sizeof(test->reason), "%s", lm_link_reason(test->link));
	if (!test->free_later) {
		lm_link_free(test->link);
		test->link = NULL;
	}
	lm_loop_stop(test->loop);
}

static const struct lm_link_owner owner = { on_event, on_tls, on_closed, NULL };

void rig_peer_pump(struct link_test *test)
{
	uint8_t *room;
	size_t n;

	while (test->peer_reads && !test->peer_end) {
		int err;

		if (test->limit && lm_buf_len(&test->received) >= test->limit)
			break;
		assert_err(lm_buf_room(&test->received, 4096, &room), 0);
		err = test->peer->ops->read(test->peer, room, 4096, &n);
		if (err == LM_E_AGAIN)
			break;
		if (err)
			test->peer_end = err;
		else
			lm_buf_grew(&test->received, n);
	}
	while (lm_buf_len(&test->to_send) &&
	       test->peer->ops->write(test->peer, lm_buf_bytes(&test->to_send), &n) == 0)
		lm_buf_drop(&test->to_send, n);
	test->peer->ops->want(test->peer, (test->peer_reads && !test->peer_end ? LM_IO_READ : 0) |
	                                          (lm_buf_len(&test->to_send) ? LM_IO_WRITE : 0));
	if (test->is_waiting && (lm_buf_len(&test->received) >= test->want || test->peer_end))
		lm_loop_stop(test->loop);
}

void rig_on_peer(void *ctx, unsigned io)
{
	(void)io;
	rig_peer_pump(ctx);
}

static void on_guard(struct lm_timer *timer)
{
	(void)timer;
	fail_msg("the test took too long");
}

void rig_begin_with(struct link_test *test, size_t capacity, struct lm_link_params params,
                    lm_time_ms idle)
{
	struct lm_transport *end;
	uint8_t *room;

	assert_err(lm_loop_new(&test->loop), 0);
	lm_buf_init(&test->received, RECEIVED_MAX);
	/* The peer's own memory is there before a test makes any fail. */
	assert_err(lm_buf_room(&test->received, 65536, &room), 0);
	lm_buf_init(&test->to_send, RECEIVED_MAX);
	assert_err(lm_transport_pair(test->loop, capacity, &end, &test->peer), 0);
	test->peer->changed = rig_on_peer;
	test->peer->ctx = test;
	test->peer_reads = true;
	test->guard.fire = on_guard;
	lm_timer_arm(test->loop, &test->guard, lm_loop_now(test->loop) + GUARD_MS);
	params.loop = test->loop;
	if (params.tls_first)
		assert_err(lm_transport_tls(test->loop, end, test->tls, true, NULL, &end), 0);
	params.transport = end;
	params.session = toy_session_new(idle);
	params.owner = &owner;
	params.ctx = test;
	assert_non_null(params.session);
	assert_err(lm_link_new(&params, &test->link), 0);
	assert_int_equal(test->events, 0);
}

void rig_begin(struct link_test *test, size_t capacity)
{
	rig_begin_with(test, capacity, (struct lm_link_params){ 0 }, TOY_IDLE_MS);
}

void rig_send_more(struct link_test *test, const char *text)
{
	assert_err(lm_buf_add_str(&test->to_send, text), 0);
}

/* Send, then run until as much as `want` came, and compare. */
void rig_expect(struct link_test *test, const char *text, const char *want)
{
	rig_send_more(test, text);
	test->want = strlen(want);
	test->is_waiting = true;
	rig_peer_pump(test);
	lm_loop_run(test->loop);
	test->is_waiting = false;
	assert_bytes(lm_buf_bytes(&test->received), lm_str(want));
	lm_buf_clear(&test->received);
}

/* One round of the loop. */
void rig_turn(struct link_test *test)
{
	lm_loop_stop(test->loop);
	lm_loop_run(test->loop);
}

void rig_wait_closed(struct link_test *test)
{
	while (!test->is_closed)
		lm_loop_run(test->loop);
}

/* The link is gone already, or goes now. */
void rig_end(struct link_test *test)
{
	if (test->link)
		lm_link_free(test->link);
	if (test->peer)
		test->peer->ops->free(test->peer, false);
	lm_timer_disarm(test->loop, &test->guard);
	lm_buf_done(&test->received);
	lm_buf_done(&test->to_send);
	lm_loop_free(test->loop);
}
