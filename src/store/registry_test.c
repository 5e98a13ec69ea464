/* URLs of stores, checksums, names. */
#include "lm_test.h"

#include "store/store_impl.h"

static void unknown_urls_are_refused(void **state)
{
	static const char *const bad[] = {
		"",  "memory", "sqlit:x",        "memory:x", "sqlite:", "MEMORY:",
		":", "slow:",  "slow:x:memory:", "slow:5:",  "slow:5"
	};
	struct lm_store *store;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct lm_error error = { 0 };

		assert_err(lm_store_open(bad[i], &store, &error), LM_E_CONFIG);
		assert_int_equal(error.code, LM_E_CONFIG);
		assert_true(error.text[0] != '\0');
	}
	assert_err(lm_store_open(NULL, &store, NULL), LM_E_CONFIG);
}

static void checksum_is_xxh64(void **state)
{
	(void)state;
	assert_true(lm_checksum(lm_str("")) == 0xEF46DB3751D8E999);
	assert_true(lm_checksum(lm_str("a")) == 0xD24EC4F1A98C6E5B);
	assert_true(lm_checksum(lm_str("abc")) == 0x44BC2CF5AD770999);
	assert_true(lm_checksum(lm_str("Nobody inspects the spammish repetition")) ==
	            0xFBCEA83C8A378BF1);
}

static void names_fold(void **state)
{
	char name[LM_NAME_MAX + 1];

	(void)state;
	assert_err(lm_name_fold(lm_str("J\xC3\x9CRG@Example.ORG"), name), 0);
	assert_string_equal(name, "j\xC3\x9Crg@example.org");
	assert_err(lm_name_fold(lm_bytes("a\0b", 3), name), LM_E_SYNTAX);
	assert_err(lm_name_fold(lm_str(""), name), LM_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_urls_are_refused),
		cmocka_unit_test(checksum_is_xxh64),
		cmocka_unit_test(names_fold),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
