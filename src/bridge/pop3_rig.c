/* POP3 sessions with a script, step by step. */
#include "bridge/pop3_rig.h"

#include "lm_test.h"

#include <sys/socket.h>
#include <unistd.h>

struct lm_host_value *pop3_auth(struct fake *fake, int fd)
{
	struct lm_host_value *e;

	lm_rig_expect(fd, "+OK");
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_say(fd, "PASS secret word\r\n");
	e = fake_expect(fake, "AUTH");
	assert_string_equal(fake_text(e, "kind"), "PASSWORD");
	assert_string_equal(fake_text(e, "authcid"), "anna");
	assert_string_equal(fake_text(e, "password"), "secret word");
	return e;
}

struct lm_host_value *pop3_maildrop(struct fake *fake, int fd)
{
	struct lm_host_value *e = pop3_auth(fake, fd);

	fake_call(fake, "answerUser", FAKE_ARGS(POP3_OF(e), fake_string(fake, "Anna")));
	e = fake_expect(fake, "MAILDROP");
	assert_string_equal(fake_text(fake_get(e, "info"), "user"), "Anna");
	return e;
}

void pop3_give_two(struct fake *fake, struct lm_host_value *e)
{
	struct lm_host_value *octets, *uidls;

	octets = fake_array(fake, 2, fake_number(fake, 14), fake_number(fake, 3));
	uidls = fake_array(fake, 2, fake_string(fake, "first"), fake_string(fake, "second"));
	fake_call(fake, "answerMaildrop", FAKE_ARGS(POP3_OF(e), octets, uidls));
}

int pop3_login(struct fake *fake, double server)
{
	int fd = fake_connect(fake, server, "pop3");

	pop3_give_two(fake, pop3_maildrop(fake, fd));
	lm_rig_expect(fd, "+OK");
	return fd;
}

struct lm_host_value *pop3_retr(struct fake *fake, int fd)
{
	struct lm_host_value *e;

	lm_rig_say(fd, "RETR 1\r\n");
	e = fake_expect(fake, "RETR");
	assert_true(fake_num(e, "number") == 1);
	return e;
}

void pop3_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
