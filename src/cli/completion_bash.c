/* Completion for bash. */
#include "cli/completion.h"

static void option_words(FILE *out, const struct lm_cli_command *command,
                         const struct lm_cli_action *action)
{
	const struct lm_option *options;
	size_t count = lm_completion_options(command, &options);

	for (size_t i = 0; i < count; i++)
		if (lm_cli_is_for(&options[i], action))
			fprintf(out, "%s%s ", lm_completion_dashes(&options[i]), options[i].name);
	fputs("--help\" ;;\n", out);
}

/* A line for the command, and one for each of its actions. */
static void words_of(FILE *out, const struct lm_cli_command *command)
{
	const struct lm_cli_action *actions;
	size_t count = lm_completion_actions(command, &actions);

	fprintf(out, "\t%s/) words=\"", command->name);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s ", actions[i].name);
	option_words(out, command, NULL);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "\t%s/%s) words=\"", command->name, actions[i].name);
		option_words(out, command, &actions[i]);
	}
}

static void actions_of(FILE *out, const struct lm_cli_command *command)
{
	const struct lm_cli_action *actions;
	size_t count = lm_completion_actions(command, &actions);

	if (count == 0)
		return;
	fprintf(out, "\t%s) actions=\" ", command->name);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s ", actions[i].name);
	fputs("\" ;;\n", out);
}

static void pattern(FILE *out, const struct lm_cli_command *command, const struct lm_option *o)
{
	fprintf(out, "\t%s/%s%s", command->name, lm_completion_dashes(o), o->name);
	if (o->letter)
		fprintf(out, "|%s/-%c", command->name, o->letter);
	fputs(") ", out);
}

/* What may follow an option. */
static void values_of(FILE *out, const struct lm_cli_command *command)
{
	const struct lm_option *options;
	size_t count = lm_completion_options(command, &options);

	for (size_t i = 0; i < count; i++) {
		enum lm_completion_value value = lm_completion_value(&options[i]);

		if (value == LM_COMPLETION_NONE)
			continue;
		pattern(out, command, &options[i]);
		if (value == LM_COMPLETION_WORDS) {
			fputs("words=\"", out);
			lm_completion_words(out, &options[i]);
			fputs("\" ;;\n", out);
		} else {
			fputs(value == LM_COMPLETION_FILE ? "words= files=1 ;;\n" : "words= ;;\n",
			      out);
		}
	}
}

static void each(FILE *out, void (*print)(FILE *out, const struct lm_cli_command *command))
{
	size_t count;
	const struct lm_cli_command *const *commands = lm_cli_commands(&count);

	for (size_t i = 0; i < count; i++)
		print(out, commands[i]);
}

static void name_of(FILE *out, const struct lm_cli_command *command)
{
	fprintf(out, " %s", command->name);
}

void lm_completion_bash(FILE *out)
{
	fputs("_lettermill() {\n"
	      "\tlocal i words= files= actions= action= dashes= word=${COMP_WORDS[COMP_CWORD]}\n"
	      "\tlocal command=${COMP_WORDS[1]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tCOMPREPLY=()\n\tcase $command in\n",
	      out);
	each(out, actions_of);
	fputs("\tesac\n\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase \"$actions\" in *\" ${COMP_WORDS[i]} \"*) "
	      "action=${action:-${COMP_WORDS[i]}} ;; esac\n"
	      "\t\tif [ \"${COMP_WORDS[i]}\" = -- ]; then dashes=1; fi\n\tdone\n"
	      "\tcase $command/$action in\n",
	      out);
	each(out, words_of);
	fputs("\tesac\n\tcase $command/$before in\n", out);
	each(out, values_of);
	fputs("\thelp/help) words=\"--markdown", out);
	each(out, name_of);
	fputs("\" ;;\n\tcompletion/completion) words=\"bash zsh fish\" ;;\n\tesac\n"
	      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\tfiles= words=\"--help --version",
	      out);
	each(out, name_of);
	fputs("\"\n\tfi\n\tif [ -n \"$dashes\" ]; then words= files=; fi\n"
	      "\tif [ -n \"$files\" ]; then\n\t\tmapfile -t COMPREPLY < "
	      "<(compgen -f -- \"$word\")\n\telse\n\t\tmapfile -t COMPREPLY < "
	      "<(compgen -W \"$words\" -- \"$word\")\n\tfi\n}\n"
	      "complete -o filenames -F _lettermill lettermill\n",
	      out);
}
