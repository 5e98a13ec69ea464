/* AUTH: SASL over POP3 (RFC 5034); and APOP, which needs the same kind of secret. */
#include "pop3/server.h"

#include "sasl/sasl.h"
#include "wire/text.h"

static struct lm_sasl_policy policy(const struct lm_pop3_server *s)
{
	const struct lm_tls_info *tls = &s->info.tls;
	bool plus = tls->exporter.len && s->params->mechanisms &&
	            strstr(s->params->mechanisms, "-PLUS");

	return (struct lm_sasl_policy){ .tls = tls->active,
		                        .plain_allowed = lm_pop3_plain_allowed(s),
		                        .exporter = tls->exporter,
		                        .plus_offered = plus,
		                        .external = tls->peer_name && *tls->peer_name,
		                        .hostname = s->params->hostname,
		                        .service = "pop" };
}

/* No login of any kind before the TLS that is required. */
static const char *wanted(const struct lm_pop3_server *s)
{
	bool too_early = s->params->require_tls && !s->info.tls.active;

	return too_early || !s->params->mechanisms ? "" : s->params->mechanisms;
}

int lm_pop3_offer(const struct lm_pop3_server *s, struct lm_buf *out)
{
	struct lm_sasl_policy p = policy(s);

	return lm_sasl_offer(wanted(s), &p, out);
}

void lm_pop3_sasl_drop(struct lm_pop3_login *l)
{
	lm_sasl_server_free(l->sasl);
	l->sasl = NULL;
}

bool lm_pop3_sasl_waits(const struct lm_pop3_server *s)
{
	return s->login && s->login->sasl && s->decision.type == LM_EVENT_NONE;
}

/* ---- the exchange ---- */

static int challenge(struct lm_pop3_server *s, struct lm_bytes octets)
{
	int err = lm_buf_add_str(&s->out, "+ ");

	if (!err)
		err = lm_base64_encode(octets, &s->out);
	return err ? err : lm_buf_add_str(&s->out, "\r\n");
}

static int proven(struct lm_pop3_server *s)
{
	struct lm_pop3_login *l = s->login;
	int err;

	l->auth.authcid = lm_sasl_server_user(l->sasl);
	l->auth.authzid = lm_bytes(NULL, 0);
	err = lm_buf_add(&l->user, l->auth.authcid);
	return err ? err : lm_pop3_login_checked(s, NULL);
}

static int disproven(struct lm_pop3_server *s)
{
	struct lm_pop3_login *l = s->login;
	struct lm_reply no = { .result = lm_sasl_server_error(l->sasl) };

	l->auth.authcid = lm_sasl_server_user(l->sasl);
	l->auth.authzid = lm_bytes(NULL, 0);
	return lm_pop3_login_checked(s, &no);
}

static int exchange_then(struct lm_pop3_server *s, const struct lm_reply *reply);

static int go_on(struct lm_pop3_server *s, struct lm_bytes out, enum lm_sasl_state state)
{
	struct lm_pop3_login *l = s->login;

	switch (state) {
	case LM_SASL_CONTINUE:
		return challenge(s, out);
	case LM_SASL_ASK:
		l->auth = *lm_sasl_server_question(l->sasl);
		return lm_pop3_decide(s, LM_EVENT_AUTH, exchange_then);
	case LM_SASL_OK:
		l->last_round = out.len > 0;
		return l->last_round ? challenge(s, out) : proven(s);
	default:
		return disproven(s);
	}
}

static int exchange_then(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_pop3_login *l = s->login;
	enum lm_sasl_state state;
	struct lm_buf out;
	int err = reply->result < 0 ? lm_pop3_login_keep(l, reply) : 0;

	lm_buf_init(&out, LM_POP3_SASL_LINE_MAX);
	l->auth.password = l->auth.token = lm_bytes(NULL, 0);
	if (!err)
		err = lm_sasl_server_answer(l->sasl, reply, &out, &state);
	if (!err)
		err = go_on(s, lm_buf_bytes(&out), state);
	lm_buf_wipe(&out);
	return err;
}

static int step(struct lm_pop3_server *s, bool has_response)
{
	struct lm_pop3_login *l = s->login;
	enum lm_sasl_state state;
	struct lm_buf out;
	int err;

	lm_buf_init(&out, LM_POP3_SASL_LINE_MAX);
	err = lm_sasl_server_step(l->sasl, has_response, lm_buf_bytes(&l->secret), &out, &state);
	lm_buf_wipe(&l->secret);
	if (!err)
		err = go_on(s, lm_buf_bytes(&out), state);
	lm_buf_wipe(&out);
	return err;
}

/* ---- AUTH ---- */

static const char *known_name(struct lm_bytes mechanism)
{
	const char *const *name = lm_sasl_mechanisms();

	while (*name && !lm_equal_nocase(mechanism, lm_str(*name)))
		name++;
	return *name ? *name : "";
}

/* "=" is the response without octets, which a bare end of line cannot say (RFC 5034 4). */
static int decode_initial(struct lm_pop3_login *l, struct lm_bytes text)
{
	l->has_initial = text.len > 0;
	if (!text.len || lm_bytes_equal(text, lm_str("=")))
		return 0;
	return lm_base64_decode(text, &l->secret);
}

static int begin(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	struct lm_sasl_policy p = policy(s);
	struct lm_pop3_login *l = s->login;
	int err = lm_sasl_server_new(wanted(s), args->arg[0], &p, &l->sasl);

	if (err)
		return err;
	l->mechanism = known_name(args->arg[0]);
	return decode_initial(l, args->arg[1]);
}

int lm_pop3_auth_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	int err;

	if (!s->params->mechanisms)
		return LM_SAY_NOT_IMPLEMENTED;
	if (!*wanted(s))
		return LM_SAY_TLS_REQUIRED;
	if (!args->count)
		return 0;
	err = lm_buf_add(&s->text, args->arg[0]);
	if (!err)
		err = lm_pop3_login_begin(s);
	if (!err)
		err = begin(s, args);
	if (!err || err == LM_E_NOMEM)
		return err;
	lm_pop3_login_drop(s);
	return err == LM_E_UNSUPPORTED ? LM_SAY_MECHANISM : LM_SAY_AUTH_SYNTAX;
}

static int list_mechanisms(struct lm_pop3_server *s)
{
	struct lm_buf names;
	struct lm_bytes rest;
	int err;

	lm_buf_init(&names, LM_POP3_REPLY_MAX);
	err = lm_pop3_offer(s, &names);
	if (!err)
		err = lm_pop3_say(s, LM_SAY_AUTH_LIST);
	rest = lm_buf_bytes(&names);
	while (!err && rest.len) {
		struct lm_bytes name = lm_next_word(&rest);

		err = lm_buf_printf(&s->out, "%.*s\r\n", LM_FMT(name));
	}
	lm_buf_done(&names);
	return err ? err : lm_pop3_dot(s);
}

int lm_pop3_auth_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	(void)reply;
	if (!lm_buf_len(&s->text))
		return list_mechanisms(s);
	return step(s, s->login->has_initial);
}

static int give_up(struct lm_pop3_server *s, enum lm_pop3_say say)
{
	lm_pop3_login_drop(s);
	return lm_pop3_say(s, say);
}

int lm_pop3_auth_line(struct lm_pop3_server *s, const struct lm_line *line)
{
	int err;

	if (line->flags & LM_LINE_TOO_LONG)
		return give_up(s, LM_SAY_LINE_TOO_LONG);
	if (lm_bytes_equal(line->text, lm_str("*")))
		return give_up(s, LM_SAY_AUTH_CANCELED);
	err = lm_base64_decode(line->text, &s->login->secret);
	if (err)
		return err == LM_E_NOMEM ? err : give_up(s, LM_SAY_AUTH_SYNTAX);
	return s->login->last_round ? proven(s) : step(s, true);
}

/* ---- APOP ---- */

int lm_pop3_apop_check(struct lm_pop3_server *s, const struct lm_pop3_args *args)
{
	struct lm_pop3_login *l;
	int err;

	if (!s->stamp)
		return LM_SAY_NOT_IMPLEMENTED;
	if (s->params->require_tls && !s->info.tls.active)
		return LM_SAY_TLS_REQUIRED;
	err = lm_pop3_login_begin(s);
	if (err)
		return err;
	l = s->login;
	err = lm_buf_add(&l->name, args->arg[0]);
	if (!err)
		err = lm_buf_add(&l->secret, args->arg[1]);
	l->welcome = LM_SAY_APOP_LOGGED_IN;
	l->mechanism = "APOP";
	l->auth = (struct lm_auth){ .kind = LM_AUTH_SECRET,
		                    .need = LM_NEED_PLAIN,
		                    .mechanism = lm_str(l->mechanism),
		                    .authcid = lm_buf_bytes(&l->name) };
	return err;
}

int lm_pop3_apop_apply(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_bytes secret = reply->secret.plain, digest = lm_buf_bytes(&s->login->secret);
	bool right = lm_apop_matches(lm_str(s->stamp), secret, digest);

	return lm_pop3_login_judged(s, reply, right && secret.len);
}
