/* The conformance suite against every mime store. */
#include "store/mime_conformance.h"

static const char *const patterns[] = { "fake:", "localfs:@" };

int main(void)
{
	size_t count;
	struct CMUnitTest *tests = lm_mime_conformance(
	        patterns, sizeof(patterns) / sizeof(*patterns), &count);
	int failed = tests ? _cmocka_run_group_tests("mime", tests, count, NULL, NULL) : 1;

	lm_mime_conformance_free(tests, count);
	return failed;
}
