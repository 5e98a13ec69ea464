/* A transaction's envelope: MAIL, RCPT, RSET. */
#include "smtp/smtp.h"

#include "smtp/path.h"
#include "wire/text.h"

#include <stdio.h>

enum { ARENA_BASE = 64 * 1024, ARENA_RECIPIENT = 1024, FIRST_ROOM = 4 };

void lm_smtp_txn_free(struct lm_smtp_txn *t)
{
	if (!t)
		return;
	lm_arena_reset(&t->arena);
	lm_free(t->envelope.recipients);
	lm_free(t->fates);
	lm_buf_done(&t->fill);
	lm_buf_done(&t->wait);
	lm_free(t);
}

void lm_smtp_txn_end(struct lm_smtp *s, bool abort)
{
	if (s->txn && s->txn->accepted && abort)
		lm_smtp_note_abort(s);
	if (s->txn) /* it was told for this one (Postfix XFORWARD) */
		lm_smtp_drop(&s->info.xforward);
	lm_smtp_txn_free(s->txn);
	s->txn = NULL;
	lm_smtp_refusal_clear(s);
}

/* What a handler learns of why its message ended. */
void lm_smtp_note_abort(struct lm_smtp *s)
{
	const struct lm_smtp_words *w = &s->refusal;

	s->notice_abort = true;
	lm_free(s->abort_why);
	s->abort_why = w->code ? lm_alloc(LM_SMTP_TEXT) : NULL;
	if (s->abort_why && w->enhanced[0])
		snprintf(s->abort_why, LM_SMTP_TEXT, "%d %d.%d.%d %.*s", w->code, w->enhanced[0],
		         w->enhanced[1], w->enhanced[2], LM_FMT(w->text));
	else if (s->abort_why)
		snprintf(s->abort_why, LM_SMTP_TEXT, "%d %.*s", w->code, LM_FMT(w->text));
}

static struct lm_smtp_txn *txn_new(const struct lm_smtp *s)
{
	struct lm_smtp_txn *t = lm_alloc_zero(1, sizeof(*t));

	if (!t)
		return NULL;
	lm_arena_init(&t->arena, ARENA_BASE + (size_t)s->params->max_recipients * ARENA_RECIPIENT);
	lm_dot_decoder_init(&t->dot);
	lm_buf_init(&t->fill, LM_SMTP_SLICE + 2);
	lm_buf_init(&t->wait, LM_SMTP_SLICE + 2);
	return t;
}

/* "FROM:<path>" or "TO:<path>"; *out_rest is what stands behind. */
static bool read_path(struct lm_bytes argument, const char *prefix, enum lm_path_kind kind,
                      struct lm_bytes *out_address, struct lm_bytes *out_rest)
{
	struct lm_bytes text = lm_bytes_from(argument, strlen(prefix));
	size_t used;

	if (!lm_starts_nocase(argument, prefix) || lm_path_parse(text, kind, out_address, &used))
		return false;
	*out_rest = lm_bytes_from(text, used);
	return out_rest->len == 0 || out_rest->data[0] == ' ';
}

static bool keep_parameters(struct lm_smtp_txn *t, struct lm_bytes given, struct lm_bytes *out)
{
	if (!given.len)
		return true;
	*out = lm_arena_copy(&t->arena, given);
	return out->data != NULL;
}

static enum lm_smtp_reply_id check_mail(struct lm_smtp *s, struct lm_bytes argument)
{
	struct lm_envelope *e = &s->txn->envelope;
	struct lm_bytes address, rest;
	enum lm_smtp_reply_id bad;

	if (!read_path(argument, "FROM:", LM_PATH_SENDER, &address, &rest))
		return LM_SMTP_R_SENDER_SYNTAX;
	bad = lm_smtp_mail_params(s, rest);
	if (bad)
		return bad;
	if (lm_path_is_8bit(address) && !e->smtputf8)
		return LM_SMTP_R_NEEDS_UTF8;
	e->sender = lm_arena_copy(&s->txn->arena, address);
	if (!e->sender.data || !keep_parameters(s->txn, lm_trim(rest), &e->parameters))
		return LM_SMTP_R_NO_MEMORY;
	return LM_SMTP_GOOD;
}

enum lm_smtp_reply_id lm_smtp_check_mail(struct lm_smtp *s, struct lm_bytes argument)
{
	enum lm_smtp_reply_id bad;

	if (s->params->require_tls && !s->info.tls.active)
		return LM_SMTP_R_TLS_REQUIRED;
	if (s->params->require_auth && !s->info.user.len)
		return LM_SMTP_R_AUTH_REQUIRED;
	s->txn = txn_new(s);
	if (!s->txn)
		return LM_SMTP_R_NO_MEMORY;
	bad = check_mail(s, argument);
	if (bad)
		lm_smtp_txn_end(s, false);
	return bad;
}

void lm_smtp_apply_mail(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	lm_smtp_say_words(s, &v->words);
	if (!v->yes) {
		lm_smtp_txn_end(s, false);
		return;
	}
	if (s->fatal)
		return;
	s->txn->accepted = true;
	s->txn->discard = v->flags & LM_REPLY_DISCARD;
	lm_smtp_set_state(s, LM_SMTP_MAIL);
}

static bool make_room(struct lm_smtp_txn *t)
{
	size_t room = t->recipient_room ? t->recipient_room * 2 : FIRST_ROOM;
	struct lm_recipient *more;

	if (t->envelope.recipient_count < t->recipient_room)
		return true;
	more = lm_realloc(t->envelope.recipients, room, sizeof(*more));
	if (!more)
		return false;
	t->envelope.recipients = more;
	t->recipient_room = room;
	return true;
}

static struct lm_recipient *last_recipient(struct lm_smtp_txn *t)
{
	return &t->envelope.recipients[t->envelope.recipient_count - 1];
}

enum lm_smtp_reply_id lm_smtp_check_rcpt(struct lm_smtp *s, struct lm_bytes argument)
{
	struct lm_recipient r = { .notify = 0 };
	enum lm_smtp_reply_id bad;
	struct lm_bytes rest;

	if (!read_path(argument, "TO:", LM_PATH_RECIPIENT, &r.address, &rest))
		return LM_SMTP_R_RCPT_SYNTAX;
	r.parameters = lm_trim(rest);
	bad = lm_smtp_rcpt_params(s, rest, &r);
	if (bad)
		return bad;
	if (lm_path_is_8bit(r.address) && !s->txn->envelope.smtputf8)
		return LM_SMTP_R_NEEDS_UTF8;
	if (s->txn->fate_count >= s->params->max_recipients)
		return LM_SMTP_R_TOO_MANY_RCPT;
	if (!make_room(s->txn))
		return LM_SMTP_R_NO_MEMORY;
	s->txn->envelope.recipient_count++;
	*last_recipient(s->txn) = r;
	return LM_SMTP_GOOD;
}

/* The handler saw slices of the command; what is accepted moves to the arena. */
static bool keep_recipient(struct lm_smtp_txn *t)
{
	struct lm_recipient *r = last_recipient(t);
	struct lm_bytes given = r->parameters;

	r->address = lm_arena_copy(&t->arena, r->address);
	if (!r->address.data || !keep_parameters(t, given, &r->parameters))
		return false;
	if (r->orcpt.len) /* a part of them */
		r->orcpt.data = r->parameters.data + (r->orcpt.data - given.data);
	return true;
}

static bool keep_fate(struct lm_smtp_txn *t, bool dropped)
{
	if (t->fate_count == t->fate_room) {
		size_t room = t->fate_room ? t->fate_room * 2 : FIRST_ROOM;
		uint8_t *more = lm_realloc(t->fates, room, 1);

		if (!more)
			return false;
		t->fates = more;
		t->fate_room = room;
	}
	t->fates[t->fate_count++] = dropped;
	return true;
}

void lm_smtp_apply_rcpt(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	struct lm_smtp_txn *t = s->txn;
	bool dropped = v->flags & LM_REPLY_DISCARD;

	if (!v->yes) {
		t->envelope.recipient_count--;
		t->tried = true;
		lm_smtp_say_words(s, &v->words);
		return;
	}
	if ((!dropped && !keep_recipient(t)) || !keep_fate(t, dropped)) {
		t->envelope.recipient_count--;
		lm_smtp_say(s, LM_SMTP_R_NO_MEMORY);
		return;
	}
	if (dropped)
		t->envelope.recipient_count--;
	lm_smtp_say_words(s, &v->words);
	if (s->state == LM_SMTP_MAIL)
		lm_smtp_set_state(s, LM_SMTP_RCPT);
}

void lm_smtp_apply_rset(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	if (v->yes) {
		lm_smtp_txn_end(s, true);
		if (s->state > LM_SMTP_READY)
			lm_smtp_set_state(s, LM_SMTP_READY);
	}
	lm_smtp_say_words(s, &v->words);
}
