/* Messages on their way out: lines get the ends they lack. */
#include "wire/ends.h"

#include "base/buf.h"

enum ends { UNKNOWN, KEPT, CHANGED };

struct line_source {
	struct lm_source head;
	struct lm_source *inner;
	enum ends ends;
	bool after_cr, inner_ended;
	struct lm_buf out; /* what was changed and not yet given */
};

enum { PIECE = 32 * 1024 };

/* The first line's end says what the others are. */
static enum ends look(struct line_source *s, struct lm_bytes chunk)
{
	const uint8_t *lf = chunk.len ? memchr(chunk.data, '\n', chunk.len) : NULL;
	bool crlf;

	if (!lf)
		return UNKNOWN;
	crlf = lf > chunk.data ? lf[-1] == '\r' : s->after_cr;
	return crlf ? KEPT : CHANGED;
}

static int change(struct line_source *s, struct lm_bytes chunk)
{
	uint8_t *room;
	size_t n = 0;
	int err = lm_buf_room(&s->out, chunk.len * 2, &room);

	if (err)
		return err;
	for (size_t i = 0; i < chunk.len; i++) {
		bool cr = i ? chunk.data[i - 1] == '\r' : s->after_cr;

		if (chunk.data[i] == '\n' && !cr)
			room[n++] = '\r';
		room[n++] = chunk.data[i];
	}
	lm_buf_grew(&s->out, n);
	return 0;
}

static void give(struct line_source *s, size_t max, struct lm_bytes *out_chunk, bool *out_last)
{
	struct lm_bytes rest = lm_buf_bytes(&s->out);
	size_t n = rest.len < max ? rest.len : max;

	*out_chunk = lm_bytes(rest.data, n);
	lm_buf_drop(&s->out, n);
	*out_last = s->inner_ended && n == rest.len;
}

static int line_read(struct lm_source *head, size_t max, struct lm_bytes *out_chunk, bool *out_last)
{
	struct line_source *s = lm_container(head, struct line_source, head);
	struct lm_bytes chunk;
	int err;

	if (lm_buf_len(&s->out) || s->inner_ended) {
		give(s, max, out_chunk, out_last);
		return 0;
	}
	lm_buf_clear(&s->out);
	err = s->inner->ops->read(s->inner, s->ends == KEPT || max < PIECE ? max : PIECE, &chunk,
	                          &s->inner_ended);
	if (err)
		return err;
	if (s->ends == UNKNOWN)
		s->ends = look(s, chunk);
	if (s->ends == CHANGED) {
		err = change(s, chunk);
		give(s, max, out_chunk, out_last);
	} else {
		*out_chunk = chunk;
		*out_last = s->inner_ended;
	}
	if (chunk.len)
		s->after_cr = chunk.data[chunk.len - 1] == '\r';
	return err;
}

static void inner_ready(void *ctx)
{
	struct line_source *s = ctx;

	s->head.ready(s->head.ready_ctx);
}

static void line_close(struct lm_source *head)
{
	struct line_source *s = lm_container(head, struct line_source, head);

	s->inner->ops->close(s->inner);
	lm_buf_done(&s->out);
	lm_free(s);
}

int lm_source_lines(struct lm_source *inner, struct lm_source **out_source)
{
	static const struct lm_source_ops ops = { .read = line_read, .close = line_close };
	struct line_source *s = lm_alloc_zero(1, sizeof(*s));

	if (!s) {
		inner->ops->close(inner);
		return LM_E_NOMEM;
	}
	s->head.ops = &ops;
	s->inner = inner;
	inner->ready = inner_ready;
	inner->ready_ctx = s;
	/* A source may give more at a time than it was asked for. */
	lm_buf_init(&s->out, SIZE_MAX / 4);
	*out_source = &s->head;
	return 0;
}
