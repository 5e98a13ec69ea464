/* Scripts run and compiled, functions called both ways, classes, promises. */
#include "script/engine/rig.h"

static struct lm_js_value *add(const struct lm_js_call *call)
{
	double *base = call->data;

	return lm_js_number(call->js, *base + lm_js_to_number(call->js, lm_js_arg(call, 0)) +
	                                      lm_js_to_number(call->js, lm_js_arg(call, 1)));
}

static void functions(void **state)
{
	double base = 100;

	(void)state;
	rig_publish("add", lm_js_function(js, "add", add, &base));
	assert_gives("add(1, 2)", "103");
	assert_gives("add(1)", "NaN");
	assert_gives("typeof add + add.name", "functionadd");
	assert_gives("add.call(null, 1, 2) + add.apply(null, [1, 1]) + add.bind(null, 1)(0)",
	             "306");
	assert_gives("[add instanceof Function, Object.keys(add).length]", "true,0");
	assert_null(rig_run("new add(1, 2)"));
	assert_non_null(strstr(rig_caught().message, "TypeError"));
}

static void compile(void **state)
{
	struct lm_js_value *args[2] = { lm_js_number(js, 3), lm_js_number(js, 4) };
	struct lm_js_value *f = rig_compile("return a * b // no end", "a, b");

	(void)state;
	assert_string_equal(rig_text(lm_js_call(js, f, NULL, 2, args)), "12");
	f = rig_compile("#!/usr/bin/env lettermill\nreturn this === undefined", "");
	assert_string_equal(rig_text(lm_js_call(js, f, NULL, 0, NULL)), "false");
	f = rig_compile("\xEF\xBB\xBF#!x }\n'use strict'; return this === undefined", "");
	assert_string_equal(rig_text(lm_js_call(js, f, NULL, 0, NULL)), "true");
	f = rig_compile("'use strict'; return this", "");
	assert_string_equal(rig_text(lm_js_call(js, f, args[0], 0, NULL)), "3");
	f = rig_compile("", "");
	assert_string_equal(rig_text(lm_js_call(js, f, NULL, 0, NULL)), "undefined");
	f = rig_compile("with ({x: 7}) return x + 010", "");
	assert_string_equal(rig_text(lm_js_call(js, f, NULL, 0, NULL)), "15");
}

/* Nothing of a text may run before it is called, and nothing may stand outside the function. */
static void no_escape(void **state)
{
	static const char *const texts[] = {
		"}); evil(); (function () {",
		"}); evil(); ({ _() {",
		"}, evil(), function () {",
		"}(evil()), function () {",
		"}[evil()] = function () {",
		"}} evil(); {{",
		"} evil(); function f() {",
		"} evil(); {",
		"}",
		"{",
		"}}); evil(); ({ _() {{",
		"}, [evil()]() {",
		"}, get [evil()]() {",
		"}\nevil()\nfunction f() {",
		"})\nevil(); (async function () { await 1",
		"}); evil(); (async function () { await 1",
		"}, async x(a = evil()) { await 1",
		"`",
		"`${",
		"/*",
		"/* */ }); evil(); //",
		"'",
		"/",
		"/[",
		"/* await */ }, async [evil()]() {",
		"super.x",
		"yield 1",
		"import x from 'y'",
		"export default 1",
	};

	(void)state;
	rig_run("var evils = 0; function evil() { evils++ }");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (rig_compile(texts[i], "a, b"))
			fail_msg("compiled: %s", texts[i]);
		if (strncmp(rig_caught().message, "SyntaxError: ", 13) != 0)
			fail_msg("no SyntaxError: %s", texts[i]);
	}
	assert_gives("evils", "0");
}

static void throws(void **state)
{
	struct lm_js_value *f = rig_compile("\n\n  throw new TypeError('odd')", "");
	struct lm_js_error error;

	(void)state;
	assert_null(lm_js_call(js, f, NULL, 0, NULL));
	error = rig_caught();
	assert_string_equal(error.message, "TypeError: odd");
	assert_string_equal(error.file, "body.js");
	assert_int_equal(error.line, 3);
	assert_false(error.ended);
	assert_int_equal(error.code, 0);
	assert_null(lm_js_call(js, lm_js_number(js, 1), NULL, 0, NULL));
	assert_string_equal(rig_caught().message, "TypeError: not a function");
	assert_null(lm_js_call(js, lm_js_object(js), NULL, 0, NULL));
	assert_string_equal(rig_caught().message, "TypeError: not a function");
}

static unsigned finalized;

static void count_finalized(void *data)
{
	unsigned *count = data;

	++*count;
}

static const struct lm_js_class box = { "Box", count_finalized }, other = { "Other", NULL };

static void wraps(void **state)
{
	struct lm_js_value *value = lm_js_wrap(js, &box, &finalized, 1000);

	(void)state;
	assert_ptr_equal(lm_js_unwrap(js, value, &box), &finalized);
	assert_null(lm_js_unwrap(js, value, &other));
	assert_null(lm_js_unwrap(js, lm_js_object(js), &box));
	assert_null(lm_js_unwrap(js, lm_js_number(js, 1), &box));
	assert_null(lm_js_unwrap(js, lm_js_undefined(js), &box));
	rig_publish("boxed", value);
	assert_gives("String(boxed)", "[object Box]");
	assert_null(lm_js_unwrap(js, rig_run("new Proxy(boxed, {})"), &box));
	assert_null(lm_js_unwrap(js, rig_run("Object.create(boxed)"), &box));
	assert_gives("boxed.x = 5; boxed.x", "5");
}

static struct lm_js_promise *promise;

static struct lm_js_value *later(const struct lm_js_call *call)
{
	return lm_js_promise_new(call->js, &promise);
}

static void promises(void **state)
{
	(void)state;
	rig_publish("later", lm_js_function(js, "later", later, NULL));
	assert_non_null(rig_run("var got = 'nothing'; (async () => {"
	                        "try { got = await later() } catch (e) { got = 'no ' + e } })()"));
	assert_gives("got", "nothing");
	lm_js_promise_settle(js, promise, true, lm_js_number(js, 5));
	assert_gives("got", "5");
	assert_non_null(rig_run("(async () => {"
	                        "try { got = await later() } catch (e) { got = 'no ' + e } })()"));
	lm_js_promise_settle(js, promise, false, lm_js_number(js, 6));
	assert_gives("got", "no 6");
	assert_non_null(rig_run("later()"));
	lm_js_promise_free(js, promise);
	assert_non_null(rig_run("later()")); /* the VM's end frees it */
}

struct rejections {
	unsigned count;
	char text[4000];
};

static void reject(void *ctx, struct lm_js_value *reason)
{
	struct rejections *r = ctx;

	r->count++;
	snprintf(r->text, sizeof(r->text), "%s", rig_text(reason));
}

static void rejections(void **state)
{
	struct rejections r = { 0 };

	(void)state;
	lm_js_on_rejection(js, reject, &r);
	rig_run("Promise.reject('lost'); 0");
	assert_int_equal(r.count, 1);
	assert_string_equal(r.text, "lost");
	rig_run("(async () => { await 0; throw new Error('late') })()");
	assert_int_equal(r.count, 2);
	assert_string_equal(r.text, "Error: late");
	rig_run("const taken = Promise.reject(1); taken.catch(() => {})");
	rig_run("(async () => { try { await Promise.reject(1) } catch {} })()");
	rig_run("Promise.reject(1).then(() => 1).catch(() => 2)");
	assert_int_equal(r.count, 2);
	rig_run("later()");
	lm_js_promise_settle(js, promise, false, lm_js_string(js, lm_str("settled")));
	assert_int_equal(r.count, 3);
	assert_string_equal(r.text, "settled");
	lm_js_on_rejection(js, NULL, NULL);
	rig_run("Promise.reject('unseen'); 0");
	assert_int_equal(r.count, 3);
}

static void async_bodies(void **state)
{
	struct lm_js_value *arg = rig_run("Promise.resolve(20)");
	struct lm_js_value *f = rig_compile("out = await a + 1", "a");

	(void)state;
	rig_run("var out");
	assert_non_null(lm_js_call(js, f, NULL, 1, &arg));
	assert_gives("out", "21");
	f = rig_compile("var await = 3; return await", "");
	assert_string_equal(rig_text(lm_js_call(js, f, NULL, 0, NULL)), "3");
	f = rig_compile("// await\nreturn 4", "");
	assert_string_equal(rig_text(lm_js_call(js, f, NULL, 0, NULL)), "4");
	f = rig_compile("for await (const x of [1, a]) out = x", "a");
	assert_non_null(lm_js_call(js, f, NULL, 1, &arg));
	assert_gives("out", "20");
	f = rig_compile("await 1; throw new Error('async')", "");
	assert_non_null(lm_js_call(js, f, NULL, 0, NULL));
}

static struct lm_js_value *look(const struct lm_js_call *call)
{
	assert_ptr_equal(call->js, js);
	assert_int_equal(lm_js_type(js, lm_js_arg(call, call->count)), LM_JS_UNDEFINED);
	return lm_js_array(js, call->count, call->args);
}

/* More arguments than there is room for without asking for memory. */
static void many_arguments(void **state)
{
	struct lm_js_value *args[40], *f = lm_js_function(js, "look", look, NULL);

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		args[i] = lm_js_number(js, i);
	for (size_t count = 0; count <= 40; count += 5)
		assert_true(lm_js_to_number(js, lm_js_get(js, lm_js_call(js, f, NULL, count, args),
		                                          "length")) == (double)count);
	assert_non_null(lm_js_call(js, f, f, 40, args));
}

static void constructs(void **state)
{
	struct lm_js_value *arg = lm_js_number(js, 6);
	struct lm_js_value *made = lm_js_construct(
	        js, rig_run("(class A { constructor(x) { this.x = x } })"), 1, &arg);

	(void)state;
	assert_string_equal(rig_text(lm_js_get(js, made, "x")), "6");
	assert_null(lm_js_construct(js, rig_run("(() => 1)"), 0, NULL));
	assert_string_equal(rig_caught().message, "TypeError: not a constructor");
	assert_null(lm_js_construct(js, lm_js_null(js), 0, NULL));
	assert_string_equal(rig_caught().message, "TypeError: not a constructor");
	assert_null(
	        lm_js_construct(js, rig_run("(class { constructor() { throw 'in' } })"), 0, NULL));
	assert_string_equal(rig_caught().message, "in");
}

/* From C to script to C and so on, down to the end of the stack. */
static struct lm_js_value *descend(const struct lm_js_call *call)
{
	return lm_js_call(call->js, lm_js_arg(call, 0), NULL, 0, NULL);
}

static void deep(void **state)
{
	(void)state;
	rig_publish("descend", lm_js_function(js, "descend", descend, NULL));
	assert_gives("var depth = 0; function f() { depth++; descend(f) }"
	             "try { f() } catch (e) { e.name + (depth > 100) }",
	             "RangeErrortrue");
	assert_gives("try { (function g() { g() })() } catch (e) { e.name }", "RangeError");
	assert_gives("try { f() } catch (e) { e.name }", "RangeError");
	assert_null(rig_run("f()"));
	assert_non_null(strstr(rig_caught().message, "RangeError"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions),      cmocka_unit_test(compile),
		cmocka_unit_test(no_escape),      cmocka_unit_test(throws),
		cmocka_unit_test(wraps),          cmocka_unit_test(async_bodies),
		cmocka_unit_test(many_arguments), cmocka_unit_test(constructs),
		cmocka_unit_test(deep),           cmocka_unit_test(promises),
		cmocka_unit_test(rejections),
	};

	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
