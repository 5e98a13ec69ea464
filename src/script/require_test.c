/* require: where modules are found, and what becomes of them. */
#include "script/rig_each.h"

#include <sys/stat.h>

static void folder(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void files(void **state)
{
	(void)state;
	lm_rig_file(rig, "a.js", "exports.a = 1; exports.self = module.exports === exports");
	lm_rig_file(rig, "b.js", "#!/usr/bin/env lettermill\nmodule.exports = () => 'b'");
	lm_rig_file(rig, "c.json", "\xEF\xBB\xBF{\"c\": [1, 2]}");
	lm_rig_file(rig, "d.cjs", "return void (module.exports = this === exports)");
	assert_script(rig, "return require('./a')", "{\"a\":1,\"self\":true}");
	assert_script(rig, "return [require('./a.js').a, require('./b')(), require('./c').c]",
	              "[1,\"b\",[1,2]]");
	assert_script(rig, "return require('./d.cjs')", "true");
	assert_script(rig, "return require('./x/../a') === require('./a')", "true");
	assert_script(rig, "return require(infinity.current.root + 'a.js').a", "1");
}

static void variables(void **state)
{
	(void)state;
	folder("x");
	lm_rig_file(rig, "x/v.js",
	            "module.exports = [__filename, __dirname, module.id, module.loaded,"
	            "typeof require, require.main === undefined, module.filename]");
	assert_script(rig,
	              "const [file, dir, id, loaded, type] = require('./x/v'); "
	              "return [file.endsWith('/x/v.js'), dir.endsWith('/x'), id === file, "
	              "loaded, type]",
	              "[true,true,true,false,\"function\"]");
	assert_script(rig, "return typeof module + typeof exports", "undefinedundefined");
}

static void folders(void **state)
{
	(void)state;
	folder("lib");
	folder("pack");
	folder("pack/src");
	folder("bad");
	lm_rig_file(rig, "lib/index.js", "exports.name = 'lib'; exports.up = require('..').name");
	lm_rig_file(rig, "index.js", "exports.name = 'top'");
	lm_rig_file(rig, "lib.js", "exports.name = 'file'");
	lm_rig_file(rig, "pack/package.json", "{\"main\": \"src\"}");
	lm_rig_file(rig, "pack/src/index.js", "exports.name = 'src'");
	lm_rig_file(rig, "bad/package.json", "{");
	assert_script(rig, "return [require('./lib').name, require('./lib/')]",
	              "[\"file\",{\"name\":\"lib\",\"up\":\"top\"}]");
	assert_script(rig, "return [require('./pack').name, require('.').name]",
	              "[\"src\",\"top\"]");
	assert_script_throws(rig, "require('./bad')", "SyntaxError: ");
	assert_non_null(strstr(lm_rig_error(rig), "bad/package.json"));
	assert_script(rig, "return require('./pack/src/').name", "src");
}

static void node_modules(void **state)
{
	(void)state;
	folder("node_modules");
	folder("node_modules/@my");
	folder("node_modules/@my/pack");
	folder("deep");
	folder("deep/er");
	folder("deep/node_modules");
	lm_rig_file(rig, "node_modules/one.js", "module.exports = 'one'");
	lm_rig_file(rig, "node_modules/two.js", "module.exports = 'two'");
	lm_rig_file(rig, "node_modules/@my/pack/index.js", "module.exports = require('one') + '!'");
	lm_rig_file(rig, "deep/node_modules/two.js", "module.exports = 'near'");
	lm_rig_file(rig, "deep/er/m.js", "module.exports = [require('one'), require('two')]");
	assert_script(rig, "return [require('one'), require('two'), require('@my/pack')]",
	              "[\"one\",\"two\",\"one!\"]");
	assert_script(rig, "return require('./deep/er/m')", "[\"one\",\"near\"]");
}

static void cycles(void **state)
{
	(void)state;
	lm_rig_file(rig, "a.js", "exports.early = 1; exports.b = require('./b'); exports.late = 1");
	lm_rig_file(rig, "b.js", "exports.keys = Object.keys(require('./a'))");
	assert_script(rig, "return require('./a')",
	              "{\"early\":1,\"b\":{\"keys\":[\"early\"]},\"late\":1}");
}

static void cache(void **state)
{
	(void)state;
	lm_rig_file(rig, "n.js", "globalThis.n = (globalThis.n ?? 0) + 1; module.exports = {}");
	lm_rig_file(rig, "bad.js", "globalThis.n++; throw new Error('bad')");
	assert_script(rig, "const a = require('./n'), b = require('./n.js'); return [a === b, n]",
	              "[true,1]");
	assert_script(rig,
	              "const path = require.resolve('./n'); delete require.cache[path]; "
	              "require('./n'); return [n, path in require.cache]",
	              "[2,true]");
	assert_script_throws(rig, "require('./bad')", "Error: bad");
	assert_script_throws(rig, "require('./bad')", "Error: bad");
	assert_script(rig, "return [n, Object.keys(require.cache).length]", "[4,1]");
}

static void missing(void **state)
{
	(void)state;
	assert_script_throws(rig, "require('./none')",
	                     "Error: require: cannot find \"./none\" from ");
	assert_non_null(strstr(lm_rig_error(rig), "/main.js; tried "));
	assert_non_null(strstr(lm_rig_error(rig), "/none.json"));
	assert_script_throws(rig, "require('none')", "Error: require: cannot find \"none\"");
	assert_non_null(strstr(lm_rig_error(rig), "/node_modules"));
	assert_script(rig, "try { require('./x') } catch (e) { return e.code }",
	              "MODULE_NOT_FOUND");
	assert_script_throws(rig, "require.resolve('./none')", "Error: require: cannot find");
	assert_script_throws(rig, "require('')", "RangeError: require: id");
	assert_script_throws(rig, "require()", "TypeError: require: id: a string");
	assert_script_throws(rig, "require({})", "TypeError: require: id: a string");
	assert_script_throws(rig, "require('./a\\0b')", "RangeError: ");
}

static void wrong_files(void **state)
{
	(void)state;
	lm_rig_file(rig, "syntax.js", "let a;\nlet b = ;");
	lm_rig_file(rig, "await.js", "await 1");
	lm_rig_file(rig, "c.json", "{\"c\": }");
	lm_rig_file(rig, "m.mjs", "export default 1");
	folder("empty");
	assert_script_throws(rig, "require('./syntax')", "SyntaxError: ");
	assert_script_throws(rig, "require('./await')", "SyntaxError: ");
	assert_script_throws(rig, "require('./c')", "SyntaxError: ");
	assert_non_null(strstr(lm_rig_error(rig), "/c.json: "));
	assert_script_throws(rig, "require('./m.mjs')", "SyntaxError: ");
	assert_script_throws(rig, "require('./empty')", "Error: require: cannot find");
}

static struct lm_js_value *load_builtin(const struct lm_js_call *call)
{
	return lm_js_string(call->js, lm_str("built in"));
}

static void builtins(void **state)
{
	struct lm_js *js = rig->rt->js;
	struct lm_js_value *args[2] = { lm_js_string(js, lm_str("lettermill/x")),
		                        lm_js_function(js, "load", load_builtin, NULL) };
	struct lm_js_value *add = lm_js_get(js, rig->rt->internal, "builtin");

	(void)state;
	assert_non_null(lm_js_call(js, add, NULL, 2, args));
	assert_script(rig, "return [require('lettermill/x'), require.resolve('lettermill/x')]",
	              "[\"built in\",\"lettermill/x\"]");
	assert_script_throws(rig, "require('lettermill/y')", "Error: require: cannot find");
	assert_script_throws(rig, "require('net')", "Error: require: cannot find \"net\"");
	assert_script_throws(rig, "require('node:net')",
	                     "Error: require: cannot find \"node:net\"");
}

/* What stands within the executable is found by name only, and its errors say where. */
static void within(void **state)
{
	(void)state;
	folder("node_modules");
	lm_rig_file(rig, "node_modules/events.js", "module.exports = 'a file'");
	assert_script(rig,
	              "return [require('events') === require('node:events'), "
	              "typeof require('events'), require.resolve('events'), "
	              "Object.keys(require.cache).length]",
	              "[true,\"function\",\"events\",0]");
	assert_script(rig,
	              "try { new (require('events'))().emit('error', 5) } "
	              "catch (e) { return e.stack.includes('lettermill:node/events.js:') }",
	              "true");
	assert_script(rig,
	              "const {Server} = require('lettermill/js/core/server'); "
	              "return [typeof Server, require('lettermill').version === infinity.version]",
	              "[\"function\",true]");
	assert_script_throws(rig, "require('lettermill/js/none')",
	                     "Error: require: cannot find \"lettermill/js/none\"");
	assert_script_throws(rig, "require('lettermill:node/events.js')",
	                     "Error: require: cannot find");
	assert_script_throws(rig, "require('./events')", "Error: require: cannot find");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(files), T(variables), T(folders),     T(node_modules), T(cycles),
		T(cache), T(missing),   T(wrong_files), T(builtins),     T(within),
	};

	return cmocka_run_group_tests_name("script/require", tests, NULL, NULL);
}
