/* A POP3 server whose maildrops are a script's. */
#include "bridge/fake_host_rig.h"
#include "lm_test.h"
#include "server/serve_rig.h"

#include <unistd.h>

static const char decides[] = "AUTH MAILDROP RETR TOP QUIT";

static struct lm_host_value *session_of(struct lm_host_value *entry)
{
	return fake_get(entry, "session");
}

static struct lm_host_value *event_of(struct lm_host_value *entry)
{
	return fake_get(entry, "event");
}

/* USER and PASS, checked by script; the entry of MAILDROP is left to the test. */
static struct lm_host_value *log_in(struct fake *fake, int fd)
{
	struct lm_host_value *e;

	lm_rig_expect(fd, "+OK");
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_say(fd, "PASS secret word\r\n");
	e = fake_expect(fake, "AUTH");
	assert_string_equal(fake_text(e, "kind"), "PASSWORD");
	assert_string_equal(fake_text(e, "authcid"), "anna");
	assert_string_equal(fake_text(e, "password"), "secret word");
	fake_call(fake, "answerUser",
	          FAKE_ARGS(session_of(e), event_of(e), fake_string(fake, "Anna")));
	return fake_expect(fake, "MAILDROP");
}

static void give_two(struct fake *fake, struct lm_host_value *e)
{
	fake_call(fake, "answerMaildrop",
	          FAKE_ARGS(session_of(e), event_of(e),
	                    fake_array(fake, 2, fake_number(fake, 14), fake_number(fake, 3)),
	                    fake_array(fake, 2, fake_string(fake, "first"),
	                               fake_string(fake, "second"))));
}

static void whole_session(void **state)
{
	struct lm_host_value *e;
	struct fake fake;
	double server;
	char *got;
	int fd;

	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, NULL, decides, "");
	assert_int_equal(fake.alive, 1);
	fd = fake_connect(&fake, server, "pop3");
	e = log_in(&fake, fd);
	assert_string_equal(fake_text(fake_get(e, "info"), "user"), "Anna");
	give_two(&fake, e);
	lm_rig_expect(fd, "+OK");
	lm_rig_chat(fd, "STAT\r\n", "+OK 2 17");
	lm_rig_chat(fd, "UIDL 2\r\n", "+OK 2 second");
	lm_rig_say(fd, "RETR 1\r\n");
	e = fake_expect(&fake, "RETR");
	assert_true(fake_num(e, "number") == 1);
	fake_call(&fake, "answerBytes",
	          FAKE_ARGS(session_of(e), event_of(e), fake_bytes(&fake, "A: b\n\n.x\ny", 10)));
	got = lm_rig_read(fd, "\r\n.\r\n");
	assert_non_null(strstr(got, "\r\nA: b\r\n\r\n..x\r\ny\r\n.\r\n"));
	free(got);
	lm_rig_chat(fd, "DELE 2\r\n", "+OK");
	lm_rig_say(fd, "QUIT\r\n");
	e = fake_expect(&fake, "QUIT");
	assert_int_equal(fake_length(fake_get(e, "deleted")), 1);
	assert_true(fake_at(fake_get(e, "deleted"), 0)->number == 2);
	fake_call(&fake, "answer", FAKE_ARGS(session_of(e), event_of(e), fake_number(&fake, 0)));
	lm_rig_expect(fd, "+OK");
	lm_rig_expect_end(fd);
	e = fake_expect(&fake, "DISCONNECT");
	assert_true(fake_num(e, "event") == 0);
	fake_server_end(&fake, server);
	assert_int_equal(fake.alive, 0);
	assert_int_equal(fake.kept, 0);
	fake_free(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_session),
	};

	return cmocka_run_group_tests_name("bridge/pop3", tests, NULL, NULL);
}
