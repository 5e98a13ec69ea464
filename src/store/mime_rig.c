/* The rig of the mime stores' tests. */
#include "store/mime_rig.h"

#include "store/rig.h"

#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MESSAGE = 16 << 20 };

struct mime_rig *mime_rig_new(const char *pattern)
{
	static const char *const folders[] = { "archive", "staged", "dup" };
	struct mime_rig *rig = lm_alloc_zero(1, sizeof(*rig));
	const char *at = strchr(pattern, '@');

	assert_non_null(rig);
	rig->pattern = pattern;
	snprintf(rig->url, sizeof(rig->url), "%s", pattern);
	if (at) {
		snprintf(rig->folder, sizeof(rig->folder), "/tmp/lm-mime-XXXXXX");
		assert_non_null(mkdtemp(rig->folder));
		snprintf(rig->url, sizeof(rig->url), "%.*s%s%s", (int)(at - pattern), pattern,
		         rig->folder, at + 1);
	}
	for (size_t i = 0; strncmp(pattern, "localfs:", 8) == 0 && i < 3; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", rig->folder, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_err(mime_rig_reopen(rig, NULL, NULL), 0);
	return rig;
}

void mime_rig_free(struct mime_rig *rig)
{
	lm_mime_store_close(rig->store);
	if (rig->folder[0])
		rig_remove(rig->folder);
	lm_free(rig);
}

int mime_rig_setup(void **state)
{
	*state = mime_rig_new(*state);
	return 0;
}

int mime_rig_teardown(void **state)
{
	mime_rig_free(*state);
	return 0;
}

/* A service has one table for each rig. */
static size_t settings_of(struct mime_rig *rig, const char *name, const char *value,
                          struct lm_mime_setting settings[2])
{
	static unsigned tables;
	size_t count = 0;

	if (!rig->table[0])
		snprintf(rig->table, sizeof(rig->table), "t%ld_%u", (long)getpid(), ++tables);
	if (strncmp(rig->url, "cloud:", 6) == 0)
		settings[count++] = (struct lm_mime_setting){ "tablename", rig->table };
	if (name)
		settings[count++] = (struct lm_mime_setting){ name, value };
	return count;
}

int mime_rig_reopen(struct mime_rig *rig, const char *name, const char *value)
{
	struct lm_mime_setting settings[2];
	size_t count = settings_of(rig, name, value, settings);
	struct lm_error error = { 0 };
	int err;

	lm_mime_store_close(rig->store);
	rig->store = NULL;
	err = lm_mime_store_open(rig->url, settings, count, &rig->store, &error);
	if (err)
		printf("# %s: %s\n", rig->url, error.text);
	return err;
}

int mime_rig_add(struct mime_rig *rig, const char *sourceid, const char *guid,
                 struct lm_bytes octets, char *out_name)
{
	const struct lm_mime_item item = { .sourceid = lm_str(sourceid), .guid = lm_str(guid) };
	struct lm_error error = { 0 };
	struct lm_mime_add *add;
	int err = lm_mime_add_begin(rig->store, &item, &add, &error);

	if (err)
		return err;
	err = lm_mime_add_write(add, octets, &error);
	if (err) {
		lm_mime_add_abort(add);
		return err;
	}
	err = lm_mime_add_end(add, out_name, &error);
	assert_err(error.code, err);
	return err;
}

struct lm_mime_query mime_rig_query(struct mime_rig *rig, unsigned tags, size_t limit)
{
	struct lm_mime_query query = { .count = 12345 };
	struct lm_error error = { 0 };
	int err = lm_mime_store_query(rig->store, tags, limit, &query, &error);

	if (err)
		fail_msg("%s: %s", rig->url, error.text);
	return query;
}

int mime_rig_sink(void *ctx, struct lm_bytes octets)
{
	return lm_buf_add(ctx, octets);
}

void mime_rig_expect(struct mime_rig *rig, const struct lm_mime_item *item, struct lm_bytes want)
{
	struct lm_buf got = { .max = MAX_MESSAGE };

	assert_err(lm_mime_store_read(rig->store, item, mime_rig_sink, &got, NULL), 0);
	assert_bytes(lm_buf_bytes(&got), want);
	lm_buf_done(&got);
}
