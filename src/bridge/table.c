/* Things by number: a ring in which a number's place is its remainder. */
#include "bridge/bridge_impl.h"

enum { FIRST_SIZE = 64 };
#define LAST_NUMBER (UINT64_C(1) << 53)

static struct lm_bx_thing **place_of(const struct lm_bx_table *table, uint64_t number)
{
	return &table->places[number & (table->size - 1)];
}

/* Numbers that differ modulo the old size differ modulo the new one. */
static int grow(struct lm_bx_table *table)
{
	struct lm_bx_table wider = *table;

	wider.size = table->size ? table->size * 2 : FIRST_SIZE;
	wider.places = lm_alloc_zero(wider.size, sizeof(struct lm_bx_thing *));
	if (!wider.places)
		return LM_E_NOMEM;
	for (size_t i = 0; i < table->size; i++)
		if (table->places[i])
			*place_of(&wider, table->places[i]->number) = table->places[i];
	lm_free(table->places);
	*table = wider;
	return 0;
}

int lm_bx_add(struct lm_bridge *bridge, struct lm_bx_thing *thing)
{
	struct lm_bx_table *table = &bridge->table;
	int err = table->count * 2 >= table->size ? grow(table) : 0;

	if (err)
		return err;
	/* Those that live long make gaps in the numbers of the others. */
	do
		table->next++;
	while (*place_of(table, table->next));
	LM_ASSERT(table->next < LAST_NUMBER);
	thing->number = table->next;
	*place_of(table, thing->number) = thing;
	table->count++;
	return 0;
}

void lm_bx_remove(struct lm_bridge *bridge, struct lm_bx_thing *thing)
{
	if (!thing->number)
		return;
	*place_of(&bridge->table, thing->number) = NULL;
	bridge->table.count--;
	thing->number = 0;
}

struct lm_bx_thing *lm_bx_find(struct lm_bridge *bridge, uint64_t number, enum lm_bx_kind kind)
{
	struct lm_bx_thing *thing = bridge->table.size ? *place_of(&bridge->table, number) : NULL;

	return thing && thing->number == number && thing->kind == kind ? thing : NULL;
}

struct lm_bx_thing *lm_bx_any(struct lm_bridge *bridge, enum lm_bx_kind kind)
{
	for (size_t i = 0; i < bridge->table.size; i++) {
		struct lm_bx_thing *thing = bridge->table.places[i];

		if (thing && thing->kind == kind)
			return thing;
	}
	return NULL;
}
