/** @file
 * Stores of maildrops (store.h) as mime stores: sqlite:, memory:, maildir:.
 */
#ifndef LM_STORE_BOXES_BOXES_H
#define LM_STORE_BOXES_BOXES_H

#include "store/mime.h"

/** Opens what lm_store_open knows. Setting "mailbox": the maildrop; see docs/stores.md for what is
 * taken without it. */
LM_MUST int lm_boxes_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                          struct lm_mime_store **out_store, struct lm_error *out_error);
/** lm_store_check. */
LM_MUST int lm_boxes_check(const char *url, const char *rest, const struct lm_mime_conf *conf,
                           void (*report)(void *ctx, const char *problem), void *ctx,
                           struct lm_error *out_error);

#endif
