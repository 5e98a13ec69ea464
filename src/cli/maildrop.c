/* A maildrop as LIST and UIDL told it, and what is chosen of it. */
#include "cli/maildrop.h"

#include "base/error.h"

#include <stdlib.h>

enum { MAX_IDS = 512 << 20 };

void lm_drop_init(struct lm_drop *drop)
{
	*drop = (struct lm_drop){ 0 };
	lm_arena_init(&drop->ids, MAX_IDS);
}

void lm_drop_done(struct lm_drop *drop)
{
	lm_arena_reset(&drop->ids);
	lm_free(drop->items);
	lm_drop_init(drop);
}

static int add(struct lm_drop *drop, const struct lm_event *item)
{
	size_t capacity = drop->capacity ? drop->capacity * 2 : 256;
	struct lm_drop_message *items = drop->items;

	if (drop->count == drop->capacity) {
		items = lm_realloc(items, capacity, sizeof(*items));
		if (!items)
			return LM_E_NOMEM;
		drop->items = items;
		drop->capacity = capacity;
	}
	items[drop->count++] = (struct lm_drop_message){ .number = item->message.number,
		                                         .octets = item->message.octets };
	return 0;
}

struct lm_drop_message *lm_drop_find(const struct lm_drop *drop, uint64_t number)
{
	size_t low = 0, high = drop->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (drop->items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < drop->count && drop->items[low].number == number ? &drop->items[low] : NULL;
}

/* Ids of messages that LIST did not name are passed over, as is a second id of one. */
static int take_id(struct lm_drop *drop, const struct lm_event *item)
{
	struct lm_drop_message *m = lm_drop_find(drop, item->message.number);

	drop->has_ids = true;
	if (!m || m->id.len > 0)
		return 0;
	m->id = lm_arena_copy(&drop->ids, item->argument);
	return m->id.data ? 0 : LM_E_NOMEM;
}

int lm_drop_take(struct lm_drop *drop, const struct lm_event *item)
{
	return item->argument.len > 0 ? take_id(drop, item) : add(drop, item);
}

static int by_number(const void *a, const void *b)
{
	const struct lm_drop_message *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

void lm_drop_sort(struct lm_drop *drop)
{
	size_t kept = 0;

	if (drop->count == 0)
		return;
	qsort(drop->items, drop->count, sizeof(*drop->items), by_number);
	for (size_t i = 1; i < drop->count; i++)
		if (drop->items[i].number != drop->items[kept].number)
			drop->items[++kept] = drop->items[i];
	drop->count = kept + 1;
}

static int take_event(void *ctx, const struct lm_event *event)
{
	struct lm_drop *drop = ctx;

	if (event->type == LM_EVENT_ITEM)
		return lm_drop_take(drop, event);
	if (event->type == LM_EVENT_OUTCOME && event->outcome->type == LM_REQUEST_LIST)
		lm_drop_sort(drop);
	if (event->type == LM_EVENT_OUTCOME && event->outcome->type == LM_REQUEST_UIDL &&
	    event->outcome->result == 0)
		drop->has_ids = true;
	return 0;
}

int lm_drop_list(struct lm_drop *drop, struct lm_client *client, bool with_ids,
                 struct lm_error *out_error)
{
	struct lm_request list = LM_REQUEST_INIT(LM_REQUEST_LIST);
	struct lm_request uidl = LM_REQUEST_INIT(LM_REQUEST_UIDL);
	int err = lm_client_do(client, &list, take_event, drop, out_error);

	if (err == 0 && with_ids)
		err = lm_client_do(client, &uidl, take_event, drop, out_error);
	return err;
}

int lm_drop_choose(struct lm_drop *drop, const struct lm_ranges *ranges, bool all,
                   struct lm_error *out_error)
{
	uint64_t top = drop->count ? drop->items[drop->count - 1].number : 0;
	int err = lm_ranges_check(ranges, top, drop->count, out_error);

	for (size_t i = 0; i < drop->count && err == 0; i++)
		if (all || lm_ranges_have(ranges, drop->items[i].number))
			drop->items[i].chosen = true;
	return err;
}

static bool choose_id(struct lm_drop *drop, struct lm_bytes id)
{
	bool found = false;

	for (size_t i = 0; i < drop->count; i++)
		if (id.len > 0 && lm_bytes_equal(drop->items[i].id, id))
			found = drop->items[i].chosen = true;
	return found;
}

/* An id may hold a comma itself: the whole text is tried first. */
int lm_drop_choose_ids(struct lm_drop *drop, const char *text, struct lm_error *out_error)
{
	struct lm_bytes rest = lm_str(text);

	if (choose_id(drop, rest))
		return 0;
	while (true) {
		const uint8_t *comma = rest.len ? memchr(rest.data, ',', rest.len) : NULL;
		size_t len = comma ? (size_t)(comma - rest.data) : rest.len;

		if (!choose_id(drop, lm_bytes(rest.data, len)))
			return lm_fail(out_error, LM_E_NOT_FOUND,
			               "there is no message with the UIDL \"%.*s\"",
			               (int)(len > 80 ? 80 : len), (const char *)rest.data);
		if (!comma)
			return 0;
		rest = lm_bytes_from(rest, len + 1);
	}
}

size_t lm_drop_chosen(const struct lm_drop *drop)
{
	size_t n = 0;

	for (size_t i = 0; i < drop->count; i++)
		n += drop->items[i].chosen;
	return n;
}
