/* The session around the messages: bounds, decisions, deadlines, the end, and no memory at all. */
#include "lm_test.h"

#include "smtp/peer.h"

static const struct lm_tls_info tls = { .active = true,
	                                .version = "TLSv1.3",
	                                .cipher = "TLS_AES_128_GCM_SHA256",
	                                .bits = 128,
	                                .server_name = "",
	                                .peer_subject = "",
	                                .peer_name = "" };

static void an_idle_session_is_small(void **state)
{
	struct peer p;
	const struct lm_smtp *s;

	(void)state;
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	peer_say(&p, "EHLO client.example\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
	peer_say(&p, "text\r\n.\r\n");
	s = peer_inside(&p);
	assert_null(s->txn);
	assert_in_range(sizeof(*s) + s->output.cap + s->scratch.cap + s->line.partial.cap, 1, 1024);
	peer_done(&p);
}

static void a_line_without_end(void **state)
{
	static uint8_t filler[1 << 20];
	struct peer p;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	lm_buf_clear(&p.said);
	assert_int_equal(peer_send(&p, lm_bytes(filler, sizeof(filler)), 1000), 0);
	assert_heard(&p, "");
	assert_in_range(peer_inside(&p)->line.partial.cap, 1, LM_SMTP_AUTH_LINE);
	peer_send(&p, lm_str("\r\n"), 1);
	assert_heard(&p, "500 5.5.2 Line too long\r\n");
	assert_int_equal(peer_inside(&p)->line.partial.cap, 0);
	peer_say(&p, "NOOP\r\n");
	assert_heard(&p, "250 2.0.0 OK\r\n");
	peer_done(&p);
}

static void output_that_nobody_reads(void **state)
{
	struct peer p;
	size_t taken, all = 0;
	int rounds = 0;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.decides = 0;
	peer_open(&p);
	do {
		assert_err(lm_session_feed(p.session, lm_str("NOOP\r\nNOOP\r\n"), p.now, &taken),
		           0);
		all += taken;
	} while (taken && ++rounds < 100000);
	assert_in_range(lm_session_output(p.session).len, LM_SMTP_OUTPUT_HIGH,
	                LM_SMTP_OUTPUT_HIGH + 100);
	assert_false(lm_session_wants(p.session) & LM_WANT_INPUT);
	lm_session_sent(p.session, 1000);
	assert_true(lm_session_wants(p.session) & LM_WANT_INPUT);
	peer_done(&p);
}

static void a_hundred_thousand_recipients(void **state)
{
	struct peer p;
	struct lm_smtp *s;
	size_t used;

	(void)state;
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	peer_say(&p, "EHLO c\r\nMAIL FROM:<a@x>\r\n");
	for (int i = 0; i < 50000; i++)
		peer_say(&p, "RCPT TO:<somebody.with.a.long.name@example.org>\r\n");
	s = peer_inside(&p);
	assert_heard(&p, "452 4.5.3 Too many recipients\r\n");
	assert_int_equal(s->txn->envelope.recipient_count, 1000);
	assert_in_range(s->txn->arena.used, 1, s->txn->arena.max);
	peer_say(&p, "RSET\r\nMAIL FROM:<a@x>\r\n");
	used = s->txn->arena.used;
	p.answers[LM_EVENT_RCPT].result = LM_E_NOT_FOUND;
	for (int i = 0; i < 50000; i++)
		peer_say(&p, "RCPT TO:<nobody@example.org>\r\n");
	assert_int_equal(peer_code(&p), 550);
	assert_int_equal(s->txn->arena.used, used);
	assert_int_equal(s->txn->envelope.recipient_count, 0);
	peer_done(&p);
}

static void one_decision_at_a_time(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_MAIL;
	peer_open(&p);
	peer_say(&p, "HELO c\r\n");
	lm_buf_clear(&p.events);
	lm_buf_clear(&p.said);
	assert_int_equal(peer_send(&p, lm_str("MAIL FROM:<a@x>\r\nNOOP\r\n"), SIZE_MAX), 6);
	assert_int_equal(peer_send(&p, lm_str("NOOP\r\n"), SIZE_MAX), 6);
	assert_heard(&p, "");
	assert_int_equal(lm_session_wants(p.session), LM_WANT_ANSWER);
	assert_err(lm_session_answer(p.session, p.held.id + 1, NULL, p.now), LM_E_NOT_FOUND);
	assert_err(lm_session_answer(p.session, 0, NULL, p.now), LM_E_NOT_FOUND);
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), 0);
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), LM_E_NOT_FOUND);
	assert_int_equal(peer_send(&p, lm_str("NOOP\r\n"), SIZE_MAX), 0);
	assert_heard(&p, "250 2.1.0 Sender OK\r\n250 2.0.0 OK\r\n");
	assert_bytes(lm_buf_bytes(&p.events), lm_str("MAIL NOOP "));
	peer_done(&p);
}

static int closed;
static void count_close(struct lm_source *source)
{
	(void)source;
	closed++;
}

static void a_source_is_closed(void **state)
{
	static const struct lm_source_ops ops = { NULL, count_close };
	struct lm_source source = { .ops = &ops };
	struct lm_reply reply = LM_REPLY_INIT;
	struct peer p;

	(void)state;
	closed = 0;
	reply.source = &source;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_NOOP;
	peer_open(&p);
	peer_say(&p, "NOOP\r\n");
	assert_err(lm_session_answer(p.session, 12345, &reply, p.now), LM_E_NOT_FOUND);
	assert_int_equal(closed, 1);
	assert_err(lm_session_answer(p.session, p.held.id, &reply, p.now), 0);
	assert_int_equal(closed, 2);
	peer_done(&p);
}

/* Nonsense from a handler costs its session a temporary failure, and is never a yes. */
static void nonsense_is_a_temporary_failure(void **state)
{
	struct lm_reply bad[6] = { LM_REPLY_INIT, LM_REPLY_INIT, LM_REPLY_INIT,
		                   LM_REPLY_INIT, LM_REPLY_INIT, LM_REPLY_INIT };

	(void)state;
	bad[0].text = lm_str("two\r\nlines");
	bad[1].text = lm_bytes("a\0b", 3);
	bad[2].smtp_code = 99;
	bad[3].smtp_code = 600;
	bad[4].smtp_code = 354;
	bad[5].smtp_code = 250, bad[5].result = LM_E_DENIED;
	for (size_t i = 0; i < 6; i++) {
		struct peer p;

		peer_init(&p, LM_SMTP);
		p.hold = LM_EVENT_MAIL;
		peer_open(&p);
		peer_say(&p, "HELO c\r\nMAIL FROM:<a@x>\r\n");
		lm_buf_clear(&p.said);
		assert_err(lm_session_answer(p.session, p.held.id, &bad[i], p.now), LM_E_MISUSE);
		peer_pump(&p);
		assert_heard(&p, "451 4.3.5 Local error in the policy\r\n");
		assert_null(peer_inside(&p)->txn);
		peer_done(&p);
	}
}

static void codes_agree(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	peer_say(&p, "EHLO c\r\n");
	p.answers[LM_EVENT_NOOP].smtp_code = 450;
	p.answers[LM_EVENT_NOOP].text = lm_str("tab\tand \xC3\xA4");
	peer_say(&p, "NOOP\r\n");
	assert_heard(&p, "450 4.0.0 tab?and ??\r\n");
	p.answers[LM_EVENT_NOOP].enhanced[0] = 5;
	p.answers[LM_EVENT_NOOP].enhanced[1] = 200;
	peer_say(&p, "NOOP\r\n");
	assert_heard(&p, "450 4.200.0 tab?and ??\r\n");
	peer_done(&p);
}

static void long_texts_are_split(void **state)
{
	static char text[2000];
	struct peer p;
	size_t from = 0, lines = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	peer_init(&p, LM_SMTP);
	p.answers[LM_EVENT_NOOP].text = lm_str(text);
	peer_open(&p);
	peer_say(&p, "NOOP\r\n");
	for (size_t i = 0; i < lm_buf_len(&p.said); i++)
		if (p.said.data[i] == '\n') {
			bool last = i + 1 == lm_buf_len(&p.said);

			assert_in_range(i + 1 - from, 1, 512);
			assert_memory_equal(p.said.data + from,
			                    last ? "250 2.0.0 x" : "250-2.0.0 x", 11);
			from = i + 1;
			lines++;
		}
	assert_int_equal(lines, 5);
	peer_done(&p);
}

static void early_talkers(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_CONNECT;
	peer_open(&p);
	assert_true(lm_session_wants(p.session) & LM_WANT_INPUT);
	peer_say(&p, "EHLO me first\r\n");
	assert_heard(&p, "554 5.5.1 You talked before the greeting\r\n");
	assert_true(lm_session_wants(p.session) & LM_WANT_CLOSE);
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), LM_E_NOT_FOUND);
	peer_done(&p);
}

static void early_talkers_by_option(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_CONNECT;
	p.params.early_talkers = true;
	peer_open(&p);
	assert_int_equal(lm_session_wants(p.session), LM_WANT_ANSWER);
	assert_int_equal(peer_send(&p, lm_str("NOOP\r\n"), SIZE_MAX), 6);
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), 0);
	assert_int_equal(peer_send(&p, lm_str("NOOP\r\n"), SIZE_MAX), 0);
	assert_heard(&p, "220 mx ESMTP ready\r\n250 2.0.0 OK\r\n");
	peer_done(&p);
}

static void who_submits_may_talk_early(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SUBMISSION);
	p.hold = LM_EVENT_CONNECT;
	peer_open(&p);
	assert_false(lm_session_wants(p.session) & LM_WANT_INPUT);
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), 0);
	peer_say(&p, "NOOP\r\n");
	assert_heard(&p, "220 mx ESMTP ready\r\n250 2.0.0 OK\r\n");
	peer_done(&p);
}

/* Where nobody decides on CONNECT, too. */
static void a_greeting_waits_for_the_first_look(void **state)
{
	struct peer p;
	size_t taken;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.decides = 0;
	assert_err(lm_smtp_server_new(&p.params, &(struct lm_smtp_server_peer){ .id = 1 }, p.now,
	                              &p.session),
	           0);
	assert_err(lm_session_feed(p.session, lm_str("NOOP\r\n"), p.now, &taken), 0);
	assert_bytes(lm_session_output(p.session),
	             lm_str("554 5.5.1 You talked before the greeting\r\n"));
	peer_done(&p);
}

static void starttls_takes_nothing_more(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.tls = true;
	peer_open(&p);
	peer_say(&p, "EHLO before\r\n");
	lm_buf_clear(&p.said);
	assert_int_equal(peer_send(&p, lm_str("STARTTLS\r\nMAIL FROM:<evil@x>\r\n"), SIZE_MAX), 20);
	assert_heard(&p, "220 2.0.0 Start the handshake\r\n");
	assert_int_equal(lm_session_wants(p.session), LM_WANT_TLS);
	assert_int_equal(peer_send(&p, lm_str("RSET\r\n"), SIZE_MAX), 6);
	assert_err(lm_session_tls_up(p.session, &tls, p.now), 0);
	assert_int_equal(lm_session_info(p.session)->helo.len, 0);
	peer_pump(&p);
	assert_false(peer_saw(&p, "MAIL"));
	assert_true(peer_saw(&p, "TLS"));
	assert_err(lm_session_tls_up(p.session, &tls, p.now), LM_E_MISUSE);
	peer_done(&p);
}

static void implicit_tls(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.tls = true;
	assert_err(lm_smtp_server_new(&p.params, &p.who, p.now, &p.session), 0);
	assert_err(lm_session_tls_up(p.session, &tls, p.now), 0);
	peer_pump(&p);
	assert_bytes(lm_buf_bytes(&p.events), lm_str("TLS CONNECT "));
	peer_say(&p, "HELO c\r\nSTARTTLS\r\n");
	assert_heard(&p, "250 mx\r\n503 5.5.1 TLS is active already\r\n");
	peer_done(&p);
}

static void slow_command(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	lm_buf_clear(&p.said);
	for (int i = 0; i < 59; i++, p.now += 1000)
		peer_send(&p, lm_str("N"), 1);
	assert_true(p.now < lm_session_deadline(p.session));
	p.now += 1000;
	assert_true(p.now >= lm_session_deadline(p.session));
	assert_err(lm_session_tick(p.session, p.now), 0);
	peer_pump(&p);
	assert_heard(&p, "421 4.4.2 Too slow, closing\r\n");
	peer_done(&p);
}

static void draining_waits_for_a_decision(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_NOOP;
	peer_open(&p);
	peer_say(&p, "NOOP\r\n");
	lm_session_drain(p.session, p.now);
	assert_int_equal(lm_session_wants(p.session), LM_WANT_ANSWER);
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), 0);
	peer_pump(&p);
	assert_heard(&p, "250 2.0.0 OK\r\n421 4.3.2 Shutting down\r\n");
	assert_int_equal(lm_session_wants(p.session), LM_WANT_CLOSE);
	peer_done(&p);
}

/* What was said does not end by being drained once; twice it does, with one last reply. */
static void expect_drained_at_last(const char *say)
{
	struct peer p;

	peer_init(&p, LM_SMTP);
	peer_open(&p);
	peer_say(&p, say);
	lm_buf_clear(&p.said);
	lm_session_drain(p.session, p.now);
	peer_pump(&p);
	assert_heard(&p, "");
	assert_int_equal(lm_session_wants(p.session) & LM_WANT_CLOSE, 0);
	lm_session_drain(p.session, p.now);
	lm_session_drain(p.session, p.now);
	peer_pump(&p);
	assert_heard(&p, "421 4.3.2 Shutting down\r\n");
	assert_int_equal(lm_session_wants(p.session), LM_WANT_CLOSE);
	peer_done(&p);
}

static void draining_twice_ends_a_transaction(void **state)
{
	(void)state;
	expect_drained_at_last("HELO x\r\nMAIL FROM:<a@b>\r\n");
	expect_drained_at_last("HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
	expect_drained_at_last(
	        "HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: half\r\n");
}

static void draining_twice_waits_for_a_decision(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.hold = LM_EVENT_RCPT;
	peer_open(&p);
	peer_say(&p, "HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
	lm_session_drain(p.session, p.now);
	lm_session_drain(p.session, p.now);
	assert_int_equal(lm_session_wants(p.session), LM_WANT_ANSWER);
	peer_done(&p);
}

static void nothing_is_a_body_here(void **state)
{
	struct peer p;
	size_t taken = 1;

	(void)state;
	peer_init(&p, LM_SMTP);
	peer_open(&p);
	assert_err(lm_session_body(p.session, lm_str("x"), true, p.now, &taken), LM_E_MISUSE);
	assert_err(lm_session_body_failed(p.session, LM_E_IO), LM_E_MISUSE);
	assert_int_equal(taken, 0);
	peer_done(&p);
}

/* Does a failure that was ordered still wait for its allocation? */
static bool failure_waits(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		void *memory = lm_alloc(1);

		if (!memory)
			return true;
		lm_free(memory);
	}
	return false;
}

static void make_peer_room(struct lm_buf *b)
{
	uint8_t *room;

	assert_err(lm_buf_room(b, 200000, &room), 0);
}

/* A whole dialogue while the n-th allocation fails: no crash, no leak, the error stays, and a last
 * event comes. False once there are fewer than n. */
static bool survives(enum lm_protocol protocol, const char *dialogue, unsigned long n)
{
	struct peer p;
	bool more = true;
	size_t taken;

	peer_init(&p, protocol);
	p.params.mechanisms = "PLAIN LOGIN";
	p.params.require_auth = false;
	p.params.max_message_size = 40;
	p.who.xclient = p.who.xforward = true;
	p.answers[LM_EVENT_AUTH].user = lm_str("alice");
	make_peer_room(&p.said), make_peer_room(&p.events);
	make_peer_room(&p.body), make_peer_room(&p.sizes);
	lm_alloc_fail_at(n);
	if (lm_smtp_server_new(&p.params, &p.who, p.now, &p.session)) {
		p.session = NULL;
	} else {
		peer_pump(&p);
		(void)peer_send(&p, lm_str(dialogue), 23);
		more = !failure_waits(n);
		if (lm_session_wants(p.session) & LM_WANT_ABORT) {
			assert_err(lm_session_feed(p.session, lm_str("x"), p.now, &taken),
			           LM_E_NOMEM);
			assert_err(lm_session_tick(p.session, p.now), LM_E_NOMEM);
		}
		lm_session_eof(p.session, p.now);
		peer_pump(&p);
		assert_true(peer_saw(&p, "DISCONNECT"));
	}
	lm_alloc_fail_at(0);
	peer_done(&p);
	return more;
}

static void every_allocation_may_fail(void **state)
{
	static const char smtp[] =
	        "EHLO client.example\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nHELP\r\n"
	        "MAIL FROM:<a@x> ENVID=abc AUTH=b@x\r\nRCPT TO:<b@x> ORCPT=rfc822;b@x\r\n"
	        "RCPT TO:<c@x>\r\nRCPT TO:<d@x>\r\nRCPT TO:<e@x>\r\nRCPT TO:<f@x>\r\nDATA\r\n"
	        "Subject: x\r\n\r\nbody\r\n.\r\nVRFY x\r\nXYZZY\r\nMAIL FROM:<>\r\n"
	        "RCPT TO:<b@x>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\n\r\nXFORWARD NAME=a HELO=b\r\n"
	        "XFORWARD ADDR=192.0.2.1\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"
	        "more octets than forty, which is the limit\r\n.\r\nXCLIENT NAME=x LOGIN=y\r\n"
	        "XCLIENT PORT=7\r\nQUIT\r\n";
	static const char lmtp[] = "LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n"
	                           "DATA\r\n..x\r\n.\r\nQUIT\r\n";
	unsigned long n;

	(void)state;
	for (n = 1; survives(LM_SMTP, smtp, n); n++)
		;
	assert_in_range(n, 30, 2000);
	for (n = 1; survives(LM_LMTP, lmtp, n); n++)
		;
	assert_in_range(n, 10, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_session_is_small),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(output_that_nobody_reads),
		cmocka_unit_test(a_hundred_thousand_recipients),
		cmocka_unit_test(one_decision_at_a_time),
		cmocka_unit_test(a_source_is_closed),
		cmocka_unit_test(nonsense_is_a_temporary_failure),
		cmocka_unit_test(codes_agree),
		cmocka_unit_test(long_texts_are_split),
		cmocka_unit_test(early_talkers),
		cmocka_unit_test(early_talkers_by_option),
		cmocka_unit_test(who_submits_may_talk_early),
		cmocka_unit_test(a_greeting_waits_for_the_first_look),
		cmocka_unit_test(starttls_takes_nothing_more),
		cmocka_unit_test(implicit_tls),
		cmocka_unit_test(slow_command),
		cmocka_unit_test(draining_waits_for_a_decision),
		cmocka_unit_test(draining_twice_ends_a_transaction),
		cmocka_unit_test(draining_twice_waits_for_a_decision),
		cmocka_unit_test(nothing_is_a_body_here),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("smtp/server", tests, NULL, NULL);
}
