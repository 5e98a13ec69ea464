/* Every native with wrong arguments, and numbers that nothing has. */
#include "bridge/fake_host_rig.h"
#include "lm_test.h"

#include <math.h>

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	fake_new(fake);
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	free(*state);
	return 0;
}

static void constants(void **state)
{
	struct fake *fake = *state;
	struct lm_host_value *c = fake_call(fake, "constants", 0, NULL);

	assert_true(fake_num(fake_get(c, "events"), "RETR") == LM_EVENT_RETR);
	assert_true(fake_num(fake_get(c, "events"), "CERTIFICATE") == LM_EVENT_CERTIFICATE);
	assert_true(fake_num(fake_get(c, "events"), "STOPPED") == 1001);
	assert_true(fake_num(fake_get(c, "events"), "CLOSED") == 1004);
	assert_true(fake_num(fake_get(c, "errors"), "NOT_FOUND") == LM_E_NOT_FOUND);
	assert_true(fake_num(fake_get(c, "codes"), "UTF8") == LM_POP3_UTF8);
	assert_true(fake_num(fake_get(c, "flags"), "DISCARD") == LM_REPLY_DISCARD);
	assert_string_equal(fake_text(c, "version"), lm_version());
}

static void nothing_to_take(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(fake_call(fake, "take", 0, NULL)->kind, LM_HOST_UNDEFINED);
	assert_int_equal(atomic_load(&fake->wakes), 0);
}

static const char *const with_session[] = {
	"proceed",    "answer",         "answerUser",       "answerSecret",      "answerBytes",
	"answerPipe", "answerMaildrop", "answerRecipients", "answerCertificate", NULL
};

static void wrong_numbers(void **state)
{
	struct fake *fake = *state;
	const double bad[] = { -1, 0.5, NAN, INFINITY, 1e300 };
	struct lm_host_value *one = fake_number(fake, 1);

	for (const char *const *n = with_session; *n; n++) {
		fake_expect_type_error(fake, "\"session\"", *n, 0, NULL);
		fake_expect_type_error(fake, "\"session\"", *n,
		                       FAKE_ARGS(fake_string(fake, "1"), one));
		fake_expect_type_error(fake, "\"event\"", *n, FAKE_ARGS(one));
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			fake_expect_type_error(fake, "\"session\"", *n,
			                       FAKE_ARGS(fake_number(fake, bad[i]), one));
	}
	fake_expect_type_error(fake, "\"session\"", "taken", 0, NULL);
	fake_expect_type_error(fake, "\"octets\"", "taken", FAKE_ARGS(one));
	fake_expect_type_error(fake, "\"session\"", "disconnect", 0, NULL);
	fake_expect_type_error(fake, "\"pipe\"", "pipeWrite", 0, NULL);
	fake_expect_type_error(fake, "\"pipe\"", "pipeFail", 0, NULL);
}

static void wrong_answers(void **state)
{
	struct fake *fake = *state;
	struct lm_host_value *n = fake_number(fake, 7), *s = fake_string(fake, "x"),
	                     *u = fake_undefined(fake), *list = fake_array(fake, 0);

	fake_expect_type_error(fake, "\"result\"", "answer", FAKE_ARGS(n, n, n));
	fake_expect_type_error(fake, "\"result\"", "answer",
	                       FAKE_ARGS(n, n, fake_number(fake, -99)));
	fake_expect_type_error(fake, "\"text\"", "answer", FAKE_ARGS(n, n, u, n));
	fake_expect_type_error(fake, "\"code\"", "answer", FAKE_ARGS(n, n, u, u, s));
	fake_expect_type_error(fake, "\"enhanced\"", "answer", FAKE_ARGS(n, n, u, u, u, n));
	fake_expect_type_error(fake, "\"enhanced\"", "answer", FAKE_ARGS(n, n, u, u, u, s));
	fake_expect_type_error(fake, "\"enhanced\"", "answer",
	                       FAKE_ARGS(n, n, u, u, u, fake_string(fake, "5.7.1.2")));
	fake_expect_type_error(fake, "\"enhanced\"", "answer",
	                       FAKE_ARGS(n, n, u, u, u, fake_string(fake, "3.7.1")));
	fake_expect_type_error(fake, "\"flags\"", "answer",
	                       FAKE_ARGS(n, n, u, u, u, u, fake_number(fake, 16)));
	fake_expect_type_error(fake, "\"name\"", "answerUser", FAKE_ARGS(n, n, n));
	fake_expect_type_error(fake, "\"secret\"", "answerSecret", FAKE_ARGS(n, n));
	fake_expect_type_error(fake, "\"bytes\"", "answerBytes", FAKE_ARGS(n, n, s));
	fake_expect_type_error(fake, "\"certificate\"", "answerCertificate", FAKE_ARGS(n, n, u, s));
	fake_expect_type_error(fake, "\"key\"", "answerCertificate", FAKE_ARGS(n, n, s, u));
	fake_expect_type_error(fake, "\"octets\"", "answerMaildrop", FAKE_ARGS(n, n, s, list));
	fake_expect_type_error(fake, "\"uidls\"", "answerMaildrop", FAKE_ARGS(n, n, list));
	fake_expect_type_error(fake, "\"recipients\"", "answerRecipients", FAKE_ARGS(n, n, n));
	fake_expect_type_error(fake, "recipient 0", "answerRecipients",
	                       FAKE_ARGS(n, n, fake_array(fake, 1, n)));
	fake_expect_type_error(fake, "\"code\"", "answerRecipients",
	                       FAKE_ARGS(n, n, fake_array(fake, 1, fake_array(fake, 3, u, u, n))));
}

static void wrong_maildrops(void **state)
{
	struct fake *fake = *state;
	struct lm_host_value *n = fake_number(fake, 7), *s = fake_string(fake, "x");
	struct lm_host_value *sizes = fake_array(fake, 2, n, n);
	const char *const bad[] = { "", "a b", "\x7F", "\xC3\xA9",
		                    "1234567890123456789012345678901234567890"
		                    "1234567890123456789012345678901" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fake_expect_type_error(
		        fake, "\"uidl\" 1", "answerMaildrop",
		        FAKE_ARGS(n, n, sizes, fake_array(fake, 2, s, fake_string(fake, bad[i]))));
	fake_expect_type_error(fake, "\"uidl\" 1", "answerMaildrop",
	                       FAKE_ARGS(n, n, sizes, fake_array(fake, 2, s, n)));
	fake_expect_type_error(
	        fake, "\"uidl\" 1", "answerMaildrop",
	        FAKE_ARGS(n, n, sizes, fake_array(fake, 2, s, fake_string(fake, "x"))));
	fake_expect_type_error(fake, "2 sizes but 1", "answerMaildrop",
	                       FAKE_ARGS(n, n, sizes, fake_array(fake, 1, s)));
	fake_expect_type_error(fake, "\"octets\"", "answerMaildrop",
	                       FAKE_ARGS(n, n, fake_array(fake, 1, s), fake_array(fake, 1, s)));
}

static void wrong_names_in_one_string(void **state)
{
	struct fake *fake = *state;
	struct lm_host_value *n = fake_number(fake, 7), *sizes = fake_array(fake, 2, n, n);
	const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "2 sizes but 0 uidls" },  { "x", "2 sizes but 1 uidls" },
		{ "x y z", "2 sizes but 3" },   { "x ", "\"uidl\" 1" },
		{ " x", "\"uidl\" 0" },         { "x  y", "\"uidl\" 1" },
		{ "x x", "\"uidl\" 1" },        { "x \x7F", "\"uidl\" 1" },
		{ "x \xC3\xA9", "\"uidl\" 1" }, { "x\ty z", "\"uidl\" 0" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fake_expect_type_error(fake, bad[i].why, "answerMaildrop",
		                       FAKE_ARGS(n, n, sizes, fake_string(fake, bad[i].text)));
	fake_expect_type_error(fake, "1 sizes but 0", "answerMaildrop",
	                       FAKE_ARGS(n, n, fake_array(fake, 1, n), fake_string(fake, "")));
	fake_call(fake, "answerMaildrop", FAKE_ARGS(n, n, sizes, fake_string(fake, "x y")));
	fake_call(fake, "answerMaildrop",
	          FAKE_ARGS(n, n, fake_array(fake, 0), fake_string(fake, "")));
}

static void numbers_of_nothing(void **state)
{
	struct fake *fake = *state;
	struct lm_host_value *n = fake_number(fake, 9007199254740992.0);
	struct lm_host_value *text = fake_string(fake, "x"), *list = fake_array(fake, 0);

	fake_call(fake, "proceed", FAKE_ARGS(n, n));
	fake_call(fake, "answer", FAKE_ARGS(n, n));
	fake_call(fake, "answerUser", FAKE_ARGS(n, n));
	fake_call(fake, "answerSecret", FAKE_ARGS(n, n, text));
	fake_call(fake, "answerMaildrop", FAKE_ARGS(n, n, list, list));
	fake_call(fake, "answerBytes", FAKE_ARGS(n, n, fake_bytes(fake, "x", 1)));
	fake_call(fake, "answerCertificate", FAKE_ARGS(n, n, text, text));
	fake_call(fake, "answerRecipients", FAKE_ARGS(n, n, list));
	fake_call(fake, "taken", FAKE_ARGS(n, n));
	fake_call(fake, "disconnect", FAKE_ARGS(n));
	fake_call(fake, "pipeFail", FAKE_ARGS(n));
	assert_false(fake_call(fake, "pipeWrite", FAKE_ARGS(n, fake_bytes(fake, "x", 1)))->truth);
	assert_true(fake_call(fake, "answerPipe", FAKE_ARGS(n, n))->number == 0);
	assert_int_equal(fake->kept, 0);
}

static void wrong_pipes(void **state)
{
	struct fake *fake = *state;
	struct lm_host_value *n = fake_number(fake, 7);

	fake_expect_type_error(fake, "\"bytes\"", "pipeWrite", FAKE_ARGS(n, n));
	fake_expect_type_error(fake, "\"last\"", "pipeWrite",
	                       FAKE_ARGS(n, fake_undefined(fake), n));
}

static void wrong_servers(void **state)
{
	static const char *const all[] = { "serverSet",      "serverLanguage", "serverStart",
		                           "serverEndpoint", "serverReload",   "serverDrain",
		                           "serverFree",     "serverStats",    NULL };
	struct fake *fake = *state;
	struct lm_host_value *none = fake_number(fake, 4711);
	struct lm_host_value *s = fake_call(fake, "serverNew", 0, NULL);
	struct lm_host_value *x = fake_string(fake, "x"), *list = fake_array(fake, 0);

	for (const char *const *n = all; *n; n++) {
		fake_expect_type_error(fake, "\"server\"", *n, 0, NULL);
		fake_expect_type_error(fake, "\"server\" is not one", *n, FAKE_ARGS(none));
	}
	fake_expect_type_error(fake, "\"name\"", "serverSet", FAKE_ARGS(s, s, x));
	fake_expect_type_error(fake, "\"text\"", "serverSet", FAKE_ARGS(s, x, s));
	fake_expect_type_error(fake, "\"tag\"", "serverLanguage", FAKE_ARGS(s, s, x, list));
	fake_expect_type_error(fake, "\"texts\"", "serverLanguage", FAKE_ARGS(s, x, x, x));
	fake_expect_type_error(fake, "text 0", "serverLanguage",
	                       FAKE_ARGS(s, x, x, fake_array(fake, 1, x)));
	fake_expect_type_error(fake, "\"key\"", "serverLanguage",
	                       FAKE_ARGS(s, x, x, fake_array(fake, 1, fake_array(fake, 2, s, x))));
	fake_expect_type_error(fake, "\"decides\"", "serverStart", FAKE_ARGS(s, x, list));
	fake_expect_type_error(fake, "\"hears\"", "serverStart", FAKE_ARGS(s, list, x));
	fake_expect_type_error(fake, "no event 999", "serverStart",
	                       FAKE_ARGS(s, fake_array(fake, 1, fake_number(fake, 999)), list));
	fake_expect_type_error(fake, "not started", "serverDrain", FAKE_ARGS(s));
	fake_expect_type_error(fake, "does not run", "serverReload", FAKE_ARGS(s));
	fake_call(fake, "serverFree", FAKE_ARGS(s));
	fake_expect_type_error(fake, "\"server\" is not one", "serverFree", FAKE_ARGS(s));
}

static void wrong_options(void **state)
{
	struct fake *fake = *state;
	struct lm_host_value *s = fake_call(fake, "serverNew", 0, NULL);

	assert_null(fake_try(fake, "serverSet",
	                     FAKE_ARGS(s, fake_string(fake, "pop33"), fake_string(fake, "x"))));
	assert_err(fake->error.code, LM_E_CONFIG);
	assert_non_null(strstr(fake->error.text, "pop3"));
	fake_call(fake, "serverFree", FAKE_ARGS(s));
}

/* A start that failed may be tried again with other options. */
static void taken_address(void **state)
{
	static const char *const off[] = { "smtp", "smtps", "submission", "pop3s", NULL };
	struct fake *fake = *state;
	double first = fake_server(fake, NULL, "AUTH", "");
	struct lm_host_value *where = fake_call(
	        fake, "serverEndpoint",
	        FAKE_ARGS(fake_number(fake, first), fake_string(fake, "pop3")));
	struct lm_host_value *s = fake_call(fake, "serverNew", 0, NULL),
	                     *list = fake_array(fake, 0), *pop3 = fake_string(fake, "pop3");

	for (const char *const *o = off; *o; o++)
		fake_call(fake, "serverSet",
		          FAKE_ARGS(s, fake_string(fake, *o), fake_string(fake, "off")));
	fake_call(fake, "serverSet",
	          FAKE_ARGS(s, fake_string(fake, "store"), fake_string(fake, "none")));
	fake_call(fake, "serverSet", FAKE_ARGS(s, pop3, where));
	assert_null(fake_try(fake, "serverStart", FAKE_ARGS(s, list, list)));
	assert_err(fake->error.code, LM_E_EXISTS);
	fake_call(fake, "serverSet", FAKE_ARGS(s, pop3, fake_string(fake, "127.0.0.1:0")));
	fake_call(fake, "serverStart", FAKE_ARGS(s, list, list));
	fake_expect_type_error(fake, "started once", "serverStart", FAKE_ARGS(s, list, list));
	fake_expect_type_error(fake, "the server runs", "serverFree", FAKE_ARGS(s));
	assert_true(fake_num(fake_call(fake, "serverStats", FAKE_ARGS(s)), "sessionsTotal") == 0);
	fake_call(fake, "serverReload", FAKE_ARGS(s));
	assert_int_equal(
	        fake_call(fake, "serverEndpoint", FAKE_ARGS(s, fake_string(fake, "smtp")))->kind,
	        LM_HOST_UNDEFINED);
	fake_server_end(fake, first);
	assert_int_equal(fake->alive, 1);
	fake_server_end(fake, s->number);
	assert_int_equal(fake->alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(constants, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_to_take, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_maildrops, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_names_in_one_string, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_of_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_pipes, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_servers, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_options, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_address, setup, teardown),
	};

	return cmocka_run_group_tests_name("bridge/call", tests, NULL, NULL);
}
