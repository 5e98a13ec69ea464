/* Native functions as they are called: the table, arguments, and what is thrown. */
#include "bridge/bridge_impl.h"

#include <stdarg.h>
#include <stdio.h>

static struct lm_host_value *run(const struct lm_bridge_call *call, const char *native,
                                 struct lm_host_value *(*body)(const struct lm_bx_call *))
{
	const struct lm_bx_call inner = { call->bridge, call->host,  call->bridge->host.ops,
		                          native,       call->count, call->args };

	return body(&inner);
}

#define N(name, params, doc)                                                       \
	static struct lm_host_value *run_##name(const struct lm_bridge_call *call) \
	{                                                                          \
		return run(call, #name, lm_bx_##name);                             \
	}
#include "bridge/natives.def"
#undef N

static const struct lm_bridge_native natives[] = {
#define N(name, params, doc) { #name, run_##name, params },
#include "bridge/natives.def"
#undef N
	{ NULL, NULL, 0 },
};

const struct lm_bridge_native *lm_bridge_natives(void)
{
	return natives;
}

/* ---- what is thrown ---- */

struct lm_host_value *lm_bx_throw_error(const struct lm_bx_call *call, const struct lm_error *error)
{
	call->ops->fail(call->host, error);
	return NULL;
}

struct lm_host_value *lm_bx_throw(const struct lm_bx_call *call, int code, const char *fmt, ...)
{
	struct lm_error error = { .code = code };
	int n = snprintf(error.text, sizeof(error.text), "%s: ", call->native);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(error.text + n, sizeof(error.text) - (size_t)n, fmt, args);
	va_end(args);
	return lm_bx_throw_error(call, &error);
}

static bool mistaken(const struct lm_bx_call *call, const char *name, const char *wants)
{
	(void)lm_bx_throw(call, LM_E_MISUSE, "\"%s\" must be %s", name, wants);
	return false;
}

/* ---- arguments ---- */

struct lm_host_value *lm_bx_arg(const struct lm_bx_call *call, size_t i)
{
	return i < call->count ? call->args[i] : NULL;
}

enum lm_host_kind lm_bx_arg_kind(const struct lm_bx_call *call, size_t i)
{
	struct lm_host_value *value = lm_bx_arg(call, i);

	return value ? call->ops->kind(call->host, value) : LM_HOST_UNDEFINED;
}

#define NUMBER_MAX 9007199254740992.0

bool lm_bx_to_count(const struct lm_bx_call *call, struct lm_host_value *value, const char *what,
                    uint64_t *out_number)
{
	double number = -1;

	if (value && call->ops->kind(call->host, value) == LM_HOST_NUMBER)
		number = call->ops->to_number(call->host, value);
	/* Not so for NaN, too. */
	if (!(number >= 0 && number <= NUMBER_MAX) || number != (double)(uint64_t)number)
		return mistaken(call, what, "a whole number from 0 on");
	*out_number = (uint64_t)number;
	return true;
}

bool lm_bx_arg_count(const struct lm_bx_call *call, size_t i, const char *name,
                     uint64_t *out_number)
{
	return lm_bx_to_count(call, lm_bx_arg(call, i), name, out_number);
}

bool lm_bx_to_int(const struct lm_bx_call *call, struct lm_host_value *value, const char *what,
                  int least, int most, int otherwise, int *out_number)
{
	enum lm_host_kind kind = value ? call->ops->kind(call->host, value) : LM_HOST_UNDEFINED;
	char wants[80];
	double number;

	if (kind == LM_HOST_UNDEFINED) {
		*out_number = otherwise;
		return true;
	}
	number = kind == LM_HOST_NUMBER ? call->ops->to_number(call->host, value) : NUMBER_MAX;
	if (number >= least && number <= most && number == (double)(int)number) {
		*out_number = (int)number;
		return true;
	}
	(void)snprintf(wants, sizeof(wants), "a whole number from %d to %d", least, most);
	return mistaken(call, what, wants);
}

bool lm_bx_arg_int(const struct lm_bx_call *call, size_t i, const char *name, int least, int most,
                   int otherwise, int *out_number)
{
	return lm_bx_to_int(call, lm_bx_arg(call, i), name, least, most, otherwise, out_number);
}

static bool read_string(const struct lm_bx_call *call, struct lm_host_value *value, size_t max,
                        struct lm_bx_string *s)
{
	uint8_t *to = s->own;
	size_t len = call->ops->octets(call->host, value, to, sizeof(s->own) - 1);

	if (len > max) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "a string has %zu octets, at most %zu can be",
		                  len, max);
		return false;
	}
	if (len >= sizeof(s->own)) {
		to = s->memory = lm_alloc(len + 1);
		if (!to) {
			(void)lm_bx_throw(call, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
			return false;
		}
		(void)call->ops->octets(call->host, value, to, len);
	}
	to[len] = '\0';
	s->octets = lm_bytes(to, len);
	s->given = true;
	return true;
}

bool lm_bx_to_string(const struct lm_bx_call *call, struct lm_host_value *value, const char *what,
                     bool optional, size_t max, struct lm_bx_string *out_string)
{
	enum lm_host_kind kind = value ? call->ops->kind(call->host, value) : LM_HOST_UNDEFINED;

	out_string->memory = NULL;
	out_string->octets = lm_bytes(NULL, 0);
	out_string->given = false;
	out_string->own[0] = '\0';
	if (kind == LM_HOST_STRING)
		return read_string(call, value, max, out_string);
	if (optional && kind == LM_HOST_UNDEFINED)
		return true;
	return mistaken(call, what, optional ? "a string, or left out" : "a string");
}

bool lm_bx_arg_string(const struct lm_bx_call *call, size_t i, const char *name, bool optional,
                      size_t max, struct lm_bx_string *out_string)
{
	return lm_bx_to_string(call, lm_bx_arg(call, i), name, optional, max, out_string);
}

void lm_bx_string_done(struct lm_bx_string *s)
{
	if (s->octets.len)
		lm_wipe((void *)(uintptr_t)s->octets.data, s->octets.len);
	if (s->memory)
		lm_wipe(s->own, sizeof(s->own));
	lm_free(s->memory);
	s->memory = NULL;
	s->octets = lm_bytes(NULL, 0);
}

bool lm_bx_arg_array(const struct lm_bx_call *call, size_t i, const char *name, size_t max,
                     size_t *out_count)
{
	if (lm_bx_arg_kind(call, i) != LM_HOST_ARRAY)
		return mistaken(call, name, "an array");
	*out_count = call->ops->length(call->host, call->args[i]);
	if (*out_count <= max)
		return true;
	(void)lm_bx_throw(call, LM_E_MISUSE, "\"%s\" has %zu members, at most %zu can be", name,
	                  *out_count, max);
	return false;
}

bool lm_bx_arg_thing(const struct lm_bx_call *call, size_t i, const char *name,
                     enum lm_bx_kind kind, struct lm_bx_thing **out_thing)
{
	uint64_t number;

	if (!lm_bx_arg_count(call, i, name, &number))
		return false;
	*out_thing = lm_bx_find(call->bridge, number, kind);
	return true;
}

/* ---- constants ---- */

static bool set_number(const struct lm_bx_call *call, struct lm_host_value *object,
                       const char *name, double number)
{
	struct lm_host_value *value = call->ops->number(call->host, number);

	return value && call->ops->set(call->host, object, name, value);
}

static struct lm_host_value *events(const struct lm_bx_call *call)
{
	struct lm_host_value *o = call->ops->object(call->host);
	bool ok = o != NULL;

	for (int type = LM_EVENT_NONE + 1; ok && type < LM_EVENT_COUNT; type++)
		ok = set_number(call, o, lm_event_name((enum lm_event_type)type), type);
	ok = ok && set_number(call, o, "STOPPED", LM_BX_STOPPED) &&
	     set_number(call, o, "WANT", LM_BX_WANT) && set_number(call, o, "GONE", LM_BX_GONE) &&
	     set_number(call, o, "CLOSED", LM_BX_CLOSED);
	return ok ? o : NULL;
}

static struct lm_host_value *errors(const struct lm_bx_call *call)
{
	struct lm_host_value *o = call->ops->object(call->host);

#define E(name, number, text, smtp, enhanced, pop3, exit_code)   \
	if (o && !set_number(call, o, #name, -(double)(number))) \
		o = NULL;
#include <lettermill/errors.def>
#undef E
	return o;
}

struct row {
	const char *name;
	int number;
};

static struct lm_host_value *table(const struct lm_bx_call *call, const struct row *row)
{
	struct lm_host_value *o = call->ops->object(call->host);

	for (; o && row->name; row++)
		if (!set_number(call, o, row->name, row->number))
			return NULL;
	return o;
}

static const struct row codes[] = {
	{ "NONE", LM_POP3_NONE },         { "AUTH", LM_POP3_AUTH },
	{ "IN_USE", LM_POP3_IN_USE },     { "LOGIN_DELAY", LM_POP3_LOGIN_DELAY },
	{ "SYS_TEMP", LM_POP3_SYS_TEMP }, { "SYS_PERM", LM_POP3_SYS_PERM },
	{ "UTF8", LM_POP3_UTF8 },         { NULL, 0 }
};
static const struct row flags[] = { { "CLOSE", LM_REPLY_CLOSE },
	                            { "SILENT", LM_REPLY_SILENT },
	                            { "DISCARD", LM_REPLY_DISCARD },
	                            { "PROVEN", LM_REPLY_PROVEN },
	                            { NULL, 0 } };

struct lm_host_value *lm_bx_constants(const struct lm_bx_call *call)
{
	struct lm_host_value *o = call->ops->object(call->host), *value;
	const char *const names[] = { "events", "errors", "codes", "flags", "version" };

	for (size_t i = 0; o && i < sizeof(names) / sizeof(names[0]); i++) {
		switch (i) {
		case 0:
			value = events(call);
			break;
		case 1:
			value = errors(call);
			break;
		case 2:
			value = table(call, codes);
			break;
		case 3:
			value = table(call, flags);
			break;
		default:
			value = call->ops->string(call->host, lm_str(lm_version()));
		}
		if (!value || !call->ops->set(call->host, o, names[i], value))
			return NULL;
	}
	return o;
}
