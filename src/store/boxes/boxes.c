/* Stores of maildrops as mime stores: opening, queries, reading, marks. */
#include "store/boxes/impl.h"

#include "base/error.h"

#include <lettermill/store.h>

#include <stdio.h>

static struct lm_boxes *boxes_of(struct lm_mime_store *store)
{
	return (struct lm_boxes *)store;
}

static void forget(struct lm_boxes *b)
{
	for (unsigned tag = 0; tag < LM_TAG_COUNT; tag++)
		lm_box_close(b, (enum lm_mime_tag)tag);
	lm_free(b->items);
	lm_free(b->names);
	b->items = NULL;
	b->names = NULL;
}

static void shared_unref(struct lm_boxes_shared *shared)
{
	if (!shared || atomic_fetch_sub(&shared->refs, 1) > 1)
		return;
	lm_store_close(shared->store);
	lm_free(shared);
}

static void boxes_close(struct lm_mime_store *store)
{
	struct lm_boxes *b = boxes_of(store);

	forget(b);
	shared_unref(b->shared);
	lm_loop_free(b->loop);
	lm_free(b);
}

/* Octets of the names in the mailboxes of `tags`. */
static size_t names_len(const struct lm_boxes *b, unsigned tags)
{
	size_t len = 0;

	for (unsigned tag = 0; tag < LM_TAG_COUNT; tag++)
		for (size_t i = 0; tags & 1U << tag && i < b->boxes[tag].count; i++)
			len += b->boxes[tag].messages[i].uidl.len;
	return len;
}

static struct lm_bytes keep_name(uint8_t **at, struct lm_bytes name)
{
	struct lm_bytes kept = lm_bytes(*at, name.len);

	memcpy(*at, name.data, name.len);
	*at += name.len;
	return kept;
}

static void take(struct lm_boxes *b, enum lm_mime_tag tag, size_t limit, uint8_t **names,
                 struct lm_mime_query *query)
{
	const struct lm_box *box = &b->boxes[tag];

	for (size_t i = 0; i < box->count && query->count < limit; i++) {
		const struct lm_message *m = &box->messages[b->descending ? box->count - 1 - i : i];

		struct lm_bytes name = keep_name(names, m->uidl);

		b->items[query->count++] = (struct lm_mime_item){
			.name = name, .guid = name, .octets = m->octets, .tag = tag
		};
		query->total_octets += m->octets;
	}
}

static int answer(struct lm_boxes *b, unsigned tags, size_t limit, struct lm_mime_query *out_query)
{
	struct lm_mime_query answer = { 0 };
	size_t total = 0;
	uint8_t *names;

	for (unsigned tag = 0; tag < LM_TAG_COUNT; tag++)
		total += tags & 1U << tag ? b->boxes[tag].count : 0;
	total = total < limit ? total : limit;
	b->items = lm_alloc_zero(total + 1, sizeof(*b->items));
	b->names = names = lm_alloc(names_len(b, tags) + 1);
	if (!b->items || !b->names)
		return LM_E_NOMEM;
	answer.items = b->items;
	for (unsigned i = 0; i < LM_TAG_COUNT; i++) {
		unsigned tag = b->descending ? LM_TAG_COUNT - 1 - i : i;

		if (tags & 1U << tag)
			take(b, (enum lm_mime_tag)tag, total, &names, &answer);
	}
	*out_query = answer;
	return 0;
}

static int query(struct lm_mime_store *store, unsigned tags, size_t limit,
                 struct lm_mime_query *out_query, struct lm_error *out_error)
{
	struct lm_boxes *b = boxes_of(store);
	int err = lm_boxes_flush(store, out_error);

	forget(b);
	tags = tags ? tags : LM_TAG_BIT(LM_TAG_UNREAD);
	for (unsigned tag = 0; tag < LM_TAG_COUNT && err == 0; tag++)
		if (tags & 1U << tag)
			err = lm_box_open(b, (enum lm_mime_tag)tag, out_error);
	if (err)
		return err;
	err = answer(b, tags, limit ? limit : b->limit, out_query);
	return err ? lm_fail(out_error, err, "out of memory") : 0;
}

static int boxes_read(struct lm_mime_store *store, const struct lm_mime_item *item,
                      int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                      struct lm_error *out_error)
{
	struct lm_boxes *b = boxes_of(store);
	struct lm_boxes_op wait = { .op.last = false };
	enum lm_mime_tag tag;
	uint64_t offset = 0;
	size_t index;
	int err = lm_boxes_flush(store, out_error);

	if (err == 0)
		err = lm_box_find(b, item, &tag, &index, out_error);
	while (err == 0 && !wait.op.last) {
		b->store->ops->message_read(b->boxes[tag].mailbox, b->boxes[tag].messages[index].id,
		                            offset, &lm_boxes_start(b, &wait)->op);
		err = lm_boxes_wait(b, &wait);
		if (err)
			return lm_fail(out_error, err, "message %.*s: %s", LM_FMT(item->name),
			               lm_err_text(err));
		offset += wait.op.chunk.len;
		if (wait.op.chunk.len)
			err = sink(ctx, wait.op.chunk);
	}
	return err;
}

static int move(struct lm_boxes *b, enum lm_mime_tag from, size_t index, enum lm_mime_tag to)
{
	struct lm_box *box = &b->boxes[from];
	char name[LM_NAME_MAX + 1];
	struct lm_boxes_op wait;
	int err;

	lm_box_name(b, to, name);
	b->store->ops->message_move(box->mailbox, &box->messages[index].id, 1, lm_str(name),
	                            &lm_boxes_start(b, &wait)->op);
	err = lm_boxes_wait(b, &wait);
	if (err)
		return err;
	box->gone[index] = true;
	b->boxes[to].stale = true;
	return 0;
}

static int mark(struct lm_mime_store *store, const struct lm_mime_item *item, enum lm_mime_tag tag,
                struct lm_error *out_error)
{
	struct lm_boxes *b = boxes_of(store);
	enum lm_mime_tag from;
	size_t index;
	int err = lm_boxes_flush(store, out_error);

	if (err == 0)
		err = lm_box_find(b, item, &from, &index, out_error);
	if (err || !store->commit || from == tag)
		return err;
	err = move(b, from, index, tag);
	return err ? lm_fail(out_error, err, "message %.*s: %s", LM_FMT(item->name),
	                     lm_err_text(err))
	           : 0;
}

static const char *mailbox_of(const struct lm_mime_store *store)
{
	return ((const struct lm_boxes *)store)->base;
}

static int beside(struct lm_mime_store *store, const char *mailbox,
                  struct lm_mime_store **out_store, struct lm_error *out_error);

static const struct lm_mime_ops ops = {
	.close = boxes_close,
	.query = query,
	.read = boxes_read,
	.mark = mark,
	.has = lm_boxes_has,
	.add_begin = lm_boxes_add_begin,
	.add_write = lm_boxes_add_write,
	.add_end = lm_boxes_add_end,
	.add_abort = lm_boxes_add_abort,
	.flush = lm_boxes_flush,
	.mailbox = mailbox_of,
	.beside = beside,
};

/* The accounts of a store, as far as a default wants to know them. */
struct known {
	size_t count;
	char first[LM_NAME_MAX + 1];
};

static int count_name(void *ctx, struct lm_bytes name, unsigned flags)
{
	struct known *known = ctx;

	(void)flags;
	if (known->count++ == 0)
		snprintf(known->first, sizeof(known->first), "%.*s", LM_FMT(name));
	return 0;
}

/* Mail must not silently go where nobody looks: with one account it is that one's, with several
 * somebody has to say. */
static int default_base(struct lm_boxes *b, const char *url, struct lm_error *out_error)
{
	struct known known = { .first = "inbox" };
	struct lm_accounts *accounts;
	int err;

	if (lm_accounts_open(url, &accounts, NULL) == 0) {
		err = lm_accounts_each(accounts, count_name, &known, out_error);
		lm_accounts_close(accounts);
		if (err)
			return err;
	}
	if (known.count > 1)
		return lm_fail(out_error, LM_E_CONFIG,
		               "%s has %zu accounts: say which mailbox is meant", url, known.count);
	snprintf(b->base, sizeof(b->base), "%s", known.first);
	return 0;
}

static int choose_base(struct lm_boxes *b, const char *url, const char *mailbox,
                       struct lm_error *out_error)
{
	size_t len = mailbox ? strlen(mailbox) : 0;

	if (len == 0 && strncmp(url, "maildir:", 8) == 0)
		return strstr(url, "%u") ? lm_fail(out_error, LM_E_CONFIG,
		                                   "%.100s: say which mailbox is meant", url)
		                         : 0; /* "" is PATH itself */
	if (len == 0)
		return default_base(b, url, out_error);
	if (len > LM_BOXES_BASE || strchr(mailbox, '/'))
		return lm_fail(out_error, LM_E_CONFIG,
		               "mailbox: \"%.60s\" is no name of a maildrop", mailbox);
	memcpy(b->base, mailbox, len + 1);
	return 0;
}

static int shared_new(const char *url, struct lm_boxes_shared **out_shared,
                      struct lm_error *out_error)
{
	struct lm_boxes_shared *shared = lm_alloc(sizeof(*shared) + strlen(url) + 1);
	int err;

	if (!shared)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	*shared = (struct lm_boxes_shared){ .store = NULL };
	atomic_init(&shared->refs, 1);
	memcpy(shared->url, url, strlen(url) + 1);
	err = lm_store_open(url, &shared->store, out_error);
	if (err)
		lm_free(shared);
	else
		*out_shared = shared;
	return err;
}

/* One maildrop of a store; takes a reference over, also on an error. */
static int boxes_new(struct lm_boxes_shared *shared, const char *mailbox, struct lm_boxes **out_b,
                     struct lm_error *out_error)
{
	struct lm_boxes *b = lm_alloc_zero(1, sizeof(*b));
	int err = b ? lm_loop_new(&b->loop) : LM_E_NOMEM;

	if (err) {
		lm_free(b);
		shared_unref(shared);
		return lm_fail(out_error, err, "cannot wait for a store: %s", lm_err_text(err));
	}
	b->head.ops = &ops;
	b->shared = shared;
	b->store = shared->store;
	b->head.caps = LM_MIME_REMEMBERS;
	if (b->store->ops->caps & LM_STORE_DURABLE)
		b->head.caps |= LM_MIME_DURABLE;
	err = choose_base(b, shared->url, mailbox, out_error);
	if (err)
		boxes_close(&b->head);
	else
		*out_b = b;
	return err;
}

static int beside(struct lm_mime_store *store, const char *mailbox,
                  struct lm_mime_store **out_store, struct lm_error *out_error)
{
	const struct lm_boxes *one = boxes_of(store);
	struct lm_boxes *b = NULL;
	int err;

	atomic_fetch_add(&one->shared->refs, 1);
	err = boxes_new(one->shared, mailbox, &b, out_error);
	if (!b)
		return err;
	b->limit = one->limit;
	b->descending = one->descending;
	*out_store = &b->head;
	return 0;
}

int lm_boxes_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                  struct lm_mime_store **out_store, struct lm_error *out_error)
{
	struct lm_boxes_shared *shared = NULL;
	struct lm_boxes *b = NULL;
	int err = shared_new(url, &shared, out_error);

	(void)rest;
	if (shared)
		err = boxes_new(shared, conf->value[LM_MIME_MAILBOX], &b, out_error);
	if (!b)
		return err;
	b->limit = conf->limit ? conf->limit : SIZE_MAX;
	b->descending = conf->descending;
	*out_store = &b->head;
	return 0;
}

int lm_boxes_check(const char *url, const char *rest, const struct lm_mime_conf *conf,
                   void (*report)(void *ctx, const char *problem), void *ctx,
                   struct lm_error *out_error)
{
	(void)rest;
	(void)conf;
	return lm_store_check(url, report, ctx, out_error);
}
