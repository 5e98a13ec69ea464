/* A stash: memory first, then an unlinked file. */
#include "mime/stash.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void lm_stash_init(struct lm_stash *s)
{
	*s = (struct lm_stash){ .fd = -1 };
	lm_buf_init(&s->memory, 2 * LM_STASH_MEMORY);
}

void lm_stash_done(struct lm_stash *s)
{
	if (s->fd >= 0)
		close(s->fd);
	lm_buf_done(&s->memory);
	s->fd = -1;
}

static const char *folder(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/tmp";
}

/* Not every file system has files that never had a name. */
static int open_named(void)
{
	char path[4096];
	int fd, n = snprintf(path, sizeof(path), "%s/lettermill-XXXXXX", folder());

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

int lm_stash_file(int *out_fd, struct lm_error *out_error)
{
	int fd = -1;

#ifdef O_TMPFILE
	fd = open(folder(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
#endif
	if (fd < 0)
		fd = open_named();
	if (fd < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
		                     "cannot make a temporary file in %.100s", folder());
	*out_fd = fd;
	return 0;
}

static int flush(struct lm_stash *s, struct lm_error *out_error)
{
	while (lm_buf_len(&s->memory)) {
		struct lm_bytes b = lm_buf_bytes(&s->memory);
		ssize_t n = write(s->fd, b.data, b.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
			                     "cannot write to a temporary file in %.100s",
			                     folder());
		s->written += (uint64_t)n;
		lm_buf_drop(&s->memory, (size_t)n);
	}
	return 0;
}

static int add_piece(struct lm_stash *s, struct lm_bytes piece, struct lm_error *out_error)
{
	int err = lm_buf_add(&s->memory, piece);

	if (err)
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	if (lm_buf_len(&s->memory) <= LM_STASH_MEMORY)
		return 0;
	if (s->fd < 0)
		err = lm_stash_file(&s->fd, out_error);
	return err ? err : flush(s, out_error);
}

int lm_stash_add(struct lm_stash *s, struct lm_bytes octets, struct lm_error *out_error)
{
	int err = 0;

	while (octets.len && err == 0) {
		size_t n = octets.len < LM_STASH_MEMORY ? octets.len : LM_STASH_MEMORY;

		err = add_piece(s, lm_bytes(octets.data, n), out_error);
		octets = lm_bytes_from(octets, n);
	}
	return err;
}

int lm_stash_end(struct lm_stash *s, struct lm_error *out_error)
{
	int err = s->fd < 0 ? 0 : flush(s, out_error);

	if (err == 0 && s->fd >= 0)
		lm_buf_done(&s->memory);
	return err;
}

uint64_t lm_stash_size(const struct lm_stash *s)
{
	return s->written + lm_buf_len(&s->memory);
}

int lm_stash_read(const struct lm_stash *s, uint64_t at, uint8_t *out, size_t room, size_t *out_len)
{
	struct lm_bytes rest = lm_bytes_from(lm_buf_bytes(&s->memory), (size_t)at);
	ssize_t n;

	if (s->fd < 0) {
		*out_len = rest.len < room ? rest.len : room;
		if (*out_len)
			memcpy(out, rest.data, *out_len);
		return 0;
	}
	do
		n = pread(s->fd, out, room, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return lm_err_from_errno(errno);
	*out_len = (size_t)n;
	return 0;
}
