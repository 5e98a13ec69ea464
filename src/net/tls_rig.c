/* Tests only: two ends of a TLS connection over a pair in memory, and settings for them. */
#include "net/tls_rig.h"

#include "net/test_certs.h"

#include "lm_test.h"

enum { GUARD_MS = 20000, DATA_MAX = 4 * 1024 * 1024 };

/* True when there was a question, and it is answered. */
static bool is_chosen(struct tls_side *side)
{
	struct lm_bytes name = lm_transport_tls_asked(side->transport);

	if (!name.len || !side->asked)
		return false;
	side->asked(side, name);
	return !lm_transport_tls_asked(side->transport).len;
}

void tls_rig_pump(struct tls_side *side)
{
	uint8_t buf[20000];
	size_t n;
	int err = side->end;

	while (!side->end) {
		err = side->transport->ops->read(side->transport, buf, sizeof(buf), &n);
		if (err)
			break;
		assert_err(lm_buf_add(&side->got, lm_bytes(buf, n)), 0);
	}
	if (err == LM_E_AGAIN && is_chosen(side)) {
		tls_rig_pump(side);
		return;
	}
	if (err != LM_E_AGAIN)
		side->end = err;
	while (lm_buf_len(&side->to_send) &&
	       side->transport->ops->write(side->transport, lm_buf_bytes(&side->to_send), &n) == 0)
		lm_buf_drop(&side->to_send, n);
	if (!side->done)
		side->done = lm_transport_tls_done(side->transport, &side->error);
	side->transport->ops->want(side->transport,
	                           (side->end ? 0 : LM_IO_READ) |
	                                   (lm_buf_len(&side->to_send) ? LM_IO_WRITE : 0));
}

static bool is_settled(const struct tls_test *test, const struct tls_side *side)
{
	return side->end || (side->done == 1 && lm_buf_len(&side->got) >= test->want);
}

static void on_changed(void *ctx, unsigned io)
{
	struct tls_side *side = ctx;
	struct tls_test *test = side->test;

	(void)io;
	tls_rig_pump(side);
	if (is_settled(test, &test->client) && is_settled(test, &test->server))
		lm_loop_stop(test->loop);
}

static void on_guard(struct lm_timer *timer)
{
	(void)timer;
	fail_msg("the test took too long");
}

struct lm_tls_context *tls_rig_context(const struct lm_tls_params *params)
{
	struct lm_tls_context *context = NULL;
	struct lm_error error = { 0 };

	if (lm_tls_context_new(params, &context, &error))
		fail_msg("%s", error.text);
	return context;
}

const struct lm_tls_pair *tls_rig_pair(const char *sni, const char *name)
{
	static struct lm_tls_pair pairs[8];
	static unsigned next;
	struct lm_tls_pair *pair = &pairs[next++ % 8];
	char file[64];

	snprintf(file, sizeof(file), "%s.pem", name);
	pair->name = sni;
	pair->cert_file = test_certs_path(file);
	snprintf(file, sizeof(file), "%s.key", name);
	pair->key_file = test_certs_path(file);
	return pair;
}

struct lm_tls_params tls_rig_server(const char *name)
{
	return (struct lm_tls_params){ .server = true,
		                       .pairs = tls_rig_pair(NULL, name),
		                       .pair_count = 1 };
}

struct lm_tls_params tls_rig_client(void)
{
	return (struct lm_tls_params){ .ca_file = test_certs_path("ca.pem"), .verify_peer = true };
}

static void side_init(struct tls_test *test, struct tls_side *side, struct lm_transport *transport)
{
	side->test = test;
	side->transport = transport;
	transport->changed = on_changed;
	transport->ctx = side;
	lm_buf_init(&side->got, DATA_MAX);
	lm_buf_init(&side->to_send, DATA_MAX);
}

void tls_rig_begin(struct tls_test *test, size_t capacity, struct lm_tls_context *server,
                   struct lm_tls_context *client, const char *name)
{
	struct lm_transport *a, *b, *tls;

	*test = (struct tls_test){ .guard = { .fire = on_guard } };
	assert_err(lm_loop_new(&test->loop), 0);
	lm_timer_arm(test->loop, &test->guard, lm_loop_now(test->loop) + GUARD_MS);
	assert_err(lm_transport_pair(test->loop, capacity, &a, &b), 0);
	assert_err(lm_transport_tls(test->loop, a, server, true, NULL, &tls), 0);
	side_init(test, &test->server, tls);
	assert_err(lm_transport_tls(test->loop, b, client, false, name, &tls), 0);
	side_init(test, &test->client, tls);
}

void tls_rig_run(struct tls_test *test, size_t want)
{
	test->want = want;
	tls_rig_pump(&test->server);
	tls_rig_pump(&test->client);
	if (!is_settled(test, &test->client) || !is_settled(test, &test->server))
		lm_loop_run(test->loop);
}

void tls_rig_end(struct tls_test *test)
{
	if (test->client.transport)
		test->client.transport->ops->free(test->client.transport, false);
	test->server.transport->ops->free(test->server.transport, false);
	lm_timer_disarm(test->loop, &test->guard);
	for (int i = 0; i < 2; i++) {
		lm_buf_done(i ? &test->client.got : &test->server.got);
		lm_buf_done(i ? &test->client.to_send : &test->server.to_send);
	}
	lm_loop_free(test->loop);
}

const struct lm_tls_info *tls_rig_info(const struct tls_side *side)
{
	const struct lm_tls_info *info = side->transport->ops->tls(side->transport);

	assert_non_null(info);
	return info;
}

/* The two sides meet once with these settings; contexts are freed. */
void tls_rig_meet(struct tls_test *test, struct lm_tls_params server, struct lm_tls_params client,
                  const char *name)
{
	struct lm_tls_context *s = tls_rig_context(&server), *c = tls_rig_context(&client);

	tls_rig_begin(test, 65536, s, c, name);
	lm_tls_context_unref(s);
	lm_tls_context_unref(c);
	tls_rig_run(test, 0);
}
