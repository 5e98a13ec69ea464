/* The numbers of the RFCs: SCRAM keys and proofs (5802 5, 7677 3), APOP (1939 7), and secrets that
 * do not stay in memory. */
#include "lm_test.h"

#include "sasl/mech.h"
#include "wire/text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

struct vector {
	bool sha256;
	const char *salt, *first, *server_first, *final, *proof, *signature;
};

static const struct vector vectors[] = {
	{ false, "QSXCR+Q6sek8bf92", "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	  "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ true, "W22ZaJ0SNY7soEsUEjb6gQ==", "n=user,r=rOprNGfwEbeRWgbNEkqO",
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	  "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	  "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

static size_t decode(const char *base64, uint8_t out[64])
{
	struct lm_buf buf;
	struct lm_bytes octets;

	memset(out, 0, 64);
	lm_buf_init(&buf, 64);
	assert_err(lm_base64_decode(lm_str(base64), &buf), 0);
	octets = lm_buf_bytes(&buf);
	for (size_t i = 0; octets.data && i < octets.len; i++)
		out[i] = octets.data[i];
	lm_buf_done(&buf);
	return octets.len;
}

/* RFC 5802 3: the proof opens to StoredKey, the signature is made with ServerKey. */
static void keys_fit_the_proofs(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct vector *v = &vectors[i];
		const EVP_MD *md = v->sha256 ? EVP_sha256() : EVP_sha1();
		uint8_t salt[64], stored[32], server[32], proof[64], want[64], mac[32], key[32];
		char text[400];
		size_t len, salt_len = decode(v->salt, salt);

		assert_err(lm_scram_keys(v->sha256, lm_str("pencil"), lm_bytes(salt, salt_len),
		                         4096, stored, server, &len),
		           0);
		assert_int_equal(len, v->sha256 ? 32 : 20);
		assert_int_equal(decode(v->proof, proof), len);
		assert_int_equal(decode(v->signature, want), len);
		snprintf(text, sizeof(text), "%s,%s,%s", v->first, v->server_first, v->final);
		HMAC(md, server, (int)len, (const uint8_t *)text, strlen(text), mac, NULL);
		assert_memory_equal(mac, want, len);
		HMAC(md, stored, (int)len, (const uint8_t *)text, strlen(text), mac, NULL);
		for (size_t o = 0; o < len; o++)
			mac[o] ^= proof[o];
		assert_int_equal(EVP_Digest(mac, len, key, NULL, md, NULL), 1);
		assert_memory_equal(key, stored, len);
	}
}

static void odd_arguments(void **state)
{
	uint8_t stored[32], server[32];
	size_t len;

	(void)state;
	assert_err(lm_scram_keys(true, lm_str("x"), lm_str(""), 4096, stored, server, &len),
	           LM_E_MISUSE);
	assert_err(lm_scram_keys(true, lm_str("x"), lm_str("salt"), 0, stored, server, &len),
	           LM_E_MISUSE);
	assert_err(lm_scram_keys(true, lm_bytes("a\0b", 3), lm_str("salt"), 4096, stored, server,
	                         &len),
	           LM_E_MISUSE);
	for (unsigned long n = 1; n <= 2; n++) {
		lm_alloc_fail_at(n);
		assert_err(
		        lm_scram_keys(true, lm_str("x"), lm_str("salt"), 1, stored, server, &len),
		        LM_E_NOMEM);
	}
	lm_alloc_fail_at(0);
}

/* SASLprep (RFC 4013): what looks alike is alike; what has no such form counts as it is. */
static void passwords_are_prepared(void **state)
{
	uint8_t a[32], b[32], server[32];
	size_t len;

	(void)state;
	assert_err(lm_scram_keys(true, lm_str("I\xc2\xadX"), lm_str("s"), 1, a, server, &len), 0);
	assert_err(lm_scram_keys(true, lm_str("IX"), lm_str("s"), 1, b, server, &len), 0);
	assert_memory_equal(a, b, 32);
	assert_err(lm_scram_keys(true, lm_str("I\xff"), lm_str("s"), 1, a, server, &len), 0);
	assert_err(lm_scram_keys(true, lm_str("I\xfe"), lm_str("s"), 1, b, server, &len), 0);
	assert_memory_not_equal(a, b, 32);
}

static void apop(void **state)
{
	struct lm_bytes stamp = lm_str("<1896.697170952@dbc.mtview.ca.us>");
	struct lm_bytes word = lm_str("tanstaaf");

	(void)state;
	assert_true(lm_apop_matches(stamp, word, lm_str("c4c9334bac560ecc979e58001b3e22fb")));
	assert_true(lm_apop_matches(stamp, word, lm_str("C4C9334BAC560ECC979E58001B3E22FB")));
	assert_false(lm_apop_matches(stamp, word, lm_str("c4c9334bac560ecc979e58001b3e22fc")));
	assert_false(lm_apop_matches(stamp, word, lm_str("c4c9334bac560ecc979e58001b3e22f")));
	assert_false(lm_apop_matches(stamp, word, lm_str("c4c9334bac560ecc979e58001b3e22fbb")));
	assert_false(lm_apop_matches(stamp, word, lm_str("c4c9334bac560ecc979e58001b3e22fg")));
	assert_false(lm_apop_matches(stamp, word, lm_str("")));
	assert_false(lm_apop_matches(stamp, lm_str("tanstaa"),
	                             lm_str("c4c9334bac560ecc979e58001b3e22fb")));
}

static void hmac_md5_hex(struct lm_bytes key, struct lm_bytes data, char out[33])
{
	uint8_t mac[16];

	HMAC(EVP_md5(), key.data, (int)key.len, data.data, data.len, mac, NULL);
	for (size_t i = 0; i < sizeof(mac); i++)
		snprintf(out + 2 * i, 3, "%02x", mac[i]);
}

/* RFC 2195 2: first the arithmetic of this test, then the server held against it. */
static void cram_md5_of_the_rfc(void **state)
{
	struct lm_bytes word = lm_str("tanstaaftanstaaf");
	struct lm_sasl_policy policy = { .tls = true };
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_sasl_server *s;
	enum lm_sasl_state end;
	char response[64] = "tim ";
	struct lm_buf out;

	(void)state;
	hmac_md5_hex(word, lm_str("<1896.697170952@postoffice.reston.mci.net>"), response + 4);
	assert_string_equal(response, "tim b913a602c7eda7a495b4e6e7334d3890");
	lm_buf_init(&out, 1000);
	assert_err(lm_sasl_server_new("CRAM-MD5", lm_str("CRAM-MD5"), &policy, &s), 0);
	assert_err(lm_sasl_server_step(s, false, lm_str(""), &out, &end), 0);
	hmac_md5_hex(word, lm_buf_bytes(&out), response + 4);
	assert_err(lm_sasl_server_step(s, true, lm_str(response), &out, &end), 0);
	assert_int_equal(end, LM_SASL_ASK);
	reply.secret.plain = word;
	assert_err(lm_sasl_server_answer(s, &reply, &out, &end), 0);
	assert_int_equal(end, LM_SASL_OK);
	assert_bytes(lm_sasl_server_user(s), lm_str("tim"));
	lm_sasl_server_free(s);
	lm_buf_done(&out);
}

/* Who compares by himself needs no secret; a no of his, or a yes without that word, stays a no. */
static void cram_md5_by_the_handler(void **state)
{
	static const struct {
		int result;
		unsigned flags;
		enum lm_sasl_state end;
	} table[] = { { 0, LM_REPLY_PROVEN, LM_SASL_OK },
		      { LM_E_AUTH, LM_REPLY_PROVEN, LM_SASL_FAILED },
		      { 0, 0, LM_SASL_FAILED } };
	const char *response = "tim b913a602c7eda7a495b4e6e7334d3890";
	struct lm_sasl_policy policy = { .tls = true };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct lm_reply reply = LM_REPLY_INIT;
		const struct lm_auth *question;
		struct lm_sasl_server *s;
		enum lm_sasl_state end;
		struct lm_buf said, out;

		lm_buf_init(&said, 1000);
		lm_buf_init(&out, 1000);
		assert_err(lm_sasl_server_new("CRAM-MD5", lm_str("CRAM-MD5"), &policy, &s), 0);
		assert_err(lm_sasl_server_step(s, false, lm_str(""), &said, &end), 0);
		assert_err(lm_sasl_server_step(s, true, lm_str(response), &out, &end), 0);
		question = lm_sasl_server_question(s);
		assert_bytes(question->challenge, lm_buf_bytes(&said));
		assert_bytes(question->response, lm_str(response + 4));
		reply.result = table[i].result;
		reply.flags = table[i].flags;
		assert_err(lm_sasl_server_answer(s, &reply, &out, &end), 0);
		assert_int_equal(end, table[i].end);
		lm_sasl_server_free(s);
		lm_buf_done(&said);
		lm_buf_done(&out);
	}
}

static void secrets_are_overwritten(void **state)
{
	struct lm_sasl_policy policy = { .tls = true, .plain_allowed = true };
	struct lm_reply no = LM_REPLY_INIT;
	struct lm_sasl_server *s;
	enum lm_sasl_state end;
	struct lm_buf out;

	(void)state;
	lm_buf_init(&out, 1000);
	assert_err(lm_sasl_server_new("PLAIN", lm_str("PLAIN"), &policy, &s), 0);
	assert_err(lm_sasl_server_step(s, true, lm_bytes("\0anna\0secret", 12), &out, &end), 0);
	assert_int_equal(end, LM_SASL_ASK);
	/* gsasl's own copies are gone as soon as the question stands. */
	assert_null(s->session);
	assert_null(s->gsasl);
	no.result = LM_E_AUTH;
	assert_err(lm_sasl_server_answer(s, &no, &out, &end), 0);
	assert_null(s->secret.data);
	lm_sasl_server_free(s);
	lm_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_fit_the_proofs),
		cmocka_unit_test(odd_arguments),
		cmocka_unit_test(passwords_are_prepared),
		cmocka_unit_test(apop),
		cmocka_unit_test(cram_md5_of_the_rfc),
		cmocka_unit_test(cram_md5_by_the_handler),
		cmocka_unit_test(secrets_are_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
