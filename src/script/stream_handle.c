/* A stream's handle in the engine: what an infinity.stream holds. */
#include "script/stream_impl.h"

#include "base/error.h"

/* A freed stream's handle stays, with nothing in it. */
struct handle {
	struct lm_stream *stream;
};

static void finalize(void *data)
{
	struct handle *h = data;

	lm_stream_unref(h->stream);
	lm_free(h);
}

static const struct lm_js_class handle_class = { "StreamHandle", finalize };

struct lm_stream *lm_stream_of(struct lm_js *js, struct lm_js_value *handle)
{
	struct handle *h = lm_js_unwrap(js, handle, &handle_class);

	return h ? h->stream : NULL;
}

struct lm_js_value *lm_stream_handle(struct lm_js *js, struct lm_stream *stream)
{
	struct lm_error error;
	struct handle *h = lm_alloc(sizeof(*h));
	uint64_t size = 0;

	if (!h) {
		lm_fail(&error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
		return lm_js_throw_error(js, &error);
	}
	h->stream = lm_stream_ref(stream);
	if (stream->store->fd < 0)
		size = lm_buf_len(&stream->store->memory);
	return lm_js_wrap(js, &handle_class, h, sizeof(*stream) + (size_t)size);
}

void lm_stream_handle_close(struct lm_js *js, struct lm_js_value *handle)
{
	struct handle *h = lm_js_unwrap(js, handle, &handle_class);

	if (!h)
		return;
	lm_stream_unref(h->stream);
	h->stream = NULL;
}
