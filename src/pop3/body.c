/* Messages on their way out: RETR and TOP, dot-stuffed, TOP cut where it should end. */
#include "pop3/server.h"

#include "wire/text.h"

int lm_pop3_top_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	int fault = lm_pop3_parse_message(s, args->arg[0], LM_SAY_MESSAGE_DELETED);
	uint64_t lines;

	if (fault)
		return fault;
	if (!lm_parse_number(args->arg[1], INT64_MAX, &lines))
		return LM_SAY_INVALID_NUMBER;
	s->lines = (int64_t)lines;
	return 0;
}

/* A yes without the octets is a broken handler's, and costs the client no more than one -ERR. */
static int begin(struct lm_pop3_server *s, enum lm_pop3_say say, const struct lm_reply *reply)
{
	int err;

	if (!reply->source)
		return lm_pop3_no(s, &(struct lm_reply){ .result = LM_E_MISUSE });
	err = lm_pop3_yes(s, say, reply);
	s->transfer = LM_POP3_BODY;
	lm_dot_encoder_init(&s->dots);
	return err;
}

int lm_pop3_retr_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	s->top.active = false;
	return begin(s, LM_SAY_RETR, reply);
}

int lm_pop3_top_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	s->top.active = true;
	s->top.in_body = false;
	s->top.only_cr = false;
	s->top.length = 0;
	return begin(s, LM_SAY_TOP, reply);
}

/* A line of the message has ended; true when it is the last one TOP asked for. */
static bool top_line_ends(struct lm_pop3_server *s)
{
	bool blank = s->top.length == 0 || (s->top.length == 1 && s->top.only_cr);

	s->top.length = 0;
	if (s->top.in_body)
		return --s->lines <= 0;
	s->top.in_body = blank;
	return blank && s->lines == 0;
}

/* How much of `chunk` TOP shows; *out_sated when nothing behind it is wanted. Lines end at LF, with
 * or without CR, as the dot-stuffing has it. */
static size_t top_cut(struct lm_pop3_server *s, struct lm_bytes chunk, bool *out_sated)
{
	size_t at = 0;

	*out_sated = false;
	while (at < chunk.len) {
		const uint8_t *from = chunk.data + at;
		const uint8_t *lf = memchr(from, '\n', chunk.len - at);
		size_t n = lf ? (size_t)(lf - from) : chunk.len - at;

		if (s->top.length == 0 && n > 0)
			s->top.only_cr = from[0] == '\r';
		s->top.length += n;
		at += n;
		if (!lf)
			break;
		at++;
		if (top_line_ends(s)) {
			*out_sated = true;
			break;
		}
	}
	return at;
}

int lm_pop3_body(struct lm_pop3_server *s, struct lm_bytes chunk, bool last, size_t *out_taken)
{
	size_t held = lm_buf_len(&s->out);
	size_t most = s->hole ? LM_POP3_BODY_HIDDEN : LM_POP3_BODY_HIGH;
	size_t room = held < most ? most - held : 0;
	struct lm_bytes part = lm_bytes(chunk.data, chunk.len < room ? chunk.len : room);
	bool sated = false;
	int err;

	if (s->top.active)
		part.len = top_cut(s, part, &sated);
	err = lm_dot_encode(&s->dots, part, &s->out);
	if (err)
		return err;
	*out_taken = part.len;
	if (!sated && !(last && part.len == chunk.len))
		return 0;
	s->transfer = LM_POP3_IDLE;
	return lm_dot_encode_end(&s->dots, &s->out);
}
