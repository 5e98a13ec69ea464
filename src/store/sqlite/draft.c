/* Drafts: small ones wait in memory, large ones stream into a segment of their own; a commit joins
 * the writer's next transaction. */
#include "store/sqlite/impl.h"

#include "base/error.h"

struct draft {
	struct lm_draft head;
	struct lm_names *names;
	struct lm_bytes sender, envelope; /* behind the struct */
	bool has_guid;
	struct lm_guid_key guid;
	struct lm_buf text; /* all of it, or what does not fill a chunk yet */
	struct lm_buf sums; /* a checksum for each chunk */
	uint64_t size;
	size_t hint;
	size_t reserved; /* of the store's budget */
	uint8_t tail[2]; /* the last octets of what went to the segment */
	struct lm_segment *segment;
	uint64_t start, end;
	uint64_t place_segment, place; /* where the row points to; 0: in the row */
	int err;
	struct lm_bytes pending; /* of the write under way */
	struct lm_work work;
	struct lm_write write;
};

static struct lm_sqlite *store_of(const struct draft *draft)
{
	return (struct lm_sqlite *)draft->head.store;
}

static void unreserve(struct draft *draft)
{
	atomic_fetch_sub(&store_of(draft)->held, draft->reserved);
	draft->reserved = 0;
}

static void draft_free(struct draft *draft)
{
	unreserve(draft);
	lm_buf_done(&draft->text);
	lm_buf_done(&draft->sums);
	lm_free(draft->names);
	lm_free(draft);
}

static int draft_new(struct lm_sqlite *store, const struct lm_delivery *delivery,
                     struct draft **out_draft)
{
	size_t extra = delivery->sender.len + delivery->envelope.len;
	struct draft *draft = lm_alloc(sizeof(*draft) + extra);
	uint8_t *room = (uint8_t *)(draft + 1);
	int err;

	if (!draft)
		return LM_E_NOMEM;
	memset(draft, 0, sizeof(*draft));
	draft->has_guid = delivery->guid.guid.len > 0;
	err = lm_guid_key(&delivery->guid, &draft->guid);
	if (!err)
		err = lm_names_new(delivery->mailboxes, delivery->mailbox_count, &draft->names);
	if (err) {
		lm_free(draft);
		return err;
	}
	draft->head.store = &store->head;
	if (delivery->sender.len)
		memcpy(room, delivery->sender.data, delivery->sender.len);
	draft->sender = lm_bytes(room, delivery->sender.len);
	if (delivery->envelope.len)
		memcpy(room + delivery->sender.len, delivery->envelope.data,
		       delivery->envelope.len);
	draft->envelope = lm_bytes(room + delivery->sender.len, delivery->envelope.len);
	draft->hint = delivery->size_hint < LM_DB_CHUNK ? (size_t)delivery->size_hint : LM_DB_CHUNK;
	lm_buf_init(&draft->text, LM_HOLD_MAX);
	lm_buf_init(&draft->sums, SIZE_MAX / 4);
	*out_draft = draft;
	return 0;
}

void lm_sqlite_draft_begin(struct lm_store *base, const struct lm_delivery *delivery,
                           struct lm_store_op *op)
{
	struct lm_sqlite *store = (struct lm_sqlite *)base;
	struct draft *draft = NULL;
	int err = atomic_load(&store->writer.broken) ? LM_E_IO : draft_new(store, delivery, &draft);

	op->draft = draft ? &draft->head : NULL;
	lm_op_complete(&op->op, err);
}

/* Memory beyond a chunk is lent while there is some, to spare middling messages a sync of their
 * own. */
static bool may_hold(struct draft *draft, size_t total)
{
	struct lm_sqlite *store = store_of(draft);

	if (total <= LM_DB_CHUNK || (total <= LM_HOLD_MAX && draft->reserved))
		return true;
	if (total > LM_HOLD_MAX)
		return false;
	if (atomic_fetch_add(&store->held, LM_HOLD_MAX) + LM_HOLD_MAX > LM_HOLD_BUDGET) {
		atomic_fetch_sub(&store->held, LM_HOLD_MAX);
		return false;
	}
	draft->reserved = LM_HOLD_MAX;
	return true;
}

static int collect(struct draft *draft, struct lm_bytes octets)
{
	uint8_t *room;
	int err = 0;

	if (!draft->text.data && draft->hint > octets.len)
		err = lm_buf_room(&draft->text, draft->hint, &room);
	return err ? err : lm_buf_add(&draft->text, octets);
}

static int write_chunk(struct draft *draft, struct lm_bytes chunk)
{
	uint64_t sum = lm_checksum(chunk);
	int err = lm_buf_add(&draft->sums, lm_bytes(&sum, sizeof(sum)));

	if (err)
		return err;
	draft->tail[0] = chunk.len > 1 ? chunk.data[chunk.len - 2] : draft->tail[1];
	draft->tail[1] = chunk.data[chunk.len - 1];
	return lm_segment_write(draft->segment, &draft->end, chunk);
}

/* What was held in memory goes out first, in whole chunks. */
static int write_held(struct draft *draft)
{
	for (;;) {
		struct lm_bytes held = lm_buf_bytes(&draft->text);
		int err;

		if (held.len < LM_DB_CHUNK)
			return 0;
		err = write_chunk(draft, lm_bytes(held.data, LM_DB_CHUNK));
		if (err)
			return err;
		lm_buf_drop(&draft->text, LM_DB_CHUNK);
	}
}

static int stream(struct draft *draft, struct lm_bytes octets)
{
	int err = write_held(draft);

	while (octets.len && !err) {
		size_t need = LM_DB_CHUNK - lm_buf_len(&draft->text);
		struct lm_bytes piece = lm_bytes(octets.data,
		                                 octets.len < need ? octets.len : need);

		octets = lm_bytes_from(octets, piece.len);
		if (piece.len == LM_DB_CHUNK) {
			err = write_chunk(draft, piece);
			continue;
		}
		err = lm_buf_add(&draft->text, piece);
		if (!err)
			err = write_held(draft);
	}
	return err;
}

static int take_segment(struct draft *draft)
{
	int err = 0;

	if (draft->segment)
		return 0;
	err = lm_segment_take(&store_of(draft)->segments, &draft->segment);
	if (!err)
		draft->start = draft->end = draft->segment->end;
	return err;
}

static void run_write(struct lm_work *work, sqlite3_stmt **reader)
{
	struct draft *draft = lm_container(work, struct draft, work);

	(void)reader;
	draft->err = take_segment(draft);
	if (!draft->err)
		draft->err = stream(draft, draft->pending);
	if (!draft->err && draft->reserved) {
		struct lm_bytes rest = lm_buf_bytes(&draft->text);
		struct lm_buf small;

		lm_buf_init(&small, LM_HOLD_MAX);
		draft->err = lm_buf_add(&small, rest);
		lm_buf_done(&draft->text);
		draft->text = small;
		unreserve(draft);
	}
	lm_op_complete(&work->op->op, draft->err);
}

static void write_canceled(struct lm_work *work)
{
	struct draft *draft = lm_container(work, struct draft, work);

	draft->err = LM_E_CANCELED;
	lm_op_complete(&work->op->op, LM_E_CANCELED);
}

void lm_sqlite_draft_write(struct lm_draft *base, struct lm_bytes octets, struct lm_store_op *op)
{
	struct draft *draft = (struct draft *)base;
	bool fits;

	if (draft->err) {
		lm_op_complete(&op->op, draft->err);
		return;
	}
	draft->size += octets.len;
	fits = draft->segment ? lm_buf_len(&draft->text) + octets.len < LM_DB_CHUNK
	                      : draft->size <= LM_HOLD_MAX && may_hold(draft, draft->size);
	if (fits) {
		draft->err = collect(draft, octets);
		lm_op_complete(&op->op, draft->err);
		return;
	}
	draft->pending = octets;
	draft->work = (struct lm_work){ .op = op, .run = run_write, .canceled = write_canceled };
	lm_crew_add(&store_of(draft)->crew, &draft->work);
}

/* A segment's tail is cut off, which may wait for the disk: not on a loop. */
static void run_abort(struct lm_work *work, sqlite3_stmt **reader)
{
	struct draft *draft = lm_container(work, struct draft, work);

	(void)reader;
	lm_segment_give(&store_of(draft)->segments, draft->segment, draft->start);
	draft_free(draft);
}

void lm_sqlite_draft_abort(struct lm_draft *base)
{
	struct draft *draft = (struct draft *)base;

	if (!draft->segment) {
		draft_free(draft);
		return;
	}
	draft->work = (struct lm_work){ .run = run_abort };
	lm_crew_add(&store_of(draft)->crew, &draft->work);
}

/* Writer thread: a held body goes to the writer's own segment; one sync serves the group. */
static int prepare_held(struct lm_sqlite *store, struct lm_write *write)
{
	struct draft *draft = lm_container(write, struct draft, write);

	return lm_spool_add(store, lm_buf_bytes(&draft->text), &draft->place_segment,
	                    &draft->place);
}

static struct lm_bytes tail_of(const struct draft *draft)
{
	return draft->segment ? lm_bytes(draft->tail, 2) : lm_buf_bytes(&draft->text);
}

static int add_message(struct lm_writer *w, const struct draft *draft, int64_t id)
{
	sqlite3_stmt *stmt = w->stmts[LM_W_ADD_MESSAGE];
	int err;

	sqlite3_bind_int64(stmt, 1, id);
	sqlite3_bind_int64(stmt, 2, w->now);
	sqlite3_bind_int64(stmt, 3, (int64_t)draft->size);
	sqlite3_bind_int64(stmt, 4, (int64_t)draft->names->count);
	lm_db_bind(stmt, 7, lm_buf_bytes(&draft->sums));
	lm_db_bind(stmt, 8, draft->sender);
	lm_db_bind(stmt, 9, draft->envelope);
	if (draft->place_segment) {
		sqlite3_bind_int64(stmt, 5, (int64_t)draft->place_segment);
		sqlite3_bind_int64(stmt, 6, (int64_t)draft->place);
		sqlite3_bind_null(stmt, 10);
	} else {
		sqlite3_bind_null(stmt, 5);
		sqlite3_bind_null(stmt, 6);
		lm_db_bind(stmt, 10, lm_buf_bytes(&draft->text));
	}
	err = lm_db_run(stmt);
	sqlite3_clear_bindings(stmt);
	return err;
}

static void bind_guid(sqlite3_stmt *stmt, int64_t drop, const struct draft *draft)
{
	sqlite3_bind_int64(stmt, 1, drop);
	lm_db_bind(stmt, 2, lm_bytes(draft->guid.octets, sizeof(draft->guid.octets)));
}

/* LM_E_EXISTS: one of the maildrops has it. The maildrops are made here where they are new. */
static int check_guid(struct lm_writer *w, const struct draft *draft)
{
	sqlite3_stmt *stmt = w->stmts[LM_W_HAS_GUID];

	for (size_t i = 0; i < draft->names->count; i++) {
		int64_t drop;
		int rc, err = lm_writer_drop(w, draft->names->name[i], &drop);

		if (err)
			return err;
		bind_guid(stmt, drop, draft);
		rc = sqlite3_step(stmt);
		sqlite3_reset(stmt);
		if (rc != SQLITE_DONE)
			return rc == SQLITE_ROW ? LM_E_EXISTS : lm_db_err(rc);
	}
	return 0;
}

static int add_to_drop(struct lm_writer *w, const struct draft *draft, struct lm_bytes name,
                       int64_t id)
{
	sqlite3_stmt *stmt = w->stmts[LM_W_ADD_ENTRY];
	int64_t drop;
	int err = lm_writer_drop(w, name, &drop);

	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, drop);
	sqlite3_bind_int64(stmt, 2, id);
	sqlite3_bind_int64(stmt, 3, (int64_t)lm_retr_octets(draft->size, tail_of(draft)));
	err = lm_db_run(stmt);
	if (err || !draft->has_guid)
		return err;
	bind_guid(w->stmts[LM_W_ADD_GUID], drop, draft);
	return lm_db_run(w->stmts[LM_W_ADD_GUID]);
}

static int apply_draft(struct lm_sqlite *store, struct lm_write *write)
{
	struct draft *draft = lm_container(write, struct draft, write);
	struct lm_writer *w = &store->writer;
	int err = draft->has_guid ? check_guid(w, draft) : 0;
	int64_t id;

	if (err)
		return err;
	id = (int64_t)w->next_id++;
	err = add_message(w, draft, id);
	for (size_t i = 0; i < draft->names->count && !err; i++)
		err = add_to_drop(w, draft, draft->names->name[i], id);
	return err;
}

static void finish_draft(struct lm_sqlite *store, struct lm_write *write, int result)
{
	struct draft *draft = lm_container(write, struct draft, write);
	struct lm_store_op *op = write->op;

	for (size_t i = 0; i < draft->names->count; i++)
		lm_listings_changed(&store->listings, draft->names->name[i]);
	if (!result && draft->place_segment)
		lm_segment_count(&store->segments, draft->place_segment, draft->size, true);
	if (draft->segment)
		lm_segment_give(&store->segments, draft->segment,
		                result ? draft->start : draft->end);
	draft_free(draft);
	lm_op_complete(&op->op, result);
}

static void hand_to_writer(struct draft *draft, struct lm_store_op *op)
{
	draft->write = (struct lm_write){ .op = op,
		                          .prepare = draft->size > LM_DB_CHUNK && !draft->segment
		                                             ? prepare_held
		                                             : NULL,
		                          .apply = apply_draft,
		                          .finish = finish_draft,
		                          .weight = lm_buf_len(&draft->text) };
	lm_writer_add(store_of(draft), &draft->write);
}

static int finish_stream(struct draft *draft)
{
	struct lm_bytes rest = lm_buf_bytes(&draft->text);
	int err = rest.len ? write_chunk(draft, rest) : 0;

	lm_buf_done(&draft->text);
	if (!err)
		err = lm_segment_sync(draft->segment);
	draft->place_segment = draft->segment->id;
	draft->place = draft->start;
	return err;
}

/* The sync of a large body runs here, beside the writer, and many at once. */
static void run_commit(struct lm_work *work, sqlite3_stmt **reader)
{
	struct draft *draft = lm_container(work, struct draft, work);
	struct lm_store_op *op = work->op;
	int err = finish_stream(draft);

	(void)reader;
	if (!err) {
		hand_to_writer(draft, op);
		return;
	}
	if (err == LM_E_IO)
		atomic_store(&store_of(draft)->writer.broken, true);
	lm_segment_give(&store_of(draft)->segments, draft->segment, draft->start);
	draft_free(draft);
	lm_op_complete(&op->op, err);
}

static void commit_canceled(struct lm_work *work)
{
	struct draft *draft = lm_container(work, struct draft, work);
	struct lm_store_op *op = work->op;

	lm_sqlite_draft_abort(&draft->head);
	lm_op_complete(&op->op, LM_E_CANCELED);
}

static int sum_text(struct draft *draft)
{
	struct lm_bytes rest = lm_buf_bytes(&draft->text);
	int err;

	do {
		uint64_t sum = lm_checksum(
		        lm_bytes(rest.data, rest.len < LM_DB_CHUNK ? rest.len : LM_DB_CHUNK));

		err = lm_buf_add(&draft->sums, lm_bytes(&sum, sizeof(sum)));
		rest = lm_bytes_from(rest, LM_DB_CHUNK);
	} while (rest.len && !err);
	return err;
}

void lm_sqlite_draft_commit(struct lm_draft *base, struct lm_store_op *op)
{
	struct draft *draft = (struct draft *)base;

	if (!draft->err && !draft->segment)
		draft->err = sum_text(draft);
	if (draft->err) {
		int err = draft->err;

		lm_sqlite_draft_abort(base);
		lm_op_complete(&op->op, err);
		return;
	}
	if (!draft->segment) {
		hand_to_writer(draft, op);
		return;
	}
	draft->work = (struct lm_work){ .op = op, .run = run_commit, .canceled = commit_canceled };
	lm_crew_add(&store_of(draft)->crew, &draft->work);
}
