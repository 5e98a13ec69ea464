/** @file
 * Structured values of scripts as octets: JSON text; or, where they hold octets of their own, the
 * octet 1, the length of the JSON text (8 octets, the lowest first), the text, and those octets one
 * behind the other (js/values.js says where in the text they are meant).
 */
#ifndef LM_SCRIPT_VALUES_H
#define LM_SCRIPT_VALUES_H

#include "script/runtime.h"

enum { LM_VALUE_MAX = 1 << 30 };

/** The arguments `i` (JSON text) and i + 1 (an array of bytes) as octets, added to `out`. False:
 * thrown. */
bool lm_value_octets(const struct lm_js_call *call, size_t i, struct lm_buf *out);
/** The array [JSON text, bytes or undefined] for octets; NULL: thrown (CORRUPT). */
struct lm_js_value *lm_value_of(struct lm_js *js, struct lm_bytes octets);

/** 8 octets, the lowest first. */
void lm_value_put64(uint8_t out[8], uint64_t n);
uint64_t lm_value_get64(const uint8_t *at);

/** @name What native functions need
 * False and NULL: thrown. */
/**@{*/
struct lm_js_value *lm_value_throw(struct lm_js *js, int err, const char *what);
/** A whole number from 0 to `max`. */
bool lm_value_count(const struct lm_js_call *call, size_t i, uint64_t max, uint64_t *out);
/** A string's or bytes' octets, added to `out`. */
bool lm_value_add(const struct lm_js_call *call, size_t i, struct lm_buf *out);
/** Bytes over a buffer's memory, which is taken from it. */
struct lm_js_value *lm_value_bytes(struct lm_js *js, struct lm_buf *buf);
/**@}*/

#endif
