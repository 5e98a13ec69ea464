/** @file
 * "slow:MS:URL": a store whose every completion comes MS milliseconds late.
 */
#ifndef LM_STORE_SLOW_SLOW_H
#define LM_STORE_SLOW_SLOW_H

#include "store/store_impl.h"

LM_MUST int lm_slow_open(const char *rest, struct lm_store **out_store, struct lm_error *out_error);
LM_MUST int lm_slow_accounts(const char *rest, struct lm_accounts **out_accounts,
                             struct lm_error *out_error);
LM_MUST int lm_slow_check(const char *rest, void (*report)(void *ctx, const char *problem),
                          void *ctx, struct lm_error *out_error);

#endif
