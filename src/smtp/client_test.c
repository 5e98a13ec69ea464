/* The client session: how it opens, waits, asks, runs out of patience or memory, and ends. */
#include "lm_test.h"

#include "smtp/client_peer.h"

#define CAPS                                                                            \
	"250-mx at your service\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n" \
	"250 AUTH PLAIN\r\n"

static const struct lm_tls_info tls_info = {
	.active = true, .server_name = "", .peer_subject = "", .peer_name = ""
};

static struct lm_smtpc *inside(const struct owner *o)
{
	return lm_container(o->session, struct lm_smtpc, base);
}

static int ask(struct owner *o, enum lm_request_type type)
{
	struct lm_request r = LM_REQUEST_INIT(type);

	return owner_ask(o, &r);
}

static void it_waits_for_the_greeting(void **state)
{
	struct lm_bytes rest;
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	owner_open(&o);
	assert_said(&o, "");
	owner_hear(&o, "220-mx\r\n220 more\r\n");
	assert_said(&o, "EHLO me\r\n");
	assert_outcomes(&o, "");
	owner_hear(&o, CAPS);
	assert_outcomes(&o, "OK 250 mx at your service\nPIPELINING\nSIZE 1000\n8BITMIME\nAUTH "
	                    "PLAIN;");
	assert_bytes(lm_smtp_client_session_greeting(o.session), lm_str("mx\nmore"));
	assert_true(lm_smtp_client_session_has(o.session, "size", &rest));
	assert_bytes(rest, lm_str("1000"));
	assert_false(lm_smtp_client_session_has(o.session, "SIZ", NULL));
	assert_false(lm_smtp_client_session_has(o.session, "mx", NULL));
	assert_true(lm_session_info(o.session)->esmtp);
	owner_done(&o);
}

static void open_up_to_tls(struct owner *o)
{
	owner_init(o, LM_SMTP);
	o->params.tls = LM_TLS_STARTTLS;
	owner_open(o);
	owner_hear(o, "220 mx\r\n");
	owner_hear(o, "250-mx\r\n250 STARTTLS\r\n");
	assert_said(o, "STARTTLS\r\n");
}

static void words_before_tls_are_not_believed(void **state)
{
	static const char injected[] = "220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n";
	struct owner o;

	(void)state;
	/* The owner sees octets that were not taken, or says that TLS is up all the same. */
	for (int blind = 0; blind < 2; blind++) {
		open_up_to_tls(&o);
		lm_buf_clear(&o.outcomes);
		assert_true(owner_feed(&o, lm_str(injected), SIZE_MAX) > 0);
		assert_true(lm_session_wants(o.session) & LM_WANT_TLS);
		if (blind)
			assert_err(lm_session_tls_up(o.session, &tls_info, o.now), LM_E_PROTO);
		else
			lm_session_eof(o.session, o.now);
		owner_pump(&o);
		assert_said(&o, "STARTTLS\r\n");
		assert_memory_equal(o.outcomes.data, "PROTO", 5);
		owner_done(&o);
	}
}

static void tls_makes_it_forget(void **state)
{
	struct owner o;

	(void)state;
	open_up_to_tls(&o);
	assert_err(lm_session_tls_up(o.session, &tls_info, o.now), LM_E_MISUSE);
	owner_hear(&o, "220 go\r\n");
	assert_true(lm_session_wants(o.session) == LM_WANT_TLS);
	assert_true(lm_session_deadline(o.session) == LM_NEVER);
	assert_err(lm_session_tls_up(o.session, &tls_info, o.now), 0);
	assert_false(lm_smtp_client_session_has(o.session, "STARTTLS", NULL));
	lm_buf_clear(&o.said);
	owner_pump(&o);
	assert_said(&o, "EHLO me\r\n");
	assert_outcomes(&o, "TLS;");
	owner_hear(&o, "250 mx\r\n");
	assert_outcomes(&o, "OK 250 mx;");
	assert_err(lm_session_tls_up(o.session, &tls_info, o.now), LM_E_MISUSE);
	owner_done(&o);
}

static void implicit_tls_comes_first(void **state)
{
	struct owner o;
	size_t taken = 7;

	(void)state;
	owner_init(&o, LM_SMTP);
	o.params.tls = LM_TLS_IMPLICIT;
	owner_open(&o);
	assert_true(lm_session_wants(o.session) == LM_WANT_TLS);
	assert_err(lm_session_feed(o.session, lm_str("220 hi\r\n"), o.now, &taken), 0);
	assert_int_equal(taken, 0);
	assert_err(lm_session_tls_up(o.session, &tls_info, o.now), LM_E_PROTO);
	owner_done(&o);
}

/* Octets now and then are no reply. */
static void slow_octets_do_not_prolong(void **state)
{
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	owner_open(&o);
	assert_true(lm_session_deadline(o.session) == 61000);
	for (int i = 0; i < 59; i++) {
		o.now += 1000;
		owner_feed(&o, lm_str(i % 6 == 5 ? "\n" : i % 6 < 3 ? "2" : "-"), 1);
		assert_err(lm_session_tick(o.session, o.now), 0);
	}
	assert_int_equal(o.session->ops->deadline(o.session), 61000);
	o.now += 1000;
	assert_err(lm_session_tick(o.session, o.now), 0);
	assert_true(lm_session_wants(o.session) == LM_WANT_ABORT);
	owner_pump(&o);
	assert_outcomes(&o, "TIMEOUT no reply within 60 seconds;");
	assert_err(lm_session_tick(o.session, o.now), LM_E_TIMEOUT);
	owner_done(&o);
}

static void an_idle_session_has_no_deadline_and_no_buffers(void **state)
{
	const struct lm_smtpc *s;
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	o.params.trace = true;
	owner_greet(&o, CAPS);
	for (int i = 0; i < 300; i++) {
		assert_err(ask(&o, LM_REQUEST_NOOP), 0);
		owner_feed(&o,
		           lm_str("250-some words to keep while the reply goes on\r\n250 x\r\n"),
		           5);
	}
	s = inside(&o);
	assert_true(lm_session_deadline(o.session) == LM_NEVER);
	assert_true(s->line.partial.cap <= LM_SMTPC_KEEP);
	assert_true(s->output.cap <= LM_SMTPC_KEEP && s->notices.cap <= LM_SMTPC_KEEP);
	assert_int_equal(s->reply.cap + s->command.cap + s->words.cap, 0);
	assert_null(s->job);
	owner_done(&o);
}

static void requests_queue_up_to_a_limit(void **state)
{
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_NOOP);
	struct owner o;
	int count = 0;

	(void)state;
	owner_init(&o, LM_SMTP);
	owner_open(&o);
	while (lm_session_request(o.session, &r, o.now) == 0)
		count++;
	assert_int_equal(count, LM_SMTPC_REQUESTS - 1); /* OPEN is the first */
	assert_err(lm_session_request(o.session, &r, o.now), LM_E_LIMIT);
	owner_hear(&o, "220 mx\r\n250 mx\r\n250 first\r\n");
	assert_outcomes(&o, "OK 250 mx;OK 250 first;");
	assert_err(lm_session_request(o.session, &r, o.now), 0);
	lm_session_eof(o.session, o.now);
	lm_buf_clear(&o.outcomes);
	owner_pump(&o);
	count = 0;
	for (size_t i = 0; i < lm_buf_len(&o.outcomes); i++)
		count += o.outcomes.data[i] == ';';
	assert_int_equal(count, LM_SMTPC_REQUESTS); /* 999 outcomes and DISCONNECT */
	owner_done(&o);
}

static void nothing_breaks_a_line(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = { { "a\r\nQUIT", 7 }, { "a\nb", 3 }, { "a\rb", 3 }, { "a\0b", 3 } };
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_COMMAND);
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	owner_greet(&o, CAPS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct lm_bytes evil = lm_bytes(bad[i].text, bad[i].len);
		struct lm_credentials creds[] = {
			{ .user = evil, .password = lm_str("p") },
			{ .user = lm_str("u"), .password = evil },
			{ .user = lm_str("u"), .password = lm_str("p"), .authzid = evil },
			{ .user = lm_str("u"), .token = evil },
			{ .user = lm_str("u"), .password = lm_str("p"), .mechanism = "A\r\nB" },
		};
		struct lm_recipient to = { .address = lm_str("b@x") },
		                    to_evil[] = { { .address = evil },
			                          { .address = lm_str("b@x"), .orcpt = evil } };
		struct lm_envelope e[] = {
			{ .sender = evil, .recipients = &to, .recipient_count = 1 },
			{ .recipients = &to_evil[0], .recipient_count = 1 },
			{ .recipients = &to_evil[1], .recipient_count = 1 },
			{ .recipients = &to, .recipient_count = 1, .envid = evil },
			{ .recipients = &to, .recipient_count = 1, .auth = evil },
		};

		r.argument = evil;
		for (int t = LM_REQUEST_COMMAND; t <= LM_REQUEST_EXPN; t++) {
			r.type = (enum lm_request_type)t;
			if (t == LM_REQUEST_COMMAND || t == LM_REQUEST_VRFY || t == LM_REQUEST_EXPN)
				assert_err(owner_ask(&o, &r), LM_E_SYNTAX);
		}
		r.type = LM_REQUEST_LOGIN;
		for (size_t k = 0; k < sizeof(creds) / sizeof(*creds); k++) {
			r.credentials = &creds[k];
			assert_err(owner_ask(&o, &r), LM_E_SYNTAX);
		}
		r.type = LM_REQUEST_SEND;
		for (size_t k = 0; k < sizeof(e) / sizeof(*e); k++) {
			r.envelope = &e[k];
			assert_err(owner_ask(&o, &r), LM_E_SYNTAX);
		}
		assert_said(&o, "");
	}
	owner_done(&o);
}

static void params_are_checked(void **state)
{
	static const char *const bad[] = { "", "a b", "a\r\nQUIT", "caf\xc3\xa9" };
	struct lm_session *session;
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		o.params.helo = bad[i];
		assert_err(lm_smtp_client_session_new(&o.params, 0, &session), LM_E_SYNTAX);
	}
	o.params.helo = "[IPv6:::1]";
	assert_err(lm_smtp_client_session_new(&o.params, 0, &session), 0);
	lm_session_free(session);
	o.params.protocol = LM_POP3;
	assert_err(lm_smtp_client_session_new(&o.params, 0, &session), LM_E_SYNTAX);
	owner_done(&o);
}

static void draining_twice_cuts(void **state)
{
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	owner_greet(&o, CAPS);
	assert_err(ask(&o, LM_REQUEST_NOOP), 0);
	lm_session_drain(o.session, o.now);
	owner_pump(&o);
	assert_outcomes(&o, "");
	assert_err(ask(&o, LM_REQUEST_NOOP), LM_E_CLOSED);
	lm_session_drain(o.session, o.now);
	owner_pump(&o);
	assert_outcomes(&o, "CANCELED canceled;");
	assert_true(lm_session_wants(o.session) == LM_WANT_ABORT);
	owner_done(&o);
}

static void quit_is_the_end_whatever_is_said(void **state)
{
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	owner_greet(&o, CAPS);
	assert_err(ask(&o, LM_REQUEST_QUIT), 0);
	assert_said(&o, "QUIT\r\n");
	assert_err(ask(&o, LM_REQUEST_NOOP), LM_E_CLOSED);
	lm_session_eof(o.session, o.now);
	owner_pump(&o);
	assert_outcomes(&o, "OK the connection was closed;DISCONNECT;");
	lm_session_eof(o.session, o.now);
	owner_pump(&o);
	assert_outcomes(&o, "OK the connection was closed;DISCONNECT;");
	owner_done(&o);
}

static void the_trace_shows_all_but_secrets(void **state)
{
	struct lm_credentials c = { .user = lm_str("alice"), .password = lm_str("secret") };
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_LOGIN);
	struct owner o;

	(void)state;
	owner_init(&o, LM_SMTP);
	o.params.trace = true;
	owner_greet(&o, "250-mx\r\n250 AUTH LOGIN\r\n");
	lm_buf_clear(&o.trace);
	r.credentials = &c;
	assert_err(owner_ask(&o, &r), 0);
	owner_hear(&o, "334 VXNlcm5hbWU6\r\n");
	owner_hear(&o, "334 UGFzc3dvcmQ6\r\n");
	assert_said(&o, "c2VjcmV0\r\n");
	owner_hear(&o, "235 ok\r\n");
	assert_bytes(lm_buf_bytes(&o.trace), lm_str("C: AUTH LOGIN\nS: 334 ****\nC: ****\nS: 334 "
	                                            "****\nC: ****\nS: 235 ok\n"));
	assert_bytes(lm_session_info(o.session)->user, lm_str("alice"));
	assert_bytes(lm_session_info(o.session)->mechanism, lm_str("LOGIN"));
	owner_done(&o);
}

/* A whole dialogue with the n-th allocation failing: an outcome for each request, no leak. */
static bool dialogue_without_memory(unsigned long n, const char *caps)
{
	struct lm_credentials c = { .user = lm_str("alice"), .password = lm_str("secret") };
	struct lm_recipient to = { .address = lm_str("b@x") };
	struct lm_envelope e = { .recipients = &to, .recipient_count = 1 };
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_LOGIN);
	struct lm_session *session = NULL;
	struct owner o;
	bool failed;
	int err;

	owner_init(&o, LM_SMTP);
	o.params.trace = true;
	r.credentials = &c;
	r.envelope = &e;
	for (size_t i = 0; i < 3; i++) { /* the test's own memory does not run out */
		struct lm_buf *own[] = { &o.said, &o.outcomes, &o.trace };
		uint8_t *room;

		assert_err(lm_buf_room(own[i], 8000, &room), 0);
	}
	lm_alloc_fail_at(n);
	err = lm_smtp_client_session_new(&o.params, o.now, &session);
	o.session = session;
	if (!err)
		err = lm_session_request(session, &r, o.now);
	r.type = LM_REQUEST_SEND;
	if (!err)
		err = lm_session_request(session, &r, o.now);
	if (!err) {
		owner_pump(&o);
		(void)owner_feed(&o, lm_str(caps), SIZE_MAX);
		lm_session_eof(session, o.now);
		owner_pump(&o);
	}
	lm_alloc_fail_at(0);
	failed = err || memmem(o.outcomes.data, o.outcomes.len, "NOMEM", 5);
	if (err)
		assert_err(err, LM_E_NOMEM);
	else
		assert_non_null(memmem(o.outcomes.data, o.outcomes.len, "DISCONNECT", 10));
	owner_done(&o);
	return failed;
}

static void out_of_memory_anywhere(void **state)
{
	static const char *const scripts[] = {
		"220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n235 ok\r\n"
		"250 a\r\n250 b\r\n354 c\r\n250 d\r\n",
		"220 mx\r\n250-mx\r\n250-CHUNKING\r\n250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n334 "
		"UGFzc3dvcmQ6\r\n235 ok\r\n250 a\r\n250 b\r\n250 d\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		unsigned long n = 1, failures = 0;

		for (; n < 200; n++)
			failures += dialogue_without_memory(n, scripts[i]);
		assert_in_range(failures, 10, 150);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_for_the_greeting),
		cmocka_unit_test(words_before_tls_are_not_believed),
		cmocka_unit_test(tls_makes_it_forget),
		cmocka_unit_test(implicit_tls_comes_first),
		cmocka_unit_test(slow_octets_do_not_prolong),
		cmocka_unit_test(an_idle_session_has_no_deadline_and_no_buffers),
		cmocka_unit_test(requests_queue_up_to_a_limit),
		cmocka_unit_test(nothing_breaks_a_line),
		cmocka_unit_test(params_are_checked),
		cmocka_unit_test(draining_twice_cuts),
		cmocka_unit_test(quit_is_the_end_whatever_is_said),
		cmocka_unit_test(the_trace_shows_all_but_secrets),
		cmocka_unit_test(out_of_memory_anywhere),
	};

	return cmocka_run_group_tests_name("smtp/client", tests, NULL, NULL);
}
