/* What every mime store must do, against each there is. */
#include "store/mime_rig.h"

#include "store/rig.h"

static const char *const patterns[] = {
	"fake:",     "localfs:@",    "memory:", "sqlite:@/mail.db", "slow:1:sqlite:@/mail.db",
	"maildir:@", "maildir:@/sub"
};

enum { UNREAD = 1 << LM_TAG_UNREAD };

/* fake: has its own messages and keeps none. */
static bool keeps(const struct mime_rig *rig)
{
	return strncmp(rig->url, "fake:", 5) != 0;
}

/* Three messages to look at in any store. */
static void fill(struct mime_rig *rig)
{
	for (int i = 1; keeps(rig) && i <= 3; i++) {
		char guid[8];

		snprintf(guid, sizeof(guid), "%d", i);
		assert_err(mime_rig_add(rig, "u", guid, lm_str("a\r\n"), NULL), 0);
	}
}

static struct lm_mime_item first(struct mime_rig *rig, unsigned tags)
{
	struct lm_mime_query query = mime_rig_query(rig, tags, 1);

	assert_int_equal(query.count, 1);
	return query.items[0];
}

static size_t count_of(struct mime_rig *rig, unsigned tags)
{
	return mime_rig_query(rig, tags, SIZE_MAX).count;
}

static void an_added_message_reads_back(struct mime_rig *rig, struct lm_bytes octets)
{
	static int serial;
	char guid[16], name[256] = "?";
	struct lm_mime_query query;
	size_t i = 0;

	snprintf(guid, sizeof(guid), "g%d", ++serial);
	assert_err(mime_rig_add(rig, "u@example.org", guid, octets, name), 0);
	assert_string_not_equal(name, "?");
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	if (!keeps(rig))
		return;
	query = mime_rig_query(rig, 0, SIZE_MAX);
	while (i < query.count && !lm_bytes_equal(query.items[i].name, lm_str(name)))
		i++;
	if (!name[0]) /* a store that gives names later, in the order of arrival */
		i = query.count - 1;
	assert_true(i < query.count);
	assert_int_equal(query.items[i].tag, LM_TAG_UNREAD);
	mime_rig_expect(rig, &query.items[i], octets);
}

static void keeps_every_octet(void **state)
{
	uint8_t all[512];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	an_added_message_reads_back(*state, lm_bytes(all, sizeof(all)));
	an_added_message_reads_back(*state, lm_str("Subject: x\r\n\r\nbody\r\n"));
	an_added_message_reads_back(*state, lm_str("no line end"));
	an_added_message_reads_back(*state, lm_str("\n.\n"));
	an_added_message_reads_back(*state, lm_str("'); drop table x; --__ROW__,\\"));
	an_added_message_reads_back(*state, lm_str(""));
}

static void keeps_large_messages(void **state)
{
	size_t size = (1 << 20) + 7;
	uint8_t *data = lm_alloc(size);

	assert_non_null(data);
	rig_fill(data, size, 5);
	an_added_message_reads_back(*state, lm_bytes(data, size));
	lm_free(data);
}

static void several_may_be_open_at_once(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_mime_add *adds[40];
	size_t before = count_of(rig, 0);

	for (size_t i = 0; i < 40; i++) {
		char guid[16];
		const struct lm_mime_item item = { .sourceid = lm_str("u"),
			                           .guid = lm_bytes(guid, 3) };

		snprintf(guid, sizeof(guid), "m%02zu", i);
		assert_err(lm_mime_add_begin(rig->store, &item, &adds[i], NULL), 0);
	}
	for (size_t i = 0; i < 200; i++)
		assert_err(lm_mime_add_write(adds[i * 7 % 40], lm_str("line\r\n"), NULL), 0);
	for (size_t i = 0; i < 40; i++) {
		if (i % 2)
			lm_mime_add_abort(adds[i]);
		else
			assert_err(lm_mime_add_end(adds[i], NULL, NULL), 0);
	}
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	if (keeps(rig))
		assert_int_equal(count_of(rig, 0), before + 20);
	if (keeps(rig))
		mime_rig_expect(rig, &(struct lm_mime_item){ .name = first(rig, 0).name },
		                lm_str("line\r\nline\r\nline\r\nline\r\nline\r\n"));
}

static void queries_count_and_limit(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_mime_query query;
	uint64_t total = 0;

	fill(rig);
	query = mime_rig_query(rig, 0, 2);
	assert_int_equal(query.count, 2);
	for (size_t i = 0; i < query.count; i++)
		total += query.items[i].octets;
	assert_int_equal(query.total_octets, total);
	assert_true(mime_rig_query(rig, 0, SIZE_MAX).count >= 3);
	assert_int_equal(count_of(rig, 1 << LM_TAG_STAGED), 0);
	assert_err(lm_mime_store_query(rig->store, 1 << LM_TAG_COUNT, 0, &query, NULL),
	           LM_E_MISUSE);
}

static void consuming_archives(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_buf got = { .max = 1000 };
	struct lm_mime_item item;
	size_t before;

	fill(rig);
	before = count_of(rig, 0);
	item = first(rig, 0);
	assert_err(lm_mime_store_consume(rig->store, &item, mime_rig_sink, &got, NULL), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str(keeps(rig) ? "a\r\n" : "payload_data"));
	assert_int_equal(count_of(rig, 0), before - 1);
	assert_int_equal(count_of(rig, 1 << LM_TAG_STAGED), 0);
	item = first(rig, 1 << LM_TAG_ARCHIVE);
	assert_int_equal(item.tag, LM_TAG_ARCHIVE);
	lm_buf_clear(&got);
	assert_err(lm_mime_store_read(rig->store, &item, mime_rig_sink, &got, NULL), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str(keeps(rig) ? "a\r\n" : "payload_data"));
	lm_buf_done(&got);
}

static int fail_after_one(void *ctx, struct lm_bytes octets)
{
	(void)ctx;
	(void)octets;
	return LM_E_CLOSED;
}

static void a_reader_that_fails_leaves_it_staged(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_mime_item item;

	fill(rig);
	item = first(rig, 0);
	assert_err(lm_mime_store_consume(rig->store, &item, fail_after_one, NULL, NULL),
	           LM_E_CLOSED);
	assert_err(lm_mime_store_mark(rig->store, &item, LM_TAG_POP3FAILED, NULL), 0);
	assert_int_equal(count_of(rig, 1 << LM_TAG_STAGED), 0);
	assert_int_equal(count_of(rig, 1 << LM_TAG_POP3FAILED), 1);
}

static void every_tag_can_be_set_and_taken_back(void **state)
{
	struct mime_rig *rig = *state;
	size_t before;

	fill(rig);
	before = count_of(rig, UNREAD);
	for (unsigned tag = 1; tag < LM_TAG_COUNT; tag++) {
		struct lm_mime_item item = first(rig, UNREAD);

		assert_err(lm_mime_store_mark(rig->store, &item, (enum lm_mime_tag)tag, NULL), 0);
		assert_int_equal(count_of(rig, UNREAD), before - 1);
		assert_int_equal(count_of(rig, 1U << tag), 1);
		assert_int_equal(count_of(rig, LM_TAGS_ALL), before);
		item = first(rig, 1U << tag);
		assert_int_equal(item.tag, tag);
		assert_err(lm_mime_store_mark(rig->store, &item, (enum lm_mime_tag)tag, NULL), 0);
		assert_err(lm_mime_store_mark(rig->store, &item, LM_TAG_UNREAD, NULL), 0);
		assert_int_equal(count_of(rig, UNREAD), before);
	}
}

static void marking_follows_an_item(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_mime_item item;

	fill(rig);
	item = first(rig, UNREAD);
	for (unsigned tag = 1; tag < LM_TAG_COUNT; tag++)
		assert_err(lm_mime_store_mark(rig->store, &item, (enum lm_mime_tag)tag, NULL), 0);
	assert_int_equal(count_of(rig, 1 << LM_TAG_CONVERSIONERROR), 1);
}

static void what_is_not_there_is_not_found(void **state)
{
	struct mime_rig *rig = *state;
	static const char *const names[] = { "",
		                             "nothing",
		                             "nothing.eml",
		                             "../x.eml",
		                             "/etc/passwd",
		                             "archive/../x.eml",
		                             "99999999999999999999999",
		                             "." };
	struct lm_buf got = { .max = 10 };

	fill(rig);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct lm_mime_item item = { .name = lm_str(names[i]) };

		assert_err(lm_mime_store_read(rig->store, &item, mime_rig_sink, &got, NULL),
		           LM_E_NOT_FOUND);
		assert_err(lm_mime_store_mark(rig->store, &item, LM_TAG_DUP, NULL), LM_E_NOT_FOUND);
	}
	assert_int_equal(lm_buf_len(&got), 0);
	assert_err(lm_mime_store_mark(rig->store, &(struct lm_mime_item){ 0 }, (enum lm_mime_tag)99,
	                              NULL),
	           LM_E_UNSUPPORTED);
}

static void what_was_flushed_is_there_again(void **state)
{
	struct mime_rig *rig = *state;

	if (!(lm_mime_store_caps(rig->store) & LM_MIME_DURABLE))
		return;
	fill(rig);
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	assert_err(mime_rig_reopen(rig, NULL, NULL), 0);
	assert_int_equal(count_of(rig, 0), 3);
	mime_rig_expect(rig, &(struct lm_mime_item){ .name = first(rig, 0).name }, lm_str("a\r\n"));
}

static void what_was_added_is_remembered(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_bytes u = lm_str("u"), one = lm_str("1");
	struct lm_mime_item item;

	if (!(lm_mime_store_caps(rig->store) & LM_MIME_REMEMBERS)) {
		assert_err(lm_mime_store_has(rig->store, u, one), LM_E_UNSUPPORTED);
		return;
	}
	fill(rig);
	assert_int_equal(lm_mime_store_has(rig->store, u, one), 1);
	assert_int_equal(lm_mime_store_has(rig->store, u, lm_str("4")), 0);
	assert_int_equal(lm_mime_store_has(rig->store, lm_str("U2"), one), 0);
	assert_err(mime_rig_add(rig, "u", "1", lm_str("again"), NULL), LM_E_EXISTS);
	item = first(rig, 0);
	assert_err(lm_mime_store_mark(rig->store, &item, LM_TAG_ARCHIVE, NULL), 0);
	assert_err(mime_rig_add(rig, "u", "1", lm_str("again"), NULL), LM_E_EXISTS);
	assert_err(mime_rig_add(rig, "u2", "1", lm_str("other"), NULL), 0);
	assert_int_equal(count_of(rig, UNREAD), 3);
}

static void a_dry_run_changes_nothing(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_buf got = { .max = 1000 };
	struct lm_mime_item item;
	size_t before;

	if (!(lm_mime_store_caps(rig->store) & LM_MIME_DURABLE))
		return;
	fill(rig);
	assert_err(mime_rig_reopen(rig, "commitmode", "no"), 0);
	before = count_of(rig, 0);
	assert_int_equal(before, 3);
	item = first(rig, 0);
	assert_err(lm_mime_store_consume(rig->store, &item, mime_rig_sink, &got, NULL), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str("a\r\n"));
	assert_err(lm_mime_store_mark(rig->store, &item, LM_TAG_POP3FAILED, NULL), 0);
	assert_err(mime_rig_add(rig, "u", "new", lm_str("x"), NULL), 0);
	assert_int_equal(count_of(rig, 0), before);
	assert_int_equal(count_of(rig, LM_TAGS_ALL), before);
	lm_buf_done(&got);
}

static void settings_are_judged(void **state)
{
	struct mime_rig *rig = *state;
	static const char *const bad[][2] = { { "limti", "1" },
		                              { "limit", "x" },
		                              { "limit", "-1" },
		                              { "orderBy", "up" },
		                              { "commitmod", "off" } };
	const struct lm_mime_setting good[] = { { "tablename", rig->table },
		                                { "limit", "2" },
		                                { "orderBy", "DESC" },
		                                { "verbose", "2" },
		                                { "commitmode", "true" } };
	bool cloud = strncmp(rig->url, "cloud:", 6) == 0; /* which alone has a table */

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_err(mime_rig_reopen(rig, bad[i][0], bad[i][1]), LM_E_CONFIG);
	assert_err(lm_mime_store_open(rig->url, good + !cloud, 4U + cloud, &rig->store, NULL), 0);
	fill(rig);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 2);
}

static void ids_may_be_anything(void **state)
{
	struct mime_rig *rig = *state;
	static char long_id[10241];
	static const char *const ids[] = { "../../etc/passwd",
		                           "/",
		                           ".",
		                           "..",
		                           "",
		                           "a b",
		                           "%s%n",
		                           "\x1b[31m\r\n",
		                           "\xff\xfe",
		                           "' or 1=1 --",
		                           "x.dup",
		                           "x.decodeerror",
		                           "x.pop3failed",
		                           "log.txt",
		                           long_id };
	size_t before = count_of(rig, 0), ids_count = sizeof(ids) / sizeof(*ids);

	memset(long_id, 'g', sizeof(long_id) - 1);
	for (size_t i = 0; i < ids_count; i++) {
		assert_err(mime_rig_add(rig, ids[i], ids[i], lm_str("x"), NULL), 0);
		assert_err(mime_rig_add(rig, "u", ids[i], lm_str("x"), NULL), 0);
	}
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	if (keeps(rig))
		assert_int_equal(count_of(rig, 0), before + 2 * ids_count);
}

#define T(test)                                                      \
	{                                                            \
#test, test, mime_rig_setup, mime_rig_teardown, NULL \
	}
static const struct CMUnitTest tests[] = {
	T(keeps_every_octet),
	T(keeps_large_messages),
	T(several_may_be_open_at_once),
	T(queries_count_and_limit),
	T(consuming_archives),
	T(a_reader_that_fails_leaves_it_staged),
	T(every_tag_can_be_set_and_taken_back),
	T(marking_follows_an_item),
	T(what_is_not_there_is_not_found),
	T(what_was_flushed_is_there_again),
	T(what_was_added_is_remembered),
	T(a_dry_run_changes_nothing),
	T(settings_are_judged),
	T(ids_may_be_anything),
};

static struct CMUnitTest *all_tests(const char *const *urls, size_t count, size_t *out_count)
{
	size_t each = sizeof(tests) / sizeof(*tests);
	struct CMUnitTest *all = lm_alloc_zero(count * each, sizeof(*all));

	if (!all)
		return NULL;
	for (size_t i = 0; i < count * each; i++) {
		struct lm_buf name = { .max = 200 };

		all[i] = tests[i % each];
		all[i].initial_state = (void *)urls[i / each];
		assert_err(lm_buf_printf(&name, "%s %s", urls[i / each], all[i].name), 0);
		all[i].name = (const char *)name.data; /* ends in NUL */
	}
	*out_count = count * each;
	return all;
}

/* LM_MIME_URL: that store alone; tests/cli/test_cloud.py has a service for cloud: */
int main(void)
{
	const char *url = getenv("LM_MIME_URL");
	size_t count = url ? 1 : sizeof(patterns) / sizeof(*patterns);
	struct CMUnitTest *all = all_tests(url ? &url : patterns, count, &count);
	int failed = all ? _cmocka_run_group_tests("mime", all, count, NULL, NULL) : 1;

	for (size_t i = 0; all && i < count; i++)
		lm_free((void *)(uintptr_t)all[i].name);
	lm_free(all);
	return failed;
}
