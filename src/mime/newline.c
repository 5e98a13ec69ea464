/* Line ends: a search for LF and CR a line, no octet is looked at by hand. */
#include "mime/newline.h"

#include "base/error.h"

#include <inttypes.h>

static int bare(const struct lm_newline *n, const char *what, struct lm_error *out_error)
{
	return lm_fail(out_error, LM_E_SYNTAX,
	               "line %" PRIu64 " holds a %s; lines end with CRLF or LF", n->lines + 1,
	               what);
}

static int give_text(struct lm_newline *n, struct lm_bytes text)
{
	int err = 0;

	if (text.len == 0)
		return 0;
	if (n->dot_ends && !n->inside && text.data[0] == '.') {
		n->dot = n->inside = true;
		text = lm_bytes_from(text, 1);
		if (text.len == 0)
			return 0;
	}
	n->inside = true;
	if (n->dot)
		err = n->take(n->ctx, lm_str("."), false);
	n->dot = false;
	return err ? err : n->take(n->ctx, text, false);
}

static int give_end(struct lm_newline *n)
{
	n->ended = n->dot;
	n->dot = n->cr = n->inside = false;
	n->lines++;
	return n->ended ? 0 : n->take(n->ctx, lm_str("\r\n"), true);
}

/* Octets up to a CR or LF; *out_taken counts them with it. */
static int step(struct lm_newline *n, struct lm_bytes in, size_t *out_taken,
                struct lm_error *out_error)
{
	const uint8_t *lf = memchr(in.data, '\n', in.len), *cr;
	struct lm_bytes text = lm_bytes(in.data, lf ? (size_t)(lf - in.data) : in.len);
	int err;

	if (n->cr) {
		*out_taken = 1;
		return lf == in.data ? give_end(n) : bare(n, "CR without LF", out_error);
	}
	cr = memchr(text.data, '\r', text.len);
	if (cr)
		text.len = (size_t)(cr - text.data);
	*out_taken = text.len + (cr || lf);
	err = give_text(n, text);
	if (err)
		return err;
	if (cr) {
		n->cr = true;
		return 0;
	}
	if (lf && n->strict)
		return bare(n, "LF without CR", out_error);
	return lf ? give_end(n) : 0;
}

static int step_as_is(struct lm_newline *n, struct lm_bytes in, size_t *out_taken)
{
	const uint8_t *lf = memchr(in.data, '\n', in.len);

	*out_taken = lf ? (size_t)(lf - in.data) + 1 : in.len;
	n->lines += lf != NULL;
	return n->take(n->ctx, lm_bytes(in.data, *out_taken), lf != NULL);
}

int lm_newline_feed(struct lm_newline *n, struct lm_bytes in, struct lm_error *out_error)
{
	while (in.len && !n->ended) {
		size_t taken = 0;
		int err = n->as_is ? step_as_is(n, in, &taken) : step(n, in, &taken, out_error);

		if (err)
			return err;
		in = lm_bytes_from(in, taken);
	}
	return 0;
}

int lm_newline_end(struct lm_newline *n, struct lm_error *out_error)
{
	if (n->as_is || n->ended)
		return 0;
	if (n->cr)
		return bare(n, "CR without LF", out_error);
	return n->inside ? give_end(n) : 0;
}
