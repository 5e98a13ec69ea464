/** @file
 * What the three completions are made from.
 */
#ifndef LM_CLI_COMPLETION_H
#define LM_CLI_COMPLETION_H

#include "cli/cli.h"

/** What may stand behind an option. */
enum lm_completion_value {
	LM_COMPLETION_NONE, /**< nothing: a flag */
	LM_COMPLETION_ANY,
	LM_COMPLETION_WORDS, /**< one of the placeholder's */
	LM_COMPLETION_FILE,
};
enum lm_completion_value lm_completion_value(const struct lm_option *option);
/** "--", or nothing for those that are words of their own. */
const char *lm_completion_dashes(const struct lm_option *option);
/** The words of a choice, with spaces between. */
void lm_completion_words(FILE *out, const struct lm_option *option);
/** The first sentence of a text, without its full stop. */
void lm_completion_sentence(const char *text, char *out, size_t cap);
/** How many, and where; none is fine. */
size_t lm_completion_actions(const struct lm_cli_command *command,
                             const struct lm_cli_action **out_actions);
size_t lm_completion_options(const struct lm_cli_command *command,
                             const struct lm_option **out_options);

void lm_completion_bash(FILE *out);
void lm_completion_zsh(FILE *out);
void lm_completion_fish(FILE *out);

#endif
