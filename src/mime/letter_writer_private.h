/** @file
 * What the writer's files share. Threads: as letter_writer.h.
 */
#ifndef LM_MIME_LETTER_WRITER_PRIVATE_H
#define LM_MIME_LETTER_WRITER_PRIVATE_H

#include "mime/letter_compose.h"
#include "mime/letter_private.h"
#include "mime/letter_writer.h"

struct lm_letter_writer_edit;

struct lm_letter_writer {
	struct lm_letter *base;
	const char *eol;
	uint8_t *states;                     /* of the base's fields; NULL: all are kept */
	struct lm_letter_writer_edit *edits; /* what replaces some */
	struct lm_buf added;
	struct lm_stash out;
	uint8_t last;        /* octet written */
	bool fields_written; /* and the body begun */
	bool appending;      /* behind the base's body; `rest` of it comes at the end */
	uint64_t rest;
	size_t depth;
	char *boundaries[LM_LETTER_DEPTH];
	struct lm_error *out_error;
};

/** Each public call begins and ends with these; settled fills an error that has no text yet. */
void lm_letter_writer_enter(struct lm_letter_writer *w, struct lm_error *out_error);
int lm_letter_writer_settled(struct lm_letter_writer *w, int err);

LM_MUST int lm_letter_writer_put(struct lm_letter_writer *w, struct lm_bytes octets);
LM_MUST int lm_letter_writer_put_str(struct lm_letter_writer *w, const char *s);
LM_MUST int lm_letter_writer_put_eol(struct lm_letter_writer *w);
/** The lines in front of a part: a boundary, or the fields of the message. */
LM_MUST int lm_letter_writer_begin_part(struct lm_letter_writer *w);
/** Content-Type without its line end; no type is `or_else`. */
LM_MUST int lm_letter_writer_put_type(struct lm_letter_writer *w, const char *type,
                                      const char *or_else, const char *charset, const char *name);

#endif
