/* Logging in: USER and PASS, and the way every login ends: told, locked, listed, answered. */
#include "pop3/server.h"

#include "base/error.h"
#include "sasl/sasl.h"

bool lm_pop3_plain_allowed(const struct lm_pop3_server *s)
{
	return s->info.tls.active || (s->params->plain_login && !s->params->require_tls);
}

int lm_pop3_login_begin(struct lm_pop3_server *s)
{
	struct lm_pop3_login *l;

	lm_pop3_login_drop(s);
	l = lm_alloc_zero(1, sizeof(*l));
	if (!l)
		return LM_E_NOMEM;
	lm_buf_init(&l->name, lm_pop3_line_max(s));
	lm_buf_init(&l->secret, lm_pop3_line_max(s));
	lm_buf_init(&l->user, lm_pop3_line_max(s));
	lm_buf_init(&l->text, LM_POP3_REPLY_MAX);
	l->welcome = LM_SAY_AUTH_LOGGED_IN;
	s->login = l;
	return 0;
}

void lm_pop3_login_drop(struct lm_pop3_server *s)
{
	struct lm_pop3_login *l = s->login;

	if (!l)
		return;
	lm_pop3_sasl_drop(l);
	lm_buf_wipe(&l->secret);
	lm_buf_done(&l->name);
	lm_buf_done(&l->user);
	lm_buf_done(&l->text);
	lm_free(l);
	s->login = NULL;
}

int lm_pop3_user_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	int err;

	if (!lm_pop3_plain_allowed(s))
		return LM_SAY_TLS_REQUIRED;
	if (s->login)
		return LM_SAY_USER_ALREADY;
	if (memchr(args->arg[0].data, '\t', args->arg[0].len))
		return LM_SAY_USER_REJECTED;
	err = lm_pop3_login_begin(s);
	return err ? err : lm_buf_add(&s->login->name, args->arg[0]);
}

/* A name that is not wanted is no failed proof: a code says only what the handler said. */
static int user_refused(struct lm_pop3_server *s, struct lm_reply no)
{
	enum lm_pop3_code code = no.pop3_code ? no.pop3_code : lm_err_info(no.result)->pop3;

	if (code != LM_POP3_NONE && code != LM_POP3_AUTH)
		return lm_pop3_no(s, &no);
	no.result = LM_E_DENIED;
	return lm_pop3_no_as(s, &no, LM_SAY_USER_REJECTED);
}

int lm_pop3_user_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	int err;

	if (reply->result == 0)
		return lm_pop3_yes(s, LM_SAY_USER_ACCEPTED, reply);
	err = user_refused(s, *reply);
	lm_pop3_login_drop(s);
	return err;
}

int lm_pop3_pass_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	struct lm_pop3_login *l = s->login;
	int err;

	if (!lm_pop3_plain_allowed(s))
		return LM_SAY_TLS_REQUIRED;
	if (!l)
		return LM_SAY_EXECUTE_FIRST;
	err = lm_buf_add(&l->secret, args->arg[0]);
	l->welcome = LM_SAY_PASS_ACCEPTED;
	l->mechanism = "USER";
	l->auth = (struct lm_auth){ .kind = LM_AUTH_PASSWORD,
		                    .mechanism = lm_str(l->mechanism),
		                    .authcid = lm_buf_bytes(&l->name),
		                    .password = lm_buf_bytes(&l->secret) };
	return err;
}

int lm_pop3_pass_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	return lm_pop3_login_judged(s, reply, reply->result == 0);
}

int lm_pop3_login_judged(struct lm_pop3_server *s, const struct lm_reply *reply, bool proven)
{
	struct lm_pop3_login *l = s->login;
	const struct lm_reply wrong = { .result = LM_E_AUTH };
	struct lm_bytes user = reply->user.len ? reply->user : l->auth.authcid;
	int err;

	if (reply->result < 0)
		return lm_pop3_login_checked(s, reply);
	if (!proven)
		return lm_pop3_login_checked(s, &wrong);
	err = lm_buf_add(&l->user, user);
	return err ? err : lm_pop3_login_checked(s, NULL);
}

/* ---- how every login ends ---- */

/* One answer for everything that is wrong with credentials. Behind it another try may follow. */
static int failed(struct lm_pop3_server *s, struct lm_reply no)
{
	int err;

	if (no.result == LM_E_DENIED || no.result == LM_E_NOT_FOUND)
		no.result = LM_E_AUTH;
	err = lm_pop3_no(s, &no);
	lm_pop3_login_drop(s);
	return err;
}

static int forget_user(struct lm_pop3_server *s, struct lm_reply no)
{
	int err = lm_pop3_no(s, &no);

	lm_free(s->user);
	s->user = NULL;
	s->info.user = s->info.mechanism = lm_bytes(NULL, 0);
	lm_pop3_login_drop(s);
	return err;
}

static int maildrop_then(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_reply no = *reply;
	int err;

	if (reply->result < 0)
		return forget_user(s, no);
	no.result = lm_pop3_drop_open(&s->drop, reply->messages, reply->message_count);
	if (no.result < 0)
		return forget_user(s, no);
	lm_pop3_enter(s, LM_POP3_TRANSACTION);
	err = lm_pop3_yes(s, s->login->welcome, reply);
	lm_pop3_login_drop(s);
	return err;
}

/* A name with control characters would forge replies and log lines. */
static bool is_name(struct lm_bytes name)
{
	for (size_t i = 0; name.data && i < name.len; i++)
		if (name.data[i] < 0x20 || name.data[i] == 0x7F)
			return false;
	return name.len > 0;
}

static int done_then(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_pop3_login *l = s->login;

	if (reply->result < 0)
		return failed(s, *reply);
	if (l->result < 0)
		return failed(s, (struct lm_reply){ .result = l->result,
		                                    .pop3_code = l->code,
		                                    .text = lm_buf_bytes(&l->text) });
	if (!is_name(lm_buf_bytes(&l->user)))
		return failed(s, (struct lm_reply){ .result = LM_E_MISUSE });
	s->user = lm_strdup_bytes(lm_buf_bytes(&l->user));
	if (!s->user)
		return LM_E_NOMEM;
	s->info.user = lm_str(s->user);
	s->info.mechanism = lm_str(l->mechanism);
	return lm_pop3_decide(s, LM_EVENT_MAILDROP, maildrop_then);
}

int lm_pop3_login_keep(struct lm_pop3_login *l, const struct lm_reply *no)
{
	size_t len = no->text.len < l->text.max ? no->text.len : l->text.max;

	l->result = no->result;
	l->code = no->pop3_code;
	lm_buf_clear(&l->text);
	return lm_buf_add(&l->text, lm_bytes(no->text.data, len));
}

int lm_pop3_login_checked(struct lm_pop3_server *s, const struct lm_reply *no)
{
	struct lm_pop3_login *l = s->login;
	int err = 0;

	lm_buf_wipe(&l->secret);
	l->auth.password = l->auth.token = lm_bytes(NULL, 0);
	l->auth.ok = !no;
	if (no && l->result == 0)
		err = lm_pop3_login_keep(l, no);
	return err ? err : lm_pop3_decide(s, LM_EVENT_AUTH_DONE, done_then);
}
