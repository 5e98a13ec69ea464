/** @file
 * A list of recipients without doubles: local parts compared octet by octet, domains without case.
 *
 * Threads: any; a list belongs to its caller.
 */
#ifndef LM_MIME_RECIPIENTS_H
#define LM_MIME_RECIPIENTS_H

#include "base/arena.h"

#include <lettermill/event.h>

struct lm_recipients {
	struct lm_recipient *items; /**< addresses in the arena */
	size_t count, cap;
	size_t with_8bit; /**< addresses with octets of 0x80 and above */
	struct lm_arena arena;
	void *known; /**< a balanced tree: nobody can choose addresses that make it slow */
};

void lm_recipients_init(struct lm_recipients *r);
/** Free all; the list stays usable, empty. */
void lm_recipients_clear(struct lm_recipients *r);
/** The address is copied; one that is there already is passed over. Errors: LM_E_LIMIT (64 MB of
 * addresses), LM_E_NOMEM. */
LM_MUST int lm_recipients_add(struct lm_recipients *r, struct lm_bytes address);

#endif
