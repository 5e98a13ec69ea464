/* The maildrop: a snapshot with running sums and marks; STAT, LIST, UIDL, DELE, RSET and QUIT. */
#include "pop3/server.h"

#include "wire/text.h"

static bool is_shown(const struct lm_message *m)
{
	if (m->uidl.len < 1 || m->uidl.len > 70) /* RFC 1939 7 */
		return false;
	for (size_t i = 0; i < m->uidl.len; i++)
		if (m->uidl.data[i] < 0x21 || m->uidl.data[i] > 0x7E)
			return false;
	return true;
}

int lm_pop3_drop_open(struct lm_pop3_drop *d, const struct lm_message *messages, size_t count)
{
	uint64_t octets = 0;

	for (size_t i = 0; i < count; i++)
		if (!is_shown(&messages[i]) || !lm_add(octets, messages[i].octets, &octets))
			return LM_E_MISUSE;
	*d = (struct lm_pop3_drop){ .messages = messages,
		                    .count = count,
		                    .live = count,
		                    .octets = octets,
		                    .live_octets = octets };
	return 0;
}

void lm_pop3_drop_close(struct lm_pop3_drop *d)
{
	lm_free(d->deleted);
	*d = (struct lm_pop3_drop){ .count = 0 };
}

bool lm_pop3_drop_deleted(const struct lm_pop3_drop *d, size_t number)
{
	size_t i = number - 1;

	return d->deleted && d->deleted[i / 8] & 1U << i % 8;
}

int lm_pop3_none_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	(void)s;
	(void)args;
	return 0;
}

int lm_pop3_message_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	return lm_pop3_parse_message(s, args->arg[0], LM_SAY_MESSAGE_DELETED);
}

int lm_pop3_list_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	return args->count ? lm_pop3_message_check(s, args) : 0;
}

int lm_pop3_dele_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	return lm_pop3_parse_message(s, args->arg[0], LM_SAY_ALREADY_DELETED);
}

int lm_pop3_stat_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	return lm_pop3_yes(s, LM_SAY_STAT, reply);
}

/* ---- listings ---- */

static uint8_t *put_decimal(uint8_t *to, uint64_t n)
{
	uint8_t digits[20];
	size_t len = 0;

	do
		digits[len++] = (uint8_t)('0' + n % 10);
	while (n /= 10);
	while (len)
		*to++ = digits[--len];
	return to;
}

static int list_line(struct lm_pop3_server *s, size_t index)
{
	const struct lm_message *m = &s->drop.messages[index];
	uint8_t *room, *p;
	int err = lm_buf_room(&s->out, 20 + 1 + 70 + 2, &room);

	if (err)
		return err;
	p = put_decimal(room, index + 1);
	*p++ = ' ';
	if (s->list_uidl) {
		memcpy(p, m->uidl.data, m->uidl.len);
		p += m->uidl.len;
	} else {
		p = put_decimal(p, m->octets);
	}
	*p++ = '\r';
	*p++ = '\n';
	lm_buf_grew(&s->out, (size_t)(p - room));
	return 0;
}

int lm_pop3_list_more(struct lm_pop3_server *s)
{
	int err = 0;

	if (s->hole)
		return 0;
	while (!err && s->list_next < s->drop.count && lm_buf_len(&s->out) < LM_POP3_OUTPUT_HIGH) {
		if (!lm_pop3_drop_deleted(&s->drop, s->list_next + 1))
			err = list_line(s, s->list_next);
		s->list_next++;
	}
	if (err || s->list_next < s->drop.count)
		return err;
	s->transfer = LM_POP3_IDLE;
	return lm_pop3_dot(s);
}

static int list(struct lm_pop3_server *s, const struct lm_reply *reply, bool uidl)
{
	int err;

	if (s->number)
		return lm_pop3_yes(s, uidl ? LM_SAY_UIDL_ONE : LM_SAY_LIST_ONE, reply);
	err = lm_pop3_yes(s, uidl ? LM_SAY_UIDL_ALL : LM_SAY_LIST, reply);
	s->transfer = LM_POP3_LISTING;
	s->list_next = 0;
	s->list_uidl = uidl;
	return err ? err : lm_pop3_list_more(s);
}

int lm_pop3_list_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	return list(s, reply, false);
}

int lm_pop3_uidl_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	return list(s, reply, true);
}

/* ---- marks ---- */

int lm_pop3_dele_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_pop3_drop *d = &s->drop;
	size_t i = s->number - 1;

	if (!d->deleted) {
		d->deleted = lm_alloc_zero(d->count / 8 + 1, 1);
		if (!d->deleted)
			return LM_E_NOMEM;
	}
	d->deleted[i / 8] |= (uint8_t)(1U << i % 8);
	d->live--;
	d->live_octets -= d->messages[i].octets;
	return lm_pop3_yes(s, LM_SAY_DELE_DELETED, reply);
}

int lm_pop3_rset_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_pop3_drop *d = &s->drop;

	lm_free(d->deleted);
	d->deleted = NULL;
	d->live = d->count;
	d->live_octets = d->octets;
	return lm_pop3_yes(s, LM_SAY_RSET, reply);
}

/* ---- the end ---- */

int lm_pop3_quit_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	const struct lm_pop3_drop *d = &s->drop;
	size_t n = d->count - d->live;

	(void)args;
	if (s->state == LM_POP3_TRANSACTION)
		lm_pop3_enter(s, LM_POP3_UPDATE);
	if (n == 0)
		return 0;
	s->quit_ids = lm_alloc_zero(n, sizeof(*s->quit_ids));
	if (!s->quit_ids)
		return LM_E_NOMEM;
	for (size_t i = 0; i < d->count; i++)
		if (lm_pop3_drop_deleted(d, i + 1))
			s->quit_ids[s->quit_count++] = d->messages[i].id;
	return 0;
}

/* Whatever the answer, the session is over (RFC 1939 6). */
int lm_pop3_quit_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	s->closing = true;
	if (reply->result == 0)
		return lm_pop3_yes(s, LM_SAY_QUIT, reply);
	if (!s->quit_count)
		return lm_pop3_no(s, reply);
	return lm_pop3_no_as(s, reply, LM_SAY_NOT_REMOVED);
}
