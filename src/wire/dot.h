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
};

void lm_dot_decoder_init(struct lm_dot_decoder *d);

/**
 * Un-stuff `in` into `out` (at least in.len + 2 octets of room). Only CRLF.CRLF ends the message;
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
