/* Recipients in rounds: those who were too many for one transaction are tried in the next. */
#include "cli/letter_rounds.h"

#include "base/error.h"

enum { MAX_TEXTS = 64 << 20 };

/* Those who have not got it yet. */
struct round {
	struct lm_recipient *recipients;
	size_t *places; /* of each, in the envelope */
	size_t count;
};

void lm_letter_fates_done(struct lm_letter_fates *fates)
{
	lm_free(fates->items);
	lm_arena_reset(&fates->texts);
	*fates = (struct lm_letter_fates){ 0 };
}

/* Results of the client live until its next call only. */
static void keep(struct lm_letter_fates *fates, const struct round *r,
                 const struct lm_send_result *result, int err)
{
	for (size_t i = 0; i < r->count; i++) {
		struct lm_outcome *fate = &fates->items[r->places[i]];

		if (i >= result->recipient_count) { /* it did not come so far */
			*fate = (struct lm_outcome){ .result = err, .side = LM_SIDE_NETWORK };
			continue;
		}
		*fate = result->recipients[i];
		fate->command = lm_bytes(NULL, 0);
		fate->text = lm_arena_copy(&fates->texts, fate->text);
	}
	fates->unknown |= result->unknown;
}

static bool is_put_off(const struct lm_outcome *fate)
{
	if (fate->side != LM_SIDE_SERVER)
		return false;
	if (fate->result == LM_E_LIMIT && !fate->smtp_code)
		return true;
	return fate->smtp_code == 452 && (!fate->enhanced[0] || fate->enhanced[1] == 5);
}

/* Leaves those who were put off; false: nobody was, or nobody got it, so trying again is idle. */
static bool next_round(struct round *r, const struct lm_letter_fates *fates)
{
	size_t accepted = 0, left = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct lm_outcome *fate = &fates->items[r->places[i]];

		accepted += !fate->result;
		if (!fate->result || !is_put_off(fate))
			continue;
		r->places[left] = r->places[i];
		r->recipients[left++] = r->recipients[i];
	}
	r->count = left;
	return accepted && left;
}

static int send_round(struct lm_client *client, struct lm_outgoing *letter, const struct round *r,
                      struct lm_letter_fates *fates, struct lm_error *why)
{
	struct lm_envelope envelope = *lm_outgoing_envelope(letter);
	struct lm_source *source = lm_outgoing_source(letter);
	struct lm_send_result result = { 0 };
	int err;

	if (!source)
		return lm_fail(why, LM_E_NOMEM, "out of memory");
	envelope.recipients = r->recipients;
	envelope.recipient_count = r->count;
	err = lm_smtp_client_send(client, &envelope, source, &result, why);
	keep(fates, r, &result, err);
	return err;
}

static bool is_refusal(int err)
{
	return err == LM_E_NOT_FOUND || err == LM_E_DENIED || err == LM_E_AGAIN ||
	       err == LM_E_LIMIT || err == LM_E_UNSUPPORTED;
}

/* Over all: 0 when everybody got it, NOT_FOUND when some did. */
static int sum_up(const struct lm_letter_fates *fates, int last)
{
	size_t accepted = 0;

	for (size_t i = 0; i < fates->count; i++)
		accepted += !fates->items[i].result;
	if (accepted == fates->count)
		return 0;
	return accepted ? LM_E_NOT_FOUND : last;
}

/* The client's words may speak of one who got it in a later round. */
static void name_refused(const struct lm_letter_fates *fates, const struct lm_envelope *e,
                         struct lm_error *out_error)
{
	for (size_t i = 0; i < fates->count; i++) {
		const struct lm_outcome *f = &fates->items[i];

		if (!f->result || f->side != LM_SIDE_SERVER)
			continue;
		lm_fail(out_error, LM_E_NOT_FOUND, "the server refused <%.*s>: %d %.*s",
		        LM_FMT(e->recipients[i].address), f->smtp_code, LM_FMT(f->text));
		return;
	}
}

static int send_rounds(struct lm_client *client, struct lm_outgoing *letter, struct round *r,
                       struct lm_letter_fates *fates, struct lm_error *out_error)
{
	struct lm_error why = { 0 };
	int err, sum;

	do {
		err = send_round(client, letter, r, fates, &why);
		if (err && (!is_refusal(err) || !out_error->code))
			*out_error = why;
	} while (err == LM_E_NOT_FOUND && next_round(r, fates));
	fates->lost = fates->unknown || (err && !is_refusal(err));
	sum = sum_up(fates, err);
	if (sum && !fates->lost && r->count < fates->count)
		name_refused(fates, lm_outgoing_envelope(letter), out_error);
	return sum;
}

int lm_letter_rounds(struct lm_client *client, struct lm_outgoing *letter,
                     struct lm_letter_fates *out_fates, struct lm_error *out_error)
{
	const struct lm_envelope *e = lm_outgoing_envelope(letter);
	struct round r = { .count = e->recipient_count };
	int err = LM_E_NOMEM;

	*out_fates = (struct lm_letter_fates){ .count = e->recipient_count };
	lm_arena_init(&out_fates->texts, MAX_TEXTS);
	out_fates->items = lm_alloc_zero(r.count + 1, sizeof(*out_fates->items));
	r.recipients = lm_alloc_zero(r.count + 1, sizeof(*r.recipients));
	r.places = lm_alloc_zero(r.count + 1, sizeof(*r.places));
	out_error->code = 0;
	if (out_fates->items && r.recipients && r.places) {
		for (size_t i = 0; i < r.count; i++) {
			r.recipients[i] = e->recipients[i];
			r.places[i] = i;
		}
		err = send_rounds(client, letter, &r, out_fates, out_error);
	}
	if (!out_fates->items)
		out_fates->count = 0;
	lm_free(r.recipients);
	lm_free(r.places);
	return err && !out_error->code ? lm_fail(out_error, err, "%s", lm_err_text(err)) : err;
}
