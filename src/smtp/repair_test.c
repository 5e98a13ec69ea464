/* The repair filter, every case at every split of the message. */
#include "lm_test.h"

#include "smtp/repair.h"

#define DATE "Date: Sat, 21 Nov 2026 02:33:14 +0000\r\n"
#define ID   "Message-ID: <TOTZ3E.7@host>\r\n"

static void pass(struct lm_repair *r, struct lm_bytes in, struct lm_buf *out)
{
	assert_err(lm_repair_feed(r, in, out), 0);
}

static void repair(const char *message, size_t split, struct lm_buf *out)
{
	struct lm_bytes m = lm_str(message);
	struct lm_repair r;

	lm_buf_clear(out);
	lm_repair_init(&r, 1795228394, 7, "host");
	pass(&r, lm_bytes(m.data, split), out);
	pass(&r, lm_bytes_from(m, split), out);
	assert_err(lm_repair_end(&r, out), 0);
}

static void becomes(const char *message, const char *want)
{
	struct lm_buf out;

	lm_buf_init(&out, 1 << 16);
	for (size_t split = 0; split <= strlen(message); split++) {
		repair(message, split, &out);
		assert_bytes(lm_buf_bytes(&out), lm_str(want));
	}
	lm_buf_done(&out);
}

static void adds_what_is_missing(void **state)
{
	(void)state;
	becomes("Subject: a\r\n\r\nbody\r\n", "Subject: a\r\n" DATE ID "\r\nbody\r\n");
	becomes("date: x\r\n\r\nbody\r\n", "date: x\r\n" ID "\r\nbody\r\n");
	becomes("MESSAGE-ID: <a@b>\r\n\r\nb", "MESSAGE-ID: <a@b>\r\n" DATE "\r\nb");
	becomes("Subject: a\r\n folded\r\n\tagain\r\n\r\nb\r\n",
	        "Subject: a\r\n folded\r\n\tagain\r\n" DATE ID "\r\nb\r\n");
	becomes("Resent-Date: x\r\nX-Date: y\r\nDates: z\r\n\r\n",
	        "Resent-Date: x\r\nX-Date: y\r\nDates: z\r\n" DATE ID "\r\n");
}

static void leaves_whole_messages_alone(void **state)
{
	const char *whole[] = {
		"Date: x\r\nMessage-ID: <a@b>\r\n\r\nbody\r\n",
		"Date : x\r\nMessage-ID\t: <a@b>\r\nS: y\r\n\r\n\r\n",
		"Date: x\r\nMessage-ID: <a@b>\r\nno header, no blank line\r\n",
		"Date: x\r\nMessage-ID: <a@b>",
		"Date: x\nMessage-ID: <a@b>\n\nbody\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		becomes(whole[i], whole[i]);
}

static void no_blank_line(void **state)
{
	(void)state;
	becomes("", DATE ID);
	becomes("Subject: a\r\n", "Subject: a\r\n" DATE ID);
	becomes("Subject: a", "Subject: a\r\n" DATE ID);
	becomes("Subject: a\r\nhello world\r\n", "Subject: a\r\n" DATE ID "\r\nhello world\r\n");
	becomes("Subject: a\r\nDat", "Subject: a\r\n" DATE ID "\r\nDat");
}

static void no_header(void **state)
{
	(void)state;
	becomes("\r\nbody\r\n", DATE ID "\r\nbody\r\n");
	becomes("hello world: a\r\n", DATE ID "\r\nhello world: a\r\n");
	becomes(" indented\r\n", DATE ID "\r\n indented\r\n");
	becomes(": no name\r\n", DATE ID "\r\n: no name\r\n");
	becomes("\xC3\xA4: x\r\n", DATE ID "\r\n\xC3\xA4: x\r\n");
	becomes("\rx", DATE ID "\r\n\rx");
	becomes("\nbody", DATE ID "\nbody");
}

static void body_is_not_read(void **state)
{
	(void)state;
	becomes("A: b\r\n\r\nDate: x\r\nMessage-ID: y\r\n",
	        "A: b\r\n" DATE ID "\r\nDate: x\r\nMessage-ID: y\r\n");
}

static void names_of_any_length(void **state)
{
	static char message[3000], want[4000];

	(void)state;
	memset(message, 'N', 2000);
	memcpy(message + 2000, ": v\r\n\r\nb", 9);
	memset(want, 'N', 2000);
	snprintf(want + 2000, 2000, ": v\r\n" DATE ID "\r\nb");
	becomes(message, want);
}

static void errors_are_told(void **state)
{
	struct lm_repair r;
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 20);
	lm_repair_init(&r, 0, 0, "host");
	assert_err(lm_repair_feed(&r, lm_str("\r\nbody"), &out), LM_E_LIMIT);
	lm_buf_done(&out);
	lm_buf_init(&out, 1000);
	lm_repair_init(&r, 0, 0, "host");
	lm_alloc_fail_at(1);
	assert_err(lm_repair_end(&r, &out), LM_E_NOMEM);
	lm_alloc_fail_at(0);
	lm_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_what_is_missing),
		cmocka_unit_test(leaves_whole_messages_alone),
		cmocka_unit_test(no_blank_line),
		cmocka_unit_test(no_header),
		cmocka_unit_test(body_is_not_read),
		cmocka_unit_test(names_of_any_length),
		cmocka_unit_test(errors_are_told),
	};

	return cmocka_run_group_tests_name("smtp/repair", tests, NULL, NULL);
}
