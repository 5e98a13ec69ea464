/* Send a message from standard input, with the asynchronous face. Run it as
 * `send URL CA-FILE FROM TO...`; what one server needs of it, many can have on the same loop. */
#include <lettermill/lettermill.h>

#include <stdio.h>

struct sending {
	struct lm_loop *loop;
	struct lm_client *client;
	struct lm_outgoing *message;
	int result;
};

/* Every refusal is named; nothing that is said to us is shown as it came. */
static void on_sent(struct sending *sending, const struct lm_outcome *outcome)
{
	struct lm_envelope *envelope = lm_outgoing_envelope(sending->message);
	struct lm_error error = { 0 };

	for (size_t i = 0; i < outcome->recipient_count; i++) {
		struct lm_bytes to = envelope->recipients[i].address;

		if (lm_client_outcome_error(&outcome->recipients[i], &error))
			fprintf(stderr, "%.*s: %s\n", LM_FMT(to), error.text);
		else
			printf("%.*s: sent\n", LM_FMT(to));
	}
	if (outcome->unknown)
		fprintf(stderr, "the connection was lost: the message may have been delivered\n");
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct sending *sending = ctx;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_error error = { 0 };

	if (event->type == LM_EVENT_DATA) {
		reply.source = lm_outgoing_source(sending->message);
		reply.result = reply.source ? 0 : LM_E_NOMEM;
		(void)lm_client_answer(sending->client, event->id, &reply);
		return;
	}
	if (event->type != LM_EVENT_OUTCOME)
		return;
	if (event->outcome->type == LM_REQUEST_SEND)
		on_sent(sending, event->outcome);
	if (!sending->result) {
		sending->result = lm_client_outcome_error(event->outcome, &error);
		if (sending->result && !event->outcome->recipient_count)
			fprintf(stderr, "%s\n", error.text);
	}
}

/* The last call: every request has had its outcome. */
static void on_closed(void *ctx, const struct lm_error *why)
{
	struct sending *sending = ctx;

	if (!sending->result)
		sending->result = why->code;
	lm_client_free(sending->client);
	lm_loop_stop(sending->loop);
}

static int read_message(struct lm_outgoing *message, char **addresses, int count,
                        struct lm_error *error)
{
	char room[4096];
	size_t n;
	int err = 0;

	while (!err && (n = fread(room, 1, sizeof(room), stdin)) > 0)
		err = lm_outgoing_write(message, lm_bytes(room, n), error);
	if (!err)
		err = lm_outgoing_end(message, error);
	if (!err)
		err = lm_outgoing_set_sender(message, lm_str(addresses[0]), error);
	if (!err)
		lm_outgoing_clear_recipients(message);
	for (int i = 1; !err && i < count; i++)
		err = lm_outgoing_add_recipient(message, lm_str(addresses[i]), error);
	return err;
}

static int begin(struct sending *sending, const char *text, const char *ca_file,
                 struct lm_error *error)
{
	static const struct lm_client_owner owner = { on_event, on_closed };
	struct lm_request send = LM_REQUEST_INIT(LM_REQUEST_SEND);
	struct lm_request quit = LM_REQUEST_INIT(LM_REQUEST_QUIT);
	struct lm_client_params params;
	struct lm_client_url url;
	int err = lm_client_url_parse(text, &url, error);

	if (err)
		return err;
	lm_client_params_init(&params, url.protocol);
	params.host = url.host;
	params.port = url.port;
	params.tls = url.tls ? LM_TLS_IMPLICIT : LM_TLS_STARTTLS;
	params.ca_file = ca_file;
	params.user = url.user[0] ? url.user : NULL;
	params.password = url.password;
	err = lm_client_new(sending->loop, &params, &owner, sending, &sending->client, error);
	if (err)
		return err;
	/* Both wait until there is a connection. */
	send.envelope = lm_outgoing_envelope(sending->message);
	err = lm_client_request(sending->client, &send);
	if (!err)
		err = lm_client_request(sending->client, &quit);
	if (err)
		lm_client_free(sending->client);
	return err;
}

int main(int argc, char **argv)
{
	struct sending sending = { 0 };
	struct lm_error error = { 0 };
	int err;

	if (argc < 5) {
		fprintf(stderr, "usage: %s URL CA-FILE FROM TO...\n", argv[0]);
		return 64;
	}
	err = lm_loop_new(&sending.loop);
	if (!err)
		err = lm_outgoing_new(LM_OUTGOING_NO_SENDER | LM_OUTGOING_NO_RECIPIENTS, 0,
		                      &sending.message);
	if (!err)
		err = read_message(sending.message, argv + 3, argc - 3, &error);
	if (!err)
		err = begin(&sending, argv[1], argv[2], &error);
	if (err)
		fprintf(stderr, "%s\n", error.code ? error.text : lm_err_text(err));
	else
		lm_loop_run(sending.loop);
	lm_outgoing_free(sending.message);
	lm_loop_free(sending.loop);
	return lm_err_exit_code(err ? err : sending.result);
}
