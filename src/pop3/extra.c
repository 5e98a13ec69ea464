/* The small commands: NOOP, STLS, UTF8, LANG. */
#include "pop3/server.h"

#include "wire/text.h"

int lm_pop3_noop_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	return lm_pop3_yes(s, LM_SAY_DONE, reply);
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

static bool asked_language(const struct lm_pop3_server *s, struct lm_pop3_voice *out_voice)
{
	struct lm_bytes range = lm_buf_bytes(&s->text);

	if (range.len != 1 || range.data[0] != '*')
		return lm_pop3_voice_find(s->params, range, out_voice);
	*out_voice = lm_pop3_voice_default(s->params);
	return true;
}

int lm_pop3_lang_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	int err = lm_buf_add(&s->text, args->arg[0]);
	struct lm_pop3_voice voice;

	if (err || !args->count || asked_language(s, &voice))
		return err;
	return LM_SAY_LANG_INVALID;
}

static int list_languages(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	int err = lm_pop3_yes(s, LM_SAY_LANG_LIST, reply);
	struct lm_pop3_voice voice;

	for (size_t i = 0; !err && lm_pop3_voice_at(s->params, i, &voice); i++)
		err = lm_buf_printf(&s->out, "%s %s\r\n", lm_pop3_voice_tag(&voice),
		                    lm_pop3_voice_name(&voice));
	return err ? err : lm_pop3_dot(s);
}

int lm_pop3_lang_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	int err;

	if (!lm_buf_len(&s->text))
		return list_languages(s, reply);
	if (!asked_language(s, &s->voice))
		return LM_E_MISUSE;
	s->info.language = lm_pop3_voice_tag(&s->voice);
	lm_buf_clear(&s->text);
	err = lm_buf_add_str(&s->text, s->info.language);
	return err ? err : lm_pop3_yes(s, LM_SAY_LANG_CHANGING, reply);
}
