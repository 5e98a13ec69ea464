/* TLS over a pair in memory: handshakes whole and in pieces, choices, refusals, ends. */
#include "base/buf.h"
#include "net/test_certs.h"
#include "net/tls_rig.h"

#include "lm_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

static void octets_pass_at_every_capacity(void **state)
{
	static const size_t capacities[] = { 1, 5, 1000, 65536, 1000000 };
	struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
	struct lm_tls_context *s = tls_rig_context(&server), *c = tls_rig_context(&client);
	struct lm_bytes sent;
	uint8_t *data = malloc(300000);

	(void)state;
	for (size_t i = 0; i < 300000; i++)
		data[i] = (uint8_t)(i * 7 % 253);
	for (size_t i = 0; i < sizeof(capacities) / sizeof(*capacities); i++) {
		size_t len = capacities[i] < 100 ? 20000 : 300000;
		struct tls_test test;

		sent = lm_bytes(data, len);
		tls_rig_begin(&test, capacities[i], s, c, "mail.example");
		assert_err(lm_buf_add(&test.client.to_send, sent), 0);
		assert_err(lm_buf_add(&test.server.to_send, sent), 0);
		tls_rig_run(&test, len);
		assert_bytes(lm_buf_bytes(&test.client.got), sent);
		assert_bytes(lm_buf_bytes(&test.server.got), sent);
		assert_string_equal(tls_rig_info(&test.server)->version, "TLSv1.3");
		assert_string_equal(tls_rig_info(&test.server)->server_name, "mail.example");
		assert_string_equal(tls_rig_info(&test.server)->peer_subject, "");
		assert_int_equal(tls_rig_info(&test.server)->exporter.len, 32);
		assert_bytes(tls_rig_info(&test.server)->exporter,
		             tls_rig_info(&test.client)->exporter);
		tls_rig_end(&test);
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
		tls_rig_meet(&test, tls_rig_server("server"), tls_rig_client(), "mail.example");
		assert_err(lm_buf_add_str(&test.client.to_send, "last words"), 0);
		tls_rig_run(&test, 0);
		if (!orderly)
			SSL_set_quiet_shutdown(lm_tls_ssl(test.client.transport), 1);
		test.client.transport->ops->free(test.client.transport, false);
		test.client.transport = NULL;
		test.client.end = LM_E_CLOSED;
		while (!test.server.end)
			lm_loop_run(test.loop);
		assert_err(test.server.end, orderly ? LM_E_CLOSED : LM_E_TLS);
		assert_bytes(lm_buf_bytes(&test.server.got), lm_str("last words"));
		tls_rig_end(&test);
	}
}

static void one_may_speak_after_the_other_ended(void **state)
{
	struct tls_test test;

	(void)state;
	tls_rig_meet(&test, tls_rig_server("server"), tls_rig_client(), "mail.example");
	test.client.transport->ops->shutdown(test.client.transport);
	while (!test.server.end)
		lm_loop_run(test.loop);
	assert_err(test.server.end, LM_E_CLOSED);
	assert_err(lm_buf_add_str(&test.server.to_send, "still here"), 0);
	test.want = 10;
	tls_rig_pump(&test.server);
	lm_loop_run(test.loop);
	assert_bytes(lm_buf_bytes(&test.client.got), lm_str("still here"));
	tls_rig_end(&test);
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

		tls_rig_meet(&test, tls_rig_server(table[i].cert), tls_rig_client(), table[i].name);
		assert_err(test.client.done, table[i].reason ? LM_E_TLS : 1);
		if (table[i].reason && !strstr(test.client.error.text, table[i].reason))
			fail_msg("%s", test.client.error.text);
		/* In TLS 1.3 the server is done first and hears of the refusal then. */
		if (table[i].reason)
			assert_err(test.server.end, LM_E_TLS);
		tls_rig_end(&test);
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
	struct lm_tls_pair pairs[] = { *tls_rig_pair(NULL, "server"),
		                       *tls_rig_pair("other.example", "other"),
		                       *tls_rig_pair("*.wild.example", "wild") };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_tls_params server = { .server = true,
			                        .pairs = pairs,
			                        .pair_count = 3,
			                        .strict_sni = table[i].is_strict };
		struct lm_tls_params client = { 0 };
		char name[256] = "";
		struct tls_test test;

		tls_rig_meet(&test, server, client, table[i].asked);
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
		tls_rig_end(&test);
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
		struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
		struct tls_test test;

		server.min = table[i].server_min;
		server.max = table[i].server_max;
		client.min = table[i].client_min;
		client.max = table[i].client_max;
		tls_rig_meet(&test, server, client, "mail.example");
		assert_err(test.server.done, table[i].version ? 1 : LM_E_TLS);
		assert_err(test.client.done, table[i].version ? 1 : LM_E_TLS);
		if (table[i].version) {
			assert_string_equal(tls_rig_info(&test.server)->version, table[i].version);
			assert_bytes(tls_rig_info(&test.server)->exporter,
			             tls_rig_info(&test.client)->exporter);
			assert_int_equal(tls_rig_info(&test.server)->exporter.len,
			                 strcmp(table[i].version, "TLSv1.2") >= 0 ? 32 : 0);
		} else {
			assert_true(strlen(test.server.error.text) > 5);
		}
		tls_rig_end(&test);
	}
}

static void sessions_are_resumed(void **state)
{
	(void)state;
	for (int v12 = 0; v12 < 2; v12++) {
		struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
		struct lm_tls_context *s, *c;

		server.max = v12 ? LM_TLS_1_2 : LM_TLS_1_3;
		s = tls_rig_context(&server);
		c = tls_rig_context(&client);
		for (int i = 0; i < 3; i++) {
			struct tls_test test;

			/* The third asks for another name: no session of the first may serve. */
			tls_rig_begin(&test, 65536, s, c, i < 2 ? "mail.example" : "127.0.0.1");
			assert_err(lm_buf_add_str(&test.server.to_send, "x"), 0);
			assert_err(lm_buf_add_str(&test.client.to_send, "x"), 0);
			tls_rig_run(&test, 1);
			assert_int_equal(SSL_session_reused(lm_tls_ssl(test.server.transport)),
			                 i == 1);
			tls_rig_end(&test);
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
		struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
		struct tls_test test;
		const uint8_t *name;
		unsigned len;

		server.alpn = table[i].server;
		client.alpn = table[i].client;
		tls_rig_meet(&test, server, client, "mail.example");
		assert_int_equal(test.client.done, table[i].result);
		SSL_get0_alpn_selected(lm_tls_ssl(test.client.transport), &name, &len);
		assert_bytes(lm_bytes(name, len), lm_str(table[i].chosen));
		tls_rig_end(&test);
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
		struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
		struct tls_test test;

		server.ca_file = test_certs_path("ca.pem");
		server.require_client_cert = table[i].required;
		if (table[i].cert) {
			client.pairs = tls_rig_pair(NULL, table[i].cert);
			client.pair_count = 1;
		}
		tls_rig_meet(&test, server, client, "mail.example");
		assert_err(test.server.done, table[i].result);
		if (table[i].result == 1) {
			assert_string_equal(tls_rig_info(&test.server)->peer_subject,
			                    table[i].cert ? "CN=client" : "");
			assert_string_equal(tls_rig_info(&test.server)->peer_name,
			                    table[i].cert ? "me@mail.example" : "");
		}
		tls_rig_end(&test);
	}
}

static void an_unasked_certificate_is_no_name(void **state)
{
	struct lm_tls_params client = tls_rig_client();
	struct tls_test test;

	(void)state;
	client.pairs = tls_rig_pair(NULL, "client");
	client.pair_count = 1;
	tls_rig_meet(&test, tls_rig_server("server"), client, "mail.example");
	assert_string_equal(tls_rig_info(&test.server)->peer_name, "");
	tls_rig_end(&test);
}

static void both_kinds_of_key_serve(void **state)
{
	static const struct {
		const char *algorithms;
		int type;
	} table[] = { { "ECDSA+SHA256", EVP_PKEY_EC },
		      { "RSA-PSS+SHA256:RSA+SHA256", EVP_PKEY_RSA } };
	struct lm_tls_pair pairs[] = { *tls_rig_pair(NULL, "server"), *tls_rig_pair(NULL, "rsa") };
	struct lm_tls_params server = { .server = true, .pairs = pairs, .pair_count = 2 };
	/* Certificates themselves are signed with ECDSA; only the handshake's algorithm differs. */
	struct lm_tls_params client = { 0 };
	struct lm_tls_context *s = tls_rig_context(&server), *c = tls_rig_context(&client);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tls_test test;
		X509 *cert;

		tls_rig_begin(&test, 65536, s, c, NULL);
		SSL_set1_sigalgs_list(lm_tls_ssl(test.client.transport), table[i].algorithms);
		tls_rig_run(&test, 0);
		assert_int_equal(test.client.done, 1);
		cert = SSL_get0_peer_certificate(lm_tls_ssl(test.client.transport));
		assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(cert)), table[i].type);
		tls_rig_end(&test);
	}
	lm_tls_context_unref(s);
	lm_tls_context_unref(c);
}

static void renegotiation_is_refused(void **state)
{
	struct lm_tls_params client = tls_rig_client();
	struct tls_test test;
	SSL *ssl;

	(void)state;
	client.max = LM_TLS_1_2;
	tls_rig_meet(&test, tls_rig_server("server"), client, "mail.example");
	ssl = lm_tls_ssl(test.client.transport);
	SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(ssl), 1);
	assert_err(lm_buf_add_str(&test.client.to_send, "x"), 0);
	tls_rig_pump(&test.client);
	while (!test.client.end && !lm_buf_len(&test.server.got)) {
		lm_loop_stop(test.loop);
		lm_loop_run(test.loop);
	}
	assert_int_equal(SSL_total_renegotiations(lm_tls_ssl(test.server.transport)), 0);
	tls_rig_end(&test);
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

		tls_rig_begin(&test, 65536, lm_tls_context_ref(m->server), m->client,
		              "mail.example");
		lm_tls_context_unref(m->server);
		assert_err(lm_buf_add_str(&test.server.to_send, "x"), 0);
		assert_err(lm_buf_add_str(&test.client.to_send, "x"), 0);
		tls_rig_run(&test, 1);
		m->met += test.client.done == 1 && test.server.done == 1;
		tls_rig_end(&test);
	}
	return NULL;
}

static void threads_share_settings(void **state)
{
	struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
	struct meeter meeters[4];

	(void)state;
	meeters[0] = (struct meeter){ .server = tls_rig_context(&server),
		                      .client = tls_rig_context(&client) };
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
		{ { .server = true, .pairs = tls_rig_pair(NULL, "locked"), .pair_count = 1 },
		  "locked.key" },
		{ { .server = true }, "without a name" },
		{ { .server = true, .pairs = tls_rig_pair("x.example", "server"), .pair_count = 1 },
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
	struct lm_tls_params params = tls_rig_server("server");
	struct lm_tls_context *context = tls_rig_context(&params);
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
		struct lm_tls_params client = tls_rig_client();
		struct tls_test test;

		client.ca_file = test_certs_path("self.pem");
		tls_rig_meet(&test, tls_rig_server("self"), client, names[i]);
		assert_err(test.client.done, 1);
		tls_rig_end(&test);
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
