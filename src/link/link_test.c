/* The pump over a pair in memory: decisions, bodies, back-pressure, and every way to end. */
#include "link/link_rig.h"

#include "lm_test.h"

#include <stdlib.h>

static void lines_are_answered(void **state)
{
	static const size_t capacities[] = { 1, 2, 7, 100, 65536 };

	(void)state;
	for (size_t i = 0; i < sizeof(capacities) / sizeof(*capacities); i++) {
		struct link_test test = { 0 };

		rig_begin(&test, capacities[i]);
		rig_expect(&test, "", "hello\n");
		rig_expect(&test, "ECHO one\nASK a\nECHO two\nQUIT\n", "one\nyes\ntwo\nbye\n");
		rig_wait_closed(&test);
		assert_err(test.error, 0);
		assert_int_equal(test.answers, 2);
		rig_end(&test);
	}
}

static void decisions_may_wait(void **state)
{
	struct link_test test = { .answer_later = true };

	(void)state;
	rig_begin(&test, 65536);
	rig_expect(&test, "", "hello\n");
	rig_send_more(&test, "ECHO 1\nASK x\nECHO 2\nASK y\nQUIT\n");
	rig_peer_pump(&test);
	lm_loop_run(test.loop);
	assert_int_equal(test.events, 2);
	rig_answer(&test);
	lm_loop_run(test.loop);
	assert_int_equal(test.events, 3);
	rig_answer(&test);
	rig_expect(&test, "", "1\nyes\n2\nyes\nbye\n");
	rig_wait_closed(&test);
	rig_end(&test);
}

static void waiting_input_is_bounded(void **state)
{
	struct link_test test = { .answer_later = true };
	char *many = malloc(300001);

	(void)state;
	rig_begin(&test, 4096);
	rig_expect(&test, "", "hello\n");
	for (size_t i = 0; i < 300000; i += 10)
		memcpy(many + i, "ECHO 4567\n", 10);
	many[300000] = '\0';
	rig_send_more(&test, "ASK x\n");
	rig_send_more(&test, many);
	rig_peer_pump(&test);
	lm_loop_run(test.loop);
	/* What the link keeps and what is under way; the rest stays with the peer. */
	for (int i = 0; i < 100; i++) {
		rig_turn(&test);
	}
	assert_true(lm_link_stats(test.link).octets_in <= 64 * 1024 + 6 + 4);
	assert_true(lm_buf_len(&test.to_send) >= 300000 - 64 * 1024 - 4096);
	rig_answer(&test);
	test.answer_later = false;
	test.want = 4 + 150000;
	test.is_waiting = true;
	lm_loop_run(test.loop);
	assert_int_equal(lm_buf_len(&test.received), 4 + 150000);
	free(many);
	rig_end(&test);
}

static void bodies_stream(void **state)
{
	static const size_t sizes[] = { 0, 1, 29999, 30000, 65536, 3000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct link_test test = { 0 };
		struct lm_bytes got;
		bool is_closed;

		rig_begin(&test, 50000);
		rig_expect(&test, "", "hello\n");
		test.source = rig_source(&test, sizes[i], 0, &is_closed);
		rig_send_more(&test, "BODY\nECHO after\n");
		test.want = sizes[i] + 4 + 6;
		test.is_waiting = true;
		rig_peer_pump(&test);
		lm_loop_run(test.loop);
		got = lm_buf_bytes(&test.received);
		assert_int_equal(got.len, test.want);
		for (size_t n = 0; n < sizes[i] && n < got.len; n++)
			if (got.data[n] != rig_octet_at(n))
				fail_msg("octet %zu", n);
		assert_bytes(lm_bytes_from(got, sizes[i]), lm_str("end\nafter\n"));
		assert_true(is_closed);
		rig_end(&test);
	}
}

static void a_stopped_reader_stops_the_source(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	rig_begin(&test, 20000);
	rig_expect(&test, "", "hello\n");
	test.source = rig_source(&test, 3000000, 0, &is_closed);
	test.peer_reads = false;
	rig_send_more(&test, "BODY\n");
	rig_peer_pump(&test);
	for (int i = 0; i < 200; i++) {
		rig_turn(&test);
	}
	assert_true(lm_session_output(lm_link_session(test.link)).len < 200000);
	assert_false(is_closed);
	test.peer_reads = true;
	test.want = 3000004;
	test.is_waiting = true;
	rig_peer_pump(&test);
	lm_loop_run(test.loop);
	assert_int_equal(lm_buf_len(&test.received), 3000004);
	assert_true(is_closed);
	rig_end(&test);
}

static void a_failing_source_cuts_the_connection(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	rig_begin(&test, 50000);
	rig_expect(&test, "", "hello\n");
	test.source = rig_source(&test, 1000000, 60000, &is_closed);
	rig_send_more(&test, "BODY\n");
	rig_peer_pump(&test);
	rig_wait_closed(&test);
	assert_err(test.error, LM_E_CANCELED);
	assert_true(is_closed);
	assert_true(lm_buf_len(&test.received) < 1000000);
	rig_end(&test);
}

static void a_link_may_go_in_the_middle_of_a_body(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	rig_begin(&test, 1000);
	rig_expect(&test, "", "hello\n");
	test.source = rig_source(&test, 1000000, 0, &is_closed);
	rig_send_more(&test, "BODY\n");
	test.limit = test.want = 5000;
	test.is_waiting = true;
	rig_peer_pump(&test);
	lm_loop_run(test.loop);
	lm_link_free(test.link);
	test.link = NULL;
	assert_true(is_closed);
	assert_false(test.is_closed);
	rig_end(&test);
}

static void the_end_of_input_comes_after_the_answers(void **state)
{
	struct link_test test = { .answer_later = true };

	(void)state;
	rig_begin(&test, 65536);
	rig_expect(&test, "", "hello\n");
	rig_send_more(&test, "ASK a\nECHO b\n");
	rig_peer_pump(&test);
	test.peer->ops->shutdown(test.peer);
	lm_loop_run(test.loop);
	assert_false(test.was_disconnected);
	rig_answer(&test);
	rig_wait_closed(&test);
	assert_err(test.error, 0);
	rig_expect(&test, "", "yes\nb\n");
	rig_end(&test);
}

static void a_reset_ends_at_any_octet(void **state)
{
	static const char script[] = "ECHO one\nASK two\nBODY\nECHO three\nQUIT\n";

	(void)state;
	for (size_t n = 0; n <= strlen(script); n++) {
		struct link_test test = { 0 };
		bool is_closed = true;

		rig_begin(&test, 10);
		test.source = rig_source(&test, 2000, 0, &is_closed);
		assert_err(lm_buf_add(&test.to_send, lm_bytes(script, n)), 0);
		rig_peer_pump(&test);
		while (lm_buf_len(&test.to_send) && !test.is_closed)
			rig_turn(&test);
		test.peer->ops->free(test.peer, true);
		test.peer = NULL;
		rig_wait_closed(&test);
		if (test.source)
			test.source->ops->close(test.source);
		assert_true(is_closed);
		rig_end(&test);
	}
}

static void errors_of_the_session_end_it(void **state)
{
	struct link_test test = { 0 };

	(void)state;
	rig_begin(&test, 100);
	rig_send_more(&test, "BAD\n");
	rig_peer_pump(&test);
	rig_wait_closed(&test);
	assert_err(test.error, LM_E_PROTO);
	rig_end(&test);
}

static void abort_cuts(void **state)
{
	struct link_test test = { 0 }, again = { .abort_in_event = true };

	(void)state;
	rig_begin(&test, 100);
	rig_send_more(&test, "ABORT\n");
	rig_peer_pump(&test);
	rig_wait_closed(&test);
	assert_err(test.error, LM_E_CANCELED);
	rig_end(&test);

	rig_begin(&again, 100);
	rig_expect(&again, "", "hello\n");
	rig_send_more(&again, "ASK x\nECHO never\n");
	rig_peer_pump(&again);
	rig_wait_closed(&again);
	assert_err(again.error, LM_E_CANCELED);
	assert_int_equal(lm_buf_len(&again.received), 0);
	rig_end(&again);
}

static void drain_says_a_last_word(void **state)
{
	struct link_test test = { .free_later = true };

	(void)state;
	rig_begin(&test, 100);
	rig_expect(&test, "", "hello\n");
	lm_link_drain(test.link);
	assert_false(test.is_closed);
	rig_expect(&test, "", "drained\n");
	rig_wait_closed(&test);
	assert_err(test.error, 0);
	assert_int_equal(lm_link_stats(test.link).octets_out, 14);
	/* The peer sees the end although the owner still holds the link. */
	while (!test.peer_end) {
		test.is_waiting = true;
		test.want = 1;
		lm_loop_run(test.loop);
	}
	rig_end(&test);
}

static void a_talking_peer_gets_the_last_word(void **state)
{
	struct link_test test = { 0 };

	(void)state;
	rig_begin(&test, 10);
	rig_expect(&test, "", "hello\n");
	rig_expect(&test, "QUIT\nECHO much more than is ever read before the end of this\n",
	           "bye\n");
	test.peer->ops->shutdown(test.peer);
	rig_wait_closed(&test);
	assert_err(test.error, 0);
	rig_end(&test);
}

static void deadlines_fire(void **state)
{
	struct link_test test = { 0 };
	struct lm_session *session;

	(void)state;
	rig_begin_with(&test, 100, (struct lm_link_params){ 0 }, 60);
	rig_expect(&test, "", "hello\n");
	session = lm_link_session(test.link);
	rig_expect(&test, "ECHO a\n", "a\n");
	assert_int_equal(toy_session_ticks(session), 0);
	rig_expect(&test, "", "timeout\n");
	rig_wait_closed(&test);
	assert_err(test.error, 0);
	rig_end(&test);
}

static void output_without_progress_times_out(void **state)
{
	struct link_test test = { 0 };
	bool is_closed;

	(void)state;
	rig_begin_with(&test, 1000, (struct lm_link_params){ .write_timeout = 50 }, TOY_IDLE_MS);
	rig_expect(&test, "", "hello\n");
	test.source = rig_source(&test, 100000, 0, &is_closed);
	test.peer_reads = false;
	rig_send_more(&test, "BODY\n");
	rig_peer_pump(&test);
	rig_wait_closed(&test);
	assert_err(test.error, LM_E_TIMEOUT);
	assert_true(is_closed);
	rig_end(&test);
}

/* An octet is read each turn: that is progress, unless more is asked for. */
static void output_that_drips_times_out(void **state)
{
	static const uint32_t floors[] = { 0, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(floors) / sizeof(*floors); i++) {
		struct link_test test = { 0 };
		bool is_closed;
		uint8_t octet;
		size_t n;

		rig_begin_with(
		        &test, 1000,
		        (struct lm_link_params){ .write_timeout = 50, .write_floor = floors[i] },
		        TOY_IDLE_MS);
		rig_expect(&test, "", "hello\n");
		test.source = rig_source(&test, 1000000, 0, &is_closed);
		test.peer_reads = false;
		rig_send_more(&test, "BODY\n");
		rig_peer_pump(&test);
		for (lm_time_ms end = lm_loop_now(test.loop) + 200;
		     !test.is_closed && lm_loop_now(test.loop) < end;) {
			(void)test.peer->ops->read(test.peer, &octet, 1, &n);
			rig_turn(&test);
		}
		assert_int_equal(test.is_closed, floors[i] > 0);
		if (test.is_closed)
			assert_err(test.error, LM_E_TIMEOUT);
		rig_end(&test);
	}
}

/* Every allocation fails once: the dialogue ends whole, or the link closes, and all is given back.
 */
static void memory_may_run_out_anywhere(void **state)
{
	bool went_through = false;

	(void)state;
	for (unsigned long n = 1; !went_through; n++) {
		struct link_test test = { 0 };

		rig_begin(&test, 10);
		rig_send_more(&test, "ECHO one\nASK two\nECHO three\nQUIT\n");
		lm_alloc_fail_at(n);
		rig_peer_pump(&test);
		rig_wait_closed(&test);
		went_through = n > 50;
		lm_alloc_fail_at(0);
		if (test.error)
			assert_true(test.error == LM_E_NOMEM || test.error == LM_E_CANCELED);
		if (went_through)
			assert_err(test.error, 0);
		rig_end(&test);
	}
}

static void no_memory_no_link(void **state)
{
	struct link_test test = { 0 };
	struct lm_transport *a, *b;
	struct lm_link_params params = { .session = toy_session_new(1) };
	struct lm_link *link = NULL;

	(void)state;
	rig_begin(&test, 10);
	assert_err(lm_transport_pair(test.loop, 10, &a, &b), 0);
	params.loop = test.loop;
	params.transport = a;
	lm_alloc_fail_at(1);
	assert_err(lm_link_new(&params, &link), LM_E_NOMEM);
	lm_alloc_fail_at(0);
	assert_null(link);
	b->ops->free(b, false);
	rig_end(&test);
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
		cmocka_unit_test(output_that_drips_times_out),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(no_memory_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
