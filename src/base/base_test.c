/* Buffers, arenas, errors, log rendering. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#include <lettermill/log.h>

#include "lm_test.h"

#include <errno.h>

static void buffer_grows_and_drops(void **state)
{
	struct lm_buf b;

	(void)state;
	lm_buf_init(&b, 1000);
	for (int i = 0; i < 100; i++)
		assert_err(lm_buf_printf(&b, "%02d,", i), 0);
	lm_buf_drop(&b, 3);
	assert_int_equal(lm_buf_len(&b), 297);
	assert_bytes(lm_bytes(lm_buf_bytes(&b).data, 6), lm_str("01,02,"));
	lm_buf_done(&b);
	assert_int_equal(lm_buf_len(&b), 0);
}

static void buffer_keeps_its_maximum(void **state)
{
	struct lm_buf b;

	(void)state;
	lm_buf_init(&b, 10);
	assert_err(lm_buf_add_str(&b, "0123456789"), 0);
	assert_err(lm_buf_add_str(&b, "x"), LM_E_LIMIT);
	lm_buf_drop(&b, 4);
	assert_err(lm_buf_add_str(&b, "abcd"), 0);
	assert_bytes(lm_buf_bytes(&b), lm_str("456789abcd"));
	lm_buf_done(&b);
}

static void buffer_survives_no_memory(void **state)
{
	struct lm_buf b;

	(void)state;
	lm_buf_init(&b, 1000);
	assert_err(lm_buf_add_str(&b, "kept"), 0);
	lm_alloc_fail_at(1);
	assert_err(lm_buf_add(&b, lm_bytes((uint8_t[500]){ 0 }, 500)), LM_E_NOMEM);
	lm_alloc_fail_at(0);
	assert_bytes(lm_buf_bytes(&b), lm_str("kept"));
	lm_buf_done(&b);
}

static void arena_gives_until_its_maximum(void **state)
{
	struct lm_arena a;

	(void)state;
	lm_arena_init(&a, 4096);
	assert_bytes(lm_arena_copy(&a, lm_str("hello")), lm_str("hello"));
	assert_non_null(lm_arena_alloc(&a, 3000));
	assert_null(lm_arena_alloc(&a, 3000));
	lm_arena_reset(&a);
	assert_non_null(lm_arena_alloc(&a, 3000));
	lm_arena_reset(&a);
}

static void errors_have_rows(void **state)
{
	struct lm_error e;

	(void)state;
	assert_string_equal(lm_err_name(LM_E_FULL), "FULL");
	assert_int_equal(lm_err_info(LM_E_FULL)->smtp, 452);
	assert_int_equal(lm_err_info(-9999)->smtp, 451);
	assert_int_equal(lm_err_exit_code(0), 0);
	assert_err(lm_fail_errno(&e, LM_E_IO, ENOENT, "cannot open %s", "x"), LM_E_IO);
	assert_string_equal(e.text, "cannot open x: No such file or directory");
	assert_err(lm_err_from_errno(ENOSPC), LM_E_FULL);
}

static void secrets_compare(void **state)
{
	(void)state;
	assert_true(lm_secret_equal(lm_str("abc"), lm_str("abc")));
	assert_false(lm_secret_equal(lm_str("abc"), lm_str("abd")));
	assert_false(lm_secret_equal(lm_str("abc"), lm_str("ab")));
	assert_false(lm_secret_equal(lm_str("abc"), lm_str("")));
	assert_false(lm_secret_equal(lm_str(""), lm_str("abc")));
}

static void log_stays_one_line(void **state)
{
	const struct lm_log_field fields[] = { LM_LOG_TEXT("user", lm_str("a\r\nb\x1b[1m\"")),
		                               LM_LOG_NUMBER("n", -5),
		                               LM_LOG_TEXT("ok", lm_str("plain")),
		                               LM_LOG_TEXT("none", lm_str(NULL)) };
	const struct lm_log_event event = { LM_LOG_WARN, "auth.fail", fields, 4 };
	char out[200], tiny[12];

	(void)state;
	lm_log_render_text(&event, out, sizeof(out));
	assert_string_equal(out, "warn auth.fail user=\"a\\u000d\\u000ab\\u001b[1m\\u0022\" n=-5 "
	                         "ok=plain none=\"\"");
	lm_log_render_json(&event, out, sizeof(out));
	assert_string_equal(out, "{\"level\":\"warn\",\"event\":\"auth.fail\",\"user\":"
	                         "\"a\\u000d\\u000ab\\u001b[1m\\u0022\","
	                         "\"n\":-5,\"ok\":\"plain\",\"none\":\"\"}");
	assert_int_equal(lm_log_render_text(&event, tiny, sizeof(tiny)), 11);
	assert_string_equal(tiny, "warn auth.f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_grows_and_drops),
		cmocka_unit_test(buffer_keeps_its_maximum),
		cmocka_unit_test(buffer_survives_no_memory),
		cmocka_unit_test(arena_gives_until_its_maximum),
		cmocka_unit_test(errors_have_rows),
		cmocka_unit_test(secrets_compare),
		cmocka_unit_test(log_stays_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
