/* lettermill store: look into mime stores, and change them. */
#include "cli/store.h"

#include "base/error.h"
#include "base/mem.h"

#include <unistd.h>

#define SECTION "Options"
static const struct lm_option options[] = {
	{ "tags", "TAG[,TAG]...", "",
	  "Messages with one of these tags: unread, archive, staged, dup, pop3failed, "
	  "conversionerror, or all. Default: what the store shows to readers, which is unread.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "query export", 0 },
	{ "limit", "COUNT", "", "At most so many messages. Default: all.", SECTION, "",
	  LM_OPTION_NUMBER, 0, 1, INT64_C(1) << 32, 0, "query export", 0 },
	{ "consume", "", "",
	  "Mark each message staged, write it out, then mark it archive: nobody is shown it again.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "read", 0 },
	{ "to", "TARGET", "",
	  "Where to: the URL of a store, a file (mbox:FILE or FILE.mbox) or a folder for .eml "
	  "files. Nothing there is replaced.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "export", 0 },
	{ "sourceid", "TEXT", "",
	  "Where the messages came from, as a POP3 user would be. Default: "
	  "local; from a store, its URL.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "add import export", 0 },
	{ "guid", "TEXT", "",
	  "The message's name where it came from, as a UIDL would be. Stores that remember guids "
	  "take each of a source once. Default: the file's name without .eml in stores that do "
	  "not, "
	  "else none.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "add", 0 },
	{ "metadata", "TEXT", "", "Kept with the message by stores that can (cloud:).", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0, "add", 0 },
	{ "dry-run", "", "", "Say what would happen, and change nothing.", SECTION, "",
	  LM_OPTION_FLAG, 0, 0, 0, 0, "read add mark import export", 'n' },
	{ "json", "", "", "Print JSON, for programs.", SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0,
	  "query add import export check", 0 },
	{ "quiet", "", "", "No progress, and no word when all went well.", SECTION, "",
	  LM_OPTION_FLAG, 0, 0, 0, 0, "add import export check", 'q' },
#undef SECTION
#define SECTION "Store"
	{ "mailbox", "NAME", "",
	  "The maildrop meant, in sqlite:, memory: and maildir:. Default: the store's own choice.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, NULL, 0 },
	{ "set", "NAME=VALUE", "",
	  "A setting of the store: path, commitmode, verbose, tablename, accesstoken, groupid, "
	  "itemid, simulate, limit, orderBy, dataservice, mailbox, cafile, timeout. May be given "
	  "several times.",
	  SECTION, "", LM_OPTION_LIST, LM_OPTION_SECRET, 0, 0, 0, NULL, 0 },
	{ "to-mailbox", "NAME", "", "--mailbox of the store exported to.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0, "export", 0 },
	{ "to-set", "NAME=VALUE", "", "--set of the store exported to.", SECTION, "",
	  LM_OPTION_LIST, LM_OPTION_SECRET, 0, 0, 0, "export", 0 },
};
#undef SECTION

static const struct lm_option *store_options(size_t *out_count)
{
	*out_count = sizeof(options) / sizeof(*options);
	return options;
}

struct out {
	const struct lm_cli_call *call;
	size_t count;
};

static void print_json_item(const struct lm_mime_item *item, bool first)
{
	printf("%s\n    {\"name\": ", first ? "" : ",");
	lm_cli_put_json(stdout, item->name);
	printf(", \"sourceid\": ");
	lm_cli_put_json(stdout, item->sourceid);
	printf(", \"guid\": ");
	lm_cli_put_json(stdout, item->guid);
	printf(", \"size\": %llu, \"messageUTCTimestamp\": %lld, \"tag\": \"%s\"}",
	       (unsigned long long)item->octets, (long long)item->timestamp_ms,
	       lm_mime_tag_name(item->tag));
}

static void print_json(const struct lm_mime_query *query)
{
	printf("{\n  \"success\": true,\n  \"totalSize\": %llu,\n  \"count\": %zu,\n"
	       "  \"items\": [",
	       (unsigned long long)query->total_octets, query->count);
	for (size_t i = 0; i < query->count; i++)
		print_json_item(&query->items[i], i == 0);
	printf("%s]\n}\n", query->count ? "\n  " : "");
}

static void print_table(const struct lm_mime_query *query)
{
	for (size_t i = 0; i < query->count; i++) {
		const struct lm_mime_item *item = &query->items[i];

		printf("%12llu  %-15s  ", (unsigned long long)item->octets,
		       lm_mime_tag_name(item->tag));
		lm_cli_put(stdout, item->name);
		putchar('\n');
	}
	printf("%12llu  octets in %zu message%s\n", (unsigned long long)query->total_octets,
	       query->count, query->count == 1 ? "" : "s");
}

static int run_query(const struct lm_cli_call *call)
{
	int64_t limit = lm_cli_value(call, "limit");
	struct lm_mime_query query;
	struct lm_mime_store *store;
	struct lm_error why = { 0 };
	unsigned tags;
	int code = lm_store_tags(call, &tags);

	if (code == LM_EXIT_OK)
		code = lm_store_open_for(call, &lm_store_source, call->operands[0], &store);
	if (code != LM_EXIT_OK)
		return code;
	if (lm_mime_store_query(store, tags, limit > 0 ? (size_t)limit : SIZE_MAX, &query, &why) <
	    0) {
		code = lm_store_failed(call, &why);
	} else {
		if (lm_cli_flag(call, "json"))
			print_json(&query);
		else
			print_table(&query);
		code = lm_cli_finish_output();
	}
	lm_mime_store_close(store);
	return code;
}

static int to_stdout(void *ctx, struct lm_bytes octets)
{
	(void)ctx;
	return fwrite(octets.data, 1, octets.len, stdout) == octets.len ? 0 : LM_E_IO;
}

static int read_one(struct lm_mime_store *store, const char *name, bool consume,
                    struct lm_error *why)
{
	const struct lm_mime_item item = { .name = lm_str(name) };

	return consume ? lm_mime_store_consume(store, &item, to_stdout, NULL, why)
	               : lm_mime_store_read(store, &item, to_stdout, NULL, why);
}

static int run_read(const struct lm_cli_call *call)
{
	bool consume = lm_cli_flag(call, "consume");
	struct lm_mime_store *store = NULL;
	struct lm_error why = { 0 };
	int code = lm_store_open_for(call, &lm_store_source, call->operands[0], &store);

	for (size_t i = 1; code == LM_EXIT_OK && i < call->operand_count; i++) {
		int err = read_one(store, call->operands[i], consume, &why);

		if (err == 0 || ferror(stdout))
			code = lm_cli_finish_output();
		else
			code = lm_store_failed(call, &why);
		if (err && code == LM_EXIT_OK)
			code = lm_err_exit_code(err);
	}
	if (call->operand_count > 1 && code == LM_EXIT_OK && lm_mime_store_flush(store, &why) < 0)
		code = lm_store_failed(call, &why);
	lm_mime_store_close(store);
	return code;
}

static int mark_all(const struct lm_cli_call *call, struct lm_mime_store *store,
                    enum lm_mime_tag tag)
{
	struct lm_store_tally tally;

	lm_tally_begin(&tally, call, 0, 0);
	for (size_t i = 1; i + 1 < call->operand_count; i++) {
		const struct lm_mime_item item = { .name = lm_str(call->operands[i]) };
		struct lm_error why = { 0 };
		int err = lm_mime_store_mark(store, &item, tag, &why);

		lm_tally_one(&tally, err, item.name, 0, &why);
	}
	return lm_tally_end(&tally, NULL);
}

static int run_mark(const struct lm_cli_call *call)
{
	struct lm_mime_store *store;
	struct lm_error why = { 0 };
	enum lm_mime_tag tag;
	int code;

	if (lm_mime_tag_parse(call->operands[call->operand_count - 1], &tag, &why) < 0)
		return lm_cli_call_usage(call, "%s", why.text);
	code = lm_store_open_for(call, &lm_store_source, call->operands[0], &store);
	if (code != LM_EXIT_OK)
		return code;
	code = mark_all(call, store, tag);
	if (lm_mime_store_flush(store, &why) < 0)
		code = lm_store_failed(call, &why);
	lm_mime_store_close(store);
	return code;
}

static void print_problem(void *ctx, const char *problem)
{
	struct out *out = ctx;
	bool json = lm_cli_flag(out->call, "json");

	if (json)
		printf("%s\n  ", out->count ? "," : "");
	if (json)
		lm_cli_put_json(stdout, lm_str(problem));
	else
		lm_cli_put(stdout, lm_str(problem));
	if (!json)
		putchar('\n');
	out->count++;
}

static int run_check(const struct lm_cli_call *call)
{
	struct out out = { .call = call };
	struct lm_mime_setting *settings;
	struct lm_error why = { 0 };
	bool json = lm_cli_flag(call, "json");
	size_t count;
	const char *url = call->operands[0];
	int err, code = lm_store_there(call, &lm_store_source, &url);

	if (code == LM_EXIT_OK)
		code = lm_store_settings(call, &lm_store_source, url, &settings, &count);
	if (code != LM_EXIT_OK)
		return code;
	if (json)
		printf("[");
	err = lm_mime_store_check(url, settings, count, print_problem, &out, &why);
	lm_free(settings);
	if (json)
		printf("%s]\n", out.count ? "\n" : "");
	code = lm_cli_finish_output();
	if (err == 0 && !json && !lm_cli_flag(call, "quiet"))
		fprintf(stderr, "sound\n");
	if (err) {
		lm_cli_complain("%s", why.text);
		code = lm_err_exit_code(err);
	}
	return code;
}

static const struct lm_cli_action actions[] = {
	{ "query", "STORE", "list messages",
	  "Prints size, tag and name of each message, and the sums. With --json an object with "
	  "success, totalSize, count and items.",
	  1, 1, "a query is for one store", run_query },
	{ "read", "STORE NAME...", "write messages to standard output",
	  "The octets of each message, one behind the other. NAME as \"query\" shows it.", 2,
	  SIZE_MAX, NULL, run_read },
	{ "add", "STORE FILE...", "add messages from files",
	  "FILE holds one message each, which is kept octet for octet; - is standard input. What "
	  "the store calls it is printed, where it says so at once.",
	  2, SIZE_MAX, NULL, lm_store_run_add },
	{ "mark", "STORE NAME... TAG", "give messages another tag",
	  "TAG is unread, archive, staged, dup, pop3failed or conversionerror.", 3, SIZE_MAX, NULL,
	  run_mark },
	{ "export", "STORE --to TARGET", "copy messages to another store, a folder or an mbox", "",
	  1, 1, "the target is given by --to", lm_store_run_export },
	{ "import", "STORE SOURCE...", "copy messages from files, folders, mboxes or other stores",
	  "SOURCE is a file with one message, a folder whose .eml files are taken, an mbox "
	  "(mbox:FILE or FILE.mbox), or the URL of a store, from which what is unread is taken.",
	  2, SIZE_MAX, NULL, lm_store_run_import },
	{ "check", "STORE", "look whether a store is sound",
	  "Prints a line for each problem, and changes nothing. sqlite: may not be in use.", 1, 1,
	  NULL, run_check },
};

static const struct lm_cli_action *store_actions(size_t *out_count)
{
	*out_count = sizeof(actions) / sizeof(*actions);
	return actions;
}

const struct lm_cli_command lm_cli_store_command = {
	.name = "store",
	.arguments = "ACTION STORE [OPTION]...",
	.summary = "look into mail stores, add, mark, copy",
	.text = "STORE is maildir:PATH, sqlite:PATH, localfs:PATH (a folder of .eml files), "
	        "cloud:URL (a table behind an HTTP service) or fake: (for trials). A message that "
	        "fails is said and passed over; then the exit code is 1. The token of a cloud "
	        "store is read from the environment, LETTERMILL_ACCESSTOKEN, where --set does not "
	        "give it.",
	.options = store_options,
	.run = lm_cli_run_actions,
	.actions = store_actions,
};
