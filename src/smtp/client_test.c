/* The client session: how it opens, asks, waits and ends. */
#include "lm_test.h"

#include "smtp/client_peer.h"

#define ALL                                                                             \
	"250-mx at your service\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n" \
	"250 AUTH PLAIN\r\n"

static void opens(void **state)
{
	struct owner o;
	struct lm_bytes rest;

	(void)state;
	owner_init(&o, LM_SMTP);
	owner_open(&o);
	assert_said(&o, "");
	owner_hear(&o, "220-mx\r\n220 more\r\n");
	assert_said(&o, "EHLO me\r\n");
	assert_outcomes(&o, "");
	owner_hear(&o, ALL);
	assert_outcomes(&o,
	                "OK 250 mx at your service\nPIPELINING\nSIZE 1000\n8BITMIME\nAUTH PLAIN;");
	assert_bytes(lm_smtp_client_session_greeting(o.session), lm_str("mx\nmore"));
	assert_true(lm_smtp_client_session_has(o.session, "size", &rest));
	assert_bytes(rest, lm_str("1000"));
	assert_false(lm_smtp_client_session_has(o.session, "SIZ", NULL));
	assert_true(lm_session_deadline(o.session) == LM_NEVER);
	owner_done(&o);
}

static void sends(void **state)
{
	struct lm_recipient to[2] = { { .address = lm_str("b@x") }, { .address = lm_str("c@x") } };
	struct lm_envelope envelope = {
		.sender = lm_str("a@x"), .recipients = to, .recipient_count = 2, .size = 20
	};
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_SEND);
	struct owner o;

	(void)state;
	r.envelope = &envelope;
	owner_init(&o, LM_SMTP);
	owner_greet(&o, ALL);
	assert_err(owner_ask(&o, &r), 0);
	assert_said(&o, "MAIL FROM:<a@x> SIZE=20\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n");
	owner_hear(&o, "250 2.1.0 fine\r\n250 2.1.5 he\r\n550 5.1.1 no\r\n354 go\r\n");
	assert_said(&o, "Subject: x\r\n\r\n..hi\r\n.\r\n");
	owner_hear(&o, "250 2.0.0 queued\r\n");
	assert_outcomes(&o, "NOT_FOUND 550 5.1.1 no [OK 250 2.1.5 he] [DENIED 550 5.1.1 no];");
	owner_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens),
		cmocka_unit_test(sends),
	};

	return cmocka_run_group_tests_name("smtp/client", tests, NULL, NULL);
}
