/* The values all scripts share: a hash table of rows under one mutex. */
#include "script/memory_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
	FIRST_CHAINS = 64,
	SWEPT = 4, /* chains that each change looks through for what is over */
	NUMBER = 40,
};

lm_time_ms lm_memory_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (lm_time_ms)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int lm_script_memory_new(uint64_t max_octets, struct lm_script_memory **out_memory)
{
	struct lm_script_memory *m = lm_alloc_zero(1, sizeof(*m));

	if (!m)
		return LM_E_NOMEM;
	m->chains = lm_alloc_zero(FIRST_CHAINS, sizeof(struct lm_memory_row *));
	if (!m->chains || getrandom(&m->seed, sizeof(m->seed), 0) != sizeof(m->seed)) {
		int err = m->chains ? LM_E_IO : LM_E_NOMEM;

		lm_free(m->chains);
		lm_free(m);
		return err;
	}
	m->chain_count = FIRST_CHAINS;
	m->max_octets = max_octets ? max_octets : LM_SCRIPT_MEMORY_OCTETS;
	pthread_mutex_init(&m->mutex, NULL);
	*out_memory = m;
	return 0;
}

uint64_t lm_memory_hash(const struct lm_script_memory *memory, struct lm_bytes name)
{
	uint64_t h = memory->seed;

	for (size_t i = 0; i < name.len; i++) {
		h = (h ^ name.data[i]) * UINT64_C(0x9E3779B97F4A7C15);
		h ^= h >> 29;
	}
	return h ^ h >> 32;
}

static struct lm_bytes name_of(const struct lm_memory_row *row)
{
	return lm_bytes(row->octets, row->name_len);
}

static struct lm_bytes value_of(const struct lm_memory_row *row)
{
	return lm_bytes(row->octets + row->name_len, row->value_len);
}

static uint64_t cost(const struct lm_memory_row *row)
{
	return sizeof(*row) + row->name_len + row->value_len;
}

static void row_unref(struct lm_memory_row *row)
{
	if (row && atomic_fetch_sub(&row->refs, 1) == 1)
		lm_free(row);
}

static struct lm_memory_row *row_new(struct lm_bytes name, struct lm_bytes value,
                                     lm_time_ms expires)
{
	struct lm_memory_row *row;
	size_t size = sizeof(*row);

	if (!lm_add(size, name.len, &size) || !lm_add(size, value.len, &size))
		return NULL;
	row = lm_alloc(size);
	if (!row)
		return NULL;
	*row = (struct lm_memory_row){ .expires = expires,
		                       .name_len = name.len,
		                       .value_len = value.len };
	atomic_init(&row->refs, 1);
	if (name.len)
		memcpy(row->octets, name.data, name.len);
	if (value.len)
		memcpy(row->octets + name.len, value.data, value.len);
	return row;
}

static lm_time_ms expiry_of(lm_time_ms ttl)
{
	lm_time_ms at;

	return ttl > 0 && lm_add(lm_memory_now(), ttl, &at) ? at : LM_NEVER;
}

/* Takes a row out of its chain; the caller lets go of it. */
static struct lm_memory_row *unlink_row(struct lm_script_memory *m, struct lm_memory_row **at)
{
	struct lm_memory_row *row = *at;

	*at = row->next;
	row->next = NULL;
	m->row_count--;
	m->octets -= cost(row);
	return row;
}

static void sweep_chain(struct lm_script_memory *m, size_t chain, lm_time_ms now)
{
	struct lm_memory_row **at = &m->chains[chain];

	while (*at) {
		if ((*at)->expires <= now)
			row_unref(unlink_row(m, at));
		else
			at = &(*at)->next;
	}
}

static void sweep_all(struct lm_script_memory *m)
{
	lm_time_ms now = lm_memory_now();

	for (size_t i = 0; i < m->chain_count; i++)
		sweep_chain(m, i, now);
}

static void sweep_some(struct lm_script_memory *m, lm_time_ms now)
{
	for (int i = 0; i < SWEPT; i++)
		sweep_chain(m, m->sweep++ % m->chain_count, now);
}

/* Where a row is, or would be; what is over is gone before anyone sees it. */
static struct lm_memory_row **find(struct lm_script_memory *m, struct lm_bytes name)
{
	size_t chain = lm_memory_hash(m, name) % m->chain_count;
	struct lm_memory_row **at = &m->chains[chain];
	lm_time_ms now = lm_memory_now();

	sweep_chain(m, chain, now);
	while (*at && !lm_bytes_equal(name_of(*at), name))
		at = &(*at)->next;
	return at;
}

/* Longer chains do when there is no memory for more of them. */
static void grow(struct lm_script_memory *m)
{
	size_t count = m->chain_count * 2;
	struct lm_memory_row **chains = lm_alloc_zero(count, sizeof(struct lm_memory_row *));

	if (!chains)
		return;
	for (size_t i = 0; i < m->chain_count; i++) {
		while (m->chains[i]) {
			struct lm_memory_row *row = m->chains[i];
			size_t to = lm_memory_hash(m, name_of(row)) % count;

			m->chains[i] = row->next;
			row->next = chains[to];
			chains[to] = row;
		}
	}
	lm_free(m->chains);
	m->chains = chains;
	m->chain_count = count;
}

static int check_room(struct lm_script_memory *m, uint64_t old, uint64_t more)
{
	if (m->octets - old + more <= m->max_octets)
		return 0;
	sweep_all(m);
	return m->octets - old + more <= m->max_octets ? 0 : LM_E_LIMIT;
}

/* The mutex is held. *out_old is for the caller to let go of. */
static int insert(struct lm_script_memory *m, struct lm_memory_row *row,
                  struct lm_memory_row **out_old)
{
	struct lm_memory_row **at = find(m, name_of(row)), *old = NULL;
	int err = check_room(m, *at ? cost(*at) : 0, cost(row));

	if (err)
		return err;
	at = find(m, name_of(row));
	if (*at)
		old = unlink_row(m, at);
	row->next = *at;
	*at = row;
	m->row_count++;
	m->octets += cost(row);
	if (m->row_count > m->chain_count)
		grow(m);
	sweep_some(m, lm_memory_now());
	*out_old = old;
	return 0;
}

static int put(struct lm_script_memory *m, struct lm_bytes name, struct lm_bytes value,
               lm_time_ms ttl, bool only_absent)
{
	struct lm_memory_row *row, *old = NULL;
	int err = 0;

	if (value.len > m->max_octets || name.len > LM_SCRIPT_MEMORY_NAME)
		return LM_E_LIMIT;
	row = row_new(name, value, expiry_of(ttl));
	if (!row)
		return LM_E_NOMEM;
	pthread_mutex_lock(&m->mutex);
	if (only_absent && *find(m, name))
		err = LM_E_EXISTS;
	else
		err = insert(m, row, &old);
	pthread_mutex_unlock(&m->mutex);
	if (err)
		row_unref(row);
	row_unref(old);
	return err;
}

int lm_memory_put(struct lm_script_memory *memory, struct lm_bytes name, struct lm_bytes value,
                  lm_time_ms ttl)
{
	return put(memory, name, value, ttl, false);
}

int lm_memory_add(struct lm_script_memory *memory, struct lm_bytes name, struct lm_bytes value,
                  lm_time_ms ttl)
{
	return put(memory, name, value, ttl, true);
}

int lm_memory_get(struct lm_script_memory *memory, struct lm_bytes name, struct lm_buf *out)
{
	struct lm_memory_row *row;
	int err;

	pthread_mutex_lock(&memory->mutex);
	row = *find(memory, name);
	if (row)
		atomic_fetch_add(&row->refs, 1);
	pthread_mutex_unlock(&memory->mutex);
	if (!row)
		return LM_E_NOT_FOUND;
	err = lm_buf_add(out, value_of(row));
	row_unref(row);
	return err;
}

static bool read_number(struct lm_bytes text, double *out_number)
{
	char copy[NUMBER], *end;

	if (!text.len || text.len >= sizeof(copy) || !memchr("-0123456789", *text.data, 11))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*out_number = strtod(copy, &end);
	return end == copy + text.len;
}

/* The mutex is held. */
static int count(struct lm_script_memory *m, struct lm_bytes name, double by, double *out_value,
                 struct lm_memory_row **out_old)
{
	struct lm_memory_row *old = *find(m, name), *row;
	double number = 0;
	char text[NUMBER];
	int err;

	if (old && !read_number(value_of(old), &number))
		return LM_E_MISUSE;
	number += by;
	if (!isfinite(number))
		return LM_E_LIMIT;
	snprintf(text, sizeof(text), "%.17g", number);
	row = row_new(name, lm_str(text), old ? old->expires : LM_NEVER);
	if (!row)
		return LM_E_NOMEM;
	err = insert(m, row, out_old);
	if (err)
		row_unref(row);
	else
		*out_value = number;
	return err;
}

int lm_memory_count(struct lm_script_memory *memory, struct lm_bytes name, double by,
                    double *out_value)
{
	struct lm_memory_row *old = NULL;
	int err;

	if (name.len > LM_SCRIPT_MEMORY_NAME)
		return LM_E_LIMIT;
	pthread_mutex_lock(&memory->mutex);
	err = count(memory, name, by, out_value, &old);
	pthread_mutex_unlock(&memory->mutex);
	row_unref(old);
	return err;
}

bool lm_memory_remove(struct lm_script_memory *memory, struct lm_bytes name)
{
	struct lm_memory_row **at, *row = NULL;

	pthread_mutex_lock(&memory->mutex);
	at = find(memory, name);
	if (*at)
		row = unlink_row(memory, at);
	pthread_mutex_unlock(&memory->mutex);
	row_unref(row);
	return row;
}

void lm_memory_clear(struct lm_script_memory *memory)
{
	pthread_mutex_lock(&memory->mutex);
	for (size_t i = 0; i < memory->chain_count; i++)
		while (memory->chains[i])
			row_unref(unlink_row(memory, &memory->chains[i]));
	pthread_mutex_unlock(&memory->mutex);
}

size_t lm_memory_values(struct lm_script_memory *memory, uint64_t *out_octets)
{
	size_t n;

	pthread_mutex_lock(&memory->mutex);
	sweep_all(memory);
	n = memory->row_count;
	*out_octets = memory->octets;
	pthread_mutex_unlock(&memory->mutex);
	return n;
}

int lm_memory_ttl(struct lm_script_memory *memory, struct lm_bytes name, lm_time_ms *out_ttl)
{
	struct lm_memory_row *row;
	lm_time_ms expires = 0, now = lm_memory_now();

	pthread_mutex_lock(&memory->mutex);
	row = *find(memory, name);
	if (row)
		expires = row->expires;
	pthread_mutex_unlock(&memory->mutex);
	if (!row)
		return LM_E_NOT_FOUND;
	*out_ttl = expires == LM_NEVER ? 0 : expires > now ? expires - now : 1;
	return 0;
}

int lm_memory_set_ttl(struct lm_script_memory *memory, struct lm_bytes name, lm_time_ms ttl)
{
	lm_time_ms expires = expiry_of(ttl);
	struct lm_memory_row *row;

	pthread_mutex_lock(&memory->mutex);
	row = *find(memory, name);
	if (row)
		row->expires = expires;
	pthread_mutex_unlock(&memory->mutex);
	return row ? 0 : LM_E_NOT_FOUND;
}

static int add_names(const struct lm_memory_row *row, struct lm_bytes prefix, struct lm_buf *out)
{
	int err = 0;

	for (; row && err == 0; row = row->next) {
		struct lm_bytes name = name_of(row);

		if (name.len < prefix.len ||
		    !lm_bytes_equal(lm_bytes(name.data, prefix.len), prefix))
			continue;
		err = lm_buf_add(out, name);
		if (err == 0)
			err = lm_buf_add(out, lm_bytes("", 1));
	}
	return err;
}

int lm_memory_names(struct lm_script_memory *memory, struct lm_bytes prefix, struct lm_buf *out)
{
	int err = 0;

	pthread_mutex_lock(&memory->mutex);
	sweep_all(memory);
	for (size_t i = 0; i < memory->chain_count && err == 0; i++)
		err = add_names(memory->chains[i], prefix, out);
	pthread_mutex_unlock(&memory->mutex);
	return err;
}

void lm_script_memory_free(struct lm_script_memory *memory)
{
	if (!memory)
		return;
	lm_memory_clear(memory);
	lm_memory_locks_done(memory);
	pthread_mutex_destroy(&memory->mutex);
	lm_free(memory->chains);
	lm_free(memory);
}
