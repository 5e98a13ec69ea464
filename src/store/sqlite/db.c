/* Connections to the database, its schema and its versions. */
#include "store/sqlite/db.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x4C4D696C /* "LMil" */, FOLDER_SHOWN = 140 };

/* The step from version i to i + 1. Never change one: add the next. */
static const char *const migrations[LM_DB_VERSION] = {
	/* Sizes stand in `entry`, too, so that a listing reads one run of its tree. `body` comes
	 * last: what stands before it is read without its pages. */
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('next_id', 1);"
	"CREATE TABLE maildrop (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE message (id INTEGER PRIMARY KEY, arrived INTEGER NOT NULL,"
	" size INTEGER NOT NULL, refs INTEGER NOT NULL, segment INTEGER, place INTEGER,"
	" sums BLOB NOT NULL, sender BLOB NOT NULL, envelope BLOB NOT NULL, body BLOB);"
	"CREATE INDEX message_segment ON message (segment, place, size)"
	" WHERE segment IS NOT NULL;"
	"CREATE TABLE entry (maildrop INTEGER NOT NULL, message INTEGER NOT NULL,"
	" octets INTEGER NOT NULL, PRIMARY KEY (maildrop, message)) WITHOUT ROWID;"
	"CREATE TABLE account (folded TEXT PRIMARY KEY, name TEXT NOT NULL, crypt TEXT NOT NULL,"
	" sha1 BLOB, sha256 BLOB, secret BLOB, flags INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX account_secret ON account (folded) WHERE secret IS NOT NULL;",
	/* What each maildrop was ever given, whether or not it is still there. */
	"CREATE TABLE guid (maildrop INTEGER NOT NULL, digest BLOB NOT NULL,"
	" PRIMARY KEY (maildrop, digest)) WITHOUT ROWID;",
};

int lm_db_path(const char *path, char out[LM_DB_PATH_MAX + 8], struct lm_error *out_error)
{
	if (!*path)
		return lm_fail(out_error, LM_E_CONFIG, "sqlite: needs a path behind the colon");
	if (strlen(path) > LM_DB_PATH_MAX)
		return lm_fail(out_error, LM_E_CONFIG, "sqlite: the path is too long");
	snprintf(out, LM_DB_PATH_MAX + 8, "%s%s", *path == '/' ? "" : "./", path);
	return 0;
}

int lm_db_err(int rc)
{
	switch (rc & 0xFF) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return LM_E_FULL;
	case SQLITE_NOMEM:
		return LM_E_NOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return LM_E_CORRUPT;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return LM_E_DENIED;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return LM_E_STORE;
	default:
		return LM_E_IO;
	}
}

int lm_db_fail(sqlite3 *db, struct lm_error *out_error, const char *what)
{
	int err = lm_db_err(sqlite3_errcode(db));

	return lm_fail(out_error, err ? err : LM_E_IO, "%s: %s", what, sqlite3_errmsg(db));
}

int lm_db_exec(sqlite3 *db, const char *sql)
{
	return lm_db_err(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int lm_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out_stmt)
{
	return lm_db_err(
	        sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out_stmt, NULL));
}

int lm_db_run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return lm_db_err(rc);
}

int lm_db_number(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *out_number)
{
	sqlite3_stmt *stmt = NULL;
	int rc, err = lm_db_prepare(db, sql, &stmt);

	if (err)
		return err;
	rc = sqlite3_step(stmt);
	err = lm_db_err(rc);
	if (!err)
		*out_number = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : otherwise;
	sqlite3_finalize(stmt);
	return err;
}

void lm_db_bind(sqlite3_stmt *stmt, int at, struct lm_bytes b)
{
	sqlite3_bind_blob64(stmt, at, b.len ? (const void *)b.data : "", b.len, SQLITE_STATIC);
}

struct lm_bytes lm_db_bytes(sqlite3_stmt *stmt, int at)
{
	const void *data = sqlite3_column_blob(stmt, at);

	return lm_bytes(data, (size_t)sqlite3_column_bytes(stmt, at));
}

static int set_store_id(sqlite3 *db)
{
	uint32_t id;
	char sql[80];

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return LM_E_IO;
	snprintf(sql, sizeof(sql), "INSERT INTO meta VALUES ('store_id', %lu)", (unsigned long)id);
	return lm_db_exec(db, sql);
}

static int migrate_step(sqlite3 *db, int64_t version)
{
	char sql[80];
	int err = lm_db_exec(db, migrations[version]);

	if (!err && version == 0)
		err = set_store_id(db);
	snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d",
	         APPLICATION_ID, (int)version + 1);
	return err ? err : lm_db_exec(db, sql);
}

/* Two processes may come at once: the version is read again under the lock. */
static int migrate(sqlite3 *db)
{
	int64_t version = 0;
	int err = lm_db_exec(db, "BEGIN IMMEDIATE");

	if (err)
		return err;
	err = lm_db_number(db, "PRAGMA user_version", 0, &version);
	while (!err && version < LM_DB_VERSION)
		err = migrate_step(db, version++);
	if (!err)
		err = lm_db_exec(db, "COMMIT");
	if (err)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

static int check_version(sqlite3 *db, const char *path, struct lm_error *out_error)
{
	int64_t version = 0, application = 0, tables = 0;

	if (lm_db_number(db, "PRAGMA user_version", 0, &version) ||
	    lm_db_number(db, "PRAGMA application_id", 0, &application) ||
	    lm_db_number(db, "SELECT count(*) FROM sqlite_master", 0, &tables))
		return lm_db_fail(db, out_error, path);
	if (application != APPLICATION_ID && (version || tables || application))
		return lm_fail(out_error, LM_E_CONFIG,
		               "%s: a database, but not one of Lettermill's", path);
	if (version > LM_DB_VERSION)
		return lm_fail(out_error, LM_E_CONFIG,
		               "%s: made by a newer Lettermill (schema %lld; this one knows %d)",
		               path, (long long)version, LM_DB_VERSION);
	if (version < LM_DB_VERSION && migrate(db))
		return lm_db_fail(db, out_error, path);
	return 0;
}

int lm_db_file_fail(const char *path, int errnum, struct lm_error *out_error)
{
	int err = lm_err_from_errno(errnum) == LM_E_DENIED ? LM_E_DENIED : LM_E_IO;
	const char *slash = strrchr(path, '/');
	int len = !slash ? 0 : slash == path ? 1 : (int)(slash - path);

	if (!slash || access(path, F_OK) == 0)
		return lm_fail_errno(out_error, err, errnum, "%s", path);
	len = len > FOLDER_SHOWN ? FOLDER_SHOWN : len;
	if (errnum == ENOENT)
		return lm_fail(out_error, err,
		               "the folder %.*s does not exist; make it or name another", len,
		               path);
	if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
		return lm_fail_errno(out_error, err, errnum,
		                     "the folder %.*s must be writable, for more files than the "
		                     "store's own",
		                     len, path);
	return lm_fail_errno(out_error, err, errnum, "%s", path);
}

/* Nobody but the owner reads mail; SQLite gives its other files the same mode. A file that exists
 * is never opened here: closing it again would drop the locks that this process holds on it
 * (POSIX), and another process that ends would take the log away from under ours. */
static int make_file(const char *path, struct lm_error *out_error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno == EEXIST ? 0 : lm_db_file_fail(path, errno, out_error);
}

int lm_db_open(const char *path, sqlite3 **out_db, struct lm_error *out_error)
{
	sqlite3 *db = NULL;
	int err = make_file(path, out_error);

	if (err)
		return err;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)) {
		err = db ? lm_db_fail(db, out_error, path)
		         : lm_fail(out_error, LM_E_NOMEM, "out of memory");
		lm_db_close(db);
		return err;
	}
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, 30000);
	if (lm_db_exec(db, "PRAGMA page_size=16384; PRAGMA journal_mode=WAL;"
	                   "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
	                   "PRAGMA secure_delete=FAST; PRAGMA cache_size=-4000"))
		err = lm_db_fail(db, out_error, path);
	else
		err = check_version(db, path, out_error);
	if (err)
		lm_db_close(db);
	else
		*out_db = db;
	return err;
}

void lm_db_close(sqlite3 *db)
{
	sqlite3_stmt *stmt;

	if (!db)
		return;
	while ((stmt = sqlite3_next_stmt(db, NULL)))
		sqlite3_finalize(stmt);
	sqlite3_close(db);
}
