/* Events as the members of entries. */
#include "bridge/session.h"

static void put_str(struct lm_bx_draft *d, const char *name, const char *text)
{
	lm_bx_text(d, name, lm_str(text));
}

static void put_argument(struct lm_bx_draft *d, const struct lm_event *e)
{
	lm_bx_text(d, "argument", e->argument);
	lm_bx_text(d, "verb", e->verb);
}

static const char *kind_name(enum lm_auth_kind kind)
{
	switch (kind) {
	case LM_AUTH_PASSWORD:
		return "PASSWORD";
	case LM_AUTH_SECRET:
		return "SECRET";
	case LM_AUTH_TOKEN:
		return "TOKEN";
	case LM_AUTH_EXTERNAL:
		return "EXTERNAL";
	}
	return "";
}

static const char *need_name(const struct lm_auth *auth)
{
	if (auth->kind != LM_AUTH_SECRET)
		return "";
	switch (auth->need) {
	case LM_NEED_PLAIN:
		return "PLAIN";
	case LM_NEED_SCRAM_SHA1:
		return "SCRAM-SHA-1";
	case LM_NEED_SCRAM_SHA256:
		return "SCRAM-SHA-256";
	}
	return "";
}

static void put_auth(struct lm_bx_draft *d, const struct lm_auth *auth, bool heard)
{
	put_str(d, "kind", kind_name(auth->kind));
	put_str(d, "need", need_name(auth));
	lm_bx_text(d, "mechanism", auth->mechanism);
	lm_bx_text(d, "authcid", auth->authcid);
	lm_bx_text(d, "authzid", auth->authzid);
	if (heard)
		return;
	lm_bx_text(d, "password", auth->password);
	lm_bx_text(d, "token", auth->token);
	lm_bx_text(d, "challenge", auth->challenge);
	lm_bx_text(d, "response", auth->response);
}

static void put_deleted(struct lm_bx_draft *d, const struct lm_event *e)
{
	size_t outer = lm_bx_open(d, "deleted", LM_BX_ARRAY);

	for (size_t i = 0; i < e->deleted_count; i++)
		lm_bx_number(d, NULL, (double)e->deleted[i]);
	lm_bx_close(d, outer);
}

/* ---- envelopes ---- */

static const char *body_name(const struct lm_envelope *env)
{
	if (env->binary)
		return "BINARYMIME";
	return env->eight_bit ? "8BITMIME" : "";
}

static const char *ret_name(char ret)
{
	if (!ret)
		return "";
	return ret == 'F' ? "FULL" : "HDRS";
}

static void put_sender(struct lm_bx_draft *d, const struct lm_envelope *env)
{
	lm_bx_text(d, "sender", env->sender);
	lm_bx_number(d, "size", (double)env->size);
	put_str(d, "body", body_name(env));
	lm_bx_bool(d, "smtputf8", env->smtputf8);
	lm_bx_bool(d, "requireTls", env->require_tls);
	put_str(d, "ret", ret_name(env->dsn_ret));
	lm_bx_text(d, "envid", env->envid);
	lm_bx_text(d, "auth", env->auth);
	lm_bx_text(d, "parameters", env->parameters);
}

/* Every set of them as it would be said. */
static const char *notify_name(unsigned notify)
{
	static const char *const names[] = {
		"",
		"NEVER",
		"SUCCESS",
		"NEVER",
		"FAILURE",
		"NEVER",
		"SUCCESS,FAILURE",
		"NEVER",
		"DELAY",
		"NEVER",
		"SUCCESS,DELAY",
		"NEVER",
		"FAILURE,DELAY",
		"NEVER",
		"SUCCESS,FAILURE,DELAY",
		"NEVER",
	};

	return names[notify & 15];
}

static void put_recipient(struct lm_bx_draft *d, const struct lm_recipient *r)
{
	lm_bx_text(d, "recipient", r->address);
	put_str(d, "notify", notify_name(r->notify));
	lm_bx_text(d, "orcpt", r->orcpt);
	lm_bx_text(d, "parameters", r->parameters);
}

static void put_recipients(struct lm_bx_draft *d, const struct lm_envelope *env)
{
	size_t outer = lm_bx_open(d, "recipients", LM_BX_ARRAY);

	for (size_t i = 0; i < env->recipient_count; i++) {
		size_t list = lm_bx_open(d, NULL, LM_BX_OBJECT);

		put_recipient(d, &env->recipients[i]);
		lm_bx_close(d, list);
	}
	lm_bx_close(d, outer);
}

void lm_bx_transaction_put(const struct lm_envelope *envelope, struct lm_bx_draft *d)
{
	if (!envelope)
		return;
	put_sender(d, envelope);
	put_recipients(d, envelope);
}

static void put_transaction(struct lm_bx_draft *d, const struct lm_event *e)
{
	const struct lm_envelope *env = e->envelope;

	if (e->type == LM_EVENT_DATA)
		lm_bx_transaction_put(env, d);
	else if (env && e->type == LM_EVENT_MAIL)
		put_sender(d, env);
	else if (env && env->recipient_count)
		put_recipient(d, &env->recipients[env->recipient_count - 1]);
}

static void put_say(struct lm_bx_draft *d, const struct lm_say *say)
{
	put_str(d, "key", say->key);
	put_str(d, "verb", say->verb);
	put_str(d, "state", say->state);
	lm_bx_number(d, "min", say->min);
	lm_bx_number(d, "max", say->max);
	lm_bx_number(d, "number", (double)say->number);
	lm_bx_number(d, "octets", (double)say->octets);
	lm_bx_text(d, "uidl", say->uidl);
	lm_bx_number(d, "count", (double)say->count);
	lm_bx_number(d, "total", (double)say->total);
	lm_bx_text(d, "user", say->user);
	lm_bx_text(d, "text", say->text);
}

void lm_bx_event_put(const struct lm_event *e, bool heard, struct lm_bx_draft *d)
{
	switch (e->type) {
	case LM_EVENT_HELO:
	case LM_EVENT_LANG:
	case LM_EVENT_VRFY:
	case LM_EVENT_EXPN:
	case LM_EVENT_HELP:
	case LM_EVENT_COMMAND:
	case LM_EVENT_USER:
	case LM_EVENT_CERTIFICATE:
	case LM_EVENT_ABORT:
		put_argument(d, e);
		break;
	case LM_EVENT_AUTH:
		put_auth(d, &e->auth, heard);
		break;
	case LM_EVENT_AUTH_DONE:
		lm_bx_bool(d, "ok", e->auth.ok);
		break;
	case LM_EVENT_LIST:
	case LM_EVENT_UIDL:
	case LM_EVENT_RETR:
	case LM_EVENT_TOP:
	case LM_EVENT_DELE:
	case LM_EVENT_MAILDROP:
	case LM_EVENT_STAT:
		lm_bx_number(d, "number", (double)e->message.number);
		lm_bx_number(d, "lines", (double)e->message.lines);
		break;
	case LM_EVENT_QUIT:
		if (e->info->protocol == LM_POP3 && e->info->user.len)
			put_deleted(d, e);
		break;
	case LM_EVENT_MAIL:
	case LM_EVENT_RCPT:
	case LM_EVENT_DATA:
		put_transaction(d, e);
		break;
	case LM_EVENT_MESSAGE:
		lm_bx_number(d, "octets", (double)e->octets);
		lm_bx_bool(d, "hasBare", e->has_bare);
		break;
	case LM_EVENT_SAY:
		put_say(d, e->say);
		break;
	default:
		break;
	}
}
