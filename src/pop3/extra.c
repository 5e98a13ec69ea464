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
