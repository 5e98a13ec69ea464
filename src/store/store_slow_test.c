/* The conformance suite against stores that are late. */
#include "store/conformance.h"

static const char *const patterns[] = { "slow:5:memory:", "slow:5:sqlite:@", "slow:5:maildir:@" };

int main(void)
{
	size_t count;
	struct CMUnitTest *tests = lm_conformance(patterns, sizeof(patterns) / sizeof(*patterns),
	                                          &count);
	int failed = tests ? _cmocka_run_group_tests("slow store", tests, count, NULL, NULL) : 1;

	lm_conformance_free(tests, count);
	return failed;
}
