/* Housekeeping on a thread of its own: checkpoints, removing empty segments, compacting sparse
 * ones. */
#include "store/sqlite/impl.h"

#include "base/error.h"

#include <time.h>

enum {
	PAGE = 16384,
	/* From here on the log is copied and begun anew: seldom enough that pages which change
	 * again and again are copied once, often enough that the log's file stays in memory. */
	CHECKPOINT_FRAMES = (64 << 20) / PAGE,
	LITTLE_FRAMES = (2 << 20) / PAGE,
	PASSES_MAX = 6,
	ROUND_MS = 250,
	IDLE_MS = 2000, /* without a write: shorten the log, compact */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void lm_keeper_enter(struct lm_keeper *k)
{
	if (atomic_load(&k->wants_gate)) {
		pthread_mutex_lock(&k->mutex);
		while (atomic_load(&k->wants_gate))
			pthread_cond_wait(&k->done, &k->mutex);
		pthread_mutex_unlock(&k->mutex);
	}
	pthread_mutex_lock(&k->gate);
}

void lm_keeper_leave(struct lm_keeper *k)
{
	pthread_mutex_unlock(&k->gate);
}

void lm_keeper_poke(struct lm_keeper *k, bool reclaim)
{
	pthread_mutex_lock(&k->mutex);
	k->last_write = now_ms();
	k->reclaim |= reclaim;
	if (reclaim || k->dormant || atomic_load(&k->frames) >= atomic_load(&k->due))
		pthread_cond_signal(&k->some);
	pthread_mutex_unlock(&k->mutex);
}

void lm_keeper_logged(struct lm_keeper *k, int frames)
{
	if (frames < atomic_load(&k->frames))
		atomic_store(&k->due, CHECKPOINT_FRAMES); /* begun anew */
	atomic_store(&k->frames, frames);
}

static void passive(struct lm_keeper *k)
{
	sqlite3_wal_checkpoint_v2(k->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* Most is copied while the writer goes on; the little rest while it waits, so that its next
 * transaction begins the log anew. */
static void shorten(struct lm_keeper *k, bool truncate)
{
	atomic_store(&k->wants_gate, true);
	pthread_mutex_lock(&k->gate);
	if (sqlite3_wal_checkpoint_v2(
	            k->db, NULL, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
	            NULL, NULL) == SQLITE_OK &&
	    truncate)
		lm_keeper_logged(k, 0);
	pthread_mutex_unlock(&k->gate);
	pthread_mutex_lock(&k->mutex);
	atomic_store(&k->wants_gate, false);
	pthread_cond_broadcast(&k->done);
	pthread_mutex_unlock(&k->mutex);
}

/* Messages of one segment on their way to another. */
struct move {
	uint64_t id, place, size, new_place;
	bool moved;
};

struct moving {
	struct lm_write write;
	struct lm_sqlite *store;
	uint64_t from;
	struct lm_segment *to;
	struct move *moves;
	size_t count;
	bool over;
	pthread_mutex_t mutex;
	pthread_cond_t done;
};

static int collect(struct lm_sqlite *store, struct moving *m, const struct lm_segment *from)
{
	sqlite3_stmt *stmt = NULL;
	int err, rc = SQLITE_DONE;

	m->moves = lm_alloc_zero(from->messages, sizeof(*m->moves));
	if (!m->moves)
		return LM_E_NOMEM;
	err = lm_db_prepare(store->keeper.db,
	                    "SELECT id, place, size FROM message WHERE segment = ? ORDER BY place",
	                    &stmt);
	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, (int64_t)from->id);
	while (m->count < from->messages && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		m->moves[m->count++] =
		        (struct move){ .id = (uint64_t)sqlite3_column_int64(stmt, 0),
			               .place = (uint64_t)sqlite3_column_int64(stmt, 1),
			               .size = (uint64_t)sqlite3_column_int64(stmt, 2) };
	sqlite3_finalize(stmt);
	return lm_db_err(rc);
}

static int copy_one(struct moving *m, struct move *move, uint64_t *at, uint8_t *room)
{
	uint64_t from = move->place, left = move->size;

	move->new_place = *at;
	while (left) {
		size_t len = left < LM_DB_CHUNK ? (size_t)left : LM_DB_CHUNK;
		int err = lm_segment_read(&m->store->segments, m->from, from, len, room);

		if (!err)
			err = lm_segment_write(m->to, at, lm_bytes(room, len));
		if (err)
			return err;
		from += len;
		left -= len;
	}
	return 0;
}

static int copy_all(struct moving *m, uint64_t *at)
{
	uint8_t *room = lm_alloc(LM_DB_CHUNK);
	int err = room ? 0 : LM_E_NOMEM;

	for (size_t i = 0; i < m->count && !err; i++)
		err = copy_one(m, &m->moves[i], at, room);
	lm_free(room);
	return err ? err : lm_segment_sync(m->to);
}

static int apply_moves(struct lm_sqlite *store, struct lm_write *write)
{
	struct moving *m = lm_container(write, struct moving, write);
	sqlite3_stmt *stmt = store->writer.stmts[LM_W_MOVE];
	int err = 0;

	for (size_t i = 0; i < m->count && !err; i++) {
		sqlite3_bind_int64(stmt, 1, (int64_t)m->to->id);
		sqlite3_bind_int64(stmt, 2, (int64_t)m->moves[i].new_place);
		sqlite3_bind_int64(stmt, 3, (int64_t)m->moves[i].id);
		sqlite3_bind_int64(stmt, 4, (int64_t)m->from);
		err = lm_db_run(stmt);
		m->moves[i].moved = !err && sqlite3_changes(store->writer.db) > 0;
	}
	return err;
}

static void finish_moves(struct lm_sqlite *store, struct lm_write *write, int result)
{
	struct moving *m = lm_container(write, struct moving, write);

	for (size_t i = 0; i < m->count && !result; i++) {
		if (!m->moves[i].moved)
			continue;
		lm_segment_count(&store->segments, m->to->id, m->moves[i].size, true);
		lm_segment_count(&store->segments, m->from, m->moves[i].size, false);
	}
	pthread_mutex_lock(&m->mutex);
	m->write.result = result;
	m->over = true;
	pthread_cond_signal(&m->done);
	pthread_mutex_unlock(&m->mutex);
}

static int move_rows(struct lm_sqlite *store, struct moving *m)
{
	m->write = (struct lm_write){ .apply = apply_moves,
		                      .finish = finish_moves,
		                      .weight = m->count * 256 };
	lm_writer_add(store, &m->write);
	pthread_mutex_lock(&m->mutex);
	while (!m->over)
		pthread_cond_wait(&m->done, &m->mutex);
	pthread_mutex_unlock(&m->mutex);
	return m->write.result;
}

static int move_all(struct lm_sqlite *store, struct moving *m, const struct lm_segment *from)
{
	uint64_t end;
	int err = collect(store, m, from);

	if (err)
		return err;
	err = lm_segment_take(&store->segments, &m->to);
	if (err)
		return err;
	end = m->to->end;
	err = copy_all(m, &end);
	if (!err)
		err = move_rows(store, m);
	lm_segment_give(&store->segments, m->to, err ? m->to->end : end);
	return err;
}

/* Copy what lives out of one sparse segment; false when there is none, or it cannot be done. */
static bool compact(struct lm_sqlite *store)
{
	struct lm_segment *from = lm_segments_sparse(&store->segments);
	struct moving m = { .store = store };
	int err;

	if (!from)
		return false;
	m.from = from->id;
	pthread_mutex_init(&m.mutex, NULL);
	pthread_cond_init(&m.done, NULL);
	err = move_all(store, &m, from);
	pthread_cond_destroy(&m.done);
	pthread_mutex_destroy(&m.mutex);
	lm_free(m.moves);
	pthread_mutex_lock(&store->segments.mutex);
	from->busy = false;
	pthread_mutex_unlock(&store->segments.mutex);
	lm_segments_reclaim(&store->segments);
	return !err;
}

/* SQLite syncs the database only when all of the log is copied, which is while the writer waits:
 * most of that is done here. On a connection of its own, as a file that is open twice tells of a
 * failure twice: SQLite's own sync must not miss it. */
static void flush(struct lm_keeper *k)
{
	sqlite3_file *file = NULL;

	if (!sqlite3_file_control(k->flush_db, "main", SQLITE_FCNTL_FILE_POINTER, &file) && file &&
	    file->pMethods)
		file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

/* Each time copies what came during the one before, so that little is left for the writer to wait
 * for. A reader may keep the log from beginning anew: then it is due again much later. */
static void checkpoint(struct lm_keeper *k)
{
	int before, frames = atomic_load(&k->frames);

	for (int i = 0; i < PASSES_MAX; i++) {
		before = frames;
		passive(k);
		flush(k);
		frames = atomic_load(&k->frames);
		if (frames - before < LITTLE_FRAMES)
			break;
	}
	atomic_store(&k->due, frames + CHECKPOINT_FRAMES);
	shorten(k, false);
}

static void round_of(struct lm_sqlite *store, bool reclaim, bool idle)
{
	struct lm_keeper *k = &store->keeper;
	int frames = atomic_load(&k->frames);

	if (idle && frames > 0) {
		passive(k);
		flush(k);
		shorten(k, true);
	} else if (frames >= atomic_load(&k->due)) {
		checkpoint(k);
	}
	if (reclaim)
		lm_segments_reclaim(&store->segments);
	if (idle)
		while (compact(store))
			continue;
}

/* Called with the mutex held. Without anything in the log there is nothing to come back for. */
static void pause_round(struct lm_keeper *k)
{
	struct timespec until;

	if (atomic_load(&k->frames) == 0 && !k->reclaim) {
		k->dormant = true;
		pthread_cond_wait(&k->some, &k->mutex);
		k->dormant = false;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ROUND_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&k->some, &k->mutex, &until);
}

static void *run(void *arg)
{
	struct lm_sqlite *store = arg;
	struct lm_keeper *k = &store->keeper;

	pthread_mutex_lock(&k->mutex);
	while (!k->stop) {
		unsigned asked;
		bool reclaim, idle;

		if (k->asked == k->answered)
			pause_round(k);
		asked = k->asked;
		idle = asked != k->answered || now_ms() - k->last_write >= IDLE_MS;
		reclaim = k->reclaim || idle;
		k->reclaim = false;
		pthread_mutex_unlock(&k->mutex);
		round_of(store, reclaim, idle);
		pthread_mutex_lock(&k->mutex);
		k->answered = asked;
		pthread_cond_broadcast(&k->done);
	}
	pthread_mutex_unlock(&k->mutex);
	return NULL;
}

void lm_sqlite_tidy(struct lm_store *base)
{
	struct lm_keeper *k = &((struct lm_sqlite *)base)->keeper;
	unsigned asked;

	pthread_mutex_lock(&k->mutex);
	asked = ++k->asked;
	pthread_cond_signal(&k->some);
	while (k->answered != asked)
		pthread_cond_wait(&k->done, &k->mutex);
	pthread_mutex_unlock(&k->mutex);
}

int lm_keeper_start(struct lm_sqlite *store, const char *path, struct lm_error *out_error)
{
	struct lm_keeper *k = &store->keeper;
	pthread_condattr_t monotonic;
	int err;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	atomic_store(&k->due, CHECKPOINT_FRAMES);
	pthread_mutex_init(&k->mutex, NULL);
	pthread_mutex_init(&k->gate, NULL);
	pthread_cond_init(&k->some, &monotonic);
	pthread_cond_init(&k->done, NULL);
	pthread_condattr_destroy(&monotonic);
	err = lm_db_open(path, &k->db, out_error);
	if (!err)
		err = lm_db_open(path, &k->flush_db, out_error);
	if (err)
		return err;
	if (pthread_create(&k->thread, NULL, run, store))
		return lm_fail(out_error, LM_E_STORE, "cannot start a thread");
	k->started = true;
	return 0;
}

void lm_keeper_stop(struct lm_sqlite *store)
{
	struct lm_keeper *k = &store->keeper;

	if (k->started) {
		pthread_mutex_lock(&k->mutex);
		k->stop = true;
		pthread_cond_signal(&k->some);
		pthread_mutex_unlock(&k->mutex);
		pthread_join(k->thread, NULL);
		k->started = false;
	}
}

void lm_keeper_done(struct lm_sqlite *store)
{
	struct lm_keeper *k = &store->keeper;

	lm_db_close(k->flush_db);
	lm_db_close(k->db);
	pthread_cond_destroy(&k->done);
	pthread_cond_destroy(&k->some);
	pthread_mutex_destroy(&k->gate);
	pthread_mutex_destroy(&k->mutex);
}
