/* The executable: the list of commands, and the way into them. */
#include "cli/cli.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct lm_cli_command *const commands[] = {
	/* clang-format off */
	&lm_cli_serve_command,
	&lm_cli_run_command,
	&lm_cli_init_command,
	&lm_cli_user_command,
	&lm_cli_pop3_command,
	&lm_cli_smtp_command,
	&lm_cli_sendmail_command,
	&lm_cli_doctor_command,
	&lm_cli_bench_command,
	&lm_cli_store_command,
	&lm_cli_method_command,
	&lm_cli_help_command,
	&lm_cli_version_command,
	&lm_cli_completion_command,
	&lm_cli_man_command,
	/* clang-format on */
};

static const struct lm_cli_exit_row exits[] = {
	{ 0, "all went well" },
	{ 1, "some went well and some did not; each was said" },
	{ 64, "wrong usage: an unknown command or option, a wrong value" },
	{ 65, "a name, password, address or message of a wrong form" },
	{ 66, "a file cannot be read" },
	{ 67, "no such account, mailbox, message or folder" },
	{ 68, "no such host" },
	{ 69, "something needed is not there" },
	{ 70, "a fault in lettermill" },
	{ 71, "out of memory, or of another means of the system" },
	{ 73, "it exists already, an account or an address in use" },
	{ 74, "input or output failed, or the disk is full" },
	{ 75, "not now: no connection, time over, something in use, cut off" },
	{ 76, "TLS could not be set up, or a server broke the protocol" },
	{ 77, "not allowed: a wrong login, a refusal" },
	{ 78, "a wrong setting, or its file or command fails" },
};

const struct lm_cli_command *const *lm_cli_commands(size_t *out_count)
{
	*out_count = sizeof(commands) / sizeof(*commands);
	return commands;
}

const struct lm_cli_command *lm_cli_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

const struct lm_cli_exit_row *lm_cli_exits(size_t *out_count)
{
	*out_count = sizeof(exits) / sizeof(*exits);
	return exits;
}

int lm_cli_no_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(*commands)], *nearest;
	size_t count = sizeof(commands) / sizeof(*commands);

	for (size_t i = 0; i < count; i++)
		names[i] = commands[i]->name;
	nearest = lm_cli_nearest(names, count, name);
	if (nearest)
		return lm_cli_usage(NULL, "there is no command \"%.60s\"; the nearest is %s", name,
		                    nearest);
	return lm_cli_usage(NULL, "there is no command \"%.60s\"", name);
}

static void complain(const char *fmt, va_list args)
{
	char text[1000];

	vsnprintf(text, sizeof(text), fmt, args);
	fputs("lettermill: ", stderr);
	lm_cli_put(stderr, lm_str(text));
	fputs("\n", stderr);
}

void lm_cli_complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
}

int lm_cli_usage(const struct lm_cli_command *command, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	fprintf(stderr, "Try: lettermill %s%s--help\n", command ? command->name : "",
	        command ? " " : "");
	return LM_EXIT_USAGE;
}

int lm_cli_finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return LM_EXIT_OK;
	lm_cli_complain("cannot write to standard output");
	return LM_EXIT_OUTPUT;
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

/* Commands without options know --help all the same. */
static bool asks_for_help(const struct lm_cli_command *command, int argc, char **argv)
{
	return !command->options && argc == 2 &&
	       (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

/* By a link of that name. */
static bool is_called(const char *path, const char *name)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return path && strcmp(slash ? slash + 1 : path, name) == 0;
}

int main(int argc, char **argv)
{
	const struct lm_cli_command *command;

	leave_no_core();
	give_large_blocks_back();
	if (is_called(argv[0], "sendmail"))
		return lm_cli_sendmail_command.run(&lm_cli_sendmail_command, argc, argv);
	if (argc < 2)
		return lm_cli_usage(NULL, "say what to do");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		lm_cli_overview(stdout);
		return lm_cli_finish_output();
	}
	command = lm_cli_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (!command)
		return lm_cli_no_command(argv[1]);
	if (asks_for_help(command, argc - 1, argv + 1)) {
		lm_cli_help(stdout, command, NULL);
		return lm_cli_finish_output();
	}
	return command->run(command, argc - 1, argv + 1);
}
