/* Contents of attachments for scripts: parts of letters, files, streams; and the folder they are
 * stored in. */
#include "script/mail_impl.h"

#include "base/error.h"
#include "script/files.h"
#include "script/values.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 65536, NAME_ROOM = 160 };

/* ---- Where it is ---- */

static bool open_part(const struct lm_js_call *call, size_t i, struct lm_mail_content *c)
{
	struct lm_letter *letter = lm_mail_letter(call, i);
	uint64_t index;
	int err;

	if (!letter || !lm_value_count(call, i + 1, lm_letter_part_count(letter) - 1, &index))
		return false;
	err = lm_letter_reader_new(letter, (uint32_t)index, &c->reader);
	if (err)
		lm_value_throw(call->js, err, "infinity.mail: the attachment");
	return err == 0;
}

static bool refuse_file(struct lm_js *js, int errnum, const char *name)
{
	struct lm_error error;

	lm_file_fail(errnum, "open", name, &error);
	lm_js_throw_error(js, &error);
	return false;
}

/* What never ends, or blocks, is no attachment. */
static bool open_file(const struct lm_js_call *call, size_t i, struct lm_mail_content *c)
{
	char *name = lm_mail_text(call, i), *path;
	struct stat st;
	bool ok = false;

	path = name ? lm_runtime_data_path(call->data, lm_str(name)) : NULL;
	if (path) {
		c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (c->fd < 0 || fstat(c->fd, &st))
			ok = refuse_file(call->js, errno, name);
		else if (!S_ISREG(st.st_mode))
			ok = refuse_file(call->js, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, name);
		else
			ok = true;
	}
	lm_free(path);
	lm_free(name);
	return ok;
}

bool lm_mail_content_open(const struct lm_js_call *call, size_t i, struct lm_mail_content *out)
{
	struct lm_js_value *what = lm_js_arg(call, i);
	struct lm_stream *stream;
	bool ok;

	*out = (struct lm_mail_content){ .fd = -1 };
	if (lm_js_type(call->js, what) == LM_JS_STRING) {
		ok = open_file(call, i, out);
		if (!ok)
			lm_mail_content_close(out);
		return ok;
	}
	stream = lm_stream_of(call->js, what);
	if (!stream)
		return open_part(call, i, out);
	out->stream = lm_stream_ref(stream);
	return true;
}

void lm_mail_content_close(struct lm_mail_content *content)
{
	lm_letter_reader_free(content->reader);
	if (content->stream)
		lm_stream_unref(content->stream);
	if (content->fd >= 0)
		close(content->fd);
	*content = (struct lm_mail_content){ .fd = -1 };
}

static int read_part(struct lm_mail_content *c, uint8_t *out, size_t room, size_t *out_len,
                     struct lm_error *out_error)
{
	int err = c->held.len ? 0 : lm_letter_reader_next(c->reader, &c->held);

	if (err)
		return lm_fail(out_error, err, "cannot read the attachment: %s", lm_err_text(err));
	*out_len = c->held.len < room ? c->held.len : room;
	if (*out_len)
		memcpy(out, c->held.data, *out_len);
	c->held = lm_bytes_from(c->held, *out_len);
	return 0;
}

static int read_file(struct lm_mail_content *c, uint8_t *out, size_t room, size_t *out_len,
                     struct lm_error *out_error)
{
	ssize_t n;

	do
		n = read(c->fd, out, room);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
		                     "cannot read the attachment");
	*out_len = (size_t)n;
	return 0;
}

int lm_mail_content_read(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                         struct lm_error *out_error)
{
	struct lm_mail_content *c = ctx;
	int err;

	if (c->reader)
		return read_part(c, out, room, out_len, out_error);
	if (c->fd >= 0)
		return read_file(c, out, room, out_len, out_error);
	err = lm_stream_read_at(c->stream, c->at, out, room, out_len, out_error);
	c->at += err ? 0 : *out_len;
	return err;
}

/* ---- What scripts do with it ---- */

typedef int (*take_fn)(void *ctx, struct lm_bytes octets, struct lm_error *out_error);

/* All of what argument `i` names; false: thrown. */
static bool take_all(const struct lm_js_call *call, size_t i, take_fn take, void *ctx)
{
	struct lm_error error = { 0 };
	struct lm_mail_content c;
	uint8_t *chunk;
	size_t got = 1;
	int err;

	if (!lm_mail_content_open(call, i, &c))
		return false;
	chunk = lm_alloc(CHUNK);
	err = chunk ? 0 : lm_fail(&error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	while (err == 0 && got) {
		err = lm_mail_content_read(&c, chunk, CHUNK, &got, &error);
		if (err == 0 && got)
			err = take(ctx, lm_bytes(chunk, got), &error);
	}
	lm_free(chunk);
	lm_mail_content_close(&c);
	if (err)
		lm_js_throw_error(call->js, &error);
	return err == 0;
}

static int count_octets(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	(void)out_error;
	*(uint64_t *)ctx += octets.len;
	return 0;
}

struct lm_js_value *lm_mail_content_size(const struct lm_js_call *call)
{
	uint64_t size = 0;

	return take_all(call, 0, count_octets, &size) ? lm_js_number(call->js, (double)size) : NULL;
}

static int add_octets(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	int err = lm_buf_add(ctx, octets);

	return err ? lm_fail(out_error, err, "the attachment is too large for one array") : 0;
}

struct lm_js_value *lm_mail_content_bytes(const struct lm_js_call *call)
{
	struct lm_buf all = { .max = LM_MAIL_AT_ONCE };

	if (take_all(call, 0, add_octets, &all))
		return lm_value_bytes(call->js, &all);
	lm_buf_done(&all);
	return NULL;
}

/* (what, part, octets at most): base64, or undefined where there are more. */
struct lm_js_value *lm_mail_content_base64(const struct lm_js_call *call)
{
	struct lm_buf all = { .max = LM_MAIL_AT_ONCE };
	struct lm_js_value *result = NULL;
	uint64_t most;

	if (lm_value_count(call, 2, LM_MAIL_AT_ONCE, &most) &&
	    take_all(call, 0, add_octets, &all)) {
		char *text = lm_buf_len(&all) > most
		                     ? NULL
		                     : g_base64_encode(lm_buf_bytes(&all).data, lm_buf_len(&all));

		result = text ? lm_js_string(call->js, lm_str(text)) : lm_js_undefined(call->js);
		g_free(text);
	}
	lm_buf_done(&all);
	return result;
}

static int append(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	return lm_stream_append(ctx, octets, out_error);
}

struct lm_js_value *lm_mail_content_stream(const struct lm_js_call *call)
{
	struct lm_stream *stream = lm_stream_new();
	struct lm_js_value *handle = NULL;

	if (!stream)
		return lm_value_throw(call->js, LM_E_NOMEM, "infinity.mail");
	if (take_all(call, 0, append, stream))
		handle = lm_stream_handle(call->js, stream);
	lm_stream_unref(stream);
	return handle;
}

/* A string's or bytes' octets in a stream, which stays as it is. */
struct lm_js_value *lm_mail_hold(const struct lm_js_call *call)
{
	struct lm_buf octets = { .max = LM_MAIL_AT_ONCE };
	struct lm_js_value *handle = NULL;
	struct lm_error error = { 0 };
	struct lm_stream *stream;

	if (!lm_value_add(call, 0, &octets)) {
		lm_buf_done(&octets);
		return NULL;
	}
	stream = lm_stream_new();
	if (!stream)
		lm_value_throw(call->js, LM_E_NOMEM, "infinity.mail");
	else if (lm_stream_append(stream, lm_buf_bytes(&octets), &error))
		lm_js_throw_error(call->js, &error);
	else
		handle = lm_stream_handle(call->js, stream);
	if (stream)
		lm_stream_unref(stream);
	lm_buf_done(&octets);
	return handle;
}

static int write_octets(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	return lm_file_writer_add(ctx, octets, out_error);
}

/* (what, part, data file's name) */
struct lm_js_value *lm_mail_content_save(const struct lm_js_call *call)
{
	char *name = lm_mail_text(call, 2);
	char *path = name ? lm_runtime_data_path(call->data, lm_str(name)) : NULL;
	struct lm_js_value *result = NULL;
	struct lm_file_writer w;
	struct lm_error error;

	if (!path)
		result = NULL; /* thrown */
	else if (lm_file_writer_begin(&w, path, name, &error))
		lm_js_throw_error(call->js, &error);
	else if (!take_all(call, 0, write_octets, &w))
		lm_file_writer_abort(&w);
	else
		result = lm_mail_done(call->js, lm_file_writer_commit(&w, false, &error), &error);
	lm_free(path);
	lm_free(name);
	return result;
}

/* ---- The folder of stored attachments ---- */

struct folder {
	char path[256];
	bool made;
	unsigned count;
};

static void empty(struct folder *f)
{
	struct lm_error error;

	if (f->made)
		(void)!lm_file_remove_tree(f->path, f->path, &error);
	f->made = false;
}

static void finalize_folder(void *data)
{
	empty(data);
	lm_free(data);
}

static const struct lm_js_class folder_class = { "MailFolder", finalize_folder };

struct lm_js_value *lm_mail_folder(const struct lm_js_call *call)
{
	struct folder *f = lm_alloc_zero(1, sizeof(*f));

	return f ? lm_js_wrap(call->js, &folder_class, f, sizeof(*f))
	         : lm_value_throw(call->js, LM_E_NOMEM, "infinity.mail");
}

static struct folder *folder_arg(const struct lm_js_call *call, size_t i)
{
	struct folder *f = lm_js_unwrap(call->js, lm_js_arg(call, i), &folder_class);

	if (!f)
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "infinity.mail: no folder");
	return f;
}

struct lm_js_value *lm_mail_folder_remove(const struct lm_js_call *call)
{
	struct folder *f = folder_arg(call, 0);

	if (!f)
		return NULL;
	empty(f);
	return lm_js_undefined(call->js);
}

static int make_folder(struct folder *f, struct lm_error *out_error)
{
	const char *temp = getenv("TMPDIR");

	if (f->made)
		return 0;
	snprintf(f->path, sizeof(f->path), "%.200s/lettermill-mail-XXXXXX",
	         temp && *temp == '/' ? temp : "/tmp");
	if (!mkdtemp(f->path))
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
		                     "cannot make a folder for attachments (%.150s)", f->path);
	f->made = true;
	return 0;
}

/* A file nobody has, under the name it should have or one like it. */
static int make_file(struct folder *f, const char *name, char *path, size_t size,
                     struct lm_error *out_error)
{
	int fd, n = snprintf(path, size, "%s/%s", f->path, name);

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	for (; fd < 0 && errno == EEXIST && f->count < 1000000;) {
		n = snprintf(path, size, "%s/%u-%s", f->path, ++f->count, name);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		          S_IRUSR | S_IWUSR);
	}
	if (fd < 0 || n < 0)
		lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
		              "cannot store the attachment %.150s", name);
	return fd;
}

struct storing {
	int fd;
	uint64_t size;
};

static int store_octets(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	struct storing *s = ctx;

	while (octets.len) {
		ssize_t n = write(s->fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
			                     "cannot store the attachment");
		octets = lm_bytes_from(octets, (size_t)n);
		s->size += (uint64_t)n;
	}
	return 0;
}

/* [path, size] */
static struct lm_js_value *stored(struct lm_js *js, const char *path, uint64_t size)
{
	struct lm_js_value *values[] = { lm_js_string(js, lm_str(path)),
		                         lm_js_number(js, (double)size) };

	return values[0] ? lm_js_array(js, 2, values) : NULL;
}

/* (letter, part, folder, name) */
struct lm_js_value *lm_mail_content_store(const struct lm_js_call *call)
{
	struct folder *f = folder_arg(call, 2);
	struct storing s = { .fd = -1 };
	struct lm_js_value *result = NULL;
	struct lm_error error = { 0 };
	char path[256 + 2 * NAME_ROOM], *name;

	if (!f)
		return NULL;
	name = lm_mail_text(call, 3);
	if (!name)
		return NULL;
	if (make_folder(f, &error) == 0)
		s.fd = make_file(f, strlen(name) < NAME_ROOM && !strchr(name, '/') ? name : "_",
		                 path, sizeof(path), &error);
	if (s.fd < 0)
		lm_js_throw_error(call->js, &error);
	else if (take_all(call, 0, store_octets, &s))
		result = stored(call->js, path, s.size);
	if (s.fd >= 0)
		close(s.fd);
	lm_free(name);
	return result;
}
