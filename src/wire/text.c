/* Scanners for command lines. */
#include "wire/text.h"

bool lm_equal_nocase(struct lm_bytes a, struct lm_bytes b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lm_upper(a.data[i]) != lm_upper(b.data[i]))
			return false;
	return true;
}

bool lm_starts_nocase(struct lm_bytes text, const char *prefix)
{
	struct lm_bytes p = lm_str(prefix);

	return text.len >= p.len && lm_equal_nocase(lm_bytes(text.data, p.len), p);
}

struct lm_bytes lm_next_word(struct lm_bytes *rest)
{
	const uint8_t *space = rest->len ? memchr(rest->data, ' ', rest->len) : NULL;
	struct lm_bytes word = *rest;

	if (!space) {
		*rest = lm_bytes(NULL, 0);
		return word;
	}
	word.len = (size_t)(space - rest->data);
	*rest = lm_bytes_from(*rest, word.len + 1);
	return word;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct lm_bytes lm_trim(struct lm_bytes b)
{
	while (b.len && is_blank(b.data[0]))
		b = lm_bytes(b.data + 1, b.len - 1);
	while (b.len && is_blank(b.data[b.len - 1]))
		b.len--;
	return b;
}

bool lm_parse_number(struct lm_bytes b, uint64_t max, uint64_t *out_number)
{
	uint64_t n = 0;

	if (!b.len)
		return false;
	for (size_t i = 0; i < b.len; i++) {
		if (b.data[i] < '0' || b.data[i] > '9' || !lm_mul(n, 10, &n) ||
		    !lm_add(n, (uint64_t)(b.data[i] - '0'), &n))
			return false;
	}
	if (n > max)
		return false;
	*out_number = n;
	return true;
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int lm_base64_decode(struct lm_bytes in, struct lm_buf *out)
{
	size_t pad = 0;
	uint8_t *room;
	int err;

	if (in.len % 4)
		return LM_E_SYNTAX;
	while (pad < 2 && pad < in.len && in.data[in.len - 1 - pad] == '=')
		pad++;
	err = lm_buf_room(out, in.len / 4 * 3, &room);
	if (err || !in.len)
		return err;
	for (size_t i = 0; i < in.len; i += 4, room += 3) {
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int digit = i + k >= in.len - pad ? 0 : base64_digit(in.data[i + k]);

			if (digit < 0)
				return LM_E_SYNTAX;
			v = v << 6 | (uint32_t)digit;
		}
		if (i + 4 == in.len && (v & ((1u << (8 * pad)) - 1)))
			return LM_E_SYNTAX;
		room[0] = (uint8_t)(v >> 16);
		room[1] = (uint8_t)(v >> 8);
		room[2] = (uint8_t)v;
	}
	lm_buf_grew(out, in.len / 4 * 3 - pad);
	return 0;
}

int lm_base64_encode(struct lm_bytes in, struct lm_buf *out)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len;
	uint8_t *room;
	int err;

	if (!lm_add(in.len, 2, &len) || !lm_mul(len / 3, 4, &len))
		return LM_E_LIMIT;
	err = lm_buf_room(out, len, &room);
	if (err)
		return err;
	for (size_t i = 0; i < in.len; i += 3, room += 4) {
		size_t n = in.len - i < 3 ? in.len - i : 3;
		uint32_t v = (uint32_t)in.data[i] << 16 |
		             (n > 1 ? (uint32_t)in.data[i + 1] << 8 : 0) |
		             (n > 2 ? in.data[i + 2] : 0);

		room[0] = (uint8_t)digits[v >> 18];
		room[1] = (uint8_t)digits[v >> 12 & 63];
		room[2] = n > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
		room[3] = n > 2 ? (uint8_t)digits[v & 63] : '=';
	}
	lm_buf_grew(out, len);
	return 0;
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int lm_xtext_decode(struct lm_bytes in, struct lm_buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		int err;

		if (c < 0x21 || c > 0x7E || c == '=')
			return LM_E_SYNTAX;
		if (c == '+') {
			int hi = i + 1 < in.len ? hex_digit(in.data[i + 1]) : -1;
			int lo = i + 2 < in.len ? hex_digit(in.data[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return LM_E_SYNTAX;
			c = (uint8_t)(hi << 4 | lo);
			i += 2;
		}
		err = lm_buf_add(out, lm_bytes(&c, 1));
		if (err)
			return err;
	}
	return 0;
}

/* Length of the sequence that starts at p, or 0 where it is not well formed (Unicode table 3-7). */
static size_t sequence(const uint8_t *p, size_t left)
{
	uint8_t low = 0x80, high = 0xBF;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
	    : (p[0] & 0xF0) == 0xE0        ? 3
	    : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
	                                   : 0;
	if (n == 0 || n > left)
		return 0;
	if (p[0] == 0xE0)
		low = 0xA0;
	else if (p[0] == 0xED)
		high = 0x9F;
	else if (p[0] == 0xF0)
		low = 0x90;
	else if (p[0] == 0xF4)
		high = 0x8F;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

bool lm_is_utf8(struct lm_bytes b)
{
	for (size_t i = 0, n; i < b.len; i += n) {
		n = sequence(b.data + i, b.len - i);
		if (n == 0)
			return false;
	}
	return true;
}
