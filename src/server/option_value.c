/* Reading, freeing and writing the value of an option, by kind. */
#include "server/option_value.h"

#include "base/buf.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

/* The most values one repeatable option takes: a slip in a script must not eat the memory. */
#define MAX_VALUES 10000

static int bad(const struct lm_option *o, const char *text, const char *wanted,
               struct lm_error *out_error)
{
	const char *shown = o->flags & LM_OPTION_SECRET ? "(not shown)" : text;

	return lm_fail(out_error, LM_E_CONFIG, "%s: \"%.60s\" is not %s", o->name, shown, wanted);
}

/* Strings */

static void wipe_and_free(const struct lm_option *o, char *s)
{
	if (s && o->flags & (LM_OPTION_SECRET | LM_OPTION_PEM))
		lm_wipe(s, strlen(s));
	lm_free(s);
}

static int string_parse(const struct lm_option *o, void *field, const char *text,
                        struct lm_error *out_error)
{
	char **s = field, *copy;

	if (*text == '\0')
		return lm_fail(out_error, LM_E_CONFIG, "%s needs a value: %s", o->name,
		               o->placeholder);
	copy = lm_strdup_bytes(lm_str(text));
	if (!copy)
		return lm_fail(out_error, LM_E_NOMEM, "%s: out of memory", o->name);
	wipe_and_free(o, *s);
	*s = copy;
	return 0;
}

static void string_done(const struct lm_option *o, void *field)
{
	char **s = field;

	wipe_and_free(o, *s);
	*s = NULL;
}

static int string_text(const struct lm_option *o, const void *field, size_t index, char *out,
                       size_t cap)
{
	const char *s = *(char *const *)field;

	(void)o;
	if (index > 0 || !s)
		return 0;
	snprintf(out, cap, "%s", s);
	return 1;
}

/* Words: any run of commas and spaces becomes one space, so that sessions need not care. */

static char *join_words(const char *text)
{
	char *copy = lm_strdup_bytes(lm_str(text)), *to = copy;

	if (!copy)
		return NULL;
	for (const char *p = copy; *p;) {
		size_t gap = strspn(p, ", \t"), word = strcspn(p + gap, ", \t");

		if (word > 0 && to > copy)
			*to++ = ' ';
		memmove(to, p + gap, word);
		to += word;
		p += gap + word;
	}
	*to = '\0';
	return copy;
}

static int words_parse(const struct lm_option *o, void *field, const char *text,
                       struct lm_error *out_error)
{
	char **s = field, *words;

	words = join_words(strcasecmp(text, "none") == 0 ? "" : text);
	if (!words)
		return lm_fail(out_error, LM_E_NOMEM, "%s: out of memory", o->name);
	if (*words == '\0' && strcasecmp(text, "none") != 0) {
		lm_free(words);
		return lm_fail(out_error, LM_E_CONFIG, "%s needs a value; \"none\" for none",
		               o->name);
	}
	lm_free(*s);
	*s = words;
	return 0;
}

static int words_text(const struct lm_option *o, const void *field, size_t index, char *out,
                      size_t cap)
{
	const char *s = *(char *const *)field;

	(void)o;
	if (index > 0 || !s)
		return 0;
	snprintf(out, cap, "%s", *s ? s : "none");
	return 1;
}

/* Lists: `*items` grows by one element of `size` octets, zeroed. */

static void *grow(void **items, size_t *count, size_t size)
{
	size_t bytes;
	void *more;

	if (*count >= MAX_VALUES || !lm_mul(*count + 1, size, &bytes))
		return NULL;
	more = lm_realloc(*items, *count + 1, size);
	if (!more)
		return NULL;
	*items = more;
	memset((char *)more + *count * size, 0, size);
	return (char *)more + (*count)++ * size;
}

static int list_parse(const struct lm_option *o, void *field, const char *text,
                      struct lm_error *out_error)
{
	struct lm_option_list *list = field;
	const char *colon = strchr(text, ':');
	void *items = list->items;
	char *copy, **slot;

	if (*text == '\0')
		return lm_fail(out_error, LM_E_CONFIG, "%s needs a value: %s", o->name,
		               o->placeholder);
	if (strchr(o->placeholder, ':') && (!colon || colon == text || colon[1] == '\0'))
		return bad(o, text, o->placeholder, out_error);
	copy = lm_strdup_bytes(lm_str(text));
	slot = copy ? grow(&items, &list->count, sizeof(*list->items)) : NULL;
	if (!slot) {
		wipe_and_free(o, copy);
		return lm_fail(out_error, LM_E_NOMEM, "%s: out of memory", o->name);
	}
	list->items = items;
	*slot = copy;
	return 0;
}

static void list_done(const struct lm_option *o, void *field)
{
	struct lm_option_list *list = field;

	for (size_t i = 0; i < list->count; i++)
		wipe_and_free(o, list->items[i]);
	lm_free(list->items);
	*list = (struct lm_option_list){ 0 };
}

static int list_text(const struct lm_option *o, const void *field, size_t index, char *out,
                     size_t cap)
{
	const struct lm_option_list *list = field;

	(void)o;
	if (index >= list->count)
		return 0;
	snprintf(out, cap, "%s", list->items[index]);
	return 1;
}

static int nets_parse(const struct lm_option *o, void *field, const char *text,
                      struct lm_error *out_error)
{
	struct lm_option_nets *nets = field;
	void *items = nets->items;
	struct lm_network net, *slot;
	struct lm_error why;

	if (lm_network_parse(text, &net, &why) < 0)
		return lm_fail(out_error, LM_E_CONFIG, "%s: %s", o->name, why.text);
	slot = grow(&items, &nets->count, sizeof(*nets->items));
	if (!slot)
		return lm_fail(out_error, LM_E_NOMEM, "%s: out of memory", o->name);
	nets->items = items;
	*slot = net;
	return 0;
}

static void nets_done(const struct lm_option *o, void *field)
{
	struct lm_option_nets *nets = field;

	(void)o;
	lm_free(nets->items);
	*nets = (struct lm_option_nets){ 0 };
}

static int nets_text(const struct lm_option *o, const void *field, size_t index, char *out,
                     size_t cap)
{
	const struct lm_option_nets *nets = field;
	char text[64];

	(void)o;
	if (index >= nets->count)
		return 0;
	lm_network_format(&nets->items[index], text);
	snprintf(out, cap, "%s", text);
	return 1;
}

/* NAME=CERT,KEY */

static void pair_free(struct lm_tls_pair *pair)
{
	lm_free((char *)pair->name);
	lm_free((char *)pair->cert_file);
	lm_free((char *)pair->key_file);
}

static bool pair_copy(const char *text, size_t name_len, size_t cert_len, struct lm_tls_pair *out)
{
	const char *cert = text + name_len + 1, *key = cert + cert_len + 1;

	out->name = lm_strdup_bytes(lm_bytes(text, name_len));
	out->cert_file = lm_strdup_bytes(lm_bytes(cert, cert_len));
	out->key_file = lm_strdup_bytes(lm_str(key));
	if (out->name && out->cert_file && out->key_file)
		return true;
	pair_free(out);
	return false;
}

static int pairs_parse(const struct lm_option *o, void *field, const char *text,
                       struct lm_error *out_error)
{
	struct lm_option_pairs *pairs = field;
	size_t name_len = strcspn(text, "="), cert_len = 0;
	struct lm_tls_pair pair, *slot;
	void *items = pairs->items;

	if (text[name_len])
		cert_len = strcspn(text + name_len + 1, ",");
	if (name_len == 0 || cert_len == 0 || text[name_len + 1 + cert_len] == '\0' ||
	    text[name_len + 2 + cert_len] == '\0')
		return bad(o, text, o->placeholder, out_error);
	if (!pair_copy(text, name_len, cert_len, &pair))
		return lm_fail(out_error, LM_E_NOMEM, "%s: out of memory", o->name);
	slot = grow(&items, &pairs->count, sizeof(*pairs->items));
	if (!slot) {
		pair_free(&pair);
		return lm_fail(out_error, LM_E_NOMEM, "%s: out of memory", o->name);
	}
	pairs->items = items;
	*slot = pair;
	return 0;
}

static void pairs_done(const struct lm_option *o, void *field)
{
	struct lm_option_pairs *pairs = field;

	(void)o;
	for (size_t i = 0; i < pairs->count; i++)
		pair_free(&pairs->items[i]);
	lm_free(pairs->items);
	*pairs = (struct lm_option_pairs){ 0 };
}

static int pairs_text(const struct lm_option *o, const void *field, size_t index, char *out,
                      size_t cap)
{
	const struct lm_option_pairs *pairs = field;
	const struct lm_tls_pair *pair;

	(void)o;
	if (index >= pairs->count)
		return 0;
	pair = &pairs->items[index];
	snprintf(out, cap, "%s=%s,%s", pair->name, pair->cert_file, pair->key_file);
	return 1;
}

/* Addresses */

static int address_parse(const struct lm_option *o, void *field, const char *text,
                         struct lm_error *out_error)
{
	struct lm_option_address address = { .on = strcasecmp(text, "off") != 0 };
	struct lm_error why;

	if (address.on && lm_address_parse(text, &address.at, &why) < 0)
		return lm_fail(out_error, LM_E_CONFIG, "%s: %.200s", o->name, why.text);
	if (address.on && address.at.is_unix && !strchr(o->placeholder, '/'))
		return bad(o, text, "[ADDR:]PORT: only lmtp may be a Unix socket", out_error);
	*(struct lm_option_address *)field = address;
	return 0;
}

static int address_text(const struct lm_option *o, const void *field, size_t index, char *out,
                        size_t cap)
{
	const struct lm_option_address *address = field;
	char text[128] = "off";

	(void)o;
	if (index > 0)
		return 0;
	if (address->on)
		lm_address_format(&address->at, text);
	snprintf(out, cap, "%s", text);
	return 1;
}

/* Numbers, durations, sizes */

static bool parse_digits(const char *text, const char **out_rest, int64_t *out_value)
{
	int64_t value = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (!lm_mul(value, 10, &value) || !lm_add(value, *text - '0', &value))
			return false;
	*out_rest = text;
	*out_value = value;
	return true;
}

struct unit {
	const char *suffix;
	int64_t factor;
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit time_units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
	                                  { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 }
};

static bool parse_units(const char *text, const struct unit *unit, int64_t *out_value)
{
	const char *rest;
	int64_t value;

	if (!parse_digits(text, &rest, &value))
		return false;
	for (; unit->suffix; unit++)
		if (strcasecmp(rest, unit->suffix) == 0)
			return lm_mul(value, unit->factor, out_value);
	/* Nothing needs no unit: "0" is 0 of anything. */
	*out_value = 0;
	return value == 0 && *rest == '\0';
}

/* The largest unit that divides the value, so that what is printed reads as it was written. */
static void format_units(int64_t value, const struct unit *unit, char *out, size_t cap)
{
	const struct unit *best = unit;

	for (; unit->suffix; unit++)
		if (value != 0 && value % unit->factor == 0)
			best = unit;
	snprintf(out, cap, "%" PRId64 "%s", value / best->factor, best->suffix);
}

static int check_range(const struct lm_option *o, const char *text, const struct unit *units,
                       int64_t value, struct lm_error *out_error)
{
	char min[32], max[32];

	if (value >= o->min && value <= o->max)
		return 0;
	format_units(o->min, units, min, sizeof(min));
	format_units(o->max, units, max, sizeof(max));
	if (o->max == INT64_MAX)
		return lm_fail(out_error, LM_E_CONFIG, "%s: %s is below %s", o->name, text, min);
	return lm_fail(out_error, LM_E_CONFIG, "%s: %s is not between %s and %s%s%s", o->name, text,
	               min, max, *o->unit ? " " : "", o->unit);
}

static int number_parse(const struct lm_option *o, void *field, const char *text,
                        struct lm_error *out_error)
{
	int64_t value = -1;
	int err;

	if (o->min != -1 || strcasecmp(text, "never") != 0) {
		if (!parse_units(text, no_units, &value))
			return bad(o, text, "a whole number", out_error);
		err = check_range(o, text, no_units, value, out_error);
		if (err < 0)
			return err;
	}
	*(int64_t *)field = value;
	return 0;
}

static int number_text(const struct lm_option *o, const void *field, size_t index, char *out,
                       size_t cap)
{
	int64_t value = *(const int64_t *)field;

	if (index > 0)
		return 0;
	if (o->min == -1 && value == -1)
		snprintf(out, cap, "never");
	else
		snprintf(out, cap, "%" PRId64, value);
	return 1;
}

static int duration_parse(const struct lm_option *o, void *field, const char *text,
                          struct lm_error *out_error)
{
	int64_t value;
	int err;

	if (!parse_units(text, time_units, &value))
		return bad(o, text, "a time with its unit, as 500ms, 30s, 10m, 1h", out_error);
	err = check_range(o, text, time_units, value, out_error);
	if (err == 0)
		*(lm_time_ms *)field = value;
	return err;
}

static int duration_text(const struct lm_option *o, const void *field, size_t index, char *out,
                         size_t cap)
{
	(void)o;
	if (index > 0)
		return 0;
	format_units(*(const lm_time_ms *)field, time_units, out, cap);
	return 1;
}

static int size_parse(const struct lm_option *o, void *field, const char *text,
                      struct lm_error *out_error)
{
	int64_t value;
	int err;

	if (!parse_units(text, size_units, &value))
		return bad(o, text, "a size in octets, as 4000, 64K, 25M, 1G", out_error);
	err = check_range(o, text, size_units, value, out_error);
	if (err == 0)
		*(uint64_t *)field = (uint64_t)value;
	return err;
}

static int size_text(const struct lm_option *o, const void *field, size_t index, char *out,
                     size_t cap)
{
	(void)o;
	if (index > 0)
		return 0;
	format_units((int64_t) * (const uint64_t *)field, size_units, out, cap);
	return 1;
}

/* Flags and choices */

static int flag_parse(const struct lm_option *o, void *field, const char *text,
                      struct lm_error *out_error)
{
	static const char *const yes[] = { "", "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		if (strcasecmp(text, yes[i]) == 0) {
			*(bool *)field = true;
			return 0;
		}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		if (strcasecmp(text, no[i]) == 0) {
			*(bool *)field = false;
			return 0;
		}
	return bad(o, text, "yes or no (true, false, on, off)", out_error);
}

static int flag_text(const struct lm_option *o, const void *field, size_t index, char *out,
                     size_t cap)
{
	(void)o;
	if (index > 0)
		return 0;
	snprintf(out, cap, "%s", *(const bool *)field ? "yes" : "no");
	return 1;
}

static int choice_parse(const struct lm_option *o, void *field, const char *text,
                        struct lm_error *out_error)
{
	struct lm_option_choice *choice = field;
	const char *p = o->placeholder;

	for (int index = 0; *p; index++) {
		size_t len = strcspn(p, "|");

		if (len == strlen(text) && strncasecmp(p, text, len) == 0) {
			choice->index = index;
			snprintf(choice->word, sizeof(choice->word), "%.*s", (int)len, p);
			return 0;
		}
		p += len + (p[len] == '|');
	}
	return bad(o, text, o->placeholder, out_error);
}

static int choice_text(const struct lm_option *o, const void *field, size_t index, char *out,
                       size_t cap)
{
	(void)o;
	if (index > 0)
		return 0;
	snprintf(out, cap, "%s", ((const struct lm_option_choice *)field)->word);
	return 1;
}

static void nothing_done(const struct lm_option *o, void *field)
{
	(void)o;
	(void)field;
}

static const struct lm_option_kind_ops kinds[] = {
	[LM_OPTION_STRING] = { string_parse, string_done, string_text },
	[LM_OPTION_LIST] = { list_parse, list_done, list_text },
	[LM_OPTION_NETS] = { nets_parse, nets_done, nets_text },
	[LM_OPTION_PAIRS] = { pairs_parse, pairs_done, pairs_text },
	[LM_OPTION_WORDS] = { words_parse, string_done, words_text },
	[LM_OPTION_ADDRESS] = { address_parse, nothing_done, address_text },
	[LM_OPTION_NUMBER] = { number_parse, nothing_done, number_text },
	[LM_OPTION_DURATION] = { duration_parse, nothing_done, duration_text },
	[LM_OPTION_SIZE] = { size_parse, nothing_done, size_text },
	[LM_OPTION_FLAG] = { flag_parse, nothing_done, flag_text },
	[LM_OPTION_CHOICE] = { choice_parse, nothing_done, choice_text },
};

const struct lm_option_kind_ops *lm_option_kind_ops(enum lm_option_kind kind)
{
	return &kinds[kind];
}
