/* The POP3 client session against any server. The first octet chooses how it logs in, how much it
 * pipelines and whether it traces; the rest is what the server says. No mechanism with chance in
 * it, and no STLS, so that runs compare. */
#include "session_driver.h"

#include <lettermill/pop3.h>

#include <string.h>

enum { HOW_PIPELINE = 8, HOW_TRACE = 16, HOW_SMALL = 32 };

static unsigned how;

static void push(struct lm_session *s, struct lm_request request)
{
	FUZZ_CHECK(lm_session_request(s, &request, 1000) == 0);
}

static void push_login(struct lm_session *s)
{
	static const char *const ways[] = { "USER",    "APOP",     "PLAIN", "LOGIN",
		                            "XOAUTH2", "CRAM-MD5", NULL,    "OAUTHBEARER" };
	struct lm_credentials c = { .user = lm_str("u"),
		                    .password = lm_str("p"),
		                    .ask_token = (how & 7) != 6,
		                    .mechanism = ways[how & 7] };
	struct lm_request login = LM_REQUEST_INIT(LM_REQUEST_LOGIN);

	login.credentials = &c;
	push(s, login);
}

static void push_all(struct lm_session *s)
{
	static const enum lm_request_type types[] = {
		LM_REQUEST_STAT, LM_REQUEST_LIST, LM_REQUEST_LIST, LM_REQUEST_UIDL,
		LM_REQUEST_UIDL, LM_REQUEST_RETR, LM_REQUEST_RETR, LM_REQUEST_RETR,
		LM_REQUEST_TOP,  LM_REQUEST_RETR, LM_REQUEST_DELE, LM_REQUEST_LANG,
		LM_REQUEST_CAPA, LM_REQUEST_UTF8, LM_REQUEST_NOOP, LM_REQUEST_QUIT,
	};
	static const unsigned char numbers[] = { 0, 0, 1, 0, 2, 1, 2, 3, 1, 4, 1, 0, 0, 0, 0, 0 };

	push_login(s);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct lm_request r = LM_REQUEST_INIT(types[i]);

		r.number = numbers[i];
		r.lines = 2;
		r.expected = types[i] == LM_REQUEST_RETR && r.number < 3 ? 20 * r.number : 0;
		push(s, r);
	}
}

static struct lm_session *make(void)
{
	static struct lm_pop3_client_session_params params;
	struct lm_session *s = NULL;

	lm_pop3_client_session_params_init(&params);
	params.host = "h";
	params.tls = LM_TLS_OFF;
	params.plain_login = true;
	params.pipeline = how & HOW_PIPELINE ? 4 : 1;
	params.trace = how & HOW_TRACE;
	if (how & HOW_SMALL) {
		params.max_line = 64;
		params.max_message = 40;
		params.max_items = 3;
	}
	if (lm_pop3_client_session_new(&params, 1000, &s) != 0)
		return NULL;
	push_all(s);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	how = data[0];
	/* SCRAM has a nonce of its own each time. */
	if (memmem(data, size, "SCRAM", 5))
		return 0;
	fuzz_session(make, lm_bytes(data + 1, size - 1));
	return 0;
}
