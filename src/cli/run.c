/* lettermill run: a program of scripts. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/log.h"

#include "base/error.h"
#include "script/runtime.h"
#include "server/option_value.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { EXIT_NO_INPUT = 66 };

#define SECTION "Options"
static const struct lm_option options[] = {
	{ "console", "LEVEL", "log",
	  "What the console prints: log (all), info (info and debug, too), warn, error or none; or "
	  "0 to 4. Errors that no script caught are always printed.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 0 },
	{ "data-dir", "DIR", "",
	  "The folder that names of data files are relative to. \"@executable\": the one "
	  "lettermill "
	  "is in. Default: the main script's.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 0 },
	{ "watch", "", "", "Take changed handler files for new sessions, while it runs.", SECTION,
	  "", LM_OPTION_FLAG, 0, 0, 0, 0, NULL, 0 },
	{ "dev", "", "", "For who writes the program: the same as --watch.", SECTION, "",
	  LM_OPTION_FLAG, 0, 0, 0, 0, NULL, 0 },
};

enum { OPTIONS = sizeof(options) / sizeof(*options) };

static const struct lm_option *run_options(size_t *out_count)
{
	*out_count = OPTIONS;
	return options;
}

/* ---- What the program prints ---- */

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void write_all(int fd, struct lm_bytes octets)
{
	while (octets.len > 0) {
		ssize_t done = write(fd, octets.data, octets.len);

		/* What cannot be written has nobody left to be told. */
		if (done < 0 && errno != EINTR)
			return;
		if (done > 0)
			octets = lm_bytes_from(octets, (size_t)done);
	}
}

static void print(void *ctx, bool to_stderr, struct lm_bytes line)
{
	int fd = to_stderr ? STDERR_FILENO : STDOUT_FILENO;

	(void)ctx;
	pthread_mutex_lock(&output);
	write_all(fd, line);
	write_all(fd, lm_str("\n"));
	pthread_mutex_unlock(&output);
}

static void write_raw(void *ctx, struct lm_bytes octets)
{
	(void)ctx;
	pthread_mutex_lock(&output);
	write_all(STDOUT_FILENO, octets);
	pthread_mutex_unlock(&output);
}

/* What a script did wrong is printed by its console already, with its stack. */
static void write_log(void *ctx, const struct lm_log_event *event)
{
	const struct lm_log *log = ctx;

	if (strcmp(event->id, "script.error") != 0)
		log->write(log->ctx, event);
}

static void quit(int code)
{
	_exit(code);
}

/* ---- The command line ---- */

static bool takes_value(const char *word)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (strcmp(options[i].name, word + 2) == 0)
			return options[i].kind != LM_OPTION_FLAG;
	return false;
}

/* Words up to the main script; all behind it are the script's. */
static int own_words(int argc, char **argv)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
		if (strcmp(argv[i], "--") == 0)
			return i + 1 < argc ? i + 2 : i + 1;
		i += strncmp(argv[i], "--", 2) == 0 && takes_value(argv[i]) ? 2 : 1;
	}
	return i < argc ? i + 1 : argc;
}

static bool find_level(const char *text, enum lm_console_level *out_level)
{
	static const char *const names[] = { "log", "info", "warn", "error", "none" };
	static const char *const numbers[] = { "0", "1", "2", "3", "4" };

	for (int i = 0; i <= LM_CONSOLE_NONE; i++) {
		if (strcmp(text, names[i]) != 0 && strcmp(text, numbers[i]) != 0)
			continue;
		*out_level = (enum lm_console_level)i;
		return true;
	}
	return false;
}

/* The main script that is not there is a file that cannot be read, not a mailbox. */
static int failed(const struct lm_error *why)
{
	lm_cli_complain("%s", why->text);
	return why->code == LM_E_NOT_FOUND || why->code == LM_E_DENIED || why->code == LM_E_IO
	               ? EXIT_NO_INPUT
	               : lm_err_exit_code(why->code);
}

static int run_script(const struct lm_cli_command *command, const struct lm_cli_args *args,
                      struct lm_script_params *params)
{
	const char *level = lm_cli_settings_get(&args->settings, "console");
	struct lm_error why = { 0 };
	int code = LM_EXIT_OK;

	if (args->help) {
		lm_cli_help(stdout, command, NULL);
		return lm_cli_finish_output();
	}
	if (args->version) {
		printf("lettermill %s\n", lm_version());
		return lm_cli_finish_output();
	}
	if (args->operand_count == 0)
		return lm_cli_usage(command, "say which script: lettermill run main.js");
	if (level && !find_level(level, &params->console))
		return lm_cli_usage(command, "--console: log, info, warn, error, none, or 0 to 4");
	params->main_file = args->operands[0];
	params->data_dir = lm_cli_settings_get(&args->settings, "data-dir");
	params->watch = lm_cli_settings_get(&args->settings, "watch") ||
	                lm_cli_settings_get(&args->settings, "dev");
	if (lm_script_main(params, &code, &why) < 0)
		return failed(&why);
	return code;
}

static int run(const struct lm_cli_command *command, int argc, char **argv)
{
	struct lm_script_params params = {
		.size = sizeof(params), .print = print, .write = write_raw, .quit = quit
	};
	int own = own_words(argc, argv), code;
	struct lm_error why = { 0 };
	struct lm_cli_args args;
	struct lm_log lines, log = { write_log, &lines, LM_LOG_WARN };

	lm_cli_log_init(&lines, false, LM_LOG_WARN);
	params.log = &log;
	params.args = (const char *const *)argv + own;
	params.arg_count = (size_t)(argc - own);
	if (lm_cli_args_parse(options, OPTIONS, own, argv, &args, &why) < 0)
		code = lm_cli_usage(command, "%s", why.text);
	else
		code = run_script(command, &args, &params);
	lm_cli_args_done(&args);
	return code;
}

const struct lm_cli_command lm_cli_run_command = {
	.name = "run",
	.arguments = "[OPTION]... MAIN.js [ARGUMENT]...",
	.summary = "run a program written in JavaScript",
	.text = "Runs the main script, with infinity.pop3, infinity.smtp, infinity.mail and all "
	        "else that docs/scripting.md tells of; everything behind the script's name is the "
	        "program's own (infinity.getArgs). Names of scripts are relative to the main "
	        "script's folder, names of data files to --data-dir.\n"
	        "The program lives while its main script runs or awaits something, while a server "
	        "runs or a timer is set. SIGINT or SIGTERM: infinity.terminated becomes true, "
	        "sleeping ends, servers drain, timers do not count any more; a second one ends the "
	        "process at once, with 130. An error that no script caught is printed with file, "
	        "line, column and stack, and ends the program with 1.\n"
	        "Scripts are trusted: they can do all that who starts them can do.",
	.options = run_options,
	.run = run,
};
