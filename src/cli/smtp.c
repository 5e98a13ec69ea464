/* lettermill smtp: send messages, ask servers. */
#include "cli/letter.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { EXIT_NO_INPUT = 66 };

#define SECTION "Message"
static const struct lm_option options[] = {
	{ "from", "ADDRESS", "",
	  "The sender, to whom failures are reported; <> for none. Default: as the header says "
	  "(Resent-Sender, Resent-From, Sender, From).",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "send", 0 },
	{ "to", "ADDRESS", "",
	  "A recipient, or several with commas between; may be given several times, and then those "
	  "of the header do not count. "
	  "Default: as the header says (To, Cc and Bcc, or of a message sent again Resent-To, "
	  "Resent-Cc and Resent-Bcc).",
	  SECTION, "", LM_OPTION_LIST, 0, 0, 0, 0, "send", 0 },
	{ "keep-bcc", "", "",
	  "Send Bcc and Resent-Bcc fields, which are otherwise taken out, along with the rest.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
	{ "add-missing", "", "", "Add Date, Message-ID and From where the header has none.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
	{ "strict-newlines", "", "",
	  "Refuse LF alone as the end of a line instead of making it CRLF. A CR alone is always "
	  "refused.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
	{ "binary", "", "",
	  "Send the octets as they are, by BDAT (RFC 3030). The server must offer BINARYMIME.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
	{ "force-8bit", "", "",
	  "Send octets of 0x80 and above also to a server that does not announce 8BITMIME, and "
	  "UTF-8 in the header to one without SMTPUTF8.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
#undef SECTION
#define SECTION "Delivery"
	{ "dsn", "never|success,failure,delay", "",
	  "When to report to the sender (RFC 3461): never, or some of success, failure, delay "
	  "with commas between.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "send", 0 },
	{ "ret", "full|hdrs", "",
	  "What a report of failure holds: the whole message, or its header.", SECTION, "",
	  LM_OPTION_CHOICE, 0, 0, 0, 0, "send", 0 },
	{ "envid", "TEXT", "", "A word of yours that reports repeat, to know what they are about.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "send", 0 },
	{ "require-tls", "", "",
	  "Let every server on the way pass it on under TLS only (RFC 8689). This one must offer "
	  "REQUIRETLS.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
	{ "helo", "NAME", "", "The name to greet with. Default: this machine's.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0, NULL, 0 },
	{ "no-pipelining", "", "", "One command at a time, whatever the server offers.", SECTION,
	  "", LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
	{ "no-chunking", "", "", "DATA, also where the server offers BDAT.", SECTION, "",
	  LM_OPTION_FLAG, 0, 0, 0, 0, "send", 0 },
	{ "json", "", "", "Print JSON for programs: an object a line.", SECTION, "", LM_OPTION_FLAG,
	  0, 0, 0, 0, NULL, 0 },
#undef SECTION
#include "cli/remote.def"
};

static const struct lm_option *smtp_options(size_t *out_count)
{
	*out_count = sizeof(options) / sizeof(*options);
	return options;
}

static int init_remote(struct lm_remote *r, const struct lm_cli_call *call)
{
	int code = lm_remote_init(r, call, 0, LM_REMOTE_SMTP, LM_REMOTE_MAY);

	if (code != LM_EXIT_OK)
		return code;
	if (lm_cli_text(call, "helo"))
		r->params.helo = lm_cli_text(call, "helo");
	return LM_EXIT_OK;
}

/* ---- send ---- */

static int set_plan(const struct lm_cli_call *call, struct lm_letter_plan *plan, char envid[101])
{
	static const struct {
		const char *name;
		unsigned flag;
	} flags[] = { { "keep-bcc", LM_OUTGOING_KEEP_BCC },
		      { "add-missing", LM_OUTGOING_ADD_MISSING },
		      { "strict-newlines", LM_OUTGOING_STRICT },
		      { "binary", LM_OUTGOING_BINARY } };

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (lm_cli_flag(call, flags[i].name))
			plan->flags |= flags[i].flag;
	if (lm_cli_flag(call, "binary") && lm_cli_flag(call, "no-chunking"))
		return lm_cli_call_usage(call, "--binary needs BDAT: not with --no-chunking");
	plan->require_tls = lm_cli_flag(call, "require-tls");
	return lm_letter_delivery(call, "--dsn", "--envid", plan, envid);
}

static int set_addresses(const struct lm_cli_call *call, struct lm_letter_plan *plan)
{
	struct lm_error why;
	const char *to;

	plan->from = lm_cli_text(call, "from");
	if (plan->from && lm_letter_check_sender(plan->from, &why) < 0)
		return lm_cli_call_usage(call, "--from: %s", why.text);
	while ((to = lm_cli_text_at(call, "to", plan->to_count))) {
		if (lm_letter_check_recipients(to, &why) < 0)
			return lm_cli_call_usage(call, "--to: %s", why.text);
		plan->to_count++;
	}
	return LM_EXIT_OK;
}

static int collect_recipients(const struct lm_cli_call *call, struct lm_letter_plan *plan,
                              const char ***out_list)
{
	const char **list = lm_alloc_zero(plan->to_count + 1, sizeof(*list));

	if (!list)
		return lm_err_exit_code(LM_E_NOMEM);
	for (size_t i = 0; i < plan->to_count; i++)
		list[i] = lm_cli_text_at(call, "to", i);
	plan->to = *out_list = list;
	return LM_EXIT_OK;
}

static void send_file(struct lm_letter_run *run, const struct lm_letter_plan *plan,
                      const char *name)
{
	bool input = strcmp(name, "-") == 0;
	const char *shown = input ? "standard input" : name;
	int fd = input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC), err;
	struct lm_outgoing *letter;
	struct lm_error why = { 0 };

	if (fd < 0) {
		lm_letter_unread(run, shown, EXIT_NO_INPUT, strerror(errno));
		return;
	}
	err = lm_letter_read(plan, fd, &letter, &why);
	if (!input)
		close(fd);
	if (err < 0) {
		lm_letter_unread(run, shown, lm_err_exit_code(err), why.text);
		return;
	}
	lm_letter_send(run, letter, shown);
	lm_outgoing_free(letter);
}

static int send_all(const struct lm_cli_call *call, const struct lm_letter_plan *plan)
{
	struct lm_remote remote;
	struct lm_letter_run run = { .remote = &remote, .json = lm_cli_flag(call, "json") };
	int code = init_remote(&remote, call);

	if (code != LM_EXIT_OK)
		return code;
	remote.params.no_pipelining = lm_cli_flag(call, "no-pipelining");
	remote.params.no_chunking = lm_cli_flag(call, "no-chunking");
	remote.params.force_8bit = lm_cli_flag(call, "force-8bit");
	if (call->operand_count == 1)
		send_file(&run, plan, "-");
	for (size_t i = 1; i < call->operand_count; i++)
		send_file(&run, plan, call->operands[i]);
	code = lm_letter_done(&run);
	lm_remote_done(&remote);
	return code;
}

static int run_send(const struct lm_cli_call *call)
{
	struct lm_letter_plan plan = { 0 };
	const char **recipients = NULL;
	char envid[101];
	int code = set_plan(call, &plan, envid);

	if (code == LM_EXIT_OK)
		code = set_addresses(call, &plan);
	if (code == LM_EXIT_OK)
		code = collect_recipients(call, &plan, &recipients);
	if (code == LM_EXIT_OK)
		code = send_all(call, &plan);
	lm_free(recipients);
	return code;
}

/* ---- verify ---- */

struct answer {
	struct lm_buf text;
	int code, result;
	uint8_t enhanced[3];
};

static int take_answer(void *ctx, const struct lm_event *event)
{
	struct answer *a = ctx;

	if (event->type != LM_EVENT_OUTCOME)
		return 0;
	a->code = event->outcome->smtp_code;
	a->result = event->outcome->result;
	memcpy(a->enhanced, event->outcome->enhanced, sizeof(a->enhanced));
	return lm_buf_add(&a->text, event->outcome->text);
}

static void put_lines(struct lm_bytes text)
{
	while (text.len) {
		const uint8_t *lf = memchr(text.data, '\n', text.len);
		size_t len = lf ? (size_t)(lf - text.data) : text.len;

		lm_cli_put(stdout, lm_bytes(text.data, len));
		printf("\n");
		text = lm_bytes_from(text, len + 1);
	}
}

static void show_answer(const struct answer *a, const char *who, bool json)
{
	if (!json) {
		put_lines(lm_buf_bytes(&a->text));
		return;
	}
	printf("{\"who\": ");
	lm_cli_put_json(stdout, lm_str(who));
	printf(", \"known\": %s, \"code\": %d, ",
	       a->code == 252 ? "null"
	       : a->result    ? "false"
	                      : "true",
	       a->code);
	if (a->enhanced[0])
		printf("\"enhanced\": \"%d.%d.%d\", ", a->enhanced[0], a->enhanced[1],
		       a->enhanced[2]);
	printf("\"text\": ");
	lm_cli_put_json(stdout, lm_buf_bytes(&a->text));
	printf("}\n");
}

/* 550, 551 and 553 speak of the name, all else of the command or the server. */
static int verify_exit(const struct answer *a, int err)
{
	if (a->code == 550 || a->code == 551 || a->code == 553)
		return lm_err_exit_code(LM_E_NOT_FOUND);
	return err == LM_E_DENIED ? lm_err_exit_code(LM_E_UNSUPPORTED) : lm_err_exit_code(err);
}

static int verify(struct lm_client *client, struct lm_remote *remote, const char *who, bool json)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_VRFY);
	struct answer a = { 0 };
	struct lm_error why = { 0 };
	int err, code;

	lm_buf_init(&a.text, 1 << 20);
	request.argument = lm_str(who);
	err = lm_client_do(client, &request, take_answer, &a, &why);
	if (a.code && (err == 0 || json))
		show_answer(&a, who, json);
	if (err)
		(void)lm_remote_failed(remote, &why);
	code = verify_exit(&a, err);
	lm_buf_done(&a.text);
	return code;
}

static int run_verify(const struct lm_cli_call *call)
{
	struct lm_client *client = NULL;
	struct lm_remote remote;
	struct lm_error why = { 0 };
	int code = init_remote(&remote, call), written;

	if (code != LM_EXIT_OK)
		return code;
	if (lm_client_open(&remote.params, &client, &why) < 0) {
		code = lm_remote_failed(&remote, &why);
	} else {
		code = verify(client, &remote, call->operands[1], lm_cli_flag(call, "json"));
		(void)!lm_client_quit(client, NULL);
	}
	lm_client_free(client);
	lm_remote_done(&remote);
	written = lm_cli_finish_output();
	return code ? code : written;
}

/* ---- capa ---- */

struct listing {
	bool json;
	size_t count;
};

static int put_capability(void *ctx, const struct lm_event *event)
{
	struct listing *l = ctx;

	if (event->type != LM_EVENT_ITEM)
		return 0;
	if (l->json) {
		printf("%s", l->count ? ", " : "");
		lm_cli_put_json(stdout, event->argument);
	} else {
		lm_cli_put(stdout, event->argument);
		printf("\n");
	}
	l->count++;
	return 0;
}

static int put_capabilities(struct lm_client *client, bool json, struct lm_error *why)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_CAPA);
	const struct lm_session_info *info = lm_client_info(client);
	struct listing listing = { .json = json };
	int err;

	if (json) {
		printf("{\"greeting\": ");
		lm_cli_put_json(stdout, lm_client_greeting(client));
		printf(", \"tls\": ");
		lm_cli_put_json(stdout, lm_str(info->tls.active ? info->tls.version : ""));
		printf(", \"capabilities\": [");
	}
	err = lm_client_do(client, &request, put_capability, &listing, why);
	if (json)
		printf("]}\n");
	return err;
}

static int run_capa(const struct lm_cli_call *call)
{
	struct lm_client *client = NULL;
	struct lm_remote remote;
	struct lm_error why = { 0 };
	int code = init_remote(&remote, call), err, written;

	if (code != LM_EXIT_OK)
		return code;
	err = lm_client_open(&remote.params, &client, &why);
	if (err == 0)
		err = put_capabilities(client, lm_cli_flag(call, "json"), &why);
	if (err)
		code = lm_remote_failed(&remote, &why);
	else
		(void)!lm_client_quit(client, NULL);
	lm_client_free(client);
	lm_remote_done(&remote);
	written = lm_cli_finish_output();
	return code ? code : written;
}

/* ---- The tables ---- */

static const struct lm_cli_action actions[] = {
	{ "send", "URL [FILE|-]...", "send messages",
	  "Each FILE is one message; without any, standard input is. They go over one connection, "
	  "one after another. The envelope comes from the header where the options do not say it, "
	  "and Bcc fields are taken out.\n"
	  "A recipient that is refused is named with the server's reply. Exit codes: 0 when the "
	  "server took every message for everybody; 1 when it took some; 69 when it refused all "
	  "for good, 75 when for now; 75 also when the connection was lost at a message's end, and "
	  "it may have been delivered: that is said, and \"unknown\" in JSON.",
	  1, SIZE_MAX, NULL, run_send },
	{ "verify", "URL WHO", "ask whether a server knows an address",
	  "Prints the answer to VRFY. Many servers do not say, with 252. Exit codes: 0 when the "
	  "answer is a yes, or does not say; 67 when there is no such address; 69 when the server "
	  "does not answer such questions.",
	  2, 2, NULL, run_verify },
	{ "capa", "URL", "list what a server can do",
	  "Prints the lines of its answer to EHLO or LHLO, under TLS as --tls says and, when a "
	  "user is named, logged in. \"doctor smtp\" explains them.",
	  1, 1, NULL, run_capa },
};

static const struct lm_cli_action *smtp_actions(size_t *out_count)
{
	*out_count = sizeof(actions) / sizeof(*actions);
	return actions;
}

const struct lm_cli_command lm_cli_smtp_command = {
	.name = "smtp",
	.arguments = "send|verify|capa URL [OPTION]...",
	.summary = "send mail, ask SMTP and LMTP servers",
	.text = "URLs are smtp://USER@HOST:PORT/NAME, smtps:// for TLS from the first octet, "
	        "submission:// for port 587, lmtp://HOST:PORT or lmtp:///PATH of a Unix socket; "
	        "NAME is what to greet with. Without --tls a server elsewhere must offer STARTTLS "
	        "and a good certificate.",
	.options = smtp_options,
	.run = lm_cli_run_actions,
	.actions = smtp_actions,
};
