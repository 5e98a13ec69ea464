/* Percentiles out of buckets. */
#include "lm_test.h"

#include "cli/bench.h"

static void nothing_noted(void **state)
{
	struct lm_bench_times t = { 0 };

	(void)state;
	assert_int_equal(lm_bench_share(&t, 0.5), 0);
	assert_int_equal(lm_bench_share(&t, 1), 0);
}

static void one_time_is_every_share(void **state)
{
	static const uint64_t times[] = { 0, 1, 7, 8, 9, 1000, 123456789, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		struct lm_bench_times t = { 0 };

		lm_bench_note(&t, times[i]);
		assert_int_equal(lm_bench_share(&t, 1), times[i]);
		assert_true(lm_bench_share(&t, 0.01) <= times[i]);
	}
}

/* A share is the time itself, but for an eighth that a bucket is wide. */
static void shares_are_near(void **state)
{
	struct lm_bench_times t = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 100000; i++)
		lm_bench_note(&t, i);
	for (int percent = 1; percent <= 100; percent++) {
		uint64_t want = 1000 * (uint64_t)percent;
		uint64_t got = lm_bench_share(&t, percent / 100.0);

		assert_true(got >= want && got <= want + want / 8 + 1);
	}
	assert_int_equal(t.count, 100000);
	assert_int_equal(t.max, 100000);
}

static void sums(void **state)
{
	struct lm_bench_times a = { 0 }, b = { 0 }, all = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		lm_bench_note(i & 1 ? &a : &b, i * i);
		lm_bench_note(&all, i * i);
	}
	lm_bench_add(&a, &b);
	assert_memory_equal(&a, &all, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_noted),
		cmocka_unit_test(one_time_is_every_share),
		cmocka_unit_test(shares_are_near),
		cmocka_unit_test(sums),
	};

	return cmocka_run_group_tests_name("cli/bench_times", tests, NULL, NULL);
}
