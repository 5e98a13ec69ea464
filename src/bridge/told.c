/* Entries as values: fields are gathered on one thread and become members of an object on another.
 */
#include "bridge/bridge_impl.h"

#define NOWHERE SIZE_MAX

void lm_bx_draft_init(struct lm_bx_draft *d)
{
	d->fields = d->own;
	d->count = 0;
	d->room = LM_BX_FIELDS;
	d->octets = 0;
	d->open = NOWHERE;
	d->error = 0;
}

static void fields_free(struct lm_bx_draft *d)
{
	if (d->fields != d->own)
		lm_free(d->fields);
	d->fields = d->own;
}

static void blocks_free(const struct lm_bx_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fields[i].shape == LM_BX_BYTES)
			lm_free((void *)(uintptr_t)fields[i].octets.data);
}

void lm_bx_draft_done(struct lm_bx_draft *d)
{
	blocks_free(d->fields, d->count);
	d->count = 0;
	fields_free(d);
}

static bool grow(struct lm_bx_draft *d)
{
	struct lm_bx_field *old = d->fields == d->own ? NULL : d->fields;
	struct lm_bx_field *wider = lm_realloc(old, d->room * 2, sizeof(*wider));

	if (!wider) {
		d->error = LM_E_NOMEM;
		return false;
	}
	if (!old)
		memcpy(wider, d->own, d->count * sizeof(*wider));
	d->fields = wider;
	d->room *= 2;
	return true;
}

static struct lm_bx_field *add(struct lm_bx_draft *d, const char *name, enum lm_bx_shape shape)
{
	struct lm_bx_field *field;

	if (d->error || (d->count == d->room && !grow(d)))
		return NULL;
	if (d->open != NOWHERE)
		d->fields[d->open].count++;
	field = &d->fields[d->count++];
	field->name = name;
	field->shape = shape;
	return field;
}

void lm_bx_number(struct lm_bx_draft *d, const char *name, double value)
{
	struct lm_bx_field *field = add(d, name, LM_BX_NUMBER);

	if (field)
		field->number = value;
}

void lm_bx_bool(struct lm_bx_draft *d, const char *name, bool value)
{
	struct lm_bx_field *field = add(d, name, LM_BX_BOOL);

	if (field)
		field->truth = value;
}

void lm_bx_text(struct lm_bx_draft *d, const char *name, struct lm_bytes octets)
{
	struct lm_bx_field *field = add(d, name, LM_BX_TEXT);

	if (!field)
		return;
	field->octets = octets;
	d->octets += octets.len;
}

void lm_bx_bytes(struct lm_bx_draft *d, const char *name, void *data, size_t len)
{
	struct lm_bx_field *field = add(d, name, LM_BX_BYTES);

	if (field)
		field->octets = lm_bytes(data, len);
	else
		lm_free(data);
}

size_t lm_bx_open(struct lm_bx_draft *d, const char *name, enum lm_bx_shape shape)
{
	struct lm_bx_field *field = add(d, name, shape);
	size_t outer = d->open;

	if (!field)
		return outer;
	field->count = 0;
	d->open = (size_t)(field - d->fields);
	return outer;
}

void lm_bx_close(struct lm_bx_draft *d, size_t outer)
{
	d->open = outer;
}

/* ---- on the script's thread ---- */

struct teller {
	struct lm_host *host;
	const struct lm_host_ops *ops;
	struct lm_bx_field *at; /* the next field */
};

static void block_done(void *data)
{
	lm_free(data);
}

static struct lm_host_value *value_of(struct teller *t);

/* Members of an object while they are made. */
enum { MEMBERS = 64 };
struct members {
	const char *names[MEMBERS];
	struct lm_host_value *values[MEMBERS];
	size_t count;
};

static bool add_member(struct members *m, const char *name, struct lm_host_value *value)
{
	LM_ASSERT(m->count < MEMBERS);
	m->names[m->count] = name;
	m->values[m->count++] = value;
	return value != NULL;
}

static struct lm_host_value *record_of(const struct teller *t, const struct members *m)
{
	struct lm_host_value *made;

	if (t->ops->record)
		return t->ops->record(t->host, m->count, m->names, m->values);
	made = t->ops->object(t->host);
	for (size_t i = 0; made && i < m->count; i++)
		if (!t->ops->set(t->host, made, m->names[i], m->values[i]))
			return NULL;
	return made;
}

static struct lm_host_value *object_of(struct teller *t, const struct lm_bx_field *field)
{
	struct members m;

	m.count = 0;
	for (size_t i = 0; i < field->count; i++) {
		const char *name = t->at->name;

		if (!add_member(&m, name, value_of(t)))
			return NULL;
	}
	return record_of(t, &m);
}

static struct lm_host_value *array_of(struct teller *t, const struct lm_bx_field *field)
{
	struct lm_host_value *made = t->ops->array(t->host, field->count);

	for (size_t i = 0; made && i < field->count; i++) {
		struct lm_host_value *value = value_of(t);

		if (!value || !t->ops->put(t->host, made, i, value))
			return NULL;
	}
	return made;
}

static struct lm_host_value *value_of(struct teller *t)
{
	struct lm_bx_field *field = t->at++;
	struct lm_bytes octets;

	switch (field->shape) {
	case LM_BX_NUMBER:
		return t->ops->number(t->host, field->number);
	case LM_BX_BOOL:
		return t->ops->boolean(t->host, field->truth);
	case LM_BX_TEXT:
		return t->ops->string(t->host, field->octets);
	case LM_BX_BYTES:
		octets = field->octets;
		field->octets = lm_bytes(NULL, 0);
		return t->ops->bytes(t->host, (void *)(uintptr_t)octets.data, octets.len,
		                     block_done);
	case LM_BX_ARRAY:
		return array_of(t, field);
	case LM_BX_OBJECT:
		return object_of(t, field);
	}
	return NULL;
}

static struct lm_host_value *entry_of(struct lm_bridge *bridge, struct lm_host *host,
                                      struct lm_bx_told *told)
{
	struct teller t = { host, bridge->host.ops, told->fields };
	struct lm_bx_late late = { .count = 0 };
	struct members m;

	m.count = 0;
	if (told->dress && !told->dress(bridge, host, told, &late))
		return NULL;
	if (!add_member(&m, "type", t.ops->number(host, told->type)))
		return NULL;
	for (size_t i = 0; i < late.count; i++)
		if (!add_member(&m, late.names[i], t.ops->number(host, late.numbers[i])))
			return NULL;
	while (t.at < told->fields + told->count) {
		const char *name = t.at->name;

		if (!add_member(&m, name, value_of(&t)))
			return NULL;
	}
	return record_of(&t, &m);
}

struct lm_host_value *lm_bx_numbers(struct lm_bridge *bridge, struct lm_host *host,
                                    const struct lm_bx_late *numbers)
{
	struct teller t = { host, bridge->host.ops, NULL };
	struct members m;

	m.count = 0;
	for (size_t i = 0; i < numbers->count; i++)
		if (!add_member(&m, numbers->names[i], t.ops->number(host, numbers->numbers[i])))
			return NULL;
	return record_of(&t, &m);
}

static void told_free(struct lm_bx_told *told)
{
	blocks_free(told->fields, told->count);
	if (told->secret)
		lm_wipe(told->fields, told->size);
	lm_free(told);
}

static bool tell(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                 struct lm_host_value **out_value)
{
	struct lm_bx_told *told = lm_container(entry, struct lm_bx_told, head);
	struct lm_host_value *object = entry_of(bridge, host, told);

	if (!object && told->lost)
		told->lost(bridge, told);
	told_free(told);
	*out_value = object;
	return object != NULL;
}

static void drop(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry)
{
	(void)bridge;
	(void)host;
	told_free(lm_container(entry, struct lm_bx_told, head));
}

/* ---- from draft to entry ---- */

/* The octets move in behind the fields. */
static void settle(struct lm_bx_told *told)
{
	uint8_t *to = (uint8_t *)(told->fields + told->count);

	for (size_t i = 0; i < told->count; i++) {
		struct lm_bytes *octets = &told->fields[i].octets;

		if (told->fields[i].shape != LM_BX_TEXT)
			continue;
		if (octets->len)
			memcpy(to, octets->data, octets->len);
		octets->data = to;
		to += octets->len;
	}
}

struct lm_bx_told *lm_bx_told_new(struct lm_bx_draft *d, unsigned type)
{
	size_t size = d->count * sizeof(struct lm_bx_field) + d->octets;
	struct lm_bx_told *told = d->error ? NULL : lm_alloc(sizeof(*told) + size);

	if (!told) {
		lm_bx_draft_done(d);
		return NULL;
	}
	*told = (struct lm_bx_told){ .head = { .tell = tell, .drop = drop },
		                     .type = type,
		                     .size = size,
		                     .count = d->count };
	memcpy(told->fields, d->fields, d->count * sizeof(struct lm_bx_field));
	settle(told);
	fields_free(d);
	return told;
}
