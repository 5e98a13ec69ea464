/* OAUTHBEARER (RFC 7628) and XOAUTH2: a bearer token in one message; a refused one is answered
 * with a line of JSON, which the client acknowledges before it hears that it failed. */
#include "sasl/mech.h"

#include "wire/text.h"

static bool is_token(struct lm_bytes token)
{
	static const char marks[] = "-._~+/=";

	for (size_t i = 0; i < token.len; i++) {
		uint8_t c = token.data[i], up = lm_upper(c);

		if ((up < 'A' || up > 'Z') && (c < '0' || c > '9') &&
		    !memchr(marks, c, sizeof(marks) - 1))
			return false;
	}
	return token.len > 0;
}

/* "Bearer SP token" of RFC 6750; the scheme is without case. */
static bool bearer(struct lm_bytes value, struct lm_bytes *out_token)
{
	if (!lm_starts_nocase(value, "Bearer "))
		return false;
	*out_token = lm_trim(lm_bytes_from(value, 7));
	return is_token(*out_token);
}

/* Cut at the next octet `end`; false when there is none. */
static bool cut(struct lm_bytes *rest, uint8_t end, struct lm_bytes *out_part)
{
	const uint8_t *at = rest->len ? memchr(rest->data, end, rest->len) : NULL;

	if (!at)
		return false;
	*out_part = lm_bytes(rest->data, (size_t)(at - rest->data));
	*rest = lm_bytes_from(*rest, out_part->len + 1);
	return true;
}

static bool value_of(struct lm_bytes pair, const char *key, struct lm_bytes *out_value)
{
	if (!lm_starts_nocase(pair, key))
		return false;
	*out_value = lm_bytes_from(pair, strlen(key));
	return true;
}

/* Pairs "key=value" each with 0x01 behind, and a 0x01 behind all. */
static bool parse_pairs(struct lm_bytes rest, struct lm_bytes *out_user, struct lm_bytes *out_auth)
{
	struct lm_bytes pair;

	while (cut(&rest, 1, &pair)) {
		if (!pair.len)
			return rest.len == 0;
		if (!value_of(pair, "user=", out_user))
			value_of(pair, "auth=", out_auth);
	}
	return false;
}

/* gs2-header kvsep *(pair kvsep) kvsep; there is no channel binding, so 'p' is refused. */
static bool parse_oauthbearer(struct lm_bytes rest, struct lm_bytes *out_user,
                              struct lm_bytes *out_auth)
{
	struct lm_bytes flag, name, empty, ignored = { NULL, 0 };

	if (!cut(&rest, ',', &flag) || !cut(&rest, ',', &name) || !cut(&rest, 1, &empty))
		return false;
	if (flag.len != 1 || (flag.data[0] != 'n' && flag.data[0] != 'y') || empty.len)
		return false;
	if (name.len && !value_of(name, "a=", out_user))
		return false;
	return parse_pairs(rest, &ignored, out_auth);
}

static int refuse(struct lm_sasl_server *s, struct lm_buf *out, enum lm_sasl_state *out_state)
{
	const char *json = s->mech == &lm_mech_xoauth2
	                           ? "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"\"}"
	                           : "{\"status\":\"invalid_token\"}";

	s->doomed = true;
	*out_state = LM_SASL_CONTINUE;
	return lm_buf_add_str(out, json);
}

static int oauth_step(struct lm_sasl_server *s, bool has_response, struct lm_bytes response,
                      struct lm_buf *out, enum lm_sasl_state *out_state)
{
	struct lm_bytes user = { NULL, 0 }, auth = { NULL, 0 }, token;
	bool parsed;

	(void)has_response;
	if (s->doomed)
		return lm_sasl_fail(s, LM_E_AUTH, out_state);
	parsed = s->mech == &lm_mech_xoauth2 ? parse_pairs(response, &user, &auth)
	                                     : parse_oauthbearer(response, &user, &auth);
	if (!parsed)
		return lm_sasl_fail(s, LM_E_SYNTAX, out_state);
	/* RFC 7628 4.3: an empty token asks what kind of token is wanted. */
	if (!bearer(auth, &token))
		return refuse(s, out, out_state);
	return lm_sasl_ask(s, LM_AUTH_TOKEN, user, user, token, out_state);
}

static int oauth_answer(struct lm_sasl_server *s, const struct lm_reply *reply, struct lm_buf *out,
                        enum lm_sasl_state *out_state)
{
	int err = lm_sasl_answer_final(s, reply, out, out_state);

	if (!err && *out_state == LM_SASL_FAILED && s->error == LM_E_AUTH)
		return refuse(s, out, out_state);
	return err;
}

const struct lm_sasl_mech lm_mech_oauthbearer = {
	.name = "OAUTHBEARER",
	.flags = LM_MECH_PLAIN | LM_MECH_CLIENT_FIRST,
	.step = oauth_step,
	.answer = oauth_answer,
};
const struct lm_sasl_mech lm_mech_xoauth2 = {
	.name = "XOAUTH2",
	.flags = LM_MECH_PLAIN | LM_MECH_CLIENT_FIRST,
	.step = oauth_step,
	.answer = oauth_answer,
};
