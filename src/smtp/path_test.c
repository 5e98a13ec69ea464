/* The path grammar: what is an address, what is none, and where it ends. */
#include "lm_test.h"

#include "smtp/path.h"

static void good(const char *text, enum lm_path_kind kind, const char *want)
{
	struct lm_bytes address, whole = lm_str(text);
	size_t used;

	assert_err(lm_path_parse(whole, kind, &address, &used), 0);
	assert_bytes(address, lm_str(want));
	assert_int_equal(whole.data[used - 1], '>');
}

static void bad(const char *text, enum lm_path_kind kind)
{
	struct lm_bytes address;
	size_t used;

	if (lm_path_parse(lm_str(text), kind, &address, &used) != LM_E_SYNTAX)
		fail_msg("taken for a path: %s", text);
}

static void addresses(void **state)
{
	static const char *const same[] = {
		"a@b",
		"a.b.c@d.e.f",
		"!#$%&'*+-/=?^_`{|}~@x",
		"\"\"@x",
		"\"a b\"@x",
		"\"a\\\"b\\\\c>\"@x",
		"a@[127.0.0.1]",
		"a@[IPv6:::1]",
		"a@[ipv6:2001:db8::1]",
		"a@1.2",
		"a@x-y.z--w",
		"\xC3\xA4@\xC3\xB6.x",
		"\"\xC3\xA4\"@x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		char text[80];

		snprintf(text, sizeof(text), "<%s> REST", same[i]);
		good(text, LM_PATH_SENDER, same[i]);
		good(text, LM_PATH_RECIPIENT, same[i]);
	}
}

static void special_paths(void **state)
{
	(void)state;
	good("<>", LM_PATH_SENDER, "");
	bad("<>", LM_PATH_RECIPIENT);
	good("<postmaster>", LM_PATH_RECIPIENT, "postmaster");
	good("<POSTMASTER>", LM_PATH_RECIPIENT, "POSTMASTER");
	bad("<postmaster>", LM_PATH_SENDER);
	good("<anna.b>", LM_PATH_RECIPIENT, "anna.b");
	good("<\"anna b\">", LM_PATH_RECIPIENT, "\"anna b\"");
	bad("<anna.b>", LM_PATH_SENDER);
	good("<@a,@b.c,@[1.2.3.4]:d@e>", LM_PATH_SENDER, "d@e");
	bad("<@a:>", LM_PATH_SENDER);
	bad("<@a,b:d@e>", LM_PATH_SENDER);
	bad("<@a,@b>", LM_PATH_SENDER);
	bad("<@a", LM_PATH_SENDER);
}

static void no_addresses(void **state)
{
	static const char *const texts[] = {
		"",
		"<",
		"a@b",
		"<a@b",
		"<@b>",
		"<a@>",
		"a@b>",
		"<.a@b>",
		"<a.@b>",
		"<a..b@c>",
		"<a@b.>",
		"<a@.b>",
		"<a@b..c>",
		"<a@-b>",
		"<a@b->",
		"<a@b-.c>",
		"<a@b_c>",
		"<a b@c>",
		"<a@b c>",
		"<\"a@b>",
		"<\"a\"b@c>",
		"<a\"b\"@c>",
		"<\"a\\\xC3\xA4\"@b>",
		"<a@[1.2.3]>",
		"<a@[1.2.3.400]>",
		"<a@[IPv6:]>",
		"<a@[IPv6:x]>",
		"<a@[x:y]>",
		"<a@[1.2.3.4>",
		"<a@[]>",
		"<\xC3@b>",
		"<a@\x80>",
		"<(c)a@b>",
		"<a@b,c@d>",
		"<a@b\t>",
		"<\"a\x01\"@b>",
		"<\"a\\\x01\"@b>",
		"<\"a\x7F\"@b>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		bad(texts[i], LM_PATH_RECIPIENT);
}

/* A path of `local` octets before and `domain` octets behind the @, in labels of 60. */
static int of_length(size_t local, size_t domain)
{
	char text[600];
	size_t n = 0, used;
	struct lm_bytes address;

	text[n++] = '<';
	for (size_t i = 0; i < local; i++)
		text[n++] = 'l';
	text[n++] = '@';
	for (size_t i = 0; i < domain; i++)
		text[n++] = i % 61 == 60 && i + 1 < domain ? '.' : 'd';
	text[n++] = '>';
	return lm_path_parse(lm_bytes(text, n), LM_PATH_SENDER, &address, &used);
}

static void lengths(void **state)
{
	(void)state;
	assert_err(of_length(64, 100), 0);
	assert_err(of_length(65, 100), LM_E_SYNTAX);
	assert_err(of_length(1, 252), 0); /* the whole path has 256 */
	assert_err(of_length(1, 253), LM_E_SYNTAX);
	assert_err(of_length(1, 256), LM_E_SYNTAX);
	bad("<a@123456789012345678901234567890123456789012345678901234567890abcd>",
	    LM_PATH_RECIPIENT);
	good("<a@123456789012345678901234567890123456789012345678901234567890abc>",
	     LM_PATH_RECIPIENT,
	     "a@123456789012345678901234567890123456789012345678901234567890abc");
}

static void eight_bit(void **state)
{
	(void)state;
	assert_true(lm_path_is_8bit(lm_str("a\xC3\xA4")));
	assert_false(lm_path_is_8bit(lm_str("a~")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),    cmocka_unit_test(special_paths),
		cmocka_unit_test(no_addresses), cmocka_unit_test(lengths),
		cmocka_unit_test(eight_bit),
	};

	return cmocka_run_group_tests_name("smtp/path", tests, NULL, NULL);
}
