/* Connections and failed logins by address. */
#include "server/limits.h"

#include "lm_test.h"

static struct lm_limits *limits_new(void)
{
	struct lm_limits *l;

	assert_err(lm_limits_new(&l), 0);
	return l;
}

static void keys_are_customers(void **state)
{
	struct lm_peer_key a = lm_peer_key("192.0.2.1"), b = lm_peer_key("::ffff:192.0.2.1");
	struct lm_peer_key c = lm_peer_key("192.0.2.2");
	struct lm_peer_key d = lm_peer_key("2001:db8:0:1::1"), e = lm_peer_key("2001:db8:0:1:9::2");
	struct lm_peer_key f = lm_peer_key("2001:db8:0:2::1");

	(void)state;
	assert_memory_equal(a.octets, b.octets, 16);
	assert_memory_not_equal(a.octets, c.octets, 16);
	assert_memory_equal(d.octets, e.octets, 16);
	assert_memory_not_equal(d.octets, f.octets, 16);
	assert_true(a.counted && c.counted && d.counted);
}

static void this_machine_is_not_counted(void **state)
{
	const char *const own[] = {
		"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "unix", ""
	};

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_false(lm_peer_key(own[i]).counted);
	assert_true(lm_peer_key("::2").counted);
}

static void total_and_address_have_their_own_limit(void **state)
{
	struct lm_limits *l = limits_new();
	struct lm_peer_key a = lm_peer_key("192.0.2.1"), b = lm_peer_key("192.0.2.2"),
	                   own = lm_peer_key("127.0.0.1");

	(void)state;
	assert_err(lm_limits_enter(l, &a, 4, 2), 0);
	assert_err(lm_limits_enter(l, &a, 4, 2), 0);
	assert_err(lm_limits_enter(l, &a, 4, 2), LM_E_LIMIT);
	assert_err(lm_limits_enter(l, &b, 4, 2), 0);
	assert_err(lm_limits_enter(l, &own, 4, 2), 0);
	assert_err(lm_limits_enter(l, &b, 4, 2), LM_E_LIMIT);
	lm_limits_leave(l, &a);
	assert_err(lm_limits_enter(l, &b, 4, 2), 0);
	assert_err(lm_limits_enter(l, &b, 9, 0), 0);
	lm_limits_leave(l, &a);
	lm_limits_leave(l, &own);
	for (int i = 0; i < 3; i++)
		lm_limits_leave(l, &b);
	assert_err(lm_limits_enter(l, &a, 1, 1), 0);
	lm_limits_leave(l, &a);
	lm_limits_free(l);
}

static void a_place_that_cannot_be_noted_is_not_taken(void **state)
{
	struct lm_limits *l = limits_new();
	struct lm_peer_key a = lm_peer_key("192.0.2.1");

	(void)state;
	lm_alloc_fail_at(1);
	assert_err(lm_limits_enter(l, &a, 1, 1), LM_E_NOMEM);
	lm_alloc_fail_at(0);
	assert_err(lm_limits_enter(l, &a, 1, 1), 0);
	lm_limits_leave(l, &a);
	lm_limits_free(l);
}

static void failures_add_up_until_a_success_or_silence(void **state)
{
	struct lm_limits *l = limits_new();
	struct lm_peer_key a = lm_peer_key("2001:db8::1"), b = lm_peer_key("192.0.2.2"),
	                   own = lm_peer_key("::1");

	(void)state;
	assert_int_equal(lm_limits_auth_failed(l, &a, 1000), 1);
	assert_int_equal(lm_limits_auth_failed(l, &a, 2000), 2);
	assert_int_equal(lm_limits_auth_failed(l, &b, 2000), 1);
	lm_limits_auth_ok(l, &a);
	assert_int_equal(lm_limits_auth_failed(l, &a, 3000), 1);
	assert_int_equal(lm_limits_auth_failed(l, &b, 2000 + LM_AUTH_MEMORY), 2);
	assert_int_equal(lm_limits_auth_failed(l, &b, 2001 + 2 * LM_AUTH_MEMORY), 1);
	assert_int_equal(lm_limits_auth_failed(l, &own, 1), 0);
	lm_limits_auth_ok(l, &own);
	lm_limits_free(l);
}

static void a_flood_of_addresses_fits(void **state)
{
	struct lm_limits *l = limits_new();
	struct lm_peer_key last = { 0 };

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[64];

		snprintf(text, sizeof(text), "2001:db8:%x:%x::1", i >> 16, i & 0xFFFF);
		last = lm_peer_key(text);
		assert_int_equal(lm_limits_auth_failed(l, &last, i), 1);
	}
	assert_int_equal(lm_limits_auth_failed(l, &last, 200000), 2);
	lm_limits_free(l);
}

static void accounts_wait_between_logins(void **state)
{
	struct lm_limits *l = limits_new();
	struct lm_bytes anna = lm_str("Anna"), again = lm_str("aNNA"), bert = lm_str("bert");

	(void)state;
	assert_true(lm_limits_login_due(l, anna, 1000, 5));
	lm_limits_login(l, anna, 5);
	assert_false(lm_limits_login_due(l, again, 1000, 1004));
	assert_true(lm_limits_login_due(l, again, 1000, 1005));
	assert_true(lm_limits_login_due(l, bert, 1000, 6));
	for (int i = 0; i < 100000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%d", i);
		lm_limits_login(l, lm_str(name), 10 + i);
		assert_false(lm_limits_login_due(l, lm_str(name), 1000, 11 + i));
	}
	lm_limits_free(l);
}

static void delays_double_and_stop(void **state)
{
	(void)state;
	assert_int_equal(lm_limits_auth_delay(500, 0), 500);
	assert_int_equal(lm_limits_auth_delay(500, 1), 500);
	assert_int_equal(lm_limits_auth_delay(500, 2), 1000);
	assert_int_equal(lm_limits_auth_delay(500, 5), 8000);
	assert_int_equal(lm_limits_auth_delay(500, 4000000000U), 8000);
	assert_int_equal(lm_limits_auth_delay(2000, 9), 30000);
	assert_int_equal(lm_limits_auth_delay(40000, 9), 40000);
	assert_int_equal(lm_limits_auth_delay(0, 9), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_customers),
		cmocka_unit_test(this_machine_is_not_counted),
		cmocka_unit_test(total_and_address_have_their_own_limit),
		cmocka_unit_test(a_place_that_cannot_be_noted_is_not_taken),
		cmocka_unit_test(failures_add_up_until_a_success_or_silence),
		cmocka_unit_test(a_flood_of_addresses_fits),
		cmocka_unit_test(accounts_wait_between_logins),
		cmocka_unit_test(delays_double_and_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
