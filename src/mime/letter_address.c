/* Lists of addresses as mail clients read them: nothing is an error. */
#include "mime/letter_private.h"

enum where { TEXT, QUOTE, COMMENT, ANGLE, LITERAL };

/* One item of a list; `raw` is as it stands, `text` without quotes. */
struct item {
	lm_letter_address_fn each;
	void *ctx;
	enum where where, outer; /* outer: what a quote stands in */
	unsigned depth;          /* of comments */
	bool escaped, closed;    /* closed: the brackets were there */
	struct lm_buf raw, text, comment, angle, name;
};

static struct lm_bytes trimmed(struct lm_bytes b)
{
	while (b.len && b.data[0] <= ' ')
		b = lm_bytes_from(b, 1);
	while (b.len && b.data[b.len - 1] <= ' ')
		b.len--;
	return b;
}

static int put(struct lm_buf *b, uint8_t c)
{
	return lm_buf_add(b, lm_bytes(&c, 1));
}

/* A route in front of the address (RFC 5322 4.4) goes. */
static struct lm_bytes without_route(struct lm_bytes b)
{
	const uint8_t *colon = b.len && b.data[0] == '@' ? memchr(b.data, ':', b.len) : NULL;

	return colon ? lm_bytes_from(b, (size_t)(colon - b.data) + 1) : b;
}

static size_t last_blank(struct lm_bytes b)
{
	for (size_t i = b.len; i-- > 0;)
		if (b.data[i] == ' ' || b.data[i] == '\t')
			return i;
	return SIZE_MAX;
}

/* "Joe joe@x.org" and the like: what has an @ is the address. */
static int give_bare(struct item *it)
{
	struct lm_bytes raw = trimmed(lm_buf_bytes(&it->raw)), name = lm_bytes(NULL, 0);
	size_t blank = last_blank(raw);
	bool quoted = raw.len && raw.data[0] == '"';
	int err;

	if (blank != SIZE_MAX && !quoted) {
		struct lm_bytes tail = lm_bytes_from(raw, blank + 1);
		bool address = tail.len && memchr(tail.data, '@', tail.len);

		name = address ? lm_bytes(raw.data, blank) : lm_buf_bytes(&it->text);
		raw = address ? tail : lm_bytes(NULL, 0);
	} else if (quoted && !memchr(raw.data, '@', raw.len)) {
		name = lm_buf_bytes(&it->text);
		raw = lm_bytes(NULL, 0);
	}
	name = trimmed(name);
	if (name.len == 0)
		name = trimmed(lm_buf_bytes(&it->comment));
	err = lm_letter_words(name, &it->name);
	return err ? err : it->each(it->ctx, trimmed(lm_buf_bytes(&it->name)), raw);
}

static int give_angle(struct item *it)
{
	struct lm_bytes name = trimmed(lm_buf_bytes(&it->text));
	int err;

	if (name.len == 0)
		name = trimmed(lm_buf_bytes(&it->comment));
	err = lm_letter_words(name, &it->name);
	return err ? err
	           : it->each(it->ctx, trimmed(lm_buf_bytes(&it->name)),
	                      without_route(trimmed(lm_buf_bytes(&it->angle))));
}

static void clear(struct item *it)
{
	lm_buf_clear(&it->raw);
	lm_buf_clear(&it->text);
	lm_buf_clear(&it->comment);
	lm_buf_clear(&it->angle);
	lm_buf_clear(&it->name);
	it->closed = false;
}

static int end_item(struct item *it)
{
	bool something = trimmed(lm_buf_bytes(&it->raw)).len || lm_buf_len(&it->comment);
	int err = it->closed || it->where == ANGLE ? give_angle(it) : something ? give_bare(it) : 0;

	clear(it);
	return err;
}

static int quoted_octet(struct item *it, uint8_t c)
{
	struct lm_buf *plain = it->outer == ANGLE ? &it->angle : &it->text;
	bool ends = c == '"' && !it->escaped, escape = c == '\\' && !it->escaped;
	int err = it->outer == ANGLE ? 0 : put(&it->raw, c);

	it->escaped = escape;
	if (ends)
		it->where = it->outer;
	if (err || ((ends || escape) && it->outer != ANGLE))
		return err;
	return put(plain, c);
}

static int comment_octet(struct item *it, uint8_t c)
{
	bool plain = it->escaped;

	it->escaped = c == '\\' && !plain;
	if (it->escaped)
		return 0;
	if (c == '(' && !plain)
		it->depth++;
	if (c == ')' && !plain && --it->depth == 0) {
		it->where = it->outer;
		return 0;
	}
	return put(&it->comment, c);
}

static int angle_octet(struct item *it, uint8_t c)
{
	if (c == '>') {
		it->where = TEXT;
		it->closed = true;
		return 0;
	}
	return c == ' ' || c == '\t' ? 0 : put(&it->angle, c);
}

static int plain_octet(struct item *it, uint8_t c)
{
	int err;

	if (c == ',' || c == ';')
		return end_item(it);
	if (c == ':' && !it->closed) { /* what was there is the name of a group */
		clear(it);
		return 0;
	}
	if (c == '<') {
		lm_buf_clear(&it->angle);
		it->where = ANGLE;
		return 0;
	}
	if (c == '[')
		it->where = LITERAL;
	if (it->closed)
		return 0;
	err = put(&it->raw, c);
	return err ? err : put(&it->text, c);
}

static int octet(struct item *it, uint8_t c)
{
	int err;

	if (it->where == QUOTE)
		return quoted_octet(it, c);
	if (it->where == COMMENT)
		return comment_octet(it, c);
	if (it->where == LITERAL) {
		it->where = c == ']' ? TEXT : LITERAL;
		err = put(&it->raw, c);
		return err ? err : put(&it->text, c);
	}
	if (c == '"' || c == '(') {
		it->outer = it->where;
		it->where = c == '"' ? QUOTE : COMMENT;
		it->depth = 1;
		if (c == '(')
			return 0;
		return put(it->outer == ANGLE ? &it->angle : &it->raw, c);
	}
	return it->where == ANGLE ? angle_octet(it, c) : plain_octet(it, c);
}

int lm_letter_decode_addresses(struct lm_bytes body, lm_letter_address_fn each, void *ctx)
{
	struct item it = { .each = each, .ctx = ctx };
	struct lm_buf *bufs[] = { &it.raw, &it.text, &it.comment, &it.angle };
	struct lm_buf value;
	struct lm_bytes b;
	int err;

	lm_buf_init(&value, 4 * LM_LETTER_VALUE);
	for (size_t i = 0; i < sizeof(bufs) / sizeof(*bufs); i++)
		lm_buf_init(bufs[i], 4 * LM_LETTER_VALUE);
	lm_buf_init(&it.name, 16 * LM_LETTER_VALUE);
	err = lm_letter_unfold(body, &value);
	b = lm_buf_bytes(&value);
	for (size_t i = 0; i < b.len && err == 0; i++)
		err = octet(&it, b.data[i]);
	if (err == 0)
		err = end_item(&it);
	for (size_t i = 0; i < sizeof(bufs) / sizeof(*bufs); i++)
		lm_buf_done(bufs[i]);
	lm_buf_done(&it.name);
	lm_buf_done(&value);
	return err;
}
