/* fetch for script: exchanges behind handles, bodies in every form. */
#include "script/fetch_impl.h"

#include "base/error.h"
#include "script/js/sources.h"
#include "script/octets.h"

#include <math.h>

enum { BODY_MAX = 1 << 30, TEXT_SIZE = 64 * 1024, FORM_SIZE = 8, HEADERS_MAX = 1000 };
enum { CHUNK_MAX = 64 * 1024 };

static void finalize(void *data)
{
	lm_fetch_unref(data);
}

static const struct lm_js_class handle_class = { "FetchHandle", finalize };

static struct lm_fetch *fetch_of(const struct lm_js_call *call)
{
	struct lm_fetch *fetch = lm_js_unwrap(call->js, lm_js_arg(call, 0), &handle_class);

	if (!fetch)
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "fetch: no handle");
	return fetch;
}

static struct lm_js_value *fail(struct lm_js *js, int err, const char *text)
{
	struct lm_error error;

	lm_fail(&error, err, "fetch: %s", text);
	return lm_js_throw_error(js, &error);
}

/* ---- bodies ---- */

static int copy(struct lm_stream *from, struct lm_stream *to, struct lm_error *out_error)
{
	uint8_t piece[16 * 1024];
	uint64_t at = 0;
	size_t len = 1;
	int err = 0;

	while (!err && len) {
		err = lm_stream_read_at(from, at, piece, sizeof(piece), &len, out_error);
		if (!err && len)
			err = lm_stream_append(to, lm_bytes(piece, len), out_error);
		at += len;
	}
	return err;
}

/* The stream is the script's own: what it writes there is nobody else's body. */
static struct lm_js_value *show_stream(struct lm_js *js, struct lm_stream *from,
                                       struct lm_bytes octets)
{
	struct lm_stream *stream = lm_stream_new();
	struct lm_js_value *handle = NULL;
	struct lm_error error = { 0 };
	int err;

	if (!stream)
		return fail(js, LM_E_NOMEM, lm_err_text(LM_E_NOMEM));
	err = from ? copy(from, stream, &error) : lm_stream_append(stream, octets, &error);
	if (err)
		lm_js_throw_error(js, &error);
	else
		handle = lm_stream_handle(js, stream);
	lm_stream_unref(stream);
	return handle;
}

static struct lm_js_value *show_octets(struct lm_js *js, struct lm_bytes octets, const char *form)
{
	if (strcmp(form, "stream") == 0)
		return show_stream(js, NULL, octets);
	return strcmp(form, "bytes") == 0 ? lm_js_bytes(js, octets) : lm_js_string(js, octets);
}

static struct lm_js_value *show_whole(struct lm_js *js, struct lm_stream *stream, const char *form)
{
	struct lm_error error = { 0 };
	struct lm_js_value *result;
	uint64_t size = 0, at = 0;
	uint8_t *whole;
	size_t len = 1;
	int err;

	if (strcmp(form, "stream") == 0)
		return show_stream(js, stream, lm_bytes(NULL, 0));
	if (lm_stream_size(stream, &size, &error))
		return lm_js_throw_error(js, &error);
	if (size > BODY_MAX)
		return fail(js, LM_E_LIMIT, "a body over 1 GB can only be had as a stream");
	whole = lm_alloc((size_t)size + 1);
	err = whole ? 0 : lm_fail(&error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	for (; !err && len && at < size; at += len)
		err = lm_stream_read_at(stream, at, whole + at, (size_t)(size - at), &len, &error);
	result = err ? lm_js_throw_error(js, &error)
	             : show_octets(js, lm_bytes(whole, (size_t)at), form);
	lm_free(whole);
	return result;
}

/* (handle, "text", "bytes" or "stream"): all that came. */
static struct lm_js_value *fetch_body(const struct lm_js_call *call)
{
	struct lm_fetch *fetch = fetch_of(call);
	char form[FORM_SIZE];

	if (!fetch || !lm_octets_text(call->js, lm_js_arg(call, 1), "form", form, sizeof(form)))
		return NULL;
	return show_whole(call->js, fetch->body, form);
}

/* (string, bytes or a stream's handle, form): the same of what a script made. */
static struct lm_js_value *fetch_octets(const struct lm_js_call *call)
{
	struct lm_stream *stream = lm_stream_of(call->js, lm_js_arg(call, 0));
	struct lm_buf room = { .max = BODY_MAX };
	struct lm_js_value *result = NULL;
	struct lm_bytes octets;
	char form[FORM_SIZE];

	if (!lm_octets_text(call->js, lm_js_arg(call, 1), "form", form, sizeof(form)))
		return NULL;
	if (stream)
		return show_whole(call->js, stream, form);
	/* A copy, since the view ends where the result is made. */
	if (!lm_octets_of(call->js, lm_js_arg(call, 0), &room, &octets))
		result = NULL;
	else if (octets.len && octets.data != lm_buf_bytes(&room).data && lm_buf_add(&room, octets))
		result = fail(call->js, LM_E_LIMIT, "a body in memory has 1 GB at most");
	else
		result = show_octets(call->js, lm_buf_bytes(&room), form);
	lm_buf_done(&room);
	return result;
}

/* (handle, at): octets that have come, from there on; none: no more up to now. */
static struct lm_js_value *fetch_read(const struct lm_js_call *call)
{
	struct lm_fetch *fetch = fetch_of(call);
	double at = lm_js_to_number(call->js, lm_js_arg(call, 1));
	struct lm_js_value *result;
	struct lm_error error = { 0 };
	uint8_t *piece;
	size_t len = 0;

	if (!fetch)
		return NULL;
	piece = lm_alloc(CHUNK_MAX);
	if (!piece)
		return fail(call->js, LM_E_NOMEM, lm_err_text(LM_E_NOMEM));
	if (!(at >= 0) ||
	    lm_stream_read_at(fetch->body, (uint64_t)at, piece, CHUNK_MAX, &len, &error))
		result = lm_js_throw_error(call->js, &error);
	else
		result = lm_js_bytes(call->js, lm_bytes(piece, len));
	lm_free(piece);
	return result;
}

/* ---- beginning and breaking off ---- */

static bool take_headers(struct lm_js *js, struct lm_js_value *list, struct lm_fetch *fetch)
{
	struct lm_js_value *length = lm_js_get(js, list, "length");
	double count = length ? lm_js_to_number(js, length) / 2 : -1;
	bool ok = count >= 0 && count <= HEADERS_MAX;

	if (!length)
		return false;
	if (!ok)
		lm_js_throw(js, LM_JS_RANGE_ERROR, "fetch: too many headers");
	for (unsigned i = 0; ok && i < (unsigned)count; i++) {
		struct lm_js_value *name = lm_js_at(js, list, 2 * i);
		struct lm_js_value *value = lm_js_at(js, list, 2 * i + 1);
		struct lm_buf text[2] = { { .max = TEXT_SIZE }, { .max = TEXT_SIZE } };
		struct lm_error error = { 0 };

		ok = name && value && lm_js_add_octets(js, name, &text[0]) &&
		     lm_js_add_octets(js, value, &text[1]);
		if (ok && lm_fetch_add_header(fetch, lm_buf_bytes(&text[0]), lm_buf_bytes(&text[1]),
		                              &error)) {
			ok = false;
			lm_js_throw_error(js, &error);
		}
		lm_buf_done(&text[0]);
		lm_buf_wipe(&text[1]);
	}
	return ok;
}

static bool take_body(struct lm_js *js, struct lm_js_value *body, struct lm_fetch *fetch)
{
	struct lm_bytes octets;

	if (lm_js_type(js, body) == LM_JS_UNDEFINED)
		return true;
	fetch->has_upload = true;
	fetch->stream = lm_stream_of(js, body);
	if (fetch->stream) {
		lm_stream_ref(fetch->stream);
		return true;
	}
	lm_buf_init(&fetch->octets, BODY_MAX);
	if (!lm_octets_of(js, body, &fetch->octets, &octets))
		return false;
	if (octets.data == lm_buf_bytes(&fetch->octets).data || !octets.len)
		return true;
	if (lm_buf_add(&fetch->octets, octets) == 0)
		return true;
	fail(js, LM_E_LIMIT, "a body in memory has 1 GB at most");
	return false;
}

/* What stands on the stack while a request is made. */
struct request {
	char url[TEXT_SIZE], method[64];
	char *ca_file;
	struct lm_fetch_params params;
};

static bool take_number(struct lm_js *js, struct lm_js_value *options, const char *name, double max,
                        double *out)
{
	struct lm_js_value *value = lm_js_get(js, options, name);
	double number = value ? lm_js_to_number(js, value) : NAN;

	if (!value)
		return false;
	if (!(number >= 0 && number <= max)) {
		lm_js_throw(js, LM_JS_RANGE_ERROR, "fetch: %s", name);
		return false;
	}
	*out = number;
	return true;
}

static bool take_options(struct lm_runtime *rt, struct lm_js_value *options, struct request *r)
{
	struct lm_js_value *insecure = lm_js_get(rt->js, options, "insecure");
	struct lm_js_value *ca_file = lm_js_get(rt->js, options, "caFile");
	double timeout, max_bytes;
	char name[4096];

	if (!insecure || !ca_file || !take_number(rt->js, options, "timeout", 1e9, &timeout) ||
	    !take_number(rt->js, options, "maxBytes", 9e15, &max_bytes))
		return false;
	r->params.insecure = lm_js_truth(rt->js, insecure);
	r->params.timeout = (lm_time_ms)timeout;
	r->params.max_bytes = (uint64_t)max_bytes;
	if (lm_js_type(rt->js, ca_file) == LM_JS_UNDEFINED)
		return true;
	if (!lm_octets_text(rt->js, ca_file, "fetch: caFile", name, sizeof(name)))
		return false;
	r->ca_file = lm_runtime_data_path(rt, lm_str(name));
	r->params.ca_file = r->ca_file;
	return r->ca_file != NULL;
}

/* (url, method, [name, value, …], body or undefined, options, event) */
static struct lm_fetch *make(struct lm_runtime *rt, const struct lm_js_call *call,
                             struct request *r)
{
	struct lm_error error = { 0 };
	struct lm_fetch *fetch;

	if (!lm_octets_text(rt->js, lm_js_arg(call, 0), "fetch: url", r->url, sizeof(r->url)) ||
	    !lm_octets_text(rt->js, lm_js_arg(call, 1), "fetch: method", r->method,
	                    sizeof(r->method)) ||
	    !take_options(rt, lm_js_arg(call, 4), r))
		return NULL;
	r->params.url = r->url;
	r->params.method = r->method;
	if (lm_fetch_new(&r->params, &fetch, &error)) {
		lm_js_throw_error(rt->js, &error);
		return NULL;
	}
	fetch->event = lm_js_arg(call, 5);
	if (!take_headers(rt->js, lm_js_arg(call, 2), fetch) ||
	    !take_body(rt->js, lm_js_arg(call, 3), fetch)) {
		lm_fetch_unref(fetch);
		return NULL;
	}
	if (lm_fetch_prepare(fetch, r->method, &error) == 0)
		return fetch;
	lm_js_throw_error(rt->js, &error);
	lm_fetch_unref(fetch);
	return NULL;
}

static struct lm_js_value *fetch_start(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	struct lm_fetches *fetches = lm_runtime_state(rt, &lm_script_module_fetch);
	struct request *r = lm_alloc_zero(1, sizeof(*r));
	struct lm_js_value *handle = NULL;
	struct lm_error error = { 0 };
	struct lm_fetch *fetch;

	if (!r)
		return fail(call->js, LM_E_NOMEM, lm_err_text(LM_E_NOMEM));
	fetch = make(rt, call, r);
	lm_free(r->ca_file);
	lm_wipe(r->url, sizeof(r->url));
	lm_free(r);
	if (!fetch)
		return NULL;
	if (lm_fetch_begin(fetches, fetch, &error))
		lm_js_throw_error(rt->js, &error);
	else
		handle = lm_js_wrap(rt->js, &handle_class, fetch, sizeof(*fetch));
	if (!handle) {
		lm_fetch_end(fetch);
		lm_fetch_unref(fetch);
	}
	return handle;
}

static struct lm_js_value *fetch_abort(const struct lm_js_call *call)
{
	struct lm_fetch *fetch = fetch_of(call);

	if (!fetch)
		return NULL;
	lm_fetch_end(fetch);
	return lm_js_undefined(call->js);
}

/* (url, base or undefined): [the whole URL, its origin] */
static struct lm_js_value *fetch_url(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	bool has_base = lm_js_type(js, lm_js_arg(call, 1)) != LM_JS_UNDEFINED;
	char url[TEXT_SIZE], base[TEXT_SIZE], origin[300];
	struct lm_buf whole = { .max = 4 * TEXT_SIZE };
	struct lm_error error = { 0 };
	struct lm_js_value *pair[2], *result = NULL;

	if (!lm_octets_text(js, lm_js_arg(call, 0), "fetch: url", url, sizeof(url)) ||
	    (has_base && !lm_octets_text(js, lm_js_arg(call, 1), "base", base, sizeof(base))))
		return NULL;
	if (lm_fetch_url(has_base ? base : NULL, url, &whole, origin, sizeof(origin), &error)) {
		result = lm_js_throw(js, LM_JS_TYPE_ERROR, "fetch: %s", error.text);
	} else {
		struct lm_bytes text = lm_buf_bytes(&whole);

		pair[0] = lm_js_string(js, lm_bytes(text.data, text.len - 1));
		pair[1] = lm_js_string(js, lm_str(origin));
		if (pair[0] && pair[1])
			result = lm_js_array(js, 2, pair);
	}
	lm_buf_wipe(&whole);
	return result;
}

/* ---- the module ---- */

static int fetch_open(struct lm_runtime *rt, void **out_state, struct lm_error *out_error)
{
	struct lm_fetches *fetches;
	int err = lm_fetches_new(rt, &fetches, out_error);

	if (!err)
		*out_state = fetches;
	return err;
}

static void fetch_close(void *state)
{
	lm_fetches_free(state);
}

static const struct lm_js_source *const sources[] = { &lm_js_fetch_body, &lm_js_fetch, NULL };
static const struct lm_script_native natives[] = {
	{ "fetchBody", fetch_body },
	{ "fetchOctets", fetch_octets },
	{ "fetchRead", fetch_read },
	{ "fetchStart", fetch_start },
	{ "fetchAbort", fetch_abort },
	{ "fetchUrl", fetch_url },
	{ NULL, NULL },
};

const struct lm_script_module lm_script_module_fetch = {
	.name = "infinity.http",
	.sources = sources,
	.natives = natives,
	.open = fetch_open,
	.close = fetch_close,
};
