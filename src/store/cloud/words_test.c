/* The cloud service's coding: values in SQL, obfuscation, rows. */
#include "lm_test.h"

#include "store/cloud/impl.h"

static void quoted(struct lm_bytes value, const char *want)
{
	struct lm_buf sql = { .max = 4096 };

	assert_err(lm_cloud_quote(&sql, value), 0);
	assert_bytes(lm_buf_bytes(&sql), lm_str(want));
	lm_buf_done(&sql);
}

static void values_are_quoted_or_in_hexadecimal(void **state)
{
	(void)state;
	quoted(lm_str("plain, text"), "'plain, text'");
	quoted(lm_str(""), "''");
	quoted(lm_str("it's"), "'it''s'");
	quoted(lm_str("'"), "''''");
	quoted(lm_str("\\"), "'\\\\'");
	quoted(lm_str("\\'; drop table mail; --"), "'\\\\''; drop table mail; --'");
	quoted(lm_str("\xC3\xA9\r\n"), "'\xC3\xA9\r\n'");
	quoted(lm_str("__ROW__,__COMMA__"), "'__ROW__,__COMMA__'");
	quoted(lm_str("\xFF\xFE"), "x'fffe'");
	quoted(lm_bytes("a\0b", 3), "x'610062'");
	quoted(lm_str("\xF0\x9F\x98\x80"), "x'f09f9880'"); /* two of JavaScript's characters */
	quoted(lm_str("\xED\x9F\xBF"), "x'ed9fbf'");       /* U+D7FF: one more is a surrogate */
	quoted(lm_str("\xEF\xBF\xBF"), "x'efbfbf'");
	quoted(lm_str("\xEF\xBF\xBE"), "'\xEF\xBF\xBE'");
	quoted(lm_str("__QUERY_SEP__"), "x'5f5f51554552595f5345505f5f'");
	quoted(lm_str("a_=_:)a"), "x'615f3d5f3a2961'");
}

static void obfuscated(const char *text, const char *want)
{
	struct lm_buf out = { .max = 4096 };

	assert_err(lm_cloud_obfuscate(lm_str(text), &out), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str(want));
	lm_buf_done(&out);
}

static void every_character_is_one_more(void **state)
{
	struct lm_buf out = { .max = 8 };

	(void)state;
	obfuscated("", "__enc");
	obfuscated("select 1", "__enctfmfdu!2");
	obfuscated("_=_:)aS", "__enc`>`;*bT");
	obfuscated("\r\n~\x7F", "__enc\x0E\x0B\x7F\xC2\x80");
	obfuscated("\xC3\xA9\xDF\xBF", "__enc\xC3\xAA\xE0\xA0\x80");
	assert_err(lm_cloud_obfuscate(lm_str("select 1"), &out), LM_E_LIMIT);
	lm_buf_done(&out);
}

static struct lm_cloud_row *rows_of(const char *text, char copy[400], size_t *out_count)
{
	struct lm_cloud_row *rows = NULL;

	snprintf(copy, 400, "%s", text);
	assert_err(lm_cloud_rows(lm_str(copy), &rows, out_count, NULL), 0);
	return rows;
}

static void rows_are_taken_apart(void **state)
{
	struct lm_cloud_row *rows;
	char copy[400];
	size_t count;

	(void)state;
	rows = rows_of("__ROW__7,0,5,1447951628,0,src,guid__COMMA__x,31,body__COMMA__ more\r\n"
	               "__ROW__8,0,5,0,0,,g8,18,",
	               copy, &count);
	assert_int_equal(count, 2);
	assert_bytes(rows[0].field[LM_CLOUD_ID], lm_str("7"));
	assert_bytes(rows[0].field[LM_CLOUD_GUID], lm_str("guid,x"));
	assert_bytes(rows[0].field[LM_CLOUD_PAYLOAD], lm_str("body, more\r\n"));
	assert_bytes(rows[1].field[LM_CLOUD_SOURCEID], lm_str(""));
	assert_bytes(rows[1].field[LM_CLOUD_PAYLOAD], lm_str(""));
	lm_free(rows);
	rows = rows_of("__ROW__7,0,5,0,0,s,g,1,a__ROW__b__ROW__8,0,5,0,0,s,g,1,c", copy, &count);
	assert_int_equal(count, 2);
	assert_bytes(rows[0].field[LM_CLOUD_PAYLOAD], lm_str("a__ROW__b"));
	lm_free(rows);
	lm_free(rows_of("", copy, &count));
	assert_int_equal(count, 0);
	lm_free(rows_of("OK\n", copy, &count));
	assert_int_equal(count, 0);
}

static void junk_is_no_row(void **state)
{
	static const char *const junk[] = { "x",
		                            "__ROW__",
		                            "__ROW__1,2,3",
		                            "x__ROW__1,2,3,4,5,6,7,8,9",
		                            "OK__ROW__1,2,3,4,5,6,7,8,9",
		                            "__ROW__1,2,3,4,5,6,7,8" };
	struct lm_cloud_row *rows;
	char copy[100];
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		snprintf(copy, sizeof(copy), "%s", junk[i]);
		assert_err(lm_cloud_rows(lm_str(copy), &rows, &count, NULL), LM_E_PROTO);
	}
}

static void rows_have_a_maximum(void **state)
{
	static const char row[] = "__ROW__1,2,3,4,5,6,7,8,9";
	struct lm_buf text = { .max = SIZE_MAX };
	struct lm_cloud_row *rows;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < LM_CLOUD_ROWS_MAX; i++)
		assert_err(lm_buf_add_str(&text, row), 0);
	assert_err(lm_cloud_rows(lm_buf_bytes(&text), &rows, &count, NULL), 0);
	assert_int_equal(count, LM_CLOUD_ROWS_MAX);
	assert_bytes(rows[count - 1].field[LM_CLOUD_PAYLOAD], lm_str("9"));
	lm_free(rows);
	assert_err(lm_buf_add_str(&text, row), 0);
	assert_err(lm_cloud_rows(lm_buf_bytes(&text), &rows, &count, NULL), LM_E_LIMIT);
	lm_buf_done(&text);
}

static void answers_are_judged(void **state)
{
	struct lm_error error = { 0 };
	struct lm_bytes rest;

	(void)state;
	assert_err(lm_cloud_judge(lm_str("SUCCESS: OK"), &rest, &error), 0);
	assert_bytes(rest, lm_str("OK"));
	assert_err(lm_cloud_judge(lm_str("FAIL: no such table"), &rest, &error), LM_E_STORE);
	assert_string_equal(error.text, "no such table");
	assert_err(lm_cloud_judge(lm_str("<html>oops\x1b[31m</html>\n"), &rest, &error),
	           LM_E_PROTO);
	assert_string_equal(error.text, "Unrecognized response from node: "
	                                "<html>oops\\x1b[31m</html>\\x0a");
	assert_err(lm_cloud_judge(lm_str(""), &rest, &error), LM_E_PROTO);
	assert_err(lm_cloud_judge(lm_str("SUCCESS"), &rest, &error), LM_E_PROTO);
}

static void numbers_are_numbers(void **state)
{
	static const char *const bad[] = {
		"", "-1", "1 or 1=1", "0x1", "1;", "99999999999999999999", "00000000000000000001"
	};

	(void)state;
	assert_true(lm_cloud_is_number(lm_str("9223372036854775807")));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(lm_cloud_is_number(lm_str(bad[i])));
}

static void settings_are_judged(void **state)
{
	static const struct {
		const char *url, *name, *value, *text;
	} rows[] = {
		{ "cloud:http://127.0.0.1/", "groupid", "5",
		  "Please specify the tablename for the cloud store." },
		{ "cloud:http://127.0.0.1/", "tablename", "a b; drop", "tablename" },
		{ "cloud:http://127.0.0.1", "tablename", "t",
		  "Invalid connection string. It must end with '/': http://127.0.0.1" },
		{ "cloud:ftp://127.0.0.1/", "tablename", "t", "http" },
		{ "cloud:http://u:secret@127.0.0.1", "tablename", "t", "not shown" },
		{ "cloud:", "tablename", "t", "Please specify the dataservice" },
		{ "cloud:http://127.0.0.1/?a=/", "tablename", "t", "may not stand" },
	};
	struct lm_error error = { 0 };
	struct lm_mime_store *store;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct lm_mime_setting setting = { rows[i].name, rows[i].value };

		assert_err(lm_mime_store_open(rows[i].url, &setting, 1, &store, &error),
		           LM_E_CONFIG);
		if (!strstr(error.text, rows[i].text) || strstr(error.text, "secret"))
			fail_msg("%s", error.text);
	}
}

static void tokens_and_numbers_are_judged(void **state)
{
	static const char *const bad[][2] = { { "groupid", "1 or 1" },
		                              { "itemid", "x" },
		                              { "accesstoken", "two words" },
		                              { "accesstoken", "a_=_:)ab" },
		                              { "accesstoken", "\xC3\xA9" },
		                              { "timeout", "0" },
		                              { "path", "x" } };
	struct lm_error error = { 0 };
	struct lm_mime_store *store;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const struct lm_mime_setting settings[] = { { "tablename", "t" },
			                                    { bad[i][0], bad[i][1] } };

		assert_err(
		        lm_mime_store_open("cloud:http://127.0.0.1/", settings, 2, &store, &error),
		        LM_E_CONFIG);
		assert_null(strstr(error.text, "two words"));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_quoted_or_in_hexadecimal),
		cmocka_unit_test(every_character_is_one_more),
		cmocka_unit_test(rows_are_taken_apart),
		cmocka_unit_test(junk_is_no_row),
		cmocka_unit_test(rows_have_a_maximum),
		cmocka_unit_test(answers_are_judged),
		cmocka_unit_test(numbers_are_numbers),
		cmocka_unit_test(settings_are_judged),
		cmocka_unit_test(tokens_and_numbers_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
