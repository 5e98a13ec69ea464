/* The one thread that changes mail: all that queued up is one transaction, one sync, and then all
 * of it is answered. */
#include "store/sqlite/impl.h"

#include "base/error.h"

#include <time.h>

enum {
	GROUP_WRITES = 1024,
	GROUP_OCTETS = 16 << 20,
	DROP_SLOTS = 4096,
	GATHER_MIN = 8,     /* a group from which on it pays to wait for the same clients again */
	GATHER_NS = 300000, /* about one sync */
};

/* Maildrops are never removed, so an id once committed stays right. */
struct lm_drop_slot {
	int64_t id;
	char name[LM_NAME_MAX + 1];
};

static const char *const sqls[LM_W_COUNT] = {
	[LM_W_FIND_DROP] = "SELECT id FROM maildrop WHERE name = ?",
	[LM_W_ADD_DROP] = "INSERT INTO maildrop (name) VALUES (?)",
	[LM_W_ADD_MESSAGE] = ("INSERT INTO message (id, arrived, size, refs, segment, place, sums,"
	                      " sender, envelope, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
	[LM_W_ADD_ENTRY] = "INSERT INTO entry (maildrop, message, octets) VALUES (?, ?, ?)",
	[LM_W_HAS_ENTRY] = "SELECT 1 FROM entry WHERE maildrop = ? AND message = ?",
	[LM_W_MOVE_ENTRY] = ("INSERT OR IGNORE INTO entry (maildrop, message, octets)"
	                     " SELECT ?, message, octets FROM entry"
	                     " WHERE maildrop = ? AND message = ?"),
	[LM_W_HAS_GUID] = "SELECT 1 FROM guid WHERE maildrop = ? AND digest = ?",
	[LM_W_ADD_GUID] = "INSERT INTO guid (maildrop, digest) VALUES (?, ?)",
	[LM_W_DEL_ENTRY] = "DELETE FROM entry WHERE maildrop = ? AND message = ?",
	[LM_W_UNREF] = "UPDATE message SET refs = refs - 1 WHERE id = ? AND refs > 1",
	[LM_W_PLACE] = "SELECT segment, size FROM message WHERE id = ?",
	[LM_W_DEL_MESSAGE] = "DELETE FROM message WHERE id = ?",
	[LM_W_MOVE] = "UPDATE message SET segment = ?, place = ? WHERE id = ? AND segment = ?",
	[LM_W_NEXT_ID] = "UPDATE meta SET value = ? WHERE key = 'next_id'",
};

static int find_drop(struct lm_writer *w, struct lm_bytes folded, int64_t *out_id)
{
	sqlite3_stmt *stmt = w->stmts[LM_W_FIND_DROP];
	int rc;

	sqlite3_bind_text(stmt, 1, (const char *)folded.data, (int)folded.len, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out_id = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE)
		return lm_db_err(rc);
	stmt = w->stmts[LM_W_ADD_DROP];
	sqlite3_bind_text(stmt, 1, (const char *)folded.data, (int)folded.len, SQLITE_STATIC);
	rc = lm_db_run(stmt);
	if (!rc)
		*out_id = sqlite3_last_insert_rowid(w->db);
	return rc;
}

int lm_writer_drop(struct lm_writer *w, struct lm_bytes folded, int64_t *out_id)
{
	struct lm_drop_slot *slot = &w->drops[lm_name_hash(folded) % DROP_SLOTS];
	int err;

	if (slot->id && lm_bytes_equal(lm_str(slot->name), folded)) {
		*out_id = slot->id;
		return 0;
	}
	err = find_drop(w, folded, out_id);
	if (err)
		return err;
	slot->id = *out_id;
	memcpy(slot->name, folded.data, folded.len);
	slot->name[folded.len] = '\0';
	return 0;
}

int lm_writer_freed(struct lm_writer *w, uint64_t segment, uint64_t size)
{
	if (w->freed_count == w->freed_cap) {
		size_t cap = w->freed_cap ? w->freed_cap * 2 : 64;
		struct lm_freed *freed = lm_realloc(w->freed, cap, sizeof(*freed));

		if (!freed)
			return LM_E_NOMEM;
		w->freed = freed;
		w->freed_cap = cap;
	}
	w->freed[w->freed_count++] = (struct lm_freed){ segment, size };
	return 0;
}

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Bodies first: a row must never point to octets that are not on disk. */
static int prepare_all(struct lm_sqlite *store, struct lm_write *group)
{
	int err = 0;

	for (struct lm_write *one = group; one && !err; one = one->next)
		if (one->prepare)
			err = one->prepare(store, one);
	if (!err)
		err = lm_spool_flush(store);
	if (err)
		return err;
	err = lm_spool_sync(store);
	if (err == LM_E_IO)
		atomic_store(&store->writer.broken, true);
	return err;
}

static int apply_all(struct lm_sqlite *store, struct lm_write *group)
{
	struct lm_writer *w = &store->writer;
	int err = lm_db_exec(w->db, "BEGIN IMMEDIATE");

	for (struct lm_write *one = group; one && !err; one = one->next) {
		one->result = one->apply(store, one);
		if (one->result != LM_E_NOT_FOUND && one->result != LM_E_EXISTS)
			err = one->result;
	}
	if (err || w->next_id == w->saved_next_id)
		return err;
	sqlite3_bind_int64(w->stmts[LM_W_NEXT_ID], 1, (int64_t)w->next_id);
	return lm_db_run(w->stmts[LM_W_NEXT_ID]);
}

static int commit(struct lm_writer *w)
{
	int err = lm_db_exec(w->db, "COMMIT");

	/* A full disk was noticed before anything counted. After any other failure nobody knows
	 * what is on disk, and a sync tried again would lie: stop. */
	if (err && err != LM_E_FULL && err != LM_E_STORE)
		atomic_store(&w->broken, true);
	return err;
}

static void roll_back(struct lm_writer *w)
{
	if (!sqlite3_get_autocommit(w->db))
		sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
	w->next_id = w->saved_next_id;
	memset(w->drops, 0, DROP_SLOTS * sizeof(*w->drops));
	w->freed_count = 0;
}

static int transact(struct lm_sqlite *store, struct lm_write *group)
{
	struct lm_writer *w = &store->writer;
	int err = atomic_load(&w->broken) ? LM_E_IO : prepare_all(store, group);

	if (err)
		return err;
	w->now = wall_ms();
	w->saved_next_id = w->next_id;
	w->freed_count = 0;
	lm_keeper_enter(&store->keeper);
	err = apply_all(store, group);
	if (!err)
		err = commit(w);
	if (err)
		roll_back(w);
	lm_keeper_leave(&store->keeper);
	return err;
}

static void finish_all(struct lm_sqlite *store, struct lm_write *group, int err)
{
	struct lm_write *next;

	for (; group; group = next) {
		next = group->next;
		group->finish(store, group, err ? err : group->result);
	}
}

static void finish_group(struct lm_sqlite *store, struct lm_write *group, int err)
{
	struct lm_writer *w = &store->writer;
	size_t freed = err ? 0 : w->freed_count;

	for (size_t i = 0; i < freed; i++)
		lm_segment_count(&store->segments, w->freed[i].segment, w->freed[i].size, false);
	finish_all(store, group, err);
	lm_keeper_poke(&store->keeper, freed > 0);
}

/* On a full disk what gives room back gets a chance of its own: the log may be used again from its
 * start. */
static struct lm_write *split_frees(struct lm_write **group)
{
	struct lm_write *frees = NULL, **tail = &frees, **at = group;

	while (*at) {
		struct lm_write *one = *at;

		if (!one->frees) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		one->next = NULL;
		*tail = one;
		tail = &one->next;
	}
	return frees;
}

static void run_group(struct lm_sqlite *store, struct lm_write *group)
{
	struct lm_writer *w = &store->writer;
	int err = transact(store, group);
	struct lm_write *frees;

	/* Counted before it is given back: the keeper removes segments without messages. */
	if (err != LM_E_FULL) {
		finish_group(store, group, err);
		lm_spool_settle(store, err);
		return;
	}
	lm_spool_settle(store, err);
	frees = split_frees(&group);
	finish_group(store, group, err);
	if (!frees)
		return;
	sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	finish_group(store, frees, transact(store, frees));
}

/* Called with the mutex held: the front of the queue, as much as one transaction takes. */
static struct lm_write *cut_group(struct lm_writer *w)
{
	struct lm_write *group = w->first, *last = group;
	size_t octets = last->weight, n = 1;

	for (; last->next && n < GROUP_WRITES && octets < GROUP_OCTETS; n++) {
		last = last->next;
		octets += last->weight;
	}
	w->count -= n;
	w->first = last->next;
	if (!w->first)
		w->last = NULL;
	last->next = NULL;
	return group;
}

/* Called with the mutex held. Those who were answered just now are about to come again: a moment's
 * patience makes one large group of two small ones. A lone client never waits. */
static void gather(struct lm_writer *w, size_t last_group)
{
	struct timespec until;

	if (last_group < GATHER_MIN || w->count >= last_group / 2)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += GATHER_NS;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	w->wanted = last_group - last_group / 8;
	while (w->count < w->wanted && !w->stop)
		if (pthread_cond_timedwait(&w->some, &w->mutex, &until))
			break;
	w->wanted = 0;
}

static struct lm_write *next_group(struct lm_writer *w, size_t *last_group)
{
	struct lm_write *group = NULL;
	size_t before;

	pthread_mutex_lock(&w->mutex);
	gather(w, *last_group);
	while (!w->first && !w->stop) {
		w->wanted = 1;
		pthread_cond_wait(&w->some, &w->mutex);
		w->wanted = 0;
	}
	before = w->count;
	if (w->first)
		group = cut_group(w);
	*last_group = before - w->count;
	pthread_mutex_unlock(&w->mutex);
	return group;
}

static void *run(void *arg)
{
	struct lm_sqlite *store = arg;
	struct lm_write *group;
	size_t last_group = 0;

	while ((group = next_group(&store->writer, &last_group)))
		run_group(store, group);
	return NULL;
}

static int count_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct lm_sqlite *store = arg;

	(void)db;
	(void)name;
	lm_keeper_logged(&store->keeper, frames);
	return SQLITE_OK;
}

static int open_db(struct lm_writer *w, const char *path, struct lm_error *out_error)
{
	int64_t next = 1;
	int err = lm_db_open(path, &w->db, out_error);

	if (err)
		return err;
	err = lm_db_exec(w->db, "PRAGMA cache_size=-32000; PRAGMA cache_spill=OFF");
	for (size_t i = 0; i < LM_W_COUNT && !err; i++)
		err = lm_db_prepare(w->db, sqls[i], &w->stmts[i]);
	if (!err)
		err = lm_db_number(w->db, "SELECT value FROM meta WHERE key = 'next_id'", 1, &next);
	w->next_id = (uint64_t)next;
	return err ? lm_db_fail(w->db, out_error, path) : 0;
}

int lm_writer_start(struct lm_sqlite *store, const char *path, struct lm_error *out_error)
{
	struct lm_writer *w = &store->writer;
	pthread_condattr_t monotonic;
	int err;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->some, &monotonic);
	pthread_condattr_destroy(&monotonic);
	w->drops = lm_alloc_zero(DROP_SLOTS, sizeof(*w->drops));
	err = w->drops ? open_db(w, path, out_error) : LM_E_NOMEM;
	if (err)
		return err;
	sqlite3_wal_hook(w->db, count_frames, store);
	if (pthread_create(&w->thread, NULL, run, store))
		return lm_fail(out_error, LM_E_STORE, "cannot start a thread");
	w->started = true;
	return 0;
}

void lm_writer_stop(struct lm_sqlite *store)
{
	struct lm_writer *w = &store->writer;

	if (w->started) {
		pthread_mutex_lock(&w->mutex);
		w->stop = true;
		pthread_cond_signal(&w->some);
		pthread_mutex_unlock(&w->mutex);
		pthread_join(w->thread, NULL);
	}
	lm_spool_done(store);
	lm_free(w->drops);
	lm_free(w->freed);
	lm_db_close(w->db);
	pthread_cond_destroy(&w->some);
	pthread_mutex_destroy(&w->mutex);
}

void lm_writer_add(struct lm_sqlite *store, struct lm_write *write)
{
	struct lm_writer *w = &store->writer;

	write->next = NULL;
	write->result = 0;
	pthread_mutex_lock(&w->mutex);
	if (w->last)
		w->last->next = write;
	else
		w->first = write;
	w->last = write;
	w->count++;
	if (w->wanted && w->count >= w->wanted)
		pthread_cond_signal(&w->some);
	pthread_mutex_unlock(&w->mutex);
}

static struct lm_write *unlink_write(struct lm_writer *w, const struct lm_store_op *op)
{
	struct lm_write *before = NULL, *write = w->first;

	for (; write && write->op != op; write = write->next)
		before = write;
	if (!write)
		return NULL;
	if (before)
		before->next = write->next;
	else
		w->first = write->next;
	if (w->last == write)
		w->last = before;
	w->count--;
	return write;
}

bool lm_writer_cancel(struct lm_sqlite *store, const struct lm_store_op *op)
{
	struct lm_writer *w = &store->writer;
	struct lm_write *write;

	pthread_mutex_lock(&w->mutex);
	write = unlink_write(w, op);
	pthread_mutex_unlock(&w->mutex);
	if (write)
		write->finish(store, write, LM_E_CANCELED);
	return write != NULL;
}
