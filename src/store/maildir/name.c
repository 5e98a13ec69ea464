/* Where mailboxes lie below the store's folder, and what the names of messages' files say. */
#include "store/maildir/impl.h"

#include "wire/text.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char hex_digits[] = "0123456789abcdef";

void lm_md_hex(const struct lm_guid_key *key, char out[2 * LM_GUID_KEY_LEN])
{
	for (size_t i = 0; i < LM_GUID_KEY_LEN; i++) {
		out[2 * i] = hex_digits[key->octets[i] >> 4];
		out[2 * i + 1] = hex_digits[key->octets[i] & 15];
	}
}

bool lm_md_unhex(const char *hex, struct lm_guid_key *out_key)
{
	struct lm_guid_key key = { .octets = { 0 } };

	for (size_t i = 0; i < 2 * LM_GUID_KEY_LEN; i++) {
		const char *digit = hex[i] ? strchr(hex_digits, hex[i]) : NULL;

		if (!digit)
			return false;
		key.octets[i / 2] = (uint8_t)(key.octets[i / 2] << 4 | (digit - hex_digits));
	}
	*out_key = key;
	return true;
}

/* May stand in a folder's name as it is. A dot would begin or end a level of Maildir++. */
static bool is_plain(uint8_t c, bool in_tag)
{
	if (c >= 0x80)
		return !in_tag;
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (strchr("-_@+,", c) && c != '\0') || (c == '.' && !in_tag);
}

/* Names that mean something in a Maildir. */
static bool is_taken(struct lm_bytes name)
{
	return lm_bytes_equal(name, lm_str("cur")) || lm_bytes_equal(name, lm_str("new")) ||
	       lm_bytes_equal(name, lm_str("tmp")) || lm_starts_nocase(name, "lettermill.");
}

/* A name as part of a path: what is odd is "=HH", what is too long ends in a digest of all. */
static void escape(struct lm_bytes name, bool in_tag, char out[LM_MD_NAME_MAX + 1])
{
	struct lm_guid_key key;
	struct lm_guid all = { .guid = name };
	size_t len = 0;

	for (size_t i = 0; i < name.len && len <= LM_MD_NAME_MAX - 3; i++) {
		uint8_t c = name.data[i];
		bool odd = !is_plain(c, in_tag) || (i == 0 && (c == '.' || is_taken(name)));

		if (!odd) {
			out[len++] = (char)c;
			continue;
		}
		out[len++] = '=';
		out[len++] = hex_digits[c >> 4];
		out[len++] = hex_digits[c & 15];
	}
	out[len] = '\0';
	if (len <= 200)
		return;
	if (lm_guid_key(&all, &key)) /* never: names are short */
		return;
	len = 200 - 2 * LM_GUID_KEY_LEN - 2;
	memcpy(out + len, "==", 2);
	lm_md_hex(&key, out + len + 2);
	out[200] = '\0';
}

static bool append(char out[LM_MD_PLACE_MAX], size_t *len, const char *text, size_t n)
{
	if (n >= LM_MD_PLACE_MAX - *len)
		return false;
	memcpy(out + *len, text, n);
	*len += n;
	out[*len] = '\0';
	return true;
}

static bool put_user(const char *pattern, struct lm_bytes user, char out[LM_MD_PLACE_MAX],
                     size_t *len)
{
	char escaped[LM_MD_NAME_MAX + 1];
	const char *at;

	escape(user, false, escaped);
	if (!pattern)
		return append(out, len, user.len ? escaped : ".", user.len ? strlen(escaped) : 1);
	while ((at = strstr(pattern, "%u"))) {
		if (!append(out, len, pattern, (size_t)(at - pattern)) ||
		    !append(out, len, escaped, strlen(escaped)))
			return false;
		pattern = at + 2;
	}
	return append(out, len, pattern, strlen(pattern));
}

int lm_md_place(const char *pattern, struct lm_bytes name, char out[LM_MD_PLACE_MAX])
{
	const uint8_t *slash = name.len ? memchr(name.data, '/', name.len) : NULL;
	struct lm_bytes user = name, tag = { NULL, 0 };
	char escaped[LM_MD_NAME_MAX + 1];
	size_t len = 0;

	if (slash) {
		user.len = (size_t)(slash - name.data);
		tag = lm_bytes_from(name, user.len + 1);
	}
	if ((pattern && !user.len) || (slash && !tag.len) || !put_user(pattern, user, out, &len))
		return LM_E_SYNTAX;
	if (!slash)
		return 0;
	escape(tag, true, escaped);
	return append(out, &len, "/.", 2) && append(out, &len, escaped, strlen(escaped))
	               ? 0
	               : LM_E_SYNTAX;
}

static uint64_t digits(const char **at)
{
	uint64_t n = 0;

	for (; **at >= '0' && **at <= '9'; ++*at)
		n = n > UINT64_MAX / 10 - 10 ? n : n * 10 + (uint64_t)(**at - '0');
	return n;
}

/* SECONDS.M123456P…: the microseconds are one of the fields that begin with a letter. */
static void parse_time(const char *name, struct lm_md_name *out)
{
	const char *at = name;

	out->sec = digits(&at);
	if (at == name || *at != '.')
		out->sec = 0;
	if (*at != '.')
		return;
	for (at++; *at && !strchr(".,:_", *at); at++)
		if (*at == 'M' && at[1] >= '0' && at[1] <= '9') {
			at++;
			out->usec = digits(&at);
			return;
		}
}

/* One ",X=value"; false: none that is known. */
static bool parse_field(const char *at, struct lm_md_name *out)
{
	const char *value = at + 3, *end = value;

	if (at[1] == '\0' || at[2] != '=')
		return false;
	switch (at[1]) {
	case 'S':
	case 'W': {
		uint64_t n = digits(&end);

		if (end == value)
			return false;
		if (at[1] == 'S')
			out->size = n;
		break;
	}
	case 'L':
		out->own = *end == 'c' || *end == 'n';
		out->ends = *end == 'c';
		end += out->own;
		break;
	case 'G':
		out->has_guid = strnlen(end, 32) == 32 && lm_md_unhex(end, &out->guid);
		end += out->has_guid ? 32 : 0;
		break;
	default:
		return false;
	}
	return end > value && (*end == ',' || *end == ':' || *end == '\0');
}

void lm_md_name_parse(const char *name, struct lm_md_name *out)
{
	size_t base = strcspn(name, ":");
	bool has_size = false;

	*out = (struct lm_md_name){ .unique = base };
	parse_time(name, out);
	for (size_t at = strcspn(name, ","); at < base; at += 1 + strcspn(name + at + 1, ",")) {
		if (!parse_field(name + at, out))
			continue;
		has_size = has_size || name[at + 1] == 'S';
		if (out->unique == base)
			out->unique = at;
	}
	out->own = out->own && has_size;
}

void lm_md_name_make(struct lm_maildir *md, const struct lm_md_stamp *stamp,
                     const struct lm_md_facts *facts, char out[LM_MD_NAME_MAX + 1])
{
	char guid[2 * LM_GUID_KEY_LEN + 4] = "";
	int len = snprintf(out, LM_MD_NAME_MAX + 1, "%lld.M%06uP%ldR%08x.%s", (long long)stamp->sec,
	                   stamp->usec, (long)getpid(), md->serial, md->host);

	if (!facts)
		return;
	if (facts->guid) {
		memcpy(guid, ",G=", 3);
		lm_md_hex(facts->guid, guid + 3);
		guid[3 + 2 * LM_GUID_KEY_LEN] = '\0';
	}
	snprintf(out + len, LM_MD_NAME_MAX + 1 - (size_t)len, "%s,L=%c,S=%llu,W=%llu", guid,
	         facts->ends ? 'c' : 'n', (unsigned long long)facts->size,
	         (unsigned long long)facts->wire_size);
}

/* Always later than the last one, so that the order of commits is the order of names. */
void lm_md_stamp_next(struct lm_maildir *md, struct lm_md_stamp *out)
{
	struct timespec t;
	struct lm_md_stamp *last = &md->last_stamp;

	clock_gettime(CLOCK_REALTIME, &t);
	pthread_mutex_lock(&md->stamp_mutex);
	*out = (struct lm_md_stamp){ t.tv_sec, (unsigned)(t.tv_nsec / 1000) };
	if (out->sec < last->sec || (out->sec == last->sec && out->usec <= last->usec)) {
		*out = *last;
		if (++out->usec == 1000000) {
			out->usec = 0;
			out->sec++;
		}
	}
	*last = *out;
	pthread_mutex_unlock(&md->stamp_mutex);
}

size_t lm_md_uidl(struct lm_bytes unique, char out[LM_MD_UIDL_MAX])
{
	struct lm_guid all = { .guid = unique };
	struct lm_guid_key key;
	bool plain = unique.len <= LM_MD_UIDL_MAX;

	for (size_t i = 0; i < unique.len && plain; i++)
		plain = unique.data[i] > 0x20 && unique.data[i] < 0x7F;
	if (plain) {
		memcpy(out, unique.data, unique.len);
		return unique.len;
	}
	if (lm_guid_key(&all, &key)) /* never: names are short */
		return 0;
	lm_md_hex(&key, out);
	return 2 * LM_GUID_KEY_LEN;
}
