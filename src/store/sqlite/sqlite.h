/** @file
 * "sqlite:PATH": mail and accounts in one SQLite database, large messages in files beside it.
 */
#ifndef LM_STORE_SQLITE_SQLITE_H
#define LM_STORE_SQLITE_SQLITE_H

#include "store/store_impl.h"

LM_MUST int lm_sqlite_open(const char *path, struct lm_store **out_store,
                           struct lm_error *out_error);
LM_MUST int lm_sqlite_accounts(const char *path, struct lm_accounts **out_accounts,
                               struct lm_error *out_error);
LM_MUST int lm_sqlite_check(const char *path, void (*report)(void *ctx, const char *problem),
                            void *ctx, struct lm_error *out_error);

/** Tests: checkpoint, reclaim and compact now, whatever else goes on; returns when done. */
void lm_sqlite_tidy(struct lm_store *store);

#endif
