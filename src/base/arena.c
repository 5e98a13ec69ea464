/* Arenas: chunks in a list, freed together. */
#include "base/arena.h"

#include <stdalign.h>

enum { CHUNK = 1008 };

struct lm_arena_chunk {
	struct lm_arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t data[];
};

void lm_arena_init(struct lm_arena *a, size_t max)
{
	*a = (struct lm_arena){ .max = max };
}

static struct lm_arena_chunk *chunk_new(size_t size)
{
	size_t cap = size > CHUNK ? size : CHUNK, all;
	struct lm_arena_chunk *c;

	if (!lm_add(cap, sizeof(*c), &all))
		return NULL;
	c = lm_alloc(all);
	if (c)
		*c = (struct lm_arena_chunk){ .cap = cap };
	return c;
}

void *lm_arena_alloc(struct lm_arena *a, size_t size)
{
	size_t align = alignof(max_align_t), rounded, used;
	struct lm_arena_chunk *c = a->chunks;
	void *p;

	if (!lm_add(size, align - 1, &rounded))
		return NULL;
	rounded &= ~(align - 1);
	if (!lm_add(a->used, rounded, &used) || used > a->max)
		return NULL;
	if (!c || rounded > c->cap - c->used) {
		c = chunk_new(rounded);
		if (!c)
			return NULL;
		c->next = a->chunks;
		a->chunks = c;
	}
	p = c->data + c->used;
	c->used += rounded;
	a->used = used;
	return p;
}

struct lm_bytes lm_arena_copy(struct lm_arena *a, struct lm_bytes b)
{
	uint8_t *p = b.len == SIZE_MAX ? NULL : lm_arena_alloc(a, b.len + 1);

	if (!p)
		return lm_bytes(NULL, 0);
	if (b.len)
		memcpy(p, b.data, b.len);
	p[b.len] = 0;
	return lm_bytes(p, b.len);
}

void lm_arena_reset(struct lm_arena *a)
{
	while (a->chunks) {
		struct lm_arena_chunk *c = a->chunks;

		a->chunks = c->next;
		lm_free(c);
	}
	a->used = 0;
}
