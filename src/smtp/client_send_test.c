/* Transactions of the client: their bounds, what may go wrong in the midst, and what is told. */
#include "lm_test.h"

#include "smtp/client_peer.h"

#define PLAIN_CAPS "250-mx\r\n250 PIPELINING\r\n"
#define CHUNK_CAPS "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"

static struct lm_recipient one[] = { { .address = { (const uint8_t *)"b@x", 3 } } };
static const struct lm_envelope letter = { .sender = { (const uint8_t *)"a@x", 3 },
	                                   .recipients = one,
	                                   .recipient_count = 1 };

static int send_letter(struct owner *o)
{
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_SEND);

	r.envelope = &letter;
	return owner_ask(o, &r);
}

static void begin(struct owner *o, const char *caps)
{
	owner_init(o, LM_SMTP);
	owner_greet(o, caps);
}

/* Ten thousand of them: no more waits to be written than a group, however fast replies come. */
static void recipients_without_number(void **state)
{
	enum { COUNT = 10000 };
	struct lm_recipient *to = calloc(COUNT, sizeof(*to));
	struct lm_envelope e = { .recipients = to, .recipient_count = COUNT };
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_SEND);
	size_t said = 0, most = 0;
	struct lm_event ev;
	struct owner o;

	(void)state;
	assert_non_null(to);
	for (size_t i = 0; i < COUNT; i++)
		to[i].address = lm_str("somebody@somewhere.example");
	begin(&o, PLAIN_CAPS);
	r.envelope = &e;
	assert_err(lm_session_request(o.session, &r, o.now), 0);
	for (struct lm_bytes out; (out = lm_session_output(o.session)).len; said++) {
		size_t n = out.len < 1000 ? out.len : 1000;

		most = out.len > most ? out.len : most;
		assert_err(lm_buf_add(&o.said, lm_bytes(out.data, n)), 0);
		lm_session_sent(o.session, n);
	}
	assert_in_range(most, LM_SMTPC_GROUP, LM_SMTPC_GROUP + 100);
	assert_memory_equal(o.said.data + o.said.len - 6, "DATA\r\n", 6);
	assert_int_equal(lm_session_event(o.session, &ev), 0);
	lm_buf_clear(&o.outcomes);
	owner_feed(&o, lm_str("250 a\r\n"), SIZE_MAX);
	for (size_t i = 0; i < COUNT; i++)
		owner_feed(&o, lm_str(i == 7777 ? "550 no\r\n" : "250 b\r\n"), SIZE_MAX);
	owner_feed(&o, lm_str("354 c\r\n250 d\r\n"), SIZE_MAX);
	assert_memory_equal(o.outcomes.data, "NOT_FOUND 550 no [OK 250 b]", 27);
	owner_done(&o);
	free(to);
}

static void chunks_without_replies_are_few(void **state)
{
	struct lm_buf message;
	struct owner o;
	uint8_t *room;

	(void)state;
	lm_buf_init(&message, 4 << 20);
	assert_err(lm_buf_room(&message, 1 << 20, &room), 0);
	memset(room, 'x', 1 << 20);
	lm_buf_grew(&message, 1 << 20);
	begin(&o, CHUNK_CAPS);
	o.message = lm_buf_bytes(&message);
	o.piece = 10000;
	assert_err(send_letter(&o), 0);
	owner_hear(&o, "250 a\r\n250 b\r\n");
	assert_int_equal(o.at, LM_SMTPC_CHUNKS * 10000);
	assert_true(lm_session_wants(o.session) & LM_WANT_BODY);
	assert_true(lm_session_deadline(o.session) == o.now + 60000);
	owner_hear(&o, "250 one\r\n");
	assert_int_equal(o.at, (LM_SMTPC_CHUNKS + 1) * 10000);
	owner_hear(&o, "552 5.3.4 too much\r\n");
	assert_false(lm_session_wants(o.session) & LM_WANT_BODY);
	assert_outcomes(&o, "");
	owner_hear(&o, "503 x\r\n503 x\r\n503 x\r\n");
	assert_outcomes(&o, "DENIED 552 5.3.4 too much [DENIED 552 5.3.4 too much];");
	assert_err(send_letter(&o), 0);
	assert_said(&o, "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
	owner_done(&o);
	lm_buf_done(&message);
}

static void without_pipelining_one_chunk_at_a_time(void **state)
{
	struct owner o;

	(void)state;
	begin(&o, "250-mx\r\n250 CHUNKING\r\n");
	o.piece = 8;
	o.message = lm_str("first\r\nsecond");
	assert_err(send_letter(&o), 0);
	owner_hear(&o, "250 a\r\n");
	owner_hear(&o, "250 b\r\n");
	assert_said(&o, "BDAT 8\r\nfirst\r\ns");
	owner_hear(&o, "250 c\r\n");
	assert_said(&o, "BDAT 5 LAST\r\necond");
	owner_hear(&o, "250 d\r\n");
	assert_outcomes(&o, "OK 250 d [OK 250 b];");
	owner_done(&o);
}

static void early_words(void **state)
{
	static const struct {
		const char *reply, *outcome;
		unsigned want;
	} rows[] = {
		{ "552 5.2.2 stop\r\n", "DENIED 552 5.2.2 stop [DENIED 552 5.2.2 stop];",
		  LM_WANT_ABORT },
		{ "421 4.3.2 bye\r\n", "AGAIN 421 4.3.2 bye [AGAIN 421 4.3.2 bye];",
		  LM_WANT_CLOSE },
		{ "250 thanks\r\n", "PROTO a reply that fits nothing: 250 thanks [PROTO];",
		  LM_WANT_ABORT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct owner o;

		begin(&o, PLAIN_CAPS);
		o.stall = true;
		assert_err(send_letter(&o), 0);
		owner_hear(&o, "250 a\r\n250 b\r\n354 c\r\n");
		assert_true(lm_session_wants(o.session) & LM_WANT_BODY);
		owner_hear(&o, rows[i].reply);
		assert_outcomes(&o, rows[i].outcome);
		assert_said(&o, "");
		assert_true(lm_session_wants(o.session) == rows[i].want);
		owner_done(&o);
	}
}

static void a_message_that_breaks_off_is_cut(void **state)
{
	struct owner o;

	(void)state;
	begin(&o, PLAIN_CAPS);
	o.stall = true;
	assert_err(send_letter(&o), 0);
	assert_err(lm_session_body_failed(o.session, LM_E_IO), LM_E_MISUSE);
	owner_hear(&o, "250 a\r\n250 b\r\n354 c\r\n");
	assert_err(lm_session_body_failed(o.session, LM_E_IO), 0);
	assert_true(lm_session_wants(o.session) == LM_WANT_ABORT);
	assert_int_equal(lm_session_output(o.session).len, 0);
	owner_pump(&o);
	assert_outcomes(&o,
	                "IO the message could not be read to its end: input/output error [IO];");
	owner_done(&o);
}

static void a_message_that_is_withheld(void **state)
{
	struct owner o;

	(void)state;
	begin(&o, PLAIN_CAPS);
	o.withhold = true;
	assert_err(send_letter(&o), 0);
	owner_hear(&o, "250 a\r\n250 b\r\n354 c\r\n");
	assert_outcomes(&o, "NOT_FOUND the message was withheld [NOT_FOUND];");
	assert_true(lm_session_wants(o.session) == LM_WANT_ABORT);
	owner_done(&o);
	begin(&o, CHUNK_CAPS);
	o.withhold = true;
	assert_err(send_letter(&o), 0);
	owner_hear(&o, "250 a\r\n250 b\r\n");
	assert_outcomes(&o, "NOT_FOUND the message was withheld [NOT_FOUND];");
	o.withhold = false;
	assert_err(send_letter(&o), 0);
	assert_said(&o, "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
	owner_hear(&o, "250 r\r\n250 a\r\n250 b\r\n250 c\r\n");
	assert_outcomes(&o, "OK 250 c [OK 250 b];");
	owner_done(&o);
}

static void lone_line_ends(void **state)
{
	static const char *const bad[] = { "a\nb\r\n", "a\rb\r\n", "\n",     "\r",
		                           "a\r\r\n",  "a\n\r\n",  "a\r\n\r" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		for (size_t piece = 1; piece < 6; piece++)
			for (int chunked = 0; chunked < 2; chunked++) {
				struct owner o;

				begin(&o, chunked ? CHUNK_CAPS : PLAIN_CAPS);
				o.message = lm_str(bad[i]);
				o.piece = piece;
				assert_err(send_letter(&o), 0);
				owner_hear(&o, "250 a\r\n250 b\r\n");
				owner_feed(&o,
				           lm_str(chunked ? "250 c\r\n250 d\r\n250 e\r\n"
				                          : "354 c\r\n"),
				           SIZE_MAX);
				assert_outcomes(&o, "SYNTAX a CR or LF stands alone in the message "
				                    "[SYNTAX];");
				assert_true(lm_session_wants(o.session) == LM_WANT_ABORT);
				assert_null(memmem(o.said.data, o.said.len, "LAST", 4));
				assert_null(memmem(o.said.data, o.said.len, "\r\n.\r\n", 5));
				owner_done(&o);
			}
}

/* The end is there, but not all of it was written: nobody can have taken the message. */
static void an_end_that_did_not_leave_is_known(void **state)
{
	for (size_t left = 0; left < 2; left++) {
		struct owner o;
		struct lm_bytes out;

		(void)state;
		begin(&o, PLAIN_CAPS);
		assert_err(send_letter(&o), 0);
		o.blocked = true;
		owner_hear(&o, "250 a\r\n250 b\r\n354 c\r\n");
		out = lm_session_output(o.session);
		assert_bytes(out, lm_str("Subject: x\r\n\r\n..hi\r\n.\r\n"));
		lm_session_sent(o.session, out.len - left);
		lm_session_eof(o.session, o.now);
		owner_pump(&o);
		assert_outcomes(&o, left ? "CLOSED the connection was closed [CLOSED];DISCONNECT;"
		                         : "CLOSED the connection was closed unknown [CLOSED "
		                           "unknown];DISCONNECT;");
		owner_done(&o);
	}
}

static void patience_while_output_flows(void **state)
{
	struct owner o;

	(void)state;
	begin(&o, PLAIN_CAPS);
	o.blocked = true;
	assert_err(send_letter(&o), 0);
	for (int i = 0; i < 5; i++) {
		o.now += 60000;
		lm_session_sent(o.session, 1);
		assert_err(lm_session_tick(o.session, o.now), 0);
		assert_false(lm_session_wants(o.session) & LM_WANT_ABORT);
	}
	o.now += 60000;
	assert_err(lm_session_tick(o.session, o.now), 0);
	assert_true(lm_session_wants(o.session) == LM_WANT_ABORT);
	owner_pump(&o);
	assert_outcomes(&o, "TIMEOUT no reply within 60 seconds [TIMEOUT];");
	owner_done(&o);
}

static void the_owner_may_take_his_time(void **state)
{
	struct owner o;
	size_t taken;

	(void)state;
	begin(&o, PLAIN_CAPS);
	o.stall = true;
	assert_err(send_letter(&o), 0);
	assert_true(lm_session_deadline(o.session) == o.now + 60000);
	owner_hear(&o, "250 a\r\n250 b\r\n354 c\r\n");
	assert_true(lm_session_deadline(o.session) == LM_NEVER);
	o.now += 1000000;
	assert_err(lm_session_body(o.session, lm_str("x\r\n"), true, o.now, &taken), 0);
	assert_int_equal(taken, 3);
	assert_true(lm_session_deadline(o.session) == o.now + 600000);
	assert_err(lm_session_body(o.session, lm_str("y"), true, o.now, &taken), LM_E_MISUSE);
	assert_int_equal(taken, 0);
	owner_done(&o);
}

struct source {
	struct lm_source base;
	int closed;
};

static void close_source(struct lm_source *source)
{
	lm_container(source, struct source, base)->closed++;
}

/* A source is the owner's only behind a yes that was asked for. */
static void sources_are_closed_where_nobody_takes_them(void **state)
{
	static const struct lm_source_ops ops = { .close = close_source };
	struct source source = { .base = { .ops = &ops } };
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_event ev = { 0 };
	struct owner o;
	size_t taken;

	(void)state;
	reply.source = &source.base;
	begin(&o, PLAIN_CAPS);
	assert_err(lm_session_answer(o.session, 5, &reply, o.now), LM_E_NOT_FOUND);
	assert_int_equal(source.closed, 1);
	assert_err(send_letter(&o), 0);
	assert_err(lm_session_feed(o.session, lm_str("250 a\r\n250 b\r\n354 c\r\n"), o.now, &taken),
	           0);
	assert_int_equal(lm_session_event(o.session, &ev), 1);
	assert_int_equal(ev.type, LM_EVENT_DATA);
	assert_ptr_equal(ev.envelope, &letter);
	assert_true(lm_session_wants(o.session) == LM_WANT_ANSWER);
	assert_true(lm_session_deadline(o.session) == LM_NEVER);
	reply.result = LM_E_IO;
	assert_err(lm_session_answer(o.session, ev.id, &reply, o.now), 0);
	assert_int_equal(source.closed, 2);
	owner_pump(&o);
	assert_outcomes(&o, "IO the message was withheld [IO];");
	owner_done(&o);
}

static void an_empty_message(void **state)
{
	struct owner o;

	(void)state;
	begin(&o, PLAIN_CAPS);
	o.message = lm_str("");
	assert_err(send_letter(&o), 0);
	owner_hear(&o, "250 a\r\n250 b\r\n354 c\r\n");
	assert_said(&o, ".\r\n");
	owner_hear(&o, "250 d\r\n");
	assert_outcomes(&o, "OK 250 d [OK 250 b];");
	owner_done(&o);
	begin(&o, CHUNK_CAPS);
	o.message = lm_str("");
	assert_err(send_letter(&o), 0);
	owner_hear(&o, "250 a\r\n250 b\r\n");
	assert_said(&o, "BDAT 0 LAST\r\n");
	owner_hear(&o, "250 d\r\n");
	assert_outcomes(&o, "OK 250 d [OK 250 b];");
	owner_done(&o);
}

/* What the outcome lends lives until the next call, the reply's own 64 KB included. */
static void a_long_reply_is_kept_and_shortened_for_recipients(void **state)
{
	struct lm_event ev = { 0 };
	struct lm_buf reply;
	struct owner o;
	size_t taken;

	(void)state;
	lm_buf_init(&reply, 1 << 20);
	for (int i = 0; i < 600; i++)
		assert_err(lm_buf_printf(&reply, "550-5.7.1 %080d\r\n", i), 0);
	assert_err(lm_buf_add_str(&reply, "550 5.7.1 end\r\n503 x\r\n"), 0);
	begin(&o, PLAIN_CAPS);
	assert_err(send_letter(&o), 0);
	assert_err(lm_session_feed(o.session, lm_str("250 a\r\n"), o.now, &taken), 0);
	assert_err(lm_session_feed(o.session, lm_buf_bytes(&reply), o.now, &taken), 0);
	assert_int_equal(taken, lm_buf_len(&reply));
	assert_int_equal(lm_session_event(o.session, &ev), 1);
	assert_int_equal(ev.type, LM_EVENT_OUTCOME);
	assert_int_equal(ev.outcome->recipients[0].text.len, LM_SMTPC_WORDS);
	assert_int_equal(ev.outcome->text.len, LM_SMTPC_WORDS);
	assert_bytes(ev.outcome->command, lm_str("RCPT TO:<b@x>"));
	assert_err(lm_session_feed(o.session, lm_str("250 again\r\n"), o.now, &taken), 0);
	assert_true(lm_session_wants(o.session) == LM_WANT_ABORT);
	owner_done(&o);
	lm_buf_done(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recipients_without_number),
		cmocka_unit_test(chunks_without_replies_are_few),
		cmocka_unit_test(without_pipelining_one_chunk_at_a_time),
		cmocka_unit_test(early_words),
		cmocka_unit_test(a_message_that_breaks_off_is_cut),
		cmocka_unit_test(a_message_that_is_withheld),
		cmocka_unit_test(lone_line_ends),
		cmocka_unit_test(an_end_that_did_not_leave_is_known),
		cmocka_unit_test(patience_while_output_flows),
		cmocka_unit_test(the_owner_may_take_his_time),
		cmocka_unit_test(sources_are_closed_where_nobody_takes_them),
		cmocka_unit_test(an_empty_message),
		cmocka_unit_test(a_long_reply_is_kept_and_shortened_for_recipients),
	};

	return cmocka_run_group_tests_name("smtp/client_send", tests, NULL, NULL);
}
