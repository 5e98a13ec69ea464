/* A server's handshake that waits until somebody has chosen certificates for the name a client asks
 * for (RFC 6066 3). */
#include "net/tls_impl.h"

#include "base/error.h"

#include <openssl/evp.h>

enum { HOST_NAME = 0, MADE_MAX = 256, DIGEST_LEN = 32, PEM_MAX = 1024 * 1024 };

/* A context made of certificates that came with a choice. */
struct lm_tls_made {
	uint8_t digest[DIGEST_LEN];
	SSL_CTX *ctx;
	uint64_t used; /* when it was last */
};

static bool take_number(struct lm_bytes *io, size_t octets, size_t *out)
{
	*out = 0;
	if (io->len < octets)
		return false;
	for (size_t i = 0; i < octets; i++)
		*out = *out << 8 | io->data[i];
	*io = lm_bytes_from(*io, octets);
	return true;
}

/* What is malformed, OpenSSL refuses by itself a moment later. */
static struct lm_bytes asked_name(SSL *ssl)
{
	const struct lm_bytes none = { NULL, 0 };
	struct lm_bytes in = none;
	size_t list, kind, len;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &in.data, &in.len) != 1 ||
	    !take_number(&in, 2, &list) || list != in.len || !take_number(&in, 1, &kind) ||
	    kind != HOST_NAME || !take_number(&in, 2, &len) || len > in.len || !len ||
	    len > TLSEXT_MAXLEN_host_name || memchr(in.data, '\0', len))
		return none;
	return lm_bytes(in.data, len);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static void note_name(struct lm_tls_ask *ask, struct lm_bytes name)
{
	ask->len = name.len;
	for (size_t i = 0; i < name.len; i++)
		ask->name[i] = lower(name.data[i]);
}

static bool is_same_name(const struct lm_tls_ask *ask, struct lm_bytes name)
{
	if (name.len != ask->len)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (lower(name.data[i]) != ask->name[i])
			return false;
	return true;
}

int lm_tls_on_client_hello(SSL *ssl, int *alert, void *arg)
{
	struct lm_tls_ask *ask = lm_tls_ask(ssl);
	struct lm_bytes name;

	(void)arg;
	if (!ask)
		return SSL_CLIENT_HELLO_SUCCESS;
	name = asked_name(ssl);
	if (ask->state == LM_TLS_ASK_NOTHING && !name.len)
		return SSL_CLIENT_HELLO_SUCCESS;
	if (ask->state == LM_TLS_ASK_NOTHING) {
		note_name(ask, name);
		ask->state = LM_TLS_ASK_OPEN;
	}
	if (ask->state == LM_TLS_ASK_OPEN)
		return SSL_CLIENT_HELLO_RETRY;
	/* A second hello (RFC 8446 4.1.2) must ask for what was chosen for. */
	*alert = is_same_name(ask, name) ? ask->alert : SSL_AD_ILLEGAL_PARAMETER;
	if (*alert)
		return SSL_CLIENT_HELLO_ERROR;
	if (ask->ctx && ask->ctx != SSL_get_SSL_CTX(ssl))
		SSL_set_SSL_CTX(ssl, ask->ctx);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static bool digest_of(const struct lm_tls_choice *choice, uint8_t out[DIGEST_LEN])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint64_t len = choice->certificate.len;
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
	          EVP_DigestUpdate(md, &len, sizeof(len)) == 1 &&
	          EVP_DigestUpdate(md, choice->certificate.data, choice->certificate.len) == 1 &&
	          EVP_DigestUpdate(md, choice->key.data, choice->key.len) == 1 &&
	          EVP_DigestFinal_ex(md, out, NULL) == 1;

	EVP_MD_CTX_free(md);
	return ok;
}

/* The one with that digest, or NULL; with the lock held. */
static struct lm_tls_made *find(const struct lm_tls_context *context,
                                const uint8_t digest[DIGEST_LEN])
{
	for (size_t i = 0; i < context->made_count; i++)
		if (lm_secret_equal(lm_bytes(context->made[i].digest, DIGEST_LEN),
		                    lm_bytes(digest, DIGEST_LEN)))
			return &context->made[i];
	return NULL;
}

/* A place for one more: that of the one not used for the longest time where all are taken. */
static struct lm_tls_made *place(struct lm_tls_context *context)
{
	struct lm_tls_made *oldest;

	if (!context->made)
		context->made = lm_alloc_zero(MADE_MAX, sizeof(*context->made));
	if (!context->made)
		return NULL;
	if (context->made_count < MADE_MAX)
		return &context->made[context->made_count++];
	oldest = context->made;
	for (size_t i = 1; i < MADE_MAX; i++)
		if (context->made[i].used < oldest->used)
			oldest = &context->made[i];
	SSL_CTX_free(oldest->ctx);
	return oldest;
}

static SSL_CTX *look_up(struct lm_tls_context *context, const uint8_t digest[DIGEST_LEN])
{
	struct lm_tls_made *made;
	SSL_CTX *ctx = NULL;

	pthread_mutex_lock(&context->lock);
	made = find(context, digest);
	if (made) {
		made->used = ++context->made_clock;
		ctx = made->ctx;
		SSL_CTX_up_ref(ctx);
	}
	pthread_mutex_unlock(&context->lock);
	return ctx;
}

/* Two threads may have made the same: the first is kept. */
static void keep(struct lm_tls_context *context, const uint8_t digest[DIGEST_LEN], SSL_CTX *ctx)
{
	struct lm_tls_made *made;

	pthread_mutex_lock(&context->lock);
	made = find(context, digest) ? NULL : place(context);
	if (made) {
		memcpy(made->digest, digest, DIGEST_LEN);
		made->used = ++context->made_clock;
		made->ctx = ctx;
		SSL_CTX_up_ref(ctx);
	}
	pthread_mutex_unlock(&context->lock);
}

void lm_tls_forget_made(struct lm_tls_context *context)
{
	for (size_t i = 0; i < context->made_count; i++)
		SSL_CTX_free(context->made[i].ctx);
	lm_free(context->made);
}

/* A name of a file is not taken: whoever answers gives certificates, not a look into folders. */
static int text_of(const char *part, struct lm_bytes pem, char **out_text,
                   struct lm_error *out_error)
{
	bool is_text = pem.len <= PEM_MAX && pem.len && !memchr(pem.data, '\0', pem.len);
	char *text = is_text ? lm_strdup_bytes(pem) : NULL;

	if (is_text && !text)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	if (!text || !lm_tls_is_pem(text)) {
		lm_free(text);
		return lm_fail(out_error, LM_E_CONFIG, "%s: not PEM", part);
	}
	*out_text = text;
	return 0;
}

static int load(SSL_CTX *ctx, const struct lm_tls_context *context,
                const struct lm_tls_choice *choice, struct lm_error *out_error)
{
	char *cert = NULL, *key = NULL;
	int err = text_of("cert", choice->certificate, &cert, out_error);

	if (!err)
		err = text_of("key", choice->key.len ? choice->key : choice->certificate, &key,
		              out_error);
	if (!err) {
		const struct lm_tls_pair pair = { NULL, cert, key };

		err = lm_tls_load_pair(ctx, &pair, context->made_params.key_passphrase, out_error);
	}
	if (key)
		lm_wipe(key, strlen(key));
	if (cert)
		lm_wipe(cert, strlen(cert));
	lm_free(cert);
	lm_free(key);
	return err;
}

static int make(struct lm_tls_context *context, const struct lm_tls_choice *choice,
                SSL_CTX **out_ctx, struct lm_error *out_error)
{
	uint8_t digest[DIGEST_LEN];
	SSL_CTX *ctx;
	int err;

	if (!digest_of(choice, digest))
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	ctx = look_up(context, digest);
	if (!ctx) {
		err = lm_tls_derive_ctx(context, &ctx, out_error);
		if (err)
			return err;
		err = load(ctx, context, choice, out_error);
		if (err) {
			SSL_CTX_free(ctx);
			return err;
		}
		keep(context, digest, ctx);
	}
	*out_ctx = ctx;
	return 0;
}

int lm_tls_ask_choose(struct lm_tls_ask *ask, struct lm_tls_context *context,
                      const struct lm_tls_choice *choice, struct lm_error *out_error)
{
	int err = 0;

	if (ask->state != LM_TLS_ASK_OPEN)
		return LM_E_NOT_FOUND;
	if (choice->verdict == LM_TLS_GIVEN)
		err = make(context, choice, &ask->ctx, out_error);
	if (choice->verdict == LM_TLS_UNRECOGNIZED)
		ask->alert = SSL_AD_UNRECOGNIZED_NAME;
	else if (choice->verdict == LM_TLS_UNAVAILABLE || err)
		ask->alert = SSL_AD_INTERNAL_ERROR;
	ask->state = LM_TLS_ASK_CHOSEN;
	return err;
}

void lm_tls_ask_free(struct lm_tls_ask *ask)
{
	if (ask)
		SSL_CTX_free(ask->ctx);
	lm_free(ask);
}
