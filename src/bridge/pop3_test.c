/* A POP3 server whose maildrops are a script's. */
#include "bridge/pop3_rig.h"
#include "lm_test.h"

#include <openssl/evp.h>
#include <unistd.h>

static struct fake fake;
static double server;

static int start(const char *decides, const char *hears)
{
	fake_new(&fake);
	server = fake_server(&fake, (const char *const[]){ "apop", "yes", NULL }, decides, hears);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(POP3_DECIDES, "");
}

static int teardown(void **state)
{
	(void)state;
	fake_server_end(&fake, server);
	assert_int_equal(fake.alive, 0);
	assert_int_equal(fake.kept, 0);
	fake_free(&fake);
	return 0;
}

static void whole_session(void **state)
{
	int fd = pop3_login(&fake, server);
	struct lm_host_value *e;

	(void)state;
	assert_int_equal(fake.alive, 1);
	lm_rig_chat(fd, "STAT\r\n", "+OK 2 17");
	lm_rig_chat(fd, "UIDL 2\r\n", "+OK 2 second");
	lm_rig_chat(fd, "DELE 2\r\n", "+OK");
	lm_rig_say(fd, "QUIT\r\n");
	e = fake_expect(&fake, "QUIT");
	assert_int_equal(fake_length(fake_get(e, "deleted")), 1);
	assert_true(fake_at(fake_get(e, "deleted"), 0)->number == 2);
	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e), fake_number(&fake, 0)));
	lm_rig_expect(fd, "+OK");
	lm_rig_expect_end(fd);
	e = fake_expect(&fake, "DISCONNECT");
	assert_true(fake_num(e, "event") == 0);
}

static void expect_message(int fd, const char *want)
{
	char *got = lm_rig_read(fd, "\r\n.\r\n"), *at = strstr(got, "\r\n");

	assert_true(strncmp(got, "+OK", 3) == 0);
	assert_string_equal(at + 2, want);
	free(got);
}

static void expect_retr(int fd, const char *contents, const char *want)
{
	struct lm_host_value *e = pop3_retr(&fake, fd);

	fake_call(&fake, "answerBytes",
	          FAKE_ARGS(POP3_OF(e), fake_bytes(&fake, contents, strlen(contents))));
	expect_message(fd, want);
}

/* What docs/octets.md says of messages that handlers give. */
static void line_ends(void **state)
{
	int fd = pop3_login(&fake, server);

	(void)state;
	expect_retr(fd, "A: b\n\n.x\ny", "A: b\r\n\r\n..x\r\ny\r\n.\r\n");
	expect_retr(fd, "A: b\r\n\r\nx\r\n", "A: b\r\n\r\nx\r\n.\r\n");
	expect_retr(fd, "A: b\r\n\r\nx", "A: b\r\n\r\nx\r\n.\r\n");
	expect_retr(fd, "\n.\n", "\r\n..\r\n.\r\n");
	expect_retr(fd, "", ".\r\n");
	close(fd);
}

/* Nothing of script's memory is held longer than it is read, also when nobody reads it. */
static void bytes_are_let_go(void **state)
{
	int fd = pop3_login(&fake, server);
	struct lm_host_value *e = pop3_retr(&fake, fd), *bytes;
	static char much[4 << 20];

	(void)state;
	memset(much, 'x', sizeof(much));
	bytes = fake_bytes(&fake, much, sizeof(much));
	fake_call(&fake, "answerBytes", FAKE_ARGS(POP3_OF(e), bytes));
	assert_int_equal(fake.kept, 1);
	/* Again: it is too late, and harmless. */
	fake_call(&fake, "answerBytes", FAKE_ARGS(POP3_OF(e), bytes));
	assert_int_equal(fake.kept, 1);
	lm_rig_expect(fd, "+OK");
	pop3_reset(fd);
	fake_expect(&fake, "DISCONNECT");
	/* The source was closed before the session's end was told. */
	assert_int_equal(fake.kept, 0);
}

static void refusals(void **state)
{
	int fd = fake_connect(&fake, server, "pop3");
	struct lm_host_value *e = pop3_auth(&fake, fd);

	(void)state;
	fake_call(&fake, "answer",
	          FAKE_ARGS(POP3_OF(e), fake_number(&fake, LM_E_AUTH),
	                    fake_string(&fake, "no such luck"),
	                    fake_number(&fake, LM_POP3_SYS_PERM)));
	lm_rig_expect(fd, "-ERR [SYS/PERM] no such luck");
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_say(fd, "PASS secret word\r\n");
	e = fake_expect(&fake, "AUTH");
	/* Not script's matter after all: the table refuses. */
	fake_call(&fake, "proceed", FAKE_ARGS(POP3_OF(e)));
	lm_rig_expect(fd, "-ERR [AUTH]");
	fake_expect_type_error(&fake, "\"code\"", "answer",
	                       FAKE_ARGS(POP3_OF(e), fake_number(&fake, 0), fake_undefined(&fake),
	                                 fake_number(&fake, 600)));
	close(fd);
}

/* A list that is no list leaves the question open. */
static void bad_maildrop(void **state)
{
	int fd = fake_connect(&fake, server, "pop3");
	struct lm_host_value *e = pop3_maildrop(&fake, fd), *two, *twins;

	(void)state;
	two = fake_array(&fake, 2, fake_number(&fake, 1), fake_number(&fake, 2));
	twins = fake_array(&fake, 2, fake_string(&fake, "x"), fake_string(&fake, "x"));
	fake_expect_type_error(&fake, "\"uidl\" 1", "answerMaildrop",
	                       FAKE_ARGS(POP3_OF(e), two, twins));
	pop3_give_two(&fake, e);
	lm_rig_expect(fd, "+OK");
	lm_rig_chat(fd, "STAT\r\n", "+OK 2 17");
	close(fd);
}

static void names_in_one_string(void **state)
{
	int fd = fake_connect(&fake, server, "pop3");
	struct lm_host_value *e = pop3_maildrop(&fake, fd), *two;

	(void)state;
	two = fake_array(&fake, 2, fake_number(&fake, 1), fake_number(&fake, 2));
	fake_call(&fake, "answerMaildrop",
	          FAKE_ARGS(POP3_OF(e), two, fake_string(&fake, "one second")));
	lm_rig_expect(fd, "+OK");
	lm_rig_chat(fd, "STAT\r\n", "+OK 2 3");
	lm_rig_chat(fd, "UIDL 1\r\n", "+OK 1 one\r\n");
	lm_rig_chat(fd, "UIDL 2\r\n", "+OK 2 second\r\n");
	close(fd);
}

static void cut_by_script(void **state)
{
	int fd = pop3_login(&fake, server);
	struct lm_host_value *e = pop3_retr(&fake, fd);

	(void)state;
	fake_call(&fake, "disconnect", FAKE_ARGS(fake_get(e, "session")));
	lm_rig_expect_end(fd);
	assert_true(fake_num(fake_expect(&fake, "DISCONNECT"), "session") ==
	            fake_num(e, "session"));
	/* Now nobody has that number. */
	fake_call(&fake, "disconnect", FAKE_ARGS(fake_get(e, "session")));
	fake_call(&fake, "answerBytes", FAKE_ARGS(POP3_OF(e), fake_bytes(&fake, "x", 1)));
	assert_int_equal(fake.kept, 0);
}

static int setup_silent(void **state)
{
	(void)state;
	return start("AUTH", "");
}

/* Of sessions that script was told nothing of it hears no end. */
static void silence(void **state)
{
	int fd = fake_connect(&fake, server, "pop3");

	(void)state;
	lm_rig_expect(fd, "+OK");
	lm_rig_chat(fd, "NOOP\r\n", "+OK");
	lm_rig_chat(fd, "QUIT\r\n", "+OK");
	lm_rig_expect_end(fd);
	fake_call(&fake, "serverDrain",
	          FAKE_ARGS(fake_number(&fake, server), fake_number(&fake, 0)));
	assert_true(fake_num(fake_take(&fake, 30000), "type") == 1001);
	assert_int_equal(fake.alive, 0);
	fake_call(&fake, "serverFree", FAKE_ARGS(fake_number(&fake, server)));
	server = fake_server(&fake, NULL, "AUTH", "");
}

static int setup_hearing(void **state)
{
	(void)state;
	return start("CONNECT AUTH MAILDROP", "AUTH AUTH_DONE NOOP STAT");
}

/* What was decided by others, and how; without secrets. */
static void hearsay(void **state)
{
	int fd = fake_connect(&fake, server, "pop3");
	struct lm_host_value *e = fake_expect(&fake, "CONNECT");

	(void)state;
	assert_string_equal(fake_text(fake_get(e, "info"), "listener"), "pop3");
	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e)));
	e = pop3_auth(&fake, fd);
	fake_call(&fake, "answerUser", FAKE_ARGS(POP3_OF(e)));
	e = fake_expect(&fake, "AUTH");
	assert_true(fake_num(e, "event") == 0);
	assert_true(fake_num(e, "result") == 0);
	assert_string_equal(fake_text(e, "authcid"), "anna");
	assert_false(fake_has(e, "password"));
	assert_true(fake_truth(fake_expect(&fake, "AUTH_DONE"), "ok"));
	e = fake_expect(&fake, "MAILDROP");
	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e), fake_number(&fake, LM_E_IN_USE)));
	lm_rig_expect(fd, "-ERR [IN-USE]");
	lm_rig_chat(fd, "NOOP\r\n", "+OK");
	assert_true(fake_num(fake_expect(&fake, "NOOP"), "event") == 0);
	close(fd);
	fake_expect(&fake, "DISCONNECT");
}

static int setup_judging(void **state)
{
	(void)state;
	return start("AUTH AUTH_DONE MAILDROP", "");
}

/* Of how logins ended, only what failed is asked about. */
static void judgement(void **state)
{
	int fd = fake_connect(&fake, server, "pop3");
	struct lm_host_value *e = pop3_auth(&fake, fd);

	(void)state;
	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e), fake_number(&fake, LM_E_AUTH)));
	e = fake_expect(&fake, "AUTH_DONE");
	assert_false(fake_truth(e, "ok"));
	fake_call(&fake, "answer",
	          FAKE_ARGS(POP3_OF(e), fake_number(&fake, LM_E_AUTH),
	                    fake_string(&fake, "not you")));
	lm_rig_expect(fd, "-ERR [AUTH] not you");
	lm_rig_say(fd, "USER anna\r\nPASS secret\r\n");
	e = fake_expect(&fake, "AUTH");
	fake_call(&fake, "answerUser", FAKE_ARGS(POP3_OF(e), fake_string(&fake, "anna")));
	pop3_give_two(&fake, fake_expect(&fake, "MAILDROP"));
	lm_rig_expect(fd, "+OK");
	close(fd);
}

static void apop(void **state)
{
	int fd = fake_connect(&fake, server, "pop3");
	char *greeting = lm_rig_read(fd, "\r\n"), *from = strchr(greeting, '<');
	char text[400], line[200];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;
	struct lm_host_value *e;
	int n;

	(void)state;
	assert_non_null(from);
	n = snprintf(text, sizeof(text), "%.*ssecret", (int)(strchr(from, '>') + 1 - from), from);
	free(greeting);
	assert_true(EVP_Digest(text, (size_t)n, digest, &len, EVP_md5(), NULL) == 1);
	n = snprintf(line, sizeof(line), "APOP anna ");
	for (unsigned i = 0; i < len; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "%02x", digest[i]);
	lm_rig_say(fd, line);
	lm_rig_say(fd, "\r\n");
	e = fake_expect(&fake, "AUTH");
	assert_string_equal(fake_text(e, "kind"), "SECRET");
	assert_string_equal(fake_text(e, "need"), "PLAIN");
	fake_call(&fake, "answerSecret", FAKE_ARGS(POP3_OF(e), fake_string(&fake, "secret")));
	pop3_give_two(&fake, fake_expect(&fake, "MAILDROP"));
	lm_rig_expect(fd, "+OK");
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(whole_session),
		T(line_ends),
		T(bytes_are_let_go),
		T(refusals),
		T(bad_maildrop),
		T(names_in_one_string),
		T(cut_by_script),
		T(apop),
		cmocka_unit_test_setup_teardown(silence, setup_silent, teardown),
		cmocka_unit_test_setup_teardown(hearsay, setup_hearing, teardown),
		cmocka_unit_test_setup_teardown(judgement, setup_judging, teardown),
	};
#undef T

	return cmocka_run_group_tests_name("bridge/pop3", tests, NULL, NULL);
}
