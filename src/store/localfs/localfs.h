/** @file
 * "localfs:PATH": a folder of .eml files, with archive/, staged/ and dup/ beside them, as izy-pop3
 * has it.
 */
#ifndef LM_STORE_LOCALFS_LOCALFS_H
#define LM_STORE_LOCALFS_LOCALFS_H

#include "store/mime.h"

LM_MUST int lm_localfs_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                            struct lm_mime_store **out_store,
                            struct lm_error *out_error); /** lm_mime_store_check. */
LM_MUST int lm_localfs_check(const char *url, const char *rest, const struct lm_mime_conf *conf,
                             void (*report)(void *ctx, const char *problem), void *ctx,
                             struct lm_error *out_error);

#endif
