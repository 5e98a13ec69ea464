/* Completion for bash, zsh and fish: what the three have in common, from the tables. */
#include "cli/completion.h"

size_t lm_completion_actions(const struct lm_cli_command *command,
                             const struct lm_cli_action **out_actions)
{
	size_t count = 0;

	*out_actions = command->actions ? command->actions(&count) : NULL;
	return count;
}

size_t lm_completion_options(const struct lm_cli_command *command,
                             const struct lm_option **out_options)
{
	size_t count = 0;

	*out_options = command->options ? command->options(&count) : NULL;
	return count;
}

enum lm_completion_value lm_completion_value(const struct lm_option *o)
{
	static const char *const files[] = { "FILE", "DIR" };

	if (*o->placeholder == '\0')
		return LM_COMPLETION_NONE;
	if (o->kind == LM_OPTION_CHOICE ||
	    (o->kind == LM_OPTION_STRING && strchr(o->placeholder, '|')))
		return LM_COMPLETION_WORDS;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (strcmp(o->placeholder, files[i]) == 0)
			return LM_COMPLETION_FILE;
	return o->kind == LM_OPTION_FLAG ? LM_COMPLETION_NONE : LM_COMPLETION_ANY;
}

const char *lm_completion_dashes(const struct lm_option *o)
{
	return o->flags & LM_OPTION_WORD ? "" : "--";
}

void lm_completion_words(FILE *out, const struct lm_option *o)
{
	for (const char *p = o->placeholder; *p; p++)
		fputc(*p == '|' ? ' ' : *p, out);
}

void lm_completion_sentence(const char *text, char *out, size_t cap)
{
	const char *end = text;

	while (*end && !(*end == '.' && (end[1] == ' ' || end[1] == '\0')))
		end++;
	snprintf(out, cap, "%.*s", (int)(end - text), text);
}

int lm_cli_completion(FILE *out, const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(FILE *out);
	} shells[] = { { "bash", lm_completion_bash },
		       { "zsh", lm_completion_zsh },
		       { "fish", lm_completion_fish } };

	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
		if (strcmp(shells[i].name, shell) == 0) {
			shells[i].print(out);
			return 0;
		}
	return LM_E_NOT_FOUND;
}
