/* SMTP's side of the store handler: one draft a message, written piece by piece as it comes. */
#include "server/store_handler_impl.h"

#include "base/arena.h"
#include "smtp/repair.h"
#include "smtp/trace.h"

#include <time.h>

enum {
	ARENA_MAX = 4 * 1024 * 1024, /* the envelope's own copy: 1000 recipients need a tenth */
	TRACE_MAX = 8192,
	CHUNK_MAX = 4 * 1024 * 1024, /* one event's octets with what is put in front or behind */
	MAILBOXES_MAX = 65536,
};

enum doing { IDLE, BEGINNING, WRITING, ENDING, COMMITTING, FINISHING };

struct lm_sh_delivery {
	struct lm_sh_worker *worker;
	struct lm_sh_session *owner; /* valid until `gone` */
	struct lm_draft *draft;
	struct lm_store_op op;
	enum doing doing;
	bool gone; /* its session let go of it */
	struct lm_ticket ticket;
	struct lm_arena arena; /* what `what` points into */
	struct lm_delivery what;
	struct lm_buf chunk; /* a copy: an event's octets may die before the store took them */
	bool repairs;
	struct lm_repair repair;
	uint64_t session, octets;
};

static void done(struct lm_op *op);

static const struct lm_store_ops *ops_of(const struct lm_sh_delivery *d)
{
	return d->worker->handler->store->ops;
}

static void start(struct lm_sh_delivery *d, enum doing doing)
{
	d->doing = doing;
	d->op = (struct lm_store_op){ .op = { .loop = d->worker->loop, .done = done } };
	lm_sh_begin(d->worker);
}

static void delivery_free(struct lm_sh_delivery *d)
{
	if (d->draft)
		ops_of(d)->draft_abort(d->draft);
	lm_arena_reset(&d->arena);
	lm_buf_done(&d->chunk);
	lm_free(d);
}

void lm_sh_delivery_release(struct lm_sh_delivery *delivery)
{
	if (!delivery)
		return;
	delivery->gone = true;
	if (delivery->doing == IDLE)
		delivery_free(delivery);
	else if (delivery->doing != FINISHING)
		ops_of(delivery)->cancel(delivery->worker->handler->store, &delivery->op);
}

static void start_write(struct lm_sh_delivery *d, enum doing doing)
{
	start(d, doing);
	ops_of(d)->draft_write(d->draft, lm_buf_bytes(&d->chunk), &d->op);
}

static void start_commit(struct lm_sh_delivery *d)
{
	struct lm_draft *draft = d->draft;

	d->draft = NULL; /* gone, however it ends */
	start(d, COMMITTING);
	ops_of(d)->draft_commit(draft, &d->op);
}

static void answer(struct lm_sh_delivery *d, int result)
{
	if (!d->gone)
		lm_sh_answer(d->ticket, result);
}

/* The transaction is over: its session need not keep anything of it. */
static void end(struct lm_sh_delivery *d, int result)
{
	if (d->gone)
		return;
	d->gone = true;
	d->owner->delivery = NULL;
	lm_sh_forget_recipients(d->owner);
	lm_sh_answer(d->ticket, result);
}

static void committed(struct lm_sh_delivery *d, int result)
{
	/* Told also when nobody waits any more: the message is there. */
	if (!result)
		lm_log(d->worker->handler->log, LM_LOG_INFO, "message.stored",
		       LM_LOG_NUMBER("session", d->session), LM_LOG_TEXT("sender", d->what.sender),
		       LM_LOG_NUMBER("mailboxes", d->what.mailbox_count),
		       LM_LOG_NUMBER("octets", d->octets));
	else
		lm_log(d->worker->handler->log, LM_LOG_WARN, "message.failed",
		       LM_LOG_NUMBER("session", d->session), LM_LOG_TEXT("sender", d->what.sender),
		       LM_LOG_TEXT("error", lm_str(lm_err_name(result))));
	end(d, result);
}

static void finished(struct lm_sh_delivery *d, enum doing was, int result)
{
	switch (was) {
	case BEGINNING:
		if (!result)
			d->draft = d->op.draft;
		answer(d, result);
		break;
	case WRITING:
		lm_buf_clear(&d->chunk);
		answer(d, result);
		break;
	case ENDING:
		lm_buf_clear(&d->chunk);
		if (!result && !d->gone)
			start_commit(d);
		else
			end(d, result);
		break;
	default:
		committed(d, result);
	}
}

static void done(struct lm_op *op)
{
	struct lm_store_op *store_op = lm_container(op, struct lm_store_op, op);
	struct lm_sh_delivery *d = lm_container(store_op, struct lm_sh_delivery, op);
	struct lm_sh_worker *w = d->worker;
	enum doing was = d->doing;

	/* The answer may come back here at once with what is next, or with the end. */
	d->doing = FINISHING;
	finished(d, was, op->result);
	if (d->doing == FINISHING)
		d->doing = IDLE;
	if (d->doing == IDLE && d->gone)
		delivery_free(d);
	lm_sh_end(w);
}

/* A value of one line: what would start another line is replaced. */
static int add_value(struct lm_buf *out, const char *key, struct lm_bytes value)
{
	uint8_t *room;
	int err;

	if (!value.len)
		return 0;
	err = lm_buf_add_str(out, key);
	if (!err)
		err = lm_buf_add_str(out, "=");
	if (!err)
		err = lm_buf_room(out, value.len + 1, &room);
	if (err)
		return err;
	for (size_t i = 0; i < value.len; i++)
		room[i] = value.data[i] < 0x20 || value.data[i] == 0x7F ? '?' : value.data[i];
	room[value.len] = '\n';
	lm_buf_grew(out, value.len + 1);
	return 0;
}

static int add_recipient(struct lm_buf *out, const struct lm_recipient *rcpt)
{
	int err = add_value(out, "recipient", rcpt->address);

	if (!err)
		err = add_value(out, "orcpt", rcpt->orcpt);
	if (!err && rcpt->notify)
		err = lm_buf_printf(out, "notify=%s%s%s%s\n",
		                    rcpt->notify & LM_NOTIFY_NEVER ? "never " : "",
		                    rcpt->notify & LM_NOTIFY_SUCCESS ? "success " : "",
		                    rcpt->notify & LM_NOTIFY_FAILURE ? "failure " : "",
		                    rcpt->notify & LM_NOTIFY_DELAY ? "delay " : "");
	return err;
}

static int add_parameters(struct lm_buf *out, const struct lm_envelope *envelope)
{
	int err = add_value(out, "envid", envelope->envid);

	if (!err)
		err = add_value(out, "ret", lm_bytes(&envelope->dsn_ret, envelope->dsn_ret != 0));
	if (!err)
		err = add_value(out, "auth", envelope->auth);
	if (!err && envelope->smtputf8)
		err = lm_buf_add_str(out, "smtputf8=yes\n");
	if (!err && envelope->require_tls)
		err = lm_buf_add_str(out, "requiretls=yes\n");
	if (!err && (envelope->eight_bit || envelope->binary))
		err = lm_buf_printf(out, "body=%s\n", envelope->binary ? "binary" : "8bit");
	for (size_t i = 0; !err && i < envelope->recipient_count; i++)
		err = add_recipient(out, &envelope->recipients[i]);
	return err;
}

static int describe(struct lm_buf *out, const struct lm_event *event)
{
	int err = add_value(out, "helo", event->info->helo);

	if (!err)
		err = add_value(out, "peer", lm_str(event->info->peer_address));
	if (!err)
		err = add_value(out, "user", event->info->user);
	return err ? err : add_parameters(out, event->envelope);
}

static int copy_bytes(struct lm_sh_delivery *d, struct lm_bytes from, struct lm_bytes *out)
{
	*out = lm_arena_copy(&d->arena, from);
	return from.len && !out->data ? LM_E_NOMEM : 0;
}

static bool has_mailbox(const struct lm_delivery *what, struct lm_bytes name)
{
	for (size_t i = 0; i < what->mailbox_count; i++) {
		if (lm_bytes_equal(what->mailboxes[i], name))
			return true;
	}
	return false;
}

/* Each account once, in the order of its first recipient. */
static int copy_mailboxes(struct lm_sh_delivery *d, const struct lm_sh_session *s,
                          const struct lm_envelope *envelope)
{
	size_t hint = 0, count = envelope->recipient_count;
	struct lm_bytes *list = count > MAILBOXES_MAX
	                                ? NULL
	                                : lm_arena_alloc(&d->arena, count * sizeof(*list));

	if (!list)
		return LM_E_NOMEM;
	d->what.mailboxes = list;
	for (size_t i = 0; i < count; i++) {
		const char *account = lm_sh_account_of(s, envelope->recipients[i].address, &hint);
		int err;

		if (!account || has_mailbox(&d->what, lm_str(account)))
			continue;
		err = copy_bytes(d, lm_str(account), &list[d->what.mailbox_count]);
		if (err)
			return err;
		d->what.mailbox_count++;
	}
	return d->what.mailbox_count ? 0 : LM_E_NOT_FOUND;
}

static int copy_envelope(struct lm_sh_delivery *d, const struct lm_sh_session *s,
                         const struct lm_event *event)
{
	struct lm_buf text;
	int err = copy_mailboxes(d, s, event->envelope);

	if (!err)
		err = copy_bytes(d, event->envelope->sender, &d->what.sender);
	if (err)
		return err;
	lm_buf_init(&text, ARENA_MAX / 2);
	err = describe(&text, event);
	if (!err)
		err = copy_bytes(d, lm_buf_bytes(&text), &d->what.envelope);
	lm_buf_done(&text);
	d->what.size_hint = event->envelope->size;
	return err;
}

/* What goes in front of the message waits in the chunk for its first octets. */
static int prepare(struct lm_sh_delivery *d, const struct lm_sh_session *s,
                   const struct lm_event *event)
{
	struct lm_store_handler *h = d->worker->handler;
	uint64_t number = atomic_fetch_add(&h->next_message, 1);
	int64_t now = (int64_t)time(NULL);
	int err = copy_envelope(d, s, event);

	if (!err && h->add_trace)
		err = lm_smtp_trace(&d->chunk, event->info, event->envelope, h->hostname, number,
		                    now);
	d->repairs = event->info->protocol == LM_SUBMISSION;
	if (d->repairs)
		lm_repair_init(&d->repair, now, number, h->hostname);
	return err;
}

static enum lm_verdict refuse(struct lm_reply *out_reply, int error)
{
	out_reply->result = error;
	return LM_ANSWERED;
}

enum lm_verdict lm_sh_data(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_sh_delivery *d = lm_alloc_zero(1, sizeof(*d));
	int err;

	lm_sh_delivery_release(s->delivery);
	s->delivery = NULL;
	if (!d)
		return refuse(out_reply, LM_E_NOMEM);
	d->worker = s->worker;
	d->owner = s;
	d->ticket = ticket;
	d->session = event->info->id;
	lm_arena_init(&d->arena, ARENA_MAX);
	lm_buf_init(&d->chunk, CHUNK_MAX);
	err = prepare(d, s, event);
	if (err) {
		delivery_free(d);
		return refuse(out_reply, err);
	}
	s->delivery = d;
	start(d, BEGINNING);
	ops_of(d)->draft_begin(d->worker->handler->store, &d->what, &d->op);
	return LM_PENDING;
}

/* The draft of the transaction, ready for more; or LM_E_STORE where it is not. */
static int ready(const struct lm_sh_delivery *d)
{
	return d->draft && (d->doing == IDLE || d->doing == FINISHING) ? 0 : LM_E_STORE;
}

enum lm_verdict lm_sh_body(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_sh_delivery *d = s->delivery;
	int err;

	if (!d)
		return LM_PROCEED;
	err = ready(d);
	if (!err && d->repairs && !d->repair.done)
		err = lm_repair_feed(&d->repair, event->argument, &d->chunk);
	else if (!err)
		err = lm_buf_add(&d->chunk, event->argument);
	if (err)
		return refuse(out_reply, err);
	d->octets += event->argument.len;
	if (!lm_buf_len(&d->chunk))
		return LM_ANSWERED;
	d->ticket = ticket;
	start_write(d, WRITING);
	return LM_PENDING;
}

enum lm_verdict lm_sh_message(struct lm_sh_session *s, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_sh_delivery *d = s->delivery;
	int err;

	(void)event;
	if (!d)
		return LM_PROCEED;
	err = ready(d);
	if (!err && d->repairs)
		err = lm_repair_end(&d->repair, &d->chunk);
	if (err)
		return refuse(out_reply, err);
	d->ticket = ticket;
	if (lm_buf_len(&d->chunk))
		start_write(d, ENDING);
	else
		start_commit(d);
	return LM_PENDING;
}
