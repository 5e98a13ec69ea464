/* Faults in hooks that never end, but can be ended: nobody waits for them longer than he must. */
#include "script/handler_fault_rig.h"

#include "lm_test.h"

static void promises_never_settled(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){ .script = "return new Promise(() => {});",
	                                 .told = "handler.timeout",
	                                 .is_timeout = true,
	                                 .is_idle = true });
}

static void blocked_for_long(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){ .script = "infinity.sleep(1000000);",
	                                 .told = "handler.timeout",
	                                 .is_timeout = true });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promises_never_settled),
		cmocka_unit_test(blocked_for_long),
	};

	cmocka_set_test_filter(getenv("LM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
