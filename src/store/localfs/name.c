/* Names of files in a localfs store: what they say, and how they are made of what servers say. */
#include "store/localfs/impl.h"

#include "store/store_impl.h"

#include <stdio.h>

/* A sourceid and a guid longer than this when escaped are cut, and end in their checksum. */
enum { PART_MAX = 96, SUM_LEN = 17 };
/* How many ".dup" in a row; behind them numbers. */
enum { MAX_DUPS = 16, MAX_VARIANTS = 100000 };

static const char *const folders[LM_AT_PLACES] = { "", "archive/", "staged/", "dup/" };

static const struct mark {
	const char *infix;
	enum lm_mime_tag tag;
} marks[] = {
	{ ".dup", LM_TAG_DUP },
	{ ".decodeerror", LM_TAG_CONVERSIONERROR },
	{ ".pop3failed", LM_TAG_POP3FAILED },
};
enum { MARKS = sizeof(marks) / sizeof(*marks) };

const char *lm_localfs_folder(enum lm_localfs_place place)
{
	return folders[place];
}

static bool ends_in(const char *name, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && memcmp(name + len - n, end, n) == 0;
}

/* The length of a name without ".eml"; 0 where it is none of ours. */
static size_t stem_len(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && ends_in(name, len, ".eml") ? len - 4 : 0;
}

enum lm_mime_tag lm_localfs_tag(enum lm_localfs_place place, const char *name)
{
	static const enum lm_mime_tag tags[LM_AT_PLACES] = { LM_TAG_UNREAD, LM_TAG_ARCHIVE,
		                                             LM_TAG_STAGED, LM_TAG_DUP };
	size_t len = stem_len(name);

	if (!len)
		return LM_TAG_COUNT;
	for (unsigned i = 0; place == LM_AT_ROOT && i < MARKS; i++)
		if (ends_in(name, len, marks[i].infix))
			return marks[i].tag;
	return tags[place];
}

int lm_localfs_parse(struct lm_bytes name, struct lm_localfs_file *out_file)
{
	enum lm_localfs_place place = LM_AT_ROOT;

	for (unsigned i = 1; i < LM_AT_PLACES; i++) {
		size_t n = strlen(folders[i]);

		if (name.len > n && memcmp(name.data, folders[i], n) == 0) {
			place = (enum lm_localfs_place)i;
			name = lm_bytes_from(name, n);
			break;
		}
	}
	if (name.len == 0 || name.len > NAME_MAX || memchr(name.data, '/', name.len) ||
	    memchr(name.data, '\0', name.len))
		return LM_E_NOT_FOUND;
	out_file->place = place;
	memcpy(out_file->name, name.data, name.len);
	out_file->name[name.len] = '\0';
	return stem_len(out_file->name) ? 0 : LM_E_NOT_FOUND;
}

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("@._-+=", c));
}

/* Append to `out` at *len; false once PART_MAX is passed. */
static bool escape(struct lm_bytes part, bool dotless, char *out, size_t *len)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t start = *len;

	for (size_t i = 0; i < part.len; i++) {
		uint8_t c = part.data[i];

		if (*len - start > PART_MAX - 3)
			return false;
		if (is_plain(c) && !(c == '.' && dotless && i == 0)) {
			out[(*len)++] = (char)c;
			continue;
		}
		out[(*len)++] = '%';
		out[(*len)++] = hex[c >> 4];
		out[(*len)++] = hex[c & 15];
	}
	return true;
}

static void add_part(struct lm_bytes part, bool first, char *out, size_t *len)
{
	size_t start = *len;

	if (escape(part, first, out, len))
		return;
	*len = start + PART_MAX - SUM_LEN;
	*len += (size_t)snprintf(out + *len, SUM_LEN + 1, "~%016llx",
	                         (unsigned long long)lm_checksum(part));
}

/* No server may choose a tag: a guid of "1.dup" is not a duplicate. */
static void hide_mark(char *out, size_t *len)
{
	for (unsigned i = 0; i < MARKS; i++) {
		size_t n = strlen(marks[i].infix);

		if (!ends_in(out, *len, marks[i].infix))
			continue;
		memmove(out + *len - n + 2, out + *len - n, n);
		memcpy(out + *len - n, "%2E", 3);
		*len += 2;
	}
}

void lm_localfs_source(struct lm_bytes sourceid, char out_source[LM_LOCALFS_STEM_MAX + 1])
{
	size_t len = 0;

	add_part(sourceid, true, out_source, &len);
	out_source[len] = '\0';
}

void lm_localfs_stem(struct lm_bytes sourceid, struct lm_bytes guid,
                     char out_stem[LM_LOCALFS_STEM_MAX + 1])
{
	size_t len = 0;

	add_part(sourceid, true, out_stem, &len);
	out_stem[len++] = '_';
	add_part(guid, false, out_stem, &len);
	hide_mark(out_stem, &len);
	out_stem[len] = '\0';
}

void lm_localfs_strip(const char *name, bool dups, char out_stem[NAME_MAX + 1])
{
	size_t len = stem_len(name);

	for (unsigned i = 1; i < MARKS; i++)
		if (ends_in(name, len, marks[i].infix))
			len -= strlen(marks[i].infix);
	while (dups && ends_in(name, len, marks[0].infix))
		len -= strlen(marks[0].infix);
	memcpy(out_stem, name, len);
	out_stem[len] = '\0';
}

bool lm_localfs_variant(const char *stem, unsigned n, const char *infix,
                        char out_name[NAME_MAX + 1])
{
	char dups[MAX_DUPS * 4 + 16] = "";
	size_t len = 0;
	int total;

	if (n > MAX_VARIANTS)
		return false;
	for (unsigned i = 0; n <= MAX_DUPS && i < n; i++)
		len += (size_t)snprintf(dups + len, sizeof(dups) - len, ".dup");
	if (n > MAX_DUPS || strlen(stem) + len + strlen(infix) + 4 > NAME_MAX)
		snprintf(dups, sizeof(dups), ".%u.dup", n);
	total = snprintf(out_name, NAME_MAX + 1, "%s%s%s.eml", stem, dups, infix);
	return total <= NAME_MAX;
}
