/* The console: what is printed where, and how values look. */
#include "script/rig_each.h"

#include <regex.h>

static void assert_matches(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		assert_string_equal(text, pattern);
	regfree(&regex);
}

/* The text of the only line printed, without its prefix. */
static const char *printed(const char *script)
{
	const char *text;

	lm_buf_clear(&rig->out);
	lm_buf_clear(&rig->err);
	lm_rig_run(rig, script);
	assert_string_equal(lm_rig_error(rig), "");
	text = strchr(lm_rig_out(rig), ']');
	assert_non_null(text);
	rig->out.data[rig->out.len - 1] = '\0';
	return text + 2;
}

#define STAMP "20[0-9]{2}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9],[0-9]{3}\\] "

static void lines(void **state)
{
	(void)state;
	lm_rig_run(rig, "console.log('a'); console.debug('b'); console.info('c')");
	lm_rig_run(rig, "console.warn('d'); console.error('e')");
	assert_matches(lm_rig_out(rig), "^\\[L " STAMP "a\n\\[D " STAMP "b\n\\[I " STAMP "c\n$");
	assert_matches(lm_rig_err(rig), "^\\[W " STAMP "d\n\\[E " STAMP "e\n$");
}

static void levels(void **state)
{
	static const char script[] = "console.log(0); console.debug(1); console.info(1);"
	                             "console.warn(2); console.error(3); console.table([4])";
	static const char *const letters[] = { "LDILWE", "DIWE", "WE", "E", "" };

	(void)state;
	for (int level = LM_CONSOLE_LOG; level <= LM_CONSOLE_NONE; level++) {
		char found[16] = "";
		size_t count = 0;

		rig->script.console = (enum lm_console_level)level;
		lm_buf_clear(&rig->out);
		lm_buf_clear(&rig->err);
		lm_rig_run(rig, script);
		for (const char *p = lm_rig_out(rig); (p = strchr(p, '[')); p++)
			found[count++] = p[1];
		for (const char *p = lm_rig_err(rig); (p = strchr(p, '[')); p++)
			found[count++] = p[1];
		assert_string_equal(found, letters[level]);
	}
}

static void values(void **state)
{
	static const char *const table[][2] = {
		{ "'text'", "text" },
		{ "", "" },
		{ "undefined", "undefined" },
		{ "null, true, -0, NaN, 1e21", "null true 0 NaN 1e+21" },
		{ "10n, Symbol('s')", "10n Symbol(s)" },
		{ "'a', {b: ['c', 1, null]}", "a {\"b\":[\"c\",1,null]}" },
		{ "function f() {}, () => 1, class K {}",
		  "[function f] [function (anonymous)] [class K]" },
		{ "new Map([[{a: 1}, 2]]), new Set(['x'])",
		  "Map(1) {{\"a\":1}=>2} Set(1) [\"x\"]" },
		{ "new Uint8Array([1, 2]), new ArrayBuffer(1)",
		  "Uint8Array(2) [1,2] ArrayBuffer(1) [0]" },
		{ "/a/g, new Date(0), new Date(NaN)",
		  "/a/g \"1970-01-01T00:00:00.000Z\" \"Invalid Date\"" },
		{ "[new TypeError('no')]", "[\"TypeError: no\"]" },
		{ "[undefined, function () {}]", "[undefined,[function (anonymous)]]" },
		{ "new (class Kind { #x = 1 })", "Kind {}" },
		{ "Object.create(null)", "{}" },
		{ "{toJSON: () => 5}", "5" },
		{ "Promise.resolve()", "[Promise]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char script[200];

		snprintf(script, sizeof(script), "console.log(%s)", table[i][0]);
		assert_string_equal(printed(script), table[i][1]);
	}
}

/* What must not throw, loop or fill memory. */
static void odd_values(void **state)
{
	static const char *const table[][2] = {
		{ "let a = {}; a.a = a; console.log(a)", "{\"a\":\"[cycle]\"}" },
		{ "let a = {b: 1}; console.log([a, a])", "[{\"b\":1},{\"b\":1}]" },
		{ "console.log({get a() { throw new Error('no') }})", "{\"a\":\"[throws no]\"}" },
		{ "console.log({toJSON() { throw new Error('no') }})", "\"[throws \"no\"]\"" },
		{ "console.log(new Proxy({}, {ownKeys() { throw 1 }}))",
		  "\"[throws \"undefined\"]\"" },
		{ "console.log({toJSON() { throw { get message() { throw 1 } } }})",
		  "[cannot be shown]" },
		{ "console.log(new Uint8Array(1000).subarray(0, 3))", "Uint8Array(3) [0,0,0]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_string_equal(printed(table[i][0]), table[i][1]);
	assert_in_range(strlen(printed("let a = []; for (let i = 0; i < 1e5; i++) a = [a]; "
	                               "console.log(a)")),
	                50, 500);
	assert_in_range(strlen(printed("console.log(new Array(1e7).fill('x'.repeat(100)))")),
	                1 << 20, (1 << 20) + 200);
	assert_in_range(strlen(printed("console.log(new Uint8Array(1e6))")), 200, 400);
	assert_int_equal(strlen(printed("console.log('x'.repeat(3e6))")), 3000000);
}

/* Nothing that was received can look like a line of its own, or move a terminal's cursor. */
static void escapes(void **state)
{
	(void)state;
	assert_string_equal(printed("console.log('a\\nb\\r\\nc\\rd\\te')"), "a\n  b\n  c\\x0dd\te");
	assert_string_equal(printed("console.log('\\x1b[31m\\0\\x7f\\x9b')"),
	                    "\\x1b[31m\\x00\\x7f\\xc2\\x9b");
	assert_string_equal(printed("console.log('\\u2028\\u202e\\udcff\\ud800')"),
	                    "\\xe2\\x80\\xa8\\xe2\\x80\\xae\\xff\xEF\xBF\xBD");
	assert_string_equal(printed("console.log('gr\\u00fc\\u00df \\ud83d\\ude00')"),
	                    "gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80");
}

static void errors_shown(void **state)
{
	(void)state;
	assert_matches(printed("console.log(new TypeError('no'))"),
	               "^TypeError: no\n  +at .*main.js:1:[0-9]+");
	assert_matches(printed("console.log(new Error('a', {cause: new RangeError('b')}))"),
	               "Error: a\n.*caused by RangeError: b");
	assert_matches(printed("console.log(new AggregateError([new Error('one'), 2], 'all'))"),
	               "AggregateError: all.*with Error: one.*with 2");
	assert_matches(printed("let e = new Error('a'); e.cause = e; console.log(e)"), "Error: a");
}

static void counters(void **state)
{
	(void)state;
	assert_script(rig,
	              "return [console.count(), console.count('x'), console.count(), "
	              "console.count('x', true), console.countReset(), console.count()]",
	              "[1,1,2,2,undefined,1]");
	assert_matches(lm_rig_out(rig), "default: 1\n.*x: 1\n.*default: 2\n.*default: 1\n$");
	assert_script_throws(rig, "console.count(5)", "TypeError: console.count: name");
}

static void clocks(void **state)
{
	(void)state;
	assert_script(rig,
	              "console.time(); infinity.sleep(20); let a = console.timeSince(); "
	              "let b = console.timeEnd(undefined, true); "
	              "return [a >= 2e7, b >= a, Number.isInteger(a)]",
	              "[true,true,true]");
	assert_matches(lm_rig_out(rig), "default: 0\\.[0-9]{8}s\n$");
	assert_script(rig, "return console.timeEnd('none')", "0");
	assert_matches(lm_rig_err(rig), "there is no timer \"none\"");
}

static void asserting(void **state)
{
	(void)state;
	assert_script(rig, "console.assert(true); console.assert(1, 'x')", "undefined");
	assert_script_throws(rig, "console.assert(1 > 2)",
	                     "Error: Assertion failed: console.assert");
	assert_script_throws(rig, "console.assert(0, 'sum', 5)", "Error: Assertion failed: sum 5");
}

static void tables(void **state)
{
	(void)state;
	assert_string_equal(printed("console.table(['Data1', ['Data2', 'Data3'], 'Data4'])"),
	                    "table\n"
	                    "  | (index) | 0     | 1     |\n"
	                    "  +---------+-------+-------+\n"
	                    "  | 0       | Data1 |\n"
	                    "  | 1       | Data2 | Data3 |\n"
	                    "  | 2       | Data4 |");
	assert_string_equal(printed("console.table({x: {a: 1}, y: {b: {c: 2}}}, ['b', 'a'])"),
	                    "table\n"
	                    "  | (index) | b       | a |\n"
	                    "  +---------+---------+---+\n"
	                    "  | x       |         | 1 |\n"
	                    "  | y       | {\"c\":2} |");
	assert_string_equal(printed("console.table(5)"), "5");
	assert_string_equal(printed("console.table([])"), "table\n  | (index) |\n  +---------+");
}

static void raw(void **state)
{
	(void)state;
	assert_script(rig,
	              "console.write('a\\x1b'); console.writeLn('b'); console.writeLn(); "
	              "console.write({c: 1})",
	              "undefined");
	assert_bytes(lm_buf_bytes(&rig->raw), lm_str("a\x1b"
	                                             "b\n\n{\"c\":1}"));
	assert_string_equal(lm_rig_out(rig), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(lines),    T(levels), T(values),    T(odd_values), T(escapes), T(errors_shown),
		T(counters), T(clocks), T(asserting), T(tables),     T(raw),
	};

	return cmocka_run_group_tests_name("script/console", tests, NULL, NULL);
}
