/* Replies: from the table, or from a handler's answer after it was judged. */
#include "smtp/smtp.h"

#include "base/error.h"

static const struct {
	int code;
	uint8_t enhanced[3];
	const char *text;
} replies[LM_SMTP_REPLIES] = {
#define R(name, code, class, subject, detail, text) \
	[LM_SMTP_R_##name] = { code, { class, subject, detail }, text },
#include "smtp/replies.def"
#undef R
};

struct lm_smtp_words lm_smtp_words_of(enum lm_smtp_reply_id id)
{
	struct lm_smtp_words w = { .code = replies[id].code, .text = lm_str(replies[id].text) };

	memcpy(w.enhanced, replies[id].enhanced, sizeof(w.enhanced));
	return w;
}

/* Nothing may end the line early; UTF-8 only where the peer asked for it (RFC 6531 3.5). */
static void clean(uint8_t *p, size_t len, bool utf8)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7F || (p[i] >= 0x80 && !utf8))
			p[i] = '?';
}

enum { PREFIX_ROOM = 4 + 12 }; /* "250-" and "5.123.123 " */

static size_t add_number(uint8_t *out, unsigned n)
{
	size_t len = n > 99 ? 3 : n > 9 ? 2 : 1;

	for (size_t i = len; i > 0; i--, n /= 10)
		out[i - 1] = (uint8_t)('0' + n % 10);
	return len;
}

/* What stands in front of the text; by hand, since every reply passes here. */
static size_t add_prefix(uint8_t *out, const struct lm_smtp_words *w, bool enhanced, bool last)
{
	size_t n = add_number(out, (unsigned)w->code);

	out[n++] = last ? ' ' : '-';
	for (size_t i = 0; i < 3 && enhanced && w->enhanced[0]; i++) {
		n += add_number(out + n, w->enhanced[i]);
		out[n++] = i < 2 ? '.' : ' ';
	}
	return n;
}

static void add_line(struct lm_smtp *s, const struct lm_smtp_words *w, struct lm_bytes text,
                     bool last)
{
	bool utf8 = s->txn && s->txn->envelope.smtputf8;
	bool plain = s->params->hide && lm_smtp_hides(s, lm_str("ENHANCEDSTATUSCODES"));
	uint8_t *room;
	size_t n;
	int err = lm_buf_room(&s->output, PREFIX_ROOM + text.len + 2, &room);

	if (err) {
		lm_smtp_fail(s, err);
		return;
	}
	n = add_prefix(room, w, !plain, last);
	if (text.len)
		memcpy(room + n, text.data, text.len);
	clean(room + n, text.len, utf8);
	memcpy(room + n + text.len, "\r\n", 2);
	lm_buf_grew(&s->output, n + text.len + 2);
}

void lm_smtp_say_line(struct lm_smtp *s, const struct lm_smtp_words *words, bool last)
{
	enum { ROOM = LM_SMTP_TEXT - 2 - 4 - 12 }; /* CRLF, code, "x.xxx.xxx " and a little */
	struct lm_bytes text = words->text;

	if (s->fatal)
		return;
	for (; text.len > ROOM && !s->fatal; text = lm_bytes_from(text, ROOM))
		add_line(s, words, lm_bytes(text.data, ROOM), false);
	if (!s->fatal)
		add_line(s, words, text, last);
}

void lm_smtp_say_words(struct lm_smtp *s, const struct lm_smtp_words *words)
{
	lm_smtp_say_line(s, words, true);
}

void lm_smtp_say(struct lm_smtp *s, enum lm_smtp_reply_id id)
{
	struct lm_smtp_words w = lm_smtp_words_of(id);

	lm_smtp_say_line(s, &w, true);
}

static bool is_bad(int code)
{
	return (code >= 500 && code <= 504) || code == 555;
}

static bool is_one_too_many(const struct lm_smtp *s)
{
	return s->params->max_errors && s->errors >= s->params->max_errors;
}

void lm_smtp_check_errors(struct lm_smtp *s)
{
	if (!is_one_too_many(s) || s->state >= LM_SMTP_CLOSING)
		return;
	lm_smtp_say(s, LM_SMTP_R_TOO_MANY_ERRORS);
	lm_smtp_close(s);
}

void lm_smtp_say_bad(struct lm_smtp *s, enum lm_smtp_reply_id id)
{
	s->errors += is_bad(replies[id].code);
	if (is_bad(replies[id].code) && is_one_too_many(s))
		lm_smtp_check_errors(s);
	else
		lm_smtp_say(s, id);
}

static bool has_line_end(struct lm_bytes text)
{
	return text.len && (memchr(text.data, '\r', text.len) ||
	                    memchr(text.data, '\n', text.len) || memchr(text.data, 0, text.len));
}

/* A code that contradicts the result is a handler's mistake, and must not become a yes. */
static bool is_nonsense(const struct lm_smtp_row *row, const struct lm_reply *r)
{
	if (has_line_end(r->text) || r->result > 0)
		return true;
	if (r->smtp_code == 0)
		return false;
	if (r->smtp_code == 354)
		return row->event != LM_EVENT_DATA || r->result < 0;
	return r->smtp_code < 200 || r->smtp_code > 599 || r->smtp_code / 100 == 3 ||
	       (r->result < 0 && r->smtp_code < 400);
}

/* "4.3.0" of the error table. */
static struct lm_smtp_words words_of_error(int err)
{
	const struct lm_err_info *info = lm_err_info(err);
	struct lm_smtp_words w = { .code = info->smtp, .text = lm_str(info->text) };
	size_t part = 0;

	for (const char *p = info->enhanced; *p && part < 3; p++) {
		if (*p == '.')
			part++;
		else
			w.enhanced[part] = (uint8_t)(w.enhanced[part] * 10 + (*p - '0'));
	}
	return w;
}

/* RFC 5321 3.1: a greeting says 220, 421 or 554. */
static void fit_greeting(struct lm_smtp_words *w)
{
	if (w->code >= 400 && w->code != 421 && w->code != 554)
		*w = (struct lm_smtp_words){ .code = w->code < 500 ? 421 : 554, .text = w->text };
}

static void override(struct lm_smtp_words *w, const struct lm_reply *r)
{
	if (r->smtp_code && w->code != 354 && r->smtp_code != w->code) {
		w->code = r->smtp_code;
		if (w->enhanced[0] != w->code / 100) {
			w->enhanced[0] = (uint8_t)(w->code / 100);
			w->enhanced[1] = w->enhanced[2] = 0;
		}
	}
	if (r->enhanced[0] && w->code != 354) {
		memcpy(w->enhanced, r->enhanced, sizeof(w->enhanced));
		w->enhanced[0] = (uint8_t)(w->code / 100); /* RFC 2034 4: they must agree */
	}
	if (r->text.len)
		w->text = r->text;
}

int lm_smtp_judge(const struct lm_smtp_row *row, const struct lm_reply *reply,
                  struct lm_smtp_verdict *out_verdict)
{
	struct lm_smtp_verdict v = { .reply = reply, .flags = reply ? reply->flags : 0 };
	bool nonsense = reply && is_nonsense(row, reply);

	if (!reply)
		v.words = lm_smtp_words_of(row->fallback);
	else if (nonsense)
		v.words = lm_smtp_words_of(LM_SMTP_R_MISUSE);
	else if (reply->result == 0 && reply->smtp_code < 400)
		v.words = lm_smtp_words_of(row->yes);
	else
		v.words = words_of_error(reply->result ? reply->result : LM_E_DENIED);
	if (reply && !nonsense) {
		bool refused = v.words.code >= 400;

		if (refused && row->event == LM_EVENT_CONNECT && !reply->smtp_code)
			fit_greeting(&v.words);
		override(&v.words, reply);
	}
	if (row->flags & LM_SMTP_PLAIN)
		v.words.enhanced[0] = 0;
	if (v.words.code == 421)
		v.flags |= LM_REPLY_CLOSE;
	v.yes = v.words.code < 400;
	*out_verdict = v;
	return nonsense ? LM_E_MISUSE : 0;
}
