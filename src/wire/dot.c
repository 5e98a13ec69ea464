/* Dot-stuffing. Inside a line everything is copied in runs; only line ends go octet by octet. */
#include "wire/dot.h"

enum state { LINE_START, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR };

void lm_dot_decoder_init(struct lm_dot_decoder *d)
{
	*d = (struct lm_dot_decoder){ .state = LINE_START };
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
		d->state = crlf ? LINE_START : IN_LINE;
	} else {
		d->state = p[n - 1] == '\r' ? AFTER_CR : IN_LINE;
	}
	return n;
}

size_t lm_dot_decode(struct lm_dot_decoder *d, struct lm_bytes in, uint8_t *out, size_t *out_taken)
{
	size_t at = 0, len = 0;

	while (at < in.len && !d->done) {
		uint8_t c = in.data[at];

		switch (d->state) {
		case LINE_START:
			if (c == '.') {
				d->state = AFTER_DOT;
				at++;
				continue;
			}
			break;
		case AFTER_DOT:
			if (c == '\r') {
				d->state = AFTER_DOT_CR;
				at++;
				continue;
			}
			d->state = IN_LINE;
			break;
		case AFTER_DOT_CR:
			if (c == '\n') {
				d->done = true;
				at++;
				continue;
			}
			out[len++] = '\r';
			d->state = AFTER_CR;
			break;
		default:
			break;
		}
		size_t n = copy_run(d, in.data + at, in.len - at, out + len);

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
