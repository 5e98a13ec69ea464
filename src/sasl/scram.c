/* SCRAM-SHA-1 and SCRAM-SHA-256 with and without channel binding (RFC 5802, 7677, 9266): the
 * client-first message is read here for its name and its binding flag, the rest is gsasl's. */
#include "sasl/mech.h"

#include "wire/text.h"

#include <openssl/sha.h>
#include <stdio.h>

static const struct lm_bytes none;

/* Cut *rest at the next comma; false when there is none. */
static bool next_field(struct lm_bytes *rest, struct lm_bytes *out_field)
{
	const uint8_t *comma = rest->len ? memchr(rest->data, ',', rest->len) : NULL;

	if (!comma)
		return false;
	*out_field = lm_bytes(rest->data, (size_t)(comma - rest->data));
	*rest = lm_bytes_from(*rest, out_field->len + 1);
	return true;
}

static bool has_key(struct lm_bytes field, char key)
{
	return field.len >= 2 && field.data[0] == (uint8_t)key && field.data[1] == '=';
}

/* saslname of RFC 5802 7: "=2C" and "=3D" are the only escapes. */
static int unescape(struct lm_bytes in, struct lm_buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		int err;

		if (c == '=') {
			struct lm_bytes code = lm_bytes(in.data + i + 1, 2);

			if (in.len - i < 3)
				return LM_E_SYNTAX;
			if (lm_bytes_equal(code, lm_str("2C")))
				c = ',';
			else if (!lm_bytes_equal(code, lm_str("3D")))
				return LM_E_SYNTAX;
			i += 2;
		}
		err = lm_buf_add(out, lm_bytes(&c, 1));
		if (err)
			return err;
	}
	return 0;
}

/* RFC 5802 6: the flag must fit what was announced and what was chosen. */
static int check_flag(const struct lm_sasl_server *s, struct lm_bytes flag)
{
	bool plus = s->mech->flags & LM_MECH_PLUS;

	if (has_key(flag, 'p')) {
		if (!plus || !lm_bytes_equal(flag, lm_str("p=tls-exporter")))
			return LM_E_AUTH;
		return 0;
	}
	if (flag.len != 1 || (flag.data[0] != 'n' && flag.data[0] != 'y'))
		return LM_E_SYNTAX;
	/* 'y': "you do not offer it". Where we did, someone in between took it away. */
	if (plus || (flag.data[0] == 'y' && s->plus_offered))
		return LM_E_AUTH;
	return 0;
}

static int parse_first(const struct lm_sasl_server *s, struct lm_bytes first,
                       struct lm_buf *out_name, struct lm_buf *out_authzid)
{
	struct lm_bytes flag, authzid, name;
	int err;

	if (!next_field(&first, &flag) || !next_field(&first, &authzid) ||
	    !next_field(&first, &name))
		return LM_E_SYNTAX;
	err = check_flag(s, flag);
	if (err)
		return err;
	/* A field "m=" before the name is an extension nobody may skip: refused here too. */
	if ((authzid.len && !has_key(authzid, 'a')) || !has_key(name, 'n') || name.len == 2)
		return LM_E_SYNTAX;
	err = unescape(lm_bytes_from(name, 2), out_name);
	return err ? err : unescape(lm_bytes_from(authzid, 2), out_authzid);
}

static int first_step(struct lm_sasl_server *s, struct lm_bytes response,
                      enum lm_sasl_state *out_state)
{
	struct lm_buf name, authzid;
	int err;

	lm_buf_init(&name, LM_SASL_RESPONSE_MAX);
	lm_buf_init(&authzid, LM_SASL_RESPONSE_MAX);
	err = parse_first(s, response, &name, &authzid);
	if (err == LM_E_SYNTAX || err == LM_E_AUTH) {
		err = lm_sasl_fail(s, err, out_state);
	} else if (!err) {
		s->question.need = s->mech->flags & LM_MECH_SHA256 ? LM_NEED_SCRAM_SHA256
		                                                   : LM_NEED_SCRAM_SHA1;
		err = lm_buf_add(&s->first, response);
		if (!err)
			err = lm_sasl_ask(s, LM_AUTH_SECRET, lm_buf_bytes(&name),
			                  lm_buf_bytes(&authzid), none, out_state);
	}
	lm_buf_wipe(&name);
	lm_buf_wipe(&authzid);
	return err;
}

static int scram_step(struct lm_sasl_server *s, bool has_response, struct lm_bytes response,
                      struct lm_buf *out, enum lm_sasl_state *out_state)
{
	int err, rc;

	(void)has_response;
	if (!s->session)
		return first_step(s, response, out_state);
	err = lm_gs_step(s, response, s->doomed ? NULL : out, &rc);
	if (err)
		return err;
	if (rc != GSASL_OK || s->doomed)
		return lm_sasl_fail(s, rc == GSASL_OK ? LM_E_AUTH : lm_gs_error(rc), out_state);
	*out_state = LM_SASL_OK;
	return 0;
}

/* Keys nobody has a password for. The salt hangs on the name only, so that asking twice tells
 * nothing; a handler that can keep a key of its own makes a better one. */
static void make_up(struct lm_sasl_server *s, uint8_t noise[SHA256_DIGEST_LENGTH], size_t key_len,
                    struct lm_secret *out_secret)
{
	struct lm_bytes name = lm_buf_bytes(&s->authcid);

	SHA256(name.len ? name.data : (const uint8_t *)"", name.len, noise);
	*out_secret = (struct lm_secret){
		.salt = lm_bytes(noise, 16),
		.iterations = LM_SCRAM_ITERATIONS_MIN,
		.stored_key = lm_bytes(noise, key_len),
		.server_key = lm_bytes(noise, key_len),
	};
}

static int feed_secret(struct lm_sasl_server *s, const struct lm_secret *secret)
{
	char iterations[16];
	int err = lm_gs_set_base64(s, GSASL_SCRAM_SALT, secret->salt);

	snprintf(iterations, sizeof(iterations), "%lu", (unsigned long)secret->iterations);
	if (!err)
		err = lm_gs_set(s, GSASL_SCRAM_ITER, lm_str(iterations));
	if (!err)
		err = lm_gs_set_base64(s, GSASL_SCRAM_STOREDKEY, secret->stored_key);
	if (!err)
		err = lm_gs_set_base64(s, GSASL_SCRAM_SERVERKEY, secret->server_key);
	return err;
}

static bool is_complete(const struct lm_secret *secret, size_t key_len)
{
	return secret->salt.len && secret->iterations >= LM_SCRAM_ITERATIONS_MIN &&
	       secret->stored_key.len == key_len && secret->server_key.len == key_len;
}

static int send_first(struct lm_sasl_server *s, const struct lm_secret *secret, struct lm_buf *out,
                      enum lm_sasl_state *out_state)
{
	int err = lm_gs_start(s), rc;

	if (!err)
		err = feed_secret(s, secret);
	if (!err)
		err = lm_gs_step(s, lm_buf_bytes(&s->first), out, &rc);
	if (err)
		return err;
	if (rc != GSASL_NEEDS_MORE)
		return lm_sasl_fail(s, lm_gs_error(rc), out_state);
	*out_state = LM_SASL_CONTINUE;
	return 0;
}

static int scram_answer(struct lm_sasl_server *s, const struct lm_reply *reply, struct lm_buf *out,
                        enum lm_sasl_state *out_state)
{
	size_t key_len = s->mech->flags & LM_MECH_SHA256 ? 32 : 20;
	struct lm_bytes authcid = lm_buf_bytes(&s->authcid), authzid = lm_buf_bytes(&s->authzid);
	uint8_t noise[SHA256_DIGEST_LENGTH];
	struct lm_secret secret = reply->secret;
	int err = lm_sasl_verdict(reply);

	if (err && err != LM_E_AUTH)
		return lm_sasl_fail(s, err, out_state);
	if (!err && !is_complete(&secret, key_len))
		return lm_sasl_fail(s, LM_E_MISUSE, out_state);
	if (!is_complete(&secret, key_len))
		make_up(s, noise, key_len, &secret);
	/* A wrong name and a foreign authzid fail where a wrong password does: at the end. */
	s->doomed = err || (authzid.len && !lm_equal_nocase(authzid, authcid) &&
	                    !lm_equal_nocase(authzid, reply->user));
	err = lm_buf_add(&s->user, reply->user.len ? reply->user : authcid);
	return err ? err : send_first(s, &secret, out, out_state);
}

const struct lm_sasl_mech lm_mech_scram_sha1 = {
	.name = "SCRAM-SHA-1",
	.flags = LM_MECH_CLIENT_FIRST,
	.step = scram_step,
	.answer = scram_answer,
};
const struct lm_sasl_mech lm_mech_scram_sha256 = {
	.name = "SCRAM-SHA-256",
	.flags = LM_MECH_CLIENT_FIRST | LM_MECH_SHA256,
	.step = scram_step,
	.answer = scram_answer,
};
const struct lm_sasl_mech lm_mech_scram_sha1_plus = {
	.name = "SCRAM-SHA-1-PLUS",
	.flags = LM_MECH_CLIENT_FIRST | LM_MECH_PLUS,
	.step = scram_step,
	.answer = scram_answer,
};
const struct lm_sasl_mech lm_mech_scram_sha256_plus = {
	.name = "SCRAM-SHA-256-PLUS",
	.flags = LM_MECH_CLIENT_FIRST | LM_MECH_SHA256 | LM_MECH_PLUS,
	.step = scram_step,
	.answer = scram_answer,
};
