/** @file
 * Octets that a script gives, as a string or as bytes.
 */
#ifndef LM_SCRIPT_OCTETS_H
#define LM_SCRIPT_OCTETS_H

#include "script/engine/engine.h"

/**
 * A string's octets by the house's rule, which go to `room`, or those of bytes, which stay where
 * they are until the next call on the VM. False: thrown (neither of both, or past room->max).
 */
static inline bool lm_octets_of(struct lm_js *js, struct lm_js_value *value, struct lm_buf *room,
                                struct lm_bytes *out_octets)
{
	if (lm_js_type(js, value) == LM_JS_BYTES) {
		*out_octets = lm_js_view(js, value);
		return true;
	}
	if (!lm_js_add_octets(js, value, room))
		return false;
	*out_octets = lm_buf_bytes(room);
	return true;
}

/** The same as a C string in the caller's memory; a NUL among the octets, or no room, is a
 * RangeError about `what`. */
static inline bool lm_octets_text(struct lm_js *js, struct lm_js_value *value, const char *what,
                                  char *out, size_t size)
{
	struct lm_buf room = { .max = size - 1 };
	struct lm_bytes octets;
	bool ok = false;

	if (lm_js_type(js, value) != LM_JS_STRING) {
		lm_js_throw(js, LM_JS_TYPE_ERROR, "%s: a string", what);
	} else if (!lm_octets_of(js, value, &room, &octets)) {
		ok = false; /* thrown */
	} else if (octets.len && memchr(octets.data, 0, octets.len)) {
		lm_js_throw(js, LM_JS_RANGE_ERROR, "%s: no NUL can stand in it", what);
	} else {
		if (octets.len)
			memcpy(out, octets.data, octets.len);
		out[octets.len] = '\0';
		ok = true;
	}
	lm_buf_wipe(&room);
	return ok;
}

#endif
