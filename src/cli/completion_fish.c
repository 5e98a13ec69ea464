/* Completion for fish. */
#include "cli/completion.h"

enum { MAX_SENTENCE = 200 };

static void quoted(FILE *out, const char *text)
{
	fputs("'", out);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("'", out);
}

static void value(FILE *out, const struct lm_option *o)
{
	switch (lm_completion_value(o)) {
	case LM_COMPLETION_NONE:
		break;
	case LM_COMPLETION_ANY:
		fputs(" -x", out);
		break;
	case LM_COMPLETION_FILE:
		fputs(" -r -F", out);
		break;
	case LM_COMPLETION_WORDS:
		fputs(" -x -a '", out);
		lm_completion_words(out, o);
		fputs("'", out);
		break;
	}
}

static void option(FILE *out, const struct lm_cli_command *command, const struct lm_option *o)
{
	char sentence[MAX_SENTENCE];

	fprintf(out, "complete -c lettermill -n '__lettermill_at %s%s%s' -%c %s", command->name,
	        o->actions ? " " : "", o->actions ? o->actions : "",
	        o->flags & LM_OPTION_WORD ? 'a' : 'l', o->name);
	if (o->letter)
		fprintf(out, " -s %c", o->letter);
	if (!(o->flags & LM_OPTION_WORD))
		value(out, o);
	fputs(" -d ", out);
	lm_completion_sentence(o->help, sentence, sizeof(sentence));
	quoted(out, sentence);
	fputs("\n", out);
}

static void words_of(FILE *out, const struct lm_cli_command *command)
{
	const struct lm_cli_action *actions;
	const struct lm_option *options;
	size_t count = lm_completion_actions(command, &actions);

	for (size_t i = 0; i < count; i++) {
		fprintf(out, "complete -c lettermill -n '__lettermill_open %s' -a %s -d ",
		        command->name, actions[i].name);
		quoted(out, actions[i].summary);
		fputs("\n", out);
	}
	count = lm_completion_options(command, &options);
	for (size_t i = 0; i < count; i++)
		option(out, command, &options[i]);
}

void lm_completion_fish(FILE *out)
{
	size_t count;
	const struct lm_cli_command *const *commands = lm_cli_commands(&count);

	fputs("function __lettermill_at\n\tset -l words (commandline -opc)\n"
	      "\tset -q words[2]; or return 1\n\ttest $words[2] = $argv[1]; or return 1\n"
	      "\tset -q argv[2]; or return 0\n\tset -q words[3]; or return 1\n"
	      "\tcontains -- $words[3] $argv[2..-1]\nend\n"
	      "function __lettermill_open\n\tset -l words (commandline -opc)\n"
	      "\ttest (count $words) = 2; and test $words[2] = $argv[1]\nend\n"
	      "function __lettermill_first\n\ttest (count (commandline -opc)) = 1\nend\n"
	      "complete -c lettermill -f\n"
	      "complete -c lettermill -l help -s h -d 'explain'\n",
	      out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "complete -c lettermill -n __lettermill_first -a %s -d ",
		        commands[i]->name);
		quoted(out, commands[i]->summary);
		fputs("\n", out);
		words_of(out, commands[i]);
	}
	fputs("complete -c lettermill -n '__lettermill_open completion' -a 'bash zsh fish'\n"
	      "complete -c lettermill -n '__lettermill_open help' -a '",
	      out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s ", commands[i]->name);
	fputs("'\n", out);
}
