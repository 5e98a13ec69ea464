/* What the registry of mime stores, its settings and tags say; and the fake store. */
#include "store/mime_rig.h"

static void tags_have_names(void **state)
{
	struct lm_error error = { 0 };
	enum lm_mime_tag tag;

	(void)state;
	for (int i = 0; i < LM_TAG_COUNT; i++) {
		assert_err(lm_mime_tag_parse(lm_mime_tag_name((enum lm_mime_tag)i), &tag, NULL), 0);
		assert_int_equal(tag, i);
	}
	assert_null(lm_mime_tag_name(LM_TAG_COUNT));
	assert_err(lm_mime_tag_parse("read", &tag, &error), LM_E_NOT_FOUND);
	assert_non_null(strstr(error.text, "pop3failed"));
	assert_err(lm_mime_tag_parse(NULL, &tag, NULL), LM_E_NOT_FOUND);
}

static void unknown_stores_name_the_nearest(void **state)
{
	static const char *const urls[] = { "", "local", "localf:x", "/tmp", ":", "fake" };
	struct lm_error error = { 0 };
	struct lm_mime_store *store;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
		assert_err(lm_mime_store_open(urls[i], NULL, 0, &store, &error), LM_E_CONFIG);
	assert_err(lm_mime_store_open("localf:x", NULL, 0, &store, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "did you mean localfs:"));
	assert_err(lm_mime_store_open(NULL, NULL, 0, &store, NULL), LM_E_CONFIG);
}

static void unknown_settings_name_the_nearest(void **state)
{
	const struct lm_mime_setting near = { "orderby", "asc" }, other = { "tablename", "t" };
	struct lm_error error = { 0 };
	struct lm_mime_store *store;

	(void)state;
	assert_err(lm_mime_store_open("fake:", &near, 1, &store, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "did you mean orderBy?"));
	assert_err(lm_mime_store_open("fake:", &other, 1, &store, &error), LM_E_CONFIG);
	assert_string_equal(error.text, "fake: has no setting tablename");
}

static void fake_has_99_items(void **state)
{
	struct mime_rig *rig = mime_rig_new("fake:");
	struct lm_mime_query query = mime_rig_query(rig, 0, 0);

	(void)state;
	assert_int_equal(query.count, 1);
	assert_int_equal(query.total_octets, 20);
	query = mime_rig_query(rig, 0, 2);
	assert_int_equal(query.total_octets, 50);
	query = mime_rig_query(rig, 0, 1000);
	assert_int_equal(query.count, 99);
	assert_bytes(query.items[98].guid, lm_str("guid_99"));
	assert_int_equal(query.items[98].octets, 1000);
	mime_rig_free(rig);
}

int main(void)
{
	static const struct CMUnitTest own[] = {
		cmocka_unit_test(tags_have_names),
		cmocka_unit_test(unknown_stores_name_the_nearest),
		cmocka_unit_test(unknown_settings_name_the_nearest),
		cmocka_unit_test(fake_has_99_items),
	};

	return cmocka_run_group_tests(own, NULL, NULL);
}
