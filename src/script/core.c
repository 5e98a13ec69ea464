/* infinity itself: modules, included scripts, waiting, the end; and what native functions share. */
#include "script/runtime_impl.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Arguments ---- */

struct lm_js_value *lm_native_nomem(struct lm_js *js)
{
	struct lm_error error = { 0 };

	lm_fail(&error, LM_E_NOMEM, "out of memory");
	return lm_js_throw_error(js, &error);
}

bool lm_native_text(const struct lm_js_call *call, size_t i, struct lm_buf *out)
{
	struct lm_js_value *value = lm_js_arg(call, i);

	if (lm_js_type(call->js, value) != LM_JS_STRING)
		return lm_js_throw(call->js, LM_JS_TYPE_ERROR, "a string is needed");
	return lm_js_add_octets(call->js, value, out);
}

char *lm_native_cstr(const struct lm_js_call *call, size_t i)
{
	struct lm_buf text;
	char *copy = NULL;

	lm_buf_init(&text, LM_RUNTIME_MAX_TEXT);
	if (lm_native_text(call, i, &text)) {
		if (lm_buf_len(&text) && memchr(text.data, '\0', lm_buf_len(&text)))
			lm_js_throw(call->js, LM_JS_RANGE_ERROR, "NUL cannot stand there");
		else if (!(copy = lm_strdup_bytes(lm_buf_bytes(&text))))
			lm_native_nomem(call->js);
	}
	lm_buf_done(&text);
	return copy;
}

/* ---- Modules and scripts ---- */

static struct lm_js_value *native_load(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	struct lm_buf name;
	bool is_good;

	lm_buf_init(&name, 1000);
	is_good = lm_native_text(call, 0, &name) && lm_runtime_load(rt, lm_buf_bytes(&name));
	lm_buf_done(&name);
	return is_good ? lm_js_undefined(call->js) : NULL;
}

/* The absolute, real name of a script. */
static struct lm_js_value *native_script_path(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	struct lm_js_value *value = NULL;
	char *path = NULL, *real = NULL;
	struct lm_buf name;

	lm_buf_init(&name, LM_RUNTIME_MAX_PATH);
	if (lm_native_text(call, 0, &name))
		path = lm_runtime_script_path(rt, lm_buf_bytes(&name));
	if (path)
		real = lm_runtime_real_path(rt, path);
	if (real)
		value = lm_js_string(call->js, lm_str(real));
	lm_buf_done(&name);
	lm_free(path);
	lm_free(real);
	return value;
}

static struct lm_js_value *native_run_file(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	struct lm_js_value *value = NULL;
	char *path = lm_native_cstr(call, 0);
	struct lm_buf text;

	lm_buf_init(&text, LM_RUNTIME_MAX_FILE + 1);
	if (path && lm_runtime_read_script(rt, path, &text)) {
		struct lm_js_source source = { path, lm_buf_bytes(&text) };

		value = lm_js_run(call->js, &source);
	}
	lm_buf_done(&text);
	lm_free(path);
	return value;
}

/* ---- What a program knows about itself ---- */

static struct lm_js_value *native_args(const struct lm_js_call *call)
{
	const struct lm_script *script = ((struct lm_runtime *)call->data)->script;
	struct lm_js_value *list = lm_js_array(call->js, 0, NULL);
	struct lm_js_value *push = list ? lm_js_get(call->js, list, "push") : NULL;

	for (size_t i = 0; push && i < script->arg_count; i++) {
		struct lm_js_value *word = lm_js_string(call->js, lm_str(script->args[i]));

		if (!word || !lm_js_call(call->js, push, list, 1, &word))
			return NULL;
	}
	return push ? list : NULL;
}

static const char *temp_folder(void)
{
	const char *temp = getenv("TMPDIR");

	return temp && *temp == '/' ? temp : "/tmp";
}

static struct lm_js_value *native_folder(const struct lm_js_call *call)
{
	const struct lm_script *script = ((struct lm_runtime *)call->data)->script;
	const char *const folders[] = { script->root, temp_folder(), script->run_dir,
		                        script->data_root };
	double which = lm_js_to_number(call->js, lm_js_arg(call, 0));

	if (!(which >= 0 && which < 4) || !folders[(int)which])
		return lm_js_undefined(call->js);
	return lm_js_string(call->js, lm_str(folders[(int)which]));
}

static struct lm_js_value *native_version(const struct lm_js_call *call)
{
	return lm_js_string(call->js, lm_str(lm_version()));
}

static struct lm_js_value *native_engine(const struct lm_js_call *call)
{
	return lm_js_string(call->js, lm_str(lm_js_engine()));
}

/* ---- Waiting and the end ---- */

static struct lm_js_value *native_sleep(const struct lm_js_call *call)
{
	double ms = lm_js_to_number(call->js, lm_js_arg(call, 0));

	if (!(ms >= 0 && ms <= INT32_MAX))
		return lm_js_throw(call->js, LM_JS_RANGE_ERROR, "infinity.sleep: out of range");
	return lm_js_bool(call->js, lm_runtime_sleep(call->data, (lm_time_ms)ceil(ms)));
}

static struct lm_js_value *native_terminated(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;

	return lm_js_bool(call->js, atomic_load(&rt->script->terminated));
}

static struct lm_js_value *native_thread_terminated(const struct lm_js_call *call)
{
	return lm_js_bool(call->js, !lm_runtime_sleep(call->data, 0));
}

static struct lm_js_value *native_terminate(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	double code = lm_js_to_number(call->js, lm_js_arg(call, 0));

	if (code > 0 && code <= 255)
		lm_script_set_exit(rt->script, (int)code);
	lm_script_terminate(rt->script);
	return lm_js_undefined(call->js);
}

static struct lm_js_value *native_gc(const struct lm_js_call *call)
{
	lm_js_collect(call->js);
	return lm_js_undefined(call->js);
}

static struct lm_js_value *native_beep(const struct lm_js_call *call)
{
	if (isatty(STDERR_FILENO))
		(void)!write(STDERR_FILENO, "\a", 1);
	return lm_js_undefined(call->js);
}

static struct lm_js_value *native_now(const struct lm_js_call *call)
{
	return lm_js_number(call->js, lm_runtime_now());
}

static const struct lm_script_native natives[] = {
	{ "load", native_load },
	{ "scriptPath", native_script_path },
	{ "runFile", native_run_file },
	{ "args", native_args },
	{ "folder", native_folder },
	{ "version", native_version },
	{ "engine", native_engine },
	{ "sleep", native_sleep },
	{ "terminated", native_terminated },
	{ "threadTerminated", native_thread_terminated },
	{ "terminate", native_terminate },
	{ "gc", native_gc },
	{ "beep", native_beep },
	{ "now", native_now },
	{ NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_core, NULL };

const struct lm_script_module lm_script_module_core = {
	.name = "infinity",
	.sources = sources,
	.natives = natives,
};
