/* The SQLite store: opened once a machine, its parts started in order and stopped in reverse. */
#include "store/sqlite/impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { CREW_THREADS = 4 };

static int lock_failed(int fd, const char *name, const char *path, struct lm_error *out_error)
{
	char pid[24] = "";
	int errnum = errno;
	ssize_t n;

	if (fd >= 0 && errnum == EWOULDBLOCK) {
		n = pread(fd, pid, sizeof(pid) - 1, 0);
		close(fd);
		return lm_fail(out_error, LM_E_IN_USE, "%s: in use by process %s", path,
		               n > 0 ? pid : "?");
	}
	if (fd >= 0)
		close(fd);
	return lm_db_file_fail(name, errnum, out_error);
}

int lm_sqlite_lock(const char *path, int *out_fd, struct lm_error *out_error)
{
	char name[LM_DB_PATH_MAX + 16], pid[24];
	bool told;
	int fd, len;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return lock_failed(fd, name, path, out_error);
	len = snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	/* Only to tell others who has it: the lock itself holds without. */
	told = ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) == len;
	(void)told;
	*out_fd = fd;
	return 0;
}

static void sqlite_close(struct lm_store *base)
{
	struct lm_sqlite *store = (struct lm_sqlite *)base;

	/* The crew hands to the writer, the keeper waits for it. */
	lm_crew_stop(&store->crew);
	lm_keeper_stop(store);
	lm_writer_stop(store);
	lm_keeper_done(store);
	lm_crew_stop(&store->readers);
	lm_segments_close(&store->segments);
	lm_listings_done(&store->listings);
	lm_name_locks_done(&store->locks);
	close(store->lock_fd);
	lm_free(store);
}

static void cancel(struct lm_store *base, struct lm_store_op *op)
{
	struct lm_sqlite *store = (struct lm_sqlite *)base;

	/* What a thread has begun ends with its true result. */
	if (!lm_crew_cancel(&store->readers, op) && !lm_crew_cancel(&store->crew, op))
		(void)!lm_writer_cancel(store, op);
}

static const struct lm_store_ops ops = {
	.version = 1,
	.caps = LM_STORE_DURABLE,
	.name = "sqlite",
	.close = sqlite_close,
	.mailbox_open = lm_sqlite_mailbox_open,
	.mailbox_list = lm_sqlite_mailbox_list,
	.message_read = lm_sqlite_message_read,
	.message_at_hand = lm_sqlite_message_at_hand,
	.mailbox_expunge = lm_sqlite_mailbox_expunge,
	.message_move = lm_sqlite_message_move,
	.mailbox_has_guids = lm_sqlite_mailbox_has_guids,
	.mailbox_close = lm_sqlite_mailbox_close,
	.draft_begin = lm_sqlite_draft_begin,
	.draft_write = lm_sqlite_draft_write,
	.draft_commit = lm_sqlite_draft_commit,
	.draft_abort = lm_sqlite_draft_abort,
	.cancel = cancel,
};

static unsigned reader_threads(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 4 ? 2 : cpus > 16 ? 8 : (unsigned)cpus / 2;
}

/* Rows before segments: stock is taken while nobody writes. */
static int load(struct lm_sqlite *store, struct lm_error *out_error)
{
	sqlite3 *db;
	int64_t id = 0;
	int err = lm_db_open(store->path, &db, out_error);

	if (err)
		return err;
	err = lm_db_number(db, "SELECT value FROM meta WHERE key = 'store_id'", 0, &id);
	if (err)
		lm_db_fail(db, out_error, store->path);
	else
		err = lm_segments_open(&store->segments, store->path, db, out_error);
	store->store_id = (uint32_t)id;
	lm_db_close(db);
	return err;
}

static int start(struct lm_sqlite *store, struct lm_error *out_error)
{
	int err = load(store, out_error);

	if (err)
		return err;
	err = lm_keeper_start(store, store->path, out_error);
	if (err)
		goto stop_keeper;
	err = lm_writer_start(store, store->path, out_error);
	if (err)
		goto stop_writer;
	err = lm_crew_start(&store->readers, reader_threads(), store->path, lm_reader_sqls,
	                    out_error);
	if (err)
		goto stop_writer;
	err = lm_crew_start(&store->crew, CREW_THREADS, store->path, NULL, out_error);
	if (!err)
		return 0;
	lm_crew_stop(&store->readers);
stop_writer:
	lm_keeper_stop(store);
	lm_writer_stop(store);
stop_keeper:
	lm_keeper_stop(store);
	lm_keeper_done(store);
	lm_segments_close(&store->segments);
	return err;
}

int lm_sqlite_open(const char *path, struct lm_store **out_store, struct lm_error *out_error)
{
	struct lm_sqlite *store = lm_alloc_zero(1, sizeof(*store));
	int err;

	if (!store)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	store->head.ops = &ops;
	err = lm_db_path(path, store->path, out_error);
	if (!err)
		err = lm_sqlite_lock(store->path, &store->lock_fd, out_error);
	if (err) {
		lm_free(store);
		return err;
	}
	lm_name_locks_init(&store->locks);
	lm_listings_init(&store->listings);
	err = start(store, out_error);
	if (err) {
		lm_listings_done(&store->listings);
		lm_name_locks_done(&store->locks);
		close(store->lock_fd);
		lm_free(store);
	} else {
		*out_store = &store->head;
	}
	return err;
}
