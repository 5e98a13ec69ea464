/** @file
 * Replies by key, and the languages their texts come in.
 */
#ifndef LM_POP3_LANG_H
#define LM_POP3_LANG_H

#include "base/mem.h"

#include <lettermill/reply.h>

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

/** The best language for a range: the tag itself in any case, else with its last subtags dropped
 * (RFC 4647 3.4); NULL when there is none. */
const struct lm_pop3_lang *lm_pop3_lang_find(struct lm_bytes range);

#endif
