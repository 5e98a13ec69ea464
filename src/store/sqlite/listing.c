/* Listings kept between sessions: while nothing came or went, a login asks no database. */
#include "store/sqlite/impl.h"

enum {
	OCTETS_MAX = 16 << 20, /* of all listings kept */
	ONE_MAX = 1 << 20,     /* a larger one is not kept */
};

struct lm_listing *lm_listing_new(struct lm_bytes name, int64_t drop)
{
	struct lm_listing *listing = lm_alloc_zero(1, sizeof(*listing) + name.len + 1);

	if (!listing)
		return NULL;
	atomic_init(&listing->refs, 1);
	listing->drop = drop;
	memcpy(listing->name, name.data, name.len);
	return listing;
}

void lm_listing_unref(struct lm_listing *listing)
{
	if (!listing || atomic_fetch_sub(&listing->refs, 1) != 1)
		return;
	lm_free(listing->messages);
	lm_free(listing);
}

static size_t octets_of(const struct lm_listing *listing)
{
	return sizeof(*listing) + listing->count * (sizeof(*listing->messages) + LM_UIDL_LEN);
}

static atomic_uint *counter(struct lm_listings *listings, struct lm_bytes name)
{
	return &listings->changes[lm_name_hash(name) % LM_LISTING_SLOTS];
}

unsigned lm_listings_state(struct lm_listings *listings, struct lm_bytes name)
{
	return atomic_load(counter(listings, name));
}

void lm_listings_changed(struct lm_listings *listings, struct lm_bytes name)
{
	atomic_fetch_add(counter(listings, name), 1);
}

struct lm_listing *lm_listings_get(struct lm_listings *listings, struct lm_bytes name)
{
	uint32_t at = lm_name_hash(name) % LM_LISTING_SLOTS;
	struct lm_listing *listing;

	pthread_mutex_lock(&listings->mutex);
	listing = listings->slots[at];
	if (listing && listing->state == atomic_load(&listings->changes[at]) &&
	    lm_bytes_equal(lm_str(listing->name), name))
		atomic_fetch_add(&listing->refs, 1);
	else
		listing = NULL;
	pthread_mutex_unlock(&listings->mutex);
	return listing;
}

/* Called with the mutex held. */
static void drop_slot(struct lm_listings *listings, size_t at)
{
	struct lm_listing *listing = listings->slots[at];

	if (!listing)
		return;
	listings->octets -= octets_of(listing);
	listings->slots[at] = NULL;
	lm_listing_unref(listing);
}

void lm_listings_put(struct lm_listings *listings, struct lm_listing *listing)
{
	uint32_t at = lm_name_hash(lm_str(listing->name)) % LM_LISTING_SLOTS;
	size_t octets = octets_of(listing);

	if (octets > ONE_MAX)
		return;
	atomic_fetch_add(&listing->refs, 1);
	pthread_mutex_lock(&listings->mutex);
	drop_slot(listings, at);
	while (listings->octets > OCTETS_MAX - octets)
		drop_slot(listings, listings->hand++ % LM_LISTING_SLOTS);
	listings->octets += octets;
	listings->slots[at] = listing;
	pthread_mutex_unlock(&listings->mutex);
}

void lm_listings_init(struct lm_listings *listings)
{
	pthread_mutex_init(&listings->mutex, NULL);
}

void lm_listings_done(struct lm_listings *listings)
{
	for (size_t i = 0; i < LM_LISTING_SLOTS; i++)
		drop_slot(listings, i);
	pthread_mutex_destroy(&listings->mutex);
}
