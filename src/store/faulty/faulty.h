/** @file
 * "faulty:SPEC:URL": a store whose n-th operation of a kind fails (SPEC: store_impl.h).
 */
#ifndef LM_STORE_FAULTY_FAULTY_H
#define LM_STORE_FAULTY_FAULTY_H

#include "store/store_impl.h"

LM_MUST int lm_faulty_open(const char *rest, struct lm_store **out_store,
                           struct lm_error *out_error);
LM_MUST int lm_faulty_accounts(const char *rest, struct lm_accounts **out_accounts,
                               struct lm_error *out_error);
LM_MUST int lm_faulty_check(const char *rest, void (*report)(void *ctx, const char *problem),
                            void *ctx, struct lm_error *out_error);

#endif
