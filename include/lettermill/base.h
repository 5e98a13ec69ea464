/** @file
 * Octets, time and the marks that every public header uses.
 */
#ifndef LETTERMILL_BASE_H
#define LETTERMILL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Exported from the library. Everything else is hidden; a test compares. */
#define LM_API __attribute__((visibility("default")))
/** The result says whether it worked; the compiler warns where nobody looks. */
#define LM_MUST              __attribute__((warn_unused_result))
#define LM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#ifdef __cplusplus
extern "C" {
#endif

/** Milliseconds of a monotonic clock; its zero means nothing. */
typedef int64_t lm_time_ms;

/** A moment that never comes. */
#define LM_NEVER INT64_MAX

/**
 * A borrowed run of octets, passed by value. It owns nothing and need not end in NUL;
 * mail may contain NUL. As an argument it is borrowed until the call returns; as a result it
 * lives until the next call on the object it came from, unless that call's header says more.
 */
struct lm_bytes {
	const uint8_t *data;
	size_t len;
};

static inline struct lm_bytes lm_bytes(const void *data, size_t len)
{
	struct lm_bytes b = { (const uint8_t *)data, len };
	return b;
}

/** The octets of a C string without its NUL; NULL gives no octets. */
static inline struct lm_bytes lm_str(const char *s)
{
	return lm_bytes(s, s ? strlen(s) : 0);
}

static inline bool lm_bytes_equal(struct lm_bytes a, struct lm_bytes b)
{
	if (a.len != b.len)
		return false;
	return a.len == 0 || (a.data && b.data && memcmp(a.data, b.data, a.len) == 0);
}

/** The octets from `from` to the end; none where `from` lies beyond it. */
static inline struct lm_bytes lm_bytes_from(struct lm_bytes b, size_t from)
{
	return from >= b.len ? lm_bytes(NULL, 0) : lm_bytes(b.data + from, b.len - from);
}

/** For printf's "%.*s". */
#define LM_FMT(b) (int)(b).len, (const char *)(b).data

/** Library version, "major.minor.patch". Threads: any. */
LM_API const char *lm_version(void);

#ifdef __cplusplus
}
#endif
#endif
