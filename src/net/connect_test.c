/* Connecting: families in turn, addresses that are silent or refuse, look-ups that are given up. */
#include "net/connect.h"

#include "lm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GUARD_MS = 20000, FILLERS = 64 };

struct connect_test {
	struct lm_loop *loop;
	struct lm_connect *connect;
	struct lm_timer guard;
	int result;
	struct lm_connected connected;
	struct lm_error why;
	bool is_done, frees;
};

static void on_guard(struct lm_timer *timer)
{
	(void)timer;
	fail_msg("the test took too long");
}

static void begin(struct connect_test *test)
{
	*test = (struct connect_test){ .guard = { .fire = on_guard } };
	assert_err(lm_loop_new(&test->loop), 0);
	lm_timer_arm(test->loop, &test->guard, lm_loop_now(test->loop) + GUARD_MS);
}

static void end(struct connect_test *test)
{
	lm_connect_free(test->connect);
	if (test->connected.transport)
		test->connected.transport->ops->free(test->connected.transport, true);
	lm_timer_disarm(test->loop, &test->guard);
	lm_loop_free(test->loop);
}

static void on_done(void *ctx, int result, const struct lm_connected *connected,
                    const struct lm_error *why)
{
	struct connect_test *test = ctx;

	assert_false(test->is_done);
	test->is_done = true;
	test->result = result;
	if (connected)
		test->connected = *connected;
	test->why = *why;
	if (test->frees) {
		lm_connect_free(test->connect);
		test->connect = NULL;
	}
	lm_loop_stop(test->loop);
}

/* Listens on an address of 127/8; port 0: a free one. */
static int listening(const char *address, uint16_t *io_port, int backlog)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(*io_port) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*io_port = ntohs(at.sin_port);
	return fd;
}

struct place {
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	struct addrinfo info;
};

static struct addrinfo *chain(struct place *places, const char *const *addresses, size_t count,
                              uint16_t port)
{
	for (size_t i = 0; i < count; i++) {
		struct place *p = &places[i];
		const bool v6 = strchr(addresses[i], ':') != NULL;

		*p = (struct place){ .v4 = { .sin_family = AF_INET, .sin_port = htons(port) },
			             .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };
		(void)inet_pton(AF_INET, addresses[i], &p->v4.sin_addr);
		(void)inet_pton(AF_INET6, addresses[i], &p->v6.sin6_addr);
		p->info.ai_family = v6 ? AF_INET6 : AF_INET;
		p->info.ai_addr = v6 ? (struct sockaddr *)&p->v6 : (struct sockaddr *)&p->v4;
		p->info.ai_addrlen = v6 ? sizeof(p->v6) : sizeof(p->v4);
		p->info.ai_next = i + 1 < count ? &places[i + 1].info : NULL;
	}
	return &places[0].info;
}

static void connect_to(struct connect_test *test, const char *const *addresses, size_t count,
                       uint16_t port)
{
	struct place places[20];

	begin(test);
	test->frees = true;
	assert_err(lm_connect_new_known(test->loop, "mail.example", port,
	                                chain(places, addresses, count, port), on_done, test,
	                                &test->connect),
	           0);
	assert_false(test->is_done);
	lm_loop_run(test->loop);
}

static void one_that_refuses_costs_nothing(void **state)
{
	static const char *const addresses[] = { "127.0.0.3", "127.0.0.4", "127.0.0.2" };
	struct connect_test test;
	uint16_t port = 0;
	int fd = listening("127.0.0.2", &port, 5);

	(void)state;
	connect_to(&test, addresses, 3, port);
	assert_err(test.result, 0);
	assert_string_equal(test.connected.peer, "127.0.0.2");
	assert_int_equal(test.connected.peer_port, port);
	assert_string_equal(test.connected.local, "127.0.0.1");
	end(&test);
	connect_to(&test, addresses, 2, port);
	assert_err(test.result, LM_E_CONNECT);
	assert_non_null(strstr(test.why.text, "connect to mail.example port "));
	assert_non_null(strstr(test.why.text, ": connection refused"));
	end(&test);
	close(fd);
}

/* A queue that is full drops what comes: nobody answers there. */
static void one_that_is_silent_costs_a_moment(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", "127.0.0.2" };
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct connect_test test;
	uint16_t port = 0;
	int fillers[FILLERS], silent = listening("127.0.0.1", &port, 0);
	int fd = listening("127.0.0.2", &port, 5);
	lm_time_ms began;

	(void)state;
	at.sin_port = htons(port);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < FILLERS; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&at, sizeof(at));
	}
	begin(&test);
	began = lm_loop_now(test.loop);
	end(&test);
	connect_to(&test, addresses, 2, port);
	assert_err(test.result, 0);
	assert_string_equal(test.connected.peer, "127.0.0.2");
	assert_true(lm_loop_now(test.loop) - began >= 240);
	end(&test);
	for (int i = 0; i < FILLERS; i++)
		close(fillers[i]);
	close(silent);
	close(fd);
}

/* Twenty dead ones are more than are tried; a family that is not there says less than a refusal. */
static void there_are_limits_and_the_best_reason_wins(void **state)
{
	const char *addresses[20];
	struct connect_test test;
	uint16_t port = 0;
	int fd = listening("127.0.0.9", &port, 5), dead = -1;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		addresses[i] = i < 19 ? "127.0.0.8" : "127.0.0.9";
	connect_to(&test, addresses, 20, port);
	assert_err(test.result, LM_E_CONNECT);
	end(&test);
	addresses[0] = "2001:db8::1";
	dead = listening("127.0.0.8", &port, -1);
	connect_to(&test, addresses, 2, port);
	assert_err(test.result, LM_E_CONNECT);
	assert_non_null(strstr(test.why.text, "connection refused"));
	end(&test);
	close(dead);
	close(fd);
}

/* Of a name with both families the one that answers is found. */
static void names_have_several_addresses(void **state)
{
	struct connect_test test;
	uint16_t port = 0;
	int fd = listening("127.0.0.1", &port, 5);

	(void)state;
	begin(&test);
	assert_err(lm_connect_new(test.loop, "localhost", port, on_done, &test, &test.connect), 0);
	assert_true(lm_connect_is_looking_up(test.connect));
	lm_loop_run(test.loop);
	assert_err(test.result, 0);
	assert_string_equal(test.connected.peer, "127.0.0.1");
	assert_false(lm_connect_is_looking_up(test.connect));
	end(&test);
	close(fd);
}

/* The loop can go while the resolver is still thinking. */
/* Whatever /etc/hosts says or lacks. */
static void localhost_is_here(void **state)
{
	static const char *const names[] = { "LocalHost", "localhost.", "mail.localhost" };
	uint16_t port = 0;
	int fd = listening("127.0.0.1", &port, 5);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct connect_test test;

		begin(&test);
		assert_err(lm_connect_new(test.loop, names[i], port, on_done, &test, &test.connect),
		           0);
		lm_loop_run(test.loop);
		assert_err(test.result, 0);
		assert_string_equal(test.connected.peer, "127.0.0.1");
		end(&test);
	}
	close(fd);
}

static void look_ups_are_given_up(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct connect_test test;

		begin(&test);
		assert_err(lm_connect_new(test.loop, i % 2 ? "localhost" : "nobody.invalid", 1,
		                          on_done, &test, &test.connect),
		           0);
		end(&test);
		assert_false(test.is_done);
	}
}

static void paths_are_sockets(void **state)
{
	static const char *const bad[] = { "/nowhere/at/all", "/dev/null" };
	char path[200];
	struct connect_test test;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(&test);
		assert_err(lm_connect_new(test.loop, bad[i], 0, on_done, &test, &test.connect), 0);
		lm_loop_run(test.loop);
		assert_err(test.result, LM_E_CONNECT);
		assert_non_null(strstr(test.why.text, bad[i]));
		end(&test);
	}
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	begin(&test);
	assert_err(lm_connect_new(test.loop, path, 0, on_done, &test, &test.connect), 0);
	lm_loop_run(test.loop);
	assert_err(test.result, LM_E_CONNECT);
	end(&test);
}

static void without_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 6; n++) {
		static const char *const addresses[] = { "127.0.0.1" };
		struct place places[1];
		struct connect_test test;
		uint16_t port = 0;
		int fd = listening("127.0.0.1", &port, 5), err;

		begin(&test);
		lm_alloc_fail_at(n);
		err = lm_connect_new_known(test.loop, "mail.example", port,
		                           chain(places, addresses, 1, port), on_done, &test,
		                           &test.connect);
		if (!err)
			lm_loop_run(test.loop);
		lm_alloc_fail_at(0);
		assert_true(err == 0 || err == LM_E_NOMEM);
		if (!err)
			assert_true(test.result == 0 || test.result == LM_E_NOMEM);
		end(&test);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_refuses_costs_nothing),
		cmocka_unit_test(one_that_is_silent_costs_a_moment),
		cmocka_unit_test(there_are_limits_and_the_best_reason_wins),
		cmocka_unit_test(names_have_several_addresses),
		cmocka_unit_test(localhost_is_here),
		cmocka_unit_test(look_ups_are_given_up),
		cmocka_unit_test(paths_are_sockets),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
