/** @file
 * The maildrop of a POP3 server as LIST and UIDL told it, and the messages chosen of it.
 */
#ifndef LM_CLI_MAILDROP_H
#define LM_CLI_MAILDROP_H

#include "base/arena.h"
#include "cli/ranges.h"

#include <lettermill/client.h>

struct lm_drop_message {
	uint64_t number, octets;
	struct lm_bytes id; /**< UIDL; empty: not known */
	bool chosen;
};

/** In ascending order of numbers, each once. */
struct lm_drop {
	struct lm_drop_message *items;
	size_t count, capacity;
	struct lm_arena ids;
	bool has_ids; /**< the server answered UIDL */
};

/** What a client may keep of a listing: more is a limit's error, not memory. */
enum { LM_DROP_MAX = 2000000 };

void lm_drop_init(struct lm_drop *drop);
void lm_drop_done(struct lm_drop *drop);
/** Take an LM_EVENT_ITEM of LIST or UIDL. Errors: LM_E_NOMEM. */
LM_MUST int lm_drop_take(struct lm_drop *drop, const struct lm_event *item);
/** Behind LIST's outcome, before the items of UIDL. */
void lm_drop_sort(struct lm_drop *drop);
/** The message of that number, once sorted; NULL: none. */
struct lm_drop_message *lm_drop_find(const struct lm_drop *drop, uint64_t number);
/** LIST, and UIDL when wanted: then a server without it is LM_E_UNSUPPORTED. */
LM_MUST int lm_drop_list(struct lm_drop *drop, struct lm_client *client, bool with_ids,
                         struct lm_error *out_error);

/** Choose by ranges (LM_E_NOT_FOUND past the end); without any and without ids all is chosen. */
LM_MUST int lm_drop_choose(struct lm_drop *drop, const struct lm_ranges *ranges, bool all,
                           struct lm_error *out_error);
/** Choose by `text`, an id or several with commas between. LM_E_NOT_FOUND names the first that is
 * not there. */
LM_MUST int lm_drop_choose_ids(struct lm_drop *drop, const char *text, struct lm_error *out_error);
size_t lm_drop_chosen(const struct lm_drop *drop);

#endif
