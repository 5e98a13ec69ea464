/* Tests written as scripts (test/NAME.js): each runs in a runtime, and throws where it finds
 * something wrong. */
#include "script/memory_impl.h"
#include "script/rig.h"

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

static void run(struct lm_rig *rig, const char *name)
{
	char *prelude = read_test("check"), *text = read_test(name), *both = calloc(1, 400001);

	assert_non_null(both);
	snprintf(both, 400001, "%s%s", prelude, text);
	assert_script(rig, both, "true");
	free(prelude);
	free(text);
	free(both);
}

static void alone(const char *name)
{
	struct lm_rig *rig = lm_rig_new();

	run(rig, name);
	lm_rig_free(rig);
}

static void stream(void **state)
{
	(void)state;
	alone("stream");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
