/* Addresses, listening sockets of every kind, accepting, and running out of descriptors. */
#include "net/listener.h"
#include "net/transport.h"

#include "lm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void addresses_parse(void **state)
{
	static const struct {
		const char *text, *formatted; /* NULL: refused */
	} table[] = {
		{ "25", "127.0.0.1:25" },
		{ "0", "127.0.0.1:0" },
		{ "192.0.2.1:65535", "192.0.2.1:65535" },
		{ "[::1]:110", "[::1]:110" },
		{ "*:2525", "*:2525" },
		{ "/run/x.sock", "/run/x.sock" },
		{ "unix:/run/x.sock", "/run/x.sock" },
		{ "unix:x", "unix:x" },
		{ "", NULL },
		{ ":", NULL },
		{ ":25", NULL },
		{ "65536", NULL },
		{ "123456", NULL },
		{ "-1", NULL },
		{ "25x", NULL },
		{ " 25", NULL },
		{ "localhost:25", NULL },
		{ "::1:25", NULL },
		{ "[127.0.0.1]:25", NULL },
		{ "[::1]", NULL },
		{ "[]:25", NULL },
		{ "1.2.3:25", NULL },
		{ "1.2.3.4:", NULL },
		{ "unix:", NULL },
	};
	struct lm_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_address address;
		char text[128];
		int err = lm_address_parse(table[i].text, &address, &error);

		assert_err(err, table[i].formatted ? 0 : LM_E_CONFIG);
		if (err)
			continue;
		lm_address_format(&address, text);
		assert_string_equal(text, table[i].formatted);
	}
}

static void long_addresses_are_refused(void **state)
{
	struct lm_address address;
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[0] = '/';
	assert_err(lm_address_parse(text, &address, NULL), LM_E_CONFIG);
	text[108] = '\0';
	assert_err(lm_address_parse(text, &address, NULL), LM_E_CONFIG);
	text[107] = '\0';
	assert_err(lm_address_parse(text, &address, NULL), 0);
	memcpy(text + 290, ":25", 4);
	memset(text, '1', 290);
	assert_err(lm_address_parse(text, &address, NULL), LM_E_CONFIG);
}

static struct lm_address parse(const char *text)
{
	struct lm_address address;

	assert_err(lm_address_parse(text, &address, NULL), 0);
	return address;
}

/* Blocking, to a TCP address on this machine; -1 on failure. */
static int dial(const struct lm_address *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(address->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(address->port) };
	bool is_v6 = strchr(address->text, ':') != NULL;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

	inet_pton(AF_INET, "127.0.0.1", &v4.sin_addr);
	v6.sin6_addr = in6addr_loopback;
	result = is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
	               : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

static int dial_unix(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	close(fd);
	return -1;
}

enum { CONNECTIONS_MAX = 300 };

struct acceptor {
	struct lm_loop *loop;
	struct lm_listener *listener;
	struct lm_timer guard;
	struct lm_accepted last;
	int fds[CONNECTIONS_MAX];
	int count, want, dropped, want_dropped;
	bool free_inside;
};

static void on_accepted(void *ctx, const struct lm_accepted *accepted)
{
	struct acceptor *a = ctx;

	a->last = *accepted;
	if (accepted->fd < 0) {
		a->dropped++;
	} else {
		assert_true(fcntl(accepted->fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(accepted->fd, F_GETFD) & FD_CLOEXEC);
		a->fds[a->count++] = accepted->fd;
	}
	if (a->free_inside) {
		lm_listener_free(a->listener);
		a->listener = NULL;
	}
	if (a->count == a->want || (a->want_dropped && a->dropped >= a->want_dropped))
		lm_loop_stop(a->loop);
}

static void on_guard(struct lm_timer *timer)
{
	(void)timer;
	fail_msg("the test took too long");
}

static void acceptor_begin(struct acceptor *a, int fd)
{
	assert_err(lm_loop_new(&a->loop), 0);
	a->guard.fire = on_guard;
	lm_timer_arm(a->loop, &a->guard, lm_loop_now(a->loop) + 20000);
	assert_err(lm_listener_new(a->loop, fd, on_accepted, a, &a->listener), 0);
}

static void acceptor_end(struct acceptor *a)
{
	for (int i = 0; i < a->count; i++)
		close(a->fds[i]);
	lm_listener_free(a->listener);
	lm_timer_disarm(a->loop, &a->guard);
	lm_loop_free(a->loop);
}

static void port_zero_finds_one(void **state)
{
	static const char *const texts[] = { "0", "*:0", "[::1]:0" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct lm_address address = parse(texts[i]), second;
		struct acceptor a = { .want = 1 };
		int fd, other, client;

		/* A machine may be without IPv6. */
		if (lm_listen(&address, &fd, NULL) && address.text[0] == ':')
			continue;
		assert_int_not_equal(address.port, 0);
		second = address;
		assert_err(lm_listen(&second, &other, NULL), 0);
		close(other);
		acceptor_begin(&a, fd);
		client = dial(&address);
		assert_true(client >= 0);
		lm_loop_run(a.loop);
		assert_string_equal(a.last.peer, address.text[0] == ':' ? "::1" : "127.0.0.1");
		assert_string_equal(a.last.local, a.last.peer);
		assert_int_equal(a.last.local_port, address.port);
		assert_int_not_equal(a.last.peer_port, 0);
		close(client);
		acceptor_end(&a);
	}
}

static void a_taken_port_is_named(void **state)
{
	struct lm_address address = parse("0");
	struct lm_error error = { 0 };
	int fd;

	(void)state;
	assert_err(lm_listen_probe(&address, &error), 0);
	assert_err(lm_listen(&address, &fd, NULL), 0);
	assert_err(lm_listen_probe(&address, &error), LM_E_EXISTS);
	assert_non_null(strstr(error.text, "127.0.0.1:"));
	close(fd);
	assert_err(lm_listen_probe(&address, &error), 0);
}

static void foreign_addresses_are_refused(void **state)
{
	struct lm_address address = parse("192.0.2.77:0");
	struct lm_error error = { 0 };
	int fd = -1;

	(void)state;
	assert_true(lm_listen(&address, &fd, &error) < 0);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(error.text, "192.0.2.77"));
}

static void connections_come_in_batches(void **state)
{
	struct lm_address address = parse("0");
	struct acceptor a = { .want = 150 };
	int fd, clients[150];

	(void)state;
	assert_err(lm_listen(&address, &fd, NULL), 0);
	acceptor_begin(&a, fd);
	for (int i = 0; i < 150; i++) {
		clients[i] = dial(&address);
		assert_true(clients[i] >= 0);
	}
	lm_loop_run(a.loop);
	assert_int_equal(a.count, 150);
	for (int i = 0; i < 150; i++)
		close(clients[i]);
	acceptor_end(&a);
}

static void a_listener_may_be_freed_inside(void **state)
{
	struct lm_address address = parse("0");
	struct acceptor a = { .want = 1, .free_inside = true };
	int fd, first, second;

	(void)state;
	assert_err(lm_listen(&address, &fd, NULL), 0);
	acceptor_begin(&a, fd);
	first = dial(&address);
	second = dial(&address);
	lm_loop_run(a.loop);
	assert_int_equal(a.count, 1);
	assert_int_equal(dial(&address), -1);
	close(first);
	close(second);
	acceptor_end(&a);
}

static void addresses_that_cannot_be_are_wrong_settings(void **state)
{
	static const char *const wrong[] = { "/nonexistent/socket", "192.0.2.1:0" };
	struct lm_address address;
	struct lm_error why;
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_err(lm_address_parse(wrong[i], &address, NULL), 0);
		assert_err(lm_listen(&address, &fd, &why), LM_E_CONFIG);
		assert_non_null(strstr(why.text, address.text));
		assert_int_equal(fd, -1);
	}
}

static void unix_sockets_stale_and_live(void **state)
{
	char folder[] = "/tmp/lm-unix-XXXXXX", path[64];
	struct lm_error error = { 0 };
	struct acceptor a = { .want = 1 };
	struct lm_address address;
	int fd, client, none = -1;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	address = parse(path);
	assert_err(lm_listen(&address, &fd, &error), 0);
	assert_err(lm_listen(&address, &none, &error), LM_E_EXISTS);
	assert_non_null(strstr(error.text, "in use"));
	/* Its process gone, the name stays behind and does no harm. */
	close(fd);
	assert_err(lm_listen(&address, &fd, &error), 0);
	acceptor_begin(&a, fd);
	client = dial_unix(path);
	assert_true(client >= 0);
	lm_loop_run(a.loop);
	assert_string_equal(a.last.peer, "unix");
	assert_string_equal(a.last.local, "unix");
	close(client);
	acceptor_end(&a);
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_err(lm_listen(&address, &none, &error), LM_E_EXISTS);
	assert_non_null(strstr(error.text, "not a socket"));
	assert_int_equal(none, -1);
	unlink(path);
	rmdir(folder);
}

/* In a child: its descriptors run out, what waits is dropped, and afterwards it accepts again. */
static int run_out(void)
{
	struct lm_address address = parse("0");
	struct acceptor a = { .want_dropped = 1, .want = -1 };
	struct rlimit limit;
	int fd, client[4], filler[64], fillers = 0;
	char c;

	assert_err(lm_listen(&address, &fd, NULL), 0);
	acceptor_begin(&a, fd);
	for (int i = 0; i < 2; i++)
		client[i] = dial(&address);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (fillers < 64 && (filler[fillers] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		fillers++;
	assert_int_equal(errno, EMFILE);
	while (a.dropped < 2)
		lm_loop_run(a.loop);
	assert_int_equal(a.count, 0);
	assert_int_equal(a.last.fd, -1);
	assert_string_equal(a.last.peer, "127.0.0.1");
	/* Dropped means closed: the peers need not wait for nothing. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(read(client[i], &c, 1), 0);
		close(client[i]);
	}
	for (int i = 0; i < fillers; i++)
		close(filler[i]);
	a.want = 1;
	a.want_dropped = 0;
	client[2] = dial(&address);
	lm_loop_run(a.loop);
	assert_int_equal(a.count, 1);
	close(client[2]);
	acceptor_end(&a);
	return 0;
}

static void running_out_of_descriptors_is_survived(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(run_out());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

struct echo {
	struct lm_loop *loop;
	struct lm_transport *transport;
	int end;
	size_t octets;
};

static void on_changed(void *ctx, unsigned io)
{
	struct echo *echo = ctx;
	uint8_t buf[64];
	size_t n = 0, sent;

	(void)io;
	echo->end = echo->transport->ops->read(echo->transport, buf, sizeof(buf), &n);
	if (!echo->end) {
		echo->octets += n;
		assert_err(echo->transport->ops->write(echo->transport, lm_bytes(buf, n), &sent),
		           0);
		assert_int_equal(sent, n);
	}
	lm_loop_stop(echo->loop);
}

static void sockets_carry_octets(void **state)
{
	for (int reset = 0; reset < 2; reset++) {
		struct echo echo = { 0 };
		int fds[2];
		char buf[8];

		(void)state;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		fcntl(fds[0], F_SETFL, O_NONBLOCK);
		assert_err(lm_loop_new(&echo.loop), 0);
		assert_err(lm_transport_socket(echo.loop, fds[0], &echo.transport), 0);
		echo.transport->changed = on_changed;
		echo.transport->ctx = &echo;
		echo.transport->ops->want(echo.transport, LM_IO_READ);
		on_changed(&echo, 0);
		assert_err(echo.end, LM_E_AGAIN);
		assert_int_equal(write(fds[1], "hello", 5), 5);
		while (!echo.octets)
			lm_loop_run(echo.loop);
		if (!reset)
			assert_int_equal(read(fds[1], buf, 8), 5);
		close(fds[1]);
		while (!echo.end || echo.end == LM_E_AGAIN)
			lm_loop_run(echo.loop);
		/* Octets of ours left unread make it a reset. */
		assert_err(echo.end, reset ? LM_E_IO : LM_E_CLOSED);
		echo.transport->ops->free(echo.transport, reset);
		lm_loop_free(echo.loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_parse),
		cmocka_unit_test(long_addresses_are_refused),
		cmocka_unit_test(port_zero_finds_one),
		cmocka_unit_test(a_taken_port_is_named),
		cmocka_unit_test(foreign_addresses_are_refused),
		cmocka_unit_test(connections_come_in_batches),
		cmocka_unit_test(a_listener_may_be_freed_inside),
		cmocka_unit_test(addresses_that_cannot_be_are_wrong_settings),
		cmocka_unit_test(unix_sockets_stale_and_live),
		cmocka_unit_test(running_out_of_descriptors_is_survived),
		cmocka_unit_test(sockets_carry_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
