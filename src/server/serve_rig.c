/* A whole server for tests, and raw dialogues with it. */
#include "server/serve_rig.h"

#include "lm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void set(struct lm_rig *rig, const char *name, const char *value)
{
	struct lm_error error = { 0 };

	if (lm_server_set(rig->server, name, value, &error) != 0)
		fail_msg("%s = %s: %s", name, value ? value : "(default)", error.text);
}

void lm_rig_new(struct lm_rig *rig, const char *const *options)
{
	static const char *const own[] = { "smtp", "smtps", "submission", "pop3", "pop3s" };

	*rig = (struct lm_rig){ .server = NULL };
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/lettermill-test-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	assert_err(lm_server_new(&rig->server), 0);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		set(rig, own[i], "127.0.0.1:0");
	set(rig, "store", "memory:");
	set(rig, "data-dir", rig->folder);
	set(rig, "hostname", "mill.example");
	set(rig, "workers", "2");
	set(rig, "auth-delay", "10ms");
	set(rig, "user", "anna:secret");
	set(rig, "user", "bert:secret");
	for (; options && *options; options += 2)
		set(rig, options[0], options[1]);
}

void lm_rig_start(struct lm_rig *rig)
{
	struct lm_error error = { 0 };

	if (lm_server_start(rig->server, &error) != 0)
		fail_msg("start: %s", error.text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void lm_rig_free(struct lm_rig *rig)
{
	lm_server_free(rig->server);
	assert_int_equal(nftw(rig->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof(at.sun_path));
	memcpy(at.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

int lm_rig_connect(const struct lm_rig *rig, const char *listener)
{
	const char *where = lm_server_endpoint(rig->server, listener);
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct timeval patience = { .tv_sec = 30 };
	int fd;

	assert_non_null(where);
	if (where[0] == '/') {
		fd = connect_unix(where);
	} else {
		at.sin_port = htons((uint16_t)strtoul(strrchr(where, ':') + 1, NULL, 10));
		at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		assert_true(fd >= 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

void lm_rig_say(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		assert_true(n > 0);
		text += n;
		left -= (size_t)n;
	}
}

char *lm_rig_read(int fd, const char *end)
{
	size_t len = 0, cap = 1 << 16, n = strlen(end);
	char *all = malloc(cap);

	assert_non_null(all);
	while (len < n || memcmp(all + len - n, end, n) != 0) {
		ssize_t got;

		if (len + 1 == cap)
			assert_non_null(all = realloc(all, cap *= 2));
		got = recv(fd, all + len, n == 2 ? 1 : cap - len - 1, 0);
		if (got <= 0) {
			all[len] = '\0';
			fail_msg("no more after \"%s\"", all);
		}
		len += (size_t)got;
	}
	all[len] = '\0';
	return all;
}

void lm_rig_expect(int fd, const char *start)
{
	char *line = lm_rig_read(fd, "\r\n");

	if (strncmp(line, start, strlen(start)) != 0)
		fail_msg("got %s instead of %s", line, start);
	free(line);
}

void lm_rig_chat(int fd, const char *say, const char *start)
{
	bool more = true;

	lm_rig_say(fd, say);
	while (more) {
		char *line = lm_rig_read(fd, "\r\n");

		more = strlen(line) > 3 && line[3] == '-' && line[0] >= '2' && line[0] <= '5';
		if (strncmp(line, start, strlen(start)) != 0)
			fail_msg("%s got %s instead of %s", say, line, start);
		free(line);
	}
}

void lm_rig_expect_end(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	/* A reset is an end, too. */
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

static void await_count(const struct lm_rig *rig, uint64_t wanted, bool of_total)
{
	const struct timespec nap = { .tv_nsec = 2000000 };
	struct lm_server_stats stats = { .sessions_open = 0 };
	uint64_t have = 0;

	for (int i = 0; i < 10000; i++) {
		lm_server_stats(rig->server, &stats);
		have = of_total ? stats.sessions_total : stats.sessions_open;
		if (have == wanted)
			return;
		nanosleep(&nap, NULL);
	}
	fail_msg("%llu sessions %s", (unsigned long long)have, of_total ? "came" : "are open");
}

void lm_rig_await_open(const struct lm_rig *rig, uint64_t wanted)
{
	await_count(rig, wanted, false);
}

void lm_rig_await_all(const struct lm_rig *rig, uint64_t total)
{
	await_count(rig, total, true);
	await_count(rig, 0, false);
}

void lm_rig_deliver(const struct lm_rig *rig, const char *to, const char *message)
{
	int fd = lm_rig_connect(rig, "smtp");
	char line[300];

	lm_rig_expect(fd, "220 mill.example ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<carl@client.example>\r\n", "250 ");
	snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", to);
	lm_rig_chat(fd, line, "250 ");
	lm_rig_chat(fd, "DATA\r\n", "354 ");
	lm_rig_say(fd, message);
	lm_rig_chat(fd, ".\r\n", "250 ");
	lm_rig_chat(fd, "QUIT\r\n", "221 ");
	lm_rig_expect_end(fd);
}

int lm_rig_login(const struct lm_rig *rig, const char *user)
{
	int fd = lm_rig_connect(rig, "pop3");
	char line[300];

	lm_rig_expect(fd, "+OK ");
	snprintf(line, sizeof(line), "USER %s\r\n", user);
	lm_rig_chat(fd, line, "+OK");
	lm_rig_chat(fd, "PASS secret\r\n", "+OK");
	return fd;
}
