/** @file
 * A message written anew: a new one, or a letter with other fields, other parts, or more of them.
 * Of a letter everything that is not named stays octet for octet.
 *
 * Order: fields; then one of keep, append (and parts), or a body of parts; then end. After an error
 * the writer can only be freed.
 *
 * Threads: any; a writer belongs to its caller.
 */
#ifndef LM_MIME_LETTER_WRITER_H
#define LM_MIME_LETTER_WRITER_H

#include "mime/letter.h"

struct lm_letter_writer;

/** `base` NULL: a new message with CRLF line ends. Holds a reference. */
LM_MUST int lm_letter_writer_new(struct lm_letter *base, struct lm_letter_writer **out_writer);
/** NULL is allowed. */
void lm_letter_writer_free(struct lm_letter_writer *writer);

/** @name Fields
 * Names are printable ASCII without colon. Text is UTF-8. Errors: LM_E_SYNTAX (the text says what),
 * LM_E_LIMIT, LM_E_NOMEM. */
/**@{*/
enum lm_letter_writer_form {
	LM_FORM_TEXT,      /**< encoded where it must be */
	LM_FORM_ADDRESSES, /**< a list as lm_letter_decode_addresses reads it */
};
/** Leave out the base's field of this index. */
void lm_letter_writer_drop(struct lm_letter_writer *writer, size_t index);
/** Put a field in place of the base's of index `at`; LM_LETTER_NO_FIELD: behind all others. */
LM_MUST int lm_letter_writer_field(struct lm_letter_writer *writer, long at, const char *name,
                                   struct lm_bytes value, enum lm_letter_writer_form form,
                                   struct lm_error *out_error);
/**@}*/

/** @name Body
 * Errors: LM_E_SYNTAX, LM_E_LIMIT, LM_E_FULL, LM_E_IO, LM_E_NOMEM, those of what is read. */
/**@{*/
/** The base's body. */
LM_MUST int lm_letter_writer_keep(struct lm_letter_writer *writer, struct lm_error *out_error);
/** The base's body, with parts to follow: at the end of its multipart/mixed, else it becomes the
 * first part of a new one. So signatures in it stay valid. */
LM_MUST int lm_letter_writer_append(struct lm_letter_writer *writer, struct lm_error *out_error);

/** Open a multipart; `boundary` NULL or "": a new one. */
LM_MUST int lm_letter_writer_open(struct lm_letter_writer *writer, const char *type,
                                  const char *boundary, struct lm_error *out_error);
LM_MUST int lm_letter_writer_close(struct lm_letter_writer *writer, struct lm_error *out_error);

/** A text; line ends become the message's. */
struct lm_letter_writer_text {
	const char
	        *type; /**< with parameters, if any: "text/plain; format=flowed"; "": text/plain */
	const char *charset; /**< "": utf-8, which is also taken when the text does not fit it */
	int transfer; /**< enum lm_transfer; -1: what fits. One that does not fit is changed */
	struct lm_bytes text;
};
LM_MUST int lm_letter_writer_text(struct lm_letter_writer *writer,
                                  const struct lm_letter_writer_text *text,
                                  struct lm_error *out_error);

/** A file; its octets come from `read` (*out_len 0: the end). */
struct lm_letter_writer_file {
	const char *type;                    /**< "": application/octet-stream */
	const char *name, *id, *disposition; /**< "": none; disposition: attachment */
	int transfer; /**< as above; -1: base64, for messages what they are */
	int (*read)(void *ctx, uint8_t *out, size_t room, size_t *out_len,
	            struct lm_error *out_error);
	void *ctx;
};
LM_MUST int lm_letter_writer_file(struct lm_letter_writer *writer,
                                  const struct lm_letter_writer_file *file,
                                  struct lm_error *out_error);
/** A part of the base as it is. */
LM_MUST int lm_letter_writer_part(struct lm_letter_writer *writer, uint32_t index,
                                  struct lm_error *out_error);
/**@}*/

/** What was written; *out_stash (not initialised before) is the caller's, ended. Open multiparts
 * are closed. */
LM_MUST int lm_letter_writer_end(struct lm_letter_writer *writer, struct lm_stash *out_stash,
                                 struct lm_error *out_error);

#endif
