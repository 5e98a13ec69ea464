/* Values made and looked at. */
#include "script/engine/vm.h"

#include <math.h>

struct lm_js_value *lm_js_undefined(struct lm_js *js)
{
	return lm_js_out(lm_jsc.JSValueMakeUndefined(js->ctx));
}

struct lm_js_value *lm_js_null(struct lm_js *js)
{
	return lm_js_out(lm_jsc.JSValueMakeNull(js->ctx));
}

struct lm_js_value *lm_js_bool(struct lm_js *js, bool value)
{
	return lm_js_out(lm_jsc.JSValueMakeBoolean(js->ctx, value));
}

struct lm_js_value *lm_js_number(struct lm_js *js, double value)
{
	return lm_js_out(lm_jsc.JSValueMakeNumber(js->ctx, value));
}

static void free_copy(void *data, void *ctx)
{
	(void)ctx;
	lm_free(data);
}

struct lm_js_value *lm_js_bytes(struct lm_js *js, struct lm_bytes octets)
{
	uint8_t *copy = lm_alloc(octets.len ? octets.len : 1);

	if (!copy)
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for %zu octets", octets.len);
	if (octets.len)
		memcpy(copy, octets.data, octets.len);
	return lm_js_bytes_over(js, copy, octets.len, free_copy, NULL);
}

struct lm_js_value *lm_js_bytes_over(struct lm_js *js, void *data, size_t len,
                                     void (*done)(void *data, void *ctx), void *ctx)
{
	JSValueRef exception = NULL;
	JSObjectRef made = lm_jsc.JSObjectMakeTypedArrayWithBytesNoCopy(
	        js->ctx, kJSTypedArrayTypeUint8Array, data, len, done, ctx, &exception);

	return made ? lm_js_out(made) : lm_js_thrown(js, exception);
}

struct lm_js_value *lm_js_object(struct lm_js *js)
{
	return lm_js_out(lm_jsc.JSObjectMake(js->ctx, NULL, NULL));
}

struct lm_js_value *lm_js_array(struct lm_js *js, size_t count, struct lm_js_value *const values[])
{
	JSValueRef exception = NULL;
	JSObjectRef made = lm_jsc.JSObjectMakeArray(js->ctx, count, lm_js_in_all(values),
	                                            &exception);

	return made ? lm_js_out(made) : lm_js_thrown(js, exception);
}

struct lm_js_value *lm_js_from_json(struct lm_js *js, struct lm_bytes json)
{
	JSStringRef text = lm_js_jsstring(json);
	JSValueRef value, string, exception = NULL;

	if (!text)
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for %zu octets of JSON",
		                   json.len);
	value = lm_jsc.JSValueMakeFromJSONString(js->ctx, text);
	if (!value) {
		/* The same once more, for the words of what is wrong. */
		string = lm_jsc.JSValueMakeString(js->ctx, text);
		value = lm_jsc.JSObjectCallAsFunction(js->ctx, js->roots[LM_JS_ROOT_PARSE], NULL, 1,
		                                      &string, &exception);
	}
	lm_jsc.JSStringRelease(text);
	return exception ? lm_js_thrown(js, exception) : lm_js_out(value);
}

bool lm_js_to_json(struct lm_js *js, struct lm_js_value *value, unsigned indent, struct lm_buf *out)
{
	JSValueRef exception = NULL;
	size_t before = lm_buf_len(out);
	JSStringRef text;
	bool good;

	lm_js_enter(js);
	text = lm_jsc.JSValueCreateJSONString(js->ctx, lm_js_in(value), indent, &exception);
	good = lm_js_finish(js, exception);
	if (!text)
		return false;
	if (good && lm_js_jsstring_octets(text, false, out)) {
		out->len = out->head + before;
		lm_js_throw(js, LM_JS_RANGE_ERROR, "JSON of more than %zu octets", out->max);
		good = false;
	}
	lm_jsc.JSStringRelease(text);
	return good;
}

static enum lm_js_type object_type(struct lm_js *js, JSValueRef value)
{
	if (lm_jsc.JSObjectIsFunction(js->ctx, (JSObjectRef)(uintptr_t)value))
		return LM_JS_FUNCTION;
	if (lm_jsc.JSValueIsArray(js->ctx, value))
		return LM_JS_ARRAY;
	if (lm_jsc.JSValueGetTypedArrayType(js->ctx, value, NULL) != kJSTypedArrayTypeNone)
		return LM_JS_BYTES;
	return LM_JS_OBJECT;
}

enum lm_js_type lm_js_type(struct lm_js *js, struct lm_js_value *value)
{
	switch (lm_jsc.JSValueGetType(js->ctx, lm_js_in(value))) {
	case kJSTypeUndefined:
		return LM_JS_UNDEFINED;
	case kJSTypeNull:
		return LM_JS_NULL;
	case kJSTypeBoolean:
		return LM_JS_BOOL;
	case kJSTypeNumber:
		return LM_JS_NUMBER;
	case kJSTypeString:
		return LM_JS_STRING;
	case kJSTypeObject:
		return object_type(js, lm_js_in(value));
	default:
		return LM_JS_OTHER;
	}
}

bool lm_js_truth(struct lm_js *js, struct lm_js_value *value)
{
	return lm_jsc.JSValueToBoolean(js->ctx, lm_js_in(value));
}

double lm_js_to_number(struct lm_js *js, struct lm_js_value *value)
{
	if (lm_js_type(js, value) != LM_JS_NUMBER)
		return NAN;
	return lm_jsc.JSValueToNumber(js->ctx, lm_js_in(value), NULL);
}

/* String(value), whatever that runs; NULL when it threw, and then nothing is left to catch. */
static JSStringRef text_of(struct lm_js *js, JSValueRef value)
{
	JSValueRef text, exception = NULL;

	if (lm_jsc.JSValueIsString(js->ctx, value))
		return lm_jsc.JSValueToStringCopy(js->ctx, value, NULL);
	lm_js_enter(js);
	text = lm_jsc.JSObjectCallAsFunction(js->ctx, js->roots[LM_JS_ROOT_STRING], NULL, 1, &value,
	                                     &exception);
	if (lm_js_leave(js))
		exception = js->thrown;
	return exception ? NULL : lm_jsc.JSValueToStringCopy(js->ctx, text, NULL);
}

void lm_js_add_text(struct lm_js *js, struct lm_js_value *value, struct lm_buf *out)
{
	JSValueRef thrown = js->thrown;
	enum lm_js_end end = js->thrown_end;
	JSStringRef text;
	int err;

	js->thrown = NULL;
	text = text_of(js, lm_js_in(value));
	if (js->thrown)
		lm_js_forget(js);
	js->thrown = thrown;
	js->thrown_end = end;
	if (!text)
		text = lm_jsc.JSStringCreateWithUTF8CString("[object]");
	err = lm_js_jsstring_octets(text, true, out);
	(void)err; /* without memory it stays short */
	lm_jsc.JSStringRelease(text);
}

struct lm_bytes lm_js_view(struct lm_js *js, struct lm_js_value *value)
{
	JSObjectRef object = lm_js_in_object(value);
	const uint8_t *data;
	size_t len, offset;

	switch (lm_jsc.JSValueGetTypedArrayType(js->ctx, lm_js_in(value), NULL)) {
	case kJSTypedArrayTypeNone:
		return lm_bytes(NULL, 0);
	case kJSTypedArrayTypeArrayBuffer:
		data = lm_jsc.JSObjectGetArrayBufferBytesPtr(js->ctx, object, NULL);
		len = lm_jsc.JSObjectGetArrayBufferByteLength(js->ctx, object, NULL);
		return lm_bytes(data, data ? len : 0);
	default:
		data = lm_jsc.JSObjectGetTypedArrayBytesPtr(js->ctx, object, NULL);
		len = lm_jsc.JSObjectGetTypedArrayByteLength(js->ctx, object, NULL);
		offset = lm_jsc.JSObjectGetTypedArrayByteOffset(js->ctx, object, NULL);
		return data ? lm_bytes(data + offset, len) : lm_bytes(NULL, 0);
	}
}

/* The object to look into; NULL and thrown for undefined and null. */
static JSObjectRef object_of(struct lm_js *js, struct lm_js_value *value, const char *name)
{
	if (lm_jsc.JSValueIsObject(js->ctx, lm_js_in(value)))
		return lm_js_in_object(value);
	switch (lm_js_type(js, value)) {
	case LM_JS_UNDEFINED:
	case LM_JS_NULL:
		lm_js_throw(js, LM_JS_TYPE_ERROR, "no object that could have \"%s\"", name);
		return NULL;
	default:
		return lm_jsc.JSValueToObject(js->ctx, lm_js_in(value), NULL);
	}
}

struct lm_js_value *lm_js_get(struct lm_js *js, struct lm_js_value *object, const char *name)
{
	JSStringRef key = lm_js_name(js, name);
	JSObjectRef in = key ? object_of(js, object, name) : NULL;
	JSValueRef found, exception = NULL;

	if (!in)
		return NULL;
	lm_js_enter(js);
	found = lm_jsc.JSObjectGetProperty(js->ctx, in, key, &exception);
	return lm_js_result(js, found, exception);
}

struct lm_js_value *lm_js_at(struct lm_js *js, struct lm_js_value *array, unsigned index)
{
	JSObjectRef in = object_of(js, array, "[]");
	JSValueRef found, exception = NULL;

	if (!in)
		return NULL;
	lm_js_enter(js);
	found = lm_jsc.JSObjectGetPropertyAtIndex(js->ctx, in, index, &exception);
	return lm_js_result(js, found, exception);
}

bool lm_js_set(struct lm_js *js, struct lm_js_value *object, const char *name,
               struct lm_js_value *value)
{
	JSStringRef key = lm_js_name(js, name);
	JSObjectRef in = key ? object_of(js, object, name) : NULL;
	JSValueRef exception = NULL;

	if (!in)
		return false;
	lm_js_enter(js);
	lm_jsc.JSObjectSetProperty(js->ctx, in, key, lm_js_in(value), kJSPropertyAttributeNone,
	                           &exception);
	return lm_js_finish(js, exception);
}

bool lm_js_put(struct lm_js *js, struct lm_js_value *array, unsigned index,
               struct lm_js_value *value)
{
	JSObjectRef in = object_of(js, array, "[]");
	JSValueRef exception = NULL;

	if (!in)
		return false;
	lm_js_enter(js);
	lm_jsc.JSObjectSetPropertyAtIndex(js->ctx, in, index, lm_js_in(value), &exception);
	return lm_js_finish(js, exception);
}

bool lm_js_each_name(struct lm_js *js, struct lm_js_value *object,
                     bool (*each)(void *ctx, struct lm_bytes name), void *ctx)
{
	JSValueRef argument = lm_js_in(object), exception = NULL, keys;
	struct lm_js_value *names, *count, *name;
	struct lm_buf room;
	bool good = true, more = true;

	lm_js_enter(js);
	keys = lm_jsc.JSObjectCallAsFunction(js->ctx, js->roots[LM_JS_ROOT_KEYS], NULL, 1,
	                                     &argument, &exception);
	names = lm_js_result(js, keys, exception);
	count = names ? lm_js_get(js, names, "length") : NULL;
	if (!count)
		return false;
	lm_buf_init(&room, SIZE_MAX / 4);
	for (unsigned i = 0; good && more && i < lm_js_to_number(js, count); i++) {
		lm_buf_clear(&room);
		name = lm_js_at(js, names, i);
		good = name && lm_js_add_octets(js, name, &room);
		more = good && each(ctx, lm_buf_bytes(&room));
	}
	lm_buf_done(&room);
	return good;
}

void lm_js_hold(struct lm_js *js, struct lm_js_value *value)
{
	lm_jsc.JSValueProtect(js->ctx, lm_js_in(value));
}

void lm_js_drop(struct lm_js *js, struct lm_js_value *value)
{
	lm_jsc.JSValueUnprotect(js->ctx, lm_js_in(value));
}
