/** @file
 * Bounded load on a server: what is asked for, what is measured, and the threads that make it.
 */
#ifndef LM_CLI_BENCH_H
#define LM_CLI_BENCH_H

#include "cli/remote.h"

#include <stdatomic.h>

/** Times in microseconds, in buckets that are an eighth of their value wide at most. */
enum { LM_BENCH_BUCKETS = 8 * 48 };
struct lm_bench_times {
	uint64_t buckets[LM_BENCH_BUCKETS];
	uint64_t count, max;
};

void lm_bench_note(struct lm_bench_times *times, uint64_t microseconds);
void lm_bench_add(struct lm_bench_times *to, const struct lm_bench_times *from);
/** The time that `share` (0 to 1) of all are not above; 0 when there are none. */
uint64_t lm_bench_share(const struct lm_bench_times *times, double share);

/** What is asked for; the same for all threads, but for `claimed`. */
struct lm_bench_plan {
	const struct lm_client_params *params;
	uint64_t messages;      /**< in all; UINT64_MAX: as many as the time allows */
	uint64_t until;         /**< microseconds of lm_bench_now; UINT64_MAX: no end */
	unsigned a_session;     /**< messages in one session, at most */
	unsigned in_flight;     /**< POP3: RETR sent before the first is answered */
	struct lm_bytes letter; /**< SMTP: the message */
	struct lm_envelope envelope;
	_Atomic uint64_t claimed; /**< messages begun */
};

/** What came of it, in one thread or in all. */
struct lm_bench_result {
	struct lm_bench_times connect, login, message;
	uint64_t sessions, messages, octets, failures;
	struct lm_error first_failure; /**< code 0: there was none */
};

uint64_t lm_bench_now(void);

/** Run `connections` sessions at a time on a loop of this thread until the plan is over. Errors:
 * LM_E_NOMEM, LM_E_IO: nothing was begun. What servers do wrong is counted instead. */
LM_MUST int lm_bench_run(struct lm_bench_plan *plan, unsigned connections,
                         struct lm_bench_result *out_result);

#endif
