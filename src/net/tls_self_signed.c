/* A self-signed certificate for the first start. */
#include "net/tls.h"

#include "base/error.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

enum { DAYS = 825, DAY_SECONDS = 86400, HOUR_SECONDS = 3600, HOSTNAME_MAX = 253 };

/* Only what may stand in a name or an address: the text becomes part of OpenSSL's own syntax. */
static bool is_plain_host(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= HOSTNAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") ==
	               len;
}

static bool is_address(const char *name)
{
	struct in6_addr room;

	return inet_pton(AF_INET, name, &room) == 1 || inet_pton(AF_INET6, name, &room) == 1;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	ok = extension && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static bool set_serial(X509 *cert)
{
	uint8_t octets[16];
	BIGNUM *number;
	bool ok;

	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return false;
	octets[0] &= 0x7F;
	number = BN_bin2bn(octets, sizeof(octets), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return ok;
}

static bool set_names(X509 *cert, const char *hostname)
{
	X509_NAME *name = X509_get_subject_name(cert);
	/* A common name has at most 64 octets (RFC 5280 A.1); the alternative names count. */
	const char *common = strlen(hostname) > 64 ? "localhost" : hostname;
	char alternatives[HOSTNAME_MAX + 64];

	snprintf(alternatives, sizeof(alternatives), "%s:%s%s,IP:127.0.0.1,IP:::1",
	         is_address(hostname) ? "IP" : "DNS", hostname,
	         strcmp(hostname, "localhost") == 0 ? "" : ",DNS:localhost");
	return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
	                                  (const uint8_t *)common, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1 &&
	       add_extension(cert, NID_subject_alt_name, alternatives);
}

static X509 *make_certificate(const char *hostname, EVP_PKEY *key)
{
	X509 *cert = X509_new();

	/* An hour back, for clocks that are late. */
	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR_SECONDS) &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), (long)DAYS * DAY_SECONDS - HOUR_SECONDS) &&
	    X509_set_pubkey(cert, key) == 1 && set_names(cert, hostname) &&
	    add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	    add_extension(cert, NID_ext_key_usage, "serverAuth") &&
	    X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static int create(const char *path, mode_t mode, FILE **out_file, struct lm_error *out_error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "cannot create %s",
		                     path);
	*out_file = fdopen(fd, "w");
	if (!*out_file) {
		close(fd);
		unlink(path);
		return lm_fail(out_error, LM_E_NOMEM, "cannot create %s: out of memory", path);
	}
	return 0;
}

/* A file that could not be written whole is taken away again. */
static int write_pem(const char *path, X509 *cert, EVP_PKEY *key, struct lm_error *out_error)
{
	FILE *file = NULL;
	int err = create(path, cert ? 0644 : 0600, &file, out_error), written;

	if (err)
		return err;
	written = cert ? PEM_write_X509(file, cert)
	               : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	errno = 0;
	if (fclose(file) == 0 && written == 1)
		return 0;
	err = lm_fail_errno(out_error, errno ? lm_err_from_errno(errno) : LM_E_IO, errno,
	                    "cannot write %s", path);
	unlink(path);
	return err;
}

/* A certificate and its key, both to be freed. */
static int make(const char *hostname, X509 **out_cert, EVP_PKEY **out_key,
                struct lm_error *out_error)
{
	EVP_PKEY *key;
	X509 *cert;

	if (!is_plain_host(hostname))
		return lm_fail(out_error, LM_E_CONFIG,
		               "\"%.80s\" is not a host name a certificate can be made for",
		               hostname);
	ERR_clear_error();
	key = EVP_EC_gen("P-256");
	cert = key ? make_certificate(hostname, key) : NULL;
	if (!cert) {
		EVP_PKEY_free(key);
		return lm_fail(out_error, LM_E_TLS, "cannot make a certificate for %s", hostname);
	}
	*out_cert = cert;
	*out_key = key;
	return 0;
}

int lm_tls_make_self_signed(const char *hostname, const char *cert_file, const char *key_file,
                            struct lm_error *out_error)
{
	EVP_PKEY *key;
	X509 *cert;
	int err = make(hostname, &cert, &key, out_error);

	if (err)
		return err;
	err = write_pem(key_file, NULL, key, out_error);
	if (!err) {
		err = write_pem(cert_file, cert, NULL, out_error);
		if (err)
			unlink(key_file);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

/* NULL: out of memory. */
static char *pem_text(X509 *cert, EVP_PKEY *key)
{
	BIO *memory = BIO_new(BIO_s_secmem());
	char *data, *text = NULL;
	int written = 0;

	if (memory)
		written = cert ? PEM_write_bio_X509(memory, cert)
		               : PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
	if (written == 1) {
		long len = BIO_get_mem_data(memory, &data);

		text = lm_strdup_bytes(lm_bytes(data, len > 0 ? (size_t)len : 0));
	}
	BIO_free(memory);
	return text;
}

int lm_tls_make_self_signed_pem(const char *hostname, char **out_cert, char **out_key,
                                struct lm_error *out_error)
{
	char *cert_text, *key_text;
	EVP_PKEY *key;
	X509 *cert;
	int err = make(hostname, &cert, &key, out_error);

	if (err)
		return err;
	cert_text = pem_text(cert, NULL);
	key_text = pem_text(NULL, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	if (cert_text && key_text) {
		*out_cert = cert_text;
		*out_key = key_text;
		return 0;
	}
	lm_free(cert_text);
	if (key_text)
		lm_wipe(key_text, strlen(key_text));
	lm_free(key_text);
	return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
}
