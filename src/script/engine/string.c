/* Octets to strings and back. Valid UTF-8 is what it says; any other octet is the lone surrogate
 * U+DC00 + octet, so that what came in can always go out again as it was. */
#include "script/engine/vm.h"

/* Strings that are longer need too much memory at once. */
#define LONGEST ((size_t)1 << 30)
/* Short ASCII takes the engine's own way, which stores one octet a unit. */
#define SHORT 120

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

static void widen(JSChar *restrict to, const uint8_t *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
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

/* One character that is not ASCII; the octets that it took. */
static size_t decode(const uint8_t *p, size_t n, JSChar *to, size_t *out_units)
{
	size_t len = sequence(p, n);
	uint32_t c;

	*out_units = 1;
	switch (len) {
	case 2:
		to[0] = (JSChar)((p[0] & 0x1F) << 6 | (p[1] & 0x3F));
		return 2;
	case 3:
		to[0] = (JSChar)((p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F));
		return 3;
	case 4:
		c = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
		    (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
		to[0] = (JSChar)(0xD7C0 + (c >> 10));
		to[1] = (JSChar)(0xDC00 + (c & 0x3FF));
		*out_units = 2;
		return 4;
	default:
		to[0] = (JSChar)(0xDC00 + p[0]);
		return 1;
	}
}

/* Never more units than octets. */
static size_t to_units(struct lm_bytes from, JSChar *to)
{
	size_t at = 0, units = 0;

	while (at < from.len) {
		size_t run = ascii_run(from.data + at, from.len - at), more;

		widen(to + units, from.data + at, run);
		at += run;
		units += run;
		while (at < from.len && from.data[at] >= 0x80) {
			at += decode(from.data + at, from.len - at, to + units, &more);
			units += more;
		}
	}
	return units;
}

static JSStringRef make_short(struct lm_bytes octets)
{
	char text[SHORT + 1];

	if (octets.len)
		memcpy(text, octets.data, octets.len);
	text[octets.len] = 0;
	return lm_jsc.JSStringCreateWithUTF8CString(text);
}

static bool is_short(struct lm_bytes octets)
{
	return octets.len <= SHORT && ascii_run(octets.data, octets.len) == octets.len &&
	       (!octets.len || !memchr(octets.data, 0, octets.len));
}

/* With one unit an octet, or by UTF-8. */
static JSStringRef make_string(struct lm_bytes octets, bool binary)
{
	JSChar few[256], *units = few;
	JSStringRef made;
	size_t count = octets.len;

	if (is_short(octets))
		return make_short(octets);
	if (octets.len > LONGEST)
		return NULL;
	if (octets.len > sizeof(few) / sizeof(*few))
		units = lm_alloc(octets.len * sizeof(*units));
	if (!units)
		return NULL;
	if (binary)
		widen(units, octets.data, count);
	else
		count = to_units(octets, units);
	made = lm_jsc.JSStringCreateWithCharacters(units, count);
	if (units != few)
		lm_free(units);
	return made;
}

JSStringRef lm_js_jsstring(struct lm_bytes octets)
{
	return make_string(octets, false);
}

static struct lm_js_value *string_value(struct lm_js *js, struct lm_bytes octets, bool binary)
{
	JSStringRef made = make_string(octets, binary);
	JSValueRef value;

	if (!made)
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for a string of %zu octets",
		                   octets.len);
	value = lm_jsc.JSValueMakeString(js->ctx, made);
	lm_jsc.JSStringRelease(made);
	return lm_js_out(value);
}

struct lm_js_value *lm_js_string(struct lm_js *js, struct lm_bytes octets)
{
	return string_value(js, octets, false);
}

struct lm_js_value *lm_js_binary(struct lm_js *js, struct lm_bytes octets)
{
	return string_value(js, octets, true);
}

static size_t ascii_units(const JSChar *p, size_t n)
{
	size_t i = 0;
	uint64_t word;

	for (; i + 4 <= n; i += 4) {
		memcpy(&word, p + i, 8);
		if (word & 0xFF80FF80FF80FF80U)
			break;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

static void narrow(uint8_t *restrict to, const JSChar *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)from[i];
}

/* One character that is not ASCII, as up to 4 octets; the units that it took. */
static size_t encode(const JSChar *p, size_t n, uint8_t *to, size_t *out_octets)
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

/* Add n units of ASCII, or as many as there is room for when `cut`. */
static int add_ascii(const JSChar *units, size_t n, bool cut, struct lm_buf *out)
{
	size_t left = out->max - lm_buf_len(out);
	uint8_t *room;
	int err;

	if (n > left && cut)
		n = left;
	err = lm_buf_room(out, n, &room);
	if (err)
		return err;
	narrow(room, units, n);
	lm_buf_grew(out, n);
	return 0;
}

static int add_units(const JSChar *units, size_t count, bool cut, struct lm_buf *out)
{
	size_t at = 0;

	while (at < count) {
		size_t run = ascii_units(units + at, count - at), len;
		uint8_t octets[4];
		int err = run ? add_ascii(units + at, run, cut, out) : 0;

		at += run;
		while (!err && at < count && units[at] >= 0x80) {
			at += encode(units + at, count - at, octets, &len);
			err = lm_buf_add(out, lm_bytes(octets, len));
		}
		if (err)
			return cut && err == LM_E_LIMIT ? 0 : err;
		if (cut && lm_buf_len(out) == out->max)
			return 0;
	}
	return 0;
}

int lm_js_jsstring_octets(JSStringRef s, bool cut, struct lm_buf *out)
{
	size_t count = lm_jsc.JSStringGetLength(s);
	const JSChar *units;

	if (!count)
		return 0;
	units = lm_jsc.JSStringGetCharactersPtr(s);
	return units ? add_units(units, count, cut, out) : LM_E_NOMEM;
}

bool lm_js_add_octets(struct lm_js *js, struct lm_js_value *value, struct lm_buf *out)
{
	JSStringRef s;
	size_t before = lm_buf_len(out);
	int err;

	if (!lm_jsc.JSValueIsString(js->ctx, lm_js_in(value))) {
		lm_js_throw(js, LM_JS_TYPE_ERROR, "not a string");
		return false;
	}
	s = lm_jsc.JSValueToStringCopy(js->ctx, lm_js_in(value), NULL);
	err = s ? lm_js_jsstring_octets(s, false, out) : LM_E_NOMEM;
	if (s)
		lm_jsc.JSStringRelease(s);
	if (!err)
		return true;
	out->len = out->head + before;
	if (err == LM_E_LIMIT)
		lm_js_throw(js, LM_JS_RANGE_ERROR, "a string of more than %zu octets", out->max);
	else
		lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for a string");
	return false;
}

static size_t slot_of(const struct lm_js_names *names, const char *literal)
{
	size_t at = ((uintptr_t)literal * 0x9E3779B97F4A7C15U) >> 20;

	for (;; at++) {
		struct lm_js_name *slot = &names->slots[at & (names->size - 1)];

		if (!slot->literal || slot->literal == literal)
			return at & (names->size - 1);
	}
}

static bool grow_names(struct lm_js_names *names)
{
	struct lm_js_names bigger = { .size = names->size ? names->size * 2 : 64 };

	bigger.slots = lm_alloc_zero(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < names->size; i++)
		if (names->slots[i].literal)
			bigger.slots[slot_of(&bigger, names->slots[i].literal)] = names->slots[i];
	bigger.count = names->count;
	lm_free(names->slots);
	*names = bigger;
	return true;
}

JSStringRef lm_js_name(struct lm_js *js, const char *literal)
{
	struct lm_js_names *names = &js->names;
	struct lm_js_name *slot;

	if (names->count * 2 >= names->size && !grow_names(names)) {
		lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for a name");
		return NULL;
	}
	slot = &names->slots[slot_of(names, literal)];
	if (!slot->literal) {
		slot->literal = literal;
		slot->string = lm_js_jsstring(lm_str(literal));
		names->count++;
	}
	return slot->string;
}

void lm_js_names_free(struct lm_js_names *names)
{
	for (size_t i = 0; i < names->size; i++)
		if (names->slots[i].literal)
			lm_jsc.JSStringRelease(names->slots[i].string);
	lm_free(names->slots);
}
