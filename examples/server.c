/* A POP3 and SMTP server in one file: one account, a maildrop in memory, its own policy. Run it as
 * `server DIRECTORY [SMTP-PORT POP3-PORT]` (the certificate goes there); Enter ends it. */
#include <lettermill/lettermill.h>

#include <stdio.h>
#include <stdlib.h>

enum { MAX_MESSAGES = 1000, MAX_OCTETS = 1 << 20 };

/* The maildrop. With one worker all callbacks come on one thread, so it needs no lock; a letter
 * stays where it is until the end, so that sessions may go on showing it. */
static struct letter {
	struct lm_message shown;
	char uidl[24];
	uint8_t *octets;
	bool gone;
} letters[MAX_MESSAGES];
static size_t letter_count;

/* What one connection holds: the maildrop as it sees it, and the message that is coming in. */
struct connection {
	struct lm_message shown[MAX_MESSAGES];
	size_t len;
	uint8_t body[MAX_OCTETS];
};

static enum lm_verdict say(struct lm_reply *reply, int result)
{
	reply->result = result;
	return LM_ANSWERED;
}

#define DECISION(name)                                                                \
	static enum lm_verdict name(void *ctx, void **slot, const struct lm_event *e, \
	                            struct lm_reply *reply, struct lm_ticket ticket)

DECISION(on_connect)
{
	*slot = calloc(1, sizeof(struct connection));
	return say(reply, *slot ? 0 : LM_E_NOMEM);
}

DECISION(on_auth)
{
	bool name = lm_bytes_equal(e->auth.authcid, lm_str("anna"));

	return say(reply,
	           name && lm_bytes_equal(e->auth.password, lm_str("secret")) ? 0 : LM_E_AUTH);
}

DECISION(on_rcpt)
{
	struct lm_bytes to = e->envelope->recipients[e->envelope->recipient_count - 1].address;
	bool known = lm_bytes_equal(to, lm_str("anna@mill.example"));

	reply->text = lm_str(known ? "" : "Only anna lives here");
	return say(reply, known ? 0 : LM_E_NOT_FOUND);
}

DECISION(on_data)
{
	((struct connection *)*slot)->len = 0;
	return say(reply, 0);
}

DECISION(on_body)
{
	struct connection *c = *slot;

	if (e->argument.len > MAX_OCTETS - c->len)
		return say(reply, LM_E_LIMIT);
	memcpy(c->body + c->len, e->argument.data, e->argument.len);
	c->len += e->argument.len;
	return say(reply, 0);
}

DECISION(on_message)
{
	struct connection *c = *slot;
	struct letter *letter = &letters[letter_count];
	uint8_t *copy = letter_count < MAX_MESSAGES ? malloc(c->len + 1) : NULL;

	if (!copy)
		return say(reply, LM_E_FULL);
	snprintf(letter->uidl, sizeof(letter->uidl), "letter-%zu", letter_count);
	letter->octets = memcpy(copy, c->body, c->len);
	letter->shown = (struct lm_message){ letter_count++, c->len, lm_str(letter->uidl) };
	return say(reply, 0);
}

DECISION(on_maildrop)
{
	struct connection *c = *slot;

	for (size_t i = 0; i < letter_count; i++)
		if (!letters[i].gone)
			c->shown[reply->message_count++] = letters[i].shown;
	reply->messages = c->shown;
	return say(reply, 0);
}

DECISION(on_retr)
{
	reply->source = lm_source_from_bytes(
	        lm_bytes(letters[e->message.id].octets, e->message.octets));
	return say(reply, reply->source ? 0 : LM_E_NOMEM);
}

DECISION(on_quit)
{
	for (size_t i = 0; i < e->deleted_count; i++)
		letters[e->deleted[i]].gone = true;
	return say(reply, 0);
}

static void on_notice(void *ctx, void **slot, const struct lm_event *e)
{
	if (e->type == LM_EVENT_DISCONNECT)
		free(*slot);
}

int main(int argc, char **argv)
{
	/* clang-format off */
	const struct lm_callbacks policy = { .size = sizeof(policy), .on_connect = on_connect,
		.on_auth = on_auth, .on_rcpt = on_rcpt, .on_data = on_data, .on_body = on_body,
		.on_message = on_message, .on_maildrop = on_maildrop, .on_retr = on_retr,
		.on_top = on_retr, .on_quit = on_quit, .on_notice = on_notice };
	const char *const options[] = { "data-dir", argc > 1 ? argv[1] : ".",
		"smtp", argc > 2 ? argv[2] : "2525", "pop3", argc > 3 ? argv[3] : "2110",
		"smtps", "off",     "submission", "off", "pop3s", "off",
		"store", "memory:", "workers",    "1",
		"auth", "PLAIN LOGIN", "hostname", "mill.example" };
	/* clang-format on */
	struct lm_error error = { 0 };
	struct lm_server *server = NULL;
	int err = lm_server_new(&server);

	for (size_t i = 0; !err && i < sizeof(options) / sizeof(options[0]); i += 2)
		err = lm_server_set(server, options[i], options[i + 1], &error);
	if (!err && (err = lm_server_callbacks(server, &policy)) == 0)
		err = lm_server_start(server, &error);
	if (err)
		fprintf(stderr, "%s: %s\n", lm_err_text(err), error.text);
	else if (fprintf(stderr, "smtp %s pop3 %s\n", lm_server_endpoint(server, "smtp"),
	                 lm_server_endpoint(server, "pop3")) > 0)
		getchar();
	lm_server_free(server);
	return lm_err_exit_code(err);
}
