/* The blocking face against our own server. */
#include "base/mem.h"
#include "client_rig.h"

static const char letter[] = "From: carl@client.example\r\nSubject: dots\r\n\r\n"
                             ".one\r\n..two\r\n\xFF\r\n";

static void start(struct lm_rig *rig)
{
	static const char *const lmtp = "/lmtp.sock";
	char path[128];
	const char *const options[] = { "cert", test_certs_path("server.pem"),
		                        "key",  test_certs_path("server.key"),
		                        "lmtp", path,
		                        NULL };

	lm_rig_new(rig, NULL);
	snprintf(path, sizeof(path), "%s%s", rig->folder, lmtp);
	for (size_t i = 0; options[i]; i += 2)
		assert_err(lm_server_set(rig->server, options[i], options[i + 1], NULL), 0);
	lm_rig_start(rig);
}

static void check_capabilities(const struct lm_client *client, const char *one)
{
	struct lm_bytes all = lm_client_capabilities(client);

	assert_true(all.len > 0);
	assert_int_equal(all.data[all.len - 1], '\n');
	assert_true(lm_client_has(client, one, NULL));
	assert_non_null(memmem(all.data, all.len, one, strlen(one)));
}

static void send_letter(const struct lm_rig *rig, const char *listener)
{
	struct lm_client_params params = client_params(rig, listener);
	struct lm_recipient to = { .address = lm_str("anna") };
	struct lm_envelope envelope = { .sender = lm_str("carl@client.example"),
		                        .recipients = &to,
		                        .recipient_count = 1,
		                        .eight_bit = true };
	struct lm_client *client = client_open(&params);
	struct lm_send_result result = { 0 };
	struct lm_error error = { 0 };

	if (lm_smtp_client_send(client, &envelope, lm_source_from_bytes(lm_str(letter)), &result,
	                        &error))
		fail_msg("%s: %s", listener, error.text);
	assert_int_equal(result.recipient_count, 1);
	assert_err(result.recipients[0].result, 0);
	check_capabilities(client, "PIPELINING");
	assert_int_equal(result.recipients[0].smtp_code, 250);
	assert_false(result.unknown);
	assert_err(lm_client_quit(client, &error), 0);
	lm_client_free(client);
}

static int sum_octets(void *ctx, uint64_t number, uint64_t octets)
{
	assert_true(number > 0);
	*(uint64_t *)ctx += octets;
	return 0;
}

static int note_id(void *ctx, uint64_t number, struct lm_bytes id)
{
	assert_int_equal(number, 1);
	assert_true(id.len > 0);
	*(size_t *)ctx += 1;
	return 0;
}

/* What came has a trace header in front. */
static void check_fetched(struct lm_client *client, uint64_t number, uint64_t octets)
{
	struct lm_buf got;
	struct lm_bytes all;

	lm_buf_init(&got, CLIENT_SINK_MAX);
	assert_err(lm_pop3_client_retr(client, number, octets, client_sink, &got, NULL), 0);
	all = lm_buf_bytes(&got);
	assert_true(all.len > sizeof(letter) - 1);
	if (octets)
		assert_int_equal(all.len, octets);
	assert_bytes(lm_bytes_from(all, all.len - (sizeof(letter) - 1)), lm_str(letter));
	lm_buf_clear(&got);
	assert_err(lm_pop3_client_top(client, number, 1, client_sink, &got, NULL), 0);
	all = lm_buf_bytes(&got);
	assert_bytes(lm_bytes_from(all, all.len - 10), lm_str("\r\n\r\n.one\r\n"));
	lm_buf_done(&got);
}

static void fetch_letters(const struct lm_rig *rig, const char *listener, uint64_t wanted)
{
	struct lm_client_params params = client_params(rig, listener);
	struct lm_client *client = client_open(&params);
	uint64_t count, octets, sum = 0, one = 0;
	size_t ids = 0;

	check_capabilities(client, "UIDL");
	assert_err(lm_pop3_client_stat(client, &count, &octets, NULL), 0);
	assert_int_equal(count, wanted);
	assert_err(lm_pop3_client_list(client, 0, sum_octets, &sum, NULL), 0);
	assert_int_equal(sum, octets);
	assert_err(lm_pop3_client_list(client, 1, sum_octets, &one, NULL), 0);
	assert_err(lm_pop3_client_uidl(client, 1, note_id, &ids, NULL), 0);
	assert_int_equal(ids, 1);
	check_fetched(client, 1, one);
	assert_err(lm_pop3_client_dele(client, 1, NULL), 0);
	assert_err(lm_client_noop(client, NULL), 0);
	assert_err(lm_client_reset(client, NULL), 0);
	assert_err(lm_pop3_client_dele(client, 2, NULL), 0);
	assert_err(lm_client_quit(client, NULL), 0);
	assert_err(lm_client_noop(client, NULL), LM_E_CLOSED);
	lm_client_free(client);
}

static void letters_go_and_come(void **state)
{
	struct lm_rig rig;

	(void)state;
	start(&rig);
	send_letter(&rig, "smtp");
	send_letter(&rig, "smtps");
	send_letter(&rig, "submission");
	send_letter(&rig, "lmtp");
	fetch_letters(&rig, "pop3", 4);
	fetch_letters(&rig, "pop3s", 3);
	lm_rig_free(&rig);
}

/* Open, fetch, send; whichever allocation fails, it is an error or all is well. */
static int do_all_there_is(const struct lm_client_params *params)
{
	struct lm_recipient to = { .address = lm_str("anna") };
	struct lm_envelope envelope = { .recipients = &to, .recipient_count = 1 };
	const struct lm_credentials anna = { .user = lm_str("anna"), .password = lm_str("secret") };
	struct lm_client *client = NULL;
	struct lm_source *source;
	struct lm_buf got;
	int err = lm_client_open(params, &client, NULL);

	lm_buf_init(&got, CLIENT_SINK_MAX);
	if (err)
		return err;
	if (params->protocol == LM_POP3) {
		err = lm_pop3_client_retr(client, 1, 0, client_sink, &got, NULL);
	} else {
		err = lm_client_login(client, &anna, NULL);
		source = lm_source_from_bytes(lm_str("Subject: x\r\n\r\n"));
		if (!err && source)
			err = lm_smtp_client_send(client, &envelope, source, NULL, NULL);
		else if (source)
			source->ops->close(source);
	}
	if (!err)
		err = lm_client_quit(client, NULL);
	lm_client_free(client);
	lm_buf_done(&got);
	return err;
}

static void memory_runs_out(void **state)
{
	static const char *const listeners[] = { "pop3", "submission", "pop3s" };
	struct lm_rig rig;
	int good = 0;

	(void)state;
	start(&rig);
	send_letter(&rig, "smtp");
	for (size_t i = 0; i < 3; i++) {
		struct lm_client_params params = client_params(&rig, listeners[i]);

		params.no_login = params.protocol != LM_POP3;
		if (i == 0)
			params.tls = LM_TLS_OFF;
		good = 0;
		for (unsigned long n = 1; n < 2000 && good < 3; n++) {
			int err;

			lm_alloc_fail_at(n);
			err = do_all_there_is(&params);
			lm_alloc_fail_at(0);
			good = err ? 0 : good + 1;
		}
		/* Behind the last allocation all goes well. */
		assert_int_equal(good, 3);
	}
	lm_rig_free(&rig);
}

/* The name in a certificate is who logs in (RFC 4422 A). */
static void certificates_log_in(void **state)
{
	static const char *const listeners[] = { "pop3", "pop3s", "submission" };
	const char *const more[] = { "client-ca", test_certs_path("ca.pem"),
		                     "user",      "me@mail.example:x",
		                     "domain",    "mail.example",
		                     "auth",      "EXTERNAL PLAIN",
		                     NULL };
	struct lm_rig rig;

	(void)state;
	lm_rig_new(&rig, more);
	assert_err(lm_server_set(rig.server, "cert", test_certs_path("server.pem"), NULL), 0);
	assert_err(lm_server_set(rig.server, "key", test_certs_path("server.key"), NULL), 0);
	lm_rig_start(&rig);
	for (size_t i = 0; i < 3; i++) {
		struct lm_client_params params = client_params(&rig, listeners[i]);
		struct lm_client *client;

		params.user = params.password = NULL;
		params.mechanism = "EXTERNAL";
		params.cert_file = test_certs_path("client.pem");
		params.key_file = test_certs_path("client.key");
		client = client_open(&params);
		assert_bytes(lm_client_info(client)->mechanism, lm_str("EXTERNAL"));
		assert_err(lm_client_quit(client, NULL), 0);
		lm_client_free(client);
		params.cert_file = test_certs_path("forged.pem");
		params.key_file = test_certs_path("forged.key");
		assert_true(lm_client_open(&params, &client, NULL) < 0);
	}
	lm_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_go_and_come),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(certificates_log_in),
	};
	int failed;

	test_certs_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_certs_remove();
	return failed;
}
