/* The path grammar, as a scanner that eats from the front. */
#include "smtp/path.h"

#include "wire/text.h"

#include <arpa/inet.h>

#include <lettermill/error.h>

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, PATH_MAX_OCTETS = 256, LABEL_MAX = 63 };

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c >= 0x80;
}

static bool is_atext(uint8_t c)
{
	return is_alnum(c) || (c && memchr("!#$%&'*+-/=?^_`{|}~", c, 19));
}

/* Octets of a dot-string at the front, or 0. */
static size_t dot_string(struct lm_bytes t)
{
	size_t n = 0;
	bool atom = false;

	for (; n < t.len; n++) {
		if (is_atext(t.data[n]))
			atom = true;
		else if (t.data[n] == '.' && atom)
			atom = false;
		else
			break;
	}
	return atom ? n : 0;
}

/* Octets of a quoted string at the front, its quotes included, or 0. */
static size_t quoted_string(struct lm_bytes t)
{
	for (size_t n = 1; n < t.len; n++) {
		uint8_t c = t.data[n];

		if (c == '"')
			return n + 1;
		if (c == '\\' && ++n < t.len)
			c = t.data[n] < 0x80 ? t.data[n] : 0;
		if (c < 0x20 || c == 0x7F)
			return 0;
	}
	return 0;
}

static size_t local_part(struct lm_bytes t)
{
	size_t n = t.len && t.data[0] == '"' ? quoted_string(t) : dot_string(t);

	return n <= LOCAL_MAX ? n : 0;
}

/* Octets of a domain name at the front, or 0. */
static size_t domain_name(struct lm_bytes t)
{
	size_t n = 0, label = 0;

	for (; n < t.len; n++) {
		uint8_t c = t.data[n];

		if (c == '.') {
			if (!label || t.data[n - 1] == '-')
				return 0;
			label = 0;
			continue;
		}
		if (!is_alnum(c) && !(c == '-' && label))
			break;
		if (++label > LABEL_MAX)
			return 0;
	}
	return label && t.data[n - 1] != '-' && n <= DOMAIN_MAX ? n : 0;
}

/* Octets of an address literal at the front, its brackets included, or 0. */
static size_t literal(struct lm_bytes t)
{
	const uint8_t *end = memchr(t.data, ']', t.len);
	struct in6_addr room;
	char text[64];
	size_t n = end ? (size_t)(end - t.data) + 1 : 0;
	struct lm_bytes inside = lm_bytes(t.data + 1, n ? n - 2 : 0);
	bool six = lm_starts_nocase(inside, "IPv6:");

	if (six)
		inside = lm_bytes_from(inside, 5);
	if (!inside.len || inside.len >= sizeof(text) || memchr(inside.data, 0, inside.len))
		return 0;
	memcpy(text, inside.data, inside.len);
	text[inside.len] = '\0';
	return inet_pton(six ? AF_INET6 : AF_INET, text, &room) == 1 ? n : 0;
}

static size_t domain(struct lm_bytes t)
{
	return t.len && t.data[0] == '[' ? literal(t) : domain_name(t);
}

/* Octets of a source route with its colon, 0 where there is none, SIZE_MAX where it is broken. */
static size_t source_route(struct lm_bytes t)
{
	size_t n = 0;

	if (!t.len || t.data[0] != '@')
		return 0;
	while (n < t.len && t.data[n] == '@') {
		size_t d = domain(lm_bytes_from(t, n + 1));

		n += d + 1;
		if (!d || n >= t.len)
			return SIZE_MAX;
		if (t.data[n] == ':')
			return n + 1;
		if (t.data[n++] != ',')
			return SIZE_MAX;
	}
	return SIZE_MAX;
}

/* Octets of a mailbox at the front, or 0. */
static size_t mailbox(struct lm_bytes t, enum lm_path_kind kind)
{
	size_t local = local_part(t), d;

	if (!local)
		return 0;
	/* More than RFC 5321 4.1.1.3 asks for (postmaster): an account's name is one, too. */
	if (local >= t.len || t.data[local] != '@')
		return kind == LM_PATH_RECIPIENT ? local : 0;
	d = domain(lm_bytes_from(t, local + 1));
	return d ? local + 1 + d : 0;
}

int lm_path_parse(struct lm_bytes text, enum lm_path_kind kind, struct lm_bytes *out_address,
                  size_t *out_used)
{
	struct lm_bytes rest = lm_bytes_from(text, 1), address;
	size_t route, n;

	if (text.len < 2 || text.data[0] != '<')
		return LM_E_SYNTAX;
	route = source_route(rest);
	if (route == SIZE_MAX)
		return LM_E_SYNTAX;
	rest = lm_bytes_from(rest, route);
	n = mailbox(rest, kind);
	if (n >= rest.len || rest.data[n] != '>')
		return LM_E_SYNTAX;
	if (n == 0 && (kind != LM_PATH_SENDER || route))
		return LM_E_SYNTAX;
	address = lm_bytes(rest.data, n);
	if (route + n + 2 > PATH_MAX_OCTETS || !lm_is_utf8(address))
		return LM_E_SYNTAX;
	*out_address = address;
	*out_used = route + n + 2;
	return 0;
}

bool lm_path_is_8bit(struct lm_bytes address)
{
	for (size_t i = 0; i < address.len; i++)
		if (address.data[i] >= 0x80)
			return true;
	return false;
}
