/* One exchange from outside: the table of mechanisms, the offer, and the turns both sides take. */
#include "sasl/mech.h"

#include "base/error.h"
#include "wire/text.h"

/* Best first. */
static const struct lm_sasl_mech *const mechanisms[] = {
	&lm_mech_external,     &lm_mech_scram_sha256_plus, &lm_mech_scram_sha1_plus,
	&lm_mech_scram_sha256, &lm_mech_scram_sha1,        &lm_mech_oauthbearer,
	&lm_mech_xoauth2,      &lm_mech_cram_md5,          &lm_mech_plain,
	&lm_mech_login,
};
enum { MECHANISM_COUNT = sizeof(mechanisms) / sizeof(mechanisms[0]) };

const char *const *lm_sasl_mechanisms(void)
{
	static const char *const names[] = {
		"EXTERNAL",
		"SCRAM-SHA-256-PLUS",
		"SCRAM-SHA-1-PLUS",
		"SCRAM-SHA-256",
		"SCRAM-SHA-1",
		"OAUTHBEARER",
		"XOAUTH2",
		"CRAM-MD5",
		"PLAIN",
		"LOGIN",
		NULL,
	};

	return names;
}

static bool is_wanted(const char *wanted, const char *name)
{
	struct lm_bytes rest = lm_str(wanted);

	while (rest.len) {
		if (lm_equal_nocase(lm_next_word(&rest), lm_str(name)))
			return true;
	}
	return false;
}

static bool is_offered(const char *wanted, const struct lm_sasl_mech *mech,
                       const struct lm_sasl_policy *policy)
{
	if ((mech->flags & LM_MECH_PLAIN) && !policy->plain_allowed)
		return false;
	if ((mech->flags & LM_MECH_PLUS) && !(policy->tls && policy->exporter.len))
		return false;
	if ((mech->flags & LM_MECH_EXTERNAL) && !(policy->tls && policy->external))
		return false;
	return is_wanted(wanted, mech->name);
}

int lm_sasl_offer(const char *wanted, const struct lm_sasl_policy *policy, struct lm_buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < MECHANISM_COUNT; i++) {
		int err;

		if (!is_offered(wanted, mechanisms[i], policy))
			continue;
		err = lm_buf_add_str(out, between);
		if (!err)
			err = lm_buf_add_str(out, mechanisms[i]->name);
		if (err)
			return err;
		between = " ";
	}
	return 0;
}

static const struct lm_sasl_mech *find(const char *wanted, struct lm_bytes name,
                                       const struct lm_sasl_policy *policy)
{
	for (size_t i = 0; i < MECHANISM_COUNT; i++) {
		if (lm_equal_nocase(name, lm_str(mechanisms[i]->name)))
			return is_offered(wanted, mechanisms[i], policy) ? mechanisms[i] : NULL;
	}
	return NULL;
}

static bool offers_plus(const char *wanted, const struct lm_sasl_policy *policy)
{
	return is_offered(wanted, &lm_mech_scram_sha256_plus, policy) ||
	       is_offered(wanted, &lm_mech_scram_sha1_plus, policy);
}

static int keep_binding(struct lm_sasl_server *s, struct lm_bytes exporter)
{
	struct lm_buf text;
	int err;

	lm_buf_init(&text, LM_SASL_RESPONSE_MAX);
	err = lm_base64_encode(exporter, &text);
	if (!err) {
		s->binding = lm_strdup_bytes(lm_buf_bytes(&text));
		err = s->binding ? 0 : LM_E_NOMEM;
	}
	lm_buf_done(&text);
	return err;
}

int lm_sasl_server_new(const char *wanted, struct lm_bytes mechanism,
                       const struct lm_sasl_policy *policy, struct lm_sasl_server **out_sasl)
{
	const struct lm_sasl_mech *mech = find(wanted, mechanism, policy);
	struct lm_sasl_server *s;

	if (!mech)
		return LM_E_UNSUPPORTED;
	s = lm_alloc_zero(1, sizeof(*s));
	if (!s)
		return LM_E_NOMEM;
	s->mech = mech;
	s->plus_offered = policy->plus_offered || offers_plus(wanted, policy);
	lm_buf_init(&s->authcid, LM_SASL_RESPONSE_MAX);
	lm_buf_init(&s->authzid, LM_SASL_RESPONSE_MAX);
	lm_buf_init(&s->secret, LM_SASL_RESPONSE_MAX);
	lm_buf_init(&s->user, LM_SASL_RESPONSE_MAX);
	lm_buf_init(&s->first, LM_SASL_RESPONSE_MAX);
	if ((mech->flags & LM_MECH_PLUS) && keep_binding(s, policy->exporter)) {
		lm_sasl_server_free(s);
		return LM_E_NOMEM;
	}
	*out_sasl = s;
	return 0;
}

void lm_sasl_server_free(struct lm_sasl_server *sasl)
{
	if (!sasl)
		return;
	lm_gs_done(sasl);
	lm_buf_wipe(&sasl->authcid);
	lm_buf_wipe(&sasl->authzid);
	lm_buf_wipe(&sasl->secret);
	lm_buf_wipe(&sasl->user);
	lm_buf_wipe(&sasl->first);
	lm_free(sasl->binding);
	lm_wipe(sasl, sizeof(*sasl));
	lm_free(sasl);
}

int lm_sasl_fail(struct lm_sasl_server *s, int error, enum lm_sasl_state *out_state)
{
	s->error = error;
	*out_state = LM_SASL_FAILED;
	return 0;
}

int lm_sasl_server_step(struct lm_sasl_server *sasl, bool has_response, struct lm_bytes response,
                        struct lm_buf *out, enum lm_sasl_state *out_state)
{
	enum lm_sasl_state state = LM_SASL_FAILED;
	int err = 0;

	/* A session that steps out of turn gets no further. */
	if (sasl->state != LM_SASL_CONTINUE)
		lm_sasl_fail(sasl, sasl->error ? sasl->error : LM_E_AUTH, &state);
	else if (response.len > LM_SASL_RESPONSE_MAX)
		lm_sasl_fail(sasl, LM_E_SYNTAX, &state);
	else if (!has_response && !sasl->round && (sasl->mech->flags & LM_MECH_CLIENT_FIRST))
		state = LM_SASL_CONTINUE;
	else
		err = sasl->mech->step(sasl, has_response, response, out, &state);
	if (err)
		return err;
	sasl->round++;
	*out_state = sasl->state = state;
	return 0;
}

const struct lm_auth *lm_sasl_server_question(const struct lm_sasl_server *sasl)
{
	return &sasl->question;
}

int lm_sasl_server_answer(struct lm_sasl_server *sasl, const struct lm_reply *reply,
                          struct lm_buf *out, enum lm_sasl_state *out_state)
{
	enum lm_sasl_state state = LM_SASL_FAILED;
	int err;

	if (sasl->state != LM_SASL_ASK)
		err = lm_sasl_fail(sasl, sasl->error ? sasl->error : LM_E_AUTH, &state);
	else
		err = sasl->mech->answer(sasl, reply, out, &state);
	lm_buf_wipe(&sasl->secret);
	sasl->question.password = sasl->question.token = lm_bytes(NULL, 0);
	if (err)
		return err;
	*out_state = sasl->state = state;
	return 0;
}

struct lm_bytes lm_sasl_server_user(const struct lm_sasl_server *sasl)
{
	return lm_buf_bytes(sasl->state == LM_SASL_OK ? &sasl->user : &sasl->authcid);
}

int lm_sasl_server_error(const struct lm_sasl_server *sasl)
{
	return sasl->error ? sasl->error : LM_E_AUTH;
}

/* RFC 4616 2, RFC 4422 5: a name is UTF-8, and what would garble a log or a file is refused. */
static bool name_ok(struct lm_bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] < 0x20 || name.data[i] == 0x7F)
			return false;
	}
	return lm_is_utf8(name);
}

int lm_sasl_ask(struct lm_sasl_server *s, enum lm_auth_kind kind, struct lm_bytes authcid,
                struct lm_bytes authzid, struct lm_bytes secret, enum lm_sasl_state *out_state)
{
	int err;

	if (!name_ok(authcid) || !name_ok(authzid))
		return lm_sasl_fail(s, LM_E_SYNTAX, out_state);
	err = lm_buf_add(&s->authcid, authcid);
	if (!err)
		err = lm_buf_add(&s->authzid, authzid);
	if (!err)
		err = lm_buf_add(&s->secret, secret);
	if (err)
		return err;
	s->question.kind = kind;
	s->question.mechanism = lm_str(s->mech->name);
	s->question.authcid = lm_buf_bytes(&s->authcid);
	s->question.authzid = lm_buf_bytes(&s->authzid);
	if (kind == LM_AUTH_PASSWORD)
		s->question.password = lm_buf_bytes(&s->secret);
	else if (kind == LM_AUTH_TOKEN)
		s->question.token = lm_buf_bytes(&s->secret);
	*out_state = LM_SASL_ASK;
	return 0;
}

int lm_sasl_verdict(const struct lm_reply *reply)
{
	if (!reply->result)
		return 0;
	return lm_err_info(reply->result)->smtp / 100 == 4 ? reply->result : LM_E_AUTH;
}

int lm_sasl_settle(struct lm_sasl_server *s, const struct lm_reply *reply)
{
	struct lm_bytes authcid = lm_buf_bytes(&s->authcid), authzid = lm_buf_bytes(&s->authzid);
	struct lm_bytes user = reply->user;

	/* RFC 4422 2: to act as another needs a yes that names him. */
	if (authcid.len && authzid.len && !lm_equal_nocase(authcid, authzid) &&
	    !lm_equal_nocase(user, authzid))
		return LM_E_AUTH;
	if (!user.len)
		user = authcid.len ? authcid : authzid;
	if (!user.len)
		return LM_E_AUTH;
	lm_buf_clear(&s->user);
	return lm_buf_add(&s->user, user);
}

int lm_sasl_answer_final(struct lm_sasl_server *s, const struct lm_reply *reply, struct lm_buf *out,
                         enum lm_sasl_state *out_state)
{
	int err = lm_sasl_verdict(reply);

	(void)out;
	if (err)
		return lm_sasl_fail(s, err, out_state);
	err = lm_sasl_settle(s, reply);
	if (err == LM_E_AUTH)
		return lm_sasl_fail(s, err, out_state);
	if (!err)
		*out_state = LM_SASL_OK;
	return err;
}
