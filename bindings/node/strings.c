/* Octets to strings and back: valid UTF-8 is what it says, any other octet is the lone surrogate
 * U+DC00 + octet. ASCII and whole UTF-8 take the engine's own ways. */
#include "host.h"

#include <stdlib.h>

/* Most strings fit on the stack. */
enum { FEW = 1024 };

static size_t ascii_run(const uint8_t *p, size_t n)
{
	size_t i = 0;
	uint64_t word;

	for (; i + 8 <= n; i += 8) {
		memcpy(&word, p + i, 8);
		if (word & 0x8080808080808080U)
			break;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

static bool continues(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return false;
	return true;
}

/* Length of the valid UTF-8 sequence at p, beyond ASCII; 0: there is none. RFC 3629 4. */
static size_t sequence(const uint8_t *p, size_t n)
{
	if (p[0] >= 0xC2 && p[0] <= 0xDF && n >= 2 && continues(p + 1, 1))
		return 2;
	if (p[0] >= 0xE0 && p[0] <= 0xEF && n >= 3 && continues(p + 1, 2)) {
		bool overlong = p[0] == 0xE0 && p[1] < 0xA0;
		bool surrogate = p[0] == 0xED && p[1] >= 0xA0;

		return overlong || surrogate ? 0 : 3;
	}
	if (p[0] >= 0xF0 && p[0] <= 0xF4 && n >= 4 && continues(p + 1, 3)) {
		bool overlong = p[0] == 0xF0 && p[1] < 0x90;
		bool beyond = p[0] == 0xF4 && p[1] >= 0x90;

		return overlong || beyond ? 0 : 4;
	}
	return 0;
}

/* How many octets from the first on are valid UTF-8. */
static size_t valid_run(struct lm_bytes octets)
{
	size_t at = 0, len;

	while (at < octets.len) {
		at += ascii_run(octets.data + at, octets.len - at);
		if (at == octets.len)
			break;
		len = sequence(octets.data + at, octets.len - at);
		if (!len)
			break;
		at += len;
	}
	return at;
}

/* One character that is not ASCII; the octets that it took. */
static size_t decode(const uint8_t *p, size_t n, char16_t *to, size_t *out_units)
{
	size_t len = sequence(p, n);
	uint32_t c;

	*out_units = 1;
	switch (len) {
	case 2:
		to[0] = (char16_t)((p[0] & 0x1F) << 6 | (p[1] & 0x3F));
		return 2;
	case 3:
		to[0] = (char16_t)((p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F));
		return 3;
	case 4:
		c = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
		    (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
		to[0] = (char16_t)(0xD7C0 + (c >> 10));
		to[1] = (char16_t)(0xDC00 + (c & 0x3FF));
		*out_units = 2;
		return 4;
	default:
		to[0] = (char16_t)(0xDC00 + p[0]);
		return 1;
	}
}

/* Never more units than octets. */
static size_t to_units(struct lm_bytes from, char16_t *to)
{
	size_t at = 0, units = 0;

	while (at < from.len) {
		size_t run = ascii_run(from.data + at, from.len - at), more;

		for (size_t i = 0; i < run; i++)
			to[units++] = from.data[at++];
		while (at < from.len && from.data[at] >= 0x80) {
			at += decode(from.data + at, from.len - at, to + units, &more);
			units += more;
		}
	}
	return units;
}

static napi_status make_units(napi_env env, struct lm_bytes octets, napi_value *out_value)
{
	char16_t *units = malloc(octets.len * sizeof(*units));
	napi_status status;

	if (!units)
		return napi_generic_failure;
	status = napi_create_string_utf16(env, units, to_units(octets, units), out_value);
	free(units);
	return status;
}

napi_value lm_node_string(napi_env env, struct lm_bytes octets)
{
	const char *text = octets.len ? (const char *)octets.data : "";
	napi_status status;
	napi_value value;

	if (octets.len == ascii_run(octets.data, octets.len))
		status = napi_create_string_latin1(env, text, octets.len, &value);
	else if (octets.len == valid_run(octets))
		status = napi_create_string_utf8(env, text, octets.len, &value);
	else
		status = make_units(env, octets, &value);
	return status == napi_ok ? value : lm_node_throw(env, "LIMIT", "a string is too long");
}

/* One character that is not ASCII, as up to 4 octets; the units that it took. */
static size_t encode(const char16_t *p, size_t n, uint8_t *to, size_t *out_octets)
{
	uint32_t c = p[0];
	bool pair = (c & 0xFC00) == 0xD800 && n >= 2 && (p[1] & 0xFC00) == 0xDC00;

	if (c >= 0xDC80 && c <= 0xDCFF) {
		to[0] = (uint8_t)(c - 0xDC00);
		*out_octets = 1;
		return 1;
	}
	if (pair) {
		c = 0x10000 + ((c & 0x3FF) << 10 | (p[1] & 0x3FF));
		to[0] = (uint8_t)(0xF0 | c >> 18);
		to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
		to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
		to[3] = (uint8_t)(0x80 | (c & 0x3F));
		*out_octets = 4;
		return 2;
	}
	if ((c & 0xF800) == 0xD800)
		c = 0xFFFD;
	if (c < 0x800) {
		to[0] = (uint8_t)(0xC0 | c >> 6);
		to[1] = (uint8_t)(0x80 | (c & 0x3F));
		*out_octets = 2;
		return 1;
	}
	to[0] = (uint8_t)(0xE0 | c >> 12);
	to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
	to[2] = (uint8_t)(0x80 | (c & 0x3F));
	*out_octets = 3;
	return 1;
}

/* At most `size` octets are put; how many there are altogether. */
static size_t put_units(const char16_t *units, size_t count, uint8_t *to, size_t size)
{
	size_t at = 0, total = 0, len;
	uint8_t octets[4];

	while (at < count) {
		if (units[at] < 0x80) {
			octets[0] = (uint8_t)units[at++];
			len = 1;
		} else {
			at += encode(units + at, count - at, octets, &len);
		}
		for (size_t i = 0; i < len; i++, total++)
			if (total < size)
				to[total] = octets[i];
	}
	return total;
}

/* Of `count` units; the engine puts a NUL behind what it gives, for which `to` has no room. */
static size_t octets_of(napi_env env, napi_value string, size_t count, uint8_t *to, size_t size)
{
	char16_t few[FEW + 1], *units = few;
	size_t total = 0;

	if (count > FEW)
		units = malloc((count + 1) * sizeof(*units));
	if (units && napi_get_value_string_utf16(env, string, units, count + 1, &count) == napi_ok)
		total = put_units(units, count, to, size);
	if (units != few)
		free(units);
	return total;
}

size_t lm_node_put_octets(napi_env env, napi_value string, uint8_t *to, size_t size)
{
	size_t units, utf8;

	if (napi_get_value_string_utf16(env, string, NULL, 0, &units) != napi_ok)
		return 0;
	if (!size) {
		napi_get_value_string_utf8(env, string, NULL, 0, &utf8);
		if (utf8 == units)
			return units;
	}
	return octets_of(env, string, units, to, size);
}

napi_value lm_node_octets(napi_env env, napi_value string)
{
	size_t len = lm_node_put_octets(env, string, NULL, 0);
	napi_value buffer;
	void *data;

	if (napi_create_buffer(env, len, &data, &buffer) != napi_ok)
		return lm_node_throw(env, "NOMEM", "no memory for the octets of a string");
	if (len)
		lm_node_put_octets(env, string, data, len);
	return buffer;
}
