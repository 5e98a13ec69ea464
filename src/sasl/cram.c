/* CRAM-MD5 (RFC 2195): the server speaks first, gsasl makes the challenge and does the digest. */
#include "sasl/mech.h"

enum { DIGEST_HEX = 32 };

/* "name SP 32 hex digits"; the name may hold spaces. */
static bool split(struct lm_bytes response, struct lm_bytes *out_name)
{
	if (response.len < DIGEST_HEX + 2 || response.data[response.len - DIGEST_HEX - 1] != ' ')
		return false;
	*out_name = lm_bytes(response.data, response.len - DIGEST_HEX - 1);
	return true;
}

static int cram_step(struct lm_sasl_server *s, bool has_response, struct lm_bytes response,
                     struct lm_buf *out, enum lm_sasl_state *out_state)
{
	struct lm_bytes name, none = lm_bytes(NULL, 0);
	size_t said;
	int err, rc;

	if (!s->session) {
		if (has_response)
			return lm_sasl_fail(s, LM_E_SYNTAX, out_state);
		said = lm_buf_len(out);
		err = lm_gs_start(s);
		if (!err)
			err = lm_gs_step(s, none, out, &rc);
		if (!err)
			err = lm_buf_add(&s->secret, lm_bytes_from(lm_buf_bytes(out), said));
		if (!err)
			*out_state = LM_SASL_CONTINUE;
		return err;
	}
	if (!split(response, &name))
		return lm_sasl_fail(s, LM_E_SYNTAX, out_state);
	err = lm_buf_add(&s->first, response);
	if (err)
		return err;
	s->question.need = LM_NEED_PLAIN;
	s->question.challenge = lm_buf_bytes(&s->secret);
	s->question.response = lm_bytes_from(lm_buf_bytes(&s->first), name.len + 1);
	return lm_sasl_ask(s, LM_AUTH_SECRET, name, none, none, out_state);
}

static int cram_answer(struct lm_sasl_server *s, const struct lm_reply *reply, struct lm_buf *out,
                       enum lm_sasl_state *out_state)
{
	struct lm_bytes plain = reply->secret.plain;
	int err = lm_sasl_verdict(reply), rc;

	if (err && err != LM_E_AUTH)
		return lm_sasl_fail(s, err, out_state);
	if (!err && (reply->flags & LM_REPLY_PROVEN))
		return lm_sasl_answer_final(s, reply, out, out_state);
	/* The digest is computed for nobody too, so that a name that is not known costs the same.
	 */
	s->doomed = err || !plain.len || memchr(plain.data, 0, plain.len);
	err = lm_gs_set(s, GSASL_PASSWORD, s->doomed ? lm_str("nobody has this one") : plain);
	if (!err)
		err = lm_gs_step(s, lm_buf_bytes(&s->first), NULL, &rc);
	if (err)
		return err;
	if (rc != GSASL_OK || s->doomed)
		return lm_sasl_fail(s, LM_E_AUTH, out_state);
	return lm_sasl_answer_final(s, reply, out, out_state);
}

const struct lm_sasl_mech lm_mech_cram_md5 = {
	.name = "CRAM-MD5",
	.step = cram_step,
	.answer = cram_answer,
};
