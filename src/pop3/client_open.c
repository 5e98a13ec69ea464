/* How a session begins: greeting and stamp, capabilities, TLS as the policy wants it. */
#include "pop3/client.h"

#include "wire/text.h"

/* ---- the stamp ---- */

/* RFC 5322 3.2.3 */
static bool is_atext(uint8_t c)
{
	return (c >= '0' && c <= '9') || (lm_upper(c) >= 'A' && lm_upper(c) <= 'Z') ||
	       (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_dot_atom(struct lm_bytes b)
{
	bool after_dot = true;

	for (size_t i = 0; i < b.len; i++) {
		bool dot = b.data[i] == '.';

		if ((dot && after_dot) || (!dot && !is_atext(b.data[i])))
			return false;
		after_dot = dot;
	}
	return !after_dot;
}

/* "[" dtext "]" */
static bool is_literal(struct lm_bytes b)
{
	if (b.len < 3 || b.data[0] != '[' || b.data[b.len - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < b.len; i++)
		if (b.data[i] < 0x21 || b.data[i] > 0x7E || strchr("[]\\<>@", b.data[i]))
			return false;
	return true;
}

/* CVE-2007-1558: who may choose the octets before a secret can find it out by MD5 collisions, which
 * need octets that a msg-id cannot have. */
static bool is_msg_id(struct lm_bytes b)
{
	const uint8_t *at = memchr(b.data, '@', b.len);
	struct lm_bytes left, right;

	if (!at)
		return false;
	left = lm_bytes(b.data, (size_t)(at - b.data));
	right = lm_bytes(at + 1, b.len - left.len - 1);
	return is_dot_atom(left) && (is_dot_atom(right) || is_literal(right));
}

static int find_stamp(struct lm_pop3c *c, struct lm_bytes text)
{
	const uint8_t *from = text.len ? memchr(text.data, '<', text.len) : NULL, *to;
	struct lm_bytes stamp;

	if (!from)
		return 0;
	stamp = lm_bytes(from, text.len - (size_t)(from - text.data));
	to = memchr(from, '>', stamp.len);
	if (!to)
		return 0;
	stamp.len = (size_t)(to - from) + 1;
	if (!is_msg_id(lm_bytes(from + 1, stamp.len - 2)))
		return 0;
	return lm_buf_add(&c->stamp, stamp);
}

/* ---- capabilities ---- */

void lm_pop3c_capa_forget(struct lm_pop3c *c)
{
	lm_buf_done(&c->capa);
	c->capa_known = false;
}

int lm_pop3c_capa_add(struct lm_pop3c *c, struct lm_bytes line)
{
	int err;

	if (lm_buf_len(&c->capa) + line.len + 1 > LM_POP3C_CAPA_MAX)
		return 0;
	err = lm_buf_add(&c->capa, line);
	return err ? err : lm_buf_add_str(&c->capa, "\n");
}

bool lm_pop3c_has(const struct lm_pop3c *c, const char *name, struct lm_bytes *out_rest)
{
	struct lm_bytes all = lm_buf_bytes(&c->capa);

	while (all.len) {
		const uint8_t *end = memchr(all.data, '\n', all.len);
		struct lm_bytes line = lm_bytes(all.data, (size_t)(end - all.data));
		struct lm_bytes rest = lm_trim(line), first = lm_next_word(&rest);

		all = lm_bytes_from(all, line.len + 1);
		if (!lm_equal_nocase(first, lm_str(name)))
			continue;
		if (out_rest)
			*out_rest = lm_trim(rest);
		return true;
	}
	return false;
}

int lm_pop3c_capa_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st)
{
	(void)a;
	(void)st;
	lm_pop3c_capa_forget(c);
	c->capa_known = true;
	c->reading = LM_POP3C_LISTING;
	return 0;
}

int lm_pop3c_capa_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                       bool end)
{
	int err = end ? 0 : lm_pop3c_capa_add(c, line->text);

	return err ? err : lm_pop3c_text_line(c, a, line, end);
}

/* ---- the steps of OPEN ---- */

static int say(struct lm_pop3c *c, const char *command)
{
	struct lm_pop3c_ask *a = c->head;
	int err;

	c->since = c->now;
	c->progress = 0;
	lm_buf_clear(&a->line);
	err = lm_buf_add_str(&a->line, command);
	return err ? err : lm_pop3c_send(c, a);
}

static void opened(struct lm_pop3c *c)
{
	c->state = LM_POP3C_OPEN;
	if (lm_buf_len(&c->greeting)) {
		lm_buf_clear(&c->head->text);
		if (lm_buf_add(&c->head->text, lm_buf_bytes(&c->greeting)))
			lm_buf_clear(&c->head->text);
	}
	lm_pop3c_finish(c, 0, LM_SIDE_NONE, NULL);
}

/* Capabilities are known, or that they cannot be. */
static int secure(struct lm_pop3c *c)
{
	enum lm_tls_mode tls = c->params->tls;
	bool offered = lm_pop3c_has(c, "STLS", NULL);

	if (c->info.tls.active || tls == LM_TLS_OFF || (tls == LM_TLS_OPPORTUNISTIC && !offered)) {
		opened(c);
		return 0;
	}
	if (!offered && c->capa_known) {
		lm_pop3c_end(c, LM_E_TLS, LM_SIDE_SERVER,
		             "the server does not offer STLS, and TLS is required");
		return 0;
	}
	c->stls_sent = true;
	return say(c, "STLS");
}

static int stls_reply(struct lm_pop3c *c, const struct lm_pop3c_status *st)
{
	c->stls_sent = false;
	if (st->ok) {
		c->want_tls = true;
		return 0;
	}
	if (c->params->tls == LM_TLS_OPPORTUNISTIC) {
		opened(c);
		return 0;
	}
	lm_pop3c_end(c, LM_E_TLS, LM_SIDE_SERVER, "the server refuses STLS: %.*s",
	             (int)(st->text.len < 200 ? st->text.len : 200), (const char *)st->text.data);
	return 0;
}

static int greeting(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_pop3c_status *st)
{
	int err;

	c->greeted = true;
	if (!st->ok) {
		int result = lm_pop3c_refusal(c, a, st);

		lm_pop3c_finish_status(c, st, result);
		lm_pop3c_end(c, LM_E_CLOSED, LM_SIDE_SERVER, "the server refused the session");
		return 0;
	}
	err = lm_buf_add(&c->greeting, st->text);
	if (!err)
		err = find_stamp(c, st->text);
	return err ? err : say(c, "CAPA");
}

static int open_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_pop3c_status *st)
{
	if (!c->greeted)
		return greeting(c, a, st);
	if (c->stls_sent)
		return stls_reply(c, st);
	if (st->ok)
		return lm_pop3c_capa_reply(c, a, st);
	lm_pop3c_capa_forget(c);
	return secure(c);
}

static int open_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                     bool end)
{
	if (!end) {
		if (++a->items > c->params->max_items)
			lm_pop3c_end(c, LM_E_LIMIT, LM_SIDE_PEER, "capabilities without end");
		return lm_pop3c_capa_add(c, line->text);
	}
	c->reading = LM_POP3C_STATUS;
	return secure(c);
}

int lm_pop3c_secured(struct lm_pop3c *c)
{
	lm_pop3c_capa_forget(c);
	/* The stamp stays: there is no other, and its digest now goes to the server only. */
	lm_buf_done(&c->greeting);
	return say(c, "CAPA");
}

const struct lm_pop3c_kind lm_pop3c_open_kind = {
	LM_REQUEST_OPEN, "OPEN",   LM_POP3C_OWN, LM_POP3C_ALONE | LM_POP3C_JUDGE, NULL,
	open_reply,      open_line
};
