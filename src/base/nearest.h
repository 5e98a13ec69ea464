/** @file
 * Slips of the pen: which of some names was meant.
 */
#ifndef LM_BASE_NEAREST_H
#define LM_BASE_NEAREST_H

#include <lettermill/base.h>

/** Names longer than this are no slips of the pen. */
enum { LM_NEAREST_MAX = 40 };

/**
 * Compare a misspelt `name` with one candidate after the other: true where it is likely meant and
 * nearer than those before, then *best is set anew. Begin with *best = LM_NEAREST_MAX. Candidates
 * have at most LM_NEAREST_MAX octets.
 */
LM_MUST bool lm_nearer(const char *name, const char *candidate, unsigned *best);

#endif
