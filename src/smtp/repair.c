/* The repair filter: octet by octet through a line's name, in runs through everything else. */
#include "smtp/repair.h"

#include "mime/date.h"
#include "wire/text.h"

enum state { LINE_START, NAME, BEFORE_COLON, IN_LINE, AFTER_CR };

void lm_repair_init(struct lm_repair *r, int64_t unix_time, uint64_t unique, const char *hostname)
{
	*r = (struct lm_repair){ .unix_time = unix_time, .unique = unique, .hostname = hostname };
}

static int flush(struct lm_repair *r, struct lm_buf *out)
{
	int err = lm_buf_add(out, lm_bytes(r->hold, r->held));

	r->held = 0;
	return err;
}

static int add_missing(const struct lm_repair *r, struct lm_buf *out)
{
	char date[LM_DATE_ROOM];
	int err = 0;

	if (!r->has_date) {
		lm_date_format(r->unix_time, date);
		err = lm_buf_printf(out, "Date: %s\r\n", date);
	}
	if (!err && !r->has_id) {
		err = lm_buf_add_str(out, "Message-ID: ");
		if (!err)
			err = lm_message_id(out, r->unix_time, r->unique, r->hostname);
		if (!err)
			err = lm_buf_add_str(out, "\r\n");
	}
	return err;
}

/* The headers end before what is held; `blank` says that a blank line follows by itself. */
static int finish(struct lm_repair *r, bool blank, struct lm_buf *out)
{
	bool complete = r->has_date && r->has_id;
	int err = add_missing(r, out);

	r->done = true;
	if (!err && !blank && !complete)
		err = lm_buf_add_str(out, "\r\n");
	return err ? err : flush(r, out);
}

static void note_field(struct lm_repair *r)
{
	struct lm_bytes name = lm_bytes(r->hold, r->name);

	r->has_field = true;
	r->has_date |= lm_equal_nocase(name, lm_str("Date"));
	r->has_id |= lm_equal_nocase(name, lm_str("Message-ID"));
}

static bool in_name(uint8_t c)
{
	return c > 0x20 && c < 0x7F && c != ':';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* What the next octet makes of a line that may still be no header field. */
enum verdict { HELD, FIELD, NO_FIELD, BLANK_LINE };

static enum verdict first_octet(struct lm_repair *r, uint8_t c)
{
	if (c == '\n')
		return BLANK_LINE;
	if (is_blank(c))
		return r->has_field ? FIELD : NO_FIELD;
	if (c != '\r' && !in_name(c))
		return NO_FIELD;
	r->state = c == '\r' ? AFTER_CR : NAME;
	return HELD;
}

static enum verdict judge(struct lm_repair *r, uint8_t c)
{
	switch (r->state) {
	case LINE_START:
		return first_octet(r, c);
	case AFTER_CR:
		return c == '\n' ? BLANK_LINE : NO_FIELD;
	case NAME:
		if (in_name(c))
			return HELD;
		r->name = r->held;
		break;
	default:
		break;
	}
	if (is_blank(c)) {
		r->state = BEFORE_COLON;
		return HELD;
	}
	if (c != ':')
		return NO_FIELD;
	note_field(r);
	return FIELD;
}

/* One octet of a line's beginning; *out_taken is false when it was not consumed. */
static int begin_line(struct lm_repair *r, uint8_t c, struct lm_buf *out, bool *out_taken)
{
	enum verdict v = judge(r, c);

	*out_taken = v == HELD;
	if (v == HELD && r->held < LM_REPAIR_HOLD) {
		r->hold[r->held++] = c;
		return 0;
	}
	*out_taken = false;
	if (v == NO_FIELD || v == BLANK_LINE)
		return finish(r, v == BLANK_LINE, out);
	r->has_field = true;
	r->state = IN_LINE;
	return flush(r, out);
}

static int pass_line(struct lm_repair *r, struct lm_bytes in, size_t *at, struct lm_buf *out)
{
	const uint8_t *lf = memchr(in.data + *at, '\n', in.len - *at);
	size_t n = lf ? (size_t)(lf - in.data) + 1 - *at : in.len - *at;
	int err = lm_buf_add(out, lm_bytes(in.data + *at, n));

	*at += n;
	if (lf)
		r->state = LINE_START;
	return err;
}

int lm_repair_feed(struct lm_repair *r, struct lm_bytes in, struct lm_buf *out)
{
	size_t at = 0;
	int err = 0;

	while (!err && at < in.len && !r->done) {
		bool taken = false;

		if (r->state == IN_LINE) {
			err = pass_line(r, in, &at, out);
			continue;
		}
		err = begin_line(r, in.data[at], out, &taken);
		at += taken;
	}
	return err ? err : lm_buf_add(out, lm_bytes_from(in, at));
}

int lm_repair_end(struct lm_repair *r, struct lm_buf *out)
{
	int err = 0;

	if (r->done)
		return 0;
	if (r->state == IN_LINE && !(r->has_date && r->has_id))
		err = lm_buf_add_str(out, "\r\n");
	return err ? err : finish(r, r->held == 0, out);
}
