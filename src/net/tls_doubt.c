/* What is wrong with a server's certificate, in words that name it. */
#include "net/tls_impl.h"

#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

enum { NAME_MAX_OCTETS = 64, NAMES_SHOWN = 3 };

/* Cut short where there is no room. */
LM_PRINTF(2, 3) static void add(struct lm_tls_doubt *out, const char *fmt, ...)
{
	size_t room = sizeof(out->text) - out->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(out->text + out->len, room, fmt, args);
	va_end(args);
	if (n > 0)
		out->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* What a stranger wrote into a certificate must not move the cursor of who reads it. */
static void add_name(struct lm_tls_doubt *out, const uint8_t *name, int len)
{
	if (len > NAME_MAX_OCTETS)
		len = NAME_MAX_OCTETS;
	for (int i = 0; i < len; i++) {
		add(out, "%c", name[i] < 0x20 || name[i] > 0x7E ? '?' : name[i]);
	}
}

static void add_common_name(struct lm_tls_doubt *out, const X509_NAME *name)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1), len;
	uint8_t *utf8 = NULL;

	if (at < 0)
		return;
	len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len > 0) {
		add(out, ": ");
		add_name(out, utf8, len);
	}
	OPENSSL_free(utf8);
}

static void add_address(struct lm_tls_doubt *out, const ASN1_OCTET_STRING *address)
{
	char *text = NULL;
	struct lm_bytes octets = lm_bytes(ASN1_STRING_get0_data(address),
	                                  (size_t)ASN1_STRING_length(address));

	if (octets.len == 4)
		add(out, "%u.%u.%u.%u", octets.data[0], octets.data[1], octets.data[2],
		    octets.data[3]);
	else
		text = OPENSSL_buf2hexstr(octets.data, (long)octets.len);
	if (text)
		add(out, "%s", text);
	OPENSSL_free(text);
}

/* Names and addresses, as they are compared; without any the common name is for people. */
static void add_names(struct lm_tls_doubt *out, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int shown = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && shown <= NAMES_SHOWN; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS && name->type != GEN_IPADD)
			continue;
		if (shown++ == NAMES_SHOWN) {
			add(out, ", …");
			break;
		}
		add(out, shown == 1 ? ": " : ", ");
		if (name->type == GEN_IPADD)
			add_address(out, name->d.iPAddress);
		else
			add_name(out, ASN1_STRING_get0_data(name->d.dNSName),
			         ASN1_STRING_length(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	if (!shown)
		add_common_name(out, X509_get_subject_name(cert));
}

static void add_date(struct lm_tls_doubt *out, const char *words, const ASN1_TIME *when)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(when, &tm) == 1)
		add(out, "%s %04d-%02d-%02d", words, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static void explain(struct lm_tls_doubt *out, int why, X509 *cert, bool is_leaf)
{
	const char *whose = is_leaf ? "the certificate" : "an issuer's certificate";

	switch (why) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		add(out, "the certificate is for another name");
		add_names(out, cert);
		return;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		add(out, "%s has expired", whose);
		add_date(out, " on", X509_get0_notAfter(cert));
		return;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		add(out, "%s is not valid yet", whose);
		add_date(out, ", only from", X509_get0_notBefore(cert));
		return;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		add(out, "the certificate is self-signed");
		return;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		add(out, "the certificate's authority is not trusted");
		add_common_name(out, X509_get_subject_name(cert));
		return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		add(out, "the certificate's issuer is not known");
		add_common_name(out, X509_get_issuer_name(cert));
		return;
	default:
		add(out, "%s: %s", whose, X509_verify_cert_error_string(why));
	}
}

/* A chain that ends early is told of three times. */
static bool is_repeated(int why)
{
	return why == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
	       why == X509_V_ERR_CERT_UNTRUSTED;
}

int lm_tls_on_verify(int is_good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	int why = X509_STORE_CTX_get_error(store);
	struct lm_tls_doubt *doubt = lm_tls_doubt(ssl);

	if (is_good)
		return 1;
	if (doubt && doubt->len && !is_repeated(why))
		add(doubt, "; ");
	if (doubt && (!doubt->len || !is_repeated(why)))
		explain(doubt, why, X509_STORE_CTX_get_current_cert(store),
		        X509_STORE_CTX_get_error_depth(store) == 0);
	/* Where nobody judges, all there is to say is collected. */
	return !(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER);
}
