/** @file
 * "cloud:URL": messages in a table behind an HTTP service that takes SQL, as izy-pop3 has it.
 */
#ifndef LM_STORE_CLOUD_CLOUD_H
#define LM_STORE_CLOUD_CLOUD_H

#include "store/mime.h"

LM_MUST int lm_cloud_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                          struct lm_mime_store **out_store, struct lm_error *out_error);

#endif
