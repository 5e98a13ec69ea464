/* Words left to the handler: what is hidden meanwhile, what is not done, and what it may cost; and
 * which languages can be used. */
#include "pop3/drive.h"

#include "lm_test.h"

static struct lm_pop3_text open_texts[LM_SAY_COUNT];
static struct lm_pop3_language open_language = { "x-ask", "Asked", open_texts, 0 };

static void leave_all_open(void)
{
	size_t n = 0;

	for (int say = LM_SAY_NOTHING + 1; say < LM_SAY_COUNT; say++) {
		const struct lm_pop3_say_row *row = lm_pop3_say_row((enum lm_pop3_say)say);

		if (!row->fixed)
			open_texts[n++] = (struct lm_pop3_text){ row->key, NULL };
	}
	open_language.text_count = n;
}

static void prepare(struct drive *d)
{
	leave_all_open();
	drive_init(d);
	d->params.languages = &open_language;
	d->params.language_count = 1;
	d->params.language = "x-ask";
	d->params.tls = true;
	assert_err(lm_pop3_language_check(&open_language, NULL), 0);
}

static void setup(struct drive *d)
{
	prepare(d);
	assert_err(drive_open(d), 0);
	drive_login(d);
}

/* Come to the next question for words, and leave it open. */
static void hold(struct drive *d, const char *line)
{
	d->hold = LM_EVENT_SAY;
	lm_buf_clear(&d->said);
	drive_feed(d, lm_str(line));
	assert_int_equal(d->held.type, LM_EVENT_SAY);
	d->hold = LM_EVENT_NONE;
}

static void fill_in(struct drive *d, const char *words)
{
	struct lm_reply r = LM_REPLY_INIT;

	r.text = lm_str(words);
	assert_err(lm_session_answer(d->session, d->held.id, &r, d->now), 0);
	drive_pump(d);
}

/* ---- what waits ---- */

static void nothing_goes_on_while_words_are_missing(void **state)
{
	struct drive d;
	size_t taken = 7;

	(void)state;
	setup(&d);
	hold(&d, "STAT\r\nDELE 2\r\n");
	drive_expect(&d, "+OK 3 22\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER);
	assert_err(lm_session_feed(d.session, lm_str("NOOP\r\n"), d.now, &taken), 0);
	assert_int_equal(taken, 0);
	assert_int_equal(lm_session_deadline(d.session), LM_NEVER);
	assert_string_equal(d.held.say->key, "success.dele.deleted");
	assert_int_equal(d.held.say->number, 2);
	assert_int_equal(d.held.say->octets, 9);
	assert_bytes(d.held.say->uidl, lm_str("b"));
	fill_in(&d, "away");
	drive_expect(&d, "+OK 3 22\r\n+OK away\r\n");
	assert_err(lm_session_answer(d.session, d.held.id, NULL, d.now), LM_E_NOT_FOUND);
	drive_say(&d, "STAT\r\n");
	drive_expect(&d, "+OK 2 13\r\n");
	drive_done(&d);
}

static void what_was_shown_before_is_sent_meanwhile(void **state)
{
	struct lm_event ev;
	struct drive d;
	size_t taken;

	(void)state;
	setup(&d);
	d.params.decides = LM_EVENT_BIT(LM_EVENT_SAY);
	assert_err(lm_session_feed(d.session, lm_str("STAT\r\nRSET\r\n"), d.now, &taken), 0);
	assert_int_equal(taken, 12);
	assert_bytes(lm_session_output(d.session), lm_str("+OK 3 22\r\n"));
	lm_session_sent(d.session, 4);
	assert_int_equal(lm_session_event(d.session, &ev), 1);
	assert_bytes(lm_session_output(d.session), lm_str("3 22\r\n"));
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER | LM_WANT_OUTPUT);
	lm_session_sent(d.session, 6);
	assert_int_equal(lm_session_output(d.session).len, 0);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER);
	assert_err(lm_session_answer(d.session, ev.id, NULL, d.now), 0);
	assert_bytes(lm_session_output(d.session),
	             lm_str("+OK maildrop has 3 messages (22 octets).\r\n"));
	drive_done(&d);
}

static void a_body_waits_behind_its_words_and_is_bounded(void **state)
{
	size_t size = 300 * 1000;
	uint8_t *octets = lm_alloc(size);
	struct drive d;

	(void)state;
	assert_non_null(octets);
	memset(octets, '.', size);
	setup(&d);
	d.body = lm_bytes(octets, size);
	hold(&d, "RETR 1\r\nNOOP\r\n");
	drive_expect(&d, "");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER | LM_WANT_BODY);
	assert_in_range(lm_buf_len(&drive_inside(&d)->out), LM_POP3_BODY_HIDDEN,
	                2 * LM_POP3_BODY_HIDDEN + LM_POP3_REPLY_MAX);
	d.body = lm_bytes(octets, size - LM_POP3_BODY_HIDDEN);
	fill_in(&d, "here");
	assert_bytes(lm_bytes(d.said.data, 11), lm_str("+OK here\r\n."));
	assert_true(d.most_held <= LM_POP3_OUTPUT_MAX);
	drive_say(&d, "NOOP\r\n");
	drive_expect(&d, "+OK\r\n");
	drive_done(&d);
	lm_free(octets);
}

static void an_empty_message_ends_behind_its_words(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	d.body = lm_bytes(NULL, 0);
	hold(&d, "RETR 1\r\n");
	drive_expect(&d, "");
	fill_in(&d, "nothing");
	drive_expect(&d, "+OK nothing\r\n.\r\n");
	drive_done(&d);
}

static void a_listing_is_made_behind_its_words(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	hold(&d, "UIDL\r\n");
	drive_expect(&d, "");
	assert_in_range(lm_buf_len(&drive_inside(&d)->out), 1, 10);
	fill_in(&d, "");
	drive_expect(&d, "+OK mailbox listing follows.\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n");
	drive_done(&d);
}

static void tls_begins_behind_its_words(void **state)
{
	struct lm_tls_info info = { .active = true };
	struct drive d;

	(void)state;
	prepare(&d);
	assert_err(drive_open(&d), 0);
	hold(&d, "");
	assert_err(lm_session_tls_up(d.session, &info, d.now), LM_E_MISUSE);
	fill_in(&d, "hello");
	drive_expect(&d, "+OK hello\r\n");
	hold(&d, "STLS\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER);
	assert_err(lm_session_tls_up(d.session, &info, d.now), LM_E_MISUSE);
	fill_in(&d, "go");
	drive_expect(&d, "+OK go\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_TLS);
	assert_err(lm_session_tls_up(d.session, &info, d.now), 0);
	drive_done(&d);
}

/* ---- how it ends ---- */

static void the_last_word_waits_and_then_it_closes(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	drive_say(&d, "DELE 1\r\n");
	hold(&d, "QUIT\r\n");
	assert_int_equal(d.deleted_count, 1);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER);
	fill_in(&d, "bye");
	drive_expect(&d, "+OK bye\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	drive_done(&d);
}

static void a_drain_waits_for_the_words_and_asks_for_its_own(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	hold(&d, "RSET\r\n");
	lm_session_drain(d.session, d.now);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_ANSWER);
	d.hold = LM_EVENT_SAY;
	fill_in(&d, "done");
	d.hold = LM_EVENT_NONE;
	drive_expect(&d, "+OK done\r\n");
	assert_string_equal(d.held.say->key, "failure.shutdown");
	fill_in(&d, "we close");
	drive_expect(&d, "+OK done\r\n-ERR [SYS/TEMP] we close\r\n");
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	drive_done(&d);
}

static void a_lost_peer_gets_nothing_of_it(void **state)
{
	struct drive d;

	(void)state;
	setup(&d);
	hold(&d, "RETR 1\r\n");
	lm_session_eof(d.session, d.now);
	assert_int_equal(lm_session_output(d.session).len, 0);
	assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
	assert_err(lm_session_answer(d.session, d.held.id, NULL, d.now), LM_E_NOT_FOUND);
	drive_pump(&d);
	drive_expect(&d, "");
	drive_done(&d);
}

static void flags_of_the_words_count(void **state)
{
	struct lm_reply r = LM_REPLY_INIT;
	struct drive d;

	(void)state;
	for (int silent = 0; silent < 2; silent++) {
		setup(&d);
		hold(&d, "RSET\r\n");
		r.text = lm_str("that was all");
		r.flags = LM_REPLY_CLOSE | (silent ? LM_REPLY_SILENT : 0U);
		assert_err(lm_session_answer(d.session, d.held.id, &r, d.now), 0);
		drive_pump(&d);
		drive_expect(&d, silent ? "" : "+OK that was all\r\n");
		assert_int_equal(lm_session_wants(d.session), LM_WANT_CLOSE);
		drive_done(&d);
	}
}

/* ---- what is said ---- */

static void words_that_no_line_holds_are_those_of_english(void **state)
{
	static const struct lm_bytes bad[] = { { (const uint8_t *)"a\rb", 3 },
		                               { (const uint8_t *)"a\nb", 3 },
		                               { (const uint8_t *)"a\0b", 3 },
		                               { NULL, 0 } };
	struct lm_reply r = LM_REPLY_INIT;
	struct drive d;

	(void)state;
	setup(&d);
	for (size_t i = 0; i < 4; i++) {
		hold(&d, "RSET\r\n");
		r.text = bad[i];
		assert_err(lm_session_answer(d.session, d.held.id, &r, d.now), 0);
		drive_pump(&d);
		drive_expect(&d, "+OK maildrop has 3 messages (22 octets).\r\n");
	}
	drive_done(&d);
}

static void long_words_are_cut_and_the_stamp_stays(void **state)
{
	char words[702];
	struct drive d;
	struct lm_bytes said;

	(void)state;
	words[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(words); i += 2)
		memcpy(words + i, "\xc3\xa9", 2);
	words[sizeof(words) - 1] = '\0';
	prepare(&d);
	d.params.apop = true;
	assert_err(drive_open(&d), 0);
	hold(&d, "");
	fill_in(&d, words);
	said = lm_buf_bytes(&d.said);
	/* 512, but for the half of a letter */
	assert_int_equal(said.len, 511);
	assert_bytes(lm_bytes_from(said, said.len - 21), lm_str("\xa9 <1-2.3@localhost>\r\n"));
	drive_done(&d);
}

/* ---- memory that fails ---- */

static const char dialogue[] =
        "CAPA\r\nLANG\r\nLANG en\r\nLANG x-ask\r\nFOO bar\r\nUSER u\r\nPASS wrong\r\nUSER u\r\n"
        "PASS secret\r\nLIST\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";

static bool survives(unsigned long n)
{
	struct drive d;
	int err;

	prepare(&d);
	assert_err(lm_buf_add_str(&d.said, "room"), 0);
	lm_alloc_fail_at(n);
	err = drive_open(&d);
	if (!err)
		drive_feed(&d, lm_str(dialogue));
	lm_alloc_fail_at(0);
	if (!err && drive_inside(&d)->fatal) {
		assert_err(drive_inside(&d)->fatal, LM_E_NOMEM);
		assert_int_equal(lm_session_wants(d.session), LM_WANT_ABORT);
	}
	err = err ? err : d.failed;
	drive_done(&d);
	return err == 0;
}

static void every_allocation_may_fail(void **state)
{
	unsigned long n = 1;

	(void)state;
	while (!survives(n) && n < 1000)
		n++;
	assert_in_range(n, 20, 999);
}

/* ---- languages ---- */

static void assert_fault(struct lm_pop3_language l, const char *why)
{
	struct lm_error error = { 0 };

	assert_err(lm_pop3_language_check(&l, &error), LM_E_CONFIG);
	if (!strstr(error.text, why))
		fail_msg("\"%s\" does not say %s", error.text, why);
	assert_err(lm_pop3_language_check(&l, NULL), LM_E_CONFIG);
}

static void tags_and_names_are_checked(void **state)
{
	static const char *const good[] = { "fr", "pt-br", "x-ask", "zh-hans-cn", "i-klingon" };
	static const char *const bad[] = { "",     "FR",  "fr_ca",
		                           "-fr",  "fr-", "f--r",
		                           "*",    "a b", "1fr",
		                           "fr\n", NULL,  "abcdefghijklmnopqrstuvwxyz-0123456789" };
	static const char *const bad_names[] = { "", NULL, "two\r\nlines", "\xff", "a\tb" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_err(lm_pop3_language_check(
		                   &(struct lm_pop3_language){ good[i], "N", NULL, 0 }, NULL),
		           0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_fault((struct lm_pop3_language){ bad[i], "N", NULL, 0 }, "tag");
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(*bad_names); i++)
		assert_fault((struct lm_pop3_language){ "fr", bad_names[i], NULL, 0 }, "name");
}

static void texts_are_checked(void **state)
{
	static const struct {
		struct lm_pop3_text text;
		const char *why;
	} bad[] = {
		{ { "success.nothing", "x" }, "success.nothing: there is no such reply" },
		{ { NULL, "x" }, "no key" },
		{ { "success.stat", "x" }, "success.stat: it is data" },
		{ { "success.capa", "a\r\nb" }, "success.capa: a line end" },
		{ { "success.capa", "\x1b[2J" }, "control" },
		{ { "success.capa", "\xc3(" }, "UTF-8" },
		{ { "success.capa", "a {n" }, "success.capa: a brace is not closed" },
		{ { "success.capa", "a {" }, "not closed" },
		{ { "success.capa", "{n} {m}" }, "no place {m}" },
		{ { "success.capa", "{}" }, "no place {}" },
		{ { "success.capa", "{ n}" }, "no place { n}" },
		{ { "success.capa", "{n{n}}" }, "no place {n{n}" },
		{ { "failure.permission_denied", "[AUTH] no" }, "permission_denied: brackets" },
		{ { "success.capa", "  [X/Y]" }, "response code" },
		{ { "success.greeting", "hi <a@b>" }, "success.greeting: \"<...@...>\"" },
		{ { "success.greeting", "<a> <{user}@b" }, "stamp" },
	};
	static const struct lm_pop3_text good[] = {
		{ "success.capa", "{verb} {state} {min} {max} {n} {size} {uidl}} %s %n" },
		{ "success.rset", "{count}{octets}{user}{text}{s}{peer}" },
		{ "success.quit", "" },
		{ "success.greeting", "[ <hi> a@b" },
		{ "success.list", "all [3] <a@b>" },
		{ "success.stls", NULL },
	};
	static const struct lm_pop3_text twice[] = { { "success.capa", "a" },
		                                     { "success.rset", "b" },
		                                     { "success.capa", NULL } };
	char longer[2102];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_fault((struct lm_pop3_language){ "fr", "F", &bad[i].text, 1 }, bad[i].why);
	assert_err(lm_pop3_language_check(&(struct lm_pop3_language){ "fr", "F", good, 6 }, NULL),
	           0);
	assert_fault((struct lm_pop3_language){ "fr", "F", twice, 3 }, "twice");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_fault((struct lm_pop3_language){ "fr", "F",
	                                        &(struct lm_pop3_text){ "success.capa", longer },
	                                        1 },
	             "too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_goes_on_while_words_are_missing),
		cmocka_unit_test(what_was_shown_before_is_sent_meanwhile),
		cmocka_unit_test(a_body_waits_behind_its_words_and_is_bounded),
		cmocka_unit_test(an_empty_message_ends_behind_its_words),
		cmocka_unit_test(a_listing_is_made_behind_its_words),
		cmocka_unit_test(tls_begins_behind_its_words),
		cmocka_unit_test(the_last_word_waits_and_then_it_closes),
		cmocka_unit_test(a_drain_waits_for_the_words_and_asks_for_its_own),
		cmocka_unit_test(a_lost_peer_gets_nothing_of_it),
		cmocka_unit_test(flags_of_the_words_count),
		cmocka_unit_test(words_that_no_line_holds_are_those_of_english),
		cmocka_unit_test(long_words_are_cut_and_the_stamp_stays),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(tags_and_names_are_checked),
		cmocka_unit_test(texts_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
