/* infinity.stream: what js/stream.js calls. */
#include "script/files.h"
#include "script/js/sources.h"
#include "script/octets.h"
#include "script/stream_impl.h"
#include "script/values.h"

#include "base/error.h"

enum { AT_ONCE = 1 << 30, FRAME = 12, COPY_CHUNK = 1 << 16 };

static const char frame_mark[4] = { 'L', 'M', 'v', '1' };

static struct lm_stream *stream_arg(const struct lm_js_call *call, size_t i)
{
	struct lm_stream *s = lm_stream_of(call->js, lm_js_arg(call, i));

	if (!s)
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "infinity.stream: it was freed");
	return s;
}

static struct lm_js_value *done(const struct lm_js_call *call, int err, struct lm_error *error)
{
	return err ? lm_js_throw_error(call->js, error) : lm_js_undefined(call->js);
}

static struct lm_js_value *handle_of(const struct lm_js_call *call, struct lm_stream *s)
{
	struct lm_js_value *handle;

	if (!s)
		return lm_value_throw(call->js, LM_E_NOMEM, "infinity.stream");
	handle = lm_stream_handle(call->js, s);
	lm_stream_unref(s);
	return handle;
}

static struct lm_js_value *stream_new(const struct lm_js_call *call)
{
	return handle_of(call, lm_stream_new());
}

/* (name, mode, auto delete) */
static struct lm_js_value *stream_open(const struct lm_js_call *call)
{
	struct lm_buf name = { .max = PATH_MAX };
	struct lm_stream *s = NULL;
	struct lm_error error;
	char *path = NULL, *shown = NULL;
	uint64_t mode;
	int err = LM_E_NOMEM;

	if (!lm_value_count(call, 1, UINT32_MAX, &mode))
		return NULL;
	if (lm_js_add_octets(call->js, lm_js_arg(call, 0), &name))
		path = lm_runtime_data_path(call->data, lm_buf_bytes(&name));
	if (path)
		shown = lm_strdup_bytes(lm_buf_bytes(&name));
	lm_buf_done(&name);
	if (!path)
		return NULL;
	if (shown)
		err = lm_stream_open(path, shown, (unsigned)mode,
		                     lm_js_truth(call->js, lm_js_arg(call, 2)), &s, &error);
	else
		lm_fail(&error, err, "infinity.stream: %s", lm_err_text(err));
	lm_free(path);
	lm_free(shown);
	return err ? lm_js_throw_error(call->js, &error) : handle_of(call, s);
}

static struct lm_js_value *stream_free(const struct lm_js_call *call)
{
	lm_stream_handle_close(call->js, lm_js_arg(call, 0));
	return lm_js_undefined(call->js);
}

static struct lm_js_value *stream_name(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);

	return s ? lm_js_string(call->js, lm_str(s->name)) : NULL;
}

static struct lm_js_value *stream_size(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);
	struct lm_error error;
	uint64_t size;

	if (!s)
		return NULL;
	if (lm_stream_size(s, &size, &error))
		return lm_js_throw_error(call->js, &error);
	return lm_js_number(call->js, (double)size);
}

/* (stream, size) */
static struct lm_js_value *stream_resize(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);
	struct lm_error error;
	uint64_t size;

	if (!s || !lm_value_count(call, 1, UINT64_MAX, &size))
		return NULL;
	return done(call, lm_stream_resize(s, size, &error), &error);
}

static struct lm_js_value *stream_position(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);

	return s ? lm_js_number(call->js, (double)s->position) : NULL;
}

/* (stream, position) */
static struct lm_js_value *stream_seek(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);

	if (!s || !lm_value_count(call, 1, UINT64_MAX, &s->position))
		return NULL;
	return lm_js_undefined(call->js);
}

/* (stream, count): all that is left where count is undefined. */
static bool take(const struct lm_js_call *call, struct lm_buf *out)
{
	struct lm_stream *s = stream_arg(call, 0);
	uint64_t count = UINT64_MAX;
	struct lm_error error;

	if (!s)
		return false;
	if (lm_js_type(call->js, lm_js_arg(call, 1)) != LM_JS_UNDEFINED &&
	    !lm_value_count(call, 1, UINT64_MAX, &count))
		return false;
	if (lm_stream_take(s, count, out, &error) == 0)
		return true;
	lm_js_throw_error(call->js, &error);
	return false;
}

static struct lm_js_value *stream_bytes(const struct lm_js_call *call)
{
	struct lm_buf out = { .max = AT_ONCE };
	struct lm_js_value *result = take(call, &out) ? lm_value_bytes(call->js, &out) : NULL;

	lm_buf_done(&out);
	return result;
}

static struct lm_js_value *stream_text(const struct lm_js_call *call)
{
	struct lm_buf out = { .max = AT_ONCE };
	struct lm_js_value *result = take(call, &out) ? lm_js_string(call->js, lm_buf_bytes(&out))
	                                              : NULL;

	lm_buf_done(&out);
	return result;
}

static struct lm_bytes without_end(struct lm_bytes line)
{
	if (line.len && line.data[line.len - 1] == '\n')
		line.len--;
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* The next line without its end; null at the stream's. */
static struct lm_js_value *stream_line(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);
	struct lm_buf out = { .max = AT_ONCE };
	struct lm_js_value *result;
	struct lm_error error;

	if (!s)
		return NULL;
	if (lm_stream_take_line(s, &out, &error))
		result = lm_js_throw_error(call->js, &error);
	else if (!lm_buf_len(&out))
		result = lm_js_null(call->js);
	else
		result = lm_js_string(call->js, without_end(lm_buf_bytes(&out)));
	lm_buf_done(&out);
	return result;
}

/* What moved into memory is reported to the collector. */
static int write_here(const struct lm_js_call *call, struct lm_stream *s, struct lm_bytes octets,
                      struct lm_error *out_error)
{
	size_t before = s->store->memory.cap;
	int err = lm_stream_write_at(s, s->position, octets, out_error);

	if (err == 0)
		s->position += octets.len;
	if (s->store->memory.cap > before)
		lm_js_cost(call->js, s->store->memory.cap - before);
	return err;
}

/* (stream, octets: a string or bytes, at the end?) */
static struct lm_js_value *stream_write(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);
	bool appends = lm_js_truth(call->js, lm_js_arg(call, 2));
	struct lm_buf room = { .max = AT_ONCE };
	struct lm_bytes octets;
	struct lm_error error;
	int err = 0;

	if (!s)
		return NULL;
	if (!lm_octets_of(call->js, lm_js_arg(call, 1), &room, &octets)) {
		lm_buf_done(&room);
		return NULL;
	}
	if (appends)
		err = lm_stream_size(s, &s->position, &error);
	if (err == 0)
		err = write_here(call, s, octets, &error);
	lm_buf_done(&room);
	return done(call, err, &error);
}

/* (to, from, count): how many were copied. */
static struct lm_js_value *stream_copy(const struct lm_js_call *call)
{
	struct lm_stream *to = stream_arg(call, 0), *from = to ? stream_arg(call, 1) : NULL;
	uint64_t count = UINT64_MAX, copied;
	struct lm_error error;

	if (!from)
		return NULL;
	if (lm_js_type(call->js, lm_js_arg(call, 2)) != LM_JS_UNDEFINED &&
	    !lm_value_count(call, 2, UINT64_MAX, &count))
		return NULL;
	if (lm_stream_copy(to, from, count, &copied, &error))
		return lm_js_throw_error(call->js, &error);
	return lm_js_number(call->js, (double)copied);
}

/* (stream, JSON text, bytes that go with it): a value, with its length in front. */
static struct lm_js_value *stream_write_value(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);
	struct lm_buf out = { .max = LM_VALUE_MAX };
	struct lm_error error;
	uint8_t *room;
	int err;

	if (!s)
		return NULL;
	if (lm_buf_room(&out, FRAME, &room))
		return lm_value_throw(call->js, LM_E_NOMEM, "infinity.stream.write");
	memcpy(room, frame_mark, sizeof(frame_mark));
	lm_buf_grew(&out, FRAME);
	if (!lm_value_octets(call, 1, &out)) {
		lm_buf_done(&out);
		return NULL;
	}
	lm_value_put64(out.data + sizeof(frame_mark), lm_buf_len(&out) - FRAME);
	err = write_here(call, s, lm_buf_bytes(&out), &error);
	lm_buf_done(&out);
	return done(call, err, &error);
}

static int take_frame(struct lm_stream *s, struct lm_buf *out, struct lm_error *out_error)
{
	uint64_t size, len;
	int err = lm_stream_size(s, &size, out_error);

	if (err == 0)
		err = lm_stream_take(s, FRAME, out, out_error);
	if (err)
		return err;
	if (!lm_buf_len(out))
		return lm_fail(out_error, LM_E_CLOSED,
		               "infinity.stream.read: the stream ends here");
	if (lm_buf_len(out) < FRAME || memcmp(out->data, frame_mark, sizeof(frame_mark)) != 0)
		return lm_fail(out_error, LM_E_CORRUPT,
		               "infinity.stream.read: no value stands here");
	len = lm_value_get64(out->data + sizeof(frame_mark));
	if (len > size - s->position)
		return lm_fail(out_error, LM_E_CORRUPT,
		               "infinity.stream.read: the value is cut off");
	lm_buf_clear(out);
	return lm_stream_take(s, len, out, out_error);
}

/* (stream): [JSON text, bytes that go with it]; the position stays where it cannot be read. */
static struct lm_js_value *stream_read_value(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);
	struct lm_buf out = { .max = LM_VALUE_MAX };
	struct lm_js_value *result = NULL;
	struct lm_error error;
	uint64_t before;

	if (!s)
		return NULL;
	before = s->position;
	if (take_frame(s, &out, &error))
		lm_js_throw_error(call->js, &error);
	else
		result = lm_value_of(call->js, lm_buf_bytes(&out));
	if (!result)
		s->position = before;
	lm_buf_done(&out);
	return result;
}

static int write_all(struct lm_stream *s, struct lm_file_writer *w, struct lm_error *out_error)
{
	uint8_t chunk[COPY_CHUNK];
	uint64_t at = 0;
	size_t n = 1;
	int err = 0;

	while (err == 0 && n) {
		err = lm_stream_read_at(s, at, chunk, sizeof(chunk), &n, out_error);
		if (err == 0)
			err = lm_file_writer_add(w, lm_bytes(chunk, n), out_error);
		at += n;
	}
	return err;
}

/* (stream, name, append?): all of it into a file. */
static struct lm_js_value *stream_save(const struct lm_js_call *call)
{
	struct lm_stream *s = stream_arg(call, 0);
	struct lm_file_writer *w = NULL;
	char name[PATH_MAX], *path;
	struct lm_error error;
	int err;

	if (!s ||
	    !lm_octets_text(call->js, lm_js_arg(call, 1), "a file's name", name, sizeof(name)))
		return NULL;
	path = lm_runtime_data_path(call->data, lm_str(name));
	if (!path)
		return NULL;
	w = lm_alloc(sizeof(*w));
	if (!w)
		err = lm_fail(&error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	else if (lm_js_truth(call->js, lm_js_arg(call, 2)))
		err = lm_file_writer_append(w, path, name, &error);
	else
		err = lm_file_writer_begin(w, path, name, &error);
	lm_free(path);
	if (err == 0) {
		err = write_all(s, w, &error);
		if (err)
			lm_file_writer_abort(w);
		else
			err = lm_file_writer_commit(w, false, &error);
	}
	lm_free(w);
	return done(call, err, &error);
}

static const struct lm_js_source *const sources[] = { &lm_js_values, &lm_js_stream, NULL };
static const struct lm_script_native natives[] = {
	{ "streamNew", stream_new },
	{ "streamOpen", stream_open },
	{ "streamFree", stream_free },
	{ "streamName", stream_name },
	{ "streamSize", stream_size },
	{ "streamResize", stream_resize },
	{ "streamPosition", stream_position },
	{ "streamSeek", stream_seek },
	{ "streamBytes", stream_bytes },
	{ "streamText", stream_text },
	{ "streamLine", stream_line },
	{ "streamWrite", stream_write },
	{ "streamCopy", stream_copy },
	{ "streamWriteValue", stream_write_value },
	{ "streamReadValue", stream_read_value },
	{ "streamSave", stream_save },
	{ NULL, NULL },
};

const struct lm_script_module lm_script_module_stream = {
	.name = "infinity.stream",
	.sources = sources,
	.natives = natives,
};
