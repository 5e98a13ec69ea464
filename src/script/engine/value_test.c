/* Values made and looked at, each with what it is not. */
#include "script/engine/rig.h"

#include <math.h>

static void types(void **state)
{
	static const struct {
		const char *script;
		enum lm_js_type type;
		bool truth;
	} rows[] = {
		{ "undefined", LM_JS_UNDEFINED, false },
		{ "null", LM_JS_NULL, false },
		{ "true", LM_JS_BOOL, true },
		{ "false", LM_JS_BOOL, false },
		{ "0", LM_JS_NUMBER, false },
		{ "NaN", LM_JS_NUMBER, false },
		{ "-1.5", LM_JS_NUMBER, true },
		{ "''", LM_JS_STRING, false },
		{ "'x'", LM_JS_STRING, true },
		{ "(() => 1)", LM_JS_FUNCTION, true },
		{ "(class {})", LM_JS_FUNCTION, true },
		{ "(async function () {})", LM_JS_FUNCTION, true },
		{ "[]", LM_JS_ARRAY, true },
		{ "new Uint8Array(2)", LM_JS_BYTES, true },
		{ "new Float64Array(2)", LM_JS_BYTES, true },
		{ "new ArrayBuffer(2)", LM_JS_BYTES, true },
		{ "new DataView(new ArrayBuffer(2))", LM_JS_OBJECT, true },
		{ "({})", LM_JS_OBJECT, true },
		{ "new Date", LM_JS_OBJECT, true },
		{ "new Number(0)", LM_JS_OBJECT, true },
		{ "Promise.resolve()", LM_JS_OBJECT, true },
		{ "Symbol()", LM_JS_OTHER, true },
		{ "0n", LM_JS_OTHER, false },
		{ "1n", LM_JS_OTHER, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct lm_js_value *value = rig_run(rows[i].script);

		assert_non_null(value);
		if (lm_js_type(js, value) != rows[i].type ||
		    lm_js_truth(js, value) != rows[i].truth)
			fail_msg("%s", rows[i].script);
		if (rows[i].type != LM_JS_NUMBER)
			assert_true(isnan(lm_js_to_number(js, value)));
	}
}

static void simple(void **state)
{
	(void)state;
	assert_int_equal(lm_js_type(js, lm_js_undefined(js)), LM_JS_UNDEFINED);
	assert_int_equal(lm_js_type(js, lm_js_null(js)), LM_JS_NULL);
	assert_int_equal(lm_js_type(js, lm_js_bool(js, true)), LM_JS_BOOL);
	assert_true(lm_js_truth(js, lm_js_bool(js, true)));
	assert_false(lm_js_truth(js, lm_js_bool(js, false)));
	assert_true(lm_js_to_number(js, lm_js_number(js, -0.25)) == -0.25);
	assert_true(lm_js_to_number(js, lm_js_number(js, 9007199254740993.0)) ==
	            9007199254740992.0);
	assert_int_equal(lm_js_type(js, lm_js_object(js)), LM_JS_OBJECT);
	assert_ptr_equal(lm_js_owner(js), NULL);
	assert_non_null(strstr(lm_js_engine(), "JavaScriptCore"));
}

static void arrays(void **state)
{
	struct lm_js_value *three[3] = { lm_js_number(js, 1), lm_js_null(js),
		                         lm_js_string(js, lm_str("x")) };
	struct lm_js_value *array = lm_js_array(js, 3, three);

	(void)state;
	assert_int_equal(lm_js_type(js, array), LM_JS_ARRAY);
	assert_string_equal(rig_text(array), "1,,x");
	assert_string_equal(rig_text(lm_js_at(js, array, 2)), "x");
	assert_string_equal(rig_text(lm_js_at(js, array, 3)), "undefined");
	assert_string_equal(rig_text(lm_js_get(js, array, "length")), "3");
	array = lm_js_array(js, 0, NULL);
	assert_string_equal(rig_text(lm_js_get(js, array, "length")), "0");
	/* One number is an element, no length. */
	array = lm_js_array(js, 1, three);
	assert_string_equal(rig_text(lm_js_get(js, array, "length")), "1");
	assert_null(lm_js_at(js, lm_js_null(js), 0));
	assert_string_equal(rig_caught().message, "TypeError: no object that could have \"[]\"");
	assert_string_equal(rig_text(lm_js_at(js, lm_js_string(js, lm_str("abc")), 1)), "b");
}

static void properties(void **state)
{
	struct lm_js_value *object = rig_run("globalThis.o = { get bad() { throw 'got' },"
	                                     " set bad(v) { throw 'set ' + v }, a: 1 }; o");

	(void)state;
	assert_string_equal(rig_text(lm_js_get(js, object, "a")), "1");
	assert_string_equal(rig_text(lm_js_get(js, object, "b")), "undefined");
	assert_true(lm_js_set(js, object, "b", lm_js_number(js, 2)));
	assert_gives("o.b", "2");
	assert_null(lm_js_get(js, object, "bad"));
	assert_string_equal(rig_caught().message, "got");
	assert_false(lm_js_set(js, object, "bad", lm_js_number(js, 3)));
	assert_string_equal(rig_caught().message, "set 3");
	assert_null(lm_js_get(js, lm_js_undefined(js), "a"));
	assert_non_null(strstr(rig_caught().message, "TypeError"));
	assert_false(lm_js_set(js, lm_js_null(js), "a", object));
	assert_non_null(strstr(rig_caught().message, "TypeError"));
	assert_string_equal(rig_text(lm_js_get(js, rig_run("'abc'"), "length")), "3");
	assert_string_equal(
	        rig_text(lm_js_get(js, rig_run("new Proxy({}, { get: (t, k) => k })"), "any")),
	        "any");
}

/* More names than the first table of them holds. */
static void many_names(void **state)
{
	static char names[1000][5];
	struct lm_js_value *object = rig_run("globalThis.many = {}; many");

	(void)state;
	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < 1000; i++) {
			snprintf(names[i], sizeof(names[i]), "n%u", i);
			assert_true(lm_js_set(js, object, names[i], lm_js_number(js, i)));
		}
	assert_gives("Object.keys(many).length + ' ' + many.n999", "1000 999");
	for (unsigned i = 0; i < 1000; i++)
		assert_true(lm_js_to_number(js, lm_js_get(js, object, names[i])) == i);
}

struct list {
	char text[200];
	unsigned stop;
};

static bool take_name(void *ctx, struct lm_bytes name)
{
	struct list *list = ctx;
	size_t len = strlen(list->text);

	snprintf(list->text + len, sizeof(list->text) - len, "%.*s,", LM_FMT(name));
	return !list->stop || --list->stop;
}

static void names(void **state)
{
	struct list list = { "" };

	(void)state;
	assert_true(lm_js_each_name(js,
	                            rig_run("class Base { get inherited() {} };"
	                                    "Object.assign(Object.create({ far: 1 }),"
	                                    " { b: 1, a: 2, 7: 3, '\\u20ac': 4, '\\uDCFF': 5 })"),
	                            take_name, &list));
	assert_string_equal(list.text, "7,b,a,\xE2\x82\xAC,\xFF,");
	list = (struct list){ "", 2 };
	assert_true(lm_js_each_name(js, rig_run("({ x: 1, y: 2, z: 3 })"), take_name, &list));
	assert_string_equal(list.text, "x,y,");
	list = (struct list){ "" };
	assert_true(lm_js_each_name(js, rig_run("({})"), take_name, &list));
	assert_string_equal(list.text, "");
	assert_false(lm_js_each_name(js, lm_js_null(js), take_name, &list));
	assert_non_null(strstr(rig_caught().message, "TypeError"));
	assert_false(lm_js_each_name(js, rig_run("new Proxy({}, { ownKeys() { throw 'no' } })"),
	                             take_name, &list));
	assert_string_equal(rig_caught().message, "no");
}

static void json(void **state)
{
	struct lm_buf out;
	struct lm_js_value *value = lm_js_from_json(
	        js, lm_str("{\"a\":[1,\"\xC3\xA9\",null],\"b\":{}}"));

	(void)state;
	lm_buf_init(&out, 60);
	assert_true(lm_js_to_json(js, value, 0, &out));
	assert_bytes(lm_buf_bytes(&out), lm_str("{\"a\":[1,\"\xC3\xA9\",null],\"b\":{}}"));
	lm_buf_clear(&out);
	assert_true(lm_js_to_json(js, rig_run("[1]"), 2, &out));
	assert_bytes(lm_buf_bytes(&out), lm_str("[\n  1\n]"));
	assert_false(lm_js_to_json(js, rig_run("(() => 1)"), 0, &out));
	assert_false(lm_js_catch(js, &(struct lm_js_error){ 0 }, NULL));
	assert_false(lm_js_to_json(js, rig_run("({ toJSON() { throw 'mine' } })"), 0, &out));
	assert_string_equal(rig_caught().message, "mine");
	assert_false(lm_js_to_json(js, rig_run("const c = {}; c.c = c; c"), 0, &out));
	assert_non_null(strstr(rig_caught().message, "TypeError"));
	assert_false(lm_js_to_json(js, rig_run("'x'.repeat(100)"), 0, &out));
	assert_non_null(strstr(rig_caught().message, "RangeError"));
	assert_bytes(lm_buf_bytes(&out), lm_str("[\n  1\n]"));
	lm_buf_done(&out);
}

static void bad_json(void **state)
{
	static const char *const texts[] = { "",    "{",   "{a:1}", "'x'",      "[1,]",     "01",
		                             "NaN", "1 2", "\xFF",  "\"\x01\"", "undefined" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (lm_js_from_json(js, lm_str(texts[i])))
			fail_msg("taken: %s", texts[i]);
		assert_non_null(strstr(rig_caught().message, "SyntaxError: "));
	}
	assert_null(lm_js_from_json(js, lm_bytes("\"a\0b\"", 5)));
	assert_non_null(strstr(rig_caught().message, "SyntaxError: "));
	assert_int_equal(lm_js_type(js, lm_js_from_json(js, lm_str(" null "))), LM_JS_NULL);
}

static void views(void **state)
{
	(void)state;
	rig_publish("b", lm_js_bytes(js, lm_bytes("ab\0\xFF", 4)));
	assert_gives("b.join() + b.constructor.name", "97,98,0,255Uint8Array");
	assert_bytes(lm_js_view(js, rig_run("b")), lm_bytes("ab\0\xFF", 4));
	assert_bytes(lm_js_view(js, rig_run("b.subarray(1, 3)")), lm_bytes("b\0", 2));
	assert_bytes(lm_js_view(js, rig_run("b.buffer")), lm_bytes("ab\0\xFF", 4));
	assert_bytes(lm_js_view(js, rig_run("new Uint16Array([0x4142])")), lm_str("BA"));
	assert_bytes(lm_js_view(js, rig_run("new Uint16Array(b.buffer, 2, 1)")),
	             lm_bytes("\0\xFF", 2));
	assert_bytes(lm_js_view(js, rig_run("new Uint8Array(0)")), lm_str(""));
	assert_bytes(lm_js_view(js, rig_run("new ArrayBuffer(0)")), lm_str(""));
	assert_bytes(lm_js_view(js, rig_run("[1, 2]")), lm_str(""));
	assert_bytes(lm_js_view(js, rig_run("'text'")), lm_str(""));
	assert_bytes(lm_js_view(js, rig_run("null")), lm_str(""));
	assert_bytes(lm_js_view(js, rig_run("const gone = new ArrayBuffer(4);"
	                                    "gone.transfer(); gone")),
	             lm_str(""));
	rig_publish("none", lm_js_bytes(js, lm_str("")));
	assert_gives("none.length", "0");
}

static void done(void *data, void *ctx)
{
	unsigned *count = ctx;

	assert_string_equal(data, "borrowed");
	++*count;
}

/* The memory stays the caller's, and goes back once nobody looks at it. */
static void borrowed(void **state)
{
	static char text[] = "borrowed";
	unsigned count = 0;
	struct lm_js *own;

	(void)state;
	assert_err(lm_js_new(NULL, &count, &own, NULL), 0);
	assert_ptr_equal(lm_js_owner(own), &count);
	assert_ptr_equal(lm_js_view(own, lm_js_bytes_over(own, text, 8, done, &count)).data, text);
	lm_js_free(own);
	assert_int_equal(count, 1);
}

static void holds(void **state)
{
	struct lm_js_value **held = lm_alloc(1000 * sizeof(*held));

	(void)state;
	assert_non_null(held);
	for (unsigned i = 0; i < 1000; i++) {
		held[i] = lm_js_string(js, lm_str("held"));
		lm_js_hold(js, held[i]);
		lm_js_hold(js, held[i]);
		lm_js_drop(js, held[i]);
	}
	lm_js_collect(js);
	assert_non_null(rig_run("for (let i = 0; i < 1e5; i++) ({ i, s: 'x' + i }); 0"));
	lm_js_collect(js);
	for (unsigned i = 0; i < 1000; i++) {
		assert_string_equal(rig_text(held[i]), "held");
		lm_js_drop(js, held[i]);
	}
	lm_free(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),      cmocka_unit_test(simple),
		cmocka_unit_test(arrays),     cmocka_unit_test(properties),
		cmocka_unit_test(many_names), cmocka_unit_test(names),
		cmocka_unit_test(json),       cmocka_unit_test(bad_json),
		cmocka_unit_test(views),      cmocka_unit_test(borrowed),
		cmocka_unit_test(holds),
	};

	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
