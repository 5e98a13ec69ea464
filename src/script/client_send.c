/* A message on its way: to all recipients, in as many transactions as the server needs. */
#include "script/client.h"

#include "base/error.h"

#include <inttypes.h>

enum { TEXTS_MAX = 64 << 20 };

struct lm_sending {
	struct lm_outgoing *letter;
	struct lm_envelope envelope; /* of the transaction under way */
	size_t *places;              /* of its recipients in the whole envelope */
	struct lm_outcome *fates;    /* of all */
	struct lm_arena texts;
	size_t accepted;
	bool is_unknown;
};

int lm_sending_new(struct lm_ask *ask, struct lm_outgoing *letter)
{
	const struct lm_envelope *e = lm_outgoing_envelope(letter);
	struct lm_sending *s = lm_alloc_zero(1, sizeof(*s));

	if (!s) {
		lm_outgoing_free(letter);
		return LM_E_NOMEM;
	}
	ask->sending = s;
	ask->steps = &lm_ask_send;
	s->letter = letter;
	lm_arena_init(&s->texts, TEXTS_MAX);
	s->places = lm_alloc_zero(e->recipient_count, sizeof(*s->places));
	s->fates = lm_alloc_zero(e->recipient_count, sizeof(*s->fates));
	s->envelope = *e;
	s->envelope.recipients = lm_alloc_zero(e->recipient_count, sizeof(*s->envelope.recipients));
	if (!s->places || !s->fates || !s->envelope.recipients)
		return LM_E_NOMEM;
	for (size_t i = 0; i < e->recipient_count; i++) {
		s->places[i] = i;
		s->envelope.recipients[i] = e->recipients[i];
		s->fates[i] = (struct lm_outcome){ .result = LM_E_CANCELED,
			                           .side = LM_SIDE_NETWORK };
	}
	ask->request.envelope = &s->envelope;
	return 0;
}

void lm_sending_free(struct lm_sending *sending)
{
	if (!sending)
		return;
	lm_outgoing_free(sending->letter);
	lm_free(sending->places);
	lm_free(sending->fates);
	lm_free(sending->envelope.recipients);
	lm_arena_reset(&sending->texts);
	lm_free(sending);
}

struct lm_source *lm_sending_source(struct lm_sending *sending)
{
	return lm_outgoing_source(sending->letter);
}

/* ---- Rounds ---- */

static void keep_fates(struct lm_sending *s, const struct lm_outcome *outcome)
{
	for (size_t i = 0; i < s->envelope.recipient_count; i++) {
		struct lm_outcome *fate = &s->fates[s->places[i]];

		if (i >= outcome->recipient_count) { /* it did not come so far */
			*fate = (struct lm_outcome){ .result = outcome->result ? outcome->result
				                                               : LM_E_CANCELED,
				                     .side = outcome->side };
			continue;
		}
		*fate = outcome->recipients[i];
		fate->command = lm_bytes(NULL, 0);
		fate->text = lm_arena_copy(&s->texts, fate->text);
		s->accepted += !fate->result;
	}
	s->is_unknown |= outcome->unknown;
}

/* Too many at once (RFC 5321 4.5.3.1.10, or over LIMITS RCPTMAX): later, then. */
static bool is_put_off(const struct lm_outcome *fate)
{
	if (fate->side != LM_SIDE_SERVER)
		return false;
	if (fate->result == LM_E_LIMIT && !fate->smtp_code)
		return true;
	return fate->smtp_code == 452 && (!fate->enhanced[0] || fate->enhanced[1] == 5);
}

/* Leaves those who were put off. False: nobody was, or nobody got it, so trying again is idle. */
static bool next_round(struct lm_sending *s)
{
	size_t accepted = 0, left = 0;

	for (size_t i = 0; i < s->envelope.recipient_count; i++) {
		const struct lm_outcome *fate = &s->fates[s->places[i]];

		accepted += !fate->result;
		if (!fate->result || !is_put_off(fate))
			continue;
		s->places[left] = s->places[i];
		s->envelope.recipients[left++] = s->envelope.recipients[i];
	}
	if (!accepted || !left)
		return false;
	s->envelope.recipient_count = left;
	return true;
}

/* Over all rounds: the first who was refused speaks for the others. */
static void sum_up(struct lm_ask *ask)
{
	const struct lm_sending *s = ask->sending;
	const struct lm_envelope *e = lm_outgoing_envelope(s->letter);
	const struct lm_outcome *refused = NULL;

	if (s->accepted == e->recipient_count) {
		ask->error = (struct lm_error){ .code = 0 };
		return;
	}
	if (!s->accepted || s->is_unknown)
		return;
	for (size_t i = 0; i < e->recipient_count && !refused; i++)
		if (s->fates[i].result && s->fates[i].side == LM_SIDE_SERVER)
			refused = &s->fates[i];
	if (refused)
		lm_fail(&ask->error, LM_E_NOT_FOUND,
		        "%zu of %zu recipients were refused, the first is <%.*s>: %d %.*s",
		        e->recipient_count - s->accepted, e->recipient_count,
		        LM_FMT(e->recipients[refused - s->fates].address), refused->smtp_code,
		        LM_FMT(refused->text));
}

static bool on_sent(struct lm_ask *ask, const struct lm_outcome *outcome)
{
	struct lm_sending *s = ask->sending;

	keep_fates(s, outcome);
	if (outcome->result == LM_E_NOT_FOUND && next_round(s)) {
		ask->error = (struct lm_error){ .code = 0 };
		ask->is_noted = false;
		lm_conn_push(ask);
		return true;
	}
	sum_up(ask);
	return false;
}

const struct lm_ask_steps lm_ask_send = { on_sent, NULL, NULL };

/* ---- For script ---- */

static int add_recipient(struct lm_buf *out, struct lm_bytes address, const struct lm_outcome *fate)
{
	int err = lm_buf_printf(out, "{\"accepted\":%s", fate->result ? "false" : "true");

	if (!err)
		err = lm_json_member(out, "address", address);
	if (!err && fate->result)
		err = lm_json_member(out, "error", lm_str(lm_err_name(fate->result)));
	if (!err)
		err = lm_json_reply(out, "reply", fate);
	return err ? err : lm_buf_add_str(out, "}");
}

int lm_sending_json(const struct lm_sending *sending, struct lm_buf *out)
{
	const struct lm_envelope *e = lm_outgoing_envelope(sending->letter);
	int err = lm_buf_printf(out, ",\"size\":%" PRIu64 ",\"unknown\":%s", e->size,
	                        sending->is_unknown ? "true" : "false");

	if (!err)
		err = lm_json_member(out, "sender", e->sender);
	if (!err)
		err = lm_buf_add_str(out, ",\"recipients\":[");
	for (size_t i = 0; i < e->recipient_count && !err; i++) {
		err = i ? lm_buf_add_str(out, ",") : 0;
		if (!err)
			err = add_recipient(out, e->recipients[i].address, &sending->fates[i]);
	}
	return err ? err : lm_buf_add_str(out, "]");
}
