/* What a client is told at its beginning: defaults, checks, and a copy of it all. */
#include "base/error.h"
#include "client/client_impl.h"

#include <stdio.h>

enum { PATH_LEN_MAX = 107 /* sun_path with its NUL has 108 */, PEM_MAX = 1024 * 1024 };

/* Every string of the parameters. */
static const struct field {
	size_t offset;
	const char *name;
	enum { TEXT, WORD, FILE_OR_PEM } form;
} fields[] = {
#define F(member, form)                                                  \
	{                                                                \
		offsetof(struct lm_client_params, member), #member, form \
	}
	F(host, TEXT),
	F(ca_file, FILE_OR_PEM),
	F(cert_file, FILE_OR_PEM),
	F(key_file, FILE_OR_PEM),
	F(user, TEXT),
	F(password, TEXT),
	F(authzid, TEXT),
	F(mechanism, WORD),
	F(token, TEXT),
	F(helo, WORD),
#undef F
};
enum { FIELDS = sizeof(fields) / sizeof(*fields) };

void lm_client_params_init(struct lm_client_params *params, enum lm_protocol protocol)
{
	*params = (struct lm_client_params){
		.size = sizeof(*params),
		.protocol = protocol,
		.tls = LM_TLS_STARTTLS,
		.timeout = 60000,
	};
}

static const char **field_of(struct lm_client_params *params, size_t i)
{
	return (const char **)(void *)((char *)params + fields[i].offset);
}

static bool is_path(const struct lm_client_params *params)
{
	return params->host[0] == '/';
}

/* A line break would become a command of its own. */
static int check_text(const struct field *field, const char *text, struct lm_error *out_error)
{
	if (field->form == FILE_OR_PEM && lm_tls_is_pem(text))
		return strlen(text) <= PEM_MAX
		               ? 0
		               : lm_fail(out_error, LM_E_LIMIT, "%s: longer than %d octets",
		                         field->name, PEM_MAX);
	for (size_t i = 0; text[i]; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c < 0x20 || c == 0x7F || (field->form == WORD && c == ' '))
			return lm_fail(out_error, LM_E_SYNTAX,
			               "%s: control characters%s are not allowed", field->name,
			               field->form == WORD ? " and spaces" : "");
	}
	return 0;
}

static int check_host(const struct lm_client_params *params, struct lm_error *out_error)
{
	size_t len = params->host ? strlen(params->host) : 0;

	if (!len)
		return lm_fail(out_error, LM_E_SYNTAX, "host: there is none");
	if (is_path(params) && len > PATH_LEN_MAX)
		return lm_fail(out_error, LM_E_SYNTAX, "host: a socket path has at most %d octets",
		               PATH_LEN_MAX);
	if (len > 255)
		return lm_fail(out_error, LM_E_SYNTAX, "host: longer than 255 octets");
	if (!is_path(params) && strchr(params->host, ' '))
		return lm_fail(out_error, LM_E_SYNTAX, "host: no name has a space");
	return 0;
}

static int check(const struct lm_client_params *params, struct lm_error *out_error)
{
	const bool needs_name = params->tls != LM_TLS_OFF && params->tls != LM_TLS_OPPORTUNISTIC &&
	                        !params->insecure;
	int err = check_host(params, out_error);

	if (err)
		return err;
	if (params->protocol < LM_SMTP || params->protocol > LM_POP3)
		return lm_fail(out_error, LM_E_CONFIG, "protocol: must be POP3, SMTP or LMTP");
	if (params->tls > LM_TLS_IMPLICIT)
		return lm_fail(out_error, LM_E_CONFIG, "tls: no such mode");
	if (params->timeout <= 0)
		return lm_fail(out_error, LM_E_CONFIG, "timeout: must be more than nothing");
	if (params->key_file && params->key_file[0] &&
	    (!params->cert_file || !params->cert_file[0]))
		return lm_fail(out_error, LM_E_CONFIG, "a key without a certificate");
	if (is_path(params) && needs_name)
		return lm_fail(out_error, LM_E_CONFIG,
		               "a socket path has no name a certificate could be for: TLS must be "
		               "off, opportunistic, or insecure");
	return 0;
}

/* What is empty was not given, but for a password. */
static const char *text_of(struct lm_client_params *params, size_t i)
{
	const char *text = *field_of(params, i);
	const bool may_be_empty = fields[i].offset == offsetof(struct lm_client_params, password);

	return text && (text[0] || may_be_empty) ? text : NULL;
}

static int copy_text(struct lm_client_settings *settings, const struct lm_client_params *params,
                     struct lm_error *out_error)
{
	struct lm_client_params from = *params;
	char *at;

	for (size_t i = 0; i < FIELDS; i++) {
		const char *text = text_of(&from, i);
		int err = text ? check_text(&fields[i], text, out_error) : 0;

		if (err)
			return err;
		settings->text_len += text ? strlen(text) + 1 : 0;
	}
	at = settings->text = lm_alloc(settings->text_len + 1);
	if (!at)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (size_t i = 0; i < FIELDS; i++) {
		const char *text = text_of(&from, i);
		size_t len = text ? strlen(text) + 1 : 0;

		if (text)
			memcpy(at, text, len);
		*field_of(&settings->params, i) = text ? at : NULL;
		at += len;
	}
	return 0;
}

static uint16_t default_port(enum lm_protocol protocol, bool tls)
{
	switch (protocol) {
	case LM_POP3:
		return tls ? 995 : 110;
	case LM_SUBMISSION:
		return tls ? 465 : 587;
	case LM_LMTP:
		return 24;
	default:
		return tls ? 465 : 25;
	}
}

static void name_place(struct lm_client_settings *settings)
{
	const struct lm_client_params *params = &settings->params;
	size_t len;

	if (is_path(params)) {
		snprintf(settings->where, sizeof(settings->where), "%s", params->host);
		memcpy(settings->server_name, "localhost", 10);
		return;
	}
	snprintf(settings->where, sizeof(settings->where), "%s port %u", params->host,
	         params->port);
	/* Certificates know of no zones, and of no dot at the end. */
	len = strcspn(params->host, "%");
	if (len > 1 && params->host[len - 1] == '.')
		len--;
	snprintf(settings->server_name, sizeof(settings->server_name), "%.*s", (int)len,
	         params->host);
}

int lm_client_settings_init(struct lm_client_settings *settings,
                            const struct lm_client_params *params, struct lm_error *out_error)
{
	struct lm_client_params own = { .size = sizeof(own) };
	int err;

	*settings = (struct lm_client_settings){ .text = NULL };
	if (params->size < offsetof(struct lm_client_params, ctx))
		return lm_fail(out_error, LM_E_CONFIG, "lm_client_params_init was not called");
	memcpy(&own, params, params->size < sizeof(own) ? params->size : sizeof(own));
	err = check(&own, out_error);
	if (err)
		return err;
	if (!own.port)
		own.port = default_port(own.protocol, own.tls == LM_TLS_IMPLICIT);
	settings->params = own;
	err = copy_text(settings, &own, out_error);
	if (err)
		return err;
	name_place(settings);
	return 0;
}

void lm_client_settings_done(struct lm_client_settings *settings)
{
	if (settings->text)
		lm_wipe(settings->text, settings->text_len);
	lm_free(settings->text);
	*settings = (struct lm_client_settings){ .text = NULL };
}

static bool verifies(const struct lm_client_params *params)
{
	return params->tls != LM_TLS_OPPORTUNISTIC && !params->insecure;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool lm_client_settings_same_tls(const struct lm_client_settings *a,
                                 const struct lm_client_settings *b)
{
	const struct lm_client_params *p = &a->params, *q = &b->params;

	return (p->tls == LM_TLS_OFF) == (q->tls == LM_TLS_OFF) && verifies(p) == verifies(q) &&
	       same_text(p->ca_file, q->ca_file) && same_text(p->cert_file, q->cert_file) &&
	       same_text(p->key_file, q->key_file) && p->tls_min == q->tls_min &&
	       p->tls_max == q->tls_max && p->legacy_connect == q->legacy_connect &&
	       p->legacy_renegotiation == q->legacy_renegotiation;
}

int lm_client_settings_tls(const struct lm_client_settings *settings,
                           struct lm_tls_context **out_context, struct lm_error *out_error)
{
	const struct lm_client_params *params = &settings->params;
	const struct lm_tls_pair pair = {
		.cert_file = params->cert_file,
		.key_file = params->key_file ? params->key_file : params->cert_file,
	};
	const struct lm_tls_params tls = {
		.pairs = params->cert_file ? &pair : NULL,
		.pair_count = params->cert_file ? 1 : 0,
		.min = (enum lm_tls_version)params->tls_min,
		.max = (enum lm_tls_version)params->tls_max,
		.ca_file = params->ca_file,
		.verify_peer = verifies(params),
		.legacy_connect = params->legacy_connect,
		.legacy_renegotiation = params->legacy_renegotiation,
	};

	*out_context = NULL;
	return params->tls == LM_TLS_OFF ? 0 : lm_tls_context_new(&tls, out_context, out_error);
}
