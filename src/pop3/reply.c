/* Replies: a key's text in the session's language with its places filled in, or left open. */
#include "pop3/server.h"

#include "base/error.h"

static const char *const codes[] = {
	[LM_POP3_NONE] = "",
	[LM_POP3_AUTH] = " [AUTH]",
	[LM_POP3_IN_USE] = " [IN-USE]",
	[LM_POP3_LOGIN_DELAY] = " [LOGIN-DELAY]",
	[LM_POP3_SYS_TEMP] = " [SYS/TEMP]",
	[LM_POP3_SYS_PERM] = " [SYS/PERM]",
	[LM_POP3_UTF8] = " [UTF8]",
};

static const struct lm_message *current(const struct lm_pop3_server *s)
{
	static const struct lm_message none;

	return s->number ? &s->drop.messages[s->number - 1] : &none;
}

/* ---- the places of a template ---- */

static int put_number(struct lm_buf *out, uint64_t n)
{
	return lm_buf_printf(out, "%llu", (unsigned long long)n);
}

static int put_count(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return put_number(out, s->drop.live);
}

static int put_octets(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return put_number(out, s->drop.live_octets);
}

static int put_n(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return put_number(out, s->number);
}

static int put_size(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return put_number(out, current(s)->octets);
}

static int put_min(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return put_number(out, s->command ? s->command->min : 0);
}

static int put_max(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return put_number(out, s->command ? s->command->max : 0);
}

static int put_verb(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return lm_buf_add_str(out, s->command ? s->command->verb : "");
}

/* Of an unknown command, its line. */
static struct lm_bytes text_of(const struct lm_pop3_server *s)
{
	struct lm_bytes text = lm_buf_bytes(&s->text);

	if (!s->command && text.len > s->verb_at)
		text.len = s->verb_at;
	return text;
}

static int put_text(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return lm_buf_add(out, text_of(s));
}

static int put_uidl(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return lm_buf_add(out, current(s)->uidl);
}

static struct lm_bytes user_of(const struct lm_pop3_server *s)
{
	if (s->user)
		return lm_str(s->user);
	return s->login ? lm_buf_bytes(&s->login->name) : lm_bytes(NULL, 0);
}

static int put_user(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return lm_buf_add(out, user_of(s));
}

static const char *state_of(const struct lm_pop3_command *c)
{
	return c && c->states & LM_POP3_AUTHORIZATION ? "AUTHORIZATION" : "TRANSACTION";
}

static int put_state(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return lm_buf_add_str(out, state_of(s->command));
}

static int put_s(const struct lm_pop3_server *s, struct lm_buf *out)
{
	return lm_buf_add_str(out, s->info.tls.active ? "S" : "");
}

static int put_peer(const struct lm_pop3_server *s, struct lm_buf *out)
{
	const struct lm_session_info *i = &s->info;

	if (strchr(i->peer_address, ':'))
		return lm_buf_printf(out, "IPv6 [%s]:%u", i->peer_address, i->peer_port);
	if (strchr(i->peer_address, '.'))
		return lm_buf_printf(out, "IPv4 %s:%u", i->peer_address, i->peer_port);
	return lm_buf_add_str(out, i->peer_address);
}

static const struct place {
	const char *name;
	int (*put)(const struct lm_pop3_server *s, struct lm_buf *out);
} places[] = {
	{ "verb", put_verb }, { "state", put_state }, { "min", put_min },
	{ "max", put_max },   { "n", put_n },         { "size", put_size },
	{ "uidl", put_uidl }, { "count", put_count }, { "octets", put_octets },
	{ "user", put_user }, { "text", put_text },   { "s", put_s },
	{ "peer", put_peer },
};

static const struct place *find_place(struct lm_bytes name)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (lm_bytes_equal(name, lm_str(places[i].name)))
			return &places[i];
	return NULL;
}

bool lm_pop3_is_place(struct lm_bytes name)
{
	return find_place(name) != NULL;
}

static int put_template(const struct lm_pop3_server *s, const char *text, struct lm_buf *out)
{
	while (*text) {
		size_t n = strcspn(text, "{");
		int err = lm_buf_add(out, lm_bytes(text, n));

		text += n;
		if (!err && *text) {
			const struct place *place;

			n = strcspn(text, "}");
			place = text[n] ? find_place(lm_bytes(text + 1, n - 1)) : NULL;
			LM_ASSERT(place);
			err = place->put(s, out);
			text += n + 1;
		}
		if (err)
			return err;
	}
	return 0;
}

/* ---- lines ---- */

size_t lm_pop3_cut(struct lm_bytes text, size_t most)
{
	if (text.len <= most)
		return text.len;
	while (most && (text.data[most] & 0xC0) == 0x80)
		most--;
	return most;
}

/* Cut what stands behind `from` to `most` octets. */
static void cut_behind(struct lm_buf *out, size_t from, size_t most)
{
	struct lm_bytes text = lm_bytes_from(lm_buf_bytes(out), from);

	out->len = out->head + from + lm_pop3_cut(text, most);
}

/* What the handler is asked for the words with, and the words should it have none. */
static int open_hole(struct lm_pop3_server *s, enum lm_pop3_say say, struct lm_pop3_gap gap)
{
	const struct lm_pop3_command *c = s->command;
	const struct lm_message *m = current(s);
	struct lm_say about = { .key = lm_pop3_say_row(say)->key,
		                .verb = c ? c->verb : "",
		                .state = c ? state_of(c) : "",
		                .min = c ? c->min : 0,
		                .max = c ? c->max : 0,
		                .number = s->number,
		                .octets = m->octets,
		                .uidl = m->uidl,
		                .count = s->drop.live,
		                .total = s->drop.live_octets,
		                .user = user_of(s),
		                .text = text_of(s) };
	struct lm_buf words;
	int err;

	lm_buf_init(&words, s->out.max);
	err = put_template(s, lm_pop3_english(say), &words);
	if (!err)
		err = lm_pop3_hole_open(s, &about, lm_buf_bytes(&words), gap);
	lm_buf_done(&words);
	return err;
}

/* The words of a line that began at `from`: the handler's where there are any, else those of the
 * table. `behind` octets will follow them. RFC 1939 3 bounds the line. */
static int put_words(struct lm_pop3_server *s, enum lm_pop3_say say, struct lm_bytes own,
                     size_t from, size_t behind)
{
	const char *text = own.len ? "" : lm_pop3_words(&s->voice, say);
	size_t most = LM_POP3_REPLY_MAX - 2, at;
	int err = 0;

	if (!text && !(s->params->decides & LM_EVENT_BIT(LM_EVENT_SAY)))
		text = lm_pop3_english(say);
	if (own.len || !text || *text)
		err = lm_buf_add_str(&s->out, " ");
	at = lm_buf_len(&s->out);
	most = at - from + behind < most ? most - (at - from) - behind : 0;
	if (!err && !text)
		return open_hole(s, say, (struct lm_pop3_gap){ from, at, most });
	if (!err)
		err = own.len ? lm_buf_add(&s->out, own) : put_template(s, text, &s->out);
	if (!err)
		cut_behind(&s->out, at, most);
	return err;
}

static int put_line(struct lm_pop3_server *s, enum lm_pop3_say say, enum lm_pop3_code code,
                    struct lm_bytes own)
{
	bool good = lm_pop3_say_row(say)->kind == LM_POP3_OK;
	const char *stamp = say == LM_SAY_GREETING ? s->stamp : NULL;
	size_t from = lm_buf_len(&s->out);
	int err = lm_buf_add_str(&s->out, good ? "+OK" : "-ERR");

	if (!err && !good)
		err = lm_buf_add_str(&s->out, codes[code]);
	if (!err)
		err = put_words(s, say, own, from, stamp ? strlen(stamp) + 1 : 0);
	if (!err && stamp)
		err = lm_buf_printf(&s->out, " %s", stamp);
	return err ? err : lm_buf_add_str(&s->out, "\r\n");
}

/* Count a bad command; the last one that is borne gets the last word. */
static bool is_one_too_many(struct lm_pop3_server *s, enum lm_pop3_say say)
{
	if (lm_pop3_say_row(say)->kind != LM_POP3_BAD || ++s->errors < s->params->max_errors)
		return false;
	s->closing = true;
	return true;
}

static int put(struct lm_pop3_server *s, enum lm_pop3_say say, enum lm_pop3_code code,
               struct lm_bytes own)
{
	if (is_one_too_many(s, say))
		return put_line(s, LM_SAY_TOO_MANY_ERRORS, code, lm_bytes(NULL, 0));
	return put_line(s, say, code, own);
}

int lm_pop3_say(struct lm_pop3_server *s, enum lm_pop3_say say)
{
	return put(s, say, lm_pop3_say_row(say)->code, lm_bytes(NULL, 0));
}

int lm_pop3_yes(struct lm_pop3_server *s, enum lm_pop3_say say, const struct lm_reply *reply)
{
	return put(s, say, LM_POP3_NONE, reply->text);
}

/* The words for an error, where the handler has none of its own. */
static enum lm_pop3_say words_for(const struct lm_pop3_server *s, int result,
                                  enum lm_pop3_code code)
{
	if (code == LM_POP3_IN_USE)
		return LM_SAY_IN_USE;
	if (code == LM_POP3_LOGIN_DELAY)
		return LM_SAY_LOGIN_DELAY;
	if (code == LM_POP3_SYS_TEMP)
		return LM_SAY_TEMPORARY;
	if (code == LM_POP3_SYS_PERM)
		return LM_SAY_PERMANENT;
	if (result == LM_E_AUTH)
		return LM_SAY_PASS_REJECTED;
	if (result == LM_E_SYNTAX && s->login)
		return LM_SAY_AUTH_SYNTAX;
	if (result == LM_E_UNSUPPORTED)
		return s->command ? LM_SAY_NOT_IMPLEMENTED : LM_SAY_INVALID_COMMAND;
	if (result == LM_E_DENIED)
		return LM_SAY_PERMISSION_DENIED;
	return result == LM_E_NOT_FOUND && s->number ? LM_SAY_MESSAGE_DELETED : LM_SAY_REFUSED;
}

int lm_pop3_no_as(struct lm_pop3_server *s, const struct lm_reply *no, enum lm_pop3_say say)
{
	enum lm_pop3_code code = no->pop3_code ? no->pop3_code : lm_err_info(no->result)->pop3;

	return put(s, say, code, no->text);
}

int lm_pop3_no(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	enum lm_pop3_code code = reply->pop3_code ? reply->pop3_code
	                                          : lm_err_info(reply->result)->pop3;

	return lm_pop3_no_as(s, reply, words_for(s, reply->result, code));
}

int lm_pop3_dot(struct lm_pop3_server *s)
{
	return lm_buf_add_str(&s->out, ".\r\n");
}
