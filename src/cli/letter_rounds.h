/** @file
 * A message for more recipients than a server takes at once: as many transactions as it needs.
 */
#ifndef LM_CLI_LETTER_ROUNDS_H
#define LM_CLI_LETTER_ROUNDS_H

#include "base/arena.h"

#include <lettermill/client.h>
#include <lettermill/outgoing.h>

/** What became of every recipient. */
struct lm_letter_fates {
	struct lm_outcome *items; /**< one a recipient of the envelope, in its order */
	size_t count;             /**< 0: it did not come so far */
	struct lm_arena texts;
	bool unknown; /**< a connection was lost behind the message's end */
	bool lost;    /**< the connection is of no more use */
};

/**
 * Send to all of the envelope. Recipients whom the server put off because there were too many (452,
 * RFC 5321 4.5.3.1.10, or over its LIMITS RCPTMAX) get the message in a transaction of their own,
 * as long as each takes some. Results and errors are those of lm_smtp_client_send, over all
 * transactions. Free the fates in any case.
 */
LM_MUST int lm_letter_rounds(struct lm_client *client, struct lm_outgoing *letter,
                             struct lm_letter_fates *out_fates, struct lm_error *out_error);
void lm_letter_fates_done(struct lm_letter_fates *fates);

#endif
