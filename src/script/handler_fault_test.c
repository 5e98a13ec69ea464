/* Faults in hooks that end by themselves, or by a limit on what they use. */
#include "script/handler_fault_rig.h"

#include "lm_test.h"

static void throws(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){ .script = "throw new RangeError('broken');",
	                                 .told = "RangeError: broken" });
}

static void rejections(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){ .script = "return Promise.reject(new Error('broken'));",
	                                 .told = "Error: broken" });
}

static void recursions(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){ .script = "const f = () => f() + 1; f();",
	                                 .told = "RangeError" });
}

static void endless_loops(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){ .script = "for (;;) ;", .told = "more processor time" });
}

static void memory_bombs(void **state)
{
	(void)state;
	lm_fault_run(&(struct lm_fault){
	        .script = "const a = []; for (;;) a.push(new Array(1000).fill({}));",
	        .told = "script.error" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(throws),       cmocka_unit_test(rejections),
		cmocka_unit_test(recursions),   cmocka_unit_test(endless_loops),
		cmocka_unit_test(memory_bombs),
	};

	cmocka_set_test_filter(getenv("LM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
