/* An SMTP server whose mail goes to a script. */
#include "bridge/fake_host_rig.h"
#include "lm_test.h"
#include "server/serve_rig.h"

#include <sys/socket.h>
#include <unistd.h>

static const char decides[] = "CONNECT HELO MAIL RCPT DATA MESSAGE";

static void say_yes(struct fake *fake, struct lm_host_value *e)
{
	fake_call(fake, "answer", FAKE_ARGS(fake_get(e, "session"), fake_get(e, "event")));
}

static struct lm_host_value *yes_to(struct fake *fake, const char *type)
{
	struct lm_host_value *e = fake_expect(fake, type);

	say_yes(fake, e);
	return e;
}

static int greeted(struct fake *fake, double server, const char *listener, const char *hello)
{
	int fd = fake_connect(fake, server, listener);
	struct lm_host_value *info = fake_get(yes_to(fake, "CONNECT"), "info");

	assert_string_equal(fake_text(info, "protocol"), listener);
	assert_string_equal(fake_text(info, "listener"), listener);
	assert_string_equal(fake_text(info, "peerAddress"), "127.0.0.1");
	assert_false(fake_truth(info, "tls"));
	lm_rig_expect(fd, "220 ");
	lm_rig_say(fd, hello);
	info = fake_get(yes_to(fake, "HELO"), "info");
	assert_null(info);
	lm_rig_chat(fd, "", "250");
	return fd;
}

static void envelope(struct fake *fake, int fd)
{
	struct lm_host_value *e, *list;

	lm_rig_say(fd, "MAIL FROM:<\"a>\"@b.example> SIZE=7 BODY=8BITMIME RET=HDRS ENVID=x\r\n");
	e = yes_to(fake, "MAIL");
	assert_string_equal(fake_text(e, "sender"), "\"a>\"@b.example");
	assert_string_equal(fake_text(e, "parameters"), "SIZE=7 BODY=8BITMIME RET=HDRS ENVID=x");
	assert_string_equal(fake_text(e, "body"), "8BITMIME");
	assert_string_equal(fake_text(e, "ret"), "HDRS");
	assert_true(fake_num(e, "size") == 7);
	assert_string_equal(fake_text(fake_get(e, "info"), "helo"), "c.example");
	lm_rig_chat(fd, "", "250");
	lm_rig_say(fd, "RCPT TO:<one@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b\r\n");
	e = yes_to(fake, "RCPT");
	assert_string_equal(fake_text(e, "recipient"), "one@x.example");
	assert_string_equal(fake_text(e, "notify"), "SUCCESS,FAILURE");
	assert_string_equal(fake_text(e, "orcpt"), "rfc822;a@b");
	assert_false(fake_has(e, "info"));
	lm_rig_chat(fd, "", "250");
	lm_rig_say(fd, "RCPT TO:<two@x.example>\r\n");
	yes_to(fake, "RCPT");
	lm_rig_chat(fd, "", "250");
	lm_rig_say(fd, "DATA\r\n");
	e = yes_to(fake, "DATA");
	assert_string_equal(fake_text(e, "sender"), "\"a>\"@b.example");
	list = fake_get(e, "recipients");
	assert_int_equal(fake_length(list), 2);
	assert_string_equal(fake_text(fake_at(list, 1), "recipient"), "two@x.example");
	assert_string_equal(fake_text(fake_at(list, 1), "notify"), "");
	lm_rig_chat(fd, "", "354");
}

static struct lm_host_value *take_body(struct fake *fake, const char *want)
{
	struct lm_host_value *e = fake_expect(fake, "BODY"), *bytes = fake_get(e, "bytes");

	assert_true(fake_num(e, "event") == 0);
	assert_bytes(lm_bytes(bytes->octets, bytes->len), lm_str(want));
	fake_call(fake, "taken",
	          FAKE_ARGS(fake_get(e, "session"), fake_number(fake, (double)bytes->len)));
	e = fake_expect(fake, "MESSAGE");
	assert_true(fake_num(e, "octets") == (double)strlen(want));
	assert_false(fake_truth(e, "hasBare"));
	return e;
}

static void whole_message(void **state)
{
	struct fake fake;
	struct lm_host_value *e;
	double server;
	int fd;

	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, NULL, decides, "ABORT");
	fd = greeted(&fake, server, "smtp", "EHLO c.example\r\n");
	envelope(&fake, fd);
	lm_rig_say(fd, "A: b\r\n\r\n..c\r\n.\r\n");
	say_yes(&fake, take_body(&fake, "A: b\r\n\r\n.c\r\n"));
	lm_rig_chat(fd, "", "250");
	/* A no with all that a reply can have. */
	lm_rig_say(fd, "MAIL FROM:<>\r\n");
	e = fake_expect(&fake, "MAIL");
	fake_call(&fake, "answer",
	          FAKE_ARGS(fake_get(e, "session"), fake_get(e, "event"),
	                    fake_number(&fake, LM_E_DENIED), fake_string(&fake, "not you"),
	                    fake_number(&fake, 553), fake_string(&fake, "5.7.1"),
	                    fake_number(&fake, LM_REPLY_CLOSE)));
	lm_rig_expect(fd, "553 5.7.1 not you\r\n");
	lm_rig_expect_end(fd);
	fake_expect(&fake, "DISCONNECT");
	fake_server_end(&fake, server);
	fake_free(&fake);
}

static void mail_to_one(struct fake *fake, int fd)
{
	lm_rig_say(fd, "MAIL FROM:<a@b.example>\r\n");
	yes_to(fake, "MAIL");
	lm_rig_chat(fd, "", "250");
	lm_rig_say(fd, "RCPT TO:<one@x.example>\r\n");
	yes_to(fake, "RCPT");
	lm_rig_chat(fd, "", "250");
	lm_rig_chat(fd, "DATA\r\n", "354");
}

static void say_lines(int fd, size_t lines)
{
	char *text = malloc(lines * 100 + 8);

	for (size_t i = 0; i < lines; i++) {
		memset(text + i * 100, 'x', 98);
		memcpy(text + i * 100 + 98, "\r\n", 2);
	}
	memcpy(text + lines * 100, ".\r\n", 4);
	lm_rig_say(fd, text);
	free(text);
}

static size_t taken(struct fake *fake, struct lm_host_value *e)
{
	double len = fake_has(e, "bytes") ? (double)fake_get(e, "bytes")->len : 0;

	if (fake_num(e, "event") == 0)
		fake_call(fake, "taken", FAKE_ARGS(fake_get(e, "session"), fake_number(fake, len)));
	return (size_t)len;
}

/* Where script does not decide DATA, small messages are one entry, large ones few. */
static void few_entries(void **state)
{
	struct fake fake;
	struct lm_host_value *e;
	double server;
	int fd;

	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, NULL, "MAIL RCPT MESSAGE", "");
	fd = fake_connect(&fake, server, "smtp");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO c.example\r\n", "250");
	for (int round = 0; round < 2; round++) {
		mail_to_one(&fake, fd);
		lm_rig_say(fd, "A: b\r\n\r\n..c\r\n.\r\n");
		e = fake_expect(&fake, "MESSAGE");
		assert_bytes(lm_bytes(fake_get(e, "bytes")->octets, fake_get(e, "bytes")->len),
		             lm_str("A: b\r\n\r\n.c\r\n"));
		assert_string_equal(fake_text(e, "sender"), "a@b.example");
		assert_int_equal(fake_length(fake_get(e, "recipients")), 1);
		say_yes(&fake, e);
		lm_rig_chat(fd, "", "250");
	}
	mail_to_one(&fake, fd);
	say_lines(fd, 1500);
	e = fake_expect(&fake, "BODY");
	assert_true(fake_has(e, "recipients"));
	for (size_t got = taken(&fake, e); got < 150 * 1000; got += taken(&fake, e)) {
		e = fake_take(&fake, 30000);
		assert_true(e && !fake_has(e, "recipients"));
	}
	if (fake_num(e, "event") == 0)
		e = fake_expect(&fake, "MESSAGE");
	assert_true(fake_num(e, "octets") == 150 * 1000);
	say_yes(&fake, e);
	lm_rig_chat(fd, "", "250");
	close(fd);
	fake_server_end(&fake, server);
	fake_free(&fake);
}

static void one_answer_a_recipient(void **state)
{
	struct fake fake;
	struct lm_host_value *e, *u;
	double server;
	int fd;

	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, (const char *const[]){ "lmtp", "127.0.0.1:0", NULL }, decides,
	                     "");
	fd = greeted(&fake, server, "lmtp", "LHLO c.example\r\n");
	envelope(&fake, fd);
	lm_rig_say(fd, "A: b\r\n\r\n.\r\n");
	e = take_body(&fake, "A: b\r\n\r\n");
	u = fake_undefined(&fake);
	fake_call(&fake, "answerRecipients",
	          FAKE_ARGS(fake_get(e, "session"), fake_get(e, "event"),
	                    fake_array(&fake, 2, fake_array(&fake, 1, fake_number(&fake, 0)),
	                               fake_array(&fake, 4, fake_number(&fake, LM_E_FULL),
	                                          fake_string(&fake, "no room"), u,
	                                          fake_string(&fake, "4.2.2")))));
	lm_rig_expect(fd, "250 ");
	lm_rig_expect(fd, "452 4.2.2 no room");
	lm_rig_say(fd, "QUIT\r\n");
	lm_rig_expect(fd, "221");
	lm_rig_expect_end(fd);
	fake_server_end(&fake, server);
	fake_free(&fake);
}

/* What the kernel takes without waiting, until the server has not read for a while. */
static size_t flood(int fd, size_t total)
{
	static char line[1000];
	size_t sent = 0;

	memset(line, 'x', sizeof(line));
	line[998] = '\r';
	line[999] = '\n';
	while (sent < total) {
		ssize_t n = send(fd, line, sizeof(line), MSG_NOSIGNAL);

		if (n != (ssize_t)sizeof(line))
			break;
		sent += (size_t)n;
	}
	return sent;
}

struct sender {
	int fd;
	size_t sent;
};

static void *send_much(void *arg)
{
	struct sender *s = arg;

	s->sent = flood(s->fd, 3 * 1000 * 1000);
	lm_rig_say(s->fd, ".\r\n");
	return NULL;
}

/* Script that takes nothing stops the sender; all comes, in order, when it takes. */
static void back_pressure(void **state)
{
	struct fake fake;
	struct lm_host_value *e = NULL, *bytes;
	struct sender sender;
	pthread_t thread;
	size_t ahead = 0, all = 0;
	double server, session = 0;

	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, NULL, decides, "");
	sender.fd = greeted(&fake, server, "smtp", "EHLO c.example\r\n");
	envelope(&fake, sender.fd);
	pthread_create(&thread, NULL, send_much, &sender);
	while (ahead < 256 * 1024 || e) {
		/* Behind the limit nothing may come: it is not waited for long. */
		e = fake_take(&fake, ahead < 256 * 1024 ? 30000 : 200);
		if (!e)
			break;
		ahead += fake_get(e, "bytes")->len;
		session = fake_num(e, "session");
		fake_sweep(&fake);
	}
	assert_in_range(ahead, 256 * 1024, 256 * 1024 + 128 * 1024);
	fake_call(&fake, "taken",
	          FAKE_ARGS(fake_number(&fake, session), fake_number(&fake, (double)ahead)));
	all = ahead;
	for (;;) {
		e = fake_take(&fake, 30000);
		if (!e || !fake_has(e, "bytes"))
			break;
		bytes = fake_get(e, "bytes");
		all += bytes->len;
		fake_call(
		        &fake, "taken",
		        FAKE_ARGS(fake_get(e, "session"), fake_number(&fake, (double)bytes->len)));
		fake_sweep(&fake);
	}
	assert_non_null(e);
	assert_true(fake_num(e, "octets") == (double)all);
	assert_int_equal(all, 3 * 1000 * 1000);
	say_yes(&fake, e);
	pthread_join(thread, NULL);
	lm_rig_chat(sender.fd, "", "250");
	close(sender.fd);
	fake_server_end(&fake, server);
	fake_free(&fake);
}

/* What a transaction that is lost tells: ABORT, when script hears it, then the end. */
static void lost_in_a_message(void **state)
{
	struct linger now = { .l_onoff = 1 };
	struct fake fake;
	double server;
	int fd;

	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, NULL, decides, "ABORT");
	fd = greeted(&fake, server, "smtp", "EHLO c.example\r\n");
	envelope(&fake, fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	fake_expect(&fake, "ABORT");
	fake_expect(&fake, "DISCONNECT");
	fake_server_end(&fake, server);
	fake_free(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_message),          cmocka_unit_test(few_entries),
		cmocka_unit_test(one_answer_a_recipient), cmocka_unit_test(back_pressure),
		cmocka_unit_test(lost_in_a_message),
	};

	return cmocka_run_group_tests_name("bridge/smtp", tests, NULL, NULL);
}
