/** @file
 * For those who write a backend: the registry's row, names, maildrop locks, UIDLs, checksums.
 *
 * A backend is one folder with one row in registry.c, which alone includes it. Its head structs
 * (struct lm_store, lm_mailbox, lm_draft) come first in its own. Every operation ends in exactly
 * one lm_op_complete, which never runs `done` inside the call.
 *
 * Doubles for tests, around any other store:
 *   slow:MS:URL       every completion comes MS milliseconds late.
 *   faulty:SPEC:URL   SPEC is RULE[,RULE…]; RULE is KIND=N:ERROR, the N-th (from 1) operation of
 *                     that kind fails, or KIND=N+:ERROR, that one and all behind it. KIND is a
 *                     member of struct lm_store_ops (mailbox_open, mailbox_list, message_read,
 *                     mailbox_expunge, message_move, mailbox_has_guids, mailbox_close,
 *                     draft_begin, draft_write, draft_commit); ERROR a name of errors.def.
 *                     What fails was not begun in the store behind:
 *                     "faulty:draft_commit=3:FULL:memory:".
 */
#ifndef LM_STORE_STORE_IMPL_H
#define LM_STORE_STORE_IMPL_H

#include "store/account.h"
#include "store/store.h"

#include <pthread.h>

/** One kind of store. `rest` is what stands behind "SCHEME:". */
struct lm_store_backend {
	const char *scheme;
	int (*open)(const char *rest, struct lm_store **out_store, struct lm_error *out_error);
	/** NULL: keeps no accounts (LM_E_CONFIG). */
	int (*accounts)(const char *rest, struct lm_accounts **out_accounts,
	                struct lm_error *out_error);
	/** NULL: nothing to check. */
	int (*check)(const char *rest, void (*report)(void *ctx, const char *problem), void *ctx,
	             struct lm_error *out_error);
};

/* Names. They are compared without case: A to Z are folded, octets of other letters of UTF-8 must
 * be equal. */

enum { LM_NAME_MAX = 255 };

/** Fold 1 to 255 octets without NUL into out (ends in NUL). Errors: LM_E_SYNTAX. */
LM_MUST int lm_name_fold(struct lm_bytes name, char out[LM_NAME_MAX + 1]);
LM_MUST uint32_t lm_name_hash(struct lm_bytes folded);

/** The maildrops of a delivery: folded, each once, in one allocation. */
struct lm_names {
	size_t count;
	struct lm_bytes name[];
};
/** Free with lm_free. Errors: LM_E_MISUSE (none), LM_E_SYNTAX, LM_E_NOMEM. */
LM_MUST int lm_names_new(const struct lm_bytes *names, size_t count, struct lm_names **out_names);

/** Which maildrops are open. Threads: any. */
struct lm_name_locks {
	pthread_mutex_t mutex;
	struct lm_name_lock *buckets[1024];
};
void lm_name_locks_init(struct lm_name_locks *locks);
void lm_name_locks_done(struct lm_name_locks *locks);
/** Errors: LM_E_IN_USE, LM_E_NOMEM. */
LM_MUST int lm_name_lock(struct lm_name_locks *locks, struct lm_bytes folded,
                         struct lm_name_lock **out_lock);
/** NULL is allowed. */
void lm_name_unlock(struct lm_name_locks *locks, struct lm_name_lock *lock);
struct lm_bytes lm_name_lock_name(const struct lm_name_lock *lock);

/** UIDL: 8 hex digits of the store, 12 of the message. */
enum { LM_UIDL_LEN = 20 };
void lm_uidl_write(uint32_t store_id, uint64_t message_id, char out[LM_UIDL_LEN]);

/* Guids, remembered by a digest that nobody can make collide. */

enum { LM_GUID_KEY_LEN = 16 };
struct lm_guid_key {
	uint8_t octets[LM_GUID_KEY_LEN];
};
/** Errors: LM_E_SYNTAX (too long). */
LM_MUST int lm_guid_key(const struct lm_guid *guid, struct lm_guid_key *out_key);

/** A set of keys in memory; zeroed it is empty. Threads: the owner's lock. */
struct lm_guid_set {
	struct lm_guid_key *slots; /* of zeros: free */
	size_t count, cap;
};
void lm_guid_set_done(struct lm_guid_set *set);
LM_MUST bool lm_guid_set_has(const struct lm_guid_set *set, const struct lm_guid_key *key);
/** Room for `n` more, so that as many lm_guid_set_add cannot fail. Errors: LM_E_NOMEM. */
LM_MUST int lm_guid_set_room(struct lm_guid_set *set, size_t n);
/** Twice is once. */
void lm_guid_set_add(struct lm_guid_set *set, const struct lm_guid_key *key);

/** What RETR sends for a message: its octets, and CRLF where its last line has none. `tail`: the
 * message's last octets, at least 2 where it has as many. */
static inline uint64_t lm_retr_octets(uint64_t size, struct lm_bytes tail)
{
	const uint8_t *last = tail.data && tail.len >= 2 ? tail.data + tail.len - 2 : NULL;
	bool ends = last && memcmp(last, "\r\n", 2) == 0;

	return size == 0 || ends ? size : size + 2;
}

/** XXH64 with seed 0: finds damage, not malice. */
LM_MUST uint64_t lm_checksum(struct lm_bytes octets);

/** Is it a password accounts may have. */
LM_MUST bool lm_account_password_ok(struct lm_bytes password);
/** Make the SCRAM keys of a password. Slow. Errors: LM_E_IO, LM_E_NOMEM. */
LM_MUST int lm_account_make_scram(struct lm_account *account, struct lm_bytes password);

/** lm_account_set_password with its cost: crypt_prefix NULL and crypt_cost 0 take crypt(3)'s
 * default. */
LM_MUST int lm_account_set_password_cost(struct lm_account *account, struct lm_bytes password,
                                         unsigned flags, const char *crypt_prefix,
                                         unsigned long crypt_cost, uint32_t scram_iterations,
                                         struct lm_error *out_error);

#endif
