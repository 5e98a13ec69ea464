/* The message: DATA and BDAT, decoded into one buffer while the handler holds the other. */
#include "smtp/smtp.h"

#include "wire/text.h"

enum { SWALLOW_TIMES = 10 };
static const uint64_t swallow_least = 1 << 20;
static const uint64_t swallow_unlimited = UINT64_C(1) << 30;

void lm_smtp_refusal_clear(struct lm_smtp *s)
{
	lm_free(s->refusal_text);
	s->refusal_text = NULL;
	s->refusal = (struct lm_smtp_words){ .code = 0 };
}

void lm_smtp_refuse(struct lm_smtp *s, const struct lm_smtp_words *words)
{
	struct lm_bytes text = words->text;

	if (s->refusal.code)
		return;
	if (text.len > LM_SMTP_TEXT)
		text.len = LM_SMTP_TEXT;
	s->refusal = *words;
	s->refusal_text = lm_strdup_bytes(text);
	s->refusal.text = lm_str(s->refusal_text); /* without memory the code alone must do */
	if (s->txn)
		lm_buf_clear(&s->txn->fill);
}

static void refuse_with(struct lm_smtp *s, enum lm_smtp_reply_id id)
{
	struct lm_smtp_words w = lm_smtp_words_of(id);

	lm_smtp_refuse(s, &w);
}

/* How much of a refused message is read for politeness. */
static uint64_t swallow_max(const struct lm_smtp *s)
{
	uint64_t max = s->params->max_message_size, all;

	if (!max)
		return swallow_unlimited;
	if (!lm_mul(max, SWALLOW_TIMES, &all))
		return max;
	return all < swallow_least ? swallow_least : all;
}

/* One reply, or over LMTP one for each recipient that was accepted (RFC 2033 4.2). */
static void say_to_all(struct lm_smtp *s, const struct lm_smtp_words *w)
{
	size_t n = s->params->protocol == LM_LMTP ? s->txn->fate_count : 1;

	for (size_t i = 0; i < n && !s->fatal; i++)
		lm_smtp_say_words(s, w);
}

static bool message_ended(const struct lm_smtp *s)
{
	const struct lm_smtp_txn *t = s->txn;

	return t->chunked ? t->last && s->chunk_left == 0 : t->dot.done;
}

static void leave(struct lm_smtp *s, bool abort)
{
	lm_smtp_txn_end(s, abort);
	if (s->state < LM_SMTP_CLOSING)
		lm_smtp_set_state(s, LM_SMTP_READY);
}

/* RFC 3030 2: a refused chunk that is not the last has one reply, over LMTP too. */
static void end_refused(struct lm_smtp *s)
{
	if (message_ended(s))
		say_to_all(s, &s->refusal);
	else
		lm_smtp_say_words(s, &s->refusal);
	leave(s, true);
}

static bool is_discarded(const struct lm_smtp_txn *t)
{
	return t->discard || t->envelope.recipient_count == 0;
}

static void end_message(struct lm_smtp *s)
{
	struct lm_smtp_words w = lm_smtp_words_of(LM_SMTP_R_MESSAGE_OK);

	if (is_discarded(s->txn)) {
		say_to_all(s, &w);
		leave(s, true);
	} else {
		lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_MESSAGE), lm_bytes(NULL, 0));
	}
}

static void hand_out(struct lm_smtp *s)
{
	struct lm_smtp_txn *t = s->txn;
	struct lm_buf full = t->fill;

	t->fill = t->wait;
	t->wait = full;
	lm_buf_clear(&t->fill);
	lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_BODY), lm_buf_bytes(&t->wait));
}

/* After input and after answers: what is due next. */
static void go_on(struct lm_smtp *s)
{
	struct lm_smtp_txn *t = s->txn;
	bool chunk_ended = t->chunked && s->chunk_left == 0;
	bool listens = !is_discarded(t) && (s->params->decides & LM_EVENT_BIT(LM_EVENT_BODY));
	size_t held = lm_buf_len(&t->fill);

	if (s->decision || s->fatal)
		return;
	if (s->refusal.code) {
		if (chunk_ended || message_ended(s))
			end_refused(s);
	} else if (held && listens && (held >= LM_SMTP_SLICE || message_ended(s))) {
		hand_out(s);
	} else if (message_ended(s)) {
		end_message(s);
	} else if (chunk_ended) {
		lm_smtp_set_state(s, LM_SMTP_CHUNK);
		lm_smtp_say(s, LM_SMTP_R_BODY_OK);
	}
	if (!listens && s->txn)
		lm_buf_clear(&s->txn->fill);
}

bool lm_smtp_data_wants(const struct lm_smtp *s)
{
	const struct lm_smtp_txn *t = s->txn;

	if (t->chunked ? s->chunk_left == 0 : t->dot.done)
		return false;
	return lm_buf_len(&t->fill) < LM_SMTP_SLICE;
}

/* What the octets taken so far say about the message. */
static void check_message(struct lm_smtp *s)
{
	struct lm_smtp_txn *t = s->txn;
	uint64_t max = s->params->max_message_size;
	bool keep = s->params->bare == LM_BARE_KEEP || t->envelope.binary;

	if (max && t->octets > max)
		refuse_with(s, LM_SMTP_R_TOO_BIG);
	if ((t->has_bare || t->has_nul) && !keep)
		refuse_with(s, LM_SMTP_R_BARE);
	if (s->refusal.code)
		lm_buf_clear(&t->fill);
}

/* A CR or LF that stands alone, in octets that come by BDAT. */
static void scan_chunk(struct lm_smtp_txn *t, struct lm_bytes b)
{
	const uint8_t *end = b.data + b.len;
	bool bare = t->after_cr && b.data[0] != '\n';

	for (const uint8_t *p = b.data; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		bare |= p == b.data ? !t->after_cr : p[-1] != '\r';
	for (const uint8_t *p = b.data; (p = memchr(p, '\r', (size_t)(end - p))); p++)
		bare |= p + 1 < end && p[1] != '\n';
	t->after_cr = end[-1] == '\r';
	t->has_bare |= bare;
	t->has_nul |= memchr(b.data, 0, b.len) != NULL;
}

static size_t take_chunk(struct lm_smtp *s, struct lm_bytes in)
{
	struct lm_smtp_txn *t = s->txn;
	int err = s->refusal.code ? 0 : lm_buf_add(&t->fill, in);

	if (err)
		lm_smtp_fail(s, err);
	if (s->fatal)
		return in.len;
	scan_chunk(t, in);
	s->chunk_left -= in.len;
	if (t->last && s->chunk_left == 0)
		t->has_bare |= t->after_cr;
	t->octets += in.len;
	return in.len;
}

static size_t take_dots(struct lm_smtp *s, struct lm_bytes in)
{
	struct lm_smtp_txn *t = s->txn;
	uint8_t *room;
	size_t taken, len;
	int err = lm_buf_room(&t->fill, in.len + 2, &room);

	if (err) {
		lm_smtp_fail(s, err);
		return in.len;
	}
	len = lm_dot_decode(&t->dot, in, room, &taken);
	lm_buf_grew(&t->fill, len);
	t->octets += len;
	t->has_bare = t->dot.has_bare;
	t->has_nul = t->dot.has_nul;
	return taken;
}

/* Octets that fit so that a slice ends at the same octet however the input was cut. */
static struct lm_bytes portion(const struct lm_smtp *s, struct lm_bytes in)
{
	const struct lm_smtp_txn *t = s->txn;
	size_t room = LM_SMTP_SLICE - lm_buf_len(&t->fill);

	if (!t->chunked && room > 1)
		room--; /* the decoder may give back one octet it held */
	if (in.len > room)
		in.len = room;
	if (t->chunked && in.len > s->chunk_left)
		in.len = (size_t)s->chunk_left;
	return in;
}

size_t lm_smtp_data_take(struct lm_smtp *s, struct lm_bytes in)
{
	size_t taken = s->txn->chunked ? take_chunk(s, portion(s, in))
	                               : take_dots(s, portion(s, in));

	if (s->fatal)
		return taken;
	check_message(s);
	if (s->refusal.code)
		s->txn->dropped += taken;
	if (s->txn->dropped > swallow_max(s)) {
		lm_smtp_say_words(s, &s->refusal);
		lm_smtp_close(s);
	} else {
		go_on(s);
	}
	return taken;
}

static void begin(struct lm_smtp *s)
{
	lm_smtp_set_state(s, LM_SMTP_DATA);
	s->rate_start = s->now;
	s->rate_octets = 0;
}

/* RFC 3030 3: a binary message cannot come by DATA. */
enum lm_smtp_reply_id lm_smtp_check_data(struct lm_smtp *s, struct lm_bytes argument)
{
	(void)argument;
	return s->txn->envelope.binary ? LM_SMTP_R_BINARY_BY_BDAT : LM_SMTP_GOOD;
}

void lm_smtp_apply_data(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	lm_smtp_say_words(s, &v->words);
	if (!v->yes) {
		leave(s, true);
		return;
	}
	if (s->fatal)
		return;
	s->txn->discard |= (v->flags & LM_REPLY_DISCARD) != 0;
	begin(s);
}

/* "octets [LAST]" */
static bool read_chunk(struct lm_bytes argument, uint64_t *out_octets, bool *out_last)
{
	struct lm_bytes rest = argument, size = lm_next_word(&rest);

	*out_last = rest.len > 0;
	return lm_parse_number(size, INT64_MAX, out_octets) &&
	       (!rest.len || lm_equal_nocase(rest, lm_str("LAST")));
}

static enum lm_smtp_reply_id why_no_chunk(const struct lm_smtp *s)
{
	switch (s->state) {
	case LM_SMTP_START:
		return LM_SMTP_R_HELLO_FIRST;
	case LM_SMTP_READY:
		return LM_SMTP_R_MAIL_FIRST;
	case LM_SMTP_MAIL:
		return s->txn->tried ? LM_SMTP_R_NO_RECIPIENTS : LM_SMTP_R_RCPT_FIRST;
	default:
		return LM_SMTP_GOOD;
	}
}

static bool is_over(const struct lm_smtp *s, uint64_t octets)
{
	uint64_t all, max = s->params->max_message_size;

	return max && (!lm_add(s->txn->octets, octets, &all) || all > max);
}

/* Only a chunk whose length is known can be swallowed: a broken command has none. */
enum lm_smtp_reply_id lm_smtp_check_bdat(struct lm_smtp *s, struct lm_bytes argument)
{
	uint64_t octets;

	if (!read_chunk(argument, &octets, &s->chunk_last))
		return LM_SMTP_R_SYNTAX;
	s->chunk_left = octets;
	return LM_SMTP_GOOD;
}

void lm_smtp_chunk_dropped(struct lm_smtp *s)
{
	bool of_message = s->txn && s->state >= LM_SMTP_RCPT;

	if (of_message && s->chunk_last) {
		say_to_all(s, &s->refusal);
	} else {
		lm_smtp_say_words(s, &s->refusal);
	}
	if (of_message)
		leave(s, true);
	else
		lm_smtp_refusal_clear(s);
	lm_smtp_check_errors(s);
}

/* Refused before its first octet: let it pass by, then say so. */
static void drop_chunk(struct lm_smtp *s, const struct lm_smtp_words *words)
{
	lm_smtp_refuse(s, words);
	s->rate_start = s->now;
	s->rate_octets = 0;
	if (s->chunk_left > swallow_max(s)) {
		lm_smtp_say_words(s, &s->refusal);
		lm_smtp_close(s);
	} else if (s->chunk_left == 0) {
		lm_smtp_chunk_dropped(s);
	}
}

static void take_octets(struct lm_smtp *s)
{
	s->txn->chunked = true;
	s->txn->last = s->chunk_last;
	begin(s);
	if (s->txn->last && s->chunk_left == 0)
		s->txn->has_bare |= s->txn->after_cr;
	check_message(s);
	go_on(s);
}

void lm_smtp_apply_bdat(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	enum lm_smtp_reply_id why = why_no_chunk(s);
	struct lm_smtp_words w;

	(void)v;
	if (!why && is_over(s, s->chunk_left))
		why = LM_SMTP_R_TOO_BIG;
	if (why) {
		w = lm_smtp_words_of(why);
		s->errors += why != LM_SMTP_R_TOO_BIG;
		drop_chunk(s, &w);
	} else if (s->state == LM_SMTP_RCPT) {
		lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_DATA), lm_bytes(NULL, 0));
	} else {
		take_octets(s);
	}
}

void lm_smtp_apply_chunk(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	if (!v->yes) {
		drop_chunk(s, &v->words);
		return;
	}
	s->txn->discard |= (v->flags & LM_REPLY_DISCARD) != 0;
	take_octets(s);
}

void lm_smtp_apply_body(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	if (!v->yes)
		lm_smtp_refuse(s, &v->words);
	if (!v->yes && (v->flags & LM_REPLY_CLOSE))
		lm_smtp_say_words(s, &v->words);
	else
		go_on(s);
}

/* LMTP: each recipient of the envelope has its own answer; dropped ones a plain yes. */
static void say_each(struct lm_smtp *s, const struct lm_reply *replies)
{
	struct lm_smtp_words kept = lm_smtp_words_of(LM_SMTP_R_MESSAGE_OK);
	const struct lm_smtp_row *row = s->row;

	for (size_t i = 0, r = 0; !s->fatal && i < s->txn->fate_count; i++) {
		struct lm_smtp_verdict v = { .words = kept };

		if (!s->txn->fates[i] && lm_smtp_judge(row, &replies[r++], &v))
			v.words = lm_smtp_words_of(LM_SMTP_R_MISUSE);
		lm_smtp_say_words(s, &v.words);
	}
}

void lm_smtp_apply_message(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	bool each = s->params->protocol == LM_LMTP && v->yes && v->reply && v->reply->recipients;
	bool fits = each && v->reply->recipient_count == s->txn->envelope.recipient_count;
	struct lm_smtp_words w = v->words;

	if (each && !fits)
		w = lm_smtp_words_of(LM_SMTP_R_MISUSE);
	if (fits)
		say_each(s, v->reply->recipients);
	else
		say_to_all(s, &w);
	leave(s, w.code >= 400);
}
