/* --help for every command, from the tables. */
#include "cli/cli.h"

#define WIDTH 80

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

static void print_option(FILE *out, const struct lm_option *o)
{
	fprintf(out, "  --%s%s%s\n", o->name, *o->placeholder ? " " : "", o->placeholder);
	lm_cli_wrap(out, o->help, 8, WIDTH);
	if (*o->fallback) {
		char text[256];

		snprintf(text, sizeof(text), "Default: %s", o->fallback);
		lm_cli_wrap(out, text, 8, WIDTH);
	}
}

static void print_options(FILE *out, const struct lm_option *options, size_t count)
{
	const char *section = "";

	for (size_t i = 0; i < count; i++) {
		if (strcmp(section, options[i].section) != 0)
			fprintf(out, "\n%s:\n", options[i].section);
		section = options[i].section;
		print_option(out, &options[i]);
	}
}

static void print_exits(FILE *out)
{
	size_t count;
	const struct lm_cli_exit_row *rows = lm_cli_exits(&count);

	fputs("\nExit codes:\n", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "  %2d  %s\n", rows[i].code, rows[i].meaning);
}

void lm_cli_help(FILE *out, const struct lm_cli_command *command)
{
	size_t count = 0;
	const struct lm_option *options = command->options ? command->options(&count) : NULL;

	fprintf(out, "Usage: lettermill %s%s%s\n\n", command->name, *command->arguments ? " " : "",
	        command->arguments);
	fprintf(out, "%s: %s.\n", command->name, command->summary);
	if (*command->text)
		fputs("\n", out);
	lm_cli_wrap(out, command->text, 0, WIDTH);
	print_options(out, options, count);
	fputs("\n  -h, --help\n        This text.\n"
	      "  --\n        Ends the options: what follows may begin with a dash.\n",
	      out);
	print_exits(out);
}

void lm_cli_overview(FILE *out)
{
	size_t count;
	const struct lm_cli_command *commands = lm_cli_commands(&count);

	fputs("Usage: lettermill COMMAND [OPTION]...\n\nMail server for SMTP, submission, LMTP and "
	      "POP3.\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < count; i++)
		if (!commands[i].hidden)
			fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
	fputs("\n\"lettermill COMMAND --help\" explains a command.\n", out);
	print_exits(out);
}

static void markdown_option(FILE *out, const struct lm_option *o)
{
	fprintf(out, "- `--%s%s%s`", o->name, *o->placeholder ? " " : "", o->placeholder);
	if (*o->fallback)
		fprintf(out, " (default `%s`)", o->fallback);
	fprintf(out, ": %s%s\n", o->help,
	        o->flags & LM_OPTION_RELOAD ? " May change at SIGHUP." : "");
}

void lm_cli_markdown(FILE *out)
{
	size_t count, option_count;
	const struct lm_cli_command *commands = lm_cli_commands(&count);

	fputs("# Commands and options\n", out);
	for (size_t i = 0; i < count; i++) {
		const char *section = "";
		const struct lm_option *options;

		if (commands[i].hidden)
			continue;
		fprintf(out, "\n## lettermill %s\n\n%s\n", commands[i].name, commands[i].text);
		option_count = 0;
		options = commands[i].options ? commands[i].options(&option_count) : NULL;
		for (size_t j = 0; j < option_count; j++) {
			if (strcmp(section, options[j].section) != 0)
				fprintf(out, "\n### %s\n\n", options[j].section);
			section = options[j].section;
			markdown_option(out, &options[j]);
		}
	}
}
