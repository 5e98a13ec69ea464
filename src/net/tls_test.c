/* TLS over a pair in memory: handshakes whole and in pieces, choices, refusals, ends. */
#include "base/buf.h"
#include "net/test_certs.h"
#include "net/tls_impl.h"

#include "lm_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { GUARD_MS = 20000, DATA_MAX = 4 * 1024 * 1024 };

/* One end of the conversation. */
struct side {
	struct tls_test *test;
	struct lm_transport *transport;
	struct lm_buf got, to_send;
	struct lm_error error;
	int done, end;
};

struct tls_test {
	struct lm_loop *loop;
	struct lm_timer guard;
	struct side client, server;
	size_t want; /* octets each side waits for */
};

static void pump(struct side *side)
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

static bool is_settled(const struct tls_test *test, const struct side *side)
{
	return side->end || (side->done == 1 && lm_buf_len(&side->got) >= test->want);
}

static void on_changed(void *ctx, unsigned io)
{
	struct side *side = ctx;
	struct tls_test *test = side->test;

	(void)io;
	pump(side);
	if (is_settled(test, &test->client) && is_settled(test, &test->server))
		lm_loop_stop(test->loop);
}

static void on_guard(struct lm_timer *timer)
{
	(void)timer;
	fail_msg("the test took too long");
}

static struct lm_tls_context *context_of(const struct lm_tls_params *params)
{
	struct lm_tls_context *context = NULL;
	struct lm_error error = { 0 };

	if (lm_tls_context_new(params, &context, &error))
		fail_msg("%s", error.text);
	return context;
}

static const struct lm_tls_pair *pair_of(const char *sni, const char *name)
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

static struct lm_tls_params server_params(const char *name)
{
	return (struct lm_tls_params){ .server = true,
		                       .pairs = pair_of(NULL, name),
		                       .pair_count = 1 };
}

static struct lm_tls_params client_params(void)
{
	return (struct lm_tls_params){ .ca_file = test_certs_path("ca.pem"), .verify_peer = true };
}

static void side_init(struct tls_test *test, struct side *side, struct lm_transport *transport)
{
	side->test = test;
	side->transport = transport;
	transport->changed = on_changed;
	transport->ctx = side;
	lm_buf_init(&side->got, DATA_MAX);
	lm_buf_init(&side->to_send, DATA_MAX);
}

static void begin(struct tls_test *test, size_t capacity, struct lm_tls_context *server,
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

static void run(struct tls_test *test, size_t want)
{
	test->want = want;
	pump(&test->server);
	pump(&test->client);
	if (!is_settled(test, &test->client) || !is_settled(test, &test->server))
		lm_loop_run(test->loop);
}

static void end(struct tls_test *test)
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

static const struct lm_tls_info *info_of(const struct side *side)
{
	const struct lm_tls_info *info = side->transport->ops->tls(side->transport);

	assert_non_null(info);
	return info;
}

/* The two sides meet once with these settings; contexts are freed. */
static void meet(struct tls_test *test, struct lm_tls_params server, struct lm_tls_params client,
                 const char *name)
{
	struct lm_tls_context *s = context_of(&server), *c = context_of(&client);

	begin(test, 65536, s, c, name);
	lm_tls_context_unref(s);
	lm_tls_context_unref(c);
	run(test, 0);
}

static void octets_pass_at_every_capacity(void **state)
{
	static const size_t capacities[] = { 1, 5, 1000, 65536, 1000000 };
	struct lm_tls_params server = server_params("server"), client = client_params();
	struct lm_tls_context *s = context_of(&server), *c = context_of(&client);
	struct lm_bytes sent;
	uint8_t *data = malloc(300000);

	(void)state;
	for (size_t i = 0; i < 300000; i++)
		data[i] = (uint8_t)(i * 7 % 253);
	for (size_t i = 0; i < sizeof(capacities) / sizeof(*capacities); i++) {
		size_t len = capacities[i] < 100 ? 20000 : 300000;
		struct tls_test test;

		sent = lm_bytes(data, len);
		begin(&test, capacities[i], s, c, "mail.example");
		assert_err(lm_buf_add(&test.client.to_send, sent), 0);
		assert_err(lm_buf_add(&test.server.to_send, sent), 0);
		run(&test, len);
		assert_bytes(lm_buf_bytes(&test.client.got), sent);
		assert_bytes(lm_buf_bytes(&test.server.got), sent);
		assert_string_equal(info_of(&test.server)->version, "TLSv1.3");
		assert_string_equal(info_of(&test.server)->server_name, "mail.example");
		assert_string_equal(info_of(&test.server)->peer_subject, "");
		assert_int_equal(info_of(&test.server)->exporter.len, 32);
		assert_bytes(info_of(&test.server)->exporter, info_of(&test.client)->exporter);
		end(&test);
	}
	free(data);
	lm_tls_context_unref(s);
	lm_tls_context_unref(c);
}

static void ends_are_told_apart(void **state)
{
	for (int orderly = 0; orderly < 2; orderly++) {
		struct tls_test test;

		(void)state;
		meet(&test, server_params("server"), client_params(), "mail.example");
		assert_err(lm_buf_add_str(&test.client.to_send, "last words"), 0);
		run(&test, 0);
		if (!orderly)
			SSL_set_quiet_shutdown(lm_tls_ssl(test.client.transport), 1);
		test.client.transport->ops->free(test.client.transport, false);
		test.client.transport = NULL;
		test.client.end = LM_E_CLOSED;
		while (!test.server.end)
			lm_loop_run(test.loop);
		assert_err(test.server.end, orderly ? LM_E_CLOSED : LM_E_TLS);
		assert_bytes(lm_buf_bytes(&test.server.got), lm_str("last words"));
		end(&test);
	}
}

static void one_may_speak_after_the_other_ended(void **state)
{
	struct tls_test test;

	(void)state;
	meet(&test, server_params("server"), client_params(), "mail.example");
	test.client.transport->ops->shutdown(test.client.transport);
	while (!test.server.end)
		lm_loop_run(test.loop);
	assert_err(test.server.end, LM_E_CLOSED);
	assert_err(lm_buf_add_str(&test.server.to_send, "still here"), 0);
	test.want = 10;
	pump(&test.server);
	lm_loop_run(test.loop);
	assert_bytes(lm_buf_bytes(&test.client.got), lm_str("still here"));
	end(&test);
}

struct refusal {
	const char *cert, *name, *reason;
};

static void clients_refuse_what_does_not_hold(void **state)
{
	static const struct refusal table[] = {
		{ "server", "mail.example", NULL },
		{ "server", "127.0.0.1", NULL },
		{ "server", "wrong.example",
		  "TLS: the certificate is for another name: mail.example, 127.0.0.1" },
		{ "server", "127.0.0.2", "is for another name: mail.example, 127.0.0.1" },
		{ "expired", "mail.example", "the certificate has expired on 20" },
		{ "stranger", "mail.example", "the certificate is self-signed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct tls_test test;

		meet(&test, server_params(table[i].cert), client_params(), table[i].name);
		assert_err(test.client.done, table[i].reason ? LM_E_TLS : 1);
		if (table[i].reason && !strstr(test.client.error.text, table[i].reason))
			fail_msg("%s", test.client.error.text);
		/* In TLS 1.3 the server is done first and hears of the refusal then. */
		if (table[i].reason)
			assert_err(test.server.end, LM_E_TLS);
		end(&test);
	}
}

static void names_choose_certificates(void **state)
{
	static const struct {
		const char *asked, *got;
		bool is_strict;
	} table[] = {
		{ "mail.example", "mail.example", false },
		{ "other.example", "other.example", false },
		{ "OTHER.example", "other.example", true },
		{ "a.wild.example", "*.wild.example", true },
		{ "a.b.wild.example", "mail.example", false },
		{ "wild.example", "mail.example", false },
		{ "nobody.example", "mail.example", false },
		{ "mail.example", "mail.example", true },
		{ NULL, "mail.example", true },
		{ "nobody.example", NULL, true },
		{ "a.b.wild.example", NULL, true },
	};
	struct lm_tls_pair pairs[] = { *pair_of(NULL, "server"), *pair_of("other.example", "other"),
		                       *pair_of("*.wild.example", "wild") };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_tls_params server = { .server = true,
			                        .pairs = pairs,
			                        .pair_count = 3,
			                        .strict_sni = table[i].is_strict };
		struct lm_tls_params client = { 0 };
		char name[256] = "";
		struct tls_test test;

		meet(&test, server, client, table[i].asked);
		if (table[i].got) {
			X509 *cert = SSL_get0_peer_certificate(lm_tls_ssl(test.client.transport));

			assert_int_equal(test.client.done, 1);
			X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
			                          sizeof(name));
			assert_string_equal(name, table[i].got[0] == '*'   ? "wild"
			                          : table[i].got[0] == 'o' ? "other"
			                                                   : "server");
		} else {
			assert_err(test.client.done, LM_E_TLS);
			assert_non_null(strstr(test.client.error.text, "unrecognized name"));
		}
		end(&test);
	}
}

static void versions_are_chosen_and_refused(void **state)
{
	static const struct {
		enum lm_tls_version server_min, server_max, client_min, client_max;
		const char *version;
	} table[] = {
		{ 0, 0, 0, 0, "TLSv1.3" },
		{ 0, LM_TLS_1_2, 0, 0, "TLSv1.2" },
		{ 0, 0, 0, LM_TLS_1_2, "TLSv1.2" },
		{ LM_TLS_1_0, 0, LM_TLS_1_0, LM_TLS_1_0, "TLSv1" },
		{ LM_TLS_1_0, 0, LM_TLS_1_0, LM_TLS_1_1, "TLSv1.1" },
		{ LM_TLS_1_0, LM_TLS_1_1, LM_TLS_1_0, 0, "TLSv1.1" },
		{ 0, 0, LM_TLS_1_0, LM_TLS_1_1, NULL },
		{ LM_TLS_1_3, 0, 0, LM_TLS_1_2, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_tls_params server = server_params("server"), client = client_params();
		struct tls_test test;

		server.min = table[i].server_min;
		server.max = table[i].server_max;
		client.min = table[i].client_min;
		client.max = table[i].client_max;
		meet(&test, server, client, "mail.example");
		assert_err(test.server.done, table[i].version ? 1 : LM_E_TLS);
		assert_err(test.client.done, table[i].version ? 1 : LM_E_TLS);
		if (table[i].version) {
			assert_string_equal(info_of(&test.server)->version, table[i].version);
			assert_bytes(info_of(&test.server)->exporter,
			             info_of(&test.client)->exporter);
			assert_int_equal(info_of(&test.server)->exporter.len,
			                 strcmp(table[i].version, "TLSv1.2") >= 0 ? 32 : 0);
		} else {
			assert_true(strlen(test.server.error.text) > 5);
		}
		end(&test);
	}
}

static void sessions_are_resumed(void **state)
{
	(void)state;
	for (int v12 = 0; v12 < 2; v12++) {
		struct lm_tls_params server = server_params("server"), client = client_params();
		struct lm_tls_context *s, *c;

		server.max = v12 ? LM_TLS_1_2 : LM_TLS_1_3;
		s = context_of(&server);
		c = context_of(&client);
		for (int i = 0; i < 3; i++) {
			struct tls_test test;

			/* The third asks for another name: no session of the first may serve. */
			begin(&test, 65536, s, c, i < 2 ? "mail.example" : "127.0.0.1");
			assert_err(lm_buf_add_str(&test.server.to_send, "x"), 0);
			assert_err(lm_buf_add_str(&test.client.to_send, "x"), 0);
			run(&test, 1);
			assert_int_equal(SSL_session_reused(lm_tls_ssl(test.server.transport)),
			                 i == 1);
			end(&test);
		}
		lm_tls_context_unref(s);
		lm_tls_context_unref(c);
	}
}

static void alpn_is_ours_or_none(void **state)
{
	static const struct {
		const char *server, *client, *chosen;
		int result;
	} table[] = {
		{ "pop3", "pop3", "pop3", 1 },
		{ "pop3", "imap", "", LM_E_TLS },
		{ "pop3", NULL, "", 1 },
		{ NULL, "pop3", "", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_tls_params server = server_params("server"), client = client_params();
		struct tls_test test;
		const uint8_t *name;
		unsigned len;

		server.alpn = table[i].server;
		client.alpn = table[i].client;
		meet(&test, server, client, "mail.example");
		assert_int_equal(test.client.done, table[i].result);
		SSL_get0_alpn_selected(lm_tls_ssl(test.client.transport), &name, &len);
		assert_bytes(lm_bytes(name, len), lm_str(table[i].chosen));
		end(&test);
	}
}

static void client_certificates_are_optional(void **state)
{
	static const struct {
		const char *cert;
		bool required;
		int result;
	} table[] = {
		{ NULL, false, 1 },
		{ "client", false, 1 },
		{ "client", true, 1 },
		{ "forged", false, LM_E_TLS },
		{ "expired", false, LM_E_TLS },
		{ NULL, true, LM_E_TLS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_tls_params server = server_params("server"), client = client_params();
		struct tls_test test;

		server.ca_file = test_certs_path("ca.pem");
		server.require_client_cert = table[i].required;
		if (table[i].cert) {
			client.pairs = pair_of(NULL, table[i].cert);
			client.pair_count = 1;
		}
		meet(&test, server, client, "mail.example");
		assert_err(test.server.done, table[i].result);
		if (table[i].result == 1) {
			assert_string_equal(info_of(&test.server)->peer_subject,
			                    table[i].cert ? "CN=client" : "");
			assert_string_equal(info_of(&test.server)->peer_name,
			                    table[i].cert ? "me@mail.example" : "");
		}
		end(&test);
	}
}

static void an_unasked_certificate_is_no_name(void **state)
{
	struct lm_tls_params client = client_params();
	struct tls_test test;

	(void)state;
	client.pairs = pair_of(NULL, "client");
	client.pair_count = 1;
	meet(&test, server_params("server"), client, "mail.example");
	assert_string_equal(info_of(&test.server)->peer_name, "");
	end(&test);
}

static void both_kinds_of_key_serve(void **state)
{
	static const struct {
		const char *algorithms;
		int type;
	} table[] = { { "ECDSA+SHA256", EVP_PKEY_EC },
		      { "RSA-PSS+SHA256:RSA+SHA256", EVP_PKEY_RSA } };
	struct lm_tls_pair pairs[] = { *pair_of(NULL, "server"), *pair_of(NULL, "rsa") };
	struct lm_tls_params server = { .server = true, .pairs = pairs, .pair_count = 2 };
	/* Certificates themselves are signed with ECDSA; only the handshake's algorithm differs. */
	struct lm_tls_params client = { 0 };
	struct lm_tls_context *s = context_of(&server), *c = context_of(&client);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tls_test test;
		X509 *cert;

		begin(&test, 65536, s, c, NULL);
		SSL_set1_sigalgs_list(lm_tls_ssl(test.client.transport), table[i].algorithms);
		run(&test, 0);
		assert_int_equal(test.client.done, 1);
		cert = SSL_get0_peer_certificate(lm_tls_ssl(test.client.transport));
		assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(cert)), table[i].type);
		end(&test);
	}
	lm_tls_context_unref(s);
	lm_tls_context_unref(c);
}

static void renegotiation_is_refused(void **state)
{
	struct lm_tls_params client = client_params();
	struct tls_test test;
	SSL *ssl;

	(void)state;
	client.max = LM_TLS_1_2;
	meet(&test, server_params("server"), client, "mail.example");
	ssl = lm_tls_ssl(test.client.transport);
	SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(ssl), 1);
	assert_err(lm_buf_add_str(&test.client.to_send, "x"), 0);
	pump(&test.client);
	while (!test.client.end && !lm_buf_len(&test.server.got)) {
		lm_loop_stop(test.loop);
		lm_loop_run(test.loop);
	}
	assert_int_equal(SSL_total_renegotiations(lm_tls_ssl(test.server.transport)), 0);
	end(&test);
}

struct meeter {
	pthread_t thread;
	struct lm_tls_context *server, *client;
	int met;
};

static void *meet_often(void *arg)
{
	struct meeter *m = arg;

	for (int i = 0; i < 10; i++) {
		struct tls_test test;

		begin(&test, 65536, lm_tls_context_ref(m->server), m->client, "mail.example");
		lm_tls_context_unref(m->server);
		assert_err(lm_buf_add_str(&test.server.to_send, "x"), 0);
		assert_err(lm_buf_add_str(&test.client.to_send, "x"), 0);
		run(&test, 1);
		m->met += test.client.done == 1 && test.server.done == 1;
		end(&test);
	}
	return NULL;
}

static void threads_share_settings(void **state)
{
	struct lm_tls_params server = server_params("server"), client = client_params();
	struct meeter meeters[4];

	(void)state;
	meeters[0] = (struct meeter){ .server = context_of(&server),
		                      .client = context_of(&client) };
	for (int i = 1; i < 4; i++)
		meeters[i] = meeters[0];
	for (int i = 0; i < 4; i++)
		pthread_create(&meeters[i].thread, NULL, meet_often, &meeters[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(meeters[i].thread, NULL);
		assert_int_equal(meeters[i].met, 10);
	}
	lm_tls_context_unref(meeters[0].server);
	lm_tls_context_unref(meeters[0].client);
}

struct config_case {
	struct lm_tls_params params;
	const char *reason;
};

static void bad_settings_are_named(void **state)
{
	const struct lm_tls_pair missing = { NULL, "/nonexistent/c.pem", "/nonexistent/k.pem" };
	const struct lm_tls_pair swapped = { NULL, test_certs_path("server.pem"),
		                             test_certs_path("other.key") };
	const struct lm_tls_pair garbage = { NULL, test_certs_path("server.key"),
		                             test_certs_path("server.key") };
	const struct config_case cases[] = {
		{ { .server = true, .pairs = &missing, .pair_count = 1 }, "No such file" },
		{ { .server = true, .pairs = &missing, .pair_count = 1 }, "/nonexistent/c.pem" },
		{ { .server = true, .pairs = &swapped, .pair_count = 1 }, "other.key" },
		{ { .server = true, .pairs = &garbage, .pair_count = 1 }, "server.key" },
		{ { .server = true, .pairs = pair_of(NULL, "locked"), .pair_count = 1 },
		  "locked.key" },
		{ { .server = true }, "without a name" },
		{ { .server = true, .pairs = pair_of("x.example", "server"), .pair_count = 1 },
		  "without a name" },
		{ { .min = LM_TLS_1_3, .max = LM_TLS_1_2 }, "minimum" },
		{ { .min = 77 }, "minimum" },
		{ { .ca_file = "/nonexistent/ca.pem" }, "/nonexistent/ca.pem" },
		{ { .server = true, .require_client_cert = true }, "CA file" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lm_tls_context *context = NULL;
		struct lm_error error = { 0 };

		assert_err(lm_tls_context_new(&cases[i].params, &context, &error), LM_E_CONFIG);
		assert_null(context);
		if (!strstr(error.text, cases[i].reason))
			fail_msg("%s", error.text);
	}
}

static void sides_are_not_mixed(void **state)
{
	struct lm_tls_params params = server_params("server");
	struct lm_tls_context *context = context_of(&params);
	struct lm_transport *a, *b, *tls = NULL;
	struct lm_loop *loop;

	(void)state;
	assert_err(lm_loop_new(&loop), 0);
	assert_err(lm_transport_pair(loop, 100, &a, &b), 0);
	assert_err(lm_transport_tls(loop, a, context, false, "x", &tls), LM_E_MISUSE);
	assert_null(tls);
	lm_alloc_fail_at(1);
	assert_err(lm_transport_tls(loop, b, context, true, NULL, &tls), LM_E_NOMEM);
	lm_alloc_fail_at(0);
	assert_null(tls);
	lm_loop_free(loop);
	lm_tls_context_unref(context);
}

static void self_signed_serves_its_names(void **state)
{
	static const char *const names[] = { "Mail.example", "localhost", "127.0.0.1" };
	const char *cert = test_certs_path("self.pem"), *key = test_certs_path("self.key");
	struct lm_error error = { 0 };
	struct stat st;

	(void)state;
	assert_err(lm_tls_make_self_signed("bad,name", cert, key, &error), LM_E_CONFIG);
	assert_err(lm_tls_make_self_signed("mail.example", cert, key, &error), 0);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (size_t i = 0; i < 3; i++) {
		struct lm_tls_params client = client_params();
		struct tls_test test;

		client.ca_file = test_certs_path("self.pem");
		meet(&test, server_params("self"), client, names[i]);
		assert_err(test.client.done, 1);
		end(&test);
	}
	assert_err(lm_tls_make_self_signed("mail.example", cert, key, &error), LM_E_EXISTS);
	assert_non_null(strstr(error.text, "self.key"));
	/* A certificate in the way: the key made for it goes again. */
	key = test_certs_path("ca.key.new");
	assert_err(
	        lm_tls_make_self_signed("mail.example", test_certs_path("self.pem"), key, &error),
	        LM_E_EXISTS);
	assert_int_equal(stat(key, &st), -1);
}

static int make_certs(void **state)
{
	(void)state;
	test_certs_make();
	return 0;
}

static int remove_certs(void **state)
{
	(void)state;
	test_certs_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_pass_at_every_capacity),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(one_may_speak_after_the_other_ended),
		cmocka_unit_test(clients_refuse_what_does_not_hold),
		cmocka_unit_test(names_choose_certificates),
		cmocka_unit_test(versions_are_chosen_and_refused),
		cmocka_unit_test(sessions_are_resumed),
		cmocka_unit_test(alpn_is_ours_or_none),
		cmocka_unit_test(client_certificates_are_optional),
		cmocka_unit_test(an_unasked_certificate_is_no_name),
		cmocka_unit_test(both_kinds_of_key_serve),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(threads_share_settings),
		cmocka_unit_test(bad_settings_are_named),
		cmocka_unit_test(sides_are_not_mixed),
		cmocka_unit_test(self_signed_serves_its_names),
	};

	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
