/* The conformance suite against every store there is. */
#include "store/conformance.h"

static const char *const patterns[] = { "memory:", "sqlite:@", "maildir:@", "maildir:@/%u/Maildir",
	                                "faulty:draft_commit=999999999:FULL:sqlite:@" };

int main(void)
{
	size_t count;
	struct CMUnitTest *tests = lm_conformance(patterns, sizeof(patterns) / sizeof(*patterns),
	                                          &count);
	int failed = tests ? _cmocka_run_group_tests("store", tests, count, NULL, NULL) : 1;

	lm_conformance_free(tests, count);
	return failed;
}
