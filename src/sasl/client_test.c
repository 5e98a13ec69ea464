/* Our client against our server, every mechanism, and servers that lie. */
#include "lm_test.h"

#include "sasl/sasl.h"

static const char all[] =
        "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN "
        "LOGIN EXTERNAL OAUTHBEARER XOAUTH2";

struct talk {
	const char *mechanism;
	struct lm_sasl_credentials credentials;
	enum lm_sasl_state state;
	bool done; /* the client is content */
	int client_error;
};

static struct lm_sasl_credentials full(void)
{
	return (struct lm_sasl_credentials){
		.user = lm_str("anna"),
		.password = lm_str("secret"),
		.token = lm_str("t0k.en="),
		.exporter = lm_str("exported by both ends of the TLS"),
		.certificate = true,
		.plain_allowed = true,
	};
}

static bool is_right(const struct lm_auth *question)
{
	if (question->kind == LM_AUTH_PASSWORD)
		return lm_bytes_equal(question->password, lm_str("secret"));
	if (question->kind == LM_AUTH_TOKEN)
		return lm_bytes_equal(question->token, lm_str("t0k.en="));
	return true;
}

static int answer(struct lm_sasl_server *server, struct lm_buf *out, enum lm_sasl_state *out_state)
{
	const struct lm_auth *question = lm_sasl_server_question(server);
	struct lm_reply reply = LM_REPLY_INIT;
	uint8_t stored[32], key[32];
	size_t len = 0;

	reply.user = lm_str("anna");
	reply.result = is_right(question) ? 0 : LM_E_AUTH;
	reply.secret.plain = lm_str("secret");
	reply.secret.salt = lm_str("salt");
	reply.secret.iterations = 4096;
	assert_err(lm_scram_keys(question->need == LM_NEED_SCRAM_SHA256, lm_str("secret"),
	                         reply.secret.salt, 4096, stored, key, &len),
	           0);
	reply.secret.stored_key = lm_bytes(stored, len);
	reply.secret.server_key = lm_bytes(key, len);
	return lm_sasl_server_answer(server, &reply, out, out_state);
}

/* The server takes what is in *from and leaves its challenge in *to. */
static void serve(struct talk *t, struct lm_sasl_server *server, bool has, struct lm_buf *from,
                  struct lm_buf *to)
{
	assert_err(lm_sasl_server_step(server, has, lm_buf_bytes(from), to, &t->state), 0);
	if (t->state == LM_SASL_ASK)
		assert_err(answer(server, to, &t->state), 0);
	lm_buf_clear(from);
}

static void converse(struct talk *t, struct lm_sasl_client *client, struct lm_sasl_server *server)
{
	struct lm_buf up, down;
	bool has = lm_sasl_client_first(client);

	lm_buf_init(&up, 20000);
	lm_buf_init(&down, 20000);
	if (has)
		t->client_error = lm_sasl_client_step(client, lm_str(""), &up);
	for (;;) {
		bool more;

		serve(t, server, has, &up, &down);
		more = t->state == LM_SASL_CONTINUE ||
		       (t->state == LM_SASL_OK && lm_buf_len(&down));
		if (!more || t->client_error)
			break;
		t->client_error = lm_sasl_client_step(client, lm_buf_bytes(&down), &up);
		lm_buf_clear(&down);
		if (t->client_error || t->state == LM_SASL_OK)
			break;
		has = true;
	}
	t->done = lm_sasl_client_done(client);
	lm_buf_wipe(&up);
	lm_buf_wipe(&down);
}

static void talk(struct talk *t)
{
	struct lm_sasl_policy policy = {
		.tls = true,
		.plain_allowed = true,
		.external = true,
		.exporter = lm_str("exported by both ends of the TLS"),
	};
	struct lm_sasl_server *server;
	struct lm_sasl_client *client;

	assert_err(lm_sasl_server_new(all, lm_str(t->mechanism), &policy, &server), 0);
	assert_err(lm_sasl_client_new(t->mechanism, &t->credentials, &client), 0);
	converse(t, client, server);
	lm_sasl_client_free(client);
	lm_sasl_server_free(server);
}

static void every_mechanism(void **state)
{
	(void)state;
	for (const char *const *name = lm_sasl_mechanisms(); *name; name++) {
		struct talk t = { .mechanism = *name, .credentials = full() };

		talk(&t);
		assert_int_equal(t.state, LM_SASL_OK);
		assert_err(t.client_error, 0);
		assert_true(t.done);
	}
}

static void wrong_credentials(void **state)
{
	(void)state;
	for (const char *const *name = lm_sasl_mechanisms(); *name; name++) {
		struct talk t = { .mechanism = *name, .credentials = full() };

		if (!strcmp(*name, "EXTERNAL"))
			continue;
		t.credentials.password = lm_str("wrong");
		t.credentials.token = lm_str("wrong");
		talk(&t);
		assert_int_equal(t.state, LM_SASL_FAILED);
		/* A lie about success would not be believed where the server has to prove it. */
		if (strstr(*name, "SCRAM") || strstr(*name, "OAUTH"))
			assert_false(t.done);
	}
}

static void another_tls_in_between(void **state)
{
	struct talk t = { .mechanism = "SCRAM-SHA-256-PLUS", .credentials = full() };

	(void)state;
	t.credentials.exporter = lm_str("what the one in between exported");
	talk(&t);
	assert_int_equal(t.state, LM_SASL_FAILED);
	assert_false(t.done);
}

static void choice(void **state)
{
	struct lm_sasl_credentials c = full();

	(void)state;
	assert_string_equal(lm_sasl_client_choose(all, &c), "EXTERNAL");
	c.certificate = false;
	assert_string_equal(lm_sasl_client_choose(all, &c), "SCRAM-SHA-256-PLUS");
	c.exporter = lm_str("");
	assert_string_equal(lm_sasl_client_choose(all, &c), "SCRAM-SHA-256");
	assert_string_equal(lm_sasl_client_choose("LOGIN plain NTLM", &c), "PLAIN");
	c.plain_allowed = false;
	assert_null(lm_sasl_client_choose("LOGIN PLAIN XOAUTH2", &c));
	c.plain_allowed = true;
	c.password = lm_str("");
	assert_string_equal(lm_sasl_client_choose(all, &c), "OAUTHBEARER");
	c.token = lm_str("");
	assert_null(lm_sasl_client_choose(all, &c));
}

static void bad_arguments(void **state)
{
	struct lm_sasl_credentials c = full();
	struct lm_sasl_client *client;

	(void)state;
	assert_err(lm_sasl_client_new("NTLM", &c, &client), LM_E_UNSUPPORTED);
	c.plain_allowed = false;
	assert_err(lm_sasl_client_new("PLAIN", &c, &client), LM_E_UNSUPPORTED);
	c.user = lm_bytes("an\0na", 5);
	assert_err(lm_sasl_client_new("CRAM-MD5", &c, &client), LM_E_MISUSE);
	lm_sasl_client_free(NULL);
}

static void lying_servers(void **state)
{
	static const char *const lies[] = { "", "x", "r=abc,s=QQ==,i=1", "v=AAAA",
		                            "e=other-error" };
	struct lm_sasl_credentials c = full();

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct lm_sasl_client *client;
		struct lm_buf out;

		lm_buf_init(&out, 20000);
		assert_err(lm_sasl_client_new("SCRAM-SHA-256", &c, &client), 0);
		assert_err(lm_sasl_client_step(client, lm_str(""), &out), 0);
		assert_err(lm_sasl_client_step(client, lm_str(lies[i]), &out), LM_E_AUTH);
		assert_false(lm_sasl_client_done(client));
		lm_sasl_client_free(client);
		lm_buf_done(&out);
	}
}

static void failing_allocations(void **state)
{
	struct lm_sasl_credentials c = full();

	(void)state;
	for (const char *const *name = lm_sasl_mechanisms(); *name; name++) {
		struct lm_sasl_client *client = NULL;
		unsigned long n = 1;
		int err = LM_E_NOMEM;

		for (; err == LM_E_NOMEM; n++) {
			lm_alloc_fail_at(n);
			err = lm_sasl_client_new(*name, &c, &client);
			lm_alloc_fail_at(0);
		}
		assert_err(err, 0);
		assert_in_range(n, 2, 20);
		lm_sasl_client_free(client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mechanism),        cmocka_unit_test(wrong_credentials),
		cmocka_unit_test(another_tls_in_between), cmocka_unit_test(choice),
		cmocka_unit_test(bad_arguments),          cmocka_unit_test(lying_servers),
		cmocka_unit_test(failing_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
