/** @file
 * Text in other charsets, over iconv. "" names the house's rule: octets as they are, as UTF-8 where
 * they are that.
 *
 * Threads: any.
 */
#ifndef LM_SCRIPT_ENCODING_H
#define LM_SCRIPT_ENCODING_H

#include "base/buf.h"

/** iconv has a charset of this name. */
bool lm_encoding_known(const char *charset);
/** Octets of a charset as UTF-8, added to `out`: what is none becomes U+FFFD; the five octets that
 * windows-1252 leaves open are the control characters U+0081 …, as browsers have it. Errors:
 * LM_E_UNSUPPORTED (no such charset), LM_E_LIMIT (out->max), LM_E_NOMEM. */
LM_MUST int lm_encoding_decode(const char *charset, struct lm_bytes octets, struct lm_buf *out);
/** UTF-8 in a charset, added to `out`: what it cannot say, and octets that are no UTF-8, become
 * '?'. Errors: the same. */
LM_MUST int lm_encoding_encode(const char *charset, struct lm_bytes text, struct lm_buf *out);

#endif
