/* Lines and dots at every split of the input. */
#include "wire/dot.h"
#include "wire/line.h"
#include "wire/text.h"

#include "lm_test.h"

/* Read all lines of `in`, cut at `split`, as "text|flags;" */
static void read_lines(struct lm_bytes in, size_t split, size_t max, bool lenient,
                       struct lm_buf *log)
{
	struct lm_bytes parts[2] = { lm_bytes(in.data, split), lm_bytes_from(in, split) };
	struct lm_line_reader r;

	lm_line_reader_init(&r, max);
	r.lenient = lenient;
	for (int i = 0; i < 2; i++) {
		while (parts[i].len) {
			struct lm_line line;
			size_t taken;
			int got = lm_line_read(&r, parts[i], &taken, &line);

			assert_true(got >= 0);
			if (got)
				assert_err(lm_buf_printf(log, "%.*s|%u;", LM_FMT(line.text),
				                         line.flags),
				           0);
			parts[i] = lm_bytes_from(parts[i], taken);
		}
	}
	lm_line_reader_done(&r);
}

static void expect_lines(const char *in, size_t max, bool lenient, const char *want)
{
	for (size_t split = 0; split <= strlen(in); split++) {
		struct lm_buf log;

		lm_buf_init(&log, 100000);
		read_lines(lm_str(in), split, max, lenient, &log);
		assert_bytes(lm_buf_bytes(&log), lm_str(want));
		lm_buf_done(&log);
	}
}

static void lines_end_with_crlf_only(void **state)
{
	(void)state;
	expect_lines("USER a\r\nPASS b\r\n", 255, false, "USER a|0;PASS b|0;");
	expect_lines("a\nb\r\n", 255, false, "a\nb|2;");
	expect_lines("a\rb\r\n", 255, false, "a\rb|2;");
	expect_lines("a\n\r\nb\r\r\n", 255, false, "a\n|2;b\r|2;");
	expect_lines("\n\r\n", 255, false, "\n|2;");
	expect_lines("a\nb\r\n", 255, true, "a|32;b|0;");
	expect_lines("\x01\r\n\x7f\r\n\xc3\xa9\r\n", 255, false, "\x01|16;\x7f|16;\xc3\xa9|8;");
}

static void long_lines_are_dropped_once(void **state)
{
	(void)state;
	expect_lines("12345678\r\nabc\r\n", 10, false, "12345678|0;abc|0;");
	expect_lines("123456789\r\nabc\r\n", 10, false, "12345678|1;abc|0;");
	expect_lines("1234567890123456789012345\r\nabc\r\n", 10, false, "12345678|1;abc|0;");
}

static size_t decode_split(struct lm_bytes in, size_t split, uint8_t *out, struct lm_dot_decoder *d,
                           size_t *taken)
{
	size_t first, second = 0, len;

	lm_dot_decoder_init(d);
	len = lm_dot_decode(d, lm_bytes(in.data, split), out, &first);
	if (!d->done)
		len += lm_dot_decode(d, lm_bytes_from(in, split), out + len, &second);
	*taken = first + second;
	return len;
}

static void expect_decoded(const char *in, const char *want, bool done, bool bare, size_t rest)
{
	for (size_t split = 0; split <= strlen(in); split++) {
		struct lm_dot_decoder d;
		uint8_t out[256];
		size_t taken, len = decode_split(lm_str(in), split, out, &d, &taken);

		assert_bytes(lm_bytes(out, len), lm_str(want));
		assert_int_equal(d.done, done);
		assert_int_equal(d.has_bare, bare);
		assert_int_equal(strlen(in) - taken, rest);
	}
}

static void only_crlf_dot_crlf_ends(void **state)
{
	(void)state;
	expect_decoded("a\r\n.\r\nQUIT\r\n", "a\r\n", true, false, 6);
	expect_decoded(".\r\n", "", true, false, 0);
	expect_decoded("..\r\n...\r\n.x\r\n.\r\n", ".\r\n..\r\nx\r\n", true, false, 0);
	expect_decoded("a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", true, true, 0);
	expect_decoded("a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", true, true, 0);
	expect_decoded("a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", true, true, 0);
	expect_decoded("a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", true, true, 0);
	expect_decoded("a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true, true, 0);
	expect_decoded("a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", true, true, 0);
	expect_decoded("a\r\r\n.\r\n", "a\r\r\n", true, true, 0);
	expect_decoded("a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", true, true, 0);
	expect_decoded("a\r\n.", "a\r\n", false, false, 0);
}

static void decoder_sees_nul(void **state)
{
	struct lm_dot_decoder d;
	uint8_t out[16];
	size_t taken;

	(void)state;
	lm_dot_decoder_init(&d);
	assert_int_equal(lm_dot_decode(&d, lm_bytes("a\r\n\0.\r\n", 7), out, &taken), 7);
	assert_true(d.has_nul);
	assert_false(d.done);
}

/* A client's decoder, at every split; `lf`: its server ends lines with LF. */
static void expect_lenient(const char *in, const char *want, bool keeps, bool keeps_behind_lf,
                           bool lf)
{
	for (size_t split = 0; split <= strlen(in); split++) {
		struct lm_dot_decoder d;
		uint8_t out[200];
		size_t len, first, second = 0;

		lm_dot_decoder_init(&d);
		d.lenient = true;
		d.lf_lines = lf;
		len = lm_dot_decode(&d, lm_bytes(in, split), out, &first);
		if (!d.done)
			len += lm_dot_decode(&d, lm_bytes_from(lm_str(in), split), out + len,
			                     &second);
		assert_bytes(lm_bytes(out, len), lm_str(want));
		assert_true(d.done);
		assert_int_equal(first + second, strlen(in));
		assert_int_equal(d.keeps, keeps);
		assert_int_equal(d.keeps_behind_lf, keeps_behind_lf);
	}
}

static void lenient_decoders_keep_single_dots(void **state)
{
	(void)state;
	expect_lenient("..\r\n...\r\n..x\r\n.\r\n", ".\r\n..\r\n.x\r\n", false, false, false);
	expect_lenient(".x\r\n..\r\n.\r\n", ".x\r\n..\r\n", true, false, false);
	expect_lenient("..\r\n.x\r\n..\r\n.\r\n", ".\r\n.x\r\n..\r\n", true, false, false);
	expect_lenient(".\rx\r\n.\r\n", ".\rx\r\n", true, false, false);
	expect_lenient(".\nx\r\n.\r\n", ".\nx\r\n", true, false, false);
}

static void lenient_decoders_unstuff_behind_lf(void **state)
{
	(void)state;
	expect_lenient("a\n..\n..b\r\n.\r\n", "a\n.\n.b\r\n", false, false, false);
	expect_lenient("a\n.b\n..c\r\n.\r\n", "a\n.b\n..c\r\n", false, true, false);
	expect_lenient("a\n.\r\n..\r\n.\r\n", "a\n.\r\n.\r\n", false, true, false);
}

static void lines_of_lf_end_by_lf(void **state)
{
	(void)state;
	expect_lenient("a\n..\nb\n.\n", "a\n.\nb\n", false, false, true);
	expect_lenient("a\n.b\n.\r\n", "a\n.b\n", true, false, true);
	expect_lenient(".\n", "", false, false, true);
}

static void decoders_go_on(void **state)
{
	struct lm_dot_decoder d;
	uint8_t out[16];
	size_t taken;

	(void)state;
	lm_dot_decoder_init(&d);
	d.lenient = true;
	assert_int_equal(lm_dot_decode(&d, lm_str("a\r\n.\r\nb"), out, &taken), 3);
	assert_int_equal(taken, 6);
	assert_true(d.done);
	lm_dot_decoder_go_on(&d);
	assert_int_equal(lm_dot_decode(&d, lm_str(".\r\n"), out, &taken), 0);
	assert_true(d.done);
}

static void expect_encoded(const char *in, const char *want)
{
	for (size_t split = 0; split <= strlen(in); split++) {
		struct lm_dot_encoder e;
		struct lm_buf out;

		lm_dot_encoder_init(&e);
		lm_buf_init(&out, 1000);
		assert_err(lm_dot_encode(&e, lm_bytes(in, split), &out), 0);
		assert_err(lm_dot_encode(&e, lm_bytes_from(lm_str(in), split), &out), 0);
		assert_err(lm_dot_encode_end(&e, &out), 0);
		assert_bytes(lm_buf_bytes(&out), lm_str(want));
		lm_buf_done(&out);
	}
}

static void dots_are_stuffed(void **state)
{
	(void)state;
	expect_encoded("", ".\r\n");
	expect_encoded("a\r\n", "a\r\n.\r\n");
	expect_encoded("a", "a\r\n.\r\n");
	expect_encoded("a\r", "a\r\r\n.\r\n");
	expect_encoded("a\n", "a\n\r\n.\r\n");
	expect_encoded(".\r\n..\r\n.x\r\n", "..\r\n...\r\n..x\r\n.\r\n");
	expect_encoded("a\n.\nb\r\n", "a\n..\nb\r\n.\r\n");
}

static void numbers_and_words(void **state)
{
	struct lm_bytes rest = lm_str("a  b");
	uint64_t n = 7;

	(void)state;
	assert_bytes(lm_next_word(&rest), lm_str("a"));
	assert_bytes(lm_next_word(&rest), lm_str(""));
	assert_bytes(lm_next_word(&rest), lm_str("b"));
	assert_int_equal(rest.len, 0);
	assert_true(lm_parse_number(lm_str("18446744073709551615"), UINT64_MAX, &n));
	assert_false(lm_parse_number(lm_str("18446744073709551616"), UINT64_MAX, &n));
	assert_false(lm_parse_number(lm_str("-1"), UINT64_MAX, &n));
	assert_false(lm_parse_number(lm_str("+1"), UINT64_MAX, &n));
	assert_false(lm_parse_number(lm_str(""), UINT64_MAX, &n));
	assert_false(lm_parse_number(lm_str("11"), 10, &n));
	assert_true(lm_starts_nocase(lm_str("from:<a>"), "FROM:"));
	assert_true(lm_is_utf8(lm_str("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
	assert_false(lm_is_utf8(lm_str("\xc0\x80")));
	assert_false(lm_is_utf8(lm_str("\xed\xa0\x80")));
	assert_false(lm_is_utf8(lm_str("\xe2\x82")));
}

static void expect_base64(const char *plain, const char *code)
{
	struct lm_buf out;

	lm_buf_init(&out, 100);
	assert_err(lm_base64_encode(lm_str(plain), &out), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str(code));
	lm_buf_clear(&out);
	assert_err(lm_base64_decode(lm_str(code), &out), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str(plain));
	lm_buf_done(&out);
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = { "A",    "AA",   "AAA",  "A===", "====",
		                           "AA=A", "AB==", "AAB=", "AA A", "AAAA\n" };
	struct lm_buf out;

	(void)state;
	expect_base64("", "");
	expect_base64("f", "Zg==");
	expect_base64("fo", "Zm8=");
	expect_base64("foo", "Zm9v");
	expect_base64("foob", "Zm9vYg==");
	lm_buf_init(&out, 100);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_err(lm_base64_decode(lm_str(bad[i]), &out), LM_E_SYNTAX);
	assert_err(lm_xtext_decode(lm_str("a+2Bb+3D"), &out), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str("a+b="));
	assert_err(lm_xtext_decode(lm_str("a+2"), &out), LM_E_SYNTAX);
	assert_err(lm_xtext_decode(lm_str("a=b"), &out), LM_E_SYNTAX);
	lm_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_with_crlf_only),
		cmocka_unit_test(long_lines_are_dropped_once),
		cmocka_unit_test(only_crlf_dot_crlf_ends),
		cmocka_unit_test(decoder_sees_nul),
		cmocka_unit_test(lenient_decoders_keep_single_dots),
		cmocka_unit_test(lenient_decoders_unstuff_behind_lf),
		cmocka_unit_test(lines_of_lf_end_by_lf),
		cmocka_unit_test(decoders_go_on),
		cmocka_unit_test(dots_are_stuffed),
		cmocka_unit_test(numbers_and_words),
		cmocka_unit_test(base64_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
