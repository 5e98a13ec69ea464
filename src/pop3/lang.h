/** @file
 * Replies by key, and the languages their texts come in.
 */
#ifndef LM_POP3_LANG_H
#define LM_POP3_LANG_H

#include "base/mem.h"

#include <lettermill/pop3.h>

/** Keys of replies (replies.def). */
enum lm_pop3_say {
	LM_SAY_NOTHING,
#define R(id, key, kind, code, fixed) LM_SAY_##id,
#include "pop3/replies.def"
#undef R
	LM_SAY_COUNT
};

enum lm_pop3_kind {
	LM_POP3_OK,  /**< +OK */
	LM_POP3_NO,  /**< -ERR */
	LM_POP3_BAD, /**< -ERR, and it counts against params.max_errors */
};

struct lm_pop3_say_row {
	const char *key;
	enum lm_pop3_kind kind;
	enum lm_pop3_code code;
	const char *fixed; /**< NULL: see the language */
};

/** The row of a key. */
const struct lm_pop3_say_row *lm_pop3_say_row(enum lm_pop3_say say);

/** A language: one constant table a file. */
struct lm_pop3_lang {
	const char *tag;  /**< RFC 5646, lower case */
	const char *name; /**< what LANG lists */
	const char *texts[LM_SAY_COUNT];
};

/** The languages, in the order LANG lists them. */
extern const struct lm_pop3_lang *const lm_pop3_langs[];
extern const size_t lm_pop3_lang_count;

/** The language a session speaks: built in, or one of params.languages. */
struct lm_pop3_voice {
	const struct lm_pop3_lang *own; /**< NULL: `added` */
	const struct lm_pop3_language *added;
};

const char *lm_pop3_voice_tag(const struct lm_pop3_voice *voice);
const char *lm_pop3_voice_name(const struct lm_pop3_voice *voice);
/** The words for a key, as a template; English where the language has none, NULL where it leaves
 * them open. */
const char *lm_pop3_words(const struct lm_pop3_voice *voice, enum lm_pop3_say say);
const char *lm_pop3_english(enum lm_pop3_say say);

/** The languages of a server in the order LANG lists them, by index; false behind the last. One
 * that was added stands in the place of a built-in one with its tag. */
bool lm_pop3_voice_at(const struct lm_pop3_server_params *params, size_t index,
                      struct lm_pop3_voice *out_voice);
/** The best language for a range: the tag itself in any case, else with its last subtags dropped
 * (RFC 4647 3.4); false when there is none. */
bool lm_pop3_voice_find(const struct lm_pop3_server_params *params, struct lm_bytes range,
                        struct lm_pop3_voice *out_voice);
/** The language sessions begin with. */
struct lm_pop3_voice lm_pop3_voice_default(const struct lm_pop3_server_params *params);

/** What may stand in braces. */
bool lm_pop3_is_place(struct lm_bytes name);

#endif
