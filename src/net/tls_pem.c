/* Certificates, keys and authorities in PEM form, from files or from the text itself. */
#include "net/tls_impl.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/pem.h>

enum { KEYS_MAX = 8, CERTIFICATES_MAX = 64, SOURCE_MAX = 1024 * 1024 };

/* What stands in a certificate's PEM and in its key's. */
struct bag {
	X509 *certs[CERTIFICATES_MAX];
	EVP_PKEY *keys[KEYS_MAX];
	size_t cert_count, key_count;
	bool is_leaf[CERTIFICATES_MAX]; /* one of the keys belongs to it */
};

/* OpenSSL wants a block to begin a line. */
static const char *skip_space(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

bool lm_tls_is_pem(const char *text)
{
	static const char mark[] = "-----BEGIN";

	return strncmp(skip_space(text), mark, sizeof(mark) - 1) == 0;
}

enum part { CERT, KEY };

/* A text is never shown. */
static int fail(enum part part, const char *source, const char *why, struct lm_error *out_error)
{
	if (lm_tls_is_pem(source))
		return lm_fail(out_error, LM_E_CONFIG, "%s: %s", part == CERT ? "cert" : "key",
		               why);
	return lm_fail(out_error, LM_E_CONFIG, "%s %s: %s", part == CERT ? "certificate" : "key",
	               source, why);
}

/* What stands in the file, or the text itself, with a NUL behind; wiped and freed by unread. */
static int read_source(enum part part, const char *source, char **out_text,
                       struct lm_error *out_error)
{
	BIO *in = lm_tls_is_pem(source) ? BIO_new_mem_buf(skip_space(source), -1)
	                                : BIO_new_file(source, "r");
	char *text = in ? lm_alloc(SOURCE_MAX + 1) : NULL;
	size_t len = 0;
	int n = 1;

	if (!in)
		return fail(part, source, lm_tls_reason(), out_error);
	while (text && len < SOURCE_MAX && n > 0) {
		n = BIO_read(in, text + len, (int)(SOURCE_MAX - len));
		len += n > 0 ? (size_t)n : 0;
	}
	BIO_free(in);
	if (!text)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	text[len] = '\0';
	*out_text = text;
	return 0;
}

static void unread(char *text)
{
	if (text)
		lm_wipe(text, strlen(text));
	lm_free(text);
}

struct phrase {
	const char *text; /* NULL: none was given */
	bool missed;      /* something is encrypted, and there was none */
};

/* A key under a password that was not given cannot be read by a server that starts alone; without
 * this OpenSSL asks the terminal. */
static int give_passphrase(char *buf, int size, int writing, void *arg)
{
	struct phrase *phrase = arg;
	const char *text = phrase ? phrase->text : NULL;
	size_t len = text ? strlen(text) : 0;

	(void)writing;
	if (phrase)
		phrase->missed = !len;
	if (!text || len > (size_t)size)
		return -1;
	memcpy(buf, text, len);
	return (int)len;
}

/* The end of a PEM is told as an error: no further block begins. */
static bool is_end(void)
{
	unsigned long e = ERR_peek_last_error();

	if (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

static int read_certs(struct bag *bag, const char *source, const char *text,
                      struct lm_error *out_error)
{
	BIO *in = BIO_new_mem_buf(text, -1);
	X509 *cert = NULL;
	int err = 0;

	while (in && bag->cert_count < CERTIFICATES_MAX &&
	       (cert = PEM_read_bio_X509_AUX(in, NULL, give_passphrase, NULL)))
		bag->certs[bag->cert_count++] = cert;
	if (cert)
		err = fail(CERT, source, "more certificates than make sense", out_error);
	else if (!is_end())
		err = fail(CERT, source, lm_tls_reason(), out_error);
	else if (!bag->cert_count)
		err = fail(CERT, source, "no certificate is in it", out_error);
	BIO_free(in);
	return err;
}

/* The next block of a private key from `text` on; NULL: there is none. OpenSSL's reader of keys
 * does not tell the end from a fault, so the blocks are found for it. */
static const char *key_block(const char *text, size_t *out_len)
{
	static const char mark[] = "-----BEGIN ", kind[] = "PRIVATE KEY-----";

	while ((text = strstr(text, mark))) {
		const char *label = text + sizeof(mark) - 1, *end = strstr(label, "-----END ");
		size_t len = strcspn(label, "\r\n"), tail = sizeof(kind) - 1;

		while (len && (label[len - 1] == ' ' || label[len - 1] == '\t'))
			len--;
		if (len >= tail && strncmp(label + len - tail, kind, tail) == 0) {
			end = end ? end + strcspn(end, "\n") : label + strlen(label);
			*out_len = (size_t)(end - text) + (*end == '\n');
			return text;
		}
		text = label;
	}
	return NULL;
}

static int read_keys(struct bag *bag, const char *source, const char *text, const char *passphrase,
                     struct lm_error *out_error)
{
	static const char locked[] = "is encrypted; give its passphrase with key-passphrase";
	struct phrase phrase = { .text = passphrase };
	size_t len;
	const char *block = key_block(text, &len);

	if (!block)
		return fail(KEY, source, "no private key is in it", out_error);
	for (; block; block = key_block(block + len, &len)) {
		BIO *in = BIO_new_mem_buf(block, (int)len);
		EVP_PKEY *key = NULL;

		if (bag->key_count == KEYS_MAX) {
			BIO_free(in);
			return fail(KEY, source, "more keys than make sense", out_error);
		}
		if (in)
			key = PEM_read_bio_PrivateKey(in, NULL, give_passphrase, &phrase);
		BIO_free(in);
		if (!key)
			return fail(KEY, source, phrase.missed ? locked : lm_tls_reason(),
			            out_error);
		bag->keys[bag->key_count++] = key;
	}
	return 0;
}

static int fill_bag(struct bag *bag, const struct lm_tls_pair *pair, const char *passphrase,
                    struct lm_error *out_error)
{
	char *certs = NULL, *keys = NULL;
	int err = read_source(CERT, pair->cert_file, &certs, out_error);

	if (!err)
		err = read_certs(bag, pair->cert_file, certs, out_error);
	if (!err)
		err = read_source(KEY, pair->key_file, &keys, out_error);
	if (!err)
		err = read_keys(bag, pair->key_file, keys, passphrase, out_error);
	unread(certs);
	unread(keys);
	return err;
}

static void bag_done(struct bag *bag)
{
	while (bag->cert_count)
		X509_free(bag->certs[--bag->cert_count]);
	while (bag->key_count)
		EVP_PKEY_free(bag->keys[--bag->key_count]);
}

/* The certificate a key belongs to; CERTIFICATES_MAX: none. */
static size_t leaf_of(const struct bag *bag, EVP_PKEY *key)
{
	size_t i = 0;

	while (i < bag->cert_count && X509_check_private_key(bag->certs[i], key) != 1)
		i++;
	ERR_clear_error();
	return i < bag->cert_count ? i : CERTIFICATES_MAX;
}

/* Of one key's certificate all others are the chain; of several what follows each of them. */
static STACK_OF(X509) * chain_of(const struct bag *bag, size_t leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	size_t at = bag->key_count == 1 ? 0 : leaf + 1;
	bool ok = chain != NULL;

	for (; ok && at < bag->cert_count; at++) {
		if (at == leaf)
			continue;
		if (bag->is_leaf[at])
			break;
		ok = sk_X509_push(chain, bag->certs[at]) > 0;
	}
	if (ok)
		return chain;
	sk_X509_free(chain);
	return NULL;
}

static int use(SSL_CTX *ctx, const struct bag *bag, EVP_PKEY *key, const char *source,
               struct lm_error *out_error)
{
	size_t leaf = leaf_of(bag, key);
	STACK_OF(X509) *chain = chain_of(bag, leaf);
	int done;

	if (!chain)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	done = SSL_CTX_use_cert_and_key(ctx, bag->certs[leaf], key, chain, 1);
	sk_X509_free(chain);
	return done == 1 ? 0 : fail(CERT, source, lm_tls_reason(), out_error);
}

static int mismatch(const struct lm_tls_pair *pair, struct lm_error *out_error)
{
	bool key_is_text = lm_tls_is_pem(pair->key_file);
	bool cert_is_text = lm_tls_is_pem(pair->cert_file);

	return lm_fail(out_error, LM_E_CONFIG, "key%s%s does not belong to certificate%s%s",
	               key_is_text ? "" : " ", key_is_text ? "" : pair->key_file,
	               cert_is_text ? "" : " ", cert_is_text ? "" : pair->cert_file);
}

/* Two leaves of one kind: the first is served, as the one a client could have been shown alone. */
static int use_all(SSL_CTX *ctx, struct bag *bag, const struct lm_tls_pair *pair,
                   struct lm_error *out_error)
{
	int err = 0;

	for (size_t i = 0; i < bag->key_count; i++) {
		size_t leaf = leaf_of(bag, bag->keys[i]);

		if (leaf == CERTIFICATES_MAX)
			return mismatch(pair, out_error);
		bag->is_leaf[leaf] = true;
	}
	for (size_t i = bag->key_count; !err && i > 0; i--)
		err = use(ctx, bag, bag->keys[i - 1], pair->cert_file, out_error);
	return err;
}

int lm_tls_load_pair(SSL_CTX *ctx, const struct lm_tls_pair *pair, const char *passphrase,
                     struct lm_error *out_error)
{
	struct bag bag = { .cert_count = 0 };
	int err;

	ERR_clear_error();
	err = fill_bag(&bag, pair, passphrase, out_error);
	if (!err)
		err = use_all(ctx, &bag, pair, out_error);
	bag_done(&bag);
	return err;
}

static bool trust(SSL_CTX *ctx, STACK_OF(X509_NAME) * names, X509 *cert)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(cert));

	if (name && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1 &&
	    sk_X509_NAME_push(names, name) > 0)
		return true;
	X509_NAME_free(name);
	return false;
}

static int trust_text(SSL_CTX *ctx, const char *text, STACK_OF(X509_NAME) * names)
{
	BIO *in = BIO_new_mem_buf(skip_space(text), -1);
	X509 *cert;
	bool ok = in != NULL;

	while (ok && (cert = PEM_read_bio_X509_AUX(in, NULL, give_passphrase, NULL))) {
		ok = trust(ctx, names, cert);
		X509_free(cert);
	}
	BIO_free(in);
	return ok && is_end() && sk_X509_NAME_num(names) > 0;
}

int lm_tls_load_authorities(SSL_CTX *ctx, const char *source, bool server,
                            struct lm_error *out_error)
{
	STACK_OF(X509_NAME) *names = NULL;
	bool is_text = lm_tls_is_pem(source), ok;

	ERR_clear_error();
	if (is_text) {
		names = sk_X509_NAME_new_null();
		ok = names && trust_text(ctx, source, names);
	} else {
		ok = SSL_CTX_load_verify_file(ctx, source) == 1;
		if (ok && server)
			names = SSL_load_client_CA_file(source);
	}
	if (ok && server)
		SSL_CTX_set_client_CA_list(ctx, names);
	else
		sk_X509_NAME_pop_free(names, X509_NAME_free);
	if (ok)
		return 0;
	return is_text ? lm_fail(out_error, LM_E_CONFIG, "%s: %s", server ? "client-ca" : "ca",
	                         lm_tls_reason())
	               : lm_fail(out_error, LM_E_CONFIG, "CA file %s: %s", source, lm_tls_reason());
}
