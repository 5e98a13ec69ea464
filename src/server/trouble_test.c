/* A store that stalls or fails costs temporary failures, and no session but its own. */
#include "server/serve_rig.h"

#include "lm_test.h"

#include <unistd.h>

static int in_transaction(const struct lm_rig *rig)
{
	int fd = lm_rig_connect(rig, "smtp");

	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<>\r\n", "250 ");
	lm_rig_chat(fd, "RCPT TO:<anna>\r\n", "250 ");
	return fd;
}

static void a_store_that_stalls_is_not_waited_for(void **state)
{
	struct lm_rig rig;
	int busy, other, pop;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "store", "slow:400:memory:", "handler-timeout",
	                                        "100ms", "workers", "1", NULL });
	lm_rig_start(&rig);
	other = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(other, "220 ");
	busy = in_transaction(&rig);
	pop = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(pop, "+OK ");
	lm_rig_say(busy, "DATA\r\n");
	lm_rig_chat(pop, "USER anna\r\n", "+OK");
	lm_rig_say(pop, "PASS secret\r\n");
	lm_rig_chat(other, "EHLO client.example\r\n", "250");
	lm_rig_chat(other, "NOOP\r\n", "250 ");
	lm_rig_expect(busy, "451 4.4.7 ");
	lm_rig_expect(pop, "-ERR [SYS/TEMP] ");
	lm_rig_chat(busy, "NOOP\r\n", "250 ");
	lm_rig_chat(busy, "QUIT\r\n", "221 ");
	lm_rig_expect_end(busy);
	close(pop);
	close(other);
	/* What the store still has under way is waited for here. */
	lm_rig_free(&rig);
}

static void sessions_may_go_while_the_store_works(void **state)
{
	struct lm_rig rig;
	struct lm_server_stats stats;
	int fds[20];

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "store", "slow:200:memory:", NULL });
	lm_rig_start(&rig);
	for (int i = 0; i < 20; i++) {
		fds[i] = in_transaction(&rig);
		lm_rig_say(fds[i], "DATA\r\n");
	}
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	lm_server_drain(rig.server, 0);
	lm_server_wait(rig.server);
	lm_server_stats(rig.server, &stats);
	assert_int_equal(stats.sessions_open, 0);
	assert_int_equal(stats.messages_in, 0);
	lm_rig_free(&rig);
}

static void what_fails_is_not_acknowledged(void **state)
{
	struct lm_rig rig;
	struct lm_server_stats stats;
	int fd;

	(void)state;
	lm_rig_new(
	        &rig,
	        (const char *const[]){
	                "store",
	                "faulty:draft_commit=1:FULL,draft_commit=2:IO,mailbox_expunge=1:IO:memory:",
	                NULL });
	lm_rig_start(&rig);
	fd = in_transaction(&rig);
	lm_rig_chat(fd, "DATA\r\n", "354 ");
	lm_rig_chat(fd, "Subject: 1\r\n\r\n.\r\n", "452 4.3.1 ");
	close(fd);
	fd = in_transaction(&rig);
	lm_rig_chat(fd, "DATA\r\n", "354 ");
	lm_rig_chat(fd, "Subject: 2\r\n\r\n.\r\n", "451 4.3.0 ");
	close(fd);
	lm_rig_deliver(&rig, "anna", "Subject: 3\r\n\r\n");
	lm_server_stats(rig.server, &stats);
	assert_int_equal(stats.messages_in, 1);
	for (int left = 1; left >= 0; left--) {
		fd = lm_rig_login(&rig, "anna");
		lm_rig_chat(fd, "STAT\r\n", "+OK 1 ");
		lm_rig_chat(fd, "DELE 1\r\n", "+OK");
		lm_rig_chat(fd, "QUIT\r\n", left ? "-ERR [SYS/TEMP]" : "+OK");
		lm_rig_expect_end(fd);
	}
	fd = lm_rig_login(&rig, "anna");
	lm_rig_chat(fd, "STAT\r\n", "+OK 0 0");
	close(fd);
	lm_rig_free(&rig);
}

static void one_session_has_the_maildrop(void **state)
{
	struct lm_rig rig;
	int first, second;

	(void)state;
	lm_rig_new(&rig, NULL);
	lm_rig_start(&rig);
	first = lm_rig_login(&rig, "anna");
	second = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(second, "+OK ");
	lm_rig_chat(second, "USER ANNA\r\n", "+OK");
	lm_rig_chat(second, "PASS secret\r\n", "-ERR [IN-USE] ");
	close(first);
	lm_rig_await_open(&rig, 1);
	lm_rig_chat(second, "USER ANNA\r\n", "+OK");
	lm_rig_chat(second, "PASS secret\r\n", "+OK");
	close(second);
	lm_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_that_stalls_is_not_waited_for),
		cmocka_unit_test(sessions_may_go_while_the_store_works),
		cmocka_unit_test(what_fails_is_not_acknowledged),
		cmocka_unit_test(one_session_has_the_maildrop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
