/* SMTP and LMTP servers examined. */
#include "cli/doctor.h"

#include "wire/text.h"

static const struct lm_capability_words words[] = {
	{ "PIPELINING", "commands may be sent in groups (RFC 2920)" },
	{ "SIZE", "the largest message it takes, in octets (RFC 1870)" },
	{ "8BITMIME", "octets of 0x80 and above may be sent (RFC 6152)" },
	{ "SMTPUTF8", "addresses and headers in UTF-8 (RFC 6531)" },
	{ "CHUNKING", "messages in pieces, by BDAT (RFC 3030)" },
	{ "BINARYMIME", "octets without lines (RFC 3030)" },
	{ "DSN", "reports of delivery on request (RFC 3461)" },
	{ "ENHANCEDSTATUSCODES", "replies say precisely what is wrong (RFC 2034)" },
	{ "STARTTLS", "TLS on the same connection (RFC 3207)" },
	{ "AUTH", "ways to log in (RFC 4954)" },
	{ "REQUIRETLS", "mail that travels under TLS only (RFC 8689)" },
	{ "LIMITS", "limits known in advance (RFC 9422)" },
	{ "VRFY", "asks whether an address is known (RFC 5321)" },
	{ "EXPN", "asks who is on a list (RFC 5321)" },
	{ "HELP", "explains itself (RFC 5321)" },
	{ "ETRN", "mail that waits is sent on request (RFC 1985)" },
	{ "DELIVERBY", "messages with a deadline (RFC 2852)" },
	{ "MT-PRIORITY", "messages with a priority (RFC 6710)" },
	{ "FUTURERELEASE", "messages to be sent later (RFC 4865)" },
	{ "XCLIENT", "another client's name and address are believed (Postfix)" },
	{ NULL, NULL },
};

struct answer {
	int code;
	char text[200];
};

static int take_answer(void *ctx, const struct lm_event *event)
{
	struct answer *a = ctx;

	if (event->type != LM_EVENT_OUTCOME)
		return 0;
	a->code = event->outcome->smtp_code;
	snprintf(a->text, sizeof(a->text), "%.*s",
	         (int)(event->outcome->text.len < 150 ? event->outcome->text.len : 150),
	         (const char *)event->outcome->text.data);
	return 0;
}

/* The reply's code; 0: there was none. */
static int ask(struct lm_client *client, struct answer *out, const char *fmt, const char *what)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_COMMAND);
	struct lm_error why;
	char line[600];

	*out = (struct answer){ 0 };
	snprintf(line, sizeof(line), fmt, what);
	request.argument = lm_str(line);
	if (lm_client_do(client, &request, take_answer, out, &why) < 0)
		out->code = 0;
	return out->code;
}

static void check_missing(struct lm_doctor *d, const struct lm_capabilities *c)
{
	static const struct lm_capability_words wanted[] = {
		{ "PIPELINING", "a round trip is waited for with every command" },
		{ "8BITMIME", "mail that is not ASCII must be encoded anew" },
		{ "SIZE", "a message that is too large is sent before it is refused" },
		{ "ENHANCEDSTATUSCODES", "refusals have to be guessed at" },
		{ "SMTPUTF8", "addresses beyond ASCII cannot be served" },
	};
	struct lm_bytes rest;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!lm_capabilities_find(c, wanted[i].word, &rest))
			lm_doctor_say(d, i == 4 ? LM_REMARK : LM_WEAK, "capability",
			              "%s is missing: %s", wanted[i].word, wanted[i].meaning);
	if (lm_capabilities_find(c, "XCLIENT", &rest))
		lm_doctor_say(d, LM_WEAK, "capability",
		              "XCLIENT is offered: this address may pretend to be any other");
	if (lm_capabilities_find(c, "BINARYMIME", &rest) &&
	    !lm_capabilities_find(c, "CHUNKING", &rest))
		lm_doctor_say(d, LM_WRONG, "capability",
		              "BINARYMIME without CHUNKING cannot be used (RFC 3030 3)");
}

static void check_size(struct lm_doctor *d, const struct lm_capabilities *c)
{
	struct lm_bytes rest;
	uint64_t size;

	if (!lm_capabilities_find(c, "SIZE", &rest) || rest.len == 0)
		return;
	if (!lm_parse_number(rest, UINT64_MAX, &size))
		lm_doctor_say(d, LM_WRONG, "capability", "SIZE is no number: \"%.*s\"",
		              (int)(rest.len < 40 ? rest.len : 40), (const char *)rest.data);
	else if (size && size < 65536)
		lm_doctor_say(d, LM_WEAK, "capability",
		              "SIZE is less than the 64K that every server must take (RFC 5321 "
		              "4.5.3.1.7)");
}

/* Groups are answered one by one and in order, or the word was a lie. */
static void check_pipelining(struct lm_doctor *d, struct lm_client *client,
                             const struct lm_capabilities *c)
{
	struct lm_request requests[4];
	struct lm_bytes rest;
	struct lm_error why = { 0 };

	if (!lm_capabilities_find(c, "PIPELINING", &rest))
		return;
	for (int i = 0; i < 4; i++)
		requests[i] = LM_REQUEST_INIT(i & 1 ? LM_REQUEST_RSET : LM_REQUEST_NOOP);
	if (lm_client_do_all(client, requests, 4, NULL, NULL, &why) < 0)
		lm_doctor_say(d, LM_WRONG, "capability",
		              "PIPELINING is announced, but commands in a group fail: %s",
		              why.text);
}

static void check_names(struct lm_doctor *d, struct lm_client *client)
{
	struct answer known, made_up, list;
	bool tells;

	ask(client, &known, "VRFY %s", "postmaster");
	ask(client, &made_up, "VRFY %s", "lm-doctor-nobody-7f3a");
	ask(client, &list, "EXPN %s", "postmaster");
	tells = made_up.code == 550 || made_up.code == 551 || made_up.code == 553;
	if ((known.code == 250 || known.code == 251) && tells)
		lm_doctor_say(d, LM_WEAK, "names", "VRFY tells strangers which addresses exist");
	else if (known.code == 250 && made_up.code == 250)
		lm_doctor_say(d, LM_REMARK, "names", "VRFY says yes to everything");
	else
		lm_doctor_say(d, LM_FINE, "names", "VRFY tells nothing (%d)", known.code);
	if (list.code == 250)
		lm_doctor_say(d, LM_WEAK, "names", "EXPN tells strangers who is on a list: %s",
		              list.text);
	else
		lm_doctor_say(d, LM_FINE, "names", "EXPN tells nothing (%d)", list.code);
}

static void check_unknown_command(struct lm_doctor *d, struct lm_client *client)
{
	struct answer a;

	if (ask(client, &a, "%s", "XLMDOCTOR") / 100 == 5)
		return;
	lm_doctor_say(d, LM_WEAK, "commands", "an unknown command is answered with %d %s", a.code,
	              a.text);
}

static void check_relay(struct lm_doctor *d, struct lm_client *client)
{
	const char *to = lm_cli_text(d->call, "probe-relay");
	struct answer from, rcpt, reset;

	if (!to)
		return;
	ask(client, &from, "MAIL FROM:<%s>", "");
	ask(client, &rcpt, "RCPT TO:<%s>", to);
	ask(client, &reset, "%s", "RSET");
	if (from.code / 100 != 2)
		lm_doctor_say(d, LM_REMARK, "relay", "could not be tried: %d %s", from.code,
		              from.text);
	else if (rcpt.code / 100 == 2)
		lm_doctor_say(d, LM_WRONG, "relay", "takes mail for %s from anybody: %d %s", to,
		              rcpt.code, rcpt.text);
	else
		lm_doctor_say(d, LM_FINE, "relay", "does not take mail for %s: %d %s", to,
		              rcpt.code, rcpt.text);
}

static void login(struct lm_doctor *d)
{
	struct lm_client *client = NULL;
	struct lm_error why = { 0 };

	if (!d->remote.params.user && !d->remote.params.token)
		return;
	if (lm_doctor_open(d, d->remote.params.tls, true, &client, &why) < 0)
		lm_doctor_say(d, LM_WRONG, "login", "fails: %s", why.text);
	else
		lm_doctor_say(d, LM_FINE, "login", "works, by %.*s",
		              LM_FMT(lm_client_info(client)->mechanism));
	lm_doctor_close(client);
}

/* What is seen before TLS, or under it where it is from the first octet. */
static int first_look(struct lm_doctor *d, bool implicit, bool *out_offered)
{
	struct lm_client *client = NULL;
	struct lm_capabilities plain = { 0 };
	struct lm_error why = { 0 };
	struct lm_bytes rest;

	if (lm_doctor_open(d, implicit ? LM_TLS_IMPLICIT : LM_TLS_OFF, false, &client, &why) < 0)
		return lm_remote_failed(&d->remote, &why);
	lm_doctor_greeting(d, lm_client_greeting(client));
	if (lm_capabilities_ask(client, &plain, &why) < 0) {
		lm_doctor_say(d, LM_WRONG, "capability", "EHLO fails: %s", why.text);
	} else if (!implicit) {
		*out_offered = lm_capabilities_find(&plain, "STARTTLS", &rest);
		if (lm_capabilities_find(&plain, "AUTH", &rest))
			lm_doctor_plain_login(d, rest);
	}
	lm_buf_done(&plain.lines);
	lm_doctor_close(client);
	return LM_EXIT_OK;
}

static void second_look(struct lm_doctor *d, enum lm_tls_mode mode)
{
	struct lm_client *client = NULL;
	struct lm_capabilities c = { 0 };
	struct lm_error why = { 0 };

	if (lm_doctor_open(d, mode, false, &client, &why) < 0 ||
	    lm_capabilities_ask(client, &c, &why) < 0) {
		lm_doctor_say(d, LM_WRONG, "connection", "a second one fails: %s", why.text);
	} else {
		lm_doctor_explain(d, &c, words);
		check_missing(d, &c);
		check_size(d, &c);
		check_pipelining(d, client, &c);
		check_unknown_command(d, client);
		if (d->remote.params.protocol != LM_LMTP)
			check_names(d, client);
		check_relay(d, client);
	}
	lm_buf_done(&c.lines);
	lm_doctor_close(client);
}

int lm_doctor_smtp(struct lm_doctor *doctor)
{
	bool implicit = doctor->remote.params.tls == LM_TLS_IMPLICIT, offered = false;
	const char *victim = lm_cli_text(doctor->call, "probe-smuggling");
	int code;

	if (lm_cli_text(doctor->call, "helo"))
		doctor->remote.params.helo = lm_cli_text(doctor->call, "helo");
	code = first_look(doctor, implicit, &offered);
	if (code != LM_EXIT_OK)
		return code;
	lm_doctor_tls(doctor, "STARTTLS", offered);
	second_look(doctor, implicit  ? LM_TLS_IMPLICIT
	                    : offered ? LM_TLS_OPPORTUNISTIC
	                              : LM_TLS_OFF);
	login(doctor);
	if (victim)
		lm_doctor_smuggle(doctor, victim);
	return LM_EXIT_OK;
}
