/* TLS settings: one OpenSSL context for the default certificates and one for each name. */
#include "net/tls_impl.h"

#include "base/error.h"

#include <openssl/err.h>
#include <strings.h>

enum { SESSION_SECONDS = 7200 };

const char *lm_tls_reason(void)
{
	unsigned long e = ERR_peek_error();
	const char *text;

	if (!e)
		return "no reason given";
	if (ERR_SYSTEM_ERROR(e))
		return strerror(ERR_GET_REASON(e));
	text = ERR_reason_error_string(e);
	return text ? text : "unknown reason";
}

static void set_manners(SSL_CTX *ctx, const struct lm_tls_params *params)
{
	uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

	if (params->server)
		options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
	if (params->legacy_connect)
		options |= SSL_OP_LEGACY_SERVER_CONNECT;
	if (params->legacy_renegotiation)
		options |= SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION;
	SSL_CTX_set_options(ctx, options);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One read of the socket takes a whole record, or several. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
	if (params->server) {
		/* Tickets hold all; nothing is shared between threads but their keys. */
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		/* The transport asks for one when there is something to send it with. */
		SSL_CTX_set_num_tickets(ctx, 0);
		(void)SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"lettermill", 10);
	} else {
		SSL_CTX_set_session_cache_mode(ctx,
		                               SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, lm_tls_on_new_session);
	}
}

static int set_trust(SSL_CTX *ctx, const struct lm_tls_params *params, struct lm_error *out_error)
{
	int mode = SSL_VERIFY_NONE, err = 0;

	if (params->require_client_cert && !params->ca_file)
		return lm_fail(out_error, LM_E_CONFIG,
		               "client certificates are required but no CA file is given");
	if (params->ca_file)
		err = lm_tls_load_authorities(ctx, params->ca_file, params->server, out_error);
	else if (!params->server)
		lm_tls_trust_system(ctx);
	if (err)
		return err;
	if (params->server && params->ca_file)
		mode = SSL_VERIFY_PEER;
	if (params->require_client_cert)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	if (!params->server && params->verify_peer)
		mode = SSL_VERIFY_PEER;
	SSL_CTX_set_verify(ctx, mode, params->server ? NULL : lm_tls_on_verify);
	return 0;
}

/* RFC 7301 3.2: a peer that wants another protocol is turned away, so that a browser cannot be made
 * to speak to us. */
static int on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                   unsigned in_len, void *arg)
{
	const struct lm_tls_context *context = arg;
	uint8_t *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, context->alpn, context->alpn_len, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void set_alpn(struct lm_tls_context *context, SSL_CTX *ctx)
{
	if (!context->alpn_len)
		return;
	if (context->server)
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, context);
	else
		(void)SSL_CTX_set_alpn_protos(ctx, context->alpn, context->alpn_len);
}

/* As the first context trusts: files are not read again. */
static int share_trust(SSL_CTX *ctx, SSL_CTX *first, struct lm_error *out_error)
{
	STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(first);

	if (names) {
		names = SSL_dup_CA_list(names);
		if (!names)
			return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
		SSL_CTX_set_client_CA_list(ctx, names);
	}
	SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(first));
	SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(first), SSL_CTX_get_verify_callback(first));
	return 0;
}

static int new_ctx(struct lm_tls_context *context, const struct lm_tls_params *params,
                   SSL_CTX **out_ctx, struct lm_error *out_error)
{
	SSL_CTX *ctx = SSL_CTX_new(params->server ? TLS_server_method() : TLS_client_method());
	int err;

	if (!ctx)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: %s", lm_tls_reason());
	err = lm_tls_set_versions(ctx, params, out_error);
	if (!err)
		err = context->ctx ? share_trust(ctx, context->ctx, out_error)
		                   : set_trust(ctx, params, out_error);
	if (err) {
		SSL_CTX_free(ctx);
		return err;
	}
	set_manners(ctx, params);
	set_alpn(context, ctx);
	SSL_CTX_set_app_data(ctx, context);
	if (params->server) {
		SSL_CTX_set_tlsext_servername_callback(ctx, lm_tls_on_server_name);
		SSL_CTX_set_tlsext_servername_arg(ctx, context);
		SSL_CTX_set_client_hello_cb(ctx, lm_tls_on_client_hello, NULL);
	}
	*out_ctx = ctx;
	return 0;
}

/* The context of a pair's name, made when it is the first with that name. */
static int ctx_for(struct lm_tls_context *context, const struct lm_tls_params *params,
                   const char *name, SSL_CTX **out_ctx, struct lm_error *out_error)
{
	struct lm_tls_name *slot = &context->names[context->name_count];
	int err;

	for (size_t i = 0; name && i < context->name_count; i++) {
		if (strcasecmp(context->names[i].name, name) == 0) {
			*out_ctx = context->names[i].ctx;
			return 0;
		}
	}
	if (!name) {
		*out_ctx = context->ctx;
		return 0;
	}
	slot->name = lm_strdup_bytes(lm_str(name));
	if (!slot->name)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	err = new_ctx(context, params, &slot->ctx, out_error);
	if (err) {
		lm_free(slot->name);
		return err;
	}
	context->name_count++;
	*out_ctx = slot->ctx;
	return 0;
}

static int load_pairs(struct lm_tls_context *context, const struct lm_tls_params *params,
                      struct lm_error *out_error)
{
	bool has_default = false;

	context->names = lm_alloc_zero(params->pair_count + 1, sizeof(*context->names));
	if (!context->names)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	for (size_t i = 0; i < params->pair_count; i++) {
		const struct lm_tls_pair *pair = &params->pairs[i];
		SSL_CTX *ctx = NULL;
		int err = ctx_for(context, params, pair->name, &ctx, out_error);

		if (!err)
			err = lm_tls_load_pair(ctx, pair, params->key_passphrase, out_error);
		if (err)
			return err;
		has_default = has_default || !pair->name;
	}
	if (params->server && !has_default)
		return lm_fail(out_error, LM_E_CONFIG,
		               "TLS: a certificate without a name must be given, for clients that "
		               "ask for none");
	return 0;
}

int lm_tls_derive_ctx(struct lm_tls_context *context, SSL_CTX **out_ctx, struct lm_error *out_error)
{
	ERR_clear_error();
	return new_ctx(context, &context->made_params, out_ctx, out_error);
}

static bool keep_text(const char *text, const char **out)
{
	*out = text ? lm_strdup_bytes(lm_str(text)) : NULL;
	return *out || !text;
}

/* What lm_tls_derive_ctx needs. */
static int keep_params(struct lm_tls_context *context, const struct lm_tls_params *params,
                       struct lm_error *out_error)
{
	struct lm_tls_params *kept = &context->made_params;

	*kept = (struct lm_tls_params){ .server = true, .min = params->min, .max = params->max };
	if (keep_text(params->ciphers, &kept->ciphers) &&
	    keep_text(params->key_passphrase, &kept->key_passphrase))
		return 0;
	return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
}

static void forget_params(struct lm_tls_params *kept)
{
	if (kept->key_passphrase)
		lm_wipe((char *)(uintptr_t)kept->key_passphrase, strlen(kept->key_passphrase));
	lm_free((char *)(uintptr_t)kept->key_passphrase);
	lm_free((char *)(uintptr_t)kept->ciphers);
}

static int fill(struct lm_tls_context *context, const struct lm_tls_params *params,
                struct lm_error *out_error)
{
	size_t alpn = params->alpn ? strlen(params->alpn) : 0;
	int err;

	if (alpn > 255)
		return lm_fail(out_error, LM_E_CONFIG, "ALPN name of %zu octets: at most 255",
		               alpn);
	if (alpn) {
		context->alpn[0] = (uint8_t)alpn;
		memcpy(context->alpn + 1, params->alpn, alpn);
		context->alpn_len = (unsigned)alpn + 1;
	}
	context->bio = lm_tls_bio_method();
	if (!context->bio)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	err = params->server ? keep_params(context, params, out_error) : 0;
	if (!err)
		err = new_ctx(context, params, &context->ctx, out_error);
	return err ? err : load_pairs(context, params, out_error);
}

int lm_tls_context_new(const struct lm_tls_params *params, struct lm_tls_context **out_context,
                       struct lm_error *out_error)
{
	struct lm_tls_context *context = lm_alloc_zero(1, sizeof(*context));
	int err;

	if (!context)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	ERR_clear_error();
	atomic_init(&context->refs, 1);
	pthread_mutex_init(&context->lock, NULL);
	context->server = params->server;
	context->strict_sni = params->strict_sni;
	context->verify_peer = params->verify_peer;
	err = fill(context, params, out_error);
	if (err) {
		lm_tls_context_unref(context);
		return err;
	}
	*out_context = context;
	return 0;
}

struct lm_tls_context *lm_tls_context_ref(struct lm_tls_context *context)
{
	atomic_fetch_add(&context->refs, 1);
	return context;
}

void lm_tls_context_unref(struct lm_tls_context *context)
{
	if (!context || atomic_fetch_sub(&context->refs, 1) != 1)
		return;
	for (size_t i = 0; i < context->name_count; i++) {
		SSL_CTX_free(context->names[i].ctx);
		lm_free(context->names[i].name);
	}
	lm_free(context->names);
	SSL_CTX_free(context->ctx);
	SSL_SESSION_free(context->session);
	lm_free(context->session_name);
	lm_tls_forget_made(context);
	forget_params(&context->made_params);
	BIO_meth_free(context->bio);
	pthread_mutex_destroy(&context->lock);
	lm_free(context);
}
