/* Many sessions at once, and a drain in the middle of them. */
#include "server/serve_rig.h"

#include "lm_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SESSIONS = 200, SENDERS = 8 };

static void two_hundred_sessions_side_by_side(void **state)
{
	struct lm_rig rig;
	struct lm_server_stats stats;
	int fds[SESSIONS], fd;
	char *got;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "workers", "4", NULL });
	lm_rig_start(&rig);
	for (int i = 0; i < SESSIONS; i++)
		fds[i] = lm_rig_connect(&rig, "smtp");
	for (int i = 0; i < SESSIONS; i++) {
		lm_rig_expect(fds[i], "220 ");
		lm_rig_chat(fds[i], "EHLO client.example\r\n", "250");
	}
	lm_rig_await_open(&rig, SESSIONS);
	for (int i = 0; i < SESSIONS; i++)
		lm_rig_say(fds[i], "MAIL FROM:<>\r\nRCPT TO:<anna>\r\nDATA\r\n");
	for (int i = 0; i < SESSIONS; i++) {
		char text[64];

		lm_rig_expect(fds[i], "250 ");
		lm_rig_expect(fds[i], "250 ");
		lm_rig_expect(fds[i], "354 ");
		snprintf(text, sizeof(text), "Subject: %d\r\n\r\nx\r\n.\r\nQUIT\r\n", i);
		lm_rig_say(fds[i], text);
	}
	for (int i = 0; i < SESSIONS; i++) {
		lm_rig_expect(fds[i], "250 ");
		lm_rig_expect(fds[i], "221 ");
		lm_rig_expect_end(fds[i]);
	}
	fd = lm_rig_login(&rig, "ANNA");
	lm_rig_say(fd, "LIST\r\n");
	got = lm_rig_read(fd, "\r\n.\r\n");
	assert_non_null(strstr(got, "\r\n200 "));
	free(got);
	lm_rig_chat(fd, "QUIT\r\n", "+OK");
	lm_rig_expect_end(fd);
	lm_rig_await_open(&rig, 0);
	lm_server_stats(rig.server, &stats);
	assert_int_equal(stats.messages_in, SESSIONS);
	assert_int_equal(stats.sessions_total, SESSIONS + 1);
	lm_rig_free(&rig);
}

struct sender {
	struct lm_rig *rig;
	pthread_t thread;
	_Atomic int acknowledged;
};

/* One line, or false when the connection is gone. Asserting is the main thread's. */
static bool line(int fd, char out[512])
{
	size_t n = 0;

	while (n < 511 && recv(fd, out + n, 1, 0) == 1)
		if (out[n++] == '\n') {
			out[n] = '\0';
			return true;
		}
	return false;
}

static bool chat(int fd, const char *say, const char *want)
{
	char got[512];

	if (send(fd, say, strlen(say), MSG_NOSIGNAL) < 0)
		return false;
	do {
		if (!line(fd, got))
			return false;
	} while (got[3] == '-');
	return strncmp(got, want, 3) == 0;
}

static void *send_until_told(void *arg)
{
	struct sender *s = arg;
	int fd = lm_rig_connect(s->rig, "smtp");
	char got[512];
	bool on = line(fd, got) && chat(fd, "EHLO client.example\r\n", "250");

	while (on) {
		on = chat(fd, "MAIL FROM:<>\r\n", "250") && chat(fd, "RCPT TO:<anna>\r\n", "250") &&
		     chat(fd, "DATA\r\n", "354") &&
		     chat(fd, "Subject: load\r\n\r\nx\r\n.\r\n", "250");
		if (on)
			atomic_fetch_add(&s->acknowledged, 1);
	}
	close(fd);
	return NULL;
}

static void a_drain_under_load_loses_nothing(void **state)
{
	struct lm_rig rig;
	struct sender senders[SENDERS] = { 0 };
	struct lm_server_stats stats;
	char store[100], wanted[32];
	uint64_t sum = 0;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "workers", "4", NULL });
	snprintf(store, sizeof(store), "sqlite:%s/mail.db", rig.folder);
	assert_err(lm_server_set(rig.server, "store", store, NULL), 0);
	lm_rig_start(&rig);
	for (int i = 0; i < SENDERS; i++) {
		senders[i].rig = &rig;
		pthread_create(&senders[i].thread, NULL, send_until_told, &senders[i]);
	}
	do
		lm_server_stats(rig.server, &stats);
	while (stats.messages_in < 100);
	lm_server_drain(rig.server, 20000);
	lm_server_wait(rig.server);
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(senders[i].thread, NULL);
		sum += (uint64_t)senders[i].acknowledged;
	}
	lm_server_stats(rig.server, &stats);
	assert_int_equal(stats.sessions_open, 0);
	assert_int_equal(stats.messages_in, sum);
	lm_server_free(rig.server);
	assert_err(lm_server_new(&rig.server), 0);
	assert_err(lm_server_set(rig.server, "store", store, NULL), 0);
	assert_err(lm_server_set(rig.server, "data-dir", rig.folder, NULL), 0);
	assert_err(lm_server_set(rig.server, "user", "anna:secret", NULL), 0);
	for (const char *const *off =
	             (const char *const[]){ "smtp", "smtps", "submission", "pop3s", NULL };
	     *off; off++)
		assert_err(lm_server_set(rig.server, *off, "off", NULL), 0);
	assert_err(lm_server_set(rig.server, "pop3", "0", NULL), 0);
	lm_rig_start(&rig);
	fd = lm_rig_login(&rig, "anna");
	snprintf(wanted, sizeof(wanted), "+OK %llu ", (unsigned long long)sum);
	lm_rig_chat(fd, "STAT\r\n", wanted);
	close(fd);
	lm_rig_free(&rig);
}

static void a_drain_tells_idle_sessions_and_lets_transactions_end(void **state)
{
	struct lm_rig rig;
	int idle, pop, busy;

	(void)state;
	lm_rig_new(&rig, NULL);
	lm_rig_start(&rig);
	idle = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(idle, "220 ");
	lm_rig_chat(idle, "EHLO client.example\r\n", "250");
	pop = lm_rig_login(&rig, "bert");
	busy = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(busy, "220 ");
	lm_rig_chat(busy, "EHLO client.example\r\n", "250");
	lm_rig_chat(busy, "MAIL FROM:<>\r\n", "250 ");
	lm_rig_chat(busy, "RCPT TO:<anna>\r\n", "250 ");
	lm_rig_chat(busy, "DATA\r\n", "354 ");
	lm_server_drain(rig.server, 60000);
	lm_rig_expect(idle, "421 4.3.2 ");
	lm_rig_expect_end(idle);
	lm_rig_expect(pop, "-ERR [SYS/TEMP] ");
	lm_rig_expect_end(pop);
	lm_rig_chat(busy, "Subject: last\r\n\r\n.\r\n", "250 ");
	lm_rig_expect(busy, "421 4.3.2 ");
	lm_rig_expect_end(busy);
	lm_server_wait(rig.server);
	lm_rig_free(&rig);
}

static void a_drain_cuts_what_does_not_end(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, NULL);
	lm_rig_start(&rig);
	fd = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<>\r\n", "250 ");
	lm_server_drain(rig.server, 600000);
	lm_server_drain(rig.server, 50);
	lm_server_wait(rig.server);
	close(fd);
	lm_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hundred_sessions_side_by_side),
		cmocka_unit_test(a_drain_under_load_loses_nothing),
		cmocka_unit_test(a_drain_tells_idle_sessions_and_lets_transactions_end),
		cmocka_unit_test(a_drain_cuts_what_does_not_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
