/** @file
 * A store around a store, for doubles: every operation may fail before it begins and may end late.
 */
#ifndef LM_STORE_WRAP_H
#define LM_STORE_WRAP_H

#include "store/store_impl.h"

enum lm_wrap_kind {
	LM_WRAP_MAILBOX_OPEN,
	LM_WRAP_MAILBOX_LIST,
	LM_WRAP_MESSAGE_READ,
	LM_WRAP_MAILBOX_EXPUNGE,
	LM_WRAP_MESSAGE_MOVE,
	LM_WRAP_MAILBOX_HAS_GUIDS,
	LM_WRAP_MAILBOX_CLOSE,
	LM_WRAP_DRAFT_BEGIN,
	LM_WRAP_DRAFT_WRITE,
	LM_WRAP_DRAFT_COMMIT,
	LM_WRAP_KINDS
};

struct lm_wrap_params {
	const char *name;
	lm_time_ms delay; /**< every completion comes so much later */
	/** 0, or the error an operation is to fail with. May be NULL. Threads: any. */
	int (*fault)(void *ctx, enum lm_wrap_kind kind);
	void *ctx; /**< freed with lm_free when the store is closed */
};

/** Open `url` and wrap it. On an error ctx is freed, too. */
LM_MUST int lm_wrap_open(const char *url, const struct lm_wrap_params *params,
                         struct lm_store **out_store, struct lm_error *out_error);

/** "draft_commit"; -1 for a name that is none. */
int lm_wrap_kind_find(struct lm_bytes name);

#endif
