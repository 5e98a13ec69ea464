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

struct lm_cli_call;

/** What a command can do: `lettermill NAME ACTION …`. */
struct lm_cli_action {
	const char *name;
	const char *arguments; /**< behind the name, for the usage line */
	const char *summary;   /**< a few words */
	const char *text;      /**< paragraphs, separated by a line end; may be "" */
	size_t min, max;       /**< operands behind the name; max SIZE_MAX: any number */
	const char *hint;      /**< said when there are too many; NULL: nothing */
	/** Returns the exit code. */
	int (*run)(const struct lm_cli_call *call);
};

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
	/** Its actions; NULL: none. Then `run` is lm_cli_run_actions. */
	const struct lm_cli_action *(*actions)(size_t *out_count);
};

/** All commands, in the order of --help: one object a command, in its own file. */
const struct lm_cli_command *const *lm_cli_commands(size_t *out_count);
const struct lm_cli_command *lm_cli_find(const char *name);
const struct lm_cli_action *lm_cli_find_action(const struct lm_cli_command *command,
                                               const char *name);
/** Whether an option means something to an action; `action` NULL: to any. */
bool lm_cli_is_for(const struct lm_option *option, const struct lm_cli_action *action);
/** The name nearest to a misspelt one among `count`; NULL when none is near. */
const char *lm_cli_nearest(const char *const *names, size_t count, const char *name);

extern const struct lm_cli_command lm_cli_serve_command;
extern const struct lm_cli_command lm_cli_run_command;
extern const struct lm_cli_command lm_cli_init_command;
extern const struct lm_cli_command lm_cli_user_command;
extern const struct lm_cli_command lm_cli_smtp_command;
extern const struct lm_cli_command lm_cli_sendmail_command;
extern const struct lm_cli_command lm_cli_doctor_command;
extern const struct lm_cli_command lm_cli_bench_command;
extern const struct lm_cli_command lm_cli_pop3_command;
extern const struct lm_cli_command lm_cli_store_command;
extern const struct lm_cli_command lm_cli_help_command;
extern const struct lm_cli_command lm_cli_version_command;
extern const struct lm_cli_command lm_cli_completion_command;
extern const struct lm_cli_command lm_cli_man_command;
extern const struct lm_cli_command lm_cli_method_command;

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
/** Complain of a command that is not there, naming the nearest; returns LM_EXIT_USAGE. */
int lm_cli_no_command(const char *name);
/** End of a command that wrote to standard output: LM_EXIT_OK, or LM_EXIT_OUTPUT when not all could
 * be written. */
int lm_cli_finish_output(void);

/** Octets as a terminal may see them: control characters, line separators and what is no UTF-8 are
 * shown as \\xNN. */
void lm_cli_put(FILE *out, struct lm_bytes text);
/** A JSON string with its quotes; an octet that is not UTF-8 becomes U+DC00 + octet. */
void lm_cli_put_json(FILE *out, struct lm_bytes text);

/** Write text broken into lines of at most `width` columns, each after `indent` spaces. */
void lm_cli_wrap(FILE *out, const char *text, unsigned indent, unsigned width);

/** `action` NULL: the whole command. */
void lm_cli_help(FILE *out, const struct lm_cli_command *command,
                 const struct lm_cli_action *action);
void lm_cli_overview(FILE *out);
void lm_cli_markdown(FILE *out);
void lm_cli_manual(FILE *out);
/** For "bash", "zsh" or "fish"; LM_E_NOT_FOUND else, and nothing is written. */
LM_MUST int lm_cli_completion(FILE *out, const char *shell);

#endif
