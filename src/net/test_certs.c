/* Tests only: an authority and certificates of every kind. */
#include "net/test_certs.h"

#include "lm_test.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

struct certificate {
	X509 *cert;
	EVP_PKEY *key;
};

const char *test_certs_path(const char *name)
{
	static char paths[16][128];
	static unsigned next;
	char *path = paths[next++ % 16];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

static void save(const char *name, struct certificate c, const char *password)
{
	char file[64];
	FILE *out;

	snprintf(file, sizeof(file), "%s.pem", name);
	out = fopen(test_certs_path(file), "w");
	assert_non_null(out);
	PEM_write_X509(out, c.cert);
	fclose(out);
	snprintf(file, sizeof(file), "%s.key", name);
	out = fopen(test_certs_path(file), "w");
	assert_non_null(out);
	PEM_write_PrivateKey(out, c.key, password ? EVP_aes_128_cbc() : NULL,
	                     (const uint8_t *)password, password ? (int)strlen(password) : 0, NULL,
	                     NULL);
	fclose(out);
}

/* `alternative`: NULL makes an authority. */
static struct certificate make(const char *name, EVP_PKEY *key, const char *alternative,
                               long seconds, const struct certificate *issuer)
{
	struct certificate c = { X509_new(), key };
	static long serial;
	X509_NAME *subject = X509_get_subject_name(c.cert);

	X509_set_version(c.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(c.cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(c.cert), seconds);
	X509_set_pubkey(c.cert, key);
	X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, (const uint8_t *)name,
	                           -1, -1, 0);
	X509_set_issuer_name(c.cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
	if (alternative)
		extend(c.cert, NID_subject_alt_name, alternative);
	else
		extend(c.cert, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(c.cert, issuer ? issuer->key : key, EVP_sha256()) > 0);
	return c;
}

static void done(struct certificate c)
{
	X509_free(c.cert);
	EVP_PKEY_free(c.key);
}

static void make_one(const char *name, EVP_PKEY *key, const char *alternative, long seconds,
                     const struct certificate *issuer)
{
	struct certificate c = make(name, key, alternative, seconds, issuer);

	save(name, c, strcmp(name, "locked") == 0 ? "secret" : NULL);
	done(c);
}

void test_certs_make(void)
{
	enum { DAY = 86400 };
	struct certificate ca, stranger;

	snprintf(folder, sizeof(folder), "/tmp/lm-certs-XXXXXX");
	assert_non_null(mkdtemp(folder));
	ca = make("ca", EVP_EC_gen("P-256"), NULL, DAY, NULL);
	stranger = make("stranger", EVP_EC_gen("P-256"), NULL, DAY, NULL);
	save("ca", ca, NULL);
	save("stranger", stranger, NULL);
	make_one("server", EVP_EC_gen("P-256"), "DNS:mail.example,IP:127.0.0.1", DAY, &ca);
	make_one("other", EVP_EC_gen("P-256"), "DNS:other.example", DAY, &ca);
	make_one("wild", EVP_EC_gen("P-256"), "DNS:*.wild.example", DAY, &ca);
	make_one("rsa", EVP_RSA_gen(2048), "DNS:mail.example", DAY, &ca);
	make_one("expired", EVP_EC_gen("P-256"), "DNS:mail.example,IP:127.0.0.1", -10, &ca);
	make_one("client", EVP_EC_gen("P-256"), "email:me@mail.example", DAY, &ca);
	make_one("forged", EVP_EC_gen("P-256"), "email:me@mail.example", DAY, &stranger);
	make_one("locked", EVP_EC_gen("P-256"), "DNS:mail.example", DAY, &ca);
	done(ca);
	done(stranger);
}

void test_certs_remove(void)
{
	static const char *const names[] = { "ca",     "stranger", "server",  "other",
		                             "wild",   "rsa",      "expired", "client",
		                             "forged", "locked",   "self" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char file[64];

		snprintf(file, sizeof(file), "%s.pem", names[i]);
		unlink(test_certs_path(file));
		snprintf(file, sizeof(file), "%s.key", names[i]);
		unlink(test_certs_path(file));
	}
	rmdir(folder);
}
