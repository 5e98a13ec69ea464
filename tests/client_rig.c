/* A server in this process and settings to reach it. */
#include "client_rig.h"

static enum lm_protocol protocol_of(const char *listener)
{
	if (strncmp(listener, "pop3", 4) == 0)
		return LM_POP3;
	if (strcmp(listener, "lmtp") == 0)
		return LM_LMTP;
	return strcmp(listener, "submission") == 0 ? LM_SUBMISSION : LM_SMTP;
}

struct lm_client_params client_params(const struct lm_rig *rig, const char *listener)
{
	const char *where = lm_server_endpoint(rig->server, listener);
	struct lm_client_params params;

	assert_non_null(where);
	lm_client_params_init(&params, protocol_of(listener));
	params.timeout = 10000;
	params.tls = listener[strlen(listener) - 1] == 's' ? LM_TLS_IMPLICIT : LM_TLS_STARTTLS;
	params.ca_file = test_certs_path("ca.pem");
	if (where[0] == '/') {
		params.host = where;
		params.tls = LM_TLS_OFF;
	} else {
		params.host = "127.0.0.1";
		params.port = (uint16_t)strtoul(strrchr(where, ':') + 1, NULL, 10);
	}
	if (strcmp(listener, "smtp") != 0 && params.protocol != LM_LMTP) {
		params.user = "anna";
		params.password = "secret";
	}
	return params;
}

struct lm_client *client_open(const struct lm_client_params *params)
{
	struct lm_client *client = NULL;
	struct lm_error error = { 0 };

	if (lm_client_open(params, &client, &error))
		fail_msg("open: %s", error.text);
	return client;
}

void client_refused(const struct lm_client_params *params, int err, const char *words)
{
	struct lm_client *client = NULL;
	struct lm_error error = { 0 };

	assert_err(lm_client_open(params, &client, &error), err);
	assert_null(client);
	assert_err(error.code, err);
	if (!strstr(error.text, words))
		fail_msg("\"%s\" lacks \"%s\"", error.text, words);
}

int client_sink(void *buf, struct lm_bytes octets)
{
	return lm_buf_add(buf, octets);
}
