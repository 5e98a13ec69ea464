/* A hierarchical timer wheel: each level counts 64 slots, each slot as long as the level below. */
#include "loop/wheel.h"

enum { DUE = LM_WHEEL_LEVELS * LM_WHEEL_SLOTS };

static void list_add(struct lm_timer_list *list, struct lm_timer *timer)
{
	timer->next = NULL;
	timer->prev = list->last;
	if (list->last)
		list->last->next = timer;
	else
		list->first = timer;
	list->last = timer;
}

static void list_remove(struct lm_timer_list *list, struct lm_timer *timer)
{
	if (timer->prev)
		timer->prev->next = timer->next;
	else
		list->first = timer->next;
	if (timer->next)
		timer->next->prev = timer->prev;
	else
		list->last = timer->prev;
	timer->prev = timer->next = NULL;
}

void lm_wheel_init(struct lm_wheel *wheel, lm_time_ms now)
{
	*wheel = (struct lm_wheel){ .now = now, .floor = now };
}

/* The level is that of the highest digit in which the moment differs from now, so a slot never
 * holds two different rounds. */
static unsigned level_of(lm_time_ms now, lm_time_ms at)
{
	uint64_t diff = (uint64_t)at ^ (uint64_t)now;

	return (unsigned)(63 - __builtin_clzll(diff)) / LM_WHEEL_BITS;
}

static lm_time_ms slot_start(lm_time_ms at, unsigned level)
{
	unsigned shift = level * LM_WHEEL_BITS;

	return (lm_time_ms)((uint64_t)at >> shift << shift);
}

lm_time_ms lm_wheel_add(struct lm_wheel *wheel, struct lm_timer *timer, lm_time_ms at)
{
	const lm_time_ms end = (INT64_C(1) << (LM_WHEEL_LEVELS * LM_WHEEL_BITS)) - 1;
	lm_time_ms when = at > wheel->floor ? at : wheel->floor + 1;
	unsigned level, slot;

	if (when > end)
		when = end;
	level = level_of(wheel->now, when);
	slot = (unsigned)((uint64_t)when >> (level * LM_WHEEL_BITS)) % LM_WHEEL_SLOTS;
	/* Kept as moved: on its way down the levels the timer must not fire in the turn of now. */
	timer->at = when;
	timer->index = level * LM_WHEEL_SLOTS + slot;
	timer->armed = true;
	list_add(&wheel->lists[timer->index], timer);
	wheel->occupied[level] |= UINT64_C(1) << slot;
	return slot_start(when, level);
}

void lm_wheel_remove(struct lm_wheel *wheel, struct lm_timer *timer)
{
	struct lm_timer_list *list = &wheel->lists[timer->index];

	LM_ASSERT(timer->armed);
	list_remove(list, timer);
	timer->armed = false;
	if (!list->first && timer->index != DUE)
		wheel->occupied[timer->index / LM_WHEEL_SLOTS] &= ~(
		        UINT64_C(1) << timer->index % LM_WHEEL_SLOTS);
}

/* Lower levels lie within the present slot of the higher ones, so the first level with anything in
 * it has the next moment. */
static lm_time_ms next_slot(const struct lm_wheel *wheel, unsigned *out_index)
{
	for (unsigned level = 0; level < LM_WHEEL_LEVELS; level++) {
		uint64_t slot;

		if (!wheel->occupied[level])
			continue;
		slot = (uint64_t)__builtin_ctzll(wheel->occupied[level]);
		*out_index = level * LM_WHEEL_SLOTS + (unsigned)slot;
		return slot_start(wheel->now, level + 1) |
		       (lm_time_ms)(slot << (level * LM_WHEEL_BITS));
	}
	return LM_NEVER;
}

lm_time_ms lm_wheel_next(const struct lm_wheel *wheel)
{
	unsigned index;

	return next_slot(wheel, &index);
}

static void fire_due(struct lm_wheel *wheel)
{
	struct lm_timer *timer;

	while ((timer = wheel->lists[DUE].first)) {
		lm_wheel_remove(wheel, timer);
		timer->fire(timer);
	}
}

/* Timers of a slot whose time has come are due, or go down to a lower level. */
static void open_slot(struct lm_wheel *wheel, unsigned index)
{
	struct lm_timer *timer;
	lm_time_ms floor = wheel->floor;

	wheel->floor = wheel->now;
	while ((timer = wheel->lists[index].first)) {
		lm_wheel_remove(wheel, timer);
		if (timer->at <= wheel->now) {
			timer->index = DUE;
			timer->armed = true;
			list_add(&wheel->lists[DUE], timer);
		} else {
			lm_wheel_add(wheel, timer, timer->at);
		}
	}
	wheel->floor = floor;
}

void lm_wheel_advance(struct lm_wheel *wheel, lm_time_ms now)
{
	lm_time_ms at;
	unsigned index = 0;

	if (now <= wheel->now)
		return;
	wheel->floor = now;
	while ((at = next_slot(wheel, &index)) <= now) {
		wheel->now = at;
		open_slot(wheel, index);
		fire_due(wheel);
	}
	wheel->now = now;
}
