/* Completion for bash, from the tables. */
#include "cli/cli.h"

static void words_of(FILE *out, const struct lm_cli_command *command)
{
	size_t count = 0;
	const struct lm_option *options = command->options ? command->options(&count) : NULL;

	fprintf(out, "\t%s) words=\"", command->name);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s ", options[i].flags & LM_OPTION_WORD ? "" : "--",
		        options[i].name);
	fputs("--help\" ;;\n", out);
}

/* What may follow an option: the words of a choice or flag, or a file name. */
static void values_of(FILE *out, const struct lm_option *o)
{
	char words[64];
	size_t len = strlen(o->placeholder);

	if (o->kind == LM_OPTION_CHOICE && len < sizeof(words)) {
		memcpy(words, o->placeholder, len + 1);
		for (char *p = words; *p; p++)
			if (*p == '|')
				*p = ' ';
		fprintf(out, "\t--%s) words=\"%s\" ;;\n", o->name, words);
	} else if (strcmp(o->placeholder, "FILE") == 0 || strcmp(o->placeholder, "DIR") == 0) {
		fprintf(out, "\t--%s) files=1 ;;\n", o->name);
	}
}

static void bash(FILE *out)
{
	size_t count, option_count;
	const struct lm_cli_command *const *commands = lm_cli_commands(&count);
	const struct lm_option *options = lm_option_table(&option_count);

	fputs("_lettermill() {\n\tlocal i words files word=${COMP_WORDS[COMP_CWORD]}\n"
	      "\tCOMPREPLY=()\n\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\twords=\"--help --version",
	      out);
	for (size_t i = 0; i < count; i++)
		if (!commands[i]->hidden)
			fprintf(out, " %s", commands[i]->name);
	fputs("\"\n\telse case ${COMP_WORDS[1]} in\n", out);
	for (size_t i = 0; i < count; i++)
		if (!commands[i]->hidden)
			words_of(out, commands[i]);
	fputs("\tesac; fi\n\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n", out);
	fputs("\tuser) words=\"add passwd remove list --help\" ;;\n\tcompletion) words=bash ;;\n",
	      out);
	for (size_t i = 0; i < option_count; i++)
		values_of(out, &options[i]);
	fputs("\tesac\n\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	      "\t\tif [ \"${COMP_WORDS[i]}\" = -- ]; then words= files=; fi\n\tdone\n",
	      out);
	fputs("\tif [ -n \"$files\" ]; then\n\t\tmapfile -t COMPREPLY < "
	      "<(compgen -f -- \"$word\")\n\telse\n\t\tmapfile -t COMPREPLY < "
	      "<(compgen -W \"$words\" -- \"$word\")\n\tfi\n}\n"
	      "complete -o filenames -F _lettermill lettermill\n",
	      out);
}

int lm_cli_completion(FILE *out, const char *shell)
{
	if (strcmp(shell, "bash") != 0)
		return LM_E_NOT_FOUND;
	bash(out);
	return 0;
}
