/* The store handler against the memory store: logins, addresses, maildrops, deliveries. */
#include "lm_test.h"

#include "base/buf.h"
#include "sasl/sasl.h"
#include "server/handler_rig.h"

static int password(struct session *s, const char *name, const char *authzid, const char *word)
{
	return session_ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
	                                         .auth = { .kind = LM_AUTH_PASSWORD,
	                                                   .mechanism = lm_str("PLAIN"),
	                                                   .authcid = lm_str(name),
	                                                   .authzid = lm_str(authzid),
	                                                   .password = lm_str(word) } });
}

static void passwords(void **state)
{
	static const char *const domains[] = { "home.example" };
	struct rig *rig = *state;
	struct session s;

	rig_start(rig, domains, 1, NULL, false);
	session_init(&s, rig, LM_POP3);
	assert_err(password(&s, "anna", "", "secret"), 0);
	assert_string_equal(rig->worker.user, "anna");
	assert_err(password(&s, "ANNA", "", "secret"), 0); /* remembered by now */
	assert_string_equal(rig->worker.user, "anna");
	assert_err(password(&s, "anna@home.example", "anna", "secret"), 0);
	assert_err(password(&s, "anna", "", "Secret"), LM_E_AUTH);
	assert_err(password(&s, "anna@other.example", "", "secret"), LM_E_AUTH);
	assert_err(password(&s, "anna", "bob@example.org", "secret"), LM_E_AUTH);
	assert_err(password(&s, "otto", "", "secret"), LM_E_AUTH);
	assert_null(strstr(rig->log, "ecret"));
	assert_err(password(&s, "Bob@example.org", "", "hidden"), 0);
	assert_string_equal(rig->worker.user, "bob@example.org");
	session_tell(&s, LM_EVENT_DISCONNECT);
}

static int secret(struct session *s, const char *name, enum lm_secret_need need)
{
	return session_ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
	                                         .auth = { .kind = LM_AUTH_SECRET,
	                                                   .need = need,
	                                                   .mechanism = lm_str("SCRAM-SHA-256"),
	                                                   .authcid = lm_str(name) } });
}

static void secrets(void **state)
{
	struct rig *rig = *state;
	struct lm_worker *w = &rig->worker;
	uint8_t stored[32], server[32], salt[16];
	struct session s;
	size_t len;

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_POP3);
	assert_err(secret(&s, "anna", LM_NEED_SCRAM_SHA256), 0);
	assert_string_equal(w->user, "anna");
	assert_err(lm_scram_keys(true, lm_str("secret"), w->secret.salt, w->secret.iterations,
	                         stored, server, &len),
	           0);
	assert_bytes(w->secret.stored_key, lm_bytes(stored, 32));
	assert_bytes(w->secret.server_key, lm_bytes(server, 32));
	assert_err(secret(&s, "anna", LM_NEED_SCRAM_SHA1), 0);
	assert_int_equal(w->secret.stored_key.len, 20);
	len = w->secret.iterations;
	assert_err(secret(&s, "anna", LM_NEED_PLAIN), 0);
	assert_bytes(w->secret.plain, lm_str("secret"));
	/* Nobody has something of the same shape, the same each time. */
	assert_err(secret(&s, "otto", LM_NEED_SCRAM_SHA1), 0);
	assert_int_equal(w->secret.stored_key.len, 20);
	assert_int_equal(w->secret.server_key.len, 20);
	assert_int_equal(w->secret.iterations, len);
	assert_int_equal(w->secret.salt.len, 16);
	memcpy(salt, w->secret.salt.data, 16);
	assert_err(secret(&s, "Otto", LM_NEED_SCRAM_SHA1), 0);
	assert_bytes(w->secret.salt, lm_bytes(salt, 16));
	assert_err(secret(&s, "otto", LM_NEED_PLAIN), 0);
	assert_int_equal(w->secret.plain.len, 64);
	session_tell(&s, LM_EVENT_DISCONNECT);
}

static int token(struct session *s, const char *claimed, const char *word)
{
	return session_ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
	                                         .auth = { .kind = LM_AUTH_TOKEN,
	                                                   .mechanism = lm_str("OAUTHBEARER"),
	                                                   .authcid = lm_str(claimed),
	                                                   .authzid = lm_str(claimed),
	                                                   .token = lm_str(word) } });
}

static int certificate(struct session *s, const char *peer, const char *authzid)
{
	s->info.tls.peer_name = peer;
	return session_ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
	                                         .auth = { .kind = LM_AUTH_EXTERNAL,
	                                                   .mechanism = lm_str("EXTERNAL"),
	                                                   .authzid = lm_str(authzid) } });
}

static void tokens_and_certificates(void **state)
{
	struct rig *rig = *state;
	struct session s;

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_SUBMISSION);
	assert_err(token(&s, "anna", "good"), 0);
	assert_string_equal(rig->worker.user, "anna");
	assert_err(token(&s, "", "good"), 0);
	assert_err(token(&s, "anna", "bad"), LM_E_AUTH);
	assert_err(token(&s, "bob@example.org", "good"), LM_E_AUTH);
	assert_err(token(&s, "nobody", "good"), LM_E_AUTH);
	assert_err(certificate(&s, "bob@example.org", ""), 0);
	assert_string_equal(rig->worker.user, "bob@example.org");
	assert_err(certificate(&s, "bob@example.org", "BOB@example.org"), 0);
	assert_err(certificate(&s, "bob@example.org", "anna"), LM_E_AUTH);
	assert_err(certificate(&s, "stranger@example.org", ""), LM_E_AUTH);
	assert_err(certificate(&s, "", "anna"), LM_E_AUTH);
	session_tell(&s, LM_EVENT_DISCONNECT);
}

/* The whole text of message `i` of a listed maildrop, read in pieces of `max`. */
static void expect_message(struct session *s, size_t i, size_t max, const char *want)
{
	struct lm_worker *w = &s->rig->worker;
	struct lm_event event = { .type = LM_EVENT_RETR,
		                  .message = { .number = i + 1, .id = w->reply.messages[i].id } };
	struct lm_source *source;
	struct lm_buf got;
	bool last = false;

	assert_int_equal(w->reply.messages[i].octets, strlen(want));
	assert_err(session_ask(s, event), 0);
	source = w->reply.source;
	assert_non_null(source);
	lm_buf_init(&got, 1000000);
	while (!last) {
		struct lm_bytes chunk;
		int err = source->ops->read(source, max, &chunk, &last);

		if (err == LM_E_AGAIN) {
			rig_settle(s->rig);
			continue;
		}
		assert_err(err, 0);
		assert_true(chunk.len <= max);
		assert_err(lm_buf_add(&got, chunk), 0);
	}
	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	source->ops->close(source);
	lm_buf_done(&got);
}

static const char text[] = "Subject: one\r\n\r\nHello\r\n";

static void delivered_and_fetched(void **state)
{
	struct rig *rig = *state;
	struct session smtp, pop3, second;
	uint64_t id;

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&smtp, rig, LM_SMTP);
	assert_err(session_rcpt(&smtp, "anna"), 0);
	assert_err(session_rcpt(&smtp, "Anna"), 0); /* the same maildrop: once */
	assert_err(session_rcpt(&smtp, "bob@example.org"), 0);
	assert_err(session_deliver(&smtp, text), 0);
	assert_non_null(strstr(rig->log, "message.stored"));
	session_init(&pop3, rig, LM_POP3);
	assert_err(session_login(&pop3, "anna"), 0);
	assert_int_equal(rig->worker.reply.message_count, 1);
	id = rig->worker.reply.messages[0].id;
	expect_message(&pop3, 0, 7, text);
	session_init(&second, rig, LM_POP3);
	assert_err(session_login(&second, "ANNA"), LM_E_IN_USE);
	session_tell(&second, LM_EVENT_DISCONNECT);
	assert_err(session_ask(&pop3, (struct lm_event){ .type = LM_EVENT_QUIT,
	                                                 .deleted = &id,
	                                                 .deleted_count = 1 }),
	           0);
	session_tell(&pop3, LM_EVENT_DISCONNECT);
	rig_expect_count(rig, "anna", 0);
	rig_expect_count(rig, "bob@example.org", 1);
	session_tell(&smtp, LM_EVENT_DISCONNECT);
}

/* A client that quit and comes back at once must not find its own lock. */
static void quit_unlocks_before_its_answer(void **state)
{
	static const struct lm_event quit = { .type = LM_EVENT_QUIT };
	struct rig *rig = *state;
	struct session smtp, first, second, third;
	uint64_t id;

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&smtp, rig, LM_SMTP);
	assert_err(session_rcpt(&smtp, "anna"), 0);
	assert_err(session_deliver(&smtp, text), 0);
	session_init(&first, rig, LM_POP3);
	session_init(&second, rig, LM_POP3);
	session_init(&third, rig, LM_POP3);
	assert_err(session_login(&first, "anna"), 0);
	assert_false(session_pose(&first, &quit, 1));
	assert_err(session_login(&second, "anna"), 0);
	id = rig->worker.reply.messages[0].id;
	assert_err(session_ask(&second, (struct lm_event){ .type = LM_EVENT_QUIT,
	                                                   .deleted = &id,
	                                                   .deleted_count = 1 }),
	           0);
	assert_err(session_login(&third, "anna"), 0);
	assert_int_equal(rig->worker.reply.message_count, 0);
	session_tell(&first, LM_EVENT_DISCONNECT);
	session_tell(&second, LM_EVENT_DISCONNECT);
	session_tell(&third, LM_EVENT_DISCONNECT);
	session_tell(&smtp, LM_EVENT_DISCONNECT);
}

static void trace_and_repair(void **state)
{
	struct rig *rig = *state;
	struct lm_reply *reply = &rig->worker.reply;
	struct session smtp, pop3;
	struct lm_bytes chunk = { NULL, 0 };
	struct lm_source *source;
	bool last;
	char got[2000];

	rig_start(rig, NULL, 0, NULL, true);
	session_init(&smtp, rig, LM_SUBMISSION);
	smtp.info.user = lm_str("anna");
	assert_err(session_rcpt(&smtp, "anna"), 0);
	assert_err(session_deliver(&smtp, text), 0);
	session_tell(&smtp, LM_EVENT_DISCONNECT);
	session_init(&pop3, rig, LM_POP3);
	assert_err(session_login(&pop3, "anna"), 0);
	assert_err(
	        session_ask(&pop3, (struct lm_event){ .type = LM_EVENT_RETR,
	                                              .message = { .id = reply->messages[0].id } }),
	        0);
	source = reply->source;
	assert_err(source->ops->read(source, 1999, &chunk, &last), 0);
	rig_copy(chunk, got, sizeof(got));
	assert_memory_equal(
	        got, "Return-Path: <sender@example.com>\r\nReceived: from client.example", 64);
	assert_non_null(strstr(got, "Subject: one\r\n"));
	assert_non_null(strstr(got, "\r\nDate: "));
	assert_non_null(strstr(got, "\r\nMessage-ID: <"));
	source->ops->close(source);
	session_tell(&pop3, LM_EVENT_DISCONNECT);
}

static void recipients(void **state)
{
	static const char *const domains[] = { "example.org", "example.net" };
	struct rig *rig = *state;
	struct lm_worker *w = &rig->worker;
	struct session s;

	rig_start(rig, domains, 2, NULL, false);
	session_init(&s, rig, LM_SMTP);
	assert_err(session_rcpt(&s, "anna@example.net"), 0);
	assert_err(session_rcpt(&s, "bob@example.org"), 0);
	assert_err(session_rcpt(&s, "bob@example.net"), LM_E_NOT_FOUND);
	assert_int_equal(w->reply.smtp_code, 550);
	assert_int_equal(w->reply.enhanced[1], 1);
	assert_err(session_rcpt(&s, "anna@elsewhere.example"), LM_E_NOT_FOUND);
	assert_int_equal(w->reply.enhanced[1], 7);
	assert_string_equal(w->text, "relaying is not available");
	assert_err(session_rcpt(&s, "postmaster"), LM_E_NOT_FOUND);
	/* From the cache now: no hop, so the answer is there at once. */
	s.recipients[s.envelope.recipient_count++].address = lm_str("ANNA@example.net");
	assert_false(session_pose(&s,
	                          &(struct lm_event){ .type = LM_EVENT_RCPT,
	                                              .info = &s.info,
	                                              .envelope = &s.envelope },
	                          1));
	assert_err(w->reply.result, 0);
	assert_err(session_deliver(&s, text), 0);
	session_tell(&s, LM_EVENT_DISCONNECT);
	rig_expect_count(rig, "anna", 1);
	rig_expect_count(rig, "bob@example.org", 1);
}

static void catch_all(void **state)
{
	struct rig *rig = *state;
	struct session s;

	rig_start(rig, NULL, 0, "anna", false);
	session_init(&s, rig, LM_SMTP);
	assert_err(session_rcpt(&s, "anyone@anywhere.example"), 0);
	assert_err(session_rcpt(&s, "\"odd one\"@[127.0.0.1]"), 0);
	assert_err(session_deliver(&s, text), 0);
	session_tell(&s, LM_EVENT_DISCONNECT);
	rig_expect_count(rig, "anna", 1);
}

static void data_without_recipient_of_ours(void **state)
{
	struct rig *rig = *state;
	struct session s;

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_SMTP);
	assert_err(session_rcpt(&s, "anna"), 0);
	session_tell(&s, LM_EVENT_ABORT);
	/* What another handler accepted is not ours to store. */
	assert_err(session_deliver(&s, text), LM_E_NOT_FOUND);
	session_tell(&s, LM_EVENT_DISCONNECT);
	rig_expect_count(rig, "anna", 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(passwords),
		T(secrets),
		T(tokens_and_certificates),
		T(delivered_and_fetched),
		T(quit_unlocks_before_its_answer),
		T(trace_and_repair),
		T(recipients),
		T(catch_all),
		T(data_without_recipient_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
