/** @file
 * One line on a terminal that says how far a long work is: share, rate, time left.
 */
#ifndef LM_CLI_PROGRESS_H
#define LM_CLI_PROGRESS_H

#include <lettermill/base.h>

struct lm_progress {
	bool on;
	uint64_t total, total_octets; /**< total 0: not known yet */
	lm_time_ms began, drawn;
	size_t shown; /**< columns of the line on the terminal */
};

/** On when `wanted` and standard error is a terminal. */
void lm_progress_init(struct lm_progress *progress, bool wanted, lm_time_ms now);
/** What is to be done; the rate counts from now. */
void lm_progress_total(struct lm_progress *progress, uint64_t total, uint64_t octets,
                       lm_time_ms now);
/** Draws at most ten times a second. */
void lm_progress_update(struct lm_progress *progress, uint64_t done, uint64_t octets,
                        lm_time_ms now);
/** Take the line away, before anything else is written; the next update draws it again. */
void lm_progress_clear(struct lm_progress *progress);

/** The line, for `columns`; returns its length. Pure. */
size_t lm_progress_line(const struct lm_progress *progress, uint64_t done, uint64_t octets,
                        lm_time_ms now, unsigned columns, char *out, size_t cap);
/** "1.2 MB" into `out` of 16 octets; returns it. */
const char *lm_progress_size(double octets, char *out);

#endif
