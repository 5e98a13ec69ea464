/* What a client is asked: how each kind takes its answer, and the record that script gets. */
#include "script/client.h"

#include "base/error.h"
#include "script/stream.h"

#include <inttypes.h>

enum {
	TEXTS_MAX = 64 << 20,
	ITEMS_MAX = 1 << 30,
	RECORD_MAX = 256 << 20,
	ABOUT_MAX = 1 << 20,
};
/* What the engine's strings hold at most. */
static const size_t body_max = (size_t)1 << 30;

struct lm_ask *lm_ask_new(struct lm_conn *conn, enum lm_request_type type)
{
	struct lm_ask *ask = lm_alloc_zero(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->conn = conn;
	conn->refs++;
	ask->steps = &lm_ask_plain;
	ask->request = LM_REQUEST_INIT(type);
	lm_arena_init(&ask->arena, TEXTS_MAX);
	lm_buf_init(&ask->items, ITEMS_MAX);
	lm_buf_init(&ask->body, body_max);
	lm_buf_init(&ask->about, ABOUT_MAX);
	lm_stash_init(&ask->stash);
	return ask;
}

static void wipe(struct lm_bytes secret)
{
	if (secret.len)
		lm_wipe((void *)(uintptr_t)secret.data, secret.len);
}

void lm_ask_free(struct lm_ask *ask)
{
	wipe(ask->credentials.password);
	wipe(ask->credentials.token);
	lm_sending_free(ask->sending);
	lm_client_file_free(ask->file);
	lm_stash_done(&ask->stash);
	lm_buf_done(&ask->items);
	lm_buf_done(&ask->body);
	lm_buf_done(&ask->about);
	lm_arena_reset(&ask->arena);
	lm_conn_unref(ask->conn);
	lm_free(ask);
}

void lm_ask_fail(struct lm_ask *ask, const struct lm_error *why)
{
	ask->error = *why;
	ask->outcome = (struct lm_outcome){ .result = why->code, .side = LM_SIDE_CLIENT };
	ask->is_noted = true;
}

void lm_ask_note(struct lm_ask *ask, const struct lm_outcome *outcome)
{
	struct lm_outcome *own = &ask->outcome;

	*own = *outcome;
	own->command = lm_arena_copy(&ask->arena, outcome->command);
	own->text = lm_arena_copy(&ask->arena, outcome->text);
	own->recipients = NULL;
	own->recipient_count = 0;
	ask->is_noted = true;
	if (outcome->result && !ask->error.code)
		lm_client_outcome_error(outcome, &ask->error);
}

/* What goes wrong on this side is remembered in its own words. */
static int keep_error(struct lm_ask *ask, int err, const struct lm_error *why)
{
	if (err && !ask->error.code)
		lm_fail(&ask->error, err, "%s", why->code ? why->text : lm_err_text(err));
	return err;
}

/* ---- Kinds ---- */

const struct lm_ask_steps lm_ask_plain = { NULL, NULL, NULL };

static int on_size(struct lm_ask *ask, const struct lm_event *event)
{
	const double pair[2] = { (double)event->message.number, (double)event->message.octets };
	const struct lm_error none = { 0 };

	if (event->type != LM_EVENT_ITEM)
		return 0;
	return keep_error(ask, lm_buf_add(&ask->items, lm_bytes(pair, sizeof(pair))), &none);
}

static bool give_sizes(struct lm_ask *ask, struct lm_js_value *record)
{
	struct lm_js *js = lm_clients_runtime(ask->conn->clients)->js;
	struct lm_js_value *value = lm_js_bytes(js, lm_buf_bytes(&ask->items));

	return value && lm_js_set(js, record, "value", value);
}

const struct lm_ask_steps lm_ask_list = { NULL, on_size, give_sizes };

static int on_id(struct lm_ask *ask, const struct lm_event *event)
{
	const struct lm_error none = { 0 };
	int err;

	if (event->type != LM_EVENT_ITEM)
		return 0;
	err = lm_buf_printf(&ask->items, "%zu ", event->message.number);
	if (!err)
		err = lm_buf_add(&ask->items, event->argument);
	if (!err)
		err = lm_buf_add_str(&ask->items, "\n");
	return keep_error(ask, err, &none);
}

static bool give_ids(struct lm_ask *ask, struct lm_js_value *record)
{
	struct lm_js *js = lm_clients_runtime(ask->conn->clients)->js;
	struct lm_js_value *value = lm_js_string(js, lm_buf_bytes(&ask->items));

	return value && lm_js_set(js, record, "value", value);
}

const struct lm_ask_steps lm_ask_uidl = { NULL, on_id, give_ids };

static int on_body(struct lm_ask *ask, const struct lm_event *event)
{
	struct lm_error why = { 0 };
	int err = 0;

	if (event->type != LM_EVENT_BODY)
		return 0;
	if (ask->into == LM_INTO_STREAM)
		err = lm_stash_add(&ask->stash, event->argument, &why);
	else
		err = lm_buf_add(&ask->body, event->argument);
	if (!err && ask->file)
		err = lm_client_file_write(ask->file, event->argument, &why);
	return keep_error(ask, err, &why);
}

static bool on_fetched(struct lm_ask *ask, const struct lm_outcome *outcome)
{
	struct lm_error why = { 0 };
	int err = 0;

	if (outcome->result)
		return false;
	if (ask->into == LM_INTO_STREAM)
		err = lm_stash_end(&ask->stash, &why);
	if (!err && ask->file)
		err = lm_client_file_end(ask->file, &why);
	(void)keep_error(ask, err, &why);
	return false;
}

static void free_octets(void *data, void *ctx)
{
	(void)ctx;
	lm_free(data);
}

/* The very octets that came, without a copy. */
static struct lm_js_value *bytes_of(struct lm_ask *ask, struct lm_js *js)
{
	const size_t len = lm_buf_len(&ask->body);
	uint8_t *data = len ? lm_realloc(ask->body.data, len, 1) : NULL;

	if (!data)
		return lm_js_bytes(js, lm_buf_bytes(&ask->body));
	ask->body.data = NULL;
	lm_buf_done(&ask->body);
	return lm_js_bytes_over(js, data, len, free_octets, NULL);
}

static struct lm_js_value *stream_of(struct lm_ask *ask, struct lm_js *js)
{
	struct lm_stream *stream = lm_stream_of_stash(&ask->stash);
	struct lm_js_value *handle;

	if (!stream)
		return lm_js_throw(js, LM_JS_ERROR, "out of memory");
	handle = lm_stream_handle(js, stream);
	lm_stream_unref(stream);
	return handle;
}

static bool give_body(struct lm_ask *ask, struct lm_js_value *record)
{
	struct lm_js *js = lm_clients_runtime(ask->conn->clients)->js;
	struct lm_js_value *value;

	if (ask->into == LM_INTO_STREAM)
		value = stream_of(ask, js);
	else if (ask->into == LM_INTO_BYTES)
		value = bytes_of(ask, js);
	else
		value = lm_js_string(js, lm_buf_bytes(&ask->body));
	return value && lm_js_set(js, record, "value", value);
}

const struct lm_ask_steps lm_ask_fetch = { on_fetched, on_body, give_body };

/* ---- The record ---- */

static const char *side_name(enum lm_side side)
{
	static const char *const names[] = { "", "client", "server", "peer", "network" };

	return names[side];
}

static int add_outcome(const struct lm_ask *ask, struct lm_buf *out)
{
	const struct lm_outcome *o = &ask->outcome;
	const bool is_reply = ask->is_noted && (!o->result || o->side == LM_SIDE_SERVER);
	int err = lm_buf_printf(out, "{\"ok\":%s,\"side\":\"%s\"",
	                        ask->error.code ? "false" : "true", side_name(o->side));

	if (!err && ask->error.code)
		err = lm_json_member(out, "code", lm_str(lm_err_name(ask->error.code)));
	if (!err && ask->error.code)
		err = lm_json_member(out, "message", lm_str(ask->error.text));
	if (!err && o->command.len)
		err = lm_json_member(out, "command", o->command);
	if (!err && is_reply)
		err = lm_json_reply(out, "reply", o);
	if (!err)
		err = lm_buf_printf(out, ",\"count\":%" PRIu64 ",\"octets\":%" PRIu64, o->count,
		                    o->octets);
	return err;
}

struct lm_js_value *lm_ask_record(struct lm_ask *ask, struct lm_js *js)
{
	struct lm_js_value *record = NULL;
	struct lm_buf json;
	int err;

	lm_buf_init(&json, RECORD_MAX);
	err = add_outcome(ask, &json);
	if (!err)
		err = lm_buf_add(&json, lm_buf_bytes(&ask->about));
	if (!err && ask->sending)
		err = lm_sending_json(ask->sending, &json);
	if (!err)
		err = lm_buf_add_str(&json, "}");
	if (err)
		lm_js_throw(js, LM_JS_ERROR, "%s", lm_err_text(err));
	else
		record = lm_js_from_json(js, lm_buf_bytes(&json));
	lm_buf_done(&json);
	if (record && !ask->error.code && ask->steps->value && !ask->steps->value(ask, record))
		return NULL;
	return record;
}
