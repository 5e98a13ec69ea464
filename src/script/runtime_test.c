/* The runtime: main scripts, modules, waiting, the end. */
#include "script/rig_each.h"

#include <semaphore.h>

static void results(void **state)
{
	(void)state;
	assert_script(rig, "return 1 + 1", "2");
	assert_script(rig, "return await Promise.resolve('a')", "a");
	assert_script(rig, "return [1, {a: 'x'}]", "[1,{\"a\":\"x\"}]");
	assert_script(rig, "", "undefined");
}

static void errors(void **state)
{
	(void)state;
	assert_script_throws(rig, "nothing()", "ReferenceError: ");
	assert_script_throws(rig, "await null; throw new RangeError('far')", "RangeError: far");
	assert_script_throws(rig, "return await Promise.reject(new Error('no'))", "Error: no");
	assert_script_throws(rig, "let let", "SyntaxError: ");
	assert_string_equal(lm_rig_err(rig), "");
	assert_int_equal(lm_script_exit(&rig->script), 0);
}

static void modules(void **state)
{
	(void)state;
	assert_script(rig, "infinity.loadModule('infinity'); infinity.loadModule('infinity')",
	              "undefined");
	assert_script_throws(rig, "infinity.loadModule('infinity.tex')",
	                     "Error: infinity.loadModule: there is no module \"infinity.tex\"");
	assert_script_throws(rig, "infinity.loadModule('')", "Error: infinity.loadModule");
	assert_script_throws(rig, "infinity.loadModule()", "TypeError: infinity.loadModule");
	assert_script_throws(rig, "infinity.loadModule({})", "TypeError: infinity.loadModule");
	assert_script(rig, "try { infinity.loadModule('x') } catch (e) { return e.code }",
	              "NOT_FOUND");
}

static void including(void **state)
{
	(void)state;
	lm_rig_file(rig, "a.js", "globalThis.count = (globalThis.count ?? 0) + 1; let secret = 7;");
	lm_rig_file(rig, "bad.js", "globalThis.bad = (globalThis.bad ?? 0) + 1; throw 1");
	assert_script(rig, "infinity.include('a.js'); infinity.include('./a.js'); return count",
	              "1");
	assert_script(rig, "return [infinity.getGlobal('secret'), secret]", "[7,7]");
	assert_script(rig, "return [infinity.getGlobal('none'), infinity.getGlobal('1+1')]",
	              "[undefined,undefined]");
	assert_script(rig,
	              "for (let i = 0; i < 2; i++) try { infinity.include('bad.js') } "
	              "catch {} return bad",
	              "2");
	assert_script_throws(rig, "infinity.include('none.js')", "Error: ");
	assert_script_throws(rig, "infinity.include('')", "RangeError: ");
	assert_script_throws(rig, "infinity.include('a\\0.js')", "RangeError: ");
	assert_script_throws(rig, "infinity.include(5)", "TypeError: infinity.include");
	assert_script_throws(rig, "infinity.include('.')", "Error: ");
}

static void sleeping(void **state)
{
	(void)state;
	assert_script(rig,
	              "let t = performance.now(); infinity.sleep(30); "
	              "return performance.now() - t >= 30",
	              "true");
	assert_script(rig, "infinity.sleep(0); infinity.sleep(0.5)", "undefined");
	assert_script_throws(rig, "infinity.sleep(-1)", "RangeError: infinity.sleep");
	assert_script_throws(rig, "infinity.sleep(NaN)", "RangeError: infinity.sleep");
	assert_script_throws(rig, "infinity.sleep('1')", "TypeError: infinity.sleep");
	assert_script_throws(rig, "infinity.sleep()", "TypeError: infinity.sleep");
}

static void *terminate(void *ctx)
{
	lm_script_terminate(ctx);
	return NULL;
}

static void *interrupt(void *ctx)
{
	lm_runtime_interrupt(ctx);
	return NULL;
}

static void waking(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, interrupt, rig->rt), 0);
	assert_false(lm_runtime_sleep(rig->rt, 60000));
	assert_false(lm_runtime_sleep(rig->rt, 60000));
	pthread_join(thread, NULL);
	assert_script_throws(rig, "infinity.terminated = true",
	                     "TypeError: infinity.terminated: can only be read");
	assert_script_throws(rig, "infinity.nullTimestamp = 1",
	                     "TypeError: infinity.nullTimestamp: can only be read");
	assert_script_throws(rig, "infinity.current.root = '/'", "TypeError: ");
	assert_script(rig, "return [infinity.terminated, infinity.threadTerminated]",
	              "[false,true]");
	lm_runtime_resume(rig->rt);
	assert_true(lm_runtime_sleep(rig->rt, 1));
	assert_int_equal(pthread_create(&thread, NULL, terminate, &rig->script), 0);
	assert_script(rig, "while (!infinity.terminated) infinity.sleep(60000); return 'woken'",
	              "woken");
	pthread_join(thread, NULL);
}

static void post(void *ctx)
{
	assert_int_equal(sem_post(ctx), 0);
}

static void wakers(void **state)
{
	pthread_t thread;
	int left;
	sem_t woken;

	(void)state;
	assert_int_equal(sem_init(&woken, 0, 0), 0);
	lm_runtime_set_waker(rig->rt, post, &woken);
	assert_false(lm_runtime_is_interrupted(rig->rt));
	assert_int_equal(pthread_create(&thread, NULL, interrupt, rig->rt), 0);
	assert_int_equal(sem_wait(&woken), 0);
	assert_true(lm_runtime_is_interrupted(rig->rt));
	pthread_join(thread, NULL);
	lm_runtime_resume(rig->rt);
	assert_int_equal(sem_wait(&woken), 0);
	assert_false(lm_runtime_is_interrupted(rig->rt));
	assert_int_equal(pthread_create(&thread, NULL, terminate, &rig->script), 0);
	assert_int_equal(sem_wait(&woken), 0);
	pthread_join(thread, NULL);
	lm_runtime_set_waker(rig->rt, NULL, NULL);
	lm_runtime_interrupt(rig->rt);
	assert_int_equal(sem_getvalue(&woken, &left), 0);
	assert_int_equal(left, 0);
	sem_destroy(&woken);
}

/* What drains is waited for, what only waits is not. */
static void stop(void *ctx)
{
	unsigned *stopped = ctx;

	(*stopped)++;
	lm_runtime_release(rig->rt);
}

static void ending(void **state)
{
	unsigned stopped = 0, never = 0;

	(void)state;
	lm_runtime_hold(rig->rt);
	assert_err(lm_runtime_on_terminate(rig->rt, stop, &stopped), 0);
	assert_err(lm_runtime_on_terminate(rig->rt, stop, &never), 0);
	lm_runtime_off_terminate(rig->rt, stop, &never);
	lm_runtime_off_terminate(rig->rt, stop, &never);
	assert_script(rig,
	              "setInterval(() => {}, 1000); setTimeout(() => infinity.terminate(3), 5)",
	              "undefined");
	assert_int_equal(stopped, 1);
	assert_int_equal(never, 0);
	assert_int_equal(lm_script_exit(&rig->script), 3);
}

static void wrong_ends(void **state)
{
	(void)state;
	assert_script_throws(rig, "infinity.terminate(256)", "RangeError: infinity.terminate");
	assert_script_throws(rig, "infinity.terminate('1')", "TypeError: infinity.terminate");
	assert_script(rig, "return infinity.terminated", "false");
	assert_script(rig, "infinity.terminate(); return infinity.terminated", "true");
	assert_int_equal(lm_script_exit(&rig->script), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(results), T(errors), T(modules), T(including),  T(sleeping),
		T(waking),  T(wakers), T(ending),  T(wrong_ends),
	};

	return cmocka_run_group_tests_name("script/runtime", tests, NULL, NULL);
}
