/* --help for every command, from the tables. */
#include "cli/cli.h"

#define WIDTH 80

enum { MAX_HELP = 1500 };

/* One line's worth of words from *text; moves *text behind them. */
static size_t take_line(const char **text, unsigned room, const char **out_line)
{
	const char *line = *text, *p = line;
	size_t len = 0;

	while (*p && *p != '\n') {
		size_t word = strcspn(p, " \n");

		if (len > 0 && (size_t)(p - line) + word > room)
			break;
		len = (size_t)(p - line) + word;
		p += word;
		while (*p == ' ')
			p++;
	}
	*out_line = line;
	*text = *p == '\n' ? p + 1 : p;
	return len;
}

void lm_cli_wrap(FILE *out, const char *text, unsigned indent, unsigned width)
{
	while (*text) {
		const char *line;
		size_t len = take_line(&text, width - indent, &line);

		fprintf(out, "%*s%.*s\n", (int)indent, "", (int)len, line);
	}
}

/* What it is for, where only some actions take it, before what it does. */
static void help_of(const struct lm_option *o, bool with_actions, char *out, size_t cap)
{
	size_t len = 0;

	for (const char *p = with_actions && o->actions ? o->actions : ""; *p && len < cap;) {
		size_t word = strcspn(p, " ");

		len += (size_t)snprintf(out + len, cap - len, "%.*s%s", (int)word, p,
		                        p[word] ? ", " : ": ");
		p += word + (p[word] == ' ');
	}
	if (len < cap)
		snprintf(out + len, cap - len, "%s", o->help);
}

static void print_option(FILE *out, const struct lm_option *o, bool with_actions)
{
	char text[MAX_HELP];

	fputs("  ", out);
	if (o->letter)
		fprintf(out, "-%c, ", o->letter);
	fprintf(out, "%s%s%s%s\n", o->flags & LM_OPTION_WORD ? "" : "--", o->name,
	        *o->placeholder ? " " : "", o->placeholder);
	help_of(o, with_actions, text, sizeof(text));
	lm_cli_wrap(out, text, 8, WIDTH);
	if (*o->fallback) {
		snprintf(text, sizeof(text), "Default: %s", o->fallback);
		lm_cli_wrap(out, text, 8, WIDTH);
	}
}

static void print_options(FILE *out, const struct lm_cli_command *command,
                          const struct lm_cli_action *action)
{
	size_t count = 0;
	const struct lm_option *options = command->options ? command->options(&count) : NULL;
	const char *section = "";

	for (size_t i = 0; i < count; i++) {
		if (!lm_cli_is_for(&options[i], action))
			continue;
		if (strcmp(section, options[i].section) != 0)
			fprintf(out, "\n%s:\n", options[i].section);
		section = options[i].section;
		print_option(out, &options[i], !action);
	}
}

static void print_actions(FILE *out, const struct lm_cli_command *command)
{
	size_t count = 0;
	const struct lm_cli_action *actions = command->actions ? command->actions(&count) : NULL;

	if (count > 0)
		fputs("\nActions:\n", out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "  %s%s%s\n", actions[i].name, *actions[i].arguments ? " " : "",
		        actions[i].arguments);
		lm_cli_wrap(out, actions[i].summary, 8, WIDTH);
	}
	if (count > 0)
		fprintf(out, "\n\"lettermill %s ACTION --help\" explains an action.\n",
		        command->name);
}

static void print_exits(FILE *out)
{
	size_t count;
	const struct lm_cli_exit_row *rows = lm_cli_exits(&count);

	fputs("\nExit codes:\n", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "  %2d  %s\n", rows[i].code, rows[i].meaning);
}

static void print_end(FILE *out)
{
	fputs("\n  -h, --help\n        This text.\n"
	      "  --\n        Ends the options: what follows may begin with a dash.\n",
	      out);
	print_exits(out);
}

static void help_action(FILE *out, const struct lm_cli_command *command,
                        const struct lm_cli_action *action)
{
	fprintf(out, "Usage: lettermill %s %s%s%s [OPTION]...\n\n", command->name, action->name,
	        *action->arguments ? " " : "", action->arguments);
	fprintf(out, "%s %s: %s.\n", command->name, action->name, action->summary);
	if (*action->text)
		fputs("\n", out);
	lm_cli_wrap(out, action->text, 0, WIDTH);
	print_options(out, command, action);
	print_end(out);
}

void lm_cli_help(FILE *out, const struct lm_cli_command *command,
                 const struct lm_cli_action *action)
{
	if (action) {
		help_action(out, command, action);
		return;
	}
	fprintf(out, "Usage: lettermill %s%s%s\n\n", command->name, *command->arguments ? " " : "",
	        command->arguments);
	fprintf(out, "%s: %s.\n", command->name, command->summary);
	if (*command->text)
		fputs("\n", out);
	lm_cli_wrap(out, command->text, 0, WIDTH);
	print_actions(out, command);
	print_options(out, command, NULL);
	print_end(out);
}

void lm_cli_overview(FILE *out)
{
	size_t count;
	const struct lm_cli_command *const *commands = lm_cli_commands(&count);

	fputs("Usage: lettermill COMMAND [OPTION]...\n\nMail server and client for SMTP, "
	      "submission, "
	      "LMTP and POP3.\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n\"lettermill COMMAND --help\" explains a command.\n", out);
	print_exits(out);
}

static void markdown_option(FILE *out, const struct lm_option *o)
{
	char text[MAX_HELP];

	help_of(o, true, text, sizeof(text));
	fprintf(out, "- `%s%s%s%s`", o->flags & LM_OPTION_WORD ? "" : "--", o->name,
	        *o->placeholder ? " " : "", o->placeholder);
	if (o->letter)
		fprintf(out, ", `-%c`", o->letter);
	if (*o->fallback)
		fprintf(out, " (default `%s`)", o->fallback);
	fprintf(out, ": %s%s\n", text, o->flags & LM_OPTION_RELOAD ? " May change at SIGHUP." : "");
}

static void markdown_actions(FILE *out, const struct lm_cli_command *command)
{
	size_t count = 0;
	const struct lm_cli_action *actions = command->actions ? command->actions(&count) : NULL;

	for (size_t i = 0; i < count; i++) {
		fprintf(out, "\n### lettermill %s %s\n\n`lettermill %s %s%s%s [OPTION]...`: %s.\n",
		        command->name, actions[i].name, command->name, actions[i].name,
		        *actions[i].arguments ? " " : "", actions[i].arguments, actions[i].summary);
		if (*actions[i].text)
			fprintf(out, "\n%s\n", actions[i].text);
	}
}

static void markdown_command(FILE *out, const struct lm_cli_command *command)
{
	size_t count = 0;
	const struct lm_option *options = command->options ? command->options(&count) : NULL;
	const char *section = "";

	fprintf(out, "\n## lettermill %s\n\n%s\n", command->name, command->text);
	markdown_actions(out, command);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(section, options[i].section) != 0)
			fprintf(out, "\n### %s\n\n", options[i].section);
		section = options[i].section;
		markdown_option(out, &options[i]);
	}
}

void lm_cli_markdown(FILE *out)
{
	size_t count;
	const struct lm_cli_command *const *commands = lm_cli_commands(&count);

	fputs("# Commands and options\n", out);
	for (size_t i = 0; i < count; i++)
		markdown_command(out, commands[i]);
}
