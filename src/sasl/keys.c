/* Arithmetic on secrets outside an exchange: SCRAM keys of a password, and APOP's digest. */
#include "sasl/mech.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(struct lm_bytes hex, uint8_t *out, size_t len)
{
	if (hex.len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_value(hex.data[2 * i]), low = hex_value(hex.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool md5(struct lm_bytes a, struct lm_bytes b, uint8_t out[16])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
	          EVP_DigestUpdate(ctx, a.data, a.len) == 1 &&
	          EVP_DigestUpdate(ctx, b.data, b.len) == 1 &&
	          EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool lm_apop_matches(struct lm_bytes stamp, struct lm_bytes secret, struct lm_bytes digest)
{
	uint8_t given[16] = { 0 }, right[16];
	bool formed = from_hex(digest, given, sizeof(given)), ok;

	ok = md5(stamp, secret, right) && formed &&
	     lm_secret_equal(lm_bytes(given, sizeof(given)), lm_bytes(right, sizeof(right)));
	lm_wipe(right, sizeof(right));
	return ok;
}

/* SASLprep where the password has such a form (clients send that); else its octets. */
static int prepare(struct lm_bytes password, char **out_text)
{
	char *text, *prepared = NULL;

	if (password.len && memchr(password.data, 0, password.len))
		return LM_E_MISUSE;
	text = lm_strdup_bytes(password);
	if (!text)
		return LM_E_NOMEM;
	if (gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK) {
		lm_wipe(text, password.len);
		lm_free(text);
		text = lm_strdup_bytes(lm_str(prepared));
		lm_wipe(prepared, strlen(prepared));
	}
	gsasl_free(prepared);
	if (!text)
		return LM_E_NOMEM;
	*out_text = text;
	return 0;
}

static bool derive(const EVP_MD *md, const char *password, struct lm_bytes salt, int iterations,
                   uint8_t *out_stored, uint8_t *out_server)
{
	uint8_t salted[32], client[32];
	int len = EVP_MD_get_size(md);
	bool ok = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt.data, (int)salt.len,
	                            iterations, md, len, salted) == 1 &&
	          HMAC(md, salted, len, (const uint8_t *)"Client Key", 10, client, NULL) &&
	          HMAC(md, salted, len, (const uint8_t *)"Server Key", 10, out_server, NULL) &&
	          EVP_Digest(client, (size_t)len, out_stored, NULL, md, NULL) == 1;

	lm_wipe(salted, sizeof(salted));
	lm_wipe(client, sizeof(client));
	return ok;
}

int lm_scram_keys(bool sha256, struct lm_bytes password, struct lm_bytes salt, uint32_t iterations,
                  uint8_t *out_stored, uint8_t *out_server, size_t *out_len)
{
	const EVP_MD *md = sha256 ? EVP_sha256() : EVP_sha1();
	char *text;
	int err;

	if (!salt.len || salt.len > LM_SASL_RESPONSE_MAX || !iterations || iterations > INT32_MAX ||
	    password.len > LM_SASL_RESPONSE_MAX)
		return LM_E_MISUSE;
	err = prepare(password, &text);
	if (err)
		return err;
	if (!derive(md, text, salt, (int)iterations, out_stored, out_server))
		err = LM_E_NOMEM;
	else
		*out_len = (size_t)EVP_MD_get_size(md);
	lm_wipe(text, strlen(text));
	lm_free(text);
	return err;
}
