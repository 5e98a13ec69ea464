/* infinity.directory: folders made, listed and removed. */
#include "script/files_native.h"

#include "script/values.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_MAX = 1 << 28, MADE = 0777 };

/* Each parent in turn; *out_made: the last one was. 0 or an errno. */
static int make_all(char *path, bool *out_made)
{
	for (char *at = path + 1;; at++) {
		char end = *at;
		struct stat st;

		if (end != '/' && end != '\0')
			continue;
		*at = '\0';
		*out_made = mkdir(path, MADE) == 0;
		if (!*out_made && errno != EEXIST && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
			return errno;
		if (!*out_made && stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
			return end ? ENOTDIR : EEXIST;
		*at = end;
		if (!end)
			return 0;
	}
}

/* "a/b/" is "a/b". */
static void drop_slashes(char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
}

struct lm_js_value *lm_directory_create(const struct lm_js_call *call)
{
	struct lm_file_name f;
	struct lm_error error;
	bool made = false;
	int why;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	drop_slashes(f.path);
	why = strcmp(f.path, "/") == 0 ? 0 : make_all(f.path, &made);
	if (why == 0)
		return lm_js_bool(call->js, made);
	lm_file_fail(why, "make the directory", f.name, &error);
	return lm_js_throw_error(call->js, &error);
}

static int remove_directory(struct lm_file_name *f, bool all, struct lm_error *out_error)
{
	struct stat st;
	int err;

	drop_slashes(f->path);
	err = lm_file_stat(f, false, &st, out_error);
	if (err)
		return err;
	if (!S_ISDIR(st.st_mode))
		return lm_file_fail(ENOTDIR, "remove the directory", f->name, out_error);
	if (strcmp(f->path, "/") == 0)
		return lm_file_fail(EPERM, "remove the directory", f->name, out_error);
	if (all)
		return lm_file_remove_tree(f->path, f->name, out_error);
	if (rmdir(f->path) < 0)
		return lm_file_fail(errno, "remove the directory", f->name, out_error);
	return 0;
}

struct lm_js_value *lm_directory_remove(const struct lm_js_call *call)
{
	bool all = lm_js_truth(call->js, lm_js_arg(call, 1));
	struct lm_file_name f;
	struct lm_error error;
	int err;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	err = remove_directory(&f, all, &error);
	if (err && err != LM_E_NOT_FOUND)
		return lm_js_throw_error(call->js, &error);
	return lm_js_bool(call->js, err == 0);
}

static int add_entry(DIR *dir, const char *name, struct lm_buf *out)
{
	struct stat link, st;
	bool is_link, is_there;
	char kind;
	int err;

	/* It may be gone by now. */
	if (fstatat(dirfd(dir), name, &link, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	is_link = S_ISLNK(link.st_mode);
	is_there = fstatat(dirfd(dir), name, &st, 0) == 0;
	if (!is_there)
		st = link;
	kind = S_ISDIR(st.st_mode) ? 'd' : S_ISREG(st.st_mode) ? 'f' : 's';
	err = lm_buf_add(out, lm_bytes(name, strlen(name) + 1));
	if (err == 0)
		err = lm_buf_printf(out, "%c%s%s", kind, is_link ? "l" : "",
		                    is_there && !(st.st_mode & 0222) ? "r" : "");
	return err ? err : lm_buf_add(out, lm_bytes("", 1));
}

static int list(const struct lm_file_name *f, struct lm_buf *out, struct lm_error *out_error)
{
	DIR *dir = opendir(f->path);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return lm_file_fail(errno, "list", f->name, out_error);
	while (err == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = add_entry(dir, entry->d_name, out);
	if (err)
		lm_fail(out_error, err, "cannot list %.150s: %s", f->name, lm_err_text(err));
	else if (errno)
		err = lm_file_fail(errno, "list", f->name, out_error);
	closedir(dir);
	return err;
}

struct lm_js_value *lm_directory_list(const struct lm_js_call *call)
{
	struct lm_buf out = { .max = LIST_MAX };
	struct lm_js_value *result;
	struct lm_file_name f;
	struct lm_error error;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	if (list(&f, &out, &error))
		result = lm_js_throw_error(call->js, &error);
	else
		result = lm_js_string(call->js, lm_buf_bytes(&out));
	lm_buf_done(&out);
	return result;
}
