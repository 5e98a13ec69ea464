/** @file
 * Commands with actions: `lettermill COMMAND ACTION [OPTION]... OPERAND...`, judged by tables.
 */
#ifndef LM_CLI_ACTION_H
#define LM_CLI_ACTION_H

#include "cli/args.h"
#include "cli/cli.h"

/** One command line that was found good: the action is there, takes all its options, each value has
 * the form and range of its row, and no line break stands anywhere. */
struct lm_cli_call {
	const struct lm_cli_command *command;
	const struct lm_cli_action *action;
	struct lm_cli_args args;
	char **operands; /**< behind the action's name; they are those of main's argv */
	size_t operand_count;
};

/** The `run` of commands with actions: finds and judges, then calls the action. */
int lm_cli_run_actions(const struct lm_cli_command *command, int argc, char **argv);

/** Judge the values of its options and operands, where it was not made by lm_cli_run_actions.
 * Returns LM_EXIT_OK, or an exit code after complaining. */
int lm_cli_check_values(const struct lm_cli_call *call);

/** Complain about wrong usage of an action; returns LM_EXIT_USAGE. */
int lm_cli_call_usage(const struct lm_cli_call *call, const char *fmt, ...) LM_PRINTF(2, 3);

/** The last value given for an option, or its default; NULL where there is neither. */
const char *lm_cli_text(const struct lm_cli_call *call, const char *name);
/** The value with number `index`, from 0, of a repeatable option; NULL: there are no more. */
const char *lm_cli_text_at(const struct lm_cli_call *call, const char *name, size_t index);
/** The same as a number: of a NUMBER, ms of a DURATION, octets of a SIZE, 0 or 1 of a FLAG, the
 * place of a CHOICE's word from 0. Neither given nor with a default: 0 for flags, else -1. */
int64_t lm_cli_value(const struct lm_cli_call *call, const char *name);
static inline bool lm_cli_flag(const struct lm_cli_call *call, const char *name)
{
	return lm_cli_value(call, name) == 1;
}

#endif
