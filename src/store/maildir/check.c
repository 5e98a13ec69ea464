/* Looking a store over: every Maildir's files, sizes, and its index of guids. */
#include "store/maildir/impl.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 8, LINE = 2 * LM_GUID_KEY_LEN + 2 };

struct check {
	void (*report)(void *ctx, const char *problem);
	void *ctx;
	size_t problems;
	char path[LM_MD_PLACE_MAX + 600]; /* of what is looked at, from the store's folder */
};

static void problem(struct check *c, const char *fmt, ...) LM_PRINTF(2, 3);

static void problem(struct check *c, const char *fmt, ...)
{
	char text[700];
	size_t len = (size_t)snprintf(text, sizeof(text), "%.400s: ", c->path);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, args);
	va_end(args);
	c->problems++;
	if (c->report)
		c->report(c->ctx, text);
}

/* Put "/NAME" behind the path; its length before. */
static size_t enter(struct check *c, const char *name)
{
	size_t len = strlen(c->path);

	snprintf(c->path + len, sizeof(c->path) - len, "%s%s", len ? "/" : "", name);
	return len;
}

static void check_message(struct check *c, int at, const char *name)
{
	struct lm_md_name parsed;
	struct stat st;
	int fd;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
		return; /* gone meanwhile */
	if (!S_ISREG(st.st_mode)) {
		problem(c, "no regular file: not shown");
		return;
	}
	lm_md_name_parse(name, &parsed);
	if (parsed.own && parsed.size != (uint64_t)st.st_size)
		problem(c, "damaged: %llu octets, its name says %llu",
		        (unsigned long long)st.st_size, (unsigned long long)parsed.size);
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		problem(c, "cannot be read: %s", lm_err_text(lm_err_from_errno(errno)));
	if (fd >= 0)
		close(fd);
}

static DIR *open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

static void check_sub(struct check *c, int at, const char *sub)
{
	size_t len = enter(c, sub);
	DIR *dir = open_dir(at, sub);
	struct dirent *one;

	if (!dir)
		problem(c, "no folder that can be read");
	while (dir && (one = readdir(dir))) {
		size_t file = strlen(c->path);

		if (one->d_name[0] == '.')
			continue;
		enter(c, one->d_name);
		check_message(c, dirfd(dir), one->d_name);
		c->path[file] = '\0';
	}
	if (dir)
		closedir(dir);
	c->path[len] = '\0';
}

/* A torn last line is a crash's, and harmless. */
static void check_lines(struct check *c, FILE *f)
{
	struct lm_guid_key key;
	char line[LINE + 1] = "";
	size_t number = 0;

	while (fread(line, 1, LINE, f) == LINE) {
		number++;
		if (!line[0] || !strchr("?+-", line[0]) || !lm_md_unhex(line + 1, &key) ||
		    line[LINE - 1] != '\n')
			problem(c, "damaged in line %zu: a guid is forgotten", number);
	}
}

static void check_guids(struct check *c, int at)
{
	size_t len = enter(c, "lettermill.guids");
	int fd = openat(at, "lettermill.guids",
	                O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct stat st;

	if (!f && errno != ENOENT)
		problem(c, "cannot be read: %s", lm_err_text(lm_err_from_errno(errno)));
	if (f && (fstat(fd, &st) || !S_ISREG(st.st_mode)))
		problem(c, "no regular file");
	else if (f)
		check_lines(c, f);
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	c->path[len] = '\0';
}

static bool is_maildir(int at)
{
	for (int i = 0; i < LM_MD_SUBS; i++)
		if (faccessat(at, lm_md_sub_names[i], F_OK, AT_SYMLINK_NOFOLLOW))
			return false;
	return true;
}

static void check_folder(struct check *c, int at, const char *name, int depth);

static void check_inner(struct check *c, DIR *dir, int depth)
{
	struct dirent *one;

	while ((one = readdir(dir))) {
		struct stat st;
		const char *name = one->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "new") == 0 ||
		    strcmp(name, "cur") == 0 || strcmp(name, "tmp") == 0)
			continue;
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			check_folder(c, dirfd(dir), name, depth + 1);
	}
}

static void check_folder(struct check *c, int at, const char *name, int depth)
{
	size_t len = strlen(c->path);
	DIR *dir = open_dir(at, name);

	if (strcmp(name, ".") != 0)
		enter(c, name);
	if (!dir)
		problem(c, "cannot be read");
	if (dir && is_maildir(dirfd(dir))) {
		check_sub(c, dirfd(dir), "new");
		check_sub(c, dirfd(dir), "cur");
		check_guids(c, dirfd(dir));
	}
	if (dir && depth < DEPTH_MAX)
		check_inner(c, dir, depth);
	if (dir)
		closedir(dir);
	c->path[len] = '\0';
}

int lm_maildir_check(const char *path, void (*report)(void *ctx, const char *problem), void *ctx,
                     struct lm_error *out_error)
{
	struct check c = { .report = report, .ctx = ctx };
	char *pattern = NULL;
	int fd, err = lm_md_root_open(path, false, &fd, &pattern, out_error);

	if (err)
		return err;
	check_folder(&c, fd, ".", 0);
	close(fd);
	lm_free(pattern);
	return c.problems ? lm_fail(out_error, LM_E_CORRUPT, "%s: %zu problems", path, c.problems)
	                  : 0;
}
