/* Names of script and data files, and reading them. */
#include "script/runtime_impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Names ---- */

static char *join(const char *folder, const char *name)
{
	size_t len = strlen(folder) + strlen(name) + 2;
	char *path = lm_alloc(len);

	if (path)
		snprintf(path, len, "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name);
	return path;
}

static char *absolute(struct lm_runtime *rt, const char *folder, struct lm_bytes name)
{
	char *copy, *path;

	if (name.len == 0) {
		lm_js_throw(rt->js, LM_JS_RANGE_ERROR, "a file's name cannot be empty");
		return NULL;
	}
	if (memchr(name.data, '\0', name.len) || name.len >= LM_RUNTIME_MAX_PATH) {
		lm_js_throw(rt->js, LM_JS_RANGE_ERROR, "a file's name: up to %d octets without NUL",
		            LM_RUNTIME_MAX_PATH - 1);
		return NULL;
	}
	copy = lm_strdup_bytes(name);
	if (copy && *copy == '/')
		return copy;
	path = copy ? join(folder, copy) : NULL;
	lm_free(copy);
	if (!path)
		lm_native_nomem(rt->js);
	return path;
}

char *lm_runtime_script_path(struct lm_runtime *rt, struct lm_bytes name)
{
	return absolute(rt, rt->script->root, name);
}

char *lm_runtime_data_path(struct lm_runtime *rt, struct lm_bytes name)
{
	return absolute(rt, rt->script->data_root, name);
}

static bool throw_errno(struct lm_runtime *rt, const char *path)
{
	struct lm_error error = { 0 };
	int errnum = errno;

	lm_fail_errno(&error, lm_err_from_errno(errnum), errnum, "%s", path);
	return lm_js_throw_error(rt->js, &error);
}

char *lm_runtime_real_path(struct lm_runtime *rt, const char *path)
{
	char *real = realpath(path, NULL), *copy;

	if (!real) {
		throw_errno(rt, path);
		return NULL;
	}
	copy = lm_strdup_bytes(lm_str(real));
	free(real); /* realpath's own memory */
	if (!copy)
		lm_native_nomem(rt->js);
	return copy;
}

/* ---- Reading ---- */

static int read_all(int fd, struct lm_buf *out)
{
	uint8_t *room;
	ssize_t got;
	int err;

	do {
		err = lm_buf_room(out, 64 * 1024, &room);
		if (err < 0)
			return err;
		do
			got = read(fd, room, 64 * 1024);
		while (got < 0 && errno == EINTR);
		if (got < 0)
			return lm_err_from_errno(errno);
		lm_buf_grew(out, (size_t)got);
	} while (got > 0);
	return 0;
}

/* Whatever is no regular file could block for ever, or never end. */
static int check_file(int fd, const char *path, struct lm_error *out_error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return lm_fail_errno(out_error, LM_E_IO, errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return lm_fail(out_error, LM_E_IO, "%s: is a folder", path);
	if (!S_ISREG(st.st_mode))
		return lm_fail(out_error, LM_E_IO, "%s: is no regular file", path);
	if (st.st_size > LM_RUNTIME_MAX_FILE)
		return lm_fail(out_error, LM_E_LIMIT, "%s: larger than %d MB", path,
		               LM_RUNTIME_MAX_FILE >> 20);
	return 0;
}

static int read_file(const char *path, struct lm_buf *out, struct lm_error *out_error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;

	if (fd < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%s", path);
	err = check_file(fd, path, out_error);
	if (err == 0) {
		err = read_all(fd, out);
		if (err < 0)
			lm_fail(out_error, err, "%s: %s", path, lm_err_text(err));
	}
	close(fd);
	return err;
}

bool lm_runtime_read_file(struct lm_runtime *rt, const char *path, struct lm_buf *out)
{
	struct lm_error error = { 0 };

	return read_file(path, out, &error) == 0 || lm_js_throw_error(rt->js, &error);
}

bool lm_runtime_read_script(struct lm_runtime *rt, const char *path, struct lm_buf *out)
{
	if (!lm_runtime_read_file(rt, path, out))
		return false;
	if (lm_buf_len(out) >= 3 && memcmp(out->data + out->head, "\xEF\xBB\xBF", 3) == 0)
		lm_buf_drop(out, 3);
	if (lm_buf_len(out) >= 2 && memcmp(out->data + out->head, "#!", 2) == 0)
		memcpy(out->data + out->head, "//", 2);
	return true;
}
