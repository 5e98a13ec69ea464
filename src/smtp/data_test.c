/* Messages: their slices, their bounds, and every way that must not end one. */
#include "lm_test.h"

#include "smtp/peer.h"

#include <stdlib.h>

static void begin(struct peer *p)
{
	peer_say(p, "EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
	lm_buf_clear(&p->said);
	lm_buf_clear(&p->events);
}

static void smuggling(void **state)
{
	static const char *const ends[] = {
		"\n.\n",       "\n.\r\n",     "\r\n.\n",     "\r.\r",
		"\r.\r\n",     "\r\n.\r",     "\r.\n",       "\n.\r",
		"\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n.\r\0\n", "\r\r\n.\r\r\n",
		"\n\n.\r\n",   "\r\n..\r\n",  "\r\n. \r\n",  "\r\n.\r\r\n",
	};
	static const size_t lens[] = { 3, 4, 4, 3, 4, 4, 3, 3, 6, 6, 6, 7, 5, 6, 6, 6 };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		for (size_t step = 1; step < 9; step++) {
			struct peer p;
			bool proper = i == 13 || i == 14; /* dots, but no odd line end */

			peer_init(&p, LM_SMTP);
			peer_open(&p);
			begin(&p);
			peer_send(&p, lm_str("Subject: x\r\n\r\nbody"), step);
			peer_send(&p, lm_bytes(ends[i], lens[i]), step);
			peer_send(&p, lm_str("MAIL FROM:<evil@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"),
			          step);
			assert_heard(&p, "");
			peer_send(&p, lm_str("\r\n.\r\n"), step);
			assert_int_equal(peer_code(&p), proper ? 250 : 550);
			assert_false(peer_saw(&p, "MAIL"));
			assert_true(peer_saw(&p, proper ? "MESSAGE" : "ABORT"));
			peer_done(&p);
		}
}

static struct lm_buf make_message(size_t octets)
{
	struct lm_buf b;

	lm_buf_init(&b, octets + 80);
	while (lm_buf_len(&b) < octets)
		assert_err(lm_buf_printf(&b, "%s%zu some text to fill a line with\r\n",
		                         lm_buf_len(&b) % 3 ? "" : "..", lm_buf_len(&b)),
		           0);
	return b;
}

/* The same slices whatever the pieces: 64 KB each, the rest at the end. */
static void slices_do_not_depend_on_pieces(void **state)
{
	struct lm_buf message = make_message(300000);
	size_t steps[] = { SIZE_MAX, 1, 1000, 65536, 65537, 131072 };
	struct lm_buf sizes, body;

	(void)state;
	lm_buf_init(&sizes, 10000);
	lm_buf_init(&body, 1 << 20);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct peer p;

		peer_init(&p, LM_SMTP);
		peer_open(&p);
		begin(&p);
		assert_int_equal(peer_send(&p, lm_buf_bytes(&message), steps[i]), 0);
		assert_int_equal(peer_send(&p, lm_str(".\r\n"), steps[i]), 0);
		assert_int_equal(peer_code(&p), 250);
		if (i == 0) {
			assert_err(lm_buf_add(&sizes, lm_buf_bytes(&p.sizes)), 0);
			assert_err(lm_buf_add(&body, lm_buf_bytes(&p.body)), 0);
			assert_true(lm_buf_len(&body) < lm_buf_len(&message));
		}
		assert_bytes(lm_buf_bytes(&p.sizes), lm_buf_bytes(&sizes));
		assert_true(lm_bytes_equal(lm_buf_bytes(&p.body), lm_buf_bytes(&body)));
		peer_done(&p);
	}
	lm_buf_done(&sizes);
	lm_buf_done(&body);
	lm_buf_done(&message);
}

static void a_small_message_is_one_slice(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	begin(&p);
	peer_send(&p, lm_str("a\r\nb\r\n.\r\n"), 1);
	assert_bytes(lm_buf_bytes(&p.sizes), lm_str("6 "));
	assert_bytes(lm_buf_bytes(&p.events), lm_str("MESSAGE "));
	peer_done(&p);
}

/* While the handler is busy a second slice fills up, and then nothing more is taken. */
static void a_busy_handler_holds_the_peer_back(void **state)
{
	struct lm_buf message = make_message(400000);
	struct peer p;
	size_t left;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_BODY;
	peer_open(&p);
	begin(&p);
	left = peer_send(&p, lm_buf_bytes(&message), 5000);
	assert_in_range(lm_buf_len(&message) - left, 2 * LM_SMTP_SLICE, 2 * LM_SMTP_SLICE + 4000);
	assert_false(lm_session_wants(p.session) & LM_WANT_INPUT);
	assert_true(lm_session_wants(p.session) & LM_WANT_ANSWER);
	assert_int_equal(p.held.argument.len, LM_SMTP_SLICE);
	assert_true(lm_session_deadline(p.session) == LM_NEVER);
	p.hold = LM_EVENT_NONE;
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), 0);
	peer_pump(&p);
	left = peer_send(&p, lm_bytes_from(lm_buf_bytes(&message), lm_buf_len(&message) - left),
	                 5000);
	assert_int_equal(left, 0);
	peer_send(&p, lm_str(".\r\n"), 5);
	assert_int_equal(peer_code(&p), 250);
	peer_done(&p);
	lm_buf_done(&message);
}

/* What was handed out stays readable until it is answered, even behind the end. */
static void a_slice_outlives_its_session(void **state)
{
	struct lm_reply reply = LM_REPLY_INIT;
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_BODY;
	peer_open(&p);
	begin(&p);
	peer_send(&p, lm_str("text\r\n.\r\n"), SIZE_MAX);
	lm_session_eof(p.session, p.now);
	peer_pump(&p);
	assert_bytes(lm_buf_bytes(&p.events), lm_str("ABORT DISCONNECT "));
	assert_bytes(p.held.argument, lm_str("text\r\n"));
	assert_err(lm_session_answer(p.session, p.held.id, &reply, p.now), LM_E_NOT_FOUND);
	assert_err(lm_session_answer(p.session, p.held.id, &reply, p.now), LM_E_NOT_FOUND);
	peer_done(&p);
}

static void over_the_limit_is_swallowed_within_bounds(void **state)
{
	struct lm_buf message = make_message(3 << 20);
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.max_message_size = 1000;
	peer_open(&p);
	begin(&p);
	peer_send(&p, lm_bytes(message.data, 500000), 4096);
	assert_heard(&p, "");
	assert_int_equal(lm_buf_len(&p.body), 0);
	assert_true(peer_inside(&p)->txn->fill.cap <= LM_SMTP_SLICE + 2);
	peer_send(&p, lm_str("\r\n.\r\n"), SIZE_MAX);
	assert_heard(&p, "552 5.3.4 Message too big\r\n");
	begin(&p);
	peer_send(&p, lm_buf_bytes(&message), 4096);
	assert_int_equal(peer_code(&p), 552);
	assert_true(lm_session_wants(p.session) & LM_WANT_CLOSE);
	assert_true(peer_saw(&p, "ABORT"));
	peer_done(&p);
	lm_buf_done(&message);
}

static void a_huge_chunk_is_not_waited_for(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.max_message_size = 1000;
	peer_open(&p);
	peer_say(&p, "HELO c\r\n");
	peer_say(&p, "BDAT 9000000000000000000 LAST\r\n");
	assert_int_equal(peer_code(&p), 503);
	assert_true(lm_session_wants(p.session) & LM_WANT_CLOSE);
	peer_done(&p);
}

static void slow_octets(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.min_rate = 10;
	peer_open(&p);
	begin(&p);
	for (int minute = 0; minute < 3; minute++) {
		for (int i = 0; i < 60; i++, p.now += 1000)
			peer_send(&p, lm_str("ten octets"), SIZE_MAX);
		assert_true(p.now >= lm_session_deadline(p.session));
		assert_err(lm_session_tick(p.session, p.now), 0);
		peer_pump(&p);
		assert_heard(&p, "");
	}
	for (int i = 0; i < 60; i++, p.now += 1000)
		peer_send(&p, lm_str("nine octe"), SIZE_MAX);
	assert_err(lm_session_tick(p.session, p.now), 0);
	peer_pump(&p);
	assert_heard(&p, "421 4.4.2 Too slow, closing\r\n");
	assert_bytes(lm_buf_bytes(&p.events), lm_str("ABORT "));
	assert_true(lm_session_wants(p.session) & LM_WANT_CLOSE);
	peer_done(&p);
}

static void slow_chunks_that_are_dropped(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	peer_say(&p, "HELO c\r\nBDAT 100000\r\nx");
	p.now += 60000;
	assert_err(lm_session_tick(p.session, p.now), 0);
	lm_buf_clear(&p.said);
	peer_pump(&p);
	assert_heard(&p, "421 4.4.2 Too slow, closing\r\n");
	peer_done(&p);
}

static void silence_in_a_message(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.min_rate = 0;
	peer_open(&p);
	begin(&p);
	assert_true(lm_session_deadline(p.session) == p.now + p.params.idle_timeout);
	p.now += p.params.idle_timeout - 1;
	assert_err(lm_session_tick(p.session, p.now), 0);
	assert_true(lm_session_wants(p.session) == LM_WANT_INPUT);
	p.now++;
	assert_err(lm_session_tick(p.session, p.now), 0);
	peer_pump(&p);
	assert_int_equal(peer_code(&p), 421);
	peer_done(&p);
}

static void lmtp_begin(struct peer *p)
{
	peer_say(p, "LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
	lm_buf_clear(&p->said);
	lm_buf_clear(&p->events);
}

static void lmtp_answers_each(void **state)
{
	struct lm_reply each[2] = { LM_REPLY_INIT, LM_REPLY_INIT };
	struct peer p;

	(void)state;
	each[1].result = LM_E_FULL;
	each[1].text = lm_str("Mailbox full");
	peer_init(&p, LM_LMTP);
	p.answers[LM_EVENT_MESSAGE].recipients = each;
	p.answers[LM_EVENT_MESSAGE].recipient_count = 2;
	peer_open(&p);
	lmtp_begin(&p);
	peer_say(&p, "x\r\n.\r\n");
	assert_heard(&p, "250 2.0.0 Message accepted\r\n452 4.3.1 Mailbox full\r\n");
	assert_false(peer_saw(&p, "ABORT"));
	peer_done(&p);
}

/* An answer for the wrong number of recipients is nobody's yes. */
static void lmtp_answers_must_fit(void **state)
{
	struct lm_reply each[1] = { LM_REPLY_INIT };
	struct peer p;

	(void)state;
	peer_init(&p, LM_LMTP);
	p.answers[LM_EVENT_MESSAGE].recipients = each;
	p.answers[LM_EVENT_MESSAGE].recipient_count = 1;
	peer_open(&p);
	lmtp_begin(&p);
	peer_say(&p, "x\r\n.\r\n");
	assert_heard(&p, "451 4.3.5 Local error in the policy\r\n"
	                 "451 4.3.5 Local error in the policy\r\n");
	assert_true(peer_saw(&p, "ABORT"));
	peer_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smuggling),
		cmocka_unit_test(slices_do_not_depend_on_pieces),
		cmocka_unit_test(a_small_message_is_one_slice),
		cmocka_unit_test(a_busy_handler_holds_the_peer_back),
		cmocka_unit_test(a_slice_outlives_its_session),
		cmocka_unit_test(over_the_limit_is_swallowed_within_bounds),
		cmocka_unit_test(a_huge_chunk_is_not_waited_for),
		cmocka_unit_test(slow_octets),
		cmocka_unit_test(slow_chunks_that_are_dropped),
		cmocka_unit_test(silence_in_a_message),
		cmocka_unit_test(lmtp_answers_each),
		cmocka_unit_test(lmtp_answers_must_fit),
	};

	return cmocka_run_group_tests_name("smtp/data", tests, NULL, NULL);
}
