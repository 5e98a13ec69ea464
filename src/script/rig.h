/** @file
 * What tests of this room begin with: a runtime on the test's thread, in a folder of its own, whose
 * console is caught.
 *
 *	struct lm_rig *rig = lm_rig_new();
 *	assert_string_equal(lm_rig_run(rig, "return await infinity.x()"), "42");
 *	assert_string_equal(lm_rig_error(rig), "");
 *	lm_rig_free(rig);
 */
#ifndef LM_SCRIPT_RIG_H
#define LM_SCRIPT_RIG_H

#include "lm_test.h"

#include "script/runtime.h"

#include <pthread.h>
#include <unistd.h>

struct lm_rig {
	struct lm_script script;
	struct lm_loop *loop;
	struct lm_runtime *rt;
	char folder[64]; /* scripts and data are relative to it; removed at the end */
	char main_file[96];
	pthread_mutex_t lock;        /* guards out and err: workers print, too */
	struct lm_buf out, err;      /* lines printed, each with a line end */
	struct lm_buf raw;           /* console.write's octets */
	struct lm_buf result, fault; /* of the last lm_rig_run; as C strings */
	struct lm_js_error error;    /* message only, of the last lm_rig_run */
};

static inline void lm_rig_print(void *ctx, bool to_stderr, struct lm_bytes line)
{
	struct lm_rig *rig = ctx;
	struct lm_buf *to = to_stderr ? &rig->err : &rig->out;

	pthread_mutex_lock(&rig->lock);
	assert_err(lm_buf_add(to, line), 0);
	assert_err(lm_buf_add_str(to, "\n"), 0);
	pthread_mutex_unlock(&rig->lock);
}

static inline void lm_rig_write(void *ctx, struct lm_bytes octets)
{
	struct lm_rig *rig = ctx;

	pthread_mutex_lock(&rig->lock);
	assert_err(lm_buf_add(&rig->raw, octets), 0);
	pthread_mutex_unlock(&rig->lock);
}

/** With the runtime's kind and limits; NULL: none. */
static inline struct lm_rig *lm_rig_new_as(bool is_main, const struct lm_js_limits *limits)
{
	struct lm_rig *rig = lm_alloc_zero(1, sizeof(*rig));
	struct lm_error why = { 0 };

	assert_non_null(rig);
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/lm-script-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->main_file, sizeof(rig->main_file), "%s/main.js", rig->folder);
	pthread_mutex_init(&rig->lock, NULL);
	lm_buf_init(&rig->out, 1 << 30);
	lm_buf_init(&rig->err, 1 << 30);
	lm_buf_init(&rig->raw, 1 << 30);
	lm_buf_init(&rig->result, 1 << 30);
	lm_buf_init(&rig->fault, 1 << 30);
	rig->script = (struct lm_script){
		.main_file = rig->main_file,
		.root = rig->folder,
		.data_root = rig->folder,
		.run_dir = rig->folder,
		.print = lm_rig_print,
		.print_ctx = rig,
		.write = lm_rig_write,
	};
	if (lm_js_setup(&why) < 0 || lm_script_init(&rig->script, &why) < 0 ||
	    lm_pool_new(2, 1000, &rig->script.pool) < 0 || lm_loop_new(&rig->loop) < 0 ||
	    lm_runtime_new(&rig->script, rig->loop, is_main, limits, &rig->rt, &why) < 0)
		fail_msg("no runtime: %s", why.text);
	return rig;
}

static inline struct lm_rig *lm_rig_new(void)
{
	return lm_rig_new_as(true, NULL);
}

static inline void lm_rig_free(struct lm_rig *rig)
{
	char command[128];

	lm_pool_free(rig->script.pool);
	lm_runtime_free(rig->rt);
	lm_loop_free(rig->loop);
	lm_script_done(&rig->script);
	snprintf(command, sizeof(command), "rm -rf '%s'", rig->folder);
	assert_int_equal(system(command), 0);
	lm_buf_done(&rig->out);
	lm_buf_done(&rig->err);
	lm_buf_done(&rig->raw);
	lm_buf_done(&rig->result);
	lm_buf_done(&rig->fault);
	pthread_mutex_destroy(&rig->lock);
	lm_free(rig);
}

/** Make a file in the rig's folder. */
static inline void lm_rig_file(struct lm_rig *rig, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static inline const char *lm_rig_cstr(struct lm_buf *buf)
{
	uint8_t *room;

	if (lm_buf_room(buf, 1, &room) < 0)
		fail_msg("out of memory");
	*room = '\0';
	return (const char *)buf->data + buf->head;
}

/* A string as it is, else what console.log shows of it. */
static inline void lm_rig_done(void *ctx, bool good, struct lm_js_value *value)
{
	struct lm_rig *rig = ctx;
	struct lm_js *js = rig->rt->js;
	struct lm_js_value *inspect = lm_js_get(js, rig->rt->internal, "inspect");
	struct lm_js_value *text;

	if (good) {
		text = lm_js_call(js, inspect, NULL, 1, &value);
		assert_non_null(text);
		lm_js_add_text(js, text, &rig->result);
		return;
	}
	lm_js_describe(js, value, &rig->error);
	assert_err(lm_buf_add_str(&rig->fault, rig->error.message), 0);
}

/**
 * Run a script (`return` and `await` may stand in it), then the loop until nothing holds the
 * runtime. Returns what it returned: a string as it is, all else as the console shows it; "" where
 * it threw (lm_rig_error) or never ended. Lives until the next run.
 */
static inline const char *lm_rig_run(struct lm_rig *rig, const char *text)
{
	struct lm_js_source source = { rig->main_file, lm_str(text) };
	struct lm_js_value *function, *require, *path;
	struct lm_js *js = rig->rt->js;

	lm_buf_clear(&rig->result);
	lm_buf_clear(&rig->fault);
	rig->error = (struct lm_js_error){ 0 };
	path = lm_js_string(js, lm_str(rig->main_file));
	require = lm_js_call(js, lm_js_get(js, rig->rt->internal, "requireFor"), NULL, 1, &path);
	assert_non_null(require);
	function = lm_js_compile(js, &source, "infinity, require");
	if (!function) {
		assert_true(lm_js_catch(js, &rig->error, NULL));
		assert_err(lm_buf_add_str(&rig->fault, rig->error.message), 0);
		return "";
	}
	assert_true(lm_runtime_drive(rig->rt, function, 2,
	                             (struct lm_js_value *[]){ rig->rt->infinity, require },
	                             lm_rig_done, rig));
	lm_runtime_run(rig->rt);
	return lm_rig_cstr(&rig->result);
}

/** "TypeError: text" of what the last run threw; "" where it did not. */
static inline const char *lm_rig_error(struct lm_rig *rig)
{
	return lm_rig_cstr(&rig->fault);
}

/** What was printed up to now. */
static inline const char *lm_rig_out(struct lm_rig *rig)
{
	return lm_rig_cstr(&rig->out);
}

static inline const char *lm_rig_err(struct lm_rig *rig)
{
	return lm_rig_cstr(&rig->err);
}

/** A script that must give this text and throw nothing. */
#define assert_script(rig, text, want)                        \
	do {                                                  \
		const char *got_ = lm_rig_run((rig), (text)); \
		assert_string_equal(lm_rig_error(rig), "");   \
		assert_string_equal(got_, (want));            \
	} while (0)

/** A script that must throw what begins with `want` ("TypeError: infinity.x"). */
#define assert_script_throws(rig, text, want)                                          \
	do {                                                                           \
		(void)lm_rig_run((rig), (text));                                       \
		if (strncmp(lm_rig_error(rig), (want), strlen(want)) != 0 || !*(want)) \
			assert_string_equal(lm_rig_error(rig), (want));                \
	} while (0)

#endif
