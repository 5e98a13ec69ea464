/** @file
 * cmocka's include ritual, once, and our few extra checks.
 */
#ifndef LM_TESTS_LM_TEST_H
#define LM_TESTS_LM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <lettermill/error.h>

#include <stdio.h>
#include <stdlib.h>

/** Octets equal, shown escaped where they are not. */
#define assert_bytes(got, want) lm_test_bytes((got), (want), __FILE__, __LINE__)
/** A result is the named error (0 for success), shown by name where it is not. */
#define assert_err(got, want) lm_test_err((got), (want), __FILE__, __LINE__)
/** This machine, or this build, cannot run the test: say why, and be done. cmocka's skip() counts
 * as a failure with Meson. */
#define lm_test_skip(why)                                               \
	do {                                                            \
		fprintf(stderr, "# skipped %s: %s\n", __func__, (why)); \
		return;                                                 \
	} while (0)

static inline void lm_test_show(const char *what, struct lm_bytes b)
{
	fprintf(stderr, "%s (%zu) \"", what, b.len);
	for (size_t i = 0; b.data && i < b.len && i < 4000; i++) {
		uint8_t c = b.data[i];

		if (c == '\n')
			fprintf(stderr, "\\n\n");
		else if (c >= 0x20 && c < 0x7F)
			fputc(c, stderr);
		else
			fprintf(stderr, "\\x%02x", c);
	}
	fprintf(stderr, "\"\n");
}

static inline void lm_test_bytes(struct lm_bytes got, struct lm_bytes want, const char *file,
                                 int line)
{
	if (lm_bytes_equal(got, want))
		return;
	lm_test_show("got ", got);
	lm_test_show("want", want);
	_fail(file, line);
	abort(); /* never reached; the analysers cannot know */
}

static inline void lm_test_err(int got, int want, const char *file, int line)
{
	if (got == want)
		return;
	fprintf(stderr, "got %s, want %s\n", lm_err_name(got), lm_err_name(want));
	_fail(file, line);
	abort(); /* never reached; the analysers cannot know */
}

#endif
