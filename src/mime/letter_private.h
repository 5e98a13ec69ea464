/** @file
 * What the files of letter share. Threads: as letter.h.
 */
#ifndef LM_MIME_LETTER_PRIVATE_H
#define LM_MIME_LETTER_PRIVATE_H

#include "base/arena.h"
#include "mime/letter.h"

#include <stdatomic.h>

struct lm_letter_span {
	uint32_t name, name_len, body, end; /* in the header */
};

struct lm_letter {
	atomic_uint refs;
	struct lm_stash octets;
	uint64_t size;
	uint8_t nl; /* the octet lines end at */
	const char *eol;
	struct lm_buf header; /* from fields_at on, fields only */
	uint64_t fields_at;   /* behind the line "From " of an mbox file */
	struct lm_letter_span *fields;
	size_t field_count, field_cap;
	struct lm_letter_part *parts;
	uint32_t part_count, part_cap;
	struct lm_arena types;
};

/** Find fields and parts of a letter whose octets and size are set. */
LM_MUST int lm_letter_scan(struct lm_letter *letter, struct lm_error *out_error);

/** Of a header: the body of the first field of a name; data NULL: there is none. */
struct lm_bytes lm_letter_header_body(struct lm_bytes header, uint8_t nl, const char *name);

/** Cut the first field with its folded lines off *header. */
struct lm_letter_cut {
	struct lm_bytes name, body, whole;
};
bool lm_letter_cut_field(struct lm_bytes *header, uint8_t nl, struct lm_letter_cut *out_cut);

/** Media type in small letters, added to `out`; a name alone is made whole ("text" is text/plain).
 * *out_multipart, and its boundary added to `boundary`. */
LM_MUST int lm_letter_type(struct lm_bytes body, struct lm_buf *out, struct lm_buf *boundary);

/** Add the parameters of a Content-Type in UTF-8 but for charset, boundary and name, ready to stand
 * behind it. */
LM_MUST int lm_letter_parameters(struct lm_bytes value, struct lm_buf *out);

/** GMime, once a process. */
void lm_letter_gmime(void);

/** Add octets of a charset as UTF-8, as lm_letter_text has it. Errors: LM_E_LIMIT, LM_E_NOMEM. */
LM_MUST int lm_letter_to_utf8(struct lm_bytes octets, const char *charset, struct lm_buf *out);
/** The other way; LM_E_SYNTAX: a character is not in it, or the charset is unknown. */
LM_MUST int lm_letter_from_utf8(struct lm_bytes text, const char *charset, struct lm_buf *out);

/** Unfolded raw octets as UTF-8, nothing decoded but the guess at what they are. */
LM_MUST int lm_letter_unfold(struct lm_bytes body, struct lm_buf *out);
/** Decode the encoded words of UTF-8 text. */
LM_MUST int lm_letter_words(struct lm_bytes text, struct lm_buf *out);

bool lm_letter_is(struct lm_bytes name, const char *want);

#endif
