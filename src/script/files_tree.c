/* Folders with all that is in them, removed from below; links are removed, never followed. */
#include "script/files.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each level keeps a descriptor open. */
enum { MAX_DEPTH = 500 };

static int empty(int fd, int depth);

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* 0 or an errno. */
static int remove_entry(int folder, const char *name, int depth)
{
	int fd, err;

	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return errno;
	if (depth >= MAX_DEPTH)
		return ELOOP;
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno;
	err = empty(fd, depth + 1);
	if (err == 0 && unlinkat(folder, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		err = errno;
	return err;
}

/* Takes the descriptor. What is removed meanwhile may hide what is not yet: so it begins anew until
 * it finds nothing. */
static int empty(int fd, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	bool again = true;
	int err = 0;

	if (!dir) {
		err = errno;
		close(fd);
		return err;
	}
	while (again && err == 0) {
		again = false;
		rewinddir(dir);
		while (err == 0 && (errno = 0, entry = readdir(dir))) {
			if (is_dots(entry->d_name))
				continue;
			err = remove_entry(dirfd(dir), entry->d_name, depth);
			again = true;
		}
		if (err == 0 && !entry && errno)
			err = errno;
	}
	closedir(dir);
	return err;
}

int lm_file_remove_tree(const char *path, const char *name, struct lm_error *out_error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err;

	if (fd < 0)
		return lm_file_fail(errno, "remove", name, out_error);
	err = empty(fd, 0);
	if (err == 0 && rmdir(path) < 0)
		err = errno;
	return err ? lm_file_fail(err, "remove", name, out_error) : 0;
}
