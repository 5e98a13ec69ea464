/* The engine's library: there, not there, or another one. */
#include "script/engine/jsc.h"
#include "script/engine/rig.h"

static void not_there(void **state)
{
	static const char *const names[] = { "libnone-1.so", "libnone-2.so", NULL };
	struct lm_error error;

	(void)state;
	assert_err(lm_jsc_load(names, &error), LM_E_UNSUPPORTED);
	assert_int_equal(error.code, LM_E_UNSUPPORTED);
	assert_non_null(strstr(error.text, "install the package libjavascriptcoregtk-4.1-0"));
	assert_err(lm_jsc_load(names, NULL), LM_E_UNSUPPORTED);
}

static void another(void **state)
{
	static const char *const names[] = { "libnone-1.so", "libc.so.6", NULL };
	struct lm_error error;

	(void)state;
	assert_err(lm_jsc_load(names, &error), LM_E_UNSUPPORTED);
	assert_non_null(strstr(error.text, "has no JS"));
}

static void there(void **state)
{
	(void)state;
	assert_err(lm_js_setup(NULL), 0);
	assert_err(lm_js_setup(NULL), 0);
	assert_int_equal(strncmp(lm_js_engine(), "JavaScriptCore 2.", 17), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_there),
		cmocka_unit_test(another),
		cmocka_unit_test(there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
