/* What scripts require without a file: tests written as scripts (test/NAME.js). */
#include "script/rig_each.h"

static char *read_test(const char *name)
{
	const char *root = getenv("LM_SOURCE_ROOT");
	char path[500], *text;
	FILE *file;
	size_t len;

	assert_non_null(root);
	snprintf(path, sizeof(path), "%s/src/script/test/%s.js", root, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	text = calloc(1, 200000);
	assert_non_null(text);
	len = fread(text, 1, 199999, file);
	assert_true(len > 0 && len < 199999);
	fclose(file);
	return text;
}

static void run(const char *name)
{
	char *prelude = read_test("check"), *text = read_test(name), *both = calloc(1, 400001);

	assert_non_null(both);
	snprintf(both, 400001, "%s%s", prelude, text);
	assert_script(rig, both, "true");
	free(prelude);
	free(text);
	free(both);
}

static void events(void **state)
{
	(void)state;
	run("events");
}

static void buffer(void **state)
{
	(void)state;
	run("buffer");
}

static void streams(void **state)
{
	(void)state;
	run("streams");
}

static void others(void **state)
{
	(void)state;
	run("node");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(events),
		T(buffer),
		T(streams),
		T(others),
	};

	return cmocka_run_group_tests_name("script/node", tests, NULL, NULL);
}
