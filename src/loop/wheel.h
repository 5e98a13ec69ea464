/** @file
 * Timers in a hierarchical wheel of milliseconds: arm, disarm and expire in constant time, without
 * allocation.
 */
#ifndef LM_LOOP_WHEEL_H
#define LM_LOOP_WHEEL_H

#include "loop/loop.h"

/** Seven levels of 64 slots reach 139 years of a clock that starts with the machine. */
enum { LM_WHEEL_BITS = 6, LM_WHEEL_SLOTS = 64, LM_WHEEL_LEVELS = 7 };

struct lm_timer_list {
	struct lm_timer *first, *last;
};

struct lm_wheel {
	lm_time_ms now;   /* everything up to here has fired */
	lm_time_ms floor; /* while firing: what is armed up to here waits for the next turn */
	uint64_t occupied[LM_WHEEL_LEVELS];
	/* The last list holds what fires right now. */
	struct lm_timer_list lists[LM_WHEEL_LEVELS * LM_WHEEL_SLOTS + 1];
};

void lm_wheel_init(struct lm_wheel *wheel, lm_time_ms now);
/** Add a timer that is not armed; returns when the wheel must be advanced at the latest for it. */
lm_time_ms lm_wheel_add(struct lm_wheel *wheel, struct lm_timer *timer, lm_time_ms at);
/** Take an armed timer out. */
void lm_wheel_remove(struct lm_wheel *wheel, struct lm_timer *timer);
/** Fire what is due, the earliest first, and those for the same millisecond as they were armed.
 * Timers may be armed and disarmed by those that fire. */
void lm_wheel_advance(struct lm_wheel *wheel, lm_time_ms now);
/** When to call lm_wheel_advance next; LM_NEVER without timers. */
lm_time_ms lm_wheel_next(const struct lm_wheel *wheel);

#endif
