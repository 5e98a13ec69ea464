/** @file
 * Memory: the only door to the allocator, so that tests can make any allocation fail.
 */
#ifndef LM_BASE_MEM_H
#define LM_BASE_MEM_H

#include <lettermill/error.h>

/** As malloc/calloc/realloc/free; sizes are checked against overflow. Threads: any. */
LM_MUST void *lm_alloc(size_t size);
LM_MUST void *lm_alloc_zero(size_t count, size_t size);
LM_MUST void *lm_realloc(void *old, size_t count, size_t size);
void lm_free(void *p);
/** A NUL-terminated copy; NULL when out of memory. */
LM_MUST char *lm_strdup_bytes(struct lm_bytes b);

/** Overwrite secrets so that no optimiser drops it. */
void lm_wipe(void *p, size_t len);
/** Compare secrets in a time that depends on the lengths only. */
LM_MUST bool lm_secret_equal(struct lm_bytes a, struct lm_bytes b);

/** Tests only: the n-th allocation of this thread from now on fails (1 is the next), 0 switches it
 * off. */
void lm_alloc_fail_at(unsigned long n);

/** Give memory that was freed back to the system, as far as the C library knows how: behind a
 * burst, not in it. Threads: any; others may wait for a millisecond. */
void lm_mem_trim(void);

/** a + b and a * b, or false on overflow. */
#define lm_add(a, b, out) (!__builtin_add_overflow((a), (b), (out)))
#define lm_mul(a, b, out) (!__builtin_mul_overflow((a), (b), (out)))

/** The struct that holds `member` at address p. */
#define lm_container(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

/** A caller's bug stops the program, in releases too. */
#define LM_ASSERT(cond) ((cond) ? (void)0 : lm_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void lm_assert_failed(const char *cond, const char *file, int line);

#endif
