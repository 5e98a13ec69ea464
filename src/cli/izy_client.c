/* lettermill method clientpop3: list a maildrop, or store messages of it. */
#include "cli/izy.h"

#include "base/error.h"
#include "base/mem.h"
#include "wire/text.h"

#include <lettermill/client.h>

#include <stdlib.h>
#include <time.h>

enum { BATCH = 256, MAX_ITEMS = 1000000, EXIT_SOME = 1 };

struct listed {
	uint64_t number, octets;
};

struct fetching {
	const struct lm_izy *izy;
	struct lm_client *client;
	struct lm_mime_store *store;
	struct lm_izy_range range;
	struct listed *listed;
	size_t count, room;
	struct lm_mime_add *add; /* of the message under way */
	size_t failed;
	bool client_log, server_log, wait_time;
	struct timespec asked;
};

/* ---- what is said while it goes on ---- */

static void tell(const struct fetching *f, const char *text)
{
	if (f->client_log)
		fprintf(stderr, "[CLIENT]: %s\n", text);
}

static void trace(void *ctx, bool from_server, struct lm_bytes line)
{
	struct fetching *f = ctx;
	struct timespec now;

	if (from_server ? f->server_log : f->client_log) {
		fputs(from_server ? "[SERVER]: \"" : "[CLIENT]: \"", stderr);
		lm_cli_put(stderr, line);
		fputs("\"\n", stderr);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!from_server)
		f->asked = now;
	else if (f->wait_time)
		fprintf(stderr, "waitForCompletion, time elapsed: %lld ms\n",
		        (long long)(now.tv_sec - f->asked.tv_sec) * 1000 +
		                (now.tv_nsec - f->asked.tv_nsec) / 1000000);
}

static void message_failed(struct fetching *f, uint64_t number, struct lm_bytes why)
{
	f->failed++;
	fprintf(stderr, "Failed: message %llu: ", (unsigned long long)number);
	lm_cli_put(stderr, why);
	fputs("\n", stderr);
}

/* ---- the listing ---- */

static int note(void *ctx, uint64_t number, uint64_t octets)
{
	struct fetching *f = ctx;

	if (f->count == f->room) {
		size_t room = f->room ? f->room * 2 : 256;
		struct listed *more = lm_realloc(f->listed, room, sizeof(*more));

		if (!more)
			return LM_E_NOMEM;
		f->listed = more;
		f->room = room;
	}
	f->listed[f->count++] = (struct listed){ number, octets };
	return 0;
}

static int show(void *ctx, uint64_t number, uint64_t octets)
{
	(void)ctx;
	printf("%llu %llu\n", (unsigned long long)number, (unsigned long long)octets);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Keep what is wanted, each once; say what is wanted and not there. */
static void choose(struct fetching *f)
{
	size_t kept = 0;

	if (f->count)
		qsort(f->listed, f->count, sizeof(*f->listed), by_number);
	for (size_t i = 0; i < f->range.count; i++) {
		size_t at = 0;

		while (at < f->count && f->listed[at].number < f->range.parts[i].from)
			at++;
		if (at == f->count || f->listed[at].number > f->range.parts[i].to)
			message_failed(f, f->range.parts[i].from,
			               lm_str("there is none in the listing"));
	}
	for (size_t i = 0; i < f->count; i++)
		if (lm_izy_range_has(&f->range, f->listed[i].number) &&
		    (!kept || f->listed[kept - 1].number != f->listed[i].number))
			f->listed[kept++] = f->listed[i];
	f->count = kept;
}

/* ---- messages ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* izy's name of a message is its number. */
static int begin(struct fetching *f, uint64_t number)
{
	char guid[24];
	struct lm_mime_item item = {
		.sourceid = lm_str(lm_izy_text(f->izy, LM_IZY_USER)),
		.timestamp_ms = now_ms(),
	};
	struct lm_error why = { 0 };
	int err;

	snprintf(guid, sizeof(guid), "%llu", (unsigned long long)number);
	item.guid = lm_str(guid);
	err = lm_mime_add_begin(f->store, &item, &f->add, &why);
	if (err)
		message_failed(f, number, lm_str(why.text));
	return err;
}

static int take(struct fetching *f, const struct lm_event *event)
{
	struct lm_error why = { 0 };
	int err = f->add ? 0 : begin(f, event->message.number);

	if (err)
		return err;
	err = lm_mime_add_write(f->add, event->argument, &why);
	if (err)
		message_failed(f, event->message.number, lm_str(why.text));
	return err;
}

static int end(struct fetching *f, uint64_t number)
{
	struct lm_mime_add *add;
	struct lm_error why = { 0 };
	char name[256] = "";
	int err = f->add ? 0 : begin(f, number);

	if (err)
		return err;
	add = f->add;
	f->add = NULL;
	err = lm_mime_add_end(add, name, &why);
	if (err) {
		message_failed(f, number, lm_str(why.text));
		return err;
	}
	fputs("writing ", stdout);
	lm_cli_put(stdout, lm_str(name));
	fputs("\n", stdout);
	return 0;
}

/* One message that the server will not give is its own failure; a lost connection is told once, at
 * the end of all. */
static int retrieved(struct fetching *f, const struct lm_outcome *outcome)
{
	const struct listed *l = outcome->tag;

	if (outcome->result == 0)
		return end(f, l->number);
	lm_mime_add_abort(f->add);
	f->add = NULL;
	if (outcome->side == LM_SIDE_SERVER || outcome->side == LM_SIDE_CLIENT)
		message_failed(f, l->number,
		               outcome->text.len ? outcome->text
		                                 : lm_str(lm_err_text(outcome->result)));
	else
		f->failed++;
	return 0;
}

static int on_event(void *ctx, const struct lm_event *event)
{
	struct fetching *f = ctx;

	if (event->type == LM_EVENT_BODY)
		return take(f, event);
	if (event->type == LM_EVENT_OUTCOME && event->outcome->type == LM_REQUEST_RETR)
		return retrieved(f, event->outcome);
	return 0;
}

static int retrieve_batch(struct fetching *f, size_t from, size_t count, struct lm_error *out_error)
{
	struct lm_request requests[BATCH];

	for (size_t i = 0; i < count; i++) {
		requests[i] = LM_REQUEST_INIT(LM_REQUEST_RETR);
		requests[i].tag = &f->listed[from + i];
		requests[i].number = f->listed[from + i].number;
		requests[i].expected = f->listed[from + i].octets;
	}
	return lm_client_do_all(f->client, requests, count, on_event, f, out_error);
}

static int retrieve(struct fetching *f, struct lm_error *out_error)
{
	int err = lm_pop3_client_list(f->client, 0, note, f, out_error);

	if (!err)
		choose(f);
	for (size_t at = 0; !err && at < f->count; at += BATCH) {
		size_t left = f->count - at;

		err = retrieve_batch(f, at, left < BATCH ? left : BATCH, out_error);
	}
	lm_mime_add_abort(f->add);
	f->add = NULL;
	/* What came whole is kept, whatever ended the rest. */
	if (!err)
		return lm_mime_store_flush(f->store, out_error);
	return lm_mime_store_flush(f->store, NULL) ? LM_E_IO : err;
}

/* ---- the method ---- */

static int read_params(struct fetching *f, struct lm_client_params *p, struct lm_error *out_error)
{
	const struct lm_izy *izy = f->izy;
	uint64_t port, seconds;
	int err = lm_izy_number(izy, LM_IZY_PORT, UINT16_MAX, &port, out_error);

	if (!err)
		err = lm_izy_number(izy, LM_IZY_TIMEOUT, 86400, &seconds, out_error);
	if (err)
		return err;
	lm_client_params_init(p, LM_POP3);
	p->host = lm_izy_text(izy, LM_IZY_IP);
	p->port = (uint16_t)port;
	p->tls = strcmp(lm_izy_text(izy, LM_IZY_TLS), "starttls") == 0 ? LM_TLS_STARTTLS
	         : lm_izy_is(izy, LM_IZY_TLS)                          ? LM_TLS_IMPLICIT
	                                                               : LM_TLS_OFF;
	p->insecure = lm_izy_is(izy, LM_IZY_INSECURE);
	p->ca_file = izy->values[LM_IZY_CAFILE];
	p->timeout = (lm_time_ms)seconds * 1000;
	p->user = izy->values[LM_IZY_USER];
	p->password = izy->values[LM_IZY_PASS] ? izy->values[LM_IZY_PASS]
	                                       : getenv("LETTERMILL_PASSWORD");
	p->max_items = MAX_ITEMS;
	p->trace = trace;
	p->ctx = f;
	if (!*p->host || !p->user)
		return lm_fail(out_error, LM_E_CONFIG, "clientpop3 needs ip HOST and user NAME");
	if (!p->password)
		return lm_fail(out_error, LM_E_CONFIG, "clientpop3 needs pass PASSWORD");
	if (!seconds)
		return lm_fail(out_error, LM_E_CONFIG, "timeout: at least one second");
	return 0;
}

/* What stands on the line is judged, and the store is open, before anything is sent. */
static int prepare(struct fetching *f, struct lm_client_params *p, struct lm_error *out_error)
{
	static const char *const commands[] = { "list", "retr" };
	const char *cmd = lm_izy_text(f->izy, LM_IZY_CMD), *near;
	int err = read_params(f, p, out_error);

	if (err)
		return err;
	if (strcmp(cmd, "retr") == 0) {
		err = lm_izy_range_parse(lm_izy_text(f->izy, LM_IZY_QUERY), &f->range, out_error);
		return err ? err : lm_izy_open_store(f->izy, true, &f->store, out_error);
	}
	if (!*cmd || strcmp(cmd, "list") == 0)
		return 0;
	near = lm_cli_nearest(commands, 2, cmd);
	return lm_fail(out_error, LM_E_CONFIG, "cmd: there is no \"%.40s\"; %s%s", cmd,
	               near ? "the nearest is " : "there are: ", near ? near : "list, retr");
}

static int work(struct fetching *f, const struct lm_client_params *p, struct lm_error *out_error)
{
	const char *cmd = lm_izy_text(f->izy, LM_IZY_CMD);
	int err;

	tell(f, "attempting to connect ...");
	tell(f, p->tls == LM_TLS_OFF ? "TLS=false" : "TLS=true");
	err = lm_client_open(p, &f->client, out_error);
	if (err)
		return err;
	tell(f, "connected");
	if (*lm_client_tls_doubt(f->client))
		lm_cli_complain("the certificate is not to be trusted: %s",
		                lm_client_tls_doubt(f->client));
	if (strcmp(cmd, "list") == 0)
		err = lm_pop3_client_list(f->client, 0, show, NULL, out_error);
	else if (*cmd)
		err = retrieve(f, out_error);
	return err ? err : lm_client_quit(f->client, out_error);
}

static int finish(const struct fetching *f, int err, const struct lm_error *why)
{
	int code;

	if (err < 0)
		return lm_izy_failed(why);
	if (f->failed) {
		fprintf(stderr, "Failed: %zu of the messages asked for\n", f->failed);
		return EXIT_SOME;
	}
	puts("client was successful");
	code = lm_cli_finish_output();
	return code;
}

int lm_izy_clientpop3(const struct lm_izy *izy)
{
	struct fetching f = {
		.izy = izy,
		.client_log = lm_izy_is(izy, LM_IZY_CLIENT_LOG),
		.server_log = lm_izy_is(izy, LM_IZY_SERVER_LOG),
		.wait_time = lm_izy_is(izy, LM_IZY_WAIT_TIME),
	};
	struct lm_client_params params;
	struct lm_error why = { 0 };
	int err = prepare(&f, &params, &why), code;

	/* What was stored is told at once, in its place among the failures. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!err)
		err = work(&f, &params, &why);
	lm_client_free(f.client);
	if (!err || f.client)
		tell(&f, "Connection closed");
	code = finish(&f, err, &why);
	lm_mime_store_close(f.store);
	lm_free(f.listed);
	return code;
}
