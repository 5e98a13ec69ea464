/* The fake mime store: 99 items that read "payload_data", and nothing kept of what is added. */
#include "store/fake/fake.h"

#include "base/error.h"

#include <stdio.h>

enum { COUNT = 99 };

struct fake {
	struct lm_mime_store head;
	size_t limit;
	bool descending;
	uint64_t added;
	uint8_t tags[COUNT];
	char guids[COUNT][8];
	struct lm_mime_item items[COUNT];
};

static const struct lm_mime_ops ops;

static struct fake *fake_of(struct lm_mime_store *store)
{
	return (struct fake *)store;
}

static void fake_close(struct lm_mime_store *store)
{
	lm_free(store);
}

static struct lm_mime_item item_at(const struct fake *f, unsigned i)
{
	struct lm_bytes guid = lm_str(f->guids[i]);

	return (struct lm_mime_item){ .name = guid,
		                      .guid = guid,
		                      .octets = ((uint64_t)i + 2) * 10,
		                      .tag = (enum lm_mime_tag)f->tags[i] };
}

static int query(struct lm_mime_store *store, unsigned tags, size_t limit,
                 struct lm_mime_query *out_query, struct lm_error *out_error)
{
	struct fake *f = fake_of(store);

	(void)out_error;
	*out_query = (struct lm_mime_query){ .items = f->items };
	tags = tags ? tags : LM_TAG_BIT(LM_TAG_UNREAD);
	limit = limit ? limit : f->limit;
	for (unsigned i = 0; i < COUNT && out_query->count < limit; i++) {
		unsigned at = f->descending ? COUNT - 1 - i : i;

		if (!(tags & 1U << f->tags[at]))
			continue;
		f->items[out_query->count] = item_at(f, at);
		out_query->total_octets += f->items[out_query->count++].octets;
	}
	return 0;
}

static int find(const struct fake *f, const struct lm_mime_item *item, unsigned *out_index,
                struct lm_error *out_error)
{
	for (unsigned i = 0; i < COUNT; i++)
		if (lm_bytes_equal(lm_str(f->guids[i]), item->name)) {
			*out_index = i;
			return 0;
		}
	return lm_fail(out_error, LM_E_NOT_FOUND, "no such message");
}

static int fake_read(struct lm_mime_store *store, const struct lm_mime_item *item,
                     int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                     struct lm_error *out_error)
{
	unsigned i;
	int err = find(fake_of(store), item, &i, out_error);

	return err ? err : sink(ctx, lm_str("payload_data"));
}

static int mark(struct lm_mime_store *store, const struct lm_mime_item *item, enum lm_mime_tag tag,
                struct lm_error *out_error)
{
	struct fake *f = fake_of(store);
	unsigned i = 0;
	int err = find(f, item, &i, out_error);

	if (err == 0 && store->commit)
		f->tags[i] = (uint8_t)tag;
	return err;
}

static int add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                     struct lm_mime_add **out_add, struct lm_error *out_error)
{
	struct lm_mime_add *add = lm_alloc_zero(1, sizeof(*add));

	(void)item;
	if (!add)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	add->store = store;
	*out_add = add;
	return 0;
}

static int add_write(struct lm_mime_add *add, struct lm_bytes octets, struct lm_error *out_error)
{
	(void)add;
	(void)octets;
	(void)out_error;
	return 0;
}

static int add_end(struct lm_mime_add *add, char *out_name, struct lm_error *out_error)
{
	struct fake *f = fake_of(add->store);

	(void)out_error;
	snprintf(out_name, LM_MIME_NAME_SIZE, "added_%llu", (unsigned long long)++f->added);
	lm_free(add);
	return 0;
}

static void add_abort(struct lm_mime_add *add)
{
	lm_free(add);
}

static int flush(struct lm_mime_store *store, struct lm_error *out_error)
{
	(void)store;
	(void)out_error;
	return 0;
}

static const struct lm_mime_ops ops = {
	.close = fake_close,
	.query = query,
	.read = fake_read,
	.mark = mark,
	.add_begin = add_begin,
	.add_write = add_write,
	.add_end = add_end,
	.add_abort = add_abort,
	.flush = flush,
};

int lm_fake_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                 struct lm_mime_store **out_store, struct lm_error *out_error)
{
	struct fake *f;

	(void)url;
	if (*rest)
		return lm_fail(out_error, LM_E_CONFIG, "fake: takes nothing behind the colon");
	f = lm_alloc_zero(1, sizeof(*f));
	if (!f)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	f->head.ops = &ops;
	f->limit = conf->limit ? conf->limit : 1;
	f->descending = conf->descending;
	for (unsigned i = 0; i < COUNT; i++)
		snprintf(f->guids[i], sizeof(f->guids[i]), "guid_%u", i + 1);
	*out_store = &f->head;
	return 0;
}
