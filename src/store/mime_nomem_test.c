/* Every allocation of a mime store's life fails once: an error comes back, nothing leaks. */
#include "store/mime_rig.h"

/* Some allocations may fail without harm (a line of a log): only a row of successes is the end. */
enum { MOST = 2000, END = 20 };

static int add_one(struct lm_mime_store *store, const char *guid)
{
	const struct lm_mime_item item = { .sourceid = lm_str("u"), .guid = lm_str(guid) };
	struct lm_mime_add *add;
	int err = lm_mime_add_begin(store, &item, &add, NULL);

	if (err)
		return err;
	err = lm_mime_add_write(add, lm_str("Subject: x\r\n\r\nx\r\n"), NULL);
	if (err) {
		lm_mime_add_abort(add);
		return err;
	}
	return lm_mime_add_end(add, NULL, NULL);
}

static int swallow(void *ctx, struct lm_bytes octets)
{
	(void)ctx;
	(void)octets;
	return 0;
}

static int live(const char *url, const struct lm_mime_setting *settings, size_t count)
{
	struct lm_mime_query query;
	struct lm_mime_store *store;
	int err = lm_mime_store_open(url, settings, count, &store, NULL);

	if (err)
		return err;
	err = add_one(store, "1");
	if (err == 0)
		err = add_one(store, "2");
	if (err == 0)
		err = lm_mime_store_flush(store, NULL);
	if (err == 0)
		err = lm_mime_store_query(store, 0, SIZE_MAX, &query, NULL);
	if (err == 0 && query.count)
		err = lm_mime_store_consume(store, &query.items[0], swallow, NULL, NULL);
	if (err == 0)
		err = lm_mime_store_query(store, (1 << LM_TAG_COUNT) - 1, SIZE_MAX, &query, NULL);
	lm_mime_store_close(store);
	return err;
}

static void fails_each_once(const char *pattern, const struct lm_mime_setting *settings,
                            size_t count)
{
	unsigned long n = 0, good = 0;
	int err;

	do {
		struct mime_rig *rig = count ? NULL : mime_rig_new(pattern);

		if (rig) {
			lm_mime_store_close(rig->store);
			rig->store = NULL;
		}
		lm_alloc_fail_at(++n);
		err = live(rig ? rig->url : pattern, settings, count);
		lm_alloc_fail_at(0);
		assert_true(err == 0 || err == LM_E_NOMEM || err == LM_E_FULL);
		if (rig)
			mime_rig_free(rig);
		good = err ? 0 : good + 1;
	} while (good < END && n < MOST);
	assert_true(n > END + 1 && n < MOST);
}

static void out_of_memory(void **state)
{
	fails_each_once(*state, NULL, 0);
}

static void out_of_memory_in_the_cloud(void **state)
{
	const struct lm_mime_setting settings[] = { { "tablename", "t" },
		                                    { "simulate", "true" },
		                                    { "accesstoken", "x" } };

	(void)state;
	fails_each_once("cloud:http://127.0.0.1/", settings, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ "fake", out_of_memory, NULL, NULL, (void *)"fake:" },
		{ "localfs", out_of_memory, NULL, NULL, (void *)"localfs:@" },
		{ "memory", out_of_memory, NULL, NULL, (void *)"memory:" },
		{ "sqlite", out_of_memory, NULL, NULL, (void *)"sqlite:@/mail.db" },
		{ "maildir", out_of_memory, NULL, NULL, (void *)"maildir:@/md" },
		cmocka_unit_test(out_of_memory_in_the_cloud),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
