/* LOGIN: the choice of a mechanism, its exchange over AUTH (RFC 4954), and one step back. */
#include "smtp/client.h"

#include "wire/text.h"

#include <stdio.h>

enum { OFFER_MAX = 8192, CODE_MAX = 256 * 1024, LINE_MAX_OCTETS = 510 };

void lm_smtpc_login_free(struct lm_smtpc_login *login)
{
	if (!login)
		return;
	lm_sasl_client_free(login->sasl);
	lm_buf_wipe(&login->initial);
	lm_free(login);
}

/* All mechanisms on offer, also behind the old "AUTH=", with spaces between and NUL behind. */
static int read_offer(const struct lm_smtpc *s, struct lm_buf *out)
{
	struct lm_bytes rest = lm_buf_bytes(&s->caps), line;
	int err = 0;

	while (!err && lm_smtpc_next_cap(&rest, &line)) {
		if (!lm_starts_nocase(line, "AUTH") || line.len < 6 ||
		    (line.data[4] != ' ' && line.data[4] != '=') || memchr(line.data, 0, line.len))
			continue;
		err = lm_buf_add(out, lm_bytes_from(line, 5));
		if (!err)
			err = lm_buf_add_str(out, " ");
	}
	return err ? err : lm_buf_add(out, lm_bytes("", 1));
}

static struct lm_sasl_credentials credentials(const struct lm_smtpc *s, struct lm_bytes token)
{
	const struct lm_credentials *c = &s->job->credentials;

	return (struct lm_sasl_credentials){
		.user = c->user,
		.password = c->password,
		.authzid = c->authzid,
		.token = token,
		.exporter = s->info.tls.exporter,
		.certificate = c->certificate && s->info.tls.active,
		.plain_allowed = s->info.tls.active || s->params->plain_login,
	};
}

static bool is_offered(const char *offered, const char *name)
{
	struct lm_bytes rest = lm_str(offered);

	while (rest.len)
		if (lm_equal_nocase(lm_next_word(&rest), lm_str(name)))
			return true;
	return false;
}

static const char *choose(const struct lm_smtpc *s, const char *offered,
                          const struct lm_sasl_credentials *c)
{
	const char *name = s->job->credentials.mechanism;

	if (s->login->fell_back)
		return is_offered(offered, "PLAIN")   ? lm_sasl_client_choose("PLAIN", c)
		       : is_offered(offered, "LOGIN") ? lm_sasl_client_choose("LOGIN", c)
		                                      : NULL;
	if (!name)
		return lm_sasl_client_choose(offered, c);
	return is_offered(offered, name) ? lm_sasl_client_choose(name, c) : NULL;
}

/* Which of the reasons it is that nothing fits. */
static void nothing_fits(struct lm_smtpc *s, const char *offered, struct lm_sasl_credentials *c)
{
	const char *name = s->job->credentials.mechanism;

	c->plain_allowed = true;
	if (!lm_smtpc_has(s, "AUTH", NULL))
		lm_smtpc_finish_words(s, LM_E_UNSUPPORTED, LM_SIDE_SERVER,
		                      "the server offers no login");
	else if (choose(s, offered, c))
		lm_smtpc_finish_words(
		        s, LM_E_DENIED, LM_SIDE_CLIENT,
		        "without TLS the secret would be readable, and that is not allowed");
	else if (name && !is_offered(offered, name))
		lm_smtpc_finish_words(s, LM_E_UNSUPPORTED, LM_SIDE_SERVER,
		                      "the server does not offer %s, only: %s", name, offered);
	else
		lm_smtpc_finish_words(s, LM_E_UNSUPPORTED, LM_SIDE_CLIENT,
		                      "no mechanism fits the credentials; on offer: %s", offered);
}

static bool is_bearer(const char *mechanism)
{
	return strcmp(mechanism, "OAUTHBEARER") == 0 || strcmp(mechanism, "XOAUTH2") == 0;
}

static void no_memory(struct lm_smtpc *s)
{
	lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
}

/* The client's words, in base64, into `out`. */
static int respond(struct lm_smtpc *s, struct lm_bytes challenge, struct lm_buf *out)
{
	struct lm_buf plain;
	int err;

	lm_buf_init(&plain, CODE_MAX / 2);
	err = lm_sasl_client_step(s->login->sasl, challenge, &plain);
	if (!err)
		err = lm_base64_encode(lm_buf_bytes(&plain), out);
	lm_buf_wipe(&plain);
	return err;
}

/* RFC 4954 4: an empty response on AUTH's own line is "=". */
static int say_auth(struct lm_smtpc *s)
{
	struct lm_smtpc_login *l = s->login;
	struct lm_bytes initial = lm_buf_bytes(&l->initial);
	struct lm_buf line;
	char shown[80];
	int err;

	s->await = LM_SMTPC_AUTH;
	if (!lm_sasl_client_first(l->sasl) ||
	    6 + strlen(l->mechanism) + initial.len > LINE_MAX_OCTETS) {
		l->has_initial = lm_sasl_client_first(l->sasl);
		lm_smtpc_say(s, "AUTH %s", l->mechanism);
		return 0;
	}
	lm_buf_init(&line, LINE_MAX_OCTETS + 2);
	err = lm_buf_printf(&line, "AUTH %s %.*s", l->mechanism, (int)initial.len,
	                    initial.len ? (const char *)initial.data : "");
	if (!err && !initial.len)
		err = lm_buf_add_str(&line, "=");
	(void)snprintf(shown, sizeof(shown), "AUTH %s ****", l->mechanism);
	if (!err)
		lm_smtpc_say_secret(s, shown, lm_buf_bytes(&line));
	lm_buf_wipe(&line);
	lm_buf_wipe(&l->initial);
	return err;
}

static void start(struct lm_smtpc *s, const struct lm_sasl_credentials *c)
{
	struct lm_smtpc_login *l = s->login;
	int err;

	lm_sasl_client_free(l->sasl);
	l->sasl = NULL;
	err = lm_sasl_client_new(l->mechanism, c, &l->sasl);
	if (!err && lm_sasl_client_first(l->sasl))
		err = respond(s, lm_bytes(NULL, 0), &l->initial);
	if (!err)
		err = say_auth(s);
	if (err == LM_E_NOMEM)
		no_memory(s);
	else if (err)
		lm_smtpc_finish_words(s, err == LM_E_MISUSE ? LM_E_SYNTAX : err, LM_SIDE_CLIENT,
		                      "%s cannot be used with these credentials", l->mechanism);
}

/* Choose and begin; a token that is not there yet counts as one. */
static void try(struct lm_smtpc *s)
{
	const struct lm_credentials *own = &s->job->credentials;
	bool ask = own->ask_token && !own->token.len;
	struct lm_sasl_credentials c = credentials(s, ask ? lm_str("?") : own->token);
	struct lm_buf offered;

	lm_buf_init(&offered, OFFER_MAX + s->params->max_reply);
	if (read_offer(s, &offered)) {
		lm_buf_done(&offered);
		no_memory(s);
		return;
	}
	s->login->mechanism = choose(s, (const char *)offered.data, &c);
	if (!s->login->mechanism)
		nothing_fits(s, (const char *)offered.data, &c);
	else if (ask && is_bearer(s->login->mechanism))
		lm_smtpc_ask(s, LM_EVENT_AUTH);
	else
		start(s, &c);
	lm_buf_done(&offered);
}

void lm_smtpc_login(struct lm_smtpc *s)
{
	if (s->info.user.len || s->info.mechanism.len) {
		lm_smtpc_finish_words(s, LM_E_MISUSE, LM_SIDE_CLIENT, "logged in already");
		return;
	}
	s->login = lm_alloc_zero(1, sizeof(*s->login));
	if (!s->login) {
		no_memory(s);
		return;
	}
	lm_buf_init(&s->login->initial, CODE_MAX);
	try(s);
}

void lm_smtpc_auth_event(const struct lm_smtpc *s, struct lm_event *event)
{
	event->auth.kind = LM_AUTH_TOKEN;
	event->auth.mechanism = lm_str(s->login->mechanism);
	event->auth.authcid = s->job->credentials.user;
	event->auth.authzid = s->job->credentials.authzid;
}

static bool is_token(struct lm_bytes t)
{
	for (size_t i = 0; i < t.len; i++)
		if (t.data[i] < 0x20 || t.data[i] > 0x7E)
			return false;
	return t.len > 0 && t.len < LM_SMTPC_AUTH_ARGUMENT;
}

void lm_smtpc_on_token(struct lm_smtpc *s, const struct lm_reply *reply)
{
	struct lm_sasl_credentials c;

	if (!reply || reply->result || !is_token(reply->secret.plain)) {
		lm_smtpc_finish_words(s, reply && reply->result ? reply->result : LM_E_AUTH,
		                      LM_SIDE_CLIENT, "there is no usable token");
		return;
	}
	c = credentials(s, reply->secret.plain);
	start(s, &c);
}

static void say_response(struct lm_smtpc *s, struct lm_bytes code)
{
	lm_smtpc_say_secret(s, "****", code);
	lm_buf_clear(&s->command);
	if (lm_buf_printf(&s->command, "AUTH %s ****", s->login->mechanism))
		lm_buf_clear(&s->command);
}

static void cancel(struct lm_smtpc *s)
{
	s->await = LM_SMTPC_CANCEL;
	lm_smtpc_say(s, "*");
}

static int decode(struct lm_bytes text, struct lm_buf *out)
{
	struct lm_bytes code = lm_trim(text);

	lm_buf_init(out, CODE_MAX);
	return lm_base64_decode(code, out);
}

static void on_challenge(struct lm_smtpc *s)
{
	struct lm_smtpc_login *l = s->login;
	struct lm_buf challenge, code;
	int err;

	if (l->has_initial) {
		l->has_initial = false;
		say_response(s, lm_buf_bytes(&l->initial));
		lm_buf_wipe(&l->initial);
		return;
	}
	lm_buf_init(&code, CODE_MAX);
	err = decode(s->answer.text, &challenge);
	if (!err)
		err = respond(s, lm_buf_bytes(&challenge), &code);
	if (!err)
		say_response(s, lm_buf_bytes(&code));
	else if (err == LM_E_NOMEM)
		no_memory(s);
	else if (err == LM_E_AUTH)
		lm_smtpc_fail(s, LM_E_AUTH, LM_SIDE_PEER,
		              "the server could not prove that it knows the password");
	else
		cancel(s);
	lm_buf_wipe(&code);
	lm_buf_wipe(&challenge);
}

static bool keep_user(struct lm_smtpc *s)
{
	const struct lm_credentials *c = &s->job->credentials;
	char *copy = lm_strdup_bytes(c->user.len ? c->user : c->authzid);

	if (!copy)
		return false;
	s->info.user = lm_bytes(copy, strlen(copy));
	s->info.mechanism = lm_str(s->login->mechanism);
	return true;
}

static void on_success(struct lm_smtpc *s)
{
	if (!lm_sasl_client_done(s->login->sasl) || s->login->has_initial)
		lm_smtpc_fail(s, LM_E_AUTH, LM_SIDE_PEER,
		              "the server said yes before it could know, or proved nothing");
	else if (!keep_user(s))
		no_memory(s);
	else
		lm_smtpc_finish(s, 0, LM_SIDE_NONE, true);
}

/* Some servers offer mechanisms they have no secrets for (535 to all); one step back is enough. */
static bool falls_back(const struct lm_smtpc *s)
{
	const char *m = s->login->mechanism;

	return s->answer.code == 535 && !s->login->fell_back && !s->job->credentials.mechanism &&
	       (s->info.tls.active || s->params->plain_login) &&
	       (strncmp(m, "SCRAM-", 6) == 0 || strcmp(m, "CRAM-MD5") == 0) &&
	       (lm_smtpc_has(s, "AUTH", NULL));
}

static bool has_step_back(const struct lm_smtpc *s)
{
	struct lm_buf offered;
	bool has;

	lm_buf_init(&offered, OFFER_MAX + s->params->max_reply);
	has = read_offer(s, &offered) == 0 && (is_offered((const char *)offered.data, "PLAIN") ||
	                                       is_offered((const char *)offered.data, "LOGIN"));
	lm_buf_done(&offered);
	return has;
}

void lm_smtpc_on_auth(struct lm_smtpc *s)
{
	int code = s->answer.code, result;

	if (code == 334) {
		on_challenge(s);
	} else if (code / 100 == 2) {
		on_success(s);
	} else if (falls_back(s) && has_step_back(s)) {
		s->login->fell_back = true;
		try(s);
	} else if (lm_smtpc_refusal(s, &result)) {
		if (code == 500 || (code >= 502 && code <= 504))
			result = LM_E_UNSUPPORTED;
		else if (code >= 500)
			result = LM_E_AUTH;
		lm_smtpc_finish(s, result, LM_SIDE_SERVER, true);
	}
}

void lm_smtpc_on_cancel(struct lm_smtpc *s)
{
	if (s->answer.code < 400)
		lm_smtpc_fail(s, LM_E_PROTO, LM_SIDE_PEER,
		              "the server goes on with a login that was called off");
	else
		lm_smtpc_finish_words(s, LM_E_PROTO, LM_SIDE_PEER,
		                      "the server's challenge makes no sense");
}
