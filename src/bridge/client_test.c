/* Clients of a script, against a server that the test plays. */
#include "bridge/client_rig.h"
#include "lm_test.h"

static void a_dialogue(void **state)
{
	struct lm_host_value *e;
	struct peer p;

	(void)state;
	peer_open(&p, "pop3");
	peer_request(&p, 1, "STAT", NULL);
	peer_expect(&p, "STAT");
	peer_say(&p, "+OK 2 300\r\n");
	e = peer_outcome(&p, 1, 0);
	assert_true(fake_num(e, "count") == 2 && fake_num(e, "octets") == 300);
	assert_string_equal(fake_text(e, "command"), "STAT");
	assert_string_equal(fake_text(e, "of"), "STAT");
	peer_request(&p, 2, "LIST", NULL);
	peer_expect(&p, "LIST");
	peer_say(&p, "+OK\r\n1 100\r\n2 200\r\n.\r\n");
	assert_string_equal(fake_text(peer_outcome(&p, 2, 0), "items"), "1 100\n2 200\n");
	peer_request(&p, 3, "UIDL", peer_option(&p, "number", fake_number(&p.fake, 2)));
	peer_expect(&p, "UIDL 2");
	peer_say(&p, "+OK 2 two\r\n");
	assert_string_equal(fake_text(peer_outcome(&p, 3, 0), "items"), "2 two\n");
	peer_request(&p, 4, "COMMAND",
	             peer_option(&p, "argument", fake_string(&p.fake, "XSAY hello")));
	peer_expect(&p, "XSAY hello");
	peer_say(&p, "-ERR [SYS/TEMP] no\r\n");
	e = peer_outcome(&p, 4, LM_E_AGAIN);
	assert_true(fake_num(e, "side") == LM_SIDE_SERVER);
	assert_true(fake_num(e, "pop3Code") == LM_POP3_SYS_TEMP);
	peer_request(&p, 5, "QUIT", NULL);
	peer_expect(&p, "QUIT");
	peer_say(&p, "+OK\r\n");
	(void)peer_outcome(&p, 5, 0);
	e = fake_expect(&p.fake, "CLOSED");
	assert_true(fake_num(e, "code") == 0);
	assert_int_equal(p.fake.alive, 0);
	peer_free(&p);
}

static void what_is_known(void **state)
{
	struct lm_host_value *info;
	struct peer p;

	(void)state;
	peer_init(&p, "pop3");
	peer_connect(&p);
	peer_say(&p, "+OK hello <1@x>\r\n");
	peer_expect(&p, "CAPA");
	peer_say(&p, "+OK\r\nUIDL\r\nTOP\r\n.\r\n");
	info = fake_get(peer_outcome(&p, 0, 0), "info");
	assert_string_equal(fake_text(info, "greeting"), "hello <1@x>");
	assert_string_equal(fake_text(info, "capabilities"), "UIDL\nTOP\n");
	assert_string_equal(fake_text(info, "stamp"), "<1@x>");
	assert_string_equal(fake_text(info, "peerAddress"), "127.0.0.1");
	assert_true(fake_num(info, "peerPort") == p.port);
	assert_false(fake_truth(info, "tls"));
	peer_end(&p);
}

static void take_body(struct peer *p, size_t *got)
{
	struct lm_host_value *e = fake_expect(&p->fake, "BODY");

	assert_true(fake_num(e, "request") == 1);
	*got += fake_get(e, "bytes")->len;
	fake_sweep(&p->fake);
}

static void who_takes_nothing_gets_no_more(void **state)
{
	enum { LINES = 40000, LINE = 100, MOST = 256 * 1024 + 64 * 1024 };
	struct lm_host_value *e;
	char line[LINE + 1];
	size_t got = 0, taken;
	struct peer p;

	(void)state;
	peer_open(&p, "pop3");
	memset(line, 'x', sizeof(line));
	memcpy(line + LINE - 2, "\r\n", 3);
	peer_request(&p, 1, "RETR", peer_option(&p, "number", fake_number(&p.fake, 1)));
	peer_expect(&p, "RETR 1");
	peer_say(&p, "+OK\r\n");
	/* As much as is told at all: what follows waits in the connection. */
	for (int i = 0; i < 8000; i++)
		peer_say(&p, line);
	while (got < 256 * 1024)
		take_body(&p, &got);
	while ((e = fake_take(&p.fake, 100)))
		got += fake_get(e, "bytes")->len;
	assert_true(got <= MOST);
	for (taken = got; taken;) { /* octet by octet would do, too */
		const size_t n = taken < 1000 ? taken : 1000;

		fake_call(
		        &p.fake, "taken",
		        FAKE_ARGS(fake_number(&p.fake, p.client), fake_number(&p.fake, (double)n)));
		taken -= n;
	}
	while (got < (size_t)8000 * LINE) {
		size_t before = got;

		take_body(&p, &got);
		fake_call(&p.fake, "taken",
		          FAKE_ARGS(fake_number(&p.fake, p.client),
		                    fake_number(&p.fake, (double)(got - before))));
	}
	peer_say(&p, ".\r\n");
	e = peer_outcome(&p, 1, 0);
	assert_true(fake_num(e, "octets") == (double)got);
	peer_end(&p);
}

/* ---- Sending ---- */

static void give_bytes(struct peer *p, double number, struct lm_host_value *bytes)
{
	fake_call(
	        &p->fake, "clientBytes",
	        FAKE_ARGS(fake_number(&p->fake, p->client), fake_number(&p->fake, number), bytes));
}

static void expect_mail(const struct peer *p, const char *parameters)
{
	char line[200];

	snprintf(line, sizeof(line), "MAIL FROM:<a@x.example>%s", parameters);
	peer_expect(p, line);
	peer_say(p, "250 ok\r\n");
	peer_expect(p, "RCPT TO:<b@x.example>");
	peer_say(p, "250 ok\r\n");
	peer_expect(p, "DATA");
}

static void finish_mail(struct peer *p, double number, const char *message)
{
	struct lm_host_value *e, *one;

	peer_say(p, "354 go\r\n");
	for (size_t len; *message; message += len + 1) {
		char line[100] = "";

		len = strcspn(message, "\n");
		memcpy(line, message, len);
		peer_expect(p, line);
	}
	peer_expect(p, ".");
	peer_say(p, "250 2.0.0 thanks\r\n");
	e = peer_outcome(p, number, 0);
	assert_string_equal(fake_text(e, "text"), "thanks");
	assert_true(fake_num(e, "smtpCode") == 250);
	one = fake_at(fake_get(e, "recipients"), 0);
	assert_string_equal(fake_text(one, "recipient"), "b@x.example");
	assert_true(fake_num(one, "result") == 0);
}

static void octets_are_sent_from_where_they_are(void **state)
{
	static const char letter[] = "Subject: x\r\n\r\nfirst\r\n.\r\n";
	struct lm_host_value *bytes;
	struct peer p;

	(void)state;
	peer_open(&p, "smtp");
	bytes = fake_bytes(&p.fake, letter, sizeof(letter) - 1);
	peer_request(&p, 1, "SEND", peer_envelope(&p));
	give_bytes(&p, 1, bytes);
	expect_mail(&p, " SIZE=24");
	assert_int_equal(p.fake.kept, 1);
	memcpy(bytes->octets + 14, "other", 5); /* seen, as nothing was copied yet */
	finish_mail(&p, 1, "Subject: x\n\nother\n..\n");
	while (p.fake.kept)
		assert_null(fake_take(&p.fake, 10));
	peer_end(&p);
}

static void octets_are_made_ready(void **state)
{
	static const struct {
		const char *given, *parameters, *sent;
	} rows[] = {
		{ "Subject: x\n\ny", " SIZE=17", "Subject: x\n\ny\n" },
		{ "Subject: x\r\n\r\n\xC3\xA4\r\n", " SIZE=18 BODY=8BITMIME",
		  "Subject: x\n\n\xC3\xA4\n" },
		{ "A: b\r\nBcc: c@x\r\n d@x\r\n\r\ny\r\n", " SIZE=11", "A: b\n\ny\n" },
		{ "no header\r\n", " SIZE=13", "\nno header\n" },
		{ "From the mbox\r\nA: b\r\n\r\n", " SIZE=8", "A: b\n\n" },
		{ "A: b\r\n", " SIZE=6", "A: b\n" },
		{ "", " SIZE=2", "\n" },
	};
	struct peer p;

	(void)state;
	peer_open(&p, "smtp");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		peer_request(&p, (double)i + 1, "SEND", peer_envelope(&p));
		give_bytes(&p, (double)i + 1,
		           fake_bytes(&p.fake, rows[i].given, strlen(rows[i].given)));
		expect_mail(&p, rows[i].parameters);
		finish_mail(&p, (double)i + 1, rows[i].sent);
	}
	peer_end(&p);
}

static double give_pipe(struct peer *p, double number)
{
	return fake_call(&p->fake, "clientPipe",
	                 FAKE_ARGS(fake_number(&p->fake, p->client), fake_number(&p->fake, number)))
	        ->number;
}

static void write_pipe(struct peer *p, double pipe, const char *text, bool last)
{
	fake_call(&p->fake, "pipeWrite",
	          FAKE_ARGS(fake_number(&p->fake, pipe), fake_bytes(&p->fake, text, strlen(text)),
	                    fake_bool(&p->fake, last)));
}

static void piece_by_piece(void **state)
{
	double pipe;
	struct peer p;

	(void)state;
	peer_open(&p, "smtp");
	peer_request(&p, 1, "SEND", peer_envelope(&p));
	peer_request(&p, 2, "NOOP", NULL);
	pipe = give_pipe(&p, 1);
	write_pipe(&p, pipe, "Subject: x\n\n", false);
	write_pipe(&p, pipe, "y\n", false);
	write_pipe(&p, pipe, "z", true);
	expect_mail(&p, " SIZE=20");
	finish_mail(&p, 1, "Subject: x\n\ny\nz\n");
	peer_expect(&p, "NOOP"); /* it kept its place in the line */
	peer_say(&p, "250 ok\r\n");
	(void)peer_outcome(&p, 2, 0);
	peer_end(&p);
}

static void a_message_that_cannot_be_had(void **state)
{
	struct lm_host_value *e;
	double pipe;
	struct peer p;

	(void)state;
	peer_open(&p, "smtp");
	peer_request(&p, 1, "SEND", peer_envelope(&p));
	peer_request(&p, 2, "NOOP", NULL);
	pipe = give_pipe(&p, 1);
	write_pipe(&p, pipe, "Subject: x\n\n", false);
	fake_call(&p.fake, "pipeFail", FAKE_ARGS(fake_number(&p.fake, pipe)));
	e = peer_outcome(&p, 1, LM_E_CANCELED);
	assert_true(fake_num(e, "side") == LM_SIDE_CLIENT);
	peer_expect(&p, "NOOP"); /* no MAIL */
	peer_say(&p, "250 ok\r\n");
	(void)peer_outcome(&p, 2, 0);
	peer_request(&p, 3, "SEND", peer_envelope(&p));
	give_bytes(&p, 3, fake_bytes(&p.fake, "A: b\n\nc\rd\n", 10));
	e = peer_outcome(&p, 3, LM_E_SYNTAX);
	assert_non_null(strstr(fake_text(e, "message"), "line 3"));
	peer_end(&p);
}

static void too_many_recipients(void **state)
{
	struct lm_host_value *options, *list, *e;
	struct peer p;

	(void)state;
	peer_open(&p, "smtp");
	options = fake_object(&p.fake);
	list = fake_array(&p.fake, 0);
	fake_set(options, "sender", fake_string(&p.fake, ""));
	fake_set(options, "recipients", list);
	fake_push(list, peer_option(&p, "address", fake_string(&p.fake, "a@x, B <b@x>")));
	fake_push(list, peer_option(&p, "address", fake_string(&p.fake, "c@x")));
	peer_request(&p, 1, "SEND", options);
	give_bytes(&p, 1, fake_bytes(&p.fake, "A: b\r\n\r\n", 8));
	peer_expect(&p, "MAIL FROM:<> SIZE=8");
	peer_say(&p, "250 ok\r\n");
	peer_expect(&p, "RCPT TO:<a@x>");
	peer_say(&p, "250 ok\r\n");
	peer_expect(&p, "RCPT TO:<b@x>");
	peer_say(&p, "550 5.1.1 who?\r\n");
	peer_expect(&p, "RCPT TO:<c@x>");
	peer_say(&p, "452 4.5.3 too many\r\n");
	peer_expect(&p, "DATA");
	peer_say(&p, "354 go\r\n");
	free(peer_read(&p, strlen("A: b\r\n\r\n.\r\n")));
	peer_say(&p, "250 ok\r\n");
	peer_expect(&p, "MAIL FROM:<> SIZE=8");
	peer_say(&p, "250 ok\r\n");
	peer_expect(&p, "RCPT TO:<c@x>");
	peer_say(&p, "250 ok\r\n");
	peer_expect(&p, "DATA");
	peer_say(&p, "354 go\r\n");
	free(peer_read(&p, strlen("A: b\r\n\r\n.\r\n")));
	peer_say(&p, "250 ok\r\n");
	e = fake_get(peer_outcome(&p, 1, LM_E_NOT_FOUND), "recipients");
	assert_int_equal(fake_length(e), 3);
	assert_true(fake_num(fake_at(e, 0), "result") == 0);
	assert_true(fake_num(fake_at(e, 1), "smtpCode") == 550);
	assert_string_equal(fake_text(fake_at(e, 1), "enhanced"), "5.1.1");
	assert_string_equal(fake_text(fake_at(e, 1), "recipient"), "b@x");
	assert_true(fake_num(fake_at(e, 2), "result") == 0);
	peer_end(&p);
}

/* ---- Logging in ---- */

static void a_token(void **state)
{
	struct lm_host_value *e;
	struct peer p;

	(void)state;
	peer_init(&p, "pop3");
	fake_set(p.options, "user", fake_string(&p.fake, "anna"));
	fake_set(p.options, "askToken", fake_bool(&p.fake, true));
	fake_set(p.options, "trace", fake_bool(&p.fake, true));
	peer_connect(&p);
	peer_say(&p, "+OK hello\r\n");
	peer_expect(&p, "CAPA");
	peer_say(&p, "+OK\r\nSASL XOAUTH2\r\n.\r\n");
	do
		e = fake_take(&p.fake, 30000);
	while (e && fake_has(e, "verb"));
	assert_non_null(e); /* AUTH */
	fake_call(&p.fake, "clientToken",
	          FAKE_ARGS(fake_number(&p.fake, p.client), fake_string(&p.fake, "t0ken")));
	peer_skip_line(&p); /* AUTH XOAUTH2 … */
	peer_say(&p, "+OK\r\n");
	peer_expect(&p, "CAPA");
	peer_say(&p, "+OK\r\nUIDL\r\n.\r\n");
	do {
		e = fake_take(&p.fake, 30000);
		assert_non_null(e);
		if (fake_has(e, "verb"))
			assert_null(strstr(fake_text(e, "argument"), "dDBrZW4")); /* t0ken */
	} while (!fake_has(e, "of"));
	assert_string_equal(fake_text(e, "of"), "LOGIN");
	assert_true(fake_num(e, "result") == 0);
	peer_end(&p);
}

/* ---- Mistakes ---- */

static void wrong_arguments(void **state)
{
	struct lm_host_value *client, *one, *options;
	struct fake *fake;
	struct peer p;

	(void)state;
	peer_open(&p, "smtp");
	fake = &p.fake;
	client = fake_number(fake, p.client);
	one = fake_number(fake, 1);
	options = fake_object(fake);
	fake_expect_type_error(fake, "options", "clientNew", FAKE_ARGS(one));
	fake_expect_type_error(fake, "protocol", "clientNew",
	                       FAKE_ARGS(peer_option(&p, "protocol", fake_string(fake, "imap"))));
	fake_expect_type_error(fake, "port", "clientNew",
	                       FAKE_ARGS(peer_option(&p, "port", fake_number(fake, 65536))));
	fake_expect_type_error(fake, "port", "clientNew",
	                       FAKE_ARGS(peer_option(&p, "port", fake_number(fake, 0.5))));
	fake_expect_type_error(fake, "insecure", "clientNew",
	                       FAKE_ARGS(peer_option(&p, "insecure", one)));
	fake_expect_type_error(fake, "user", "clientNew", FAKE_ARGS(peer_option(&p, "user", one)));
	fake_expect_type_error(fake, "type", "clientRequest",
	                       FAKE_ARGS(client, one, fake_string(fake, "FETCH"), options));
	fake_expect_type_error(fake, "options", "clientRequest",
	                       FAKE_ARGS(client, one, fake_string(fake, "NOOP"), one));
	fake_expect_type_error(fake, "recipients", "clientRequest",
	                       FAKE_ARGS(client, one, fake_string(fake, "SEND"),
	                                 peer_option(&p, "recipients", fake_array(fake, 0))));
	fake_expect_type_error(fake, "recipient", "clientRequest",
	                       FAKE_ARGS(client, one, fake_string(fake, "SEND"),
	                                 peer_option(&p, "recipients", fake_array(fake, 1, one))));
	fake_expect_type_error(fake, "bytes", "clientBytes", FAKE_ARGS(client, one, one));
	fake_expect_type_error(fake, "token", "clientToken", FAKE_ARGS(client, one));
	/* Nobody of that number: harmless, as it may have gone a moment ago. */
	one = fake_number(fake, 77777);
	fake_call(fake, "clientRequest", FAKE_ARGS(one, one, fake_string(fake, "NOOP"), options));
	fake_call(fake, "clientAbort", FAKE_ARGS(one));
	fake_call(fake, "clientFree", FAKE_ARGS(one));
	fake_call(fake, "clientToken", FAKE_ARGS(one, fake_undefined(fake)));
	fake_call(fake, "clientBytes", FAKE_ARGS(one, one, fake_bytes(fake, "", 0)));
	assert_int_equal(fake_call(fake, "clientPipe", FAKE_ARGS(one, one))->kind,
	                 LM_HOST_UNDEFINED);
	/* And octets that no request wants. */
	give_bytes(&p, 5, fake_bytes(fake, "x", 1));
	peer_request(&p, 6, "STAT", NULL);
	(void)peer_outcome(&p, 6, LM_E_UNSUPPORTED);
	peer_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dialogue),
		cmocka_unit_test(what_is_known),
		cmocka_unit_test(who_takes_nothing_gets_no_more),
		cmocka_unit_test(octets_are_sent_from_where_they_are),
		cmocka_unit_test(octets_are_made_ready),
		cmocka_unit_test(piece_by_piece),
		cmocka_unit_test(a_message_that_cannot_be_had),
		cmocka_unit_test(too_many_recipients),
		cmocka_unit_test(a_token),
		cmocka_unit_test(wrong_arguments),
	};

	return cmocka_run_group_tests_name("bridge/client", tests, NULL, NULL);
}
