/* Contents as they are written: 7bit, quoted-printable, base64, and which of them fits. */
#include "mime/letter_compose.h"

#include <glib.h>

enum { LONGEST_LINE = 998, SOFT = 75, BASE64_LINE = 57, AHEAD = 6, FLUSH = 8192 };

/* ---- Which ---- */

static void look_at_end(struct lm_compose_look *l)
{
	l->dot_line |= l->dot && l->line == 1;
	l->line = 0;
	l->dot = false;
}

void lm_compose_look(struct lm_compose_look *look, struct lm_bytes octets)
{
	for (size_t i = 0; i < octets.len; i++) {
		uint8_t c = octets.data[i];

		look->bare_cr |= look->last == '\r' && c != '\n';
		if (c == '\n') {
			look->bare_lf |= look->last != '\r';
			look_at_end(look);
		} else if (c != '\r') {
			look->dot |= c == '.' && look->line == 0;
			look->long_line |= ++look->line > LONGEST_LINE;
			look->nul |= c == 0;
			look->eight_bit |= c >= 0x80;
			look->high += c >= 0x7F || c == '=' || (c < ' ' && c != '\t');
		}
		look->last = c;
	}
	look->octets += octets.len;
}

enum lm_transfer lm_compose_choose(const struct lm_compose_look *look, int asked)
{
	bool lines = !look->nul && !look->bare_cr && !look->bare_lf && !look->long_line &&
	             look->last != '\r';
	bool dot = look->dot_line || (look->dot && look->line == 1);

	if (asked == LM_TRANSFER_QP || asked == LM_TRANSFER_BASE64)
		return (enum lm_transfer)asked;
	if (lines && (asked == LM_TRANSFER_8BIT || asked == LM_TRANSFER_BINARY))
		return (enum lm_transfer)asked;
	if (lines && !look->eight_bit && (asked == LM_TRANSFER_7BIT || !dot))
		return LM_TRANSFER_7BIT;
	return look->high * 6 <= look->octets ? LM_TRANSFER_QP : LM_TRANSFER_BASE64;
}

/* ---- How ---- */

void lm_compose_begin(struct lm_compose_encoder *e, enum lm_transfer transfer, const char *eol,
                      lm_compose_sink sink, void *ctx)
{
	*e = (struct lm_compose_encoder){
		.transfer = transfer, .eol = eol, .sink = sink, .ctx = ctx, .at_start = true
	};
	lm_buf_init(&e->line, 4 * FLUSH);
}

static int flush(struct lm_compose_encoder *e, size_t at_least)
{
	int err = 0;

	if (lm_buf_len(&e->line) >= at_least && lm_buf_len(&e->line))
		err = e->sink(e->ctx, lm_buf_bytes(&e->line));
	if (lm_buf_len(&e->line) >= at_least)
		lm_buf_clear(&e->line);
	return err;
}

static int put(struct lm_compose_encoder *e, struct lm_bytes octets)
{
	int err = lm_buf_add(&e->line, octets);

	return err ? err : flush(e, FLUSH);
}

static int put_eol(struct lm_compose_encoder *e)
{
	e->column = 0;
	e->at_start = true;
	return put(e, lm_str(e->eol));
}

static int put_base64_line(struct lm_compose_encoder *e)
{
	char text[96];
	gint state = 0, save = 0;
	size_t n = g_base64_encode_step(e->held, e->held_len, FALSE, text, &state, &save);
	int err;

	n += g_base64_encode_close(FALSE, text + n, &state, &save);
	e->held_len = 0;
	err = put(e, lm_bytes(text, n));
	return err ? err : put_eol(e);
}

static int feed_base64(struct lm_compose_encoder *e, struct lm_bytes in)
{
	int err = 0;

	while (in.len && err == 0) {
		size_t n = BASE64_LINE - e->held_len;

		n = n < in.len ? n : in.len;
		memcpy(e->held + e->held_len, in.data, n);
		e->held_len += n;
		in = lm_bytes_from(in, n);
		if (e->held_len == BASE64_LINE)
			err = put_base64_line(e);
	}
	return err;
}

/* At the start of a line some octets mean something to someone. */
static bool is_marked(const uint8_t *at, size_t len)
{
	return at[0] == '.' || (len > 1 && at[0] == '-' && at[1] == '-') ||
	       (len >= 5 && memcmp(at, "From ", 5) == 0);
}

static bool is_literal(const uint8_t *at, size_t len)
{
	if (at[0] == ' ' || at[0] == '\t')
		return len > 1 && !(len > 2 && at[1] == '\r' && at[2] == '\n');
	return at[0] > ' ' && at[0] < 0x7F && at[0] != '=';
}

/* One octet, with those behind it in sight; *out_taken: a line end is two. */
static int put_quoted(struct lm_compose_encoder *e, const uint8_t *at, size_t len,
                      size_t *out_taken)
{
	bool literal = is_literal(at, len);
	char text[4];
	int err = 0;

	*out_taken = 1;
	if (len > 1 && at[0] == '\r' && at[1] == '\n') {
		*out_taken = 2;
		return put_eol(e);
	}
	if (e->column + (literal ? 1 : 3) > SOFT) {
		err = put(e, lm_str("="));
		if (err == 0)
			err = put_eol(e);
	}
	literal = literal && !(e->at_start && is_marked(at, len));
	e->column += literal ? 1 : 3;
	e->at_start = false;
	if (err)
		return err;
	if (literal)
		return put(e, lm_bytes(at, 1));
	g_snprintf(text, sizeof(text), "=%02X", at[0]);
	return put(e, lm_str(text));
}

static int drain_quoted(struct lm_compose_encoder *e, size_t keep)
{
	size_t at = 0, taken;
	int err = 0;

	while (e->held_len - at > keep && err == 0) {
		err = put_quoted(e, e->held + at, e->held_len - at, &taken);
		at += taken;
	}
	e->held_len -= at;
	memmove(e->held, e->held + at, e->held_len);
	return err;
}

static int feed_quoted(struct lm_compose_encoder *e, struct lm_bytes in)
{
	int err = 0;

	while (in.len && err == 0) {
		size_t n = sizeof(e->held) - e->held_len;

		n = n < in.len ? n : in.len;
		memcpy(e->held + e->held_len, in.data, n);
		e->held_len += n;
		in = lm_bytes_from(in, n);
		err = drain_quoted(e, AHEAD);
	}
	return err;
}

/* Lines as they are, with the line end that is wanted. */
static int feed_lines(struct lm_compose_encoder *e, struct lm_bytes in)
{
	int err = 0;

	while (in.len && err == 0) {
		const uint8_t *lf = memchr(in.data, '\n', in.len);
		struct lm_bytes text = lm_bytes(in.data, lf ? (size_t)(lf - in.data) : in.len);
		bool held_cr = e->held_len > 0;

		in = lm_bytes_from(in, text.len + (lf != NULL));
		e->held_len = 0;
		if (held_cr && !(lf && text.len == 0))
			err = put(e, lm_str("\r"));
		if (text.len && text.data[text.len - 1] == '\r') {
			text.len--;
			e->held_len = !lf;
		}
		if (text.len)
			e->at_start = false;
		while (text.len && err == 0) {
			size_t n = text.len < FLUSH ? text.len : FLUSH;

			err = put(e, lm_bytes(text.data, n));
			text = lm_bytes_from(text, n);
		}
		if (lf && err == 0)
			err = put_eol(e);
	}
	return err;
}

int lm_compose_feed(struct lm_compose_encoder *e, struct lm_bytes octets)
{
	return e->transfer == LM_TRANSFER_BASE64 ? feed_base64(e, octets)
	       : e->transfer == LM_TRANSFER_QP   ? feed_quoted(e, octets)
	                                         : feed_lines(e, octets);
}

int lm_compose_end(struct lm_compose_encoder *e)
{
	int err = 0;

	if (e->transfer == LM_TRANSFER_BASE64)
		err = e->held_len ? put_base64_line(e) : 0;
	else if (e->transfer == LM_TRANSFER_QP)
		err = drain_quoted(e, 0);
	else if (e->held_len)
		err = put(e, lm_str("\r"));
	if (err == 0)
		err = flush(e, 0);
	lm_buf_done(&e->line);
	return err;
}
