/** @file
 * "memory:": mail that lives as long as the store object. For tests and trials.
 */
#ifndef LM_STORE_MEMORY_MEMORY_H
#define LM_STORE_MEMORY_MEMORY_H

#include "store/store_impl.h"

LM_MUST int lm_memory_open(const char *rest, struct lm_store **out_store,
                           struct lm_error *out_error);
LM_MUST int lm_memory_accounts(const char *rest, struct lm_accounts **out_accounts,
                               struct lm_error *out_error);

#endif
