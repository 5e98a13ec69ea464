/* What a transcript cannot say: decisions left open, bounded memory, time, broken handlers. */
#include "pop3/drive.h"

#include "lm_test.h"

static void setup(struct drive *d)
{
	drive_init(d);
	assert_err(drive_open(d), 0);
	drive_say(d, "");
}

/* Leave the next decision of a type open, and come to it. */
static void hold(struct drive *d, enum lm_event_type type, const char *line)
{
	d->hold = type;
	lm_buf_clear(&d->said);
	drive_feed(d, lm_str(line));
	assert_int_equal(d->held.type, type);
	d->hold = LM_EVENT_NONE;
}

static void release(struct drive *d, const struct lm_reply *reply)
{
	assert_err(lm_session_answer(d->session, d->held.id, reply, d->now), 0);
	drive_pump(d);
}

/* ---- decisions ---- */

static void nothing_is_taken_while_a_decision_is_open(void **state)
{
	struct drive d;
	size_t taken = 7;

	(void)state;
	setup(&d);
	drive_login(&d);
	hold(&d, LM_EVENT_STAT, "STAT\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER);
	assert_err(lm_session_feed(d.session, lm_str("NOOP\r\n"), d.now, &taken), 0);
	assert_int_equal(taken, 0);
	assert_int_equal(lm_session_deadline(d.session), LM_NEVER);
	release(&d, NULL);
	drive_expect(&d, "+OK 3 22\r\n");
	drive_say(&d, "NOOP\r\n");
	drive_expect(&d, "+OK\r\n");
	drive_done(&d);
}

static void late_double_and_orphaned_answers_change_nothing(void **state)
{
	struct lm_reply r = LM_REPLY_INIT;
	struct drive d;

	(void)state;
	setup(&d);
	drive_login(&d);
	hold(&d, LM_EVENT_NOOP, "NOOP\r\n");
	r.source = drive_source(&d);
	assert_err(lm_session_answer(d.session, d.held.id + 1, &r, d.now), LM_E_NOT_FOUND);
	assert_int_equal(d.sources_closed, 1);
	release(&d, NULL);
	drive_expect(&d, "+OK\r\n");
	r.source = drive_source(&d);
	assert_err(lm_session_answer(d.session, d.held.id, &r, d.now), LM_E_NOT_FOUND);
	assert_int_equal(d.sources_closed, 2);
	hold(&d, LM_EVENT_RETR, "RETR 1\r\n");
	lm_session_eof(d.session, d.now);
	r.source = drive_source(&d);
	assert_err(lm_session_answer(d.session, d.held.id, &r, d.now), LM_E_NOT_FOUND);
	assert_int_equal(d.sources_closed, 3);
	drive_done(&d);
}

static void disconnect_is_the_last_event_and_comes_once(void **state)
{
	struct lm_event ev;
	struct drive d;

	(void)state;
	setup(&d);
	drive_login(&d);
	hold(&d, LM_EVENT_DELE, "DELE 1\r\n");
	lm_session_eof(d.session, d.now);
	lm_session_eof(d.session, d.now);
	assert_int_equal(lm_session_event(d.session, &ev), 1);
	assert_int_equal(ev.type, LM_EVENT_DISCONNECT);
	assert_int_equal(ev.id, 0);
	assert_int_equal(lm_session_event(d.session, &ev), 0);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	drive_done(&d);
}

static void quit_names_the_deleted_by_the_handlers_ids(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	drive_login(&d);
	drive_say(&d, "DELE 3\r\nDELE 1\r\nQUIT\r\n");
	assert_int_equal(d.deleted_count, 2);
	assert_int_equal(d.deleted[0], 70);
	assert_int_equal(d.deleted[1], 72);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	drive_done(&d);
}

static void nobody_to_remove_means_no(void **state)
{
	struct drive d;

	(void)state;
	drive_init(&d);
	d.params.decides &= ~LM_EVENT_BIT(LM_EVENT_QUIT);
	assert_err(drive_open(&d), 0);
	drive_login(&d);
	drive_say(&d, "DELE 1\r\nQUIT\r\n");
	drive_expect(&d, "+OK message 1 deleted.\r\n"
	                 "-ERR [SYS/TEMP] some deleted messages not removed.\r\n");
	drive_done(&d);
}

static void top_is_cut_from_retr_where_only_retr_is_decided(void **state)
{
	struct drive d;

	(void)state;
	drive_init(&d);
	d.params.decides &= ~LM_EVENT_BIT(LM_EVENT_TOP);
	assert_err(drive_open(&d), 0);
	drive_login(&d);
	drive_say(&d, "TOP 1 0\r\n");
	drive_expect(&d, "+OK top follows.\r\nA: 1\r\n\r\n.\r\n");
	assert_non_null(memmem(d.events.data, d.events.len, "RETR ", 5));
	drive_say(&d, "CAPA\r\n");
	assert_non_null(memmem(d.said.data, d.said.len, "\nTOP\r\n", 6));
	drive_done(&d);
	drive_init(&d);
	d.params.decides &= ~(LM_EVENT_BIT(LM_EVENT_TOP) | LM_EVENT_BIT(LM_EVENT_RETR));
	assert_err(drive_open(&d), 0);
	drive_login(&d);
	drive_say(&d, "CAPA\r\n");
	assert_null(memmem(d.said.data, d.said.len, "\nTOP\r\n", 6));
	drive_say(&d, "TOP 1 0\r\n");
	drive_expect(&d, "-ERR command TOP is not implemented.\r\n");
	drive_done(&d);
}

static void a_server_may_have_another_name_and_peers_without_address(void **state)
{
	struct lm_pop3_server_peer peer = { .peer_address = "unix" };
	struct drive d;

	(void)state;
	drive_init(&d);
	d.params.implementation = "Test Mill 7";
	assert_err(lm_pop3_server_new(&d.params, &peer, d.now, &d.session), 0);
	drive_say(&d, "CAPA\r\n");
	assert_non_null(memmem(d.said.data, d.said.len, "ready, unix\r\n", 13));
	assert_non_null(memmem(d.said.data, d.said.len, "\nIMPLEMENTATION Test Mill 7\r\n", 29));
	drive_done(&d);
}

/* ---- handlers that break the rules ---- */

static void nonsense_costs_one_refusal(void **state)
{
	static const struct lm_reply broken[] = {
		{ .size = sizeof(struct lm_reply), .text = { (const uint8_t *)"a\r\n+OK", 6 } },
		{ .size = sizeof(struct lm_reply), .text = { (const uint8_t *)"a\0b", 3 } },
		{ .size = sizeof(struct lm_reply), .result = 1 },
		{ .size = sizeof(struct lm_reply), .pop3_code = (enum lm_pop3_code)99 },
		{ .size = 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		struct drive d;

		setup(&d);
		drive_login(&d);
		d.reply_to = LM_EVENT_NOOP;
		d.reply = broken[i];
		drive_say(&d, "NOOP\r\nSTAT\r\n");
		drive_expect(&d, "-ERR [SYS/PERM] not possible, ask the administrator.\r\n"
		                 "+OK 3 22\r\n");
		drive_done(&d);
	}
}

static void retr_needs_a_source(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	drive_login(&d);
	d.reply_to = LM_EVENT_RETR;
	d.reply = LM_REPLY_INIT;
	drive_say(&d, "RETR 1\r\nSTAT\r\n");
	drive_expect(&d, "-ERR [SYS/PERM] not possible, ask the administrator.\r\n+OK 3 22\r\n");
	drive_done(&d);
}

static void maildrops_that_cannot_be_shown_are_refused(void **state)
{
	static const struct lm_message broken[][2] = {
		{ { 1, 5, { (const uint8_t *)"a b", 3 } } },
		{ { 1, 5, { (const uint8_t *)"a\r\n.", 4 } } },
		{ { 1, 5, { NULL, 0 } } },
		{ { 1, UINT64_MAX, { (const uint8_t *)"a", 1 } },
		  { 2, 1, { (const uint8_t *)"b", 1 } } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		struct drive d;

		drive_init(&d);
		d.messages = broken[i];
		d.message_count = 2;
		assert_err(drive_open(&d), 0);
		drive_say(&d, "USER u\r\n");
		drive_say(&d, "PASS secret\r\n");
		drive_expect(&d, "-ERR [SYS/PERM] not possible, ask the administrator.\r\n");
		assert_int_equal(lm_session_info(d.session)->user.len, 0);
		assert_int_equal(drive_inside(&d)->state, LM_POP3_AUTHORIZATION);
		drive_done(&d);
	}
}

static void names_cannot_forge_lines(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	d.reply_to = LM_EVENT_AUTH;
	d.reply = LM_REPLY_INIT;
	d.reply.user = lm_str("u\r\n+OK");
	drive_say(&d, "USER u\r\n");
	drive_say(&d, "PASS secret\r\n");
	drive_expect(&d, "-ERR [SYS/PERM] not possible, ask the administrator.\r\n");
	drive_done(&d);
}

static void long_words_are_cut_to_a_line(void **state)
{
	char text[600];
	struct drive d;

	(void)state;
	setup(&d);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i >= 504 && i < 507 ? "\xe2\x82\xac"[i - 504] : 'x';
	d.reply_to = LM_EVENT_NOOP;
	d.reply = LM_REPLY_INIT;
	d.reply.text = lm_bytes(text, sizeof(text));
	drive_say(&d, "NOOP\r\n");
	/* "+OK " and 504 octets; the three of the sign would not all fit before 510. */
	assert_int_equal(lm_buf_len(&d.said), 4 + 504 + 2);
	drive_done(&d);
}

static void a_body_that_fails_cuts_the_connection(void **state)
{
	struct lm_reply r = LM_REPLY_INIT;
	size_t taken = 0;
	struct drive d;

	(void)state;
	setup(&d);
	drive_login(&d);
	hold(&d, LM_EVENT_RETR, "RETR 1\r\n");
	r.source = drive_source(&d);
	assert_err(lm_session_answer(d.session, d.held.id, &r, d.now), 0);
	assert_true(lm_session_wants(d.session) & LM_WANT_BODY);
	assert_err(lm_session_body(d.session, lm_str("A: "), false, d.now, &taken), 0);
	assert_err(lm_session_body_failed(d.session, LM_E_CORRUPT), LM_E_CORRUPT);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ABORT);
	assert_err(lm_session_feed(d.session, lm_str("NOOP\r\n"), d.now, &taken), LM_E_CORRUPT);
	assert_err(lm_session_body(d.session, lm_str("A"), true, d.now, &taken), LM_E_CORRUPT);
	assert_err(lm_session_tick(d.session, d.now), LM_E_CORRUPT);
	assert_err(lm_session_answer(d.session, 1, NULL, d.now), LM_E_CORRUPT);
	r.source->ops->close(r.source);
	lm_session_eof(d.session, d.now);
	lm_buf_clear(&d.events);
	d.failed = 0;
	drive_pump(&d);
	assert_bytes(lm_buf_bytes(&d.events), lm_str("DISCONNECT "));
	drive_done(&d);
}

/* ---- bounded memory ---- */

static void an_idle_session_is_small(void **state)
{
	struct drive d;

	(void)state;
	assert_true(sizeof(struct lm_pop3_server) < 1024);
	setup(&d);
	drive_login(&d);
	drive_say(&d, "RETR 1\r\nLIST\r\nFOO\r\nLANG nl\r\n");
	assert_null(drive_inside(&d)->out.data);
	assert_null(drive_inside(&d)->reader.partial.data);
	assert_null(drive_inside(&d)->login);
	assert_null(drive_inside(&d)->drop.deleted);
	drive_done(&d);
}

static void a_pipeline_that_is_not_read_waits(void **state)
{
	static char flood[5 * 20000 + 1];
	size_t replies = 0, at = 0;
	struct drive d;

	(void)state;
	setup(&d);
	for (size_t i = 0; i < sizeof(flood) - 1; i++)
		flood[i] = "A B\r\n"[i % 5];
	d.params.max_errors = 1000000;
	d.params.decides = 0;
	while (at < sizeof(flood) - 1) {
		size_t taken = 0, len;

		assert_err(lm_session_feed(d.session, lm_bytes(flood + at, sizeof(flood) - 1 - at),
		                           d.now, &taken),
		           0);
		at += taken;
		len = lm_session_output(d.session).len;
		assert_in_range(len, 1, LM_POP3_OUTPUT_HIGH + LM_POP3_REPLY_MAX);
		if (at < sizeof(flood) - 1)
			assert_false(lm_session_wants(d.session) & LM_WANT_INPUT);
		for (size_t i = 0; i < len; i++)
			replies += lm_session_output(d.session).data[i] == '\n';
		lm_session_sent(d.session, len);
	}
	assert_int_equal(replies, 20000);
	drive_done(&d);
}

static struct lm_message *many(size_t count)
{
	struct lm_message *m = lm_alloc_zero(count, sizeof(*m));

	assert_non_null(m);
	for (size_t i = 0; i < count; i++)
		m[i] = (struct lm_message){ i, 1000000 + i, lm_str("same-name") };
	return m;
}

static void a_million_messages_are_listed_in_pieces(void **state)
{
	enum { COUNT = 1000000 };
	struct lm_message *m = many(COUNT);
	struct drive d;
	char last[64];
	size_t lines = 0, n;

	(void)state;
	drive_init(&d);
	d.messages = m;
	d.message_count = COUNT;
	assert_err(drive_open(&d), 0);
	drive_login(&d);
	drive_say(&d, "DELE 2\r\nLIST\r\nNOOP\r\n");
	assert_true(d.most_held <= LM_POP3_OUTPUT_HIGH + LM_POP3_REPLY_MAX);
	for (size_t i = 0; i < lm_buf_len(&d.said); i++)
		lines += d.said.data[i] == '\n';
	assert_int_equal(lines, 1 + 1 + COUNT - 1 + 1 + 1);
	n = (size_t)snprintf(last, sizeof(last), "%d %d\r\n.\r\n+OK\r\n", COUNT,
	                     1000000 + COUNT - 1);
	assert_bytes(lm_bytes_from(lm_buf_bytes(&d.said), lm_buf_len(&d.said) - n), lm_str(last));
	drive_say(&d, "UIDL\r\nQUIT\r\n");
	assert_true(d.most_held <= LM_POP3_OUTPUT_HIGH + LM_POP3_REPLY_MAX);
	drive_done(&d);
	lm_free(m);
}

static void a_large_message_goes_through_a_small_buffer(void **state)
{
	enum { SIZE = 3 * 1000 * 1000 };
	uint8_t *body = lm_alloc(SIZE);
	struct lm_dot_decoder dots;
	size_t taken, len, head = strlen("+OK 8 octets\r\n");
	struct drive d;

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (uint8_t)("\r\n."[i % 3]);
	drive_init(&d);
	d.body = lm_bytes(body, SIZE - 1); /* ends with CRLF */
	assert_err(drive_open(&d), 0);
	drive_login(&d);
	drive_say(&d, "RETR 1\r\n");
	assert_true(d.most_held <= LM_POP3_OUTPUT_MAX);
	lm_dot_decoder_init(&dots);
	len = lm_dot_decode(&dots, lm_bytes_from(lm_buf_bytes(&d.said), head), d.said.data, &taken);
	assert_true(dots.done);
	assert_int_equal(taken, lm_buf_len(&d.said) - head);
	assert_true(lm_bytes_equal(lm_bytes(d.said.data, len), d.body));
	drive_done(&d);
	lm_free(body);
}

static void a_body_is_wanted_behind_a_full_output(void **state)
{
	struct lm_reply r = LM_REPLY_INIT;
	size_t taken = 0;
	struct lm_event ev;
	struct drive d;

	(void)state;
	setup(&d);
	drive_login(&d);
	for (int i = 0; lm_session_output(d.session).len < LM_POP3_OUTPUT_HIGH - 100; i++) {
		assert_err(lm_session_feed(d.session, lm_str("UTF8\r\n"), d.now, &taken), 0);
		drive_inside(&d)->errors = 0;
	}
	assert_err(lm_session_feed(d.session, lm_str("RETR 1\r\n"), d.now, &taken), 0);
	assert_int_equal(lm_session_event(d.session, &ev), 1);
	r.source = drive_source(&d);
	assert_err(lm_session_answer(d.session, ev.id, &r, d.now), 0);
	assert_true(lm_session_wants(d.session) & LM_WANT_BODY);
	r.source->ops->close(r.source);
	drive_done(&d);
}

static void a_line_without_end_costs_one_reply(void **state)
{
	static char line[1000000];
	struct drive d;

	(void)state;
	setup(&d);
	lm_buf_clear(&d.said);
	memset(line, 'x', sizeof(line));
	assert_int_equal(drive_feed(&d, lm_bytes(line, sizeof(line))), sizeof(line));
	assert_true(drive_inside(&d)->reader.partial.cap <= d.params.max_line);
	drive_expect(&d, "");
	drive_say(&d, "\r\nNOOP\r\n");
	drive_expect(&d, "-ERR line too long.\r\n+OK\r\n");
	drive_done(&d);
}

/* ---- TLS ---- */

static void stls_takes_nothing_behind_it(void **state)
{
	static const struct lm_tls_info info = { .active = true, .peer_name = "" };
	static const char in[] = "STLS\r\nUSER alice\r\n";
	struct drive d;
	size_t taken;

	(void)state;
	drive_init(&d);
	d.params.tls = true;
	assert_err(drive_open(&d), 0);
	drive_say(&d, "");
	assert_err(lm_session_feed(d.session, lm_str(in), d.now, &taken), 0);
	assert_int_equal(taken, 6);
	assert_true(lm_session_wants(d.session) & LM_WANT_TLS);
	assert_false(lm_session_wants(d.session) & LM_WANT_INPUT);
	assert_err(lm_session_feed(d.session, lm_str(in + 6), d.now, &taken), 0);
	assert_int_equal(taken, 0);
	assert_err(lm_session_tls_up(d.session, &info, d.now), LM_E_MISUSE);
	lm_session_sent(d.session, lm_session_output(d.session).len);
	assert_err(lm_session_tls_up(d.session, &info, d.now), 0);
	assert_err(lm_session_tls_up(d.session, &info, d.now), LM_E_MISUSE);
	drive_say(&d, "NOOP\r\n");
	drive_expect(&d, "+OK\r\n");
	drive_done(&d);
}

static void implicit_tls_is_named_in_the_greeting_without_a_handler_too(void **state)
{
	static const struct lm_tls_info info = { .active = true, .peer_name = "" };
	struct drive d;

	(void)state;
	drive_init(&d);
	d.params.decides = 0;
	assert_err(drive_open(&d), 0);
	assert_err(lm_session_tls_up(d.session, &info, d.now), 0);
	drive_say(&d, "");
	drive_expect(&d, "+OK Lettermill-POP3S ready, IPv6 [::1]:9\r\n");
	drive_done(&d);
}

/* ---- time ---- */

static void a_slow_reader_is_not_idle(void **state)
{
	struct lm_event ev;
	struct drive d;
	size_t taken;

	(void)state;
	setup(&d);
	assert_int_equal(lm_session_deadline(d.session), d.now + 600000);
	assert_err(lm_session_feed(d.session, lm_str("CAPA\r\n"), d.now, &taken), 0);
	assert_int_equal(lm_session_event(d.session, &ev), 1);
	assert_err(lm_session_answer(d.session, ev.id, NULL, d.now), 0);
	d.now += 600000;
	assert_err(lm_session_tick(d.session, d.now), 0);
	assert_false(lm_session_wants(d.session) & LM_WANT_CLOSE);
	drive_pump(&d);
	d.now += 599999;
	assert_err(lm_session_tick(d.session, d.now), 0);
	assert_false(lm_session_wants(d.session) & LM_WANT_CLOSE);
	d.now += 1;
	assert_err(lm_session_tick(d.session, d.now), 0);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	drive_done(&d);
}

static void draining_lets_a_message_finish(void **state)
{
	struct lm_reply r = LM_REPLY_INIT;
	struct drive d;

	(void)state;
	setup(&d);
	drive_login(&d);
	hold(&d, LM_EVENT_RETR, "RETR 1\r\n");
	lm_session_drain(d.session, d.now);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER);
	r.source = drive_source(&d);
	release(&d, &r);
	drive_expect(&d, "+OK 8 octets\r\nA: 1\r\n\r\nbody\r\n.\r\n"
	                 "-ERR [SYS/TEMP] server shutting down, try again later.\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	r.source->ops->close(r.source);
	drive_done(&d);
}

static void draining_before_the_greeting_says_no(void **state)
{
	struct drive d;

	(void)state;
	drive_init(&d);
	assert_err(drive_open(&d), 0);
	lm_session_drain(d.session, d.now);
	drive_pump(&d);
	drive_expect(&d, "-ERR [SYS/TEMP] server shutting down, try again later.\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	drive_done(&d);
}

/* ---- memory that fails ---- */

static const char dialogue[] =
        "CAPA\r\nLANG nl\r\nLANG\r\nUTF8\r\nFOO bar\r\nUSER u\r\nPASS wrong\r\nAUTH\r\n"
        "AUTH PLAIN\r\nAHUAc2VjcmV0\r\nLIST\r\nUIDL\r\nSTAT\r\nRETR 1\r\nTOP 1 1\r\nDELE 1\r\n"
        "RSET\r\nDELE 2\r\nNOOP\r\nQUIT\r\n";

/* The whole dialogue with the n-th allocation failing; true when none was left to fail. */
static bool survives(unsigned long n, bool octets)
{
	struct drive d;
	int err;
	size_t taken = 0;

	drive_init(&d);
	d.params.mechanisms = "PLAIN";
	d.params.apop = true;
	assert_err(lm_buf_add_str(&d.said, "room"), 0);
	lm_alloc_fail_at(n);
	err = drive_open(&d);
	if (err) {
		lm_alloc_fail_at(0);
		assert_err(err, LM_E_NOMEM);
		drive_done(&d);
		return false;
	}
	if (octets)
		for (size_t i = 0; i < sizeof(dialogue) - 1 && !d.failed; i++)
			taken += drive_feed(&d, lm_bytes(dialogue + i, 1));
	else
		taken = drive_feed(&d, lm_str(dialogue));
	lm_alloc_fail_at(0);
	if (drive_inside(&d)->fatal) {
		assert_err(drive_inside(&d)->fatal, LM_E_NOMEM);
		assert_int_equal(lm_session_wants(d.session), LM_WANT_ABORT);
	}
	err = d.failed;
	if (!err && !drive_inside(&d)->fatal)
		assert_int_equal(taken, sizeof(dialogue) - 1);
	lm_session_eof(d.session, d.now);
	drive_done(&d);
	return err == 0;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (int octets = 0; octets < 2; octets++) {
		unsigned long n = 1;

		while (!survives(n, octets) && n < 1000)
			n++;
		assert_in_range(n, 20, 999);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_taken_while_a_decision_is_open),
		cmocka_unit_test(late_double_and_orphaned_answers_change_nothing),
		cmocka_unit_test(disconnect_is_the_last_event_and_comes_once),
		cmocka_unit_test(quit_names_the_deleted_by_the_handlers_ids),
		cmocka_unit_test(nobody_to_remove_means_no),
		cmocka_unit_test(top_is_cut_from_retr_where_only_retr_is_decided),
		cmocka_unit_test(a_server_may_have_another_name_and_peers_without_address),
		cmocka_unit_test(nonsense_costs_one_refusal),
		cmocka_unit_test(retr_needs_a_source),
		cmocka_unit_test(maildrops_that_cannot_be_shown_are_refused),
		cmocka_unit_test(names_cannot_forge_lines),
		cmocka_unit_test(long_words_are_cut_to_a_line),
		cmocka_unit_test(a_body_that_fails_cuts_the_connection),
		cmocka_unit_test(an_idle_session_is_small),
		cmocka_unit_test(a_pipeline_that_is_not_read_waits),
		cmocka_unit_test(a_million_messages_are_listed_in_pieces),
		cmocka_unit_test(a_large_message_goes_through_a_small_buffer),
		cmocka_unit_test(a_body_is_wanted_behind_a_full_output),
		cmocka_unit_test(a_line_without_end_costs_one_reply),
		cmocka_unit_test(stls_takes_nothing_behind_it),
		cmocka_unit_test(implicit_tls_is_named_in_the_greeting_without_a_handler_too),
		cmocka_unit_test(a_slow_reader_is_not_idle),
		cmocka_unit_test(draining_lets_a_message_finish),
		cmocka_unit_test(draining_before_the_greeting_says_no),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
