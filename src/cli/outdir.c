/* New files in a folder: whole, synced, never in the place of another. */
#include "cli/outdir.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_TRIES = 100000 };

static int fail(const char *what, struct lm_error *out_error)
{
	int number = errno;

	return lm_fail_errno(out_error, lm_err_from_errno(number), number, "%s", what);
}

int lm_outdir_open(const char *path, int *out_dir, struct lm_error *out_error)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.200s", path);
	*out_dir = dir;
	return 0;
}

int lm_outfile_begin(struct lm_outfile *file, int dir, struct lm_error *out_error)
{
	file->dir = dir;
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		snprintf(file->temporary, sizeof(file->temporary), ".lettermill-%ld-%u.part",
		         (long)getpid(), i);
		file->fd = openat(dir, file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		                  0600);
		if (file->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return fail("cannot make a file in the folder", out_error);
}

int lm_outfile_write(struct lm_outfile *file, struct lm_bytes octets, struct lm_error *out_error)
{
	while (octets.len > 0) {
		ssize_t n = write(file->fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail("cannot write to the folder", out_error);
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

/* A rename would replace what is there; a link does not. */
static int give_name(struct lm_outfile *file, const char *stem, char *out_name,
                     struct lm_error *out_error)
{
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		if (i == 0)
			snprintf(out_name, LM_OUTDIR_NAME, "%.40s.eml", stem);
		else
			snprintf(out_name, LM_OUTDIR_NAME, "%.40s.%u.eml", stem, i);
		if (renameat2(file->dir, file->temporary, file->dir, out_name, RENAME_NOREPLACE) ==
		    0)
			return 0;
		if (errno == EINVAL || errno == ENOSYS) {
			if (linkat(file->dir, file->temporary, file->dir, out_name, 0) == 0) {
				unlinkat(file->dir, file->temporary, 0);
				return 0;
			}
		}
		if (errno != EEXIST)
			break;
	}
	return fail("cannot name a file in the folder", out_error);
}

int lm_outfile_end(struct lm_outfile *file, const char *stem, char *out_name,
                   struct lm_error *out_error)
{
	int err = 0;

	if (fsync(file->fd) < 0)
		err = fail("cannot write to the folder", out_error);
	if (err == 0)
		err = give_name(file, stem, out_name, out_error);
	if (err == 0 && fsync(file->dir) < 0)
		err = fail("cannot sync the folder", out_error);
	if (err < 0)
		lm_outfile_abort(file);
	else
		close(file->fd);
	return err;
}

void lm_outfile_abort(struct lm_outfile *file)
{
	close(file->fd);
	unlinkat(file->dir, file->temporary, 0);
}
