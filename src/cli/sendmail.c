/* lettermill sendmail: what other programs start when they say "sendmail". */
#include "cli/letter.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/config.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_PATH = 4096, MAX_DOMAIN = 256, MAX_SENDER = 600 };

#define SECTION "Message"
static const struct lm_option options[] = {
	{ "from", "ADDRESS", "",
	  "The sender, to whom failures are reported; <> for none. Also -r. Default: as the header "
	  "says, else the user who calls.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 'f' },
	{ "full-name", "NAME", "",
	  "Name in a From field that is added. Default: the user's, from the list of users.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 'F' },
	{ "read-recipients", "", "",
	  "Send to those whom To, Cc and Bcc (or Resent-To, Resent-Cc and Resent-Bcc) name.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, NULL, 't' },
	{ "ignore-dots", "", "",
	  "A line that is one dot is a line like others; else it ends the message. Also -oi.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, NULL, 'i' },
	{ "dsn", "never|success,failure,delay", "", "When to report to the sender (RFC 3461).",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 'N' },
	{ "ret", "full|hdrs", "",
	  "What a report of failure holds: the whole message, or its header.", SECTION, "",
	  LM_OPTION_CHOICE, 0, 0, 0, 0, NULL, 'R' },
	{ "envid", "TEXT", "", "A word that reports repeat.", SECTION, "", LM_OPTION_STRING, 0, 0,
	  0, 0, NULL, 'V' },
	{ "force-8bit", "", "",
	  "Send octets of 0x80 and above also to a server that does not announce 8BITMIME, and "
	  "UTF-8 in the header to one without SMTPUTF8.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, NULL, 0 },
#undef SECTION
#define SECTION "Where to"
	{ "url", "URL", "",
	  "The server that takes the mail, as \"smtp send\" has it. Default: "
	  "$LETTERMILL_SENDMAIL_URL, else \"url\" of the configuration file, else "
	  "smtp://localhost:25.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 0 },
	{ "config", "FILE", "",
	  "Options in a file, \"name = value\" a line, names as here; the command line wins. "
	  "Default: lettermill/sendmail.conf in $XDG_CONFIG_HOME or ~/.config, else "
	  "/etc/lettermill/sendmail.conf, where they exist.",
	  SECTION, "", LM_OPTION_STRING, LM_OPTION_CLI, 0, 0, 0, NULL, 'C' },
	{ "domain", "NAME", "",
	  "Put behind addresses that have none (\"root\"). Default: the line in /etc/mailname, "
	  "else this machine's name.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 0 },
	{ "helo", "NAME", "", "The name to greet with. Default: this machine's.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0, NULL, 0 },
#undef SECTION
#include "cli/remote.def"
};

enum { OPTION_COUNT = sizeof(options) / sizeof(*options) };

static const struct lm_option *sendmail_options(size_t *out_count)
{
	*out_count = OPTION_COUNT;
	return options;
}

/* ---- Letters, as sendmail has had them since 1983 ---- */

/* What to do with a letter. */
enum letter_kind {
	UNKNOWN,
	FLAG,      /* ours, without a value */
	IDLE,      /* nothing to do here */
	IDLE_ARG,  /* the same, a value behind it */
	IDLE_TAIL, /* the same, a value joined to it or none */
	VALUE,     /* ours, with a value: becomes --name=value */
	SETTING,   /* -oX */
	MODE,      /* -bX */
};

static enum letter_kind kind_of(char letter)
{
	static const struct {
		const char *letters;
		enum letter_kind kind;
	} kinds[] = { { "tiv", FLAG },      { "cEGIJmnsTUx", IDLE }, { "ABDehLMOpX", IDLE_ARG },
		      { "dqQ", IDLE_TAIL }, { "fFrNRVC", VALUE },    { "o", SETTING },
		      { "b", MODE } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strchr(kinds[i].letters, letter))
			return kinds[i].kind;
	return UNKNOWN;
}

/* argv rewritten in our own words. */
struct words {
	char **items; /* each owned */
	size_t count, room;
	bool queue_wanted; /* -bp */
	const struct lm_cli_command *command;
};

static int add_word(struct words *w, const char *front, const char *text)
{
	struct lm_buf b;
	int err;

	LM_ASSERT(w->count < w->room);
	lm_buf_init(&b, 1 << 20);
	err = lm_buf_printf(&b, "%s%s", front, text);
	if (err == 0)
		w->items[w->count] = lm_strdup_bytes(lm_buf_bytes(&b));
	lm_buf_done(&b);
	if (err || !w->items[w->count])
		return lm_err_exit_code(LM_E_NOMEM);
	w->count++;
	return LM_EXIT_OK;
}

static const char *long_name(char letter)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].letter == (letter == 'r' ? 'f' : letter))
			return options[i].name;
	LM_ASSERT(false);
	return NULL;
}

static int add_value(struct words *w, char letter, const char *value)
{
	char front[64];

	snprintf(front, sizeof(front), "--%s=", long_name(letter));
	return add_word(w, front, value);
}

static int take_mode(struct words *w, const char *mode)
{
	if (strcmp(mode, "m") == 0)
		return LM_EXIT_OK;
	if (strcmp(mode, "p") == 0) {
		w->queue_wanted = true;
		return LM_EXIT_OK;
	}
	return lm_cli_usage(w->command,
	                    "-b%.20s: only mail is sent here (-bm); there is no daemon, "
	                    "no queue and no table of aliases",
	                    mode);
}

static int take_value(struct words *w, enum letter_kind kind, char letter, const char *value)
{
	if (kind == VALUE)
		return add_value(w, letter, value);
	if (kind == MODE)
		return take_mode(w, value);
	if (kind == SETTING && strcmp(value, "i") == 0)
		return add_word(w, "-", "i");
	return LM_EXIT_OK;
}

/* The letters of one argument; *io_next moves on when a value stands in the argument behind. */
static int take_letters(struct words *w, const char *p, int argc, char **argv, int *io_next)
{
	char one[2] = "";
	int code = LM_EXIT_OK;

	for (; *p && code == LM_EXIT_OK; p++) {
		enum letter_kind kind = kind_of(*p);

		one[0] = *p;
		if (kind == UNKNOWN)
			return lm_cli_usage(w->command, "there is no option -%c", *p);
		if (kind == IDLE_TAIL)
			return LM_EXIT_OK;
		if (kind == IDLE)
			continue;
		if (kind == FLAG) {
			code = add_word(w, "-", one);
			continue;
		}
		if (!p[1] && *io_next >= argc)
			return lm_cli_usage(w->command, "-%c needs a value", *p);
		return take_value(w, kind, *p, p[1] ? p + 1 : argv[(*io_next)++]);
	}
	return code;
}

static int take_words(struct words *w, int argc, char **argv)
{
	bool operands_only = false;
	int code = add_word(w, "", argv[0]);

	for (int i = 1; i < argc && code == LM_EXIT_OK;) {
		const char *p = argv[i++];

		if (operands_only || p[0] != '-' || !p[1] || p[1] == '-' ||
		    (argc == 2 && strcmp(p, "-h") == 0)) { /* else hops, with their number */
			operands_only |= strcmp(p, "--") == 0;
			code = add_word(w, "", p);
		} else {
			code = take_letters(w, p + 1, argc, argv, &i);
		}
	}
	return code;
}

static void free_words(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		lm_free(w->items[i]);
	lm_free(w->items);
}

/* ---- The configuration file ---- */

static bool find_config(char path[MAX_PATH])
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (base && *base == '/')
		snprintf(path, MAX_PATH, "%s/lettermill/sendmail.conf", base);
	else
		snprintf(path, MAX_PATH, "%s/.config/lettermill/sendmail.conf", home ? home : "");
	if (access(path, F_OK) == 0)
		return true;
	snprintf(path, MAX_PATH, "/etc/lettermill/sendmail.conf");
	return access(path, F_OK) == 0;
}

/* The file's settings first: those of the command line, which come behind, win. */
static int read_config(struct lm_cli_call *call, char path[MAX_PATH], struct lm_error *why)
{
	struct lm_cli_settings line = call->args.settings, all = { 0 };
	const char *given = lm_cli_settings_get(&line, "config");
	int err = 0;

	if (given)
		snprintf(path, MAX_PATH, "%s", given);
	if (given || find_config(path))
		err = lm_cli_config_read_table(path, options, OPTION_COUNT, &all, why);
	for (size_t i = 0; i < line.count && err == 0; i++)
		err = lm_cli_settings_add(&all, line.items[i].option, line.items[i].value, NULL, 0);
	lm_cli_settings_done(&line);
	call->args.settings = all;
	return err;
}

/* ---- Who sends, and where ---- */

static const char *machine_domain(char out[MAX_DOMAIN])
{
	FILE *f = fopen("/etc/mailname", "re");

	out[0] = '\0';
	if (f && fgets(out, MAX_DOMAIN, f))
		out[strcspn(out, " \t\r\n")] = '\0';
	if (f)
		fclose(f);
	if (!*out && gethostname(out, MAX_DOMAIN - 1) < 0)
		out[0] = '\0';
	out[MAX_DOMAIN - 1] = '\0';
	return *out ? out : "localhost";
}

struct caller {
	char domain[MAX_DOMAIN], sender[MAX_SENDER], name[256];
};

static void find_caller(struct caller *c, struct lm_letter_plan *plan)
{
	const struct passwd *user = getpwuid(getuid());

	if (!plan->domain)
		plan->domain = machine_domain(c->domain);
	snprintf(c->sender, sizeof(c->sender), "%.250s@%.255s", user ? user->pw_name : "nobody",
	         plan->domain);
	plan->from_else = c->sender;
	if (!plan->name && user && user->pw_gecos && *user->pw_gecos) {
		snprintf(c->name, sizeof(c->name), "%.*s", (int)strcspn(user->pw_gecos, ","),
		         user->pw_gecos);
		plan->name = *c->name ? c->name : NULL;
	}
}

static int set_plan(const struct lm_cli_call *call, struct lm_letter_plan *plan, char envid[101])
{
	bool in_header = lm_cli_flag(call, "read-recipients");
	struct lm_error why;

	plan->flags = LM_OUTGOING_ADD_MISSING;
	if (!lm_cli_flag(call, "ignore-dots"))
		plan->flags |= LM_OUTGOING_DOT_ENDS;
	plan->from = lm_cli_text(call, "from");
	plan->name = lm_cli_text(call, "full-name");
	plan->domain = lm_cli_text(call, "domain");
	plan->to = (const char *const *)call->args.operands;
	plan->to_count = call->args.operand_count;
	if (in_header && plan->to_count)
		return lm_cli_call_usage(call, "-t and recipients: others take those away from the "
		                               "header's, or add them; say which is meant");
	if (!in_header && !plan->to_count)
		return lm_cli_call_usage(call, "say to whom: recipients, or -t for the header's");
	if (plan->from && lm_letter_check_sender(plan->from, &why) < 0)
		return lm_cli_call_usage(call, "-f: %s", why.text);
	for (size_t i = 0; i < plan->to_count; i++)
		if (lm_letter_check_recipients(plan->to[i], &why) < 0)
			return lm_cli_call_usage(call, "%s", why.text);
	return lm_letter_delivery(call, "-N", "-V", plan, envid);
}

static int send_letter(const struct lm_cli_call *call, const struct lm_letter_plan *plan)
{
	struct lm_remote remote;
	struct lm_letter_run run = { .remote = &remote, .any_refusal_fails = true };
	struct lm_outgoing *letter;
	struct lm_error why = { 0 };
	int code, err = lm_letter_read(plan, STDIN_FILENO, &letter, &why);

	if (err < 0) {
		lm_letter_unread(&run, "standard input", lm_err_exit_code(err), why.text);
		return run.code;
	}
	code = lm_remote_init(&remote, call, 0, LM_REMOTE_SMTP, LM_REMOTE_MAY);
	if (code == LM_EXIT_OK) {
		if (lm_cli_text(call, "helo"))
			remote.params.helo = lm_cli_text(call, "helo");
		remote.params.force_8bit = lm_cli_flag(call, "force-8bit");
		lm_letter_send(&run, letter, "sendmail");
		code = lm_letter_done(&run);
		lm_remote_done(&remote);
	}
	lm_outgoing_free(letter);
	return code;
}

static int send_to(const struct lm_cli_call *call, const struct lm_letter_plan *plan,
                   const char *url)
{
	char *copy = lm_strdup_bytes(lm_str(url));
	struct lm_cli_call to = *call;
	int code;

	if (!copy)
		return lm_err_exit_code(LM_E_NOMEM);
	to.operands = &copy;
	to.operand_count = 1;
	code = send_letter(&to, plan);
	lm_wipe(copy, strlen(copy));
	lm_free(copy);
	return code;
}

/* ---- The command ---- */

static int run_call(struct lm_cli_call *call)
{
	const char *url = lm_cli_settings_get(&call->args.settings, "url");
	struct lm_letter_plan plan = { 0 };
	struct caller caller;
	struct lm_error why = { 0 };
	char path[MAX_PATH], envid[101];
	int code;

	if (!url)
		url = getenv("LETTERMILL_SENDMAIL_URL");
	else
		url = NULL; /* the merged settings know it */
	if (read_config(call, path, &why) < 0) {
		lm_cli_complain("%s", why.text);
		return lm_err_exit_code(why.code);
	}
	if (!url || !*url)
		url = lm_cli_text(call, "url");
	code = lm_cli_check_values(call);
	if (code == LM_EXIT_OK)
		code = set_plan(call, &plan, envid);
	if (code != LM_EXIT_OK)
		return code;
	find_caller(&caller, &plan);
	return send_to(call, &plan, url ? url : "smtp://localhost:25");
}

static int run_words(const struct lm_cli_command *command, struct words *w)
{
	static const struct lm_cli_action whole = { .name = "" };
	struct lm_cli_call call = { .command = command, .action = &whole };
	struct lm_error why = { 0 };
	int code;

	if (w->queue_wanted) {
		puts("Mail queue is empty");
		return lm_cli_finish_output();
	}
	if (lm_cli_args_parse(options, OPTION_COUNT, (int)w->count, w->items, &call.args, &why) <
	    0) {
		code = lm_cli_usage(command, "%s", why.text);
	} else if (call.args.help) {
		lm_cli_help(stdout, command, NULL);
		code = lm_cli_finish_output();
	} else {
		code = run_call(&call);
	}
	lm_cli_args_done(&call.args);
	return code;
}

static int run_sendmail(const struct lm_cli_command *command, int argc, char **argv)
{
	struct words w = { .command = command, .room = 1 };
	int code = LM_EXIT_OK;

	for (int i = 0; i < argc; i++)
		w.room += strlen(argv[i]) + 1; /* a word for each letter, at most */
	w.items = lm_alloc_zero(w.room, sizeof(*w.items));
	if (!w.items)
		return lm_err_exit_code(LM_E_NOMEM);
	code = take_words(&w, argc, argv);
	if (code == LM_EXIT_OK)
		code = run_words(command, &w);
	free_words(&w);
	return code;
}

const struct lm_cli_command lm_cli_sendmail_command = {
	.name = "sendmail",
	.arguments = "[OPTION]... -t | RECIPIENT...",
	.summary = "take a message from a program that expects sendmail",
	.text = "Reads one message from standard input and hands it to a server: the one that "
	        "--url, the environment or the configuration file names. The same happens when the "
	        "executable is called by the name sendmail, through a link. There is no queue: "
	        "when the server does not take the message now, the exit code says so.\n"
	        "Date, Message-ID and From are added where they are missing, Bcc fields taken out. "
	        "Addresses without a domain get one. Options of sendmail that mean nothing here "
	        "(-oem, -odb, -bm, -B, -G, -h, -L, -m, -n, -O, -p, -q, -U, -X and others) are "
	        "taken "
	        "and passed over. Recipients beside -t are refused, for programs do not agree "
	        "about "
	        "what they mean.\n"
	        "Exit codes are those of sysexits(3): 0 when every recipient was accepted; 64 "
	        "wrong "
	        "usage; 65 a wrong message; 69 a recipient was refused for good; 75 try again "
	        "later; "
	        "77 the login failed; 78 a wrong configuration file.",
	.options = sendmail_options,
	.run = run_sendmail,
};
