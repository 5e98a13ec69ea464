/* Ranges of messages, without a server. */
#include "cli/ranges.h"

#include "base/mem.h"

#include "lm_test.h"

static struct lm_ranges parsed(const char *a, const char *b)
{
	char *const texts[] = { (char *)a, (char *)b };
	struct lm_ranges r;
	struct lm_error why = { 0 };
	int err = lm_ranges_parse(texts, b ? 2 : 1, &r, &why);

	if (err)
		fail_msg("%s", why.text);
	return r;
}

static void assert_wrong(const char *text)
{
	char *const texts[] = { (char *)text };
	struct lm_ranges r;
	struct lm_error why = { 0 };

	assert_err(lm_ranges_parse(texts, 1, &r, &why), LM_E_SYNTAX);
	assert_non_null(strstr(why.text, "1-10,15,20-"));
	lm_ranges_done(&r);
}

static void ranges_are_put_in_order(void **state)
{
	struct lm_ranges r = parsed("20-,1-10", "15,5-12,13");

	(void)state;
	assert_int_equal(r.count, 3);
	assert_int_equal(r.items[0].first, 1);
	assert_int_equal(r.items[0].last, 13);
	assert_int_equal(r.items[1].first, 15);
	assert_int_equal(r.items[1].last, 15);
	assert_int_equal(r.items[2].first, 20);
	assert_true(r.items[2].last == UINT64_MAX);
	lm_ranges_done(&r);
}

static void open_ends_swallow_what_follows(void **state)
{
	struct lm_ranges r = parsed("3-,7,9-", NULL);

	(void)state;
	assert_int_equal(r.count, 1);
	assert_int_equal(r.items[0].first, 3);
	assert_true(r.items[0].last == UINT64_MAX);
	lm_ranges_done(&r);
}

static void numbers_are_found(void **state)
{
	struct lm_ranges r = parsed("2-3,7,10-", NULL);
	static const uint64_t in[] = { 2, 3, 7, 10, 11, UINT64_MAX - 1 },
	                      out[] = { 0, 1, 4, 6, 8, 9 };

	(void)state;
	for (size_t i = 0; i < sizeof(in) / sizeof(*in); i++)
		assert_true(lm_ranges_have(&r, in[i]));
	for (size_t i = 0; i < sizeof(out) / sizeof(*out); i++)
		assert_false(lm_ranges_have(&r, out[i]));
	lm_ranges_done(&r);
	assert_false(lm_ranges_have(&r, 1));
}

static void numbers_past_the_end_are_named(void **state)
{
	struct lm_ranges r = parsed("1-3,9-", NULL), far = parsed("2-8", NULL),
	                 gone = parsed("9", NULL);
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_ranges_check(&r, 5, 5, &why), 0);
	assert_err(lm_ranges_check(&r, 2, 2, &why), LM_E_NOT_FOUND);
	assert_non_null(strstr(why.text, "no message 3; the maildrop has 2"));
	assert_err(lm_ranges_check(&far, 5, 5, &why), LM_E_NOT_FOUND);
	assert_non_null(strstr(why.text, "no message 8"));
	assert_err(lm_ranges_check(&gone, 5, 4, &why), LM_E_NOT_FOUND);
	assert_non_null(strstr(why.text, "no message 9; the maildrop has 4"));
	lm_ranges_done(&r);
	lm_ranges_done(&far);
	lm_ranges_done(&gone);
}

static void what_is_no_range_is_refused(void **state)
{
	static const char *const wrong[] = { "",    "0",     "1,",  ",1",  "-3",
		                             "5-3", "1--2",  "a",   "1-b", "1 2",
		                             "+1",  "1-2-3", "0-4", "1;2", "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_wrong(wrong[i]);
}

static void memory_may_run_out(void **state)
{
	char *const texts[] = { (char *)"1,3,5" };
	int err = LM_E_NOMEM;

	(void)state;
	for (unsigned long n = 1; err == LM_E_NOMEM; n++) {
		struct lm_ranges r;

		lm_alloc_fail_at(n);
		err = lm_ranges_parse(texts, 1, &r, NULL);
		lm_alloc_fail_at(0);
		lm_ranges_done(&r);
		assert_true(n < 10);
	}
	assert_err(err, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_put_in_order),
		cmocka_unit_test(open_ends_swallow_what_follows),
		cmocka_unit_test(numbers_are_found),
		cmocka_unit_test(numbers_past_the_end_are_named),
		cmocka_unit_test(what_is_no_range_is_refused),
		cmocka_unit_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
