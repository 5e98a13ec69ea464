/* A localfs store as a whole: its folders, reading, opening, checking. */
#include "store/localfs/impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_LIMIT = 10, PIECE = 64 * 1024 };

static int read_fd(const struct lm_localfs *l, int fd,
                   int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                   struct lm_error *out_error)
{
	uint8_t *piece = lm_alloc(PIECE);
	int err = piece ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
	ssize_t n = 1;

	while (err == 0 && n != 0) {
		n = read(fd, piece, PIECE);
		if (n > 0)
			err = sink(ctx, lm_bytes(piece, (size_t)n));
		else if (n < 0 && errno != EINTR)
			err = lm_fail_errno(out_error, LM_E_IO, errno, "%s: cannot read", l->path);
	}
	lm_free(piece);
	return err;
}

static int localfs_read(struct lm_mime_store *store, const struct lm_mime_item *item,
                        int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                        struct lm_error *out_error)
{
	struct lm_localfs *l = (struct lm_localfs *)store;
	struct lm_localfs_file file;
	struct stat st;
	int fd, err = lm_localfs_publish(l, out_error);

	if (err == 0)
		err = lm_localfs_find(l, item->name, &file, out_error);
	if (err)
		return err;
	fd = openat(l->dir[file.place], file.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%s/%s%s", l->path,
		                     lm_localfs_folder(file.place), file.name);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		err = read_fd(l, fd, sink, ctx, out_error);
	else
		err = lm_fail(out_error, LM_E_NOT_FOUND, "%s: no such message", l->path);
	close(fd);
	return err;
}

static void localfs_close(struct lm_mime_store *store)
{
	struct lm_localfs *l = (struct lm_localfs *)store;

	for (unsigned p = 0; p < LM_AT_PLACES; p++)
		if (l->dir[p] >= 0)
			close(l->dir[p]);
	lm_localfs_forget_items(l);
	lm_localfs_forget_moves(l);
	lm_free(l->path);
	lm_free(l);
}

static const struct lm_mime_ops ops = {
	.close = localfs_close,
	.query = lm_localfs_query,
	.read = localfs_read,
	.mark = lm_localfs_mark,
	.add_begin = lm_localfs_add_begin,
	.add_write = lm_localfs_add_write,
	.add_end = lm_localfs_add_end,
	.add_abort = lm_localfs_add_abort,
	.flush = lm_localfs_flush,
};

static int open_folder(struct lm_localfs *l, enum lm_localfs_place place,
                       struct lm_error *out_error)
{
	char name[16] = "";
	size_t len = strlen(lm_localfs_folder(place)) - 1;
	int why;

	memcpy(name, lm_localfs_folder(place), len);
	l->dir[place] = openat(l->dir[LM_AT_ROOT], name,
	                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->dir[place] >= 0)
		return 0;
	why = errno;
	if (why == ENOENT)
		return lm_fail(out_error, LM_E_NOT_FOUND, "Please mkdir %s/%s. it is needed for %s",
		               l->path, name, name);
	if (why == ENOTDIR || why == ELOOP)
		return lm_fail(out_error, LM_E_CONFIG, "%s/%s is no folder", l->path, name);
	return lm_fail_errno(out_error, lm_err_from_errno(why), why, "%s/%s", l->path, name);
}

static int open_folders(struct lm_localfs *l, struct lm_error *out_error)
{
	int err = 0;

	l->dir[LM_AT_ROOT] = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir[LM_AT_ROOT] < 0 && errno == ENOENT)
		return lm_fail(out_error, LM_E_NOT_FOUND,
		               "Please mkdir %s, with archive, staged and dup in it", l->path);
	if (l->dir[LM_AT_ROOT] < 0)
		return lm_fail_errno(out_error,
		                     errno == ENOTDIR ? LM_E_CONFIG : lm_err_from_errno(errno),
		                     errno, "%s", l->path);
	for (unsigned p = LM_AT_ARCHIVE; err == 0 && p < LM_AT_PLACES; p++)
		err = open_folder(l, (enum lm_localfs_place)p, out_error);
	return err;
}

int lm_localfs_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                    struct lm_mime_store **out_store, struct lm_error *out_error)
{
	const char *path;
	struct lm_localfs *l;
	int err = lm_mime_place(rest, conf, LM_MIME_PATH, &path, out_error);

	(void)url;
	if (err)
		return err;
	l = lm_alloc_zero(1, sizeof(*l));
	if (!l)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (unsigned p = 0; p < LM_AT_PLACES; p++)
		l->dir[p] = -1;
	l->head.ops = &ops;
	l->head.caps = LM_MIME_DURABLE;
	l->limit = conf->limit ? conf->limit : DEFAULT_LIMIT;
	l->descending = conf->descending;
	l->path = lm_strdup_bytes(lm_str(path));
	if (!l->path)
		err = lm_fail(out_error, LM_E_NOMEM, "out of memory");
	if (err == 0)
		err = open_folders(l, out_error);
	if (err) {
		localfs_close(&l->head);
		return err;
	}
	if (conf->commit)
		lm_localfs_sweep(l);
	*out_store = &l->head;
	return 0;
}
