/* A store around a store: operations pass through, fail before they begin, or end late. */
#include "store/wrap.h"

#include "base/error.h"

struct wrap {
	struct lm_store head;
	struct lm_store_ops ops; /* the wrapped store's capabilities under the double's name */
	struct lm_store *inner;
	struct lm_wrap_params params;
};

struct box {
	struct lm_mailbox head;
	struct lm_mailbox *inner;
};

struct draft {
	struct lm_draft head;
	struct lm_draft *inner;
};

/* An operation on its way through; lives on the operation's loop. */
struct pending {
	struct lm_store_op inner;
	struct lm_store_op *outer;
	struct lm_timer timer;
	struct box *box; /* made beforehand for mailbox_open */
	struct draft *draft;
	bool ended; /* only the delay is left */
	bool hurry; /* canceled: no delay */
};

static const char *const kind_names[LM_WRAP_KINDS] = {
	"mailbox_open",      "mailbox_list",  "message_read", "mailbox_expunge", "message_move",
	"mailbox_has_guids", "mailbox_close", "draft_begin",  "draft_write",     "draft_commit",
};

int lm_wrap_kind_find(struct lm_bytes name)
{
	for (int i = 0; i < LM_WRAP_KINDS; i++)
		if (lm_bytes_equal(lm_str(kind_names[i]), name))
			return i;
	return -1;
}

static void complete(struct pending *p)
{
	struct lm_store_op *outer = p->outer;
	int result = p->inner.op.result;

	outer->backend[0] = NULL;
	outer->messages = p->inner.messages;
	outer->count = p->inner.count;
	outer->chunk = p->inner.chunk;
	outer->last = p->inner.last;
	outer->mailbox = p->box ? &p->box->head : NULL;
	outer->draft = p->draft ? &p->draft->head : NULL;
	lm_free(p);
	lm_op_complete(&outer->op, result);
}

static void fire(struct lm_timer *timer)
{
	complete(lm_container(timer, struct pending, timer));
}

static void settle_objects(struct pending *p)
{
	if (p->inner.op.result) {
		lm_free(p->box);
		lm_free(p->draft);
		p->box = NULL;
		p->draft = NULL;
	}
	if (p->box)
		p->box->inner = p->inner.mailbox;
	if (p->draft)
		p->draft->inner = p->inner.draft;
}

static struct pending *pending_of(struct lm_op *op)
{
	return lm_container(op, struct pending, inner.op);
}

static void ended(struct lm_op *op)
{
	settle_objects(pending_of(op));
	complete(pending_of(op));
}

/* `task` has no room for the delay, so it stands in the timer until then. */
static void ended_late(struct lm_op *op)
{
	struct pending *p = pending_of(op);
	lm_time_ms delay = p->timer.at;

	settle_objects(p);
	if (p->hurry) {
		complete(p);
		return;
	}
	p->ended = true;
	p->timer = (struct lm_timer){ .fire = fire };
	lm_timer_arm(op->loop, &p->timer, lm_loop_now(op->loop) + delay);
}

/* NULL: the operation was completed with an error instead. */
static struct pending *begin(struct wrap *w, enum lm_wrap_kind kind, struct lm_store_op *outer)
{
	int err = w->params.fault ? w->params.fault(w->params.ctx, kind) : 0;
	struct pending *p = err ? NULL : lm_alloc_zero(1, sizeof(*p));

	outer->backend[0] = p;
	outer->mailbox = NULL;
	outer->draft = NULL;
	if (!p) {
		lm_op_complete(&outer->op, err ? err : LM_E_NOMEM);
		return NULL;
	}
	p->outer = outer;
	p->inner.op.loop = outer->op.loop;
	p->inner.op.done = w->params.delay ? ended_late : ended;
	p->timer.at = w->params.delay;
	return p;
}

static void close_store(struct lm_store *store)
{
	struct wrap *w = (struct wrap *)store;

	lm_store_close(w->inner);
	lm_free(w->params.ctx);
	lm_free(w);
}

static void mailbox_open(struct lm_store *store, struct lm_bytes user, struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)store;
	struct pending *p = begin(w, LM_WRAP_MAILBOX_OPEN, op);

	if (!p)
		return;
	p->box = lm_alloc_zero(1, sizeof(*p->box));
	if (!p->box) {
		p->inner.op.result = LM_E_NOMEM;
		complete(p);
		return;
	}
	p->box->head.store = store;
	w->inner->ops->mailbox_open(w->inner, user, &p->inner);
}

static void mailbox_list(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)mailbox->store;
	struct pending *p = begin(w, LM_WRAP_MAILBOX_LIST, op);

	if (p)
		w->inner->ops->mailbox_list(((struct box *)mailbox)->inner, &p->inner);
}

static void message_read(struct lm_mailbox *mailbox, uint64_t id, uint64_t offset,
                         struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)mailbox->store;
	struct pending *p = begin(w, LM_WRAP_MESSAGE_READ, op);

	if (p)
		w->inner->ops->message_read(((struct box *)mailbox)->inner, id, offset, &p->inner);
}

static void mailbox_expunge(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                            struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)mailbox->store;
	struct pending *p = begin(w, LM_WRAP_MAILBOX_EXPUNGE, op);

	if (p)
		w->inner->ops->mailbox_expunge(((struct box *)mailbox)->inner, ids, count,
		                               &p->inner);
}

static void message_move(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                         struct lm_bytes to, struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)mailbox->store;
	struct pending *p = begin(w, LM_WRAP_MESSAGE_MOVE, op);

	if (p)
		w->inner->ops->message_move(((struct box *)mailbox)->inner, ids, count, to,
		                            &p->inner);
}

static void mailbox_has_guids(struct lm_store *store, struct lm_bytes user,
                              const struct lm_guid *guids, size_t count, bool *out_known,
                              struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)store;
	struct pending *p = begin(w, LM_WRAP_MAILBOX_HAS_GUIDS, op);

	if (p)
		w->inner->ops->mailbox_has_guids(w->inner, user, guids, count, out_known,
		                                 &p->inner);
}

/* The lock is gone whatever the result. */
static void mailbox_close(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)mailbox->store;
	struct pending *p = op ? begin(w, LM_WRAP_MAILBOX_CLOSE, op) : NULL;

	w->inner->ops->mailbox_close(((struct box *)mailbox)->inner, p ? &p->inner : NULL);
	lm_free(mailbox);
}

static void draft_begin(struct lm_store *store, const struct lm_delivery *delivery,
                        struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)store;
	struct pending *p = begin(w, LM_WRAP_DRAFT_BEGIN, op);

	if (!p)
		return;
	p->draft = lm_alloc_zero(1, sizeof(*p->draft));
	if (!p->draft) {
		p->inner.op.result = LM_E_NOMEM;
		complete(p);
		return;
	}
	p->draft->head.store = store;
	w->inner->ops->draft_begin(w->inner, delivery, &p->inner);
}

static void draft_write(struct lm_draft *draft, struct lm_bytes octets, struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)draft->store;
	struct pending *p = begin(w, LM_WRAP_DRAFT_WRITE, op);

	if (p)
		w->inner->ops->draft_write(((struct draft *)draft)->inner, octets, &p->inner);
}

static void draft_abort(struct lm_draft *draft)
{
	struct wrap *w = (struct wrap *)draft->store;

	w->inner->ops->draft_abort(((struct draft *)draft)->inner);
	lm_free(draft);
}

static void draft_commit(struct lm_draft *draft, struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)draft->store;
	struct pending *p = begin(w, LM_WRAP_DRAFT_COMMIT, op);

	if (!p) {
		draft_abort(draft);
		return;
	}
	w->inner->ops->draft_commit(((struct draft *)draft)->inner, &p->inner);
	lm_free(draft);
}

static void cancel(struct lm_store *store, struct lm_store_op *op)
{
	struct wrap *w = (struct wrap *)store;
	struct pending *p = op->backend[0];

	if (p && p->ended) {
		lm_timer_disarm(op->op.loop, &p->timer);
		complete(p);
	} else if (p) {
		p->hurry = true;
		w->inner->ops->cancel(w->inner, &p->inner);
	}
}

static const struct lm_store_ops ops = {
	.version = 1,
	.close = close_store,
	.mailbox_open = mailbox_open,
	.mailbox_list = mailbox_list,
	.message_read = message_read,
	.mailbox_expunge = mailbox_expunge,
	.message_move = message_move,
	.mailbox_has_guids = mailbox_has_guids,
	.mailbox_close = mailbox_close,
	.draft_begin = draft_begin,
	.draft_write = draft_write,
	.draft_commit = draft_commit,
	.draft_abort = draft_abort,
	.cancel = cancel,
};

int lm_wrap_open(const char *url, const struct lm_wrap_params *params, struct lm_store **out_store,
                 struct lm_error *out_error)
{
	struct wrap *w = lm_alloc_zero(1, sizeof(*w));
	int err;

	if (!w) {
		lm_free(params->ctx);
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	err = lm_store_open(url, &w->inner, out_error);
	if (err) {
		lm_free(w);
		lm_free(params->ctx);
		return err;
	}
	w->params = *params;
	w->ops = ops;
	w->ops.caps = w->inner->ops->caps;
	w->ops.name = params->name;
	w->head.ops = &w->ops;
	*out_store = &w->head;
	return 0;
}
