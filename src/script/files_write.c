/* Files written whole: a temporary one, synced, and renamed over the target. */
#include "script/files.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100, CREATED = 0666 };

int lm_file_fail(int errnum, const char *what, const char *name, struct lm_error *out_error)
{
	int err;

	switch (errnum) {
	case ENOTDIR:
	case EISDIR:
	case ENXIO:
	case ENOTEMPTY:
	case ELOOP:
		err = LM_E_UNSUPPORTED;
		break;
	default:
		err = lm_err_from_errno(errnum);
	}
	return lm_fail_errno(out_error, err, errnum, "cannot %s %.150s", what, name);
}

/* The folder's part of a path, with its slash: its length. */
static size_t folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

void lm_file_sync_folder(const char *path)
{
	char folder[PATH_MAX];
	size_t len = folder_of(path);
	int fd;

	if (!len || len >= sizeof(folder))
		return;
	memcpy(folder, path, len);
	folder[len] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* A link stays one: what it points to is written. */
static int resolve(struct lm_file_writer *w, const char *path, struct stat *out_st,
                   struct lm_error *out_error)
{
	bool is_there = lstat(path, out_st) == 0;
	int len;

	if (is_there && S_ISLNK(out_st->st_mode)) {
		if (!realpath(path, w->path))
			return lm_file_fail(errno, "write to", w->name, out_error);
		is_there = stat(w->path, out_st) == 0;
	} else {
		len = snprintf(w->path, sizeof(w->path), "%s", path);
		if (len < 0 || (size_t)len >= sizeof(w->path))
			return lm_file_fail(ENAMETOOLONG, "write to", w->name, out_error);
	}
	if (is_there && S_ISDIR(out_st->st_mode))
		return lm_file_fail(EISDIR, "write to", w->name, out_error);
	if (is_there && !S_ISREG(out_st->st_mode))
		return lm_fail(out_error, LM_E_UNSUPPORTED,
		               "cannot write to %.150s: it is no regular file", w->name);
	if (!is_there)
		out_st->st_mode = 0;
	return 0;
}

static int open_temp(struct lm_file_writer *w, struct lm_error *out_error)
{
	size_t folder = folder_of(w->path);
	uint64_t chance;
	int len;

	for (int i = 0; i < TRIES; i++) {
		if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
			chance = (uint64_t)i << 32 | (uint32_t)getpid();
		len = snprintf(w->temp, sizeof(w->temp), "%.*s.lettermill-%016" PRIx64, (int)folder,
		               w->path, chance);
		if (len < 0 || (size_t)len >= sizeof(w->temp))
			return lm_file_fail(ENAMETOOLONG, "write to", w->name, out_error);
		w->fd = open(w->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, CREATED);
		if (w->fd >= 0)
			return 0;
		if (errno != EEXIST && errno != EINTR)
			break;
	}
	return lm_file_fail(errno == ENOTDIR ? ENOENT : errno, "write to", w->name, out_error);
}

int lm_file_writer_begin(struct lm_file_writer *w, const char *path, const char *name,
                         struct lm_error *out_error)
{
	struct stat st;
	int err;

	*w = (struct lm_file_writer){ .fd = -1, .name = name };
	err = resolve(w, path, &st, out_error);
	/* Who may not write to a file cannot replace it either. */
	if (err == 0 && st.st_mode && access(w->path, W_OK) < 0)
		err = lm_file_fail(errno, "write to", name, out_error);
	if (err == 0)
		err = open_temp(w, out_error);
	if (err == 0 && st.st_mode)
		(void)fchmod(w->fd, st.st_mode & 07777);
	return err;
}

int lm_file_writer_append(struct lm_file_writer *w, const char *path, const char *name,
                          struct lm_error *out_error)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat st;
	int err;

	*w = (struct lm_file_writer){ .fd = -1, .name = name, .appends = true };
	err = resolve(w, path, &st, out_error);
	if (err)
		return err;
	do
		w->fd = open(w->path, flags, CREATED);
	while (w->fd < 0 && errno == EINTR);
	if (w->fd < 0)
		return lm_file_fail(errno == ENOTDIR ? ENOENT : errno, "write to", name, out_error);
	if (fstat(w->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(w->fd);
		return lm_fail(out_error, LM_E_UNSUPPORTED,
		               "cannot write to %.150s: it is no regular file", name);
	}
	w->before = st.st_size;
	return 0;
}

int lm_file_writer_add(struct lm_file_writer *w, struct lm_bytes octets, struct lm_error *out_error)
{
	while (octets.len) {
		ssize_t n = write(w->fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lm_file_fail(errno, "write to", w->name, out_error);
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

/* Half of what was to be appended goes again. */
void lm_file_writer_abort(struct lm_file_writer *w)
{
	if (w->fd < 0)
		return;
	if (w->appends && ftruncate(w->fd, w->before) < 0)
		errno = 0;
	close(w->fd);
	if (!w->appends)
		(void)unlink(w->temp);
	w->fd = -1;
}

static int sync_file(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (result < 0 && errno == EINTR);
	return result;
}

int lm_file_rename(const char *from, const char *to, const char *name, bool only_new,
                   int *out_errno, struct lm_error *out_error)
{
	int result = renameat2(AT_FDCWD, from, AT_FDCWD, to, only_new ? RENAME_NOREPLACE : 0);

	/* Some file systems cannot do that at once; a second name can be had instead. */
	if (result < 0 && only_new && (errno == EINVAL || errno == ENOSYS)) {
		result = link(from, to);
		if (result == 0)
			result = unlink(from);
	}
	if (result == 0)
		return 0;
	if (out_errno)
		*out_errno = errno;
	return lm_file_fail(errno, "write to", name, out_error);
}

int lm_file_writer_commit(struct lm_file_writer *w, bool only_new, struct lm_error *out_error)
{
	int err = sync_file(w->fd) < 0 ? lm_file_fail(errno, "write to", w->name, out_error) : 0;

	if (err == 0 && !w->appends)
		err = lm_file_rename(w->temp, w->path, w->name, only_new, NULL, out_error);
	if (err) {
		lm_file_writer_abort(w);
		return err;
	}
	close(w->fd);
	w->fd = -1;
	if (!w->appends || w->before == 0)
		lm_file_sync_folder(w->path);
	return 0;
}
