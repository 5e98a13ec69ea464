/** @file
 * What every store must do, as tests that run against a URL.
 */
#ifndef LM_STORE_CONFORMANCE_H
#define LM_STORE_CONFORMANCE_H

#include "lm_test.h"

/** Every test for every pattern ("@" stands for a fresh folder), as one array of *out_count. */
struct CMUnitTest *lm_conformance(const char *const *patterns, size_t count, size_t *out_count);
void lm_conformance_free(struct CMUnitTest *tests, size_t count);

#endif
