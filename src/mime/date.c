/* Dates and message ids, by arithmetic alone: no locale, no time zone, no clock. */
#include "mime/date.h"

#include <stdio.h>

static const int64_t day_seconds = 86400;
static const int64_t first_second = -2208988800; /* 1900-01-01 00:00:00 */
static const int64_t last_second = 253402300799; /* 9999-12-31 23:59:59 */

enum { DAYS_TO_2000 = 36524 }; /* from 1900-01-01 */

struct civil {
	int year, month, day; /* month 1 to 12 */
};

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* At most 8,000 turns, and 30 for the dates of our time. */
static struct civil civil_from_days(int64_t days_since_1900)
{
	static const int month_days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct civil c = { .year = 1900, .month = 1 };
	int64_t day = days_since_1900;

	if (day >= DAYS_TO_2000) {
		c.year = 2000;
		day -= DAYS_TO_2000;
	}
	for (; day >= 365 + is_leap(c.year); c.year++)
		day -= 365 + is_leap(c.year);
	for (; c.month < 12; c.month++) {
		int len = month_days[c.month - 1] + (c.month == 2 && is_leap(c.year));

		if (day < len)
			break;
		day -= len;
	}
	c.day = (int)day + 1;
	return c;
}

static char *put(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

static char *put_number(char *p, int n, int digits)
{
	for (int i = digits - 1; i >= 0; i--, n /= 10)
		p[i] = (char)('0' + n % 10);
	return p + digits;
}

/* By hand: every message that comes has a date, and snprintf takes several times as long. */
size_t lm_date_format(int64_t unix_time, char out[LM_DATE_ROOM])
{
	static const char days[7][4] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t t = unix_time < first_second  ? first_second
	            : unix_time > last_second ? last_second
	                                      : unix_time;
	int64_t day = (t - first_second) / day_seconds; /* 1900-01-01 was a Monday */
	int second = (int)((t - first_second) % day_seconds);
	struct civil c = civil_from_days(day);
	char *p = put(out, days[day % 7], 3);

	p = put_number(put(p, ", ", 2), c.day, 2);
	p = put(put(put(p, " ", 1), months[c.month - 1], 3), " ", 1);
	p = put_number(p, c.year, 4);
	p = put_number(put(p, " ", 1), second / 3600, 2);
	p = put_number(put(p, ":", 1), second / 60 % 60, 2);
	p = put_number(put(p, ":", 1), second % 60, 2);
	p = put(p, " +0000", 7);
	return (size_t)(p - out) - 1;
}

/* Digits and capitals only: a left side every parser takes. */
static int add_base36(struct lm_buf *out, uint64_t n)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char text[16];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[n % 36];
		n /= 36;
	} while (n);
	return lm_buf_add(out, lm_bytes(text + at, sizeof(text) - at));
}

static bool fits_domain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-';
}

static int add_domain(struct lm_buf *out, const char *hostname)
{
	struct lm_bytes name = lm_str(hostname && *hostname ? hostname : "localhost");
	uint8_t *room;
	int err = lm_buf_room(out, name.len, &room);

	if (err)
		return err;
	for (size_t i = 0; i < name.len; i++)
		room[i] = fits_domain((char)name.data[i]) ? name.data[i] : '-';
	lm_buf_grew(out, name.len);
	return 0;
}

int lm_message_id(struct lm_buf *out, int64_t unix_time, uint64_t unique, const char *hostname)
{
	int err = lm_buf_add_str(out, "<");

	if (!err)
		err = add_base36(out, (uint64_t)unix_time);
	if (!err)
		err = lm_buf_add_str(out, ".");
	if (!err)
		err = add_base36(out, unique);
	if (!err)
		err = lm_buf_add_str(out, "@");
	if (!err)
		err = add_domain(out, hostname);
	return err ? err : lm_buf_add_str(out, ">");
}
