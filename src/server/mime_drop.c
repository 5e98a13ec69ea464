/* Maildrops of a mime store: listed, retrieved by consuming, marked at their end. */
#include "base/error.h"
#include "server/mime_handler_impl.h"

enum { ARENA_MAX = 1 << 29 };

struct listing {
	struct lm_mh_job job;
	struct lm_mh_drop *drop;
	struct lm_ticket ticket;
	struct lm_error why;
};

struct fetch {
	struct lm_mh_job job;
	struct lm_mh_drop *drop;
	struct lm_ticket ticket;
	struct lm_mh_item *item;
	bool consume;
	bool stuck; /* it failed, and could not be put back */
	struct lm_mh_spool spool;
	struct lm_error why;
};

struct marks {
	struct lm_mh_job job;
	struct lm_mh_drop *drop;
	struct lm_ticket ticket;
	bool answer;
	enum lm_mime_tag tag;
	struct lm_error why;
	size_t count;
	struct lm_mh_item *items[];
};

static void drop_unref(struct lm_mh_drop *d)
{
	if (--d->refs)
		return;
	lm_arena_reset(&d->arena);
	lm_free(d);
}

static void unlock(struct lm_mh_drop *d)
{
	lm_mh_unlock(d->worker->handler, d->lock);
	d->lock = NULL;
}

static void complain(const struct lm_mh_drop *d, const char *doing, int err,
                     const struct lm_error *why)
{
	lm_log(d->worker->handler->log, LM_LOG_WARN, "mime.fail",
	       LM_LOG_NUMBER("session", d->session), LM_LOG_TEXT("doing", lm_str(doing)),
	       LM_LOG_TEXT("error", lm_str(lm_err_name(err))),
	       LM_LOG_TEXT("text", lm_str(why->text)));
}

static void answer(struct lm_ticket ticket, int result)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = result;
	lm_ticket_answer(ticket, &reply);
}

/* ---- MAILDROP ---- */

static bool copy_into(struct lm_arena *arena, struct lm_bytes *slice)
{
	if (slice->len)
		*slice = lm_arena_copy(arena, *slice);
	return slice->data || !slice->len;
}

static int copy_item(struct lm_arena *arena, const struct lm_mime_item *from,
                     struct lm_mh_item *out)
{
	*out = (struct lm_mh_item){ .item = *from };
	if (copy_into(arena, &out->item.name) && copy_into(arena, &out->item.sourceid) &&
	    copy_into(arena, &out->item.guid) && copy_into(arena, &out->item.metadata))
		return 0;
	return LM_E_NOMEM;
}

struct counted {
	uint64_t octets;
	uint8_t end[2];
};

static int count_some(void *ctx, struct lm_bytes octets)
{
	struct counted *c = ctx;

	c->octets += octets.len;
	for (size_t i = octets.len < 2 ? 0 : octets.len - 2; i < octets.len; i++) {
		c->end[0] = c->end[1];
		c->end[1] = octets.data[i];
	}
	return 0;
}

/* What RETR sends: the octets, and the CRLF it adds where the last line has none. A message that
 * cannot be read keeps its place: RETR says why. */
static uint64_t count_octets(struct lm_mime_store *store, const struct lm_mime_item *item)
{
	struct counted c = { 0 };

	if (lm_mime_store_read(store, item, count_some, &c, NULL))
		return item->octets;
	return c.octets + (c.octets && (c.end[0] != '\r' || c.end[1] != '\n') ? 2 : 0);
}

static int copy_all(struct lm_mh_drop *d, const struct lm_mime_query *q)
{
	struct lm_mime_handler *h = d->worker->handler;
	size_t items, messages;
	int err = 0;

	if (!lm_mul(q->count + 1, sizeof(*d->items), &items) ||
	    !lm_mul(q->count + 1, sizeof(*d->messages), &messages))
		return LM_E_NOMEM;
	d->items = lm_arena_alloc(&d->arena, items);
	d->messages = lm_arena_alloc(&d->arena, messages);
	if (!d->items || !d->messages)
		return LM_E_NOMEM;
	for (size_t i = 0; !err && i < q->count; i++)
		err = copy_item(&d->arena, &q->items[i], &d->items[i]);
	if (err)
		return err;
	d->count = q->count;
	for (size_t i = 0; h->count_octets && i < d->count; i++)
		d->items[i].item.octets = count_octets(h->store, &d->items[i].item);
	return lm_mh_name(d->items, d->count, &d->arena, d->messages);
}

static void list_work(struct lm_job *job)
{
	struct listing *l = lm_container(job, struct listing, job.job);
	struct lm_mime_handler *h = l->drop->worker->handler;
	struct lm_mime_query query;
	int err = lm_mime_store_query(h->store, h->tags, h->limit, &query, &l->why);

	job->result = err < 0 ? err : copy_all(l->drop, &query);
}

static void list_done(struct lm_mh_job *job, int result)
{
	struct listing *l = lm_container(job, struct listing, job);
	struct lm_mh_drop *d = l->drop;
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = result;
	if (result < 0) {
		complain(d, "query", result, &l->why);
		unlock(d);
	} else {
		reply.messages = d->messages;
		reply.message_count = d->count;
	}
	/* Whose session is gone must not see a list that is about to be freed. */
	if (!d->gone)
		lm_ticket_answer(l->ticket, &reply);
	drop_unref(d);
	lm_free(l);
}

static struct lm_mh_drop *drop_new(struct lm_mh_worker *w, const struct lm_event *event,
                                   int *out_error)
{
	struct lm_mh_drop *d = lm_alloc_zero(1, sizeof(*d));

	*out_error = LM_E_NOMEM;
	if (!d)
		return NULL;
	d->lock = lm_mh_lock(w->handler, event->info->user, out_error);
	if (!d->lock) {
		lm_free(d);
		return NULL;
	}
	d->worker = w;
	d->refs = 1;
	d->session = event->info->id;
	lm_arena_init(&d->arena, ARENA_MAX);
	return d;
}

static int start_listing(struct lm_mh_drop *d, struct lm_ticket ticket)
{
	struct listing *l = lm_alloc_zero(1, sizeof(*l));
	int err;

	if (!l)
		return LM_E_NOMEM;
	l->drop = d;
	l->ticket = ticket;
	err = lm_mh_submit(&l->job, d->worker, list_work, list_done);
	if (err)
		lm_free(l);
	else
		d->refs++;
	return err;
}

enum lm_verdict lm_mh_maildrop(struct lm_mh_worker *w, void **slot, const struct lm_event *event,
                               struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_mh_drop *d;
	int err;

	lm_mh_drop_leave(*slot);
	*slot = d = drop_new(w, event, &err);
	if (d)
		err = start_listing(d, ticket);
	if (!err)
		return LM_PENDING;
	lm_mh_drop_leave(d);
	*slot = NULL;
	out_reply->result = err;
	return LM_ANSWERED;
}

/* ---- marks ---- */

static void marks_work(struct lm_job *job)
{
	struct marks *m = lm_container(job, struct marks, job.job);
	struct lm_mime_store *store = m->drop->worker->handler->store;

	job->result = 0;
	for (size_t i = 0; i < m->count; i++) {
		int err = lm_mime_store_mark(store, &m->items[i]->item, m->tag, &m->why);

		/* Somebody else took it away: nothing is left to do. */
		if (err && err != LM_E_NOT_FOUND && !job->result)
			job->result = err;
	}
}

static void marks_done(struct lm_mh_job *job, int result)
{
	struct marks *m = lm_container(job, struct marks, job);
	struct lm_mh_drop *d = m->drop;

	if (result < 0)
		complain(d, lm_mime_tag_name(m->tag), result, &m->why);
	unlock(d);
	if (m->answer && !d->gone)
		answer(m->ticket, result);
	drop_unref(d);
	lm_free(m);
}

static struct marks *marks_new(struct lm_mh_drop *d, enum lm_mime_tag tag, size_t room)
{
	struct marks *m = lm_alloc_zero(1, sizeof(*m) + room * sizeof(struct lm_mh_item *));

	if (!m)
		return NULL;
	m->drop = d;
	m->tag = tag;
	return m;
}

static int marks_start(struct marks *m)
{
	int err = lm_mh_submit(&m->job, m->drop->worker, marks_work, marks_done);

	if (err)
		lm_free(m);
	else
		m->drop->refs++;
	return err;
}

/* Who left without QUIT may not have what was retrieved last. */
static void mark_failed(struct lm_mh_drop *d)
{
	struct marks *m = marks_new(d, LM_TAG_POP3FAILED, 1);
	struct lm_mh_item *item = d->last;
	int err = LM_E_NOMEM;

	d->last = NULL;
	lm_log(d->worker->handler->log, LM_LOG_INFO, "mime.pop3failed",
	       LM_LOG_NUMBER("session", d->session), LM_LOG_TEXT("name", item->item.name));
	if (m) {
		m->items[m->count++] = item;
		err = marks_start(m);
	}
	if (err)
		complain(d, "pop3failed", err, &(struct lm_error){ .text = "" });
}

void lm_mh_drop_leave(struct lm_mh_drop *d)
{
	if (!d)
		return;
	d->gone = true;
	/* The store's thread works in order: whoever comes now is served behind what is left. */
	unlock(d);
	if (!d->quit && d->last)
		mark_failed(d);
	drop_unref(d);
}

/* ---- RETR and TOP ---- */

static void fetch_work(struct lm_job *job)
{
	struct fetch *f = lm_container(job, struct fetch, job.job);
	struct lm_mime_store *store = f->drop->worker->handler->store;
	const struct lm_mime_item *item = &f->item->item;

	job->result =
	        f->consume ? lm_mime_store_consume(store, item, lm_mh_spool_add, &f->spool, &f->why)
	                   : lm_mime_store_read(store, item, lm_mh_spool_add, &f->spool, &f->why);
	/* What could not be handed out is to be had another time. */
	if (job->result < 0 && job->result != LM_E_NOT_FOUND && f->consume)
		f->stuck = lm_mime_store_mark(store, item, LM_TAG_UNREAD, NULL) != 0;
}

static void hand_out(struct fetch *f)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.source = lm_mh_spool_source(&f->spool, f->drop->worker);
	reply.result = reply.source ? 0 : LM_E_NOMEM;
	lm_ticket_answer(f->ticket, &reply);
}

static void fetch_done(struct lm_mh_job *job, int result)
{
	struct fetch *f = lm_container(job, struct fetch, job);
	struct lm_mh_drop *d = f->drop;

	if (result < 0) {
		complain(d, f->stuck ? "retrieve; it stays staged" : "retrieve", result, &f->why);
		answer(f->ticket, result);
	} else {
		if (f->consume) {
			d->last = f->item;
			f->item->consumed = true;
			f->item->item.tag = LM_TAG_ARCHIVE;
		}
		hand_out(f);
		if (d->gone && d->last)
			mark_failed(d);
	}
	lm_mh_spool_done(&f->spool);
	drop_unref(d);
	lm_free(f);
}

enum lm_verdict lm_mh_retr(struct lm_mh_drop *d, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_mh_item *item = &d->items[event->message.id - 1];
	struct fetch *f = lm_alloc_zero(1, sizeof(*f));
	int err = LM_E_NOMEM;

	if (f) {
		f->drop = d;
		f->ticket = ticket;
		f->item = item;
		f->consume = event->type == LM_EVENT_RETR && !item->consumed;
		lm_mh_spool_init(&f->spool, d->worker->handler->spool_dir);
		err = lm_mh_submit(&f->job, d->worker, fetch_work, fetch_done);
	}
	if (!err) {
		d->refs++;
		return LM_PENDING;
	}
	lm_free(f);
	out_reply->result = err;
	return LM_ANSWERED;
}

/* ---- QUIT ---- */

enum lm_verdict lm_mh_quit(struct lm_mh_drop *d, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct marks *m;
	int err;

	d->quit = true;
	if (!event->deleted_count) {
		unlock(d);
		return LM_PROCEED;
	}
	m = marks_new(d, LM_TAG_ARCHIVE, event->deleted_count);
	if (!m) {
		out_reply->result = LM_E_NOMEM;
		return LM_ANSWERED;
	}
	for (size_t i = 0; i < event->deleted_count; i++) {
		struct lm_mh_item *item = &d->items[event->deleted[i] - 1];

		if (!item->consumed)
			m->items[m->count++] = item;
	}
	m->answer = true;
	m->ticket = ticket;
	err = marks_start(m);
	if (!err)
		return LM_PENDING;
	out_reply->result = err;
	return LM_ANSWERED;
}
