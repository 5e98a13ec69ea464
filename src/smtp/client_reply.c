/* Replies: lines with a code until one has no hyphen behind it (RFC 5321 4.2). */
#include "smtp/client.h"

#include "wire/text.h"

enum { QUOTED = 100 };

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The code at a line's start, 0 where there is none. */
static int read_code(struct lm_bytes line)
{
	const uint8_t *d = line.data;

	if (line.len < 3 || d[0] < '2' || d[0] > '5' || !is_digit(d[1]) || !is_digit(d[2]))
		return 0;
	if (line.len > 3 && d[3] != ' ' && d[3] != '-')
		return 0;
	return (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0');
}

/* RFC 3463: "2.1.0 " at the front of a text goes to out; returns what is behind. */
static struct lm_bytes read_enhanced(int code, struct lm_bytes text, uint8_t out[3])
{
	struct lm_bytes rest = text, word = lm_next_word(&rest);
	uint64_t part[3];

	for (int i = 0; i < 3; i++) {
		const uint8_t *dot = i < 2 && word.len ? memchr(word.data, '.', word.len) : NULL;
		size_t len = dot ? (size_t)(dot - word.data) : word.len;

		if ((i < 2 && !dot) || len > 3 ||
		    !lm_parse_number(lm_bytes(word.data, len), 255, &part[i]))
			return text;
		word = lm_bytes_from(word, len + 1);
	}
	if (part[0] != (uint64_t)code / 100)
		return text;
	for (int i = 0; i < 3; i++)
		out[i] = (uint8_t)part[i];
	return rest;
}

/* Where no text of a reply has codes of its own. */
static bool is_plain(const struct lm_smtpc *s, int code)
{
	return code / 100 == 3 || s->await == LM_SMTPC_GREETING || s->await == LM_SMTPC_EHLO ||
	       s->await == LM_SMTPC_HELO;
}

static void show(struct lm_smtpc *s, struct lm_bytes line, int code)
{
	if (code == 334 && s->await == LM_SMTPC_AUTH)
		line = lm_str("334 ****");
	lm_smtpc_trace(s, 'S', line);
}

static int add_text(struct lm_smtpc *s, struct lm_bytes text)
{
	int err = s->in_reply ? lm_buf_add_str(&s->reply, "\n") : 0;

	return err ? err : lm_buf_add(&s->reply, text);
}

static bool take_line(struct lm_smtpc *s, const struct lm_line *line)
{
	int code = read_code(line->text), err;
	struct lm_bytes text = lm_bytes_from(line->text, 4);
	int quoted = line->text.len < QUOTED ? (int)line->text.len : QUOTED;

	show(s, line->text, code);
	if (s->fatal)
		return false;
	if (!code || (line->flags & LM_LINE_TOO_LONG)) {
		lm_smtpc_fail(s, LM_E_PROTO, LM_SIDE_PEER, "%s: \"%.*s\"",
		              code ? "a reply's line is too long" : "this is no reply", quoted,
		              (const char *)line->text.data);
		return false;
	}
	if (!s->in_reply) {
		lm_buf_clear(&s->reply);
		s->answer = (struct lm_smtpc_answer){ .code = code };
	}
	if (!is_plain(s, code))
		text = read_enhanced(code, text, s->answer.enhanced);
	err = add_text(s, text);
	if (err) {
		lm_smtpc_fail(s, err == LM_E_LIMIT ? LM_E_PROTO : err, LM_SIDE_PEER,
		              "a reply is too long: \"%.*s\"", quoted,
		              (const char *)line->text.data);
		return false;
	}
	s->answer.code = code; /* where they differ the last one counts */
	s->in_reply = line->text.len > 3 && line->text.data[3] == '-';
	s->answer.text = lm_buf_bytes(&s->reply);
	return !s->in_reply;
}

size_t lm_smtpc_read(struct lm_smtpc *s, struct lm_bytes in, bool *out_whole)
{
	struct lm_line line;
	size_t taken;
	int got = lm_line_read(&s->line, in, &taken, &line);

	*out_whole = false;
	if (got < 0)
		lm_smtpc_fail(s, got, LM_SIDE_CLIENT, "out of memory");
	else if (got)
		*out_whole = take_line(s, &line);
	return taken;
}
