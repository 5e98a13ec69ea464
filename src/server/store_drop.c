/* POP3's side of the store handler: one locked mailbox a session, read chunk by chunk. */
#include "server/store_handler_impl.h"

/* What the mailbox does now; one operation at a time. */
enum doing { IDLE, OPENING, LISTING, READING, EXPUNGING, FINISHING };

struct lm_sh_drop {
	struct lm_sh_worker *worker;
	struct lm_mailbox *mailbox;
	struct lm_store_op op;
	enum doing doing;
	bool gone; /* its session let go of it */
	struct lm_ticket ticket;
	struct source *source;  /* the message being read; NULL none */
	struct source *reading; /* whom the read under way is for; it may be gone by now */
	bool quitting;          /* QUIT waits for the mailbox to be idle */
	uint64_t *expunge;      /* ids to remove then */
	size_t expunge_count;
	char user[];
};

struct source {
	struct lm_source head;
	struct lm_sh_drop *drop; /* NULL: closed before */
	uint64_t id, offset;
	struct lm_bytes chunk; /* what is left of it */
	bool last, waiting;
	bool announced; /* its taker has it; before, the ticket waits for the first chunk */
	struct lm_ticket ticket;
	int error;
};

static void done(struct lm_op *op);

static void start(struct lm_sh_drop *d, enum doing doing)
{
	d->doing = doing;
	d->op = (struct lm_store_op){ .op = { .loop = d->worker->loop, .done = done } };
	lm_sh_begin(d->worker);
}

/* The source stays its taker's, but there is nothing behind it any more. */
static void detach(struct lm_sh_drop *d)
{
	struct source *s = d->source;

	d->source = d->reading = NULL;
	if (!s)
		return;
	s->drop = NULL;
	s->chunk = lm_bytes(NULL, 0);
	if (!s->announced)
		lm_free(s);
}

/* RFC 1939 6: the lock is gone before QUIT is answered, so whoever comes back at once gets in. */
static void unlock(struct lm_sh_drop *d)
{
	struct lm_mailbox *mailbox = d->mailbox;

	d->mailbox = NULL;
	if (mailbox)
		d->worker->handler->store->ops->mailbox_close(mailbox, NULL);
}

static void drop_free(struct lm_sh_drop *d)
{
	unlock(d);
	lm_free(d->expunge);
	lm_free(d);
}

void lm_sh_drop_release(struct lm_sh_drop *drop)
{
	if (!drop)
		return;
	drop->gone = true;
	detach(drop);
	if (drop->doing == IDLE)
		drop_free(drop);
	else if (drop->doing != EXPUNGING && drop->doing != FINISHING)
		drop->worker->handler->store->ops->cancel(drop->worker->handler->store, &drop->op);
}

static void start_read(struct lm_sh_drop *d)
{
	struct source *s = d->source;

	d->reading = s;
	start(d, READING);
	d->worker->handler->store->ops->message_read(d->mailbox, s->id, s->offset, &d->op);
}

static void quit_done(struct lm_sh_drop *d, int result)
{
	unlock(d);
	if (!d->gone)
		lm_sh_answer(d->ticket, result);
}

static void start_quit(struct lm_sh_drop *d)
{
	d->quitting = false;
	if (!d->expunge) {
		quit_done(d, 0);
		return;
	}
	start(d, EXPUNGING);
	d->worker->handler->store->ops->mailbox_expunge(d->mailbox, d->expunge, d->expunge_count,
	                                                &d->op);
}

static void opened(struct lm_sh_drop *d, int result)
{
	if (result) {
		lm_sh_answer(d->ticket, result);
		return;
	}
	d->mailbox = d->op.mailbox;
	if (d->gone)
		return;
	start(d, LISTING);
	d->worker->handler->store->ops->mailbox_list(d->mailbox, &d->op);
}

static void listed(struct lm_sh_drop *d, int result)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = result;
	if (!result) {
		reply.messages = d->op.messages;
		reply.message_count = d->op.count;
	}
	/* Whose session is gone must not see a list that is about to be freed. */
	if (!d->gone)
		lm_ticket_answer(d->ticket, &reply);
}

/* A message that cannot be had, or is gone (other programs may remove it), costs an -ERR and not
 * the connection. */
static void announce(struct lm_sh_drop *d, struct source *s)
{
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_ticket ticket = s->ticket;

	reply.result = s->error;
	if (s->error) {
		detach(d);
	} else {
		s->announced = true;
		reply.source = &s->head;
	}
	lm_ticket_answer(ticket, &reply);
}

static void was_read(struct lm_sh_drop *d, int result)
{
	struct source *s = d->reading;

	d->reading = NULL;
	if (!s)
		return;
	s->error = result;
	if (!result) {
		s->chunk = d->op.chunk;
		s->last = d->op.last;
		s->offset += s->chunk.len;
	}
	s->waiting = false;
	if (!s->announced)
		announce(d, s);
	else if (s->head.ready)
		s->head.ready(s->head.ready_ctx);
}

static void expunged(struct lm_sh_drop *d, int result)
{
	lm_free(d->expunge);
	d->expunge = NULL;
	quit_done(d, result);
}

/* What waited for the mailbox to be free. */
static void next(struct lm_sh_drop *d)
{
	if (d->gone)
		drop_free(d);
	else if (d->quitting)
		start_quit(d);
	else if (d->source && d->source->waiting)
		start_read(d);
}

static void done(struct lm_op *op)
{
	struct lm_store_op *store_op = lm_container(op, struct lm_store_op, op);
	struct lm_sh_drop *d = lm_container(store_op, struct lm_sh_drop, op);
	struct lm_sh_worker *w = d->worker;
	enum doing was = d->doing;

	/* Answers and `ready` may come back here at once; what they ask for waits for next(). */
	d->doing = FINISHING;
	if (was == OPENING)
		opened(d, op->result);
	else if (was == LISTING)
		listed(d, op->result);
	else if (was == READING)
		was_read(d, op->result);
	else
		expunged(d, op->result);
	if (d->doing == FINISHING) {
		d->doing = IDLE;
		next(d);
	}
	lm_sh_end(w);
}

enum lm_verdict lm_sh_maildrop(struct lm_sh_session *s, const struct lm_event *event,
                               struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_bytes user = event->info->user;
	struct lm_store *store = s->worker->handler->store;
	struct lm_sh_drop *d = lm_alloc_zero(1, sizeof(*d) + user.len);

	lm_sh_drop_release(s->drop);
	s->drop = d;
	if (!d) {
		out_reply->result = LM_E_NOMEM;
		return LM_ANSWERED;
	}
	d->worker = s->worker;
	d->ticket = ticket;
	if (user.len)
		memcpy(d->user, user.data, user.len);
	start(d, OPENING);
	store->ops->mailbox_open(store, lm_bytes(d->user, user.len), &d->op);
	return LM_PENDING;
}

/* What the store has here already costs no turn of the loop. */
static bool at_hand(struct source *s)
{
	struct lm_sh_drop *d = s->drop;
	const struct lm_store_ops *ops = d->worker->handler->store->ops;

	if (d->doing != IDLE || !ops->message_at_hand ||
	    !ops->message_at_hand(d->mailbox, s->id, s->offset, &s->chunk, &s->last))
		return false;
	s->offset += s->chunk.len;
	return true;
}

static int source_read(struct lm_source *head, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct source *s = lm_container(head, struct source, head);
	size_t n;

	if (s->error)
		return s->error;
	if (!s->drop)
		return LM_E_CLOSED;
	if (!s->chunk.len && !s->last && !at_hand(s)) {
		s->waiting = true;
		if (s->drop->doing == IDLE)
			start_read(s->drop);
		return LM_E_AGAIN;
	}
	n = s->chunk.len < max ? s->chunk.len : max;
	*out_chunk = lm_bytes(s->chunk.data, n);
	s->chunk = lm_bytes_from(s->chunk, n);
	*out_last = s->last && !s->chunk.len;
	return 0;
}

static void source_close(struct lm_source *head)
{
	struct source *s = lm_container(head, struct source, head);

	if (s->drop)
		detach(s->drop);
	lm_free(s);
}

enum lm_verdict lm_sh_retr(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	static const struct lm_source_ops ops = { .read = source_read, .close = source_close };
	struct lm_sh_drop *d = s->drop;
	struct source *source;

	if (!d || !d->mailbox)
		return LM_PROCEED;
	source = lm_alloc_zero(1, sizeof(*source));
	if (!source) {
		out_reply->result = LM_E_NOMEM;
		return LM_ANSWERED;
	}
	detach(d);
	source->head.ops = &ops;
	source->drop = d;
	source->id = event->message.id;
	source->ticket = ticket;
	d->source = source;
	if (at_hand(source)) {
		source->announced = true;
		out_reply->source = &source->head;
		return LM_ANSWERED;
	}
	source->waiting = true;
	if (d->doing == IDLE)
		start_read(d);
	return LM_PENDING;
}

enum lm_verdict lm_sh_quit(struct lm_sh_session *s, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_sh_drop *d = s->drop;
	size_t size = event->deleted_count * sizeof(*event->deleted);

	if (!d || !d->mailbox)
		return LM_PROCEED;
	if (d->quitting || d->doing == EXPUNGING) {
		out_reply->result = LM_E_STORE;
		return LM_ANSWERED;
	}
	detach(d); /* a message nobody waits for any more */
	if (d->doing == IDLE && !size) {
		unlock(d);
		return LM_PROCEED;
	}
	/* The event's own list lives only until its deadline. */
	d->expunge = size ? lm_alloc(size) : NULL;
	if (size && !d->expunge) {
		out_reply->result = LM_E_NOMEM;
		return LM_ANSWERED;
	}
	if (size)
		memcpy(d->expunge, event->deleted, size);
	d->expunge_count = event->deleted_count;
	d->ticket = ticket;
	d->quitting = true;
	if (d->doing == IDLE)
		start_quit(d);
	return LM_PENDING;
}
