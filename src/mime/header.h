/** @file
 * The fields of a message's header, as RFC 5322 2.2 and 4.5 write them.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef LM_MIME_HEADER_H
#define LM_MIME_HEADER_H

#include <lettermill/base.h>

/** All slices lie in the header. */
struct lm_field {
	struct lm_bytes name;  /**< without the blanks an old message has before the colon */
	struct lm_bytes body;  /**< behind the colon, folded lines and last line end included */
	struct lm_bytes whole; /**< all of it */
	size_t lines;
};

/** The length of a field's name at the start of a line; 0: the line is no field. */
LM_MUST size_t lm_field_name_len(struct lm_bytes line);

/** Cut the first field with its folded lines off *header, which consists of fields only; lines end
 * at LF. false: none is left. */
LM_MUST bool lm_field_next(struct lm_bytes *header, struct lm_field *out_field);

/** Without ASCII case. */
LM_MUST bool lm_field_is(const struct lm_field *field, const char *name);

/** The name begins so, without ASCII case. */
LM_MUST bool lm_field_begins(const struct lm_field *field, const char *prefix);

#endif
