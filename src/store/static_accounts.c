/* Accounts in memory, sorted by folded name; clear secrets are kept. */
#include "store/store_impl.h"

#include "base/error.h"

struct row {
	char folded[LM_NAME_MAX + 1];
	struct lm_account account;
};

struct table {
	struct lm_accounts head;
	pthread_rwlock_t lock;
	struct row **rows;
	size_t count, cap;
};

/* True when found; *out_at is where it is or belongs. Called with the lock held. */
static bool locate(const struct table *t, const char *folded, size_t *out_at)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(t->rows[mid]->folded, folded) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*out_at = low;
	return low < t->count && strcmp(t->rows[low]->folded, folded) == 0;
}

/* 0 with *out_account, LM_E_NOT_FOUND, or LM_E_AGAIN: its SCRAM keys are still to be made. */
static int read_row(struct table *t, const char *folded, struct lm_account *out_account)
{
	int err = LM_E_NOT_FOUND;
	size_t at;

	pthread_rwlock_rdlock(&t->lock);
	if (locate(t, folded, &at)) {
		const struct lm_account *account = &t->rows[at]->account;

		err = account->has_scram || !account->secret[0] ? 0 : LM_E_AGAIN;
		*out_account = *account;
	}
	pthread_rwlock_unlock(&t->lock);
	return err;
}

/* Keys are made when an account is first asked for: a server with a thousand accounts on its
 * command line starts at once. */
static int make_keys(struct table *t, const char *folded, struct lm_account *account)
{
	int err = lm_account_make_scram(account, lm_str(account->secret));
	size_t at;

	pthread_rwlock_wrlock(&t->lock);
	if (!err && locate(t, folded, &at)) {
		struct lm_account *kept = &t->rows[at]->account;

		if (kept->has_scram)
			*account = *kept;
		else if (strcmp(kept->secret, account->secret) == 0)
			*kept = *account;
	}
	pthread_rwlock_unlock(&t->lock);
	return err;
}

static int lookup(struct lm_accounts *accounts, struct lm_bytes name,
                  struct lm_account *out_account)
{
	struct table *t = (struct table *)accounts;
	char folded[LM_NAME_MAX + 1];
	int err;

	if (lm_name_fold(name, folded))
		return LM_E_NOT_FOUND;
	err = read_row(t, folded, out_account);
	return err == LM_E_AGAIN ? make_keys(t, folded, out_account) : err;
}

static int peek(struct lm_accounts *accounts, struct lm_bytes name, struct lm_account *out_account)
{
	struct table *t = (struct table *)accounts;
	char folded[LM_NAME_MAX + 1];
	int err = LM_E_NOT_FOUND;
	size_t at;

	if (lm_name_fold(name, folded))
		return LM_E_NOT_FOUND;
	if (pthread_rwlock_tryrdlock(&t->lock))
		return LM_E_AGAIN;
	if (locate(t, folded, &at)) {
		*out_account = t->rows[at]->account;
		err = 0;
	}
	pthread_rwlock_unlock(&t->lock);
	return err;
}

static int find(struct lm_accounts *accounts, struct lm_bytes name, char out_name[256])
{
	struct table *t = (struct table *)accounts;
	char folded[LM_NAME_MAX + 1];
	bool found;
	size_t at;

	if (lm_name_fold(name, folded))
		return LM_E_NOT_FOUND;
	pthread_rwlock_rdlock(&t->lock);
	found = locate(t, folded, &at);
	if (found)
		memcpy(out_name, t->rows[at]->account.name, 256);
	pthread_rwlock_unlock(&t->lock);
	return found ? 0 : LM_E_NOT_FOUND;
}

static int any_secret(struct lm_accounts *accounts)
{
	struct table *t = (struct table *)accounts;
	int any = 0;

	pthread_rwlock_rdlock(&t->lock);
	for (size_t i = 0; i < t->count && !any; i++)
		any = t->rows[i]->account.secret[0] != '\0';
	pthread_rwlock_unlock(&t->lock);
	return any;
}

/* Called with the lock held. */
static int insert(struct table *t, size_t at, const char *folded, const struct lm_account *account)
{
	struct row *row;

	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 16;
		struct row **rows = lm_realloc(t->rows, cap, sizeof(*rows));

		if (!rows)
			return LM_E_NOMEM;
		t->rows = rows;
		t->cap = cap;
	}
	row = lm_alloc(sizeof(*row));
	if (!row)
		return LM_E_NOMEM;
	memcpy(row->folded, folded, sizeof(row->folded));
	row->account = *account;
	memmove(&t->rows[at + 1], &t->rows[at], (t->count - at) * sizeof(*t->rows));
	t->rows[at] = row;
	t->count++;
	return 0;
}

static int put(struct lm_accounts *accounts, const struct lm_account *account, bool replace,
               struct lm_error *out_error)
{
	struct table *t = (struct table *)accounts;
	struct lm_bytes name = lm_str(account->name);
	char folded[LM_NAME_MAX + 1] = "";
	int err = 0;
	size_t at;

	if (!lm_account_name_ok(name) || lm_name_fold(name, folded))
		return lm_fail(out_error, LM_E_SYNTAX, "not a name for an account");
	pthread_rwlock_wrlock(&t->lock);
	if (locate(t, folded, &at) != replace)
		err = replace ? LM_E_NOT_FOUND : LM_E_EXISTS;
	else if (replace)
		t->rows[at]->account = *account;
	else
		err = insert(t, at, folded, account);
	pthread_rwlock_unlock(&t->lock);
	return err ? lm_fail(out_error, err, "account %s: %s", account->name, lm_err_text(err)) : 0;
}

static void row_free(struct row *row)
{
	lm_wipe(row, sizeof(*row));
	lm_free(row);
}

static int remove_account(struct lm_accounts *accounts, struct lm_bytes name,
                          struct lm_error *out_error)
{
	struct table *t = (struct table *)accounts;
	char folded[LM_NAME_MAX + 1];
	bool found;
	size_t at;

	if (lm_name_fold(name, folded))
		return lm_fail(out_error, LM_E_NOT_FOUND, "no such account");
	pthread_rwlock_wrlock(&t->lock);
	found = locate(t, folded, &at);
	if (found) {
		row_free(t->rows[at]);
		memmove(&t->rows[at], &t->rows[at + 1], (t->count - at - 1) * sizeof(*t->rows));
		t->count--;
	}
	pthread_rwlock_unlock(&t->lock);
	return found ? 0 : lm_fail(out_error, LM_E_NOT_FOUND, "no account %s", folded);
}

static int each_account(struct lm_accounts *accounts,
                        int (*each)(void *ctx, struct lm_bytes name, unsigned flags), void *ctx,
                        struct lm_error *out_error)
{
	struct table *t = (struct table *)accounts;
	int result = 0;

	(void)out_error;
	pthread_rwlock_rdlock(&t->lock);
	for (size_t i = 0; i < t->count && !result; i++)
		result = each(ctx, lm_str(t->rows[i]->account.name), t->rows[i]->account.flags);
	pthread_rwlock_unlock(&t->lock);
	return result;
}

static void close_accounts(struct lm_accounts *accounts)
{
	struct table *t = (struct table *)accounts;

	for (size_t i = 0; i < t->count; i++)
		row_free(t->rows[i]);
	lm_free(t->rows);
	pthread_rwlock_destroy(&t->lock);
	lm_free(t);
}

static const struct lm_accounts_ops ops = {
	.name = "static",
	.lookup = lookup,
	.peek = peek,
	.find = find,
	.any_secret = any_secret,
	.put = put,
	.remove = remove_account,
	.each = each_account,
	.close = close_accounts,
};

int lm_accounts_static_new(struct lm_accounts **out_accounts)
{
	struct table *t = lm_alloc_zero(1, sizeof(*t));

	if (!t)
		return LM_E_NOMEM;
	t->head.ops = &ops;
	pthread_rwlock_init(&t->lock, NULL);
	*out_accounts = &t->head;
	return 0;
}

int lm_accounts_static_add(struct lm_accounts *accounts, struct lm_bytes name,
                           struct lm_bytes password)
{
	struct lm_account account = { .flags = LM_ACCOUNT_KEEP_SECRET };
	int err;

	if (accounts->ops != &ops)
		return LM_E_MISUSE;
	if (!lm_account_name_ok(name) || !lm_account_password_ok(password))
		return LM_E_SYNTAX;
	memcpy(account.name, name.data, name.len);
	memcpy(account.secret, password.data, password.len);
	err = put(accounts, &account, false, NULL);
	lm_account_wipe(&account);
	return err;
}
