/* A transaction: MAIL, RCPT and DATA said in groups (RFC 2920), their replies read in order. */
#include "smtp/client.h"

#include "wire/text.h"

/* What the next reply is to. */
enum part { NONE, RSET, MAIL, RCPT, DATA, CHUNK, END };

static bool is_end_due(const struct lm_smtpc_send *t)
{
	return t->ended && !(t->chunked && t->chunks > 1);
}

static enum part due(const struct lm_smtpc_send *t)
{
	if (t->rset_sent)
		return RSET;
	if (t->mail_sent && !t->mail_answered)
		return MAIL;
	if (t->answered < t->sent)
		return RCPT;
	if (t->data_sent && !t->data_answered)
		return DATA;
	if (is_end_due(t) && !(t->chunked && !t->chunks))
		return END;
	return t->chunks ? CHUNK : NONE;
}

void lm_smtpc_send_free(struct lm_smtpc_send *t)
{
	if (!t)
		return;
	lm_arena_reset(&t->arena);
	lm_free(t);
}

/* The reply just read, as it will be told later. */
static void keep_fate(struct lm_smtpc *s, struct lm_outcome *fate, int result)
{
	struct lm_bytes text = s->answer.text;

	if (text.len > LM_SMTPC_WORDS)
		text.len = LM_SMTPC_WORDS;
	fate->result = result;
	fate->side = result ? LM_SIDE_SERVER : LM_SIDE_NONE;
	fate->smtp_code = s->answer.code;
	memcpy(fate->enhanced, s->answer.enhanced, sizeof(fate->enhanced));
	fate->text = lm_arena_copy(&s->send->arena, text);
}

/* Let `command` say what that part was. */
static void name(struct lm_smtpc *s, enum part part, size_t recipient)
{
	const struct lm_envelope *e = s->send->envelope;
	int err = 0;

	lm_buf_clear(&s->command);
	if (part == MAIL)
		err = lm_buf_printf(&s->command, "MAIL FROM:<%.*s>", LM_FMT(e->sender));
	else if (part == RCPT)
		err = lm_buf_printf(&s->command, "RCPT TO:<%.*s>",
		                    LM_FMT(e->recipients[recipient].address));
	else if (part == RSET)
		err = lm_buf_add_str(&s->command, "RSET");
	else
		err = lm_buf_add_str(&s->command, s->send->chunked ? "BDAT" : "DATA");
	if (err)
		lm_buf_clear(&s->command);
}

/* The whole transaction is refused, with these words for everybody who was not refused before. */
static void refuse(struct lm_smtpc *s, int result, enum part part)
{
	struct lm_smtpc_send *t = s->send;

	if (t->refused)
		return;
	t->refused = true;
	keep_fate(s, &t->main, result);
	name(s, part, 0);
	t->main.command = lm_arena_copy(&t->arena, lm_buf_bytes(&s->command));
}

static struct lm_outcome *new_fates(struct lm_smtpc *s, struct lm_smtpc_send *t, size_t count)
{
	size_t size;

	lm_arena_init(&t->arena, SIZE_MAX / 2);
	if (!lm_mul(count, sizeof(*t->fates), &size))
		return NULL;
	t->fates = lm_arena_alloc(&t->arena, size);
	for (size_t i = 0; t->fates && i < count; i++)
		t->fates[i] = (struct lm_outcome){ .type = LM_REQUEST_SEND, .tag = s->job->tag };
	return t->fates;
}

/* RFC 9422: those who are too many are named, not tried. */
static void limit_recipients(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;
	uint64_t max = lm_smtpc_limit(s, "RCPTMAX", UINT64_MAX);

	t->limit = t->envelope->recipient_count;
	if (max >= t->limit)
		return;
	for (size_t i = (size_t)max; i < t->limit; i++) {
		t->fates[i].result = LM_E_LIMIT;
		t->fates[i].side = LM_SIDE_SERVER;
		t->fates[i].text = lm_str("the server takes no more recipients at once");
	}
	t->limit = (size_t)max;
}

void lm_smtpc_send(struct lm_smtpc *s)
{
	const struct lm_envelope *e = s->job->envelope;
	struct lm_smtpc_send *t = lm_alloc_zero(1, sizeof(*t));

	s->send = t;
	if (!t || !new_fates(s, t, e->recipient_count)) {
		lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
		return;
	}
	t->envelope = e;
	if (!lm_smtpc_can_send(s, e)) {
		for (size_t i = 0; i < e->recipient_count; i++) {
			t->fates[i].result = s->outcome.result;
			t->fates[i].side = s->outcome.side;
			t->fates[i].text = s->outcome.text;
		}
		s->outcome.recipients = t->fates;
		s->outcome.recipient_count = e->recipient_count;
		return;
	}
	t->chunked = lm_smtpc_has(s, "CHUNKING", NULL) && !s->params->no_chunking;
	t->pipelined = lm_smtpc_has(s, "PIPELINING", NULL) && !s->params->no_pipelining;
	lm_dot_encoder_init(&t->dot);
	limit_recipients(s);
	s->messages++;
	s->await = LM_SMTPC_SEND;
	lm_smtpc_send_more(s);
}

/* Say the next command; false when none may be said now. */
static bool say_next(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;
	bool waits = due(t) != NONE;

	if (t->refused || t->data_sent || (waits && !t->pipelined))
		return false;
	if (s->rset_due && !t->mail_sent) {
		s->rset_due = false;
		t->rset_sent = true;
		lm_smtpc_say(s, "RSET");
	} else if (!t->mail_sent) {
		t->mail_sent = true;
		lm_smtpc_say_mail(s);
	} else if (t->sent < t->limit) {
		lm_smtpc_say_rcpt(s, &t->envelope->recipients[t->sent++]);
	} else if (!t->chunked && (t->accepted || waits)) {
		t->data_sent = true;
		lm_smtpc_say(s, "DATA");
	} else {
		return false;
	}
	return true;
}

void lm_smtpc_send_more(struct lm_smtpc *s)
{
	while (!s->fatal && lm_buf_len(&s->output) < LM_SMTPC_GROUP && say_next(s))
		;
}

/* What one reply means: 0, or a refusal; anything else is the session's end. */
static bool is_understood(struct lm_smtpc *s, int *out_result)
{
	*out_result = 0;
	return s->answer.code / 100 == 2 || lm_smtpc_refusal(s, out_result);
}

static void on_mail(struct lm_smtpc *s)
{
	int result;

	if (!is_understood(s, &result))
		return;
	s->send->mail_answered = true;
	s->rset_due = !result;
	if (result)
		refuse(s, result, MAIL);
}

static void on_rcpt(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;
	int result;

	if (!is_understood(s, &result))
		return;
	t->answered++;
	if (t->refused)
		return; /* MAIL was, and its reply says why */
	keep_fate(s, &t->fates[t->answered - 1], result);
	t->accepted += !result;
}

static void on_data(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;
	int result;

	t->data_answered = true;
	if (s->answer.code != 354) {
		/* A success without a message is none. */
		if (lm_smtpc_refusal(s, &result) && t->accepted)
			refuse(s, result, DATA);
		return;
	}
	if (t->accepted && !t->refused) {
		lm_smtpc_ask(s, LM_EVENT_DATA);
		return;
	}
	t->ended = t->empty = true;
	lm_smtpc_say(s, ".");
}

static void on_chunk(struct lm_smtpc *s)
{
	int result;

	s->send->chunks--;
	if (!is_understood(s, &result) || !result)
		return;
	s->send->body = false;
	refuse(s, result, CHUNK);
}

/* RFC 2033 4.2: a reply for each recipient that was accepted, in their order. */
static bool next_delivery(struct lm_smtpc_send *t)
{
	while (t->delivered < t->limit && t->fates[t->delivered].result)
		t->delivered++;
	return t->delivered < t->limit;
}

static void end(struct lm_smtpc_send *t)
{
	t->ended = false;
	t->chunks = 0;
}

static void on_end(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;
	bool each = s->params->protocol == LM_LMTP && !t->empty && !t->refused;
	int result;

	if (!is_understood(s, &result))
		return;
	s->rset_due = t->chunked && t->refused;
	if (each) {
		(void)next_delivery(t);
		keep_fate(s, &t->fates[t->delivered++], result);
		t->accepted -= result != 0;
		if (next_delivery(t))
			return;
	} else if (result && !t->empty) {
		refuse(s, result, END);
	} else if (!t->empty) {
		keep_fate(s, &t->main, 0);
	}
	end(t);
}

static void tell(struct lm_smtpc *s, const struct lm_outcome *from)
{
	struct lm_outcome *o = &s->outcome;

	*o = *from;
	o->octets = s->send->octets;
	o->unknown = false;
	o->recipients = s->send->fates;
	o->recipient_count = s->send->envelope->recipient_count;
}

/* The first recipient who was refused; a temporary refusal, if there is one, says more: try
 * again. */
static const struct lm_outcome *first_refused(const struct lm_smtpc_send *t)
{
	const struct lm_outcome *found = NULL;

	for (size_t i = 0; i < t->envelope->recipient_count; i++) {
		const struct lm_outcome *f = &t->fates[i];

		if (f->result &&
		    (!found || (found->result != LM_E_AGAIN && f->result == LM_E_AGAIN)))
			found = f;
	}
	return found;
}

static void finish_refused(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;

	for (size_t i = 0; i < t->limit; i++) {
		if (t->fates[i].result)
			continue;
		t->fates[i] = t->main;
		t->fates[i].command = lm_bytes(NULL, 0);
		t->fates[i].type = LM_REQUEST_SEND;
		t->fates[i].tag = s->job->tag;
	}
	lm_buf_clear(&s->command);
	if (lm_buf_add(&s->command, t->main.command))
		lm_buf_clear(&s->command);
	tell(s, &t->main);
	lm_smtpc_finish(s, t->main.result, t->main.side, false);
}

static void finish(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;
	const struct lm_outcome *bad = first_refused(t);

	if (t->refused) {
		finish_refused(s);
	} else if (!bad) {
		tell(s, s->params->protocol == LM_LMTP ? &t->fates[0] : &t->main);
		name(s, END, 0);
		lm_smtpc_finish(s, 0, LM_SIDE_NONE, false);
	} else {
		tell(s, bad);
		name(s, RCPT, (size_t)(bad - t->fates));
		lm_smtpc_finish(s, t->accepted ? LM_E_NOT_FOUND : bad->result, bad->side, false);
	}
}

/* After a reply: what now? */
static void go_on(struct lm_smtpc *s)
{
	struct lm_smtpc_send *t = s->send;

	if (s->fatal || s->decision || t->body || due(t) != NONE)
		return;
	if (t->refused || (t->mail_answered && t->answered == t->limit && !t->accepted)) {
		finish(s);
		return;
	}
	if (!t->mail_answered || t->answered < t->limit)
		return; /* more commands are to be said */
	if (t->chunked && !t->octets && !t->data_answered) {
		t->data_answered = true;
		lm_smtpc_ask(s, LM_EVENT_DATA);
		return;
	}
	if (t->data_answered)
		finish(s);
}

static void on_early(struct lm_smtpc *s)
{
	int result;

	if (!lm_smtpc_refusal(s, &result))
		return;
	/* It does not even want to hear the end; the message is not to be ended. */
	refuse(s, result, DATA);
	finish(s);
	s->fatal = LM_E_CLOSED;
	lm_buf_clear(&s->output);
	lm_smtpc_end(s);
}

void lm_smtpc_on_send(struct lm_smtpc *s)
{
	switch (due(s->send)) {
	case RSET:
		s->send->rset_sent = false;
		break;
	case MAIL:
		on_mail(s);
		break;
	case RCPT:
		on_rcpt(s);
		break;
	case DATA:
		on_data(s);
		break;
	case CHUNK:
		on_chunk(s);
		break;
	case END:
		on_end(s);
		break;
	case NONE:
		on_early(s);
		return;
	}
	go_on(s);
}

void lm_smtpc_on_source(struct lm_smtpc *s, const struct lm_reply *reply)
{
	struct lm_smtpc_send *t = s->send;
	int err = !reply ? LM_E_CANCELED : reply->result;

	if (!err) {
		t->body = true;
		return;
	}
	if (!t->chunked) { /* behind 354 there is only one way not to send */
		lm_smtpc_fail(s, err, LM_SIDE_CLIENT, "the message was withheld");
		return;
	}
	lm_smtpc_send_cut(s, err, LM_SIDE_CLIENT);
	lm_smtpc_finish_words(s, err, LM_SIDE_CLIENT, "the message was withheld");
}

static bool is_settled(const struct lm_smtpc *s, size_t i)
{
	const struct lm_smtpc_send *t = s->send;

	if (t->fates[i].result)
		return true;
	return s->params->protocol == LM_LMTP && i < t->delivered;
}

void lm_smtpc_send_cut(struct lm_smtpc *s, int err, enum lm_side side)
{
	struct lm_smtpc_send *t = s->send;
	bool unknown = err && t->ended && !t->empty && !t->refused && !lm_buf_len(&s->output);

	if (!t->fates)
		return;
	name(s, due(t), t->answered);
	for (size_t i = 0; i < t->envelope->recipient_count; i++) {
		if (is_settled(s, i))
			continue;
		t->fates[i].smtp_code = 0;
		t->fates[i].text = lm_bytes(NULL, 0);
		if (!err) {
			keep_fate(s, &t->fates[i], LM_E_AGAIN);
			continue;
		}
		t->fates[i].result = err;
		t->fates[i].side = side;
		t->fates[i].unknown = unknown;
	}
	s->outcome.recipients = t->fates;
	s->outcome.recipient_count = t->envelope->recipient_count;
	s->outcome.octets = t->octets;
	s->outcome.unknown = unknown;
}
