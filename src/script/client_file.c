/* A file that a message goes into: whole or not at all. */
#include "script/client.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TRIES = 10000, ALL_MAY = 0666 };

struct lm_client_file {
	char *path;
	char *beside; /* where it is written; NULL: in place */
	int fd;
};

static int fail(const struct lm_client_file *file, struct lm_error *out_error)
{
	const int number = errno;

	return lm_fail_errno(out_error, lm_err_from_errno(number), number, "%.180s", file->path);
}

/* Where a symbolic link leads is what is meant. */
static int follow(struct lm_client_file *file)
{
	char real[PATH_MAX], *own;

	if (!realpath(file->path, real))
		return 0;
	own = lm_strdup_bytes(lm_str(real));
	if (!own)
		return LM_E_NOMEM;
	lm_free(file->path);
	file->path = own;
	return 0;
}

static int open_beside(struct lm_client_file *file, mode_t mode, struct lm_error *out_error)
{
	const size_t room = strlen(file->path) + 48;

	file->beside = lm_alloc(room);
	if (!file->beside)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		snprintf(file->beside, room, "%s.%ld-%u.part", file->path, (long)gettid(), i);
		file->fd = open(file->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (file->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	lm_free(file->beside);
	file->beside = NULL;
	return fail(file, out_error);
}

static int open_file(struct lm_client_file *file, struct lm_error *out_error)
{
	struct stat there;

	if (stat(file->path, &there) != 0)
		return errno == ENOENT ? open_beside(file, ALL_MAY, out_error)
		                       : fail(file, out_error);
	if (S_ISREG(there.st_mode) && access(file->path, W_OK) == 0)
		return open_beside(file, there.st_mode & ALL_MAY, out_error);
	file->fd = open(file->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return file->fd < 0 ? fail(file, out_error) : 0;
}

int lm_client_file_new(char *path, struct lm_client_file **out_file, struct lm_error *out_error)
{
	struct lm_client_file *file = lm_alloc_zero(1, sizeof(*file));
	int err;

	if (!file) {
		lm_free(path);
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	file->path = path;
	file->fd = -1;
	err = follow(file) ? lm_fail(out_error, LM_E_NOMEM, "out of memory")
	                   : open_file(file, out_error);
	if (err)
		lm_client_file_free(file);
	else
		*out_file = file;
	return err;
}

int lm_client_file_write(struct lm_client_file *file, struct lm_bytes octets,
                         struct lm_error *out_error)
{
	while (octets.len) {
		ssize_t n = write(file->fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(file, out_error);
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

int lm_client_file_end(struct lm_client_file *file, struct lm_error *out_error)
{
	if (file->beside && fsync(file->fd) != 0)
		return fail(file, out_error);
	if (close(file->fd) != 0 && errno != EINTR) {
		file->fd = -1;
		return fail(file, out_error);
	}
	file->fd = -1;
	if (file->beside && rename(file->beside, file->path) != 0)
		return fail(file, out_error);
	lm_free(file->beside);
	file->beside = NULL;
	return 0;
}

void lm_client_file_free(struct lm_client_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	if (file->beside)
		(void)unlink(file->beside);
	lm_free(file->beside);
	lm_free(file->path);
	lm_free(file);
}
