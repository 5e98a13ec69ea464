/* Replies: a key's text in the session's language with its places filled in. */
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

static int put_user(struct lm_pop3_server *s)
{
	if (s->user)
		return lm_buf_add_str(&s->out, s->user);
	return s->login ? lm_buf_add(&s->out, lm_buf_bytes(&s->login->name)) : 0;
}

static int put_peer(struct lm_pop3_server *s)
{
	const struct lm_session_info *i = &s->info;

	if (strchr(i->peer_address, ':'))
		return lm_buf_printf(&s->out, "IPv6 [%s]:%u", i->peer_address, i->peer_port);
	if (strchr(i->peer_address, '.'))
		return lm_buf_printf(&s->out, "IPv4 %s:%u", i->peer_address, i->peer_port);
	return lm_buf_add_str(&s->out, i->peer_address);
}

static int put_state(struct lm_pop3_server *s)
{
	bool before = s->command && s->command->states & LM_POP3_AUTHORIZATION;

	return lm_buf_add_str(&s->out, before ? "AUTHORIZATION" : "TRANSACTION");
}

static int put_number(struct lm_pop3_server *s, uint64_t n)
{
	return lm_buf_printf(&s->out, "%llu", (unsigned long long)n);
}

/* Fill in one place of a template by its name. */
static int put_place(struct lm_pop3_server *s, struct lm_bytes name)
{
	const char *const names[] = { "count", "octets", "n", "size", "min", "max" };
	const uint64_t numbers[] = { s->drop.live,
		                     s->drop.live_octets,
		                     s->number,
		                     current(s)->octets,
		                     s->command ? s->command->min : 0,
		                     s->command ? s->command->max : 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (lm_bytes_equal(name, lm_str(names[i])))
			return put_number(s, numbers[i]);
	if (lm_bytes_equal(name, lm_str("verb")))
		return lm_buf_add_str(&s->out, s->command ? s->command->verb : "");
	if (lm_bytes_equal(name, lm_str("text")))
		return lm_buf_add(&s->out, lm_buf_bytes(&s->text));
	if (lm_bytes_equal(name, lm_str("uidl")))
		return lm_buf_add(&s->out, current(s)->uidl);
	if (lm_bytes_equal(name, lm_str("user")))
		return put_user(s);
	if (lm_bytes_equal(name, lm_str("state")))
		return put_state(s);
	if (lm_bytes_equal(name, lm_str("s")))
		return lm_buf_add_str(&s->out, s->info.tls.active ? "S" : "");
	LM_ASSERT(lm_bytes_equal(name, lm_str("peer")));
	return put_peer(s);
}

static int put_template(struct lm_pop3_server *s, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "{");
		int err = lm_buf_add(&s->out, lm_bytes(text, n));

		text += n;
		if (!err && *text) {
			n = strcspn(text, "}");
			LM_ASSERT(text[n]);
			err = put_place(s, lm_bytes(text + 1, n - 1));
			text += n + 1;
		}
		if (err)
			return err;
	}
	return 0;
}

/* Cut a line that began at `from` to what RFC 1939 3 allows, not inside a UTF-8 sequence. */
static int end_line(struct lm_pop3_server *s, size_t from)
{
	struct lm_buf *out = &s->out;
	size_t most = LM_POP3_REPLY_MAX - 2;

	if (lm_buf_len(out) - from > most) {
		const uint8_t *line = out->data + out->head + from;

		while (most && (line[most] & 0xC0) == 0x80)
			most--;
		out->len = out->head + from + most;
	}
	return lm_buf_add_str(out, "\r\n");
}

/* The line itself: the handler's words where there are any, else those of the table. */
static int put_line(struct lm_pop3_server *s, enum lm_pop3_say say, enum lm_pop3_code code,
                    struct lm_bytes own)
{
	const struct lm_pop3_say_row *row = lm_pop3_say_row(say);
	const char *text = row->fixed ? row->fixed : s->lang->texts[say];
	size_t from = lm_buf_len(&s->out);
	int err = lm_buf_add_str(&s->out, row->kind == LM_POP3_OK ? "+OK" : "-ERR");

	if (!err && row->kind != LM_POP3_OK)
		err = lm_buf_add_str(&s->out, codes[code]);
	if (!err && (own.len || *text))
		err = lm_buf_add_str(&s->out, " ");
	if (!err)
		err = own.len ? lm_buf_add(&s->out, own) : put_template(s, text);
	if (!err && say == LM_SAY_GREETING && s->stamp)
		err = lm_buf_printf(&s->out, " %s", s->stamp);
	return err ? err : end_line(s, from);
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
	if (result == LM_E_AUTH)
		return LM_SAY_PASS_REJECTED;
	if (result == LM_E_SYNTAX && s->login)
		return LM_SAY_AUTH_SYNTAX;
	if (result == LM_E_UNSUPPORTED)
		return s->command ? LM_SAY_NOT_IMPLEMENTED : LM_SAY_INVALID_COMMAND;
	if (result == LM_E_DENIED)
		return LM_SAY_PERMISSION_DENIED;
	if (result == LM_E_NOT_FOUND && s->number)
		return LM_SAY_MESSAGE_DELETED;
	if (code == LM_POP3_IN_USE)
		return LM_SAY_IN_USE;
	if (code == LM_POP3_LOGIN_DELAY)
		return LM_SAY_LOGIN_DELAY;
	if (code == LM_POP3_SYS_TEMP)
		return LM_SAY_TEMPORARY;
	return code == LM_POP3_SYS_PERM ? LM_SAY_PERMANENT : LM_SAY_REFUSED;
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
