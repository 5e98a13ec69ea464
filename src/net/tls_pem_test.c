/* Certificates, keys and authorities as text: whole, several, under a password, and broken. */
#include "net/test_certs.h"
#include "net/tls_rig.h"

#include "lm_test.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 32 * 1024 };

/* The files of test_certs behind each other, with `front` before them. */
struct text {
	char at[TEXT_MAX];
};

static void add_file(struct text *text, const char *name)
{
	FILE *in = fopen(test_certs_path(name), "r");
	size_t len = strlen(text->at), n;

	assert_non_null(in);
	n = fread(text->at + len, 1, sizeof(text->at) - len - 1, in);
	assert_true(n > 0);
	text->at[len + n] = '\0';
	fclose(in);
}

static struct text text_of(const char *name)
{
	struct text text = { "" };

	add_file(&text, name);
	return text;
}

static void expect_peer(const struct tls_test *test, int type)
{
	X509 *cert = SSL_get0_peer_certificate(lm_tls_ssl(test->client.transport));

	assert_non_null(cert);
	assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(cert)), type);
}

static void text_is_told_from_a_name(void **state)
{
	(void)state;
	assert_true(lm_tls_is_pem("-----BEGIN CERTIFICATE-----"));
	assert_true(lm_tls_is_pem(" \t\r\n-----BEGIN PRIVATE KEY-----"));
	assert_false(lm_tls_is_pem(""));
	assert_false(lm_tls_is_pem("-----BEGI"));
	assert_false(lm_tls_is_pem("/etc/-----BEGIN"));
	assert_false(lm_tls_is_pem("x\n-----BEGIN CERTIFICATE-----"));
}

static void texts_serve_as_files_do(void **state)
{
	struct text ca = text_of("ca.pem"), cert = { "\n " }, key = { "\r\n" };
	const struct lm_tls_pair pair = { NULL, cert.at, key.at };
	struct lm_tls_params client = { .ca_file = ca.at, .verify_peer = true };
	struct lm_tls_params server = { .server = true, .pairs = &pair, .pair_count = 1 };
	struct tls_test test;

	(void)state;
	add_file(&cert, "server.pem");
	add_file(&key, "server.key");
	tls_rig_meet(&test, server, client, "mail.example");
	assert_int_equal(test.client.done, 1);
	assert_string_equal(tls_rig_info(&test.server)->server_name, "mail.example");
	tls_rig_end(&test);
	/* Another's authority does not do. */
	ca = text_of("stranger.pem");
	tls_rig_meet(&test, server, client, "mail.example");
	assert_err(test.client.done, LM_E_TLS);
	tls_rig_end(&test);
}

static void one_text_may_hold_both(void **state)
{
	struct text both = text_of("server.key");
	const struct lm_tls_pair pair = { NULL, both.at, both.at };
	struct lm_tls_params server = { .server = true, .pairs = &pair, .pair_count = 1 };
	struct tls_test test;

	(void)state;
	add_file(&both, "server.pem");
	tls_rig_meet(&test, server, tls_rig_client(), "mail.example");
	assert_int_equal(test.client.done, 1);
	tls_rig_end(&test);
}

/* RSA and ECDSA in one text, in either order, each with its own key and chain. */
static void several_certificates_serve(void **state)
{
	static const char *const orders[][2] = { { "server", "rsa" }, { "rsa", "server" } };
	static const struct {
		const char *algorithms;
		int type;
	} table[] = { { "ECDSA+SHA256", EVP_PKEY_EC },
		      { "RSA-PSS+SHA256:RSA+SHA256", EVP_PKEY_RSA } };
	struct lm_tls_params client = { 0 };
	struct lm_tls_context *c = tls_rig_context(&client);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const char *const *order = orders[i / 2];
		struct text cert = { "" }, key = { "" };
		const struct lm_tls_pair pair = { NULL, cert.at, key.at };
		struct lm_tls_params server = { .server = true, .pairs = &pair, .pair_count = 1 };
		struct lm_tls_context *s;
		struct tls_test test;
		char name[64];

		for (size_t part = 0; part < 2; part++) {
			snprintf(name, sizeof(name), "%s.pem", order[part]);
			add_file(&cert, name);
			add_file(&cert, "ca.pem");
			/* Keys may come in another order. */
			snprintf(name, sizeof(name), "%s.key", order[1 - part]);
			add_file(&key, name);
		}
		s = tls_rig_context(&server);
		tls_rig_begin(&test, 65536, s, c, NULL);
		lm_tls_context_unref(s);
		SSL_set1_sigalgs_list(lm_tls_ssl(test.client.transport), table[i % 2].algorithms);
		tls_rig_run(&test, 0);
		assert_int_equal(test.client.done, 1);
		expect_peer(&test, table[i % 2].type);
		assert_int_equal(
		        sk_X509_num(SSL_get_peer_cert_chain(lm_tls_ssl(test.client.transport))), 2);
		tls_rig_end(&test);
	}
	lm_tls_context_unref(c);
}

static void a_passphrase_opens_a_key(void **state)
{
	struct text cert = text_of("locked.pem"), key = text_of("locked.key");
	const struct lm_tls_pair pairs[] = { { NULL, cert.at, key.at },
		                             *tls_rig_pair(NULL, "locked") };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct lm_tls_params server = { .server = true,
			                        .pairs = &pairs[i],
			                        .pair_count = 1,
			                        .key_passphrase = "secret" };
		struct lm_tls_context *context = tls_rig_context(&server);
		char longer[5000];
		struct lm_error error;

		lm_tls_context_unref(context);
		memset(longer, 'x', sizeof(longer) - 1);
		longer[sizeof(longer) - 1] = '\0';
		for (size_t k = 0; k < 4; k++) {
			const char *const wrong[] = { NULL, "", "secrets", longer };

			server.key_passphrase = wrong[k];
			assert_err(lm_tls_context_new(&server, &context, &error), LM_E_CONFIG);
			assert_non_null(strstr(error.text, i ? "locked.key: " : "key: "));
			assert_int_equal(strstr(error.text, "encrypted; give its passphrase") !=
			                         NULL,
			                 k < 2);
		}
	}
}

static void broken_texts_are_not_shown(void **state)
{
	struct text cert = text_of("server.pem"), key = text_of("server.key"),
	            other = text_of("other.key");
	char *cut = strdup(cert.at);
	const char empty[] = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
	const struct {
		const char *cert, *key, *reason;
	} table[] = {
		{ "-----BEGIN", key.at, "cert: " },
		{ empty, key.at, "cert: " },
		{ key.at, key.at, "cert: no certificate" },
		{ cut, key.at, "cert: " },
		{ cert.at, cert.at, "key: no private key" },
		{ cert.at, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		  "key: " },
		{ cert.at, other.at, "key does not belong to certificate" },
		{ cert.at, "/nonexistent/k.pem", "key /nonexistent/k.pem" },
	};

	(void)state;
	cut[strlen(cut) / 2] = '\0';
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct lm_tls_pair pair = { NULL, table[i].cert, table[i].key };
		struct lm_tls_params server = { .server = true, .pairs = &pair, .pair_count = 1 };
		struct lm_tls_context *context = NULL;
		struct lm_error error = { 0 };

		assert_err(lm_tls_context_new(&server, &context, &error), LM_E_CONFIG);
		assert_null(context);
		if (strncmp(error.text, table[i].reason, strlen(table[i].reason)) != 0 ||
		    strstr(error.text, "-----"))
			fail_msg("%zu: %s", i, error.text);
	}
	free(cut);
}

static void broken_authorities_are_refused(void **state)
{
	struct text key = text_of("server.key"), cert = text_of("server.pem");
	const struct lm_tls_pair *pair = tls_rig_pair(NULL, "server");

	(void)state;
	add_file(&cert, "ca.pem");
	cert.at[strlen(cert.at) - 60] = '\0';
	for (size_t i = 0; i < 4; i++) {
		struct lm_tls_params params = { .server = i % 2 == 1,
			                        .pairs = pair,
			                        .pair_count = i % 2,
			                        .ca_file = i < 2 ? key.at : cert.at };
		struct lm_tls_context *context = NULL;
		struct lm_error error = { 0 };

		assert_err(lm_tls_context_new(&params, &context, &error), LM_E_CONFIG);
		assert_null(context);
		assert_true(strncmp(error.text, i % 2 ? "client-ca: " : "ca: ", i % 2 ? 11 : 4) ==
		            0);
	}
}

static void clients_show_a_certificate_of_text(void **state)
{
	struct text ca = text_of("ca.pem"), cert = text_of("client.pem"),
	            key = text_of("client.key");
	const struct lm_tls_pair pair = { NULL, cert.at, key.at };

	(void)state;
	for (int with = 0; with < 2; with++) {
		struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
		struct tls_test test;

		server.ca_file = ca.at;
		server.require_client_cert = true;
		client.pairs = &pair;
		client.pair_count = (size_t)with;
		tls_rig_meet(&test, server, client, "mail.example");
		assert_int_equal(test.server.done, with ? 1 : LM_E_TLS);
		if (with)
			assert_string_equal(tls_rig_info(&test.server)->peer_name,
			                    "me@mail.example");
		tls_rig_end(&test);
	}
}

static void ciphers_are_chosen_and_narrow_the_versions(void **state)
{
	static const struct {
		const char *server, *version, *cipher;
	} table[] = {
		{ "TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.3",
		  "TLS_AES_256_GCM_SHA384" },
		{ "ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2",
		  "ECDHE-ECDSA-AES256-GCM-SHA384" },
		{ "!aNULL::TLS_CHACHA20_POLY1305_SHA256:HIGH:!SHA1", "TLSv1.3",
		  "TLS_CHACHA20_POLY1305_SHA256" },
		{ "TLS_AES_128_GCM_SHA256", "TLSv1.3", "TLS_AES_128_GCM_SHA256" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_tls_params server = tls_rig_server("server");
		struct tls_test test;

		server.ciphers = table[i].server;
		tls_rig_meet(&test, server, tls_rig_client(), "mail.example");
		assert_int_equal(test.client.done, 1);
		assert_string_equal(tls_rig_info(&test.client)->version, table[i].version);
		assert_string_equal(tls_rig_info(&test.client)->cipher, table[i].cipher);
		tls_rig_end(&test);
	}
}

static void senseless_ciphers_are_refused(void **state)
{
	static const struct {
		const char *ciphers;
		enum lm_tls_version min, max;
	} table[] = {
		{ "NO-SUCH-THING", 0, 0 },
		{ "TLS_NO_SUCH_SUITE", 0, 0 },
		{ "::", 0, 0 },
		{ "!aNULL", 0, 0 },
		{ "TLS_AES_128_GCM_SHA256", 0, LM_TLS_1_2 },
		{ "ECDHE+AESGCM", LM_TLS_1_3, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_tls_params server = tls_rig_server("server");
		struct lm_tls_context *context = NULL;
		struct lm_error error = { 0 };

		server.ciphers = table[i].ciphers;
		server.min = table[i].min;
		server.max = table[i].max;
		assert_err(lm_tls_context_new(&server, &context, &error), LM_E_CONFIG);
		assert_true(strncmp(error.text, "ciphers: ", 9) == 0);
	}
}

static void self_signed_may_stay_in_memory(void **state)
{
	char *cert = NULL, *key = NULL;
	struct lm_error error;
	struct tls_test test;

	(void)state;
	assert_err(lm_tls_make_self_signed_pem("bad,name", &cert, &key, &error), LM_E_CONFIG);
	assert_true(!cert && !key);
	assert_err(lm_tls_make_self_signed_pem("self.example", &cert, &key, &error), 0);
	{
		const struct lm_tls_pair pair = { NULL, cert, key };
		struct lm_tls_params server = { .server = true, .pairs = &pair, .pair_count = 1 };
		struct lm_tls_params client = { .ca_file = cert, .verify_peer = true };

		tls_rig_meet(&test, server, client, "self.example");
		assert_int_equal(test.client.done, 1);
		tls_rig_end(&test);
	}
	lm_free(cert);
	lm_free(key);
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
		cmocka_unit_test(text_is_told_from_a_name),
		cmocka_unit_test(texts_serve_as_files_do),
		cmocka_unit_test(one_text_may_hold_both),
		cmocka_unit_test(several_certificates_serve),
		cmocka_unit_test(a_passphrase_opens_a_key),
		cmocka_unit_test(broken_texts_are_not_shown),
		cmocka_unit_test(broken_authorities_are_refused),
		cmocka_unit_test(clients_show_a_certificate_of_text),
		cmocka_unit_test(ciphers_are_chosen_and_narrow_the_versions),
		cmocka_unit_test(senseless_ciphers_are_refused),
		cmocka_unit_test(self_signed_may_stay_in_memory),
	};

	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
