/** @file
 * Dot-stuffing both ways (RFC 5321 4.5.2, RFC 1939 3), octet-exact at any split.
 */
#ifndef LM_WIRE_DOT_H
#define LM_WIRE_DOT_H

#include "base/buf.h"

/** Decoder state: where in "CRLF . CRLF" the input stands. Zeroed (lm_dot_decoder_init) it stands
 * at a line's start. */
struct lm_dot_decoder {
	int state;
	bool done;     /**< CRLF.CRLF was seen; what follows belongs to somebody else */
	bool has_bare; /**< a CR or LF stood alone */
	bool has_nul;
	/** For clients of servers that do not stuff as they should; set behind init. A dot at the
	 * start of a line that no dot follows is nobody's stuffing: it stays, and shows that
	 * later dots are none either (`keeps`). Two dots behind a bare LF become one, because
	 * most servers take LF for a line's end, until `keeps_behind_lf`. */
	bool lenient, keeps, keeps_behind_lf;
	bool lf_lines;    /**< lenient: LF is a line's end as good as CRLF: LF . LF ends, too */
	bool ended_by_lf; /**< `done` by ".LF" */
};

void lm_dot_decoder_init(struct lm_dot_decoder *d);
/** `done` was wrong, the dot line belonged to the message: go on at the start of a line. */
void lm_dot_decoder_go_on(struct lm_dot_decoder *d);

/**
 * Un-stuff `in` into `out` (at least in.len + 2 octets of room). Only CRLF.CRLF ends the message
 * (but see lf_lines);
 * the CRLF before the dot belongs to it. *out_taken is in.len unless `done` was reached. Returns
 * the octets written.
 */
size_t lm_dot_decode(struct lm_dot_decoder *d, struct lm_bytes in, uint8_t *out, size_t *out_taken);

/** Encoder state. */
struct lm_dot_encoder {
	bool at_start; /**< the next octet begins a line */
	bool after_cr;
	bool ends_line; /**< what went through so far ends with CRLF, or is empty */
};

void lm_dot_encoder_init(struct lm_dot_encoder *e);

/**
 * Stuff `in` and add it to `out`. A dot behind CRLF is doubled, and behind a bare LF, too, because
 * most clients take that for a line's end (docs/octets.md). Errors: LM_E_LIMIT, LM_E_NOMEM, then
 * nothing was added.
 */
LM_MUST int lm_dot_encode(struct lm_dot_encoder *e, struct lm_bytes in, struct lm_buf *out);
/** Add what ends the message: CRLF if the last line lacks it, then ".CRLF". */
LM_MUST int lm_dot_encode_end(struct lm_dot_encoder *e, struct lm_buf *out);

#endif
