/** @file
 * "fake:": 99 items guid_1 to guid_99 of 20, 30, … octets, as izy-pop3 has it. For tests and
 * trials.
 */
#ifndef LM_STORE_FAKE_FAKE_H
#define LM_STORE_FAKE_FAKE_H

#include "store/mime.h"

LM_MUST int lm_fake_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                         struct lm_mime_store **out_store, struct lm_error *out_error);

#endif
