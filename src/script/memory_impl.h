/** @file
 * The inside of the shared memory, for its values (memory.c) and its locks (memory_lock.c).
 */
#ifndef LM_SCRIPT_MEMORY_IMPL_H
#define LM_SCRIPT_MEMORY_IMPL_H

#include "script/memory.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LM_MEMORY_LOCK_CHAINS = 256, LM_MEMORY_LOCKS = 1 << 16 };

/** A name and its value, which never change; replaced as a whole. */
struct lm_memory_row {
	struct lm_memory_row *next;
	atomic_uint refs; /* the table's, and those who copy it without the mutex */
	lm_time_ms expires;
	size_t name_len, value_len;
	uint8_t octets[]; /* name, value */
};

/** Who waits for a lock; on the waiting thread's stack. */
struct lm_memory_waiter {
	struct lm_memory_waiter *next;           /* the lock's, the first waits longest */
	struct lm_memory_waiter *before, *after; /* all that wait */
	struct lm_memory_lock *lock;
	const void *owner;
	bool endless, granted, sent_away;
	pthread_cond_t wake;
};

struct lm_memory_lock {
	struct lm_memory_lock *next;
	const void *owner;
	unsigned depth;
	struct lm_memory_waiter *first;
	size_t name_len;
	uint8_t name[];
};

struct lm_script_memory {
	pthread_mutex_t mutex; /* guards what follows */
	uint64_t seed;         /* so that nobody can choose names that share a chain */
	uint64_t octets, max_octets;
	struct lm_memory_row **chains;
	size_t chain_count, row_count, sweep;
	struct lm_memory_lock *locks[LM_MEMORY_LOCK_CHAINS];
	size_t lock_count;
	struct lm_memory_waiter *waiting;
};

uint64_t lm_memory_hash(const struct lm_script_memory *memory, struct lm_bytes name);
/** Free the locks; nobody waits. */
void lm_memory_locks_done(struct lm_script_memory *memory);

#endif
