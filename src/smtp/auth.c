/* AUTH: the wiring between the session's lines and one SASL exchange (RFC 4954). */
#include "smtp/smtp.h"

#include "sasl/sasl.h"
#include "wire/text.h"

enum { MECHANISM_MAX = 32 }; /* RFC 4422 3.1 has 20 */

struct lm_smtp_auth {
	struct lm_sasl_server *sasl;
	struct lm_bytes mechanism;
	bool last_round; /* the server's proof went out; an empty line is due */
	bool ok;
	char name[MECHANISM_MAX];
};

static struct lm_sasl_policy policy_of(const struct lm_smtp *s)
{
	const struct lm_tls_info *tls = &s->info.tls;

	return (struct lm_sasl_policy){
		.tls = tls->active,
		.plain_allowed = tls->active || s->params->plain_login,
		.exporter = tls->exporter,
		.plus_offered = tls->exporter.len && s->params->mechanisms &&
		                strstr(s->params->mechanisms, "-PLUS") != NULL,
		.external = tls->active && tls->peer_subject && *tls->peer_subject,
		.hostname = s->params->hostname,
		.service = "smtp",
	};
}

int lm_smtp_auth_offer(const struct lm_smtp *s, struct lm_buf *out)
{
	struct lm_sasl_policy policy = policy_of(s);

	return lm_sasl_offer(s->params->mechanisms, &policy, out);
}

/* Is it only encryption that the mechanism lacks (RFC 4954 4: 538)? */
static bool wants_tls(const struct lm_smtp *s, struct lm_bytes mechanism)
{
	struct lm_sasl_policy policy = policy_of(s);
	struct lm_buf offer;
	struct lm_bytes rest;
	bool found = false;

	if (policy.tls)
		return false;
	policy.tls = policy.plain_allowed = true;
	lm_buf_init(&offer, LM_SMTP_TEXT);
	rest = lm_sasl_offer(s->params->mechanisms, &policy, &offer) ? lm_bytes(NULL, 0)
	                                                             : lm_buf_bytes(&offer);
	while (rest.len)
		found |= lm_equal_nocase(lm_next_word(&rest), mechanism);
	lm_buf_done(&offer);
	return found;
}

enum lm_smtp_reply_id lm_smtp_check_auth(struct lm_smtp *s, struct lm_bytes argument)
{
	(void)argument;
	if (!s->params->mechanisms)
		return LM_SMTP_R_AUTH_OFF;
	if (s->info.user.len)
		return LM_SMTP_R_AUTH_TWICE;
	if (s->params->require_tls && !s->info.tls.active)
		return LM_SMTP_R_TLS_REQUIRED;
	return LM_SMTP_GOOD;
}

void lm_smtp_auth_end(struct lm_smtp *s)
{
	if (!s->auth)
		return;
	lm_sasl_server_free(s->auth->sasl);
	lm_free(s->auth);
	s->auth = NULL;
}

/* The exchange is over without a decision: it failed by its form. */
static void give_up(struct lm_smtp *s, enum lm_smtp_reply_id id)
{
	lm_smtp_auth_end(s);
	lm_smtp_refusal_clear(s);
	if (s->state == LM_SMTP_AUTH)
		lm_smtp_set_state(s, LM_SMTP_READY);
	lm_smtp_say_bad(s, id);
}

static void challenge(struct lm_smtp *s, struct lm_bytes raw)
{
	int err = lm_buf_add_str(&s->output, "334 ");

	if (!err)
		err = lm_base64_encode(raw, &s->output);
	if (!err)
		err = lm_buf_add_str(&s->output, "\r\n");
	if (err)
		lm_smtp_fail(s, err);
}

static void go_on(struct lm_smtp *s, enum lm_sasl_state state, struct lm_bytes out)
{
	struct lm_smtp_auth *a = s->auth;

	if (state == LM_SASL_ASK) {
		lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_AUTH), lm_bytes(NULL, 0));
		return;
	}
	if (state == LM_SASL_CONTINUE || (state == LM_SASL_OK && out.len)) {
		a->last_round = state == LM_SASL_OK;
		challenge(s, out);
		return;
	}
	a->ok = state == LM_SASL_OK;
	lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_AUTH_DONE), lm_bytes(NULL, 0));
}

static void step(struct lm_smtp *s, bool has_response, struct lm_bytes response)
{
	enum lm_sasl_state state = LM_SASL_OK;
	struct lm_buf out;
	int err = 0;

	lm_buf_init(&out, LM_SMTP_AUTH_LINE);
	if (!s->auth->last_round)
		err = lm_sasl_server_step(s->auth->sasl, has_response, response, &out, &state);
	if (err)
		give_up(s, LM_SMTP_R_AUTH_TEMPORARY);
	else
		go_on(s, state, lm_buf_bytes(&out));
	lm_buf_wipe(&out);
}

/* A response as it stands in a line; "=" is the empty initial one. */
static void respond(struct lm_smtp *s, struct lm_bytes text, bool initial)
{
	struct lm_buf raw;
	int err = 0;

	lm_buf_init(&raw, LM_SMTP_AUTH_LINE);
	if (!initial || !lm_bytes_equal(text, lm_str("=")))
		err = lm_base64_decode(text, &raw);
	if (err)
		give_up(s, err == LM_E_NOMEM ? LM_SMTP_R_AUTH_TEMPORARY : LM_SMTP_R_AUTH_BASE64);
	else
		step(s, true, lm_buf_bytes(&raw));
	lm_buf_wipe(&raw);
}

static enum lm_smtp_reply_id start(struct lm_smtp *s, struct lm_bytes mechanism)
{
	struct lm_sasl_policy policy = policy_of(s);
	struct lm_smtp_auth *a;
	int err;

	if (mechanism.len > MECHANISM_MAX)
		return LM_SMTP_R_AUTH_MECHANISM;
	a = lm_alloc_zero(1, sizeof(*a));
	if (!a)
		return LM_SMTP_R_AUTH_TEMPORARY;
	for (size_t i = 0; i < mechanism.len; i++)
		a->name[i] = (char)lm_upper(mechanism.data[i]);
	a->mechanism = lm_bytes(a->name, mechanism.len);
	err = lm_sasl_server_new(s->params->mechanisms, mechanism, &policy, &a->sasl);
	if (err) {
		lm_free(a);
		if (err != LM_E_UNSUPPORTED)
			return LM_SMTP_R_AUTH_TEMPORARY;
		return wants_tls(s, mechanism) ? LM_SMTP_R_AUTH_NEEDS_TLS
		                               : LM_SMTP_R_AUTH_MECHANISM;
	}
	s->auth = a;
	return LM_SMTP_GOOD;
}

void lm_smtp_apply_auth(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	struct lm_bytes rest = s->argument, mechanism = lm_next_word(&rest);
	enum lm_smtp_reply_id bad = start(s, mechanism);

	(void)v;
	if (bad) {
		lm_smtp_say_bad(s, bad);
		return;
	}
	lm_smtp_set_state(s, LM_SMTP_AUTH);
	if (rest.len)
		respond(s, rest, true);
	else
		step(s, false, rest);
}

void lm_smtp_auth_line(struct lm_smtp *s, const struct lm_line *line)
{
	if (line->flags & LM_LINE_TOO_LONG)
		give_up(s, LM_SMTP_R_AUTH_TOO_LONG);
	else if (lm_bytes_equal(line->text, lm_str("*")))
		give_up(s, LM_SMTP_R_AUTH_CANCELED);
	else
		respond(s, line->text, false);
}

void lm_smtp_auth_event(const struct lm_smtp *s, struct lm_event *event)
{
	const struct lm_smtp_auth *a = s->auth;

	if (event->type == LM_EVENT_AUTH)
		event->auth = *lm_sasl_server_question(a->sasl);
	else
		event->auth = (struct lm_auth){ .authcid = lm_sasl_server_user(a->sasl),
			                        .ok = a->ok };
	event->auth.mechanism = a->mechanism;
}

void lm_smtp_apply_credentials(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	struct lm_reply reply = v->reply ? *v->reply : LM_REPLY_INIT;
	enum lm_sasl_state state;
	struct lm_buf out;
	int err;

	if (!v->yes && (v->flags & LM_REPLY_CLOSE)) {
		struct lm_smtp_words w = reply.smtp_code ? v->words
		                                         : lm_smtp_words_of(LM_SMTP_R_AUTH_FAILED);

		lm_smtp_say_words(s, &w);
		return; /* and closed behind it */
	}
	if (!v->yes && reply.result >= 0)
		reply.result = v->words.code < 500 ? LM_E_STORE : LM_E_AUTH;
	if (!v->yes && reply.smtp_code)
		lm_smtp_refuse(s, &v->words);
	lm_buf_init(&out, LM_SMTP_AUTH_LINE);
	err = lm_sasl_server_answer(s->auth->sasl, &reply, &out, &state);
	if (err)
		give_up(s, LM_SMTP_R_AUTH_TEMPORARY);
	else
		go_on(s, state, lm_buf_bytes(&out));
	lm_buf_wipe(&out);
}

/* RFC 4954 6: why it failed, without telling which part was wrong. */
static struct lm_smtp_words failure(const struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	int err = s->auth->ok ? (v->reply ? v->reply->result : 0)
	                      : lm_sasl_server_error(s->auth->sasl);

	if (v->reply && !v->yes && v->reply->smtp_code >= 400)
		return v->words;
	if (s->refusal.code)
		return s->refusal;
	if (!s->auth->ok && err == LM_E_SYNTAX)
		return lm_smtp_words_of(LM_SMTP_R_AUTH_SYNTAX);
	if (err == 0 || err == LM_E_AUTH || err == LM_E_DENIED || err == LM_E_NOT_FOUND)
		return lm_smtp_words_of(LM_SMTP_R_AUTH_FAILED);
	return lm_smtp_words_of(LM_SMTP_R_AUTH_TEMPORARY);
}

static bool log_in(struct lm_smtp *s)
{
	return lm_smtp_keep(&s->info.user, lm_sasl_server_user(s->auth->sasl)) &&
	       lm_smtp_keep(&s->info.mechanism, s->auth->mechanism);
}

void lm_smtp_apply_auth_done(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	bool ok = s->auth->ok && v->yes;
	struct lm_smtp_words w = v->words;

	if (ok && !log_in(s)) {
		lm_smtp_drop(&s->info.user);
		ok = false;
		w = lm_smtp_words_of(LM_SMTP_R_AUTH_TEMPORARY);
	} else if (!ok) {
		w = failure(s, v);
	}
	lm_smtp_say_words(s, &w);
	lm_smtp_auth_end(s);
	lm_smtp_refusal_clear(s);
	if (s->fatal)
		return;
	lm_smtp_set_state(s, LM_SMTP_READY);
	s->errors += !ok;
	if (w.code == 421)
		lm_smtp_close(s);
	else if (!ok)
		lm_smtp_check_errors(s);
}
