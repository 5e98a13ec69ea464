/* The client's side of every mechanism: GNU SASL for those it has, one message for the bearers. */
#include "sasl/mech.h"

#include "wire/text.h"

enum need { PASSWORD = 1, TOKEN = 2, CERTIFICATE = 4, BINDING = 8, PLAIN_TEXT = 16, FIRST = 32 };

struct kind {
	const char *name;
	unsigned needs;
};

/* Best first. */
static const struct kind kinds[] = {
	{ "EXTERNAL", CERTIFICATE | FIRST },
	{ "SCRAM-SHA-256-PLUS", PASSWORD | BINDING | FIRST },
	{ "SCRAM-SHA-1-PLUS", PASSWORD | BINDING | FIRST },
	{ "SCRAM-SHA-256", PASSWORD | FIRST },
	{ "SCRAM-SHA-1", PASSWORD | FIRST },
	{ "OAUTHBEARER", TOKEN | PLAIN_TEXT | FIRST },
	{ "XOAUTH2", TOKEN | PLAIN_TEXT | FIRST },
	{ "CRAM-MD5", PASSWORD },
	{ "PLAIN", PASSWORD | PLAIN_TEXT | FIRST },
	{ "LOGIN", PASSWORD | PLAIN_TEXT },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct lm_sasl_client {
	const struct kind *kind;
	bool done, refused;
	struct lm_buf message; /* a bearer's only one */
	Gsasl *gsasl;
	Gsasl_session *session;
};

static bool allows(const struct lm_sasl_credentials *c, const struct kind *kind)
{
	return !((kind->needs & PASSWORD) && !(c->user.len && c->password.len)) &&
	       !((kind->needs & TOKEN) && !c->token.len) &&
	       !((kind->needs & CERTIFICATE) && !c->certificate) &&
	       !((kind->needs & BINDING) && !c->exporter.len) &&
	       !((kind->needs & PLAIN_TEXT) && !c->plain_allowed);
}

static bool has_word(const char *list, const char *name)
{
	struct lm_bytes rest = lm_str(list);

	while (rest.len) {
		if (lm_equal_nocase(lm_next_word(&rest), lm_str(name)))
			return true;
	}
	return false;
}

const char *lm_sasl_client_choose(const char *offered,
                                  const struct lm_sasl_credentials *credentials)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (allows(credentials, &kinds[i]) && has_word(offered, kinds[i].name))
			return kinds[i].name;
	}
	return NULL;
}

static int set(struct lm_sasl_client *s, Gsasl_property property, struct lm_bytes value)
{
	if (!value.len)
		return 0;
	return gsasl_property_set_raw(s->session, property, (const char *)value.data, value.len) ==
	                       GSASL_OK
	               ? 0
	               : LM_E_NOMEM;
}

/* Only with -PLUS: gsasl cannot say 'y' ("I could, but you do not offer it") for the others. */
static int set_binding(struct lm_sasl_client *s, struct lm_bytes exporter)
{
	struct lm_buf text;
	int err;

	if (!(s->kind->needs & BINDING))
		return 0;
	lm_buf_init(&text, LM_SASL_RESPONSE_MAX);
	err = lm_base64_encode(exporter, &text);
	if (!err)
		err = set(s, GSASL_CB_TLS_EXPORTER, lm_buf_bytes(&text));
	lm_buf_wipe(&text);
	return err;
}

static int start_gsasl(struct lm_sasl_client *s, const struct lm_sasl_credentials *c)
{
	int err;

	if (gsasl_init(&s->gsasl) != GSASL_OK) {
		s->gsasl = NULL;
		return LM_E_NOMEM;
	}
	if (gsasl_client_start(s->gsasl, s->kind->name, &s->session) != GSASL_OK) {
		s->session = NULL;
		return LM_E_NOMEM;
	}
	err = set(s, GSASL_AUTHID, c->user);
	if (!err)
		err = set(s, GSASL_AUTHZID, c->authzid);
	if (!err)
		err = set(s, GSASL_PASSWORD, c->password);
	return err ? err : set_binding(s, c->exporter);
}

static int add_name(struct lm_buf *out, const char *before, struct lm_bytes name)
{
	int err = lm_buf_add_str(out, before);

	return err ? err : lm_buf_add(out, name);
}

/* RFC 7628 3.1, and the older form of the same. */
static int write_message(struct lm_sasl_client *s, const struct lm_sasl_credentials *c)
{
	bool old = strcmp(s->kind->name, "XOAUTH2") == 0;
	struct lm_bytes name = c->authzid.len ? c->authzid : c->user;
	int err = add_name(&s->message, old ? "user=" : name.len ? "n,a=" : "n,", name);

	if (!err)
		err = lm_buf_add_str(&s->message, old ? "\1auth=Bearer " : ",\1auth=Bearer ");
	if (!err)
		err = lm_buf_add(&s->message, c->token);
	return err ? err : lm_buf_add_str(&s->message, "\1\1");
}

static bool garbles(struct lm_bytes b)
{
	return b.len && (memchr(b.data, 0, b.len) || memchr(b.data, 1, b.len));
}

static const struct kind *find(const char *name)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (lm_equal_nocase(lm_str(name), lm_str(kinds[i].name)))
			return &kinds[i];
	}
	return NULL;
}

int lm_sasl_client_new(const char *mechanism, const struct lm_sasl_credentials *credentials,
                       struct lm_sasl_client **out_sasl)
{
	const struct kind *kind = find(mechanism);
	struct lm_sasl_client *s;
	int err;

	if (!kind || !allows(credentials, kind))
		return LM_E_UNSUPPORTED;
	if (garbles(credentials->user) || garbles(credentials->password) ||
	    garbles(credentials->authzid) || garbles(credentials->token))
		return LM_E_MISUSE;
	s = lm_alloc_zero(1, sizeof(*s));
	if (!s)
		return LM_E_NOMEM;
	s->kind = kind;
	lm_buf_init(&s->message, LM_SASL_RESPONSE_MAX);
	err = kind->needs & TOKEN ? write_message(s, credentials) : start_gsasl(s, credentials);
	if (err)
		lm_sasl_client_free(s);
	else
		*out_sasl = s;
	return err;
}

void lm_sasl_client_free(struct lm_sasl_client *sasl)
{
	const char *password;

	if (!sasl)
		return;
	if (sasl->session) {
		password = gsasl_property_fast(sasl->session, GSASL_PASSWORD);
		/* gsasl frees its copy as it is; the octets are ours to overwrite until then. */
		if (password)
			lm_wipe((void *)(uintptr_t)password, strlen(password));
		gsasl_finish(sasl->session);
	}
	if (sasl->gsasl)
		gsasl_done(sasl->gsasl);
	lm_buf_wipe(&sasl->message);
	lm_free(sasl);
}

bool lm_sasl_client_first(const struct lm_sasl_client *sasl)
{
	return sasl->kind->needs & FIRST;
}

bool lm_sasl_client_done(const struct lm_sasl_client *sasl)
{
	return sasl->done && !sasl->refused;
}

static int step_bearer(struct lm_sasl_client *s, struct lm_buf *out)
{
	if (!s->done) {
		s->done = true;
		return lm_buf_add(out, lm_buf_bytes(&s->message));
	}
	if (s->refused)
		return LM_E_PROTO;
	/* A challenge behind the message says why not; RFC 7628 3.2.3 has it acknowledged. */
	s->refused = true;
	return strcmp(s->kind->name, "XOAUTH2") == 0 ? 0 : lm_buf_add_str(out, "\1");
}

int lm_sasl_client_step(struct lm_sasl_client *sasl, struct lm_bytes challenge, struct lm_buf *out)
{
	char *response = NULL;
	size_t len = 0;
	int rc, err;

	if (sasl->kind->needs & TOKEN)
		return step_bearer(sasl, out);
	if (sasl->done || challenge.len > LM_SASL_RESPONSE_MAX)
		return LM_E_PROTO;
	rc = gsasl_step(sasl->session, (const char *)challenge.data, challenge.len, &response,
	                &len);
	if (rc == GSASL_MALLOC_ERROR)
		err = LM_E_NOMEM;
	else if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
		err = LM_E_AUTH;
	else
		err = lm_buf_add(out, lm_bytes(response, len));
	if (response)
		lm_wipe(response, len);
	gsasl_free(response);
	if (!err)
		sasl->done = rc == GSASL_OK;
	return err;
}
