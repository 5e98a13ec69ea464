/* The store handler when things go wrong: sessions vanish, the store fails or stalls, memory ends.
 */
#include "lm_test.h"

#include "server/handler_rig.h"

static const char text[] = "Subject: one\r\n\r\nHello\r\n";

/* One session's events, cut off at the n-th without waiting for its answer. */
static bool smtp_until(struct session *s, unsigned n)
{
	static const enum lm_event_type events[] = { LM_EVENT_RCPT, LM_EVENT_DATA, LM_EVENT_BODY,
		                                     LM_EVENT_BODY, LM_EVENT_MESSAGE };
	char octets[] = "Subject: one\r\n\r\nHello\r\n";

	s->recipients[0].address = lm_str("anna");
	s->envelope.recipient_count = 1;
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		struct lm_event event = { .type = events[i],
			                  .info = &s->info,
			                  .envelope = &s->envelope,
			                  .argument = lm_bytes(octets, sizeof(octets) - 1) };

		if (i == n) {
			session_pose(s, &event, 0);
			/* The octets were only borrowed. */
			memset(octets, 'x', sizeof(octets));
			return true;
		}
		assert_err(session_ask(s, event), 0);
	}
	return false;
}

static void vanishing_senders(void **state)
{
	struct rig *rig = *state;
	bool cut = true;

	rig_start(rig, NULL, 0, NULL, true);
	for (unsigned n = 0; cut; n++) {
		struct session s;

		session_init(&s, rig, LM_SMTP);
		cut = smtp_until(&s, n);
		session_tell(&s, LM_EVENT_ABORT);
		session_tell(&s, LM_EVENT_DISCONNECT);
		assert_null(s.slot);
		rig_settle(rig);
	}
}

static void vanishing_readers(void **state)
{
	struct rig *rig = *state;
	struct lm_reply *reply = &rig->worker.reply;
	struct session smtp;

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&smtp, rig, LM_SMTP);
	assert_err(session_rcpt(&smtp, "anna"), 0);
	assert_err(session_deliver(&smtp, text), 0);
	session_tell(&smtp, LM_EVENT_DISCONNECT);
	for (int n = 0; n < 6; n++) {
		struct lm_source *source = NULL;
		struct lm_bytes chunk;
		struct session s;
		uint64_t id;
		bool last;

		session_init(&s, rig, LM_POP3);
		s.info.user = lm_str("anna");
		if (n == 0) {
			session_pose(
			        &s,
			        &(struct lm_event){ .type = LM_EVENT_MAILDROP, .info = &s.info },
			        0);
		} else {
			assert_err(session_login(&s, "anna"), 0);
			id = reply->messages[0].id;
		}
		if (n == 2 || n == 5) /* the first read is under way, nobody has the source yet */
			assert_true(session_pose(&s,
			                         &(struct lm_event){ .type = LM_EVENT_RETR,
			                                             .info = &s.info,
			                                             .message = { .id = id } },
			                         0));
		if (n == 3 || n == 4) {
			assert_err(session_ask(&s, (struct lm_event){ .type = LM_EVENT_RETR,
			                                              .message = { .id = id } }),
			           0);
			source = reply->source;
		}
		if (source)
			assert_err(source->ops->read(source, 10, &chunk, &last), 0);
		if (n == 4) /* the reader loses interest before its session ends */
			source->ops->close(source);
		if (n == 5)
			session_pose(&s,
			             &(struct lm_event){ .type = LM_EVENT_QUIT,
			                                 .info = &s.info,
			                                 .deleted = &id,
			                                 .deleted_count = 1 },
			             0);
		session_tell(&s, LM_EVENT_DISCONNECT);
		if (source && n != 4) {
			assert_err(source->ops->read(source, 10, &chunk, &last), LM_E_CLOSED);
			source->ops->close(source);
		}
		rig_settle(rig);
		/* The lock is gone, whatever happened. */
		rig_expect_count(rig, "anna", 1);
	}
}

static void sated_reader_then_quit(void **state)
{
	struct rig *rig = *state;
	struct lm_reply *reply = &rig->worker.reply;
	struct session s;
	uint64_t id;

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_SMTP);
	assert_err(session_rcpt(&s, "anna"), 0);
	assert_err(session_deliver(&s, text), 0);
	session_tell(&s, LM_EVENT_DISCONNECT);
	session_init(&s, rig, LM_POP3);
	assert_err(session_login(&s, "anna"), 0);
	id = reply->messages[0].id;
	/* Nobody waits for the answers any more: their time was over. */
	for (int i = 0; i < 2; i++)
		assert_true(session_pose(&s,
		                         &(struct lm_event){ .type = LM_EVENT_TOP,
		                                             .info = &s.info,
		                                             .message = { .id = id } },
		                         0));
	/* A read is still under way: the removal waits for it. */
	assert_err(session_ask(&s, (struct lm_event){ .type = LM_EVENT_QUIT,
	                                              .deleted = &id,
	                                              .deleted_count = 1 }),
	           0);
	session_tell(&s, LM_EVENT_DISCONNECT);
	rig_settle(rig);
	rig_expect_count(rig, "anna", 0);
}

static void vanishing_logins_and_an_early_stop(void **state)
{
	struct rig *rig = *state;
	struct session s;
	struct lm_event event = { .type = LM_EVENT_AUTH,
		                  .info = &s.info,
		                  .auth = { .kind = LM_AUTH_PASSWORD,
		                            .mechanism = lm_str("PLAIN"),
		                            .authcid = lm_str("anna"),
		                            .password = lm_str("secret") } };

	rig_start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_POP3);
	assert_true(session_pose(&s, &event, 0));
	session_tell(&s, LM_EVENT_DISCONNECT);
	/* A reload takes the handler away while the pool still works for it. */
	lm_store_handler_ops()->worker_stop(rig->context);
	lm_store_handler_free(rig->handler);
	rig->handler = NULL;
	rig_settle(rig);
}

static void full_pool_is_temporary(void **state)
{
	struct rig *rig = *state;
	struct session s;

	lm_pool_free(rig->pool);
	assert_err(lm_pool_new(1, 1, &rig->pool), 0);
	rig_start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_POP3);
	for (int i = 0; i < 50 && !rig->worker.answered; i++) {
		struct lm_event event = { .type = LM_EVENT_AUTH,
			                  .info = &s.info,
			                  .auth = { .kind = LM_AUTH_PASSWORD,
			                            .mechanism = lm_str("PLAIN"),
			                            .authcid = lm_str("anna"),
			                            .password = lm_str("wrong") } };

		session_pose(&s, &event, 0);
	}
	assert_true(rig->worker.answered);
	assert_err(rig->worker.reply.result, LM_E_AGAIN);
	rig_settle(rig);
}

static void failing_allocations(void **state)
{
	struct rig *rig = *state;
	unsigned failures = 0;

	rig_start(rig, NULL, 0, NULL, true);
	for (unsigned long n = 1; n < 60; n++) {
		struct session s;
		int err;

		session_init(&s, rig, LM_SUBMISSION);
		lm_alloc_fail_at(n);
		err = session_rcpt(&s, "anna");
		if (!err)
			err = session_deliver(&s, text);
		lm_alloc_fail_at(0);
		session_tell(&s, LM_EVENT_ABORT);
		session_tell(&s, LM_EVENT_DISCONNECT);
		rig_settle(rig);
		assert_true(err == 0 || err == LM_E_NOMEM);
		failures += err != 0;
	}
	assert_in_range(failures, 3, 58);
}

/* Every failure of the store reaches its session, nothing is half there, and all is well after. */
static void failing_deliveries(void **state)
{
	static const enum rig_point points[] = { RIG_BEGIN, RIG_WRITE, RIG_COMMIT };
	struct rig *rig = *state;
	struct rig_store store;
	struct session s;

	rig_store_init(&store, rig);
	rig_start(rig, NULL, 0, NULL, true);
	session_init(&s, rig, LM_SMTP);
	for (size_t i = 0; i < 3; i++) {
		store.point = points[i];
		store.error = LM_E_FULL;
		assert_err(session_rcpt(&s, "anna"), 0);
		assert_err(session_deliver(&s, text), LM_E_FULL);
		session_tell(&s, LM_EVENT_ABORT);
	}
	assert_non_null(strstr(rig->log, "message.failed"));
	store.point = RIG_NONE;
	rig_expect_count(rig, "anna", 0);
	assert_err(session_rcpt(&s, "anna"), 0);
	assert_err(session_deliver(&s, text), 0);
	session_tell(&s, LM_EVENT_DISCONNECT);
	rig_expect_count(rig, "anna", 1);
}

static void failing_maildrops(void **state)
{
	struct rig *rig = *state;
	struct lm_reply *reply = &rig->worker.reply;
	struct rig_store store;
	struct session s;
	uint64_t id;

	rig_store_init(&store, rig);
	rig_start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_SMTP);
	assert_err(session_rcpt(&s, "anna"), 0);
	assert_err(session_deliver(&s, text), 0);
	session_tell(&s, LM_EVENT_DISCONNECT);
	session_init(&s, rig, LM_POP3);
	store.error = LM_E_CORRUPT;
	store.point = RIG_OPEN;
	assert_err(session_login(&s, "anna"), LM_E_CORRUPT);
	store.point = RIG_LIST;
	assert_err(session_login(&s, "anna"), LM_E_CORRUPT);
	store.point = RIG_NONE; /* the next login of the session is a fresh start */
	assert_err(session_login(&s, "anna"), 0);
	id = reply->messages[0].id;
	store.point = RIG_READ;
	assert_err(session_ask(&s,
	                       (struct lm_event){ .type = LM_EVENT_RETR, .message = { .id = id } }),
	           LM_E_CORRUPT); /* before anything of it is sent */
	assert_null(reply->source);
	store.point = RIG_EXPUNGE;
	assert_err(session_ask(&s, (struct lm_event){ .type = LM_EVENT_QUIT,
	                                              .deleted = &id,
	                                              .deleted_count = 1 }),
	           LM_E_CORRUPT);
	session_tell(&s, LM_EVENT_DISCONNECT);
	store.point = RIG_NONE;
	rig_expect_count(rig, "anna", 1);
}

/* A store that never answers: the session's end cancels what is under way. */
static void stalled_store(void **state)
{
	static const enum rig_point points[] = { RIG_BEGIN, RIG_WRITE, RIG_COMMIT };
	static const enum lm_event_type events[] = { LM_EVENT_DATA, LM_EVENT_BODY,
		                                     LM_EVENT_MESSAGE };
	struct rig *rig = *state;
	struct rig_store store;

	rig_store_init(&store, rig);
	rig_start(rig, NULL, 0, NULL, true);
	for (size_t i = 0; i < 3; i++) {
		struct lm_event event = { .argument = lm_str(text) };
		struct session s;

		session_init(&s, rig, LM_SMTP);
		event.info = &s.info;
		event.envelope = &s.envelope;
		store.point = RIG_NONE;
		assert_err(session_rcpt(&s, "anna"), 0);
		for (size_t before = 0; before < i; before++) {
			event.type = events[before];
			assert_err(session_ask(&s, event), 0);
		}
		store.point = points[i];
		event.type = events[i];
		assert_true(session_pose(&s, &event, 0));
		session_tell(&s, LM_EVENT_ABORT);
		session_tell(&s, LM_EVENT_DISCONNECT);
		rig_settle(rig);
		assert_null(store.stalled);
	}
	store.point = RIG_NONE;
	rig_expect_count(rig, "anna", 0);
}

static void stalled_maildrop(void **state)
{
	static const enum rig_point points[] = { RIG_OPEN, RIG_LIST };
	struct rig *rig = *state;
	struct rig_store store;

	rig_store_init(&store, rig);
	rig_start(rig, NULL, 0, NULL, false);
	for (size_t i = 0; i < 2; i++) {
		struct session s;

		session_init(&s, rig, LM_POP3);
		s.info.user = lm_str("anna");
		store.point = points[i];
		assert_true(session_pose(
		        &s, &(struct lm_event){ .type = LM_EVENT_MAILDROP, .info = &s.info }, 0));
		session_tell(&s, LM_EVENT_DISCONNECT);
		rig_settle(rig);
		store.point = RIG_NONE;
		rig_expect_count(rig, "anna", 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vanishing_senders),      T(vanishing_readers),
		T(sated_reader_then_quit), T(vanishing_logins_and_an_early_stop),
		T(full_pool_is_temporary), T(failing_allocations),
		T(failing_deliveries),     T(failing_maildrops),
		T(stalled_store),          T(stalled_maildrop),

	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
