/* Is a server's own certificate one that clients will take: signed by whom they trust, and today?
 */
#include "script/server.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <unistd.h>

/* The certificate first, then what its file has of its chain. */
struct chain {
	X509 *leaf;
	STACK_OF(X509) * others;
};

static void chain_free(struct chain *chain)
{
	X509_free(chain->leaf);
	sk_X509_pop_free(chain->others, X509_free);
}

static int read_chain(const char *file, struct chain *out_chain, struct lm_error *out_error)
{
	BIO *in = BIO_new_file(file, "r");
	X509 *one;

	*out_chain = (struct chain){ .leaf = NULL };
	if (!in)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.150s", file);
	out_chain->others = sk_X509_new_null();
	out_chain->leaf = PEM_read_bio_X509(in, NULL, NULL, NULL);
	while (out_chain->leaf && out_chain->others &&
	       (one = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		if (!sk_X509_push(out_chain->others, one))
			X509_free(one);
	ERR_clear_error();
	BIO_free(in);
	if (out_chain->leaf && out_chain->others)
		return 0;
	chain_free(out_chain);
	return lm_fail(out_error, LM_E_TLS, "%.150s: no certificate in PEM form", file);
}

static X509_STORE *trusted(const char *root_file)
{
	X509_STORE *store = X509_STORE_new();
	int good = store != NULL;

	if (good && root_file)
		good = X509_STORE_load_file(store, root_file);
	else if (good)
		good = X509_STORE_set_default_paths(store);
	if (good)
		return store;
	X509_STORE_free(store);
	ERR_clear_error();
	return NULL;
}

static int verify(const char *cert_file, const struct chain *chain, X509_STORE *store,
                  struct lm_error *out_error)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int err = LM_E_NOMEM, why = X509_V_OK;

	if (ctx && X509_STORE_CTX_init(ctx, store, chain->leaf, chain->others)) {
		X509_STORE_CTX_set_default(ctx, "ssl_server");
		err = X509_verify_cert(ctx) == 1 ? 0 : LM_E_TLS;
		why = X509_STORE_CTX_get_error(ctx);
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	if (err)
		lm_fail(out_error, err, "%.120s: %.100s", cert_file,
		        err == LM_E_TLS ? X509_verify_cert_error_string(why) : lm_err_text(err));
	return err;
}

int lm_script_certificate_verify(const char *cert_file, const char *root_file,
                                 struct lm_error *out_error)
{
	struct chain chain;
	X509_STORE *store;
	int err;

	if (root_file && access(root_file, R_OK))
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.150s",
		                     root_file);
	err = read_chain(cert_file, &chain, out_error);
	if (err)
		return err;
	store = trusted(root_file);
	if (store)
		err = verify(cert_file, &chain, store, out_error);
	else
		err = lm_fail(out_error, LM_E_TLS, "%.150s: no certificate in PEM form",
		              root_file ? root_file : "this machine's certificates");
	X509_STORE_free(store);
	chain_free(&chain);
	return err;
}
