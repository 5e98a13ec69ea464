/* Whether a language from outside can be used: its keys and places are known, its texts one line.
 */
#include "pop3/lang.h"

#include "base/error.h"
#include "wire/text.h"

enum { TAG_MAX = 35, NAME_MAX = 100, TEXT_MAX = 2000 };

/* RFC 5646 2.1, without asking whether anybody speaks it. */
static bool is_tag(const char *tag)
{
	struct lm_bytes text = lm_str(tag);
	bool letter = text.len > 0 && text.data[0] >= 'a' && text.data[0] <= 'z';

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!part && (c != '-' || i + 1 == text.len || text.data[i + 1] == '-'))
			return false;
	}
	return letter && text.len <= TAG_MAX;
}

/* What a line cannot hold; NULL: nothing. */
static const char *text_fault(struct lm_bytes text, size_t max)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] == 0x7F)
			return "a line end or control character stands in it";
	if (!lm_is_utf8(text))
		return "it is not UTF-8";
	return text.len > max ? "it is too long" : NULL;
}

/* What a client would take for something that only the session says (RFC 2449 8, RFC 1939 7); NULL:
 * nothing. */
static const char *forgery(const char *key, const char *text)
{
	const char *p = text + strspn(text, " ");

	if (*p == '[' && strchr(p, ']'))
		return "brackets at its beginning are a response code";
	if (strcmp(key, lm_pop3_say_row(LM_SAY_GREETING)->key) != 0)
		return NULL;
	for (p = strchr(text, '<'); p; p = strchr(p + 1, '<'))
		if (p[strcspn(p, "@>")] == '@')
			return "\"<...@...>\" in a greeting is a stamp for APOP";
	return NULL;
}

static int check_places(const struct lm_pop3_language *l, const struct lm_pop3_text *t,
                        struct lm_error *out_error)
{
	for (const char *p = strchr(t->text, '{'); p; p = strchr(p, '{')) {
		size_t n = strcspn(p, "}");
		int shown = n > 31 ? 30 : (int)n - 1;

		if (!p[n])
			return lm_fail(out_error, LM_E_CONFIG,
			               "language %s, %s: a brace is not closed", l->tag, t->key);
		if (!lm_pop3_is_place(lm_bytes(p + 1, n - 1)))
			return lm_fail(out_error, LM_E_CONFIG,
			               "language %s, %s: there is no place {%.*s}", l->tag, t->key,
			               shown, p + 1);
		p += n;
	}
	return 0;
}

static const struct lm_pop3_say_row *find_key(const char *key)
{
	for (int say = LM_SAY_NOTHING + 1; say < LM_SAY_COUNT; say++) {
		const struct lm_pop3_say_row *row = lm_pop3_say_row((enum lm_pop3_say)say);

		if (strcmp(row->key, key) == 0)
			return row;
	}
	return NULL;
}

static bool is_repeated(const struct lm_pop3_language *l, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(l->texts[i].key, l->texts[index].key) == 0)
			return true;
	return false;
}

static int check_text(const struct lm_pop3_language *l, size_t index, struct lm_error *out_error)
{
	const struct lm_pop3_text *t = &l->texts[index];
	const struct lm_pop3_say_row *row = t->key ? find_key(t->key) : NULL;
	const char *fault = t->text ? text_fault(lm_str(t->text), TEXT_MAX) : NULL;

	if (!row)
		fault = "there is no such reply";
	else if (row->fixed)
		fault = "it is data, the same in every language";
	else if (is_repeated(l, index))
		fault = "it stands there twice";
	else if (t->text && !fault)
		fault = forgery(t->key, t->text);
	if (fault)
		return lm_fail(out_error, LM_E_CONFIG, "language %s, %.60s: %s", l->tag,
		               t->key ? t->key : "(no key)", fault);
	return t->text ? check_places(l, t, out_error) : 0;
}

int lm_pop3_language_check(const struct lm_pop3_language *l, struct lm_error *out_error)
{
	const char *fault = l->name && *l->name ? text_fault(lm_str(l->name), NAME_MAX)
	                                        : "it is missing";

	if (!l->tag || !is_tag(l->tag))
		return lm_fail(
		        out_error, LM_E_CONFIG,
		        "language: \"%.40s\" is no tag such as \"fr\" or \"pt-br\", in lower "
		        "case",
		        l->tag ? l->tag : "");
	if (fault)
		return lm_fail(out_error, LM_E_CONFIG, "language %s, name: %s", l->tag, fault);
	for (size_t i = 0; i < l->text_count; i++) {
		int err = check_text(l, i, out_error);

		if (err)
			return err;
	}
	return 0;
}
