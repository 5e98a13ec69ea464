/* Remembered passwords: who is known, for how long, and that a change of password counts. */
#include "lm_test.h"

#include "server/verify.h"

#include <stdio.h>

static const struct lm_bytes secret = { (const uint8_t *)"secret", 6 };

static void only_the_same_password_is_known(void **state)
{
	struct lm_verify *v;

	(void)state;
	assert_err(lm_verify_new(100, 60000, &v), 0);
	assert_false(lm_verify_known(v, "anna", "$y$1", secret, 0));
	lm_verify_remember(v, "anna", "$y$1", secret, 0);
	assert_true(lm_verify_known(v, "anna", "$y$1", secret, 0));
	assert_false(lm_verify_known(v, "anna", "$y$1", lm_str("Secret"), 0));
	assert_false(lm_verify_known(v, "anna", "$y$1", lm_str(""), 0));
	assert_false(lm_verify_known(v, "otto", "$y$1", secret, 0));
	/* Moved borders between the parts are something else. */
	assert_false(lm_verify_known(v, "ann", "a$y$1", secret, 0));
	lm_verify_free(v);
	lm_verify_free(NULL);
}

static void a_changed_password_counts_at_once(void **state)
{
	struct lm_verify *v;

	(void)state;
	assert_err(lm_verify_new(100, 60000, &v), 0);
	lm_verify_remember(v, "anna", "$y$old", secret, 0);
	assert_false(lm_verify_known(v, "anna", "$y$new", secret, 0));
	lm_verify_free(v);
}

static void life_ends(void **state)
{
	struct lm_verify *v;

	(void)state;
	assert_err(lm_verify_new(100, 60000, &v), 0);
	lm_verify_remember(v, "anna", "$y$1", secret, 1000);
	assert_true(lm_verify_known(v, "anna", "$y$1", secret, 60999));
	assert_false(lm_verify_known(v, "anna", "$y$1", secret, 61000));
	lm_verify_free(v);
}

static void memory_is_bounded(void **state)
{
	struct lm_verify *v;
	unsigned known = 0;
	char name[16];

	(void)state;
	assert_err(lm_verify_new(8, 60000, &v), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		lm_verify_remember(v, name, "c", secret, i);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		known += lm_verify_known(v, name, "c", secret, 500);
	}
	assert_int_equal(known, 8);
	/* The last one is always there. */
	assert_true(lm_verify_known(v, "user499", "c", secret, 500));
	lm_verify_free(v);
}

static void made_up_secrets(void **state)
{
	struct lm_verify *v, *other;
	uint8_t a[32], b[32];

	(void)state;
	assert_err(lm_verify_new(8, 60000, &v), 0);
	assert_err(lm_verify_new(8, 60000, &other), 0);
	assert_err(lm_verify_made_up(v, "salt", lm_str("anna"), a), 0);
	assert_err(lm_verify_made_up(v, "salt", lm_str("ANNA"), b), 0);
	assert_memory_equal(a, b, 32);
	assert_err(lm_verify_made_up(v, "key", lm_str("anna"), b), 0);
	assert_memory_not_equal(a, b, 32);
	assert_err(lm_verify_made_up(v, "salt", lm_str("otto"), b), 0);
	assert_memory_not_equal(a, b, 32);
	assert_err(lm_verify_made_up(other, "salt", lm_str("anna"), b), 0);
	assert_memory_not_equal(a, b, 32);
	lm_verify_free(v);
	lm_verify_free(other);
}

static void bad_arguments(void **state)
{
	struct lm_verify *v;

	(void)state;
	assert_err(lm_verify_new(0, 60000, &v), LM_E_MISUSE);
	lm_alloc_fail_at(1);
	assert_err(lm_verify_new(8, 60000, &v), LM_E_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_same_password_is_known),
		cmocka_unit_test(a_changed_password_counts_at_once),
		cmocka_unit_test(life_ends),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(made_up_secrets),
		cmocka_unit_test(bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
