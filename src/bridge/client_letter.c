/* A message a script sends: made ready where it has to be, sent in as many rounds as it takes. */
#include "bridge/client_letter.h"

#include "base/error.h"

#include <strings.h>

enum { TEXTS_MAX = 64 << 20, LIST_MAX = 1 << 20 };

int lm_bx_letter_new(struct lm_bx_letter **out_letter)
{
	struct lm_bx_letter *letter = lm_alloc_zero(1, sizeof(*letter));

	if (!letter)
		return LM_E_NOMEM;
	lm_arena_init(&letter->arena, TEXTS_MAX);
	*out_letter = letter;
	return 0;
}

void lm_bx_letter_free(struct lm_bx_letter *letter)
{
	if (!letter)
		return;
	lm_outgoing_free(letter->out);
	lm_arena_reset(&letter->arena);
	lm_free(letter);
}

static int no_memory(struct lm_error *out_error)
{
	return lm_fail(out_error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
}

static int open_out(struct lm_bx_letter *letter, unsigned flags, struct lm_error *out_error)
{
	const struct lm_bx_wishes *w = &letter->wishes;
	int err;

	if (letter->out)
		return 0;
	flags |= w->sender.data ? LM_OUTGOING_NO_SENDER : 0;
	flags |= w->recipient_count ? LM_OUTGOING_NO_RECIPIENTS : 0;
	err = lm_outgoing_new(flags, w->max, &letter->out);
	return err ? no_memory(out_error) : 0;
}

int lm_bx_letter_write(struct lm_bx_letter *letter, struct lm_bytes octets,
                       struct lm_error *out_error)
{
	int err = open_out(letter, letter->wishes.flags, out_error);

	return err ? err : lm_outgoing_write(letter->out, octets, out_error);
}

/* ---- Addresses ---- */

static bool is_plain(struct lm_bytes address)
{
	for (size_t i = 0; i < address.len; i++)
		if (address.data[i] <= ' ' || strchr("<>,;:()\"", address.data[i]))
			return false;
	return true;
}

static bool has_control(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if ((b.data[i] < 0x20 && b.data[i] != '\t') || b.data[i] == 0x7F)
			return true;
	return false;
}

/* What stands in a header's field is read as there: names, lists, groups. */
static int read_list(struct lm_bytes text, struct lm_outgoing **out_read,
                     struct lm_error *out_error)
{
	struct lm_outgoing *read;
	struct lm_error why = { 0 };
	int err;

	if (has_control(text) || text.len > LIST_MAX)
		return lm_fail(out_error, LM_E_SYNTAX, "an address has control characters in it");
	err = lm_outgoing_new(LM_OUTGOING_NO_SENDER, 0, &read);
	if (err)
		return no_memory(out_error);
	err = lm_outgoing_write(read, lm_str("To: "), &why);
	if (!err)
		err = lm_outgoing_write(read, text, &why);
	if (!err)
		err = lm_outgoing_end(read, &why);
	if (!err) {
		*out_read = read;
		return 0;
	}
	lm_outgoing_free(read);
	return lm_fail(out_error, err, "\"%.*s\" is no address: %s",
	               (int)(text.len < 80 ? text.len : 80), (const char *)text.data, why.text);
}

static int set_sender(struct lm_bx_letter *letter, struct lm_error *out_error)
{
	const struct lm_bytes text = letter->wishes.sender;
	const struct lm_envelope *e;
	struct lm_outgoing *read;
	int err;

	if (!text.data) {
		if (lm_outgoing_envelope(letter->out)->sender.data)
			return 0;
		return lm_fail(out_error, LM_E_SYNTAX,
		               "the message's header names no sender: say from");
	}
	if (is_plain(text) || lm_bytes_equal(text, lm_str("<>")))
		return lm_outgoing_set_sender(letter->out, is_plain(text) ? text : lm_str(""),
		                              out_error);
	err = read_list(text, &read, out_error);
	if (err)
		return err;
	e = lm_outgoing_envelope(read);
	err = e->recipient_count == 1
	              ? lm_outgoing_set_sender(letter->out, e->recipients[0].address, out_error)
	              : lm_fail(out_error, LM_E_SYNTAX, "from: a message has one sender");
	lm_outgoing_free(read);
	return err;
}

/* One that is there already keeps what was said of it first. */
static int add_one(struct lm_bx_letter *letter, struct lm_bytes address,
                   const struct lm_recipient *like, struct lm_error *out_error)
{
	struct lm_envelope *e = lm_outgoing_envelope(letter->out);
	const size_t before = e->recipient_count;
	int err;

	if (!address.len)
		return lm_fail(out_error, LM_E_SYNTAX, "to: a recipient's address is empty");
	err = lm_outgoing_add_recipient(letter->out, address, out_error);
	if (err || e->recipient_count == before)
		return err;
	e->recipients[before].notify = like->notify;
	e->recipients[before].orcpt = like->orcpt;
	return 0;
}

static int add_wished(struct lm_bx_letter *letter, const struct lm_recipient *wished,
                      struct lm_error *out_error)
{
	const struct lm_envelope *e;
	struct lm_outgoing *read;
	int err;

	if (is_plain(wished->address))
		return add_one(letter, wished->address, wished, out_error);
	err = read_list(wished->address, &read, out_error);
	if (err)
		return err;
	e = lm_outgoing_envelope(read);
	for (size_t i = 0; i < e->recipient_count && !err; i++)
		err = add_one(letter, e->recipients[i].address, wished, out_error);
	lm_outgoing_free(read);
	return err;
}

static int set_recipients(struct lm_bx_letter *letter, struct lm_error *out_error)
{
	const struct lm_bx_wishes *w = &letter->wishes;
	int err = 0;

	for (size_t i = 0; i < w->recipient_count && !err; i++)
		err = add_wished(letter, &w->recipients[i], out_error);
	if (err || lm_outgoing_envelope(letter->out)->recipient_count)
		return err;
	return lm_fail(out_error, LM_E_SYNTAX,
	               w->recipient_count ? "to: there is no recipient"
	                                  : "the message's header names no recipient: say to");
}

/* ---- Rounds ---- */

static int begin_rounds(struct lm_bx_letter *letter)
{
	const struct lm_envelope *e = lm_outgoing_envelope(letter->out);
	const size_t count = e->recipient_count;
	struct lm_recipient *own = lm_arena_alloc(&letter->arena, count * sizeof(*own));

	letter->places = lm_arena_alloc(&letter->arena, count * sizeof(*letter->places));
	letter->fates = lm_arena_alloc(&letter->arena, count * sizeof(*letter->fates));
	if (!own || !letter->places || !letter->fates)
		return LM_E_NOMEM;
	letter->envelope = *e;
	letter->envelope.recipients = own;
	for (size_t i = 0; i < count; i++) {
		own[i] = e->recipients[i];
		letter->places[i] = i;
		letter->fates[i] = (struct lm_outcome){ .result = LM_E_CANCELED,
			                                .side = LM_SIDE_NETWORK };
	}
	return 0;
}

int lm_bx_letter_end(struct lm_bx_letter *letter, struct lm_error *out_error)
{
	const struct lm_bx_wishes *w = &letter->wishes;
	struct lm_envelope *e;
	int err = open_out(letter, w->flags, out_error);

	if (!err)
		err = lm_outgoing_end(letter->out, out_error);
	if (!err)
		err = set_sender(letter, out_error);
	if (!err)
		err = set_recipients(letter, out_error);
	if (err)
		return err;
	e = lm_outgoing_envelope(letter->out);
	e->dsn_ret = w->ret;
	e->envid = w->envid;
	e->auth = w->auth;
	e->require_tls = w->require_tls;
	e->smtputf8 = e->smtputf8 || w->smtputf8;
	if (letter->in_place.data) {
		e->size = letter->in_place.len;
		e->eight_bit = letter->in_place_8bit;
	}
	return begin_rounds(letter) ? no_memory(out_error) : 0;
}

static void keep_fates(struct lm_bx_letter *letter, const struct lm_outcome *outcome)
{
	for (size_t i = 0; i < letter->envelope.recipient_count; i++) {
		struct lm_outcome *fate = &letter->fates[letter->places[i]];

		if (i >= outcome->recipient_count) { /* it did not come so far */
			*fate = (struct lm_outcome){ .result = outcome->result ? outcome->result
				                                               : LM_E_CANCELED,
				                     .side = outcome->side };
			continue;
		}
		*fate = outcome->recipients[i];
		fate->command = lm_bytes(NULL, 0);
		fate->text = lm_arena_copy(&letter->arena, fate->text);
		letter->accepted += !fate->result;
	}
	letter->is_unknown |= outcome->unknown;
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

bool lm_bx_letter_round(struct lm_bx_letter *letter, const struct lm_outcome *outcome)
{
	size_t accepted = 0, left = 0;

	keep_fates(letter, outcome);
	if (outcome->result != LM_E_NOT_FOUND)
		return false;
	for (size_t i = 0; i < letter->envelope.recipient_count; i++) {
		const struct lm_outcome *fate = &letter->fates[letter->places[i]];

		accepted += !fate->result;
		if (!fate->result || !is_put_off(fate))
			continue;
		letter->places[left] = letter->places[i];
		letter->envelope.recipients[left++] = letter->envelope.recipients[i];
	}
	if (!accepted || !left)
		return false;
	letter->envelope.recipient_count = left;
	return true;
}

/* ---- In place ---- */

struct in_place {
	struct lm_source head;
	struct lm_bytes rest;
};

static int in_place_read(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                         bool *out_last)
{
	struct in_place *s = lm_container(source, struct in_place, head);
	const size_t n = s->rest.len < max ? s->rest.len : max;

	*out_chunk = lm_bytes(s->rest.data, n);
	s->rest = lm_bytes_from(s->rest, n);
	*out_last = !s->rest.len;
	return 0;
}

static void in_place_close(struct lm_source *source)
{
	lm_free(lm_container(source, struct in_place, head));
}

struct lm_source *lm_bx_letter_source(struct lm_bx_letter *letter)
{
	static const struct lm_source_ops ops = { .read = in_place_read, .close = in_place_close };
	struct in_place *s;

	if (!letter->in_place.data)
		return lm_outgoing_source(letter->out);
	s = lm_alloc_zero(1, sizeof(*s));
	if (!s)
		return NULL;
	s->head.ops = &ops;
	s->rest = letter->in_place;
	return &s->head;
}

static bool begins(struct lm_bytes line, const char *word)
{
	const size_t len = strlen(word);

	return line.len >= len && strncasecmp((const char *)line.data, word, len) == 0;
}

/* A field as it may be sent; what is rarer is left to lm_outgoing. */
static bool is_field(struct lm_bytes line, bool keeps_bcc)
{
	size_t n = 0;

	if (!keeps_bcc && (begins(line, "Bcc") || begins(line, "Resent-Bcc")))
		return false;
	while (n < line.len && line.data[n] > ' ' && line.data[n] < 0x7F && line.data[n] != ':')
		n++;
	return n && n < line.len && line.data[n] == ':';
}

struct look {
	bool keeps_bcc, in_body, eight_bit;
	size_t fields;
};

/* Whether a line (without CRLF) can go out as it is. */
static bool judge_line(struct look *look, struct lm_bytes line)
{
	bool eight_bit = false;

	for (size_t i = 0; i < line.len; i++) {
		eight_bit |= line.data[i] >= 0x80;
		if (line.data[i] == '\r')
			return false;
	}
	look->eight_bit |= eight_bit;
	if (look->in_body)
		return true;
	if (!line.len) {
		look->in_body = true;
		return look->fields > 0;
	}
	if (eight_bit)
		return false;
	if (look->fields && (line.data[0] == ' ' || line.data[0] == '\t'))
		return true;
	look->fields++;
	return is_field(line, look->keeps_bcc);
}

static bool needs_nothing(struct lm_bytes rest, struct look *look)
{
	while (rest.len) {
		const uint8_t *lf = memchr(rest.data, '\n', rest.len);
		const size_t len = lf ? (size_t)(lf - rest.data) : 0;

		if (!len || rest.data[len - 1] != '\r' ||
		    !judge_line(look, lm_bytes(rest.data, len - 1)))
			return false;
		rest = lm_bytes_from(rest, len + 1);
	}
	return look->in_body;
}

static bool may_stay(const struct lm_bx_letter *letter, struct lm_bytes octets)
{
	const struct lm_bx_wishes *w = &letter->wishes;
	const unsigned changing = LM_OUTGOING_ADD_MISSING | LM_OUTGOING_BINARY |
	                          LM_OUTGOING_DOT_ENDS;

	return w->sender.data && w->recipient_count && !(w->flags & changing) &&
	       (!w->max || octets.len <= w->max);
}

bool lm_bx_letter_stays(struct lm_bx_letter *letter, struct lm_bytes octets)
{
	struct look look = { .keeps_bcc = letter->wishes.flags & LM_OUTGOING_KEEP_BCC };

	if (!may_stay(letter, octets) || !needs_nothing(octets, &look))
		return false;
	letter->in_place = octets;
	letter->in_place_8bit = look.eight_bit;
	return true;
}
