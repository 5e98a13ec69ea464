/* The switch to TLS, implicit TLS, and how they fail. */
#include "link/link_rig.h"

#include "lm_test.h"

#include <stdlib.h>
#include <unistd.h>

/* Contexts for both sides, from a certificate made for the test. */
static struct lm_tls_context *make_context(bool server, const char *folder)
{
	char cert[100], key[100];
	struct lm_tls_pair pair = { NULL, cert, key };
	struct lm_tls_params params = { .server = server };
	struct lm_tls_context *context = NULL;
	struct lm_error error = { 0 };

	snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	if (server) {
		assert_err(lm_tls_make_self_signed("mail.example", cert, key, NULL), 0);
		params.pairs = &pair;
		params.pair_count = 1;
	} else {
		params.ca_file = cert;
		params.verify_peer = true;
	}
	assert_err(lm_tls_context_new(&params, &context, &error), 0);
	if (!server) {
		unlink(cert);
		unlink(key);
		rmdir(folder);
	}
	return context;
}

struct tls_pair_of_contexts {
	struct lm_tls_context *server, *client;
};

static struct tls_pair_of_contexts make_contexts(void)
{
	char folder[] = "/tmp/lm-link-XXXXXX";
	struct tls_pair_of_contexts both;

	assert_non_null(mkdtemp(folder));
	both.server = make_context(true, folder);
	both.client = make_context(false, folder);
	return both;
}

static void free_contexts(struct tls_pair_of_contexts both)
{
	lm_tls_context_unref(both.server);
	lm_tls_context_unref(both.client);
}

static void peer_starts_tls(struct link_test *test, struct lm_tls_context *context)
{
	struct lm_transport *tls;

	assert_err(lm_transport_tls(test->loop, test->peer, context, false, "mail.example", &tls),
	           0);
	test->peer = tls;
	tls->changed = rig_on_peer;
	tls->ctx = test;
}

static void starttls_switches(void **state)
{
	static const size_t capacities[] = { 1, 50, 65536 };
	struct tls_pair_of_contexts both = make_contexts();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct link_test test = { .tls = both.server };
		bool is_closed;

		rig_begin(&test, capacities[i]);
		rig_expect(&test, "", "hello\n");
		rig_expect(&test, "TLS\n", "go\n");
		peer_starts_tls(&test, both.client);
		rig_expect(&test, "ECHO hidden\n", "secure\nhidden\n");
		assert_true(lm_session_info(lm_link_session(test.link))->tls.active);
		test.source = rig_source(&test, 100000, 0, &is_closed);
		rig_send_more(&test, "BODY\n");
		test.want = 100004;
		test.is_waiting = true;
		rig_peer_pump(&test);
		lm_loop_run(test.loop);
		assert_int_equal(lm_buf_len(&test.received), 100004);
		lm_buf_clear(&test.received);
		rig_expect(&test, "QUIT\n", "bye\n");
		rig_wait_closed(&test);
		assert_err(test.error, 0);
		rig_end(&test);
	}
	free_contexts(both);
}

/* The link's end is TLS from the start; the peer's is, unless it has no context. */
static void begin_implicit(struct link_test *test, size_t capacity, struct lm_tls_context *client,
                           lm_time_ms handshake_timeout)
{
	struct lm_link_params params = { .tls_first = true,
		                         .handshake_timeout = handshake_timeout };

	rig_begin_with(test, capacity, params, TOY_IDLE_MS);
	if (client)
		peer_starts_tls(test, client);
}

static void implicit_tls_comes_first(void **state)
{
	static const size_t capacities[] = { 1, 50, 65536 };
	struct tls_pair_of_contexts both = make_contexts();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct link_test test = { .tls = both.server };
		bool is_closed;

		begin_implicit(&test, capacities[i], both.client, 0);
		rig_expect(&test, "ECHO early\n", "secure\nhello\nearly\n");
		test.source = rig_source(&test, capacities[i] * 100, 0, &is_closed);
		rig_send_more(&test, "BODY\n");
		test.want = capacities[i] * 100 + 4;
		test.is_waiting = true;
		rig_peer_pump(&test);
		lm_loop_run(test.loop);
		assert_int_equal(lm_buf_len(&test.received), test.want);
		lm_buf_clear(&test.received);
		rig_expect(&test, "QUIT\n", "bye\n");
		rig_wait_closed(&test);
		assert_err(test.error, 0);
		rig_end(&test);
	}
	free_contexts(both);
}

static void implicit_tls_may_fail(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();
	struct link_test garbage = { .tls = both.server }, silent = { .tls = both.server },
	                 gone = { .tls = both.server }, drained = { .tls = both.server };

	(void)state;
	begin_implicit(&garbage, 1000, NULL, 0);
	rig_send_more(&garbage, "EHLO plain.example\r\n");
	rig_peer_pump(&garbage);
	rig_wait_closed(&garbage);
	assert_err(garbage.error, LM_E_TLS);
	/* Nothing was asked of the owner; only the end is told. */
	assert_int_equal(garbage.events, 1);
	rig_end(&garbage);

	begin_implicit(&silent, 1000, NULL, 50);
	rig_wait_closed(&silent);
	assert_err(silent.error, LM_E_TIMEOUT);
	rig_end(&silent);

	begin_implicit(&gone, 1000, NULL, 0);
	gone.peer->ops->shutdown(gone.peer);
	rig_wait_closed(&gone);
	assert_err(gone.error, LM_E_TLS);
	rig_end(&gone);

	begin_implicit(&drained, 1000, NULL, 0);
	lm_link_drain(drained.link);
	rig_wait_closed(&drained);
	assert_err(drained.error, LM_E_CANCELED);
	rig_end(&drained);
	free_contexts(both);
}

static void starttls_injection_is_refused(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();
	struct link_test test = { .tls = both.server };

	(void)state;
	rig_begin(&test, 65536);
	rig_expect(&test, "", "hello\n");
	rig_send_more(&test, "TLS\nASK injected\n");
	rig_peer_pump(&test);
	rig_wait_closed(&test);
	assert_err(test.error, LM_E_PROTO);
	/* The connect decision and the end, nothing else. */
	assert_int_equal(test.events, 2);
	rig_end(&test);
	free_contexts(both);
}

static void starttls_garbage_is_named(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();
	struct link_test test = { .tls = both.server }, none = { .refuse_tls = true };

	(void)state;
	rig_begin(&test, 65536);
	rig_expect(&test, "", "hello\n");
	rig_expect(&test, "TLS\n", "go\n");
	rig_send_more(&test, "ECHO this is no client hello\n");
	rig_peer_pump(&test);
	rig_wait_closed(&test);
	assert_err(test.error, LM_E_TLS);
	assert_non_null(strstr(test.reason, "TLS: "));
	assert_int_equal(test.events, 2);
	rig_end(&test);

	rig_begin(&none, 65536);
	rig_expect(&none, "TLS\n", "hello\ngo\n");
	rig_wait_closed(&none);
	assert_err(none.error, LM_E_TLS);
	rig_end(&none);
	free_contexts(both);
}

static void a_silent_handshake_times_out(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();
	struct link_test test = { .tls = both.server };

	(void)state;
	rig_begin_with(&test, 100, (struct lm_link_params){ .handshake_timeout = 50 }, TOY_IDLE_MS);
	rig_expect(&test, "TLS\n", "hello\ngo\n");
	rig_wait_closed(&test);
	assert_err(test.error, LM_E_TIMEOUT);
	rig_end(&test);
	free_contexts(both);
}

/* The peer, too, may be the one without memory: then the link sees a broken handshake. */
static void memory_may_run_out_in_the_handshake(void **state)
{
	struct tls_pair_of_contexts both = make_contexts();

	(void)state;
	for (unsigned long n = 1; n < 60; n++) {
		struct link_test test = { .tls = both.server };

		begin_implicit(&test, 500, both.client, 0);
		rig_send_more(&test, "ECHO one\nQUIT\n");
		lm_alloc_fail_at(n);
		rig_peer_pump(&test);
		while (!test.is_closed && !test.peer_end)
			rig_turn(&test);
		lm_alloc_fail_at(0);
		if (!test.is_closed && test.peer_end != LM_E_CLOSED)
			lm_link_abort(test.link);
		rig_wait_closed(&test);
		if (n == 59)
			assert_err(test.error, 0);
		rig_end(&test);
	}
	free_contexts(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls_switches),
		cmocka_unit_test(implicit_tls_comes_first),
		cmocka_unit_test(implicit_tls_may_fail),
		cmocka_unit_test(starttls_injection_is_refused),
		cmocka_unit_test(starttls_garbage_is_named),
		cmocka_unit_test(a_silent_handshake_times_out),
		cmocka_unit_test(memory_may_run_out_in_the_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
