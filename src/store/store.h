/** @file
 * Where mail rests, for those who use a store (backends: store_impl.h).
 *
 * Every operation completes exactly once, later, on the loop in its lm_op, never inside the call. A
 * store object may be used from many loops at once; a mailbox or a draft belongs to the loop that
 * opened it. Errors say their reach by kind: LM_E_NOT_FOUND, LM_E_CORRUPT the message or mailbox;
 * LM_E_STORE, LM_E_FULL, LM_E_IO the store.
 */
#ifndef LM_STORE_STORE_H
#define LM_STORE_STORE_H

#include "loop/loop.h"

#include <lettermill/reply.h>

struct lm_store;
struct lm_mailbox;
struct lm_draft;

enum lm_store_cap {
	LM_STORE_DURABLE = 1, /**< what draft_commit acknowledged survives kill -9 and power loss */
	LM_STORE_SHARED = 2,  /**< several processes may have it open */
};

/** One operation. The starter sets op.loop and op.done (and may put the struct into a larger one);
 * the rest is the result. */
struct lm_store_op {
	struct lm_op op;
	struct lm_mailbox *mailbox; /**< mailbox_open */
	struct lm_draft *draft;     /**< draft_begin */
	const struct lm_message
	        *messages; /**< mailbox_list: live until mailbox_close; in order of arrival */
	size_t count;
	struct lm_bytes chunk; /**< message_read: lives until the next message_read or mailbox_close
	                          of this mailbox */
	bool last;             /**< message_read: chunk ends the message */
	void *backend[6];      /* the backend's own, while under way */
};

/** What a message was called where it came from: the maildrop there and its UIDL, say. Any octets,
 * at most LM_GUID_MAX each; an empty `guid` is none. */
enum { LM_GUID_MAX = 1024 };
struct lm_guid {
	struct lm_bytes source, guid;
};

/** What a delivery is for. Borrowed until draft_begin's op completed. */
struct lm_delivery {
	const struct lm_bytes *mailboxes; /**< canonical account names; the message appears in each,
	                                     or (all or none) nowhere */
	size_t mailbox_count;
	struct lm_bytes sender;   /**< envelope, kept with the message */
	struct lm_bytes envelope; /**< the rest of the envelope (DSN parameters …) as opaque text,
	                             kept with the message */
	uint64_t size_hint;       /**< octets expected, 0 unknown */
	struct lm_guid guid;      /**< when not empty, each mailbox takes it once for ever: given
	                             again to one of them, draft_commit is LM_E_EXISTS and stores
	                             nothing, though the message was removed or moved since */
};

struct lm_store_ops {
	unsigned version, caps;
	const char *name; /**< the URL's scheme */
	void (*close)(
	        struct lm_store *); /**< every mailbox and draft is gone before; flushes; blocks */
	/** Open and lock the maildrop of `user` (compared without case); LM_E_IN_USE when another
	 * session has it. A maildrop without mail is empty, not an error. The lock is gone with
	 * mailbox_close, or with the process. */
	void (*mailbox_open)(struct lm_store *, struct lm_bytes user, struct lm_store_op *);
	/** The snapshot this session sees from now on. Call once. */
	void (*mailbox_list)(struct lm_mailbox *, struct lm_store_op *);
	/** One chunk of message `id` from `offset`. LM_E_NOT_FOUND, LM_E_CORRUPT (checksum). One at
	 * a time a mailbox. Reading messages in order is expected: backends read ahead. */
	void (*message_read)(struct lm_mailbox *, uint64_t id, uint64_t offset,
	                     struct lm_store_op *);
	/** What message_read would give, where no waiting is needed for it: true with both outputs,
	 * which live as long as message_read's. Nothing may be under way on the mailbox. NULL: a
	 * store without anything at hand. */
	bool (*message_at_hand)(struct lm_mailbox *, uint64_t id, uint64_t offset,
	                        struct lm_bytes *out_chunk, bool *out_last);
	/** Remove messages, durably, all or none. */
	void (*mailbox_expunge)(struct lm_mailbox *, const uint64_t *ids, size_t count,
	                        struct lm_store_op *);
	/** Move messages into the mailbox `to` (by name; it need not be open), durably, all or
	 * none, octets exact. Here they are gone as if removed; there they are new to the next
	 * session and may have other ids and UIDLs. One of a delivery that `to` has, too, stays
	 * one. A guid is remembered where it was delivered. Errors: LM_E_NOT_FOUND, LM_E_SYNTAX
	 * (name). */
	void (*message_move)(struct lm_mailbox *, const uint64_t *ids, size_t count,
	                     struct lm_bytes to, struct lm_store_op *);
	/** Which of `count` guids the mailbox `user` was ever given: out_known[i] for guids[i].
	 * Cheap: tens of thousands at once are expected. Needs no open mailbox. `user`, `guids` and
	 * `out_known` are borrowed until the op completes. Errors: LM_E_SYNTAX. */
	void (*mailbox_has_guids)(struct lm_store *, struct lm_bytes user,
	                          const struct lm_guid *guids, size_t count, bool *out_known,
	                          struct lm_store_op *);
	/** Unlock and free; op may be NULL. Nothing may be under way on the mailbox. */
	void (*mailbox_close)(struct lm_mailbox *, struct lm_store_op *);
	void (*draft_begin)(struct lm_store *, const struct lm_delivery *, struct lm_store_op *);
	/** `octets` are borrowed until op completes; one write at a time. Memory a draft holds is
	 * bounded whatever comes. After an error only draft_abort is left. */
	void (*draft_write)(struct lm_draft *, struct lm_bytes octets, struct lm_store_op *);
	/** 0 means on disk, synced, in every mailbox. The draft is gone either way.
	 * LM_E_EXISTS: see the delivery's guid. */
	void (*draft_commit)(struct lm_draft *, struct lm_store_op *);
	/** Drop a draft; nothing may be under way on it. */
	void (*draft_abort)(struct lm_draft *);
	/** Ask that an operation under way ends soon: it completes with LM_E_CANCELED or with its
	 * true result. A commit that is reported CANCELED did not happen. */
	void (*cancel)(struct lm_store *, struct lm_store_op *);
};

/** The head of every store, mailbox and draft. */
struct lm_store {
	const struct lm_store_ops *ops;
};
struct lm_mailbox {
	struct lm_store *store;
};
struct lm_draft {
	struct lm_store *store;
};

/**
 * Open a store by URL: "sqlite:PATH", "maildir:PATH", "memory:"; for tests "slow:MS:URL",
 * "faulty:SPEC:URL" around another. Blocks; creates what is missing; migrates an older schema;
 * recovers after a crash. Errors: LM_E_CONFIG, LM_E_IN_USE (another process has it), LM_E_CORRUPT,
 * LM_E_DENIED, LM_E_IO.
 */
LM_MUST int lm_store_open(const char *url, struct lm_store **out_store, struct lm_error *out_error);
void lm_store_close(struct lm_store *store);

#endif
