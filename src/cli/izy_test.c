/* lettermill method test: query a mime store and print the outcome. */
#include "cli/izy.h"

#include "base/error.h"

static void put_text(const char *name, struct lm_bytes value)
{
	if (!value.len)
		return;
	printf("\"%s\": ", name);
	lm_cli_put_json(stdout, value);
	fputs(", ", stdout);
}

/* The members izy's store of that kind gives. */
static void put_item(const struct lm_mime_item *item, const char *kind)
{
	bool cloud = strcmp(kind, "cloud") == 0;

	fputs("    { ", stdout);
	if (strcmp(kind, "fake") != 0)
		put_text(cloud ? "id" : "name", item->name);
	if (cloud) {
		printf("\"status\": %d, ", (int)item->tag);
		printf("\"messageUTCTimestamp\": %lld, ", (long long)item->timestamp_ms);
		put_text("sourceid", item->sourceid);
		put_text("metadata", item->metadata);
	}
	put_text("guid", item->guid);
	printf("\"size\": %llu }", (unsigned long long)item->octets);
}

static void put_outcome(const struct lm_mime_query *query, const char *kind)
{
	printf("{\n  \"success\": true,\n  \"totalSize\": %llu,\n  \"count\": %zu,\n"
	       "  \"items\": [",
	       (unsigned long long)query->total_octets, query->count);
	for (size_t i = 0; i < query->count; i++) {
		fputs(i ? ",\n" : "\n", stdout);
		put_item(&query->items[i], kind);
	}
	puts(query->count ? "\n  ]\n}" : "]\n}");
}

static int query(const struct lm_izy *izy, struct lm_mime_store **out_store,
                 struct lm_mime_query *out_query, struct lm_error *out_error)
{
	unsigned tags = lm_izy_tags(izy, LM_IZY_QUERY_TAGS);
	uint64_t limit;
	int err = lm_izy_number(izy, LM_IZY_QUERY_LIMIT, SIZE_MAX - 1, &limit, out_error);

	if (!err)
		err = lm_izy_open_store(izy, false, out_store, out_error);
	return err ? err
	           : lm_mime_store_query(*out_store, tags, (size_t)limit, out_query, out_error);
}

static int test_store(const struct lm_izy *izy)
{
	struct lm_mime_store *store = NULL;
	struct lm_mime_query outcome;
	struct lm_error why = { 0 };
	int code;

	if (query(izy, &store, &outcome, &why) == 0) {
		put_outcome(&outcome, lm_izy_text(izy, LM_IZY_MODHANDLER));
		code = lm_cli_finish_output();
	} else {
		fputs("{\n  \"success\": false,\n  \"reason\": ", stdout);
		lm_cli_put_json(stdout, lm_str(why.text));
		puts("\n}");
		code = lm_izy_failed(&why);
	}
	lm_mime_store_close(store);
	return code;
}

int lm_izy_test(const struct lm_izy *izy)
{
	static const char *const types[] = { "mimestore", "fullclientserver" };
	const char *type = lm_izy_text(izy, LM_IZY_TESTTYPE), *near;

	if (strcmp(type, types[0]) == 0)
		return test_store(izy);
	if (strcmp(type, types[1]) == 0)
		return lm_izy_fullclientserver(izy);
	near = lm_cli_nearest(types, 2, type);
	return lm_cli_usage(izy->command, "testtype: there is no \"%.40s\"; %s%s", type,
	                    near ? "the nearest is " : "there are: ",
	                    near ? near : "mimestore, fullclientserver");
}
