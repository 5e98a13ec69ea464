/* AUTH: a SASL exchange in POP3's clothes (RFC 5034). */
#include "pop3/client.h"

#include "wire/text.h"

#include <stdio.h>

enum { WIRE_MAX = 64 * 1024 };

static int cancel(struct lm_pop3c *c, int verdict)
{
	struct lm_pop3c_login *l = c->head->login;

	l->step = LM_POP3C_CANCEL;
	l->verdict = verdict;
	return lm_pop3c_login_say(c, lm_str("*"), NULL);
}

/* One step of the mechanism; *out_line is base64 then. */
static int step(struct lm_pop3c_login *l, struct lm_bytes challenge, struct lm_buf *out_line)
{
	struct lm_buf raw;
	int err;

	lm_buf_init(&raw, WIRE_MAX);
	err = lm_sasl_client_step(l->sasl, challenge, &raw);
	if (!err)
		err = lm_base64_encode(lm_buf_bytes(&raw), out_line);
	lm_buf_wipe(&raw);
	return err;
}

static int say_begin(struct lm_pop3c *c)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_buf line;
	char shown[64];
	size_t room;
	int err;

	snprintf(shown, sizeof(shown), "AUTH %s", l->mechanism);
	if (!l->has_initial)
		return lm_pop3c_login_say(c, lm_str(shown), NULL);
	/* RFC 5034 4: what does not fit a command line waits for the first continuation. */
	room = LM_POP3C_COMMAND_MAX - 2 - strlen(shown) - 1;
	if (lm_buf_len(&l->initial) > room)
		return lm_pop3c_login_say(c, lm_str(shown), NULL);
	lm_buf_init(&line, LM_POP3C_COMMAND_MAX + 1);
	err = lm_buf_printf(&line, "%s %.*s", shown, LM_FMT(lm_buf_bytes(&l->initial)));
	if (!err && !lm_buf_len(&l->initial))
		err = lm_buf_add_str(&line, "=");
	lm_buf_wipe(&l->initial);
	l->has_initial = false;
	snprintf(shown, sizeof(shown), "AUTH %s ****", l->mechanism);
	if (!err)
		err = lm_pop3c_login_say(c, lm_buf_bytes(&line), shown);
	lm_buf_wipe(&line);
	return err;
}

int lm_pop3c_sasl_begin(struct lm_pop3c *c)
{
	struct lm_pop3c_login *l = c->head->login;
	int err;

	l->step = LM_POP3C_SASL;
	l->creds.exporter = c->info.tls.exporter;
	l->creds.plain_allowed = c->info.tls.active || c->params->plain_login;
	err = lm_sasl_client_new(l->mechanism, &l->creds, &l->sasl);
	if (!err && lm_sasl_client_first(l->sasl)) {
		l->has_initial = true;
		err = step(l, lm_bytes(NULL, 0), &l->initial);
	}
	if (!err)
		return say_begin(c);
	if (err == LM_E_NOMEM)
		return err;
	lm_pop3c_finish(c, err == LM_E_MISUSE ? LM_E_SYNTAX : err, LM_SIDE_CLIENT,
	                "the credentials do not fit the mechanism");
	return 0;
}

/* The answer to a challenge, in base64. */
static int respond(struct lm_pop3c *c, struct lm_bytes text, struct lm_buf *out_line)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_buf challenge;
	int err;

	if (l->has_initial) {
		l->has_initial = false;
		return lm_buf_add(out_line, lm_buf_bytes(&l->initial));
	}
	lm_buf_init(&challenge, WIRE_MAX);
	err = lm_base64_decode(lm_trim(text), &challenge);
	if (!err)
		err = step(l, lm_buf_bytes(&challenge), out_line);
	lm_buf_wipe(&challenge);
	return err;
}

int lm_pop3c_sasl_challenge(struct lm_pop3c *c, struct lm_bytes text)
{
	struct lm_buf line;
	int err;

	lm_buf_init(&line, WIRE_MAX * 2);
	err = respond(c, text, &line);
	if (!err)
		err = lm_pop3c_login_say(c, lm_buf_bytes(&line), "****");
	else if (err != LM_E_NOMEM)
		err = cancel(c, err == LM_E_AUTH ? LM_E_AUTH : LM_E_PROTO);
	lm_buf_wipe(&line);
	return err;
}

int lm_pop3c_login_continue(struct lm_pop3c *c, const struct lm_line *line)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_bytes text = line->text;
	int err;

	if (!text.len || text.data[0] != '+' || (text.len > 1 && text.data[1] != ' ') ||
	    l->step != LM_POP3C_SASL)
		return 0;
	err = lm_pop3c_trace(c, "S", lm_str(text.len > 2 ? "+ ****" : "+"));
	if (!err)
		err = lm_pop3c_sasl_challenge(c, lm_bytes_from(text, 1));
	return err < 0 ? err : 1;
}

/* +OK before the mechanism is through: "+OK" where "+" is due, or a server's proof in it, or a yes
 * that nobody has earned. Only what can be checked is believed, and nothing is sent that a
 * continuation would not have got. */
static int early_yes(struct lm_pop3c *c, const struct lm_pop3c_status *st)
{
	struct lm_pop3c_login *l = c->head->login;
	bool was_initial = l->has_initial;
	struct lm_buf line;
	int err = LM_E_AUTH;

	lm_buf_init(&line, WIRE_MAX * 2);
	if (was_initial || st->text.len)
		err = respond(c, st->text, &line);
	if (!err && !was_initial && !lm_buf_len(&line) && lm_sasl_client_done(l->sasl))
		err = lm_pop3c_login_done(c, st);
	else if (!err)
		err = lm_pop3c_login_say(c, lm_buf_bytes(&line), "****");
	else if (err != LM_E_NOMEM) {
		lm_pop3c_end(c, LM_E_AUTH, LM_SIDE_PEER,
		             "the server says yes before anything is proven");
		err = 0;
	}
	lm_buf_wipe(&line);
	return err;
}

static int canceled(struct lm_pop3c *c, const struct lm_pop3c_status *st)
{
	int verdict = c->head->login->verdict;
	bool is_auth = verdict == LM_E_AUTH;
	const char *why = is_auth ? "the server could not prove that it knows the password"
	                          : "a challenge of the server makes no sense";

	/* A yes behind "*", or a server that is not who it says: no more words with it. */
	if (st->ok || is_auth)
		lm_pop3c_end(c, verdict, LM_SIDE_PEER, "%s", why);
	else
		lm_pop3c_finish(c, verdict, LM_SIDE_PEER, why);
	return 0;
}

int lm_pop3c_sasl_reply(struct lm_pop3c *c, const struct lm_pop3c_status *st)
{
	struct lm_pop3c_login *l = c->head->login;

	if (l->step == LM_POP3C_CANCEL)
		return canceled(c, st);
	if (!st->ok)
		return lm_pop3c_login_refused(c, st);
	if (lm_sasl_client_done(l->sasl) && !l->has_initial)
		return lm_pop3c_login_done(c, st);
	return early_yes(c, st);
}
