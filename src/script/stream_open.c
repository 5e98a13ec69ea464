/* Streams over named files: the mode's bits as flags and locks. */
#include "script/stream_impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SHARES = LM_FILE_SHARE_EXCLUSIVE | LM_FILE_SHARE_DENY_WRITE | LM_FILE_SHARE_DENY_NONE,
	CREATED = 0666, /* the umask takes away what the user does not want */
};

static bool is_create(unsigned mode)
{
	return (mode & LM_FILE_CREATE) == LM_FILE_CREATE;
}

static int check_mode(unsigned mode, struct lm_error *out_error)
{
	unsigned share = mode & SHARES;
	unsigned rest = mode & ~(unsigned)(LM_FILE_ACCESS | LM_FILE_EXCLUSIVE | SHARES);

	if ((rest && rest != LM_FILE_CREATE) || (mode & LM_FILE_ACCESS) == LM_FILE_ACCESS)
		return lm_fail(out_error, LM_E_MISUSE, "%u is no file mode", mode);
	if (share & (share - 1))
		return lm_fail(out_error, LM_E_MISUSE,
		               "a file mode can have one way of sharing only");
	return 0;
}

/* What is not there (a FIFO's other end above all) is not waited for. */
static int open_flags(unsigned mode)
{
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

	if (is_create(mode))
		return flags | O_RDWR | O_CREAT | (mode & LM_FILE_EXCLUSIVE ? O_EXCL : 0);
	if (mode & LM_FILE_WRITE)
		return flags | O_WRONLY;
	return flags | (mode & LM_FILE_READ_WRITE ? O_RDWR : O_RDONLY);
}

static int fail_open(const char *name, int code, struct lm_error *out_error)
{
	int err = code == EISDIR || code == ENXIO ? LM_E_UNSUPPORTED : lm_err_from_errno(code);

	err = code == ENOTDIR ? LM_E_NOT_FOUND : err;
	return lm_fail_errno(out_error, err, code, "cannot open %.150s", name);
}

static int check_regular(int fd, const char *name, struct stat *out_st, struct lm_error *out_error)
{
	if (fstat(fd, out_st) < 0)
		return fail_open(name, errno, out_error);
	if (S_ISREG(out_st->st_mode))
		return 0;
	return lm_fail(out_error, LM_E_UNSUPPORTED, "cannot open %.150s: %s", name,
	               S_ISDIR(out_st->st_mode) ? "it is a directory" : "it is no regular file");
}

/* Locks are advisory, so they hold among those who ask for one. */
static int lock(int fd, const char *name, unsigned mode, struct lm_error *out_error)
{
	bool alone = mode & LM_FILE_SHARE_EXCLUSIVE;
	bool writes = is_create(mode) || (mode & LM_FILE_ACCESS);

	if ((mode & LM_FILE_EXCLUSIVE) && !is_create(mode))
		alone = true;
	if (!alone && !(mode & LM_FILE_SHARE_DENY_WRITE))
		return 0;
	if (flock(fd, (alone || writes ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return lm_fail(out_error, LM_E_IN_USE, "cannot open %.150s: another has it open",
		               name);
	return fail_open(name, errno, out_error);
}

static int prepare(int fd, const char *name, unsigned mode, struct stat *out_st,
                   struct lm_error *out_error)
{
	int err = check_regular(fd, name, out_st, out_error);

	if (err == 0)
		err = lock(fd, name, mode, out_error);
	if (err == 0 && is_create(mode) && ftruncate(fd, 0) < 0)
		err = fail_open(name, errno, out_error);
	return err;
}

static struct lm_stream *make(int fd, const char *path, const char *name, bool auto_delete)
{
	struct lm_stream *s = lm_alloc_zero(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	s->name = lm_strdup_bytes(lm_str(name));
	s->path = auto_delete ? lm_strdup_bytes(lm_str(path)) : NULL;
	s->store = lm_stream_store_of_file(-1, name);
	if (s->name && s->store && (s->path || !auto_delete)) {
		s->store->fd = fd;
		return s;
	}
	lm_free(s->path);
	s->path = NULL;
	lm_stream_unref(s);
	return NULL;
}

int lm_stream_open(const char *path, const char *name, unsigned mode, bool auto_delete,
                   struct lm_stream **out_stream, struct lm_error *out_error)
{
	struct lm_stream *s = NULL;
	struct stat st;
	int fd, err = check_mode(mode, out_error);

	if (err)
		return err;
	do
		fd = open(path, open_flags(mode), CREATED);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return fail_open(name, errno, out_error);
	err = prepare(fd, name, mode, &st, out_error);
	if (err == 0) {
		s = make(fd, path, name, auto_delete);
		err = s ? 0 : lm_fail(out_error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	}
	if (err) {
		close(fd);
		return err;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->no_writing = !is_create(mode) && !(mode & LM_FILE_ACCESS);
	s->no_reading = !is_create(mode) && (mode & LM_FILE_WRITE);
	*out_stream = s;
	return 0;
}
