/* The executable: the table of commands, and the way into them. */
#include "cli/cli.h"

#include "cli/args.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

static int run_help(const struct lm_cli_command *command, int argc, char **argv);
static int run_version(const struct lm_cli_command *command, int argc, char **argv);
static int run_completion(const struct lm_cli_command *command, int argc, char **argv);
static int run_man(const struct lm_cli_command *command, int argc, char **argv);

static const struct lm_cli_command commands[] = {
	{ "serve", "[OPTION]...", "receive mail and let it be fetched",
	  "Listens for SMTP, submission, LMTP and POP3, and keeps mail in a store. As soon as "
	  "every "
	  "listener accepts, one line goes to standard output: \"ready\", then name=address for "
	  "each "
	  "listener and pid=N. The log goes to standard error.\n"
	  "SIGTERM or SIGINT: accept no more, let running transactions finish for at most "
	  "--drain-timeout, end with 0; a second one cuts them off. SIGHUP: read certificates and "
	  "the configuration file again, for new connections; on an error the old settings stay.",
	  lm_option_table, lm_cli_serve, false },
	{ "user", "add|passwd|remove NAME [OPTION]... | list [OPTION]...",
	  "make, change, remove and list accounts",
	  "Accounts rest beside the mail in a store; a running server sees changes at once. "
	  "\"add\" "
	  "and \"passwd\" ask for the password twice at a terminal, and otherwise take the first "
	  "line of standard input. \"remove\" leaves the mail in the store.",
	  lm_cli_user_options, lm_cli_user, false },
	{ "help", "[COMMAND] | --markdown", "explain a command", "", NULL, run_help, false },
	{ "version", "", "print the version", "", NULL, run_version, false },
	{ "completion", "bash", "print completion for a shell",
	  "For bash: source <(lettermill completion bash)", NULL, run_completion, false },
	{ "man", "", "print the manual page", "", NULL, run_man, true },
};

static const struct lm_cli_exit_row exits[] = {
	{ 0, "all went well" },
	{ 64, "wrong usage: an unknown command or option, a wrong value" },
	{ 65, "a name or password of a wrong form" },
	{ 67, "no such account" },
	{ 69, "something needed is not there" },
	{ 70, "a fault in lettermill" },
	{ 71, "out of memory, or of another means of the system" },
	{ 73, "it exists already, an account or an address in use" },
	{ 74, "input or output failed, or the disk is full" },
	{ 75, "not now: the store is in use or slow; or running transactions were cut off" },
	{ 76, "TLS could not be set up" },
	{ 77, "not allowed" },
	{ 78, "a wrong configuration file" },
};

const struct lm_cli_command *lm_cli_commands(size_t *out_count)
{
	*out_count = sizeof(commands) / sizeof(*commands);
	return commands;
}

const struct lm_cli_command *lm_cli_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

const struct lm_cli_exit_row *lm_cli_exits(size_t *out_count)
{
	*out_count = sizeof(exits) / sizeof(*exits);
	return exits;
}

void lm_cli_complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("lettermill: ", stderr);
	vfprintf(stderr, fmt, args);
	fputs("\n", stderr);
	va_end(args);
}

int lm_cli_usage(const struct lm_cli_command *command, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("lettermill: ", stderr);
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\nTry: lettermill %s%s--help\n", command ? command->name : "",
	        command ? " " : "");
	va_end(args);
	return LM_EXIT_USAGE;
}

int lm_cli_finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return LM_EXIT_OK;
	lm_cli_complain("cannot write to standard output");
	return LM_EXIT_OUTPUT;
}

/* Commands without options know "--" all the same: step over it. */
static bool ends_options(int *argc, char ***argv)
{
	if (*argc < 2 || strcmp((*argv)[1], "--") != 0)
		return false;
	(*argc)--;
	(*argv)++;
	return true;
}

static int run_help(const struct lm_cli_command *command, int argc, char **argv)
{
	bool plain = ends_options(&argc, &argv);
	const struct lm_cli_command *about = argc == 2 ? lm_cli_find(argv[1]) : NULL;

	if (argc > 2)
		return lm_cli_usage(command, "help explains one command at a time");
	if (argc == 1)
		lm_cli_overview(stdout);
	else if (!plain && strcmp(argv[1], "--markdown") == 0)
		lm_cli_markdown(stdout);
	else if (about)
		lm_cli_help(stdout, about);
	else
		return lm_cli_usage(NULL, "there is no command \"%s\"", argv[1]);
	return lm_cli_finish_output();
}

static int run_version(const struct lm_cli_command *command, int argc, char **argv)
{
	ends_options(&argc, &argv);
	if (argc > 1)
		return lm_cli_usage(command, "version takes no arguments");
	printf("lettermill %s\n", lm_version());
	return lm_cli_finish_output();
}

static int run_completion(const struct lm_cli_command *command, int argc, char **argv)
{
	ends_options(&argc, &argv);
	if (argc != 2 || strcmp(argv[1], "bash") != 0)
		return lm_cli_usage(command, "say for which shell; there is: bash");
	lm_cli_completion_bash(stdout);
	return lm_cli_finish_output();
}

static int run_man(const struct lm_cli_command *command, int argc, char **argv)
{
	ends_options(&argc, &argv);
	if (argc > 1)
		return lm_cli_usage(command, "man takes no arguments");
	lm_cli_manual(stdout);
	return lm_cli_finish_output();
}

/* Commands without options know --help all the same. */
static bool asks_for_help(const struct lm_cli_command *command, int argc, char **argv)
{
	return !command->options && argc == 2 &&
	       (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

/* Passwords and mail are in memory. A collector of cores that is a program does not ask for the
 * limit, but gets no memory through the filter. */
static void leave_no_core(void)
{
	const struct rlimit none = { 0, 0 };
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	(void)setrlimit(RLIMIT_CORE, &none);
	if (fd < 0)
		return;
	(void)!write(fd, "0", 1);
	close(fd);
}

/* A password hash takes 16 MB for some milliseconds. The allocator would learn from the first one
 * to keep such blocks, a heap a thread, for ever. */
static void give_large_blocks_back(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

int main(int argc, char **argv)
{
	const struct lm_cli_command *command;

	leave_no_core();
	give_large_blocks_back();
	if (argc < 2)
		return lm_cli_usage(NULL, "say what to do");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		lm_cli_overview(stdout);
		return lm_cli_finish_output();
	}
	command = lm_cli_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (!command)
		return lm_cli_usage(NULL, "there is no command \"%.60s\"", argv[1]);
	if (asks_for_help(command, argc - 1, argv + 1)) {
		lm_cli_help(stdout, command);
		return lm_cli_finish_output();
	}
	return command->run(command, argc - 1, argv + 1);
}
