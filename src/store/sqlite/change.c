/* Removing and moving messages: one change of the writer's, all or none. */
#include "store/sqlite/impl.h"

struct change {
	struct lm_write write;
	const struct lm_mailbox *box;
	int64_t drop;
	char to[LM_NAME_MAX + 1]; /* "": remove */
	size_t count;
	uint64_t ids[];
};

static void bind_entry(sqlite3_stmt *stmt, int at, int64_t drop, uint64_t id)
{
	sqlite3_bind_int64(stmt, at, drop);
	sqlite3_bind_int64(stmt, at + 1, (int64_t)id);
}

static int all_there(struct lm_writer *w, const struct change *change)
{
	sqlite3_stmt *stmt = w->stmts[LM_W_HAS_ENTRY];

	for (size_t i = 0; i < change->count; i++) {
		int rc;

		bind_entry(stmt, 1, change->drop, change->ids[i]);
		rc = sqlite3_step(stmt);
		sqlite3_reset(stmt);
		if (rc != SQLITE_ROW)
			return rc == SQLITE_DONE ? LM_E_NOT_FOUND : lm_db_err(rc);
	}
	return 0;
}

/* Nobody has the message any more. */
static int remove_message(struct lm_writer *w, uint64_t id)
{
	sqlite3_stmt *stmt = w->stmts[LM_W_PLACE];
	uint64_t segment = 0, size = 0;
	int rc, err;

	sqlite3_bind_int64(stmt, 1, (int64_t)id);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		segment = (uint64_t)sqlite3_column_int64(stmt, 0);
		size = (uint64_t)sqlite3_column_int64(stmt, 1);
	}
	sqlite3_reset(stmt);
	err = lm_db_err(rc);
	if (!err && segment)
		err = lm_writer_freed(w, segment, size);
	if (err)
		return err;
	sqlite3_bind_int64(w->stmts[LM_W_DEL_MESSAGE], 1, (int64_t)id);
	return lm_db_run(w->stmts[LM_W_DEL_MESSAGE]);
}

/* One maildrop less has the message. */
static int unref_message(struct lm_writer *w, uint64_t id)
{
	int err;

	sqlite3_bind_int64(w->stmts[LM_W_UNREF], 1, (int64_t)id);
	err = lm_db_run(w->stmts[LM_W_UNREF]);
	if (err || sqlite3_changes(w->db) > 0)
		return err;
	return remove_message(w, id);
}

static int remove_entry(struct lm_writer *w, int64_t drop, uint64_t id, bool *out_was_there)
{
	int err;

	bind_entry(w->stmts[LM_W_DEL_ENTRY], 1, drop, id);
	err = lm_db_run(w->stmts[LM_W_DEL_ENTRY]);
	if (!err)
		*out_was_there = sqlite3_changes(w->db) > 0;
	return err;
}

static int apply_expunge(struct lm_sqlite *store, struct lm_write *write)
{
	struct change *change = lm_container(write, struct change, write);
	struct lm_writer *w = &store->writer;
	int err = all_there(w, change);

	for (size_t i = 0; i < change->count && !err; i++) {
		bool was_there; /* not when the same id came before */

		err = remove_entry(w, change->drop, change->ids[i], &was_there);
		if (!err && was_there)
			err = unref_message(w, change->ids[i]);
	}
	return err;
}

static int move_one(struct lm_writer *w, int64_t from, int64_t to, uint64_t id)
{
	sqlite3_stmt *stmt = w->stmts[LM_W_MOVE_ENTRY];
	bool moved, was_there;
	int err;

	sqlite3_bind_int64(stmt, 1, to);
	bind_entry(stmt, 2, from, id);
	err = lm_db_run(stmt);
	if (err)
		return err;
	moved = sqlite3_changes(w->db) > 0;
	err = remove_entry(w, from, id, &was_there);
	return err || moved || !was_there ? err : unref_message(w, id);
}

static int apply_move(struct lm_sqlite *store, struct lm_write *write)
{
	struct change *change = lm_container(write, struct change, write);
	int64_t to = 0;
	int err = all_there(&store->writer, change);

	if (!err)
		err = lm_writer_drop(&store->writer, lm_str(change->to), &to);
	if (err || to == change->drop)
		return err;
	for (size_t i = 0; i < change->count && !err; i++)
		err = move_one(&store->writer, change->drop, to, change->ids[i]);
	return err;
}

static void finish(struct lm_sqlite *store, struct lm_write *write, int result)
{
	struct change *change = lm_container(write, struct change, write);
	struct lm_store_op *op = write->op;

	lm_listings_changed(&store->listings, lm_sqlite_box_name(change->box));
	if (change->to[0])
		lm_listings_changed(&store->listings, lm_str(change->to));
	lm_free(change);
	lm_op_complete(&op->op, result);
}

static struct change *change_new(const struct lm_mailbox *mailbox, const uint64_t *ids,
                                 size_t count, struct lm_store_op *op)
{
	struct change *change;
	size_t size;

	if (!lm_mul(count, sizeof(*ids), &size) || !lm_add(size, sizeof(*change), &size))
		return NULL;
	change = lm_alloc(size);
	if (!change)
		return NULL;
	*change = (struct change){ .box = mailbox,
		                   .drop = lm_sqlite_box_drop(mailbox),
		                   .count = count };
	memcpy(change->ids, ids, count * sizeof(*ids));
	change->write = (struct lm_write){ .op = op, .finish = finish, .weight = count * 1024 };
	return change;
}

void lm_sqlite_mailbox_expunge(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                               struct lm_store_op *op)
{
	struct change *change = count ? change_new(mailbox, ids, count, op) : NULL;

	if (!change) {
		lm_op_complete(&op->op, count ? LM_E_NOMEM : 0);
		return;
	}
	change->write.apply = apply_expunge;
	change->write.frees = true;
	lm_writer_add((struct lm_sqlite *)mailbox->store, &change->write);
}

void lm_sqlite_message_move(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                            struct lm_bytes to, struct lm_store_op *op)
{
	char name[LM_NAME_MAX + 1];
	struct change *change = NULL;
	int err = lm_name_fold(to, name);

	if (!err && count) {
		change = change_new(mailbox, ids, count, op);
		err = change ? 0 : LM_E_NOMEM;
	}
	if (!change) {
		lm_op_complete(&op->op, err);
		return;
	}
	memcpy(change->to, name, sizeof(name));
	change->write.apply = apply_move;
	lm_writer_add((struct lm_sqlite *)mailbox->store, &change->write);
}
