/* The registry of modules (modules.def), and loading them into a runtime. */
#include "script/runtime_impl.h"

#include "base/error.h"
#include "base/nearest.h"

#include <stdio.h>

/* A row whose module is not part of this executable has none. */
#define M(symbol, ...) \
	extern const struct lm_script_module lm_script_module_##symbol __attribute__((weak));
#include "script/modules.def"
#undef M

struct row {
	const struct lm_script_module *module;
	const char *name;
	enum lm_module_when when;
	const char *aliases, *properties;
};

static const struct row rows[] = {
#define M(symbol, name, when, aliases, properties) \
	{ &lm_script_module_##symbol, name, LM_MODULE_##when, aliases, properties },
#include "script/modules.def"
#undef M
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };

/* The next of the words with spaces between; empty when there are no more. */
static struct lm_bytes next_word(const char **rest)
{
	struct lm_bytes word;

	*rest += strspn(*rest, " ");
	word = lm_bytes(*rest, strcspn(*rest, " "));
	*rest += word.len;
	return word;
}

static bool is_called(const struct row *row, struct lm_bytes name)
{
	const char *rest = row->aliases;
	struct lm_bytes word;

	if (!row->module)
		return false;
	if (lm_bytes_equal(name, lm_str(row->name)))
		return true;
	while ((word = next_word(&rest)).len > 0)
		if (lm_bytes_equal(word, name))
			return true;
	return false;
}

static const struct row *find(struct lm_bytes name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (is_called(&rows[i], name))
			return &rows[i];
	return NULL;
}

/* Loading what is always there is no use to anybody. */
static const char *nearest(const char *name)
{
	unsigned best = LM_NEAREST_MAX;
	const char *found = NULL;

	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].module && rows[i].when != LM_MODULE_CORE &&
		    lm_nearer(name, rows[i].name, &best))
			found = rows[i].name;
	return found;
}

static bool throw_unknown(struct lm_runtime *rt, struct lm_bytes name)
{
	struct lm_error error = { 0 };
	char shown[LM_NEAREST_MAX + 1];
	const char *near;

	snprintf(shown, sizeof(shown), "%.*s",
	         (int)(name.len < LM_NEAREST_MAX ? name.len : LM_NEAREST_MAX),
	         (const char *)name.data);
	near = nearest(shown);
	lm_fail(&error, LM_E_NOT_FOUND, "infinity.loadModule: there is no module \"%s\"%s%s", shown,
	        near ? "; the nearest is " : "", near ? near : "");
	return lm_js_throw_error(rt->js, &error);
}

/* ---- Loading ---- */

bool lm_module_run(struct lm_runtime *rt, const struct lm_js_source *source,
                   struct lm_js_value *native)
{
	struct lm_js_value *args[3] = { rt->infinity, native, rt->internal };
	struct lm_js_value *body = lm_js_compile(rt->js, source, "infinity, native, internal");

	return body && lm_js_call(rt->js, body, NULL, 3, args);
}

static struct lm_js_value *native_of(struct lm_runtime *rt, const struct lm_script_module *module)
{
	struct lm_js_value *native = lm_js_object(rt->js);

	for (const struct lm_script_native *n = module->natives; n && n->name; n++) {
		struct lm_js_value *function = lm_js_function(rt->js, n->name, n->fn, rt);

		if (!function || !lm_js_set(rt->js, native, n->name, function))
			return NULL;
	}
	return native;
}

static bool run_sources(struct lm_runtime *rt, const struct lm_script_module *module)
{
	struct lm_js_value *native = native_of(rt, module);

	if (!native)
		return false;
	for (size_t i = 0; module->sources[i]; i++)
		if (!lm_module_run(rt, module->sources[i], native))
			return false;
	return true;
}

static bool open_state(struct lm_runtime *rt, const struct row *row, struct lm_module_slot *slot)
{
	struct lm_error error = { 0 };

	if (!row->module->open || row->module->open(rt, &slot->state, &error) == 0)
		return true;
	return lm_js_throw_error(rt->js, &error);
}

static void close_slot(const struct row *row, struct lm_module_slot *slot)
{
	if (slot->progress != LM_MODULE_ABSENT && row->module->close)
		row->module->close(slot->state);
	*slot = (struct lm_module_slot){ LM_MODULE_ABSENT, NULL };
}

static bool load(struct lm_runtime *rt, const struct row *row)
{
	struct lm_module_slot *slot = &rt->own->slots[row - rows];

	if (slot->progress != LM_MODULE_ABSENT)
		return true;
	if (!open_state(rt, row, slot))
		return false;
	slot->progress = LM_MODULE_LOADING;
	if (!run_sources(rt, row->module)) {
		close_slot(row, slot);
		return false;
	}
	slot->progress = LM_MODULE_LOADED;
	return true;
}

bool lm_runtime_load(struct lm_runtime *rt, struct lm_bytes name)
{
	const struct row *row = find(name);

	return row ? load(rt, row) : throw_unknown(rt, name);
}

void *lm_runtime_state(const struct lm_runtime *rt, const struct lm_script_module *module)
{
	for (size_t i = 0; i < ROWS && rt->own->slots; i++)
		if (rows[i].module == module)
			return rt->own->slots[i].state;
	return NULL;
}

/* ---- With every runtime ---- */

static bool add_lazy(struct lm_runtime *rt, const struct row *row)
{
	struct lm_js_value *lazy = lm_js_get(rt->js, rt->internal, "lazy");
	const char *rest = row->properties;
	struct lm_bytes word;

	while (lazy && (word = next_word(&rest)).len > 0) {
		struct lm_js_value *args[2] = { lm_js_string(rt->js, word),
			                        lm_js_string(rt->js, lm_str(row->name)) };

		if (!lm_js_call(rt->js, lazy, NULL, 2, args))
			return false;
	}
	return lazy != NULL;
}

bool lm_modules_open(struct lm_runtime *rt)
{
	bool is_good = true;

	rt->own->slots = lm_alloc_zero(ROWS, sizeof(*rt->own->slots));
	if (!rt->own->slots)
		return lm_native_nomem(rt->js);
	for (size_t i = 0; i < ROWS && is_good; i++)
		if (rows[i].module && rows[i].when == LM_MODULE_CORE)
			is_good = load(rt, &rows[i]);
	for (size_t i = 0; i < ROWS && is_good; i++)
		if (rows[i].module && rows[i].when == LM_MODULE_LAZY)
			is_good = add_lazy(rt, &rows[i]);
	return is_good;
}

void lm_modules_close(struct lm_runtime *rt)
{
	for (size_t i = ROWS; i > 0 && rt->own->slots; i--)
		close_slot(&rows[i - 1], &rt->own->slots[i - 1]);
	lm_free(rt->own->slots);
	rt->own->slots = NULL;
}
