/* Faults in hooks that nothing can end: they cost their worker, and another one takes its place. */
#include "script/handler_fault_rig.h"

#include "lm_test.h"

static void endless_microtasks(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){ .script = "(async () => { for (;;) await 0; })();",
	                                 .told = "script.lost",
	                                 .is_dear = true });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endless_microtasks),
	};

	cmocka_set_test_filter(getenv("LM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
