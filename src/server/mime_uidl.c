/* Names for UIDL out of guids that may be anything. */
#include "server/mime_handler_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { UIDL_MAX = 70, PREFIX_MAX = 32 }; /* RFC 1939 7 */

static bool is_allowed(uint8_t c)
{
	return c >= 0x21 && c <= 0x7E;
}

static bool is_uidl(struct lm_bytes guid)
{
	for (size_t i = 0; i < guid.len; i++)
		if (!is_allowed(guid.data[i]))
			return false;
	return guid.len >= 1 && guid.len <= UIDL_MAX;
}

/* FNV-1a: not against malice, which costs nobody but its own messages; see lm_mh_name. */
static uint64_t hash(uint64_t h, struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ b.data[i]) * UINT64_C(0x100000001b3);
	return (h ^ 0xFF) * UINT64_C(0x100000001b3);
}

/* `number` 0: without one. */
static struct lm_bytes make_name(struct lm_arena *arena, const struct lm_mime_item *item,
                                 size_t number)
{
	uint64_t h = hash(hash(UINT64_C(0xcbf29ce484222325), item->guid), item->name);
	char text[UIDL_MAX + 2];
	size_t len = 0;

	for (size_t i = 0; i < item->guid.len && len < PREFIX_MAX; i++)
		if (is_allowed(item->guid.data[i]))
			text[len++] = (char)item->guid.data[i];
	len += (size_t)snprintf(text + len, sizeof(text) - len, "-%016" PRIx64, h);
	if (number)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "-%zu", number);
	return lm_arena_copy(arena, lm_bytes(text, len));
}

static int compare(const void *a, const void *b)
{
	const struct lm_message *const *x = a, *const *y = b;
	size_t n = (*x)->uidl.len < (*y)->uidl.len ? (*x)->uidl.len : (*y)->uidl.len;
	int order = memcmp((*x)->uidl.data, (*y)->uidl.data, n);

	if (order)
		return order;
	return ((*x)->uidl.len > (*y)->uidl.len) - ((*x)->uidl.len < (*y)->uidl.len);
}

/* Rename all that share a name, the first one too: which is first may change. */
static int part(const struct lm_mh_item *items, struct lm_message **sorted, size_t count,
                struct lm_arena *arena, bool numbered)
{
	qsort(sorted, count, sizeof(struct lm_message *), compare);
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;

		while (end < count && compare(&sorted[i], &sorted[end]) == 0)
			end++;
		for (size_t j = i; end - i > 1 && j < end; j++) {
			size_t id = (size_t)sorted[j]->id;

			sorted[j]->uidl = make_name(arena, &items[id - 1].item, numbered ? id : 0);
			if (!sorted[j]->uidl.data)
				return LM_E_NOMEM;
		}
		i = end;
	}
	return 0;
}

int lm_mh_name(const struct lm_mh_item *items, size_t count, struct lm_arena *arena,
               struct lm_message *out_messages)
{
	struct lm_message **sorted;
	int err;

	if (!count)
		return 0;
	sorted = lm_alloc_zero(count, sizeof(struct lm_message *));
	if (!sorted)
		return LM_E_NOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct lm_mime_item *item = &items[i].item;

		sorted[i] = &out_messages[i];
		out_messages[i] = (struct lm_message){ .id = i + 1, .octets = item->octets };
		out_messages[i].uidl = is_uidl(item->guid) ? item->guid : make_name(arena, item, 0);
		if (!out_messages[i].uidl.data) {
			lm_free(sorted);
			return LM_E_NOMEM;
		}
	}
	err = part(items, sorted, count, arena, false);
	if (!err)
		err = part(items, sorted, count, arena, true);
	lm_free(sorted);
	return err;
}
