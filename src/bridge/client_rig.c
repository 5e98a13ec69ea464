/* A server played by the test, for clients of a fake host. */
#include "bridge/client_rig.h"

#include "lm_test.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void peer_init(struct peer *p, const char *protocol)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	*p = (struct peer){ .fd = -1 };
	fake_new(&p->fake);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->listener >= 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(p->listener, 16), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
	p->port = ntohs(at.sin_port);
	p->options = fake_object(&p->fake);
	fake_set(p->options, "protocol", fake_string(&p->fake, protocol));
	fake_set(p->options, "host", fake_string(&p->fake, "127.0.0.1"));
	fake_set(p->options, "port", fake_number(&p->fake, p->port));
	fake_set(p->options, "tls", fake_string(&p->fake, "off"));
	fake_set(p->options, "noPipelining", fake_bool(&p->fake, true));
}

void peer_connect(struct peer *p)
{
	struct timeval patience = { .tv_sec = 30 };

	p->client = fake_call(&p->fake, "clientNew", FAKE_ARGS(p->options))->number;
	assert_int_equal(p->fake.alive, 1);
	p->fd = accept(p->listener, NULL, NULL);
	assert_true(p->fd >= 0);
	assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
	                 0);
}

void peer_open(struct peer *p, const char *protocol)
{
	const bool is_pop3 = strcmp(protocol, "pop3") == 0;

	peer_init(p, protocol);
	peer_connect(p);
	peer_say(p, is_pop3 ? "+OK hello\r\n" : "220 hello\r\n");
	if (is_pop3) {
		peer_expect(p, "CAPA");
		peer_say(p, "+OK\r\nUIDL\r\nTOP\r\n.\r\n");
	} else {
		peer_expect(p, strcmp(protocol, "lmtp") == 0 ? "LHLO [127.0.0.1]"
		                                             : "EHLO [127.0.0.1]");
		peer_say(p, "250-hello\r\n250-8BITMIME\r\n250 SIZE\r\n");
	}
	(void)peer_outcome(p, 0, 0);
}

void peer_hang_up(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void peer_free(struct peer *p)
{
	fake_free(&p->fake);
	peer_hang_up(p);
	close(p->listener);
}

void peer_end(struct peer *p)
{
	struct lm_host_value *e;

	peer_hang_up(p);
	do {
		e = fake_take(&p->fake, 30000);
		assert_non_null(e);
		if (fake_has(e, "bytes")) /* who does not take does not see the end either */
			fake_call(&p->fake, "taken",
			          FAKE_ARGS(fake_number(&p->fake, p->client),
			                    fake_number(&p->fake, 1e9)));
	} while (!fake_has(e, "code"));
	assert_true(fake_num(e, "client") == p->client);
	assert_int_equal(p->fake.alive, 0);
	fake_call(&p->fake, "clientFree", FAKE_ARGS(fake_number(&p->fake, p->client)));
	peer_free(p);
}

void peer_say(const struct peer *p, const char *text)
{
	const size_t len = strlen(text);

	assert_int_equal(send(p->fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

char *peer_read(const struct peer *p, size_t count)
{
	char *octets = calloc(1, count + 1);

	assert_non_null(octets);
	for (size_t n = 0; n < count;) {
		const ssize_t got = recv(p->fd, octets + n, count - n, 0);

		if (got <= 0)
			fail_msg("only \"%.200s\" came", octets);
		n += (size_t)got;
	}
	return octets;
}

void peer_skip_line(const struct peer *p)
{
	char *got;
	bool is_over;

	do {
		got = peer_read(p, 1);
		is_over = *got == '\n';
		free(got);
	} while (!is_over);
}

void peer_expect(const struct peer *p, const char *line)
{
	const size_t len = strlen(line);
	char *got = peer_read(p, len + 2);

	if (strncmp(got, line, len) != 0 || strcmp(got + len, "\r\n") != 0)
		fail_msg("\"%s\" instead of \"%s\"", got, line);
	free(got);
}

void peer_request(struct peer *p, double number, const char *type, struct lm_host_value *options)
{
	struct fake *fake = &p->fake;

	fake_call(fake, "clientRequest",
	          FAKE_ARGS(fake_number(fake, p->client), fake_number(fake, number),
	                    fake_string(fake, type), options ? options : fake_object(fake)));
}

struct lm_host_value *peer_option(struct peer *p, const char *name, struct lm_host_value *value)
{
	struct lm_host_value *options = fake_object(&p->fake);

	fake_set(options, name, value);
	return options;
}

struct lm_host_value *peer_envelope(struct peer *p)
{
	struct lm_host_value *options = fake_object(&p->fake);
	struct lm_host_value *recipient = fake_object(&p->fake);

	fake_set(recipient, "address", fake_string(&p->fake, "b@x.example"));
	fake_set(options, "sender", fake_string(&p->fake, "a@x.example"));
	fake_set(options, "recipients", fake_array(&p->fake, 1, recipient));
	return options;
}

struct lm_host_value *peer_outcome(struct peer *p, double number, int result)
{
	struct lm_host_value *e = fake_expect(&p->fake, "OUTCOME");

	assert_true(fake_num(e, "client") == p->client);
	assert_true(fake_num(e, "request") == number);
	if (fake_num(e, "result") != result)
		fail_msg("%s: %s", fake_text(e, "of"),
		         fake_has(e, "message") ? fake_text(e, "message") : "it worked");
	return e;
}
