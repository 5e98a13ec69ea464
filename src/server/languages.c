/* Copies of languages, which outlive the sessions that speak them. */
#include "server/languages.h"

#include "base/error.h"
#include "base/mem.h"
#include "pop3/lang.h"
#include "wire/text.h"

#include <stdio.h>

static void language_done(struct lm_pop3_language *l)
{
	for (size_t i = 0; i < l->text_count; i++) {
		lm_free((char *)l->texts[i].key);
		lm_free((char *)l->texts[i].text);
	}
	lm_free((void *)l->texts);
	lm_free((char *)l->tag);
	lm_free((char *)l->name);
	*l = (struct lm_pop3_language){ 0 };
}

/* NULL stays NULL. */
static int copy_string(const char *from, const char **to)
{
	*to = from ? lm_strdup_bytes(lm_str(from)) : NULL;
	return from && !*to ? LM_E_NOMEM : 0;
}

static int copy_texts(const struct lm_pop3_language *from, struct lm_pop3_language *to)
{
	struct lm_pop3_text *texts;
	int err = 0;

	if (!from->text_count)
		return 0;
	texts = lm_alloc_zero(from->text_count, sizeof(*texts));
	if (!texts)
		return LM_E_NOMEM;
	to->texts = texts;
	to->text_count = from->text_count;
	for (size_t i = 0; !err && i < from->text_count; i++) {
		err = copy_string(from->texts[i].key, &texts[i].key);
		if (!err)
			err = copy_string(from->texts[i].text, &texts[i].text);
	}
	return err;
}

static int copy(const struct lm_pop3_language *from, struct lm_pop3_language *to)
{
	int err = copy_string(from->tag, &to->tag);

	if (!err)
		err = copy_string(from->name, &to->name);
	if (!err)
		err = copy_texts(from, to);
	if (err)
		language_done(to);
	return err;
}

static struct lm_pop3_language *find(struct lm_languages *languages, const char *tag)
{
	for (size_t i = 0; i < languages->count; i++)
		if (strcmp(languages->items[i].tag, tag) == 0)
			return &languages->items[i];
	return NULL;
}

static struct lm_pop3_language *add_place(struct lm_languages *languages)
{
	struct lm_pop3_language *items = lm_realloc(languages->items, languages->count + 1,
	                                            sizeof(*items));

	if (!items)
		return NULL;
	languages->items = items;
	items[languages->count] = (struct lm_pop3_language){ 0 };
	return &items[languages->count++];
}

int lm_languages_add(struct lm_languages *languages, const struct lm_pop3_language *language,
                     struct lm_error *out_error)
{
	struct lm_pop3_language own = { 0 }, *place;
	int err = lm_pop3_language_check(language, out_error);

	if (err)
		return err;
	err = copy(language, &own);
	place = err ? NULL : find(languages, own.tag);
	if (!err && !place)
		place = add_place(languages);
	if (!place) {
		language_done(&own);
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	language_done(place);
	*place = own;
	return 0;
}

void lm_languages_done(struct lm_languages *languages)
{
	for (size_t i = 0; i < languages->count; i++)
		language_done(&languages->items[i]);
	lm_free(languages->items);
	*languages = (struct lm_languages){ 0 };
}

int lm_languages_check(const struct lm_languages *languages, const char *tag,
                       struct lm_error *out_error)
{
	const struct lm_pop3_server_params params = { .languages = languages->items,
		                                      .language_count = languages->count };
	struct lm_pop3_voice voice;
	char known[120] = "";
	size_t n = 0;

	for (size_t i = 0; lm_pop3_voice_at(&params, i, &voice); i++) {
		const char *own = lm_pop3_voice_tag(&voice);

		if (lm_equal_nocase(lm_str(tag), lm_str(own)))
			return 0;
		if (n < sizeof(known))
			n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? "|" : "",
			                      own);
	}
	return lm_fail(out_error, LM_E_CONFIG, "language: \"%.40s\" is not %s", tag, known);
}
