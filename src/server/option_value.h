/** @file
 * What each kind of option does with its field: one row of functions a kind.
 */
#ifndef LM_SERVER_OPTION_VALUE_H
#define LM_SERVER_OPTION_VALUE_H

#include "server/options.h"

struct lm_option_kind_ops {
	/** Read `text` into the field, or add to it; nothing changes on error. */
	int (*parse)(const struct lm_option *, void *field, const char *text, struct lm_error *);
	/** Free what the field holds, and zero it. */
	void (*done)(const struct lm_option *, void *field);
	/** Write value number `index` as text: 1, or 0 when there is none. */
	int (*text)(const struct lm_option *, const void *field, size_t index, char *, size_t cap);
};

const struct lm_option_kind_ops *lm_option_kind_ops(enum lm_option_kind kind);

#endif
