/** @file
 * Submission's repair of a message (RFC 6409 8.2, 8.3): a missing Date and Message-ID are added
 * while it passes through in pieces.
 *
 * The lines go just before the blank line that ends the headers. Where something else than a header
 * field ends them (or there is none at all) a blank line is added behind. A message that has
 * both fields passes unchanged. A line may end in a bare LF here, since such octets may be kept by
 * option. Threads: one filter, one thread at a time.
 */
#ifndef LM_SMTP_REPAIR_H
#define LM_SMTP_REPAIR_H

#include "base/buf.h"

/** Octets of a line's beginning held back until it is clear whether it is a header field. A longer
 * name is passed on as that of a field. */
enum { LM_REPAIR_HOLD = 256 };
/** The most one call adds beyond its input, for a hostname of at most 255 octets. */
enum { LM_REPAIR_ADDS = 768 };

struct lm_repair {
	int64_t unix_time;
	uint64_t unique;
	const char *hostname;
	bool done; /**< nothing more will change: the rest may go past the filter */
	bool has_date, has_id, has_field;
	int state;
	size_t held, name; /* octets in hold; those of them that are the field's name */
	uint8_t hold[LM_REPAIR_HOLD];
};

/** `unix_time` in seconds, `unique` as for lm_message_id; `hostname` is borrowed until done. */
void lm_repair_init(struct lm_repair *r, int64_t unix_time, uint64_t unique, const char *hostname);

/** Pass `in` on to `out`. Needs room there for in.len + LM_REPAIR_ADDS. Errors: LM_E_LIMIT,
 * LM_E_NOMEM; then the message is lost. */
LM_MUST int lm_repair_feed(struct lm_repair *r, struct lm_bytes in, struct lm_buf *out);

/** The message is over: pass on what was held, and what is still missing. Errors as above. */
LM_MUST int lm_repair_end(struct lm_repair *r, struct lm_buf *out);

#endif
