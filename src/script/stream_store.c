/* Where a stream's octets are: memory up to a mark, an unlinked file beyond it, or a named file. */
#include "script/stream_store.h"

#include "base/error.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_CHUNK = 1 << 16 };

struct lm_stream_store *lm_stream_store_new(void)
{
	struct lm_stream_store *s = lm_alloc_zero(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	lm_buf_init(&s->memory, LM_STASH_MEMORY);
	s->fd = -1;
	return s;
}

struct lm_stream_store *lm_stream_store_of_file(int fd, const char *name)
{
	struct lm_stream_store *s = lm_stream_store_new();

	if (!s)
		return NULL;
	s->name = name ? lm_strdup_bytes(lm_str(name)) : NULL;
	if (name && !s->name) {
		lm_stream_store_unref(s);
		return NULL;
	}
	s->fd = fd;
	return s;
}

struct lm_stream_store *lm_stream_store_ref(struct lm_stream_store *store)
{
	atomic_fetch_add(&store->refs, 1);
	return store;
}

void lm_stream_store_unref(struct lm_stream_store *store)
{
	if (!store || atomic_fetch_sub(&store->refs, 1) != 1)
		return;
	if (store->fd >= 0)
		close(store->fd);
	lm_buf_done(&store->memory);
	lm_free(store->name);
	lm_free(store);
}

static int fail(const struct lm_stream_store *s, const char *what, struct lm_error *out_error)
{
	int code = errno;

	return lm_fail_errno(out_error, lm_err_from_errno(code), code, "cannot %s %.150s", what,
	                     s->name ? s->name : "a temporary file");
}

static int fail_memory(int err, struct lm_error *out_error)
{
	return lm_fail(out_error, err, "%s", lm_err_text(err));
}

int lm_stream_store_size(const struct lm_stream_store *store, uint64_t *out_size,
                         struct lm_error *out_error)
{
	struct stat st;

	if (store->fd < 0) {
		*out_size = lm_buf_len(&store->memory);
		return 0;
	}
	if (!store->name) {
		*out_size = store->size;
		return 0;
	}
	if (fstat(store->fd, &st) < 0)
		return fail(store, "look at", out_error);
	*out_size = (uint64_t)st.st_size;
	return 0;
}

int lm_stream_store_read(const struct lm_stream_store *store, uint64_t at, uint8_t *out,
                         size_t room, size_t *out_len, struct lm_error *out_error)
{
	ssize_t n;

	if (at > INT64_MAX)
		room = 0;
	if (store->fd < 0) {
		struct lm_bytes rest = lm_bytes_from(lm_buf_bytes(&store->memory), (size_t)at);

		*out_len = rest.len < room ? rest.len : room;
		if (*out_len)
			memcpy(out, rest.data, *out_len);
		return 0;
	}
	do
		n = room ? pread(store->fd, out, room, (off_t)at) : 0;
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(store, "read", out_error);
	*out_len = (size_t)n;
	return 0;
}

static int write_file(struct lm_stream_store *s, uint64_t at, struct lm_bytes octets,
                      struct lm_error *out_error)
{
	while (octets.len) {
		ssize_t n = pwrite(s->fd, octets.data, octets.len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(s, "write to", out_error);
		at += (uint64_t)n;
		s->size = at > s->size ? at : s->size;
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

/* The octets in memory become those of a file without a name. */
static int spill(struct lm_stream_store *s, struct lm_error *out_error)
{
	int err = lm_stash_file(&s->fd, out_error);

	if (err)
		return err;
	err = write_file(s, 0, lm_buf_bytes(&s->memory), out_error);
	if (err) {
		close(s->fd);
		s->fd = -1;
		s->size = 0;
		return err;
	}
	lm_buf_done(&s->memory);
	return 0;
}

static int resize_memory(struct lm_stream_store *s, size_t size, struct lm_error *out_error)
{
	size_t old = lm_buf_len(&s->memory);
	uint8_t *room;
	int err;

	if (size <= old) {
		s->memory.len = size;
		return 0;
	}
	err = lm_buf_room(&s->memory, size - old, &room);
	if (err)
		return fail_memory(err, out_error);
	memset(room, 0, size - old);
	lm_buf_grew(&s->memory, size - old);
	return 0;
}

static int write_memory(struct lm_stream_store *s, size_t at, struct lm_bytes octets,
                        struct lm_error *out_error)
{
	int err = 0;

	if (at + octets.len > lm_buf_len(&s->memory))
		err = resize_memory(s, at + octets.len, out_error);
	if (err == 0)
		memcpy(s->memory.data + at, octets.data, octets.len);
	return err;
}

int lm_stream_store_copy(const struct lm_stream_store *store, struct lm_stream_store **out_copy,
                         struct lm_error *out_error)
{
	struct lm_stream_store *copy = lm_stream_store_new();
	uint8_t *chunk = lm_alloc(COPY_CHUNK);
	uint64_t at = 0;
	size_t n = 1;
	int err = copy && chunk ? 0 : fail_memory(LM_E_NOMEM, out_error);

	while (err == 0 && n) {
		err = lm_stream_store_read(store, at, chunk, COPY_CHUNK, &n, out_error);
		if (err == 0)
			err = lm_stream_store_write(&copy, at, lm_bytes(chunk, n), out_error);
		at += n;
	}
	lm_free(chunk);
	if (err) {
		lm_stream_store_unref(copy);
		return err;
	}
	*out_copy = copy;
	return 0;
}

/* Sources that were made see what was there then: a change needs a store of one's own. A named
 * file is changed in place: its sources have copies. */
static int own(struct lm_stream_store **store, struct lm_error *out_error)
{
	struct lm_stream_store *copy;
	int err;

	if (atomic_load(&(*store)->refs) == 1 || (*store)->name)
		return 0;
	err = lm_stream_store_copy(*store, &copy, out_error);
	if (err)
		return err;
	lm_stream_store_unref(*store);
	*store = copy;
	return 0;
}

static int check_end(uint64_t end, struct lm_error *out_error)
{
	if (end <= INT64_MAX)
		return 0;
	return lm_fail(out_error, LM_E_LIMIT, "no file can be that large");
}

int lm_stream_store_write(struct lm_stream_store **store, uint64_t at, struct lm_bytes octets,
                          struct lm_error *out_error)
{
	uint64_t end;
	int err;

	if (!octets.len)
		return 0;
	err = check_end(lm_add(at, octets.len, &end) ? end : UINT64_MAX, out_error);
	/* What is behind the end no source can see. */
	if (err == 0 && ((*store)->fd < 0 || at < (*store)->size))
		err = own(store, out_error);
	if (err == 0 && (*store)->fd < 0 && end > LM_STASH_MEMORY)
		err = spill(*store, out_error);
	if (err)
		return err;
	if ((*store)->fd < 0)
		return write_memory(*store, (size_t)at, octets, out_error);
	return write_file(*store, at, octets, out_error);
}

int lm_stream_store_resize(struct lm_stream_store **store, uint64_t size,
                           struct lm_error *out_error)
{
	int err = check_end(size, out_error);

	if (err == 0)
		err = own(store, out_error);
	if (err == 0 && (*store)->fd < 0 && size > LM_STASH_MEMORY)
		err = spill(*store, out_error);
	if (err)
		return err;
	if ((*store)->fd < 0)
		return resize_memory(*store, (size_t)size, out_error);
	if (ftruncate((*store)->fd, (off_t)size) < 0)
		return fail(*store, "resize", out_error);
	(*store)->size = size;
	return 0;
}
