/** @file
 * infinity.memory: named values that all scripts and workers of the process share, and named locks
 * that belong to runtimes.
 *
 * Threads: any, for everything here; one mutex guards it all and is never held while something
 * waits.
 */
#ifndef LM_SCRIPT_MEMORY_H
#define LM_SCRIPT_MEMORY_H

#include "script/runtime.h"

struct lm_script_memory;

enum {
	LM_SCRIPT_MEMORY_OCTETS = 256 << 20, /**< all names and values together, with their rows */
	LM_SCRIPT_MEMORY_NAME = 4096,        /**< octets of a name */
};

/** `max_octets` 0: LM_SCRIPT_MEMORY_OCTETS. For struct lm_script's `memory`. */
LM_MUST int lm_script_memory_new(uint64_t max_octets, struct lm_script_memory **out_memory);
/** Behind the last runtime. NULL is allowed. */
void lm_script_memory_free(struct lm_script_memory *memory);

/** Let go of every lock that this runtime holds: at the end of each event of a handler, and of the
 * runtime itself. */
void lm_script_memory_release(struct lm_runtime *rt);

/** @name Values
 * A value is octets; who put it knows what they mean. Counters are the text of a number, as JSON
 * has it. `ttl`: milliseconds until it is gone; 0: never. A moment is lm_memory_now's. */
/**@{*/
lm_time_ms lm_memory_now(void);
/** Errors: LM_E_LIMIT (the whole would be too large), LM_E_NOMEM. */
LM_MUST int lm_memory_put(struct lm_script_memory *memory, struct lm_bytes name,
                          struct lm_bytes value, lm_time_ms ttl);
/** The same, only where there is none: else LM_E_EXISTS. */
LM_MUST int lm_memory_add(struct lm_script_memory *memory, struct lm_bytes name,
                          struct lm_bytes value, lm_time_ms ttl);
/** A copy, added to `out`. Errors: LM_E_NOT_FOUND, LM_E_NOMEM. */
LM_MUST int lm_memory_get(struct lm_script_memory *memory, struct lm_bytes name,
                          struct lm_buf *out);
/** Add `by` to a number, which is made from 0; its end of life stays. Errors: LM_E_MISUSE (it is no
 * number), LM_E_LIMIT, LM_E_NOMEM. */
LM_MUST int lm_memory_count(struct lm_script_memory *memory, struct lm_bytes name, double by,
                            double *out_value);
bool lm_memory_remove(struct lm_script_memory *memory, struct lm_bytes name);
void lm_memory_clear(struct lm_script_memory *memory);
/** How many there are, and what they take. */
size_t lm_memory_values(struct lm_script_memory *memory, uint64_t *out_octets);
/** Milliseconds that are left; *out_ttl 0: it stays. Errors: LM_E_NOT_FOUND. */
LM_MUST int lm_memory_ttl(struct lm_script_memory *memory, struct lm_bytes name,
                          lm_time_ms *out_ttl);
LM_MUST int lm_memory_set_ttl(struct lm_script_memory *memory, struct lm_bytes name,
                              lm_time_ms ttl);
/** The names that begin with `prefix`, each with a NUL behind it, in no order. Errors: LM_E_NOMEM,
 * LM_E_LIMIT. */
LM_MUST int lm_memory_names(struct lm_script_memory *memory, struct lm_bytes prefix,
                            struct lm_buf *out);
/**@}*/

/** @name Locks
 * The same owner may take a lock again; it is free when it let go as often. `owner` is any address,
 * a runtime's as a rule. */
/**@{*/
/** Wait up to `timeout` (LM_NEVER: without end). `keep_on` is asked every few milliseconds. Errors:
 * LM_E_TIMEOUT, LM_E_CANCELED (`keep_on` said no), LM_E_IN_USE (waiting without end would be for
 * ever: the holder waits for this one), LM_E_NOMEM, LM_E_LIMIT (too many locks). */
LM_MUST int lm_memory_lock(struct lm_script_memory *memory, struct lm_bytes name, const void *owner,
                           lm_time_ms timeout, bool (*keep_on)(void *ctx), void *ctx);
/** False: it is not this owner's. */
bool lm_memory_unlock(struct lm_script_memory *memory, struct lm_bytes name, const void *owner);
void lm_memory_release(struct lm_script_memory *memory, const void *owner);
/**@}*/

#endif
