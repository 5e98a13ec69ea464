/** @file
 * Header fields and contents as they are written: folded, encoded where they must be (RFC 2047,
 * RFC 2231, RFC 2045), with CRLF line ends or the ones asked for.
 *
 * Text is UTF-8; what is none is guessed at as lm_letter_decode_text does. CR, LF and NUL in
 * anything that becomes a header are LM_E_SYNTAX.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef LM_MIME_LETTER_COMPOSE_H
#define LM_MIME_LETTER_COMPOSE_H

#include "mime/letter.h"

/** Add text as the body of a field whose name has `used` octets with its colon and blank. */
LM_MUST int lm_compose_text(struct lm_bytes text, size_t used, const char *eol, struct lm_buf *out);
/** Add one mailbox: `"Doe, Joe" <a@b>`; without a name `<a@b>`, which also stands for nobody when
 * the address is empty. LM_E_SYNTAX too: the address can be none. */
LM_MUST int lm_compose_mailbox(struct lm_bytes name, struct lm_bytes address, size_t used,
                               const char *eol, struct lm_buf *out);
/** The same as people read it, nothing encoded or folded: `Doe, Joe` in quotes, `a@b` alone. */
LM_MUST int lm_compose_display(struct lm_bytes name, struct lm_bytes address, struct lm_buf *out);
/** Add a list of addresses as lm_letter_decode_addresses reads it, each as lm_compose_mailbox
 * writes it. LM_E_SYNTAX: the text names what is no address. */
LM_MUST int lm_compose_addresses(struct lm_bytes list, size_t used, const char *eol,
                                 struct lm_buf *out, struct lm_error *out_error);
/** Add "; name=value"; `lead` is what stands behind the semicolon: a blank, or a line end and a
 * tab. LM_E_SYNTAX too: the name is no token. */
LM_MUST int lm_compose_parameter(const char *name, struct lm_bytes value, const char *lead,
                                 struct lm_buf *out);

/** Gets what was encoded. A negative result stops and is returned. */
typedef int (*lm_compose_sink)(void *ctx, struct lm_bytes octets);

/** What octets need, seen piece by piece. Zeroed it is at the beginning. */
struct lm_compose_look {
	bool eight_bit, nul, bare_cr, bare_lf, long_line; /* over 998 octets */
	bool dot_line;                                    /* a line that is one dot */
	uint64_t octets, high; /* high: of those, what quoted-printable would encode */
	size_t line;
	uint8_t last;
	bool dot;
};
void lm_compose_look(struct lm_compose_look *look, struct lm_bytes octets);
/** The encoding that was asked for if the octets fit it, else one they fit; `asked` -1: the best,
 * readable where it can be. */
enum lm_transfer lm_compose_choose(const struct lm_compose_look *look, int asked);

/** An encoder. Lines are at most 76 octets in quoted-printable and base64; in quoted-printable
 * nothing at the start of a line looks like a dot, a boundary or "From ". */
struct lm_compose_encoder {
	enum lm_transfer transfer;
	const char *eol;
	lm_compose_sink sink;
	void *ctx;
	uint8_t held[64]; /* what waits for more: of base64 a line */
	size_t held_len;
	size_t column;
	bool at_start; /* nothing was written yet, or a line end */
	struct lm_buf line;
};
void lm_compose_begin(struct lm_compose_encoder *e, enum lm_transfer transfer, const char *eol,
                      lm_compose_sink sink, void *ctx);
LM_MUST int lm_compose_feed(struct lm_compose_encoder *e, struct lm_bytes octets);
/** Hand on what is held, and free it; so it must be called. A last line without an end has none
 * now: `at_start` is false then. */
LM_MUST int lm_compose_end(struct lm_compose_encoder *e);

#endif
