/* Tests written as scripts (test/NAME.js): each runs in a runtime, and throws where it finds
 * something wrong. */
#include "script/memory_impl.h"
#include "script/rig.h"

#include <sched.h>
#include <sys/stat.h>

static char *read_test(const char *name)
{
	const char *root = getenv("LM_SOURCE_ROOT");
	char path[500], *text;
	FILE *file;
	size_t len;

	assert_non_null(root);
	snprintf(path, sizeof(path), "%s/src/script/test/%s.js", root, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	text = calloc(1, 200000);
	assert_non_null(text);
	len = fread(text, 1, 199999, file);
	assert_true(len > 0 && len < 199999);
	fclose(file);
	return text;
}

static void run(struct lm_rig *rig, const char *name)
{
	char *prelude = read_test("check"), *text = read_test(name), *both = calloc(1, 400001);

	assert_non_null(both);
	snprintf(both, 400001, "%s%s", prelude, text);
	assert_script(rig, both, "true");
	free(prelude);
	free(text);
	free(both);
}

static void alone(const char *name)
{
	struct lm_rig *rig = lm_rig_new();

	run(rig, name);
	lm_rig_free(rig);
}

static void stream(void **state)
{
	(void)state;
	alone("stream");
}

static void encoding(void **state)
{
	(void)state;
	alone("encoding");
}

static const char *path_in(struct lm_rig *rig, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
	return path;
}

static void files(void **state)
{
	struct lm_rig *rig = lm_rig_new();

	(void)state;
	assert_int_equal(mkfifo(path_in(rig, "fifo"), 0600), 0);
	assert_int_equal(mkdir(path_in(rig, "target"), 0700), 0);
	lm_rig_file(rig, "target/inside", "");
	assert_int_equal(symlink("target/inside", path_in(rig, "link")), 0);
	assert_int_equal(symlink("target", path_in(rig, "dirlink")), 0);
	assert_int_equal(symlink("no/where", path_in(rig, "lost")), 0);
	lm_rig_file(rig, "readonly", "");
	assert_int_equal(chmod(path_in(rig, "readonly"), 0444), 0);
	run(rig, "files");
	lm_rig_free(rig);
}

static void memory(void **state)
{
	(void)state;
	alone("memory");
}

/* A file keeps its permissions when it is replaced, and who may not write to it may not at all. */
static void permissions_stay(void **state)
{
	struct lm_rig *rig = lm_rig_new();
	struct stat st;

	(void)state;
	lm_rig_file(rig, "secret", "old");
	assert_int_equal(chmod(path_in(rig, "secret"), 0640), 0);
	assert_script(
	        rig,
	        "infinity.file.write('secret', 'new'); return infinity.file.readString('secret')",
	        "new");
	assert_int_equal(stat(path_in(rig, "secret"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	lm_rig_free(rig);
}

/** Another worker of the same program, on a thread of its own. */
struct worker {
	struct lm_rig *rig; /* whose program it is */
	pthread_t thread;
	const char *text;
	char result[300];
	struct lm_runtime *_Atomic rt; /* while it runs */
};

static void finished(void *ctx, bool good, struct lm_js_value *value)
{
	struct worker *w = ctx;
	struct lm_buf text;
	struct lm_js *js = atomic_load(&w->rt)->js;

	(void)good;
	lm_buf_init(&text, sizeof(w->result) - 1);
	lm_js_add_text(js, value, &text);
	snprintf(w->result, sizeof(w->result), "%.*s", LM_FMT(lm_buf_bytes(&text)));
	lm_buf_done(&text);
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct lm_js_source source = { "worker.js", lm_str(w->text) };
	struct lm_js_value *function;
	struct lm_runtime *rt;
	struct lm_loop *loop;

	assert_err(lm_loop_new(&loop), 0);
	assert_err(lm_runtime_new(&w->rig->script, loop, false, NULL, &rt, NULL), 0);
	atomic_store(&w->rt, rt);
	function = lm_js_compile(rt->js, &source, "infinity");
	assert_non_null(function);
	assert_true(lm_runtime_drive(rt, function, 1, (struct lm_js_value *[]){ rt->infinity },
	                             finished, w));
	lm_runtime_run(rt);
	lm_script_memory_release(rt);
	atomic_store(&w->rt, NULL);
	lm_runtime_free(rt);
	lm_loop_free(loop);
	return NULL;
}

static void start(struct worker *w, struct lm_rig *rig, const char *text)
{
	pthread_attr_t attr;

	*w = (struct worker){ .rig = rig, .text = text };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 4 << 20);
	assert_int_equal(pthread_create(&w->thread, &attr, work, w), 0);
	pthread_attr_destroy(&attr);
}

static void assert_worker(struct worker *w, const char *want)
{
	pthread_join(w->thread, NULL);
	assert_string_equal(w->result, want);
}

static bool somebody_waits(struct lm_script_memory *m)
{
	bool waits;

	pthread_mutex_lock(&m->mutex);
	waits = m->waiting != NULL;
	pthread_mutex_unlock(&m->mutex);
	return waits;
}

static void workers_share_values(void **state)
{
	struct lm_rig *rig = lm_rig_new();
	struct worker workers[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		start(&workers[i], rig,
		      "for (let i = 0; i < 1000; i++) {"
		      "  infinity.memory.increment('n');"
		      "  infinity.memory.lock('l');"
		      "  infinity.memory.put('m', infinity.memory.get('m', 0) + 1);"
		      "  infinity.memory.unlock('l');"
		      "}"
		      "return infinity.memory.add('first', new Uint8Array([1, 2]))");
	for (int i = 0; i < 4; i++)
		pthread_join(workers[i].thread, NULL);
	assert_script(rig,
	              "const m = infinity.memory; return [m.get('n'), m.get('m'), "
	              "...m.get('first')].join()",
	              "4000,4000,1,2");
	lm_rig_free(rig);
}

static void a_lock_goes_with_its_worker(void **state)
{
	struct lm_rig *rig = lm_rig_new();
	struct worker w;

	(void)state;
	start(&w, rig, "return infinity.memory.lock('l')");
	assert_worker(&w, "true");
	assert_script(rig, "return String(infinity.memory.lock('l', 0))", "true");
	start(&w, rig, "return infinity.memory.lock('l', 5)");
	assert_worker(&w, "false");
	start(&w, rig, "return infinity.memory.unlock('l')");
	assert_worker(&w, "false");
	lm_rig_free(rig);
}

static void who_waits_can_be_interrupted(void **state)
{
	struct lm_rig *rig = lm_rig_new();
	struct worker w;

	(void)state;
	assert_script(rig, "return String(infinity.memory.lock('l'))", "true");
	start(&w, rig,
	      "try { infinity.memory.lock('l') } catch (e) { return e.code + ' ' + e.message }");
	while (!somebody_waits(rig->script.memory))
		sched_yield();
	lm_runtime_interrupt(atomic_load(&w.rt));
	assert_worker(&w, "CANCELED infinity.memory.lock: the script is to end");
	lm_rig_free(rig);
}

static void circles_of_locks_are_refused(void **state)
{
	struct lm_rig *rig = lm_rig_new();
	struct worker w;

	(void)state;
	assert_script(rig, "return String(infinity.memory.lock('a'))", "true");
	start(&w, rig, "infinity.memory.lock('b'); return infinity.memory.lock('a')");
	while (!somebody_waits(rig->script.memory))
		sched_yield();
	assert_script(rig, "try { infinity.memory.lock('b') } catch (e) { return e.code }",
	              "IN_USE");
	assert_script(rig, "return String(infinity.memory.lock('b', 1))", "false");
	assert_script(rig, "return String(infinity.memory.unlock('a'))", "true");
	assert_worker(&w, "true");
	lm_rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream),
		cmocka_unit_test(encoding),
		cmocka_unit_test(files),
		cmocka_unit_test(permissions_stay),
		cmocka_unit_test(memory),
		cmocka_unit_test(workers_share_values),
		cmocka_unit_test(a_lock_goes_with_its_worker),
		cmocka_unit_test(who_waits_can_be_interrupted),
		cmocka_unit_test(circles_of_locks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
