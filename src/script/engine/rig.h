/** @file
 * What the engine's tests share: a VM, scripts as literals, answers as text.
 */
#ifndef LM_SCRIPT_ENGINE_RIG_H
#define LM_SCRIPT_ENGINE_RIG_H

#include "script/engine/engine.h"

#include "lm_test.h"

static struct lm_js *js;

static inline int rig_begin(void **state)
{
	(void)state;
	return lm_js_setup(NULL) ? -1 : lm_js_new(NULL, NULL, &js, NULL);
}

static inline int rig_end(void **state)
{
	(void)state;
	lm_js_free(js);
	js = NULL;
	return 0;
}

static inline struct lm_js_value *rig_run(const char *text)
{
	const struct lm_js_source source = { "test.js", lm_str(text) };

	return lm_js_run(js, &source);
}

static inline struct lm_js_value *rig_compile(const char *text, const char *parameters)
{
	const struct lm_js_source source = { "body.js", lm_str(text) };

	return lm_js_compile(js, &source, parameters);
}

/** String(value), in a room of its own until the next call. */
static inline const char *rig_text(struct lm_js_value *value)
{
	static char room[4000];
	struct lm_buf b;

	if (!value)
		return "(thrown)";
	lm_buf_init(&b, sizeof(room) - 1);
	lm_js_add_text(js, value, &b);
	if (lm_buf_len(&b))
		memcpy(room, b.data, lm_buf_len(&b));
	room[lm_buf_len(&b)] = 0;
	lm_buf_done(&b);
	return room;
}

/** What a script gives, as text. */
#define assert_gives(script, want) assert_string_equal(rig_text(rig_run(script)), (want))

/** What was thrown, which must be something. */
static inline struct lm_js_error rig_caught(void)
{
	struct lm_js_error error = { 0 };

	assert_true(lm_js_catch(js, &error, NULL));
	assert_false(lm_js_catch(js, &error, NULL));
	return error;
}

static inline void rig_publish(const char *name, struct lm_js_value *value)
{
	struct lm_js_value *global = rig_run("globalThis");

	assert_non_null(global);
	assert_true(lm_js_set(js, global, name, value));
}

#endif
