/* What the server says: status lines of every shape that servers have, and listings. */
#include "pop3/client.h"

#include "wire/text.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* The next word, however many blanks stand before it. */
static struct lm_bytes word(struct lm_bytes *rest)
{
	struct lm_bytes w;

	while (rest->len && is_blank(rest->data[0]))
		*rest = lm_bytes(rest->data + 1, rest->len - 1);
	w = lm_bytes(rest->data, 0);
	while (w.len < rest->len && !is_blank(rest->data[w.len]))
		w.len++;
	*rest = lm_bytes(rest->data + w.len, rest->len - w.len);
	return w;
}

/* RFC 2449 8: [CODE] or [CODE/MORE]. Only those that are known, so that other brackets stay text.
 */
static enum lm_pop3_code take_code(struct lm_bytes *text)
{
	static const struct {
		const char *name;
		enum lm_pop3_code code;
	} codes[] = {
		{ "[AUTH]", LM_POP3_AUTH },
		{ "[IN-USE]", LM_POP3_IN_USE },
		{ "[LOGIN-DELAY]", LM_POP3_LOGIN_DELAY },
		{ "[SYS/TEMP]", LM_POP3_SYS_TEMP },
		{ "[SYS/PERM]", LM_POP3_SYS_PERM },
		{ "[UTF8]", LM_POP3_UTF8 },
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (!lm_starts_nocase(*text, codes[i].name))
			continue;
		*text = lm_trim(lm_bytes_from(*text, strlen(codes[i].name)));
		return codes[i].code;
	}
	return LM_POP3_NONE;
}

static bool parse_status(struct lm_bytes line, struct lm_pop3c_status *out)
{
	if (lm_starts_nocase(line, "+OK"))
		*out = (struct lm_pop3c_status){ true, LM_POP3_NONE,
			                         lm_trim(lm_bytes_from(line, 3)) };
	else if (lm_starts_nocase(line, "-ERR"))
		*out = (struct lm_pop3c_status){ false, LM_POP3_NONE,
			                         lm_trim(lm_bytes_from(line, 4)) };
	else
		return false;
	if (!out->ok)
		out->code = take_code(&out->text);
	return true;
}

/* ---- replies of a line ---- */

int lm_pop3c_stat_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st)
{
	struct lm_bytes rest = st->text, count = word(&rest), octets = word(&rest);
	bool ok = lm_parse_number(count, UINT64_MAX, &a->outcome.count) &&
	          lm_parse_number(octets, UINT64_MAX, &a->outcome.octets);

	lm_pop3c_finish_status(c, st, ok ? 0 : LM_E_PROTO);
	return 0;
}

/* A name is what RFC 1939 7 says, but for its length and octets above 0x7F. */
static bool is_uidl(struct lm_bytes name)
{
	if (!name.len || name.len > LM_POP3C_UIDL_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] < 0x21 || name.data[i] == 0x7F)
			return false;
	return true;
}

/* "3 120 more words", or "3 name". */
static bool parse_item(struct lm_pop3c *c, const struct lm_pop3c_ask *a, struct lm_bytes line,
                       struct lm_bytes *out_name)
{
	struct lm_bytes number = word(&line), value = word(&line);

	if (!lm_parse_number(number, UINT64_MAX, &c->item.number) || !c->item.number)
		return false;
	*out_name = value;
	c->item.octets = 0;
	if (a->kind->type == LM_REQUEST_UIDL)
		return is_uidl(value);
	*out_name = lm_bytes(NULL, 0);
	return lm_parse_number(value, UINT64_MAX, &c->item.octets);
}

static int tell_item(struct lm_pop3c *c, struct lm_pop3c_ask *a, struct lm_bytes text)
{
	int err;

	if (++a->items > c->params->max_items) {
		lm_pop3c_end(c, LM_E_LIMIT, LM_SIDE_PEER, "the listing has more than %llu lines",
		             (unsigned long long)c->params->max_items);
		return 0;
	}
	lm_buf_clear(&c->item.text);
	err = lm_buf_add(&c->item.text, text);
	if (!err)
		lm_pop3c_tell(c, &c->item.note, LM_EVENT_ITEM);
	return err;
}

int lm_pop3c_list_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st)
{
	struct lm_bytes name;
	int err;

	if (!a->number) {
		c->reading = LM_POP3C_LISTING;
		return 0;
	}
	if (!parse_item(c, a, st->text, &name) || c->item.number != a->number) {
		lm_pop3c_finish_status(c, st, LM_E_PROTO);
		return 0;
	}
	err = tell_item(c, a, name);
	if (!err)
		lm_pop3c_finish_status(c, st, 0);
	return err;
}

/* ---- listings ---- */

/* A line that makes no sense costs no other: it is left out and named in the outcome. */
static int bad_line(struct lm_pop3c_ask *a, struct lm_bytes line)
{
	int err = 0;

	if (!a->fault) {
		size_t n = line.len < 200 ? line.len : 200;

		lm_buf_clear(&a->text);
		err = lm_buf_add_str(&a->text, "a line of the listing makes no sense: ");
		if (!err)
			err = lm_buf_add(&a->text, lm_bytes(line.data, n));
	}
	a->fault = LM_E_PROTO;
	return err;
}

static void end_listing(struct lm_pop3c *c, const struct lm_pop3c_ask *a)
{
	lm_pop3c_finish(c, a->fault, a->fault ? LM_SIDE_PEER : LM_SIDE_NONE, NULL);
}

int lm_pop3c_list_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                       bool end)
{
	struct lm_bytes name;

	if (end) {
		end_listing(c, a);
		return 0;
	}
	if (parse_item(c, a, line->text, &name))
		return tell_item(c, a, name);
	if (++a->items > c->params->max_items)
		return tell_item(c, a, lm_bytes(NULL, 0));
	return bad_line(a, line->text);
}

int lm_pop3c_lang_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                        const struct lm_pop3c_status *st)
{
	if (lm_buf_len(&a->line) > 4)
		lm_pop3c_finish_status(c, st, 0);
	else
		c->reading = LM_POP3C_LISTING;
	return 0;
}

int lm_pop3c_text_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                       bool end)
{
	if (end) {
		end_listing(c, a);
		return 0;
	}
	c->item.number = c->item.octets = 0;
	return tell_item(c, a, line->text);
}

/* ---- lines ---- */

static int listing_line(struct lm_pop3c *c, const struct lm_line *line)
{
	struct lm_pop3c_ask *a = c->head;
	struct lm_line plain = *line;
	bool end = line->text.len == 1 && line->text.data[0] == '.';
	int err = lm_pop3c_trace(c, "S", line->text);

	if (err)
		return err;
	if (!end && line->text.len && line->text.data[0] == '.')
		plain.text = lm_bytes_from(line->text, 1);
	return a->kind->line(c, a, &plain, end);
}

static void no_status(struct lm_pop3c *c, struct lm_bytes line)
{
	int shown = (int)(line.len < 200 ? line.len : 200);

	lm_pop3c_end(c, LM_E_PROTO, LM_SIDE_PEER,
	             !c->head                       ? "the server speaks unasked: %.*s"
	             : c->state == LM_POP3C_OPENING ? "this is no POP3 server: %.*s"
	                                            : "no POP3 reply: %.*s",
	             shown, (const char *)line.data);
}

int lm_pop3c_line(struct lm_pop3c *c, const struct lm_line *line)
{
	struct lm_pop3c_ask *a = c->head;
	struct lm_pop3c_status st;
	int err;

	c->lf_line = line->flags & LM_LINE_LF;
	if (line->flags & LM_LINE_TOO_LONG) {
		lm_pop3c_end(c, LM_E_LIMIT, LM_SIDE_PEER, "a line of a reply is longer than %zu",
		             c->params->max_line);
		return 0;
	}
	if (c->reading == LM_POP3C_LISTING)
		return listing_line(c, line);
	if (a && a->sent && a->login) {
		err = lm_pop3c_login_continue(c, line);
		if (err)
			return err < 0 ? err : 0;
	}
	err = lm_pop3c_trace(c, "S", line->text);
	if (err)
		return err;
	if (!a || !a->sent || !parse_status(line->text, &st)) {
		no_status(c, line->text);
		return 0;
	}
	if (st.ok || a->kind->flags & LM_POP3C_JUDGE)
		return a->kind->reply(c, a, &st);
	lm_pop3c_finish_status(c, &st, lm_pop3c_refusal(c, a, &st));
	return 0;
}
