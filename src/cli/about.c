/* Commands that explain the executable itself: help, version, completion, man. */
#include "cli/cli.h"

/* Commands without options know "--" all the same: step over it. */
static bool ends_options(int *argc, char ***argv)
{
	if (*argc < 2 || strcmp((*argv)[1], "--") != 0)
		return false;
	(*argc)--;
	(*argv)++;
	return true;
}

static int help_for(const struct lm_cli_command *command, int argc, char **argv)
{
	const struct lm_cli_command *about = lm_cli_find(argv[1]);
	const struct lm_cli_action *action = NULL;

	if (!about)
		return lm_cli_no_command(argv[1]);
	if (argc == 3)
		action = lm_cli_find_action(about, argv[2]);
	if (argc == 3 && !action)
		return lm_cli_usage(about, "%s has no \"%.60s\"", about->name, argv[2]);
	if (argc > 3)
		return lm_cli_usage(command, "help explains one command at a time");
	lm_cli_help(stdout, about, action);
	return lm_cli_finish_output();
}

static int run_help(const struct lm_cli_command *command, int argc, char **argv)
{
	bool plain = ends_options(&argc, &argv);

	if (argc > 1 && (plain || argc > 2 || strcmp(argv[1], "--markdown") != 0))
		return help_for(command, argc, argv);
	if (argc == 1)
		lm_cli_overview(stdout);
	else
		lm_cli_markdown(stdout);
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
	if (argc != 2 || lm_cli_completion(stdout, argv[1]) < 0)
		return lm_cli_usage(command, "say for which shell: bash, zsh or fish");
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

const struct lm_cli_command lm_cli_help_command = {
	.name = "help",
	.arguments = "[COMMAND [ACTION]] | --markdown",
	.summary = "explain a command",
	.text = "",
	.run = run_help,
};

const struct lm_cli_command lm_cli_version_command = {
	.name = "version",
	.arguments = "",
	.summary = "print the version",
	.text = "",
	.run = run_version,
};

const struct lm_cli_command lm_cli_completion_command = {
	.name = "completion",
	.arguments = "bash|zsh|fish",
	.summary = "print completion for a shell",
	.text = "For bash: source <(lettermill completion bash)\nFor zsh, in a folder of $fpath: "
	        "lettermill completion zsh > _lettermill\nFor fish: lettermill completion fish | "
	        "source",
	.run = run_completion,
};

const struct lm_cli_command lm_cli_man_command = {
	.name = "man",
	.arguments = "",
	.summary = "print the manual page",
	.text = "",
	.run = run_man,
};
