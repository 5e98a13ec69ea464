/** @file
 * Memory that dies together: what a transaction allocates, freed in one call.
 */
#ifndef LM_BASE_ARENA_H
#define LM_BASE_ARENA_H

#include "base/mem.h"

struct lm_arena_chunk;

/** Zeroed with a `max` it is empty and holds no memory. */
struct lm_arena {
	struct lm_arena_chunk *chunks;
	size_t used, max;
};

/** `max`: most octets it may give out until the next reset. */
void lm_arena_init(struct lm_arena *a, size_t max);
/** Aligned for any object; NULL past the maximum or out of memory. Lives until lm_arena_reset. */
LM_MUST void *lm_arena_alloc(struct lm_arena *a, size_t size);
/** A copy of octets, with a NUL behind it; empty with data == NULL when there is no room. */
LM_MUST struct lm_bytes lm_arena_copy(struct lm_arena *a, struct lm_bytes b);
/** Free everything; the arena stays usable. */
void lm_arena_reset(struct lm_arena *a);

#endif
