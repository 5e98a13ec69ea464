/* How a session opens: greeting, EHLO (LHLO, HELO), STARTTLS, and what the server can do. */
#include "smtp/client.h"

#include "wire/text.h"

bool lm_smtpc_next_cap(struct lm_bytes *rest, struct lm_bytes *out_line)
{
	const uint8_t *lf = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

	if (!lf)
		return false;
	*out_line = lm_bytes(rest->data, (size_t)(lf - rest->data));
	*rest = lm_bytes_from(*rest, out_line->len + 1);
	return true;
}

bool lm_smtpc_has(const struct lm_smtpc *s, const char *keyword, struct lm_bytes *out_rest)
{
	struct lm_bytes rest = lm_buf_bytes(&s->caps), line;
	size_t len = strlen(keyword);

	while (lm_smtpc_next_cap(&rest, &line)) {
		if (!lm_starts_nocase(line, keyword) ||
		    (line.len > len && line.data[len] != ' ' && line.data[len] != '='))
			continue;
		if (out_rest)
			*out_rest = lm_trim(lm_bytes_from(line, len + 1));
		return true;
	}
	return false;
}

void lm_smtpc_hello(struct lm_smtpc *s)
{
	s->await = LM_SMTPC_EHLO;
	lm_smtpc_say(s, "%s %s", s->params->protocol == LM_LMTP ? "LHLO" : "EHLO", s->params->helo);
}

static void refused(struct lm_smtpc *s)
{
	int result;

	if (!lm_smtpc_refusal(s, &result))
		return;
	lm_smtpc_finish(s, result, LM_SIDE_SERVER, true);
	if (s->job->type == LM_REQUEST_OPEN)
		lm_smtpc_end(s);
}

void lm_smtpc_on_greeting(struct lm_smtpc *s)
{
	int code = s->answer.code;

	if (code == 220) {
		if (lm_buf_add(&s->greeting, s->answer.text))
			lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
		else
			lm_smtpc_hello(s);
		return;
	}
	lm_buf_clear(&s->command);
	/* RFC 5321 3.1 has it wait for QUIT; RFC 7504 3 does not. */
	if (code / 100 == 5 && code != 521)
		lm_smtpc_say(s, "QUIT");
	lm_buf_clear(&s->command);
	refused(s);
}

/* RFC 5321 4.1.1.1: the first line names the server, each of the others what it can do. */
static int keep_caps(struct lm_smtpc *s)
{
	struct lm_bytes text = s->answer.text;
	const uint8_t *lf = text.len ? memchr(text.data, '\n', text.len) : NULL;
	int err;

	lm_buf_done(&s->caps);
	if (!lf)
		return 0;
	err = lm_buf_add(&s->caps, lm_bytes_from(text, (size_t)(lf - text.data) + 1));
	return err ? err : lm_buf_add_str(&s->caps, "\n");
}

static void tell_caps(struct lm_smtpc *s)
{
	struct lm_bytes rest = lm_buf_bytes(&s->caps), line;

	while (!s->fatal && lm_smtpc_next_cap(&rest, &line))
		lm_smtpc_notice(s, LM_EVENT_ITEM, 0, line);
	if (!s->fatal)
		lm_smtpc_finish(s, 0, LM_SIDE_NONE, true);
}

/* Capabilities are known: is it safe enough to go on? */
static void secure(struct lm_smtpc *s)
{
	enum lm_tls_mode mode = s->params->tls;

	if (s->info.tls.active || mode == LM_TLS_OFF) {
		lm_smtpc_finish(s, 0, LM_SIDE_NONE, true);
	} else if (lm_smtpc_has(s, "STARTTLS", NULL)) {
		s->await = LM_SMTPC_STARTTLS;
		lm_smtpc_say(s, "STARTTLS");
	} else if (mode == LM_TLS_OPPORTUNISTIC) {
		lm_smtpc_finish(s, 0, LM_SIDE_NONE, true);
	} else {
		lm_smtpc_finish_words(s, LM_E_UNSUPPORTED, LM_SIDE_SERVER,
		                      "the server does not offer STARTTLS, and TLS is required");
		lm_smtpc_end(s);
	}
}

void lm_smtpc_on_ehlo(struct lm_smtpc *s)
{
	bool open = s->job->type == LM_REQUEST_OPEN;

	if (s->answer.code / 100 == 2) {
		s->rset_due = false;
		s->info.esmtp = true;
		if (keep_caps(s))
			lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
		else if (open)
			secure(s);
		else
			tell_caps(s);
		return;
	}
	if (open && s->answer.code / 100 == 5 && s->params->protocol != LM_LMTP) {
		s->await = LM_SMTPC_HELO;
		lm_smtpc_say(s, "HELO %s", s->params->helo);
		return;
	}
	refused(s);
}

void lm_smtpc_on_helo(struct lm_smtpc *s)
{
	if (s->answer.code / 100 == 2)
		secure(s);
	else
		refused(s);
}

void lm_smtpc_on_starttls(struct lm_smtpc *s)
{
	if (s->answer.code == 220) {
		s->await = LM_SMTPC_HANDSHAKE;
		return;
	}
	if (s->params->tls == LM_TLS_OPPORTUNISTIC && s->answer.code >= 400)
		lm_smtpc_finish(s, 0, LM_SIDE_NONE, true);
	else
		refused(s);
}
