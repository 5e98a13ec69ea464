/* URLs: every form that is understood, and what is said of those that are not. */
#include "lm_test.h"

#include <lettermill/client.h>

static struct lm_client_url parsed(const char *text)
{
	struct lm_client_url url;
	struct lm_error error = { 0 };

	if (lm_client_url_parse(text, &url, &error))
		fail_msg("%s: %s", text, error.text);
	return url;
}

static void check_place(const char *text, enum lm_protocol protocol, bool tls, const char *host,
                        uint16_t port, const char *path)
{
	struct lm_client_url url = parsed(text);

	assert_int_equal(url.protocol, protocol);
	assert_int_equal(url.tls, tls);
	assert_string_equal(url.host, host);
	assert_int_equal(url.port, port);
	assert_string_equal(url.path, path);
}

static void check_user(const char *text, const char *user, const char *password,
                       const char *mechanism)
{
	struct lm_client_url url = parsed(text);

	assert_string_equal(url.user, user);
	assert_int_equal(url.has_password, password != NULL);
	assert_string_equal(url.password, password ? password : "");
	assert_string_equal(url.mechanism, mechanism);
	assert_string_equal(url.host, "mail.example");
}

/* Refused, with these words in the error and never the secret. */
static void check_bad(const char *text, const char *words)
{
	struct lm_client_url url;
	struct lm_error error = { 0 };

	memset(&url, 0x55, sizeof(url));
	assert_err(lm_client_url_parse(text, &url, &error), LM_E_SYNTAX);
	assert_err(error.code, LM_E_SYNTAX);
	if (!strstr(error.text, words))
		fail_msg("%s: \"%s\" lacks \"%s\"", text, error.text, words);
	assert_null(strstr(error.text, "secret"));
	for (size_t i = 0; i < sizeof(url); i++)
		assert_int_equal(((const uint8_t *)&url)[i], 0x55);
	assert_err(lm_client_url_parse(text, &url, NULL), LM_E_SYNTAX);
}

static void schemes_and_places(void **state)
{
	(void)state;
	check_place("pop3://mail.example", LM_POP3, false, "mail.example", 0, "");
	check_place("POP3S://mail.example:9950/", LM_POP3, true, "mail.example", 9950, "");
	check_place("pop://mail.example/17", LM_POP3, false, "mail.example", 0, "17");
	check_place("smtp://127.0.0.1:2525/a%20b/../c", LM_SMTP, false, "127.0.0.1", 2525,
	            "a b/../c");
	check_place("smtps://[::1]:465/x", LM_SMTP, true, "::1", 465, "x");
	check_place("submission://u@[2001:db8::25]", LM_SUBMISSION, false, "2001:db8::25", 0, "");
	check_place("submissions://mail.example", LM_SUBMISSION, true, "mail.example", 0, "");
	check_place("lmtp://[fe80::1%25eth0]:24", LM_LMTP, false, "fe80::1%eth0", 24, "");
	check_place("pop3://mail.example:/", LM_POP3, false, "mail.example", 0, "");
}

static void socket_paths(void **state)
{
	(void)state;
	check_place("lmtp:///run/mill/lmtp.sock", LM_LMTP, false, "/run/mill/lmtp.sock", 0, "");
	check_place("lmtp:///run/a%20b", LM_LMTP, false, "/run/a b", 0, "");
	check_place("lmtp://%2Frun%2flmtp", LM_LMTP, false, "/run/lmtp", 0, "");
	check_place("pop3://anna@/run/pop3", LM_POP3, false, "/run/pop3", 0, "");
	assert_string_equal(parsed("pop3://anna@/run/pop3").user, "anna");
	check_bad("lmtp://", "no host");
	check_bad("lmtp:///", "no host");
	check_bad("lmtp:///a/socket/path/that/is/far/too/long/for/the/hundred/and/eight/octets/"
	          "that/an/address/of/a/unix/socket/has/at/the/very/most",
	          "too long");
}

static void users_and_passwords(void **state)
{
	(void)state;
	check_user("pop3://mail.example", "", NULL, "");
	check_user("pop3://anna@mail.example", "anna", NULL, "");
	check_user("pop3://anna:@mail.example", "anna", "", "");
	check_user("pop3://anna:se:cr%3Aet@mail.example", "anna", "se:cr:et", "");
	check_user("pop3://anna@example.org:secret@mail.example", "anna@example.org", "secret", "");
	check_user("pop3://anna%40example.org:%2F%3F%23@mail.example", "anna@example.org", "/?#",
	           "");
	check_user("smtp://j%C3%B6rg@mail.example", "j\xC3\xB6rg", NULL, "");
	check_user("pop://anna;AUTH=+APOP@mail.example", "anna", NULL, "APOP");
	check_user("pop://anna;auth=*@mail.example", "anna", NULL, "");
	check_user("pop3://anna;AUTH=+login:secret@mail.example", "anna", "secret", "USER");
	check_user("smtp://anna:secret;AUTH=scram-sha-256@mail.example", "anna", "secret",
	           "SCRAM-SHA-256");
	check_user("smtp://anna:sec;ret@mail.example", "anna", "sec;ret", "");
	check_user("pop3://;AUTH=EXTERNAL@mail.example", "", NULL, "EXTERNAL");
}

static void what_is_no_url(void **state)
{
	(void)state;
	check_bad("", "must begin with");
	check_bad("mail.example", "must begin with");
	check_bad("mail.example:110", "must begin with");
	check_bad("http://mail.example/", "must begin with");
	check_bad("pop3:mail.example", "must begin with");
	check_bad("pop3://mail.example:65536", "port");
	check_bad("pop3://mail.example:0", "port");
	check_bad("pop3://mail.example:11o", "port");
	check_bad("pop3://[::1", "host");
	check_bad("pop3://[:::1]:110", "host");
	check_bad("pop3://mail example/", "host");
	check_bad("pop3://mail.example/?x=1", "%3F");
	check_bad("pop3://mail.example/#x", "%23");
}

static void bad_secrets_are_not_repeated(void **state)
{
	(void)state;
	check_bad("pop3://anna:secret%zz@mail.example", "password");
	check_bad("pop3://anna:secret%4@mail.example", "%25");
	check_bad("pop3://anna:secret%@mail.example", "%25");
	check_bad("pop3://anna:secret/more@mail.example", "%2F");
	check_bad("pop3://mail.example/a@b", "%40");
	check_bad("pop3://anna:12/secret@mail.example", "%2F");
	check_bad("pop3://anna:secret?more@mail.example", "%3F");
	check_bad("pop3://anna:secret@mail example", "host");
	check_bad("pop3://anna:secret;AUTH=@mail.example", "mechanism");
	check_bad("pop3://anna:secret;AUTH=+X@mail.example", "mechanism");
	check_bad("pop3://anna:secret;AUTH=A%20B@mail.example", "mechanism");
}

static void control_characters(void **state)
{
	(void)state;
	check_bad("pop3://anna\r\nDELE 1@mail.example", "control");
	check_bad("pop3://anna%0D%0ADELE%201@mail.example", "user name");
	check_bad("pop3://anna:secret%00@mail.example", "password");
	check_bad("pop3://anna:secret%7F@mail.example", "password");
	check_bad("pop3://mail.example/%0A", "path");
	check_bad("pop3://mail%0A.example/", "host");
	check_bad("pop3://mail%7F.example/", "host");
	check_bad("pop3://mail%20.example/", "host");
	check_bad("pop3://mail%40.example/", "host");
	check_bad("pop3://mail%zz.example/", "host");
	check_bad("lmtp:///run%0Ax", "socket path");
	check_bad("pop3://a;AUTH=A%0AB@mail.example", "mechanism");
}

static void long_parts(void **state)
{
	char text[2000], x[1100];

	(void)state;
	memset(x, 'x', sizeof(x));
	snprintf(text, sizeof(text), "pop3://%.511s@mail.example", x);
	assert_int_equal(strlen(parsed(text).user), 511);
	snprintf(text, sizeof(text), "pop3://%.512s@mail.example", x);
	check_bad(text, "too long");
	snprintf(text, sizeof(text), "pop3://a:%.512s@mail.example", x);
	check_bad(text, "password is too long");
	snprintf(text, sizeof(text), "pop3://%.255s", x);
	assert_int_equal(strlen(parsed(text).host), 255);
	snprintf(text, sizeof(text), "pop3://%.256s", x);
	check_bad(text, "host");
	snprintf(text, sizeof(text), "pop3://mail.example/%.1024s", x);
	check_bad(text, "path is too long");
	snprintf(text, sizeof(text), "pop3://a;AUTH=%.64s@mail.example", x);
	check_bad(text, "mechanism");
}

static void params_have_defaults(void **state)
{
	struct lm_client_params params;

	(void)state;
	lm_client_params_init(&params, LM_POP3);
	assert_int_equal(params.size, sizeof(params));
	assert_int_equal(params.protocol, LM_POP3);
	assert_int_equal(params.tls, LM_TLS_STARTTLS);
	assert_int_equal(params.timeout, 60000);
	assert_false(params.insecure || params.no_login || params.no_plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemes_and_places),
		cmocka_unit_test(socket_paths),
		cmocka_unit_test(users_and_passwords),
		cmocka_unit_test(what_is_no_url),
		cmocka_unit_test(bad_secrets_are_not_repeated),
		cmocka_unit_test(control_characters),
		cmocka_unit_test(long_parts),
		cmocka_unit_test(params_have_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
