/* lettermill bench: bounded load on a server, and how fast it answers. */
#include "cli/bench.h"

#include "base/buf.h"
#include "base/error.h"
#include "cli/letter.h"

#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

enum { MAX_THREADS = 64, MAX_SIZE = 256 << 20 };

#define SECTION "Load"
static const struct lm_option options[] = {
	{ "connections", "COUNT", "10",
	  "Sessions at the same time. POP3 servers let one into a maildrop: 1, unless the server "
	  "takes several.",
	  SECTION, "connections", LM_OPTION_NUMBER, 0, 1, 10000, 0, NULL, 0 },
	{ "messages", "COUNT", "",
	  "Messages in all. Default: 1000, or with --duration as many as it allows.", SECTION,
	  "messages", LM_OPTION_NUMBER, 0, 1, 1000000000, 0, NULL, 0 },
	{ "duration", "TIME", "", "Begin no message after this time (10s, 2m).", SECTION, "",
	  LM_OPTION_DURATION, 0, 1, 86400000, 0, NULL, 0 },
	{ "per-session", "COUNT", "10", "Messages in one session, at most.", SECTION, "messages",
	  LM_OPTION_NUMBER, 0, 1, 1000000, 0, NULL, 0 },
	{ "pipelining", "COUNT", "1",
	  "Messages asked for before the first has come, where the server can.", SECTION,
	  "messages", LM_OPTION_NUMBER, 0, 1, 256, 0, "pop3", 0 },
	{ "no-pipelining", "", "", "One command at a time, whatever the server offers.", SECTION,
	  "", LM_OPTION_FLAG, 0, 0, 0, 0, "smtp", 0 },
	{ "no-chunking", "", "", "DATA, also where the server offers BDAT.", SECTION, "",
	  LM_OPTION_FLAG, 0, 0, 0, 0, "smtp", 0 },
	{ "size", "SIZE", "4k", "Octets of a message.", SECTION, "", LM_OPTION_SIZE, 0, 64,
	  MAX_SIZE, 0, "smtp", 0 },
	{ "from", "ADDRESS", "bench@localhost", "The sender.", SECTION, "", LM_OPTION_STRING, 0, 0,
	  0, 0, "smtp", 0 },
	{ "to", "ADDRESS", "", "A recipient; may be given several times.", SECTION, "",
	  LM_OPTION_LIST, 0, 0, 0, 0, "smtp", 0 },
	{ "helo", "NAME", "", "The name to greet with. Default: this machine's.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0, "smtp", 0 },
	{ "threads", "COUNT", "", "Threads to make it with. Default: one a processor, at most 4.",
	  SECTION, "threads", LM_OPTION_NUMBER, 0, 1, MAX_THREADS, 0, NULL, 0 },
	{ "yes-really", "", "", "Load a server that is not on this machine. It should be yours.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, NULL, 0 },
	{ "json", "", "", "Print JSON, for programs.", SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0,
	  NULL, 0 },
#undef SECTION
#include "cli/remote.def"
};

static const struct lm_option *bench_options(size_t *out_count)
{
	*out_count = sizeof(options) / sizeof(*options);
	return options;
}

struct bench {
	const struct lm_cli_call *call;
	struct lm_remote remote;
	struct lm_bench_plan plan;
	struct lm_outgoing *letter; /* SMTP: keeps the envelope */
	struct lm_buf text;
	unsigned connections, threads;
};

/* ---- Threads ---- */

struct thread {
	pthread_t id;
	struct lm_bench_plan *plan;
	struct lm_bench_result result;
	unsigned connections;
	int err;
};

static void *run_thread(void *ctx)
{
	struct thread *t = ctx;

	t->err = lm_bench_run(t->plan, t->connections, &t->result);
	return NULL;
}

static void add_result(struct lm_bench_result *to, const struct lm_bench_result *from)
{
	lm_bench_add(&to->connect, &from->connect);
	lm_bench_add(&to->login, &from->login);
	lm_bench_add(&to->message, &from->message);
	to->sessions += from->sessions;
	to->messages += from->messages;
	to->octets += from->octets;
	to->failures += from->failures;
	if (!to->first_failure.code)
		to->first_failure = from->first_failure;
}

static int run_threads(struct bench *b, struct lm_bench_result *out_result)
{
	struct thread *threads = lm_alloc_zero(b->threads, sizeof(*threads));
	unsigned begun = 0;
	int err = threads ? 0 : LM_E_NOMEM;

	for (; begun < b->threads && err == 0; begun++) {
		struct thread *t = &threads[begun];

		t->plan = &b->plan;
		t->connections = b->connections / b->threads +
		                 (begun < b->connections % b->threads);
		if (pthread_create(&t->id, NULL, run_thread, t) != 0) {
			err = LM_E_NOMEM;
			break;
		}
	}
	for (unsigned i = 0; i < begun; i++) {
		pthread_join(threads[i].id, NULL);
		err = err ? err : threads[i].err;
		add_result(out_result, &threads[i].result);
	}
	lm_free(threads);
	return err;
}

/* ---- What was measured ---- */

static const double shares[] = { 0.5, 0.9, 0.99, 1 };
static const char *const share_names[] = { "p50", "p90", "p99", "max" };

static void put_times(const char *name, const struct lm_bench_times *times)
{
	if (!times->count)
		return;
	printf("%-8s", name);
	for (int i = 0; i < 4; i++)
		printf(" %9.3f", (double)lm_bench_share(times, shares[i]) / 1000);
	printf(" ms\n");
}

static void put_plain(const struct bench *b, const struct lm_bench_result *r, double seconds)
{
	printf("%u connections, %u threads, %.2f s\n", b->connections, b->threads, seconds);
	printf("%" PRIu64 " messages, %.1f/s, %.2f MB/s\n", r->messages,
	       (double)r->messages / seconds, (double)r->octets / seconds / 1e6);
	printf("%" PRIu64 " sessions, %.1f/s\n", r->sessions, (double)r->sessions / seconds);
	printf("%-8s %9s %9s %9s %9s\n", "", "p50", "p90", "p99", "max");
	put_times("connect", &r->connect);
	put_times("login", &r->login);
	put_times("message", &r->message);
	if (r->failures)
		printf("%" PRIu64 " failures\n", r->failures);
}

static void put_json_times(const char *name, const struct lm_bench_times *times, bool last)
{
	printf("\"%s\": ", name);
	if (!times->count)
		printf("null");
	for (int i = 0; i < 4 && times->count; i++)
		printf("%s\"%s\": %.3f", i ? ", " : "{", share_names[i],
		       (double)lm_bench_share(times, shares[i]) / 1000);
	printf("%s%s", times->count ? "}" : "", last ? "" : ", ");
}

static void put_json(const struct bench *b, const struct lm_bench_result *r, double seconds)
{
	printf("{\"connections\": %u, \"threads\": %u, \"seconds\": %.3f, ", b->connections,
	       b->threads, seconds);
	printf("\"messages\": %" PRIu64 ", \"messages_per_second\": %.1f, ", r->messages,
	       (double)r->messages / seconds);
	printf("\"octets\": %" PRIu64 ", \"megabytes_per_second\": %.3f, ", r->octets,
	       (double)r->octets / seconds / 1e6);
	printf("\"sessions\": %" PRIu64 ", \"sessions_per_second\": %.1f, ", r->sessions,
	       (double)r->sessions / seconds);
	printf("\"milliseconds\": {");
	put_json_times("connect", &r->connect, false);
	put_json_times("login", &r->login, false);
	put_json_times("message", &r->message, true);
	printf("}, \"failures\": %" PRIu64 ", \"first_failure\": ", r->failures);
	if (r->first_failure.code)
		lm_cli_put_json(stdout, lm_str(r->first_failure.text));
	else
		printf("null");
	printf("}\n");
}

static int report(struct bench *b, const struct lm_bench_result *r, double seconds)
{
	int code;

	if (lm_cli_flag(b->call, "json"))
		put_json(b, r, seconds);
	else
		put_plain(b, r, seconds);
	code = lm_cli_finish_output();
	if (r->failures)
		lm_cli_complain("%" PRIu64 " failures; the first: %s", r->failures,
		                r->first_failure.text);
	if (r->failures && !r->messages)
		return lm_err_exit_code(r->first_failure.code);
	return r->failures ? 1 : code;
}

static int measure(struct bench *b)
{
	static struct lm_bench_result result; /* some kilobytes */
	uint64_t began = lm_bench_now();
	int64_t duration = lm_cli_value(b->call, "duration");
	int err;

	b->plan.until = duration < 0 ? UINT64_MAX : began + (uint64_t)duration * 1000;
	err = run_threads(b, &result);
	if (err < 0) {
		lm_cli_complain("%s", lm_err_text(err));
		return lm_err_exit_code(err);
	}
	return report(b, &result, (double)(lm_bench_now() - began + 1) / 1e6);
}

/* ---- What is asked for ---- */

static void set_load(struct bench *b)
{
	int64_t messages = lm_cli_value(b->call, "messages");
	int64_t threads = lm_cli_value(b->call, "threads");
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	b->connections = (unsigned)lm_cli_value(b->call, "connections");
	b->plan.a_session = (unsigned)lm_cli_value(b->call, "per-session");
	b->plan.in_flight = 1;
	if (messages > 0)
		b->plan.messages = (uint64_t)messages;
	else
		b->plan.messages = lm_cli_value(b->call, "duration") < 0 ? 1000 : UINT64_MAX;
	if (b->plan.messages < b->connections)
		b->connections = (unsigned)b->plan.messages;
	if (threads < 0)
		threads = processors < 1 ? 1 : processors > 4 ? 4 : processors;
	b->threads = (unsigned)threads < b->connections ? (unsigned)threads : b->connections;
}

static int run(struct bench *b, unsigned protocols, enum lm_remote_login login,
               int (*prepare)(struct bench *))
{
	int code;

	set_load(b);
	code = lm_remote_init(&b->remote, b->call, 0, protocols, login);
	if (code != LM_EXIT_OK)
		return code;
	b->plan.params = &b->remote.params;
	if (!lm_remote_is_local(b->remote.params.host) && !lm_cli_flag(b->call, "yes-really"))
		code = lm_cli_call_usage(b->call,
		                         "%s is not this machine: load on others' servers is an "
		                         "attack; --yes-really when it is yours",
		                         b->remote.where);
	else
		code = prepare(b);
	if (code == LM_EXIT_OK)
		code = measure(b);
	lm_outgoing_free(b->letter);
	lm_buf_done(&b->text);
	lm_remote_done(&b->remote);
	return code;
}

static int prepare_pop3(struct bench *b)
{
	b->plan.in_flight = (unsigned)lm_cli_value(b->call, "pipelining");
	return LM_EXIT_OK;
}

static int fill_letter(struct bench *b, size_t size)
{
	static const char line[] =
	        "The quick brown fox jumps over the lazy dog, again and again and again.\r\n";
	int err;

	lm_buf_init(&b->text, MAX_SIZE + 1000);
	err = lm_buf_printf(&b->text, "From: %s\r\nSubject: bench\r\n\r\n",
	                    lm_cli_text(b->call, "from"));
	while (err == 0 && lm_buf_len(&b->text) + sizeof(line) < size)
		err = lm_buf_add_str(&b->text, line);
	b->plan.letter = lm_buf_bytes(&b->text);
	return err;
}

static int prepare_smtp(struct bench *b)
{
	const char *from = lm_cli_text(b->call, "from"), *to;
	struct lm_error why = { 0 };
	int err;

	b->remote.params.no_pipelining = lm_cli_flag(b->call, "no-pipelining");
	b->remote.params.no_chunking = lm_cli_flag(b->call, "no-chunking");
	if (lm_cli_text(b->call, "helo"))
		b->remote.params.helo = lm_cli_text(b->call, "helo");
	if (!lm_cli_text_at(b->call, "to", 0))
		return lm_cli_call_usage(b->call, "say to whom: --to ADDRESS");
	err = fill_letter(b, (size_t)lm_cli_value(b->call, "size"));
	if (err == 0)
		err = lm_outgoing_new(LM_OUTGOING_NO_SENDER | LM_OUTGOING_NO_RECIPIENTS, 0,
		                      &b->letter);
	if (err == 0)
		err = lm_outgoing_write(b->letter, b->plan.letter, &why);
	if (err == 0)
		err = lm_outgoing_end(b->letter, &why);
	if (err == 0)
		err = lm_outgoing_set_sender(b->letter, lm_str(from), &why);
	for (size_t i = 0; (to = lm_cli_text_at(b->call, "to", i)) && err == 0; i++)
		err = lm_outgoing_add_recipient(b->letter, lm_str(to), &why);
	if (err < 0)
		return lm_cli_call_usage(b->call, "%s", why.code ? why.text : lm_err_text(err));
	b->plan.envelope = *lm_outgoing_envelope(b->letter);
	return LM_EXIT_OK;
}

static int run_pop3(const struct lm_cli_call *call)
{
	struct bench b = { .call = call };

	return run(&b, LM_REMOTE_POP3, LM_REMOTE_MUST, prepare_pop3);
}

static int run_smtp(const struct lm_cli_call *call)
{
	struct bench b = { .call = call };

	return run(&b, LM_REMOTE_SMTP, LM_REMOTE_MAY, prepare_smtp);
}

static const struct lm_cli_action actions[] = {
	{ "pop3", "URL", "fetch messages",
	  "Each session logs in, fetches the first messages of the maildrop, and quits. Nothing is "
	  "deleted. A maildrop is open to one session at a time on most servers: then use "
	  "--connections 1.",
	  1, 1, NULL, run_pop3 },
	{ "smtp", "URL", "send messages",
	  "Each session sends messages of --size to all of --to, and quits.", 1, 1, NULL,
	  run_smtp },
};

static const struct lm_cli_action *bench_actions(size_t *out_count)
{
	*out_count = sizeof(actions) / sizeof(*actions);
	return actions;
}

const struct lm_cli_command lm_cli_bench_command = {
	.name = "bench",
	.arguments = "pop3|smtp URL [OPTION]...",
	.summary = "load a server, and measure how fast it is",
	.text = "Makes sessions, a bounded number at a time, until so many messages went through "
	        "or "
	        "the time is over. Prints rates, and how long connecting (TLS included), logging "
	        "in "
	        "and each message took: the time that half, nine tenths and 99 of 100 did not "
	        "exceed, and the longest. Exit codes: 0 all went well; 1 something failed; else "
	        "nothing went through.",
	.options = bench_options,
	.run = lm_cli_run_actions,
	.actions = bench_actions,
};
