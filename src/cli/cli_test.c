/* The command line, the configuration file and the log line, without a server. */
#include "cli/args.h"
#include "cli/config.h"
#include "cli/log.h"

#include "lm_test.h"

#include <stdlib.h>
#include <unistd.h>

#define ARGV(...) ((const char *[]){ "serve", __VA_ARGS__, NULL })

static int parse(const char **argv, struct lm_cli_args *args, struct lm_error *why)
{
	size_t count;
	const struct lm_option *table = lm_option_table(&count);
	int argc = 0;

	while (argv[argc])
		argc++;
	return lm_cli_args_parse(table, count, argc, (char **)argv, args, why);
}

static void assert_wrong(const char **argv, const char *words)
{
	struct lm_cli_args args;
	struct lm_error why = { 0 };

	assert_err(parse(argv, &args, &why), LM_E_CONFIG);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
	lm_cli_args_done(&args);
}

static void values_come_both_ways(void **state)
{
	struct lm_cli_args args;

	(void)state;
	assert_err(parse(ARGV("--pop3", "0", "--smtp=off", "--store=a=b", "--domain", "x"), &args,
	                 NULL),
	           0);
	assert_string_equal(lm_cli_settings_get(&args.settings, "pop3"), "0");
	assert_string_equal(lm_cli_settings_get(&args.settings, "smtp"), "off");
	assert_string_equal(lm_cli_settings_get(&args.settings, "store"), "a=b");
	assert_null(lm_cli_settings_get(&args.settings, "lmtp"));
	assert_int_equal(args.settings.count, 4);
	lm_cli_args_done(&args);
}

static void flags_need_no_value(void **state)
{
	struct lm_cli_args args;

	(void)state;
	assert_err(parse(ARGV("--require-tls", "--early-talkers", "no", "--print-config", "no",
	                      "--allow-plaintext-login=yes"),
	                 &args, NULL),
	           0);
	assert_string_equal(lm_cli_settings_get(&args.settings, "require-tls"), "");
	assert_string_equal(lm_cli_settings_get(&args.settings, "early-talkers"), "no");
	assert_string_equal(lm_cli_settings_get(&args.settings, "print-config"), "");
	assert_int_equal(args.operand_count, 1);
	lm_cli_args_done(&args);
}

static void help_and_operands(void **state)
{
	struct lm_cli_args args;

	(void)state;
	assert_err(parse(ARGV("a", "-h", "-", "--version", "--", "--pop3"), &args, NULL), 0);
	assert_true(args.help && args.version);
	assert_int_equal(args.operand_count, 3);
	assert_string_equal(args.operands[2], "--pop3");
	lm_cli_args_done(&args);
}

static const struct lm_option lettered[] = {
	{ .name = "verbose", .placeholder = "", .kind = LM_OPTION_FLAG, .letter = 'v' },
	{ .name = "quiet", .placeholder = "", .kind = LM_OPTION_FLAG, .letter = 'q' },
	{ .name = "from", .placeholder = "A", .kind = LM_OPTION_STRING, .letter = 'f' },
};

static int parse_letters(const char **argv, struct lm_cli_args *args, struct lm_error *why)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return lm_cli_args_parse(lettered, 3, argc, (char **)argv, args, why);
}

static void letters_stand_for_names(void **state)
{
	struct lm_cli_args args;

	(void)state;
	assert_err(parse_letters(ARGV("-vq", "-f", "anna", "-", "-vfbob", "--", "-x"), &args, NULL),
	           0);
	assert_int_equal(args.settings.count, 5);
	assert_string_equal(lm_cli_settings_get(&args.settings, "quiet"), "");
	assert_string_equal(args.settings.items[2].value, "anna");
	assert_string_equal(args.settings.items[4].value, "bob");
	assert_int_equal(args.operand_count, 2);
	lm_cli_args_done(&args);
}

static void unknown_letters_are_refused(void **state)
{
	struct lm_error why = { 0 };
	struct lm_cli_args args;

	(void)state;
	assert_err(parse_letters(ARGV("-vx"), &args, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "\"-vx\""));
	lm_cli_args_done(&args);
	assert_err(parse_letters(ARGV("-f"), &args, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "--from needs a value"));
	lm_cli_args_done(&args);
}

static void wrong_words_are_refused(void **state)
{
	(void)state;
	assert_wrong(ARGV("--pop", "1"), "the nearest is --pop3");
	assert_wrong(ARGV("--pop3s"), "--pop3s needs a value");
	assert_wrong(ARGV("--pop3s", "--smtp", "0"), "--pop3s needs a value");
	assert_wrong(ARGV("--print-config=yes"), "takes no value");
	assert_wrong(ARGV("-p", "1"), "two dashes");
	assert_wrong(ARGV("--zzzzzzzzzzzzzzzzzzzz"), "no option --zzz");
	assert_wrong(ARGV("--=x"), "no option --");
}

static void secrets_leave_the_command_line(void **state)
{
	char one[] = "anna:secret", two[] = "--user=bob:hidden";
	struct lm_cli_args args;

	(void)state;
	assert_err(parse(ARGV("--user", one, two), &args, NULL), 0);
	assert_true(args.secret_seen);
	assert_string_equal(one, "xxxxxxxxxxx");
	assert_string_equal(two, "--user=xxxxxxxxxx");
	assert_string_equal(args.settings.items[0].value, "anna:secret");
	assert_string_equal(args.settings.items[1].value, "bob:hidden");
	lm_cli_args_done(&args);
}

static void memory_may_run_out_anywhere(void **state)
{
	int err = LM_E_NOMEM;

	(void)state;
	for (unsigned long n = 1; err == LM_E_NOMEM; n++) {
		struct lm_cli_args args;

		lm_alloc_fail_at(n);
		err = parse(ARGV("--pop3", "0", "--smtp=off"), &args, NULL);
		lm_alloc_fail_at(0);
		lm_cli_args_done(&args);
		assert_true(n < 100);
	}
	assert_err(err, 0);
}

/* Reads `text` as a file; returns its result. */
static int read_config(const char *text, size_t len, struct lm_cli_settings *out,
                       struct lm_error *why)
{
	char path[] = "/tmp/lm-cli-test-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	*out = (struct lm_cli_settings){ 0 };
	err = lm_cli_config_read(path, out, why);
	unlink(path);
	return err;
}

static void files_are_read(void **state)
{
	static const char text[] = "# a comment\n\n; another\npop3 = 127.0.0.1:0\n"
	                           "  domain = a.example   ; why\r\ndomain=b.example\n"
	                           "user = u:p#q";
	struct lm_cli_settings file;

	(void)state;
	assert_err(read_config(text, strlen(text), &file, NULL), 0);
	assert_int_equal(file.count, 4);
	assert_string_equal(file.items[0].value, "127.0.0.1:0");
	assert_string_equal(file.items[1].value, "a.example");
	assert_string_equal(file.items[2].value, "b.example");
	assert_string_equal(file.items[3].value, "u:p#q");
	assert_int_equal(file.items[1].line, 5);
	lm_cli_settings_done(&file);
}

static void assert_bad_file(const char *text, size_t len, const char *words)
{
	struct lm_cli_settings file;
	struct lm_error why = { 0 };

	assert_err(read_config(text, len, &file, &why), LM_E_CONFIG);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
	lm_cli_settings_done(&file);
}

#define BAD_FILE(text, words) assert_bad_file("" text, sizeof(text) - 1, words)

static void bad_files_are_refused(void **state)
{
	char longest[400];

	(void)state;
	BAD_FILE("pop3 = 0\n\nmax-mesage-size = 1M\n",
	         ":3: there is no option \"max-mesage-size\"");
	BAD_FILE("max-mesage-size = 1M\n", "the nearest is max-message-size");
	BAD_FILE("zzzzzzzzzzzzzzzzzz = 1M\n", ":1: there is no option");
	BAD_FILE("pop3 = 0\nnonsense\n", ":2: the line is not");
	BAD_FILE("[server]\npop3 = 0\n", ":2: there are no sections");
	BAD_FILE("config = other\n", "only the command line");
	BAD_FILE("pop3 = 0\0x\n", "NUL");
	BAD_FILE("zzzzzzzzzzzzzzzzzz = 1\nyyyyyyyyyyyyyyyyyyyy = 2\n", ":1: ");
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "hostname =", 10);
	assert_bad_file(longest, sizeof(longest), ":1: the line is too long");
}

static void unreadable_files_are_refused(void **state)
{
	struct lm_cli_settings file = { 0 };
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_cli_config_read("/nonexistent/x.conf", &file, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "/nonexistent/x.conf"));
	assert_err(lm_cli_config_read("/", &file, &why), LM_E_CONFIG);
}

static int set_options(void *ctx, const char *name, const char *value, struct lm_error *why)
{
	return lm_server_options_set(ctx, name, value, why);
}

static void the_command_line_wins(void **state)
{
	static const char text[] =
	        "pop3 = 1111\nsmtp = 2222\ndomain = a\ndomain = b\ncatch-all = c\n";
	struct lm_cli_settings file;
	struct lm_server_options o;
	struct lm_cli_args args;

	(void)state;
	assert_err(read_config(text, strlen(text), &file, NULL), 0);
	assert_err(parse(ARGV("--pop3", "3333", "--domain", "z", "--config", "x"), &args, NULL), 0);
	assert_err(lm_server_options_init(&o), 0);
	assert_err(lm_cli_settings_apply(&file, &args.settings, set_options, &o, NULL), 0);
	assert_int_equal(o.pop3.at.port, 3333);
	assert_int_equal(o.smtp.at.port, 2222);
	assert_int_equal(o.domain.count, 1);
	assert_string_equal(o.domain.items[0], "z");
	assert_string_equal(o.catch_all, "c");
	lm_server_options_done(&o);
	lm_cli_args_done(&args);
	lm_cli_settings_done(&file);
}

static void wrong_values_say_where(void **state)
{
	struct lm_cli_settings file;
	struct lm_server_options o;
	struct lm_cli_args args;
	struct lm_error why;

	(void)state;
	assert_err(read_config("\npop3 = 99999\n", 14, &file, NULL), 0);
	assert_err(parse(ARGV("--smtp", "99999"), &args, NULL), 0);
	assert_err(lm_server_options_init(&o), 0);
	assert_err(lm_cli_settings_apply(&file, &args.settings, set_options, &o, &why),
	           LM_E_CONFIG);
	assert_non_null(strstr(why.text, ":2: pop3"));
	assert_err(lm_cli_settings_apply(NULL, &args.settings, set_options, &o, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "--smtp"));
	lm_server_options_done(&o);
	lm_cli_args_done(&args);
	lm_cli_settings_done(&file);
}

static void log_lines_have_their_time(void **state)
{
	struct lm_log_field field = LM_LOG_NUMBER("n", 1);
	struct lm_log_event event = { LM_LOG_INFO, "x.y", &field, 1 };
	char line[200];
	size_t len;

	(void)state;
	len = lm_cli_log_line(&event, false, INT64_C(1700000000042), line, sizeof(line));
	assert_bytes(lm_bytes(line, len), lm_str("2023-11-14T22:13:20.042Z info x.y n=1\n"));
	len = lm_cli_log_line(&event, true, INT64_C(1700000000042), line, sizeof(line));
	assert_bytes(lm_bytes(line, len),
	             lm_str("{\"time\":\"2023-11-14T22:13:20.042Z\",\"level\":\"info\","
	                    "\"event\":\"x.y\",\"n\":1}\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_both_ways),
		cmocka_unit_test(flags_need_no_value),
		cmocka_unit_test(help_and_operands),
		cmocka_unit_test(letters_stand_for_names),
		cmocka_unit_test(unknown_letters_are_refused),
		cmocka_unit_test(wrong_words_are_refused),
		cmocka_unit_test(secrets_leave_the_command_line),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(unreadable_files_are_refused),
		cmocka_unit_test(the_command_line_wins),
		cmocka_unit_test(wrong_values_say_where),
		cmocka_unit_test(log_lines_have_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
