/* require: looking at files, and compiling them as modules. */
#include "script/runtime_impl.h"

#include <sys/stat.h>

/* "file", "folder", or undefined. */
static struct lm_js_value *native_kind(const struct lm_js_call *call)
{
	char *path = lm_native_cstr(call, 0);
	struct lm_js_value *kind = NULL;
	struct stat st;

	if (!path)
		return NULL;
	if (stat(path, &st) < 0)
		kind = lm_js_undefined(call->js);
	else
		kind = lm_js_string(call->js, lm_str(S_ISDIR(st.st_mode) ? "folder" : "file"));
	lm_free(path);
	return kind;
}

static struct lm_js_value *native_real(const struct lm_js_call *call)
{
	char *path = lm_native_cstr(call, 0), *real;
	struct lm_js_value *value = NULL;

	real = path ? lm_runtime_real_path(call->data, path) : NULL;
	if (real)
		value = lm_js_string(call->js, lm_str(real));
	lm_free(path);
	lm_free(real);
	return value;
}

static struct lm_js_value *native_read(const struct lm_js_call *call)
{
	char *path = lm_native_cstr(call, 0);
	struct lm_js_value *value = NULL;
	struct lm_buf text;

	lm_buf_init(&text, LM_RUNTIME_MAX_FILE + 1);
	if (path && lm_runtime_read_script(call->data, path, &text))
		value = lm_js_string(call->js, lm_buf_bytes(&text));
	lm_buf_done(&text);
	lm_free(path);
	return value;
}

/* A function of require's parameters, of a file's text. */
static struct lm_js_value *native_compile(const struct lm_js_call *call)
{
	char *path = lm_native_cstr(call, 0), *parameters = path ? lm_native_cstr(call, 1) : NULL;
	struct lm_js_value *function = NULL;
	struct lm_buf text;

	lm_buf_init(&text, LM_RUNTIME_MAX_FILE + 1);
	if (parameters && lm_runtime_read_script(call->data, path, &text)) {
		struct lm_js_source source = { path, lm_buf_bytes(&text) };

		function = lm_js_compile(call->js, &source, parameters);
	}
	lm_buf_done(&text);
	lm_free(parameters);
	lm_free(path);
	return function;
}

/* ---- What the executable has within ---- */

static const struct lm_js_source *embedded(const struct lm_js_call *call)
{
	const struct lm_js_source *found = NULL;
	struct lm_buf name;

	lm_buf_init(&name, LM_RUNTIME_MAX_PATH);
	if (lm_native_text(call, 0, &name))
		for (const struct lm_js_source *s = lm_js_library; s->file && !found; s++)
			if (lm_bytes_equal(lm_str(s->file), lm_buf_bytes(&name)))
				found = s;
	lm_buf_done(&name);
	return found;
}

static struct lm_js_value *native_is_embedded(const struct lm_js_call *call)
{
	return lm_js_bool(call->js, embedded(call) != NULL);
}

static struct lm_js_value *native_compile_embedded(const struct lm_js_call *call)
{
	const struct lm_js_source *source = embedded(call);
	struct lm_js_value *function = NULL;
	char *parameters;

	if (!source)
		return lm_js_throw(call->js, LM_JS_RANGE_ERROR, "there is no such module within");
	parameters = lm_native_cstr(call, 1);
	if (parameters)
		function = lm_js_compile(call->js, source, parameters);
	lm_free(parameters);
	return function;
}

static const struct lm_script_native natives[] = {
	{ "kind", native_kind },
	{ "real", native_real },
	{ "read", native_read },
	{ "compile", native_compile },
	{ "isEmbedded", native_is_embedded },
	{ "compileEmbedded", native_compile_embedded },
	{ NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_require, NULL };

const struct lm_script_module lm_script_module_require = {
	.name = "infinity.require",
	.sources = sources,
	.natives = natives,
};
