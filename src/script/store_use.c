/* Using a store that several share: one call at a time, and one flush for all who wait for it. */
#include "script/store_impl.h"

#include "base/error.h"

enum { ITEMS_MAX = 1 << 30 };

/* On the stack of who waits; guarded by the store's mutex. */
struct lm_script_store_waiter {
	struct lm_script_store_waiter *next;
	bool told;
	struct lm_error error;
};

unsigned lm_script_store_caps(const struct lm_script_store *store)
{
	return lm_mime_store_caps(store->mime);
}

/* Everybody who waits hears of this flush: a failure may be anybody's. */
static int flush(struct lm_script_store *store, struct lm_error *out_error)
{
	struct lm_script_store_waiter *waiter = store->waiters;
	struct lm_error error = { 0 };
	int err = lm_mime_store_flush(store->mime, &error);

	error.code = err;
	for (; waiter; waiter = waiter->next) {
		waiter->told = true;
		waiter->error = error;
	}
	store->waiters = NULL;
	if (err && out_error)
		*out_error = error;
	return err;
}

/* Queries, reads and marks flush on their own account and would be told what is meant for those who
 * wait; what they are told so is nothing of the caller's. */
static void enter(struct lm_script_store *store)
{
	pthread_mutex_lock(&store->mutex);
	if (store->waiters)
		(void)!flush(store, NULL);
}

static void leave(struct lm_script_store *store)
{
	pthread_mutex_unlock(&store->mutex);
}

/* ---- looking ---- */

static bool copy_into(struct lm_arena *arena, struct lm_bytes *slice)
{
	if (slice->len)
		*slice = lm_arena_copy(arena, *slice);
	return slice->data || !slice->len;
}

static bool copy_item(struct lm_arena *arena, const struct lm_mime_item *from,
                      struct lm_mime_item *out)
{
	*out = *from;
	return copy_into(arena, &out->name) && copy_into(arena, &out->sourceid) &&
	       copy_into(arena, &out->guid) && copy_into(arena, &out->metadata);
}

static int copy_items(const struct lm_mime_query *query, struct lm_script_items *out)
{
	size_t size;

	lm_arena_init(&out->arena, ITEMS_MAX);
	if (!lm_mul(query->count + 1, sizeof(*out->items), &size))
		return LM_E_NOMEM;
	out->items = lm_arena_alloc(&out->arena, size);
	if (!out->items)
		return LM_E_NOMEM;
	out->count = query->count;
	for (size_t i = 0; i < query->count; i++)
		if (!copy_item(&out->arena, &query->items[i], &out->items[i])) {
			lm_arena_reset(&out->arena);
			return LM_E_NOMEM;
		}
	return 0;
}

static int query_items(struct lm_script_store *store, unsigned tags, size_t limit,
                       struct lm_script_items *out_items, struct lm_error *out_error)
{
	struct lm_mime_query query;
	int err = lm_mime_store_query(store->mime, tags, limit, &query, out_error);

	if (err)
		return err;
	err = copy_items(&query, out_items);
	return err ? lm_fail(out_error, err, "out of memory for %zu messages", query.count) : 0;
}

int lm_script_store_query(struct lm_script_store *store, unsigned tags, size_t limit,
                          struct lm_script_items *out_items, struct lm_error *out_error)
{
	int err;

	enter(store);
	err = query_items(store, tags, limit, out_items, out_error);
	leave(store);
	return err;
}

struct sink {
	struct lm_stash *stash;
	struct lm_error *out_error;
};

static int take(void *ctx, struct lm_bytes octets)
{
	struct sink *sink = ctx;

	return lm_stash_add(sink->stash, octets, sink->out_error);
}

int lm_script_store_read(struct lm_script_store *store, const struct lm_mime_item *item, bool stage,
                         struct lm_stash *out, struct lm_error *out_error)
{
	struct sink sink = { out, out_error };
	int err = 0;

	enter(store);
	if (stage)
		err = lm_mime_store_mark(store->mime, item, LM_TAG_STAGED, out_error);
	if (err == 0)
		err = lm_mime_store_read(store->mime, item, take, &sink, out_error);
	leave(store);
	return err;
}

int lm_script_store_mark(struct lm_script_store *store, const struct lm_mime_item *item,
                         enum lm_mime_tag tag, struct lm_error *out_error)
{
	int err;

	enter(store);
	err = lm_mime_store_mark(store->mime, item, tag, out_error);
	leave(store);
	return err;
}

int lm_script_store_has(struct lm_script_store *store, struct lm_bytes sourceid,
                        struct lm_bytes guid, struct lm_error *out_error)
{
	int err;

	enter(store);
	err = lm_mime_store_has(store->mime, sourceid, guid);
	leave(store);
	if (err == LM_E_UNSUPPORTED)
		return lm_fail(out_error, err, "this store does not remember what it was given");
	return err < 0 ? lm_fail(out_error, err, "%s", lm_err_text(err)) : err;
}

int lm_script_store_flush(struct lm_script_store *store, struct lm_error *out_error)
{
	int err;

	pthread_mutex_lock(&store->mutex);
	err = flush(store, out_error);
	leave(store);
	return err;
}

/* ---- adding ---- */

/* A message that is being added, and where its octets come from. */
struct adding {
	const struct lm_mime_item *item;
	int (*pull)(void *ctx, struct lm_bytes *out_piece, struct lm_error *out_error);
	void *ctx;
	struct lm_mime_add *add;
	bool alone; /* the store is entered from the first octet to the last */
};

/* Others have their turn between the pieces. */
static int write_all(struct lm_script_store *store, struct adding *a, struct lm_error *out_error)
{
	struct lm_bytes piece = { NULL, 0 };
	int err;

	do {
		err = a->pull(a->ctx, &piece, out_error);
		if (err || !piece.len)
			break;
		if (!a->alone)
			pthread_mutex_lock(&store->mutex);
		err = lm_mime_add_write(a->add, piece, out_error);
		if (!a->alone)
			leave(store);
	} while (err == 0);
	return err;
}

/* While somebody flushes, all who end meanwhile gather here for the next flush. */
static int wait_for_flush(struct lm_script_store *store, struct lm_script_store_waiter *self,
                          struct lm_error *out_error)
{
	pthread_mutex_lock(&store->mutex);
	if (!self->told)
		(void)!flush(store, NULL);
	leave(store);
	if (self->error.code && out_error)
		*out_error = self->error;
	return self->error.code;
}

static int end(struct lm_script_store *store, struct adding *a, int err, char *out_name,
               struct lm_error *out_error)
{
	struct lm_script_store_waiter self = { .told = false };

	pthread_mutex_lock(&store->mutex);
	if (err) {
		lm_mime_add_abort(a->add);
	} else {
		err = lm_mime_add_end(a->add, out_name, out_error);
		self.next = store->waiters;
		/* It waits below until a flush has taken it out of the list. */
		if (err == 0)
			store->waiters = &self; /* cppcheck-suppress autoVariables */
	}
	leave(store);
	return err ? err : wait_for_flush(store, &self, out_error);
}

static int add_unread(struct lm_script_store *store, struct adding *a, char *out_name,
                      struct lm_error *out_error)
{
	int err;

	pthread_mutex_lock(&store->mutex);
	err = lm_mime_add_begin(store->mime, a->item, &a->add, out_error);
	leave(store);
	if (err)
		return err;
	err = write_all(store, a, out_error);
	return end(store, a, err, out_name, out_error);
}

static int add_alone(struct lm_script_store *store, struct adding *a, char *out_name,
                     struct lm_error *out_error)
{
	int err = lm_mime_add_begin(store->mime, a->item, &a->add, out_error);

	if (err)
		return err;
	err = write_all(store, a, out_error);
	if (err)
		lm_mime_add_abort(a->add);
	else
		err = lm_mime_add_end(a->add, out_name, out_error);
	return err ? err : flush(store, out_error);
}

/* The first that was not there before: both are in the store's order. */
static const struct lm_mime_item *find_new(const struct lm_script_items *before,
                                           const struct lm_script_items *after)
{
	size_t at = 0;

	for (size_t i = 0; i < after->count; i++) {
		if (at == before->count ||
		    !lm_bytes_equal(before->items[at].name, after->items[i].name))
			return &after->items[i];
		at++;
	}
	return NULL;
}

/* Stores take messages as unread; those that name them on disk only are looked through. */
static int mark_new(struct lm_script_store *store, const struct lm_mime_item *item,
                    const char *name, const struct lm_script_items *before,
                    struct lm_error *out_error)
{
	struct lm_script_items after = { .count = 0 };
	const struct lm_mime_item named = { .name = lm_str(name) }, *added = &named;
	int err = 0;

	if (!*name) {
		err = query_items(store, 1U << LM_TAG_UNREAD, SIZE_MAX, &after, out_error);
		added = err ? NULL : find_new(before, &after);
	}
	if (err == 0 && added)
		err = lm_mime_store_mark(store->mime, added, item->tag, out_error);
	lm_arena_reset(&after.arena);
	return err;
}

static int add_tagged(struct lm_script_store *store, struct adding *a, char *out_name,
                      struct lm_error *out_error)
{
	struct lm_script_items before = { .count = 0 };
	int err;

	a->alone = true;
	enter(store);
	err = query_items(store, 1U << LM_TAG_UNREAD, SIZE_MAX, &before, out_error);
	if (err == 0)
		err = add_alone(store, a, out_name, out_error);
	if (err == 0)
		err = mark_new(store, a->item, out_name, &before, out_error);
	leave(store);
	lm_arena_reset(&before.arena);
	return err;
}

int lm_script_store_add(struct lm_script_store *store, const struct lm_mime_item *item,
                        int (*pull)(void *ctx, struct lm_bytes *out_piece,
                                    struct lm_error *out_error),
                        void *ctx, char out_name[LM_SCRIPT_STORE_NAME], struct lm_error *out_error)
{
	struct adding a = { .item = item, .pull = pull, .ctx = ctx };

	out_name[0] = '\0';
	return item->tag == LM_TAG_UNREAD ? add_unread(store, &a, out_name, out_error)
	                                  : add_tagged(store, &a, out_name, out_error);
}
