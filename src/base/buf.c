/* Growing buffers with a maximum. */
#include "base/buf.h"

#include <stdio.h>

enum { FIRST_CAPACITY = 128 };

void lm_buf_done(struct lm_buf *b)
{
	lm_free(b->data);
	*b = (struct lm_buf){ .max = b->max };
}

void lm_buf_wipe(struct lm_buf *b)
{
	if (b->data)
		lm_wipe(b->data, b->cap);
	lm_buf_done(b);
}

static void compact(struct lm_buf *b)
{
	size_t live = b->len - b->head;

	if (live)
		memmove(b->data, b->data + b->head, live);
	b->head = 0;
	b->len = live;
}

static int grow(struct lm_buf *b, size_t needed)
{
	size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
	uint8_t *data;

	while (cap < needed)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	data = lm_realloc(b->data, cap, 1);
	if (!data)
		return LM_E_NOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int lm_buf_room(struct lm_buf *b, size_t n, uint8_t **out_room)
{
	size_t live = b->len - b->head, needed;

	if (!lm_add(live, n, &needed) || needed > b->max)
		return LM_E_LIMIT;
	if (n > b->cap - b->len && b->head)
		compact(b);
	if (n > b->cap - b->len) {
		int err = grow(b, needed);

		if (err)
			return err;
	}
	*out_room = b->data ? b->data + b->len : NULL;
	return 0;
}

int lm_buf_add(struct lm_buf *b, struct lm_bytes more)
{
	uint8_t *room;
	int err;

	if (!more.len)
		return 0;
	err = lm_buf_room(b, more.len, &room);
	if (err)
		return err;
	LM_ASSERT(room);
	memcpy(room, more.data, more.len);
	b->len += more.len;
	return 0;
}

int lm_buf_add_str(struct lm_buf *b, const char *s)
{
	return lm_buf_add(b, lm_str(s));
}

int lm_buf_vprintf(struct lm_buf *b, const char *fmt, va_list args)
{
	va_list again;
	uint8_t *room;
	int n, err;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return LM_E_MISUSE;
	err = lm_buf_room(b, (size_t)n + 1, &room);
	if (err)
		return err;
	vsnprintf((char *)room, (size_t)n + 1, fmt, args);
	b->len += (size_t)n;
	return 0;
}

int lm_buf_printf(struct lm_buf *b, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = lm_buf_vprintf(b, fmt, args);
	va_end(args);
	return err;
}

void lm_buf_drop(struct lm_buf *b, size_t n)
{
	LM_ASSERT(n <= b->len - b->head);
	b->head += n;
	if (b->head == b->len)
		b->head = b->len = 0;
}
