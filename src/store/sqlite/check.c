/* Looking a store over: the database, every checksum, the segments, the references. */
#include "store/sqlite/impl.h"

#include "base/error.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
	sqlite3 *db;
	struct lm_segments segments; /* only to read from */
	void (*report)(void *ctx, const char *problem);
	void *ctx;
	size_t problems;
	uint8_t *room;
};

static void problem(struct check *c, const char *fmt, ...) LM_PRINTF(2, 3);

static void problem(struct check *c, const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->problems++;
	if (c->report)
		c->report(c->ctx, text);
}

/* Each row of `sql` is a problem; its first column goes into `fmt`. */
static int report_rows(struct check *c, const char *sql, const char *what)
{
	sqlite3_stmt *stmt = NULL;
	int rc, err = lm_db_prepare(c->db, sql, &stmt);

	if (err)
		return err;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		problem(c, "%s %s", what, (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return lm_db_err(rc);
}

static int check_database(struct check *c)
{
	int err = report_rows(c,
	                      "SELECT integrity_check FROM pragma_integrity_check"
	                      " WHERE integrity_check <> 'ok'",
	                      "database:");

	if (!err)
		err = report_rows(c,
		                  "SELECT message FROM entry WHERE message NOT IN"
		                  " (SELECT id FROM message)",
		                  "listed, but not there: message");
	if (!err)
		err = report_rows(c,
		                  "SELECT id FROM message LEFT JOIN (SELECT message, count(*)"
		                  " AS n FROM entry GROUP BY message) ON message = id"
		                  " WHERE refs IS NOT n",
		                  "wrong number of references: message");
	if (!err)
		err = report_rows(c,
		                  "SELECT message FROM entry WHERE maildrop NOT IN"
		                  " (SELECT id FROM maildrop)",
		                  "in no maildrop: message");
	if (!err)
		err = report_rows(c,
		                  "SELECT hex(digest) FROM guid WHERE length(digest) <> 16 OR"
		                  " maildrop NOT IN (SELECT id FROM maildrop)",
		                  "of no message: guid");
	return err;
}

static bool chunk_ok(struct check *c, sqlite3_stmt *row, uint64_t chunk, uint64_t size)
{
	struct lm_bytes sums = lm_db_bytes(row, 2), octets = lm_db_bytes(row, 5);
	uint64_t from = chunk * LM_DB_CHUNK, left = size - from, sum;
	size_t len = left < LM_DB_CHUNK ? (size_t)left : LM_DB_CHUNK;

	if (sqlite3_column_type(row, 3) != SQLITE_NULL) {
		if (lm_segment_read(&c->segments, (uint64_t)sqlite3_column_int64(row, 3),
		                    (uint64_t)sqlite3_column_int64(row, 4) + from, len, c->room))
			return false;
		octets = lm_bytes(c->room, len);
	}
	if (octets.len != len || sums.len < (chunk + 1) * sizeof(sum))
		return false;
	memcpy(&sum, sums.data + chunk * sizeof(sum), sizeof(sum));
	return sum == lm_checksum(octets);
}

static void check_message(struct check *c, sqlite3_stmt *row)
{
	uint64_t size = (uint64_t)sqlite3_column_int64(row, 1), chunk = 0;

	do {
		if (chunk_ok(c, row, chunk, size))
			continue;
		problem(c, "damaged: message %lld at octet %llu",
		        (long long)sqlite3_column_int64(row, 0),
		        (unsigned long long)chunk * LM_DB_CHUNK);
		return;
	} while (++chunk * LM_DB_CHUNK < size);
}

static int check_messages(struct check *c)
{
	sqlite3_stmt *stmt = NULL;
	int rc, err = lm_db_prepare(c->db,
	                            "SELECT id, size, sums, segment, place, body FROM message"
	                            " ORDER BY id",
	                            &stmt);

	if (err)
		return err;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		check_message(c, stmt);
	sqlite3_finalize(stmt);
	return lm_db_err(rc);
}

static int check_open(struct check *c, const char *path, struct lm_error *out_error)
{
	struct stat st;
	int err;

	if (stat(path, &st))
		return lm_fail(out_error, LM_E_NOT_FOUND, "%s: no such store", path);
	err = lm_db_open(path, &c->db, out_error);
	if (err)
		return err;
	c->room = lm_alloc(LM_DB_CHUNK);
	if (!c->room)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	return lm_segments_open_only(&c->segments, path, out_error);
}

static int check_all(struct check *c, const char *path, struct lm_error *out_error)
{
	int err = check_open(c, path, out_error);

	if (err)
		return err;
	err = check_database(c);
	if (!err)
		err = check_messages(c);
	lm_segments_close(&c->segments);
	if (err == LM_E_CORRUPT)
		problem(c, "database: %s", sqlite3_errmsg(c->db));
	else if (err)
		return lm_db_fail(c->db, out_error, path);
	if (c->problems)
		return lm_fail(out_error, LM_E_CORRUPT, "%s: %zu problems", path, c->problems);
	return 0;
}

int lm_sqlite_check(const char *path, void (*report)(void *ctx, const char *problem), void *ctx,
                    struct lm_error *out_error)
{
	struct check c = { .report = report, .ctx = ctx };
	char name[LM_DB_PATH_MAX + 8];
	int lock, err = lm_db_path(path, name, out_error);

	if (!err)
		err = lm_sqlite_lock(name, &lock, out_error);
	if (err)
		return err;
	err = check_all(&c, name, out_error);
	lm_free(c.room);
	lm_db_close(c.db);
	close(lock);
	return err;
}
