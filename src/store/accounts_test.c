/* Accounts: names, passwords, the public calls, against every place they are kept in. */
#include "lm_test.h"

#include "store/rig.h"

#include <stdlib.h>

static struct lm_account cheap(const char *name, const char *password, unsigned flags)
{
	struct lm_account account = { 0 };

	memcpy(account.name, name, strlen(name));
	assert_err(lm_account_set_password_cost(&account, lm_str(password), flags, "$5$", 1000,
	                                        4096, NULL),
	           0);
	return account;
}

static void names_have_a_form(void **state)
{
	static const char *const good[] = { "a", "ann@example.org", "j\xC3\xBCrg", "#+-_.!" };
	static const char *const bad[] = { "",     "a b",   "a/b",      "a\tb",   "a\x7F",
		                           "\xFF", "a\xC2", "\xC2\x85", "a\r\nb", " " };
	char longest[257];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(lm_account_name_ok(lm_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(lm_account_name_ok(lm_str(bad[i])));
	assert_false(lm_account_name_ok(lm_bytes("a\0b", 3)));
	memset(longest, 'x', sizeof(longest));
	assert_true(lm_account_name_ok(lm_bytes(longest, 255)));
	assert_false(lm_account_name_ok(lm_bytes(longest, 256)));
}

static void passwords_are_checked(void **state)
{
	struct lm_account account = cheap("ann", "secret", 0);

	(void)state;
	assert_string_equal(account.secret, "");
	assert_true(account.has_scram);
	assert_null(strstr(account.crypt, "secret"));
	assert_err(lm_account_check_password(&account, lm_str("secret")), 0);
	assert_err(lm_account_check_password(&account, lm_str("Secret")), LM_E_AUTH);
	assert_err(lm_account_check_password(&account, lm_str("")), LM_E_AUTH);
	assert_err(lm_account_check_password(&account, lm_bytes("secret\0x", 8)), LM_E_AUTH);
	assert_err(lm_account_check_password(NULL, lm_str("secret")), LM_E_AUTH);
	assert_err(lm_account_check_password(NULL, lm_str("x")), LM_E_AUTH);
	lm_account_wipe(&account);
	assert_err(lm_account_check_password(&account, lm_str("")), LM_E_AUTH);
	assert_err(lm_account_check_password(&account, lm_str("x")), LM_E_AUTH);
}

static void default_hash_is_yescrypt(void **state)
{
	struct lm_account account = { .name = "ann" };

	(void)state;
	assert_err(lm_account_set_password(&account, lm_str("x"), LM_ACCOUNT_KEEP_SECRET, NULL), 0);
	assert_memory_equal(account.crypt, "$y$", 3);
	assert_string_equal(account.secret, "x");
	assert_true(account.sha256.iterations >= 4096);
	assert_err(lm_account_check_password(&account, lm_str("x")), 0);
	assert_err(lm_account_check_password(&account, lm_str("y")), LM_E_AUTH);
}

static void bad_passwords_are_refused(void **state)
{
	struct lm_account account = { .name = "ann" };
	struct lm_error error;
	char longest[256];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_err(lm_account_set_password(&account, lm_str(""), 0, &error), LM_E_SYNTAX);
	assert_err(lm_account_set_password(&account, lm_bytes("a\0b", 3), 0, &error), LM_E_SYNTAX);
	assert_err(lm_account_set_password(&account, lm_bytes(longest, 256), 0, &error),
	           LM_E_SYNTAX);
}

static void static_accounts_keep_the_secret(void **state)
{
	struct lm_accounts *accounts;
	struct lm_account account;

	(void)state;
	assert_err(lm_accounts_static_new(&accounts), 0);
	assert_int_equal(accounts->ops->any_secret(accounts), 0);
	assert_err(lm_accounts_static_add(accounts, lm_str("Ann"), lm_str("pw")), 0);
	assert_err(lm_accounts_static_add(accounts, lm_str("aNN"), lm_str("pw")), LM_E_EXISTS);
	assert_err(lm_accounts_static_add(accounts, lm_str("a b"), lm_str("pw")), LM_E_SYNTAX);
	assert_err(lm_accounts_static_add(accounts, lm_str("c"), lm_str("")), LM_E_SYNTAX);
	assert_int_equal(accounts->ops->any_secret(accounts), 1);
	assert_err(accounts->ops->lookup(accounts, lm_str("ANN"), &account), 0);
	assert_string_equal(account.name, "Ann");
	assert_string_equal(account.secret, "pw");
	assert_true(account.has_scram);
	assert_err(lm_account_check_password(&account, lm_str("pw")), 0);
	lm_accounts_close(accounts);
}

struct place {
	char folder[64], url[128];
	struct lm_accounts *accounts;
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	const char *pattern = *state;

	assert_non_null(place);
	snprintf(place->folder, sizeof(place->folder), "/tmp/lm-accounts-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->url, sizeof(place->url), pattern, place->folder);
	assert_err(lm_accounts_open(place->url, &place->accounts, NULL), 0);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	lm_accounts_close(place->accounts);
	rig_remove(place->folder);
	free(place);
	return 0;
}

static void accounts_are_found_without_case(void **state)
{
	struct lm_accounts *accounts = ((struct place *)*state)->accounts;
	struct lm_account account = cheap("Ann@Example.org", "pw", LM_ACCOUNT_KEEP_SECRET), got;
	char name[256];

	assert_err(accounts->ops->put(accounts, &account, false, NULL), 0);
	assert_err(accounts->ops->put(accounts, &account, false, NULL), LM_E_EXISTS);
	assert_err(accounts->ops->find(accounts, lm_str("ANN@example.ORG"), name), 0);
	assert_string_equal(name, "Ann@Example.org");
	assert_err(accounts->ops->find(accounts, lm_str("ann"), name), LM_E_NOT_FOUND);
	assert_err(accounts->ops->find(accounts, lm_str(""), name), LM_E_NOT_FOUND);
	assert_err(accounts->ops->find(accounts, lm_bytes("ann@example.org\0", 16), name),
	           LM_E_NOT_FOUND);
	assert_err(accounts->ops->lookup(accounts, lm_str("ann@example.org"), &got), 0);
	assert_memory_equal(&got, &account, sizeof(got));
	assert_err(accounts->ops->lookup(accounts, lm_str("bob"), &got), LM_E_NOT_FOUND);
}

static void accounts_change_and_go(void **state)
{
	struct lm_accounts *accounts = ((struct place *)*state)->accounts;
	struct lm_account account = cheap("ann", "old", LM_ACCOUNT_KEEP_SECRET), got;

	assert_err(accounts->ops->put(accounts, &account, true, NULL), LM_E_NOT_FOUND);
	assert_int_equal(accounts->ops->any_secret(accounts), 0);
	assert_err(accounts->ops->put(accounts, &account, false, NULL), 0);
	assert_int_equal(accounts->ops->any_secret(accounts), 1);
	account = cheap("ann", "new", 0);
	assert_err(accounts->ops->put(accounts, &account, true, NULL), 0);
	assert_int_equal(accounts->ops->any_secret(accounts), 0);
	assert_err(accounts->ops->lookup(accounts, lm_str("ann"), &got), 0);
	assert_err(lm_account_check_password(&got, lm_str("new")), 0);
	assert_err(lm_account_check_password(&got, lm_str("old")), LM_E_AUTH);
	assert_err(lm_accounts_remove(accounts, lm_str("ANN"), NULL), 0);
	assert_err(lm_accounts_remove(accounts, lm_str("ann"), NULL), LM_E_NOT_FOUND);
	assert_err(accounts->ops->lookup(accounts, lm_str("ann"), &got), LM_E_NOT_FOUND);
}

struct seen {
	char text[200];
	int stop_at;
};

static int see(void *ctx, struct lm_bytes name, unsigned flags)
{
	struct seen *seen = ctx;
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "%.*s=%u ", LM_FMT(name), flags);
	return --seen->stop_at == 0 ? 42 : 0;
}

static void accounts_are_listed_in_order(void **state)
{
	struct lm_accounts *accounts = ((struct place *)*state)->accounts;
	struct lm_account c = cheap("carol", "x", 0), b = cheap("Bob", "x", LM_ACCOUNT_KEEP_SECRET),
	                  a = cheap("ann", "x", 0);
	struct seen all = { .stop_at = -1 }, two = { .stop_at = 2 };

	assert_err(accounts->ops->put(accounts, &c, false, NULL), 0);
	assert_err(accounts->ops->put(accounts, &b, false, NULL), 0);
	assert_err(accounts->ops->put(accounts, &a, false, NULL), 0);
	assert_err(lm_accounts_each(accounts, see, &all, NULL), 0);
	assert_string_equal(all.text, "ann=0 Bob=1 carol=0 ");
	assert_int_equal(lm_accounts_each(accounts, see, &two, NULL), 42);
	assert_string_equal(two.text, "ann=0 Bob=1 ");
}

static void public_calls_hash_and_refuse(void **state)
{
	struct lm_accounts *accounts = ((struct place *)*state)->accounts;
	struct lm_account got;
	struct lm_error error;

	assert_err(lm_accounts_set(accounts, lm_str("a b"), lm_str("pw"), 0, false, &error),
	           LM_E_SYNTAX);
	assert_err(lm_accounts_set(accounts, lm_str("Ann"), lm_str("pw"), 0, true, &error),
	           LM_E_NOT_FOUND);
	assert_err(lm_accounts_set(accounts, lm_str("Ann"), lm_str("pw"), 0, false, &error), 0);
	assert_err(lm_accounts_set(accounts, lm_str("ann"), lm_str("pw"), 0, false, &error),
	           LM_E_EXISTS);
	assert_err(lm_accounts_set(accounts, lm_str("ann"), lm_str("pw2"), 0, true, &error), 0);
	assert_err(accounts->ops->lookup(accounts, lm_str("ann"), &got), 0);
	assert_string_equal(got.name, "Ann");
	assert_err(lm_account_check_password(&got, lm_str("pw2")), 0);
}

#define P(f, pattern)                                                 \
	{                                                             \
#f " " pattern, f, setup, teardown, (void *)(pattern) \
	}
#define EVERYWHERE(pattern)                                                              \
	P(accounts_are_found_without_case, pattern), P(accounts_change_and_go, pattern), \
	        P(accounts_are_listed_in_order, pattern), P(public_calls_hash_and_refuse, pattern)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_a_form),
		cmocka_unit_test(passwords_are_checked),
		cmocka_unit_test(default_hash_is_yescrypt),
		cmocka_unit_test(bad_passwords_are_refused),
		cmocka_unit_test(static_accounts_keep_the_secret),
		EVERYWHERE("memory:"),
		EVERYWHERE("sqlite:%s/mail.db"),
	};

	return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
