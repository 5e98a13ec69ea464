/* VMs on many threads, VMs made and freed often, and one that nothing but its end stops. */
#include "script/engine/rig.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* What an abandoned VM holds is lost, and that is meant; the leak check shall go by. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
	return "leak:libjavascriptcoregtk\n";
}

static const char work[] = "(() => { let sum = 0; for (let i = 0; i < 20000; i++) {"
                           " const o = { i, text: 'x' + i }; sum += o.text.length }"
                           " return sum })()";

static bool use_once(struct lm_js *vm)
{
	const struct lm_js_source source = { "work.js", lm_str(work) };
	struct lm_js_value *value;
	bool good;

	value = lm_js_run(vm, &source);
	good = value && lm_js_to_number(vm, value) == 108890;
	lm_js_collect(vm);
	return good;
}

static void *use(void *arg)
{
	unsigned *good = arg;
	struct lm_js *vm;

	for (unsigned n = 0; n < 5; n++) {
		const struct lm_js_limits limits = { .cpu = 20000, .heap = 1 << 30 };

		if (lm_js_new(&limits, NULL, &vm, NULL))
			return NULL;
		*good += use_once(vm);
		lm_js_free(vm);
	}
	return NULL;
}

static void eight(void **state)
{
	pthread_t threads[8];
	unsigned good[8] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, &good[i]), 0);
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(good[i], 5);
	}
}

static unsigned made, finalized;

static void finalize(void *data)
{
	assert_ptr_equal(data, &made);
	finalized++;
}

static const struct lm_js_class thing = { "Thing", finalize };

static struct lm_js_value *make_thing(const struct lm_js_call *call)
{
	made++;
	return lm_js_wrap(call->js, &thing, &made, 10000);
}

/* Whatever a VM holds is gone with it. */
static void often(void **state)
{
	const struct lm_js_source source = { "t.js", lm_str("thing(); globalThis.t = thing();"
		                                            "later().then(() => 1); null.x") };
	struct lm_js *vm;

	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		const struct lm_js_source get = { "g.js", lm_str("globalThis") };
		struct lm_js_value *global;
		struct lm_js_promise *promise;

		assert_err(lm_js_new(NULL, NULL, &vm, NULL), 0);
		global = lm_js_run(vm, &get);
		assert_true(lm_js_set(vm, global, "thing",
		                      lm_js_function(vm, "thing", make_thing, NULL)));
		assert_non_null(lm_js_promise_new(vm, &promise));
		assert_null(lm_js_run(vm, &source));
		lm_js_hold(vm, lm_js_object(vm));
		lm_js_free(vm);
	}
	assert_int_equal(made, 400);
	assert_int_equal(finalized, made);
}

/* Objects that died are finalized while the VM lives, when they cost enough. */
static void collected(void **state)
{
	const struct lm_js_source source = { "t.js",
		                             lm_str("for (let i = 0; i < 20000; i++) thing()") };
	const struct lm_js_source get = { "g.js", lm_str("globalThis") };
	struct lm_js *vm;

	(void)state;
	made = finalized = 0;
	assert_err(lm_js_new(NULL, NULL, &vm, NULL), 0);
	assert_true(lm_js_set(vm, lm_js_run(vm, &get), "thing",
	                      lm_js_function(vm, "thing", make_thing, NULL)));
	assert_non_null(lm_js_run(vm, &source));
	lm_js_collect(vm);
	assert_int_equal(made, 20000);
	assert_true(finalized > 10000);
	lm_js_free(vm);
	assert_int_equal(finalized, made);
}

struct runaway {
	const char *script;
	struct lm_js *vm;
	sem_t made;
};

static void *run_away(void *arg)
{
	struct runaway *r = arg;
	const struct lm_js_source source = { "chain.js", lm_str(r->script) };
	const struct lm_js_limits limits = { .cpu = 50 };

	if (lm_js_new(&limits, NULL, &r->vm, NULL))
		return NULL;
	sem_post(&r->made);
	(void)lm_js_run(r->vm, &source);
	return NULL;
}

static void abandon(const char *script)
{
	static struct runaway all[8];
	static unsigned used;
	struct runaway *r = &all[used++];
	pthread_t thread;

	*r = (struct runaway){ .script = script };
	sem_init(&r->made, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, run_away, r), 0);
	pthread_detach(thread);
	while (sem_wait(&r->made))
		;
	while (lm_js_overdue(r->vm) < 50)
		assert_true(use_once(js));
	assert_err(lm_js_abandon(r->vm), 0);
	for (unsigned n = 0; n < 10; n++)
		assert_true(use_once(js));
	eight(NULL);
}

/* The thread sanitizer keeps signals back until the thread calls something that it watches, which a
 * chain of microtasks never does. */
#ifdef __SANITIZE_THREAD__
#define SIGNALS false
#else
#define SIGNALS true
#endif

static void abandoned(void **state)
{
	(void)state;
	if (!SIGNALS)
		lm_test_skip("the thread sanitizer keeps the signals back");
	abandon("(async () => { while (true) await 0 })()");
	abandon("(async () => { const all = []; while (true) { await 0; all.push({}) } })()");
	abandon("function f() { Promise.resolve().then(f) } f()");
}

static void not_abandoned(void **state)
{
	(void)state;
	assert_err(lm_js_abandon(js), LM_E_MISUSE);
	assert_int_equal(lm_js_overdue(js), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight),         cmocka_unit_test(often),
		cmocka_unit_test(collected),     cmocka_unit_test(abandoned),
		cmocka_unit_test(not_abandoned),
	};

	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
