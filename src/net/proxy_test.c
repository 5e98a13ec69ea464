/* PROXY headers by table, at every split, and what is refused. */
#include "base/buf.h"
#include "net/listener.h"
#include "net/transport.h"

#include "lm_test.h"

struct v1_case {
	const char *header;
	int result;
	const char *peer, *dest;
	unsigned peer_port, dest_port;
	bool local;
};

static const struct v1_case v1_cases[] = {
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\n", 1, "192.0.2.1", "192.0.2.2", 56324, 25 },
	{ "PROXY TCP6 2001:DB8:0::1 ::1 1 65535\r\n", 1, "2001:db8::1", "::1", 1, 65535 },
	{ "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", 1, "255.255.255.255",
	  "255.255.255.255", 65535, 65535 },
	{ "PROXY UNKNOWN\r\n", 1, "", "", 0, 0, true },
	{ "PROXY UNKNOWN ffff:f:f:f whatever 1 2\r\n", 1, "", "", 0, 0, true },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\n", LM_E_PROTO },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\r\n", LM_E_PROTO },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n", LM_E_PROTO },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25 \r\n", LM_E_PROTO },
	{ "PROXY TCP4  192.0.2.1 192.0.2.2 56324 25\r\n", LM_E_PROTO },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n", LM_E_PROTO },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 056 25\r\n", LM_E_PROTO },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 -1 25\r\n", LM_E_PROTO },
	{ "PROXY TCP4 192.0.2.256 192.0.2.2 1 25\r\n", LM_E_PROTO },
	{ "PROXY TCP4 ::1 ::1 1 25\r\n", LM_E_PROTO },
	{ "PROXY TCP6 192.0.2.1 192.0.2.2 1 25\r\n", LM_E_PROTO },
	{ "PROXY UDP4 192.0.2.1 192.0.2.2 1 25\r\n", LM_E_PROTO },
	{ "PROXY \r\n", LM_E_PROTO },
	{ "PROXY TCP4 host.example 192.0.2.2 1 25\r\n", LM_E_PROTO },
	{ "proxy TCP4 192.0.2.1 192.0.2.2 1 25\r\n", LM_E_PROTO },
	{ "EHLO example\r\n", LM_E_PROTO },
	{ "\r\nEHLO", LM_E_PROTO },
};

static void version_1(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(v1_cases) / sizeof(*v1_cases); i++) {
		const struct v1_case *c = &v1_cases[i];
		struct lm_bytes in = lm_str(c->header);
		struct lm_proxy_info info = { 0 };
		size_t taken = 0;
		int result = 0;

		for (size_t n = 0; n <= in.len && !result; n++)
			result = lm_proxy_parse(lm_bytes(in.data, n), &taken, &info);
		assert_int_equal(result, c->result);
		assert_int_equal(lm_proxy_parse(in, &taken, &info), c->result);
		if (result != 1)
			continue;
		assert_int_equal(taken, in.len);
		assert_string_equal(info.peer, c->peer);
		assert_string_equal(info.dest, c->dest);
		assert_int_equal(info.peer_port, c->peer_port);
		assert_int_equal(info.dest_port, c->dest_port);
		assert_int_equal(info.local, c->local);
		assert_false(info.tls);
	}
}

static void version_1_has_an_end(void **state)
{
	char line[200] = "PROXY UNKNOWN ";
	struct lm_proxy_info info;
	size_t taken;

	(void)state;
	memset(line + 14, 'x', sizeof(line) - 14);
	assert_int_equal(lm_proxy_parse(lm_bytes(line, 106), &taken, &info), 0);
	assert_err(lm_proxy_parse(lm_bytes(line, 107), &taken, &info), LM_E_PROTO);
	assert_err(lm_proxy_parse(lm_bytes(line, 200), &taken, &info), LM_E_PROTO);
	memcpy(line + 105, "\r\nEHLO", 6);
	assert_int_equal(lm_proxy_parse(lm_bytes(line, 111), &taken, &info), 1);
	assert_int_equal(taken, 107);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xC0\x00\x02\x01\xC0\x00\x02\x02\x12\x34\x00\x19"
#define V6 \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x12\x34\x00\x19"
#define CASE(text) text, sizeof(text) - 1

struct v2_case {
	const char *header;
	size_t len;
	int result;
	const char *peer;
	bool local, tls;
};

static const struct v2_case v2_cases[] = {
	{ CASE(SIGNATURE "\x21\x11\x00\x0c" V4), 1, "192.0.2.1" },
	{ CASE(SIGNATURE "\x21\x21\x00\x24" V6), 1, "2001:db8::1" },
	{ CASE(SIGNATURE "\x20\x00\x00\x00"), 1, "", true },
	{ CASE(SIGNATURE "\x20\x11\x00\x03xyz"), 1, "", true },
	{ CASE(SIGNATURE "\x21\x00\x00\x05\x04\x00\x02xy"), 1, "", true },
	{ CASE(SIGNATURE "\x21\x12\x00\x0c" V4), 1, "", true },
	/* A checksum (type 3) is passed over, TLS (type 0x20) is told. */
	{ CASE(SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04"
	                 "abcd"),
	  1, "192.0.2.1" },
	{ CASE(SIGNATURE "\x21\x11\x00\x14" V4 "\x20\x00\x05\x01\0\0\0\0"), 1, "192.0.2.1", false,
	  true },
	{ CASE(SIGNATURE "\x21\x11\x00\x14" V4 "\x20\x00\x05\x00\0\0\0\0"), 1, "192.0.2.1" },
	{ CASE(SIGNATURE "\x31\x11\x00\x0c" V4), LM_E_PROTO },
	{ CASE(SIGNATURE "\x22\x11\x00\x0c" V4), LM_E_PROTO },
	{ CASE(SIGNATURE "\x21\x11\x00\x0b\xC0\x00\x02\x01\xC0\x00\x02\x02\x12\x34\x00"),
	  LM_E_PROTO },
	{ CASE(SIGNATURE "\x21\x11\x00\x0e" V4 "\x03\x00"), LM_E_PROTO },
	{ CASE(SIGNATURE "\x21\x11\x00\x0f" V4 "\x03\x00\x01"), LM_E_PROTO },
	{ CASE(SIGNATURE "\x21\x11\x02\x09"), LM_E_PROTO },
	{ CASE(SIGNATURE "\x21\x11\xff\xff"), LM_E_PROTO },
	{ CASE("\r\n\r\n\0\r\nQUIZ\n"), LM_E_PROTO },
};

static void version_2(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(v2_cases) / sizeof(*v2_cases); i++) {
		const struct v2_case *c = &v2_cases[i];
		struct lm_bytes in = lm_bytes(c->header, c->len);
		struct lm_proxy_info info = { 0 };
		size_t taken = 0;
		int result = 0;

		for (size_t n = 0; n <= in.len && !result; n++)
			result = lm_proxy_parse(lm_bytes(in.data, n), &taken, &info);
		assert_int_equal(result, c->result);
		if (result != 1)
			continue;
		assert_int_equal(taken, in.len);
		assert_string_equal(info.peer, c->peer);
		assert_int_equal(info.peer_port, c->local ? 0 : 0x1234);
		assert_int_equal(info.dest_port, c->local ? 0 : 25);
		assert_int_equal(info.local, c->local);
		assert_int_equal(info.tls, c->tls);
	}
}

struct reader {
	struct lm_loop *loop;
	struct lm_transport *transport;
	struct lm_buf got;
	size_t want;
};

static void on_changed(void *ctx, unsigned io)
{
	struct reader *reader = ctx;
	uint8_t buf[4];
	size_t n;

	assert_int_equal(io, LM_IO_READ);
	/* One short read a call: the rest must be told of again. */
	assert_err(reader->transport->ops->read(reader->transport, buf, sizeof(buf), &n), 0);
	assert_err(lm_buf_add(&reader->got, lm_bytes(buf, n)), 0);
	if (lm_buf_len(&reader->got) == reader->want)
		lm_loop_stop(reader->loop);
}

static void unread_octets_come_first(void **state)
{
	struct reader reader = { .want = 21 };
	struct lm_transport *a, *b;
	size_t n;

	(void)state;
	lm_buf_init(&reader.got, 100);
	assert_err(lm_loop_new(&reader.loop), 0);
	assert_err(lm_transport_pair(reader.loop, 100, &a, &b), 0);
	assert_err(lm_transport_unread(reader.loop, a, lm_str("EHLO exam"), &reader.transport), 0);
	reader.transport->changed = on_changed;
	reader.transport->ctx = &reader;
	reader.transport->ops->want(reader.transport, LM_IO_READ);
	assert_err(b->ops->write(b, lm_str("ple\r\nNOOP\r\n."), &n), 0);
	lm_loop_run(reader.loop);
	assert_bytes(lm_buf_bytes(&reader.got), lm_str("EHLO example\r\nNOOP\r\n."));
	assert_err(reader.transport->ops->write(reader.transport, lm_str("250"), &n), 0);
	assert_int_equal(n, 3);
	assert_null(reader.transport->ops->tls(reader.transport));
	reader.transport->ops->free(reader.transport, false);
	b->ops->free(b, false);
	lm_buf_done(&reader.got);
	lm_loop_free(reader.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(version_1_has_an_end),
		cmocka_unit_test(version_2),
		cmocka_unit_test(unread_octets_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
