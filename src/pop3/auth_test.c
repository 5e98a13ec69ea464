/* AUTH with mechanisms of several rounds, GNU SASL's client at the other end. */
#include "pop3/drive.h"

#include "lm_test.h"

#include "sasl/sasl.h"
#include "wire/text.h"

#include <gsasl.h>

static const char exporter[33] = "exported by both ends of the TLS";

struct client {
	const char *mechanism, *password;
	Gsasl *gsasl;
	Gsasl_session *session;
	struct lm_buf line; /* the next line to send */
};

static int callback(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	const struct client *c = gsasl_callback_hook_get(gsasl);
	char *binding = NULL;
	size_t len;

	if (property == GSASL_AUTHID)
		gsasl_property_set(session, property, "u");
	else if (property == GSASL_PASSWORD)
		gsasl_property_set(session, property, c->password);
	else if (property == GSASL_CB_TLS_EXPORTER && strstr(c->mechanism, "-PLUS")) {
		assert_int_equal(gsasl_base64_to(exporter, 32, &binding, &len), GSASL_OK);
		gsasl_property_set(session, property, binding);
		gsasl_free(binding);
	} else {
		return GSASL_NO_CALLBACK;
	}
	return GSASL_OK;
}

static void client_init(struct client *c)
{
	assert_int_equal(gsasl_init(&c->gsasl), GSASL_OK);
	gsasl_callback_set(c->gsasl, callback);
	gsasl_callback_hook_set(c->gsasl, c);
	assert_int_equal(gsasl_client_start(c->gsasl, c->mechanism, &c->session), GSASL_OK);
	lm_buf_init(&c->line, 10000);
	assert_err(lm_buf_printf(&c->line, "AUTH %s\r\n", c->mechanism), 0);
}

static void client_done(struct client *c)
{
	gsasl_finish(c->session);
	gsasl_done(c->gsasl);
	lm_buf_done(&c->line);
}

/* Answer the challenge that the server said. False when the client will not go on. */
static bool respond(struct client *c, struct lm_bytes said)
{
	struct lm_buf raw, code;
	char *text = NULL;
	size_t len = 0;
	int rc;

	assert_true(said.data && said.len >= 4 && lm_starts_nocase(said, "+ "));
	lm_buf_init(&raw, 10000);
	lm_buf_init(&code, 10000);
	assert_err(lm_base64_decode(lm_bytes(said.data + 2, said.len - 4), &raw), 0);
	rc = gsasl_step(c->session, (const char *)lm_buf_bytes(&raw).data, lm_buf_len(&raw), &text,
	                &len);
	lm_buf_clear(&c->line);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		assert_err(lm_base64_encode(lm_bytes(text, len), &code), 0);
	assert_err(lm_buf_printf(&c->line, "%.*s\r\n", LM_FMT(lm_buf_bytes(&code))), 0);
	gsasl_free(text);
	lm_buf_done(&raw);
	lm_buf_done(&code);
	return rc == GSASL_OK || rc == GSASL_NEEDS_MORE;
}

static void answer_secret(struct drive *d)
{
	struct lm_reply r = LM_REPLY_INIT;
	uint8_t stored[32], server[32];
	size_t len;

	assert_int_equal(d->held.auth.kind, LM_AUTH_SECRET);
	assert_bytes(d->held.auth.authcid, lm_str("u"));
	r.secret.plain = lm_str("secret");
	if (d->held.auth.need != LM_NEED_PLAIN) {
		assert_err(lm_scram_keys(d->held.auth.need == LM_NEED_SCRAM_SHA256,
		                         lm_str("secret"), lm_str("0123456789abcdef"), 4096, stored,
		                         server, &len),
		           0);
		r.secret = (struct lm_secret){ .salt = lm_str("0123456789abcdef"),
			                       .iterations = 4096,
			                       .stored_key = lm_bytes(stored, len),
			                       .server_key = lm_bytes(server, len) };
	}
	d->held.type = LM_EVENT_NONE;
	assert_err(lm_session_answer(d->session, d->held.id, &r, d->now), 0);
	drive_pump(d);
}

/* The whole exchange; what the server said last stays in d->said. */
static void exchange(struct drive *d, struct client *c)
{
	d->hold = LM_EVENT_AUTH;
	do {
		lm_buf_clear(&d->said);
		assert_int_equal(drive_feed(d, lm_buf_bytes(&c->line)), lm_buf_len(&c->line));
		if (d->held.type == LM_EVENT_AUTH)
			answer_secret(d);
	} while (lm_starts_nocase(lm_buf_bytes(&d->said), "+ ") &&
	         respond(c, lm_buf_bytes(&d->said)));
}

static void open_under_tls(struct drive *d)
{
	const struct lm_tls_info info = { .active = true,
		                          .peer_name = "",
		                          .exporter = lm_bytes(exporter, 32) };

	drive_init(d);
	d->params.mechanisms = "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 "
	                       "CRAM-MD5";
	assert_err(drive_open(d), 0);
	assert_err(lm_session_tls_up(d->session, &info, d->now), 0);
	drive_say(d, "");
}

static const char *const mechanisms[] = { "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256",
	                                  "SCRAM-SHA-1", "CRAM-MD5" };

static void the_right_password_logs_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(*mechanisms); i++) {
		struct client c = { .mechanism = mechanisms[i], .password = "secret" };
		struct drive d;

		/* -PLUS, or a client that never heard of it; not one that was shown it. */
		open_under_tls(&d);
		if (!strstr(c.mechanism, "-PLUS"))
			d.params.mechanisms = c.mechanism;
		client_init(&c);
		exchange(&d, &c);
		drive_expect(&d, "+OK maildrop has 3 messages (22 octets)\r\n");
		assert_bytes(lm_session_info(d.session)->mechanism, lm_str(mechanisms[i]));
		assert_bytes(lm_session_info(d.session)->user, lm_str("u"));
		client_done(&c);
		drive_done(&d);
	}
}

static void a_wrong_password_does_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(*mechanisms); i++) {
		struct client c = { .mechanism = mechanisms[i], .password = "wrong" };
		struct drive d;

		open_under_tls(&d);
		if (!strstr(c.mechanism, "-PLUS"))
			d.params.mechanisms = c.mechanism;
		client_init(&c);
		exchange(&d, &c);
		drive_expect(&d, "-ERR [AUTH] pass rejected\r\n");
		assert_int_equal(drive_inside(&d)->state, LM_POP3_AUTHORIZATION);
		d.hold = LM_EVENT_NONE;
		drive_login(&d);
		client_done(&c);
		drive_done(&d);
	}
}

static void the_servers_proof_is_a_round_that_can_be_canceled(void **state)
{
	struct client c = { .mechanism = "SCRAM-SHA-256", .password = "secret" };
	struct drive d;

	(void)state;
	open_under_tls(&d);
	d.params.mechanisms = c.mechanism;
	client_init(&c);
	d.hold = LM_EVENT_AUTH;
	while (!drive_inside(&d)->login || !drive_inside(&d)->login->last_round) {
		lm_buf_clear(&d.said);
		drive_feed(&d, lm_buf_bytes(&c.line));
		if (d.held.type == LM_EVENT_AUTH)
			answer_secret(&d);
		assert_true(respond(&c, lm_buf_bytes(&d.said)));
	}
	drive_say(&d, "*\r\n");
	drive_expect(&d, "-ERR authentication canceled.\r\n");
	assert_int_equal(drive_inside(&d)->state, LM_POP3_AUTHORIZATION);
	client_done(&c);
	drive_done(&d);
}

static void an_endless_response_is_refused_once(void **state)
{
	static char line[100000];
	struct drive d;

	(void)state;
	open_under_tls(&d);
	memset(line, 'A', sizeof(line));
	drive_say(&d, "AUTH SCRAM-SHA-256-PLUS\r\n");
	drive_expect(&d, "+ \r\n");
	lm_buf_clear(&d.said);
	assert_int_equal(drive_feed(&d, lm_bytes(line, sizeof(line))), sizeof(line));
	assert_true(drive_inside(&d)->reader.partial.cap <= 2 * LM_POP3_SASL_LINE_MAX);
	drive_say(&d, "\r\nNOOP\r\n");
	drive_expect(&d, "-ERR line too long.\r\n+OK\r\n");
	drive_done(&d);
}

static void a_long_initial_response_is_taken(void **state)
{
	char line[1200] = "AUTH PLAIN ";
	struct drive d;

	(void)state;
	drive_init(&d);
	d.params.mechanisms = "PLAIN";
	assert_err(drive_open(&d), 0);
	/* 1000 octets of password, over RFC 2449's 255 for other commands */
	for (size_t i = 0; i < 1000; i++)
		line[11 + i] = i < 4 ? "AHUA"[i] : 'A';
	snprintf(line + 11 + 1000, 3, "\r\n");
	drive_say(&d, line);
	drive_expect(&d, "+OK Lettermill-POP3 ready, IPv6 [::1]:9\r\n"
	                 "-ERR invalid authentication response.\r\n");
	for (size_t i = 4; i < 1000; i++)
		line[11 + i] = "YWFh"[i % 4];
	drive_say(&d, line);
	drive_expect(&d, "-ERR [AUTH] pass rejected\r\n");
	drive_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_password_logs_in),
		cmocka_unit_test(a_wrong_password_does_not),
		cmocka_unit_test(the_servers_proof_is_a_round_that_can_be_canceled),
		cmocka_unit_test(an_endless_response_is_refused_once),
		cmocka_unit_test(a_long_initial_response_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
