/** @file
 * What the files of the executable share: the table of commands and how things are said.
 *
 * Only this room speaks to the terminal: results on standard output, all else on standard error.
 */
#ifndef LM_CLI_CLI_H
#define LM_CLI_CLI_H

#include "server/options.h"

#include <stdio.h>

/** Exit codes beyond lm_err_exit_code, from sysexits(3). */
enum lm_cli_exit { LM_EXIT_OK = 0, LM_EXIT_USAGE = 64, LM_EXIT_OUTPUT = 74, LM_EXIT_ABORTED = 75 };

/** One command: `lettermill NAME …`. */
struct lm_cli_command {
	const char *name;
	const char *arguments; /**< behind the name, for the usage line */
	const char *summary;   /**< a few words, for the list of commands */
	const char *text;      /**< paragraphs, separated by a line end */
	/** Its options; NULL: none but --help. */
	const struct lm_option *(*options)(size_t *out_count);
	/** argv[0] is the command's name. Returns the exit code. */
	int (*run)(const struct lm_cli_command *command, int argc, char **argv);
	bool hidden;
};

/** All commands. */
const struct lm_cli_command *lm_cli_commands(size_t *out_count);
const struct lm_cli_command *lm_cli_find(const char *name);

/** One row of the exit codes that --help and the manual page list. */
struct lm_cli_exit_row {
	int code;
	const char *meaning;
};
const struct lm_cli_exit_row *lm_cli_exits(size_t *out_count);

/** Say "lettermill: …" on standard error. */
void lm_cli_complain(const char *fmt, ...) LM_PRINTF(1, 2);
/** Complain about wrong usage, with a pointer to --help; returns LM_EXIT_USAGE. `command` NULL:
 * of the program. */
int lm_cli_usage(const struct lm_cli_command *command, const char *fmt, ...) LM_PRINTF(2, 3);
/** End of a command that wrote to standard output: LM_EXIT_OK, or LM_EXIT_OUTPUT when not all could
 * be written. */
int lm_cli_finish_output(void);

/** Write text broken into lines of at most `width` columns, each after `indent` spaces. */
void lm_cli_wrap(FILE *out, const char *text, unsigned indent, unsigned width);

void lm_cli_help(FILE *out, const struct lm_cli_command *command);
void lm_cli_overview(FILE *out);
void lm_cli_markdown(FILE *out);
void lm_cli_manual(FILE *out);
void lm_cli_completion_bash(FILE *out);

int lm_cli_serve(const struct lm_cli_command *command, int argc, char **argv);
int lm_cli_user(const struct lm_cli_command *command, int argc, char **argv);
const struct lm_option *lm_cli_user_options(size_t *out_count);

#endif
