/** @file
 * Languages of POP3 replies that a server was given (lm_server_language), and the option that names
 * one.
 */
#ifndef LM_SERVER_LANGUAGES_H
#define LM_SERVER_LANGUAGES_H

#include <lettermill/pop3.h>

/** Zeroed it is empty. Sessions borrow what is in it. */
struct lm_languages {
	struct lm_pop3_language *items;
	size_t count;
};

/** Keep a copy, in the place of an earlier one of that tag. On error nothing changes. Errors:
 * LM_E_CONFIG, LM_E_NOMEM. */
LM_MUST int lm_languages_add(struct lm_languages *languages,
                             const struct lm_pop3_language *language, struct lm_error *out_error);
void lm_languages_done(struct lm_languages *languages);

/** Whether `tag` is one of them or built in; the error lists all. Errors: LM_E_CONFIG. */
LM_MUST int lm_languages_check(const struct lm_languages *languages, const char *tag,
                               struct lm_error *out_error);

#endif
