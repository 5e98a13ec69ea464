/** @file
 * Numbers of messages as people write them: "1-10,15,20-".
 */
#ifndef LM_CLI_RANGES_H
#define LM_CLI_RANGES_H

#include <lettermill/error.h>

struct lm_range {
	uint64_t first, last; /**< last UINT64_MAX: to the end */
};

/** In ascending order, without overlap. */
struct lm_ranges {
	struct lm_range *items;
	size_t count;
};

/** Read several texts into one. Free with done, also on error. Errors: LM_E_SYNTAX, LM_E_NOMEM. */
LM_MUST int lm_ranges_parse(char *const *texts, size_t count, struct lm_ranges *out_ranges,
                            struct lm_error *out_error);
void lm_ranges_done(struct lm_ranges *ranges);
LM_MUST bool lm_ranges_have(const struct lm_ranges *ranges, uint64_t number);
/** LM_E_NOT_FOUND where a range names a number above `top`, but for open ends. `count` is told. */
LM_MUST int lm_ranges_check(const struct lm_ranges *ranges, uint64_t top, uint64_t count,
                            struct lm_error *out_error);

#endif
