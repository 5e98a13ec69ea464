/* Completion for zsh. */
#include "cli/completion.h"

enum { MAX_SENTENCE = 200 };

/* Inside '…', where _arguments and _describe give these characters a meaning. */
static void quoted(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("[]:\\", *text))
			fputc('\\', out);
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
}

static void option(FILE *out, const struct lm_option *o)
{
	enum lm_completion_value value = lm_completion_value(o);
	char sentence[MAX_SENTENCE];

	lm_completion_sentence(o->help, sentence, sizeof(sentence));
	for (unsigned form = 0; form < (o->letter ? 2u : 1u); form++) {
		if (form == 0)
			fprintf(out, "\t\t\t'*--%s%s[", o->name,
			        value == LM_COMPLETION_NONE ? "" : "=");
		else
			fprintf(out, "\t\t\t'*-%c%s[", o->letter,
			        value == LM_COMPLETION_NONE ? "" : "+");
		quoted(out, sentence);
		fputs("]", out);
		if (value != LM_COMPLETION_NONE) {
			fputs(":", out);
			quoted(out, value == LM_COMPLETION_WORDS ? o->name : o->placeholder);
			fputs(":", out);
		}
		if (value == LM_COMPLETION_FILE)
			fputs("_files", out);
		if (value == LM_COMPLETION_WORDS) {
			fputs("(", out);
			lm_completion_words(out, o);
			fputs(")", out);
		}
		fputs("'\n", out);
	}
}

static void options_of(FILE *out, const struct lm_cli_command *command,
                       const struct lm_cli_action *action)
{
	const struct lm_option *options;
	size_t count = lm_completion_options(command, &options);

	fprintf(out, "\t%s/%s)\n\t\toptions=(\n", command->name, action ? action->name : "");
	for (size_t i = 0; i < count; i++)
		if (lm_cli_is_for(&options[i], action) && !(options[i].flags & LM_OPTION_WORD))
			option(out, &options[i]);
	fputs("\t\t\t'(- *)--help[explain]'\n\t\t\t'*: :(", out);
	for (size_t i = 0; i < count; i++)
		if (options[i].flags & LM_OPTION_WORD)
			fprintf(out, "%s ", options[i].name);
	fputs(")'\n\t\t) ;;\n", out);
}

static void command_options(FILE *out, const struct lm_cli_command *command)
{
	const struct lm_cli_action *actions;
	size_t count = lm_completion_actions(command, &actions);

	if (count == 0)
		options_of(out, command, NULL);
	for (size_t i = 0; i < count; i++)
		options_of(out, command, &actions[i]);
}

static void described(FILE *out, const char *name, const char *summary)
{
	fprintf(out, "\t\t'%s:", name);
	quoted(out, summary);
	fputs("'\n", out);
}

static void command_actions(FILE *out, const struct lm_cli_command *command)
{
	const struct lm_cli_action *actions;
	size_t count = lm_completion_actions(command, &actions);

	if (count == 0)
		return;
	fprintf(out, "\t%s) actions=(\n", command->name);
	for (size_t i = 0; i < count; i++)
		described(out, actions[i].name, actions[i].summary);
	fputs("\t) ;;\n", out);
}

void lm_completion_zsh(FILE *out)
{
	size_t count;
	const struct lm_cli_command *const *commands = lm_cli_commands(&count);

	fputs("#compdef lettermill\n_lettermill() {\n\tlocal -a commands actions options\n"
	      "\tlocal command=$words[2] action= i\n\tcommands=(\n",
	      out);
	for (size_t i = 0; i < count; i++)
		described(out, commands[i]->name, commands[i]->summary);
	fputs("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n"
	      "\tfi\n\tcase $command in\n",
	      out);
	for (size_t i = 0; i < count; i++)
		command_actions(out, commands[i]);
	fputs("\tcompletion) actions=(bash zsh fish) ;;\n\thelp) actions=($commands) ;;\n\tesac\n"
	      "\tfor (( i = 3; i < CURRENT; i++ )); do\n"
	      "\t\tif [[ -z $action && -n ${(M)actions:#$words[i]:*} ]]; then "
	      "action=$words[i]; fi\n"
	      "\tdone\n\tif (( $#actions )) && [[ -z $action ]]; then\n"
	      "\t\t_describe action actions\n\t\treturn\n\tfi\n\tcase $command/$action in\n",
	      out);
	for (size_t i = 0; i < count; i++)
		command_options(out, commands[i]);
	fputs("\tesac\n\tshift words\n\t(( CURRENT-- ))\n\t_arguments -S : $options\n}\n"
	      "if [[ $funcstack[1] == _lettermill ]]; then\n\t_lettermill \"$@\"\nelse\n"
	      "\tcompdef _lettermill lettermill\nfi\n",
	      out);
}
