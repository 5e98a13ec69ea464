/* The pump over a pair in memory: decisions, bodies, back-pressure, TLS, and every way to end. */
#include "base/buf.h"
#include "link/link.h"
#include "link/toy_session.h"
#include "net/tls.h"

#include "lm_test.h"

#include <stdlib.h>
#include <unistd.h>

enum { GUARD_MS = 20000, RECEIVED_MAX = 8 * 1024 * 1024 };

struct link_test {
	struct lm_loop *loop;
	struct lm_link *link;
	struct lm_timer guard;
	/* the owner's side */
	struct lm_tls_context *tls;
	bool answer_later, free_later, is_closed, was_disconnected, refuse_tls, abort_in_event;
	int error, events, answers;
	uint32_t open_id;
	enum lm_event_type open_type;
	char reason[240];
	struct lm_source *source;
	/* the peer's side */
	struct lm_transport *peer;
	struct lm_buf received, to_send;
	size_t want, limit;
	bool is_waiting, peer_reads;
	int peer_end;
};

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

static uint8_t octet_at(size_t at)
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
		s->chunk[i] = octet_at(s->at + i);
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

static struct lm_source *make_source(struct link_test *test, size_t size, size_t fail_at,
                                     bool *is_closed)
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

static void answer(struct link_test *test)
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
		answer(test);
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

static const struct lm_link_owner owner = { on_event, on_tls, on_closed };

static void peer_pump(struct link_test *test)
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

static void on_peer(void *ctx, unsigned io)
{
	(void)io;
	peer_pump(ctx);
}

static void on_guard(struct lm_timer *timer)
{
	(void)timer;
	fail_msg("the test took too long");
}

static void begin_with(struct link_test *test, size_t capacity, struct lm_link_params params,
                       lm_time_ms idle)
{
	struct lm_transport *end;

	assert_err(lm_loop_new(&test->loop), 0);
	lm_buf_init(&test->received, RECEIVED_MAX);
	lm_buf_init(&test->to_send, RECEIVED_MAX);
	assert_err(lm_transport_pair(test->loop, capacity, &end, &test->peer), 0);
	test->peer->changed = on_peer;
	test->peer->ctx = test;
	test->peer_reads = true;
	test->guard.fire = on_guard;
	lm_timer_arm(test->loop, &test->guard, lm_loop_now(test->loop) + GUARD_MS);
	params.loop = test->loop;
	params.transport = end;
	params.session = toy_session_new(idle);
	params.owner = &owner;
	params.ctx = test;
	assert_non_null(params.session);
	assert_err(lm_link_new(&params, &test->link), 0);
	assert_int_equal(test->events, 0);
}

static void begin(struct link_test *test, size_t capacity)
{
	begin_with(test, capacity, (struct lm_link_params){ 0 }, TOY_IDLE_MS);
}

static void send_more(struct link_test *test, const char *text)
{
	assert_err(lm_buf_add_str(&test->to_send, text), 0);
}

/* Send, then run until as much as `want` came, and compare. */
static void expect(struct link_test *test, const char *text, const char *want)
{
	send_more(test, text);
	test->want = strlen(want);
	test->is_waiting = true;
	peer_pump(test);
	lm_loop_run(test->loop);
	test->is_waiting = false;
	assert_bytes(lm_buf_bytes(&test->received), lm_str(want));
	lm_buf_clear(&test->received);
}

/* One round of the loop. */
static void turn(struct link_test *test)
{
	lm_loop_stop(test->loop);
	lm_loop_run(test->loop);
}

static void wait_closed(struct link_test *test)
{
	while (!test->is_closed)
		lm_loop_run(test->loop);
}

/* The link is gone already, or goes now. */
static void end(struct link_test *test)
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

static void lines_are_answered(void **state)
{
	static const size_t capacities[] = { 1, 2, 7, 100, 65536 };

	(void)state;
	for (size_t i = 0; i < sizeof(capacities) / sizeof(*capacities); i++) {
		struct link_test test = { 0 };

		begin(&test, capacities[i]);
		expect(&test, "", "hello\n");
		expect(&test, "ECHO one\nASK a\nECHO two\nQUIT\n", "one\nyes\ntwo\nbye\n");
		wait_closed(&test);
		assert_err(test.error, 0);
		assert_int_equal(test.answers, 2);
		end(&test);
	}
}

static void decisions_may_wait(void **state)
{
	struct link_test test = { .answer_later = true };

	(void)state;
	begin(&test, 65536);
	expect(&test, "", "hello\n");
	send_more(&test, "ECHO 1\nASK x\nECHO 2\nASK y\nQUIT\n");
	peer_pump(&test);
	lm_loop_run(test.loop);
	assert_int_equal(test.events, 2);
	answer(&test);
	lm_loop_run(test.loop);
	assert_int_equal(test.events, 3);
	answer(&test);
	expect(&test, "", "1\nyes\n2\nyes\nbye\n");
	wait_closed(&test);
	end(&test);
}

static void waiting_input_is_bounded(void **state)
{
	struct link_test test = { .answer_later = true };
	char *many = malloc(300001);

	(void)state;
	begin(&test, 4096);
	expect(&test, "", "hello\n");
	for (size_t i = 0; i < 300000; i += 10)
		memcpy(many + i, "ECHO 4567\n", 10);
	many[300000] = '\0';
	send_more(&test, "ASK x\n");
	send_more(&test, many);
	peer_pump(&test);
	lm_loop_run(test.loop);
	/* What the link keeps and what is under way; the rest stays with the peer. */
	for (int i = 0; i < 100; i++) {
		turn(&test);
	}
	assert_true(lm_link_stats(test.link).octets_in <= 64 * 1024 + 6 + 4);
	assert_true(lm_buf_len(&test.to_send) >= 300000 - 64 * 1024 - 4096);
	answer(&test);
	test.answer_later = false;
	test.want = 4 + 150000;
	test.is_waiting = true;
	lm_loop_run(test.loop);
	assert_int_equal(lm_buf_len(&test.received), 4 + 150000);
	free(many);
	end(&test);
}

static void bodies_stream(void **state)
{
	static const size_t sizes[] = { 0, 1, 29999, 30000, 65536, 3000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct link_test test = { 0 };
		struct lm_bytes got;
		bool is_closed;

		begin(&test, 50000);
		expect(&test, "", "hello\n");
		test.source = make_source(&test, sizes[i], 0, &is_closed);
		send_more(&test, "BODY\nECHO after\n");
		test.want = sizes[i] + 4 + 6;
		test.is_waiting = true;
		peer_pump(&test);
		lm_loop_run(test.loop);
		got = lm_buf_bytes(&test.received);
		assert_int_equal(got.len, test.want);
		for (size_t n = 0; n < sizes[i]; n++)
			if (got.data[n] != octet_at(n))
				fail_msg("octet %zu", n);
		assert_bytes(lm_bytes_from(got, sizes[i]), lm_str("end\nafter\n"));
		assert_true(is_closed);
		end(&test);
	}
}

static void a_stopped_reader_stops_the_source(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	begin(&test, 20000);
	expect(&test, "", "hello\n");
	test.source = make_source(&test, 3000000, 0, &is_closed);
	test.peer_reads = false;
	send_more(&test, "BODY\n");
	peer_pump(&test);
	for (int i = 0; i < 200; i++) {
		turn(&test);
	}
	assert_true(lm_session_output(lm_link_session(test.link)).len < 200000);
	assert_false(is_closed);
	test.peer_reads = true;
	test.want = 3000004;
	test.is_waiting = true;
	peer_pump(&test);
	lm_loop_run(test.loop);
	assert_int_equal(lm_buf_len(&test.received), 3000004);
	assert_true(is_closed);
	end(&test);
}

static void a_failing_source_cuts_the_connection(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	begin(&test, 50000);
	expect(&test, "", "hello\n");
	test.source = make_source(&test, 1000000, 60000, &is_closed);
	send_more(&test, "BODY\n");
	peer_pump(&test);
	wait_closed(&test);
	assert_err(test.error, LM_E_CANCELED);
	assert_true(is_closed);
	assert_true(lm_buf_len(&test.received) < 1000000);
	end(&test);
}

static void a_link_may_go_in_the_middle_of_a_body(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	begin(&test, 1000);
	expect(&test, "", "hello\n");
	test.source = make_source(&test, 1000000, 0, &is_closed);
	send_more(&test, "BODY\n");
	test.limit = test.want = 5000;
	test.is_waiting = true;
	peer_pump(&test);
	lm_loop_run(test.loop);
	lm_link_free(test.link);
	test.link = NULL;
	assert_true(is_closed);
	assert_false(test.is_closed);
	end(&test);
}

static void the_end_of_input_comes_after_the_answers(void **state)
{
	struct link_test test = { .answer_later = true };

	(void)state;
	begin(&test, 65536);
	expect(&test, "", "hello\n");
	send_more(&test, "ASK a\nECHO b\n");
	peer_pump(&test);
	test.peer->ops->shutdown(test.peer);
	lm_loop_run(test.loop);
	assert_false(test.was_disconnected);
	answer(&test);
	wait_closed(&test);
	assert_err(test.error, 0);
	expect(&test, "", "yes\nb\n");
	end(&test);
}

static void a_reset_ends_at_any_octet(void **state)
{
	static const char script[] = "ECHO one\nASK two\nBODY\nECHO three\nQUIT\n";

	(void)state;
	for (size_t n = 0; n <= strlen(script); n++) {
		struct link_test test = { 0 };
		bool is_closed = true;

		begin(&test, 10);
		test.source = make_source(&test, 2000, 0, &is_closed);
		assert_err(lm_buf_add(&test.to_send, lm_bytes(script, n)), 0);
		peer_pump(&test);
		while (lm_buf_len(&test.to_send) && !test.is_closed)
			turn(&test);
		test.peer->ops->free(test.peer, true);
		test.peer = NULL;
		wait_closed(&test);
		if (test.source)
			test.source->ops->close(test.source);
		assert_true(is_closed);
		end(&test);
	}
}

static void errors_of_the_session_end_it(void **state)
{
	struct link_test test = { 0 };

	(void)state;
	begin(&test, 100);
	send_more(&test, "BAD\n");
	peer_pump(&test);
	wait_closed(&test);
	assert_err(test.error, LM_E_PROTO);
	end(&test);
}

static void abort_cuts(void **state)
{
	struct link_test test = { 0 }, again = { .abort_in_event = true };

	(void)state;
	begin(&test, 100);
	send_more(&test, "ABORT\n");
	peer_pump(&test);
	wait_closed(&test);
	assert_err(test.error, LM_E_CANCELED);
	end(&test);

	begin(&again, 100);
	expect(&again, "", "hello\n");
	send_more(&again, "ASK x\nECHO never\n");
	peer_pump(&again);
	wait_closed(&again);
	assert_err(again.error, LM_E_CANCELED);
	assert_int_equal(lm_buf_len(&again.received), 0);
	end(&again);
}

static void drain_says_a_last_word(void **state)
{
	struct link_test test = { .free_later = true };

	(void)state;
	begin(&test, 100);
	expect(&test, "", "hello\n");
	lm_link_drain(test.link);
	assert_false(test.is_closed);
	expect(&test, "", "drained\n");
	wait_closed(&test);
	assert_err(test.error, 0);
	assert_int_equal(lm_link_stats(test.link).octets_out, 14);
	/* The peer sees the end although the owner still holds the link. */
	while (!test.peer_end) {
		test.is_waiting = true;
		test.want = 1;
		lm_loop_run(test.loop);
	}
	end(&test);
}

static void a_talking_peer_gets_the_last_word(void **state)
{
	struct link_test test = { 0 };

	(void)state;
	begin(&test, 10);
	expect(&test, "", "hello\n");
	expect(&test, "QUIT\nECHO much more than is ever read before the end of this\n", "bye\n");
	test.peer->ops->shutdown(test.peer);
	wait_closed(&test);
	assert_err(test.error, 0);
	end(&test);
}

static void deadlines_fire(void **state)
{
	struct link_test test = { 0 };
	struct lm_session *session;

	(void)state;
	begin_with(&test, 100, (struct lm_link_params){ 0 }, 60);
	expect(&test, "", "hello\n");
	session = lm_link_session(test.link);
	expect(&test, "ECHO a\n", "a\n");
	assert_int_equal(toy_session_ticks(session), 0);
	expect(&test, "", "timeout\n");
	wait_closed(&test);
	assert_err(test.error, 0);
	end(&test);
}

static void output_without_progress_times_out(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	begin_with(&test, 1000, (struct lm_link_params){ .write_timeout = 50 }, TOY_IDLE_MS);
	expect(&test, "", "hello\n");
	test.source = make_source(&test, 100000, 0, &is_closed);
	test.peer_reads = false;
	send_more(&test, "BODY\n");
	peer_pump(&test);
	wait_closed(&test);
	assert_err(test.error, LM_E_TIMEOUT);
	assert_true(is_closed);
	end(&test);
}

/* Contexts for both sides, from a certificate made for the test. */
static struct lm_tls_context *make_context(bool server, const char *folder)
{
	char cert[100], key[100];
	struct lm_tls_pair pair = { NULL, cert, key };
	struct lm_tls_params params = { .server = server };
	struct lm_tls_context *context = NULL;
	struct lm_error error = { 0 };

	snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	if (server) {
		assert_err(lm_tls_make_self_signed("mail.example", cert, key, NULL), 0);
		params.pairs = &pair;
		params.pair_count = 1;
	} else {
		params.ca_file = cert;
		params.verify_peer = true;
	}
	assert_err(lm_tls_context_new(&params, &context, &error), 0);
	if (!server) {
		unlink(cert);
		unlink(key);
		rmdir(folder);
	}
	return context;
}

struct tls_pair_of_contexts {
	struct lm_tls_context *server, *client;
};

static struct tls_pair_of_contexts make_contexts(void)
{
	char folder[] = "/tmp/lm-link-XXXXXX";
	struct tls_pair_of_contexts both;

	assert_non_null(mkdtemp(folder));
	both.server = make_context(true, folder);
	both.client = make_context(false, folder);
	return both;
}

static void free_contexts(struct tls_pair_of_contexts both)
{
	lm_tls_context_unref(both.server);
	lm_tls_context_unref(both.client);
}

static void peer_starts_tls(struct link_test *test, struct lm_tls_context *context)
{
	struct lm_transport *tls;

	assert_err(lm_transport_tls(test->loop, test->peer, context, false, "mail.example", &tls),
	           0);
	test->peer = tls;
	tls->changed = on_peer;
	tls->ctx = test;
}

static void starttls_switches(void **state)
{
	static const size_t capacities[] = { 1, 50, 65536 };
	struct tls_pair_of_contexts both = make_contexts();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct link_test test = { .tls = both.server };
		bool is_closed;

		begin(&test, capacities[i]);
		expect(&test, "", "hello\n");
		expect(&test, "TLS\n", "go\n");
		peer_starts_tls(&test, both.client);
		expect(&test, "ECHO hidden\n", "secure\nhidden\n");
		assert_true(lm_session_info(lm_link_session(test.link))->tls.active);
		test.source = make_source(&test, 100000, 0, &is_closed);
		send_more(&test, "BODY\n");
		test.want = 100004;
		test.is_waiting = true;
		peer_pump(&test);
		lm_loop_run(test.loop);
		assert_int_equal(lm_buf_len(&test.received), 100004);
		lm_buf_clear(&test.received);
		expect(&test, "QUIT\n", "bye\n");
		wait_closed(&test);
		assert_err(test.error, 0);
		end(&test);
	}
	free_contexts(both);
}

static void starttls_injection_is_refused(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();
	struct link_test test = { .tls = both.server };

	(void)state;
	begin(&test, 65536);
	expect(&test, "", "hello\n");
	send_more(&test, "TLS\nASK injected\n");
	peer_pump(&test);
	wait_closed(&test);
	assert_err(test.error, LM_E_PROTO);
	/* The connect decision and the end, nothing else. */
	assert_int_equal(test.events, 2);
	end(&test);
	free_contexts(both);
}

static void starttls_garbage_is_named(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();
	struct link_test test = { .tls = both.server }, none = { .refuse_tls = true };

	(void)state;
	begin(&test, 65536);
	expect(&test, "", "hello\n");
	expect(&test, "TLS\n", "go\n");
	send_more(&test, "ECHO this is no client hello\n");
	peer_pump(&test);
	wait_closed(&test);
	assert_err(test.error, LM_E_TLS);
	assert_non_null(strstr(test.reason, "TLS: "));
	assert_int_equal(test.events, 2);
	end(&test);

	begin(&none, 65536);
	expect(&none, "TLS\n", "hello\ngo\n");
	wait_closed(&none);
	assert_err(none.error, LM_E_TLS);
	end(&none);
	free_contexts(both);
}

static void a_silent_handshake_times_out(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();
	struct link_test test = { .tls = both.server };

	(void)state;
	begin_with(&test, 100, (struct lm_link_params){ .handshake_timeout = 50 }, TOY_IDLE_MS);
	expect(&test, "TLS\n", "hello\ngo\n");
	wait_closed(&test);
	assert_err(test.error, LM_E_TIMEOUT);
	end(&test);
	free_contexts(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_answered),
		cmocka_unit_test(decisions_may_wait),
		cmocka_unit_test(waiting_input_is_bounded),
		cmocka_unit_test(bodies_stream),
		cmocka_unit_test(a_stopped_reader_stops_the_source),
		cmocka_unit_test(a_failing_source_cuts_the_connection),
		cmocka_unit_test(a_link_may_go_in_the_middle_of_a_body),
		cmocka_unit_test(the_end_of_input_comes_after_the_answers),
		cmocka_unit_test(a_reset_ends_at_any_octet),
		cmocka_unit_test(errors_of_the_session_end_it),
		cmocka_unit_test(abort_cuts),
		cmocka_unit_test(drain_says_a_last_word),
		cmocka_unit_test(a_talking_peer_gets_the_last_word),
		cmocka_unit_test(deadlines_fire),
		cmocka_unit_test(output_without_progress_times_out),
		cmocka_unit_test(starttls_switches),
		cmocka_unit_test(starttls_injection_is_refused),
		cmocka_unit_test(starttls_garbage_is_named),
		cmocka_unit_test(a_silent_handshake_times_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
