/* Exchanges against GNU SASL's client in memory: right, wrong, unknown, broken, tricked. */
#include "lm_test.h"

#include "sasl/sasl.h"
#include "wire/text.h"

#include <gsasl.h>

static const char all[] =
        "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN "
        "LOGIN EXTERNAL OAUTHBEARER XOAUTH2";
static const uint8_t exporter[32] = "exported by both ends of the TLS";

/* One run: what the client has, how the owner answers, and what came of it. */
struct run {
	const char *mechanism;
	const char *name, *password, *authzid;
	const char *client_binding; /* NULL: the right one, where -PLUS is used */
	int result;                 /* the owner's answer to the question */
	const char *user;           /* its reply.user */
	bool tricked;               /* the client was not shown -PLUS and says 'y' */

	struct lm_sasl_policy policy;
	enum lm_sasl_state state;
	int error;
	unsigned asked, rounds;
	char who[64];
	int nomem;
};

static struct lm_sasl_policy open_policy(void)
{
	return (struct lm_sasl_policy){
		.tls = true,
		.plain_allowed = true,
		.exporter = lm_bytes(exporter, sizeof(exporter)),
		.external = true,
		.hostname = "mx.example",
		.service = "smtp",
	};
}

static int client_callback(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	const struct run *r = gsasl_callback_hook_get(gsasl);
	const char *value = NULL;
	char *base64 = NULL;
	size_t len;

	if (property == GSASL_AUTHID)
		value = r->name;
	else if (property == GSASL_PASSWORD)
		value = r->password;
	else if (property == GSASL_AUTHZID)
		value = r->authzid;
	else if (property == GSASL_HOSTNAME)
		value = "mx.example";
	else if (property == GSASL_CB_TLS_EXPORTER && strstr(r->mechanism, "-PLUS")) {
		const char *octets = r->client_binding ? r->client_binding : (const char *)exporter;

		assert_int_equal(gsasl_base64_to(octets, 32, &base64, &len), GSASL_OK);
		value = base64;
	}
	if (value)
		gsasl_property_set(session, property, value);
	gsasl_free(base64);
	return value ? GSASL_OK : GSASL_NO_CALLBACK;
}

/* Keys of "anna", whose password is "secret", and made-up ones: [sha256][known]. */
static struct {
	uint8_t stored[32], server[32];
	size_t len;
} keys[2][2];

static int make_keys(void **state)
{
	(void)state;
	for (int sha256 = 0; sha256 < 2; sha256++) {
		for (int known = 0; known < 2; known++) {
			int err = lm_scram_keys(
			        sha256, lm_str(known ? "secret" : "made up"),
			        lm_str("0123456789abcdef"), 4096, keys[sha256][known].stored,
			        keys[sha256][known].server, &keys[sha256][known].len);

			if (err)
				return err;
		}
	}
	return 0;
}

static struct lm_secret secret_of(const struct lm_auth *question)
{
	bool known = lm_bytes_equal(question->authcid, lm_str("anna"));
	bool sha256 = question->need == LM_NEED_SCRAM_SHA256;
	struct lm_secret secret = { 0 };

	if (question->need == LM_NEED_PLAIN) {
		secret.plain = lm_str(known ? "secret" : "made up");
		return secret;
	}
	secret.salt = lm_str("0123456789abcdef");
	secret.iterations = 4096;
	secret.stored_key = lm_bytes(keys[sha256][known].stored, keys[sha256][known].len);
	secret.server_key = lm_bytes(keys[sha256][known].server, keys[sha256][known].len);
	return secret;
}

static int judge(struct run *r, const struct lm_auth *question)
{
	if (r->result)
		return r->result;
	if (question->kind == LM_AUTH_PASSWORD)
		return lm_bytes_equal(question->authcid, lm_str("anna")) &&
		                       lm_bytes_equal(question->password, lm_str("secret"))
		               ? 0
		               : LM_E_AUTH;
	if (question->kind == LM_AUTH_TOKEN)
		return lm_bytes_equal(question->token, lm_str("t0k.en=")) ? 0 : LM_E_AUTH;
	return 0;
}

static int answer(struct run *r, struct lm_sasl_server *s, struct lm_buf *out,
                  enum lm_sasl_state *out_state)
{
	const struct lm_auth *question = lm_sasl_server_question(s);
	struct lm_reply reply = LM_REPLY_INIT;

	r->asked++;
	assert_bytes(question->mechanism, lm_str(r->mechanism));
	reply.result = judge(r, question);
	reply.user = lm_str(r->user);
	if (question->kind == LM_AUTH_SECRET)
		reply.secret = secret_of(question);
	return lm_sasl_server_answer(s, &reply, out, out_state);
}

/* One turn of the server, its question answered at once. */
static int turn(struct run *r, struct lm_sasl_server *s, bool has, struct lm_bytes in,
                struct lm_buf *out)
{
	int err;

	lm_buf_clear(out);
	err = lm_sasl_server_step(s, has, in, out, &r->state);
	if (!err && r->state == LM_SASL_ASK)
		err = answer(r, s, out, &r->state);
	r->rounds++;
	return err;
}

static void converse(struct run *r, struct lm_sasl_server *s, Gsasl_session *client)
{
	bool server_first = !strcmp(r->mechanism, "CRAM-MD5") || !strcmp(r->mechanism, "LOGIN");
	struct lm_buf out;
	char *text = NULL;
	size_t len = 0;
	int rc = GSASL_NEEDS_MORE;

	lm_buf_init(&out, 16384);
	r->state = LM_SASL_CONTINUE;
	if (server_first)
		r->nomem = turn(r, s, false, lm_bytes(NULL, 0), &out);
	while (r->state == LM_SASL_CONTINUE && !r->nomem) {
		struct lm_bytes challenge = lm_buf_bytes(&out);

		rc = gsasl_step(client, (const char *)challenge.data, challenge.len, &text, &len);
		if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
			break;
		/* 'y' instead of 'n': a client that could bind but was not offered to. */
		if (r->tricked && !r->asked && len)
			text[0] = 'y';
		r->nomem = turn(r, s, true, lm_bytes(text, len), &out);
		gsasl_free(text);
		text = NULL;
	}
	if (r->state == LM_SASL_OK && lm_buf_len(&out)) {
		/* The server's own proof must convince the client. */
		rc = gsasl_step(client, (const char *)lm_buf_bytes(&out).data, lm_buf_len(&out),
		                &text, &len);
		assert_int_equal(rc, GSASL_OK);
		gsasl_free(text);
	}
	lm_buf_wipe(&out);
}

static void run(struct run *r)
{
	struct lm_sasl_server *s = NULL;
	Gsasl *gsasl;
	Gsasl_session *client;
	struct lm_bytes who;

	if (!r->policy.hostname)
		r->policy = open_policy();
	assert_int_equal(gsasl_init(&gsasl), GSASL_OK);
	gsasl_callback_set(gsasl, client_callback);
	gsasl_callback_hook_set(gsasl, r);
	assert_int_equal(gsasl_client_start(gsasl, r->mechanism, &client), GSASL_OK);
	r->nomem = lm_sasl_server_new(all, lm_str(r->mechanism), &r->policy, &s);
	if (!r->nomem) {
		converse(r, s, client);
		r->error = r->state == LM_SASL_FAILED ? lm_sasl_server_error(s) : 0;
		who = lm_sasl_server_user(s);
		assert_true(who.len < sizeof(r->who));
		snprintf(r->who, sizeof(r->who), "%.*s", LM_FMT(who));
	}
	lm_sasl_server_free(s);
	gsasl_finish(client);
	gsasl_done(gsasl);
}

static const char *const with_password[] = { "PLAIN",
	                                     "LOGIN",
	                                     "CRAM-MD5",
	                                     "SCRAM-SHA-1",
	                                     "SCRAM-SHA-256",
	                                     "SCRAM-SHA-1-PLUS",
	                                     "SCRAM-SHA-256-PLUS" };
#define EACH(m, list) (size_t m = 0; m < sizeof(list) / sizeof(list[0]); m++)

static void right_password(void **state)
{
	(void)state;
	for
		EACH(m, with_password)
		{
			struct run r = { .mechanism = with_password[m],
				         .name = "anna",
				         .password = "secret" };

			run(&r);
			assert_int_equal(r.state, LM_SASL_OK);
			assert_string_equal(r.who, "anna");
			assert_int_equal(r.asked, 1);
		}
}

static void canonical_name(void **state)
{
	(void)state;
	for
		EACH(m, with_password)
		{
			struct run r = { .mechanism = with_password[m],
				         .name = "anna",
				         .password = "secret",
				         .user = "Anna" };

			run(&r);
			assert_int_equal(r.state, LM_SASL_OK);
			assert_string_equal(r.who, "Anna");
		}
}

static void wrong_password_and_unknown_user_look_alike(void **state)
{
	(void)state;
	for
		EACH(m, with_password)
		{
			struct run wrong = { .mechanism = with_password[m],
				             .name = "anna",
				             .password = "Secret" };
			struct run unknown = { .mechanism = with_password[m],
				               .name = "otto",
				               .password = "secret" };
			struct run refused = { .mechanism = with_password[m],
				               .name = "anna",
				               .password = "secret",
				               .result = LM_E_NOT_FOUND };

			run(&wrong);
			run(&unknown);
			run(&refused);
			assert_int_equal(wrong.state, LM_SASL_FAILED);
			assert_int_equal(unknown.state, LM_SASL_FAILED);
			assert_int_equal(refused.state, LM_SASL_FAILED);
			assert_err(wrong.error, LM_E_AUTH);
			assert_err(unknown.error, LM_E_AUTH);
			assert_err(refused.error, LM_E_AUTH);
			assert_int_equal(wrong.rounds, unknown.rounds);
			assert_int_equal(wrong.rounds, refused.rounds);
			assert_string_equal(unknown.who, "otto");
		}
}

static void temporary_error_is_kept(void **state)
{
	(void)state;
	for
		EACH(m, with_password)
		{
			struct run r = { .mechanism = with_password[m],
				         .name = "anna",
				         .password = "secret",
				         .result = LM_E_STORE };

			run(&r);
			assert_int_equal(r.state, LM_SASL_FAILED);
			assert_err(r.error, LM_E_STORE);
		}
}

static void foreign_authzid(void **state)
{
	static const char *const takes_authzid[] = { "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256",
		                                     "SCRAM-SHA-256-PLUS" };

	(void)state;
	for
		EACH(m, takes_authzid)
		{
			struct run foreign = { .mechanism = takes_authzid[m],
				               .name = "anna",
				               .password = "secret",
				               .authzid = "otto" };
			struct run allowed = foreign, own = foreign;

			allowed.user = "otto";
			own.authzid = "anna";
			run(&foreign);
			run(&allowed);
			run(&own);
			assert_int_equal(foreign.state, LM_SASL_FAILED);
			assert_err(foreign.error, LM_E_AUTH);
			assert_int_equal(allowed.state, LM_SASL_OK);
			assert_string_equal(allowed.who, "otto");
			assert_int_equal(own.state, LM_SASL_OK);
			assert_string_equal(own.who, "anna");
		}
}

static void wrong_binding_fails(void **state)
{
	static const char *const plus[] = { "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS" };

	(void)state;
	for
		EACH(m, plus)
		{
			struct run r = { .mechanism = plus[m],
				         .name = "anna",
				         .password = "secret",
				         .client_binding = "what someone in between exports." };

			run(&r);
			assert_int_equal(r.state, LM_SASL_FAILED);
			assert_err(r.error, LM_E_AUTH);
		}
}

static void downgrade_fails(void **state)
{
	struct run tricked = {
		.mechanism = "SCRAM-SHA-256", .name = "anna", .password = "secret", .tricked = true
	};

	(void)state;
	run(&tricked);
	assert_int_equal(tricked.state, LM_SASL_FAILED);
	assert_err(tricked.error, LM_E_AUTH);
	assert_int_equal(tricked.asked, 0);
}

/* One response to a fresh exchange; gives the state, and the error in *out_error. */
static enum lm_sasl_state say(const char *mechanism, struct lm_bytes response, int *out_error)
{
	struct lm_sasl_policy policy = open_policy();
	struct run r = { .mechanism = mechanism };
	struct lm_sasl_server *s;
	struct lm_buf out;

	lm_buf_init(&out, 16384);
	assert_err(lm_sasl_server_new(all, lm_str(mechanism), &policy, &s), 0);
	if (!strcmp(mechanism, "CRAM-MD5"))
		assert_err(turn(&r, s, false, lm_bytes(NULL, 0), &out), 0);
	assert_err(turn(&r, s, true, response, &out), 0);
	*out_error = lm_sasl_server_error(s);
	lm_buf_done(&out);
	lm_sasl_server_free(s);
	return r.state;
}

#define OCTETS(s) lm_bytes(s, sizeof(s) - 1)

static void plain_vectors(void **state)
{
	static const struct {
		struct lm_bytes response;
		enum lm_sasl_state state;
		int error;
	} table[] = {
		{ { (const uint8_t *)"\0anna\0secret", 12 }, LM_SASL_OK, LM_E_AUTH },
		{ { (const uint8_t *)"anna\0anna\0secret", 16 }, LM_SASL_OK, LM_E_AUTH },
		{ { (const uint8_t *)"otto\0anna\0secret", 16 }, LM_SASL_FAILED, LM_E_AUTH },
		{ { (const uint8_t *)"\0anna\0wrong", 11 }, LM_SASL_FAILED, LM_E_AUTH },
		{ { (const uint8_t *)"\0anna\0", 6 }, LM_SASL_FAILED, LM_E_SYNTAX },
		{ { (const uint8_t *)"\0\0secret", 8 }, LM_SASL_FAILED, LM_E_SYNTAX },
		{ { (const uint8_t *)"\0anna\0sec\0ret", 13 }, LM_SASL_FAILED, LM_E_SYNTAX },
		{ { (const uint8_t *)"\0an\rna\0secret", 13 }, LM_SASL_FAILED, LM_E_SYNTAX },
		{ { (const uint8_t *)"\0an\xff\0secret", 11 }, LM_SASL_FAILED, LM_E_SYNTAX },
		{ { (const uint8_t *)"anna", 4 }, LM_SASL_FAILED, LM_E_SYNTAX },
		{ { (const uint8_t *)"", 0 }, LM_SASL_FAILED, LM_E_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int error;

		assert_int_equal(say("PLAIN", table[i].response, &error), table[i].state);
		assert_err(error, table[i].error);
	}
}

static void scram_first_messages(void **state)
{
	static const struct {
		const char *mechanism, *first;
		int error; /* 0: goes on */
	} table[] = {
		{ "SCRAM-SHA-1", "n,,n=anna,r=fyko+d2lbbFgONRv9qkxdawL", 0 },
		{ "SCRAM-SHA-1", "n,a=anna,n=anna,r=fyko", 0 },
		{ "SCRAM-SHA-1", "n,,n=a=2Cn=3Dna,r=fyko", 0 },
		{ "SCRAM-SHA-1", "n,,n=a=2cnna,r=fyko", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "n,,n=anna=,r=fyko", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "n,,n=,r=fyko", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "n,,n=an\nna,r=fyko", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "n,,m=ext,n=anna,r=fyko", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "n,b=otto,n=anna,r=fyko", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "n,,n=anna", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "x,,n=anna,r=fyko", LM_E_SYNTAX },
		{ "SCRAM-SHA-1", "y,,n=anna,r=fyko", LM_E_AUTH },
		{ "SCRAM-SHA-1", "p=tls-exporter,,n=anna,r=fyko", LM_E_AUTH },
		{ "SCRAM-SHA-1-PLUS", "p=tls-exporter,,n=anna,r=fyko", 0 },
		{ "SCRAM-SHA-1-PLUS", "p=tls-unique,,n=anna,r=fyko", LM_E_AUTH },
		{ "SCRAM-SHA-1-PLUS", "n,,n=anna,r=fyko", LM_E_AUTH },
		{ "SCRAM-SHA-1-PLUS", "y,,n=anna,r=fyko", LM_E_AUTH },
		{ "SCRAM-SHA-256", "", LM_E_SYNTAX },
		{ "SCRAM-SHA-256", ",,,,,,", LM_E_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int error;
		enum lm_sasl_state end = say(table[i].mechanism, lm_str(table[i].first), &error);

		assert_int_equal(end, table[i].error ? LM_SASL_FAILED : LM_SASL_CONTINUE);
		if (table[i].error)
			assert_err(error, table[i].error);
	}
}

static void a_client_that_cannot_bind_may_say_y(void **state)
{
	struct lm_sasl_policy policy = open_policy();
	struct run r = { .mechanism = "SCRAM-SHA-256" };
	struct lm_sasl_server *s;
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 16384);
	policy.exporter = lm_bytes(NULL, 0);
	assert_err(lm_sasl_server_new(all, lm_str("scram-sha-256"), &policy, &s), 0);
	assert_err(turn(&r, s, true, lm_str("y,,n=anna,r=abc"), &out), 0);
	assert_int_equal(r.state, LM_SASL_CONTINUE);
	lm_sasl_server_free(s);
	policy.plus_offered = true;
	assert_err(lm_sasl_server_new(all, lm_str("SCRAM-SHA-256"), &policy, &s), 0);
	assert_err(turn(&r, s, true, lm_str("y,,n=anna,r=abc"), &out), 0);
	assert_int_equal(r.state, LM_SASL_FAILED);
	lm_sasl_server_free(s);
	lm_buf_done(&out);
}

static void scram_rejects_weak_secrets(void **state)
{
	struct lm_sasl_policy policy = open_policy();
	uint8_t key[32] = { 0 };

	(void)state;
	for (int weak = 0; weak < 4; weak++) {
		struct lm_reply reply = LM_REPLY_INIT;
		struct lm_sasl_server *s;
		enum lm_sasl_state end;
		struct lm_buf out;

		lm_buf_init(&out, 16384);
		reply.secret.salt = lm_bytes(key, weak == 0 ? 0 : 16);
		reply.secret.iterations = weak == 1 ? 4095 : 4096;
		reply.secret.stored_key = lm_bytes(key, weak == 2 ? 20 : 32);
		reply.secret.server_key = lm_bytes(key, weak == 3 ? 0 : 32);
		assert_err(lm_sasl_server_new(all, lm_str("SCRAM-SHA-256"), &policy, &s), 0);
		assert_err(lm_sasl_server_step(s, true, lm_str("n,,n=anna,r=abc"), &out, &end), 0);
		assert_int_equal(end, LM_SASL_ASK);
		assert_err(lm_sasl_server_answer(s, &reply, &out, &end), 0);
		assert_int_equal(end, LM_SASL_FAILED);
		assert_err(lm_sasl_server_error(s), LM_E_MISUSE);
		lm_sasl_server_free(s);
		lm_buf_done(&out);
	}
}

static void oauth_messages(void **state)
{
	static const struct {
		const char *mechanism, *message;
		enum lm_sasl_state state;
		const char *who;
	} table[] = {
		{ "OAUTHBEARER", "n,a=anna,\1host=mx.example\1port=25\1auth=Bearer t0k.en=\1\1",
		  LM_SASL_OK, "anna" },
		{ "OAUTHBEARER", "y,a=anna,\1auth=bearer t0k.en=\1\1", LM_SASL_OK, "anna" },
		{ "OAUTHBEARER", "n,a=anna,\1auth=Bearer wrong\1\1", LM_SASL_CONTINUE, "anna" },
		{ "OAUTHBEARER", "n,a=anna,\1auth=\1\1", LM_SASL_CONTINUE, "" },
		{ "OAUTHBEARER", "n,a=anna,\1auth=Basic YTpi\1\1", LM_SASL_CONTINUE, "" },
		{ "OAUTHBEARER", "p=x,a=anna,\1auth=Bearer t0k.en=\1\1", LM_SASL_FAILED, "" },
		{ "OAUTHBEARER", "n,a=anna,\1auth=Bearer t0k.en=\1", LM_SASL_FAILED, "" },
		{ "OAUTHBEARER", "n,a=anna,auth=Bearer t0k.en=\1\1", LM_SASL_FAILED, "" },
		{ "OAUTHBEARER", "n,a=an\tna,\1auth=Bearer t0k.en=\1\1", LM_SASL_FAILED, "" },
		{ "XOAUTH2", "user=anna\1auth=Bearer t0k.en=\1\1", LM_SASL_OK, "anna" },
		{ "XOAUTH2", "user=anna\1auth=Bearer wrong\1\1", LM_SASL_CONTINUE, "anna" },
		{ "XOAUTH2", "user=anna\1auth=Bearer t0k.en=", LM_SASL_FAILED, "" },
		{ "XOAUTH2", "", LM_SASL_FAILED, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct lm_sasl_policy policy = open_policy();
		struct run r = { .mechanism = table[i].mechanism };
		struct lm_sasl_server *s;
		struct lm_buf out;

		lm_buf_init(&out, 16384);
		assert_err(lm_sasl_server_new(all, lm_str(r.mechanism), &policy, &s), 0);
		assert_err(turn(&r, s, true, lm_str(table[i].message), &out), 0);
		assert_int_equal(r.state, table[i].state);
		assert_bytes(lm_sasl_server_user(s), lm_str(table[i].who));
		if (r.state == LM_SASL_CONTINUE) {
			assert_true(lm_buf_len(&out) > 20);
			assert_err(turn(&r, s, true, lm_str("\1"), &out), 0);
			assert_int_equal(r.state, LM_SASL_FAILED);
			assert_err(lm_sasl_server_error(s), LM_E_AUTH);
		}
		lm_sasl_server_free(s);
		lm_buf_done(&out);
	}
}

static void oauth_temporary_error(void **state)
{
	struct lm_sasl_policy policy = open_policy();
	struct run r = { .mechanism = "XOAUTH2", .result = LM_E_TIMEOUT };
	struct lm_sasl_server *s;
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 16384);
	assert_err(lm_sasl_server_new(all, lm_str(r.mechanism), &policy, &s), 0);
	assert_err(turn(&r, s, true, lm_str("user=anna\1auth=Bearer t0k.en=\1\1"), &out), 0);
	assert_int_equal(r.state, LM_SASL_FAILED);
	assert_err(lm_sasl_server_error(s), LM_E_TIMEOUT);
	lm_sasl_server_free(s);
	lm_buf_done(&out);
}

static void external(void **state)
{
	struct run named = { .mechanism = "EXTERNAL", .authzid = "anna" };
	struct run mapped = { .mechanism = "EXTERNAL", .user = "anna" };
	struct run nameless = { .mechanism = "EXTERNAL" };
	struct run refused = { .mechanism = "EXTERNAL", .authzid = "anna", .result = LM_E_AUTH };
	int error;

	(void)state;
	run(&named);
	assert_int_equal(named.state, LM_SASL_OK);
	assert_string_equal(named.who, "anna");
	run(&mapped);
	assert_int_equal(mapped.state, LM_SASL_OK);
	assert_string_equal(mapped.who, "anna");
	run(&nameless);
	assert_int_equal(nameless.state, LM_SASL_FAILED);
	run(&refused);
	assert_err(refused.error, LM_E_AUTH);
	assert_int_equal(say("EXTERNAL", OCTETS("an\0na"), &error), LM_SASL_FAILED);
	assert_err(error, LM_E_SYNTAX);
}

static void login_with_initial_name(void **state)
{
	struct lm_sasl_policy policy = open_policy();
	struct run r = { .mechanism = "LOGIN" };
	struct lm_sasl_server *s;
	struct lm_buf out;
	int error;

	(void)state;
	lm_buf_init(&out, 16384);
	assert_err(lm_sasl_server_new(all, lm_str("login"), &policy, &s), 0);
	assert_err(turn(&r, s, true, lm_str("anna"), &out), 0);
	assert_int_equal(r.state, LM_SASL_CONTINUE);
	assert_bytes(lm_buf_bytes(&out), lm_str("Password:"));
	assert_err(turn(&r, s, true, lm_str("secret"), &out), 0);
	assert_int_equal(r.state, LM_SASL_OK);
	lm_sasl_server_free(s);
	lm_buf_done(&out);
	assert_int_equal(say("LOGIN", OCTETS("an\0na"), &error), LM_SASL_FAILED);
	assert_err(error, LM_E_SYNTAX);
	assert_int_equal(say("LOGIN", OCTETS(""), &error), LM_SASL_FAILED);
}

static void huge_and_garbled_responses(void **state)
{
	static uint8_t huge[20000];

	(void)state;
	memset(huge, 'a', sizeof(huge));
	for (const char *const *name = lm_sasl_mechanisms(); *name; name++) {
		int error;

		assert_int_equal(say(*name, lm_bytes(huge, sizeof(huge)), &error), LM_SASL_FAILED);
		assert_err(error, LM_E_SYNTAX);
		assert_int_equal(say(*name, OCTETS("\0\xff\r\n\0\0,,=\1"), &error), LM_SASL_FAILED);
		assert_err(error, LM_E_SYNTAX);
	}
}

/* Cut, lengthen and flip the second response of exchanges that would have succeeded. */
static void garbage_in_the_second_round(void **state)
{
	static const char *const two[] = { "SCRAM-SHA-1", "SCRAM-SHA-256" };
	static const char *const garbage[] = {
		"", "c=biws", "c=biws,r=,p=", "c=biws,r=x,p=AAAA", "\1\2\3", "c=,r=abc,p=v"
	};

	(void)state;
	for
		EACH(m, two)
		{
		for
			EACH(g, garbage)
			{
				struct lm_sasl_policy policy = open_policy();
				struct run r = { .mechanism = two[m] };
				struct lm_sasl_server *s;
				struct lm_buf out;

				lm_buf_init(&out, 16384);
				assert_err(lm_sasl_server_new(all, lm_str(two[m]), &policy, &s), 0);
				assert_err(turn(&r, s, true, lm_str("n,,n=anna,r=abc"), &out), 0);
				assert_int_equal(r.state, LM_SASL_CONTINUE);
				assert_err(turn(&r, s, true, lm_str(garbage[g]), &out), 0);
				assert_int_equal(r.state, LM_SASL_FAILED);
				/* And nothing wakes it again. */
				assert_err(turn(&r, s, true, lm_str("n,,n=anna,r=abc"), &out), 0);
				assert_int_equal(r.state, LM_SASL_FAILED);
				lm_sasl_server_free(s);
				lm_buf_done(&out);
			}
		}
}

/* "*" of the client may come while the owner is still asked. */
/* One run whose n-th allocation fails; true when there was no n-th. */
static bool fail_nth(const char *mechanism, unsigned long n)
{
	struct run r = { .mechanism = mechanism, .name = "anna", .password = "secret" };

	lm_alloc_fail_at(n);
	run(&r);
	lm_alloc_fail_at(0);
	if (r.nomem)
		assert_err(r.nomem, LM_E_NOMEM);
	else
		assert_int_equal(r.state, LM_SASL_OK);
	return !r.nomem;
}

static void failing_allocations(void **state)
{
	(void)state;
	for
		EACH(m, with_password)
		{
			unsigned long n = 1;

			while (!fail_nth(with_password[m], n))
				n++;
			assert_in_range(n, 2, 100);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_password),
		cmocka_unit_test(canonical_name),
		cmocka_unit_test(wrong_password_and_unknown_user_look_alike),
		cmocka_unit_test(temporary_error_is_kept),
		cmocka_unit_test(foreign_authzid),
		cmocka_unit_test(wrong_binding_fails),
		cmocka_unit_test(downgrade_fails),
		cmocka_unit_test(plain_vectors),
		cmocka_unit_test(scram_first_messages),
		cmocka_unit_test(a_client_that_cannot_bind_may_say_y),
		cmocka_unit_test(scram_rejects_weak_secrets),
		cmocka_unit_test(oauth_messages),
		cmocka_unit_test(oauth_temporary_error),
		cmocka_unit_test(external),
		cmocka_unit_test(login_with_initial_name),
		cmocka_unit_test(huge_and_garbled_responses),
		cmocka_unit_test(garbage_in_the_second_round),
		cmocka_unit_test(failing_allocations),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
