/* Dates and message ids. */
#include "lm_test.h"

#include "mime/date.h"

#include <limits.h>
#include <time.h>

static void assert_date(int64_t t, const char *want)
{
	char got[LM_DATE_ROOM];
	size_t len = lm_date_format(t, got);

	assert_bytes(lm_bytes(got, len), lm_str(want));
	assert_int_equal(got[len], 0);
}

static void known_dates(void **state)
{
	(void)state;
	assert_date(0, "Thu, 01 Jan 1970 00:00:00 +0000");
	assert_date(946684799, "Fri, 31 Dec 1999 23:59:59 +0000");
	assert_date(946684800, "Sat, 01 Jan 2000 00:00:00 +0000");
	assert_date(951782400, "Tue, 29 Feb 2000 00:00:00 +0000");
	assert_date(1795228394, "Sat, 21 Nov 2026 02:33:14 +0000");
	assert_date(-1, "Wed, 31 Dec 1969 23:59:59 +0000");
	assert_date(4107542400, "Mon, 01 Mar 2100 00:00:00 +0000");
}

static void ends_of_the_range(void **state)
{
	(void)state;
	assert_date(INT64_MIN, "Mon, 01 Jan 1900 00:00:00 +0000");
	assert_date(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000");
}

static void agrees_with_the_c_library(void **state)
{
	(void)state;
	for (int64_t t = -2208988800; t < 8000000000; t += 7654321) {
		char want[LM_DATE_ROOM];
		time_t when = (time_t)t;
		struct tm tm;

		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&when, &tm));
		assert_date(t, want);
	}
}

static void message_ids(void **state)
{
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 200);
	assert_err(lm_message_id(&out, 36, 35, "mail.example.org"), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str("<10.Z@mail.example.org>"));
	lm_buf_clear(&out);
	assert_err(lm_message_id(&out, 0, UINT64_MAX, "a b>\r\nX: y"), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str("<0.3W5E11264SGSF@a-b---X--y>"));
	lm_buf_clear(&out);
	assert_err(lm_message_id(&out, 1, 1, ""), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str("<1.1@localhost>"));
	lm_buf_done(&out);
	lm_buf_init(&out, 5);
	assert_err(lm_message_id(&out, 1, 1, "host"), LM_E_LIMIT);
	lm_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_dates),
		cmocka_unit_test(ends_of_the_range),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(message_ids),
	};

	return cmocka_run_group_tests_name("mime/date", tests, NULL, NULL);
}
