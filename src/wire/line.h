/** @file
 * Strict CRLF lines out of any split of the input, with a limit.
 */
#ifndef LM_WIRE_LINE_H
#define LM_WIRE_LINE_H

#include "base/buf.h"

enum lm_line_flag {
	LM_LINE_TOO_LONG = 1, /**< over the limit: `text` is its beginning, the rest was dropped */
	LM_LINE_BARE =
	        2, /**< holds a CR that is not before LF, or (strict) a LF that is not behind CR */
	LM_LINE_NUL = 4,      /**< holds NUL */
	LM_LINE_8BIT = 8,     /**< holds an octet of 0x80 and above */
	LM_LINE_CONTROL = 16, /**< holds another control character than TAB */
	LM_LINE_LF = 32,      /**< lenient: ended by LF alone */
};

/** A reader's state between pieces of input. Zero-cost while no partial line is held. */
struct lm_line_reader {
	struct lm_buf partial; /**< its maximum is the limit of a line with its CRLF */
	bool dropping;         /**< the line is too long already: its rest is thrown away */
	bool lenient;          /**< LF alone ends a line, too */
};

struct lm_line {
	struct lm_bytes text; /**< without its line end; lives until the next call on the reader or
	                         its input dies */
	unsigned flags;       /**< enum lm_line_flag */
};

/** `max`: octets of the longest line, CRLF included (RFC 5321 4.5.3.1: 512 and more; RFC 2449 4:
 * 255). */
void lm_line_reader_init(struct lm_line_reader *r, size_t max);
void lm_line_reader_done(struct lm_line_reader *r);

/**
 * Take octets up to the end of the first line. *out_taken says how many were used.
 * Returns 1 with *out_line, 0 when more input is needed (all of `in` was taken then), LM_E_NOMEM.
 * A bare LF does not end a line unless `lenient`; bare CR never does.
 */
LM_MUST int lm_line_read(struct lm_line_reader *r, struct lm_bytes in, size_t *out_taken,
                         struct lm_line *out_line);

/** A partial line is held. */
bool lm_line_pending(const struct lm_line_reader *r);

/** Overwrite what the reader holds (a line with a password in it). */
void lm_line_wipe(struct lm_line_reader *r);

#endif
