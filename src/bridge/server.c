/* Servers: made, configured, started, drained and freed by script. */
#include "bridge/session.h"

#include <lettermill/pop3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	NAME_MAX_OCTETS = 256,
	VALUE_MAX = 1 << 20,
	TEXTS_MAX = 1000,
	TEXT_MAX = 1000,
	WORKERS_MAX = 32
};

static struct lm_host_value *out_of_memory(const struct lm_bx_call *call)
{
	return lm_bx_throw(call, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
}

/* A server that is not there is a mistake: script knows when it frees one. */
static struct lm_bx_server *server_of(const struct lm_bx_call *call)
{
	struct lm_bx_thing *thing;

	if (!lm_bx_arg_thing(call, 0, "server", LM_BX_SERVER, &thing))
		return NULL;
	if (!thing) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "\"server\" is not one, or was freed");
		return NULL;
	}
	return lm_container(thing, struct lm_bx_server, thing);
}

/* ---- the end ---- */

static bool tell_stopped(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                         struct lm_host_value **out_value)
{
	struct lm_bx_server *s = lm_container(entry, struct lm_bx_server, stopped);
	const struct lm_host_ops *ops = bridge->host.ops;
	struct lm_host_value *object = ops->object(host), *value;

	s->state = LM_BX_ENDED;
	lm_bx_running(bridge, false);
	value = object ? ops->number(host, LM_BX_STOPPED) : NULL;
	if (!value || !ops->set(host, object, "type", value))
		return false;
	value = ops->number(host, (double)s->thing.number);
	if (!value || !ops->set(host, object, "server", value))
		return false;
	*out_value = object;
	return true;
}

/* The server goes with the bridge. */
static void drop_stopped(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry)
{
	(void)bridge;
	(void)host;
	(void)entry;
}

static void *await_end(void *arg)
{
	struct lm_bx_server *s = arg;

	lm_server_wait(s->server);
	lm_bx_push(s->bridge, &s->stopped);
	return NULL;
}

static bool has_waiter(const struct lm_bx_server *s)
{
	return s->state == LM_BX_ENDS || s->state == LM_BX_ENDED;
}

void lm_bx_server_end(struct lm_bridge *bridge, struct lm_bx_server *s)
{
	lm_server_drain(s->server, 0);
	if (has_waiter(s))
		pthread_join(s->waiter, NULL);
	lm_server_free(s->server);
	lm_bx_remove(bridge, &s->thing);
}

/* ---- natives ---- */

/* Script runs on one thread: workers for all processors would only take it turns away. */
static int set_workers(struct lm_server *server)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN) / 2;
	char text[24];

	if (count > WORKERS_MAX)
		count = WORKERS_MAX;
	(void)snprintf(text, sizeof(text), "%ld", count < 1 ? 1 : count);
	return lm_server_set(server, "workers", text, NULL);
}

struct lm_host_value *lm_bx_serverNew(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = lm_alloc_zero(1, sizeof(*s));
	int err = s ? lm_server_new(&s->server) : LM_E_NOMEM;

	if (!err)
		err = set_workers(s->server);
	if (err) {
		if (s)
			lm_server_free(s->server);
		lm_free(s);
		return lm_bx_throw(call, err, "%s", lm_err_text(err));
	}
	s->thing.kind = LM_BX_SERVER;
	s->bridge = call->bridge;
	s->stopped.tell = tell_stopped;
	s->stopped.drop = drop_stopped;
	s->ops = lm_bx_handler_ops;
	err = lm_server_handler(s->server, &s->ops, s);
	if (!err)
		err = lm_bx_add(call->bridge, &s->thing);
	if (err) {
		lm_server_free(s->server);
		lm_free(s);
		return lm_bx_throw(call, err, "%s", lm_err_text(err));
	}
	return call->ops->number(call->host, (double)s->thing.number);
}

/* A NUL would cut what follows it off. */
static bool is_whole(const struct lm_bx_call *call, const char *what, const struct lm_bx_string *s)
{
	if (!s->octets.len || !memchr(s->octets.data, '\0', s->octets.len))
		return true;
	(void)lm_bx_throw(call, LM_E_MISUSE, "\"%s\" must not have NUL in it", what);
	return false;
}

static const char *text_of(const struct lm_bx_string *s)
{
	return s->given ? (const char *)s->octets.data : NULL;
}

struct lm_host_value *lm_bx_serverSet(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = server_of(call);
	struct lm_bx_string name = { .memory = NULL }, value = { .memory = NULL };
	struct lm_host_value *result = NULL;
	struct lm_error error = { 0 };

	if (!s)
		return NULL;
	if (lm_bx_arg_string(call, 1, "name", false, NAME_MAX_OCTETS, &name) &&
	    lm_bx_arg_string(call, 2, "text", true, VALUE_MAX, &value) &&
	    is_whole(call, "name", &name) && is_whole(call, "text", &value)) {
		if (lm_server_set(s->server, text_of(&name), text_of(&value), &error))
			(void)lm_bx_throw_error(call, &error);
		else
			result = lm_bx_undefined(call);
	}
	lm_bx_string_done(&name);
	lm_bx_string_done(&value);
	return result;
}

/* ---- languages ---- */

struct words {
	struct lm_bx_string *strings; /* two a text */
	struct lm_pop3_text *texts;
	size_t count;
};

static bool read_word(const struct lm_bx_call *call, struct words *w, size_t i)
{
	struct lm_host_value *pair = call->ops->at(call->host, call->args[3], i);
	struct lm_bx_string *key = &w->strings[2 * i], *text = key + 1;
	bool is_pair = pair && call->ops->kind(call->host, pair) == LM_HOST_ARRAY &&
	               call->ops->length(call->host, pair) == 2;

	if (!is_pair) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "text %zu must be [key, text or null]", i);
		return false;
	}
	if (!lm_bx_to_string(call, call->ops->at(call->host, pair, 0), "key", false, TEXT_MAX,
	                     key) ||
	    !lm_bx_to_string(call, call->ops->at(call->host, pair, 1), "text", true, TEXT_MAX,
	                     text) ||
	    !is_whole(call, "key", key) || !is_whole(call, "text", text))
		return false;
	w->texts[i] = (struct lm_pop3_text){ text_of(key), text_of(text) };
	return true;
}

static bool read_words(const struct lm_bx_call *call, struct words *w)
{
	w->strings = lm_alloc_zero(2 * w->count + 1, sizeof(*w->strings));
	w->texts = lm_alloc_zero(w->count + 1, sizeof(*w->texts));
	if (!w->strings || !w->texts) {
		(void)out_of_memory(call);
		return false;
	}
	for (size_t i = 0; i < w->count; i++)
		if (!read_word(call, w, i))
			return false;
	return true;
}

static void words_done(struct words *w)
{
	for (size_t i = 0; w->strings && i < 2 * w->count; i++)
		lm_bx_string_done(&w->strings[i]);
	lm_free(w->strings);
	lm_free(w->texts);
}

struct lm_host_value *lm_bx_serverLanguage(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = server_of(call);
	struct lm_bx_string tag = { .memory = NULL }, name = { .memory = NULL };
	struct lm_host_value *result = NULL;
	struct words words = { .count = 0 };
	struct lm_error error = { 0 };

	if (!s)
		return NULL;
	if (lm_bx_arg_string(call, 1, "tag", false, NAME_MAX_OCTETS, &tag) &&
	    lm_bx_arg_string(call, 2, "name", false, NAME_MAX_OCTETS, &name) &&
	    is_whole(call, "tag", &tag) && is_whole(call, "name", &name) &&
	    lm_bx_arg_array(call, 3, "texts", TEXTS_MAX, &words.count) &&
	    read_words(call, &words)) {
		struct lm_pop3_language language = { text_of(&tag), text_of(&name), words.texts,
			                             words.count };

		if (lm_server_language(s->server, &language, &error))
			(void)lm_bx_throw_error(call, &error);
		else
			result = lm_bx_undefined(call);
	}
	words_done(&words);
	lm_bx_string_done(&tag);
	lm_bx_string_done(&name);
	return result;
}

/* ---- running ---- */

static bool read_events(const struct lm_bx_call *call, size_t i, const char *name,
                        uint64_t *out_events)
{
	size_t count;
	uint64_t type;

	*out_events = 0;
	if (!lm_bx_arg_array(call, i, name, 4 * LM_EVENT_COUNT, &count))
		return false;
	for (size_t n = 0; n < count; n++) {
		struct lm_host_value *value = call->ops->at(call->host, call->args[i], n);

		if (!lm_bx_to_count(call, value, name, &type))
			return false;
		if (type == LM_EVENT_NONE || type >= LM_EVENT_COUNT) {
			(void)lm_bx_throw(call, LM_E_MISUSE, "\"%s\" has no event %u", name,
			                  (unsigned)type);
			return false;
		}
		*out_events |= LM_EVENT_BIT(type);
	}
	return true;
}

/* CONNECT is always asked for: it brings the ticket that a session is cut with. */
static void set_events(struct lm_bx_server *s, uint64_t decides, uint64_t hears)
{
	const uint64_t message = LM_EVENT_BIT(LM_EVENT_DATA) | LM_EVENT_BIT(LM_EVENT_MESSAGE);

	s->decides = decides;
	s->hears = hears & ~LM_EVENT_BIT(LM_EVENT_BODY);
	s->ops.decides = decides | LM_EVENT_BIT(LM_EVENT_CONNECT);
	if (decides & message)
		s->ops.decides |= LM_EVENT_BIT(LM_EVENT_BODY) | LM_EVENT_BIT(LM_EVENT_DATA);
	s->ops.hears = s->hears;
}

static void note_listeners(struct lm_bx_server *s)
{
	static const char *const names[LM_BX_LISTENERS] = { "smtp", "smtps", "submission",
		                                            "lmtp", "pop3",  "pop3s" };

	for (size_t i = 0; i < LM_BX_LISTENERS; i++) {
		const char *where = lm_server_endpoint(s->server, names[i]);
		const char *port = where && where[0] != '/' ? strrchr(where, ':') : NULL;

		s->listeners[i].name = names[i];
		s->listeners[i].port = port ? (int)strtoul(port + 1, NULL, 10) : 0;
		s->listeners[i].on = where != NULL;
	}
}

struct lm_host_value *lm_bx_serverStart(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = server_of(call);
	struct lm_error error = { 0 };
	uint64_t decides, hears;

	if (!s || !read_events(call, 1, "decides", &decides) ||
	    !read_events(call, 2, "hears", &hears))
		return NULL;
	if (s->state != LM_BX_NEW)
		return lm_bx_throw(call, LM_E_MISUSE, "a server is started once");
	set_events(s, decides, hears);
	if (lm_server_start(s->server, &error))
		return lm_bx_throw_error(call, &error);
	s->state = LM_BX_RUNS;
	note_listeners(s);
	lm_bx_running(call->bridge, true);
	return lm_bx_undefined(call);
}

struct lm_host_value *lm_bx_serverEndpoint(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = server_of(call);
	struct lm_bx_string name = { .memory = NULL };
	const char *where;

	if (!s || !lm_bx_arg_string(call, 1, "listener", false, NAME_MAX_OCTETS, &name))
		return NULL;
	where = lm_server_endpoint(s->server, text_of(&name));
	lm_bx_string_done(&name);
	return where ? call->ops->string(call->host, lm_str(where)) : lm_bx_undefined(call);
}

struct lm_host_value *lm_bx_serverReload(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = server_of(call);
	struct lm_error error = { 0 };

	if (!s)
		return NULL;
	if (s->state != LM_BX_RUNS)
		return lm_bx_throw(call, LM_E_MISUSE, "the server does not run");
	if (lm_server_reload(s->server, &error))
		return lm_bx_throw_error(call, &error);
	return lm_bx_undefined(call);
}

struct lm_host_value *lm_bx_serverDrain(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = server_of(call);
	int ms;

	if (!s || !lm_bx_arg_int(call, 1, "ms", 0, INT32_MAX, 0, &ms))
		return NULL;
	if (s->state == LM_BX_NEW)
		return lm_bx_throw(call, LM_E_MISUSE, "the server was not started");
	if (s->state == LM_BX_ENDED)
		return lm_bx_undefined(call);
	if (s->state == LM_BX_RUNS) {
		if (pthread_create(&s->waiter, NULL, await_end, s))
			return lm_bx_throw(call, LM_E_IO, "no thread can be had to wait for it");
		s->state = LM_BX_ENDS;
	}
	lm_server_drain(s->server, ms);
	return lm_bx_undefined(call);
}

struct lm_host_value *lm_bx_serverFree(const struct lm_bx_call *call)
{
	struct lm_bx_server *s = server_of(call);

	if (!s)
		return NULL;
	if (s->state == LM_BX_RUNS || s->state == LM_BX_ENDS)
		return lm_bx_throw(call, LM_E_MISUSE,
		                   "the server runs; drain it and wait for STOPPED");
	lm_bx_server_end(call->bridge, s);
	lm_free(s);
	return lm_bx_undefined(call);
}

struct lm_host_value *lm_bx_serverStats(const struct lm_bx_call *call)
{
	static const struct {
		const char *name;
		size_t offset;
	} rows[] = {
		{ "sessionsOpen", offsetof(struct lm_server_stats, sessions_open) },
		{ "sessionsTotal", offsetof(struct lm_server_stats, sessions_total) },
		{ "sessionsRefused", offsetof(struct lm_server_stats, sessions_refused) },
		{ "messagesIn", offsetof(struct lm_server_stats, messages_in) },
		{ "messagesOut", offsetof(struct lm_server_stats, messages_out) },
		{ "octetsIn", offsetof(struct lm_server_stats, octets_in) },
		{ "octetsOut", offsetof(struct lm_server_stats, octets_out) },
		{ "authFailures", offsetof(struct lm_server_stats, auth_failures) },
	};
	struct lm_bx_server *s = server_of(call);
	struct lm_host_value *object, *value;
	struct lm_server_stats stats;
	uint64_t n;

	if (!s)
		return NULL;
	lm_server_stats(s->server, &stats);
	object = call->ops->object(call->host);
	for (size_t i = 0; object && i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(&n, (const char *)&stats + rows[i].offset, sizeof(n));
		value = call->ops->number(call->host, (double)n);
		if (!value || !call->ops->set(call->host, object, rows[i].name, value))
			return NULL;
	}
	return object;
}
