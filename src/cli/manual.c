/* The manual page lettermill(1), in roff, from the tables. */
#include "cli/cli.h"

/* Text as roff reads it: hyphens stay hyphens, and nothing at a line's start is a request. */
static void words(FILE *out, const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		start = *text == '\n';
		if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '\n')
			fputs("\n.PP\n", out);
		else
			fputc(*text, out);
	}
}

static void line(FILE *out, const char *before, const char *text)
{
	fputs(before, out);
	words(out, text);
	fputs("\n", out);
}

/* "lettermill NAME ARGUMENTS", the first two in bold. */
static void usage(FILE *out, const struct lm_cli_command *command)
{
	line(out, ".B lettermill ", command->name);
	if (*command->arguments)
		line(out, "", command->arguments);
}

static void roff_option(FILE *out, const struct lm_option *o)
{
	fputs(".TP\n", out);
	if (o->letter)
		fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
	fputs(o->flags & LM_OPTION_WORD ? "\\fB" : "\\fB\\-\\-", out);
	words(out, o->name);
	fputs("\\fR \\fI", out);
	words(out, o->placeholder);
	fputs("\\fR\n", out);
	if (o->actions)
		fprintf(out, "(%s)\n", o->actions);
	words(out, o->help);
	fputs("\n", out);
	if (*o->fallback)
		line(out, "Default: ", o->fallback);
}

static void roff_options(FILE *out, const struct lm_option *options, size_t count)
{
	const char *section = "";

	for (size_t i = 0; i < count; i++) {
		if (strcmp(section, options[i].section) != 0)
			fprintf(out, ".SS %s\n", options[i].section);
		section = options[i].section;
		roff_option(out, &options[i]);
	}
}

static void roff_actions(FILE *out, const struct lm_cli_command *command)
{
	size_t count = 0;
	const struct lm_cli_action *actions = command->actions ? command->actions(&count) : NULL;

	for (size_t i = 0; i < count; i++) {
		line(out, ".SS ", actions[i].name);
		fprintf(out, ".B lettermill %s ", command->name);
		words(out, actions[i].name);
		line(out, "\n", actions[i].arguments);
		line(out, ".PP\n", actions[i].summary);
		if (*actions[i].text)
			line(out, ".PP\n", actions[i].text);
	}
}

static void roff_command(FILE *out, const struct lm_cli_command *command)
{
	size_t count = 0;
	const struct lm_option *options = command->options ? command->options(&count) : NULL;

	fputs(".SH ", out);
	for (const char *p = command->name; *p; p++)
		fputc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, out);
	fputs("\n", out);
	usage(out, command);
	line(out, ".PP\n", *command->text ? command->text : command->summary);
	roff_actions(out, command);
	roff_options(out, options, count);
}

static void roff_end(FILE *out)
{
	size_t count;
	const struct lm_cli_exit_row *rows = lm_cli_exits(&count);

	fputs(".SH ENVIRONMENT\n"
	      ".TP\n.B LETTERMILL_PASSWORD\nThe password of who logs in to a server.\n"
	      ".TP\n.B LETTERMILL_TOKEN\nAn OAuth access token, used instead of a password.\n"
	      ".TP\n.B LETTERMILL_SENDMAIL_URL\nThe server that sendmail hands messages to.\n"
	      ".TP\n.B LETTERMILL_ACCESSTOKEN\nThe token of a cloud: store.\n",
	      out);
	fputs(".SH FILES\n.TP\n.I /var/lib/lettermill\nData of a server run by root; else\n"
	      ".I $XDG_DATA_HOME/lettermill\nor\n.IR ~/.local/share/lettermill .\n"
	      ".TP\n.I ~/.local/state/lettermill\nWhat pop3 fetch remembers for stores that do "
	      "not remember it themselves; or\n.IR $XDG_STATE_HOME/lettermill .\n"
	      ".TP\n.I ~/.netrc\nNames and passwords for servers.\n"
	      ".TP\n.I ~/.config/lettermill/sendmail.conf\nWhat sendmail hands messages to; else\n"
	      ".IR /etc/lettermill/sendmail.conf .\n",
	      out);
	fputs(".SH EXAMPLES\nKeep the options in a file and start:\n.PP\n.EX\n"
	      "lettermill serve \\-\\-hostname mx.example.org \\-\\-domain example.org "
	      "\\-\\-print\\-config > lettermill.conf\n"
	      "lettermill user add anna\nlettermill serve \\-\\-config lettermill.conf\n.EE\n"
	      ".PP\nFetch what is new into a Maildir, and leave it on the server:\n.PP\n.EX\n"
	      "lettermill pop3 fetch pop3s://anna@mail.example.org/ \\-\\-to maildir:Mail "
	      "\\-\\-keep\n.EE\n"
	      ".PP\nSend a message to those in its header:\n.PP\n.EX\n"
	      "lettermill smtp send submission://anna@mail.example.org/ letter.eml\n.EE\n",
	      out);
	fputs(".SH EXIT STATUS\n", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, ".TP\n.B %d\n%s\n", rows[i].code, rows[i].meaning);
	fputs(".SH SEE ALSO\n.BR curl (1),\n.BR mpop (1),\n.BR msmtp (1)\n", out);
}

void lm_cli_manual(FILE *out)
{
	size_t count;
	const struct lm_cli_command *const *commands = lm_cli_commands(&count);

	fprintf(out, ".TH LETTERMILL 1 \"\" \"lettermill %s\" \"User Commands\"\n", lm_version());
	fputs(".SH NAME\nlettermill \\- mail server and client for SMTP, submission, LMTP and "
	      "POP3\n"
	      ".SH SYNOPSIS\n",
	      out);
	for (size_t i = 0; i < count; i++) {
		usage(out, commands[i]);
		fputs(".br\n", out);
	}
	fputs(".SH DESCRIPTION\nServer: receives mail over SMTP, submission and LMTP, keeps it on "
	      "disk, "
	      "and serves it over POP3. Client: fetches mail into stores, sends it, examines and "
	      "loads servers.\n.PP\nOptions follow the command. A word "
	      "\\-\\- ends them: what follows may begin with a dash.\n",
	      out);
	for (size_t i = 0; i < count; i++)
		roff_command(out, commands[i]);
	roff_end(out);
}
