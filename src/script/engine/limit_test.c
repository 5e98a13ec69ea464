/* Limits: what runs too long or holds too much is ended, and the VM works on. */
#include "script/engine/rig.h"

#include <pthread.h>
#include <time.h>

#define CPU  100
#define HEAP ((uint64_t)150 << 20)

static const struct lm_js_limits limits = { .cpu = CPU, .heap = HEAP };

static int begin(void **state)
{
	if (rig_begin(state))
		return -1;
	lm_js_set_limits(js, &limits);
	return 0;
}

static void ended(const char *script)
{
	struct lm_js_error error;

	if (rig_run(script))
		fail_msg("went well: %s", script);
	assert_true(lm_js_catch(js, &error, NULL));
	if (!error.ended)
		fail_msg("%s: %s", script, error.message);
	assert_true(lm_js_was_ended(js));
	assert_false(lm_js_was_ended(js));
	assert_gives("1 + 1", "2");
	assert_false(lm_js_was_ended(js));
}

static void loops(void **state)
{
	(void)state;
	ended("while (true) {}");
	ended("for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } }");
	ended("var caught = 'no'; try { for (;;) {} } catch { caught = 'yes' }"
	      " finally { caught = 'yes' }");
	assert_gives("caught", "no");
	ended("let a = []; for (;;) { a.push({}); if (a.length > 1000) a = [] }");
	ended("(function f() { for (;;) [1, 2, 3].forEach(() => { for (;;) {} }) })()");
	ended("({ toString() { for (;;) {} } }) + ''");
	ended("JSON.stringify({ toJSON() { for (;;) {} } })");
	ended("[3, 1, 2].sort(() => { for (;;) {} })");
	ended("new Proxy({}, { get() { for (;;) {} } }).x");
	ended("'aaa'.replace(/a/g, () => { for (;;) {} })");
}

/* In a microtask; those that wait behind it go with it. */
static void microtasks(void **state)
{
	(void)state;
	ended("Promise.resolve().then(() => { for (;;) {} })");
	ended("var others = 0; for (let i = 0; i < 5; i++)"
	      " Promise.resolve().then(() => { others++; for (;;) {} }); 0");
	ended("(async () => { for (;;) { await 0; for (;;) {} } })()");
	assert_gives("1", "1");
}

static struct lm_js_value *call_back(const struct lm_js_call *call)
{
	struct lm_js_value *result = lm_js_call(call->js, lm_js_arg(call, 0), NULL, 0, NULL);

	if (result)
		return result;
	return lm_js_throw(call->js, LM_JS_ERROR, "something else");
}

/* Through C, which takes the error for its own. */
static void through_natives(void **state)
{
	(void)state;
	rig_publish("back", lm_js_function(js, "back", call_back, NULL));
	ended("back(() => { for (;;) {} })");
	ended("for (;;) { try { back(() => { for (;;) {} }) } catch {} }");
	ended("for (;;) { try { back(() => { throw 1 }) } catch {} }");
	assert_gives("back(() => 5)", "5");
}

/* What looks at values runs script, too. */
static void looking(void **state)
{
	struct lm_js_value *value;
	struct lm_buf out;

	(void)state;
	value = rig_run("({ get x() { for (;;) {} }, set x(v) { for (;;) {} },"
	                " toJSON() { for (;;) {} }, toString() { for (;;) {} } })");
	assert_null(lm_js_get(js, value, "x"));
	assert_true(rig_caught().ended);
	assert_false(lm_js_set(js, value, "x", value));
	assert_true(rig_caught().ended);
	lm_buf_init(&out, 1000);
	assert_false(lm_js_to_json(js, value, 0, &out));
	assert_true(rig_caught().ended);
	lm_js_add_text(js, value, &out);
	assert_bytes(lm_buf_bytes(&out), lm_str("[object]"));
	lm_buf_done(&out);
	assert_true(lm_js_was_ended(js));
	assert_gives("1 + 1", "2");
	rig_run("throw { get message() { for (;;) {} } }");
	assert_false(rig_caught().ended);
	assert_gives("1 + 1", "2");
}

static void heap_bomb(void **state)
{
	struct lm_js_error error;

	(void)state;
	lm_js_set_limits(js, &(struct lm_js_limits){ .cpu = 20000, .heap = HEAP });
	assert_null(rig_run("{ const bomb = []; for (;;) bomb.push({ a: 1, b: [2] }) }"));
	assert_true(lm_js_catch(js, &error, NULL));
	assert_true(error.ended);
	assert_non_null(strstr(error.message, "memory"));
	assert_null(rig_run(
	        "(() => { const a = []; for (;;) a.push('x'.repeat(1000) + a.length) })()"));
	assert_true(rig_caught().ended);
	assert_true(lm_js_was_ended(js));
	/* Much that is dropped at once is no reason. */
	assert_non_null(rig_run("for (let i = 0, a; i < 3e5; i++) a = new Uint8Array(10000)"));
	assert_gives("1 + 1", "2");
	lm_js_set_limits(js, &limits);
}

/* What the engine refuses by itself can be caught. It takes the thread sanitizer minutes to go so
 * deep, and no second thread has a part in it. */
#ifdef __SANITIZE_THREAD__
#define DEEP false
#else
#define DEEP true
#endif

static void refused(void **state)
{
	(void)state;
	if (!DEEP)
		lm_test_skip("the thread sanitizer takes minutes");
	lm_js_set_limits(js, &(struct lm_js_limits){ .cpu = 20000, .heap = HEAP });
	assert_gives("try { 'xx'.repeat(2 ** 30) } catch (e) { e.name }", "RangeError");
	assert_gives("try { (function f() { f() })() } catch (e) { e.name }", "RangeError");
	assert_gives("try { back(function f() { back(f) }) } catch (e) { e.name }", "Error");
	assert_gives("let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep];"
	             "try { JSON.stringify(deep) } catch (e) { e.name }",
	             "RangeError");
	assert_gives("try { JSON.parse('['.repeat(1e5)) } catch (e) { e.name }", "SyntaxError");
	assert_gives("try { new RegExp('('.repeat(1e5)) } catch (e) { e.name }", "SyntaxError");
	assert_gives("try { eval('('.repeat(1e5)) } catch (e) { e.name }", "RangeError");
	assert_gives("try { /(?:a|b)*c/.test('ab'.repeat(1e4)); 'fine' } catch (e) { e.name }",
	             "fine");
	assert_gives("1 + 1", "2");
	lm_js_set_limits(js, &limits);
}

/* No limit: none. A limit on time that is not the processor's: none either. */
static struct lm_js_value *block(const struct lm_js_call *call)
{
	struct timespec t = { .tv_nsec = 300 * 1000000L };

	while (nanosleep(&t, &t))
		;
	return lm_js_undefined(call->js);
}

static void not_ended(void **state)
{
	(void)state;
	rig_publish("block", lm_js_function(js, "block", block, NULL));
	assert_gives("block(); for (let i = 0; i < 1e5; i++); 5", "5");
	assert_false(lm_js_was_ended(js));
	lm_js_set_limits(js, &(struct lm_js_limits){ 0 });
	assert_gives("for (let t = Date.now(); Date.now() - t < 400;); 6", "6");
	assert_false(lm_js_was_ended(js));
	lm_js_set_limits(js, &limits);
	/* Many short calls are not one long one. */
	for (unsigned i = 0; i < 20; i++)
		assert_gives("for (let t = Date.now(); Date.now() - t < 20;); 7", "7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loops),           cmocka_unit_test(microtasks),
		cmocka_unit_test(through_natives), cmocka_unit_test(looking),
		cmocka_unit_test(heap_bomb),       cmocka_unit_test(refused),
		cmocka_unit_test(not_ended),
	};

	return cmocka_run_group_tests(tests, begin, rig_end);
}
