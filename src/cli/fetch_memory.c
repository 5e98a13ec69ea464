/* Which messages were fetched before. */
#include "cli/fetch_memory.h"

#include "base/error.h"
#include "server/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 30, MAX_FRESH = 64 << 20, MAX_STEM = 100 };
#define FORMAT "lettermill fetched 1\n"

/* An id with nothing in it that could end a line or a word. */
static int put_id(struct lm_buf *out, struct lm_bytes id)
{
	int err = 0;

	for (size_t i = 0; i < id.len && err == 0; i++) {
		uint8_t c = id.data[i];

		if (c > 0x20 && c < 0x7F && c != '%')
			err = lm_buf_add(out, lm_bytes(&c, 1));
		else
			err = lm_buf_printf(out, "%%%02X", c);
	}
	return err;
}

static int put_line(struct lm_buf *out, struct lm_bytes id, uint64_t octets)
{
	int err = put_id(out, id);

	return err < 0 ? err : lm_buf_printf(out, " %" PRIu64 "\n", octets);
}

static int compare(const void *a, const void *b)
{
	const struct lm_bytes *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = len && x->data && y->data ? memcmp(x->data, y->data, len) : 0;

	if (order != 0)
		return order;
	return x->len < y->len ? -1 : x->len > y->len;
}

static int fail(const struct lm_fetch_memory *m, const char *what, struct lm_error *out_error)
{
	int number = errno;

	return lm_fail_errno(out_error, lm_err_from_errno(number), number, "cannot %s %.150s", what,
	                     m->path);
}

static int read_text(struct lm_fetch_memory *m, struct lm_error *out_error)
{
	uint8_t *room;
	ssize_t n = 1;

	while (n > 0) {
		if (lm_buf_room(&m->text, 65536, &room) < 0)
			return lm_fail(out_error, LM_E_LIMIT, "%.150s is too large", m->path);
		n = read(m->fd, room, 65536);
		if (n > 0)
			lm_buf_grew(&m->text, (size_t)n);
	}
	return n < 0 ? fail(m, "read", out_error) : 0;
}

/* Where a crash left half a line, the file ends before it. */
static int cut_torn_line(struct lm_fetch_memory *m, struct lm_error *out_error)
{
	struct lm_bytes text = lm_buf_bytes(&m->text);
	size_t len = text.len;

	while (len > 0 && text.data[len - 1] != '\n')
		len--;
	if (len == text.len)
		return 0;
	if (ftruncate(m->fd, (off_t)len) < 0 || lseek(m->fd, 0, SEEK_END) < 0)
		return fail(m, "write", out_error);
	m->text.len = m->text.head + len;
	return 0;
}

static int index_lines(struct lm_fetch_memory *m, struct lm_bytes text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == '\n';
	m->lines = lm_alloc_zero(count + 1, sizeof(*m->lines));
	if (!m->lines)
		return LM_E_NOMEM;
	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;

		m->lines[m->line_count++] = lm_bytes(text.data, len);
		text = lm_bytes_from(text, len + 1);
	}
	qsort(m->lines, m->line_count, sizeof(*m->lines), compare);
	return 0;
}

static int load(struct lm_fetch_memory *m, struct lm_error *out_error)
{
	const size_t head = sizeof(FORMAT) - 1;
	struct lm_bytes text;
	int err = read_text(m, out_error);

	if (err == 0)
		err = cut_torn_line(m, out_error);
	if (err < 0)
		return err;
	text = lm_buf_bytes(&m->text);
	if (text.len == 0) {
		err = lm_buf_add_str(&m->fresh, FORMAT);
		return err < 0 ? lm_fail(out_error, err, "out of memory") : 0;
	}
	if (text.len < head || memcmp(text.data, FORMAT, head) != 0)
		return lm_fail(out_error, LM_E_CORRUPT,
		               "%.150s does not remember what was fetched; name another --state",
		               m->path);
	if (index_lines(m, lm_bytes_from(text, head)) < 0)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	return 0;
}

static int make_folder(const char *path, struct lm_error *out_error)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int err;

	if (!slash || slash == path)
		return 0;
	folder = lm_strdup_bytes(lm_bytes(path, (size_t)(slash - path)));
	if (!folder)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	err = lm_make_directory(folder, out_error);
	lm_free(folder);
	return err;
}

static int open_file(struct lm_fetch_memory *m, const char *path, struct lm_error *out_error)
{
	int err = make_folder(path, out_error);

	if (err < 0)
		return err;
	m->path = lm_strdup_bytes(lm_str(path));
	if (!m->path)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	m->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (m->fd < 0)
		return fail(m, "open", out_error);
	if (flock(m->fd, LOCK_EX | LOCK_NB) < 0)
		return lm_fail(out_error, LM_E_IN_USE, "another fetch is using %.150s", path);
	return load(m, out_error);
}

int lm_fetch_memory_open(struct lm_fetch_memory *memory, struct lm_mime_store *store,
                         struct lm_bytes source, const char *path, struct lm_error *out_error)
{
	*memory = (struct lm_fetch_memory){ .fd = -1, .source = source };
	lm_buf_init(&memory->text, MAX_FILE);
	lm_buf_init(&memory->fresh, MAX_FRESH);
	if (store && lm_mime_store_caps(store) & LM_MIME_REMEMBERS)
		memory->store = store;
	return path ? open_file(memory, path, out_error) : 0;
}

void lm_fetch_memory_done(struct lm_fetch_memory *memory)
{
	if (memory->fd >= 0)
		close(memory->fd);
	lm_free(memory->path);
	lm_free(memory->lines);
	lm_buf_done(&memory->text);
	lm_buf_done(&memory->fresh);
	*memory = (struct lm_fetch_memory){ .fd = -1 };
}

static int file_has(const struct lm_fetch_memory *m, struct lm_bytes id, uint64_t octets)
{
	struct lm_buf line;
	struct lm_bytes key;
	int found;

	if (m->line_count == 0)
		return 0;
	lm_buf_init(&line, 3 * id.len + 32);
	found = put_line(&line, id, octets);
	if (found == 0) {
		key = lm_buf_bytes(&line);
		key.len--;
		found = bsearch(&key, m->lines, m->line_count, sizeof(key), compare) != NULL;
	}
	lm_buf_done(&line);
	return found;
}

int lm_fetch_memory_has(const struct lm_fetch_memory *memory, struct lm_bytes id, uint64_t octets)
{
	int found = memory->store ? lm_mime_store_has(memory->store, memory->source, id) : 0;

	return found != 0 ? found : file_has(memory, id, octets);
}

int lm_fetch_memory_note(struct lm_fetch_memory *memory, struct lm_bytes id, uint64_t octets)
{
	return memory->fd < 0 ? 0 : put_line(&memory->fresh, id, octets);
}

int lm_fetch_memory_flush(struct lm_fetch_memory *memory, struct lm_error *out_error)
{
	if (memory->fd < 0 || lm_buf_len(&memory->fresh) == 0)
		return 0;
	while (lm_buf_len(&memory->fresh) > 0) {
		struct lm_bytes rest = lm_buf_bytes(&memory->fresh);
		ssize_t n = write(memory->fd, rest.data, rest.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(memory, "write", out_error);
		lm_buf_drop(&memory->fresh, (size_t)n);
	}
	return fdatasync(memory->fd) < 0 ? fail(memory, "sync", out_error) : 0;
}

/* FNV-1a: names need to differ, not to keep secrets. */
static uint64_t hash(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001B3);
	return (h ^ 0xFF) * UINT64_C(0x100000001B3);
}

/* The same for every way to write a folder's path. */
static uint64_t hash_store(uint64_t h, const char *url)
{
	const char *colon = strchr(url, ':');
	char whole[PATH_MAX];

	return hash(h, colon && realpath(colon + 1, whole) ? whole : url);
}

int lm_fetch_memory_path(const char *source, const char *store_url, char *out, size_t cap,
                         struct lm_error *out_error)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	uint64_t h = hash_store(hash(UINT64_C(0xCBF29CE484222325), source), store_url);
	bool has_state = state && *state == '/';
	char stem[MAX_STEM];
	int len;

	if (!has_state && (!home || !*home))
		return lm_fail(out_error, LM_E_CONFIG,
		               "there is no $HOME for what was fetched; say --state FILE");
	snprintf(stem, sizeof(stem), "%s", source);
	for (char *p = stem; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-@", *p))
			*p = '_';
	len = snprintf(out, cap, "%s%s/lettermill/fetch/%s-%016" PRIx64, has_state ? state : home,
	               has_state ? "" : "/.local/state", stem, h);
	if (len < 0 || (size_t)len >= cap)
		return lm_fail(out_error, LM_E_LIMIT, "the path of the state file is too long");
	return 0;
}
