/* Octets to strings and back. */
#include "script/engine/rig.h"

static void same(struct lm_js_value *value, struct lm_bytes want)
{
	struct lm_buf back;

	assert_non_null(value);
	lm_buf_init(&back, want.len + 10);
	assert_true(lm_js_add_octets(js, value, &back));
	assert_bytes(lm_buf_bytes(&back), want);
	lm_buf_done(&back);
}

static void round_trip(struct lm_bytes octets)
{
	same(lm_js_string(js, octets), octets);
}

static void all_octets(void **state)
{
	(void)state;
	for (unsigned a = 0; a < 256; a++) {
		uint8_t one = (uint8_t)a;

		round_trip(lm_bytes(&one, 1));
	}
	for (unsigned a = 0; a < 65536; a++) {
		uint8_t two[2] = { (uint8_t)(a >> 8), (uint8_t)a };

		round_trip(lm_bytes(two, 2));
	}
	round_trip(lm_str(""));
	round_trip(lm_bytes(NULL, 0));
}

/* Every lead octet with odd and even continuations, where three or four belong together. */
static void long_sequences(void **state)
{
	static const uint8_t seconds[] = { 0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0 };
	static const uint8_t rest[] = { 0x00, 0x80, 0xBF, 0xC2 };

	(void)state;
	for (unsigned lead = 0xC0; lead < 256; lead++)
		for (size_t i = 0; i < sizeof(seconds); i++)
			for (size_t k = 0; k < 16; k++) {
				uint8_t four[4] = { (uint8_t)lead, seconds[i], rest[k / 4],
					            rest[k % 4] };

				round_trip(lm_bytes(four, 4));
				round_trip(lm_bytes(four, 3));
			}
}

static void units(void **state)
{
	static const struct {
		const char *octets, *want;
	} rows[] = {
		{ "\xC3\xA9", "e9" },
		{ "\xE2\x82\xAC", "20ac" },
		{ "\xF0\x9F\x98\x80", "d83d,de00" },
		{ "\xF4\x8F\xBF\xBF", "dbff,dfff" },
		{ "\xFF", "dcff" },
		{ "a\x80", "61,dc80" },
		{ "\xC0\xAF", "dcc0,dcaf" },
		{ "\xED\xA0\x80", "dced,dca0,dc80" },
		{ "\xF4\x90\x80\x80", "dcf4,dc90,dc80,dc80" },
		{ "\xE2\x82", "dce2,dc82" },
	};

	(void)state;
	rig_run("function units(s) { return Array.from({length: s.length},"
	        " (_, i) => s.charCodeAt(i).toString(16)).join() }");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		rig_publish("s", lm_js_string(js, lm_str(rows[i].octets)));
		assert_gives("units(s)", rows[i].want);
	}
	rig_publish("s", lm_js_binary(js, lm_bytes("\0\x7F\x80\xFF", 4)));
	assert_gives("units(s)", "0,7f,80,ff");
	rig_publish("s", lm_js_string(js, lm_bytes("a\0b", 3)));
	assert_gives("units(s)", "61,0,62");
}

/* Around the lengths where another way is taken. */
static void lengths(void **state)
{
	uint8_t text[600];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = 100; len < 300; len++) {
		round_trip(lm_bytes(text, len));
		text[len - 1] = 0xE9;
		round_trip(lm_bytes(text, len));
		same(lm_js_binary(js, lm_bytes(text, len - 1)), lm_bytes(text, len - 1));
		text[len - 1] = 0;
		round_trip(lm_bytes(text, len));
		text[len - 1] = 'x';
	}
}

static void big(void **state)
{
	const size_t len = 10 << 20;
	uint8_t *text = lm_alloc(len);
	struct lm_buf out;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (uint8_t)(i * 2654435761U >> 13);
	round_trip(lm_bytes(text, len));
	rig_publish("b", lm_js_binary(js, lm_bytes(text, len)));
	assert_gives("b.length", "10485760");
	memset(text, 'a', len);
	round_trip(lm_bytes(text, len));
	lm_free(text);
	lm_buf_init(&out, 1 << 20);
	assert_false(lm_js_add_octets(js, rig_run("'x'.repeat(1048577)"), &out));
	assert_int_equal(lm_buf_len(&out), 0);
	assert_non_null(strstr(rig_caught().message, "RangeError: a string of more than 1048576"));
	assert_true(lm_js_add_octets(js, rig_run("'x'.repeat(1048576)"), &out));
	lm_buf_done(&out);
}

static void too_big(void **state)
{
	static const uint8_t little[1];

	(void)state;
	/* Refused before it is looked at. */
	assert_null(lm_js_string(js, lm_bytes(little, ((size_t)1 << 30) + 1)));
	assert_non_null(strstr(rig_caught().message, "RangeError: no memory for a string"));
}

/* Lone surrogates that stand for no octet cannot be octets. */
static void lone_surrogates(void **state)
{
	(void)state;
	same(rig_run("'a\\uD800b'"), lm_str("a\xEF\xBF\xBD"
	                                    "b"));
	same(rig_run("'\\uDC00'"), lm_str("\xEF\xBF\xBD"));
	same(rig_run("'\\uDC7F'"), lm_str("\xEF\xBF\xBD"));
	same(rig_run("'\\uDC80'"), lm_str("\x80"));
	same(rig_run("'\\uDD00'"), lm_str("\xEF\xBF\xBD"));
	same(rig_run("'\\uD83D'"), lm_str("\xEF\xBF\xBD"));
	same(rig_run("'\\uD83D\\uD83D\\uDE00'"), lm_str("\xEF\xBF\xBD\xF0\x9F\x98\x80"));
	same(rig_run("'\\uDCC3\\uDCA9'"), lm_str("\xC3\xA9"));
}

static bool refuse(void **state, const char *script)
{
	struct lm_buf out;
	bool added;

	(void)state;
	lm_buf_init(&out, 100);
	added = lm_js_add_octets(js, rig_run(script), &out);
	assert_int_equal(lm_buf_len(&out), 0);
	lm_buf_done(&out);
	return !added && strcmp(rig_caught().message, "TypeError: not a string") == 0;
}

static void only_strings(void **state)
{
	assert_true(refuse(state, "1"));
	assert_true(refuse(state, "null"));
	assert_true(refuse(state, "undefined"));
	assert_true(refuse(state, "({toString() { return 'x' }})"));
	assert_true(refuse(state, "new String('x')"));
	assert_true(refuse(state, "Symbol('x')"));
}

static void text(void **state)
{
	struct lm_buf out;

	(void)state;
	assert_gives("({toString() { return 'mine' }})", "mine");
	assert_gives("({toString() { throw 1 }})", "[object]");
	assert_gives("Object.create(null)", "[object]");
	assert_gives("Symbol('x')", "Symbol(x)");
	assert_gives("12n", "12");
	assert_gives("[1, [2, 3]]", "1,2,3");
	assert_false(lm_js_catch(js, &(struct lm_js_error){ 0 }, NULL));
	lm_buf_init(&out, 6);
	lm_js_add_text(js, rig_run("'aaaa\\u20ac\\u20ac'"), &out);
	assert_bytes(lm_buf_bytes(&out), lm_str("aaaa"));
	lm_buf_clear(&out);
	lm_js_add_text(js, rig_run("'abcdefghij'"), &out);
	assert_bytes(lm_buf_bytes(&out), lm_str("abcdef"));
	lm_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_octets),
		cmocka_unit_test(long_sequences),
		cmocka_unit_test(units),
		cmocka_unit_test(lengths),
		cmocka_unit_test(big),
		cmocka_unit_test(too_big),
		cmocka_unit_test(lone_surrogates),
		cmocka_unit_test(only_strings),
		cmocka_unit_test(text),
	};

	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
