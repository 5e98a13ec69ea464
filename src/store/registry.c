/* The stores there are, by the scheme of their URL; the only file that includes backends. */
#include "store/faulty/faulty.h"
#include "store/maildir/maildir.h"
#include "store/memory/memory.h"
#include "store/slow/slow.h"
#include "store/sqlite/sqlite.h"

#include "base/error.h"

static const struct lm_store_backend backends[] = {
	{ "sqlite", lm_sqlite_open, lm_sqlite_accounts, lm_sqlite_check },
	{ "maildir", lm_maildir_open, NULL, lm_maildir_check },
	{ "memory", lm_memory_open, lm_memory_accounts, NULL },
	{ "slow", lm_slow_open, lm_slow_accounts, lm_slow_check },
	{ "faulty", lm_faulty_open, lm_faulty_accounts, lm_faulty_check },
};

static const struct lm_store_backend *find(const char *url, const char **out_rest,
                                           struct lm_error *out_error)
{
	const char *colon = url ? strchr(url, ':') : NULL;

	for (size_t i = 0; colon && i < sizeof(backends) / sizeof(*backends); i++) {
		struct lm_bytes scheme = lm_str(backends[i].scheme);

		if (lm_bytes_equal(scheme, lm_bytes(url, (size_t)(colon - url)))) {
			*out_rest = colon + 1;
			return &backends[i];
		}
	}
	lm_fail(out_error, LM_E_CONFIG,
	        "no store \"%s\": use sqlite:PATH, maildir:PATH or memory:", url ? url : "");
	return NULL;
}

int lm_store_open(const char *url, struct lm_store **out_store, struct lm_error *out_error)
{
	const char *rest;
	const struct lm_store_backend *backend = find(url, &rest, out_error);

	return backend ? backend->open(rest, out_store, out_error) : LM_E_CONFIG;
}

void lm_store_close(struct lm_store *store)
{
	if (store)
		store->ops->close(store);
}

int lm_store_check(const char *url, void (*report)(void *ctx, const char *problem), void *ctx,
                   struct lm_error *out_error)
{
	const char *rest;
	const struct lm_store_backend *backend = find(url, &rest, out_error);

	if (!backend)
		return LM_E_CONFIG;
	return backend->check ? backend->check(rest, report, ctx, out_error) : 0;
}

int lm_accounts_open(const char *url, struct lm_accounts **out_accounts, struct lm_error *out_error)
{
	const char *rest;
	const struct lm_store_backend *backend = find(url, &rest, out_error);

	if (!backend)
		return LM_E_CONFIG;
	if (!backend->accounts)
		return lm_fail(out_error, LM_E_CONFIG, "%s: keeps no accounts", backend->scheme);
	return backend->accounts(rest, out_accounts, out_error);
}

void lm_accounts_close(struct lm_accounts *accounts)
{
	if (accounts)
		accounts->ops->close(accounts);
}

int lm_accounts_set(struct lm_accounts *accounts, struct lm_bytes name, struct lm_bytes password,
                    unsigned flags, bool replace, struct lm_error *out_error)
{
	struct lm_account account = { 0 };
	char known[256];
	int err;

	if (!lm_account_name_ok(name))
		return lm_fail(out_error, LM_E_SYNTAX,
		               "not a name for an account: 1 to 255 octets of UTF-8 without "
		               "spaces, control characters or \"/\"");
	err = accounts->ops->find(accounts, name, known);
	if (err && err != LM_E_NOT_FOUND)
		return lm_fail(out_error, err, "cannot look up %.*s", LM_FMT(name));
	if (replace != (err == 0)) /* before the slow part */
		return lm_fail(out_error, replace ? LM_E_NOT_FOUND : LM_E_EXISTS,
		               replace ? "no account %.*s" : "account %.*s exists already",
		               LM_FMT(name));
	if (replace)
		name = lm_str(known);
	memcpy(account.name, name.data, name.len);
	err = lm_account_set_password(&account, password, flags, out_error);
	if (!err)
		err = accounts->ops->put(accounts, &account, replace, out_error);
	lm_account_wipe(&account);
	return err;
}

int lm_accounts_remove(struct lm_accounts *accounts, struct lm_bytes name,
                       struct lm_error *out_error)
{
	return accounts->ops->remove(accounts, name, out_error);
}

int lm_accounts_each(struct lm_accounts *accounts,
                     int (*each)(void *ctx, struct lm_bytes name, unsigned flags), void *ctx,
                     struct lm_error *out_error)
{
	return accounts->ops->each(accounts, each, ctx, out_error);
}
