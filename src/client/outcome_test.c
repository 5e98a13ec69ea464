/* Outcomes in words: which side, which command, which reply, and nothing that moves a cursor. */
#include "lm_test.h"

#include <lettermill/client.h>

static void check(struct lm_outcome outcome, const char *want)
{
	struct lm_error error = { 0 };

	assert_err(lm_client_outcome_error(&outcome, &error), outcome.result);
	assert_err(error.code, outcome.result);
	assert_string_equal(error.text, want);
	assert_err(lm_client_outcome_error(&outcome, NULL), outcome.result);
}

static void sides_and_replies(void **state)
{
	struct lm_error error = { .text = "before" };
	const struct lm_outcome good = { .type = LM_REQUEST_NOOP };

	(void)state;
	assert_err(lm_client_outcome_error(&good, &error), 0);
	assert_string_equal(error.text, "before");
	check((struct lm_outcome){ .result = LM_E_DENIED,
	                           .side = LM_SIDE_SERVER,
	                           .command = lm_str("RETR 3"),
	                           .text = lm_str("no such message") },
	      "the server refused \"RETR 3\": no such message");
	check((struct lm_outcome){ .result = LM_E_AUTH,
	                           .side = LM_SIDE_SERVER,
	                           .command = lm_str("****"),
	                           .text = lm_str("no") },
	      "the server refused the login: no");
	check((struct lm_outcome){ .result = LM_E_PROTO,
	                           .side = LM_SIDE_PEER,
	                           .command = lm_str("****"),
	                           .text = lm_str("no") },
	      "the server broke the protocol in the login: no");
	check((struct lm_outcome){ .result = LM_E_CLOSED,
	                           .side = LM_SIDE_NETWORK,
	                           .command = lm_str("****"),
	                           .text = lm_str("lost") },
	      "the login failed: lost");
	check((struct lm_outcome){ .result = LM_E_AGAIN,
	                           .side = LM_SIDE_SERVER,
	                           .command = lm_str("MAIL FROM:<>"),
	                           .smtp_code = 451,
	                           .enhanced = { 4, 3, 0 },
	                           .text = lm_str("later\nmuch later") },
	      "the server refused for now \"MAIL FROM:<>\": 451 4.3.0 later / much later");
	check((struct lm_outcome){ .result = LM_E_PROTO,
	                           .side = LM_SIDE_PEER,
	                           .command = lm_str("STAT"),
	                           .text = lm_str("not a number") },
	      "the server broke the protocol at \"STAT\": not a number");
	check((struct lm_outcome){ .result = LM_E_CLOSED,
	                           .side = LM_SIDE_NETWORK,
	                           .command = lm_str("QUIT"),
	                           .text = lm_str("connection to a port 1: it was lost") },
	      "\"QUIT\" failed: connection to a port 1: it was lost");
	check((struct lm_outcome){ .result = LM_E_CONNECT,
	                           .side = LM_SIDE_NETWORK,
	                           .text = lm_str("connect to a port 1: connection refused") },
	      "connect to a port 1: connection refused");
	check((struct lm_outcome){ .result = LM_E_UNSUPPORTED,
	                           .side = LM_SIDE_CLIENT,
	                           .text = lm_str("the server has no UIDL") },
	      "the server has no UIDL");
	check((struct lm_outcome){ .result = LM_E_LIMIT, .side = LM_SIDE_CLIENT },
	      "not sent: a limit was exceeded");
}

static void what_servers_say_is_escaped_and_cut(void **state)
{
	struct lm_outcome outcome = { .result = LM_E_DENIED,
		                      .side = LM_SIDE_SERVER,
		                      .command = lm_str("NOOP") };
	struct lm_error error;
	char text[5000];

	(void)state;
	outcome.text = lm_str("\x1B[2J\r\xC3\xA4 \xC3");
	check(outcome, "the server refused \"NOOP\": \\x1B[2J\\x0D\\xC3\\xA4 \\xC3");
	outcome.text = lm_str("gr\xC3\xBC\xC3\x9F");
	check(outcome, "the server refused \"NOOP\": gr\xC3\xBC\xC3\x9F");
	/* Nowhere is a character cut in two. */
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '\xBC' : '\xC3';
	outcome.text = lm_bytes(text, sizeof(text));
	assert_err(lm_client_outcome_error(&outcome, &error), LM_E_DENIED);
	assert_string_equal(error.text + strlen(error.text) - 5, "\xC3\xBC…");
	memset(text, 1, sizeof(text));
	outcome.text = outcome.command = lm_bytes(text, sizeof(text));
	assert_err(lm_client_outcome_error(&outcome, &error), LM_E_DENIED);
	assert_true(strlen(error.text) < sizeof(error.text));
	assert_null(strchr(error.text, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sides_and_replies),
		cmocka_unit_test(what_servers_say_is_escaped_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
