/* A whole POP3 and SMTP server in one file: one account, one maildrop in memory, its own policy.
 * Run it as `server DIRECTORY [SMTP-PORT POP3-PORT]`; the directory keeps its certificate. */
#include <lettermill/lettermill.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_MESSAGES = 1000, MAX_OCTETS = 1 << 20 };

/* The maildrop. With one worker all callbacks come on one thread, so it needs no lock; a letter
 * stays where it is until the end, so that sessions may go on showing it. */
static struct letter {
	struct lm_bytes octets;
	char uidl[24];
	bool gone;
} letters[MAX_MESSAGES];
static size_t letter_count;

/* What one connection holds: the message that is coming in, and the maildrop as it sees it. */
struct connection {
	uint8_t *body;
	size_t len;
	struct lm_message shown[MAX_MESSAGES];
};

static struct connection *mine(void **slot)
{
	if (!*slot)
		*slot = calloc(1, sizeof(struct connection));
	return *slot;
}

static enum lm_verdict say(struct lm_reply *reply, int result)
{
	reply->result = result;
	return LM_ANSWERED;
}

#define DECISION(name)                                                                \
	static enum lm_verdict name(void *ctx, void **slot, const struct lm_event *e, \
	                            struct lm_reply *reply, struct lm_ticket ticket)

DECISION(on_auth)
{
	bool good = e->auth.kind == LM_AUTH_PASSWORD &&
	            lm_bytes_equal(e->auth.authcid, lm_str("anna")) &&
	            lm_bytes_equal(e->auth.password, lm_str("secret"));

	return say(reply, good ? 0 : LM_E_AUTH);
}

DECISION(on_rcpt)
{
	const struct lm_envelope *env = e->envelope;
	struct lm_bytes to = env->recipients[env->recipient_count - 1].address;

	if (lm_bytes_equal(to, lm_str("anna@mill.example")))
		return say(reply, 0);
	reply->text = lm_str("Only anna lives here");
	return say(reply, LM_E_NOT_FOUND);
}

DECISION(on_body)
{
	struct connection *c = mine(slot);
	uint8_t *body = c && e->argument.len <= MAX_OCTETS - c->len
	                        ? realloc(c->body, c->len + e->argument.len + 1)
	                        : NULL;

	if (!body)
		return say(reply, LM_E_LIMIT);
	memcpy(body + c->len, e->argument.data, e->argument.len);
	c->body = body;
	c->len += e->argument.len;
	return say(reply, 0);
}

DECISION(on_message)
{
	struct connection *c = mine(slot);
	struct letter *letter = &letters[letter_count];

	if (!c || letter_count == MAX_MESSAGES)
		return say(reply, LM_E_FULL);
	letter->octets = lm_bytes(c->body, c->len);
	snprintf(letter->uidl, sizeof(letter->uidl), "letter-%zu", ++letter_count);
	c->body = NULL;
	c->len = 0;
	return say(reply, 0);
}

DECISION(on_maildrop)
{
	struct connection *c = mine(slot);

	for (size_t i = 0; c && i < letter_count; i++)
		if (!letters[i].gone)
			c->shown[reply->message_count++] = (struct lm_message){
				i, letters[i].octets.len, lm_str(letters[i].uidl)
			};
	reply->messages = c ? c->shown : NULL;
	return say(reply, c ? 0 : LM_E_NOMEM);
}

DECISION(on_retr)
{
	reply->source = lm_source_from_bytes(letters[e->message.id].octets);
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
	struct connection *c = *slot;

	if (!c || e->type == LM_EVENT_TLS)
		return;
	c->len = 0; /* an aborted transaction, or the end */
	if (e->type == LM_EVENT_DISCONNECT) {
		free(c->body);
		free(c);
	}
}

int main(int argc, char **argv)
{
	struct lm_callbacks policy = { .size = sizeof(policy),
		                       .on_auth = on_auth,
		                       .on_rcpt = on_rcpt,
		                       .on_body = on_body,
		                       .on_message = on_message,
		                       .on_maildrop = on_maildrop,
		                       .on_retr = on_retr,
		                       .on_top = on_retr,
		                       .on_quit = on_quit,
		                       .on_notice = on_notice };
	const char *const options[][2] = { { "smtp", argc > 2 ? argv[2] : "2525" },
		                           { "pop3", argc > 3 ? argv[3] : "2110" },
		                           { "smtps", "off" },
		                           { "submission", "off" },
		                           { "pop3s", "off" },
		                           { "store", "memory:" },
		                           { "workers", "1" },
		                           { "auth", "PLAIN LOGIN" },
		                           { "hostname", "mill.example" },
		                           { "data-dir", argc > 1 ? argv[1] : "." } };
	struct lm_error error = { 0 };
	struct lm_server *server;
	sigset_t stop;
	int err = lm_server_new(&server), signal;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	for (size_t i = 0; !err && i < sizeof(options) / sizeof(options[0]); i++)
		err = lm_server_set(server, options[i][0], options[i][1], &error);
	if (!err)
		err = lm_server_callbacks(server, &policy);
	if (!err)
		err = lm_server_start(server, &error);
	if (!err) {
		printf("smtp %s\npop3 %s\n", lm_server_endpoint(server, "smtp"),
		       lm_server_endpoint(server, "pop3"));
		fflush(stdout);
		sigwait(&stop, &signal);
		lm_server_drain(server, 5000);
		lm_server_wait(server);
	} else {
		fprintf(stderr, "%s: %s\n", lm_err_text(err), error.text);
	}
	lm_server_free(server);
	return lm_err_exit_code(err);
}
