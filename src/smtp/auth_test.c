/* AUTH with mechanisms of several rounds, played by GNU SASL's client. */
#include "lm_test.h"

#include "smtp/peer.h"

#include "sasl/sasl.h"
#include "wire/text.h"

#include <gsasl.h>

static struct lm_bytes keys_of(const char *password, uint8_t room[64])
{
	size_t len;

	assert_err(lm_scram_keys(true, lm_str(password), lm_str("salt of twelve"), 4096, room,
	                         room + 32, &len),
	           0);
	return lm_bytes(room, len);
}

static Gsasl_session *client_new(Gsasl **lib, const char *mechanism, const char *password)
{
	Gsasl_session *client;

	assert_int_equal(gsasl_init(lib), GSASL_OK);
	assert_int_equal(gsasl_client_start(*lib, mechanism, &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, "alice");
	gsasl_property_set(client, GSASL_PASSWORD, password);
	return client;
}

/* One round: what the server said last (without "334 ") goes to the client and back. */
static bool round_trip(struct peer *p, Gsasl_session *client)
{
	struct lm_bytes said = lm_buf_bytes(&p->said);
	char challenge[2000], line[2000], *answer = NULL;
	int rc;

	assert_int_equal(peer_code(p), 334);
	snprintf(challenge, sizeof(challenge), "%.*s", (int)said.len - 6, said.data + 4);
	rc = gsasl_step64(client, challenge, &answer);
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
		peer_say(p, "*\r\n");
		return false;
	}
	snprintf(line, sizeof(line), "%s\r\n", answer);
	gsasl_free(answer);
	peer_say(p, line);
	return true;
}

static void scram(struct peer *p, const char *password, bool initial)
{
	char line[2000], *first = NULL;
	Gsasl *lib;
	Gsasl_session *client = client_new(&lib, "SCRAM-SHA-256", password);

	if (initial) {
		gsasl_step64(client, NULL, &first);
		snprintf(line, sizeof(line), "AUTH scram-sha-256 %s\r\n", first);
		gsasl_free(first);
		peer_say(p, line);
	} else {
		peer_say(p, "AUTH SCRAM-SHA-256\r\n");
	}
	while (peer_code(p) == 334)
		if (!round_trip(p, client))
			break;
	gsasl_finish(client);
	gsasl_done(lib);
}

static void open_scram(struct peer *p, uint8_t room[64])
{
	struct lm_bytes stored = keys_of("secret", room);

	peer_init(p, LM_SMTP);
	p->params.mechanisms = "SCRAM-SHA-256 PLAIN";
	p->answers[LM_EVENT_AUTH].user = lm_str("Alice");
	p->answers[LM_EVENT_AUTH].secret = (struct lm_secret){
		.salt = lm_str("salt of twelve"),
		.iterations = 4096,
		.stored_key = stored,
		.server_key = lm_bytes(room + 32, stored.len),
	};
	peer_open(p);
	peer_say(p, "EHLO c\r\n");
	lm_buf_clear(&p->events);
}

static void scram_succeeds(void **state)
{
	uint8_t room[64];
	struct peer p;

	(void)state;
	for (int initial = 0; initial < 2; initial++) {
		open_scram(&p, room);
		scram(&p, "secret", initial);
		assert_heard(&p, "235 2.7.0 Authenticated\r\n");
		assert_bytes(lm_buf_bytes(&p.events), lm_str("AUTH AUTH_DONE "));
		assert_bytes(lm_session_info(p.session)->user, lm_str("Alice"));
		assert_bytes(lm_session_info(p.session)->mechanism, lm_str("SCRAM-SHA-256"));
		peer_done(&p);
	}
}

static void scram_fails(void **state)
{
	uint8_t room[64];
	struct peer p;

	(void)state;
	open_scram(&p, room);
	scram(&p, "wrong", true);
	assert_heard(&p, "535 5.7.8 Authentication failed\r\n");
	assert_int_equal(lm_session_info(p.session)->user.len, 0);
	scram(&p, "secret", true);
	assert_heard(&p, "235 2.7.0 Authenticated\r\n");
	peer_done(&p);
}

/* An answer that waits is a delay; the peer may go meanwhile. */
static void the_verdict_can_wait(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.mechanisms = "PLAIN";
	p.hold = LM_EVENT_AUTH_DONE;
	p.answers[LM_EVENT_AUTH].result = LM_E_AUTH;
	peer_open(&p);
	peer_say(&p, "EHLO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
	lm_buf_clear(&p.said);
	assert_false(p.held.auth.ok);
	assert_int_equal(lm_session_wants(p.session), LM_WANT_ANSWER);
	assert_true(lm_session_deadline(p.session) == LM_NEVER);
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), 0);
	peer_pump(&p);
	assert_heard(&p, "535 5.7.8 Authentication failed\r\n");
	peer_say(&p, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
	lm_session_eof(p.session, p.now);
	peer_pump(&p);
	assert_bytes(p.held.auth.mechanism, lm_str("PLAIN"));
	assert_err(lm_session_answer(p.session, p.held.id, NULL, p.now), LM_E_NOT_FOUND);
	peer_done(&p);
}

static void lines_that_are_too_long(void **state)
{
	static char line[20000];
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.mechanisms = "PLAIN";
	peer_open(&p);
	peer_say(&p, "EHLO c\r\n");
	memset(line, 'A', sizeof(line) - 3);
	memcpy(line, "AUTH PLAIN ", 11);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	peer_say(&p, line);
	assert_heard(&p, "500 5.5.6 Authentication line too long\r\n");
	peer_say(&p, "AUTH PLAIN\r\n");
	assert_heard(&p, "334 \r\n");
	peer_say(&p, line);
	assert_heard(&p, "500 5.5.6 Authentication line too long\r\n");
	memcpy(line + 11 + 12000, "\r\n", 3); /* long, but within RFC 4954 */
	peer_say(&p, line);
	assert_heard(&p, "501 5.5.2 The response is not what the mechanism wants\r\n");
	assert_false(peer_saw(&p, "AUTH "));
	peer_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scram_succeeds),
		cmocka_unit_test(scram_fails),
		cmocka_unit_test(the_verdict_can_wait),
		cmocka_unit_test(lines_that_are_too_long),
	};

	return cmocka_run_group_tests_name("smtp/auth", tests, NULL, NULL);
}
