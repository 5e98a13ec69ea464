/** @file
 * Small scanners for command lines: words, numbers, case, base64.
 */
#ifndef LM_WIRE_TEXT_H
#define LM_WIRE_TEXT_H

#include "base/buf.h"

/** ASCII upper case; other octets unchanged. */
static inline uint8_t lm_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

/** Equal but for ASCII case. */
LM_MUST bool lm_equal_nocase(struct lm_bytes a, struct lm_bytes b);
LM_MUST bool lm_starts_nocase(struct lm_bytes text, const char *prefix);

/** Cut the next word off *rest at a single space (or the end): LIST's and UIDL's way. Empty when
 * nothing is left. Two spaces give an empty word. */
struct lm_bytes lm_next_word(struct lm_bytes *rest);
/** Without spaces and TABs at both ends. */
struct lm_bytes lm_trim(struct lm_bytes b);

/** Decimal digits only, no sign, no space; false when empty, not a number, or over `max`. */
LM_MUST bool lm_parse_number(struct lm_bytes b, uint64_t max, uint64_t *out_number);

/** Strict base64 (RFC 4648 4): padding required, no line breaks. LM_E_SYNTAX; LM_E_LIMIT over out's
 * maximum. */
LM_MUST int lm_base64_decode(struct lm_bytes in, struct lm_buf *out);
LM_MUST int lm_base64_encode(struct lm_bytes in, struct lm_buf *out);

/** xtext of RFC 3461 4, decoded into `out`. LM_E_SYNTAX. */
LM_MUST int lm_xtext_decode(struct lm_bytes in, struct lm_buf *out);

/** Valid UTF-8 without surrogates, shortest form only. */
LM_MUST bool lm_is_utf8(struct lm_bytes b);

#endif
