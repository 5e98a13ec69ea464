/* Native functions of js/client.js: its arguments into asks, and back. */
#include "script/client.h"

#include "base/error.h"
#include "script/protocols.h"
#include "script/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { ARGUMENT_MAX = 16 << 20, CONN_COST = 64 << 10 };
/* Of a string; three octets a unit at most. */
static const size_t message_max = (size_t)3 << 30;

static struct lm_js_value *throw_code(struct lm_js *js, int err)
{
	struct lm_error error;

	lm_fail(&error, err, "%s", lm_err_text(err));
	return lm_js_throw_error(js, &error);
}

/* ---- Handles ---- */

static void finalize(void *data)
{
	lm_conn_unref(data);
}

static const struct lm_js_class conn_class = { "ClientHandle", finalize };

static struct lm_conn *conn_of(const struct lm_js_call *call)
{
	struct lm_conn *conn = lm_js_unwrap(call->js, lm_js_arg(call, 0), &conn_class);

	if (!conn)
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "not the handle of a client");
	return conn;
}

struct lm_js_value *lm_client_native_new(const struct lm_js_call *call)
{
	const double number = lm_js_to_number(call->js, lm_js_arg(call, 0));
	const enum lm_protocol protocol = (enum lm_protocol)number;
	struct lm_script_protocol *p = lm_script_protocol_of(call->data, protocol);
	struct lm_js_value *handle;
	struct lm_conn *conn;

	if (!p)
		return lm_js_throw(call->js, LM_JS_TYPE_ERROR, "the protocol is not loaded");
	if (lm_conn_new(p->clients, protocol, &conn))
		return throw_code(call->js, LM_E_NOMEM);
	handle = lm_js_wrap(call->js, &conn_class, conn, CONN_COST);
	if (!handle)
		lm_conn_unref(conn);
	return handle;
}

struct lm_js_value *lm_client_native_state(const struct lm_js_call *call)
{
	struct lm_conn *conn = conn_of(call);

	if (!conn)
		return NULL;
	if (conn->clients)
		lm_clients_turn(conn->clients);
	if (conn->is_open)
		return lm_js_bool(call->js, true);
	return lm_js_string(call->js, lm_str(conn->why.text));
}

struct lm_js_value *lm_client_native_close(const struct lm_js_call *call)
{
	struct lm_conn *conn = conn_of(call);
	struct lm_buf why;

	if (!conn)
		return NULL;
	lm_buf_init(&why, sizeof(conn->why.text) - 1);
	lm_js_add_text(call->js, lm_js_arg(call, 1), &why);
	if (lm_buf_add(&why, lm_bytes("", 1)) == 0)
		lm_conn_close(conn, LM_E_CANCELED, (const char *)why.data);
	else
		lm_conn_close(conn, LM_E_CANCELED, "closed");
	lm_buf_done(&why);
	return lm_js_undefined(call->js);
}

/* ---- Arguments ---- */

/* A string, or bytes, into the ask's memory; *out->data NULL where it is undefined. */
static bool take_octets(struct lm_ask *ask, struct lm_js *js, struct lm_js_value *value,
                        struct lm_bytes *out)
{
	struct lm_buf octets;
	bool good = true;

	*out = lm_bytes(NULL, 0);
	if (!value || lm_js_type(js, value) == LM_JS_UNDEFINED)
		return value != NULL;
	lm_buf_init(&octets, ARGUMENT_MAX);
	good = lm_js_add_octets(js, value, &octets);
	if (good)
		*out = lm_arena_copy(&ask->arena, lm_buf_bytes(&octets));
	lm_buf_wipe(&octets);
	if (good && !out->data)
		return throw_code(js, LM_E_NOMEM) != NULL;
	return good;
}

/* Members of an object, until one of them throws. */
struct reader {
	struct lm_ask *ask;
	struct lm_runtime *rt;
	struct lm_js_value *object;
	bool has_thrown;
};

static struct lm_js_value *member(struct reader *r, const char *name)
{
	struct lm_js_value *value = NULL;

	if (!r->has_thrown)
		value = lm_js_get(r->rt->js, r->object, name);
	r->has_thrown = r->has_thrown || !value;
	return value;
}

static struct lm_bytes octets(struct reader *r, const char *name)
{
	struct lm_js_value *value = member(r, name);
	struct lm_bytes taken = { NULL, 0 };

	if (value && !take_octets(r->ask, r->rt->js, value, &taken))
		r->has_thrown = true;
	return taken;
}

/* NUL is refused in js/client.js, so nothing is cut. */
static const char *text(struct reader *r, const char *name)
{
	return (const char *)octets(r, name).data;
}

static double number(struct reader *r, const char *name)
{
	struct lm_js_value *value = member(r, name);
	const double n = value ? lm_js_to_number(r->rt->js, value) : 0;

	return n >= 0 ? n : 0;
}

static bool flag(struct reader *r, const char *name)
{
	struct lm_js_value *value = member(r, name);

	return value && lm_js_truth(r->rt->js, value);
}

/* A data file's absolute name. */
static const char *file(struct reader *r, const char *name)
{
	const struct lm_bytes given = octets(r, name);
	struct lm_bytes kept = { NULL, 0 };
	char *path;

	if (!given.len || r->has_thrown)
		return NULL;
	path = lm_runtime_data_path(r->rt, given);
	if (path)
		kept = lm_arena_copy(&r->ask->arena, lm_str(path));
	else
		r->has_thrown = true;
	lm_free(path);
	return (const char *)kept.data;
}

/* ---- Asking ---- */

struct asking {
	struct lm_runtime *rt;
	struct lm_conn *conn;
	struct lm_ask *ask;
	bool is_async;
};

static bool begin(const struct lm_js_call *call, enum lm_request_type type, struct asking *out)
{
	*out = (struct asking){ .rt = call->data };
	out->conn = conn_of(call);
	if (!out->conn)
		return false;
	out->is_async = lm_js_truth(call->js, lm_js_arg(call, 1));
	if (!out->conn->clients)
		return lm_js_throw(call->js, LM_JS_ERROR, "the program ends") != NULL;
	out->ask = lm_ask_new(out->conn, type);
	return out->ask || throw_code(call->js, LM_E_NOMEM) != NULL;
}

static struct lm_js_value *give_up(struct asking *a)
{
	lm_ask_free(a->ask);
	return NULL;
}

/* The ask was made ready; `start` hands it over. */
static struct lm_js_value *go(struct asking *a, void (*start)(struct lm_ask *ask, const void *how),
                              const void *how)
{
	struct lm_clients *clients = a->conn->clients;
	struct lm_js_value *value;

	if (!a->is_async) {
		start(a->ask, how);
		lm_clients_wait(clients, a->ask);
		value = lm_ask_record(a->ask, a->rt->js);
		lm_ask_free(a->ask);
		return value;
	}
	value = lm_js_promise_new(a->rt->js, &a->ask->promise);
	if (!value)
		return give_up(a);
	lm_runtime_hold(a->rt);
	start(a->ask, how);
	lm_clients_turn(clients);
	return value;
}

static void push(struct lm_ask *ask, const void *how)
{
	(void)how;
	lm_conn_push(ask);
}

static void push_login(struct lm_ask *ask, const void *how)
{
	(void)how;
	lm_conn_login(ask);
}

static void connect_to(struct lm_ask *ask, const void *params)
{
	lm_conn_open(ask, params);
}

static void do_nothing(struct lm_ask *ask, const void *why)
{
	lm_ask_fail(ask, why);
	lm_clients_done(ask->conn->clients, ask);
}

/* What this side finds wrong is told like all else. */
static struct lm_js_value *fail(struct asking *a, const struct lm_error *why)
{
	return go(a, do_nothing, why);
}

/* ---- Connecting and logging in ---- */

static enum lm_tls_mode tls_mode(struct lm_bytes name)
{
	if (lm_bytes_equal(name, lm_str("implicit")))
		return LM_TLS_IMPLICIT;
	return lm_bytes_equal(name, lm_str("startTls")) ? LM_TLS_STARTTLS : LM_TLS_OFF;
}

static bool read_settings(struct reader *r, struct lm_client_params *p)
{
	p->no_login = true;
	p->host = text(r, "host");
	p->port = (uint16_t)number(r, "port");
	p->tls = tls_mode(octets(r, "tls"));
	p->insecure = !flag(r, "verify");
	p->ca_file = file(r, "caFile");
	p->cert_file = file(r, "certFile");
	p->key_file = file(r, "keyFile");
	p->tls_min = (unsigned)number(r, "minProtocol");
	p->tls_max = (unsigned)number(r, "maxProtocol");
	p->legacy_connect = flag(r, "legacyConnect");
	p->legacy_renegotiation = flag(r, "legacyRenegotiation");
	p->timeout = (lm_time_ms)number(r, "timeout");
	p->helo = text(r, "helo");
	p->max_message = (uint64_t)number(r, "maxMessage");
	p->force_8bit = r->ask->conn->is_forced = flag(r, "force8bit");
	return !r->has_thrown;
}

static bool read_login(struct reader *r, struct lm_credentials *c)
{
	c->user = octets(r, "user");
	c->password = octets(r, "password");
	c->authzid = octets(r, "authzid");
	c->token = octets(r, "token");
	c->mechanism = text(r, "mechanism");
	c->certificate = flag(r, "certificate");
	return !r->has_thrown;
}

struct lm_js_value *lm_client_native_connect(const struct lm_js_call *call)
{
	struct lm_client_params params;
	struct asking a;
	struct reader r;

	if (!begin(call, LM_REQUEST_OPEN, &a))
		return NULL;
	if (a.conn->client) {
		lm_ask_free(a.ask);
		return lm_js_throw(call->js, LM_JS_ERROR, "it is connected, or about to be");
	}
	a.ask->is_connect = true;
	lm_client_params_init(&params, a.conn->protocol);
	r = (struct reader){ a.ask, a.rt, lm_js_arg(call, 2), false };
	if (!read_settings(&r, &params))
		return give_up(&a);
	r.object = lm_js_arg(call, 3);
	a.ask->has_login = lm_js_type(call->js, r.object) == LM_JS_OBJECT;
	if (a.ask->has_login && !read_login(&r, &a.ask->credentials))
		return give_up(&a);
	return go(&a, connect_to, &params);
}

struct lm_js_value *lm_client_native_login(const struct lm_js_call *call)
{
	struct asking a;
	struct reader r;

	if (!begin(call, LM_REQUEST_LOGIN, &a))
		return NULL;
	r = (struct reader){ a.ask, a.rt, lm_js_arg(call, 2), false };
	if (!read_login(&r, &a.ask->credentials))
		return give_up(&a);
	return go(&a, push_login, NULL);
}

/* ---- Requests that need no more than a word and a number ---- */

static const struct plain {
	const char *name;
	enum lm_request_type type;
	const struct lm_ask_steps *steps;
} plains[] = {
	{ "NOOP", LM_REQUEST_NOOP, &lm_ask_plain }, { "RSET", LM_REQUEST_RSET, &lm_ask_plain },
	{ "QUIT", LM_REQUEST_QUIT, &lm_ask_plain }, { "STAT", LM_REQUEST_STAT, &lm_ask_plain },
	{ "LIST", LM_REQUEST_LIST, &lm_ask_list },  { "UIDL", LM_REQUEST_UIDL, &lm_ask_uidl },
	{ "DELE", LM_REQUEST_DELE, &lm_ask_plain }, { "VRFY", LM_REQUEST_VRFY, &lm_ask_plain },
};

static const struct plain *find_plain(struct lm_bytes name)
{
	for (size_t i = 0; i < sizeof(plains) / sizeof(*plains); i++)
		if (lm_bytes_equal(name, lm_str(plains[i].name)))
			return &plains[i];
	return NULL;
}

static uint64_t number_at(const struct lm_js_call *call, size_t i)
{
	const double n = lm_js_to_number(call->js, lm_js_arg(call, i));

	return n >= 0 ? (uint64_t)n : 0;
}

struct lm_js_value *lm_client_native_plain(const struct lm_js_call *call)
{
	const struct plain *plain;
	struct lm_bytes name;
	struct asking a;

	if (!begin(call, LM_REQUEST_NONE, &a))
		return NULL;
	if (!take_octets(a.ask, call->js, lm_js_arg(call, 2), &name) ||
	    !take_octets(a.ask, call->js, lm_js_arg(call, 3), &a.ask->request.argument))
		return give_up(&a);
	plain = find_plain(name);
	if (!plain) {
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "no such request");
		return give_up(&a);
	}
	a.ask->request.type = plain->type;
	a.ask->request.number = number_at(call, 4);
	a.ask->steps = plain->steps;
	a.ask->is_quit = plain->type == LM_REQUEST_QUIT;
	return go(&a, push, NULL);
}

/* ---- Fetching ---- */

static enum lm_ask_into into_of(struct lm_bytes name)
{
	if (lm_bytes_equal(name, lm_str("stream")))
		return LM_INTO_STREAM;
	return lm_bytes_equal(name, lm_str("bytes")) ? LM_INTO_BYTES : LM_INTO_STRING;
}

struct lm_js_value *lm_client_native_fetch(const struct lm_js_call *call)
{
	struct lm_bytes into, name;
	struct lm_error why;
	struct asking a;
	char *path;

	if (!begin(call, LM_REQUEST_RETR, &a))
		return NULL;
	if (!take_octets(a.ask, call->js, lm_js_arg(call, 5), &into) ||
	    !take_octets(a.ask, call->js, lm_js_arg(call, 6), &name))
		return give_up(&a);
	a.ask->steps = &lm_ask_fetch;
	a.ask->into = into_of(into);
	a.ask->request.number = number_at(call, 2);
	a.ask->request.expected = number_at(call, 4);
	if (lm_js_type(call->js, lm_js_arg(call, 3)) == LM_JS_NUMBER) {
		a.ask->request.type = LM_REQUEST_TOP;
		a.ask->request.lines = (int64_t)number_at(call, 3);
	}
	if (!name.data)
		return go(&a, push, NULL);
	path = lm_runtime_data_path(a.rt, name);
	if (!path)
		return give_up(&a);
	if (lm_client_file_new(path, &a.ask->file, &why))
		return fail(&a, &why);
	return go(&a, push, NULL);
}

/* ---- Sending ---- */

struct octets_reader {
	struct lm_bytes left;
};

static int read_octets(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                       struct lm_error *out_error)
{
	struct octets_reader *r = ctx;
	const size_t n = r->left.len < room ? r->left.len : room;

	(void)out_error;
	if (n)
		memcpy(out, r->left.data, n);
	r->left = lm_bytes_from(r->left, n);
	*out_len = n;
	return 0;
}

struct file_reader {
	const char *path;
	int fd;
};

static int read_file(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                     struct lm_error *out_error)
{
	const struct file_reader *r = ctx;
	ssize_t n;

	do
		n = read(r->fd, out, room);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.180s", r->path);
	*out_len = (size_t)n;
	return 0;
}

struct stream_reader {
	struct lm_stream *stream;
	uint64_t at;
};

static int read_stream(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                       struct lm_error *out_error)
{
	struct stream_reader *r = ctx;
	int err = lm_stream_read_at(r->stream, r->at, out, room, out_len, out_error);

	if (!err)
		r->at += *out_len;
	return err;
}

/* What a letter is made of, and what it is made into. */
struct writing {
	const struct lm_js_call *call;
	struct asking *a;
	struct lm_send_options options;
	struct lm_outgoing *letter;
	struct lm_error why;
	bool has_thrown;
};

static int letter_of(struct writing *w, lm_letter_read_fn read, void *ctx)
{
	return lm_client_letter(&w->options, read, ctx, &w->a->ask->arena, &w->letter, &w->why);
}

static int letter_of_octets(struct writing *w, struct lm_js_value *value)
{
	struct octets_reader r;
	struct lm_buf own;
	int err = 0;

	lm_buf_init(&own, message_max);
	if (lm_js_type(w->call->js, value) == LM_JS_BYTES) {
		r.left = lm_js_view(w->call->js, value);
	} else {
		w->has_thrown = !lm_js_add_octets(w->call->js, value, &own);
		r.left = lm_buf_bytes(&own);
	}
	if (!w->has_thrown)
		err = letter_of(w, read_octets, &r);
	lm_buf_done(&own);
	return err;
}

static int letter_of_stream(struct writing *w, struct lm_js_value *value)
{
	struct stream_reader r = { .stream = lm_stream_of(w->call->js, value) };

	if (r.stream)
		return letter_of(w, read_stream, &r);
	w->has_thrown = true;
	lm_js_throw(w->call->js, LM_JS_ERROR, "infinity.stream: the stream was freed");
	return 0;
}

static int letter_of_path(struct writing *w, const char *path)
{
	struct file_reader r = { path, open(path, O_RDONLY | O_CLOEXEC) };
	int err;

	if (r.fd < 0)
		return lm_fail_errno(&w->why, lm_err_from_errno(errno), errno, "%.180s", path);
	err = letter_of(w, read_file, &r);
	close(r.fd);
	return err;
}

static int letter_of_file(struct writing *w, struct lm_js_value *value)
{
	struct lm_bytes name;
	char *path = NULL;
	int err = 0;

	if (take_octets(w->a->ask, w->call->js, value, &name))
		path = lm_runtime_data_path(w->a->rt, name);
	if (path)
		err = letter_of_path(w, path);
	else
		w->has_thrown = true;
	lm_free(path);
	return err;
}

static bool read_options(struct writing *w, struct lm_js_value *object)
{
	struct reader r = { w->a->ask, w->a->rt, object, false };
	struct lm_send_options *o = &w->options;
	const struct lm_bytes ret = octets(&r, "ret");

	o->from = octets(&r, "from");
	o->to = octets(&r, "to");
	o->notify = (unsigned)number(&r, "notify");
	o->ret = ret.len ? (char)ret.data[0] : 0;
	o->envid = octets(&r, "envid");
	o->require_tls = flag(&r, "requireTls");
	o->keep_bcc = flag(&r, "keepBcc");
	return !r.has_thrown;
}

static int write_letter(struct writing *w)
{
	struct lm_js_value *what = lm_js_arg(w->call, 3);
	struct lm_bytes kind;
	int err;

	w->has_thrown = !take_octets(w->a->ask, w->call->js, lm_js_arg(w->call, 2), &kind) ||
	                !read_options(w, lm_js_arg(w->call, 4));
	if (w->has_thrown)
		return 0;
	if (lm_bytes_equal(kind, lm_str("file")))
		err = letter_of_file(w, what);
	else if (lm_bytes_equal(kind, lm_str("stream")))
		err = letter_of_stream(w, what);
	else
		err = letter_of_octets(w, what);
	if (err || w->has_thrown)
		return err;
	err = lm_sending_new(w->a->ask, w->letter);
	return err ? lm_fail(&w->why, err, "%s", lm_err_text(err)) : 0;
}

/* Who wants 8 bits to go out in any case does not mind UTF-8 in a header. */
static void relax(const struct asking *a)
{
	struct lm_envelope *e = (struct lm_envelope *)(uintptr_t)a->ask->request.envelope;

	if (a->conn->is_forced && a->conn->client &&
	    !lm_client_has(a->conn->client, "SMTPUTF8", NULL))
		e->smtputf8 = false;
}

struct lm_js_value *lm_client_native_send(const struct lm_js_call *call)
{
	struct asking a;
	struct writing w = { .call = call, .a = &a };
	int err;

	if (!begin(call, LM_REQUEST_SEND, &a))
		return NULL;
	err = write_letter(&w);
	if (w.has_thrown)
		return give_up(&a);
	if (err)
		return fail(&a, &w.why);
	relax(&a);
	return go(&a, push, NULL);
}
