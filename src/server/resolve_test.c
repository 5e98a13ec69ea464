/* Addresses to account names, by table; and the cache's life and bounds. */
#include "lm_test.h"

#include "server/resolve.h"

#include <stdio.h>

/* The candidates of an address, joined by spaces; "!" for a foreign domain. */
static const char *candidates(const struct lm_candidates *c, char out[1200])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->count; i++)
		len += (size_t)snprintf(out + len, 1200 - len, "%s%s", i ? " " : "", c->names[i]);
	return c->foreign ? "!" : out;
}

struct row {
	const char *address, *want;
};

static void check(const struct lm_resolve_rules *rules, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct lm_candidates c;
		char text[1200];

		lm_resolve_address(rules, lm_str(rows[i].address), &c);
		assert_string_equal(candidates(&c, text), rows[i].want);
	}
}

#define COUNT(rows) (sizeof(rows) / sizeof(rows[0]))

static void without_domains(void **state)
{
	static const struct row rows[] = {
		{ "anna@example.org", "anna@example.org" },
		{ "anna", "anna" },
		{ "Postmaster", "Postmaster" },
		{ "\"anna\"@example.org", "anna@example.org" },
		{ "\"an\\na\"@example.org", "anna@example.org" },
		{ "\"anna\"", "anna" },
		{ "\"a b\"@example.org", "a b@example.org" },
		{ "j\xc3\xbcrgen@b\xc3\xbc"
		  "cher.example",
		  "j\xc3\xbcrgen@b\xc3\xbc"
		  "cher.example" },
		{ "\"anna@evil.example\"", "" },
		{ "\"anna@evil.example\"@example.org", "" },
		{ "", "" },
		{ "@", "" },
		{ "@example.org", "" },
		{ "anna@", "" },
		{ "\"anna", "" },
		{ "\"anna\\", "" },
		{ "\"\"@example.org", "" },
		{ "\"anna\"x@example.org", "" },
		{ "an\tna@example.org", "" },
	};
	struct lm_resolve_rules rules = { 0 };

	(void)state;
	check(&rules, rows, COUNT(rows));
}

static void with_one_domain(void **state)
{
	static const struct row rows[] = {
		{ "anna@example.org", "anna@example.org anna" },
		{ "anna@EXAMPLE.Org", "anna@EXAMPLE.Org anna" },
		{ "anna", "anna@example.org anna" },
		{ "postmaster", "postmaster@example.org postmaster" },
		{ "anna@example.com", "!" },
		{ "anna@sub.example.org", "!" },
		{ "anna@example.org@example.com", "!" },
		{ "\"anna@example.com\"@example.org", "" },
		{ "\"anna\"@example.org", "anna@example.org anna" },
	};
	static const char *const domains[] = { "example.org" };
	struct lm_resolve_rules rules = { .domains = domains, .domain_count = 1 };

	(void)state;
	check(&rules, rows, COUNT(rows));
}

static void with_several_domains(void **state)
{
	static const struct row rows[] = {
		{ "anna@b.example", "anna@b.example anna" },
		{ "anna@d.example", "anna@d.example anna" },
		{ "anna@e.example", "!" },
		/* No more than are worth looking for. */
		{ "postmaster", "postmaster@a.example postmaster@b.example postmaster@c.example "
		                "postmaster" },
	};
	static const char *const domains[] = { "a.example", "b.example", "c.example", "d.example" };
	struct lm_resolve_rules rules = { .domains = domains, .domain_count = 4 };

	(void)state;
	check(&rules, rows, COUNT(rows));
}

static void catch_all_gets_everything(void **state)
{
	static const struct row rows[] = {
		{ "anna@example.org", "dev" },
		{ "x@elsewhere.example", "dev" },
		{ "\"@\"@x", "dev" },
		{ "postmaster", "dev" },
	};
	static const char *const domains[] = { "example.org" };
	struct lm_resolve_rules rules = { .domains = domains,
		                          .domain_count = 1,
		                          .catch_all = "dev" };

	(void)state;
	check(&rules, rows, COUNT(rows));
}

static void postmaster_goes_to_its_account_last(void **state)
{
	static const struct row ours[] = {
		{ "postmaster", "postmaster@example.org postmaster anna" },
		{ "PostMaster@EXAMPLE.org", "PostMaster@EXAMPLE.org PostMaster anna" },
		{ "\"postmaster\"@example.org", "postmaster@example.org postmaster anna" },
		{ "postmaster@example.com", "!" },
		{ "postmasters@example.org", "postmasters@example.org postmasters" },
		{ "bob@example.org", "bob@example.org bob" },
	};
	static const struct row bare[] = {
		{ "POSTMASTER", "POSTMASTER anna" },
		{ "postmaster@example.org", "postmaster@example.org" },
		{ "bob", "bob" },
	};
	static const struct row many[] = {
		{ "postmaster", "postmaster@a.example postmaster@b.example postmaster@c.example "
		                "postmaster anna" },
		{ "postmaster@d.example", "postmaster@d.example postmaster anna" },
	};
	static const struct row caught[] = { { "postmaster", "dev" } };
	static const char *const domains[] = { "a.example", "b.example", "c.example", "d.example" };
	static const char *const domain[] = { "example.org" };
	struct lm_resolve_rules rules = { .postmaster = "anna" };

	(void)state;
	check(&rules, bare, COUNT(bare));
	rules.domains = domain;
	rules.domain_count = 1;
	check(&rules, ours, COUNT(ours));
	rules.domains = domains;
	rules.domain_count = 4;
	check(&rules, many, COUNT(many));
	rules.catch_all = "dev";
	check(&rules, caught, COUNT(caught));
}

static void long_names_are_nobody(void **state)
{
	static const char *const domains[] = { "example.org" };
	struct lm_resolve_rules rules = { .domains = domains, .domain_count = 1 };
	struct lm_candidates c;
	char address[400];

	(void)state;
	memset(address, 'a', sizeof(address));
	lm_resolve_address(&rules, lm_bytes(address, sizeof(address)), &c);
	assert_int_equal(c.count, 0);
	/* 250 octets fit alone, but not with a domain. */
	lm_resolve_address(&rules, lm_bytes(address, 250), &c);
	assert_int_equal(c.count, 1);
	assert_int_equal(strlen(c.names[0]), 250);
	lm_resolve_login(&rules, lm_bytes(address, 300), &c);
	assert_int_equal(c.count, 0);
}

static void login_names(void **state)
{
	static const struct row rows[] = {
		{ "anna", "anna" },
		{ "anna@example.org", "anna@example.org anna" },
		{ "anna@example.com", "anna@example.com" },
		{ "@example.org", "@example.org" },
		{ "", "" },
	};
	static const char *const domains[] = { "example.org" };
	struct lm_resolve_rules rules = { .domains = domains, .domain_count = 1 };
	struct lm_candidates c;
	char text[1200];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		lm_resolve_login(&rules, lm_str(rows[i].address), &c);
		assert_string_equal(candidates(&c, text), rows[i].want);
	}
	lm_resolve_login(&rules, lm_bytes("an\0na", 5), &c);
	assert_int_equal(c.count, 0);
}

static void cache_forgets_in_time(void **state)
{
	struct lm_resolve_cache *cache;

	(void)state;
	assert_err(lm_resolve_cache_new(16, 2000, &cache), 0);
	assert_null(lm_resolve_cache_get(cache, lm_str("anna@d"), 100));
	lm_resolve_cache_put(cache, lm_str("anna@d"), "anna", 100);
	assert_string_equal(lm_resolve_cache_get(cache, lm_str("Anna@D"), 2099), "anna");
	assert_null(lm_resolve_cache_get(cache, lm_str("anna@e"), 2099));
	assert_null(lm_resolve_cache_get(cache, lm_str("anna@d"), 2100));
	lm_resolve_cache_put(cache, lm_str("anna@d"), "other", 2100);
	assert_string_equal(lm_resolve_cache_get(cache, lm_str("anna@d"), 2100), "other");
	lm_resolve_cache_free(cache);
	lm_resolve_cache_free(NULL);
}

static void cache_is_bounded(void **state)
{
	struct lm_resolve_cache *cache;
	char address[32];
	unsigned found = 0;

	(void)state;
	assert_err(lm_resolve_cache_new(16, 2000, &cache), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(address, sizeof(address), "user%d@d", i);
		lm_resolve_cache_put(cache, lm_str(address), address, 0);
	}
	for (int i = 0; i < 1000; i++) {
		const char *account;

		snprintf(address, sizeof(address), "user%d@d", i);
		account = lm_resolve_cache_get(cache, lm_str(address), 1);
		if (account)
			assert_string_equal(account, address);
		found += account != NULL;
	}
	assert_in_range(found, 1, 16);
	lm_resolve_cache_free(cache);
}

static void cache_bears_failing_allocations(void **state)
{
	struct lm_resolve_cache *cache;

	(void)state;
	lm_alloc_fail_at(1);
	assert_err(lm_resolve_cache_new(16, 2000, &cache), LM_E_NOMEM);
	assert_err(lm_resolve_cache_new(16, 2000, &cache), 0);
	lm_alloc_fail_at(1);
	lm_resolve_cache_put(cache, lm_str("anna@d"), "anna", 0);
	assert_null(lm_resolve_cache_get(cache, lm_str("anna@d"), 0));
	lm_resolve_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_domains),
		cmocka_unit_test(with_one_domain),
		cmocka_unit_test(with_several_domains),
		cmocka_unit_test(catch_all_gets_everything),
		cmocka_unit_test(postmaster_goes_to_its_account_last),
		cmocka_unit_test(long_names_are_nobody),
		cmocka_unit_test(login_names),
		cmocka_unit_test(cache_forgets_in_time),
		cmocka_unit_test(cache_is_bounded),
		cmocka_unit_test(cache_bears_failing_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
