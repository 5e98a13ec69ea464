/* TLS of whole clients: which certificates are taken, what is said of the others, and what a
 * hostile peer can do around the handshake. */
#include "client_peer.h"
#include "client_rig.h"

static void start(struct lm_rig *rig, const char *cert, const char *key, const char *const *more)
{
	lm_rig_new(rig, more);
	if (cert) {
		assert_err(lm_server_set(rig->server, "cert", test_certs_path(cert), NULL), 0);
		assert_err(lm_server_set(rig->server, "key", test_certs_path(key), NULL), 0);
	}
	lm_rig_start(rig);
}

static void check_secure(const struct lm_client_params *params, const char *doubt)
{
	struct lm_client *client = client_open(params);
	const struct lm_session_info *info = lm_client_info(client);

	assert_true(info->tls.active);
	assert_string_equal(info->tls.version, "TLSv1.3");
	assert_string_equal(info->peer_address, "127.0.0.1");
	assert_int_equal(info->peer_port, params->port);
	if (!doubt)
		assert_string_equal(lm_client_tls_doubt(client), "");
	else if (!strstr(lm_client_tls_doubt(client), doubt))
		fail_msg("%s", lm_client_tls_doubt(client));
	assert_err(lm_client_quit(client, NULL), 0);
	lm_client_free(client);
}

static void good_certificates_are_taken(void **state)
{
	static const char *const listeners[] = { "pop3", "pop3s", "smtp", "smtps", "submission" };
	struct lm_client_params params;
	struct lm_rig rig;
	char file[128];

	(void)state;
	start(&rig, "server.pem", "server.key", NULL);
	for (size_t i = 0; i < sizeof(listeners) / sizeof(*listeners); i++) {
		params = client_params(&rig, listeners[i]);
		check_secure(&params, NULL);
		params.tls = params.tls == LM_TLS_STARTTLS ? LM_TLS_OPPORTUNISTIC : params.tls;
		check_secure(&params, NULL);
	}
	lm_rig_free(&rig);
	/* By name: the server's own certificate is for localhost, too. */
	start(&rig, NULL, NULL, NULL);
	snprintf(file, sizeof(file), "%s/cert.pem", rig.folder);
	params = client_params(&rig, "pop3s");
	params.ca_file = file;
	params.host = "localhost";
	check_secure(&params, NULL);
	lm_rig_free(&rig);
}

static void bad_certificates_are_named(void **state)
{
	static const struct {
		const char *cert, *key, *ca, *host, *words;
	} table[] = {
		{ "server.pem", "server.key", "ca.pem", "localhost",
		  "the certificate is for another name: mail.example, 127.0.0.1" },
		{ "other.pem", "other.key", "ca.pem", "127.0.0.1",
		  "the certificate is for another name: other.example" },
		{ "expired.pem", "expired.key", "ca.pem", "127.0.0.1",
		  "the certificate has expired on 20" },
		{ "stranger.pem", "stranger.key", "ca.pem", "127.0.0.1",
		  "the certificate is self-signed" },
		{ "server.pem", "server.key", "stranger.pem", "127.0.0.1",
		  "the certificate's issuer is not known: ca" },
	};
	static const char *const listeners[] = { "pop3s", "pop3", "smtp" };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_rig rig;

		start(&rig, table[i].cert, table[i].key, NULL);
		for (size_t j = 0; j < 3; j++) {
			struct lm_client_params params = client_params(&rig, listeners[j]);

			params.ca_file = test_certs_path(table[i].ca);
			params.host = table[i].host;
			client_refused(&params, LM_E_TLS, table[i].words);
			client_refused(&params, LM_E_TLS, "TLS with ");
			client_refused(&params, LM_E_TLS, table[i].host);
			params.host = "127.0.0.1";
			params.insecure = true;
			if (strcmp(table[i].host, "127.0.0.1") == 0)
				check_secure(&params, table[i].words);
		}
		lm_rig_free(&rig);
	}
}

static void opportunists_judge_nothing(void **state)
{
	struct lm_client_params params;
	struct lm_rig rig;

	(void)state;
	start(&rig, "stranger.pem", "stranger.key", NULL);
	params = client_params(&rig, "pop3");
	params.tls = LM_TLS_OPPORTUNISTIC;
	check_secure(&params, "self-signed");
	params = client_params(&rig, "smtp");
	params.tls = LM_TLS_OPPORTUNISTIC;
	check_secure(&params, "self-signed");
	lm_rig_free(&rig);
}

static void versions_and_files(void **state)
{
	const char *const old[] = { "tls-max", "1.2", NULL };
	struct lm_client_params params;
	struct lm_rig rig;

	(void)state;
	start(&rig, "server.pem", "server.key", old);
	params = client_params(&rig, "pop3s");
	params.tls_min = 5;
	client_refused(&params, LM_E_TLS, "TLS with 127.0.0.1 port ");
	params.tls_min = 4;
	params.tls_max = 3;
	client_refused(&params, LM_E_CONFIG, "minimum");
	params = client_params(&rig, "pop3s");
	params.ca_file = "/nowhere/ca.pem";
	client_refused(&params, LM_E_CONFIG, "/nowhere/ca.pem");
	params = client_params(&rig, "pop3s");
	params.cert_file = test_certs_path("client.pem");
	params.key_file = test_certs_path("server.key");
	client_refused(&params, LM_E_CONFIG, "server.key");
	lm_rig_free(&rig);
}

static char *text_of(const char *name)
{
	FILE *in = fopen(test_certs_path(name), "r");
	char *text = calloc(1, 8192);

	assert_non_null(in);
	assert_non_null(text);
	assert_true(fread(text, 1, 8191, in) > 0);
	fclose(in);
	return text;
}

static void texts_serve_as_files_do(void **state)
{
	const char *const mutual[] = { "client-ca", test_certs_path("ca.pem"),
		                       "require-client-cert", "yes", NULL };
	char *ca = text_of("ca.pem"), *cert = text_of("client.pem"), *key = text_of("client.key");
	struct lm_client_params params;
	struct lm_client *client;
	struct lm_rig rig;

	(void)state;
	start(&rig, "server.pem", "server.key", mutual);
	params = client_params(&rig, "pop3s");
	params.ca_file = ca;
	params.cert_file = cert;
	params.key_file = key;
	client = client_open(&params);
	assert_err(lm_client_quit(client, NULL), 0);
	lm_client_free(client);
	/* A text may be broken, but must not be shown. */
	key[200] = '\0';
	client_refused(&params, LM_E_CONFIG, "key: ");
	params.cert_file = params.key_file = NULL;
	client_refused(&params, LM_E_TLS, "");
	params.ca_file = cert;
	client_refused(&params, LM_E_TLS, "");
	params.ca_file = "-----BEGIN CERTIFICATE-----\nnonsense\n";
	client_refused(&params, LM_E_CONFIG, "ca: ");
	params.ca_file = "/etc/\nca.pem";
	client_refused(&params, LM_E_SYNTAX, "control");
	lm_rig_free(&rig);
	free(ca);
	free(cert);
	free(key);
}

static struct lm_client_params to_peer(const struct client_peer *peer, enum lm_protocol protocol)
{
	struct lm_client_params params;

	lm_client_params_init(&params, protocol);
	params.host = "127.0.0.1";
	params.port = peer->port;
	params.ca_file = test_certs_path("ca.pem");
	params.timeout = 5000;
	return params;
}

static const char *const stripped[] = { ">+OK hello\r\n", "<CAPA", ">+OK\r\nUSER\r\n.\r\n", "*",
	                                NULL };
static const char *const refusing[] = {
	">+OK hello\r\n", "<CAPA", ">+OK\r\nSTLS\r\n.\r\n", "<STLS", ">-ERR no\r\n", "*", NULL
};
static const char *const injecting[] = { ">+OK hello\r\n",
	                                 "<CAPA",
	                                 ">+OK\r\nSTLS\r\n.\r\n",
	                                 "<STLS",
	                                 ">+OK go\r\n+OK injected\r\n",
	                                 "*",
	                                 NULL };
static const char *const failing[] = {
	">+OK hello\r\n", "<CAPA", ">+OK\r\nSTLS\r\n.\r\n", "<STLS", ">+OK\r\n", "T", NULL
};
static const char *const stalling[] = {
	">+OK hello\r\n", "<CAPA", ">+OK\r\nSTLS\r\n.\r\n", "<STLS", ">+OK\r\n", "*", NULL
};
static const char *const plain[] = { ">+OK hello\r\n",
	                             "<CAPA",
	                             ">+OK\r\nUSER\r\nUIDL\r\nTOP\r\nSTLS\r\n.\r\n",
	                             "<USER anna",
	                             ">+OK\r\n",
	                             "<PASS secret",
	                             ">+OK\r\n",
	                             "<QUIT",
	                             ">+OK\r\n",
	                             NULL };

static void check_required(const char *const *script, int err, const char *words)
{
	const char *const *const scripts[] = { script, NULL };
	struct lm_client_params params;
	struct client_peer peer;

	client_peer_start(&peer, scripts);
	params = to_peer(&peer, LM_POP3);
	params.user = "anna";
	params.password = "secret";
	if (script == stalling)
		params.timeout = 1000;
	client_refused(&params, err, words);
	client_peer_end(&peer);
}

static void required_tls_is_required(void **state)
{
	(void)state;
	check_required(stripped, LM_E_TLS, "STLS");
	check_required(refusing, LM_E_TLS, "STLS");
	check_required(injecting, LM_E_PROTO, "before TLS");
	check_required(failing, LM_E_TLS, "TLS with 127.0.0.1 port ");
	check_required(stalling, LM_E_TIMEOUT, "no answer within 1 s");
}

static void opportunists_try_once_without(void **state)
{
	const char *const *const two[] = { failing, plain, NULL };
	const char *const *const one[] = { failing, NULL };
	const char *const *const attacked[] = { injecting, NULL };
	struct lm_client_params params;
	struct lm_client *client;
	struct client_peer peer;

	(void)state;
	client_peer_start(&peer, two);
	params = to_peer(&peer, LM_POP3);
	params.tls = LM_TLS_OPPORTUNISTIC;
	params.user = "anna";
	params.password = "secret";
	client = client_open(&params);
	assert_false(lm_client_info(client)->tls.active);
	assert_err(lm_client_quit(client, NULL), 0);
	lm_client_free(client);
	client_peer_end(&peer);
	/* Where passwords must not be readable, and behind an attack, it does not. */
	client_peer_start(&peer, one);
	params.port = peer.port;
	params.no_plain = true;
	client_refused(&params, LM_E_TLS, "TLS with");
	client_peer_end(&peer);
	client_peer_start(&peer, attacked);
	params.port = peer.port;
	params.no_plain = false;
	client_refused(&params, LM_E_PROTO, "before TLS");
	client_peer_end(&peer);
}

/* Without close_notify: an end behind QUIT is as good as any, in a message it is not. */
static void truncation(void **state)
{
	static const char *const at_end[] = { "T server", ">+OK hello\r\n",
		                              "<CAPA",    ">+OK\r\nUSER\r\n.\r\n",
		                              "<QUIT",    ">+OK bye\r\n",
		                              "-",        NULL };
	static const char *const within[] = { "T server", ">+OK hello\r\n",
		                              "<CAPA",    ">+OK\r\nUSER\r\n.\r\n",
		                              "<RETR 1",  ">+OK\r\nSubject: half\r\n",
		                              "-",        NULL };
	const char *const *const scripts[] = { at_end, within, NULL };
	struct lm_client_params params;
	struct lm_client *client;
	struct client_peer peer;
	struct lm_error error;
	struct lm_buf got;

	(void)state;
	lm_buf_init(&got, CLIENT_SINK_MAX);
	client_peer_start(&peer, scripts);
	params = to_peer(&peer, LM_POP3);
	params.tls = LM_TLS_IMPLICIT;
	client = client_open(&params);
	assert_err(lm_client_quit(client, &error), 0);
	lm_client_free(client);
	client = client_open(&params);
	assert_err(lm_pop3_client_retr(client, 1, 0, client_sink, &got, &error), LM_E_TLS);
	if (!strstr(error.text, "RETR 1") || !strstr(error.text, "close_notify"))
		fail_msg("%s", error.text);
	assert_err(lm_client_quit(client, &error), LM_E_TLS);
	lm_client_free(client);
	client_peer_end(&peer);
	lm_buf_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_certificates_are_taken),
		cmocka_unit_test(bad_certificates_are_named),
		cmocka_unit_test(opportunists_judge_nothing),
		cmocka_unit_test(versions_and_files),
		cmocka_unit_test(texts_serve_as_files_do),
		cmocka_unit_test(required_tls_is_required),
		cmocka_unit_test(opportunists_try_once_without),
		cmocka_unit_test(truncation),
	};
	int failed;

	test_certs_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_certs_remove();
	return failed;
}
