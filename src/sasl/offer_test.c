/* What is offered and what may be begun, and exchanges that end early. */
#include "lm_test.h"

#include "sasl/sasl.h"

static const char all[] =
        "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN "
        "LOGIN EXTERNAL OAUTHBEARER XOAUTH2";

#define OCTETS(s) lm_bytes(s, sizeof(s) - 1)

static struct lm_sasl_policy open_policy(void)
{
	return (struct lm_sasl_policy){
		.tls = true,
		.plain_allowed = true,
		.exporter = lm_str("exported by both ends of the TLS"),
		.external = true,
		.hostname = "mx.example",
		.service = "smtp",
	};
}

static void offer_follows_policy(void **state)
{
	struct lm_sasl_policy policy = { .hostname = "mx", .service = "pop" };
	struct lm_sasl_server *s;
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 1000);
	assert_err(lm_sasl_offer("plain LOGIN nonsense scram-sha-256-plus SCRAM-SHA-256 EXTERNAL",
	                         &policy, &out),
	           0);
	assert_bytes(lm_buf_bytes(&out), lm_str("SCRAM-SHA-256"));
	assert_err(lm_sasl_server_new(all, lm_str("PLAIN"), &policy, &s), LM_E_UNSUPPORTED);
	assert_err(lm_sasl_server_new("PLAIN", lm_str("SCRAM-SHA-256"), &policy, &s),
	           LM_E_UNSUPPORTED);
	assert_err(lm_sasl_server_new(all, lm_str("EXTERNAL"), &policy, &s), LM_E_UNSUPPORTED);
	assert_err(lm_sasl_server_new(all, lm_str("SCRAM-SHA-1-PLUS"), &policy, &s),
	           LM_E_UNSUPPORTED);
	assert_err(lm_sasl_server_new(all, lm_str("NOPE"), &policy, &s), LM_E_UNSUPPORTED);
	lm_buf_clear(&out);
	policy = open_policy();
	assert_err(lm_sasl_offer(all, &policy, &out), 0);
	assert_bytes(lm_buf_bytes(&out),
	             lm_str("EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 "
	                    "SCRAM-SHA-1 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN"));
	lm_buf_done(&out);
}

static void each_name_can_be_started(void **state)
{
	struct lm_sasl_policy policy = open_policy();

	(void)state;
	for (const char *const *name = lm_sasl_mechanisms(); *name; name++) {
		struct lm_sasl_server *s;

		assert_err(lm_sasl_server_new(all, lm_str(*name), &policy, &s), 0);
		lm_sasl_server_free(s); /* cancelled before the first step */
	}
	lm_sasl_server_free(NULL);
}

static void cancelled_while_asked(void **state)
{
	struct lm_sasl_policy policy = open_policy();
	struct lm_sasl_server *s;
	enum lm_sasl_state end;
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 1000);
	assert_err(lm_sasl_server_new(all, lm_str("PLAIN"), &policy, &s), 0);
	assert_err(lm_sasl_server_step(s, true, OCTETS("\0anna\0secret"), &out, &end), 0);
	assert_int_equal(end, LM_SASL_ASK);
	assert_bytes(lm_sasl_server_question(s)->password, lm_str("secret"));
	lm_sasl_server_free(s);
	lm_buf_done(&out);
}

static void password_is_forgotten_with_the_answer(void **state)
{
	struct lm_sasl_policy policy = open_policy();
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_sasl_server *s;
	enum lm_sasl_state end;
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 1000);
	assert_err(lm_sasl_server_new(all, lm_str("PLAIN"), &policy, &s), 0);
	assert_err(lm_sasl_server_step(s, true, OCTETS("\0anna\0secret"), &out, &end), 0);
	assert_err(lm_sasl_server_answer(s, &reply, &out, &end), 0);
	assert_int_equal(lm_sasl_server_question(s)->password.len, 0);
	/* A second answer changes nothing. */
	reply.result = LM_E_AUTH;
	assert_err(lm_sasl_server_answer(s, &reply, &out, &end), 0);
	assert_int_equal(end, LM_SASL_FAILED);
	lm_sasl_server_free(s);
	lm_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offer_follows_policy),
		cmocka_unit_test(each_name_can_be_started),
		cmocka_unit_test(cancelled_while_asked),
		cmocka_unit_test(password_is_forgotten_with_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
