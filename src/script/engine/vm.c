/* A VM: made, kept ready, freed. */
#include "base/error.h"
#include "script/engine/vm.h"

/* Looks a dotted name up from the global object. */
static JSObjectRef find_root(struct lm_js *js, const char *path)
{
	JSStringRef text = lm_jsc.JSStringCreateWithUTF8CString(path);
	JSValueRef found = lm_jsc.JSEvaluateScript(js->ctx, text, NULL, NULL, 1, NULL);

	lm_jsc.JSStringRelease(text);
	if (!found || !lm_jsc.JSValueIsObject(js->ctx, found))
		return NULL;
	lm_jsc.JSValueProtect(js->ctx, found);
	return (JSObjectRef)(uintptr_t)found;
}

static bool make_roots(struct lm_js *js)
{
	static const char *const paths[LM_JS_ROOTS] = {
		[LM_JS_ROOT_ERROR] = "Error",
		[LM_JS_ROOT_TYPE_ERROR] = "TypeError",
		[LM_JS_ROOT_RANGE_ERROR] = "RangeError",
		[LM_JS_ROOT_SYNTAX_ERROR] = "SyntaxError",
		[LM_JS_ROOT_STRING] = "String",
		[LM_JS_ROOT_KEYS] = "Object.keys",
		[LM_JS_ROOT_PARSE] = "JSON.parse",
		[LM_JS_ROOT_CALL] = "Function.prototype.call",
		[LM_JS_ROOT_FUNCTIONS] = "Function.prototype",
	};

	for (size_t i = 0; i < LM_JS_ROOTS; i++) {
		js->roots[i] = find_root(js, paths[i]);
		if (!js->roots[i])
			return false;
	}
	js->code = lm_jsc.JSValueMakeSymbol(js->ctx, NULL);
	lm_jsc.JSValueProtect(js->ctx, js->code);
	return true;
}

static bool make(struct lm_js *js)
{
	js->group = lm_jsc.JSContextGroupCreate();
	js->ctx = lm_jsc.JSGlobalContextCreateInGroup(js->group, NULL);
	if (!js->ctx)
		return false;
	lm_jsc.JSGlobalContextSetInspectable(js->ctx, false);
	return lm_js_classes_make(js) && make_roots(js);
}

int lm_js_new(const struct lm_js_limits *limits, void *owner, struct lm_js **out_js,
              struct lm_error *out_error)
{
	struct lm_js *js = lm_alloc_zero(1, sizeof(*js));

	if (!js)
		return lm_fail(out_error, LM_E_NOMEM, "no memory for a JavaScript VM");
	js->owner = owner;
	js->thread = pthread_self();
	js->entry = LM_JS_ENTRY_NONE;
	lm_buf_init(&js->message, LM_JS_MESSAGE_MAX);
	lm_buf_init(&js->file, LM_JS_MESSAGE_MAX);
	lm_buf_init(&js->stack, LM_JS_STACK_MAX);
	if (pthread_getcpuclockid(js->thread, &js->clock) || !make(js)) {
		lm_js_free(js);
		return lm_fail(out_error, LM_E_NOMEM, "no memory for a JavaScript VM");
	}
	lm_js_set_limits(js, limits);
	*out_js = js;
	return 0;
}

static void free_files(struct lm_js *js)
{
	while (js->files) {
		struct lm_js_file *file = js->files;

		js->files = file->next;
		lm_free(file);
	}
}

void lm_js_free(struct lm_js *js)
{
	if (!js)
		return;
	LM_ASSERT(js->depth == 0);
	lm_js_promises_free(js);
	if (js->group)
		lm_jsc.JSContextGroupClearExecutionTimeLimit(js->group);
	if (js->ctx)
		lm_jsc.JSGlobalContextRelease(js->ctx);
	if (js->group)
		lm_jsc.JSContextGroupRelease(js->group);
	lm_js_classes_free(js);
	lm_js_names_free(&js->names);
	free_files(js);
	lm_buf_done(&js->message);
	lm_buf_done(&js->file);
	lm_buf_done(&js->stack);
	lm_free(js);
}

void *lm_js_owner(const struct lm_js *js)
{
	return js->owner;
}
