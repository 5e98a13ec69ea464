/* The store handler against the memory store, with a worker that is this test: logins, addresses,
 * maildrops, deliveries, and sessions that vanish at every point. */
#include "lm_test.h"

#include "base/buf.h"
#include "sasl/sasl.h"
#include "server/store_handler.h"
#include "server/worker.h"

#include <stdio.h>

struct lm_worker {
	struct lm_loop *loop;
	unsigned held;
	bool answered;
	struct lm_reply reply; /* slices copied below */
	char text[256], user[256];
	struct lm_secret secret;
	uint8_t secrets[4][256];
};

struct lm_loop *lm_worker_loop(struct lm_worker *worker)
{
	return worker->loop;
}

unsigned lm_worker_index(const struct lm_worker *worker)
{
	(void)worker;
	return 0;
}

void lm_worker_hold(struct lm_worker *worker)
{
	worker->held++;
}

void lm_worker_release(struct lm_worker *worker)
{
	assert_true(worker->held > 0);
	if (--worker->held == 0)
		lm_loop_stop(worker->loop);
}

static struct lm_bytes copy(struct lm_bytes from, void *to, size_t room)
{
	assert_true(from.len < room);
	if (from.len)
		memcpy(to, from.data, from.len);
	((char *)to)[from.len] = '\0';
	return lm_bytes(to, from.len);
}

static void keep_reply(struct lm_worker *w, const struct lm_reply *reply)
{
	w->answered = true;
	w->reply = *reply;
	w->reply.text = copy(reply->text, w->text, sizeof(w->text));
	w->reply.user = copy(reply->user, w->user, sizeof(w->user));
	w->secret = reply->secret;
	w->secret.plain = copy(reply->secret.plain, w->secrets[0], 256);
	w->secret.salt = copy(reply->secret.salt, w->secrets[1], 256);
	w->secret.stored_key = copy(reply->secret.stored_key, w->secrets[2], 256);
	w->secret.server_key = copy(reply->secret.server_key, w->secrets[3], 256);
}

/* Ticket 0 is nobody's: that session is gone. */
void lm_ticket_answer(struct lm_ticket ticket, const struct lm_reply *reply)
{
	assert_null(reply->source);
	if (!ticket.session)
		return;
	assert_false(ticket.worker->answered);
	keep_reply(ticket.worker, reply);
}

struct rig {
	struct lm_worker worker;
	struct lm_store *store;
	struct lm_accounts *accounts, *more;
	struct lm_pool *pool;
	struct lm_store_handler *handler;
	void *context;
	char log[4096];
};

/* One session as the server would have it. */
struct session {
	struct rig *rig;
	void *slot;
	struct lm_session_info info;
	struct lm_envelope envelope;
	struct lm_recipient recipients[8];
};

static void write_log(void *ctx, const struct lm_log_event *event)
{
	struct rig *rig = ctx;
	size_t len = strlen(rig->log);

	len += lm_log_render_text(event, rig->log + len, sizeof(rig->log) - len - 1);
	rig->log[len++] = '\n';
	rig->log[len] = '\0';
}

static int check_token(void *ctx, const struct lm_auth *auth, char out_user[256])
{
	(void)ctx;
	if (!lm_bytes_equal(auth->token, lm_str("good")))
		return LM_E_AUTH;
	snprintf(out_user, 256, "anna");
	return 0;
}

static void start(struct rig *rig, const char *const *domains, size_t count, const char *catch_all,
                  bool trace)
{
	static struct lm_log log;
	struct lm_accounts *accounts[] = { rig->accounts, rig->more };
	struct lm_store_handler_params params = {
		.store = rig->store,
		.accounts = accounts,
		.account_count = 2,
		.pool = rig->pool,
		.hostname = "mx.example",
		.domains = (const char **)(uintptr_t)domains,
		.domain_count = count,
		.catch_all = catch_all,
		.add_trace = trace,
		.check_token = check_token,
		.log = &log,
	};

	log = (struct lm_log){ .write = write_log, .ctx = rig, .level = LM_LOG_DEBUG };
	assert_err(lm_store_handler_new(&params, &rig->handler), 0);
	assert_err(lm_store_handler_ops()->worker_start(rig->handler, &rig->worker, &rig->context,
	                                                NULL),
	           0);
}

static void settle(struct rig *rig)
{
	while (rig->worker.held)
		lm_loop_run(rig->worker.loop);
}

static void stop(struct rig *rig)
{
	settle(rig);
	if (!rig->handler)
		return;
	lm_store_handler_ops()->worker_stop(rig->context);
	lm_store_handler_free(rig->handler);
	rig->handler = NULL;
}

static int setup(void **state)
{
	struct rig *rig = lm_alloc_zero(1, sizeof(*rig));

	assert_non_null(rig);
	assert_err(lm_loop_new(&rig->worker.loop), 0);
	assert_err(lm_pool_new(1, 16, &rig->pool), 0);
	assert_err(lm_store_open("memory:", &rig->store, NULL), 0);
	assert_err(lm_accounts_static_new(&rig->accounts), 0);
	assert_err(lm_accounts_static_new(&rig->more), 0);
	assert_err(lm_accounts_static_add(rig->accounts, lm_str("anna"), lm_str("secret")), 0);
	assert_err(lm_accounts_static_add(rig->more, lm_str("bob@example.org"), lm_str("hidden")),
	           0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	stop(rig);
	lm_pool_free(rig->pool);
	lm_store_close(rig->store);
	lm_accounts_close(rig->accounts);
	lm_accounts_close(rig->more);
	lm_loop_free(rig->worker.loop);
	lm_free(rig);
	return 0;
}

static void session_init(struct session *s, struct rig *rig, enum lm_protocol protocol)
{
	*s = (struct session){ .rig = rig };
	s->info.protocol = protocol;
	s->info.id = 7;
	s->info.esmtp = true;
	s->info.helo = lm_str("client.example");
	s->info.tls.peer_name = "";
	snprintf(s->info.peer_address, sizeof(s->info.peer_address), "127.0.0.1");
	s->envelope.recipients = s->recipients;
	s->envelope.sender = lm_str("sender@example.com");
}

/* Ask and do not wait: true when it is pending. */
static bool pose(struct session *s, const struct lm_event *event, uint64_t ticket)
{
	struct lm_worker *w = &s->rig->worker;
	struct lm_reply reply = LM_REPLY_INIT;
	enum lm_verdict verdict;

	w->answered = false;
	w->reply = LM_REPLY_INIT;
	verdict = lm_store_handler_ops()->decide(s->rig->context, &s->slot, event, &reply,
	                                         (struct lm_ticket){ w, ticket, 1 });
	assert_false(w->answered); /* never before the call returns */
	if (verdict == LM_ANSWERED) {
		struct lm_source *source = reply.source;

		reply.source = NULL;
		keep_reply(w, &reply);
		w->reply.source = source;
	}
	return verdict == LM_PENDING;
}

/* Ask and wait for the answer; gives its result. */
static int ask(struct session *s, struct lm_event event)
{
	struct lm_worker *w = &s->rig->worker;
	bool pending;

	event.info = &s->info;
	event.id = 1;
	event.envelope = &s->envelope;
	pending = pose(s, &event, 1);
	settle(s->rig);
	assert_int_equal(w->answered, pending || w->answered);
	return w->reply.result;
}

static void tell(struct session *s, enum lm_event_type type)
{
	struct lm_event event = { .type = type, .info = &s->info };

	lm_store_handler_ops()->notice(s->rig->context, &s->slot, &event, NULL);
}

static int rcpt(struct session *s, const char *address)
{
	int err;

	s->recipients[s->envelope.recipient_count++].address = lm_str(address);
	err = ask(s, (struct lm_event){ .type = LM_EVENT_RCPT });
	if (err)
		s->envelope.recipient_count--;
	return err;
}

static int body(struct session *s, struct lm_bytes octets)
{
	return ask(s, (struct lm_event){ .type = LM_EVENT_BODY, .argument = octets });
}

static int deliver(struct session *s, const char *text)
{
	int err = ask(s, (struct lm_event){ .type = LM_EVENT_DATA });

	if (!err)
		err = body(s, lm_str(text));
	if (!err)
		err = ask(s, (struct lm_event){ .type = LM_EVENT_MESSAGE });
	s->envelope.recipient_count = 0;
	return err;
}

static int login_as(struct session *s, const char *user)
{
	s->info.user = lm_str(user);
	return ask(s, (struct lm_event){ .type = LM_EVENT_MAILDROP });
}

static int password(struct session *s, const char *name, const char *authzid, const char *word)
{
	return ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
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

	start(rig, domains, 1, NULL, false);
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
	assert_err(password(&s, "Bob@example.org", "", "hidden"), 0);
	assert_string_equal(rig->worker.user, "bob@example.org");
	tell(&s, LM_EVENT_DISCONNECT);
}

static int secret(struct session *s, const char *name, enum lm_secret_need need)
{
	return ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
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

	start(rig, NULL, 0, NULL, false);
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
	tell(&s, LM_EVENT_DISCONNECT);
}

static int token(struct session *s, const char *claimed, const char *word)
{
	return ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
	                                 .auth = { .kind = LM_AUTH_TOKEN,
	                                           .mechanism = lm_str("OAUTHBEARER"),
	                                           .authcid = lm_str(claimed),
	                                           .authzid = lm_str(claimed),
	                                           .token = lm_str(word) } });
}

static int certificate(struct session *s, const char *peer, const char *authzid)
{
	s->info.tls.peer_name = peer;
	return ask(s, (struct lm_event){ .type = LM_EVENT_AUTH,
	                                 .auth = { .kind = LM_AUTH_EXTERNAL,
	                                           .mechanism = lm_str("EXTERNAL"),
	                                           .authzid = lm_str(authzid) } });
}

static void tokens_and_certificates(void **state)
{
	struct rig *rig = *state;
	struct session s;

	start(rig, NULL, 0, NULL, false);
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
	tell(&s, LM_EVENT_DISCONNECT);
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
	assert_err(ask(s, event), 0);
	source = w->reply.source;
	assert_non_null(source);
	lm_buf_init(&got, 1000000);
	while (!last) {
		struct lm_bytes chunk;
		int err = source->ops->read(source, max, &chunk, &last);

		if (err == LM_E_AGAIN) {
			settle(s->rig);
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

static void expect_count(struct rig *rig, const char *user, size_t count)
{
	struct session s;

	session_init(&s, rig, LM_POP3);
	assert_err(login_as(&s, user), 0);
	assert_int_equal(rig->worker.reply.message_count, count);
	tell(&s, LM_EVENT_DISCONNECT);
	settle(rig);
}

static const char text[] = "Subject: one\r\n\r\nHello\r\n";

static void delivered_and_fetched(void **state)
{
	struct rig *rig = *state;
	struct session smtp, pop3, second;
	uint64_t id;

	start(rig, NULL, 0, NULL, false);
	session_init(&smtp, rig, LM_SMTP);
	assert_err(rcpt(&smtp, "anna"), 0);
	assert_err(rcpt(&smtp, "Anna"), 0); /* the same maildrop: once */
	assert_err(rcpt(&smtp, "bob@example.org"), 0);
	assert_err(deliver(&smtp, text), 0);
	assert_non_null(strstr(rig->log, "message.stored"));
	session_init(&pop3, rig, LM_POP3);
	assert_err(login_as(&pop3, "anna"), 0);
	assert_int_equal(rig->worker.reply.message_count, 1);
	id = rig->worker.reply.messages[0].id;
	expect_message(&pop3, 0, 7, text);
	session_init(&second, rig, LM_POP3);
	assert_err(login_as(&second, "ANNA"), LM_E_IN_USE);
	tell(&second, LM_EVENT_DISCONNECT);
	assert_err(
	        ask(&pop3,
	            (struct lm_event){ .type = LM_EVENT_QUIT, .deleted = &id, .deleted_count = 1 }),
	        0);
	tell(&pop3, LM_EVENT_DISCONNECT);
	expect_count(rig, "anna", 0);
	expect_count(rig, "bob@example.org", 1);
	tell(&smtp, LM_EVENT_DISCONNECT);
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

	start(rig, NULL, 0, NULL, true);
	session_init(&smtp, rig, LM_SUBMISSION);
	smtp.info.user = lm_str("anna");
	assert_err(rcpt(&smtp, "anna"), 0);
	assert_err(deliver(&smtp, text), 0);
	tell(&smtp, LM_EVENT_DISCONNECT);
	session_init(&pop3, rig, LM_POP3);
	assert_err(login_as(&pop3, "anna"), 0);
	assert_err(ask(&pop3, (struct lm_event){ .type = LM_EVENT_RETR,
	                                         .message = { .id = reply->messages[0].id } }),
	           0);
	source = reply->source;
	assert_err(source->ops->read(source, 2000, &chunk, &last), LM_E_AGAIN);
	settle(rig);
	assert_err(source->ops->read(source, 1999, &chunk, &last), 0);
	copy(chunk, got, sizeof(got));
	assert_memory_equal(
	        got, "Return-Path: <sender@example.com>\r\nReceived: from client.example", 64);
	assert_non_null(strstr(got, "Subject: one\r\n"));
	assert_non_null(strstr(got, "\r\nDate: "));
	assert_non_null(strstr(got, "\r\nMessage-ID: <"));
	source->ops->close(source);
	tell(&pop3, LM_EVENT_DISCONNECT);
}

static void recipients(void **state)
{
	static const char *const domains[] = { "example.org", "example.net" };
	struct rig *rig = *state;
	struct lm_worker *w = &rig->worker;
	struct session s;

	start(rig, domains, 2, NULL, false);
	session_init(&s, rig, LM_SMTP);
	assert_err(rcpt(&s, "anna@example.net"), 0);
	assert_err(rcpt(&s, "bob@example.org"), 0);
	assert_err(rcpt(&s, "bob@example.net"), LM_E_NOT_FOUND);
	assert_int_equal(w->reply.smtp_code, 550);
	assert_int_equal(w->reply.enhanced[1], 1);
	assert_err(rcpt(&s, "anna@elsewhere.example"), LM_E_NOT_FOUND);
	assert_int_equal(w->reply.enhanced[1], 7);
	assert_string_equal(w->text, "relaying is not available");
	assert_err(rcpt(&s, "postmaster"), LM_E_NOT_FOUND);
	/* From the cache now: no hop, so the answer is there at once. */
	s.recipients[s.envelope.recipient_count++].address = lm_str("ANNA@example.net");
	assert_false(pose(&s,
	                  &(struct lm_event){
	                          .type = LM_EVENT_RCPT, .info = &s.info, .envelope = &s.envelope },
	                  1));
	assert_err(w->reply.result, 0);
	assert_err(deliver(&s, text), 0);
	tell(&s, LM_EVENT_DISCONNECT);
	expect_count(rig, "anna", 1);
	expect_count(rig, "bob@example.org", 1);
}

static void catch_all(void **state)
{
	struct rig *rig = *state;
	struct session s;

	start(rig, NULL, 0, "anna", false);
	session_init(&s, rig, LM_SMTP);
	assert_err(rcpt(&s, "anyone@anywhere.example"), 0);
	assert_err(rcpt(&s, "\"odd one\"@[127.0.0.1]"), 0);
	assert_err(deliver(&s, text), 0);
	tell(&s, LM_EVENT_DISCONNECT);
	expect_count(rig, "anna", 1);
}

static void data_without_recipient_of_ours(void **state)
{
	struct rig *rig = *state;
	struct session s;

	start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_SMTP);
	assert_err(rcpt(&s, "anna"), 0);
	tell(&s, LM_EVENT_ABORT);
	/* What another handler accepted is not ours to store. */
	assert_err(deliver(&s, text), LM_E_NOT_FOUND);
	tell(&s, LM_EVENT_DISCONNECT);
	expect_count(rig, "anna", 0);
}

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
			pose(s, &event, 0);
			/* The octets were only borrowed. */
			memset(octets, 'x', sizeof(octets));
			return true;
		}
		assert_err(ask(s, event), 0);
	}
	return false;
}

static void vanishing_senders(void **state)
{
	struct rig *rig = *state;
	bool cut = true;

	start(rig, NULL, 0, NULL, true);
	for (unsigned n = 0; cut; n++) {
		struct session s;

		session_init(&s, rig, LM_SMTP);
		cut = smtp_until(&s, n);
		tell(&s, LM_EVENT_ABORT);
		tell(&s, LM_EVENT_DISCONNECT);
		assert_null(s.slot);
		settle(rig);
	}
}

static void vanishing_readers(void **state)
{
	struct rig *rig = *state;
	struct lm_reply *reply = &rig->worker.reply;
	struct session smtp;

	start(rig, NULL, 0, NULL, false);
	session_init(&smtp, rig, LM_SMTP);
	assert_err(rcpt(&smtp, "anna"), 0);
	assert_err(deliver(&smtp, text), 0);
	tell(&smtp, LM_EVENT_DISCONNECT);
	for (int n = 0; n < 6; n++) {
		struct lm_source *source = NULL;
		struct lm_bytes chunk;
		struct session s;
		uint64_t id;
		bool last;

		session_init(&s, rig, LM_POP3);
		s.info.user = lm_str("anna");
		if (n == 0) {
			pose(&s, &(struct lm_event){ .type = LM_EVENT_MAILDROP, .info = &s.info },
			     0);
		} else {
			assert_err(login_as(&s, "anna"), 0);
			id = reply->messages[0].id;
		}
		if (n >= 2) {
			assert_err(ask(&s, (struct lm_event){ .type = LM_EVENT_RETR,
			                                      .message = { .id = id } }),
			           0);
			source = reply->source;
		}
		if (n >= 3)
			assert_err(source->ops->read(source, 10, &chunk, &last), LM_E_AGAIN);
		if (n == 4) /* the reader loses interest before its session ends */
			source->ops->close(source);
		if (n == 5)
			pose(&s,
			     &(struct lm_event){ .type = LM_EVENT_QUIT,
			                         .info = &s.info,
			                         .deleted = &id,
			                         .deleted_count = 1 },
			     0);
		tell(&s, LM_EVENT_DISCONNECT);
		if (source && n != 4) {
			assert_err(source->ops->read(source, 10, &chunk, &last), LM_E_CLOSED);
			source->ops->close(source);
		}
		settle(rig);
		/* The lock is gone, whatever happened. */
		expect_count(rig, "anna", 1);
	}
}

static void sated_reader_then_quit(void **state)
{
	struct rig *rig = *state;
	struct lm_reply *reply = &rig->worker.reply;
	struct session s;
	struct lm_bytes chunk;
	uint64_t id;
	bool last;

	start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_SMTP);
	assert_err(rcpt(&s, "anna"), 0);
	assert_err(deliver(&s, text), 0);
	tell(&s, LM_EVENT_DISCONNECT);
	session_init(&s, rig, LM_POP3);
	assert_err(login_as(&s, "anna"), 0);
	id = reply->messages[0].id;
	for (int i = 0; i < 2; i++) {
		assert_err(
		        ask(&s, (struct lm_event){ .type = LM_EVENT_TOP, .message = { .id = id } }),
		        0);
		assert_err(reply->source->ops->read(reply->source, 10, &chunk, &last), LM_E_AGAIN);
		reply->source->ops->close(reply->source);
	}
	/* A read is still under way: the removal waits for it. */
	assert_err(
	        ask(&s,
	            (struct lm_event){ .type = LM_EVENT_QUIT, .deleted = &id, .deleted_count = 1 }),
	        0);
	tell(&s, LM_EVENT_DISCONNECT);
	settle(rig);
	expect_count(rig, "anna", 0);
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

	start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_POP3);
	assert_true(pose(&s, &event, 0));
	tell(&s, LM_EVENT_DISCONNECT);
	/* A reload takes the handler away while the pool still works for it. */
	lm_store_handler_ops()->worker_stop(rig->context);
	lm_store_handler_free(rig->handler);
	rig->handler = NULL;
	settle(rig);
}

static void full_pool_is_temporary(void **state)
{
	struct rig *rig = *state;
	struct session s;

	lm_pool_free(rig->pool);
	assert_err(lm_pool_new(1, 1, &rig->pool), 0);
	start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_POP3);
	for (int i = 0; i < 50 && !rig->worker.answered; i++) {
		struct lm_event event = { .type = LM_EVENT_AUTH,
			                  .info = &s.info,
			                  .auth = { .kind = LM_AUTH_PASSWORD,
			                            .mechanism = lm_str("PLAIN"),
			                            .authcid = lm_str("anna"),
			                            .password = lm_str("wrong") } };

		pose(&s, &event, 0);
	}
	assert_true(rig->worker.answered);
	assert_err(rig->worker.reply.result, LM_E_AGAIN);
	settle(rig);
}

static void logs_tell_no_secret(void **state)
{
	struct rig *rig = *state;
	struct session s;
	struct lm_event event = { .type = LM_EVENT_AUTH_DONE,
		                  .id = 1,
		                  .info = &s.info,
		                  .auth = { .mechanism = lm_str("PLAIN"),
		                            .authcid = lm_str("anna"),
		                            .password = lm_str("pa55word") } };

	start(rig, NULL, 0, NULL, false);
	session_init(&s, rig, LM_POP3);
	lm_store_handler_ops()->notice(rig->context, &s.slot, &event, NULL);
	event.auth.ok = true;
	lm_store_handler_ops()->notice(rig->context, &s.slot, &event, NULL);
	assert_non_null(strstr(rig->log, "auth.fail session=7 user=anna mechanism=PLAIN"));
	assert_non_null(strstr(rig->log, "auth.ok session=7 user=anna mechanism=PLAIN"));
	assert_null(strstr(rig->log, "pa55word"));
}

static void failing_allocations(void **state)
{
	struct rig *rig = *state;
	unsigned failures = 0;

	start(rig, NULL, 0, NULL, true);
	for (unsigned long n = 1; n < 60; n++) {
		struct session s;
		int err;

		session_init(&s, rig, LM_SUBMISSION);
		lm_alloc_fail_at(n);
		err = rcpt(&s, "anna");
		if (!err)
			err = deliver(&s, text);
		lm_alloc_fail_at(0);
		tell(&s, LM_EVENT_ABORT);
		tell(&s, LM_EVENT_DISCONNECT);
		settle(rig);
		assert_true(err == 0 || err == LM_E_NOMEM);
		failures += err != 0;
	}
	assert_in_range(failures, 3, 58);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(passwords),
		T(secrets),
		T(tokens_and_certificates),
		T(delivered_and_fetched),
		T(trace_and_repair),
		T(recipients),
		T(catch_all),
		T(data_without_recipient_of_ours),
		T(vanishing_senders),
		T(vanishing_readers),
		T(sated_reader_then_quit),
		T(vanishing_logins_and_an_early_stop),
		T(full_pool_is_temporary),
		T(logs_tell_no_secret),
		T(failing_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
