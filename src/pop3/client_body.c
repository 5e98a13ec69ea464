/* Messages on their way in: un-stuffed, counted, and their true end found. */
#include "pop3/client.h"

#include "wire/text.h"

#include <stdio.h>

/* "+OK 120 octets", "+OK message follows (120 bytes)": a hint at the size, 0 without. */
static uint64_t size_hint(struct lm_bytes text)
{
	uint64_t last = 0, n;
	bool first = true;

	while (text.len) {
		struct lm_bytes word = lm_next_word(&text);

		if (word.len && word.data[0] == '(')
			word = lm_bytes_from(word, 1);
		if (lm_starts_nocase(word, "octets") || lm_starts_nocase(word, "bytes"))
			return last;
		last = lm_parse_number(word, UINT64_MAX, &n) ? n : 0;
		if (first && last && !text.len)
			return last;
		first = false;
	}
	return 0;
}

int lm_pop3c_body_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st)
{
	struct lm_pop3c_body *b = &c->body;
	struct lm_buf chunk = b->chunk;
	int err = lm_buf_add(&a->text, st->text);

	*b = (struct lm_pop3c_body){ .chunk = chunk, .expected = a->expected };
	if (a->kind->type == LM_REQUEST_RETR && !b->expected) {
		b->expected = size_hint(st->text);
		b->hinted = true;
	}
	lm_buf_clear(&b->chunk);
	lm_dot_decoder_init(&b->dots);
	b->dots.lenient = true;
	b->dots.lf_lines = c->lf_line;
	b->dots.keeps = c->keeps_dots;
	b->dots.keeps_behind_lf = c->keeps_dots_behind_lf;
	c->reading = LM_POP3C_BODY;
	return err;
}

/* ---- octets ---- */

/* The first octets over the limit fail the request; the rest passes by, up to as much again. */
static void limit(struct lm_pop3c *c, size_t n)
{
	struct lm_pop3c_body *b = &c->body;
	uint64_t max = c->params->max_message;
	size_t over;

	b->count += n;
	if (b->skipping) {
		b->chunk.len -= n; /* what was within the limit is still to be told */
		return;
	}
	if (!max || b->count <= max)
		return;
	over = b->count - max < n ? (size_t)(b->count - max) : n;
	b->chunk.len -= over;
	b->skipping = true;
	b->result = LM_E_LIMIT;
}

/* As much again passed by, and a little, so that a short limit has a way to be told. */
static bool is_endless(const struct lm_pop3c *c)
{
	uint64_t max = c->params->max_message, count = c->body.count;

	return max && count > max && count - max > max + 64;
}

/* How much of `in` is decoded at once: an event's worth, and not far over the limit, so that what
 * is told of a message that is too large does not depend on how it arrives. */
static size_t portion(const struct lm_pop3c *c, size_t len)
{
	uint64_t max = c->params->max_message;
	size_t most = LM_POP3C_CHUNK_MAX;

	if (max && !c->body.skipping && max - c->body.count < most)
		most = (size_t)(max - c->body.count) + 1;
	return len < most ? len : most;
}

/* Decode what fits into an event. */
static int decode(struct lm_pop3c *c, struct lm_bytes in, size_t *out_taken)
{
	struct lm_pop3c_body *b = &c->body;
	uint8_t *room;
	size_t n;
	int err;

	in.len = portion(c, in.len);
	err = lm_buf_room(&b->chunk, in.len + 2, &room);
	if (err)
		return err;
	n = lm_dot_decode(&b->dots, in, room, out_taken);
	c->keeps_dots = b->dots.keeps;
	c->keeps_dots_behind_lf = b->dots.keeps_behind_lf;
	lm_buf_grew(&b->chunk, n);
	limit(c, n);
	b->ended = b->dots.done;
	return 0;
}

static int tell(struct lm_pop3c *c)
{
	struct lm_pop3c_body *b = &c->body;

	if (is_endless(c)) {
		lm_pop3c_end(c, LM_E_LIMIT, LM_SIDE_PEER, "a message without end");
		return 0;
	}
	if (lm_buf_len(&b->chunk))
		lm_pop3c_decide(c, LM_EVENT_BODY);
	return 0;
}

/* Behind a terminator that may be none: a reply begins here (1), the message goes on (-1), or it is
 * too early to say. */
static int peek(struct lm_pop3c *c, struct lm_bytes in, size_t *out_taken)
{
	static const char *const begins[] = { "+OK", "-ERR" };
	struct lm_pop3c_body *b = &c->body;
	struct lm_bytes seen;

	b->peek[b->peeked++] = in.data[0];
	*out_taken = 1;
	seen = lm_bytes(b->peek, b->peeked);
	for (size_t i = 0; i < 2; i++) {
		struct lm_bytes want = lm_str(begins[i]);

		if (seen.len > want.len || !lm_equal_nocase(seen, lm_bytes(want.data, seen.len)))
			continue;
		return seen.len == want.len;
	}
	return -1;
}

/* The dot line was a line of the message: its server does not stuff. */
static int give_back(struct lm_pop3c *c)
{
	struct lm_pop3c_body *b = &c->body;
	bool by_lf = b->dots.ended_by_lf;
	struct lm_bytes line = by_lf ? lm_str(".\n") : lm_str(".\r\n");
	struct lm_bytes seen = lm_bytes(b->peek, b->peeked);
	int err;

	b->unclear = true;
	b->ended = false;
	b->dots.keeps = true;
	lm_dot_decoder_go_on(&b->dots);
	c->reading = LM_POP3C_BODY;
	err = lm_buf_add(&b->chunk, line);
	if (err)
		return err;
	limit(c, line.len);
	while (err == 0 && seen.len) { /* near the limit, by pieces */
		size_t taken;

		err = decode(c, seen, &taken);
		if (err == 0)
			seen = lm_bytes_from(seen, taken);
	}
	b->peeked = 0;
	return err ? err : tell(c);
}

void lm_pop3c_body_answer(struct lm_pop3c *c, int result)
{
	struct lm_pop3c_body *b = &c->body;

	lm_buf_clear(&b->chunk);
	if (result < 0 && !b->skipping) {
		b->skipping = true;
		b->result = result;
	}
}

/* ---- the end ---- */

static int finish(struct lm_pop3c *c)
{
	struct lm_pop3c_body *b = &c->body;
	struct lm_pop3c_ask *a = c->head;
	bool differs = b->expected && b->count != b->expected;
	char summary[64];
	int err;

	snprintf(summary, sizeof(summary), "(%llu octets)", (unsigned long long)b->count);
	err = lm_pop3c_trace(c, "S", lm_str(summary));
	b->ended = false;
	a->outcome.octets = b->count;
	a->outcome.odd_size = b->unclear || (differs && !b->hinted);
	if (!b->skipping)
		lm_pop3c_finish(c, 0, LM_SIDE_NONE, NULL);
	else
		lm_pop3c_finish(c, b->result, LM_SIDE_CLIENT,
		                b->result == LM_E_LIMIT ? "the message is too large"
		                                        : "the message was not taken");
	return err;
}

/* What was looked at is the beginning of the next reply. */
static int reply_follows(struct lm_pop3c *c)
{
	struct lm_bytes seen = lm_bytes(c->body.peek, c->body.peeked);
	struct lm_line line;
	size_t taken;
	int err = finish(c);

	c->reader.partial.max = c->params->max_line;
	return err ? err : lm_line_read(&c->reader, seen, &taken, &line);
}

int lm_pop3c_body_take(struct lm_pop3c *c, struct lm_bytes in, size_t *out_taken)
{
	int err;

	if (c->reading == LM_POP3C_BODY) {
		err = decode(c, in, out_taken);
		return err ? err : tell(c);
	}
	switch (peek(c, in, out_taken)) {
	case 0:
		return 0;
	case 1:
		return reply_follows(c);
	default:
		return give_back(c);
	}
}

static bool is_right(const struct lm_pop3c_body *b)
{
	return b->expected && b->count == b->expected;
}

/* The count says whether the terminator is one. Where it says nothing and another reply must come,
 * that is waited for; where it says no and none would come, one is asked for (docs/octets.md). */
int lm_pop3c_body_settle(struct lm_pop3c *c)
{
	struct lm_pop3c_body *b = &c->body;

	if (c->reading != LM_POP3C_BODY)
		return 0;
	if (is_right(b) || (!b->expected && c->outstanding == 1))
		return finish(c);
	c->reading = LM_POP3C_PEEK;
	b->peeked = 0;
	return c->outstanding == 1 ? lm_pop3c_send_sentinel(c) : 0;
}

int lm_pop3c_body_eof(struct lm_pop3c *c)
{
	const struct lm_pop3c_body *b = &c->body;

	return c->reading == LM_POP3C_PEEK && !b->peeked && !b->expected ? finish(c) : 0;
}
