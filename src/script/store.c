/* infinity.store for script: stores behind handles, items as objects. */
#include "script/store_impl.h"

#include "base/error.h"
#include "script/js/sources.h"
#include "script/octets.h"
#include "script/store_item.h"
#include "script/store_place.h"
#include "script/stream.h"

enum { MESSAGE_MAX = 1 << 30, REPORT_MAX = 1 << 20, FORM_SIZE = 8 };

struct handle {
	struct lm_script_store *store; /* NULL: closed */
};

static void finalize(void *data)
{
	struct handle *handle = data;

	lm_script_store_unref(handle->store);
	lm_free(handle);
}

static const struct lm_js_class handle_class = { "StoreHandle", finalize };

static struct lm_js_value *fail(struct lm_js *js, int err, const char *text)
{
	struct lm_error error;

	lm_fail(&error, err, "infinity.store: %s", text);
	return lm_js_throw_error(js, &error);
}

/* Of the first argument; NULL and thrown where it is closed. */
static struct lm_script_store *store_of(const struct lm_js_call *call)
{
	struct handle *handle = lm_js_unwrap(call->js, lm_js_arg(call, 0), &handle_class);

	if (handle && handle->store)
		return handle->store;
	fail(call->js, LM_E_CLOSED, "this store was closed");
	return NULL;
}

/* ---- opening and closing ---- */

static struct lm_js_value *wrap(struct lm_js *js, struct lm_script_store *store)
{
	struct handle *handle = lm_alloc(sizeof(*handle));

	if (!handle) {
		lm_script_store_unref(store);
		return fail(js, LM_E_NOMEM, lm_err_text(LM_E_NOMEM));
	}
	handle->store = store;
	return lm_js_wrap(js, &handle_class, handle, sizeof(*handle));
}

/* (url, [name, value, …], mailbox or undefined) */
static struct lm_js_value *store_open(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	struct lm_place_room room;
	struct lm_script_store *store;
	struct lm_error error = { 0 };
	int err;

	if (!rt->script->stores)
		return fail(call->js, LM_E_UNSUPPORTED, "this program has none");
	if (!lm_place_take(&room, rt, call))
		return NULL;
	err = lm_script_store_open(rt->script->stores, &room.place, &store, &error);
	lm_place_done(&room);
	return err ? lm_js_throw_error(call->js, &error) : wrap(call->js, store);
}

static struct lm_js_value *store_close(const struct lm_js_call *call)
{
	struct handle *handle = lm_js_unwrap(call->js, lm_js_arg(call, 0), &handle_class);

	if (handle) {
		lm_script_store_unref(handle->store);
		handle->store = NULL;
	}
	return lm_js_undefined(call->js);
}

static struct lm_js_value *store_caps(const struct lm_js_call *call)
{
	struct lm_script_store *store = store_of(call);

	return store ? lm_js_number(call->js, lm_script_store_caps(store)) : NULL;
}

static struct lm_js_value *store_flush(const struct lm_js_call *call)
{
	struct lm_script_store *store = store_of(call);
	struct lm_error error = { 0 };

	if (!store)
		return NULL;
	if (lm_script_store_flush(store, &error))
		return lm_js_throw_error(call->js, &error);
	return lm_js_undefined(call->js);
}

/* ---- checking ---- */

/* What is over the maximum is cut: there is no end of bad news. */
static void report(void *ctx, const char *problem)
{
	if (lm_buf_add(ctx, lm_str(problem)) == 0)
		(void)!lm_buf_add_str(ctx, "\n");
}

/* (url, [name, value, …], mailbox or undefined): the problems, with LF behind each. */
static struct lm_js_value *store_check(const struct lm_js_call *call)
{
	struct lm_buf text = { .max = REPORT_MAX };
	struct lm_place_room room;
	struct lm_error error = { 0 };
	struct lm_js_value *result;
	int err;

	if (!lm_place_take(&room, call->data, call))
		return NULL;
	err = lm_mime_store_check(room.place.url, room.place.settings, room.place.setting_count,
	                          report, &text, &error);
	lm_place_done(&room);
	if (err && !(err == LM_E_CORRUPT && lm_buf_len(&text)))
		result = lm_js_throw_error(call->js, &error);
	else
		result = lm_js_string(call->js, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return result;
}

/* ---- looking ---- */

/* (handle, set of tags, limit or Infinity, with uid) */
static struct lm_js_value *store_query(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	struct lm_script_store *store = store_of(call);
	double tags = lm_js_to_number(js, lm_js_arg(call, 1));
	double limit = lm_js_to_number(js, lm_js_arg(call, 2));
	struct lm_script_items items = { .count = 0 };
	struct lm_error error = { 0 };
	struct lm_js_value *result;

	if (!store)
		return NULL;
	if (!(tags >= 0 && tags < 1 << LM_TAG_COUNT && limit >= 0))
		return fail(js, LM_E_MISUSE, "a query that cannot be");
	if (lm_script_store_query(store, (unsigned)tags,
	                          limit > UINT32_MAX ? SIZE_MAX : (size_t)limit, &items, &error))
		return lm_js_throw_error(js, &error);
	result = lm_items_show(js, &items, lm_js_truth(js, lm_js_arg(call, 3)));
	lm_arena_reset(&items.arena);
	return result;
}

static struct lm_js_value *show_stream(struct lm_js *js, struct lm_stash *stash)
{
	struct lm_stream *stream = lm_stream_of_stash(stash);
	struct lm_js_value *handle;

	if (!stream)
		return fail(js, LM_E_NOMEM, lm_err_text(LM_E_NOMEM));
	handle = lm_stream_handle(js, stream);
	lm_stream_unref(stream);
	return handle;
}

static int read_whole(const struct lm_stash *stash, uint8_t *out, size_t size)
{
	size_t at = 0, len = 1;
	int err = 0;

	while (err == 0 && at < size && len) {
		err = lm_stash_read(stash, at, out + at, size - at, &len);
		at += len;
	}
	return err ? err : at < size ? LM_E_CORRUPT : 0;
}

static struct lm_js_value *show_whole(struct lm_js *js, const struct lm_stash *stash, bool bytes)
{
	uint64_t size = lm_stash_size(stash);
	struct lm_js_value *result;
	uint8_t *whole;
	int err;

	if (size > MESSAGE_MAX)
		return fail(js, LM_E_LIMIT, "a message over 1 GB can only be read as a stream");
	whole = lm_alloc((size_t)size + 1);
	err = whole ? read_whole(stash, whole, (size_t)size) : LM_E_NOMEM;
	if (err)
		result = fail(js, err, lm_err_text(err));
	else if (bytes)
		result = lm_js_bytes(js, lm_bytes(whole, (size_t)size));
	else
		result = lm_js_string(js, lm_bytes(whole, (size_t)size));
	lm_free(whole);
	return result;
}

/* (handle, item, stage, "string", "bytes" or "stream") */
static struct lm_js_value *store_read(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	struct lm_script_store *store = store_of(call);
	bool stage = lm_js_truth(js, lm_js_arg(call, 2));
	char form[FORM_SIZE];
	struct lm_item_room room;
	struct lm_error error = { 0 };
	struct lm_js_value *result;
	struct lm_stash stash;

	if (!store || !lm_octets_text(js, lm_js_arg(call, 3), "form", form, sizeof(form)) ||
	    !lm_item_take(&room, js, lm_js_arg(call, 1)))
		return NULL;
	lm_stash_init(&stash);
	if (lm_script_store_read(store, &room.item, stage, &stash, &error) ||
	    lm_stash_end(&stash, &error))
		result = lm_js_throw_error(js, &error);
	else if (strcmp(form, "stream") == 0)
		result = show_stream(js, &stash);
	else
		result = show_whole(js, &stash, strcmp(form, "bytes") == 0);
	lm_stash_done(&stash);
	lm_item_done(&room);
	return result;
}

/* ---- changing ---- */

/* (handle, item, tag) */
static struct lm_js_value *store_mark(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	struct lm_script_store *store = store_of(call);
	double tag = lm_js_to_number(js, lm_js_arg(call, 2));
	struct lm_item_room room;
	struct lm_error error = { 0 };
	int err;

	if (!store || !lm_item_take(&room, js, lm_js_arg(call, 1)))
		return NULL;
	err = lm_script_store_mark(
	        store, &room.item,
	        tag >= 0 && tag < LM_TAG_COUNT ? (enum lm_mime_tag)(int)tag : LM_TAG_COUNT, &error);
	lm_item_done(&room);
	return err ? lm_js_throw_error(js, &error) : lm_js_undefined(js);
}

/* (handle, item): by its sourceid and guid. */
static struct lm_js_value *store_has(const struct lm_js_call *call)
{
	struct lm_script_store *store = store_of(call);
	struct lm_item_room room;
	struct lm_error error = { 0 };
	int has;

	if (!store || !lm_item_take(&room, call->js, lm_js_arg(call, 1)))
		return NULL;
	has = lm_script_store_has(store, room.item.sourceid, room.item.guid, &error);
	lm_item_done(&room);
	return has < 0 ? lm_js_throw_error(call->js, &error) : lm_js_bool(call->js, has);
}

/* Where the octets of a new message come from: once from memory, or from a stream. */
struct source {
	struct lm_bytes rest;
	struct lm_stream *stream;
	uint64_t at;
	uint8_t piece[16 * 1024];
};

static int pull(void *ctx, struct lm_bytes *out_piece, struct lm_error *out_error)
{
	struct source *source = ctx;
	size_t len = 0;
	int err;

	if (!source->stream) {
		*out_piece = source->rest;
		source->rest = lm_bytes(NULL, 0);
		return 0;
	}
	err = lm_stream_read_at(source->stream, source->at, source->piece, sizeof(source->piece),
	                        &len, out_error);
	source->at += len;
	*out_piece = lm_bytes(source->piece, len);
	return err;
}

static struct lm_js_value *add(struct lm_js *js, struct lm_script_store *store,
                               const struct lm_mime_item *item, struct source *source)
{
	char name[LM_SCRIPT_STORE_NAME];
	struct lm_error error = { 0 };

	if (lm_script_store_add(store, item, pull, source, name, &error))
		return lm_js_throw_error(js, &error);
	return lm_js_string(js, lm_str(name));
}

/* (handle, item, string, bytes or a stream's handle): the new name. */
static struct lm_js_value *store_add(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	struct lm_script_store *store = store_of(call);
	struct lm_buf message = { .max = MESSAGE_MAX };
	struct lm_js_value *result = NULL;
	struct lm_item_room room;
	struct source source;

	if (!store || !lm_item_take(&room, js, lm_js_arg(call, 1)))
		return NULL;
	source.at = 0;
	source.rest = lm_bytes(NULL, 0);
	source.stream = lm_stream_of(js, lm_js_arg(call, 2));
	if (source.stream || lm_octets_of(js, lm_js_arg(call, 2), &message, &source.rest))
		result = add(js, store, &room.item, &source);
	lm_buf_done(&message);
	lm_item_done(&room);
	return result;
}

/* ---- the module ---- */

static const struct lm_js_source *const sources[] = { &lm_js_store, NULL };
static const struct lm_script_native natives[] = {
	{ "storeOpen", store_open },
	{ "storeClose", store_close },
	{ "storeCaps", store_caps },
	{ "storeFlush", store_flush },
	{ "storeCheck", store_check },
	{ "storeQuery", store_query },
	{ "storeRead", store_read },
	{ "storeMark", store_mark },
	{ "storeHas", store_has },
	{ "storeAdd", store_add },
	{ NULL, NULL },
};

const struct lm_script_module lm_script_module_store = { .name = "infinity.store",
	                                                 .sources = sources,
	                                                 .natives = natives };
