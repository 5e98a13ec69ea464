/* Header fields: where one ends, and what it is called. */
#include "mime/header.h"

static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

size_t lm_field_name_len(struct lm_bytes line)
{
	size_t len = 0, at;

	while (len < line.len && line.data[len] > ' ' && line.data[len] < 0x7F &&
	       line.data[len] != ':')
		len++;
	for (at = len; at < line.len && is_blank(line.data[at]);)
		at++;
	return at < line.len && line.data[at] == ':' ? len : 0;
}

/* Octets of the first line with its end. */
static size_t line_len(struct lm_bytes text)
{
	const uint8_t *lf = text.len ? memchr(text.data, '\n', text.len) : NULL;

	return lf ? (size_t)(lf - text.data) + 1 : text.len;
}

bool lm_field_next(struct lm_bytes *header, struct lm_field *out_field)
{
	struct lm_field f = { .lines = 1 };
	size_t len = line_len(*header), colon;

	if (len == 0)
		return false;
	f.name = lm_bytes(header->data, lm_field_name_len(*header));
	for (colon = f.name.len; colon < len && header->data[colon] != ':';)
		colon++;
	for (; len < header->len && is_blank(header->data[len]); f.lines++)
		len += line_len(lm_bytes_from(*header, len));
	f.whole = lm_bytes(header->data, len);
	f.body = lm_bytes_from(f.whole, colon + 1);
	*header = lm_bytes_from(*header, len);
	*out_field = f;
	return true;
}

bool lm_field_begins(const struct lm_field *field, const char *prefix)
{
	size_t i;

	for (i = 0; i < field->name.len && prefix[i]; i++)
		if (upper(field->name.data[i]) != upper((uint8_t)prefix[i]))
			return false;
	return !prefix[i];
}

bool lm_field_is(const struct lm_field *field, const char *name)
{
	return field->name.len == strlen(name) && lm_field_begins(field, name);
}
