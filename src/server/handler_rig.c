/* The worker, the server and the accounts that tests of the store handler need. */
#include "lm_test.h"

#include "server/handler_rig.h"

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

struct lm_bytes rig_copy(struct lm_bytes from, void *to, size_t room)
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
	w->reply.text = rig_copy(reply->text, w->text, sizeof(w->text));
	w->reply.user = rig_copy(reply->user, w->user, sizeof(w->user));
	w->secret = reply->secret;
	w->secret.plain = rig_copy(reply->secret.plain, w->secrets[0], 256);
	w->secret.salt = rig_copy(reply->secret.salt, w->secrets[1], 256);
	w->secret.stored_key = rig_copy(reply->secret.stored_key, w->secrets[2], 256);
	w->secret.server_key = rig_copy(reply->secret.server_key, w->secrets[3], 256);
}

/* Ticket 0 is nobody's: that session is gone. */
void lm_ticket_answer(struct lm_ticket ticket, const struct lm_reply *reply)
{
	struct lm_reply kept;

	assert_non_null(reply);
	if (!reply)
		return;
	if (!ticket.session) {
		if (reply->source)
			reply->source->ops->close(reply->source);
		return;
	}
	assert_false(ticket.worker->answered);
	kept = *reply;
	kept.source = NULL;
	keep_reply(ticket.worker, &kept);
	ticket.worker->reply.source = reply->source;
}

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

void rig_start(struct rig *rig, const char *const *domains, size_t count, const char *catch_all,
               bool trace)
{
	static struct lm_log log;
	struct lm_accounts *accounts[] = { rig->accounts, rig->more };
	struct lm_store_handler_params params = {
		.store = rig->front ? rig->front : rig->store,
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

void rig_settle(struct rig *rig)
{
	while (rig->worker.held)
		lm_loop_run(rig->worker.loop);
}

void rig_stop(struct rig *rig)
{
	rig_settle(rig);
	if (!rig->handler)
		return;
	lm_store_handler_ops()->worker_stop(rig->context);
	lm_store_handler_free(rig->handler);
	rig->handler = NULL;
}

int rig_setup(void **state)
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

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_stop(rig);
	lm_pool_free(rig->pool);
	lm_store_close(rig->store);
	lm_accounts_close(rig->accounts);
	lm_accounts_close(rig->more);
	lm_loop_free(rig->worker.loop);
	lm_free(rig);
	return 0;
}

void session_init(struct session *s, struct rig *rig, enum lm_protocol protocol)
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
bool session_pose(struct session *s, const struct lm_event *event, uint64_t ticket)
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
int session_ask(struct session *s, struct lm_event event)
{
	struct lm_worker *w = &s->rig->worker;
	bool pending;

	event.info = &s->info;
	event.id = 1;
	event.envelope = &s->envelope;
	pending = session_pose(s, &event, 1);
	rig_settle(s->rig);
	assert_int_equal(w->answered, pending || w->answered);
	return w->reply.result;
}

void session_tell(struct session *s, enum lm_event_type type)
{
	struct lm_event event = { .type = type, .info = &s->info };

	lm_store_handler_ops()->notice(s->rig->context, &s->slot, &event, NULL);
}

int session_rcpt(struct session *s, const char *address)
{
	int err;

	s->recipients[s->envelope.recipient_count++].address = lm_str(address);
	err = session_ask(s, (struct lm_event){ .type = LM_EVENT_RCPT });
	if (err)
		s->envelope.recipient_count--;
	return err;
}

int session_body(struct session *s, struct lm_bytes octets)
{
	return session_ask(s, (struct lm_event){ .type = LM_EVENT_BODY, .argument = octets });
}

int session_deliver(struct session *s, const char *text)
{
	int err = session_ask(s, (struct lm_event){ .type = LM_EVENT_DATA });

	if (!err)
		err = session_body(s, lm_str(text));
	if (!err)
		err = session_ask(s, (struct lm_event){ .type = LM_EVENT_MESSAGE });
	s->envelope.recipient_count = 0;
	return err;
}

int session_login(struct session *s, const char *user)
{
	s->info.user = lm_str(user);
	return session_ask(s, (struct lm_event){ .type = LM_EVENT_MAILDROP });
}

void rig_expect_count(struct rig *rig, const char *user, size_t count)
{
	struct session s;

	session_init(&s, rig, LM_POP3);
	assert_err(session_login(&s, user), 0);
	assert_int_equal(rig->worker.reply.message_count, count);
	session_tell(&s, LM_EVENT_DISCONNECT);
	rig_settle(rig);
}

/* True when the operation ends here instead of in the store behind. */
static bool fails(struct lm_store *store, enum rig_point point, struct lm_store_op *op)
{
	struct rig_store *r = (struct rig_store *)store;

	if (r->point != point)
		return false;
	if (r->error)
		lm_op_complete(&op->op, r->error);
	else
		r->stalled = op;
	return true;
}

/* Mailboxes and drafts name the store behind; there is one store in front in a test. */
static struct rig_store *front;

static void f_open(struct lm_store *store, struct lm_bytes user, struct lm_store_op *op)
{
	if (!fails(store, RIG_OPEN, op))
		front->inner->ops->mailbox_open(front->inner, user, op);
}

static void f_list(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	if (!fails(&front->head, RIG_LIST, op))
		front->inner->ops->mailbox_list(mailbox, op);
}

static void f_read(struct lm_mailbox *mailbox, uint64_t id, uint64_t offset, struct lm_store_op *op)
{
	if (!fails(&front->head, RIG_READ, op))
		front->inner->ops->message_read(mailbox, id, offset, op);
}

static void f_expunge(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                      struct lm_store_op *op)
{
	if (!fails(&front->head, RIG_EXPUNGE, op))
		front->inner->ops->mailbox_expunge(mailbox, ids, count, op);
}

static void f_close(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	front->inner->ops->mailbox_close(mailbox, op);
}

static void f_begin(struct lm_store *store, const struct lm_delivery *delivery,
                    struct lm_store_op *op)
{
	if (!fails(store, RIG_BEGIN, op))
		front->inner->ops->draft_begin(front->inner, delivery, op);
}

static void f_write(struct lm_draft *draft, struct lm_bytes octets, struct lm_store_op *op)
{
	if (!fails(&front->head, RIG_WRITE, op))
		front->inner->ops->draft_write(draft, octets, op);
}

static void f_commit(struct lm_draft *draft, struct lm_store_op *op)
{
	if (front->point == RIG_COMMIT)
		front->inner->ops->draft_abort(draft); /* gone either way */
	if (!fails(&front->head, RIG_COMMIT, op))
		front->inner->ops->draft_commit(draft, op);
}

static void f_abort(struct lm_draft *draft)
{
	front->inner->ops->draft_abort(draft);
}

static void f_cancel(struct lm_store *store, struct lm_store_op *op)
{
	struct rig_store *r = (struct rig_store *)store;

	if (r->stalled != op) {
		r->inner->ops->cancel(r->inner, op);
		return;
	}
	r->stalled = NULL;
	lm_op_complete(&op->op, LM_E_CANCELED);
}

void rig_store_init(struct rig_store *store, struct rig *rig)
{
	static const struct lm_store_ops ops = {
		.version = 1,
		.name = "front",
		.mailbox_open = f_open,
		.mailbox_list = f_list,
		.message_read = f_read,
		.mailbox_expunge = f_expunge,
		.mailbox_close = f_close,
		.draft_begin = f_begin,
		.draft_write = f_write,
		.draft_commit = f_commit,
		.draft_abort = f_abort,
		.cancel = f_cancel,
	};

	*store = (struct rig_store){ .head = { &ops }, .inner = rig->store };
	front = store;
	rig->front = &store->head;
}
