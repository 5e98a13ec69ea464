/* The list of languages, and how one is found. */
#include "pop3/lang.h"

#include "wire/text.h"

static const struct lm_pop3_say_row rows[LM_SAY_COUNT] = {
#define R(id, key, kind, code, fixed) \
	[LM_SAY_##id] = { key, LM_POP3_##kind, LM_POP3_##code, fixed },
#include "pop3/replies.def"
#undef R
};

const struct lm_pop3_say_row *lm_pop3_say_row(enum lm_pop3_say say)
{
	LM_ASSERT(say > LM_SAY_NOTHING && say < LM_SAY_COUNT);
	return &rows[say];
}

#define L(tag) extern const struct lm_pop3_lang lm_pop3_lang_##tag;
#include "pop3/languages.def"
#undef L

const struct lm_pop3_lang *const lm_pop3_langs[] = {
#define L(tag) &lm_pop3_lang_##tag,
#include "pop3/languages.def"
#undef L
};

enum {
#define L(tag) LANG_##tag,
#include "pop3/languages.def"
#undef L
	LANG_COUNT
};

const size_t lm_pop3_lang_count = LANG_COUNT;

const char *lm_pop3_english(enum lm_pop3_say say)
{
	const char *fixed = lm_pop3_say_row(say)->fixed;

	return fixed ? fixed : lm_pop3_langs[0]->texts[say];
}

const char *lm_pop3_words(const struct lm_pop3_voice *voice, enum lm_pop3_say say)
{
	const struct lm_pop3_say_row *row = lm_pop3_say_row(say);

	if (row->fixed)
		return row->fixed;
	if (voice->own)
		return voice->own->texts[say];
	for (size_t i = 0; i < voice->added->text_count; i++)
		if (strcmp(voice->added->texts[i].key, row->key) == 0)
			return voice->added->texts[i].text;
	return lm_pop3_english(say);
}

const char *lm_pop3_voice_tag(const struct lm_pop3_voice *voice)
{
	return voice->own ? voice->own->tag : voice->added->tag;
}

const char *lm_pop3_voice_name(const struct lm_pop3_voice *voice)
{
	return voice->own ? voice->own->name : voice->added->name;
}

static bool same_tag(const char *a, const char *b)
{
	return lm_equal_nocase(lm_str(a), lm_str(b));
}

static const struct lm_pop3_language *added(const struct lm_pop3_server_params *params,
                                            const char *tag)
{
	for (size_t i = 0; i < params->language_count; i++)
		if (same_tag(params->languages[i].tag, tag))
			return &params->languages[i];
	return NULL;
}

static bool is_built_in(const char *tag)
{
	for (size_t i = 0; i < lm_pop3_lang_count; i++)
		if (same_tag(lm_pop3_langs[i]->tag, tag))
			return true;
	return false;
}

bool lm_pop3_voice_at(const struct lm_pop3_server_params *params, size_t index,
                      struct lm_pop3_voice *out_voice)
{
	size_t n = lm_pop3_lang_count;

	if (index < n) {
		const struct lm_pop3_lang *own = lm_pop3_langs[index];
		const struct lm_pop3_language *instead = added(params, own->tag);

		*out_voice = (struct lm_pop3_voice){ instead ? NULL : own, instead };
		return true;
	}
	for (size_t i = 0; i < params->language_count; i++) {
		if (is_built_in(params->languages[i].tag) || n++ < index)
			continue;
		*out_voice = (struct lm_pop3_voice){ NULL, &params->languages[i] };
		return true;
	}
	return false;
}

bool lm_pop3_voice_find(const struct lm_pop3_server_params *params, struct lm_bytes range,
                        struct lm_pop3_voice *out_voice)
{
	while (range.len) {
		struct lm_pop3_voice voice;

		for (size_t i = 0; lm_pop3_voice_at(params, i, &voice); i++)
			if (lm_equal_nocase(range, lm_str(lm_pop3_voice_tag(&voice)))) {
				*out_voice = voice;
				return true;
			}
		while (range.len && range.data[range.len - 1] != '-')
			range.len--;
		if (range.len)
			range.len--;
	}
	return false;
}

struct lm_pop3_voice lm_pop3_voice_default(const struct lm_pop3_server_params *params)
{
	struct lm_pop3_voice voice = { lm_pop3_langs[0], NULL };

	if (params->language && lm_pop3_voice_find(params, lm_str(params->language), &voice))
		return voice;
	(void)lm_pop3_voice_at(params, 0, &voice);
	return voice;
}
