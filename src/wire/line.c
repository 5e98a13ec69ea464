/* The line reader: whole lines are handed out of the input itself, only split ones are copied. */
#include "wire/line.h"

void lm_line_reader_init(struct lm_line_reader *r, size_t max)
{
	*r = (struct lm_line_reader){ .dropping = false };
	lm_buf_init(&r->partial, max);
}

void lm_line_reader_done(struct lm_line_reader *r)
{
	lm_buf_done(&r->partial);
}

void lm_line_wipe(struct lm_line_reader *r)
{
	lm_buf_wipe(&r->partial);
}

bool lm_line_pending(const struct lm_line_reader *r)
{
	return r->dropping || lm_buf_len(&r->partial) > 0;
}

static unsigned scan(struct lm_bytes text)
{
	unsigned flags = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c >= 0x80)
			flags |= LM_LINE_8BIT;
		else if (c == '\r' || c == '\n')
			flags |= LM_LINE_BARE;
		else if (c == 0)
			flags |= LM_LINE_NUL;
		else if ((c < 0x20 && c != '\t') || c == 0x7F)
			flags |= LM_LINE_CONTROL;
	}
	return flags;
}

static struct lm_line strip(struct lm_bytes whole)
{
	struct lm_line line = { whole, 0 };
	bool crlf = whole.len > 1 && whole.data[whole.len - 2] == '\r';

	if (crlf)
		line.text.len -= 2;
	else if (whole.len)
		line.text.len--;
	line.flags = scan(line.text) | (crlf ? 0 : LM_LINE_LF);
	return line;
}

/* Offset behind the LF that ends a line beginning in `held` and going on in `in`, or 0. */
static size_t line_end(const struct lm_line_reader *r, struct lm_bytes in)
{
	size_t from = 0;

	while (from < in.len) {
		const uint8_t *lf = memchr(in.data + from, '\n', in.len - from);
		size_t at;
		bool after_cr;

		if (!lf)
			return 0;
		at = (size_t)(lf - in.data);
		if (at > 0)
			after_cr = in.data[at - 1] == '\r';
		else
			after_cr = lm_buf_len(&r->partial) &&
			           r->partial.data[r->partial.len - 1] == '\r';
		if (r->lenient || after_cr)
			return at + 1;
		from = at + 1;
	}
	return 0;
}

/* Keep the beginning of a line that is too long, and in its last place the newest octet, so that a
 * CR before the next piece's LF is seen. */
static int keep_part(struct lm_line_reader *r, struct lm_bytes part)
{
	size_t room = r->partial.max - lm_buf_len(&r->partial);
	int err;

	if (part.len <= room)
		return lm_buf_add(&r->partial, part);
	r->dropping = true;
	err = lm_buf_add(&r->partial, lm_bytes(part.data, room));
	if (!err)
		r->partial.data[r->partial.len - 1] = part.data[part.len - 1];
	return err;
}

int lm_line_read(struct lm_line_reader *r, struct lm_bytes in, size_t *out_taken,
                 struct lm_line *out_line)
{
	size_t end = line_end(r, in);
	struct lm_bytes part = lm_bytes(in.data, end ? end : in.len);
	int err;

	*out_taken = part.len;
	if (r->partial.head == r->partial.len && end && end <= r->partial.max) {
		*out_line = strip(part);
		return 1;
	}
	err = part.len ? keep_part(r, part) : 0;
	if (err || !end)
		return err;
	*out_line = strip(lm_buf_bytes(&r->partial));
	if (r->dropping) {
		out_line->text.len = r->partial.max - 2;
		out_line->flags = (out_line->flags | LM_LINE_TOO_LONG) & ~(unsigned)LM_LINE_LF;
	}
	r->dropping = false;
	lm_buf_clear(&r->partial);
	return 1;
}
