/* Accounts in the store's database: one connection, one mutex, statements ready. */
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite.h"

#include "base/error.h"

enum stmt { FIND, LOOKUP, ANY_SECRET, ADD, REPLACE, REMOVE, EACH, COUNT };

static const char *const sqls[COUNT] = {
	[FIND] = "SELECT name FROM account WHERE folded = ?",
	[LOOKUP] = "SELECT name, crypt, sha1, sha256, secret, flags FROM account WHERE folded = ?",
	[ANY_SECRET] = "SELECT 1 FROM account WHERE secret IS NOT NULL LIMIT 1",
	[ADD] = "INSERT INTO account (folded, name, crypt, sha1, sha256, secret, flags)"
	        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
	[REPLACE] = "UPDATE account SET name = ?2, crypt = ?3, sha1 = ?4, sha256 = ?5, secret = ?6,"
	            " flags = ?7 WHERE folded = ?1",
	[REMOVE] = "DELETE FROM account WHERE folded = ?",
	[EACH] = "SELECT folded, name, flags FROM account WHERE folded > ? ORDER BY folded LIMIT 1",
};

/* A SCRAM record as it is stored: iterations (big-endian), salt, both keys. */
enum { SCRAM_OCTETS = 4 + 16 + 32 + 32 };

struct accounts {
	struct lm_accounts head;
	pthread_mutex_t mutex;
	sqlite3 *db;
	sqlite3_stmt *stmts[COUNT];
};

static void bind_name(sqlite3_stmt *stmt, const char *folded)
{
	sqlite3_bind_text(stmt, 1, folded, -1, SQLITE_STATIC);
}

static void copy_text(sqlite3_stmt *stmt, int at, char *out, size_t cap)
{
	struct lm_bytes b = lm_db_bytes(stmt, at);
	size_t len = b.len < cap ? b.len : cap - 1;

	if (len)
		memcpy(out, b.data, len);
	out[len] = '\0';
}

static int find(struct lm_accounts *base, struct lm_bytes name, char out_name[256])
{
	struct accounts *a = (struct accounts *)base;
	sqlite3_stmt *stmt = a->stmts[FIND];
	char folded[LM_NAME_MAX + 1];
	int rc;

	if (lm_name_fold(name, folded))
		return LM_E_NOT_FOUND;
	pthread_mutex_lock(&a->mutex);
	bind_name(stmt, folded);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		copy_text(stmt, 0, out_name, 256);
	sqlite3_reset(stmt);
	pthread_mutex_unlock(&a->mutex);
	return rc == SQLITE_DONE ? LM_E_NOT_FOUND : lm_db_err(rc);
}

static bool unpack_scram(struct lm_bytes b, struct lm_scram_record *out)
{
	if (b.len != SCRAM_OCTETS)
		return false;
	out->iterations = (uint32_t)b.data[0] << 24 | (uint32_t)b.data[1] << 16 |
	                  (uint32_t)b.data[2] << 8 | b.data[3];
	memcpy(out->salt, b.data + 4, 16);
	memcpy(out->stored_key, b.data + 20, 32);
	memcpy(out->server_key, b.data + 52, 32);
	return true;
}

static void pack_scram(const struct lm_scram_record *in, uint8_t out[SCRAM_OCTETS])
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(in->iterations >> (24 - 8 * i));
	memcpy(out + 4, in->salt, 16);
	memcpy(out + 20, in->stored_key, 32);
	memcpy(out + 52, in->server_key, 32);
}

static void unpack(sqlite3_stmt *stmt, struct lm_account *out)
{
	memset(out, 0, sizeof(*out));
	copy_text(stmt, 0, out->name, sizeof(out->name));
	copy_text(stmt, 1, out->crypt, sizeof(out->crypt));
	out->has_scram = unpack_scram(lm_db_bytes(stmt, 2), &out->sha1) &&
	                 unpack_scram(lm_db_bytes(stmt, 3), &out->sha256);
	copy_text(stmt, 4, out->secret, sizeof(out->secret));
	out->flags = (unsigned)sqlite3_column_int(stmt, 5);
}

static int lookup(struct lm_accounts *base, struct lm_bytes name, struct lm_account *out_account)
{
	struct accounts *a = (struct accounts *)base;
	sqlite3_stmt *stmt = a->stmts[LOOKUP];
	char folded[LM_NAME_MAX + 1];
	int rc;

	if (lm_name_fold(name, folded))
		return LM_E_NOT_FOUND;
	pthread_mutex_lock(&a->mutex);
	bind_name(stmt, folded);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		unpack(stmt, out_account);
	sqlite3_reset(stmt);
	pthread_mutex_unlock(&a->mutex);
	return rc == SQLITE_DONE ? LM_E_NOT_FOUND : lm_db_err(rc);
}

static int any_secret(struct lm_accounts *base)
{
	struct accounts *a = (struct accounts *)base;
	int rc;

	pthread_mutex_lock(&a->mutex);
	rc = sqlite3_step(a->stmts[ANY_SECRET]);
	sqlite3_reset(a->stmts[ANY_SECRET]);
	pthread_mutex_unlock(&a->mutex);
	return rc == SQLITE_ROW ? 1 : lm_db_err(rc);
}

static int put_row(struct accounts *a, const char *folded, const struct lm_account *account,
                   bool replace, int *out_changes)
{
	sqlite3_stmt *stmt = a->stmts[replace ? REPLACE : ADD];
	uint8_t sha1[SCRAM_OCTETS], sha256[SCRAM_OCTETS];
	int err;

	bind_name(stmt, folded);
	sqlite3_bind_text(stmt, 2, account->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, account->crypt, -1, SQLITE_STATIC);
	if (account->has_scram) {
		pack_scram(&account->sha1, sha1);
		pack_scram(&account->sha256, sha256);
		lm_db_bind(stmt, 4, lm_bytes(sha1, sizeof(sha1)));
		lm_db_bind(stmt, 5, lm_bytes(sha256, sizeof(sha256)));
	}
	if (account->secret[0])
		lm_db_bind(stmt, 6, lm_str(account->secret));
	sqlite3_bind_int64(stmt, 7, account->flags);
	err = lm_db_run(stmt);
	*out_changes = sqlite3_changes(a->db);
	sqlite3_clear_bindings(stmt);
	return err;
}

static int put(struct lm_accounts *base, const struct lm_account *account, bool replace,
               struct lm_error *out_error)
{
	struct accounts *a = (struct accounts *)base;
	char folded[LM_NAME_MAX + 1] = "";
	int err, changes = 0;

	if (!lm_account_name_ok(lm_str(account->name)) ||
	    lm_name_fold(lm_str(account->name), folded))
		return lm_fail(out_error, LM_E_SYNTAX, "not a name for an account");
	pthread_mutex_lock(&a->mutex);
	err = put_row(a, folded, account, replace, &changes);
	if (err)
		lm_db_fail(a->db, out_error, account->name);
	pthread_mutex_unlock(&a->mutex);
	if (err || changes)
		return err;
	err = replace ? LM_E_NOT_FOUND : LM_E_EXISTS;
	return lm_fail(out_error, err, "account %s: %s", account->name, lm_err_text(err));
}

static int remove_account(struct lm_accounts *base, struct lm_bytes name,
                          struct lm_error *out_error)
{
	struct accounts *a = (struct accounts *)base;
	char folded[LM_NAME_MAX + 1];
	int err, changes;

	if (lm_name_fold(name, folded))
		return lm_fail(out_error, LM_E_NOT_FOUND, "no such account");
	pthread_mutex_lock(&a->mutex);
	bind_name(a->stmts[REMOVE], folded);
	err = lm_db_run(a->stmts[REMOVE]);
	changes = sqlite3_changes(a->db);
	if (err)
		lm_db_fail(a->db, out_error, folded);
	pthread_mutex_unlock(&a->mutex);
	if (err || changes)
		return err;
	return lm_fail(out_error, LM_E_NOT_FOUND, "no account %s", folded);
}

/* One row a step, so that `each` may call back without meeting the mutex. */
static int next_account(struct accounts *a, char folded[LM_NAME_MAX + 1], char name[256],
                        unsigned *flags)
{
	sqlite3_stmt *stmt = a->stmts[EACH];
	int rc;

	pthread_mutex_lock(&a->mutex);
	bind_name(stmt, folded);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		copy_text(stmt, 1, name, 256);
		*flags = (unsigned)sqlite3_column_int(stmt, 2);
		copy_text(stmt, 0, folded, LM_NAME_MAX + 1);
	}
	sqlite3_reset(stmt);
	pthread_mutex_unlock(&a->mutex);
	return rc == SQLITE_DONE ? LM_E_NOT_FOUND : lm_db_err(rc);
}

static int each_account(struct lm_accounts *base,
                        int (*each)(void *ctx, struct lm_bytes name, unsigned flags), void *ctx,
                        struct lm_error *out_error)
{
	char folded[LM_NAME_MAX + 1] = "", name[256];
	unsigned flags = 0;

	for (;;) {
		int err = next_account((struct accounts *)base, folded, name, &flags);

		if (err)
			return err == LM_E_NOT_FOUND
			               ? 0
			               : lm_fail(out_error, err, "cannot list the accounts");
		err = each(ctx, lm_str(name), flags);
		if (err)
			return err;
	}
}

static void close_accounts(struct lm_accounts *base)
{
	struct accounts *a = (struct accounts *)base;

	lm_db_close(a->db);
	pthread_mutex_destroy(&a->mutex);
	lm_free(a);
}

static const struct lm_accounts_ops ops = {
	.name = "sqlite",
	.lookup = lookup,
	.find = find,
	.any_secret = any_secret,
	.put = put,
	.remove = remove_account,
	.each = each_account,
	.close = close_accounts,
};

int lm_sqlite_accounts(const char *path, struct lm_accounts **out_accounts,
                       struct lm_error *out_error)
{
	char name[LM_DB_PATH_MAX + 8];
	struct accounts *a;
	int err = lm_db_path(path, name, out_error);

	if (err)
		return err;
	a = lm_alloc_zero(1, sizeof(*a));
	if (!a)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	a->head.ops = &ops;
	pthread_mutex_init(&a->mutex, NULL);
	err = lm_db_open(name, &a->db, out_error);
	for (size_t i = 0; i < COUNT && !err; i++) {
		err = lm_db_prepare(a->db, sqls[i], &a->stmts[i]);
		if (err)
			lm_db_fail(a->db, out_error, name);
	}
	if (err)
		close_accounts(&a->head);
	else
		*out_accounts = &a->head;
	return err;
}
