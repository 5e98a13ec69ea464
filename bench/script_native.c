/* A POP3 server whose handler is C: what scripted ones are measured against. Says where it listens.
 */
#include <lettermill/lettermill.h>

#include <signal.h>
#include <stdio.h>

enum { ITEMS = 20 };

static struct lm_message items[ITEMS];
static char uids[ITEMS][16];

static enum lm_verdict yes(void *ctx, void **connection, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	(void)ctx;
	(void)connection;
	(void)event;
	(void)out_reply;
	(void)ticket;
	return LM_ANSWERED;
}

static enum lm_verdict login(void *ctx, void **connection, const struct lm_event *event,
                             struct lm_reply *out_reply, struct lm_ticket ticket)
{
	(void)ctx;
	(void)connection;
	(void)ticket;
	if (!lm_bytes_equal(event->auth.password, lm_str("secret")))
		out_reply->result = LM_E_AUTH;
	return LM_ANSWERED;
}

static enum lm_verdict list(void *ctx, void **connection, const struct lm_event *event,
                            struct lm_reply *out_reply, struct lm_ticket ticket)
{
	(void)ctx;
	(void)connection;
	(void)event;
	(void)ticket;
	out_reply->messages = items;
	out_reply->message_count = ITEMS;
	return LM_ANSWERED;
}

static int configure(struct lm_server *server, const char *workers, struct lm_error *out_error)
{
	static const char *const settings[] = { "pop3",
		                                "127.0.0.1:0",
		                                "pop3s",
		                                "off",
		                                "smtp",
		                                "off",
		                                "smtps",
		                                "off",
		                                "lmtp",
		                                "off",
		                                "submission",
		                                "off",
		                                "store",
		                                "none",
		                                "tls",
		                                "no",
		                                "auth",
		                                "none",
		                                "max-connections-per-address",
		                                "0" };
	const struct lm_callbacks callbacks = {
		.size = sizeof(callbacks), .on_auth = login, .on_maildrop = list, .on_noop = yes
	};
	int err = lm_server_set(server, "workers", workers, out_error);

	for (size_t i = 0; !err && i < sizeof(settings) / sizeof(*settings); i += 2)
		err = lm_server_set(server, settings[i], settings[i + 1], out_error);
	return err ? err : lm_server_callbacks(server, &callbacks);
}

int main(int argc, char **argv)
{
	struct lm_error why = { 0 };
	struct lm_server *server;
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (int i = 0; i < ITEMS; i++) {
		snprintf(uids[i], sizeof(uids[i]), "uid%d", i + 1);
		items[i] = (struct lm_message){ (uint64_t)i + 1, 1000, lm_str(uids[i]) };
	}
	if (argc != 2 || lm_server_new(&server) || configure(server, argv[1], &why) ||
	    lm_server_start(server, &why)) {
		fprintf(stderr, "bench_native WORKERS: %s\n", why.text);
		return 1;
	}
	printf("ready pop3=%s\n", lm_server_endpoint(server, "pop3"));
	fflush(stdout);
	(void)sigwait(&signals, &number);
	lm_server_free(server);
	return 0;
}
