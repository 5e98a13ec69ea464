/** @file
 * A message a script sends: whom it is for, its octets made ready, and who got it.
 *
 * Threads: one at a time; made on script's, then the clients'.
 */
#ifndef LM_BX_CLIENT_LETTER_H
#define LM_BX_CLIENT_LETTER_H

#include "base/arena.h"

#include <lettermill/outgoing.h>

/** What script said of it. Texts live in `arena`. */
struct lm_bx_wishes {
	unsigned flags;         /**< enum lm_outgoing_flag */
	struct lm_bytes sender; /**< as a header would name it; `data` NULL: the message's header */
	struct lm_recipient *recipients; /**< the same; an address may be a list */
	size_t recipient_count;          /**< 0: the message's header says */
	struct lm_bytes envid, auth;
	char ret; /**< 'F', 'H' or 0 */
	bool require_tls, smtputf8;
	uint64_t max; /**< octets; 0: any */
};

struct lm_bx_letter {
	struct lm_arena arena;
	struct lm_bx_wishes wishes;
	struct lm_outgoing *out;
	struct lm_bytes in_place; /**< what is sent when it needs no change; `data` NULL: not */
	bool in_place_8bit;
	/** Set by lm_bx_letter_end. */
	struct lm_envelope envelope; /**< of the transaction under way */
	size_t *places;              /**< of its recipients in the whole envelope */
	struct lm_outcome *fates;    /**< of all */
	size_t accepted;
	bool is_unknown;
};

LM_MUST int lm_bx_letter_new(struct lm_bx_letter **out_letter);
/** NULL is allowed. */
void lm_bx_letter_free(struct lm_bx_letter *letter);

/** Octets as they come, then the end. Errors: those of lm_outgoing_write and lm_outgoing_end;
 * LM_E_SYNTAX also for addresses, and where nobody is named. */
LM_MUST int lm_bx_letter_write(struct lm_bx_letter *letter, struct lm_bytes octets,
                               struct lm_error *out_error);
LM_MUST int lm_bx_letter_end(struct lm_bx_letter *letter, struct lm_error *out_error);
/** Whether all there is needs no change: then it is the letter, sent from where it is
 * (letter->in_place); it must stay until the letter is freed, and only lm_bx_letter_end is left to
 * call. */
LM_MUST bool lm_bx_letter_stays(struct lm_bx_letter *letter, struct lm_bytes octets);
/** A source over the message, to be closed before the letter is freed. NULL: out of memory. */
struct lm_source *lm_bx_letter_source(struct lm_bx_letter *letter);

/** A transaction ended so. True: some recipients were too many for it, `envelope` holds them now
 * and wants another one. */
bool lm_bx_letter_round(struct lm_bx_letter *letter, const struct lm_outcome *outcome);

#endif
