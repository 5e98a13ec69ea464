/** @file
 * For the tests of stores: one loop on the test's thread, operations waited for one by one.
 */
#ifndef LM_STORE_RIG_H
#define LM_STORE_RIG_H

#include "store/store_impl.h"

struct rig {
	const char *pattern; /**< URL; "@" in it stands for a fresh folder */
	char folder[64];
	char url[256];
	struct lm_loop *loop;
	struct lm_store *store;
};

/** An operation and whether it ended. */
struct wait_op {
	struct lm_store_op op;
	bool done;
};

/** A fresh store of that URL; a failure ends the test. */
struct rig *rig_new(const char *pattern);
void rig_free(struct rig *rig);
/** cmocka's setup and teardown: *state is the pattern before, the rig after. */
int rig_setup(void **state);
int rig_teardown(void **state);
void rig_reopen(struct rig *rig);
/** Remove a folder and all in it. */
void rig_remove(const char *folder);

struct wait_op *wait_start(struct rig *rig, struct wait_op *wait);
/** Run the loop until the operation ended; its result. */
int wait_for(struct rig *rig, struct wait_op *wait);

int rig_begin(struct rig *rig, const char *const *names, size_t count, struct lm_draft **out_draft);
int rig_write(struct rig *rig, struct lm_draft *draft, struct lm_bytes text);
int rig_commit(struct rig *rig, struct lm_draft *draft);
/** The three in one; pieces of `piece` octets. */
int rig_deliver_to(struct rig *rig, const char *const *names, size_t count, struct lm_bytes text,
                   size_t piece);
int rig_deliver(struct rig *rig, const char *name, struct lm_bytes text);
/** Deliver `text` with a guid of source "there". */
int rig_deliver_guid(struct rig *rig, const char *const *names, size_t count, const char *guid,
                     struct lm_bytes text);
/** Does `user` know a guid of source "there". */
bool rig_knows(struct rig *rig, const char *user, const char *guid);

/** How often to repeat: less where each step is slow. */
static inline size_t rig_times(const struct rig *rig, size_t n)
{
	return strncmp(rig->url, "slow:", 5) == 0 ? n / 10 : n;
}

static inline bool rig_is_lasting(const struct rig *rig)
{
	return strncmp(rig->url, "sqlite:", 7) == 0 || strncmp(rig->url, "maildir:", 8) == 0;
}

/** Where the mailbox "" is the store's folder. */
static inline bool rig_is_plain_maildir(const struct rig *rig)
{
	return strstr(rig->url, "maildir:") && !strstr(rig->url, "%u");
}

/** A mailbox open and listed. */
struct rig_box {
	struct lm_mailbox *mailbox;
	const struct lm_message *messages;
	size_t count;
};
int rig_open(struct rig *rig, const char *user, struct rig_box *out_box);
int rig_read(struct rig *rig, struct rig_box *box, uint64_t id, struct lm_buf *out);
int rig_expunge(struct rig *rig, struct rig_box *box, const uint64_t *ids, size_t count);
int rig_move(struct rig *rig, struct rig_box *box, const uint64_t *ids, size_t count,
             const char *to);
int rig_close(struct rig *rig, struct rig_box *box);

/** Octets that depend on `seed` only, with every value among them. */
void rig_fill(uint8_t *data, size_t len, unsigned seed);
/** Open `user`, compare message `index` (and its size) with `text`, close. */
void rig_expect(struct rig *rig, const char *user, size_t index, struct lm_bytes text);
size_t rig_count(struct rig *rig, const char *user);

#endif
