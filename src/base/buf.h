/** @file
 * A growing run of octets with a maximum, consumed at the front: lines, replies, queues.
 */
#ifndef LM_BASE_BUF_H
#define LM_BASE_BUF_H

#include "base/mem.h"

#include <stdarg.h>

/** Live octets are data[head..len). Zeroed with a `max` it is empty and holds no memory. */
struct lm_buf {
	uint8_t *data;
	size_t head, len, cap, max;
};

/** `max`: the most octets it may ever hold at once; reaching it is LM_E_LIMIT. */
static inline void lm_buf_init(struct lm_buf *b, size_t max)
{
	*b = (struct lm_buf){ .max = max };
}

/** Free the memory; the buffer stays usable, empty, with the same maximum. */
void lm_buf_done(struct lm_buf *b);
/** The same, but the octets are overwritten first. */
void lm_buf_wipe(struct lm_buf *b);

static inline size_t lm_buf_len(const struct lm_buf *b)
{
	return b->len - b->head;
}

static inline struct lm_bytes lm_buf_bytes(const struct lm_buf *b)
{
	return b->data ? lm_bytes(b->data + b->head, b->len - b->head) : lm_bytes(NULL, 0);
}

static inline void lm_buf_clear(struct lm_buf *b)
{
	b->head = b->len = 0;
}

/** Make room for n more octets: *out_room is where they go; then lm_buf_grew says how many came.
 *  Errors: LM_E_LIMIT past the maximum, LM_E_NOMEM; the content is unchanged then. */
LM_MUST int lm_buf_room(struct lm_buf *b, size_t n, uint8_t **out_room);
static inline void lm_buf_grew(struct lm_buf *b, size_t n)
{
	LM_ASSERT(n <= b->cap - b->len);
	b->len += n;
}

LM_MUST int lm_buf_add(struct lm_buf *b, struct lm_bytes more);
LM_MUST int lm_buf_add_str(struct lm_buf *b, const char *s);
LM_MUST int lm_buf_printf(struct lm_buf *b, const char *fmt, ...) LM_PRINTF(2, 3);
LM_MUST int lm_buf_vprintf(struct lm_buf *b, const char *fmt, va_list args) LM_PRINTF(2, 0);

/** Drop n octets at the front. */
void lm_buf_drop(struct lm_buf *b, size_t n);

#endif
