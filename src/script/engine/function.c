/* What script gets from C: functions, and objects with a pointer inside. */
#include "script/engine/vm.h"

/* Behind a function of script that is one of C. */
struct native {
	struct lm_js *js;
	lm_js_fn fn;
	void *data;
	const char *name;
};

/* Behind an object with a pointer inside. */
struct box {
	const struct lm_js_class *kind;
	void *data;
};

static JSValueRef call_native(JSContextRef ctx, JSObjectRef function, JSObjectRef self,
                              size_t count, const JSValueRef args[], JSValueRef *out_exception)
{
	const struct native *native = lm_jsc.JSObjectGetPrivate(function);
	struct lm_js *js = native->js;
	struct lm_js_call call = { js, native->data, lm_js_out(self), count,
		                   (struct lm_js_value *const *)args };
	struct lm_js_value *result;

	(void)ctx;
	result = native->fn(&call);
	if (!result && !js->thrown)
		lm_js_throw(js, LM_JS_ERROR, "%s failed", native->name);
	if (!result)
		*out_exception = js->thrown;
	if (js->thrown)
		lm_js_forget(js);
	return lm_js_in(result);
}

static void free_native(JSObjectRef function)
{
	lm_free(lm_jsc.JSObjectGetPrivate(function));
}

static void free_box(JSObjectRef object)
{
	struct box *box = lm_jsc.JSObjectGetPrivate(object);

	if (box && box->kind->finalize)
		box->kind->finalize(box->data);
	lm_free(box);
}

bool lm_js_classes_make(struct lm_js *js)
{
	JSClassDefinition function = { .className = "Function",
		                       .attributes = kJSClassAttributeNoAutomaticPrototype,
		                       .callAsFunction = call_native,
		                       .finalize = free_native };
	JSClassDefinition box = { .className = "Native",
		                  .attributes = kJSClassAttributeNoAutomaticPrototype,
		                  .finalize = free_box };

	js->function_class = lm_jsc.JSClassCreate(&function);
	js->box_class = lm_jsc.JSClassCreate(&box);
	return js->function_class && js->box_class;
}

void lm_js_classes_free(struct lm_js *js)
{
	while (js->kinds) {
		struct lm_js_kind *kind = js->kinds;

		js->kinds = kind->next;
		lm_jsc.JSClassRelease(kind->class);
		lm_free(kind);
	}
	if (js->box_class)
		lm_jsc.JSClassRelease(js->box_class);
	if (js->function_class)
		lm_jsc.JSClassRelease(js->function_class);
}

/* A callable object that answers to all that functions do. */
struct lm_js_value *lm_js_function(struct lm_js *js, const char *name, lm_js_fn fn, void *data)
{
	const JSPropertyAttributes fixed = kJSPropertyAttributeReadOnly |
	                                   kJSPropertyAttributeDontEnum;
	struct native *native = lm_alloc(sizeof(*native));
	JSStringRef text = lm_js_name(js, name), key = lm_js_name(js, "name");
	JSObjectRef made;

	if (!native || !text || !key) {
		lm_free(native);
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for %s", name);
	}
	*native = (struct native){ js, fn, data, name };
	made = lm_jsc.JSObjectMake(js->ctx, js->function_class, native);
	/* Before it inherits a name, which could not be set then. */
	lm_jsc.JSObjectSetProperty(js->ctx, made, key, lm_jsc.JSValueMakeString(js->ctx, text),
	                           fixed, NULL);
	lm_jsc.JSObjectSetPrototype(js->ctx, made, js->roots[LM_JS_ROOT_FUNCTIONS]);
	return lm_js_out(made);
}

struct lm_js_value *lm_js_arg(const struct lm_js_call *call, size_t i)
{
	return i < call->count ? call->args[i] : lm_js_undefined(call->js);
}

static JSClassRef class_of(struct lm_js *js, const struct lm_js_class *kind)
{
	struct lm_js_kind *found = js->kinds;
	JSClassDefinition definition = { .className = kind->name,
		                         .attributes = kJSClassAttributeNoAutomaticPrototype,
		                         .parentClass = js->box_class };

	while (found && found->kind != kind)
		found = found->next;
	if (found)
		return found->class;
	found = lm_alloc(sizeof(*found));
	if (!found)
		return NULL;
	*found = (struct lm_js_kind){ js->kinds, kind, lm_jsc.JSClassCreate(&definition) };
	js->kinds = found;
	return found->class;
}

struct lm_js_value *lm_js_wrap(struct lm_js *js, const struct lm_js_class *kind, void *data,
                               size_t cost)
{
	JSClassRef class = class_of(js, kind);
	struct box *box = class ? lm_alloc(sizeof(*box)) : NULL;
	JSObjectRef made;

	if (!box)
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for %s", kind->name);
	*box = (struct box){ kind, data };
	made = lm_jsc.JSObjectMake(js->ctx, class, box);
	if (cost)
		lm_jsc.JSReportExtraMemoryCost(js->ctx, cost);
	return lm_js_out(made);
}

void *lm_js_unwrap(struct lm_js *js, struct lm_js_value *value, const struct lm_js_class *kind)
{
	const struct box *box;

	if (!lm_jsc.JSValueIsObjectOfClass(js->ctx, lm_js_in(value), js->box_class))
		return NULL;
	box = lm_jsc.JSObjectGetPrivate(lm_js_in_object(value));
	return box && box->kind == kind ? box->data : NULL;
}

void lm_js_cost(struct lm_js *js, size_t octets)
{
	lm_jsc.JSReportExtraMemoryCost(js->ctx, octets);
}
