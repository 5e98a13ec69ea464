/* Names of maildrops, who has one open, and the UIDLs made of numbers. */
#include "store/store_impl.h"

#include "wire/text.h"

struct lm_name_lock {
	struct lm_name_lock *next;
	size_t len;
	char name[];
};

int lm_name_fold(struct lm_bytes name, char out[LM_NAME_MAX + 1])
{
	if (name.len == 0 || name.len > LM_NAME_MAX || memchr(name.data, 0, name.len))
		return LM_E_SYNTAX;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	out[name.len] = '\0';
	return 0;
}

uint32_t lm_name_hash(struct lm_bytes folded)
{
	uint64_t h = lm_checksum(folded);

	return (uint32_t)(h ^ h >> 32);
}

static bool has_name(const struct lm_names *names, struct lm_bytes name)
{
	for (size_t i = 0; i < names->count; i++)
		if (lm_bytes_equal(names->name[i], name))
			return true;
	return false;
}

static int fold_into(struct lm_names *names, char **room, struct lm_bytes name)
{
	struct lm_bytes folded;
	char one[LM_NAME_MAX + 1];
	int err = lm_name_fold(name, one);

	if (err)
		return err;
	memcpy(*room, one, name.len + 1);
	folded = lm_bytes(*room, name.len);
	if (!has_name(names, folded)) {
		names->name[names->count++] = folded;
		*room += name.len + 1;
	}
	return 0;
}

int lm_names_new(const struct lm_bytes *in, size_t count, struct lm_names **out_names)
{
	size_t size = sizeof(struct lm_names) + count * sizeof(struct lm_bytes);
	struct lm_names *names;
	char *room;
	int err = 0;

	if (count == 0 || count > UINT32_MAX)
		return LM_E_MISUSE;
	for (size_t i = 0; i < count; i++) {
		if (in[i].len > LM_NAME_MAX)
			return LM_E_SYNTAX;
		size += in[i].len + 1;
	}
	names = lm_alloc(size);
	if (!names)
		return LM_E_NOMEM;
	names->count = 0;
	room = (char *)&names->name[count];
	for (size_t i = 0; i < count && !err; i++)
		err = fold_into(names, &room, in[i]);
	if (err)
		lm_free(names);
	else
		*out_names = names;
	return err;
}

void lm_name_locks_init(struct lm_name_locks *locks)
{
	memset(locks->buckets, 0, sizeof(locks->buckets));
	pthread_mutex_init(&locks->mutex, NULL);
}

void lm_name_locks_done(struct lm_name_locks *locks)
{
	pthread_mutex_destroy(&locks->mutex);
}

static struct lm_name_lock **bucket_of(struct lm_name_locks *locks, struct lm_bytes name)
{
	return &locks->buckets[lm_name_hash(name) %
	                       (sizeof(locks->buckets) / sizeof(*locks->buckets))];
}

static bool is_locked(const struct lm_name_lock *lock, struct lm_bytes name)
{
	for (; lock; lock = lock->next)
		if (lm_bytes_equal(lm_bytes(lock->name, lock->len), name))
			return true;
	return false;
}

int lm_name_lock(struct lm_name_locks *locks, struct lm_bytes folded,
                 struct lm_name_lock **out_lock)
{
	struct lm_name_lock **bucket = bucket_of(locks, folded);
	struct lm_name_lock *lock = lm_alloc(sizeof(*lock) + folded.len);
	bool taken;

	if (!lock)
		return LM_E_NOMEM;
	lock->len = folded.len;
	memcpy(lock->name, folded.data, folded.len);
	pthread_mutex_lock(&locks->mutex);
	taken = is_locked(*bucket, folded);
	if (!taken) {
		lock->next = *bucket;
		*bucket = lock;
	}
	pthread_mutex_unlock(&locks->mutex);
	if (taken) {
		lm_free(lock);
		return LM_E_IN_USE;
	}
	*out_lock = lock;
	return 0;
}

void lm_name_unlock(struct lm_name_locks *locks, struct lm_name_lock *lock)
{
	struct lm_name_lock **at;

	if (!lock)
		return;
	at = bucket_of(locks, lm_name_lock_name(lock));
	pthread_mutex_lock(&locks->mutex);
	while (*at != lock)
		at = &(*at)->next;
	*at = lock->next;
	pthread_mutex_unlock(&locks->mutex);
	lm_free(lock);
}

struct lm_bytes lm_name_lock_name(const struct lm_name_lock *lock)
{
	return lm_bytes(lock->name, lock->len);
}

void lm_uidl_write(uint32_t store_id, uint64_t message_id, char out[LM_UIDL_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 8; i++)
		out[i] = digits[store_id >> (28 - 4 * i) & 15];
	for (int i = 0; i < 12; i++)
		out[8 + i] = digits[message_id >> (44 - 4 * i) & 15];
}
