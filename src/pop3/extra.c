/* CAPA and the small commands: NOOP, STLS, UTF8, LANG. */
#include "pop3/server.h"

#include "wire/text.h"

int lm_pop3_noop_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	return lm_pop3_yes(s, LM_SAY_DONE, reply);
}

/* ---- CAPA: every line follows from what would work ---- */

static bool decides(const struct lm_pop3_server *s, enum lm_event_type type)
{
	return s->params->decides & LM_EVENT_BIT(type);
}

static int put_fixed(struct lm_pop3_server *s)
{
	int err = 0;

	if (decides(s, LM_EVENT_TOP) || decides(s, LM_EVENT_RETR))
		err = lm_buf_add_str(&s->out, "TOP\r\n");
	if (!err)
		err = lm_buf_add_str(&s->out, "UIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
		                              "PIPELINING\r\nUTF8\r\nLANG\r\n");
	return err;
}

static int put_logins(struct lm_pop3_server *s)
{
	struct lm_buf names;
	int err = 0;

	if (!decides(s, LM_EVENT_AUTH))
		return 0;
	lm_buf_init(&names, LM_POP3_REPLY_MAX);
	if (lm_pop3_plain_allowed(s))
		err = lm_buf_add_str(&s->out, "USER\r\n");
	if (!err)
		err = lm_pop3_offer(s, &names);
	if (!err && lm_buf_len(&names))
		err = lm_buf_printf(&s->out, "SASL %.*s\r\n", LM_FMT(lm_buf_bytes(&names)));
	lm_buf_done(&names);
	return err;
}

static int put_settings(struct lm_pop3_server *s)
{
	const struct lm_pop3_server_params *p = s->params;
	bool stls = p->tls && !s->info.tls.active && s->state == LM_POP3_AUTHORIZATION;
	int err = stls ? lm_buf_add_str(&s->out, "STLS\r\n") : 0;

	if (!err && p->expire < 0)
		err = lm_buf_add_str(&s->out, "EXPIRE NEVER\r\n");
	else if (!err)
		err = lm_buf_printf(&s->out, "EXPIRE %d\r\n", p->expire);
	if (!err)
		err = lm_buf_printf(&s->out, "LOGIN-DELAY %d\r\n", p->login_delay);
	if (err)
		return err;
	if (p->implementation)
		return lm_buf_printf(&s->out, "IMPLEMENTATION %s\r\n", p->implementation);
	return lm_buf_printf(&s->out, "IMPLEMENTATION Lettermill %s\r\n", lm_version());
}

int lm_pop3_capa_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	int err = lm_pop3_yes(s, LM_SAY_CAPA, reply);

	if (!err)
		err = put_fixed(s);
	if (!err)
		err = put_logins(s);
	if (!err)
		err = put_settings(s);
	return err ? err : lm_pop3_dot(s);
}

/* ---- STLS ---- */

int lm_pop3_stls_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	(void)args;
	if (s->info.tls.active)
		return LM_SAY_TLS_ACTIVE;
	return s->params->tls ? 0 : LM_SAY_NOT_IMPLEMENTED;
}

int lm_pop3_stls_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	s->want_tls = true;
	return lm_pop3_yes(s, LM_SAY_STLS, reply);
}

/* ---- UTF8, LANG ---- */

int lm_pop3_utf8_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	s->info.utf8 = true;
	return lm_pop3_yes(s, LM_SAY_UTF8, reply);
}

static const struct lm_pop3_lang *asked_language(const struct lm_pop3_server *s)
{
	struct lm_bytes range = lm_buf_bytes(&s->text);

	if (range.data && range.len == 1 && range.data[0] == '*')
		return lm_pop3_lang_default(s->params);
	return lm_pop3_lang_find(range);
}

int lm_pop3_lang_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	int err = lm_buf_add(&s->text, args->arg[0]);

	if (err || !args->count || asked_language(s))
		return err;
	return LM_SAY_LANG_INVALID;
}

static int list_languages(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	int err = lm_pop3_yes(s, LM_SAY_LANG_LIST, reply);

	for (size_t i = 0; !err && i < lm_pop3_lang_count; i++)
		err = lm_buf_printf(&s->out, "%s %s\r\n", lm_pop3_langs[i]->tag,
		                    lm_pop3_langs[i]->name);
	return err ? err : lm_pop3_dot(s);
}

int lm_pop3_lang_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	int err;

	if (!lm_buf_len(&s->text))
		return list_languages(s, reply);
	s->lang = asked_language(s);
	s->info.language = s->lang->tag;
	lm_buf_clear(&s->text);
	err = lm_buf_add_str(&s->text, s->lang->tag);
	return err ? err : lm_pop3_yes(s, LM_SAY_LANG_CHANGING, reply);
}
