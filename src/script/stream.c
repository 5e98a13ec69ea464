/* Streams: octets with a position, over a store; and sources of them. */
#include "script/stream_impl.h"

#include "base/error.h"

#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, LINE_CHUNK = 4096 };

struct lm_stream *lm_stream_ref(struct lm_stream *stream)
{
	atomic_fetch_add(&stream->refs, 1);
	return stream;
}

/* Only the file that was opened: another may have its name by now. */
static void delete_file(const struct lm_stream *s)
{
	struct stat st;

	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlink(s->path);
}

void lm_stream_unref(struct lm_stream *stream)
{
	if (!stream || atomic_fetch_sub(&stream->refs, 1) != 1)
		return;
	if (stream->path)
		delete_file(stream);
	lm_stream_store_unref(stream->store);
	lm_free(stream->name);
	lm_free(stream->path);
	lm_free(stream);
}

struct lm_stream *lm_stream_new(void)
{
	struct lm_stream *s = lm_alloc_zero(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	s->store = lm_stream_store_new();
	s->name = lm_strdup_bytes(lm_str(""));
	if (s->store && s->name)
		return s;
	lm_stream_unref(s);
	return NULL;
}

struct lm_stream *lm_stream_of_stash(struct lm_stash *stash)
{
	struct lm_stream *s;

	if (lm_stash_end(stash, NULL))
		return NULL;
	s = lm_stream_new();
	if (!s)
		return NULL;
	s->no_writing = true;
	s->store->memory = stash->memory;
	s->store->fd = stash->fd;
	s->store->size = stash->written;
	lm_stash_init(stash);
	return s;
}

static const char *shown(const struct lm_stream *s)
{
	return *s->name ? s->name : "the stream";
}

static int check_reading(const struct lm_stream *s, struct lm_error *out_error)
{
	return s->no_reading ? lm_fail(out_error, LM_E_DENIED, "%.150s is open for writing only",
	                               shown(s))
	                     : 0;
}

static int check_writing(const struct lm_stream *s, struct lm_error *out_error)
{
	return s->no_writing ? lm_fail(out_error, LM_E_DENIED, "%.150s is open for reading only",
	                               shown(s))
	                     : 0;
}

int lm_stream_size(struct lm_stream *stream, uint64_t *out_size, struct lm_error *out_error)
{
	return lm_stream_store_size(stream->store, out_size, out_error);
}

int lm_stream_read_at(struct lm_stream *stream, uint64_t at, uint8_t *out, size_t room,
                      size_t *out_len, struct lm_error *out_error)
{
	int err = check_reading(stream, out_error);

	if (err)
		return err;
	return lm_stream_store_read(stream->store, at, out, room, out_len, out_error);
}

int lm_stream_write_at(struct lm_stream *stream, uint64_t at, struct lm_bytes octets,
                       struct lm_error *out_error)
{
	int err = check_writing(stream, out_error);

	return err ? err : lm_stream_store_write(&stream->store, at, octets, out_error);
}

int lm_stream_append(struct lm_stream *stream, struct lm_bytes octets, struct lm_error *out_error)
{
	uint64_t size;
	int err = lm_stream_size(stream, &size, out_error);

	return err ? err : lm_stream_write_at(stream, size, octets, out_error);
}

int lm_stream_resize(struct lm_stream *stream, uint64_t size, struct lm_error *out_error)
{
	int err = check_writing(stream, out_error);

	if (err == 0)
		err = lm_stream_store_resize(&stream->store, size, out_error);
	if (err == 0 && stream->position > size)
		stream->position = size;
	return err;
}

static int fail_limit(struct lm_error *out_error)
{
	return lm_fail(out_error, LM_E_LIMIT, "more octets than one read may give");
}

/* The buffer is full: that is well when there are no more. */
static int check_end(struct lm_stream *s, uint64_t at, struct lm_error *out_error)
{
	uint8_t more;
	size_t len;
	int err = lm_stream_read_at(s, at, &more, 1, &len, out_error);

	return err || !len ? err : fail_limit(out_error);
}

/* One allocation for what is there, as far as is known. */
static void reserve(struct lm_stream *s, uint64_t count, struct lm_buf *out)
{
	uint64_t size, rest;
	uint8_t *room;

	if (lm_stream_size(s, &size, NULL) || size <= s->position)
		return;
	rest = size - s->position < count ? size - s->position : count;
	if (rest < out->max - lm_buf_len(out) && lm_buf_room(out, (size_t)rest, &room))
		return;
}

int lm_stream_take(struct lm_stream *stream, uint64_t count, struct lm_buf *out,
                   struct lm_error *out_error)
{
	uint64_t at = stream->position;
	size_t len = 1;
	int err = 0;

	reserve(stream, count, out);
	while (err == 0 && count && len) {
		size_t left = out->max - lm_buf_len(out), n = count < CHUNK ? (size_t)count : CHUNK;
		uint8_t *room;

		if (left == 0) {
			err = check_end(stream, at, out_error);
			break;
		}
		n = left < n ? left : n;
		err = lm_buf_room(out, n, &room);
		if (err)
			return lm_fail(out_error, err, "%s", lm_err_text(err));
		err = lm_stream_read_at(stream, at, room, n, &len, out_error);
		if (err)
			return err;
		lm_buf_grew(out, len);
		at += len;
		count -= len;
	}
	if (err == 0)
		stream->position = at;
	return err;
}

int lm_stream_take_line(struct lm_stream *stream, struct lm_buf *out, struct lm_error *out_error)
{
	uint64_t at = stream->position;
	const uint8_t *end = NULL;
	size_t len = 1;
	int err = 0;

	while (err == 0 && !end && len) {
		uint8_t chunk[LINE_CHUNK];

		err = lm_stream_read_at(stream, at, chunk, sizeof(chunk), &len, out_error);
		if (err)
			return err;
		end = len ? memchr(chunk, '\n', len) : NULL;
		if (end)
			len = (size_t)(end - chunk) + 1;
		err = lm_buf_add(out, lm_bytes(chunk, len));
		at += len;
	}
	if (err)
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	stream->position = at;
	return 0;
}

/* Onto itself it copies what is there now, not what it writes. */
static int copy_store(struct lm_stream *to, struct lm_stream *from,
                      struct lm_stream_store **out_store, struct lm_error *out_error)
{
	if (to != from) {
		*out_store = lm_stream_store_ref(from->store);
		return 0;
	}
	return lm_stream_store_copy(from->store, out_store, out_error);
}

int lm_stream_copy(struct lm_stream *to, struct lm_stream *from, uint64_t count,
                   uint64_t *out_count, struct lm_error *out_error)
{
	struct lm_stream_store *store = NULL;
	uint8_t *chunk = lm_alloc(CHUNK);
	uint64_t at = from->position, done = 0, size = 0;
	size_t n = 1;
	int err = check_reading(from, out_error);

	if (err == 0)
		err = check_writing(to, out_error);
	if (err == 0)
		err = lm_stream_size(from, &size, out_error);
	/* What is written meanwhile does not count: both may be the same file. */
	size = size > at ? size - at : 0;
	count = size < count ? size : count;
	if (err == 0 && !chunk)
		err = lm_fail(out_error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	if (err == 0)
		err = copy_store(to, from, &store, out_error);
	while (err == 0 && n && done < count) {
		size_t want = count - done < CHUNK ? (size_t)(count - done) : CHUNK;

		err = lm_stream_store_read(store, at + done, chunk, want, &n, out_error);
		if (err == 0)
			err = lm_stream_write_at(to, to->position, lm_bytes(chunk, n), out_error);
		if (err)
			break;
		to->position += n;
		done += n;
	}
	if (err == 0 && to != from)
		from->position = at + done;
	lm_stream_store_unref(store);
	lm_free(chunk);
	if (err == 0)
		*out_count = done;
	return err;
}

struct stream_source {
	struct lm_source base;
	struct lm_stream_store *store;
	uint64_t at, end;
	uint8_t *chunk; /* NULL: the store is in memory */
};

static int source_read(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct stream_source *s = lm_container(source, struct stream_source, base);
	uint64_t left = s->end - s->at;
	size_t want = max < CHUNK ? max : CHUNK, n;
	struct lm_bytes chunk;
	int err;

	want = left < want ? (size_t)left : want;
	if (s->chunk) {
		err = lm_stream_store_read(s->store, s->at, s->chunk, want, &n, NULL);
		if (err)
			return err;
		/* Somebody cut the file meanwhile: no part passes for the whole. */
		if (n == 0 && want)
			return LM_E_IO;
		chunk = lm_bytes(s->chunk, n);
	} else {
		chunk = lm_bytes_from(lm_buf_bytes(&s->store->memory), (size_t)s->at);
		chunk.len = want;
	}
	s->at += chunk.len;
	*out_chunk = chunk;
	*out_last = s->at == s->end;
	return 0;
}

static void source_close(struct lm_source *source)
{
	struct stream_source *s = lm_container(source, struct stream_source, base);

	lm_stream_store_unref(s->store);
	lm_free(s->chunk);
	lm_free(s);
}

static const struct lm_source_ops source_ops = { source_read, source_close };

int lm_stream_source(struct lm_stream *stream, struct lm_source **out_source,
                     struct lm_error *out_error)
{
	struct stream_source *s;
	int err = check_reading(stream, out_error);

	if (err)
		return err;
	s = lm_alloc_zero(1, sizeof(*s));
	if (!s)
		return lm_fail(out_error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	s->base.ops = &source_ops;
	/* A named file is written in place. */
	if (stream->store->name && !stream->no_writing)
		err = lm_stream_store_copy(stream->store, &s->store, out_error);
	else
		s->store = lm_stream_store_ref(stream->store);
	if (err == 0)
		err = lm_stream_store_size(s->store, &s->end, out_error);
	if (err == 0 && s->store->fd >= 0) {
		s->chunk = lm_alloc(CHUNK);
		if (!s->chunk)
			err = lm_fail(out_error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	}
	if (err) {
		source_close(&s->base);
		return err;
	}
	*out_source = &s->base;
	return 0;
}
