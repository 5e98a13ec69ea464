/* The asynchronous face: many on one loop, ends at any moment, tokens that come later, threads. */
#include "client_peer.h"
#include "client_rig.h"

#include <pthread.h>

enum { CROWD = 64, FETCHES = 40, THREADS = 4 };

/* What one client of a test sees and does. */
struct seen {
	struct lm_loop *loop;
	struct lm_client *client;
	int *left;                         /* clients not closed yet; the last stops the loop */
	enum lm_request_type outcomes[64]; /* in their order */
	int results[64];
	size_t count, closed_after;
	uint64_t octets;
	struct lm_error why;
	bool is_closed, in_call, frees_in_closed, aborts_at_body, quits;
	uint32_t held_body; /* a decision that is left open */
	bool holds_body;
	char token[32];
};

static void on_event(void *ctx, const struct lm_event *event)
{
	struct seen *seen = ctx;
	const struct lm_reply yes = LM_REPLY_INIT;

	assert_false(seen->in_call);
	assert_false(seen->is_closed);
	assert_non_null(event->info);
	if (event->type == LM_EVENT_OUTCOME) {
		seen->outcomes[seen->count] = event->outcome->type;
		seen->results[seen->count++] = event->outcome->result;
	} else if (event->type == LM_EVENT_BODY) {
		seen->octets += event->argument.len;
		if (seen->aborts_at_body)
			lm_client_abort(seen->client);
		if (seen->holds_body)
			seen->held_body = event->id;
		else
			assert_err(lm_client_answer(seen->client, event->id, &yes), 0);
	}
}

static void on_closed(void *ctx, const struct lm_error *why)
{
	struct seen *seen = ctx;
	const struct lm_request noop = LM_REQUEST_INIT(LM_REQUEST_NOOP);

	assert_false(seen->in_call);
	assert_false(seen->is_closed);
	seen->is_closed = true;
	seen->why = *why;
	assert_err(lm_client_request(seen->client, &noop), LM_E_CLOSED);
	lm_client_abort(seen->client);
	if (seen->frees_in_closed) {
		lm_client_free(seen->client);
		seen->client = NULL;
	}
	if (--*seen->left == 0)
		lm_loop_stop(seen->loop);
}

static const struct lm_client_owner owner = { on_event, on_closed };

static void begin(struct seen *seen, struct lm_loop *loop, int *left,
                  const struct lm_client_params *params)
{
	struct lm_error error = { 0 };

	seen->loop = loop;
	seen->left = left;
	seen->in_call = true;
	++*left;
	if (lm_client_new(loop, params, &owner, seen, &seen->client, &error))
		fail_msg("%s", error.text);
	seen->in_call = false;
}

static void ask(struct seen *seen, enum lm_request_type type, uint64_t number)
{
	struct lm_request request = LM_REQUEST_INIT(type);

	request.number = number;
	seen->in_call = true;
	assert_err(lm_client_request(seen->client, &request), 0);
	seen->in_call = false;
}

static void start(struct lm_rig *rig, const char *const *more)
{
	lm_rig_new(rig, more);
	assert_err(lm_server_set(rig->server, "cert", test_certs_path("server.pem"), NULL), 0);
	assert_err(lm_server_set(rig->server, "key", test_certs_path("server.key"), NULL), 0);
	lm_rig_start(rig);
}

static void check_outcomes(const struct seen *seen, const enum lm_request_type *want, size_t count)
{
	assert_int_equal(seen->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(seen->outcomes[i], want[i]);
}

/* Requests may be pushed before there is a connection, and come in their order. */
static void a_crowd_on_one_loop(void **state)
{
	static const enum lm_request_type want[] = { LM_REQUEST_OPEN, LM_REQUEST_NOOP,
		                                     LM_REQUEST_RSET, LM_REQUEST_QUIT };
	static const char *const listeners[] = { "smtp", "pop3", "pop3s", "smtps" };
	static struct seen crowd[CROWD];
	struct lm_loop *loop;
	struct lm_rig rig;
	int left = 0;

	(void)state;
	start(&rig, NULL);
	assert_err(lm_loop_new(&loop), 0);
	for (size_t i = 0; i < CROWD; i++) {
		struct lm_client_params params = client_params(&rig, listeners[i % 4]);

		crowd[i] = (struct seen){ .frees_in_closed = i % 2 };
		params.no_login = i % 8 < 4;
		/* What is empty is not there. */
		params.user = params.mechanism = params.helo = params.key_file = "";
		begin(&crowd[i], loop, &left, &params);
		ask(&crowd[i], LM_REQUEST_NOOP, 0);
		ask(&crowd[i], LM_REQUEST_RSET, 0);
		ask(&crowd[i], LM_REQUEST_QUIT, 0);
	}
	lm_loop_run(loop);
	for (size_t i = 0; i < CROWD; i++) {
		check_outcomes(&crowd[i], want, 4);
		assert_err(crowd[i].results[0], 0);
		assert_err(crowd[i].results[3], 0);
		assert_err(crowd[i].why.code, 0);
		lm_client_free(crowd[i].client);
	}
	lm_loop_free(loop);
	lm_rig_free(&rig);
}

static void outcomes_come_before_the_end(void **state)
{
	static const enum lm_request_type want[] = { LM_REQUEST_OPEN, LM_REQUEST_LOGIN,
		                                     LM_REQUEST_STAT, LM_REQUEST_QUIT };
	struct lm_client_params params;
	struct seen seen = { 0 };
	struct lm_loop *loop;
	int left = 0;

	(void)state;
	assert_err(lm_loop_new(&loop), 0);
	lm_client_params_init(&params, LM_POP3);
	params.host = "127.0.0.1";
	params.port = client_peer_dead_port();
	params.user = "anna";
	params.password = "secret";
	begin(&seen, loop, &left, &params);
	assert_null(lm_client_info(seen.client));
	assert_int_equal(lm_client_greeting(seen.client).len, 0);
	assert_false(lm_client_has(seen.client, "UIDL", NULL));
	assert_int_equal(lm_client_capabilities(seen.client).len, 0);
	ask(&seen, LM_REQUEST_STAT, 0);
	ask(&seen, LM_REQUEST_QUIT, 0);
	lm_loop_run(loop);
	check_outcomes(&seen, want, 4);
	for (size_t i = 0; i < 4; i++)
		assert_err(seen.results[i], LM_E_CONNECT);
	assert_err(seen.why.code, LM_E_CONNECT);
	lm_client_free(seen.client);
	lm_loop_free(loop);
}

static void wrong_requests_are_refused_at_once(void **state)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_COMMAND);
	struct lm_client_params params;
	struct seen seen = { 0 };
	struct lm_loop *loop;
	int left = 0, err = 0;

	(void)state;
	assert_err(lm_loop_new(&loop), 0);
	lm_client_params_init(&params, LM_POP3);
	params.host = "127.0.0.1";
	params.port = client_peer_dead_port();
	begin(&seen, loop, &left, &params);
	request.argument = lm_str("NOOP\r\nDELE 1");
	assert_err(lm_client_request(seen.client, &request), LM_E_SYNTAX);
	request = LM_REQUEST_INIT(LM_REQUEST_SEND);
	assert_err(lm_client_request(seen.client, &request), LM_E_UNSUPPORTED);
	request = LM_REQUEST_INIT(LM_REQUEST_OPEN);
	assert_err(lm_client_request(seen.client, &request), LM_E_UNSUPPORTED);
	request = LM_REQUEST_INIT(LM_REQUEST_LOGIN);
	assert_err(lm_client_request(seen.client, &request), LM_E_SYNTAX);
	request = LM_REQUEST_INIT(LM_REQUEST_NOOP);
	for (int i = 0; i < 100000 && !err; i++)
		err = lm_client_request(seen.client, &request);
	assert_err(err, LM_E_LIMIT);
	lm_client_free(seen.client);
	lm_loop_free(loop);
	assert_int_equal(seen.count, 0);
}

static const char *const stalled[] = { ">+OK\r\n", "<CAPA", "*", NULL };
static const char *const halfway[] = {
	">+OK\r\n", "<CAPA", ">+OK\r\nUIDL\r\nTOP\r\n.\r\n", "<RETR 1", ">+OK\r\nsome\r\n",
	"*",        NULL
};

/* Freed in every state, with work of every kind under way. */
static void freed_at_any_time(void **state)
{
	const char *const *const scripts[] = { stalled, halfway, NULL };
	struct lm_client_params params;
	struct client_peer peer;
	struct lm_loop *loop;
	int left = 0;

	(void)state;
	client_peer_start(&peer, scripts);
	assert_err(lm_loop_new(&loop), 0);
	lm_client_params_init(&params, LM_POP3);
	params.tls = LM_TLS_OFF;
	for (int i = 0; i < 3; i++) {
		static const char *const hosts[] = { "127.0.0.1", "localhost", "/nowhere/sock" };
		struct seen seen = { 0 };

		params.host = hosts[i];
		params.port = client_peer_dead_port();
		begin(&seen, loop, &left, &params);
		ask(&seen, LM_REQUEST_STAT, 0);
		lm_client_free(seen.client);
	}
	params.host = "127.0.0.1";
	params.port = peer.port;
	params.timeout = 1000;
	for (int i = 0; i < 2; i++) {
		struct seen seen = { .holds_body = true, .frees_in_closed = true };

		left = 0;
		begin(&seen, loop, &left, &params);
		ask(&seen, LM_REQUEST_RETR, 1);
		if (i)
			seen.aborts_at_body = true;
		lm_loop_run(loop);
		assert_true(seen.is_closed);
		assert_err(seen.why.code, i ? LM_E_CANCELED : LM_E_TIMEOUT);
		assert_int_equal(seen.outcomes[seen.count - 1], LM_REQUEST_RETR);
		assert_true(seen.results[seen.count - 1] < 0);
	}
	lm_loop_free(loop);
	client_peer_end(&peer);
}

static void aborted_before_and_behind(void **state)
{
	struct lm_client_params params;
	struct lm_loop *loop;
	struct lm_rig rig;

	(void)state;
	start(&rig, NULL);
	params = client_params(&rig, "pop3");
	assert_err(lm_loop_new(&loop), 0);
	for (int i = 0; i < 2; i++) {
		struct seen seen = { .frees_in_closed = i };
		int left = 0;

		begin(&seen, loop, &left, &params);
		seen.in_call = true;
		lm_client_abort(seen.client);
		lm_client_abort(seen.client);
		seen.in_call = false;
		lm_loop_run(loop);
		assert_err(seen.why.code, LM_E_CANCELED);
		assert_int_equal(seen.count, 2);
		assert_err(seen.results[1], LM_E_CANCELED);
		lm_client_free(seen.client);
	}
	lm_loop_free(loop);
	lm_rig_free(&rig);
}

/* TLS settings are shared where they are the same, and only there. */
static void shared_tls_settings(void **state)
{
	struct lm_client_params params;
	struct lm_loop *loop;
	struct lm_rig rig;

	(void)state;
	start(&rig, NULL);
	params = client_params(&rig, "pop3s");
	params.no_login = true;
	assert_err(lm_loop_new(&loop), 0);
	for (int i = 0; i < 4; i++) {
		struct seen first = { 0 }, second = { 0 };
		int left = 0;

		begin(&first, loop, &left, &params);
		ask(&first, LM_REQUEST_QUIT, 0);
		params.like = first.client;
		params.insecure = i % 2 == 1;
		if (i >= 2)
			params.ca_file = test_certs_path("stranger.pem");
		begin(&second, loop, &left, &params);
		ask(&second, LM_REQUEST_QUIT, 0);
		lm_loop_run(loop);
		assert_err(first.why.code, 0);
		assert_err(second.why.code, i == 2 ? LM_E_TLS : 0);
		if (i < 3)
			assert_string_equal(lm_client_tls_doubt(second.client), "");
		else
			assert_non_null(strstr(lm_client_tls_doubt(second.client), "issuer"));
		lm_client_free(first.client);
		/* What was shared lives on. */
		lm_client_free(second.client);
		params.like = NULL;
		params.insecure = false;
		params.ca_file = test_certs_path("ca.pem");
	}
	lm_loop_free(loop);
	lm_rig_free(&rig);
}

/* --- tokens --- */

struct asker {
	struct lm_loop *loop;
	struct lm_client *client;
	struct lm_client *asked;
	int times;
	bool at_once;
	const char *token;
};

static void on_ask(void *ctx, struct lm_client *client)
{
	struct asker *asker = ctx;

	asker->times++;
	asker->asked = client;
	if (asker->at_once)
		assert_err(lm_client_token(client, lm_str(asker->token)), 0);
	else
		lm_loop_stop(asker->loop);
}

static const char *const bearer[] = { ">+OK\r\n",
	                              "<CAPA",
	                              ">+OK\r\nSASL XOAUTH2\r\nUIDL\r\nTOP\r\n.\r\n",
	                              "<AUTH XOAUTH2 dXNlcj1hbm5hAWF1dGg9QmVhcmVyIHRva2VuAQE=",
	                              ">+OK in\r\n",
	                              "<QUIT",
	                              ">+OK\r\n",
	                              NULL };

static void tokens_are_asked_for(void **state)
{
	const char *const *const scripts[] = { bearer, bearer, stalled + 0, NULL };
	struct lm_client_params params;
	struct client_peer peer;
	struct lm_loop *loop;

	(void)state;
	client_peer_start(&peer, scripts);
	assert_err(lm_loop_new(&loop), 0);
	lm_client_params_init(&params, LM_POP3);
	params.host = "127.0.0.1";
	params.port = peer.port;
	params.tls = LM_TLS_OFF;
	params.user = "anna";
	params.timeout = 5000;
	params.ask_token = on_ask;
	for (int i = 0; i < 2; i++) {
		struct asker asker = { .loop = loop, .at_once = i, .token = "token" };
		struct seen seen = { 0 };
		int left = 0;

		params.ctx = &asker;
		begin(&seen, loop, &left, &params);
		ask(&seen, LM_REQUEST_QUIT, 0);
		lm_loop_run(loop);
		assert_int_equal(asker.times, 1);
		assert_true(asker.asked == seen.client);
		if (!i) {
			assert_err(lm_client_token(seen.client, lm_str("token")), 0);
			lm_loop_run(loop);
		}
		assert_err(lm_client_token(seen.client, lm_str("token")), LM_E_NOT_FOUND);
		assert_true(seen.is_closed);
		assert_int_equal(seen.count, 3);
		assert_err(seen.results[1], 0);
		lm_client_free(seen.client);
	}
	/* Given up while it waits. */
	params.timeout = 1000;
	{
		struct seen seen = { .frees_in_closed = true };
		int left = 0;

		begin(&seen, loop, &left, &params);
		lm_loop_run(loop);
		assert_err(seen.why.code, LM_E_TIMEOUT);
	}
	lm_loop_free(loop);
	client_peer_end(&peer);
}

/* --- callbacks --- */

struct watcher {
	struct lm_buf lines;
	uint64_t done, total;
	int calls;
};

static void on_trace(void *ctx, bool from_server, struct lm_bytes line)
{
	struct watcher *watcher = ctx;

	assert_err(lm_buf_printf(&watcher->lines, "%s%.*s\n",
	                         from_server ? "S: " : "C: ", LM_FMT(line)),
	           0);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct watcher *watcher = ctx;

	assert_true(done >= watcher->done || done > 0);
	watcher->done = done;
	watcher->total = total;
	watcher->calls++;
}

static void what_happens_can_be_watched(void **state)
{
	static const char letter[] = "Subject: x\r\n\r\ntext\r\n";
	struct lm_recipient to = { .address = lm_str("anna") };
	struct lm_envelope envelope = { .recipients = &to,
		                        .recipient_count = 1,
		                        .size = sizeof(letter) - 1 };
	struct watcher watcher = { 0 };
	struct lm_client_params params;
	struct lm_client *client;
	struct lm_rig rig;
	struct lm_buf got;

	(void)state;
	lm_buf_init(&watcher.lines, 1 << 20);
	lm_buf_init(&got, CLIENT_SINK_MAX);
	start(&rig, NULL);
	params = client_params(&rig, "submission");
	params.trace = on_trace;
	params.progress = on_progress;
	params.ctx = &watcher;
	params.mechanism = "PLAIN";
	client = client_open(&params);
	assert_err(lm_smtp_client_send(client, &envelope, lm_source_from_bytes(lm_str(letter)),
	                               NULL, NULL),
	           0);
	assert_int_equal(watcher.done, sizeof(letter) - 1);
	assert_int_equal(watcher.total, sizeof(letter) - 1);
	assert_err(lm_client_quit(client, NULL), 0);
	lm_client_free(client);
	assert_err(lm_buf_add(&watcher.lines, lm_bytes("", 1)), 0);
	assert_non_null(strstr((char *)watcher.lines.data, "C: EHLO "));
	assert_non_null(strstr((char *)watcher.lines.data, "S: 235"));
	assert_null(strstr((char *)watcher.lines.data, "AGFubmEAc2VjcmV0"));
	watcher.calls = 0;
	params = client_params(&rig, "pop3s");
	params.progress = on_progress;
	params.ctx = &watcher;
	client = client_open(&params);
	assert_err(lm_pop3_client_retr(client, 1, 1000, client_sink, &got, NULL), 0);
	assert_true(watcher.calls > 0);
	assert_int_equal(watcher.done, lm_buf_len(&got));
	assert_int_equal(watcher.total, 1000);
	lm_client_free(client);
	lm_rig_free(&rig);
	lm_buf_done(&watcher.lines);
	lm_buf_done(&got);
}

/* --- threads --- */

struct runner {
	pthread_t thread;
	struct lm_client_params params;
	uint64_t octets;
	int err;
};

static int count_octets(void *ctx, const struct lm_event *event)
{
	struct runner *runner = ctx;

	if (event->type == LM_EVENT_BODY)
		runner->octets += event->argument.len;
	if (event->type == LM_EVENT_OUTCOME && event->outcome->result && !runner->err)
		runner->err = event->outcome->result;
	return 0;
}

static void *fetch_many(void *arg)
{
	struct lm_request requests[FETCHES];
	struct runner *runner = arg;
	struct lm_client *client;
	struct lm_error error;

	runner->err = lm_client_open(&runner->params, &client, &error);
	if (runner->err)
		return NULL;
	for (size_t i = 0; i < FETCHES; i++) {
		requests[i] = LM_REQUEST_INIT(i % 4 == 3 ? LM_REQUEST_NOOP : LM_REQUEST_TOP);
		requests[i].number = requests[i].type == LM_REQUEST_TOP ? 1 : 0;
		requests[i].lines = 5;
	}
	for (int i = 0; i < 5 && !runner->err; i++) {
		int err = lm_client_do_all(client, requests, FETCHES, count_octets, runner, &error);

		runner->err = runner->err ? runner->err : err;
	}
	if (!runner->err)
		runner->err = lm_client_quit(client, &error);
	lm_client_free(client);
	return NULL;
}

static void one_client_a_thread(void **state)
{
	static const char *const users[THREADS] = { "anna", "bert", "carl", "dora" };
	static const char *const more[] = { "user", "carl:secret", "user", "dora:secret", NULL };
	struct runner runners[THREADS];
	struct lm_rig rig;

	(void)state;
	start(&rig, more);
	for (size_t i = 0; i < THREADS; i++) {
		lm_rig_deliver(&rig, users[i], "Subject: x\r\n\r\ntext\r\n");
		runners[i] = (struct runner){ .params = client_params(&rig,
			                                              i % 2 ? "pop3" : "pop3s") };
		runners[i].params.user = users[i];
		if (i < 2)
			runners[i].params.host = "localhost";
		runners[i].params.insecure = true;
		assert_int_equal(pthread_create(&runners[i].thread, NULL, fetch_many, &runners[i]),
		                 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
		assert_err(runners[i].err, 0);
		assert_true(runners[i].octets > 5 * (FETCHES * 3 / 4) * 20);
		assert_int_equal(runners[i].octets, runners[0].octets);
	}
	lm_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_on_one_loop),
		cmocka_unit_test(outcomes_come_before_the_end),
		cmocka_unit_test(wrong_requests_are_refused_at_once),
		cmocka_unit_test(freed_at_any_time),
		cmocka_unit_test(aborted_before_and_behind),
		cmocka_unit_test(shared_tls_settings),
		cmocka_unit_test(tokens_are_asked_for),
		cmocka_unit_test(what_happens_can_be_watched),
		cmocka_unit_test(one_client_a_thread),
	};
	int failed;

	test_certs_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_certs_remove();
	return failed;
}
