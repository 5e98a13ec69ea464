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

const struct lm_pop3_lang *lm_pop3_lang_find(struct lm_bytes range)
{
	while (range.len) {
		for (size_t i = 0; i < lm_pop3_lang_count; i++)
			if (lm_equal_nocase(range, lm_str(lm_pop3_langs[i]->tag)))
				return lm_pop3_langs[i];
		while (range.len && range.data[range.len - 1] != '-')
			range.len--;
		if (range.len)
			range.len--;
	}
	return NULL;
}
