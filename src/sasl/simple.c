/* PLAIN (RFC 4616), LOGIN and EXTERNAL (RFC 4422 A): gsasl takes the message apart, the question
 * carries what was in it. */
#include "sasl/mech.h"

static bool has_nul(struct lm_bytes b)
{
	return b.len && memchr(b.data, 0, b.len);
}

static size_t count_nul(struct lm_bytes b)
{
	size_t n = 0;

	for (size_t i = 0; i < b.len; i++)
		n += b.data[i] == 0;
	return n;
}

/* Ask about what gsasl captured, and forget its copy of the password. */
static int ask_captured(struct lm_sasl_server *s, enum lm_sasl_state *out_state)
{
	struct lm_bytes name = lm_gs_get(s, GSASL_AUTHID), password = lm_gs_get(s, GSASL_PASSWORD);
	int err;

	if (!name.len || !password.len)
		return lm_sasl_fail(s, LM_E_SYNTAX, out_state);
	err = lm_sasl_ask(s, LM_AUTH_PASSWORD, name, lm_gs_get(s, GSASL_AUTHZID), password,
	                  out_state);
	if (!err)
		lm_gs_done(s);
	return err;
}

static int plain_step(struct lm_sasl_server *s, bool has_response, struct lm_bytes response,
                      struct lm_buf *out, enum lm_sasl_state *out_state)
{
	int err, rc;

	(void)has_response, (void)out;
	if (count_nul(response) != 2)
		return lm_sasl_fail(s, LM_E_SYNTAX, out_state);
	err = lm_gs_start(s);
	if (!err)
		err = lm_gs_step(s, response, NULL, &rc);
	if (err)
		return err;
	if (rc != GSASL_OK)
		return lm_sasl_fail(s, lm_gs_error(rc), out_state);
	return ask_captured(s, out_state);
}

/* The prompts most servers use; some old clients look at them. */
static int login_prompt(struct lm_buf *out, const char *prompt, enum lm_sasl_state *out_state)
{
	*out_state = LM_SASL_CONTINUE;
	return lm_buf_add_str(out, prompt);
}

static int login_step(struct lm_sasl_server *s, bool has_response, struct lm_bytes response,
                      struct lm_buf *out, enum lm_sasl_state *out_state)
{
	bool started = s->session != NULL;
	int err = lm_gs_start(s), rc = GSASL_NEEDS_MORE;

	/* gsasl asks for the name first; an initial response is the answer to that. */
	if (!err && !started)
		err = lm_gs_step(s, lm_bytes(NULL, 0), NULL, &rc);
	if (err)
		return err;
	if (!started && !has_response)
		return login_prompt(out, "Username:", out_state);
	if (!response.len || has_nul(response))
		return lm_sasl_fail(s, LM_E_SYNTAX, out_state);
	err = lm_gs_step(s, response, NULL, &rc);
	if (err)
		return err;
	if (rc == GSASL_NEEDS_MORE)
		return login_prompt(out, "Password:", out_state);
	if (rc != GSASL_OK)
		return lm_sasl_fail(s, lm_gs_error(rc), out_state);
	return ask_captured(s, out_state);
}

static int external_step(struct lm_sasl_server *s, bool has_response, struct lm_bytes response,
                         struct lm_buf *out, enum lm_sasl_state *out_state)
{
	struct lm_bytes input = lm_bytes(response.len ? (const void *)response.data : "",
	                                 response.len);
	int err, rc;

	(void)has_response, (void)out;
	err = lm_gs_start(s);
	if (!err)
		err = lm_gs_step(s, input, NULL, &rc);
	if (err)
		return err;
	if (rc != GSASL_OK)
		return lm_sasl_fail(s, lm_gs_error(rc), out_state);
	return lm_sasl_ask(s, LM_AUTH_EXTERNAL, lm_bytes(NULL, 0), response, lm_bytes(NULL, 0),
	                   out_state);
}

const struct lm_sasl_mech lm_mech_plain = {
	.name = "PLAIN",
	.flags = LM_MECH_PLAIN | LM_MECH_CLIENT_FIRST,
	.step = plain_step,
	.answer = lm_sasl_answer_final,
};
const struct lm_sasl_mech lm_mech_login = {
	.name = "LOGIN",
	.flags = LM_MECH_PLAIN,
	.step = login_step,
	.answer = lm_sasl_answer_final,
};
const struct lm_sasl_mech lm_mech_external = {
	.name = "EXTERNAL",
	.flags = LM_MECH_EXTERNAL | LM_MECH_CLIENT_FIRST,
	.step = external_step,
	.answer = lm_sasl_answer_final,
};
