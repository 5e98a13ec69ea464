/* The glue to GNU SASL: one context an exchange (starting one takes two microseconds), properties
 * in and out, and secrets overwritten in the end. */
#include "sasl/mech.h"

#include "wire/text.h"

static int callback(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	const struct lm_sasl_server *s = gsasl_callback_hook_get(gsasl);

	switch (property) {
	case GSASL_CB_TLS_EXPORTER:
		if (!s->binding)
			return GSASL_NO_CB_TLS_EXPORTER;
		return gsasl_property_set(session, property, s->binding);
	case GSASL_VALIDATE_SIMPLE:
	case GSASL_VALIDATE_EXTERNAL:
		/* Only captured here; the owner of the exchange judges. */
		return GSASL_OK;
	default:
		return GSASL_NO_CALLBACK;
	}
}

int lm_gs_start(struct lm_sasl_server *s)
{
	if (s->session)
		return 0;
	if (!s->gsasl && gsasl_init(&s->gsasl) != GSASL_OK) {
		s->gsasl = NULL;
		return LM_E_NOMEM;
	}
	gsasl_callback_set(s->gsasl, callback);
	gsasl_callback_hook_set(s->gsasl, s);
	if (gsasl_server_start(s->gsasl, s->mech->name, &s->session) != GSASL_OK) {
		s->session = NULL;
		return LM_E_NOMEM;
	}
	return 0;
}

int lm_gs_step(struct lm_sasl_server *s, struct lm_bytes in, struct lm_buf *out, int *out_rc)
{
	char *challenge = NULL;
	size_t len = 0;
	int rc = gsasl_step(s->session, (const char *)in.data, in.len, &challenge, &len);
	int err = rc == GSASL_MALLOC_ERROR ? LM_E_NOMEM : 0;

	if (!err && out && (rc == GSASL_OK || rc == GSASL_NEEDS_MORE))
		err = lm_buf_add(out, lm_bytes(challenge, len));
	gsasl_free(challenge);
	if (!err)
		*out_rc = rc;
	return err;
}

int lm_gs_set(struct lm_sasl_server *s, Gsasl_property property, struct lm_bytes value)
{
	int rc = gsasl_property_set_raw(s->session, property,
	                                value.len ? (const char *)value.data : "", value.len);

	return rc == GSASL_OK ? 0 : LM_E_NOMEM;
}

int lm_gs_set_base64(struct lm_sasl_server *s, Gsasl_property property, struct lm_bytes value)
{
	struct lm_buf text;
	int err;

	lm_buf_init(&text, LM_SASL_RESPONSE_MAX);
	err = lm_base64_encode(value, &text);
	if (!err)
		err = lm_gs_set(s, property, lm_buf_bytes(&text));
	lm_buf_wipe(&text);
	return err;
}

struct lm_bytes lm_gs_get(struct lm_sasl_server *s, Gsasl_property property)
{
	return lm_str(gsasl_property_fast(s->session, property));
}

static void wipe_property(struct lm_sasl_server *s, Gsasl_property property)
{
	const char *value = gsasl_property_fast(s->session, property);

	/* gsasl frees its copies as they are; the octets are ours to overwrite until then. */
	if (value)
		lm_wipe((void *)(uintptr_t)value, strlen(value));
}

void lm_gs_done(struct lm_sasl_server *s)
{
	if (s->session) {
		wipe_property(s, GSASL_PASSWORD);
		wipe_property(s, GSASL_SCRAM_STOREDKEY);
		wipe_property(s, GSASL_SCRAM_SERVERKEY);
		gsasl_finish(s->session);
	}
	if (s->gsasl)
		gsasl_done(s->gsasl);
	s->session = NULL;
	s->gsasl = NULL;
}

int lm_gs_error(int rc)
{
	bool garbled = rc == GSASL_MECHANISM_PARSE_ERROR || rc == GSASL_SASLPREP_ERROR;

	return garbled ? LM_E_SYNTAX : LM_E_AUTH;
}
