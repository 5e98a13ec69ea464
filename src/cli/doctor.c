/* lettermill doctor: what is wrong with a server; the command, and what both protocols share. */
#include "cli/doctor.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/letter.h"
#include "wire/text.h"

#include <ctype.h>
#include <stdarg.h>

enum { MAX_TEXT = 600, MAX_LINES = 256 * 1024 };

/* ---- Findings ---- */

static const char *const severities[LM_SEVERITY_COUNT] = { "ok", "note", "warn", "bad" };

void lm_doctor_say(struct lm_doctor *doctor, enum lm_severity severity, const char *topic,
                   const char *fmt, ...)
{
	char text[MAX_TEXT];
	size_t told = 0;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (int i = 0; i < LM_SEVERITY_COUNT; i++)
		told += doctor->found[i];
	doctor->found[severity]++;
	if (!doctor->json) {
		printf("%-5s %-13s ", severities[severity], topic);
		lm_cli_put(stdout, lm_str(text));
		printf("\n");
		fflush(stdout);
		return;
	}
	printf("%s\n  {\"severity\": \"%s\", \"topic\": \"%s\", \"text\": ", told ? "," : "",
	       severities[severity], topic);
	lm_cli_put_json(stdout, lm_str(text));
	printf("}");
}

/* ---- Capabilities ---- */

bool lm_next_line(struct lm_bytes *rest, struct lm_bytes *out_line)
{
	const uint8_t *lf = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

	if (!lf)
		return false;
	*out_line = lm_bytes(rest->data, (size_t)(lf - rest->data));
	*rest = lm_bytes_from(*rest, out_line->len + 1);
	return true;
}

static int take_line(void *ctx, const struct lm_event *event)
{
	struct lm_capabilities *c = ctx;
	int err;

	if (event->type != LM_EVENT_ITEM)
		return 0;
	err = lm_buf_add(&c->lines, event->argument);
	return err ? err : lm_buf_add_str(&c->lines, "\n");
}

int lm_capabilities_ask(struct lm_client *client, struct lm_capabilities *out,
                        struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_CAPA);

	lm_buf_init(&out->lines, MAX_LINES);
	return lm_client_do(client, &request, take_line, out, out_error);
}

bool lm_capabilities_find(const struct lm_capabilities *capabilities, const char *word,
                          struct lm_bytes *out_rest)
{
	struct lm_bytes rest = lm_buf_bytes(&capabilities->lines), line;

	while (lm_next_line(&rest, &line)) {
		struct lm_bytes first = lm_next_word(&line);

		if (!lm_equal_nocase(first, lm_str(word)))
			continue;
		*out_rest = line;
		return true;
	}
	return false;
}

void lm_doctor_explain(struct lm_doctor *doctor, const struct lm_capabilities *capabilities,
                       const struct lm_capability_words *table)
{
	struct lm_bytes rest = lm_buf_bytes(&capabilities->lines), line;

	while (lm_next_line(&rest, &line)) {
		struct lm_bytes after = line, word = lm_next_word(&after);
		const struct lm_capability_words *row = table;

		while (row->word && !lm_equal_nocase(word, lm_str(row->word)))
			row++;
		if (row->word)
			lm_doctor_say(doctor, LM_FINE, "capability", "%.*s: %s", LM_FMT(line),
			              row->meaning);
		else
			lm_doctor_say(doctor, LM_REMARK, "capability",
			              "%.*s: of no use to lettermill", LM_FMT(line));
	}
}

/* ---- Connections ---- */

int lm_doctor_open(struct lm_doctor *doctor, enum lm_tls_mode tls, bool login,
                   struct lm_client **out_client, struct lm_error *out_error)
{
	struct lm_client_params params = doctor->remote.params;

	if (!login) {
		params.tls = tls;
		params.insecure = params.no_login = true;
		params.user = params.password = params.token = NULL;
	}
	return lm_client_open(&params, out_client, out_error);
}

void lm_doctor_close(struct lm_client *client)
{
	struct lm_error why;

	if (client)
		(void)!lm_client_quit(client, &why); /* nothing was changed */
	lm_client_free(client);
}

/* ---- TLS ---- */

/* Version numbers as struct lm_client_params has them. */
static void try_old_version(struct lm_doctor *d, enum lm_tls_mode mode, unsigned version,
                            const char *name)
{
	struct lm_client_params params = d->remote.params;
	struct lm_client *client = NULL;
	struct lm_error why = { 0 };
	int err;

	params.tls = mode;
	params.insecure = params.no_login = params.legacy_connect = true;
	params.user = params.password = params.token = NULL;
	params.tls_min = params.tls_max = version;
	err = lm_client_open(&params, &client, &why);
	if (err == 0)
		lm_doctor_say(d, LM_WEAK, "tls", "%s is accepted; RFC 8996 forbids it", name);
	else if (err == LM_E_TLS && !strstr(why.text, "no protocols available"))
		lm_doctor_say(d, LM_FINE, "tls", "%s is refused", name);
	else
		lm_doctor_say(d, LM_REMARK, "tls", "%s could not be tried: %s", name, why.text);
	lm_doctor_close(client);
}

static void judge_tls(struct lm_doctor *d, const struct lm_client *client)
{
	const struct lm_tls_info *tls = &lm_client_info(client)->tls;
	const char *doubt = lm_client_tls_doubt(client);

	lm_doctor_say(d, LM_FINE, "tls", "%s with %s", tls->version, tls->cipher);
	if (strcmp(tls->version, "TLSv1.3") != 0)
		lm_doctor_say(d, LM_REMARK, "tls", "TLS 1.3 is not spoken");
	if (*doubt)
		lm_doctor_say(d, d->local ? LM_WEAK : LM_WRONG, "certificate", "%s", doubt);
	else
		lm_doctor_say(d, LM_FINE, "certificate", "good for %s", d->remote.params.host);
}

void lm_doctor_tls(struct lm_doctor *doctor, const char *verb, bool offered)
{
	bool implicit = doctor->remote.params.tls == LM_TLS_IMPLICIT;
	enum lm_tls_mode mode = implicit ? LM_TLS_IMPLICIT : LM_TLS_STARTTLS;
	struct lm_client *client = NULL;
	struct lm_error why = { 0 };

	if (!implicit && !offered) {
		lm_doctor_say(doctor, doctor->local ? LM_WEAK : LM_WRONG, "tls",
		              "%s is not offered: passwords and mail can be read on the way", verb);
		return;
	}
	if (lm_doctor_open(doctor, mode, false, &client, &why) < 0) {
		lm_doctor_say(doctor, LM_WRONG, "tls", "%s is offered, but fails: %s",
		              implicit ? "TLS" : verb, why.text);
		return;
	}
	judge_tls(doctor, client);
	lm_doctor_close(client);
	try_old_version(doctor, mode, 2, "TLS 1.0");
	try_old_version(doctor, mode, 3, "TLS 1.1");
}

void lm_doctor_plain_login(struct lm_doctor *doctor, struct lm_bytes mechanisms)
{
	static const char *const plain[] = { "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2" };

	while (mechanisms.len) {
		struct lm_bytes word = lm_next_word(&mechanisms);

		for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
			if (lm_equal_nocase(word, lm_str(plain[i])))
				lm_doctor_say(doctor, doctor->local ? LM_REMARK : LM_WEAK, "login",
				              "%s is offered without TLS: passwords can be read on "
				              "the way",
				              plain[i]);
	}
}

/* A name with a number behind it, "Postfix 3.7.1" or "qpopper/4.1": help for who looks for holes.
 */
void lm_doctor_greeting(struct lm_doctor *doctor, struct lm_bytes greeting)
{
	for (size_t i = 1; i + 2 < greeting.len; i++) {
		const uint8_t *p = greeting.data + i;
		bool word = isalpha(p[-1]) || (i > 1 && p[-1] == 'v');

		if (word && (p[0] == ' ' || p[0] == '/' || p[0] == '-') && isdigit(p[1]) &&
		    p[2] == '.') {
			lm_doctor_say(doctor, LM_REMARK, "greeting",
			              "tells strangers a version: %.*s", LM_FMT(greeting));
			return;
		}
	}
	lm_doctor_say(doctor, LM_FINE, "greeting", "%.*s", LM_FMT(greeting));
}

/* ---- The command ---- */

#define SECTION "Examination"
static const struct lm_option options[] = {
	{ "messages", "COUNT", "5",
	  "How many messages to look at, the first of the maildrop; they are fetched, and stay. "
	  "Some servers remember that a message was fetched.",
	  SECTION, "messages", LM_OPTION_NUMBER, 0, 0, 10000, 0, "pop3", 0 },
	{ "probe-relay", "ADDRESS", "",
	  "Ask whether mail for this address, elsewhere, would be taken from anybody. No message "
	  "is sent.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "smtp", 0 },
	{ "probe-smuggling", "ADDRESS", "",
	  "Try whether something else than CRLF dot CRLF ends a message. Sends up to four small "
	  "messages to this address, which should be yours.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "smtp", 0 },
	{ "helo", "NAME", "", "The name to greet with. Default: this machine's.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0, "smtp", 0 },
	{ "json", "", "", "Print JSON, for programs.", SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0,
	  NULL, 0 },
#undef SECTION
#include "cli/remote.def"
};

static const struct lm_option *doctor_options(size_t *out_count)
{
	*out_count = sizeof(options) / sizeof(*options);
	return options;
}

static int sum_up(struct lm_doctor *d, int code)
{
	int written;

	if (d->json)
		printf("\n], \"bad\": %zu, \"warn\": %zu, \"note\": %zu, \"ok\": %zu}\n",
		       d->found[LM_WRONG], d->found[LM_WEAK], d->found[LM_REMARK],
		       d->found[LM_FINE]);
	else if (code == LM_EXIT_OK)
		printf("%s: %zu bad, %zu warn, %zu note, %zu ok\n", d->remote.where,
		       d->found[LM_WRONG], d->found[LM_WEAK], d->found[LM_REMARK],
		       d->found[LM_FINE]);
	written = lm_cli_finish_output();
	if (code != LM_EXIT_OK)
		return code;
	return d->found[LM_WRONG] ? 1 : written;
}

static int examine(const struct lm_cli_call *call, unsigned protocols,
                   int (*run)(struct lm_doctor *))
{
	struct lm_doctor d = { .call = call, .json = lm_cli_flag(call, "json") };
	int code = lm_remote_init(&d.remote, call, 0, protocols, LM_REMOTE_MAY);

	if (code != LM_EXIT_OK)
		return code;
	d.local = lm_remote_is_local(d.remote.params.host);
	if (d.json) {
		printf("{\"server\": ");
		lm_cli_put_json(stdout, lm_str(d.remote.where));
		printf(", \"findings\": [");
	}
	code = sum_up(&d, run(&d));
	lm_remote_done(&d.remote);
	return code;
}

static int run_pop3(const struct lm_cli_call *call)
{
	return examine(call, LM_REMOTE_POP3, lm_doctor_pop3);
}

static int run_smtp(const struct lm_cli_call *call)
{
	static const char *const probes[] = { "probe-relay", "probe-smuggling" };
	struct lm_error why;

	for (size_t i = 0; i < 2; i++) {
		const char *address = lm_cli_text(call, probes[i]);

		if (address && (lm_letter_check_sender(address, &why) < 0 ||
		                !strchr(address, '@') || strpbrk(address, "<> \t(")))
			return lm_cli_call_usage(call,
			                         "--%s: \"%.60s\" is not an address like "
			                         "name@example.org",
			                         probes[i], address);
	}
	return examine(call, LM_REMOTE_SMTP, lm_doctor_smtp);
}

static const struct lm_cli_action actions[] = {
	{ "pop3", "URL", "examine a POP3 server",
	  "Without a user the examination ends before the login. With one it lists the maildrop, "
	  "fetches some messages and compares what the server said with what it does.",
	  1, 1, NULL, run_pop3 },
	{ "smtp", "URL", "examine an SMTP or LMTP server",
	  "Connects, asks, and quits; no mail is sent but by --probe-smuggling.", 1, 1, NULL,
	  run_smtp },
};

static const struct lm_cli_action *doctor_actions(size_t *out_count)
{
	*out_count = sizeof(actions) / sizeof(*actions);
	return actions;
}

const struct lm_cli_command lm_cli_doctor_command = {
	.name = "doctor",
	.arguments = "pop3|smtp URL [OPTION]...",
	.summary = "examine a server: what it can do, what is weak or wrong",
	.text = "Prints a finding a line: ok, note (good to know), warn (weak) or bad (wrong), "
	        "then what it is about, and what was found; at the end a line with their "
	        "numbers. Nothing on the server is changed. Exit codes: 0 nothing bad was found; "
	        "1 something bad was; else the server could not be examined.",
	.options = doctor_options,
	.run = lm_cli_run_actions,
	.actions = doctor_actions,
};
