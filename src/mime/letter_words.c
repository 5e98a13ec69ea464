/* Text of header fields: unfolded, guessed, encoded words decoded. */
#include "mime/letter_private.h"

#include "mime/mailbox.h"

#include <gmime/gmime.h>

static struct lm_bytes trimmed(struct lm_bytes b)
{
	while (b.len && b.data[0] <= ' ')
		b = lm_bytes_from(b, 1);
	while (b.len && b.data[b.len - 1] <= ' ')
		b.len--;
	return b;
}

static struct lm_bytes cut(struct lm_bytes b, size_t max)
{
	return b.len > max ? lm_bytes(b.data, max) : b;
}

/* ---- Unfolding ---- */

/* A line end in front of a blank goes, as folding put it there; any other one, and NUL, becomes a
 * space. */
static int add_unfolded(struct lm_bytes body, struct lm_buf *out)
{
	uint8_t *room;
	size_t n = 0;
	int err = lm_buf_room(out, body.len, &room);

	if (err)
		return err;
	for (size_t i = 0; i < body.len; i++) {
		uint8_t c = body.data[i];

		if (c == '\r' || c == '\n') {
			uint8_t next = i + 1 < body.len ? body.data[i + 1] : 0;

			if (next != ' ' && next != '\t' && next != '\n')
				room[n++] = ' ';
		} else {
			room[n++] = c ? c : ' ';
		}
	}
	lm_buf_grew(out, n);
	return 0;
}

int lm_letter_unfold(struct lm_bytes body, struct lm_buf *out)
{
	struct lm_buf raw;
	int err;

	lm_buf_init(&raw, LM_LETTER_VALUE);
	err = add_unfolded(cut(trimmed(body), LM_LETTER_VALUE), &raw);
	if (err == 0)
		err = lm_letter_to_utf8(trimmed(lm_buf_bytes(&raw)), "", out);
	lm_buf_done(&raw);
	return err;
}

/* ---- Encoded words (RFC 2047) ---- */

struct word {
	struct lm_bytes charset, text;
	bool base64;
	size_t len; /* of all of it */
};

/* Words that follow each other in one charset are one text: a character may lie across them. */
struct words {
	struct lm_buf *out;
	struct lm_buf raw;
	char charset[64];
	bool open;
};

static const uint8_t *find(struct lm_bytes b, size_t from, uint8_t c)
{
	return from < b.len ? memchr(b.data + from, c, b.len - from) : NULL;
}

/* "=?" charset "?" B or Q "?" text "?="; blanks in the text are taken as many write them.
 * *hopeless: no end is behind here, to look again would take time. */
static bool read_word(struct lm_bytes b, struct word *out_word, bool *hopeless)
{
	const uint8_t *mark = b.len > 2 && b.data[0] == '=' && b.data[1] == '?' ? find(b, 2, '?')
	                                                                        : NULL;
	const uint8_t *end;
	size_t at;

	if (!mark || mark - b.data > 66 || mark - b.data < 3)
		return false;
	out_word->charset = lm_bytes(b.data + 2, (size_t)(mark - b.data) - 2);
	at = (size_t)(mark - b.data) + 1;
	if (b.len < at + 2 || b.data[at + 1] != '?' || !strchr("BbQq", b.data[at]) || !b.data[at])
		return false;
	out_word->base64 = b.data[at] == 'B' || b.data[at] == 'b';
	at += 2;
	for (end = find(b, at, '?'); end; end = find(b, (size_t)(end - b.data) + 1, '?'))
		if ((end + 1 < b.data + b.len && end[1] == '=') || end[-1] == '=')
			break;
	*hopeless = !end;
	if (!end || end + 1 >= b.data + b.len || end[1] != '=')
		return false;
	out_word->text = lm_bytes(b.data + at, (size_t)(end - b.data) - at);
	out_word->len = (size_t)(end - b.data) + 2;
	return true;
}

static int hex(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	                              : -1;
}

static size_t decode_q(struct lm_bytes text, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c == '=' && i + 2 < text.len && hex(text.data[i + 1]) >= 0 &&
		    hex(text.data[i + 2]) >= 0) {
			c = (uint8_t)(hex(text.data[i + 1]) << 4 | hex(text.data[i + 2]));
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		out[n++] = c;
	}
	return n;
}

static size_t decode_b(struct lm_bytes text, uint8_t *out)
{
	guint32 save = 0;
	int state = 0;
	size_t n = g_mime_encoding_base64_decode_step(text.data, text.len, out, &state, &save);

	return n + g_mime_encoding_base64_decode_step((const unsigned char *)"==", 2, out + n,
	                                              &state, &save);
}

static int close_words(struct words *w)
{
	int err = 0;

	if (w->open)
		err = lm_letter_to_utf8(lm_buf_bytes(&w->raw), w->charset, w->out);
	w->open = false;
	lm_buf_clear(&w->raw);
	return err;
}

static int add_word(struct words *w, const struct word *word)
{
	const uint8_t *star = find(word->charset, 0, '*'); /* RFC 2231: a language */
	struct lm_bytes name = word->charset;
	uint8_t *room;
	int err = 0;

	if (star)
		name.len = (size_t)(star - name.data);
	if (!w->open || !lm_letter_is(name, w->charset)) {
		err = close_words(w);
		memcpy(w->charset, name.data, name.len);
		w->charset[name.len] = 0;
	}
	w->open = true;
	if (err == 0)
		err = lm_buf_room(&w->raw, word->text.len + 4, &room);
	if (err == 0)
		lm_buf_grew(&w->raw,
		            word->base64 ? decode_b(word->text, room) : decode_q(word->text, room));
	return err;
}

/* Where the next word begins, if nothing but blanks is in front of it. */
static size_t blanks(struct lm_bytes b, size_t from)
{
	size_t at = from;

	while (at < b.len && (b.data[at] == ' ' || b.data[at] == '\t'))
		at++;
	return at - from;
}

static int decode_words(struct words *w, struct lm_bytes text)
{
	bool hopeless = false;
	int err = 0;

	while (text.len && err == 0) {
		size_t gap = w->open ? blanks(text, 0) : 0, len;
		const uint8_t *begin = find(text, gap, '=');
		struct word word;

		len = begin ? (size_t)(begin - text.data) : text.len;
		if (begin && !hopeless && read_word(lm_bytes_from(text, len), &word, &hopeless)) {
			if (len > gap || !w->open) {
				err = close_words(w);
				err = err ? err : lm_buf_add(w->out, lm_bytes(text.data, len));
			}
			err = err ? err : add_word(w, &word);
			text = lm_bytes_from(text, len + word.len);
			continue;
		}
		err = close_words(w);
		len += begin != NULL;
		err = err ? err : lm_buf_add(w->out, lm_bytes(text.data, len));
		text = lm_bytes_from(text, len);
	}
	return err ? err : close_words(w);
}

int lm_letter_words(struct lm_bytes text, struct lm_buf *out)
{
	struct words w = { .out = out };
	int err;

	lm_buf_init(&w.raw, LM_LETTER_VALUE + 16);
	err = decode_words(&w, text);
	lm_buf_done(&w.raw);
	return err;
}

int lm_letter_decode_text(struct lm_bytes body, struct lm_buf *out)
{
	struct lm_buf plain;
	size_t from = lm_buf_len(out);
	int err;

	lm_buf_init(&plain, 4 * LM_LETTER_VALUE);
	err = lm_letter_unfold(body, &plain);
	if (err == 0)
		err = lm_letter_words(lm_buf_bytes(&plain), out);
	lm_buf_done(&plain);
	for (size_t i = out->head + from; err == 0 && i < out->len; i++)
		if (out->data[i] == '\0' || out->data[i] == '\r' || out->data[i] == '\n')
			out->data[i] = ' ';
	return err;
}

/* ---- Dates ---- */

bool lm_letter_decode_date(struct lm_bytes body, int64_t *out_ms)
{
	char text[200];
	size_t n = 0;
	GDateTime *date;

	lm_letter_gmime();
	body = trimmed(body);
	for (size_t i = 0; i < body.len && n + 1 < sizeof(text); i++) {
		uint8_t c = body.data[i];

		text[n++] = c < ' ' || c >= 0x7F ? ' ' : (char)c;
	}
	text[n] = 0;
	date = n ? g_mime_utils_header_decode_date(text) : NULL;
	if (!date)
		return false;
	*out_ms = g_date_time_to_unix(date) * 1000;
	g_date_time_unref(date);
	return true;
}

/* ---- Names of files ---- */

static bool is_device(struct lm_bytes name)
{
	static const char *const devices[] = { "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$" };
	const uint8_t *dot = find(name, 0, '.');
	struct lm_bytes stem = trimmed(
	        lm_bytes(name.data, dot ? (size_t)(dot - name.data) : name.len));

	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		if (lm_letter_is(stem, devices[i]))
			return true;
	return stem.len == 4 && stem.data[3] >= '0' && stem.data[3] <= '9' &&
	       (lm_letter_is(lm_bytes(stem.data, 3), "COM") ||
	        lm_letter_is(lm_bytes(stem.data, 3), "LPT"));
}

/* As much as fits, whole characters; of a long name the end is kept, too, for it says the type. */
static int add_short(struct lm_bytes name, struct lm_buf *out)
{
	enum { MAX = 120, TAIL = 20 };
	struct lm_bytes tail = lm_bytes(NULL, 0);
	const uint8_t *dot;
	int err;

	if (name.len <= MAX)
		return lm_buf_add(out, name);
	dot = memrchr(name.data, '.', name.len);
	if (dot && name.len - (size_t)(dot - name.data) <= TAIL)
		tail = lm_bytes_from(name, (size_t)(dot - name.data));
	name.len = MAX - tail.len;
	while (name.len && (name.data[name.len] & 0xC0) == 0x80)
		name.len--;
	err = lm_buf_add(out, name);
	return err ? err : lm_buf_add(out, tail);
}

static bool is_odd(uint8_t c)
{
	return c < ' ' || c == 0x7F || strchr("<>:\"|?*", c) != NULL;
}

int lm_letter_safe_name(const char *name, struct lm_buf *out)
{
	struct lm_bytes b = lm_str(name);
	struct lm_buf plain;
	int err = 0;

	for (size_t i = b.len; i-- > 0;)
		if (b.data[i] == '/' || b.data[i] == '\\') {
			b = lm_bytes_from(b, i + 1);
			break;
		}
	b = trimmed(b);
	while (b.len && (b.data[0] == '.' || b.data[0] <= ' '))
		b = lm_bytes_from(b, 1);
	while (b.len && (b.data[b.len - 1] == '.' || b.data[b.len - 1] <= ' '))
		b.len--;
	lm_buf_init(&plain, LM_LETTER_VALUE);
	if (is_device(b))
		err = lm_buf_add_str(&plain, "_");
	for (size_t i = 0; i < b.len && err == 0; i++)
		err = is_odd(b.data[i]) ? lm_buf_add_str(&plain, "_")
		                        : lm_buf_add(&plain, lm_bytes(b.data + i, 1));
	if (err == 0 && !lm_mailbox_is_utf8(lm_buf_bytes(&plain)))
		lm_buf_clear(&plain);
	if (err == 0)
		err = add_short(lm_buf_bytes(&plain), out);
	lm_buf_done(&plain);
	return err;
}
