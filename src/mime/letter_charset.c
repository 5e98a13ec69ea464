/* Charsets: anything to UTF-8, with a guess where the label is missing or wrong; UTF-8 to others.
 */
#include "mime/letter_private.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <iconv.h>
#include <pthread.h>

void lm_letter_gmime(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, g_mime_init);
}

/* What the names mean in mail, where it is more than they say (as WHATWG's encodings have it). */
static const char *meant(const char *name)
{
	static const char *const pairs[][2] = {
		{ "iso-8859-1", "windows-1252" },
		{ "latin1", "windows-1252" },
		{ "iso8859-1", "windows-1252" },
		{ "iso_8859-1", "windows-1252" },
		{ "iso-8859-9", "windows-1254" },
		{ "iso-8859-11", "windows-874" },
		{ "gb2312", "gb18030" },
		{ "gbk", "gb18030" },
		{ "ks_c_5601-1987", "cp949" },
		{ "ks_c_5601", "cp949" },
		{ "euc-kr", "cp949" },
		{ "shift_jis", "cp932" },
		{ "shift-jis", "cp932" },
		{ "x-sjis", "cp932" },
		{ "iso-8859-8-i", "iso-8859-8" },
		{ "x-mac-roman", "macintosh" },
		{ "eucgb2312_cn", "gb18030" },
		{ "big5_tw", "big5" },
		{ "cp1252", "windows-1252" },
		{ "iso-2022-jp", "iso-2022-jp-3" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (g_ascii_strcasecmp(name, pairs[i][0]) == 0)
			return pairs[i][1];
	return name;
}

static bool says_nothing(const char *name)
{
	static const char *const names[] = { "",     "us-ascii", "ascii",        "utf-8",
		                             "utf8", "7bit",     "unknown-8bit", "unknown",
		                             "8bit", "default",  "x-unknown",    "binary" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (g_ascii_strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* iconv knows "//TRANSLIT" and what the locale is called; a charset of mail is a plain name. */
static bool is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                          "-_.:+()");

	return len > 0 && name[len] == 0 && len < 64;
}

/* Room for the next output, whatever is left of the buffer's maximum. */
static int room_for(struct lm_buf *out, size_t want, uint8_t **room)
{
	int err = lm_buf_room(out, want, room);

	return err == LM_E_LIMIT ? lm_buf_room(out, 16, room) : err;
}

/* Octets that are no character: one of them becomes U+FFFD; strict: that is an error. */
static int convert(iconv_t cd, struct lm_bytes in, bool strict, struct lm_buf *out)
{
	char *from = (char *)(uintptr_t)in.data;
	size_t left = in.len;
	bool flushing = false;

	for (;;) {
		size_t want = left + left / 2 + 64, had, rc;
		uint8_t *room;
		int err = room_for(out, want, &room), why;
		char *to;

		if (err)
			return err;
		to = (char *)room;
		had = out->cap - out->len;
		rc = iconv(cd, flushing ? NULL : &from, flushing ? NULL : &left, &to, &had);
		why = errno;
		lm_buf_grew(out, (size_t)(to - (char *)room));
		if (rc != (size_t)-1 && flushing)
			return 0;
		if (rc != (size_t)-1) {
			flushing = true;
		} else if (why != E2BIG) {
			if (strict)
				return LM_E_SYNTAX;
			err = lm_buf_add_str(out, "\xEF\xBF\xBD");
			if (err)
				return err;
			if (left == 0 || flushing)
				return 0;
			from++;
			left--;
		}
	}
}

/* How many octets from the start are UTF-8; NUL is a character like any other. */
static size_t utf8_len(struct lm_bytes b)
{
	const char *end = (const char *)b.data, *all = end + b.len;

	while (end < all) {
		(void)g_utf8_validate_len(end, (gsize)(all - end), &end);
		if (end < all && *end)
			break;
		end += end < all;
	}
	return (size_t)(end - (const char *)b.data);
}

/* UTF-8 with what is none replaced. */
static int add_repaired(struct lm_bytes octets, struct lm_buf *out)
{
	while (octets.len) {
		size_t good = utf8_len(octets);
		int err = lm_buf_add(out, lm_bytes(octets.data, good));

		if (err == 0 && good < octets.len)
			err = lm_buf_add_str(out, "\xEF\xBF\xBD");
		if (err)
			return err;
		octets = lm_bytes_from(octets, good + 1);
	}
	return 0;
}

/* A character of more than one octet in it is a sign that it is UTF-8 which something damaged. */
static bool has_utf8(struct lm_bytes b)
{
	for (size_t i = 0; i + 1 < b.len; i++) {
		gunichar c;

		if (b.data[i] < 0xC2)
			continue;
		c = g_utf8_get_char_validated((const char *)b.data + i, (gssize)(b.len - i));
		if (c != (gunichar)-1 && c != (gunichar)-2)
			return true;
	}
	return false;
}

static int add_through(const char *from, const char *to, struct lm_bytes octets, bool strict,
                       struct lm_buf *out)
{
	iconv_t cd = iconv_open(to, from);
	int err;

	if (cd == (iconv_t)-1)
		return LM_E_SYNTAX;
	err = convert(cd, octets, strict, out);
	iconv_close(cd);
	return err;
}

/* windows-1252, which most of what has no label is: its 0x80 to 0x9F, 0 for none. */
static const uint16_t upper_1252[32] = {
	0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
	0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
	0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

static int add_1252(struct lm_bytes octets, struct lm_buf *out)
{
	int err = 0;

	while (octets.len && err == 0) {
		uint8_t *room;
		size_t n = 0, i = 0, len = octets.len < 4096 ? octets.len : 4096;

		err = lm_buf_room(out, 3 * len, &room);
		for (; err == 0 && i < len; i++) {
			uint8_t c = octets.data[i];
			gunichar u = c < 0x80 || c > 0x9F ? c : upper_1252[c - 0x80];

			n += (size_t)g_unichar_to_utf8(u || !c ? u : 0xFFFD, (char *)room + n);
		}
		if (err == 0)
			lm_buf_grew(out, n);
		octets = lm_bytes_from(octets, len);
	}
	return err;
}

static int add_guessed(struct lm_bytes octets, bool labelled_utf8, struct lm_buf *out)
{
	if (utf8_len(octets) == octets.len)
		return lm_buf_add(out, octets);
	if (labelled_utf8 && has_utf8(octets))
		return add_repaired(octets, out);
	return add_1252(octets, out);
}

int lm_letter_to_utf8(struct lm_bytes octets, const char *charset, struct lm_buf *out)
{
	size_t before = out->len;
	int err;

	if (octets.len == 0)
		return 0;
	if (says_nothing(charset))
		return add_guessed(octets, g_ascii_strncasecmp(charset, "utf", 3) == 0, out);
	if (!is_name(charset))
		return add_guessed(octets, false, out);
	charset = meant(charset);
	if (g_ascii_strcasecmp(charset, "windows-1252") == 0)
		return add_1252(octets, out);
	err = add_through(charset, "utf-8", octets, false, out);
	if (err != LM_E_SYNTAX)
		return err;
	out->len = before;
	return add_guessed(octets, false, out);
}

int lm_letter_from_utf8(struct lm_bytes text, const char *charset, struct lm_buf *out)
{
	return is_name(charset) ? add_through("utf-8", charset, text, true, out) : LM_E_SYNTAX;
}
