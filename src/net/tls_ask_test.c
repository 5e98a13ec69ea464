/* Handshakes that wait for a choice of certificates: every choice, every version, late, and never.
 */
#include "net/test_certs.h"
#include "net/tls_rig.h"

#include "lm_test.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

enum { TEXT_MAX = 8192 };

/* What the server chooses, and what it was asked. */
struct desk {
	struct lm_tls_choice choice;
	struct lm_tls_context *server, *client;
	const char *groups; /* of the client; NULL: its own */
	int result;         /* of the choice */
	unsigned asked;
	char name[256];
	struct lm_error error;
};

static void choose(struct tls_side *side, struct lm_bytes name)
{
	struct desk *desk = side->test->ctx;

	assert_true(name.len < sizeof(desk->name));
	memcpy(desk->name, name.data, name.len);
	desk->name[name.len] = '\0';
	desk->asked++;
	desk->result = lm_transport_tls_choose(side->transport, &desk->choice, &desk->error);
	assert_err(lm_transport_tls_choose(side->transport, &desk->choice, NULL), LM_E_NOT_FOUND);
}

static void begin(struct tls_test *test, struct desk *desk, const char *name)
{
	tls_rig_begin(test, 65536, desk->server, desk->client, name);
	test->ctx = desk;
	test->server.asked = choose;
	assert_err(lm_transport_tls_ask(test->server.transport), 0);
	if (desk->groups)
		assert_int_equal(
		        SSL_set1_groups_list(lm_tls_ssl(test->client.transport), desk->groups), 1);
}

/* One handshake and an octet each way, so that tickets arrive. */
static void meet(struct tls_test *test, struct desk *desk, const char *name)
{
	begin(test, desk, name);
	assert_err(lm_buf_add_str(&test->server.to_send, "x"), 0);
	assert_err(lm_buf_add_str(&test->client.to_send, "x"), 0);
	tls_rig_run(test, 1);
}

static void desk_open(struct desk *desk, struct lm_tls_params server)
{
	struct lm_tls_params client = { 0 };

	*desk = (struct desk){ .choice = { .verdict = LM_TLS_CONFIGURED } };
	desk->server = tls_rig_context(&server);
	desk->client = tls_rig_context(&client);
}

static void desk_close(struct desk *desk)
{
	lm_tls_context_unref(desk->server);
	lm_tls_context_unref(desk->client);
}

static struct lm_bytes text_of(char text[TEXT_MAX], const char *name)
{
	FILE *in = fopen(test_certs_path(name), "r");
	size_t n;

	assert_non_null(in);
	n = fread(text, 1, TEXT_MAX - 1, in);
	assert_true(n > 0);
	text[n] = '\0';
	fclose(in);
	return lm_bytes(text, n);
}

static void expect_certificate(const struct tls_test *test, const char *wanted)
{
	X509 *cert = SSL_get0_peer_certificate(lm_tls_ssl(test->client.transport));
	char name[64] = "";

	assert_int_equal(test->client.done, 1);
	assert_int_equal(test->server.done, 1);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
	assert_string_equal(name, wanted);
}

static void every_choice_is_obeyed(void **state)
{
	char cert[TEXT_MAX], key[TEXT_MAX];
	static const struct {
		enum lm_tls_version max;
		const char *groups;
	} ways[] = { { LM_TLS_1_2, NULL },
		     { LM_TLS_1_3, NULL },
		     { LM_TLS_1_3, "P-521:P-384" } /* a hello retry */ };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct lm_tls_params server = tls_rig_server("server");
		struct tls_test test;
		struct desk desk;

		server.max = ways[i].max;
		desk_open(&desk, server);
		desk.groups = ways[i].groups;
		meet(&test, &desk, "Other.EXAMPLE");
		assert_string_equal(desk.name, "other.example");
		assert_int_equal(desk.asked, 1);
		expect_certificate(&test, "server");
		assert_string_equal(tls_rig_info(&test.server)->server_name, "Other.EXAMPLE");
		tls_rig_end(&test);

		desk.choice.verdict = LM_TLS_GIVEN;
		desk.choice.certificate = text_of(cert, "other.pem");
		desk.choice.key = text_of(key, "other.key");
		meet(&test, &desk, "other.example");
		expect_certificate(&test, "other");
		assert_string_equal(tls_rig_info(&test.server)->server_name, "other.example");
		tls_rig_end(&test);

		desk.choice.verdict = LM_TLS_UNRECOGNIZED;
		meet(&test, &desk, "nobody.example");
		assert_err(test.client.done, LM_E_TLS);
		assert_non_null(strstr(test.client.error.text, "unrecognized name"));
		assert_err(test.server.done, LM_E_TLS);
		assert_non_null(strstr(test.server.error.text, "not served here"));
		tls_rig_end(&test);

		desk.choice.verdict = LM_TLS_UNAVAILABLE;
		meet(&test, &desk, "nobody.example");
		assert_err(test.client.done, LM_E_TLS);
		assert_non_null(strstr(test.client.error.text, "internal error"));
		tls_rig_end(&test);
		assert_int_equal(desk.asked, 4);
		desk_close(&desk);
	}
}

static void who_names_nobody_does_not_ask(void **state)
{
	struct tls_test test;
	struct desk desk;

	(void)state;
	desk_open(&desk, tls_rig_server("server"));
	desk.choice.verdict = LM_TLS_UNRECOGNIZED;
	meet(&test, &desk, NULL);
	expect_certificate(&test, "server");
	tls_rig_end(&test);
	/* An address is no name. */
	meet(&test, &desk, "127.0.0.1");
	expect_certificate(&test, "server");
	tls_rig_end(&test);
	assert_int_equal(desk.asked, 0);
	desk_close(&desk);
}

/* The certificates that came with a choice serve under strict names and beside configured ones. */
static void a_choice_goes_before_the_configured_names(void **state)
{
	const struct lm_tls_pair pairs[] = { *tls_rig_pair(NULL, "server"),
		                             *tls_rig_pair("other.example", "other") };
	struct lm_tls_params server = { .server = true,
		                        .pairs = pairs,
		                        .pair_count = 2,
		                        .strict_sni = true,
		                        .alpn = "pop3",
		                        .ca_file = test_certs_path("ca.pem"),
		                        .require_client_cert = true };
	struct lm_tls_params client = { .pairs = tls_rig_pair(NULL, "client"),
		                        .pair_count = 1,
		                        .alpn = "pop3" };
	char both[TEXT_MAX], key[TEXT_MAX];
	struct tls_test test;
	struct desk desk;

	(void)state;
	desk_open(&desk, server);
	lm_tls_context_unref(desk.client);
	desk.client = tls_rig_context(&client);
	meet(&test, &desk, "other.example");
	expect_certificate(&test, "other");
	tls_rig_end(&test);
	/* Without a key of its own the certificate's text holds it. */
	desk.choice.verdict = LM_TLS_GIVEN;
	text_of(both, "wild.pem");
	text_of(key, "wild.key");
	snprintf(both + strlen(both), sizeof(both) - strlen(both), "%s", key);
	desk.choice.certificate = lm_str(both);
	for (int i = 0; i < 2; i++) {
		const unsigned char *alpn;
		unsigned len;

		meet(&test, &desk, i ? "nobody.example" : "other.example");
		expect_certificate(&test, "wild");
		assert_string_equal(tls_rig_info(&test.server)->peer_name, "me@mail.example");
		SSL_get0_alpn_selected(lm_tls_ssl(test.client.transport), &alpn, &len);
		assert_bytes(lm_bytes(alpn, len), lm_str("pop3"));
		tls_rig_end(&test);
	}
	/* The authorities are the configured ones, still. */
	desk_close(&desk);
	client.pair_count = 0;
	desk_open(&desk, server);
	lm_tls_context_unref(desk.client);
	desk.client = tls_rig_context(&client);
	desk.choice = (struct lm_tls_choice){ .verdict = LM_TLS_GIVEN,
		                              .certificate = lm_str(both) };
	meet(&test, &desk, "other.example");
	assert_err(test.server.done, LM_E_TLS);
	tls_rig_end(&test);
	desk_close(&desk);
}

static void chosen_sessions_are_resumed(void **state)
{
	char cert[TEXT_MAX], key[TEXT_MAX], ca[TEXT_MAX];

	(void)state;
	text_of(ca, "ca.pem");
	for (int v12 = 0; v12 < 2; v12++) {
		struct lm_tls_params server = tls_rig_server("server"), client = tls_rig_client();
		struct tls_test test;
		struct desk desk;

		server.max = v12 ? LM_TLS_1_2 : LM_TLS_1_3;
		desk_open(&desk, server);
		lm_tls_context_unref(desk.client);
		desk.client = tls_rig_context(&client);
		desk.choice = (struct lm_tls_choice){ .verdict = LM_TLS_GIVEN,
			                              .certificate = text_of(cert, "other.pem"),
			                              .key = text_of(key, "other.key") };
		for (unsigned i = 0; i < 4; i++) {
			meet(&test, &desk, "other.example");
			expect_certificate(&test, "other");
			assert_int_equal(SSL_session_reused(lm_tls_ssl(test.server.transport)),
			                 v12 ? i % 2 == 1 : i > 0);
			/* TLS 1.2 gives no ticket for a ticket; nobody gets in by one unasked. */
			assert_int_equal(desk.asked, i + 1);
			tls_rig_end(&test);
		}
		assert_int_equal(desk.server->made_count, 1);
		desk.choice.verdict = LM_TLS_UNRECOGNIZED;
		meet(&test, &desk, "other.example");
		assert_err(test.client.done, LM_E_TLS);
		tls_rig_end(&test);
		desk_close(&desk);
	}
}

static void broken_choices_refuse_the_handshake(void **state)
{
	char cert[TEXT_MAX], key[TEXT_MAX], other[TEXT_MAX];
	const struct lm_bytes good = text_of(cert, "server.pem"), fits = text_of(key, "server.key"),
	                      alien = text_of(other, "other.key");
	const char *file = test_certs_path("server.pem");
	const struct {
		struct lm_bytes certificate, key;
		const char *reason;
	} table[] = {
		{ lm_str("garbage"), fits, "cert: not PEM" },
		{ lm_str(file), fits, "cert: not PEM" },
		{ good, lm_str(test_certs_path("server.key")), "key: not PEM" },
		{ good, lm_str("garbage"), "key: not PEM" },
		{ good, lm_str(""), "key: no private key" },
		{ lm_str(""), fits, "cert: not PEM" },
		{ good, alien, "key does not belong" },
		{ lm_bytes(cert, good.len / 2), fits, "cert: " },
		{ good, lm_bytes(key, fits.len / 2), "key: " },
		{ lm_bytes("-----BEGIN\0", 11), fits, "cert: not PEM" },
	};
	struct tls_test test;
	struct desk desk;

	(void)state;
	desk_open(&desk, tls_rig_server("server"));
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		desk.choice = (struct lm_tls_choice){ .verdict = LM_TLS_GIVEN,
			                              .certificate = table[i].certificate,
			                              .key = table[i].key };
		meet(&test, &desk, "mail.example");
		assert_err(desk.result, LM_E_CONFIG);
		if (strncmp(desk.error.text, table[i].reason, strlen(table[i].reason)) != 0)
			fail_msg("%zu: %s", i, desk.error.text);
		assert_err(test.client.done, LM_E_TLS);
		assert_err(test.server.done, LM_E_TLS);
		tls_rig_end(&test);
	}
	assert_int_equal(desk.server->made_count, 0);
	desk_close(&desk);
}

static void choose_without_memory(struct tls_side *side, struct lm_bytes name)
{
	struct desk *desk = side->test->ctx;

	lm_alloc_fail_at(++desk->asked);
	choose(side, name);
	lm_alloc_fail_at(0);
	desk->asked--;
}

/* What cannot be made refuses that handshake; what cannot be kept is made again. */
static void memory_may_run_out_in_a_choice(void **state)
{
	char cert[TEXT_MAX], key[TEXT_MAX];
	unsigned refused = 0;
	struct desk desk;

	(void)state;
	desk_open(&desk, tls_rig_server("server"));
	desk.choice = (struct lm_tls_choice){ .verdict = LM_TLS_GIVEN,
		                              .certificate = text_of(cert, "other.pem"),
		                              .key = text_of(key, "other.key") };
	while (desk.asked < 12) {
		struct tls_test test;

		begin(&test, &desk, "other.example");
		test.server.asked = choose_without_memory;
		tls_rig_run(&test, 0);
		if (desk.result) {
			assert_err(desk.result, LM_E_NOMEM);
			assert_err(test.client.done, LM_E_TLS);
			refused++;
		} else {
			expect_certificate(&test, "other");
		}
		tls_rig_end(&test);
	}
	assert_true(refused >= 4 && refused < 12);
	assert_int_equal(desk.server->made_count, 1);
	desk_close(&desk);
}

static void what_was_made_is_bounded(void **state)
{
	char cert[TEXT_MAX], key[TEXT_MAX];
	struct tls_test test;
	struct desk desk;
	size_t len;

	(void)state;
	desk_open(&desk, tls_rig_server("server"));
	text_of(cert, "other.pem");
	len = strlen(cert);
	desk.choice = (struct lm_tls_choice){ .verdict = LM_TLS_GIVEN,
		                              .key = text_of(key, "other.key") };
	for (int i = 0; i < 300; i++) {
		/* Another text each time, but for a favourite that stays. */
		snprintf(cert + len, sizeof(cert) - len, "# %d\n", i % 3 ? i : 0);
		desk.choice.certificate = lm_str(cert);
		meet(&test, &desk, "other.example");
		expect_certificate(&test, "other");
		tls_rig_end(&test);
	}
	assert_int_equal(desk.server->made_count, 201);
	for (int i = 300; i < 400; i++) {
		snprintf(cert + len, sizeof(cert) - len, "# %d\n", i);
		desk.choice.certificate = lm_str(cert);
		meet(&test, &desk, "other.example");
		expect_certificate(&test, "other");
		tls_rig_end(&test);
	}
	assert_int_equal(desk.server->made_count, 256);
	desk_close(&desk);
}

static void leave_open(struct tls_side *side, struct lm_bytes name)
{
	struct desk *desk = side->test->ctx;

	assert_bytes(name, lm_str("mail.example"));
	desk->asked++;
	lm_loop_stop(side->test->loop);
}

/* Whoever goes away meanwhile leaves nothing; nothing is read, and a later choice goes on. */
static void a_question_may_stay_open(void **state)
{
	struct tls_test test;
	struct desk desk;
	uint8_t octet;
	size_t n;

	(void)state;
	desk_open(&desk, tls_rig_server("server"));
	for (int answered = 0; answered < 2; answered++) {
		begin(&test, &desk, "mail.example");
		test.server.asked = leave_open;
		tls_rig_run(&test, 0);
		assert_true(desk.asked > 0);
		assert_err(test.server.transport->ops->read(test.server.transport, &octet, 1, &n),
		           LM_E_AGAIN);
		assert_int_equal(test.server.done, 0);
		if (answered) {
			assert_err(
			        lm_transport_tls_choose(test.server.transport, &desk.choice, NULL),
			        0);
			tls_rig_run(&test, 0);
			expect_certificate(&test, "server");
		}
		tls_rig_end(&test);
	}
	desk_close(&desk);
}

/* The hello of a client that asks for "mail.example", `at` octets from that name overwritten. */
static size_t broken_hello(uint8_t *out, size_t cap, int at, uint8_t with)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *to = BIO_new(BIO_s_mem());
	int len;

	SSL_set_bio(ssl, in, to);
	SSL_set_tlsext_host_name(ssl, "mail.example");
	SSL_connect(ssl);
	len = BIO_read(to, out, (int)cap);
	assert_true(len > 0);
	for (int i = 0; i + 12 < len; i++) {
		if (memcmp(out + i, "mail.example", 12) == 0) {
			out[i + at] = with;
			break;
		}
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return (size_t)len;
}

static void malformed_names_do_not_ask(void **state)
{
	static const struct {
		int at;
		uint8_t with;
	} table[] = { { 4, 0 },                         /* mail\0example */
		      { -1, 13 },                       /* longer than its list */
		      { -2, 1 },  { -1, 0 }, { -3, 1 }, /* no host name */
		      { -4, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_transport *near, *far, *tls;
		struct tls_test test = { .want = 0 };
		uint8_t hello[4096];
		size_t len = broken_hello(hello, sizeof(hello), table[i].at, table[i].with), n;
		struct desk desk;
		int err = LM_E_AGAIN;

		desk_open(&desk, tls_rig_server("server"));
		assert_err(lm_loop_new(&test.loop), 0);
		assert_err(lm_transport_pair(test.loop, 65536, &near, &far), 0);
		assert_err(lm_transport_tls(test.loop, near, desk.server, true, NULL, &tls), 0);
		assert_err(lm_transport_tls_ask(tls), 0);
		assert_err(far->ops->write(far, lm_bytes(hello, len), &n), 0);
		assert_int_equal(n, len);
		err = tls->ops->read(tls, hello, sizeof(hello), &n);
		assert_int_equal(lm_transport_tls_asked(tls).len, 0);
		/* What OpenSSL lets pass, it does not take for a name. */
		assert_true(err == LM_E_TLS || err == LM_E_AGAIN);
		tls->ops->free(tls, true);
		far->ops->free(far, true);
		lm_loop_free(test.loop);
		desk_close(&desk);
	}
}

struct crowd {
	struct lm_tls_context *server, *client;
	struct lm_bytes certificate, key;
};

static void *meet_often(void *arg)
{
	const struct crowd *crowd = arg;

	for (int i = 0; i < 30; i++) {
		struct desk desk = { .choice = { LM_TLS_GIVEN, crowd->certificate, crowd->key },
			             .server = crowd->server,
			             .client = crowd->client };
		struct tls_test test;

		meet(&test, &desk, "other.example");
		expect_certificate(&test, "other");
		tls_rig_end(&test);
	}
	return NULL;
}

static void threads_share_what_was_made(void **state)
{
	char cert[TEXT_MAX], key[TEXT_MAX];
	struct crowd crowd;
	struct desk desk;
	pthread_t threads[3];

	(void)state;
	desk_open(&desk, tls_rig_server("server"));
	crowd = (struct crowd){ desk.server, desk.client, text_of(cert, "other.pem"),
		                text_of(key, "other.key") };
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, meet_often, &crowd), 0);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(desk.server->made_count, 1);
	desk_close(&desk);
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
		cmocka_unit_test(every_choice_is_obeyed),
		cmocka_unit_test(who_names_nobody_does_not_ask),
		cmocka_unit_test(a_choice_goes_before_the_configured_names),
		cmocka_unit_test(chosen_sessions_are_resumed),
		cmocka_unit_test(broken_choices_refuse_the_handshake),
		cmocka_unit_test(memory_may_run_out_in_a_choice),
		cmocka_unit_test(what_was_made_is_bounded),
		cmocka_unit_test(a_question_may_stay_open),
		cmocka_unit_test(malformed_names_do_not_ask),
		cmocka_unit_test(threads_share_what_was_made),
	};

	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
