/* Times in buckets: percentiles without keeping every one. */
#include "cli/bench.h"

/* Eight buckets for each power of two; below eight one for each microsecond. */
static unsigned bucket_of(uint64_t n)
{
	unsigned power, place;

	if (n < 8)
		return (unsigned)n;
	power = 63 - (unsigned)__builtin_clzll(n);
	place = 8 * (power - 2) + (unsigned)(n >> (power - 3) & 7);
	return place < LM_BENCH_BUCKETS ? place : LM_BENCH_BUCKETS - 1;
}

/* The largest time in it. */
static uint64_t top_of(unsigned bucket)
{
	unsigned power = bucket / 8 + 2;

	if (bucket < 8)
		return bucket;
	if (bucket == LM_BENCH_BUCKETS - 1)
		return UINT64_MAX; /* whatever is longer is there, too */
	return ((uint64_t)(8 + bucket % 8 + 1) << (power - 3)) - 1;
}

void lm_bench_note(struct lm_bench_times *times, uint64_t microseconds)
{
	times->buckets[bucket_of(microseconds)]++;
	times->count++;
	if (microseconds > times->max)
		times->max = microseconds;
}

void lm_bench_add(struct lm_bench_times *to, const struct lm_bench_times *from)
{
	for (unsigned i = 0; i < LM_BENCH_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
	to->count += from->count;
	if (from->max > to->max)
		to->max = from->max;
}

uint64_t lm_bench_share(const struct lm_bench_times *times, double share)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < LM_BENCH_BUCKETS && times->count; i++) {
		uint64_t top = top_of(i);

		seen += times->buckets[i];
		if ((double)seen >= share * (double)times->count)
			return top < times->max ? top : times->max;
	}
	return times->max;
}
