/* Resets at each moment, ends while all is busy, many sessions, and memory that is not to be had.
 */
#include "base/mem.h"
#include "bridge/pop3_rig.h"
#include "lm_test.h"

#include <malloc.h>
#include <unistd.h>

static struct fake fake;
static double server;

static int setup(void **state)
{
	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, NULL, "CONNECT " POP3_DECIDES, "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_server_end(&fake, server);
	assert_int_equal(fake.kept, 0);
	fake_free(&fake);
	return 0;
}

static struct lm_host_value *connected(int *out_fd)
{
	*out_fd = fake_connect(&fake, server, "pop3");
	return fake_expect(&fake, "CONNECT");
}

static int admitted(void)
{
	int fd;
	struct lm_host_value *e = connected(&fd);

	fake_call(&fake, "proceed", FAKE_ARGS(POP3_OF(e)));
	return fd;
}

static int logged_in(void)
{
	int fd = admitted();

	pop3_give_two(&fake, pop3_maildrop(&fake, fd));
	lm_rig_expect(fd, "+OK");
	return fd;
}

enum moment { AT_CONNECT, AT_AUTH, AT_MAILDROP, AT_RETR, IN_BYTES, IN_PIPE, AT_QUIT, MOMENTS };

static char much[1 << 20];

static struct lm_host_value *write_some(struct lm_host_value *e)
{
	struct lm_host_value *pipe = fake_call(&fake, "answerPipe", FAKE_ARGS(POP3_OF(e)));

	fake_call(&fake, "pipeWrite", FAKE_ARGS(pipe, fake_bytes(&fake, much, sizeof(much))));
	return e;
}

static struct lm_host_value *give_bytes(struct lm_host_value *e)
{
	fake_call(&fake, "answerBytes",
	          FAKE_ARGS(POP3_OF(e), fake_bytes(&fake, much, sizeof(much))));
	return e;
}

static struct lm_host_value *quit(int fd)
{
	lm_rig_say(fd, "QUIT\r\n");
	return fake_expect(&fake, "QUIT");
}

/* Bring a session there; the last entry. */
static struct lm_host_value *come_to(enum moment moment, int *out_fd)
{
	if (moment == AT_CONNECT)
		return connected(out_fd);
	*out_fd = moment <= AT_MAILDROP ? admitted() : logged_in();
	switch (moment) {
	case AT_AUTH:
		return pop3_auth(&fake, *out_fd);
	case AT_MAILDROP:
		return pop3_maildrop(&fake, *out_fd);
	case IN_BYTES:
		return give_bytes(pop3_retr(&fake, *out_fd));
	case IN_PIPE:
		return write_some(pop3_retr(&fake, *out_fd));
	case AT_QUIT:
		return quit(*out_fd);
	default:
		return pop3_retr(&fake, *out_fd);
	}
}

static void expect_end(double session)
{
	struct lm_host_value *e;

	do
		e = fake_take(&fake, 30000);
	while (e && fake_num(e, "type") > 1000);
	assert_non_null(e);
	assert_true(fake_num(e, "type") == LM_EVENT_DISCONNECT);
	assert_true(fake_num(e, "session") == session);
}

/* All that script might have answered, for a session that is gone. */
static void answer_late(struct lm_host_value *e)
{
	fake_call(&fake, "answerUser", FAKE_ARGS(POP3_OF(e)));
	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e)));
	fake_call(&fake, "proceed", FAKE_ARGS(POP3_OF(e)));
	pop3_give_two(&fake, e);
	give_bytes(e);
	assert_true(fake_call(&fake, "answerPipe", FAKE_ARGS(POP3_OF(e)))->number == 0);
	fake_call(&fake, "disconnect", FAKE_ARGS(fake_get(e, "session")));
}

static void reset_at(enum moment moment, bool answers_first)
{
	int fd;
	struct lm_host_value *e = come_to(moment, &fd);
	double session = fake_num(e, "session");

	pop3_reset(fd);
	if (answers_first)
		answer_late(e);
	expect_end(session);
	answer_late(e);
	assert_int_equal(fake.kept, 0);
	fake_sweep(&fake);
}

static void resets(void **state)
{
	(void)state;
	for (int moment = 0; moment < MOMENTS; moment++)
		reset_at((enum moment)moment, false);
}

/* An answer and a reset at once: whichever comes first, the end is told and nothing is kept. */
static void resets_and_answers(void **state)
{
	static const enum moment moments[] = { AT_AUTH, AT_MAILDROP, AT_RETR, AT_QUIT };
	struct lm_host_value *e;
	int fd;

	(void)state;
	for (int i = 0; i < 80; i++) {
		enum moment moment = moments[i % 4];
		double session;

		e = come_to(moment, &fd);
		session = fake_num(e, "session");
		pop3_reset(fd);
		if (moment == AT_RETR)
			i % 8 < 4 ? give_bytes(e) : write_some(e);
		else if (moment == AT_MAILDROP)
			pop3_give_two(&fake, e);
		else
			fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e)));
		do
			e = fake_take(&fake, 30000);
		while (e && fake_num(e, "type") != LM_EVENT_DISCONNECT);
		assert_non_null(e);
		assert_true(fake_num(e, "session") == session);
		fake_sweep(&fake);
	}
}

/* Freed in the middle of everything, with a script that still runs and with one that does not. */
static void free_while_busy(bool with_host)
{
	int fds[3 * MOMENTS];

	fake_new(&fake);
	server = fake_server(&fake, NULL, "CONNECT " POP3_DECIDES, "");
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		(void)come_to((enum moment)(i % MOMENTS), &fds[i]);
	/* What is on the way, too. */
	for (int i = 0; i < 5; i++)
		lm_rig_say(fds[IN_PIPE], "NOOP\r\n");
	if (with_host) {
		fake_free(&fake);
	} else {
		lm_bridge_free(fake.bridge, NULL);
		fake_abandon(&fake);
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
}

static void freed(void **state)
{
	(void)state;
	free_while_busy(true);
}

static void freed_without_script(void **state)
{
	(void)state;
	free_while_busy(false);
}

static void freed_in_all_states(void **state)
{
	struct lm_host_value *s;

	(void)state;
	lm_bridge_free(NULL, NULL);
	for (int i = 0; i < 4; i++) {
		fake_new(&fake);
		if (i == 1)
			fake_call(&fake, "serverNew", 0, NULL);
		if (i >= 2) {
			s = fake_number(&fake, fake_server(&fake, NULL, "AUTH", ""));
			fake_call(&fake, "serverDrain", FAKE_ARGS(s, fake_number(&fake, 60000)));
		}
		if (i == 3)
			fake_expect(&fake, "STOPPED");
		fake_free(&fake);
	}
}

/* Drained with sessions that script has not answered: they end at the drain's end. */
static void drained(void **state)
{
	int fd;
	struct lm_host_value *e = come_to(AT_AUTH, &fd), *s = fake_number(&fake, server);

	(void)state;
	fake_call(&fake, "serverDrain", FAKE_ARGS(s, fake_number(&fake, 60000)));
	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e), fake_number(&fake, LM_E_AUTH)));
	lm_rig_expect(fd, "-ERR");
	/* The end is told before the server's. */
	fake_expect(&fake, "DISCONNECT");
	fake_expect(&fake, "STOPPED");
	fake_call(&fake, "serverDrain", FAKE_ARGS(s, fake_number(&fake, 0)));
	fake_call(&fake, "serverFree", FAKE_ARGS(s));
	close(fd);
	server = fake_server(&fake, NULL, "AUTH", "");
}

/* Two hundred decisions wait at once; answered backwards each gets its own. */
static void many_pending(void **state)
{
	enum { COUNT = 200 };
	int fds[COUNT];
	double sessions[COUNT], events[COUNT];
	char line[64];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		struct lm_host_value *e;

		fds[i] = admitted();
		lm_rig_expect(fds[i], "+OK");
		snprintf(line, sizeof(line), "USER u%d\r\n", i);
		lm_rig_chat(fds[i], line, "+OK");
		lm_rig_say(fds[i], "PASS x\r\n");
		e = fake_expect(&fake, "AUTH");
		snprintf(line, sizeof(line), "u%d", i);
		assert_string_equal(fake_text(e, "authcid"), line);
		sessions[i] = fake_num(e, "session");
		events[i] = fake_num(e, "event");
		fake_sweep(&fake);
	}
	for (int i = COUNT - 1; i >= 0; i--) {
		snprintf(line, sizeof(line), "not you, u%d", i);
		fake_call(&fake, "answer",
		          FAKE_ARGS(fake_number(&fake, sessions[i]), fake_number(&fake, events[i]),
		                    fake_number(&fake, LM_E_AUTH), fake_string(&fake, line)));
		fake_sweep(&fake);
	}
	for (int i = 0; i < COUNT; i++) {
		snprintf(line, sizeof(line), "-ERR [AUTH] not you, u%d\r\n", i);
		lm_rig_expect(fds[i], line);
		close(fds[i]);
	}
}

static void one_visit(void)
{
	int fd = logged_in();
	struct lm_host_value *e = quit(fd);

	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e)));
	lm_rig_expect(fd, "+OK");
	lm_rig_expect_end(fd);
	fake_expect(&fake, "DISCONNECT");
	fake_sweep(&fake);
}

/* Nothing grows with the sessions that have been. */
static void many_in_a_row(void **state)
{
	size_t before;

	(void)state;
	for (int i = 0; i < 200; i++)
		one_visit();
	before = mallinfo2().uordblks;
	for (int i = 0; i < 2000; i++)
		one_visit();
	assert_in_range(mallinfo2().uordblks, 0, before + 64 * 1024);
}

/* ---- memory that is not to be had ---- */

/* Any native may run out of it: it throws, or does what it should, and loses nothing. */
static void no_memory(void **state)
{
	struct lm_host_value *e, *names, *sizes;
	unsigned failed = 0;
	bool done = false;
	int fd = admitted();

	(void)state;
	e = pop3_maildrop(&fake, fd);
	sizes = fake_array(&fake, 2, fake_number(&fake, 14), fake_number(&fake, 3));
	names = fake_array(&fake, 2, fake_string(&fake, "a"), fake_string(&fake, "b"));
	for (unsigned long at = 1; !done && at < 20; at++) {
		lm_alloc_fail_at(at);
		done = fake_try(&fake, "answerMaildrop", FAKE_ARGS(POP3_OF(e), sizes, names));
		lm_alloc_fail_at(0);
		if (!done)
			assert_err(fake.error.code, LM_E_NOMEM);
		failed += !done;
	}
	assert_in_range(failed, 3, 19);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(resets),
		T(resets_and_answers),
		T(drained),
		T(many_pending),
		T(many_in_a_row),
		T(no_memory),
		cmocka_unit_test(freed),
		cmocka_unit_test(freed_without_script),
		cmocka_unit_test(freed_in_all_states),
	};
#undef T

	memset(much, 'x', sizeof(much));
	return cmocka_run_group_tests_name("bridge/fault", tests, NULL, NULL);
}
