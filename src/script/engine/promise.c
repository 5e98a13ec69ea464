/* Promises that the loop settles, and rejections that nobody took. */
#include "script/engine/vm.h"

struct lm_js_promise {
	struct lm_js_promise *next, **from;
	JSObjectRef resolve, reject;
};

struct lm_js_value *lm_js_promise_new(struct lm_js *js, struct lm_js_promise **out_promise)
{
	struct lm_js_promise *promise = lm_alloc(sizeof(*promise));
	JSValueRef exception = NULL;
	JSObjectRef made;

	if (!promise)
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "no memory for a promise");
	made = lm_jsc.JSObjectMakeDeferredPromise(js->ctx, &promise->resolve, &promise->reject,
	                                          &exception);
	if (!made) {
		lm_free(promise);
		return lm_js_thrown(js, exception);
	}
	lm_jsc.JSValueProtect(js->ctx, promise->resolve);
	lm_jsc.JSValueProtect(js->ctx, promise->reject);
	promise->next = js->promises;
	promise->from = &js->promises;
	if (promise->next)
		promise->next->from = &promise->next;
	js->promises = promise;
	*out_promise = promise;
	return lm_js_out(made);
}

void lm_js_promise_free(struct lm_js *js, struct lm_js_promise *promise)
{
	if (!promise)
		return;
	lm_jsc.JSValueUnprotect(js->ctx, promise->resolve);
	lm_jsc.JSValueUnprotect(js->ctx, promise->reject);
	*promise->from = promise->next;
	if (promise->next)
		promise->next->from = promise->from;
	lm_free(promise);
}

void lm_js_promises_free(struct lm_js *js)
{
	while (js->promises)
		lm_js_promise_free(js, js->promises);
}

void lm_js_promise_settle(struct lm_js *js, struct lm_js_promise *promise, bool good,
                          struct lm_js_value *value)
{
	JSObjectRef settle = good ? promise->resolve : promise->reject;
	JSValueRef argument = lm_js_in(value);

	lm_jsc.JSValueProtect(js->ctx, settle);
	lm_js_promise_free(js, promise);
	lm_js_enter(js);
	lm_jsc.JSObjectCallAsFunction(js->ctx, settle, NULL, 1, &argument, NULL);
	lm_jsc.JSValueUnprotect(js->ctx, settle);
	if (lm_js_leave(js))
		lm_js_forget(js);
}

/* The engine calls it with the promise and its reason. */
static struct lm_js_value *take_rejection(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;

	if (js->rejected)
		js->rejected(js->rejected_ctx, lm_js_arg(call, 1));
	return lm_js_undefined(js);
}

void lm_js_on_rejection(struct lm_js *js, void (*rejected)(void *ctx, struct lm_js_value *reason),
                        void *ctx)
{
	bool first = !js->rejected;
	struct lm_js_value *taker;

	js->rejected = rejected;
	js->rejected_ctx = ctx;
	if (!first || !rejected)
		return;
	taker = lm_js_function(js, "rejection", take_rejection, NULL);
	if (taker)
		lm_jsc.JSGlobalContextSetUnhandledRejectionCallback(js->ctx, lm_js_in_object(taker),
		                                                    NULL);
}
