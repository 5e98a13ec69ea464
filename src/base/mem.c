/* The allocator's door: overflow checks, wiping, and failures on demand for tests. */
#include "base/mem.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>

static _Thread_local unsigned long fail_at;

static bool fails_now(void)
{
	return fail_at != 0 && --fail_at == 0;
}

void lm_alloc_fail_at(unsigned long n)
{
	fail_at = n;
}

void *lm_alloc(size_t size)
{
	return fails_now() ? NULL : malloc(size ? size : 1);
}

void *lm_alloc_zero(size_t count, size_t size)
{
	return fails_now() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *lm_realloc(void *old, size_t count, size_t size)
{
	size_t all;

	if (!lm_mul(count, size, &all) || fails_now())
		return NULL;
	return realloc(old, all ? all : 1);
}

void lm_free(void *p)
{
	free(p);
}

char *lm_strdup_bytes(struct lm_bytes b)
{
	char *copy = b.len == SIZE_MAX ? NULL : lm_alloc(b.len + 1);

	if (!copy)
		return NULL;
	if (b.len)
		memcpy(copy, b.data, b.len);
	copy[b.len] = '\0';
	return copy;
}

void lm_wipe(void *p, size_t len)
{
	if (len)
		explicit_bzero(p, len);
}

void lm_mem_trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

bool lm_secret_equal(struct lm_bytes a, struct lm_bytes b)
{
	uint8_t diff = a.len != b.len;

	for (size_t i = 0; i < a.len; i++)
		diff |= (uint8_t)(a.data[i] ^ (b.len ? b.data[i % b.len] : 1));
	return diff == 0;
}

_Noreturn void lm_assert_failed(const char *cond, const char *file, int line)
{
	/* The library prints nothing; the condition stays visible in the core's frame. */
	(void)cond;
	(void)file;
	(void)line;
	abort();
}
