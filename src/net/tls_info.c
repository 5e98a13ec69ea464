/* What a finished handshake tells: versions, names, the peer's certificate, channel binding. */
#include "net/tls_impl.h"

#include <openssl/x509v3.h>

enum { EXPORTER_LEN = 32, TEXT_MAX = 1024 };

/* RFC 9266 2. */
static const char exporter_label[] = "EXPORTER-Channel-Binding";

struct info_block {
	struct lm_tls_info info;
	uint8_t exporter[EXPORTER_LEN];
	char text[];
};

/* A NUL inside a name is a forgery (CVE-2009-2408). */
static bool copy_text(const uint8_t *data, int len, char *out)
{
	if (len <= 0 || len >= TEXT_MAX || memchr(data, '\0', (size_t)len))
		return false;
	memcpy(out, data, (size_t)len);
	out[len] = '\0';
	return true;
}

static void subject_of(X509 *cert, char *out)
{
	BIO *memory = BIO_new(BIO_s_mem());
	char *data;
	long len;

	if (!memory)
		return;
	if (X509_NAME_print_ex(memory, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(memory, &data);
		(void)copy_text((const uint8_t *)data, (int)len, out);
	}
	BIO_free(memory);
}

static bool alternative_name(X509 *cert, char *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_EMAIL || name->type == GEN_DNS)
			found = copy_text(ASN1_STRING_get0_data(name->d.ia5),
			                  ASN1_STRING_length(name->d.ia5), out);
	}
	GENERAL_NAMES_free(names);
	return found;
}

static void common_name(X509 *cert, char *out)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1), len;
	uint8_t *utf8 = NULL;

	if (at < 0)
		return;
	len = ASN1_STRING_to_UTF8(&utf8,
	                          X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	(void)copy_text(utf8, len, out);
	OPENSSL_free(utf8);
}

/* Without renegotiation TLS 1.2 needs only the extended master secret to make it unique. */
static size_t export(SSL *ssl, uint8_t *out)
{
	if (SSL_version(ssl) < TLS1_2_VERSION ||
	    (SSL_version(ssl) == TLS1_2_VERSION && SSL_get_extms_support(ssl) != 1))
		return 0;
	if (SSL_export_keying_material(ssl, out, EXPORTER_LEN, exporter_label,
	                               sizeof(exporter_label) - 1, NULL, 0, 0) != 1)
		return 0;
	return EXPORTER_LEN;
}

static const char *place(char **io_at, const char *text)
{
	size_t len = strlen(text);
	char *at = *io_at;

	memcpy(at, text, len + 1);
	*io_at = at + len + 1;
	return at;
}

static struct lm_tls_info *build(SSL *ssl, const char *sni, const char *subject, const char *name)
{
	size_t room = strlen(sni) + strlen(subject) + strlen(name) + 3;
	struct info_block *block = lm_alloc_zero(1, sizeof(*block) + room);
	char *at;

	if (!block)
		return NULL;
	at = block->text;
	block->info = (struct lm_tls_info){
		.active = true,
		.version = SSL_get_version(ssl),
		.cipher = SSL_get_cipher_name(ssl),
		.bits = SSL_get_cipher_bits(ssl, NULL),
		.server_name = place(&at, sni),
		.peer_subject = place(&at, subject),
		.peer_name = place(&at, name),
		.exporter = lm_bytes(block->exporter, export(ssl, block->exporter)),
	};
	return &block->info;
}

struct lm_tls_info *lm_tls_info_new(SSL *ssl, bool server, const char *server_name)
{
	char subject[TEXT_MAX] = "", name[TEXT_MAX] = "";
	const char *sni = server ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : server_name;
	X509 *cert = SSL_get0_peer_certificate(ssl);

	if (cert && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) &&
	    SSL_get_verify_result(ssl) == X509_V_OK) {
		subject_of(cert, subject);
		if (!alternative_name(cert, name))
			common_name(cert, name);
	}
	return build(ssl, sni ? sni : "", subject, name);
}
