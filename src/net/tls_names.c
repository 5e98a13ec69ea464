/* Choosing certificates by the name a client asks for, and keeping sessions by it. */
#include "net/tls_impl.h"

#include <openssl/x509v3.h>
#include <strings.h>

/* "*.example.org" stands for exactly one label (RFC 6125 6.4.3). */
static bool matches(const char *pattern, const char *name)
{
	const char *dot = strchr(name, '.');

	if (pattern[0] != '*' || pattern[1] != '.')
		return strcasecmp(pattern, name) == 0;
	return dot && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

static SSL_CTX *find(const struct lm_tls_context *context, const char *name, bool wildcard)
{
	for (size_t i = 0; i < context->name_count; i++)
		if ((context->names[i].name[0] == '*') == wildcard &&
		    matches(context->names[i].name, name))
			return context->names[i].ctx;
	return NULL;
}

SSL_CTX *lm_tls_find_name(const struct lm_tls_context *context, const char *name)
{
	SSL_CTX *ctx = find(context, name, false);

	return ctx ? ctx : find(context, name, true);
}

static bool default_has(const struct lm_tls_context *context, const char *name)
{
	X509 *cert = SSL_CTX_get0_certificate(context->ctx);

	return cert && X509_check_host(cert, name, 0, 0, NULL) == 1;
}

int lm_tls_on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct lm_tls_context *context = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct lm_tls_ask *ask = lm_tls_ask(ssl);
	SSL_CTX *ctx;

	if (!name)
		return SSL_TLSEXT_ERR_NOACK;
	if (ask && ask->ctx)
		return SSL_TLSEXT_ERR_OK;
	ctx = lm_tls_find_name(context, name);
	if (ctx) {
		if (ctx != SSL_get_SSL_CTX(ssl))
			SSL_set_SSL_CTX(ssl, ctx);
		return SSL_TLSEXT_ERR_OK;
	}
	if (context->strict_sni && !default_has(context, name)) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return SSL_TLSEXT_ERR_OK;
}

void lm_tls_keep_session(struct lm_tls_context *context, const char *name, SSL_SESSION *session)
{
	char *copy = lm_strdup_bytes(lm_str(name));

	if (!copy) {
		SSL_SESSION_free(session);
		return;
	}
	pthread_mutex_lock(&context->lock);
	SSL_SESSION_free(context->session);
	lm_free(context->session_name);
	context->session = session;
	context->session_name = copy;
	pthread_mutex_unlock(&context->lock);
}

SSL_SESSION *lm_tls_take_session(struct lm_tls_context *context, const char *name)
{
	SSL_SESSION *session = NULL;

	pthread_mutex_lock(&context->lock);
	if (context->session && strcasecmp(context->session_name, name) == 0) {
		session = context->session;
		context->session = NULL;
	}
	pthread_mutex_unlock(&context->lock);
	return session;
}
