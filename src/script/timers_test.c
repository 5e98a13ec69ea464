/* setTimeout and its kin. */
#include "script/rig_each.h"

#define LOG      "const seen = []; const log = (...all) => seen.push(all.join(' ')); "
#define WAIT(ms) "await new Promise((done) => setTimeout(done, " #ms ")); return seen"

static void order(void **state)
{
	(void)state;
	assert_script(rig,
	              LOG
	              "setTimeout(log, 30, 'c'); setTimeout(log, 10, 'b'); setTimeout(log, 0, 'a');"
	              "setTimeout(log, 10, 'b2'); setTimeout(log, undefined, 'a2', 1); "
	              "log('now'); " WAIT(40),
	              "[\"now\",\"a\",\"a2 1\",\"b\",\"b2\",\"c\"]");
}

/* What one does is over, with all it promised, before the next begins. */
static void microtasks_between(void **state)
{
	(void)state;
	assert_script(rig,
	              LOG
	              "for (const name of ['a', 'b']) setTimeout(() => { log(name); "
	              "Promise.resolve().then(() => log(name + 1)).then(() => log(name + 2)); "
	              "queueMicrotask(() => log(name + 'q')) }, 1); infinity.sleep(5); " WAIT(10),
	              "[\"a\",\"a1\",\"aq\",\"a2\",\"b\",\"b1\",\"bq\",\"b2\"]");
}

static void never_early(void **state)
{
	(void)state;
	assert_script(rig,
	              "for (let i = 0; i < 20; i++) { const t = performance.now(); "
	              "await new Promise((done) => setTimeout(done, 3)); "
	              "if (performance.now() - t < 3) return performance.now() - t } return 'good'",
	              "good");
}

static void clearing(void **state)
{
	(void)state;
	assert_script(rig,
	              LOG "const a = setTimeout(log, 1, 'a'), b = setTimeout(log, 1, 'b'); "
	                  "const c = setImmediate(log, 'c'); "
	                  "clearTimeout(a); clearInterval(+b); clearImmediate(c); "
	                  "clearTimeout(a); clearTimeout(); clearTimeout(null); clearTimeout('x'); "
	                  "clearTimeout({}); clearImmediate(5); "
	                  "const d = setTimeout(() => clearTimeout(e), 2); "
	                  "const e = setTimeout(log, 3, 'e'); " WAIT(10),
	              "[]");
}

static void intervals(void **state)
{
	(void)state;
	assert_script(rig,
	              LOG "let n = 0; const i = setInterval((x) => { log(x, ++n); "
	                  "if (n === 3) clearInterval(i) }, 2, 'x'); " WAIT(30),
	              "[\"x 1\",\"x 2\",\"x 3\"]");
	/* One that takes longer than its pause does not run for ever. */
	assert_script(rig,
	              "let n = 0; const i = setInterval(() => { infinity.sleep(4); n++; }, 1); "
	              "await new Promise((done) => setTimeout(done, 20)); clearInterval(i); "
	              "return n > 1 && n < 20",
	              "true");
}

static void immediates(void **state)
{
	(void)state;
	assert_script(rig,
	              LOG
	              "setImmediate(() => { log('a'); setImmediate(log, 'c'); "
	              "clearImmediate(gone); queueMicrotask(() => log('q')) }); "
	              "setImmediate(log, 'b', 1); const gone = setImmediate(log, 'gone'); " WAIT(5),
	              "[\"a\",\"q\",\"b 1\",\"c\"]");
}

static void references(void **state)
{
	(void)state;
	assert_script(rig,
	              "const t = setTimeout(() => {}, 1e6); const was = t.hasRef(); t.unref(); "
	              "t.unref(); return [was, t.hasRef(), +t > 0, t.ref() === t.unref()]",
	              "[true,false,true,true]");
	/* It came back: nothing waits for what does not hold. */
	assert_script(rig, "setInterval(() => {}, 1).unref()", "undefined");
}

static void wrong_arguments(void **state)
{
	static const char *const names[] = { "setTimeout", "setInterval", "setImmediate",
		                             "queueMicrotask" };
	char script[100], want[100];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		snprintf(want, sizeof(want), "TypeError: %s: callback: a function", names[i]);
		snprintf(script, sizeof(script), "%s('code()', 1)", names[i]);
		assert_script_throws(rig, script, want);
		snprintf(script, sizeof(script), "%s()", names[i]);
		assert_script_throws(rig, script, want);
	}
	assert_script(rig,
	              LOG "setTimeout(log, NaN, 1); setTimeout(log, -5, 2); "
	                  "setTimeout(log, {}, 3); setTimeout(log, '1', 4); "
	                  "clearTimeout(setTimeout(log, Infinity, 5)); " WAIT(10),
	              "[\"1\",\"2\",\"3\",\"4\"]");
}

static void a_hundred_thousand(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "let n = 0, last = 0, wrong = 0; const all = []; "
	        "for (let i = 0; i < 1e5; i++) { const ms = i * 7919 % 40; "
	        "all.push(setTimeout(() => { n++; if (ms < last) wrong++; last = ms }, ms)) } "
	        "for (let i = 0; i < 1e5; i += 2) clearTimeout(all[i]); "
	        "infinity.sleep(60); await new Promise((done) => setTimeout(done, 0)); "
	        "return [n, n > 0]",
	        "[50000,true]");
}

static void errors(void **state)
{
	(void)state;
	assert_script(rig,
	              "setTimeout(function f() { throw new RangeError('far') }, 1); "
	              "setTimeout(() => console.log('no'), 1000)",
	              "undefined");
	assert_non_null(strstr(lm_rig_err(rig), "a timer: "));
	assert_non_null(strstr(lm_rig_err(rig), "main.js:1:"));
	assert_non_null(strstr(lm_rig_err(rig), ": RangeError: far\n"));
	assert_non_null(strstr(lm_rig_err(rig), "at f ("));
	assert_string_equal(lm_rig_out(rig), "");
	assert_int_equal(lm_script_exit(&rig->script), 1);
	assert_true(atomic_load(&rig->script.terminated));
}

static void rejections(void **state)
{
	(void)state;
	assert_script(rig, "Promise.reject(new Error('late')).catch(() => {})", "undefined");
	assert_string_equal(lm_rig_err(rig), "");
	assert_script(rig, "Promise.reject(new Error('lost'))", "undefined");
	assert_non_null(strstr(lm_rig_err(rig), "Error: lost"));
	assert_int_equal(lm_script_exit(&rig->script), 1);
}

/* In a worker an error is one job's, not the program's. */
static void errors_of_workers(void **state)
{
	struct lm_rig *worker = lm_rig_new_as(false, NULL);

	(void)state;
	assert_script(worker,
	              "setTimeout(() => { throw new Error('one') }, 1); Promise.reject(2); "
	              "setImmediate(() => { throw new Error('three') }); "
	              "await new Promise((done) => setTimeout(done, 5)); return 'on'",
	              "on");
	assert_non_null(strstr(lm_rig_err(worker), "Error: one"));
	assert_non_null(strstr(lm_rig_err(worker), ": 2\n"));
	assert_non_null(strstr(lm_rig_err(worker), "setImmediate: "));
	assert_int_equal(lm_script_exit(&worker->script), 0);
	assert_false(atomic_load(&worker->script.terminated));
	lm_rig_free(worker);
}

/* The processor time of one callback is limited, that of all is not. */
static void endless_callbacks(void **state)
{
	const struct lm_js_limits limits = { .cpu = 100 };
	struct lm_rig *worker = lm_rig_new_as(false, &limits);

	(void)state;
	assert_script(worker,
	              "setTimeout(() => { for (;;); }, 1); "
	              "await new Promise((done) => setTimeout(done, 5)); return 'on'",
	              "on");
	assert_non_null(strstr(lm_rig_err(worker), "a timer: "));
	lm_rig_free(worker);
}

/* Pending ones are forgotten. */
static void left_over(void **state)
{
	(void)state;
	assert_script(rig,
	              "setTimeout(() => console.log('no'), 1e6).unref(); "
	              "setInterval(() => console.log('no'), 1e6).unref()",
	              "undefined");
	assert_string_equal(lm_rig_out(rig), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(order),
		T(microtasks_between),
		T(never_early),
		T(clearing),
		T(intervals),
		T(immediates),
		T(references),
		T(wrong_arguments),
		T(a_hundred_thousand),
		T(errors),
		T(rejections),
		T(errors_of_workers),
		T(endless_callbacks),
		T(left_over),
	};

	return cmocka_run_group_tests_name("script/timers", tests, NULL, NULL);
}
