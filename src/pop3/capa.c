/* CAPA: every line follows from what would work, and from what is not to be shown. */
#include "pop3/capa.h"

#include "pop3/server.h"
#include "wire/text.h"

/* ---- what is hidden ---- */

/* A command without a capability of its own name is announced by another's. */
static struct lm_bytes capability_of(struct lm_bytes word)
{
	static const char *const names[][2] = { { "PASS", "USER" }, { "AUTH", "SASL" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (lm_equal_nocase(word, lm_str(names[i][0])))
			return lm_str(names[i][1]);
	return word;
}

bool lm_pop3_hides(const struct lm_pop3_server_params *params, const char *word)
{
	struct lm_bytes rest = lm_str(params->hide ? params->hide : "");

	while (rest.len) {
		struct lm_bytes hidden = lm_next_word(&rest);

		if (lm_equal_nocase(capability_of(hidden), capability_of(lm_str(word))))
			return true;
	}
	return false;
}

/* ---- what there is ---- */

static bool decides(const struct lm_pop3_server *s, enum lm_event_type type)
{
	return s->params->decides & LM_EVENT_BIT(type);
}

static int has_always(const struct lm_pop3_server *s)
{
	(void)s;
	return 1;
}

static int has_top(const struct lm_pop3_server *s)
{
	return decides(s, LM_EVENT_TOP) || decides(s, LM_EVENT_RETR);
}

static int has_names(const struct lm_pop3_server *s)
{
	return decides(s, LM_EVENT_AUTH) && lm_pop3_plain_allowed(s);
}

static int has_mechanisms(const struct lm_pop3_server *s)
{
	struct lm_buf names;
	int got;

	if (!decides(s, LM_EVENT_AUTH))
		return 0;
	lm_buf_init(&names, LM_POP3_REPLY_MAX);
	got = lm_pop3_offer(s, &names);
	if (!got)
		got = lm_buf_len(&names) > 0;
	lm_buf_done(&names);
	return got;
}

static int has_stls(const struct lm_pop3_server *s)
{
	return s->params->tls && !s->info.tls.active && s->state == LM_POP3_AUTHORIZATION;
}

static int put_nothing(struct lm_pop3_server *s)
{
	(void)s;
	return 0;
}

static int put_mechanisms(struct lm_pop3_server *s)
{
	int err = lm_buf_add_str(&s->out, " ");

	return err ? err : lm_pop3_offer(s, &s->out);
}

static int put_expire(struct lm_pop3_server *s)
{
	if (s->params->expire < 0)
		return lm_buf_add_str(&s->out, " NEVER");
	return lm_buf_printf(&s->out, " %d", s->params->expire);
}

static int put_delay(struct lm_pop3_server *s)
{
	return lm_buf_printf(&s->out, " %d", s->params->login_delay);
}

static int put_implementation(struct lm_pop3_server *s)
{
	if (s->params->implementation)
		return lm_buf_printf(&s->out, " %s", s->params->implementation);
	return lm_buf_printf(&s->out, " Lettermill %s", lm_version());
}

static const struct {
	const char *word;
	/** 1, 0, or a negative error. */
	int (*has)(const struct lm_pop3_server *s);
	int (*put)(struct lm_pop3_server *s);
} capabilities[] = {
#define X(word, condition, parameters, rfc) { word, has_##condition, put_##parameters },
#include "pop3/capabilities.def"
#undef X
};
enum { CAPABILITIES = sizeof(capabilities) / sizeof(*capabilities) };

bool lm_pop3_can_hide(struct lm_bytes word)
{
	for (size_t i = 0; i < CAPABILITIES; i++)
		if (lm_equal_nocase(word, lm_str(capabilities[i].word)))
			return true;
	for (size_t i = 0; i < lm_pop3_command_count; i++)
		if (lm_equal_nocase(word, lm_str(lm_pop3_commands[i].verb)))
			return !(lm_pop3_commands[i].flags & LM_POP3_BASE);
	return false;
}

int lm_pop3_capa_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	int err = lm_pop3_yes(s, LM_SAY_CAPA, reply);

	for (size_t i = 0; !err && i < CAPABILITIES; i++) {
		int has = capabilities[i].has(s);

		if (!has || lm_pop3_hides(s->params, capabilities[i].word))
			continue;
		err = has < 0 ? has : lm_buf_add_str(&s->out, capabilities[i].word);
		if (!err)
			err = capabilities[i].put(s);
		if (!err)
			err = lm_buf_add_str(&s->out, "\r\n");
	}
	return err ? err : lm_pop3_dot(s);
}
