/* Secrets from commands and from the netrc file. */
#include "cli/secret.h"

#include "base/mem.h"
#include "lm_test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void commands_print_their_first_line(void **state)
{
	static const char *const commands[] = { "echo 'a b'", "printf 'a b'",
		                                "printf 'a b\\r\\nc\\n'", "echo 'a b'; cat" };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		char *line = NULL;

		assert_err(lm_secret_run(commands[i], "password", &line, NULL), 0);
		assert_string_equal(line, "a b");
		lm_secret_free(line);
	}
}

static void assert_fails(const char *command, const char *words)
{
	struct lm_error why = { 0 };
	char *line = NULL;

	assert_err(lm_secret_run(command, "token", &line, &why), LM_E_CONFIG);
	assert_null(line);
	if (!strstr(why.text, words) || strstr(why.text, "hidden"))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}

static void failing_commands_are_told(void **state)
{
	(void)state;
	assert_fails("echo hidden; exit 3", "token command ended with exit code 3");
	assert_fails("/nonexistent/command 2>&-", "exit code 127");
	assert_fails("kill -9 $$", "signal 9");
	assert_fails("true", "printed nothing");
	assert_fails("echo; echo hidden", "printed nothing");
	assert_fails("printf 'a\\0b\\n'", "NUL");
	assert_fails("printf 'a\\rb\\n'", "carriage return");
	assert_fails("head -c 70000 /dev/zero", "more than 65536");
}

struct found {
	char *user, *password;
	struct lm_error why;
	int result;
};

static struct found find(const char *text, mode_t mode, const char *host, const char *user)
{
	char path[] = "/tmp/lm-netrc-test-XXXXXX";
	int fd = mkstemp(path);
	struct found f = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	f.result = lm_netrc_find(path, host, user, &f.user, &f.password, &f.why);
	unlink(path);
	return f;
}

static void assert_entry(const char *text, const char *host, const char *user,
                         const char *wanted_user, const char *wanted_password)
{
	struct found f = find(text, 0600, host, user);

	assert_int_equal(f.result, 1);
	if (wanted_user)
		assert_string_equal(f.user, wanted_user);
	else
		assert_null(f.user);
	if (wanted_password)
		assert_string_equal(f.password, wanted_password);
	else
		assert_null(f.password);
	lm_secret_free(f.user);
	lm_secret_free(f.password);
}

static const char netrc[] =
        "# comment machine x\n"
        "machine a.example login anna password one\n"
        "machine a.example\n\tlogin bert\n\tpassword #two,2\n"
        "macdef init\n  machine b.example password macro\n\n"
        "machine b.example login \"c d\" password \"q\\\"u\\\\o te\" account x\n"
        "machine c.example password three\n"
        "default login me password last\n";

static void entries_are_found(void **state)
{
	(void)state;
	assert_entry(netrc, "a.example", NULL, "anna", "one");
	assert_entry(netrc, "A.EXAMPLE", "anna", "anna", "one");
	assert_entry(netrc, "a.example", "bert", "bert", "#two,2");
	assert_entry(netrc, "b.example", NULL, "c d", "q\"u\\o te");
	assert_entry(netrc, "c.example", "whoever", NULL, "three");
	assert_entry(netrc, "d.example", NULL, "me", "last");
	assert_entry(netrc, "a.example", "me", "me", "last");
	assert_entry("machine x login y", "x", "y", "y", NULL);
}

static void what_is_not_there_is_not_found(void **state)
{
	struct found f;

	(void)state;
	f = find(netrc, 0600, "a.example", "zoe");
	assert_int_equal(f.result, 0);
	f = find("", 0644, "a.example", NULL);
	assert_int_equal(f.result, 0);
	f = find("machine b login c password d", 0644, "a.example", NULL);
	assert_int_equal(f.result, 0);
	f.result = lm_netrc_find("/nonexistent/netrc", "h", NULL, &f.user, &f.password, &f.why);
	assert_int_equal(f.result, 0);
}

static void files_that_others_read_are_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0644 };

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct found f = find(netrc, modes[i], "a.example", NULL);

		assert_err(f.result, LM_E_DENIED);
		assert_non_null(strstr(f.why.text, "chmod 600"));
		assert_null(f.password);
	}
}

static void wrong_files_are_refused(void **state)
{
	static const char *const wrong[] = { "machine a\npasword x",
		                             "machine",
		                             "machine a login",
		                             "machine a password \"x",
		                             "machine a password \"x\ny\"",
		                             "hidden" };
	char longest[3000] = "machine a password ";
	struct found f;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		f = find(wrong[i], 0600, "a", NULL);
		assert_err(f.result, LM_E_SYNTAX);
		assert_null(strstr(f.why.text, "hidden"));
	}
	f = find(wrong[0], 0600, "a", NULL);
	assert_non_null(strstr(f.why.text, ":2: "));
	memset(longest + strlen(longest), 'x', 2000);
	f = find(longest, 0600, "a", NULL);
	assert_err(f.result, LM_E_SYNTAX);
	assert_int_equal(lm_netrc_find("/", "h", NULL, &f.user, &f.password, &f.why), LM_E_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_print_their_first_line),
		cmocka_unit_test(failing_commands_are_told),
		cmocka_unit_test(entries_are_found),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(files_that_others_read_are_refused),
		cmocka_unit_test(wrong_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
