/* setTimeout and its kin: one alarm of the loop for the first timer of js/timers.js. */
#include "script/runtime_impl.h"

#include <math.h>

/* One function of script after the other, until it says that there are no more. */
static void run_all(struct lm_runtime *rt, struct lm_js_value *function, struct lm_js_value *first,
                    struct lm_js_value *next, const char *where)
{
	struct lm_js_value *arg = first, *more;

	do {
		more = lm_js_call(rt->js, function, NULL, 1, &arg);
		arg = next;
		if (!more && !lm_runtime_fail_caught(rt, where))
			return;
	} while (!more || lm_js_truth(rt->js, more));
}

static void on_alarm(struct lm_timer *alarm)
{
	struct lm_runtime_private *own = lm_container(alarm, struct lm_runtime_private, alarm);
	struct lm_js_value *until = lm_js_number(own->rt->js, lm_runtime_now());

	run_all(own->rt, own->fire, until, until, "a timer");
}

void lm_timers_run_immediates(struct lm_runtime *rt)
{
	run_all(rt, rt->own->immediate, lm_js_bool(rt->js, true), lm_js_bool(rt->js, false),
	        "setImmediate");
	if (rt->own->has_immediates)
		lm_runtime_post_turn(rt);
	lm_runtime_settle(rt);
}

/* ---- Functions for js/timers.js ---- */

static struct lm_js_value *native_begin(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;

	rt->own->fire = lm_js_arg(call, 0);
	rt->own->immediate = lm_js_arg(call, 1);
	lm_js_hold(call->js, rt->own->fire);
	lm_js_hold(call->js, rt->own->immediate);
	return lm_js_undefined(call->js);
}

/* Never early: the loop counts whole milliseconds. */
static struct lm_js_value *native_alarm(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	double at = lm_js_to_number(call->js, lm_js_arg(call, 0)),
	       delay = ceil(at - lm_runtime_now());

	rt->own->alarm_at = at;
	if (!isfinite(at)) {
		lm_timer_disarm(rt->loop, &rt->own->alarm);
		return lm_js_undefined(call->js);
	}
	lm_loop_update(rt->loop);
	lm_timer_arm(rt->loop, &rt->own->alarm,
	             lm_loop_now(rt->loop) + (delay > 0 ? (lm_time_ms)delay : 0));
	return lm_js_undefined(call->js);
}

static struct lm_js_value *native_hold(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;

	rt->own->has_timers = lm_js_truth(call->js, lm_js_arg(call, 0));
	lm_runtime_settle(rt);
	return lm_js_undefined(call->js);
}

static struct lm_js_value *native_immediates(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	bool had = rt->own->has_immediates;

	rt->own->has_immediates = lm_js_truth(call->js, lm_js_arg(call, 0));
	if (!had && rt->own->has_immediates)
		lm_runtime_post_turn(rt);
	return lm_js_undefined(call->js);
}

/* ---- The module ---- */

static int open_timers(struct lm_runtime *rt, void **out_state, struct lm_error *out_error)
{
	(void)out_error;
	rt->own->alarm.fire = on_alarm;
	*out_state = rt;
	return 0;
}

static void close_timers(void *state)
{
	struct lm_runtime *rt = state;

	lm_timer_disarm(rt->loop, &rt->own->alarm);
	if (rt->own->fire)
		lm_js_drop(rt->js, rt->own->fire);
	if (rt->own->immediate)
		lm_js_drop(rt->js, rt->own->immediate);
	rt->own->fire = rt->own->immediate = NULL;
}

static const struct lm_script_native natives[] = {
	{ "begin", native_begin },
	{ "alarm", native_alarm },
	{ "hold", native_hold },
	{ "immediates", native_immediates },
	{ NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_timers, NULL };

const struct lm_script_module lm_script_module_timers = {
	.name = "infinity.timers",
	.sources = sources,
	.natives = natives,
	.open = open_timers,
	.close = close_timers,
};
