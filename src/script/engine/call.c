/* Calls into script. Every way in goes through enter and leave; the outermost one is what limits
 * are for. */
#include "script/engine/vm.h"

#include <stdio.h>

/* Arguments of one call that need no allocation. */
#define ARGS_FEW 16

bool lm_js_finish(struct lm_js *js, JSValueRef exception)
{
	if (exception)
		lm_js_thrown(js, exception);
	return !lm_js_leave(js) && !exception;
}

struct lm_js_value *lm_js_result(struct lm_js *js, JSValueRef result, JSValueRef exception)
{
	return lm_js_finish(js, exception) ? lm_js_out(result) : NULL;
}

/* The text without a byte order mark; a line for the shell becomes a comment. */
static struct lm_bytes plain_text(struct lm_bytes text, const char **out_before)
{
	*out_before = "";
	if (text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
		text = lm_bytes_from(text, 3);
	if (text.len >= 2 && memcmp(text.data, "#!", 2) == 0) {
		*out_before = "//";
		text = lm_bytes_from(text, 2);
	}
	return text;
}

/* Script text with something around it; NULL and thrown when there is no memory. */
static JSStringRef surround(struct lm_js *js, const char *head, const char *parameters,
                            const char *body, struct lm_bytes text, const char *tail)
{
	const char *before;
	struct lm_buf all;
	JSStringRef made = NULL;

	text = plain_text(text, &before);
	lm_buf_init(&all, text.len + 1000);
	if (!lm_buf_printf(&all, "%s%s%s%s", head, parameters, body, before) &&
	    !lm_buf_add(&all, text) && !lm_buf_add_str(&all, tail))
		made = lm_js_jsstring(lm_buf_bytes(&all));
	lm_buf_done(&all);
	if (!made)
		lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for a script of %zu octets",
		            text.len);
	return made;
}

struct lm_js_value *lm_js_run(struct lm_js *js, const struct lm_js_source *source)
{
	JSStringRef text = surround(js, "", "", "", source->text, "");
	JSStringRef file;
	JSValueRef result, exception = NULL;

	if (!text)
		return NULL;
	file = lm_jsc.JSStringCreateWithUTF8CString(source->file);
	lm_js_enter(js);
	result = lm_jsc.JSEvaluateScript(js->ctx, text, NULL, file, 1, &exception);
	lm_jsc.JSStringRelease(text);
	lm_jsc.JSStringRelease(file);
	return lm_js_result(js, result, exception);
}

/*
 * Three ways to write the same function. What gets compiled is the expression; but a text like
 * "}); evil(); (function () {" would end it early. So the text must be right in the other two as
 * well: behind the brace that ends a method only "," or "}" may stand, and behind the one that
 * ends a declaration neither of them. A text that passes both has no such brace.
 */
struct form {
	const char *expression, *declaration, *method;
};
static const struct form forms[] = {
	{ "(function (", "function _(", "({_(" },
	{ "(async function (", "async function _(", "({async _(" },
};

static bool remember_file(struct lm_js *js, const char *name, size_t shift)
{
	struct lm_js_file *file = js->files;
	size_t len = strlen(name) + 1;

	while (file && strcmp(file->name, name) != 0)
		file = file->next;
	if (!file) {
		file = lm_alloc(sizeof(*file) + len);
		if (!file)
			return false;
		memcpy(file->name, name, len);
		file->next = js->files;
		js->files = file;
	}
	file->shift = (unsigned)shift;
	return true;
}

struct compiling {
	struct lm_js *js;
	const struct lm_js_source *source;
	const char *parameters;
	JSStringRef file;
};

static bool check(const struct compiling *c, const char *head, const char *tail)
{
	JSStringRef text = surround(c->js, head, c->parameters, "){", c->source->text, tail);
	JSValueRef exception = NULL;

	if (!text)
		return false;
	lm_jsc.JSCheckScriptSyntax(c->js->ctx, text, c->file, 1, &exception);
	lm_jsc.JSStringRelease(text);
	if (exception)
		lm_js_thrown(c->js, exception);
	return !exception;
}

static bool check_form(const struct compiling *c, const struct form *form)
{
	return check(c, form->declaration, "\n}") && check(c, form->method, "\n}})");
}

static JSValueRef make_function(const struct compiling *c, const struct form *form,
                                JSValueRef *out_exception)
{
	JSStringRef text = surround(c->js, form->expression, c->parameters, "){", c->source->text,
	                            "\n})");
	JSValueRef made;

	if (!text)
		return NULL;
	made = lm_jsc.JSEvaluateScript(c->js->ctx, text, NULL, c->file, 1, out_exception);
	lm_jsc.JSStringRelease(text);
	return made;
}

/* The first form took offence; perhaps at an await, then the second is what is meant. When that is
 * wrong as well, the error further down is the one that tells more. */
static const struct form *try_async(const struct compiling *c)
{
	struct lm_js *js = c->js;
	struct lm_js_value *plain;
	struct lm_js_error error;
	unsigned line;

	if (!memmem(c->source->text.data, c->source->text.len, "await", 5) ||
	    !lm_js_catch(js, &error, &plain))
		return NULL;
	line = error.line;
	if (check_form(c, &forms[1]))
		return &forms[1];
	lm_js_describe(js, lm_js_out(js->thrown), &error);
	if (error.line < line)
		lm_js_throw_value(js, plain);
	return NULL;
}

static struct lm_js_value *compile(const struct compiling *c)
{
	struct lm_js *js = c->js;
	const struct form *form = &forms[0];
	JSValueRef made, exception = NULL;

	if (!check_form(c, form))
		form = try_async(c);
	if (!form)
		return NULL;
	if (!remember_file(js, c->source->file,
	                   strlen(form->expression) + strlen(c->parameters) + 2))
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for %s", c->source->file);
	lm_js_enter(js);
	made = make_function(c, form, &exception);
	return lm_js_result(js, made, exception);
}

struct lm_js_value *lm_js_compile(struct lm_js *js, const struct lm_js_source *source,
                                  const char *parameters)
{
	struct compiling c = { js, source, parameters,
		               lm_jsc.JSStringCreateWithUTF8CString(source->file) };
	struct lm_js_value *made = compile(&c);

	lm_jsc.JSStringRelease(c.file);
	return made;
}

static struct lm_js_value *no_function(struct lm_js *js, const char *what)
{
	return lm_js_throw(js, LM_JS_TYPE_ERROR, "not a %s", what);
}

/* The engine takes only objects as `this`, so anything else goes by Function.prototype.call. */
static JSValueRef call_with(struct lm_js *js, struct lm_js_value *function, JSValueRef self,
                            size_t count, struct lm_js_value *const args[],
                            JSValueRef *out_exception)
{
	JSValueRef few[ARGS_FEW + 1], *all = few, result;

	if (count > ARGS_FEW) {
		all = lm_alloc_zero(count + 1, sizeof(*all));
		if (!all) {
			lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for %zu arguments", count);
			return NULL;
		}
	}
	all[0] = self;
	if (count)
		memcpy(all + 1, args, count * sizeof(*all));
	result = lm_jsc.JSObjectCallAsFunction(js->ctx, js->roots[LM_JS_ROOT_CALL],
	                                       lm_js_in_object(function), count + 1, all,
	                                       out_exception);
	if (all != few)
		lm_free(all);
	return result;
}

static bool is_object(struct lm_js *js, struct lm_js_value *value)
{
	return value && lm_jsc.JSValueIsObject(js->ctx, lm_js_in(value));
}

struct lm_js_value *lm_js_call(struct lm_js *js, struct lm_js_value *function,
                               struct lm_js_value *self, size_t count,
                               struct lm_js_value *const args[])
{
	JSValueRef result, exception = NULL;

	if (!is_object(js, function) ||
	    !lm_jsc.JSObjectIsFunction(js->ctx, lm_js_in_object(function)))
		return no_function(js, "function");
	lm_js_enter(js);
	if (is_object(js, self))
		result = lm_jsc.JSObjectCallAsFunction(js->ctx, lm_js_in_object(function),
		                                       lm_js_in_object(self), count,
		                                       lm_js_in_all(args), &exception);
	else
		result = call_with(js, function,
		                   self ? lm_js_in(self) : lm_jsc.JSValueMakeUndefined(js->ctx),
		                   count, args, &exception);
	return lm_js_result(js, result, exception);
}

struct lm_js_value *lm_js_construct(struct lm_js *js, struct lm_js_value *constructor, size_t count,
                                    struct lm_js_value *const args[])
{
	JSValueRef result, exception = NULL;

	if (!is_object(js, constructor) ||
	    !lm_jsc.JSObjectIsConstructor(js->ctx, lm_js_in_object(constructor)))
		return no_function(js, "constructor");
	lm_js_enter(js);
	result = lm_jsc.JSObjectCallAsConstructor(js->ctx, lm_js_in_object(constructor), count,
	                                          lm_js_in_all(args), &exception);
	return lm_js_result(js, result, exception);
}
