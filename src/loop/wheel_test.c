/* The timer wheel against a plain list, with a clock of our own. */
#include "loop/wheel.h"

#include "lm_test.h"

#include <stdlib.h>

enum { MANY = 2000 };

struct probe {
	struct lm_timer timer;
	struct wheel_test *test;
	int number;
};

struct wheel_test {
	struct lm_wheel wheel;
	struct probe probes[MANY];
	int order[MANY * 2];
	int fired;
	lm_time_ms now;
};

static void on_fire(struct lm_timer *timer)
{
	struct probe *probe = lm_container(timer, struct probe, timer);
	struct wheel_test *test = probe->test;

	assert_false(timer->armed);
	assert_true(timer->at <= test->now);
	test->order[test->fired++] = probe->number;
}

static struct wheel_test *begin(lm_time_ms now)
{
	struct wheel_test *test = calloc(1, sizeof(*test));

	assert_non_null(test);
	lm_wheel_init(&test->wheel, now);
	test->now = now;
	for (int i = 0; i < MANY; i++)
		test->probes[i] = (struct probe){ { .fire = on_fire }, test, i };
	return test;
}

static void advance(struct wheel_test *test, lm_time_ms now)
{
	test->now = now;
	lm_wheel_advance(&test->wheel, now);
}

static void fires_at_the_moment_not_before(void **state)
{
	static const lm_time_ms spans[] = { 1,        2,        63,   64,     65,     127,
		                            4095,     4096,     4097, 300000, 262143, 262144,
		                            16777215, 16777216, 1e9,  68e9,   70e9,   4398e9 };

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
		struct wheel_test *test = begin(12345 + (lm_time_ms)i * 77);
		lm_time_ms at = test->now + spans[i];

		if (at >= INT64_C(1) << 42)
			at = (INT64_C(1) << 42) - 1;
		lm_wheel_add(&test->wheel, &test->probes[0].timer, at);
		advance(test, at - 1);
		assert_int_equal(test->fired, 0);
		assert_true(lm_wheel_next(&test->wheel) <= at);
		advance(test, at);
		assert_int_equal(test->fired, 1);
		assert_true(lm_wheel_next(&test->wheel) == LM_NEVER);
		free(test);
	}
}

static void the_past_fires_next(void **state)
{
	struct wheel_test *test = begin(1000);

	(void)state;
	lm_wheel_add(&test->wheel, &test->probes[0].timer, 5);
	lm_wheel_add(&test->wheel, &test->probes[1].timer, -5);
	advance(test, 1000);
	assert_int_equal(test->fired, 0);
	advance(test, 1001);
	assert_int_equal(test->fired, 2);
	free(test);
}

static void random_timers_fire_in_order(void **state)
{
	struct wheel_test *test = begin(987654);
	lm_time_ms last = 0;

	(void)state;
	srand(7);
	for (int i = 0; i < MANY; i++)
		lm_wheel_add(&test->wheel, &test->probes[i].timer,
		             test->now + 1 + rand() % (i % 2 ? 500 : 500000));
	for (int i = 0; i < MANY; i += 3)
		lm_wheel_remove(&test->wheel, &test->probes[i].timer);
	while (lm_wheel_next(&test->wheel) != LM_NEVER)
		advance(test, test->now + 1 + rand() % 3000);
	assert_int_equal(test->fired, MANY - (MANY + 2) / 3);
	for (int i = 0; i < test->fired; i++) {
		const struct probe *probe = &test->probes[test->order[i]];

		assert_int_not_equal(probe->number % 3, 0);
		assert_true(probe->timer.at >= last);
		last = probe->timer.at;
	}
	free(test);
}

static void fire_disarms_neighbour(struct lm_timer *timer)
{
	struct probe *probe = lm_container(timer, struct probe, timer);

	on_fire(timer);
	lm_wheel_remove(&probe->test->wheel, &probe[1].timer);
}

static void fire_arms_itself(struct lm_timer *timer)
{
	struct probe *probe = lm_container(timer, struct probe, timer);

	on_fire(timer);
	lm_wheel_add(&probe->test->wheel, timer, probe->test->now);
}

static void timers_change_each_other(void **state)
{
	struct wheel_test *test = begin(64);

	(void)state;
	test->probes[0].timer.fire = fire_disarms_neighbour;
	for (int i = 0; i < 3; i++)
		lm_wheel_add(&test->wheel, &test->probes[i].timer, 200);
	test->probes[3].timer.fire = fire_arms_itself;
	lm_wheel_add(&test->wheel, &test->probes[3].timer, 201);
	advance(test, 500);
	assert_int_equal(test->fired, 3);
	assert_int_equal(test->order[0], 0);
	assert_int_equal(test->order[1], 2);
	assert_int_equal(test->order[2], 3);
	/* It armed itself for a moment that had come: once each turn, not for ever. */
	advance(test, 501);
	assert_int_equal(test->fired, 4);
	free(test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_at_the_moment_not_before),
		cmocka_unit_test(the_past_fires_next),
		cmocka_unit_test(random_timers_fire_in_order),
		cmocka_unit_test(timers_change_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
