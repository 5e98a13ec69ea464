/* What is thrown, put in words: message, place, stack. */
#include "script/engine/rig.h"

#include "base/error.h"

static void messages(void **state)
{
	static const struct {
		const char *script, *want;
	} rows[] = {
		{ "throw new Error('one')", "Error: one" },
		{ "throw new RangeError", "RangeError" },
		{ "throw new Error('two\\nlines\\u0007')", "Error: two lines " },
		{ "class Mine extends Error { get name() { return 'Mine' } } throw new Mine('x')",
		  "Mine: x" },
		{ "throw 'text'", "text" },
		{ "throw 5", "5" },
		{ "throw null", "null" },
		{ "throw undefined", "undefined" },
		{ "throw Symbol('s')", "Symbol(s)" },
		{ "throw 12n", "12" },
		{ "throw { a: 1 }", "{\"a\":1}" },
		{ "throw { name: 'N', message: 'M' }", "N: M" },
		{ "throw { message: 'M' }", "Error: M" },
		{ "throw [1, 2]", "1,2" },
		{ "throw function f() {}", "function f() {}" },
		{ "throw Object.create(null)", "{}" },
		{ "throw { toJSON() { throw 1 }, toString() { throw 2 } }", "[object]" },
		{ "throw { get message() { throw 1 } }", "[object Object]" },
		{ "throw { get message() { throw 1 }, toJSON() { return 'j' } }", "\"j\"" },
		{ "throw new Proxy({}, { get() { throw 1 }, ownKeys() { throw 1 },"
		  " getPrototypeOf() { throw 1 } })",
		  "[object]" },
		{ "throw new Proxy(new Error('inside'), {})", "Error: inside" },
		{ "var p = Proxy.revocable({}, {}); p.revoke(); throw p.proxy", "[object]" },
		{ "const e = new Error('m'); Object.defineProperty(e, 'stack',"
		  " { get() { throw 1 } }); throw e",
		  "Error: m" },
		{ "const e = new Error('m'); e.stack = { toString() { throw 1 } }; throw e",
		  "Error: m" },
		{ "const e = new Error('m'); e.name = Symbol(); throw e", "Error: m" },
		{ "throw new Error('\\uDCE9\\uD800')", "Error: \xE9\xEF\xBF\xBD" },
		{ "null.x", "TypeError: null is not an object (evaluating 'null.x')" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[1000];

		snprintf(text, sizeof(text), "{ %s }", rows[i].script);
		assert_null(rig_run(text));
		assert_string_equal(rig_caught().message, rows[i].want);
	}
}

static void long_message(void **state)
{
	(void)state;
	assert_null(rig_run("throw new Error('x'.repeat(1e6))"));
	assert_true(strlen(rig_caught().message) < 2000);
	assert_null(rig_run("const e = new Error; e.stack = 'a@b:1:2\\n'.repeat(1e5); throw e"));
	assert_true(strlen(rig_caught().stack) < 8000);
	assert_null(rig_run(""
	                    "throw new Error('y'.repeat(1990))"));
	assert_true(strlen(rig_caught().message) < 2000);
}

static void place(const char *script, unsigned line, unsigned column)
{
	struct lm_js_error error;

	assert_null(rig_run(script));
	error = rig_caught();
	if (strcmp(error.file, "test.js") != 0 || error.line != line || error.column != column)
		fail_msg("%s %s:%u:%u for %s", error.message, error.file, error.line, error.column,
		         script);
}

static void places(void **state)
{
	(void)state;
	place("\n  throw new Error('x')", 2, 18);
	place("\n\nlet a = ;", 3, 0);
	place("a b", 1, 0);
	place("function k() {\n  null.x\n}\n\nk()", 2, 7);
	place("\nclass Mine extends Error {}\nfunction g() { throw new Mine }\ng()", 3, 22);
	place("\nJSON.parse('{')", 2, 11);
	place("\n\neval('1 1')", 3, 5);
	place("\nnew RegExp('(')", 2, 11);
	place("\nthrow new SyntaxError('own')", 2, 22);
}

/* What a native function reads for script, as a module. */
static struct lm_js_value *require(const struct lm_js_call *call)
{
	const struct lm_js_source source = { "module.js", lm_str("\n\n\nlet a = ;") };

	return lm_js_compile(call->js, &source, "");
}

static void nested_places(void **state)
{
	struct lm_js_error error;

	(void)state;
	rig_publish("require", lm_js_function(js, "require", require, NULL));
	assert_null(rig_run("\n\nrequire()"));
	error = rig_caught();
	assert_string_equal(error.message, "SyntaxError: Unexpected token ';'");
	assert_string_equal(error.file, "module.js");
	assert_int_equal(error.line, 4);
	assert_int_equal(error.column, 0);
	assert_string_equal(error.stack, "  at global code (test.js:3:8)");
}

/* Columns of the first line count from where the text begins. */
static void compiled_places(void **state)
{
	struct lm_js_error error;
	struct lm_js_value *f;

	(void)state;
	assert_null(rig_compile("let a = ;", "one, two, three"));
	error = rig_caught();
	assert_string_equal(error.file, "body.js");
	assert_int_equal(error.line, 1);
	assert_int_equal(error.column, 0);
	assert_null(rig_compile("await 1; let a = ;", "one"));
	error = rig_caught();
	assert_int_equal(error.column, 0);
	assert_null(rig_compile("let a = ; await 1", "one"));
	error = rig_caught();
	assert_int_equal(error.column, 0);
	assert_null(rig_compile("\nawait 1\nlet a = ;", "one"));
	assert_int_equal(rig_caught().line, 3);
	assert_null(rig_compile("\nlet a = ;\nawait 1", "one"));
	assert_int_equal(rig_caught().line, 2);
	assert_null(rig_compile("\n\nlet b = {", "one"));
	assert_true(rig_caught().line >= 3);
	f = rig_compile("throw new Error('x')", "one, two");
	assert_null(lm_js_call(js, f, NULL, 0, NULL));
	error = rig_caught();
	assert_int_equal(error.line, 1);
	assert_int_equal(error.column, 16);
}

static void stacks(void **state)
{
	(void)state;
	assert_null(rig_run("function inner() { throw new Error('x') }\n"
	                    "[1].forEach(() => inner())\n"));
	assert_string_equal(rig_caught().stack, "  at inner (test.js:1:35)\n"
	                                        "  at test.js:2:24\n"
	                                        "  at global code (test.js:2:12)");
	assert_null(rig_run("throw 'no stack'"));
	assert_string_equal(rig_caught().stack, "");
}

/* Files that come with us are not what people look for. */
static void own_files(void **state)
{
	const struct lm_js_source own = { "lettermill:own.js",
		                          lm_str("function check() { throw new Error('bad') }") };
	struct lm_js_error error;

	(void)state;
	assert_non_null(lm_js_run(js, &own));
	assert_null(rig_run("\n\ncheck()"));
	error = rig_caught();
	assert_string_equal(error.file, "test.js");
	assert_int_equal(error.line, 3);
	assert_string_equal(error.stack, "  at global code (test.js:3:6)");
}

static struct lm_js_value *fail_as(const struct lm_js_call *call)
{
	struct lm_error error;

	lm_fail(&error, LM_E_NOT_FOUND, "no message %d", 5);
	return lm_js_throw_error(call->js, &error);
}

static struct lm_js_value *throw_kind(const struct lm_js_call *call)
{
	double kind = lm_js_to_number(call->js, lm_js_arg(call, 0));

	return lm_js_throw(call->js, (enum lm_js_error_kind)kind, "kind %g", kind);
}

static struct lm_js_value *throw_arg(const struct lm_js_call *call)
{
	return lm_js_throw_value(call->js, lm_js_arg(call, 0));
}

static struct lm_js_value *nothing(const struct lm_js_call *call)
{
	(void)call;
	return NULL;
}

static void from_c(void **state)
{
	struct lm_js_error error;

	(void)state;
	rig_publish("fail", lm_js_function(js, "fail", fail_as, NULL));
	rig_publish("kind", lm_js_function(js, "kind", throw_kind, NULL));
	rig_publish("toss", lm_js_function(js, "toss", throw_arg, NULL));
	rig_publish("nothing", lm_js_function(js, "nothing", nothing, NULL));
	assert_gives("try { fail() } catch (e) { `${e} ${e.code} ${Object.keys(e)}` }",
	             "Error: no message 5 NOT_FOUND code");
	assert_null(rig_run("\nfail()"));
	error = rig_caught();
	assert_int_equal(error.code, LM_E_NOT_FOUND);
	assert_int_equal(error.line, 2);
	assert_null(rig_run("throw { code: 'NOT_FOUND' }"));
	assert_int_equal(rig_caught().code, 0);
	assert_gives("[0, 1, 2, 3].map((k) => { try { kind(k) } catch (e) { return e } }).join()",
	             "Error: kind 0,TypeError: kind 1,RangeError: kind 2,SyntaxError: kind 3");
	assert_gives("try { toss(7) } catch (e) { e }", "7");
	assert_gives("try { toss() } catch (e) { String(e) }", "undefined");
	assert_gives("try { nothing() } catch (e) { String(e) }", "Error: nothing failed");
	rig_run("Error = TypeError = null");
	assert_gives("try { kind(1) } catch (e) { String(e) }", "TypeError: kind 1");
}

static void values(void **state)
{
	struct lm_js_error error;
	struct lm_js_value *value = NULL;

	(void)state;
	assert_false(lm_js_catch(js, &error, &value));
	assert_null(rig_run("throw 42"));
	assert_true(lm_js_catch(js, &error, &value));
	assert_true(lm_js_to_number(js, value) == 42);
	lm_js_describe(js, rig_run("({ name: 'A', message: 'b' })"), &error);
	assert_string_equal(error.message, "A: b");
	assert_false(error.ended);
	/* Describing one leaves another that waits to be caught. */
	assert_null(rig_run("throw 43"));
	lm_js_describe(js, rig_run("({ get message() { throw 9 } })"), &error);
	assert_true(lm_js_catch(js, &error, &value));
	assert_true(lm_js_to_number(js, value) == 43);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),  cmocka_unit_test(long_message),
		cmocka_unit_test(places),    cmocka_unit_test(compiled_places),
		cmocka_unit_test(stacks),    cmocka_unit_test(nested_places),
		cmocka_unit_test(own_files), cmocka_unit_test(values),
		cmocka_unit_test(from_c),
	};

	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
