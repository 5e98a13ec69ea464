/* lettermill method serverpop3: a POP3 server on a mime store, until a signal ends it. */
#include "cli/izy.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/log.h"
#include "server/mime_handler.h"

#include <lettermill/server.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { DRAIN = 30 * 1000 };

struct lm_izy_server {
	struct lm_mime_handler *handler;
	struct lm_server *server;
	struct lm_log log;
	struct lm_izy_log sessions;
};

struct setting {
	const char *name, *value;
};

static int set_all(struct lm_server *server, const struct setting *settings, size_t count,
                   struct lm_error *out_error)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		if (settings[i].value)
			err = lm_server_set(server, settings[i].name, settings[i].value, out_error);
	return err;
}

/* The one account is never asked; that it has a password makes the greeting show the stamp that
 * APOP wants. */
static int configure(struct lm_izy_server *s, const struct lm_izy_server_params *p,
                     struct lm_error *out_error)
{
	char at[300], user[LM_OPTION_MAX_VALUE] = "";
	const struct setting settings[] = {
		{ "store", "memory:" },
		{ "smtp", "off" },
		{ "smtps", "off" },
		{ "submission", "off" },
		{ "lmtp", "off" },
		{ "pop3s", "off" },
		{ "pop3", at },
		{ "hostname", p->servername },
		{ "data-dir", p->data_dir },
		{ "auth", "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 "
		          "PLAIN LOGIN" },
		{ "auth-delay", p->quiet ? "0s" : NULL },
	};
	bool has_password = p->password && *p->password;
	int err;

	snprintf(at, sizeof(at), "%.250s:%u", p->address, p->port);
	if (has_password)
		snprintf(user, sizeof(user), "izy:%s", p->password);
	err = set_all(s->server, settings, sizeof(settings) / sizeof(*settings), out_error);
	if (!err && has_password)
		err = lm_server_set(s->server, "user", user, out_error);
	lm_wipe(user, sizeof(user));
	return err;
}

static int start(struct lm_izy_server *s, const struct lm_izy_server_params *p,
                 struct lm_error *out_error)
{
	const struct lm_mime_handler_params handler = {
		.store = p->store,
		.password = p->password,
		.tags = p->tags,
		.limit = p->limit,
		.count_octets = p->count_octets,
		.log = &s->log,
	};
	int err = lm_mime_handler_new(&handler, &s->handler, out_error);

	if (!err && (err = lm_server_new(&s->server)))
		lm_fail(out_error, err, "out of memory");
	if (!err)
		err = configure(s, p, out_error);
	if (err)
		return err;
	lm_server_log(s->server, &s->log);
	err = lm_server_handler(s->server, lm_mime_handler_ops(), s->handler);
	if (!err && !p->quiet)
		err = lm_server_handler(s->server, lm_izy_log_ops(), &s->sessions);
	if (err)
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	return lm_server_start(s->server, out_error);
}

int lm_izy_server_start(const struct lm_izy_server_params *params,
                        struct lm_izy_server **out_server, struct lm_error *out_error)
{
	struct lm_izy_server *s = lm_alloc_zero(1, sizeof(*s));
	int err;

	if (!s)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	lm_cli_log_init(&s->log, false, params->quiet ? LM_LOG_ERROR : LM_LOG_WARN);
	err = start(s, params, out_error);
	if (err)
		lm_izy_server_free(s);
	else
		*out_server = s;
	return err;
}

uint16_t lm_izy_server_port(const struct lm_izy_server *s)
{
	const char *at = lm_server_endpoint(s->server, "pop3");
	const char *colon = at ? strrchr(at, ':') : NULL;

	return colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

void lm_izy_server_drain(struct lm_izy_server *s, lm_time_ms timeout)
{
	lm_server_drain(s->server, timeout);
}

void lm_izy_server_wait(struct lm_izy_server *s)
{
	lm_server_wait(s->server);
}

void lm_izy_server_free(struct lm_izy_server *s)
{
	if (!s)
		return;
	lm_server_free(s->server);
	lm_mime_handler_free(s->handler);
	lm_free(s);
}

/* ---- the method ---- */

struct running {
	struct lm_izy_server *server;
	pthread_t main_thread;
	atomic_bool stopped;
	sigset_t signals;
};

/* All threads inherit the mask, so the signals wait for await_signals. SIGUSR1 is our own. */
static void hold_signals(struct running *r)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGUSR1 };

	sigemptyset(&r->signals);
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		signal(ours[i], SIG_DFL);
		sigaddset(&r->signals, ours[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &r->signals, NULL);
}

static void *wait_for_server(void *ctx)
{
	struct running *r = ctx;

	lm_izy_server_wait(r->server);
	atomic_store(&r->stopped, true);
	pthread_kill(r->main_thread, SIGUSR1);
	return NULL;
}

/* The first signal drains, the second cuts off what runs. */
static int await_signals(struct running *r)
{
	unsigned count = 0;
	int number;

	while (!atomic_load(&r->stopped)) {
		if (sigwait(&r->signals, &number) != 0 || number == SIGUSR1)
			continue;
		lm_izy_server_drain(r->server, count++ ? 0 : DRAIN);
	}
	return count > 1 ? LM_EXIT_ABORTED : LM_EXIT_OK;
}

static int announce(const struct running *r)
{
	printf("POP3 Server running on port %u\n", lm_izy_server_port(r->server));
	return lm_cli_finish_output();
}

static int serve(const struct lm_izy_server_params *params)
{
	struct running r = { .main_thread = pthread_self() };
	struct lm_error why = { 0 };
	pthread_t waiter;
	int code;

	hold_signals(&r);
	if (lm_izy_server_start(params, &r.server, &why) < 0)
		return lm_izy_failed(&why);
	code = announce(&r);
	if (!code && pthread_create(&waiter, NULL, wait_for_server, &r) != 0) {
		lm_cli_complain("cannot start a thread");
		code = lm_err_exit_code(LM_E_NOMEM);
	} else if (!code) {
		code = await_signals(&r);
		pthread_join(waiter, NULL);
	}
	lm_izy_server_free(r.server);
	return code;
}

/* Sizes of files and rows need not be what RETR sends; fake's are izy's, 20, 30, 40 … */
static bool has_inexact_sizes(const struct lm_izy *izy)
{
	const char *kind = lm_izy_text(izy, LM_IZY_MODHANDLER);

	return strcmp(kind, "localfs") == 0 || strcmp(kind, "cloud") == 0;
}

static int limit_of(const struct lm_izy *izy, size_t *out_limit, struct lm_error *out_error)
{
	uint64_t limit;
	int err;

	*out_limit = SIZE_MAX;
	if (strcmp(lm_izy_text(izy, LM_IZY_LIMIT), "all") == 0)
		return 0;
	err = lm_izy_number(izy, LM_IZY_LIMIT, SIZE_MAX - 1, &limit, out_error);
	*out_limit = (size_t)limit;
	return err;
}

int lm_izy_serverpop3(const struct lm_izy *izy)
{
	struct lm_izy_server_params params = {
		.address = lm_izy_text(izy, LM_IZY_ADDRESS),
		.password = izy->values[LM_IZY_PASSWORD],
		.servername = lm_izy_text(izy, LM_IZY_SERVERNAME),
		.count_octets = has_inexact_sizes(izy),
	};
	struct lm_error why = { 0 };
	uint64_t port = 0;
	int err = lm_izy_number(izy, LM_IZY_PORT, UINT16_MAX, &port, &why), code;

	if (!err)
		err = limit_of(izy, &params.limit, &why);
	params.port = (uint16_t)port;
	params.tags = lm_izy_tags(izy, LM_IZY_TAGS);
	if (!err)
		err = lm_izy_open_store(izy, false, &params.store, &why);
	if (err < 0)
		return lm_izy_failed(&why);
	if (!params.password || !*params.password)
		lm_cli_complain("without a password nobody can log in: say password WORD");
	code = serve(&params);
	lm_mime_store_close(params.store);
	return code;
}
