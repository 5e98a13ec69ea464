/* Recipients: an array in their order, a tree to know them by. */
#include "mime/recipients.h"

#include "mime/mailbox.h"

#include <glib.h>

enum { MAX_OCTETS = 64 << 20 };

static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

static size_t local_len(const struct lm_bytes *address)
{
	const uint8_t *at = memrchr(address->data, '@', address->len);

	return at ? (size_t)(at - address->data) : address->len;
}

static gint compare(gconstpointer left, gconstpointer right)
{
	const struct lm_bytes *a = left, *b = right;
	size_t local = local_len(a);

	if (local != local_len(b))
		return local < local_len(b) ? -1 : 1;
	for (size_t i = 0; i < a->len && i < b->len; i++) {
		uint8_t x = i < local ? a->data[i] : upper(a->data[i]);
		uint8_t y = i < local ? b->data[i] : upper(b->data[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return a->len == b->len ? 0 : a->len < b->len ? -1 : 1;
}

void lm_recipients_init(struct lm_recipients *r)
{
	*r = (struct lm_recipients){ 0 };
	lm_arena_init(&r->arena, MAX_OCTETS);
}

void lm_recipients_clear(struct lm_recipients *r)
{
	if (r->known)
		g_tree_destroy(r->known);
	lm_free(r->items);
	lm_arena_reset(&r->arena);
	lm_recipients_init(r);
}

static int make_room(struct lm_recipients *r)
{
	size_t cap = r->cap ? 2 * r->cap : 16;
	struct lm_recipient *items;

	if (r->count < r->cap)
		return 0;
	items = lm_realloc(r->items, cap, sizeof(*items));
	if (!items)
		return LM_E_NOMEM;
	r->items = items;
	r->cap = cap;
	return 0;
}

int lm_recipients_add(struct lm_recipients *r, struct lm_bytes address)
{
	struct lm_bytes *key;
	int err;

	if (!r->known)
		r->known = g_tree_new(compare);
	if (g_tree_lookup(r->known, &address))
		return 0;
	err = make_room(r);
	if (err)
		return err;
	if (r->arena.used + address.len + 64 > MAX_OCTETS)
		return LM_E_LIMIT;
	key = lm_arena_alloc(&r->arena, sizeof(*key));
	if (key)
		*key = lm_arena_copy(&r->arena, address);
	if (!key || !key->data)
		return LM_E_NOMEM;
	g_tree_insert(r->known, key, key);
	r->items[r->count++] = (struct lm_recipient){ .address = *key };
	r->with_8bit += lm_mailbox_is_8bit(address);
	return 0;
}
