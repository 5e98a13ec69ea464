/* Guids as keys of a fixed size, and sets of them. */
#include "store/store_impl.h"

#include <openssl/sha.h>

/* The source's length stands first: no two pairs make the same octets. */
int lm_guid_key(const struct lm_guid *guid, struct lm_guid_key *out_key)
{
	uint8_t text[2 + 2 * LM_GUID_MAX], digest[SHA256_DIGEST_LENGTH];
	size_t source = guid->source.len, own = guid->guid.len;

	if (source > LM_GUID_MAX || own > LM_GUID_MAX)
		return LM_E_SYNTAX;
	text[0] = (uint8_t)(source >> 8);
	text[1] = (uint8_t)source;
	if (source)
		memcpy(text + 2, guid->source.data, source);
	if (own)
		memcpy(text + 2 + source, guid->guid.data, own);
	SHA256(text, 2 + source + own, digest);
	memcpy(out_key->octets, digest, sizeof(out_key->octets));
	return 0;
}

void lm_guid_set_done(struct lm_guid_set *set)
{
	lm_free(set->slots);
	*set = (struct lm_guid_set){ .slots = NULL };
}

static bool is_free(const struct lm_guid_key *key)
{
	static const struct lm_guid_key zero;

	return memcmp(key, &zero, sizeof(zero)) == 0;
}

/* Where the key is or would go; there is always a free slot. */
static size_t place_of(const struct lm_guid_set *set, const struct lm_guid_key *key)
{
	uint64_t hash;
	size_t at;

	memcpy(&hash, key->octets, sizeof(hash));
	at = (size_t)hash & (set->cap - 1);
	while (!is_free(&set->slots[at]) && memcmp(&set->slots[at], key, sizeof(*key)) != 0)
		at = (at + 1) & (set->cap - 1);
	return at;
}

bool lm_guid_set_has(const struct lm_guid_set *set, const struct lm_guid_key *key)
{
	return set->count && !is_free(&set->slots[place_of(set, key)]);
}

int lm_guid_set_room(struct lm_guid_set *set, size_t n)
{
	struct lm_guid_set wider = { .cap = set->cap ? set->cap : 16 };

	while (wider.cap / 4 * 3 < set->count + n)
		if (!lm_mul(wider.cap, (size_t)2, &wider.cap))
			return LM_E_NOMEM;
	if (wider.cap == set->cap)
		return 0;
	wider.slots = lm_alloc_zero(wider.cap, sizeof(*wider.slots));
	if (!wider.slots)
		return LM_E_NOMEM;
	for (size_t i = 0; i < set->cap; i++)
		if (!is_free(&set->slots[i]))
			lm_guid_set_add(&wider, &set->slots[i]);
	lm_guid_set_done(set);
	*set = wider;
	return 0;
}

void lm_guid_set_add(struct lm_guid_set *set, const struct lm_guid_key *key)
{
	size_t at = place_of(set, key);

	if (!is_free(&set->slots[at]))
		return;
	set->slots[at] = *key;
	set->count++;
}
