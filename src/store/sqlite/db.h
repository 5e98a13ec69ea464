/** @file
 * Connections to the database: how they are opened, the schema and its versions, errors.
 */
#ifndef LM_STORE_SQLITE_DB_H
#define LM_STORE_SQLITE_DB_H

#include "store/store_impl.h"

#include <sqlite3.h>

enum {
	LM_DB_VERSION = 2,   /**< PRAGMA user_version this code reads and writes */
	LM_DB_CHUNK = 65536, /**< octets under one checksum; a body up to here is a blob */
	LM_DB_PATH_MAX = 3800,
};

/** Make `path` absolute enough that SQLite takes it for a file name. Errors: LM_E_CONFIG. */
LM_MUST int lm_db_path(const char *path, char out[LM_DB_PATH_MAX + 8], struct lm_error *out_error);

/** Say why a file at or beside `path` could not be made, naming the folder where that is at fault.
 * Returns LM_E_DENIED or LM_E_IO. */
int lm_db_file_fail(const char *path, int errnum, struct lm_error *out_error);
/** Open for one thread at a time, making and migrating what is there. The connection never
 * checkpoints by itself. */
LM_MUST int lm_db_open(const char *path, sqlite3 **out_db, struct lm_error *out_error);
/** NULL is allowed. */
void lm_db_close(sqlite3 *db);

/** LM_E_* of an SQLite result; 0 for OK, ROW and DONE. */
int lm_db_err(int rc);
/** Fill *out_error from the connection's last error. */
int lm_db_fail(sqlite3 *db, struct lm_error *out_error, const char *what);
LM_MUST int lm_db_exec(sqlite3 *db, const char *sql);
LM_MUST int lm_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out_stmt);
/** Step a statement that gives no rows, and reset it. */
LM_MUST int lm_db_run(sqlite3_stmt *stmt);
/** First column of the first row of `sql`, or `otherwise` where there is none. */
LM_MUST int lm_db_number(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *out_number);
/** Octets bound without a copy; they must live until the statement is reset. */
void lm_db_bind(sqlite3_stmt *stmt, int at, struct lm_bytes b);
/** Octets of a column, until the next step. */
struct lm_bytes lm_db_bytes(sqlite3_stmt *stmt, int at);

#endif
