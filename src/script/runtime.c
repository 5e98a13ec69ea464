/* A program's common part, and a VM with its loop for each of its threads. */
#include "script/runtime_impl.h"

#include "base/error.h"
#include "script/memory.h"
#include "script/store.h"

/* What scripts share may not be part of this executable. */
#define WEAK(function) extern __typeof__(function) function __attribute__((weak))
WEAK(lm_script_memory_new);
WEAK(lm_script_memory_free);
WEAK(lm_script_stores_new);
WEAK(lm_script_stores_free);

static int make_shared(struct lm_script *script)
{
	int err = 0;

	if (lm_script_memory_new)
		err = lm_script_memory_new(0, &script->memory);
	if (err == 0 && lm_script_stores_new)
		err = lm_script_stores_new(&script->stores);
	return err;
}

int lm_script_init(struct lm_script *script, struct lm_error *out_error)
{
	int err;

	script->own = lm_alloc_zero(1, sizeof(*script->own));
	if (!script->own)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	pthread_mutex_init(&script->own->lock, NULL);
	pthread_mutex_init(&script->own->input_lock, NULL);
	lm_buf_init(&script->own->input, LM_RUNTIME_MAX_FILE);
	err = make_shared(script);
	return err < 0 ? lm_fail(out_error, err, "%s", lm_err_text(err)) : 0;
}

void lm_script_done(struct lm_script *script)
{
	if (!script->own)
		return;
	LM_ASSERT(!script->own->runtimes);
	if (script->stores && lm_script_stores_free)
		lm_script_stores_free(script->stores);
	if (script->memory && lm_script_memory_free)
		lm_script_memory_free(script->memory);
	lm_buf_done(&script->own->input);
	pthread_mutex_destroy(&script->own->input_lock);
	pthread_mutex_destroy(&script->own->lock);
	lm_free(script->own);
	script->own = NULL;
	script->memory = NULL;
	script->stores = NULL;
}

void lm_script_set_exit(struct lm_script *script, int code)
{
	int none = 0;

	atomic_compare_exchange_strong(&script->own->exit_code, &none, code);
}

int lm_script_exit(const struct lm_script *script)
{
	return atomic_load(&script->own->exit_code);
}

/* ---- Making and freeing ---- */

static void enlist(struct lm_runtime_private *own)
{
	struct lm_script_own *script = own->rt->script->own;

	pthread_mutex_lock(&script->lock);
	own->next = script->runtimes;
	if (own->next)
		own->next->prev = own;
	script->runtimes = own;
	if (atomic_load(&own->rt->script->terminated))
		lm_runtime_post_turn_locked(own);
	pthread_mutex_unlock(&script->lock);
}

/* Behind it no other thread posts the turn; one that is posted finds nobody. */
static void delist(struct lm_runtime_private *own)
{
	struct lm_script_own *script = own->rt->script->own;
	bool is_posted;

	pthread_mutex_lock(&script->lock);
	if (own->next)
		own->next->prev = own->prev;
	if (own->prev)
		own->prev->next = own->next;
	else if (script->runtimes == own)
		script->runtimes = own->next;
	is_posted = own->turn->is_posted;
	own->turn->rt = NULL;
	pthread_mutex_unlock(&script->lock);
	if (!is_posted)
		lm_free(own->turn);
}

static void end_grace(struct lm_timer *grace)
{
	struct lm_runtime_private *own = lm_container(grace, struct lm_runtime_private, grace);

	own->is_over = true;
	lm_runtime_settle(own->rt);
}

static int make_own(struct lm_runtime *rt)
{
	struct lm_runtime_private *own = lm_alloc_zero(1, sizeof(*own));
	pthread_condattr_t monotonic;

	if (!own)
		return LM_E_NOMEM;
	own->turn = lm_alloc_zero(1, sizeof(*own->turn));
	if (!own->turn) {
		lm_free(own);
		return LM_E_NOMEM;
	}
	own->turn->rt = own->rt = rt;
	own->grace.fire = end_grace;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&own->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rt->own = own;
	return 0;
}

static void on_rejection(void *ctx, struct lm_js_value *reason)
{
	struct lm_runtime *rt = ctx;
	struct lm_js_error error;

	lm_js_describe(rt->js, reason, &error);
	lm_runtime_fail(rt, "a promise was rejected and nobody cared", &error);
}

static bool fill(struct lm_runtime *rt)
{
	static const struct lm_js_source global = { "lettermill:global",
		                                    { (const uint8_t *)"globalThis", 10 } };
	struct lm_js *js = rt->js;

	rt->global = lm_js_run(js, &global);
	if (!rt->global)
		return false;
	lm_js_hold(js, rt->global);
	rt->infinity = lm_js_object(js);
	lm_js_hold(js, rt->infinity);
	rt->internal = lm_js_object(js);
	lm_js_hold(js, rt->internal);
	lm_js_on_rejection(js, on_rejection, rt);
	return lm_js_set(js, rt->global, "infinity", rt->infinity) &&
	       lm_module_run(rt, &lm_js_internal, lm_js_undefined(js)) && lm_modules_open(rt);
}

/* The modules are part of the executable: that one fails is no fault of a script. */
static int not_filled(struct lm_runtime *rt, struct lm_error *out_error)
{
	struct lm_js_error error = { .message = "it threw nothing", .file = "" };

	(void)lm_js_catch(rt->js, &error, NULL);
	return lm_fail(out_error, LM_E_SCRIPT, "the runtime cannot be made: %s (%s:%u:%u)",
	               error.message, error.file, error.line, error.column);
}

int lm_runtime_new(struct lm_script *script, struct lm_loop *loop, bool is_main,
                   const struct lm_js_limits *limits, struct lm_runtime **out_runtime,
                   struct lm_error *out_error)
{
	static const struct lm_js_limits none;
	struct lm_runtime *rt = lm_alloc_zero(1, sizeof(*rt));
	int err;

	if (!rt)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	rt->script = script;
	rt->loop = loop;
	rt->is_main = is_main;
	err = make_own(rt);
	if (err < 0) {
		lm_free(rt);
		return lm_fail(out_error, err, "out of memory");
	}
	enlist(rt->own);
	err = lm_js_new(&none, rt, &rt->js, out_error);
	if (err == 0 && !fill(rt))
		err = not_filled(rt, out_error);
	if (err < 0) {
		lm_runtime_free(rt);
		return err;
	}
	if (limits)
		lm_js_set_limits(rt->js, limits);
	*out_runtime = rt;
	return 0;
}

static void drop(struct lm_runtime *rt, struct lm_js_value *value)
{
	if (value)
		lm_js_drop(rt->js, value);
}

void lm_runtime_free(struct lm_runtime *rt)
{
	struct lm_runtime_stopper *stopper;

	if (!rt)
		return;
	lm_modules_close(rt);
	lm_timer_disarm(rt->loop, &rt->own->grace);
	delist(rt->own);
	while ((stopper = rt->own->stoppers)) {
		rt->own->stoppers = stopper->next;
		lm_free(stopper);
	}
	if (rt->js) {
		drop(rt, rt->infinity);
		drop(rt, rt->internal);
		drop(rt, rt->global);
	}
	lm_js_free(rt->js);
	pthread_cond_destroy(&rt->own->wake);
	lm_free(rt->own);
	lm_free(rt);
}

void lm_runtime_lost(struct lm_runtime *rt)
{
	delist(rt->own);
}

/* ---- Staying alive ---- */

/* At the end a timer is worth waiting for where the main script may be, and not for long. */
static bool is_alive(const struct lm_runtime_private *own)
{
	if (own->holds > 0)
		return true;
	if (!own->is_ending)
		return own->has_timers || own->has_immediates || own->drives > 0;
	if (own->drives == 0 || own->is_over)
		return false;
	return own->has_immediates || (own->has_timers && own->alarm_at <= own->grace_end);
}

void lm_runtime_settle(struct lm_runtime *rt)
{
	if (rt->own->is_running && !is_alive(rt->own))
		lm_loop_stop(rt->loop);
}

void lm_runtime_hold(struct lm_runtime *rt)
{
	rt->own->holds++;
}

void lm_runtime_release(struct lm_runtime *rt)
{
	LM_ASSERT(rt->own->holds > 0);
	rt->own->holds--;
	lm_runtime_settle(rt);
}

void lm_runtime_run(struct lm_runtime *rt)
{
	LM_ASSERT(!rt->own->is_running);
	rt->own->is_running = true;
	/* A program that was ended while its main script ran has yet to hear of it. */
	if (atomic_load(&rt->script->terminated))
		lm_runtime_end(rt);
	while (is_alive(rt->own))
		lm_loop_run(rt->loop);
	rt->own->is_running = false;
}

/* ---- Driven calls ---- */

struct drive {
	struct lm_runtime *rt;
	void (*done)(void *ctx, bool good, struct lm_js_value *value);
	void *ctx;
	bool is_done;
};

/* Collected unsettled: nothing can settle it any more, or the runtime ends. */
static void drive_gone(void *data)
{
	lm_free(data);
}

static const struct lm_js_class drive_class = { "Drive", drive_gone };

static void finish(struct drive *drive, bool good, struct lm_js_value *value)
{
	struct lm_runtime *rt = drive->rt;

	if (drive->is_done)
		return;
	drive->is_done = true;
	drive->done(drive->ctx, good, value);
	rt->own->drives--;
	lm_runtime_settle(rt);
}

static struct lm_js_value *settled(const struct lm_js_call *call)
{
	struct drive *drive = lm_js_unwrap(call->js, lm_js_arg(call, 0), &drive_class);

	if (drive)
		finish(drive, lm_js_truth(call->js, lm_js_arg(call, 1)), lm_js_arg(call, 2));
	return lm_js_undefined(call->js);
}

static struct lm_js_value *call_drive(struct lm_runtime *rt, struct lm_js_value *handle,
                                      struct lm_js_value *function, size_t count,
                                      struct lm_js_value *const args[])
{
	struct lm_js_value *given[4] = { handle, lm_js_function(rt->js, "settled", settled, rt),
		                         function, lm_js_array(rt->js, count, args) };
	struct lm_js_value *drive = lm_js_get(rt->js, rt->internal, "drive");

	return drive ? lm_js_call(rt->js, drive, NULL, 4, given) : NULL;
}

bool lm_runtime_drive(struct lm_runtime *rt, struct lm_js_value *function, size_t count,
                      struct lm_js_value *const args[],
                      void (*done)(void *ctx, bool good, struct lm_js_value *value), void *ctx)
{
	struct drive *drive = lm_alloc_zero(1, sizeof(*drive));
	struct lm_js_value *handle = NULL, *thrown = NULL;
	struct lm_js_error error;

	if (!drive)
		return lm_native_nomem(rt->js);
	*drive = (struct drive){ rt, done, ctx, false };
	handle = lm_js_wrap(rt->js, &drive_class, drive, sizeof(*drive));
	if (!handle) {
		lm_free(drive);
		return false;
	}
	rt->own->drives++;
	/* Only a call that was ended from outside gets here: what it threw is settled within. */
	if (!call_drive(rt, handle, function, count, args) && lm_js_catch(rt->js, &error, &thrown))
		finish(drive, false, thrown);
	return true;
}

/* ---- Errors nobody caught ---- */

void lm_runtime_fail(struct lm_runtime *rt, const char *where, const struct lm_js_error *error)
{
	lm_script_report(rt->script, where, error);
	if (!rt->is_main)
		return;
	lm_script_set_exit(rt->script, 1);
	lm_script_terminate(rt->script);
}

bool lm_runtime_fail_caught(struct lm_runtime *rt, const char *where)
{
	struct lm_js_error error;

	if (!lm_js_catch(rt->js, &error, NULL))
		return false;
	lm_runtime_fail(rt, where, &error);
	return true;
}
