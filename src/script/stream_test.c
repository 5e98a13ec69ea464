/* Streams from C: memory and its file, named files and their modes, sources that keep what they
 * saw. */
#include "lm_test.h"
#include "script/stream_impl.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/lm-stream-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static const char *path_of(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct lm_stream *opened(const char *name, unsigned mode)
{
	struct lm_stream *s = NULL;

	assert_err(lm_stream_open(path_of(name), name, mode, false, &s, NULL), 0);
	return s;
}

static int open_error(const char *name, unsigned mode)
{
	struct lm_stream *s = NULL;
	struct lm_error error = { 0 };
	int err = lm_stream_open(path_of(name), name, mode, false, &s, &error);

	assert_null(s);
	assert_int_equal(error.code, err);
	if (err != LM_E_MISUSE)
		assert_non_null(strstr(error.text, name));
	return err;
}

/* Octets that show their place. */
static uint8_t *pattern(size_t len)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + i / 253);
	return p;
}

static void assert_content(struct lm_stream *s, struct lm_bytes want)
{
	struct lm_buf got;

	lm_buf_init(&got, 64 << 20);
	s->position = 0;
	assert_err(lm_stream_take(s, UINT64_MAX, &got, NULL), 0);
	assert_int_equal(lm_buf_len(&got), want.len);
	if (want.len)
		assert_memory_equal(got.data, want.data, want.len);
	lm_buf_done(&got);
}

/* Read a source to its end in pieces of at most `max`. */
static int drain(struct lm_source *source, size_t max, struct lm_buf *out)
{
	bool last = false;
	int err = 0;

	while (err == 0 && !last) {
		struct lm_bytes chunk;

		err = source->ops->read(source, max, &chunk, &last);
		if (err == 0) {
			assert_true(chunk.len <= max);
			assert_err(lm_buf_add(out, chunk), 0);
		}
	}
	return err;
}

static void assert_source(struct lm_source *source, struct lm_bytes want)
{
	struct lm_buf got;

	lm_buf_init(&got, 64 << 20);
	assert_err(drain(source, 50000, &got), 0);
	assert_int_equal(lm_buf_len(&got), want.len);
	if (want.len)
		assert_memory_equal(got.data, want.data, want.len);
	lm_buf_done(&got);
	source->ops->close(source);
}

static struct lm_source *source_of(struct lm_stream *s)
{
	struct lm_source *source = NULL;

	assert_err(lm_stream_source(s, &source, NULL), 0);
	return source;
}

static void append_and_read(size_t len)
{
	uint8_t *p = pattern(len);
	struct lm_stream *s = lm_stream_new();
	uint64_t size = 0;

	for (size_t at = 0; at < len; at += 70001) {
		size_t n = len - at < 70001 ? len - at : 70001;

		assert_err(lm_stream_append(s, lm_bytes(p + at, n), NULL), 0);
	}
	assert_err(lm_stream_size(s, &size, NULL), 0);
	assert_int_equal(size, len);
	assert_int_equal(s->position, 0);
	assert_content(s, lm_bytes(p, len));
	assert_source(source_of(s), lm_bytes(p, len));
	lm_stream_unref(s);
	free(p);
}

static void octets_come_back(void **state)
{
	(void)state;
	append_and_read(0);
	append_and_read(1);
	append_and_read(256);
	append_and_read(LM_STASH_MEMORY);
	append_and_read(LM_STASH_MEMORY + 1);
	append_and_read(5 << 20);
}

static void memory_moves_to_a_file_at_a_megabyte(void **state)
{
	struct lm_stream *s = lm_stream_new();
	uint8_t *p = pattern(LM_STASH_MEMORY);

	(void)state;
	assert_err(lm_stream_append(s, lm_bytes(p, LM_STASH_MEMORY), NULL), 0);
	assert_int_equal(s->store->fd, -1);
	assert_err(lm_stream_append(s, lm_str("x"), NULL), 0);
	assert_true(s->store->fd >= 0);
	assert_int_equal(s->store->memory.cap, 0);
	lm_stream_unref(s);
	free(p);
}

static void no_folder_for_temporary_files(void **state)
{
	struct lm_stream *s = lm_stream_new();
	uint8_t *p = pattern(LM_STASH_MEMORY);
	struct lm_error error = { 0 };

	(void)state;
	assert_err(lm_stream_append(s, lm_bytes(p, LM_STASH_MEMORY), NULL), 0);
	setenv("TMPDIR", "/nonexistent/folder", 1);
	assert_err(lm_stream_append(s, lm_str("x"), &error), LM_E_NOT_FOUND);
	unsetenv("TMPDIR");
	assert_non_null(strstr(error.text, "/nonexistent/folder"));
	assert_content(s, lm_bytes(p, LM_STASH_MEMORY));
	assert_err(lm_stream_append(s, lm_str("x"), NULL), 0);
	lm_stream_unref(s);
	free(p);
}

static void gaps_are_zeros(void **state)
{
	struct lm_stream *s = lm_stream_new();
	static uint8_t want[2 << 20];

	(void)state;
	assert_err(lm_stream_write_at(s, 3, lm_str("a"), NULL), 0);
	assert_content(s, lm_bytes("\0\0\0a", 4));
	assert_err(lm_stream_write_at(s, 1, lm_str("bc"), NULL), 0);
	assert_content(s, lm_bytes("\0bca", 4));
	assert_err(lm_stream_write_at(s, sizeof(want) - 1, lm_str("z"), NULL), 0);
	memcpy(want, "\0bca", 4);
	want[sizeof(want) - 1] = 'z';
	assert_content(s, lm_bytes(want, sizeof(want)));
	lm_stream_unref(s);
}

static void sizes(void **state)
{
	struct lm_stream *s = lm_stream_new();
	static uint8_t want[3 << 20];
	uint64_t size;

	(void)state;
	assert_err(lm_stream_append(s, lm_str("hello"), NULL), 0);
	s->position = 5;
	assert_err(lm_stream_resize(s, 2, NULL), 0);
	assert_int_equal(s->position, 2);
	assert_content(s, lm_str("he"));
	assert_err(lm_stream_resize(s, 4, NULL), 0);
	assert_content(s, lm_bytes("he\0\0", 4));
	assert_err(lm_stream_resize(s, sizeof(want), NULL), 0);
	memcpy(want, "he", 2);
	assert_content(s, lm_bytes(want, sizeof(want)));
	assert_err(lm_stream_resize(s, 1, NULL), 0);
	assert_content(s, lm_str("h"));
	assert_err(lm_stream_resize(s, UINT64_MAX, NULL), LM_E_LIMIT);
	assert_err(lm_stream_write_at(s, UINT64_MAX, lm_str("x"), NULL), LM_E_LIMIT);
	assert_err(lm_stream_size(s, &size, NULL), 0);
	assert_int_equal(size, 1);
	lm_stream_unref(s);
}

static void a_source_keeps_what_it_saw(size_t len)
{
	uint8_t *p = pattern(len);
	struct lm_stream *s = lm_stream_new();
	struct lm_source *sources[4];

	assert_err(lm_stream_append(s, lm_bytes(p, len), NULL), 0);
	sources[0] = source_of(s);
	assert_err(lm_stream_append(s, lm_str("more"), NULL), 0);
	sources[1] = source_of(s);
	assert_err(lm_stream_write_at(s, 0, lm_str("other"), NULL), 0);
	sources[2] = source_of(s);
	assert_err(lm_stream_resize(s, 5, NULL), 0);
	sources[3] = source_of(s);
	lm_stream_unref(s);
	assert_source(sources[0], lm_bytes(p, len));
	p = realloc(p, len + 4);
	assert_non_null(p);
	memcpy(p + len, "more", 4);
	assert_source(sources[1], lm_bytes(p, len + 4));
	memcpy(p, "other", 5);
	assert_source(sources[2], lm_bytes(p, len + 4));
	assert_source(sources[3], lm_str("other"));
	free(p);
}

static void sources_keep_what_they_saw(void **state)
{
	(void)state;
	a_source_keeps_what_it_saw(100);
	a_source_keeps_what_it_saw(2 << 20);
}

static void a_source_of_a_file_keeps_what_it_saw(void **state)
{
	struct lm_stream *s = opened("kept", LM_FILE_CREATE);
	struct lm_source *source;

	(void)state;
	assert_err(lm_stream_append(s, lm_str("first"), NULL), 0);
	source = source_of(s);
	assert_err(lm_stream_write_at(s, 0, lm_str("other"), NULL), 0);
	lm_stream_unref(s);
	assert_source(source, lm_str("first"));
	s = opened("kept", LM_FILE_READ);
	source = source_of(s);
	lm_stream_unref(s);
	assert_int_equal(unlink(path_of("kept")), 0);
	assert_source(source, lm_str("other"));
}

static void a_file_cut_by_another_is_an_error(void **state)
{
	struct lm_stream *s = opened("cut", LM_FILE_CREATE), *reader;
	struct lm_source *source;
	struct lm_buf got;

	(void)state;
	assert_err(lm_stream_append(s, lm_str("0123456789"), NULL), 0);
	reader = opened("cut", LM_FILE_READ);
	source = source_of(reader);
	assert_err(lm_stream_resize(s, 4, NULL), 0);
	lm_buf_init(&got, 100);
	assert_err(drain(source, 3, &got), LM_E_IO);
	assert_bytes(lm_buf_bytes(&got), lm_str("0123"));
	lm_buf_done(&got);
	source->ops->close(source);
	lm_stream_unref(reader);
	lm_stream_unref(s);
	assert_int_equal(unlink(path_of("cut")), 0);
}

static void a_stash_becomes_a_stream(size_t len)
{
	uint8_t *p = pattern(len);
	struct lm_stash stash;
	struct lm_stream *s;

	lm_stash_init(&stash);
	assert_err(lm_stash_add(&stash, lm_bytes(p, len), NULL), 0);
	s = lm_stream_of_stash(&stash);
	assert_non_null(s);
	assert_int_equal(lm_stash_size(&stash), 0);
	lm_stash_done(&stash);
	assert_content(s, lm_bytes(p, len));
	assert_err(lm_stream_append(s, lm_str("x"), NULL), LM_E_DENIED);
	assert_err(lm_stream_resize(s, 0, NULL), LM_E_DENIED);
	assert_source(source_of(s), lm_bytes(p, len));
	lm_stream_unref(s);
	free(p);
}

static void stashes_become_streams(void **state)
{
	(void)state;
	a_stash_becomes_a_stream(0);
	a_stash_becomes_a_stream(1000);
	a_stash_becomes_a_stream(3 << 20);
}

static void modes(void **state)
{
	struct lm_stream *s, *t;
	uint8_t one;
	size_t n;

	(void)state;
	assert_err(open_error("mode", LM_FILE_READ), LM_E_NOT_FOUND);
	assert_err(open_error("mode", LM_FILE_WRITE), LM_E_NOT_FOUND);
	assert_err(open_error("mode", LM_FILE_READ_WRITE), LM_E_NOT_FOUND);
	s = opened("mode", LM_FILE_CREATE | LM_FILE_EXCLUSIVE);
	assert_err(lm_stream_append(s, lm_str("abc"), NULL), 0);
	assert_content(s, lm_str("abc"));
	lm_stream_unref(s);
	assert_err(open_error("mode", LM_FILE_CREATE | LM_FILE_EXCLUSIVE), LM_E_EXISTS);
	s = opened("mode", LM_FILE_READ);
	assert_err(lm_stream_append(s, lm_str("x"), NULL), LM_E_DENIED);
	assert_err(lm_stream_resize(s, 0, NULL), LM_E_DENIED);
	t = opened("mode", LM_FILE_WRITE);
	assert_err(lm_stream_write_at(t, 1, lm_str("X"), NULL), 0);
	assert_err(lm_stream_read_at(t, 0, &one, 1, &n, NULL), LM_E_DENIED);
	assert_content(s, lm_str("aXc"));
	lm_stream_unref(t);
	t = opened("mode", LM_FILE_CREATE);
	assert_content(s, lm_str(""));
	lm_stream_unref(t);
	lm_stream_unref(s);
	assert_int_equal(unlink(path_of("mode")), 0);
}

static void wrong_modes(void **state)
{
	(void)state;
	assert_err(open_error("wrong", 3), LM_E_MISUSE);
	assert_err(open_error("wrong", 8), LM_E_MISUSE);
	assert_err(open_error("wrong", 0x100), LM_E_MISUSE);
	assert_err(open_error("wrong", LM_FILE_CREATE | 0x10000), LM_E_MISUSE);
	assert_err(open_error("wrong",
	                      LM_FILE_CREATE | LM_FILE_SHARE_EXCLUSIVE | LM_FILE_SHARE_DENY_NONE),
	           LM_E_MISUSE);
	assert_int_equal(access(path_of("wrong"), F_OK), -1);
}

static void shares(void **state)
{
	struct lm_stream *s = opened("share", LM_FILE_CREATE), *t;

	(void)state;
	lm_stream_unref(s);
	s = opened("share", LM_FILE_READ | LM_FILE_SHARE_DENY_WRITE);
	t = opened("share", LM_FILE_READ | LM_FILE_SHARE_DENY_WRITE);
	assert_err(open_error("share", LM_FILE_READ | LM_FILE_SHARE_EXCLUSIVE), LM_E_IN_USE);
	assert_err(open_error("share", LM_FILE_READ_WRITE | LM_FILE_SHARE_DENY_WRITE), LM_E_IN_USE);
	lm_stream_unref(s);
	lm_stream_unref(t);
	s = opened("share", LM_FILE_READ_WRITE | LM_FILE_EXCLUSIVE);
	assert_err(lm_stream_append(s, lm_str("kept"), NULL), 0);
	assert_err(open_error("share", LM_FILE_CREATE | LM_FILE_SHARE_EXCLUSIVE), LM_E_IN_USE);
	assert_content(s, lm_str("kept"));
	t = opened("share", LM_FILE_READ | LM_FILE_SHARE_DENY_NONE);
	assert_content(t, lm_str("kept"));
	lm_stream_unref(t);
	lm_stream_unref(s);
	s = opened("share", LM_FILE_READ | LM_FILE_SHARE_EXCLUSIVE);
	lm_stream_unref(s);
	assert_int_equal(unlink(path_of("share")), 0);
}

static void what_is_no_regular_file(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	assert_err(open_error("fifo", LM_FILE_READ), LM_E_UNSUPPORTED);
	assert_err(open_error("fifo", LM_FILE_WRITE), LM_E_UNSUPPORTED);
	assert_err(open_error("fifo", LM_FILE_CREATE), LM_E_UNSUPPORTED);
	assert_int_equal(unlink(path_of("fifo")), 0);
	assert_err(open_error("", LM_FILE_READ), LM_E_UNSUPPORTED);
	assert_err(open_error("", LM_FILE_CREATE), LM_E_UNSUPPORTED);
	assert_err(open_error("no/such/folder", LM_FILE_CREATE), LM_E_NOT_FOUND);
}

static void auto_delete(void **state)
{
	struct lm_stream *s = NULL, *other;

	(void)state;
	assert_err(lm_stream_open(path_of("gone"), "gone", LM_FILE_CREATE, true, &s, NULL), 0);
	lm_stream_ref(s);
	lm_stream_unref(s);
	assert_int_equal(access(path_of("gone"), F_OK), 0);
	lm_stream_unref(s);
	assert_int_equal(access(path_of("gone"), F_OK), -1);
	assert_err(lm_stream_open(path_of("gone"), "gone", LM_FILE_CREATE, true, &s, NULL), 0);
	assert_int_equal(unlink(path_of("gone")), 0);
	other = opened("gone", LM_FILE_CREATE);
	lm_stream_unref(s);
	assert_int_equal(access(path_of("gone"), F_OK), 0);
	lm_stream_unref(other);
	assert_int_equal(unlink(path_of("gone")), 0);
}

static void copies(void **state)
{
	struct lm_stream *from = lm_stream_new(), *to = lm_stream_new();
	uint8_t *p = pattern(3 << 20);
	uint64_t n = 0;

	(void)state;
	assert_err(lm_stream_append(from, lm_bytes(p, 3 << 20), NULL), 0);
	assert_err(lm_stream_copy(to, from, 1000, &n, NULL), 0);
	assert_int_equal(n, 1000);
	assert_int_equal(from->position, 1000);
	assert_err(lm_stream_copy(to, from, UINT64_MAX, &n, NULL), 0);
	assert_int_equal(n, (3 << 20) - 1000);
	assert_int_equal(to->position, 3 << 20);
	assert_content(to, lm_bytes(p, 3 << 20));
	assert_err(lm_stream_copy(to, from, 5, &n, NULL), 0);
	assert_int_equal(n, 0);
	lm_stream_unref(to);
	lm_stream_unref(from);
	free(p);
}

static void copies_onto_itself(void **state)
{
	struct lm_stream *s = lm_stream_new(), *t;
	uint64_t n = 0;

	(void)state;
	assert_err(lm_stream_append(s, lm_str("abcdef"), NULL), 0);
	s->position = 2;
	assert_err(lm_stream_copy(s, s, UINT64_MAX, &n, NULL), 0);
	assert_int_equal(n, 4);
	assert_content(s, lm_str("abcdef"));
	lm_stream_unref(s);
	s = opened("itself", LM_FILE_CREATE);
	assert_err(lm_stream_append(s, lm_str("abc"), NULL), 0);
	s->position = 3;
	t = opened("itself", LM_FILE_READ);
	assert_err(lm_stream_copy(s, t, UINT64_MAX, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_content(s, lm_str("abcabc"));
	lm_stream_unref(t);
	lm_stream_unref(s);
	assert_int_equal(unlink(path_of("itself")), 0);
}

static void lines(void **state)
{
	struct lm_stream *s = lm_stream_new();
	struct lm_buf line;
	uint8_t *p = pattern(10000);

	(void)state;
	memset(p, 'x', 10000);
	assert_err(lm_stream_append(s, lm_str("one\r\n\ntwo"), NULL), 0);
	lm_buf_init(&line, 20000);
	assert_err(lm_stream_take_line(s, &line, NULL), 0);
	assert_bytes(lm_buf_bytes(&line), lm_str("one\r\n"));
	lm_buf_clear(&line);
	assert_err(lm_stream_take_line(s, &line, NULL), 0);
	assert_bytes(lm_buf_bytes(&line), lm_str("\n"));
	assert_err(lm_stream_append(s, lm_bytes(p, 10000), NULL), 0);
	lm_buf_clear(&line);
	assert_err(lm_stream_take_line(s, &line, NULL), 0);
	assert_int_equal(lm_buf_len(&line), 10003);
	lm_buf_clear(&line);
	assert_err(lm_stream_take_line(s, &line, NULL), 0);
	assert_int_equal(lm_buf_len(&line), 0);
	s->position = 0;
	line.max = 3;
	assert_err(lm_stream_take_line(s, &line, NULL), LM_E_LIMIT);
	assert_int_equal(s->position, 0);
	lm_buf_done(&line);
	lm_stream_unref(s);
	free(p);
}

static void a_read_has_a_maximum(void **state)
{
	struct lm_stream *s = lm_stream_new();
	struct lm_buf out;

	(void)state;
	assert_err(lm_stream_append(s, lm_str("abcd"), NULL), 0);
	lm_buf_init(&out, 3);
	assert_err(lm_stream_take(s, UINT64_MAX, &out, NULL), LM_E_LIMIT);
	assert_int_equal(s->position, 0);
	lm_buf_clear(&out);
	assert_err(lm_stream_take(s, 3, &out, NULL), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str("abc"));
	lm_buf_done(&out);
	lm_buf_init(&out, 1);
	assert_err(lm_stream_take(s, UINT64_MAX, &out, NULL), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str("d"));
	lm_buf_done(&out);
	lm_stream_unref(s);
}

static void *read_elsewhere(void *ctx)
{
	struct lm_source *source = ctx;
	struct lm_buf got;

	lm_buf_init(&got, 8 << 20);
	assert_err(drain(source, 1000, &got), 0);
	source->ops->close(source);
	for (size_t i = 0; i < lm_buf_len(&got); i++)
		assert_int_equal(got.data[i], (uint8_t)(i * 31 + i / 253));
	lm_buf_done(&got);
	return NULL;
}

static void sources_are_read_by_other_threads(void **state)
{
	uint8_t *p = pattern(2 << 20);
	struct lm_stream *s = lm_stream_new();
	pthread_t threads[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		assert_err(lm_stream_resize(s, 0, NULL), 0);
		assert_err(lm_stream_append(s, lm_bytes(p, (size_t)(i % 2 ? 2 << 20 : 9000)), NULL),
		           0);
		assert_int_equal(pthread_create(&threads[i], NULL, read_elsewhere, source_of(s)),
		                 0);
		assert_err(lm_stream_append(s, lm_str("later"), NULL), 0);
		assert_err(lm_stream_write_at(s, 0, lm_str("changed"), NULL), 0);
	}
	lm_stream_unref(s);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	free(p);
}

/* Any allocation may fail: an error, and what was there is there. */
static void out_of_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 12; n++) {
		struct lm_stream *s = lm_stream_new();
		struct lm_source *source = NULL;

		assert_err(lm_stream_append(s, lm_str("kept"), NULL), 0);
		lm_alloc_fail_at(n);
		if (lm_stream_source(s, &source, NULL) == 0) {
			int err = lm_stream_write_at(s, 0, lm_str("K"), NULL);

			lm_alloc_fail_at(0);
			assert_source(source, lm_str("kept"));
			assert_content(s, lm_str(err ? "kept" : "Kept"));
		}
		lm_alloc_fail_at(0);
		lm_stream_unref(s);
	}
	for (unsigned long n = 1; n < 6; n++) {
		struct lm_stream *s = NULL;

		lm_alloc_fail_at(n);
		if (lm_stream_open(path_of("memory"), "memory", LM_FILE_CREATE, true, &s, NULL) ==
		    0)
			lm_stream_unref(s);
		lm_alloc_fail_at(0);
	}
	(void)unlink(path_of("memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_come_back),
		cmocka_unit_test(memory_moves_to_a_file_at_a_megabyte),
		cmocka_unit_test(no_folder_for_temporary_files),
		cmocka_unit_test(gaps_are_zeros),
		cmocka_unit_test(sizes),
		cmocka_unit_test(sources_keep_what_they_saw),
		cmocka_unit_test(a_source_of_a_file_keeps_what_it_saw),
		cmocka_unit_test(a_file_cut_by_another_is_an_error),
		cmocka_unit_test(stashes_become_streams),
		cmocka_unit_test(modes),
		cmocka_unit_test(wrong_modes),
		cmocka_unit_test(shares),
		cmocka_unit_test(what_is_no_regular_file),
		cmocka_unit_test(auto_delete),
		cmocka_unit_test(copies),
		cmocka_unit_test(copies_onto_itself),
		cmocka_unit_test(lines),
		cmocka_unit_test(a_read_has_a_maximum),
		cmocka_unit_test(sources_are_read_by_other_threads),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
