/* infinity.file: what js/files.js calls about single files. */
#include "script/files_native.h"

#include "script/octets.h"
#include "script/stream_impl.h"
#include "script/values.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AT_ONCE = 1 << 30, COPY_CHUNK = 1 << 16 };

bool lm_file_named(const struct lm_js_call *call, size_t i, struct lm_file_name *out)
{
	char *path;
	size_t len;

	if (!lm_octets_text(call->js, lm_js_arg(call, i), "a file's name", out->name,
	                    sizeof(out->name)))
		return false;
	path = lm_runtime_data_path(call->data, lm_str(out->name));
	if (!path)
		return false;
	len = strlen(path);
	if (len < sizeof(out->path))
		memcpy(out->path, path, len + 1);
	lm_free(path);
	if (len < sizeof(out->path))
		return true;
	lm_js_throw(call->js, LM_JS_RANGE_ERROR, "a file's name: it is too long");
	return false;
}

struct lm_js_value *lm_file_done(const struct lm_js_call *call, int err, struct lm_error *error)
{
	return err ? lm_js_throw_error(call->js, error) : lm_js_undefined(call->js);
}

int lm_file_stat(const struct lm_file_name *f, bool follow, struct stat *out_st,
                 struct lm_error *out_error)
{
	if ((follow ? stat : lstat)(f->path, out_st) == 0)
		return 0;
	if (errno == ENOTDIR)
		errno = ENOENT;
	return lm_file_fail(errno, "look at", f->name, out_error);
}

static struct lm_js_value *is_there(const struct lm_js_call *call, bool directory)
{
	struct lm_file_name f;
	struct lm_error error;
	struct stat st;
	int err;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	err = lm_file_stat(&f, true, &st, &error);
	if (err && err != LM_E_NOT_FOUND)
		return lm_js_throw_error(call->js, &error);
	return lm_js_bool(call->js, err == 0 && S_ISDIR(st.st_mode) == directory);
}

static struct lm_js_value *file_exists(const struct lm_js_call *call)
{
	return is_there(call, false);
}

static struct lm_js_value *directory_exists(const struct lm_js_call *call)
{
	return is_there(call, true);
}

/* (name): octets */
static struct lm_js_value *file_size(const struct lm_js_call *call)
{
	struct lm_file_name f;
	struct lm_error error;
	struct stat st;
	int err;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	err = lm_file_stat(&f, true, &st, &error);
	if (err == 0 && S_ISDIR(st.st_mode))
		err = lm_file_fail(EISDIR, "tell the size of", f.name, &error);
	if (err)
		return lm_js_throw_error(call->js, &error);
	return lm_js_number(call->js, (double)st.st_size);
}

/* (name): milliseconds of the clock */
static struct lm_js_value *file_age(const struct lm_js_call *call)
{
	struct lm_file_name f;
	struct lm_error error;
	struct stat st;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	if (lm_file_stat(&f, true, &st, &error))
		return lm_js_throw_error(call->js, &error);
	return lm_js_number(call->js, (double)st.st_mtim.tv_sec * 1000 +
	                                      (double)(st.st_mtim.tv_nsec / 1000000));
}

static int read_whole(const struct lm_file_name *f, struct lm_buf *out, struct lm_error *out_error)
{
	struct lm_stream *s;
	int err = lm_stream_open(f->path, f->name, LM_FILE_READ, false, &s, out_error);

	if (err)
		return err;
	err = lm_stream_take(s, UINT64_MAX, out, out_error);
	lm_stream_unref(s);
	if (err == LM_E_LIMIT)
		return lm_fail(out_error, err, "cannot read %.150s: larger than %d MB", f->name,
		               AT_ONCE >> 20);
	return err;
}

static bool read_arg(const struct lm_js_call *call, struct lm_buf *out)
{
	struct lm_file_name f;
	struct lm_error error;

	if (!lm_file_named(call, 0, &f))
		return false;
	if (read_whole(&f, out, &error) == 0)
		return true;
	lm_js_throw_error(call->js, &error);
	return false;
}

static struct lm_js_value *file_bytes(const struct lm_js_call *call)
{
	struct lm_buf out = { .max = AT_ONCE };
	struct lm_js_value *result = read_arg(call, &out) ? lm_value_bytes(call->js, &out) : NULL;

	lm_buf_done(&out);
	return result;
}

static struct lm_js_value *file_text(const struct lm_js_call *call)
{
	struct lm_buf out = { .max = AT_ONCE };
	struct lm_js_value *result = read_arg(call, &out)
	                                     ? lm_js_string(call->js, lm_buf_bytes(&out))
	                                     : NULL;

	lm_buf_done(&out);
	return result;
}

static int write_whole(const struct lm_file_name *f, struct lm_bytes octets, bool append,
                       struct lm_error *out_error)
{
	struct lm_file_writer w;
	int err;

	if (append)
		err = lm_file_writer_append(&w, f->path, f->name, out_error);
	else
		err = lm_file_writer_begin(&w, f->path, f->name, out_error);
	if (err)
		return err;
	err = lm_file_writer_add(&w, octets, out_error);
	if (err == 0)
		return lm_file_writer_commit(&w, false, out_error);
	lm_file_writer_abort(&w);
	return err;
}

/* (name, octets: a string or bytes, append?) */
static struct lm_js_value *file_write(const struct lm_js_call *call)
{
	struct lm_buf room = { .max = AT_ONCE };
	struct lm_bytes octets;
	struct lm_error error;
	struct lm_file_name f;
	int err;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	if (!lm_octets_of(call->js, lm_js_arg(call, 1), &room, &octets)) {
		lm_buf_done(&room);
		return NULL;
	}
	err = write_whole(&f, octets, lm_js_truth(call->js, lm_js_arg(call, 2)), &error);
	lm_buf_done(&room);
	return lm_file_done(call, err, &error);
}

/* (name): whether it was there. A link goes, not what it points to. */
static struct lm_js_value *file_remove(const struct lm_js_call *call)
{
	struct lm_file_name f;
	struct lm_error error;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	if (unlink(f.path) == 0)
		return lm_js_bool(call->js, true);
	if (errno == ENOENT || errno == ENOTDIR)
		return lm_js_bool(call->js, false);
	lm_file_fail(errno, "remove", f.name, &error);
	return lm_js_throw_error(call->js, &error);
}

static int copy_into(struct lm_stream *from, struct lm_file_writer *w, struct lm_error *out_error)
{
	uint8_t chunk[COPY_CHUNK];
	uint64_t at = 0;
	size_t n = 1;
	int err = 0;

	while (err == 0 && n) {
		err = lm_stream_read_at(from, at, chunk, sizeof(chunk), &n, out_error);
		if (err == 0)
			err = lm_file_writer_add(w, lm_bytes(chunk, n), out_error);
		at += n;
	}
	return err;
}

static int copy(const struct lm_file_name *from, const struct lm_file_name *to, bool overwrite,
                struct lm_error *out_error)
{
	struct lm_stream *s;
	struct lm_file_writer w;
	int err = lm_stream_open(from->path, from->name, LM_FILE_READ, false, &s, out_error);

	if (err)
		return err;
	err = lm_file_writer_begin(&w, to->path, to->name, out_error);
	if (err == 0) {
		err = copy_into(s, &w, out_error);
		if (err)
			lm_file_writer_abort(&w);
		else
			err = lm_file_writer_commit(&w, !overwrite, out_error);
	}
	lm_stream_unref(s);
	return err;
}

/* A step with two names and whether the second may be there already. */
static struct lm_js_value *with_both(const struct lm_js_call *call,
                                     int (*step)(const struct lm_file_name *,
                                                 const struct lm_file_name *, bool,
                                                 struct lm_error *))
{
	bool overwrite = lm_js_truth(call->js, lm_js_arg(call, 2));
	struct lm_file_name from, to;
	struct lm_error error;

	if (!lm_file_named(call, 0, &from) || !lm_file_named(call, 1, &to))
		return NULL;
	return lm_file_done(call, step(&from, &to, overwrite, &error), &error);
}

static struct lm_js_value *file_copy(const struct lm_js_call *call)
{
	return with_both(call, copy);
}

/* To another file system it is copied, and then removed here. */
static int move_file(const struct lm_file_name *from, const struct lm_file_name *to, bool overwrite,
                     struct lm_error *out_error)
{
	struct stat st;
	int why = 0, err = lm_file_stat(from, false, &st, out_error);

	if (err == 0 && S_ISDIR(st.st_mode))
		err = lm_file_fail(EISDIR, "move", from->name, out_error);
	if (err)
		return err;
	err = lm_file_rename(from->path, to->path, to->name, !overwrite, &why, out_error);
	if (err && why == EXDEV && S_ISREG(st.st_mode)) {
		err = copy(from, to, overwrite, out_error);
		if (err == 0 && unlink(from->path) < 0)
			err = lm_file_fail(errno, "remove", from->name, out_error);
	}
	if (err == 0)
		lm_file_sync_folder(to->path);
	return err;
}

static struct lm_js_value *file_move(const struct lm_js_call *call)
{
	return with_both(call, move_file);
}

static int move_directory(const struct lm_file_name *from, const struct lm_file_name *to,
                          bool overwrite, struct lm_error *out_error)
{
	struct stat st;
	int err = lm_file_stat(from, false, &st, out_error);

	(void)overwrite;
	if (err == 0 && !S_ISDIR(st.st_mode))
		err = lm_file_fail(ENOTDIR, "move", from->name, out_error);
	return err ? err : lm_file_rename(from->path, to->path, to->name, true, NULL, out_error);
}

static struct lm_js_value *directory_move(const struct lm_js_call *call)
{
	return with_both(call, move_directory);
}

/* (name): absolute, without "." and "..", as text: nothing is looked up. */
static struct lm_js_value *file_expand(const struct lm_js_call *call)
{
	struct lm_file_name f;

	if (!lm_file_named(call, 0, &f))
		return NULL;
	return lm_js_string(call->js, lm_str(f.path));
}

static const struct lm_js_source *const sources[] = { &lm_js_files, NULL };
static const struct lm_script_native natives[] = {
	{ "fileExists", file_exists },
	{ "fileSize", file_size },
	{ "fileAge", file_age },
	{ "fileBytes", file_bytes },
	{ "fileText", file_text },
	{ "fileWrite", file_write },
	{ "fileRemove", file_remove },
	{ "fileCopy", file_copy },
	{ "fileMove", file_move },
	{ "fileExpand", file_expand },
	{ "directoryExists", directory_exists },
	{ "directoryMove", directory_move },
	{ "directoryCreate", lm_directory_create },
	{ "directoryRemove", lm_directory_remove },
	{ "directoryList", lm_directory_list },
	{ NULL, NULL },
};

const struct lm_script_module lm_script_module_files = {
	.name = "infinity.fileSystem",
	.sources = sources,
	.natives = natives,
};
