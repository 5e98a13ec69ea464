/* lettermill store add, import, export: messages from files, folders, mboxes and stores. */
#include "cli/store_target.h"

#include "base/buf.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A message of an import is in memory, to be known by its octets. */
enum { MESSAGE_MAX = 256 << 20, PIECE = 64 * 1024 };

/* A work under way. */
struct copy {
	const struct lm_cli_call *call;
	struct lm_store_tally tally;
	struct lm_target target;
	const char *sourceid;
	struct lm_buf message; /* import */
	bool too_long;
	const char *source; /* what is being read, for people */
	size_t index;       /* of the message in it */
};

static int fail_file(const char *path, int errnum, struct lm_error *why)
{
	return lm_fail_errno(why, lm_err_from_errno(errnum), errnum, "%.150s", path);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The base name without ".eml"; cut. */
static void stem_of(const char *path, char *out, size_t cap)
{
	const char *base = base_of(path);
	size_t len = strlen(base);

	if (len > 4 && strcmp(base + len - 4, ".eml") == 0)
		len -= 4;
	snprintf(out, cap, "%.*s", (int)len, base);
}

static int open_file(const char *path, struct stat *st, struct lm_error *why)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) != 0) {
		fail_file(path, errno, why);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (S_ISDIR(st->st_mode)) {
		fail_file(path, EISDIR, why);
		close(fd);
		return -1;
	}
	return fd;
}

/* 0 with *out_len 0 at the end. */
static int read_piece(int fd, const char *path, uint8_t piece[PIECE], size_t *out_len,
                      struct lm_error *why)
{
	ssize_t n;

	do
		n = read(fd, piece, PIECE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail_file(path, errno, why);
	*out_len = (size_t)n;
	return 0;
}

static int add_octets(struct lm_mime_add *add, int fd, const char *path, uint64_t *out_octets,
                      struct lm_error *why)
{
	static uint8_t piece[PIECE];
	size_t len = 1;
	int err = 0;

	*out_octets = 0;
	while (err == 0 && len) {
		err = read_piece(fd, path, piece, &len, why);
		if (err == 0)
			err = lm_mime_add_write(add, lm_bytes(piece, len), why);
		*out_octets += len;
	}
	return err;
}

static void item_for(const struct lm_cli_call *call, const struct lm_mime_store *store,
                     const char *path, char stem[128], struct lm_mime_item *out)
{
	const char *source = lm_cli_text(call, "sourceid"), *guid = lm_cli_text(call, "guid");

	stem_of(strcmp(path, "-") == 0 ? "stdin" : path, stem, 128);
	if (!guid && !(lm_mime_store_caps(store) & LM_MIME_REMEMBERS))
		guid = stem;
	*out = (struct lm_mime_item){
		.sourceid = lm_str(source ? source : "local"),
		.guid = lm_str(guid),
		.metadata = lm_str(lm_cli_text(call, "metadata")),
	};
}

static int add_file(const struct lm_cli_call *call, struct lm_mime_store *store, const char *path,
                    uint64_t *out_octets, struct lm_error *why)
{
	struct lm_mime_item item;
	struct lm_mime_add *add;
	struct stat st;
	char stem[128], name[256];
	int err, fd = open_file(path, &st, why);

	if (fd < 0)
		return why->code;
	item_for(call, store, path, stem, &item);
	item.octets = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	item.timestamp_ms = S_ISREG(st.st_mode) ? (int64_t)st.st_mtim.tv_sec * 1000
	                                        : lm_store_clock();
	err = lm_mime_add_begin(store, &item, &add, why);
	if (err == 0) {
		err = add_octets(add, fd, path, out_octets, why);
		if (err)
			lm_mime_add_abort(add);
		else
			err = lm_mime_add_end(add, name, why);
	}
	close(fd);
	if (err == 0 && *name && !lm_cli_flag(call, "json")) {
		lm_cli_put(stdout, lm_str(name));
		putchar('\n');
	}
	return err;
}

int lm_store_run_add(const struct lm_cli_call *call)
{
	struct lm_store_tally tally;
	struct lm_mime_store *store;
	struct lm_error why = { 0 };
	int code;

	if (lm_cli_text(call, "guid") && call->operand_count > 2)
		return lm_cli_call_usage(call, "--guid names one message, not several");
	code = lm_store_open_for(call, &lm_store_source, call->operands[0], &store);
	if (code != LM_EXIT_OK)
		return code;
	lm_tally_begin(&tally, call, call->operand_count - 1, 0);
	for (size_t i = 1; i < call->operand_count; i++) {
		uint64_t octets = 0;
		int err = add_file(call, store, call->operands[i], &octets, &why);

		lm_tally_one(&tally, err, lm_str(call->operands[i]), octets, &why);
	}
	if (lm_mime_store_flush(store, &why) < 0) {
		tally.done = 0;
		lm_tally_failed(&tally, &why);
	}
	lm_mime_store_close(store);
	return lm_tally_end(&tally, "added");
}

/* Import: a message that is whole in memory. */

static void digest_of(struct lm_bytes octets, char out[72])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256(octets.data ? octets.data : (const uint8_t *)"", octets.len, digest);
	memcpy(out, "sha256:", 7);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 7 + 2 * i, 3, "%02x", digest[i]);
}

/* Stores that remember guids take the same octets once, however often an import is repeated. */
static void store_message(struct copy *c, const char *name, int64_t timestamp_ms)
{
	bool remembers = lm_mime_store_caps(c->target.store) & LM_MIME_REMEMBERS;
	struct lm_bytes octets = lm_buf_bytes(&c->message);
	struct lm_mime_item item = { .sourceid = lm_str(c->sourceid ? c->sourceid : "local"),
		                     .timestamp_ms = timestamp_ms,
		                     .octets = octets.len };
	struct lm_error why = { 0 };
	char digest[72];
	int err = c->too_long ? lm_fail(&why, LM_E_LIMIT, "longer than %d MB", MESSAGE_MAX >> 20)
	                      : 0;

	digest_of(octets, digest);
	item.guid = lm_str(remembers ? digest : name);
	if (err == 0)
		err = lm_target_begin(&c->target, &item, &why);
	if (err == 0) {
		err = lm_target_write(&c->target, octets, &why);
		if (err)
			lm_target_abort(&c->target);
		else
			err = lm_target_end(&c->target, &why);
	}
	lm_tally_one(&c->tally, err, lm_str(name), octets.len, &why);
	lm_buf_clear(&c->message);
	c->too_long = false;
}

static int read_whole(struct copy *c, int fd, const char *path, struct lm_error *why)
{
	static uint8_t piece[PIECE];
	size_t len = 1;
	int err = 0;

	while (err == 0 && len) {
		err = read_piece(fd, path, piece, &len, why);
		if (err == 0 && !c->too_long)
			c->too_long = lm_buf_add(&c->message, lm_bytes(piece, len)) != 0;
	}
	return err;
}

static void import_file(struct copy *c, const char *path)
{
	struct lm_error why = { 0 };
	struct stat st;
	char stem[128];
	int err, fd = open_file(path, &st, &why);

	if (fd < 0) {
		lm_tally_failed(&c->tally, &why);
		return;
	}
	err = read_whole(c, fd, path, &why);
	close(fd);
	if (err) {
		lm_buf_clear(&c->message);
		lm_tally_failed(&c->tally, &why);
		return;
	}
	stem_of(path, stem, sizeof(stem));
	store_message(c, stem, (int64_t)st.st_mtim.tv_sec * 1000);
}

static bool is_message(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 4 && strcmp(name + len - 4, ".eml") == 0;
}

struct names {
	char **at;
	size_t count, cap;
};

static int names_add(struct names *names, const char *name)
{
	if (names->count == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		char **at = lm_realloc(names->at, cap, sizeof(*at));

		if (!at)
			return LM_E_NOMEM;
		names->at = at;
		names->cap = cap;
	}
	names->at[names->count] = lm_strdup_bytes(lm_str(name));
	return names->at[names->count] ? (names->count++, 0) : LM_E_NOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_folder(const char *path, struct names *names, struct lm_error *why)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!folder)
		return fail_file(path, errno, why);
	while (err == 0 && (entry = readdir(folder)))
		if (is_message(entry->d_name))
			err = names_add(names, entry->d_name);
	closedir(folder);
	if (names->count)
		qsort(names->at, names->count, sizeof(*names->at), by_name);
	return err ? lm_fail(why, err, "out of memory") : 0;
}

static void import_folder(struct copy *c, const char *path)
{
	struct names names = { 0 };
	struct lm_error why = { 0 };

	if (list_folder(path, &names, &why) < 0)
		lm_tally_failed(&c->tally, &why);
	for (size_t i = 0; i < names.count; i++) {
		struct lm_buf full = { .max = 8192 };

		if (lm_buf_printf(&full, "%s/%s", path, names.at[i]) == 0)
			import_file(c, (const char *)full.data);
		lm_buf_done(&full);
		lm_free(names.at[i]);
	}
	lm_free(names.at);
}

static void mbox_begin(void *ctx)
{
	struct copy *c = ctx;

	lm_buf_clear(&c->message);
	c->index++;
}

static void mbox_octets(void *ctx, struct lm_bytes octets)
{
	struct copy *c = ctx;

	if (!c->too_long)
		c->too_long = lm_buf_add(&c->message, octets) != 0;
}

static void mbox_end(void *ctx)
{
	struct copy *c = ctx;
	char stem[100], name[128];

	stem_of(c->source, stem, sizeof(stem));
	snprintf(name, sizeof(name), "%s-%zu", stem, c->index);
	store_message(c, name, 0);
}

static void import_mbox(struct copy *c, const char *path)
{
	static const struct lm_mbox_events events = { mbox_begin, mbox_octets, mbox_end };
	struct lm_error why = { 0 };
	struct stat st;
	int fd = open_file(path, &st, &why);

	c->source = path;
	c->index = 0;
	if (fd < 0 || lm_mbox_read(fd, &events, c, &why) < 0)
		lm_tally_failed(&c->tally, &why);
	if (fd >= 0)
		close(fd);
}

/* From store to store. */

static int pass_on(void *ctx, struct lm_bytes octets)
{
	struct copy *c = ctx;

	return lm_target_write(&c->target, octets, NULL);
}

static void copy_item(struct copy *c, struct lm_mime_store *from, const struct lm_mime_item *item,
                      const char *url)
{
	struct lm_mime_item copy = *item;
	struct lm_error why = { 0 };
	int err;

	/* A name is the message's own; a guid is where the store knows whose it is. */
	if (!item->sourceid.len || c->sourceid) {
		copy.sourceid = lm_str(c->sourceid ? c->sourceid : url);
		copy.guid = item->name;
	}
	err = lm_target_begin(&c->target, &copy, &why);
	if (err == 0) {
		err = lm_mime_store_read(from, item, pass_on, c, &why);
		if (err)
			lm_target_abort(&c->target);
		else
			err = lm_target_end(&c->target, &why);
	}
	lm_tally_one(&c->tally, err, item->name, item->octets, &why);
}

static void copy_all(struct copy *c, struct lm_mime_store *from, const struct lm_mime_query *query,
                     const char *url)
{
	for (size_t i = 0; i < query->count; i++)
		copy_item(c, from, &query->items[i], url);
}

static void import_store(struct copy *c, const char *url)
{
	struct lm_mime_store *from;
	struct lm_mime_query query;
	struct lm_error why = { 0 };

	if (lm_mime_store_open(url, NULL, 0, &from, &why) < 0) {
		lm_tally_failed(&c->tally, &why);
		return;
	}
	if (lm_mime_store_query(from, 0, SIZE_MAX, &query, &why) < 0)
		lm_tally_failed(&c->tally, &why);
	else
		copy_all(c, from, &query, url);
	lm_mime_store_close(from);
}

static void import_one(struct copy *c, const char *source)
{
	const char *path;
	struct stat st;

	if (lm_store_is_url(source))
		import_store(c, source);
	else if (lm_target_is_mbox(source, &path))
		import_mbox(c, path);
	else if (stat(source, &st) == 0 && S_ISDIR(st.st_mode))
		import_folder(c, source);
	else
		import_file(c, source);
}

static int end_copy(struct copy *c, const char *verb)
{
	struct lm_error why = { 0 };

	if (lm_target_close(&c->target, &why) < 0) {
		c->tally.done = 0;
		lm_tally_failed(&c->tally, &why);
	}
	lm_buf_done(&c->message);
	return lm_tally_end(&c->tally, verb);
}

int lm_store_run_import(const struct lm_cli_call *call)
{
	struct copy c = { .call = call, .sourceid = lm_cli_text(call, "sourceid") };
	int code;

	c.target = (struct lm_target){ .dir = -1 };
	lm_buf_init(&c.message, MESSAGE_MAX);
	code = lm_store_open_for(call, &lm_store_source, call->operands[0], &c.target.store);
	if (code != LM_EXIT_OK)
		return code;
	lm_tally_begin(&c.tally, call, 0, 0);
	for (size_t i = 1; i < call->operand_count; i++)
		import_one(&c, call->operands[i]);
	return end_copy(&c, "imported");
}

static int export_from(struct copy *c, struct lm_mime_store *from, unsigned tags)
{
	int64_t limit = lm_cli_value(c->call, "limit");
	struct lm_mime_query query;
	struct lm_error why = { 0 };
	int code;

	if (lm_mime_store_query(from, tags, limit > 0 ? (size_t)limit : SIZE_MAX, &query, &why) < 0)
		return lm_store_failed(c->call, &why);
	code = lm_target_open(c->call, lm_cli_text(c->call, "to"), &c->target);
	if (code != LM_EXIT_OK)
		return code;
	lm_tally_begin(&c->tally, c->call, query.count, query.total_octets);
	copy_all(c, from, &query, c->call->operands[0]);
	return end_copy(c, "exported");
}

int lm_store_run_export(const struct lm_cli_call *call)
{
	struct copy c = { .call = call, .sourceid = lm_cli_text(call, "sourceid") };
	struct lm_mime_store *from;
	unsigned tags;
	int code;

	if (!lm_cli_text(call, "to"))
		return lm_cli_call_usage(call, "say where to, by --to");
	code = lm_store_tags(call, &tags);
	if (code == LM_EXIT_OK)
		code = lm_store_open_for(call, &lm_store_source, call->operands[0], &from);
	if (code != LM_EXIT_OK)
		return code;
	code = export_from(&c, from, tags);
	lm_mime_store_close(from);
	return code;
}
