/** @file
 * The parts of the mime-store face of stores of maildrops.
 */
#ifndef LM_STORE_BOXES_IMPL_H
#define LM_STORE_BOXES_IMPL_H

#include "base/buf.h"
#include "store/boxes/boxes.h"
#include "store/store_impl.h"

#include <stdatomic.h>

/** Commits under way at once: enough for the store to make a group of them. */
enum { LM_BOXES_COMMITS = 256, LM_BOXES_PIECE = 64 * 1024 };

/** MAILBOX with "/conversionerror" behind it must be a name, too. */
enum { LM_BOXES_BASE = LM_NAME_MAX - 16 };

/** The mailbox of a tag, open from a query to the next. */
struct lm_box {
	struct lm_mailbox *mailbox; /* NULL: not open */
	const struct lm_message *messages;
	size_t count;
	size_t hint; /* where the next look-up begins: items come in order */
	bool *gone;  /* moved away since it was listed */
	bool stale;  /* something came since it was listed */
};

struct lm_boxes_commit;

/** What the maildrops of one store share. */
struct lm_boxes_shared {
	struct lm_store *store;
	atomic_uint refs;
	char url[];
};

struct lm_boxes {
	struct lm_mime_store head;
	struct lm_boxes_shared *shared;
	struct lm_store *store;
	struct lm_loop *loop;
	char base[LM_BOXES_BASE + 1];
	bool descending;
	size_t limit;
	struct lm_box boxes[LM_TAG_COUNT];
	struct lm_mime_item *items;
	uint8_t *names; /* of the items: they outlive the mailboxes they were listed from */
	struct lm_boxes_commit *commits; /* under way */
	size_t commit_count;
	int commit_err; /* of one since the last flush */
};

/* run.c */

/** One operation to wait for. */
struct lm_boxes_op {
	struct lm_store_op op;
	bool done;
};
/** Make ready: pass &wait->op of what it returns to the store. */
struct lm_boxes_op *lm_boxes_start(struct lm_boxes *b, struct lm_boxes_op *wait);
/** Run the loop until it ended; its result. */
LM_MUST int lm_boxes_wait(struct lm_boxes *b, struct lm_boxes_op *wait);

/* box.c */

/** The mailbox of a tag, MAILBOX or MAILBOX/TAG. */
void lm_box_name(const struct lm_boxes *b, enum lm_mime_tag tag, char out_name[LM_NAME_MAX + 1]);
/** Open and list, where it is not open or something came since. */
LM_MUST int lm_box_open(struct lm_boxes *b, enum lm_mime_tag tag, struct lm_error *out_error);
void lm_box_close(struct lm_boxes *b, enum lm_mime_tag tag);
/** Where an item is now. */
LM_MUST int lm_box_find(struct lm_boxes *b, const struct lm_mime_item *item,
                        enum lm_mime_tag *out_tag, size_t *out_index, struct lm_error *out_error);

/* add.c */

int lm_boxes_has(struct lm_mime_store *store, struct lm_bytes sourceid, struct lm_bytes guid);
int lm_boxes_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                       struct lm_mime_add **out_add, struct lm_error *out_error);
int lm_boxes_add_write(struct lm_mime_add *add, struct lm_bytes octets, struct lm_error *out_error);
int lm_boxes_add_end(struct lm_mime_add *add, char *out_name, struct lm_error *out_error);
void lm_boxes_add_abort(struct lm_mime_add *add);
int lm_boxes_flush(struct lm_mime_store *store, struct lm_error *out_error);

#endif
