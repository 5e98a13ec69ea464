/* Objects made by functions of script, one for each list of members: so the engine knows their
 * shape from the start, and no member is looked up by its name. */
#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPES = 256, MEMBERS = 64 };

struct shape {
	size_t count;
	const char **names;
	napi_ref make;
};

struct lm_node_shapes {
	struct shape at[SHAPES];
};

static size_t place_of(size_t count, const char *const names[])
{
	size_t hash = count;

	for (size_t i = 0; i < count; i++)
		hash = hash * 31 + (uintptr_t)names[i];
	return (hash ^ hash >> 15) % SHAPES;
}

static bool is_shape(const struct shape *shape, size_t count, const char *const names[])
{
	return shape->count == count && memcmp(shape->names, names, count * sizeof(*names)) == 0;
}

static size_t add(char *text, size_t size, size_t at, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static size_t add(char *text, size_t size, size_t at, const char *format, ...)
{
	va_list list;
	int len;

	va_start(list, format);
	len = vsnprintf(text + at, size - at, format, list);
	va_end(list);
	return at + (size_t)len;
}

/* "(function(a0,a1){return{type:a0,server:a1}})" */
static char *text_of(size_t count, const char *const names[])
{
	size_t size = 64, at = 0;
	char *text;

	for (size_t i = 0; i < count; i++)
		size += strlen(names[i]) + 32;
	text = malloc(size);
	if (!text)
		return NULL;
	at = add(text, size, at, "(function(");
	for (size_t i = 0; i < count; i++)
		at = add(text, size, at, "%sa%zu", i ? "," : "", i);
	at = add(text, size, at, "){return{");
	for (size_t i = 0; i < count; i++)
		at = add(text, size, at, "%s%s:a%zu", i ? "," : "", names[i], i);
	add(text, size, at, "}})");
	return text;
}

static napi_status make_maker(napi_env env, size_t count, const char *const names[],
                              napi_value *out_make)
{
	char *text = text_of(count, names);
	napi_status status = napi_generic_failure;
	napi_value script;

	if (text)
		status = napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &script);
	free(text);
	return status == napi_ok ? napi_run_script(env, script, out_make) : status;
}

static void forget(napi_env env, struct shape *shape)
{
	if (shape->make)
		napi_delete_reference(env, shape->make);
	free(shape->names);
	*shape = (struct shape){ 0 };
}

static void remember(napi_env env, struct shape *shape, size_t count, const char *const names[],
                     napi_value make)
{
	forget(env, shape);
	shape->names = malloc(count * sizeof(*names) + 1);
	if (!shape->names || napi_create_reference(env, make, 1, &shape->make) != napi_ok) {
		forget(env, shape);
		return;
	}
	memcpy(shape->names, names, count * sizeof(*names));
	shape->count = count;
}

static napi_status maker_of(struct lm_host *host, size_t count, const char *const names[],
                            napi_value *out_make)
{
	struct shape *shape;
	napi_status status;

	if (!host->shapes)
		host->shapes = calloc(1, sizeof(*host->shapes));
	if (!host->shapes)
		return napi_generic_failure;
	shape = &host->shapes->at[place_of(count, names)];
	if (shape->make && is_shape(shape, count, names))
		return napi_get_reference_value(host->env, shape->make, out_make);
	status = make_maker(host->env, count, names, out_make);
	if (status == napi_ok)
		remember(host->env, shape, count, names, *out_make);
	return status;
}

struct lm_host_value *lm_node_record(struct lm_host *host, size_t count, const char *const names[],
                                     struct lm_host_value *const values[])
{
	napi_value make, nobody, made = NULL;

	if (count > MEMBERS || maker_of(host, count, names, &make) != napi_ok ||
	    napi_get_undefined(host->env, &nobody) != napi_ok)
		return (struct lm_host_value *)lm_node_throw(host->env, "NOMEM",
		                                             "no memory for an entry");
	return lm_node_out(napi_call_function(host->env, nobody, make, count,
	                                      (napi_value const *)(const void *)values, &made),
	                   &made);
}

void lm_node_shapes_free(struct lm_host *host)
{
	for (size_t i = 0; host->shapes && i < SHAPES; i++)
		forget(host->env, &host->shapes->at[i]);
	free(host->shapes);
	host->shapes = NULL;
}
