/* Which guids a maildrop was ever given, asked of the readers. */
#include "store/sqlite/impl.h"

struct question {
	struct lm_work work;
	const struct lm_guid *guids;
	size_t count;
	bool *out_known;
	char name[LM_NAME_MAX + 1];
};

static int ask_one(sqlite3_stmt *stmt, const struct lm_guid *guid, bool *out_known)
{
	struct lm_guid_key key;
	int rc, err = lm_guid_key(guid, &key);

	if (err)
		return err;
	lm_db_bind(stmt, 2, lm_bytes(key.octets, sizeof(key.octets)));
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	*out_known = guid->guid.len && rc == SQLITE_ROW;
	return lm_db_err(rc);
}

/* In one transaction, so that all is answered from one state. */
static int ask(const struct question *q, sqlite3_stmt **reader)
{
	int64_t drop = 0;
	int err = lm_db_run(reader[LM_R_BEGIN]);

	if (!err)
		err = lm_sqlite_find_drop(reader[LM_R_FIND_DROP], lm_str(q->name), &drop);
	sqlite3_bind_int64(reader[LM_R_GUID], 1, drop);
	for (size_t i = 0; i < q->count && !err; i++)
		err = ask_one(reader[LM_R_GUID], &q->guids[i], &q->out_known[i]);
	if (!sqlite3_get_autocommit(sqlite3_db_handle(reader[LM_R_COMMIT])))
		(void)!lm_db_run(reader[LM_R_COMMIT]);
	return err;
}

static void run(struct lm_work *work, sqlite3_stmt **reader)
{
	struct question *q = lm_container(work, struct question, work);
	struct lm_store_op *op = work->op;
	int err = ask(q, reader);

	lm_free(q);
	lm_op_complete(&op->op, err);
}

static void canceled(struct lm_work *work)
{
	struct lm_store_op *op = work->op;

	lm_free(lm_container(work, struct question, work));
	lm_op_complete(&op->op, LM_E_CANCELED);
}

void lm_sqlite_mailbox_has_guids(struct lm_store *base, struct lm_bytes user,
                                 const struct lm_guid *guids, size_t count, bool *out_known,
                                 struct lm_store_op *op)
{
	struct lm_sqlite *store = (struct lm_sqlite *)base;
	struct question *q = lm_alloc_zero(1, sizeof(*q));
	int err = q ? lm_name_fold(user, q->name) : LM_E_NOMEM;

	if (err) {
		lm_free(q);
		lm_op_complete(&op->op, err);
		return;
	}
	q->guids = guids;
	q->count = count;
	q->out_known = out_known;
	q->work = (struct lm_work){ .op = op, .run = run, .canceled = canceled };
	lm_crew_add(&store->readers, &q->work);
}
