/* The coding of the cloud service: values in SQL, obfuscation, and rows in answers. */
#include "store/cloud/impl.h"

#include "base/error.h"
#include "wire/text.h"

#include <stdio.h>

enum { QUOTED_MAX = 120 };

static bool contains(struct lm_bytes text, const char *word)
{
	return text.data && memmem(text.data, text.len, word, strlen(word)) != NULL;
}

/* The code of the character at *at; the text is UTF-8. */
static uint32_t next_code(struct lm_bytes text, size_t *at)
{
	uint8_t c = text.data[(*at)++];
	unsigned more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
	uint32_t code = more ? c & (0x3Fu >> more) : c;

	for (; more; more--)
		code = code << 6 | (text.data[(*at)++] & 0x3F);
	return code;
}

/* Whether JavaScript on the other side adds 1 to each character and takes it away again without
 * loss: NUL, the last before the surrogates and the last of 16 bits do not bear it. */
static bool bears_obfuscation(struct lm_bytes text)
{
	for (size_t i = 0; i < text.len;) {
		uint32_t code = next_code(text, &i);

		if (code == 0 || code == 0xD7FF || code >= 0xFFFF)
			return false;
	}
	return true;
}

/* The service cuts the body at its own words before any SQL is read. */
static bool can_be_quoted(struct lm_bytes value)
{
	return lm_is_utf8(value) && bears_obfuscation(value) && !contains(value, "__QUERY_SEP__") &&
	       !contains(value, "_=_:)a");
}

static int put_quoted(struct lm_buf *sql, struct lm_bytes value)
{
	size_t from = 0;
	int err = lm_buf_add_str(sql, "'");

	for (size_t i = 0; err == 0 && i <= value.len; i++) {
		if (i < value.len && value.data[i] != '\'' && value.data[i] != '\\')
			continue;
		err = lm_buf_add(sql, lm_bytes(value.data + from, i - from));
		if (err == 0 && i < value.len)
			err = lm_buf_add(sql, lm_bytes(value.data + i, 1));
		from = i; /* once more: doubled */
	}
	return err ? err : lm_buf_add_str(sql, "'");
}

static int put_hex(struct lm_buf *sql, struct lm_bytes value)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t *room;
	int err = lm_buf_add_str(sql, "x'");

	if (err == 0)
		err = lm_buf_room(sql, value.len * 2, &room);
	if (err)
		return err;
	for (size_t i = 0; i < value.len; i++) {
		room[2 * i] = (uint8_t)hex[value.data[i] >> 4];
		room[2 * i + 1] = (uint8_t)hex[value.data[i] & 15];
	}
	lm_buf_grew(sql, value.len * 2);
	return lm_buf_add_str(sql, "'");
}

int lm_cloud_quote(struct lm_buf *sql, struct lm_bytes value)
{
	if (value.len == 0)
		return lm_buf_add_str(sql, "''");
	return can_be_quoted(value) ? put_quoted(sql, value) : put_hex(sql, value);
}

static size_t encode(uint32_t code, uint8_t out[4])
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xC0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3F));
		return 2;
	}
	out[0] = (uint8_t)(0xE0 | code >> 12);
	out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
	out[2] = (uint8_t)(0x80 | (code & 0x3F));
	return 3;
}

int lm_cloud_obfuscate(struct lm_bytes text, struct lm_buf *out)
{
	int err = lm_buf_add_str(out, "__enc");

	for (size_t i = 0; err == 0 && i < text.len;) {
		uint8_t character[4];

		err = lm_buf_add(out,
		                 lm_bytes(character, encode(next_code(text, &i) + 1, character)));
	}
	return err;
}

/* For an error's text: printable, cut. */
static void show(struct lm_bytes text, char out[QUOTED_MAX + 8])
{
	size_t len = 0;

	for (size_t i = 0; i < text.len && len < QUOTED_MAX; i++) {
		uint8_t c = text.data[i];

		if (c >= 0x20 && c < 0x7F)
			out[len++] = (char)c;
		else
			len += (size_t)snprintf(out + len, 5, "\\x%02x", c);
	}
	out[len] = '\0';
	if (len >= QUOTED_MAX)
		memcpy(out + len, "...", 4);
}

static bool starts(struct lm_bytes text, const char *word)
{
	size_t n = strlen(word);

	return text.len >= n && memcmp(text.data, word, n) == 0;
}

int lm_cloud_judge(struct lm_bytes answer, struct lm_bytes *out_rest, struct lm_error *out_error)
{
	char shown[QUOTED_MAX + 8];

	if (starts(answer, "SUCCESS: ")) {
		*out_rest = lm_bytes_from(answer, 9);
		return 0;
	}
	if (starts(answer, "FAIL: ")) {
		show(lm_trim(lm_bytes_from(answer, 6)), shown);
		return lm_fail(out_error, LM_E_STORE, "%s", shown);
	}
	show(answer, shown);
	return lm_fail(out_error, LM_E_PROTO, "Unrecognized response from node: %s", shown);
}

/* The next "__ROW__" at or behind `from`, or the end. Not by memmem, which the address sanitizer
 * lets look at all that follows, for each row. */
static size_t next_row(struct lm_bytes text, size_t from)
{
	while (from < text.len) {
		const uint8_t *found = memchr(text.data + from, '_', text.len - from);
		size_t at = found ? (size_t)(found - text.data) : text.len;

		if (text.len - at >= 7 && memcmp(found, "__ROW__", 7) == 0)
			return at;
		from = at + 1;
	}
	return text.len;
}

static bool has_all_fields(struct lm_bytes row)
{
	size_t commas = 0;

	for (size_t i = 0; i < row.len && commas < LM_CLOUD_FIELDS - 1; i++)
		commas += row.data[i] == ',';
	return commas == LM_CLOUD_FIELDS - 1;
}

/* "__COMMA__" back to ",", in place. */
static struct lm_bytes decode(struct lm_bytes field)
{
	uint8_t *data = (uint8_t *)(uintptr_t)field.data;
	size_t len = 0;

	for (size_t i = 0; i < field.len;) {
		if (field.len - i >= 9 && data[i] == '_' && memcmp(data + i, "__COMMA__", 9) == 0) {
			data[len++] = ',';
			i += 9;
		} else {
			data[len++] = data[i++];
		}
	}
	return lm_bytes(data, len);
}

static void take_row(struct lm_bytes text, struct lm_cloud_row *row)
{
	for (unsigned f = 0; f < LM_CLOUD_PAYLOAD; f++) {
		size_t len = 0;

		while (len < text.len && text.data[len] != ',')
			len++;
		row->field[f] = decode(lm_bytes(text.data, len));
		text = lm_bytes_from(text, len + 1);
	}
	row->field[LM_CLOUD_PAYLOAD] = decode(text);
}

/* Up to the row behind this one. What looks like a row but has too few fields is the rest of a
 * payload that holds the word. */
static size_t row_end(struct lm_bytes text, size_t start)
{
	size_t end = next_row(text, start);

	while (end < text.len) {
		size_t after = next_row(text, end + 7);

		if (has_all_fields(lm_bytes(text.data + end + 7, after - end - 7)))
			break;
		end = after;
	}
	return end;
}

static bool is_nothing(struct lm_bytes text)
{
	struct lm_bytes word = lm_trim(text);

	while (word.len && (word.data[word.len - 1] == '\n' || word.data[word.len - 1] == '\r'))
		word.len--;
	return word.len == 0 || lm_bytes_equal(word, lm_str("OK"));
}

int lm_cloud_rows(struct lm_bytes text, struct lm_cloud_row **out_rows, size_t *out_count,
                  struct lm_error *out_error)
{
	struct lm_cloud_row *rows;
	size_t count = 0, most = 1;
	char shown[QUOTED_MAX + 8];

	for (size_t at = next_row(text, 0); at < text.len; at = next_row(text, at + 7))
		most += most < LM_CLOUD_ROWS_MAX;
	rows = lm_alloc_zero(most, sizeof(*rows));
	if (!rows)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (size_t at = 0; !is_nothing(text) && at < text.len; count++) {
		size_t end = row_end(text, at + 7);
		struct lm_bytes row = lm_bytes(text.data + at + 7, end - at - 7);

		if (!starts(lm_bytes_from(text, at), "__ROW__") || !has_all_fields(row)) {
			lm_free(rows);
			show(text, shown);
			return lm_fail(out_error, LM_E_PROTO,
			               "Unrecognized response from node: SUCCESS: %s", shown);
		}
		if (count == most) {
			lm_free(rows);
			return lm_fail(out_error, LM_E_LIMIT,
			               "more than %d rows; ask for fewer messages",
			               LM_CLOUD_ROWS_MAX);
		}
		take_row(row, &rows[count]);
		at = end;
	}
	*out_rows = rows;
	*out_count = count;
	return 0;
}

bool lm_cloud_is_number(struct lm_bytes text)
{
	uint64_t number;

	return text.len <= 19 && lm_parse_number(text, INT64_MAX, &number);
}
