/** @file
 * Line ends of a message on its way out: LF becomes CRLF, what stands alone is found.
 *
 * Threads: any; a reader belongs to its caller.
 */
#ifndef LM_MIME_NEWLINE_H
#define LM_MIME_NEWLINE_H

#include <lettermill/error.h>

/** Gets octets of one line at most; `eol`: they are (or, `as_is`, end with) its line end. A
 * negative result stops and is returned. */
typedef int (*lm_newline_fn)(void *ctx, struct lm_bytes piece, bool eol);

/** Zeroed but for the settings it is at the beginning. */
struct lm_newline {
	bool strict;   /**< a lone LF is an error, too */
	bool as_is;    /**< nothing is changed or found wrong; lines end at LF */
	bool dot_ends; /**< a line that is one dot is the end; not with as_is */
	lm_newline_fn take;
	void *ctx;

	uint64_t lines; /**< ended so far */
	bool cr;        /**< a CR was the last octet */
	bool dot;       /**< a dot at the line's start is held back */
	bool inside;    /**< of a line */
	bool ended;     /**< by a dot: what comes is dropped */
};

/** Errors: LM_E_SYNTAX with the line's number, those of `take`. */
LM_MUST int lm_newline_feed(struct lm_newline *n, struct lm_bytes in, struct lm_error *out_error);
/** The last line gets its end. Errors: the same. */
LM_MUST int lm_newline_end(struct lm_newline *n, struct lm_error *out_error);

#endif
