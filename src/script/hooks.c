/* Handler properties and what hangs on them: files as they were read, in generations, compiled for
 * each VM. */
#include "base/error.h"
#include "script/handler_impl.h"

#include <sys/stat.h>

enum { LOOK_EVERY = 500, FILE_MAX = 64 << 20 };

#define P (1U << LM_POP3)
#define S (1U << LM_SMTP | 1U << LM_SUBMISSION)
#define L (1U << LM_LMTP)
static const struct lm_script_hook hooks[] = {
#define H(protocols, event, property, documented, summary) \
	{ property, LM_EVENT_##event, protocols, documented, summary },
#include "script/hooks.def"
#undef H
};
#undef P
#undef S
#undef L

const struct lm_script_hook *lm_script_hooks(size_t *out_count)
{
	*out_count = sizeof(hooks) / sizeof(*hooks);
	return hooks;
}

const struct lm_hooked *lm_hooks_of(const struct lm_script_handler *h, enum lm_event_type type)
{
	int at = h->by_event[type][0];

	if (at < 0)
		at = h->by_event[type][1];
	if (at < 0 && type == LM_EVENT_TOP)
		at = h->by_event[LM_EVENT_RETR][0];
	return at < 0 ? NULL : &h->hooked[at];
}

/* ---- generations ---- */

static struct lm_ss_code *code_new(void)
{
	struct lm_ss_code *code = lm_alloc_zero(1, sizeof(*code));

	if (!code)
		return NULL;
	atomic_init(&code->refs, 1);
	for (size_t i = 0; i < LM_HOOKED_MAX; i++)
		lm_buf_init(&code->texts[i], FILE_MAX);
	return code;
}

void lm_hooks_code_unref(struct lm_ss_code *code)
{
	if (!code || atomic_fetch_sub_explicit(&code->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < LM_HOOKED_MAX; i++)
		lm_buf_done(&code->texts[i]);
	lm_free(code);
}

static bool stamp_of(const char *path, struct lm_hook_stamp *out_stamp)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	*out_stamp = (struct lm_hook_stamp){ .device = st.st_dev,
		                             .inode = st.st_ino,
		                             .size = (uint64_t)st.st_size,
		                             .changed = st.st_mtim };
	return true;
}

static bool same_stamp(const struct lm_hook_stamp *a, const struct lm_hook_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The function of one file: it gets the session's `infinity` and a `require` of its own folder. */
static struct lm_js_value *compile(struct lm_js *js, const char *path, struct lm_bytes text)
{
	const struct lm_js_source source = { path, text };

	return lm_js_compile(js, &source, "infinity, require");
}

/* Generations are kept while sessions go on with them: no more than what is in the file. */
static bool read_one(struct lm_runtime *rt, const char *path, struct lm_buf *out)
{
	struct lm_buf text;
	bool is_good;

	lm_buf_init(&text, FILE_MAX);
	is_good = lm_runtime_read_file(rt, path, &text) &&
	          compile(rt->js, path, lm_buf_bytes(&text));
	if (is_good && lm_buf_add(out, lm_buf_bytes(&text)))
		is_good = lm_js_throw(rt->js, LM_JS_ERROR, "out of memory");
	lm_buf_done(&text);
	return is_good;
}

/* Read and try all files; the stamps are taken before, so that a change meanwhile is seen. */
static struct lm_ss_code *read_all(struct lm_script_handler *h, struct lm_runtime *rt)
{
	struct lm_ss_code *code = code_new();

	if (!code)
		return (void *)lm_js_throw(rt->js, LM_JS_ERROR, "out of memory");
	for (size_t i = 0; i < h->count; i++) {
		struct lm_hooked *hooked = &h->hooked[i];

		if (!hooked->path)
			continue;
		(void)stamp_of(hooked->path, &hooked->stamp);
		if (!read_one(rt, hooked->path, &code->texts[i])) {
			lm_hooks_code_unref(code);
			return NULL;
		}
	}
	return code;
}

/* ---- changed files ---- */

/* A file that is gone is perhaps being replaced just now. */
static bool has_changed(const struct lm_script_handler *h)
{
	struct lm_hook_stamp now;

	for (size_t i = 0; i < h->count; i++)
		if (h->hooked[i].path && stamp_of(h->hooked[i].path, &now) &&
		    !same_stamp(&now, &h->hooked[i].stamp))
			return true;
	return false;
}

/* What does not compile is told once: its stamps are those of a file that was looked at. */
static void look(struct lm_script_handler *h, struct lm_sp_place *place)
{
	struct lm_js_error error;
	struct lm_ss_code *code;

	if (!has_changed(h))
		return;
	code = read_all(h, place->rt);
	if (code) {
		lm_hooks_code_unref(h->code);
		h->code = code;
		lm_log(h->script->log, LM_LOG_INFO, "script.changed",
		       LM_LOG_TEXT("protocol", lm_str(lm_script_namespace(h->protocol))));
	} else if (lm_js_catch(place->js, &error, NULL)) {
		lm_log(h->script->log, LM_LOG_ERROR, "script.error",
		       LM_LOG_TEXT("script", lm_str(error.file)), LM_LOG_NUMBER("line", error.line),
		       LM_LOG_NUMBER("column", error.column),
		       LM_LOG_TEXT("message", lm_str(error.message)),
		       LM_LOG_TEXT("kept", lm_str("the code before the change")));
		lm_script_report(h->script, "a changed handler, whose old code stays", &error);
	}
}

struct lm_ss_code *lm_hooks_code(struct lm_sp_place *place)
{
	struct lm_script_handler *h = place->handler;
	lm_time_ms now = lm_script_now();
	struct lm_ss_code *code;

	pthread_mutex_lock(&h->lock);
	if (h->script->watch && now - h->looked >= LOOK_EVERY) {
		h->looked = now;
		look(h, place);
	}
	code = h->code;
	atomic_fetch_add_explicit(&code->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&h->lock);
	return code;
}

/* ---- in a VM ---- */

static struct lm_js_value *require_for(struct lm_sp_place *place, const char *path)
{
	struct lm_js_value *make = lm_js_get(place->js, place->rt->internal, "requireFor");
	struct lm_js_value *arg = lm_js_string(place->js, lm_str(path));

	if (!make || lm_js_type(place->js, make) != LM_JS_FUNCTION)
		return lm_js_undefined(place->js);
	return lm_js_call(place->js, make, NULL, 1, &arg);
}

static struct lm_js_value *bind(struct lm_sp_place *place, const struct lm_hooked *hooked,
                                struct lm_bytes text)
{
	struct lm_js_value *args[2] = { hooked->function, NULL };

	if (!hooked->path)
		return lm_js_call(place->js, place->calls.bind_function, NULL, 1, args);
	args[0] = compile(place->js, hooked->path, text);
	args[1] = args[0] ? require_for(place, hooked->path) : NULL;
	return args[1] ? lm_js_call(place->js, place->calls.bind, NULL, 2, args) : NULL;
}

static void compiled_free(struct lm_sp_place *place, struct lm_sp_compiled *compiled, bool vm_lives)
{
	for (size_t i = 0; vm_lives && i < LM_HOOKED_MAX; i++)
		if (compiled->calls[i])
			lm_js_drop(place->js, compiled->calls[i]);
	lm_hooks_code_unref(compiled->code);
	lm_free(compiled);
}

static struct lm_sp_compiled *compile_all(struct lm_sp_place *place, struct lm_ss_code *code)
{
	struct lm_script_handler *h = place->handler;
	struct lm_sp_compiled *compiled = lm_alloc_zero(1, sizeof(*compiled));

	if (!compiled)
		return (void *)lm_js_throw(place->js, LM_JS_ERROR, "out of memory");
	compiled->code = code;
	atomic_fetch_add_explicit(&code->refs, 1, memory_order_relaxed);
	for (size_t i = 0; i < h->count; i++) {
		struct lm_js_value *call = bind(place, &h->hooked[i],
		                                lm_buf_bytes(&code->texts[i]));

		if (!call) {
			compiled_free(place, compiled, true);
			return NULL;
		}
		lm_js_hold(place->js, call);
		compiled->calls[i] = call;
	}
	return compiled;
}

struct lm_sp_compiled *lm_hooks_compiled(struct lm_sp_place *place, struct lm_ss_code *code)
{
	struct lm_sp_compiled *compiled = place->compiled;

	while (compiled && compiled->code != code)
		compiled = compiled->next;
	if (!compiled) {
		compiled = compile_all(place, code);
		if (!compiled)
			return NULL;
		compiled->next = place->compiled;
		place->compiled = compiled;
	}
	compiled->sessions++;
	return compiled;
}

void lm_hooks_release(struct lm_sp_place *place, struct lm_sp_compiled *compiled)
{
	struct lm_sp_compiled **at = &place->compiled;

	/* The newest here is the first; it is kept for those who come. */
	if (--compiled->sessions || place->compiled == compiled)
		return;
	while (*at != compiled)
		at = &(*at)->next;
	*at = compiled->next;
	compiled_free(place, compiled, true);
}

void lm_hooks_forget(struct lm_sp_place *place, bool vm_lives)
{
	while (place->compiled) {
		struct lm_sp_compiled *compiled = place->compiled;

		place->compiled = compiled->next;
		compiled_free(place, compiled, vm_lives);
	}
}

/* ---- the handler's own ---- */

static bool add_hooked(struct lm_script_handler *h, struct lm_runtime *rt,
                       const struct lm_script_hooked *from)
{
	struct lm_hooked *to = &h->hooked[h->count];
	bool second = strcmp(from->hook->property, "onAuth") == 0;

	to->hook = from->hook;
	if (from->file) {
		to->path = lm_runtime_script_path(rt, lm_str(from->file));
		if (!to->path)
			return false;
	} else {
		lm_js_hold(rt->js, from->function);
		to->function = from->function;
		h->has_functions = true;
	}
	h->by_event[from->hook->event][second] = (int)h->count++;
	return true;
}

bool lm_hooks_open(struct lm_script_handler *h, struct lm_runtime *rt,
                   const struct lm_script_handler_params *params)
{
	for (size_t i = 0; i < LM_EVENT_COUNT; i++)
		h->by_event[i][0] = h->by_event[i][1] = -1;
	if (params->hooked_count > LM_HOOKED_MAX)
		return lm_js_throw(rt->js, LM_JS_RANGE_ERROR, "too many hooks");
	for (size_t i = 0; i < params->hooked_count; i++)
		if (!add_hooked(h, rt, &params->hooked[i]))
			return false;
	h->code = read_all(h, rt);
	return h->code != NULL;
}

void lm_hooks_close(struct lm_script_handler *h)
{
	for (size_t i = 0; i < h->count; i++) {
		if (h->hooked[i].function)
			lm_js_drop(h->rt->js, h->hooked[i].function);
		lm_free(h->hooked[i].path);
	}
	lm_hooks_code_unref(h->code);
}
