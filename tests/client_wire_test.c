/* Whole clients on bad networks and with hostile peers: every way to fail ends in time, with an
 * error that names place and reason. */
#include "client_peer.h"
#include "client_rig.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct lm_client_params to_port(uint16_t port, enum lm_protocol protocol)
{
	struct lm_client_params params;

	lm_client_params_init(&params, protocol);
	params.host = "127.0.0.1";
	params.port = port;
	params.tls = LM_TLS_OFF;
	params.timeout = 5000;
	return params;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nobody_is_there(void **state)
{
	struct lm_client_params params = to_port(client_peer_dead_port(), LM_POP3);
	struct lm_error error = { 0 };
	struct lm_client *client = NULL;
	char words[80];
	int err;

	(void)state;
	snprintf(words, sizeof(words), "connect to 127.0.0.1 port %u: connection refused",
	         params.port);
	client_refused(&params, LM_E_CONNECT, words);
	params.host = "localhost";
	client_refused(&params, LM_E_CONNECT, "connect to localhost port ");
	params.host = "::1";
	client_refused(&params, LM_E_CONNECT, "connect to ::1 port ");
	params.host = "/nowhere/lmtp.sock";
	client_refused(&params, LM_E_CONNECT,
	               "connect to /nowhere/lmtp.sock: no such file or directory");
	/* Without a network nobody knows whether the name exists. */
	params.host = "nobody.invalid";
	err = lm_client_open(&params, &client, &error);
	assert_true(err == LM_E_NO_HOST || err == LM_E_AGAIN || err == LM_E_TIMEOUT);
	assert_non_null(strstr(error.text, "look up nobody.invalid: "));
	assert_int_equal(lm_err_exit_code(LM_E_NO_HOST), 68);
	assert_int_equal(lm_err_exit_code(LM_E_CONNECT), 75);
}

/* A queue that is full drops what comes. */
static void nobody_answers(void **state)
{
	enum { FILLERS = 32 };
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fillers[FILLERS], fd = socket(AF_INET, SOCK_STREAM, 0);
	struct lm_client_params params;
	char words[80];
	long began;

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	for (int i = 0; i < FILLERS; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&at, len);
	}
	params = to_port(ntohs(at.sin_port), LM_SMTP);
	params.timeout = 300;
	snprintf(words, sizeof(words), "connect to 127.0.0.1 port %u: no answer within 0.3 s",
	         params.port);
	began = now_ms();
	client_refused(&params, LM_E_TIMEOUT, words);
	assert_true(now_ms() - began >= 300 && now_ms() - began < 5000);
	for (int i = 0; i < FILLERS; i++)
		close(fillers[i]);
	close(fd);
}

static void what_cannot_be_meant_is_refused_first(void **state)
{
	struct lm_client_params good = to_port(1, LM_POP3), params = good;

	(void)state;
	params.host = "";
	client_refused(&params, LM_E_SYNTAX, "host");
	params.host = "mail.example\r\nDELE 1";
	client_refused(&params, LM_E_SYNTAX, "host");
	params.host = "mail example";
	client_refused(&params, LM_E_SYNTAX, "host");
	params = good;
	params.user = "anna\r\nDELE 1";
	client_refused(&params, LM_E_SYNTAX, "user");
	params = good;
	params.password = "x\n";
	client_refused(&params, LM_E_SYNTAX, "password");
	params = good;
	params.mechanism = "PLAIN x";
	client_refused(&params, LM_E_SYNTAX, "mechanism");
	params = good;
	params.helo = "a b";
	client_refused(&params, LM_E_SYNTAX, "helo");
	params = good;
	params.timeout = 0;
	client_refused(&params, LM_E_CONFIG, "timeout");
	params = good;
	params.protocol = 0;
	client_refused(&params, LM_E_CONFIG, "protocol");
	params = good;
	params.key_file = "key.pem";
	client_refused(&params, LM_E_CONFIG, "key");
	params = good;
	params.host = "/run/sock";
	params.tls = LM_TLS_STARTTLS;
	client_refused(&params, LM_E_CONFIG, "socket path");
	params.size = 0;
	client_refused(&params, LM_E_CONFIG, "lm_client_params_init");
}

struct failing {
	const char *const script[12];
	enum lm_protocol protocol;
	enum lm_tls_mode tls;
	int err;
	const char *words;
};

/* Each must be over within its time: a short one where it is to run out, else one that a busy
 * machine keeps. */
static void check_failing(const struct failing *f)
{
	const char *const *const scripts[] = { f->script, NULL };
	struct lm_client_params params;
	struct client_peer peer;
	long began = now_ms();

	client_peer_start(&peer, scripts);
	params = to_port(peer.port, f->protocol);
	params.tls = f->tls;
	params.timeout = f->err == LM_E_TIMEOUT ? 800 : 5000;
	params.user = "anna";
	params.password = "secret";
	client_refused(&params, f->err, f->words);
	client_peer_end(&peer);
	if (now_ms() - began > 5000)
		fail_msg("%s took %ld ms", f->words, now_ms() - began);
}

static void servers_that_do_not_serve(void **state)
{
	static const struct failing table[] = {
		{ { "*", NULL }, LM_POP3, LM_TLS_OFF, LM_E_TIMEOUT, ": no answer in time" },
		{ { "*", NULL }, LM_SMTP, LM_TLS_OFF, LM_E_TIMEOUT, ": no answer in time" },
		{ { "*", NULL },
		  LM_POP3,
		  LM_TLS_IMPLICIT,
		  LM_E_TIMEOUT,
		  "TLS with 127.0.0.1 port " },
		{ { "T", "*", NULL },
		  LM_POP3,
		  LM_TLS_IMPLICIT,
		  LM_E_TLS,
		  "TLS with 127.0.0.1 port " },
		{ { NULL }, LM_POP3, LM_TLS_IMPLICIT, LM_E_TLS, "TLS with 127.0.0.1 port " },
		{ { NULL }, LM_POP3, LM_TLS_OFF, LM_E_CLOSED, "connection to 127.0.0.1 port " },
		{ { ">220 hi\r\n", "<EHLO", "!", NULL },
		  LM_SMTP,
		  LM_TLS_OFF,
		  LM_E_CLOSED,
		  "connection to 127.0.0.1 port " },
		{ { "~+OK never ends ", NULL },
		  LM_POP3,
		  LM_TLS_OFF,
		  LM_E_TIMEOUT,
		  ": no answer in time" },
		{ { "~220-on and on\r\n", NULL },
		  LM_SMTP,
		  LM_TLS_OFF,
		  LM_E_TIMEOUT,
		  ": no answer in time" },
		{ { ">-ERR go away\r\n", NULL }, LM_POP3, LM_TLS_OFF, LM_E_DENIED, "go away" },
		{ { ">554 go\x1B[2J away\r\n", "*", NULL },
		  LM_SMTP,
		  LM_TLS_OFF,
		  LM_E_DENIED,
		  "554 go\\x1B[2J away" },
		{ { ">421 later\r\n", NULL }, LM_SMTP, LM_TLS_OFF, LM_E_AGAIN, "421 later" },
		{ { ">HTTP/1.1 200 OK\r\n", "*", NULL }, LM_POP3, LM_TLS_OFF, LM_E_PROTO, "HTTP" },
		{ { ">SSH-2.0-x\r\n", "*", NULL }, LM_SMTP, LM_TLS_OFF, LM_E_PROTO, "SSH-2.0-x" },
		{ { ">+OK\r\n", "<CAPA", ">-ERR\r\n", "<USER anna", ">+OK\r\n", "<PASS secret",
		    ">-ERR [AUTH] wrong\r\n", "*", NULL },
		  LM_POP3,
		  LM_TLS_OFF,
		  LM_E_AUTH,
		  "the server refused \"PASS ****\": wrong" },
		{ { ">+OK\r\n", "<CAPA", ">-ERR\r\n", "<USER anna", ">+OK\r\n", "<PASS secret",
		    ">-ERR [IN-USE] locked\r\n", "*", NULL },
		  LM_POP3,
		  LM_TLS_OFF,
		  LM_E_IN_USE,
		  "locked" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		check_failing(&table[i]);
}

static int fail_at_once(void *ctx, struct lm_bytes octets)
{
	(void)octets;
	*(int *)ctx += 1;
	return LM_E_FULL;
}

static int stop_at_three(void *ctx, const struct lm_event *event)
{
	if (event->type == LM_EVENT_ITEM)
		*(int *)ctx += 1;
	return *(int *)ctx == 3 ? 77 : 0;
}

/* What a sink or a refusal spoils is one message. */
static void one_failure_is_not_the_end(void **state)
{
	static const char *const script[] = { ">+OK\r\n",
		                              "<CAPA",
		                              ">+OK\r\nUIDL\r\nTOP\r\n.\r\n",
		                              "<RETR 1",
		                              ">+OK\r\nSubject: one\r\n\r\n..dots\r\n.\r\n",
		                              "<RETR 2",
		                              ">-ERR no such message\r\n",
		                              "<RETR 3",
		                              ">+OK\r\nshort\r\n.\r\n",
		                              "<LIST",
		                              ">+OK\r\n1 10\r\n2 20\r\n3 30\r\n4 40\r\n.\r\n",
		                              "<NOOP",
		                              ">+OK\r\n",
		                              "<QUIT",
		                              ">-ERR some messages were not removed\r\n",
		                              NULL };
	const char *const *const scripts[] = { script, NULL };
	const struct lm_request list = LM_REQUEST_INIT(LM_REQUEST_LIST);
	struct lm_client_params params;
	struct lm_client *client;
	struct client_peer peer;
	struct lm_error error = { 0 };
	struct lm_buf got;
	int calls = 0;

	(void)state;
	lm_buf_init(&got, CLIENT_SINK_MAX);
	client_peer_start(&peer, scripts);
	params = to_port(peer.port, LM_POP3);
	client = client_open(&params);
	assert_err(lm_pop3_client_retr(client, 1, 0, fail_at_once, &calls, &error), LM_E_FULL);
	assert_int_equal(calls, 1);
	assert_err(lm_pop3_client_retr(client, 2, 0, client_sink, &got, &error), LM_E_DENIED);
	assert_string_equal(error.text, "the server refused \"RETR 2\": no such message");
	assert_err(lm_pop3_client_retr(client, 0, 0, client_sink, &got, &error), LM_E_SYNTAX);
	assert_err(lm_pop3_client_retr(client, 3, 0, client_sink, &got, &error), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str("short\r\n"));
	calls = 0;
	assert_int_equal(lm_client_do(client, &list, stop_at_three, &calls, &error), 77);
	assert_int_equal(calls, 3);
	assert_err(lm_client_noop(client, &error), 0);
	assert_err(lm_client_quit(client, &error), LM_E_DENIED);
	assert_non_null(strstr(error.text, "not removed"));
	lm_client_free(client);
	client_peer_end(&peer);
	lm_buf_done(&got);
}

struct told {
	size_t outcomes, bodies;
	int results[8];
};

static int tell(void *ctx, const struct lm_event *event)
{
	struct told *told = ctx;

	told->bodies += event->type == LM_EVENT_BODY;
	if (event->type == LM_EVENT_OUTCOME) {
		assert_true(event->outcome->tag == &told->results[told->outcomes]);
		told->results[told->outcomes++] = event->outcome->result;
	}
	return 0;
}

/* Also what is never sent, and what is lost, is told in its turn. */
static void every_outcome_of_many_is_told(void **state)
{
	static const char *const script[] = { ">+OK\r\n",
		                              "<CAPA",
		                              ">+OK\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n",
		                              "<RETR 1",
		                              ">+OK\r\none\r\n.\r\n",
		                              "<RETR 2",
		                              ">-ERR gone\r\n",
		                              "<RETR 3",
		                              ">+OK\r\nthr",
		                              NULL };
	static const uint64_t numbers[] = { 1, 2, 0, 3, 4 };
	const char *const *const scripts[] = { script, NULL };
	struct lm_request requests[5];
	struct lm_client_params params;
	struct lm_client *client;
	struct client_peer peer;
	struct lm_error error = { 0 };
	struct told told = { .outcomes = 0 };

	(void)state;
	client_peer_start(&peer, scripts);
	params = to_port(peer.port, LM_POP3);
	client = client_open(&params);
	for (size_t i = 0; i < 5; i++) {
		requests[i] = LM_REQUEST_INIT(LM_REQUEST_RETR);
		requests[i].number = numbers[i];
		requests[i].tag = &told.results[i];
	}
	assert_err(lm_client_do_all(client, requests, 5, tell, &told, &error), LM_E_CLOSED);
	assert_int_equal(told.outcomes, 5);
	assert_err(told.results[0], 0);
	assert_err(told.results[1], LM_E_DENIED);
	assert_err(told.results[2], LM_E_SYNTAX);
	assert_err(told.results[3], LM_E_CLOSED);
	assert_err(told.results[4], LM_E_CLOSED);
	assert_true(told.bodies >= 1);
	assert_err(lm_client_noop(client, &error), LM_E_CLOSED);
	lm_client_free(client);
	client_peer_end(&peer);
}

static void the_answer_to_the_dot_is_lost(void **state)
{
	static const char *const script[] = { ">220 hi\r\n",
		                              "<EHLO",
		                              ">250-peer\r\n250 SIZE\r\n",
		                              "<MAIL FROM:<>",
		                              ">250 ok\r\n",
		                              "<RCPT",
		                              ">250 ok\r\n",
		                              "<RCPT",
		                              ">550 5.1.1 no\r\n",
		                              "<DATA",
		                              ">354 go\r\n",
		                              "<text",
		                              "<.",
		                              NULL };
	const char *const *const scripts[] = { script, NULL };
	struct lm_recipient to[2] = { { .address = lm_str("a@b.example") },
		                      { .address = lm_str("c@b.example") } };
	struct lm_envelope envelope = { .recipients = to, .recipient_count = 2 };
	struct lm_send_result result = { 0 };
	struct lm_client_params params;
	struct lm_client *client;
	struct client_peer peer;
	struct lm_error error = { 0 };

	(void)state;
	client_peer_start(&peer, scripts);
	params = to_port(peer.port, LM_SMTP);
	params.no_pipelining = true;
	client = client_open(&params);
	assert_err(lm_smtp_client_send(client, &envelope, lm_source_from_bytes(lm_str("text\r\n")),
	                               &result, &error),
	           LM_E_CLOSED);
	assert_true(result.unknown);
	assert_int_equal(result.recipient_count, 2);
	assert_int_equal(result.recipients[1].smtp_code, 550);
	assert_bytes(result.recipients[1].text, lm_str("no"));
	/* The source is closed also where nothing is sent any more. */
	assert_err(lm_smtp_client_send(client, &envelope, lm_source_from_bytes(lm_str("text\r\n")),
	                               &result, &error),
	           LM_E_CLOSED);
	lm_client_free(client);
	client_peer_end(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_there),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(what_cannot_be_meant_is_refused_first),
		cmocka_unit_test(servers_that_do_not_serve),
		cmocka_unit_test(one_failure_is_not_the_end),
		cmocka_unit_test(every_outcome_of_many_is_told),
		cmocka_unit_test(the_answer_to_the_dot_is_lost),
	};
	int failed;

	test_certs_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_certs_remove();
	return failed;
}
