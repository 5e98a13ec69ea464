/** @file
 * A maildrop under examination: listings as they came, and its first messages.
 */
#ifndef LM_CLI_DOCTOR_POP3_H
#define LM_CLI_DOCTOR_POP3_H

#include "base/arena.h"
#include "cli/doctor.h"

struct lm_pop3_item {
	uint64_t number, octets;
	struct lm_bytes id;
};

/** Lines of LIST or UIDL in the order they came, doubles and all. */
struct lm_pop3_listing {
	struct lm_pop3_item *items;
	size_t count, capacity;
	struct lm_arena ids;
};

/** Fetch the first messages, as --messages says, and compare: sizes, ends, TOP. */
void lm_doctor_messages(struct lm_doctor *doctor, struct lm_client *client, bool top_announced,
                        const struct lm_pop3_listing *sizes);

#endif
