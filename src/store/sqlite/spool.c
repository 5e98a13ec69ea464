/* The writer's own segment: the bodies of a group go out in few large writes past the page cache.
 */
#include "store/sqlite/impl.h"

enum {
	ALIGN = 4096, /* what direct writes ask for: memory, place and length */
	ROOM = 2 << 20,
};

static uint64_t round_up(uint64_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static int make_room(struct lm_spool *spool)
{
	if (spool->room)
		return 0;
	spool->memory = lm_alloc(ROOM + ALIGN);
	if (!spool->memory)
		return LM_E_NOMEM;
	spool->room = spool->memory + (ALIGN - (uintptr_t)spool->memory % ALIGN) % ALIGN;
	return 0;
}

static int take(struct lm_sqlite *store, struct lm_spool *spool)
{
	int err;

	if (spool->segment)
		return 0;
	err = lm_segment_take(&store->segments, &spool->segment);
	if (err)
		return err;
	spool->start = spool->segment->end;
	lm_segment_direct(spool->segment, true);
	return 0;
}

/* Each group begins on an edge: what was synced is never written again. */
static int begin(struct lm_sqlite *store, struct lm_spool *spool)
{
	int err = make_room(spool);

	if (!err)
		err = take(store, spool);
	if (err)
		return err;
	spool->at = spool->end = round_up(spool->start);
	spool->dirty = true;
	return 0;
}

/* All of the room, or at a group's end what is in it with zeros behind. */
static int write_room(struct lm_spool *spool)
{
	size_t used = (size_t)(spool->end - spool->at), len = (size_t)round_up(used);

	memset(spool->room + used, 0, len - used);
	return lm_segment_write(spool->segment, &spool->at, lm_bytes(spool->room, len));
}

int lm_spool_add(struct lm_sqlite *store, struct lm_bytes octets, uint64_t *out_segment,
                 uint64_t *out_place)
{
	struct lm_spool *spool = &store->writer.spool;
	int err = spool->dirty ? 0 : begin(store, spool);
	uint64_t place = spool->end;

	while (octets.len && !err) {
		size_t used = (size_t)(spool->end - spool->at);
		size_t n = octets.len < ROOM - used ? octets.len : ROOM - used;

		memcpy(spool->room + used, octets.data, n);
		spool->end += n;
		octets = lm_bytes_from(octets, n);
		if (used + n == ROOM)
			err = write_room(spool);
	}
	if (err)
		return err;
	*out_segment = spool->segment->id;
	*out_place = place;
	return 0;
}

int lm_spool_flush(struct lm_sqlite *store)
{
	struct lm_spool *spool = &store->writer.spool;

	return spool->dirty && spool->end > spool->at ? write_room(spool) : 0;
}

int lm_spool_sync(struct lm_sqlite *store)
{
	struct lm_spool *spool = &store->writer.spool;

	return spool->dirty ? lm_segment_sync(spool->segment) : 0;
}

static void give(struct lm_sqlite *store)
{
	struct lm_spool *spool = &store->writer.spool;

	lm_segment_direct(spool->segment, false);
	lm_segment_give(&store->segments, spool->segment, spool->start);
	spool->segment = NULL;
	spool->start = 0;
}

void lm_spool_settle(struct lm_sqlite *store, int result)
{
	struct lm_spool *spool = &store->writer.spool;

	if (!result && spool->dirty)
		spool->start = spool->end;
	spool->dirty = false;
	if (spool->segment && (result || spool->start >= LM_SEGMENT_SEAL))
		give(store);
}

void lm_spool_done(struct lm_sqlite *store)
{
	struct lm_spool *spool = &store->writer.spool;

	if (spool->segment)
		give(store);
	lm_free(spool->memory);
	*spool = (struct lm_spool){ .memory = NULL };
}
