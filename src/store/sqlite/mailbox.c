/* Mailboxes: opened and listed in one job, read ahead in jobs, served from a cache between them. */
#include "store/sqlite/impl.h"

#include "base/error.h"

enum {
	AHEAD_FIRST = 32 << 10, /* octets fetched at the first sign of reading in order */
	AHEAD_MAX = 256 << 10,
	PIECES = 256,
	CACHE_MAX = AHEAD_MAX + 2 * LM_DB_CHUNK,
};

const char *const lm_reader_sqls[] = {
	[LM_R_FIND_DROP] = "SELECT id FROM maildrop WHERE name = ?",
	[LM_R_LIST] = "SELECT message, octets FROM entry WHERE maildrop = ? ORDER BY message",
	[LM_R_MESSAGE] = "SELECT size, sums, segment, place, body FROM message WHERE id = ?",
	[LM_R_GUID] = "SELECT 1 FROM guid WHERE maildrop = ? AND digest = ?",
	[LM_R_BEGIN] = "BEGIN",
	[LM_R_COMMIT] = "COMMIT",
	[LM_R_COMMIT + 1] = NULL,
};

/* A run of a message in the cache. */
struct piece {
	size_t index;
	uint64_t offset;
	size_t at, len;
	bool last;
};

struct box {
	struct lm_mailbox head;
	struct lm_name_lock *lock;
	struct lm_listing *listing;
	struct lm_buf cache;
	struct piece *pieces; /* PIECES of them, made at the first miss */
	size_t piece_count;
	size_t expect; /* the index that reading in order would ask for */
	size_t window; /* octets to read ahead */
	struct lm_work work;
	size_t want_index; /* of the read under way */
	uint64_t want_offset;
};

static struct lm_sqlite *store_of(const struct box *box)
{
	return (struct lm_sqlite *)box->head.store;
}

struct lm_bytes lm_sqlite_box_name(const struct lm_mailbox *mailbox)
{
	return lm_name_lock_name(((const struct box *)mailbox)->lock);
}

int64_t lm_sqlite_box_drop(const struct lm_mailbox *mailbox)
{
	return ((const struct box *)mailbox)->listing->drop;
}

static void box_free(struct box *box)
{
	lm_name_unlock(&store_of(box)->locks, box->lock);
	lm_buf_done(&box->cache);
	lm_free(box->pieces);
	lm_listing_unref(box->listing);
	lm_free(box);
}

int lm_sqlite_find_drop(sqlite3_stmt *stmt, struct lm_bytes name, int64_t *out_drop)
{
	int rc;

	sqlite3_bind_text(stmt, 1, (const char *)name.data, (int)name.len, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	*out_drop = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return lm_db_err(rc);
}

static int add_row(struct lm_listing *listing, size_t *cap, sqlite3_stmt *stmt)
{
	if (listing->count == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct lm_message *messages = lm_realloc(listing->messages, more,
		                                         sizeof(*messages));

		if (!messages)
			return LM_E_NOMEM;
		listing->messages = messages;
		*cap = more;
	}
	listing->messages[listing->count++] =
	        (struct lm_message){ .id = (uint64_t)sqlite3_column_int64(stmt, 0),
		                     .octets = (uint64_t)sqlite3_column_int64(stmt, 1) };
	return 0;
}

static int add_uidls(struct lm_listing *listing, uint32_t store_id)
{
	struct lm_message *messages = lm_realloc(listing->messages, listing->count,
	                                         sizeof(*messages) + LM_UIDL_LEN);
	char *uidl;

	if (!messages)
		return LM_E_NOMEM;
	listing->messages = messages;
	uidl = (char *)&messages[listing->count];
	for (size_t i = 0; i < listing->count; i++, uidl += LM_UIDL_LEN) {
		lm_uidl_write(store_id, messages[i].id, uidl);
		messages[i].uidl = lm_bytes(uidl, LM_UIDL_LEN);
	}
	return 0;
}

static int list(struct lm_listing *listing, uint32_t store_id, sqlite3_stmt *stmt)
{
	size_t cap = 0;
	int rc = SQLITE_DONE, err = 0;

	sqlite3_bind_int64(stmt, 1, listing->drop);
	while (!err && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		err = add_row(listing, &cap, stmt);
	sqlite3_reset(stmt);
	if (!err)
		err = lm_db_err(rc);
	return err || !listing->count ? err : add_uidls(listing, store_id);
}

static int read_listing(struct box *box, sqlite3_stmt **reader)
{
	struct lm_bytes name = lm_name_lock_name(box->lock);
	struct lm_sqlite *store = store_of(box);
	unsigned state = lm_listings_state(&store->listings, name);
	int64_t drop = 0;
	int err = lm_sqlite_find_drop(reader[LM_R_FIND_DROP], name, &drop);

	if (err)
		return err;
	box->listing = lm_listing_new(name, drop);
	if (!box->listing)
		return LM_E_NOMEM;
	box->listing->state = state;
	if (drop)
		err = list(box->listing, store->store_id, reader[LM_R_LIST]);
	if (!err)
		lm_listings_put(&store->listings, box->listing);
	return err;
}

static void run_open(struct lm_work *work, sqlite3_stmt **reader)
{
	struct box *box = lm_container(work, struct box, work);
	struct lm_store_op *op = work->op;
	int err = read_listing(box, reader);

	if (err)
		box_free(box);
	op->mailbox = err ? NULL : &box->head;
	lm_op_complete(&op->op, err);
}

static void open_canceled(struct lm_work *work)
{
	struct box *box = lm_container(work, struct box, work);
	struct lm_store_op *op = work->op;

	box_free(box);
	lm_op_complete(&op->op, LM_E_CANCELED);
}

static int box_new(struct lm_sqlite *store, struct lm_bytes user, struct box **out_box)
{
	char name[LM_NAME_MAX + 1];
	struct box *box;
	int err = lm_name_fold(user, name);

	if (err)
		return err;
	box = lm_alloc_zero(1, sizeof(*box));
	if (!box)
		return LM_E_NOMEM;
	box->head.store = &store->head;
	lm_buf_init(&box->cache, CACHE_MAX);
	err = lm_name_lock(&store->locks, lm_str(name), &box->lock);
	if (err)
		lm_free(box);
	else
		*out_box = box;
	return err;
}

void lm_sqlite_mailbox_open(struct lm_store *base, struct lm_bytes user, struct lm_store_op *op)
{
	struct lm_sqlite *store = (struct lm_sqlite *)base;
	struct box *box;
	int err = box_new(store, user, &box);

	op->mailbox = NULL;
	if (err) {
		lm_op_complete(&op->op, err);
		return;
	}
	box->listing = lm_listings_get(&store->listings, lm_name_lock_name(box->lock));
	if (box->listing) {
		op->mailbox = &box->head;
		lm_op_complete(&op->op, 0);
		return;
	}
	box->work = (struct lm_work){ .op = op, .run = run_open, .canceled = open_canceled };
	lm_crew_add(&store->readers, &box->work);
}

void lm_sqlite_mailbox_list(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	struct box *box = (struct box *)mailbox;

	op->messages = box->listing->messages;
	op->count = box->listing->count;
	lm_op_complete(&op->op, 0);
}

void lm_sqlite_mailbox_close(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	box_free((struct box *)mailbox);
	if (op)
		lm_op_complete(&op->op, 0);
}

/* The row of a message, its octets checked chunk by chunk. */
struct stored {
	uint64_t size, segment, place;
	struct lm_bytes sums, body;
};

static int find_stored(sqlite3_stmt *stmt, uint64_t id, struct stored *out)
{
	int rc;

	sqlite3_bind_int64(stmt, 1, (int64_t)id);
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? LM_E_NOT_FOUND : lm_db_err(rc);
	out->size = (uint64_t)sqlite3_column_int64(stmt, 0);
	out->sums = lm_db_bytes(stmt, 1);
	out->segment = (uint64_t)sqlite3_column_int64(stmt, 2);
	out->place = (uint64_t)sqlite3_column_int64(stmt, 3);
	out->body = lm_db_bytes(stmt, 4);
	return 0;
}

static bool sum_is(const struct stored *m, uint64_t chunk, struct lm_bytes octets)
{
	uint64_t sum;

	if (m->sums.len / sizeof(sum) <= chunk)
		return false;
	memcpy(&sum, m->sums.data + chunk * sizeof(sum), sizeof(sum));
	return sum == lm_checksum(octets);
}

static int add_chunk(struct box *box, const struct stored *m, uint64_t chunk)
{
	uint64_t from = chunk * LM_DB_CHUNK, left = m->size - from;
	size_t len = left < LM_DB_CHUNK ? (size_t)left : LM_DB_CHUNK;
	struct lm_bytes octets = m->body;
	uint8_t *room;
	int err = lm_buf_room(&box->cache, len, &room);

	if (err)
		return err;
	if (m->segment) {
		err = lm_segment_read(&store_of(box)->segments, m->segment, m->place + from, len,
		                      room);
		octets = lm_bytes(room, len);
	} else if (octets.len != m->size || m->size > LM_DB_CHUNK) {
		err = LM_E_CORRUPT;
	}
	if (!err && !sum_is(m, chunk, octets))
		err = LM_E_CORRUPT;
	if (err)
		return err;
	if (!m->segment && len)
		memcpy(room, octets.data, len);
	lm_buf_grew(&box->cache, len);
	return 0;
}

static void note_piece(struct box *box, size_t index, uint64_t offset, size_t at, bool last)
{
	LM_ASSERT(box->piece_count < PIECES);
	box->pieces[box->piece_count++] = (struct piece){ index, offset, at, box->cache.len - at,
		                                          last };
}

/* The chunk at `offset`, and those behind it as far as the window goes. */
static int add_pieces(struct box *box, const struct stored *m, size_t index, uint64_t offset)
{
	uint64_t chunk = offset / LM_DB_CHUNK, chunks = (m->size + LM_DB_CHUNK - 1) / LM_DB_CHUNK;
	size_t at = box->cache.len;
	int err = 0;

	if (offset > m->size)
		return LM_E_NOT_FOUND;
	if (chunk && chunk == chunks) /* at the very end */
		chunk--;
	offset = chunk * LM_DB_CHUNK;
	do {
		err = add_chunk(box, m, chunk++);
	} while (!err && chunk < chunks && lm_buf_len(&box->cache) < box->window);
	if (box->cache.len == at && err)
		return err; /* what came before the damage is good */
	note_piece(box, index, offset, at, !err && chunk >= chunks);
	return 0;
}

static int read_one(struct box *box, sqlite3_stmt **reader, size_t index, uint64_t offset)
{
	struct stored m = { 0 };
	int err = find_stored(reader[LM_R_MESSAGE], box->listing->messages[index].id, &m);

	if (!err)
		err = add_pieces(box, &m, index, offset);
	sqlite3_reset(reader[LM_R_MESSAGE]);
	return err;
}

static int read_run(struct box *box, sqlite3_stmt **reader)
{
	size_t index = box->want_index;
	int err = lm_db_run(reader[LM_R_BEGIN]);

	lm_buf_clear(&box->cache);
	box->piece_count = 0;
	if (!err)
		err = read_one(box, reader, index, box->want_offset);
	while (!err && ++index < box->listing->count && box->piece_count < PIECES &&
	       lm_buf_len(&box->cache) + box->listing->messages[index].octets <= box->window)
		if (read_one(box, reader, index, 0))
			break; /* its own read will tell */
	if (!sqlite3_get_autocommit(sqlite3_db_handle(reader[LM_R_COMMIT])))
		(void)!lm_db_run(reader[LM_R_COMMIT]);
	return err;
}

static bool serve(struct box *box, size_t index, uint64_t offset, struct lm_bytes *out_chunk,
                  bool *out_last)
{
	for (size_t i = 0; i < box->piece_count; i++) {
		const struct piece *p = &box->pieces[i];
		bool in = offset >= p->offset && (offset < p->offset + p->len ||
		                                  (p->last && offset == p->offset + p->len));

		if (p->index != index || !in)
			continue;
		*out_chunk = lm_bytes_from(lm_bytes(lm_buf_bytes(&box->cache).data + p->at, p->len),
		                           (size_t)(offset - p->offset));
		*out_last = p->last;
		box->expect = p->last ? index + 1 : index;
		return true;
	}
	return false;
}

static void run_read(struct lm_work *work, sqlite3_stmt **reader)
{
	struct box *box = lm_container(work, struct box, work);
	struct lm_store_op *op = work->op;
	int err = box->pieces ? 0 : LM_E_NOMEM;

	if (!box->pieces) {
		box->pieces = lm_alloc(PIECES * sizeof(*box->pieces));
		err = box->pieces ? 0 : LM_E_NOMEM;
	}
	if (!err)
		err = read_run(box, reader);
	if (err == LM_E_CORRUPT) /* or it was moved behind our back: the row says where to */
		err = read_run(box, reader);
	if (!err && !serve(box, box->want_index, box->want_offset, &op->chunk, &op->last))
		err = LM_E_CORRUPT;
	lm_op_complete(&op->op, err);
}

static void read_canceled(struct lm_work *work)
{
	lm_op_complete(&work->op->op, LM_E_CANCELED);
}

static bool find_index(const struct box *box, uint64_t id, size_t *out_index)
{
	size_t low = 0, high = box->listing->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (box->listing->messages[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	*out_index = low;
	return low < box->listing->count && box->listing->messages[low].id == id;
}

static void widen(struct box *box, size_t index)
{
	if (index != box->expect)
		box->window = 0;
	else if (box->window)
		box->window = box->window >= AHEAD_MAX / 2 ? AHEAD_MAX : box->window * 2;
	else
		box->window = AHEAD_FIRST;
}

bool lm_sqlite_message_at_hand(struct lm_mailbox *mailbox, uint64_t id, uint64_t offset,
                               struct lm_bytes *out_chunk, bool *out_last)
{
	struct box *box = (struct box *)mailbox;
	size_t index;

	return find_index(box, id, &index) && serve(box, index, offset, out_chunk, out_last);
}

void lm_sqlite_message_read(struct lm_mailbox *mailbox, uint64_t id, uint64_t offset,
                            struct lm_store_op *op)
{
	struct box *box = (struct box *)mailbox;
	size_t index;

	if (!find_index(box, id, &index)) {
		lm_op_complete(&op->op, LM_E_NOT_FOUND);
		return;
	}
	if (serve(box, index, offset, &op->chunk, &op->last)) {
		lm_op_complete(&op->op, 0);
		return;
	}
	widen(box, index);
	box->want_index = index;
	box->want_offset = offset;
	box->work = (struct lm_work){ .op = op, .run = run_read, .canceled = read_canceled };
	lm_crew_add(&store_of(box)->readers, &box->work);
}
