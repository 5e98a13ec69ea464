/* The memory all scripts share: values, counters, ends of life, locks; alone and from eight
 * threads. */
#include "lm_test.h"
#include "script/memory_impl.h"

#include <sched.h>

enum { THREADS = 8, ROUNDS = 2000 };

static struct lm_script_memory *made(uint64_t max)
{
	struct lm_script_memory *m = NULL;

	assert_err(lm_script_memory_new(max, &m), 0);
	return m;
}

static void assert_value(struct lm_script_memory *m, const char *name, const char *want)
{
	struct lm_buf got;

	lm_buf_init(&got, 1 << 20);
	assert_err(lm_memory_get(m, lm_str(name), &got), want ? 0 : LM_E_NOT_FOUND);
	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	lm_buf_done(&got);
}

/* Time passes for one value: its end is set to a moment ago. */
static void expire(struct lm_script_memory *m, const char *name)
{
	for (size_t i = 0; i < m->chain_count; i++)
		for (struct lm_memory_row *row = m->chains[i]; row; row = row->next)
			if (lm_bytes_equal(lm_bytes(row->octets, row->name_len), lm_str(name)))
				row->expires = lm_memory_now() - 1;
}

static void values(void **state)
{
	struct lm_script_memory *m = made(0);
	uint64_t octets;

	(void)state;
	assert_value(m, "a", NULL);
	assert_err(lm_memory_put(m, lm_str("a"), lm_str("1"), 0), 0);
	assert_err(lm_memory_put(m, lm_str(""), lm_str("no name"), 0), 0);
	assert_err(lm_memory_put(m, lm_str("a"), lm_str("two"), 0), 0);
	assert_value(m, "a", "two");
	assert_value(m, "", "no name");
	assert_err(lm_memory_add(m, lm_str("a"), lm_str("3"), 0), LM_E_EXISTS);
	assert_value(m, "a", "two");
	assert_err(lm_memory_add(m, lm_str("b"), lm_str(""), 0), 0);
	assert_value(m, "b", "");
	assert_int_equal(lm_memory_values(m, &octets), 3);
	assert_true(lm_memory_remove(m, lm_str("a")));
	assert_false(lm_memory_remove(m, lm_str("a")));
	assert_value(m, "a", NULL);
	lm_memory_clear(m);
	assert_int_equal(lm_memory_values(m, &octets), 0);
	assert_int_equal(octets, 0);
	lm_script_memory_free(m);
	lm_script_memory_free(NULL);
}

static void many_values(void **state)
{
	struct lm_script_memory *m = made(0);
	char name[20], value[20];
	uint64_t octets;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(value, sizeof(value), "%d", i * 7);
		assert_err(lm_memory_put(m, lm_str(name), lm_str(value), 0), 0);
	}
	assert_true(m->chain_count >= 4096);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(value, sizeof(value), "%d", i * 7);
		assert_value(m, name, value);
	}
	assert_int_equal(lm_memory_values(m, &octets), 5000);
	lm_script_memory_free(m);
}

static void there_is_a_limit(void **state)
{
	struct lm_script_memory *m = made(10000);
	static char large[20000], name[LM_SCRIPT_MEMORY_NAME + 1];
	uint64_t before, octets;
	double n;

	(void)state;
	assert_err(lm_memory_put(m, lm_str("a"), lm_bytes(large, 9000), 0), 0);
	lm_memory_values(m, &before);
	assert_err(lm_memory_put(m, lm_str("b"), lm_bytes(large, 1000), 0), LM_E_LIMIT);
	assert_err(lm_memory_put(m, lm_str("a"), lm_bytes(large, 20000), 0), LM_E_LIMIT);
	assert_err(lm_memory_put(m, lm_bytes(name, sizeof(name)), lm_str(""), 0), LM_E_LIMIT);
	assert_err(lm_memory_count(m, lm_bytes(name, sizeof(name)), 1, &n), LM_E_LIMIT);
	assert_int_equal(lm_memory_values(m, &octets), 1);
	assert_int_equal(octets, before);
	assert_err(lm_memory_put(m, lm_str("a"), lm_bytes(large, 9500), 0), 0);
	assert_err(lm_memory_set_ttl(m, lm_str("a"), 1000000), 0);
	expire(m, "a");
	assert_err(lm_memory_put(m, lm_str("b"), lm_bytes(large, 9000), 0), 0);
	lm_script_memory_free(m);
}

static void values_end(void **state)
{
	struct lm_script_memory *m = made(0);
	lm_time_ms ttl;
	uint64_t octets;
	double n;

	(void)state;
	assert_err(lm_memory_put(m, lm_str("a"), lm_str("1"), 60000), 0);
	assert_err(lm_memory_ttl(m, lm_str("a"), &ttl), 0);
	assert_in_range(ttl, 50000, 60000);
	assert_err(lm_memory_count(m, lm_str("a"), 1, &n), 0);
	assert_err(lm_memory_ttl(m, lm_str("a"), &ttl), 0);
	assert_in_range(ttl, 50000, 60000);
	assert_err(lm_memory_set_ttl(m, lm_str("a"), 0), 0);
	assert_err(lm_memory_ttl(m, lm_str("a"), &ttl), 0);
	assert_int_equal(ttl, 0);
	assert_err(lm_memory_set_ttl(m, lm_str("a"), INT64_MAX), 0);
	assert_err(lm_memory_ttl(m, lm_str("a"), &ttl), 0);
	assert_int_equal(ttl, 0);
	assert_err(lm_memory_set_ttl(m, lm_str("b"), 5), LM_E_NOT_FOUND);
	assert_err(lm_memory_ttl(m, lm_str("b"), &ttl), LM_E_NOT_FOUND);
	assert_err(lm_memory_put(m, lm_str("b"), lm_str("1"), 0), 0);
	expire(m, "a");
	assert_value(m, "a", NULL);
	expire(m, "b");
	assert_err(lm_memory_add(m, lm_str("b"), lm_str("2"), 0), 0);
	expire(m, "b");
	assert_err(lm_memory_count(m, lm_str("b"), 5, &n), 0);
	assert_true(n == 5);
	expire(m, "b");
	assert_int_equal(lm_memory_values(m, &octets), 0);
	lm_script_memory_free(m);
}

static void what_ended_is_swept(void **state)
{
	struct lm_script_memory *m = made(0);
	char name[20];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_err(lm_memory_put(m, lm_str(name), lm_str("1"), 1000000), 0);
		expire(m, name);
	}
	assert_true(m->row_count < 500);
	lm_script_memory_free(m);
}

static void counters(void **state)
{
	struct lm_script_memory *m = made(0);
	double n = 0;

	(void)state;
	assert_err(lm_memory_count(m, lm_str("c"), 1, &n), 0);
	assert_true(n == 1);
	assert_value(m, "c", "1");
	assert_err(lm_memory_count(m, lm_str("c"), -2.5, &n), 0);
	assert_value(m, "c", "-1.5");
	assert_err(lm_memory_put(m, lm_str("c"), lm_str("1e3"), 0), 0);
	assert_err(lm_memory_count(m, lm_str("c"), 1, &n), 0);
	assert_value(m, "c", "1001");
	for (const char *const *bad =
	             (const char *const[]){ "\"1\"", "", "nan", "inf", "1x", "null",
	                                    "0000000000000000000000000000000000000"
	                                    "0000000000",
	                                    NULL };
	     *bad; bad++) {
		assert_err(lm_memory_put(m, lm_str("c"), lm_str(*bad), 0), 0);
		assert_err(lm_memory_count(m, lm_str("c"), 1, &n), LM_E_MISUSE);
		assert_value(m, "c", *bad);
	}
	assert_err(lm_memory_put(m, lm_str("c"), lm_str("1.7e308"), 0), 0);
	assert_err(lm_memory_count(m, lm_str("c"), 1.7e308, &n), LM_E_LIMIT);
	assert_value(m, "c", "1.7e308");
	lm_script_memory_free(m);
}

static void names(void **state)
{
	struct lm_script_memory *m = made(0);
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 100);
	assert_err(lm_memory_put(m, lm_str("user:a"), lm_str("1"), 0), 0);
	assert_err(lm_memory_put(m, lm_str("use"), lm_str("1"), 0), 0);
	assert_err(lm_memory_put(m, lm_str("other"), lm_str("1"), 0), 0);
	assert_err(lm_memory_names(m, lm_str("user:"), &out), 0);
	assert_bytes(lm_buf_bytes(&out), lm_bytes("user:a", 7));
	lm_buf_clear(&out);
	assert_err(lm_memory_names(m, lm_str(""), &out), 0);
	assert_int_equal(lm_buf_len(&out), 7 + 4 + 6);
	lm_buf_done(&out);
	lm_script_memory_free(m);
}

static bool yes(void *ctx)
{
	(void)ctx;
	return true;
}

static bool no(void *ctx)
{
	++*(int *)ctx;
	return false;
}

static int lock_now(struct lm_script_memory *m, const char *name, const void *owner)
{
	return lm_memory_lock(m, lm_str(name), owner, 0, yes, NULL);
}

static void locks(void **state)
{
	struct lm_script_memory *m = made(0);
	int a, b, asked = 0;

	(void)state;
	assert_err(lock_now(m, "x", &a), 0);
	assert_err(lock_now(m, "x", &a), 0);
	assert_err(lock_now(m, "x", &b), LM_E_TIMEOUT);
	assert_err(lm_memory_lock(m, lm_str("x"), &b, 30, yes, NULL), LM_E_TIMEOUT);
	assert_err(lm_memory_lock(m, lm_str("x"), &b, LM_NEVER, no, &asked), LM_E_CANCELED);
	assert_int_equal(asked, 1);
	assert_false(lm_memory_unlock(m, lm_str("x"), &b));
	assert_false(lm_memory_unlock(m, lm_str("y"), &a));
	assert_true(lm_memory_unlock(m, lm_str("x"), &a));
	assert_err(lock_now(m, "x", &b), LM_E_TIMEOUT);
	assert_true(lm_memory_unlock(m, lm_str("x"), &a));
	assert_false(lm_memory_unlock(m, lm_str("x"), &a));
	assert_err(lock_now(m, "x", &b), 0);
	assert_int_equal(m->lock_count, 1);
	assert_null(m->waiting);
	lm_script_memory_free(m);
}

static void locks_are_let_go(void **state)
{
	struct lm_script_memory *m = made(0);
	int a, b;
	char name[20];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_err(lock_now(m, name, i % 2 ? &a : &b), 0);
	}
	lm_memory_release(m, &a);
	assert_int_equal(m->lock_count, 500);
	assert_err(lock_now(m, "n1", &b), 0);
	assert_err(lock_now(m, "n2", &a), LM_E_TIMEOUT);
	lm_memory_release(m, &b);
	assert_int_equal(m->lock_count, 0);
	lm_memory_release(m, &b);
	lm_script_memory_free(m);
}

static void locks_are_bounded(void **state)
{
	struct lm_script_memory *m = made(0);
	static char name[LM_SCRIPT_MEMORY_NAME + 1];
	int a;

	(void)state;
	assert_err(lm_memory_lock(m, lm_bytes(name, sizeof(name)), &a, 0, yes, NULL), LM_E_LIMIT);
	for (int i = 0; i < LM_MEMORY_LOCKS; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_err(lock_now(m, name, &a), 0);
	}
	assert_err(lock_now(m, "one more", &a), LM_E_LIMIT);
	assert_err(lock_now(m, "n7", &a), 0);
	lm_memory_release(m, &a);
	assert_err(lock_now(m, "one more", &a), 0);
	lm_script_memory_free(m);
}

/** One that waits on a thread of its own. */
struct waiting {
	struct lm_script_memory *m;
	const char *name;
	pthread_t thread;
	int result;
};

static void *lock_and_wait(void *ctx)
{
	struct waiting *w = ctx;

	w->result = lm_memory_lock(w->m, lm_str(w->name), w, LM_NEVER, yes, NULL);
	return NULL;
}

static bool is_waiting(struct lm_script_memory *m, const void *owner)
{
	bool found = false;

	pthread_mutex_lock(&m->mutex);
	for (struct lm_memory_waiter *w = m->waiting; w; w = w->after)
		found = found || (w->owner == owner && !w->sent_away);
	pthread_mutex_unlock(&m->mutex);
	return found;
}

static void start(struct waiting *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, lock_and_wait, w), 0);
	while (!is_waiting(w->m, w))
		sched_yield();
}

static void locks_go_to_who_waits_longest(void **state)
{
	struct lm_script_memory *m = made(0);
	struct waiting first = { m, "x", 0, 1 }, second = { m, "x", 0, 1 };
	int a;

	(void)state;
	assert_err(lock_now(m, "x", &a), 0);
	start(&first);
	start(&second);
	assert_true(lm_memory_unlock(m, lm_str("x"), &a));
	pthread_join(first.thread, NULL);
	assert_err(first.result, 0);
	assert_true(is_waiting(m, &second));
	lm_memory_release(m, &first);
	pthread_join(second.thread, NULL);
	assert_err(second.result, 0);
	assert_true(lm_memory_unlock(m, lm_str("x"), &second));
	lm_script_memory_free(m);
}

static void who_is_given_up_gets_nothing(void **state)
{
	struct lm_script_memory *m = made(0);
	struct waiting w = { m, "x", 0, 1 };
	int a;

	(void)state;
	assert_err(lock_now(m, "x", &a), 0);
	start(&w);
	lm_memory_release(m, &w);
	assert_true(lm_memory_unlock(m, lm_str("x"), &a));
	pthread_join(w.thread, NULL);
	assert_err(w.result, LM_E_CANCELED);
	assert_err(lock_now(m, "x", &a), 0);
	lm_script_memory_free(m);
}

static void circles_are_refused(void **state)
{
	struct lm_script_memory *m = made(0);
	struct waiting w1 = { m, "y", 0, 1 }, w2 = { m, "z", 0, 1 };
	int a;

	(void)state;
	assert_err(lock_now(m, "x", &w1), 0);
	assert_err(lock_now(m, "y", &w2), 0);
	assert_err(lock_now(m, "z", &a), 0);
	start(&w1);
	start(&w2);
	assert_err(lm_memory_lock(m, lm_str("x"), &a, LM_NEVER, yes, NULL), LM_E_IN_USE);
	assert_err(lm_memory_lock(m, lm_str("x"), &a, 10, yes, NULL), LM_E_TIMEOUT);
	lm_memory_release(m, &a);
	pthread_join(w2.thread, NULL);
	lm_memory_release(m, &w2);
	pthread_join(w1.thread, NULL);
	assert_err(w1.result, 0);
	assert_err(w2.result, 0);
	lm_script_memory_free(m);
}

static uint64_t guarded;

static void one_round(struct lm_script_memory *m, int i)
{
	struct lm_buf got;
	char name[20];
	double n;
	int err;

	lm_buf_init(&got, 1000);
	snprintf(name, sizeof(name), "n%d", i % 50);
	assert_err(lm_memory_count(m, lm_str("all"), 1, &n), 0);
	assert_err(lm_memory_put(m, lm_str(name), lm_str(name), i % 3), 0);
	err = lm_memory_get(m, lm_str(name), &got);
	if (err == 0)
		assert_bytes(lm_buf_bytes(&got), lm_str(name));
	else
		assert_err(err, LM_E_NOT_FOUND);
	if (i % 7 == 0)
		(void)lm_memory_remove(m, lm_str(name));
	lm_buf_done(&got);
}

static void *work(void *ctx)
{
	struct lm_script_memory *m = ctx;
	int owner, ignored = 0;

	for (int i = 0; i < ROUNDS; i++) {
		one_round(m, i);
		if (i % 10)
			continue;
		assert_err(lm_memory_lock(m, lm_str("l"), &owner, LM_NEVER, yes, NULL), 0);
		guarded++;
		if (i % 20)
			assert_true(lm_memory_unlock(m, lm_str("l"), &owner));
		else
			lm_memory_release(m, &owner);
		if (lm_memory_lock(m, lm_str("l"), &owner, LM_NEVER, no, &ignored) == 0)
			lm_memory_release(m, &owner);
	}
	return NULL;
}

static void eight_threads(void **state)
{
	struct lm_script_memory *m = made(0);
	pthread_t threads[THREADS];

	(void)state;
	guarded = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, m), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_value(m, "all", "16000");
	assert_int_equal(guarded, THREADS * ROUNDS / 10);
	assert_int_equal(m->lock_count, 0);
	lm_script_memory_free(m);
}

static void out_of_memory(void **state)
{
	struct lm_script_memory *m = NULL;
	uint64_t octets;
	double n;
	int a;

	(void)state;
	for (unsigned long i = 1; i < 3; i++) {
		lm_alloc_fail_at(i);
		assert_err(lm_script_memory_new(0, &m), LM_E_NOMEM);
	}
	lm_alloc_fail_at(0);
	m = made(0);
	lm_alloc_fail_at(1);
	assert_err(lm_memory_put(m, lm_str("a"), lm_str("1"), 0), LM_E_NOMEM);
	lm_alloc_fail_at(1);
	assert_err(lm_memory_count(m, lm_str("a"), 1, &n), LM_E_NOMEM);
	lm_alloc_fail_at(1);
	assert_err(lock_now(m, "a", &a), LM_E_NOMEM);
	lm_alloc_fail_at(0);
	assert_int_equal(lm_memory_values(m, &octets), 0);
	assert_int_equal(m->lock_count, 0);
	lm_script_memory_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(many_values),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(values_end),
		cmocka_unit_test(what_ended_is_swept),
		cmocka_unit_test(counters),
		cmocka_unit_test(names),
		cmocka_unit_test(locks),
		cmocka_unit_test(locks_are_let_go),
		cmocka_unit_test(locks_are_bounded),
		cmocka_unit_test(locks_go_to_who_waits_longest),
		cmocka_unit_test(who_is_given_up_gets_nothing),
		cmocka_unit_test(circles_are_refused),
		cmocka_unit_test(eight_threads),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
