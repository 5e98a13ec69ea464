/* Dot-stuffing. Inside a line everything is copied in runs; only line ends go octet by octet. */
#include "wire/dot.h"

/* LF_START and LF_DOT: behind a bare LF, of a lenient decoder only. */
enum state { LINE_START, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR, LF_START, LF_DOT };

void lm_dot_decoder_init(struct lm_dot_decoder *d)
{
	*d = (struct lm_dot_decoder){ .state = LINE_START };
}

void lm_dot_decoder_go_on(struct lm_dot_decoder *d)
{
	d->done = d->ended_by_lf = false;
	d->state = LINE_START;
}

static int state_behind_lf(const struct lm_dot_decoder *d, bool crlf)
{
	if (crlf || d->lf_lines)
		return LINE_START;
	return d->lenient ? LF_START : IN_LINE;
}

/* Copy up to and including the next LF (or all), and say how the run leaves the line. */
static size_t copy_run(struct lm_dot_decoder *d, const uint8_t *p, size_t left, uint8_t *out)
{
	const uint8_t *lf = memchr(p, '\n', left);
	size_t n = lf ? (size_t)(lf - p) + 1 : left;
	size_t body = lf ? n - 1 : n; /* without the LF */
	const uint8_t *cr;

	memcpy(out, p, n);
	if (d->state == AFTER_CR && body > 0)
		d->has_bare = true;
	cr = body ? memchr(p, '\r', body) : NULL;
	if (cr && cr != p + body - 1)
		d->has_bare = true;
	if (lf) {
		bool crlf = body ? p[body - 1] == '\r' : d->state == AFTER_CR;

		d->has_bare |= !crlf;
		d->state = state_behind_lf(d, crlf);
	} else {
		d->state = p[n - 1] == '\r' ? AFTER_CR : IN_LINE;
	}
	return n;
}

/* The dot a line begins with, now that `next` stands behind it: whether it stays. */
static bool stays(const struct lm_dot_decoder *d, bool *keeps, uint8_t next)
{
	if (!d->lenient)
		return false;
	if (next != '.')
		*keeps = true;
	return *keeps;
}

/* An octet at a place where dots count: true when it is dealt with. What was held back and belongs
 * to the message after all goes to `out`. */
static bool dot_step(struct lm_dot_decoder *d, uint8_t c, uint8_t *out, size_t *len)
{
	switch (d->state) {
	case LINE_START:
	case LF_START:
		if (c != '.')
			return false;
		d->state = d->state == LINE_START ? AFTER_DOT : LF_DOT;
		return true;
	case AFTER_DOT:
		if (c == '\r') {
			d->state = AFTER_DOT_CR;
			return true;
		}
		d->done = d->ended_by_lf = c == '\n' && d->lf_lines;
		if (!d->done && stays(d, &d->keeps, c))
			out[(*len)++] = '.';
		d->state = IN_LINE;
		return d->done;
	case LF_DOT:
		if (stays(d, &d->keeps_behind_lf, c))
			out[(*len)++] = '.';
		d->state = IN_LINE;
		return false;
	case AFTER_DOT_CR:
		if (c == '\n')
			return d->done = true;
		if (stays(d, &d->keeps, '\r'))
			out[(*len)++] = '.';
		out[(*len)++] = '\r';
		d->state = AFTER_CR;
		return false;
	default:
		return false;
	}
}

size_t lm_dot_decode(struct lm_dot_decoder *d, struct lm_bytes in, uint8_t *out, size_t *out_taken)
{
	size_t at = 0, len = 0;

	while (at < in.len && !d->done) {
		size_t n;

		if (dot_step(d, in.data[at], out, &len)) {
			at++;
			continue;
		}
		n = copy_run(d, in.data + at, in.len - at, out + len);
		at += n;
		len += n;
	}
	if (!d->has_nul && len && memchr(out, 0, len))
		d->has_nul = true;
	*out_taken = at;
	return len;
}

void lm_dot_encoder_init(struct lm_dot_encoder *e)
{
	*e = (struct lm_dot_encoder){ .at_start = true, .ends_line = true };
}

/* Dots to double in `in`. */
static size_t count_dots(const struct lm_dot_encoder *e, struct lm_bytes in)
{
	size_t n = e->at_start && in.len && in.data[0] == '.';
	const uint8_t *p = in.data, *end = in.data + in.len;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		n += p < end && *p == '.';
	}
	return n;
}

static size_t copy_stuffed(struct lm_dot_encoder *e, struct lm_bytes in, uint8_t *room)
{
	const uint8_t *p = in.data, *end = in.data + in.len;
	uint8_t *out = room;

	while (p < end) {
		const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((lf ? lf + 1 : end) - p);

		if (e->at_start && *p == '.')
			*out++ = '.';
		memcpy(out, p, n);
		out += n;
		p += n;
		e->at_start = lf != NULL;
	}
	return (size_t)(out - room);
}

int lm_dot_encode(struct lm_dot_encoder *e, struct lm_bytes in, struct lm_buf *out)
{
	size_t dots, need;
	uint8_t *room;
	int err;

	if (!in.len)
		return 0;
	dots = count_dots(e, in);
	if (!lm_add(dots, in.len, &need))
		return LM_E_LIMIT;
	err = lm_buf_room(out, need, &room);
	if (err)
		return err;
	e->ends_line = in.data[in.len - 1] == '\n' &&
	               (in.len > 1 ? in.data[in.len - 2] == '\r' : e->after_cr);
	e->after_cr = in.data[in.len - 1] == '\r';
	if (dots == 0) {
		memcpy(room, in.data, in.len);
		e->at_start = in.data[in.len - 1] == '\n';
		lm_buf_grew(out, in.len);
		return 0;
	}
	lm_buf_grew(out, copy_stuffed(e, in, room));
	return 0;
}

int lm_dot_encode_end(struct lm_dot_encoder *e, struct lm_buf *out)
{
	int err = lm_buf_add_str(out, e->ends_line ? ".\r\n" : "\r\n.\r\n");

	if (!err)
		lm_dot_encoder_init(e);
	return err;
}
