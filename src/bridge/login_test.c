/* Secrets, certificates and languages that script gives, to clients that check them. */
#include "bridge/pop3_rig.h"
#include "lm_test.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

static struct fake fake;
static double server;

static int teardown(void **state)
{
	(void)state;
	fake_server_end(&fake, server);
	assert_int_equal(fake.kept, 0);
	fake_free(&fake);
	return 0;
}

static struct lm_host_value *endpoint(const char *listener)
{
	return fake_call(&fake, "serverEndpoint",
	                 FAKE_ARGS(fake_number(&fake, server), fake_string(&fake, listener)));
}

/* ---- SCRAM ---- */

struct visitor {
	uint16_t port;
	const char *mechanism;
	int err;
	struct lm_error error;
};

static void *visit(void *arg)
{
	struct visitor *v = arg;
	struct lm_client_params params;
	struct lm_client *client = NULL;

	lm_client_params_init(&params, LM_POP3);
	params.host = "127.0.0.1";
	params.port = v->port;
	params.tls = LM_TLS_OFF;
	params.user = "anna";
	params.password = "pencil";
	params.mechanism = v->mechanism;
	v->err = lm_client_open(&params, &client, &v->error);
	lm_client_free(client);
	return NULL;
}

static void log_in(const char *mechanism, const char *need, const char *secret, int want)
{
	struct lm_host_value *where = endpoint("pop3"), *e;
	struct visitor v = { .mechanism = mechanism };
	pthread_t thread;

	v.port = (uint16_t)strtoul(strrchr((char *)where->octets, ':') + 1, NULL, 10);
	assert_int_equal(pthread_create(&thread, NULL, visit, &v), 0);
	e = fake_expect(&fake, "AUTH");
	assert_string_equal(fake_text(e, "kind"), "SECRET");
	assert_string_equal(fake_text(e, "need"), need);
	assert_string_equal(fake_text(e, "mechanism"), mechanism);
	fake_call(&fake, "answerSecret", FAKE_ARGS(POP3_OF(e), fake_string(&fake, secret)));
	if (!want)
		pop3_give_two(&fake, fake_expect(&fake, "MAILDROP"));
	pthread_join(thread, NULL);
	if (v.err != want)
		fail_msg("%s: %s", mechanism, v.error.text);
	fake_expect(&fake, "DISCONNECT");
	fake_sweep(&fake);
}

static int setup(void **state)
{
	(void)state;
	fake_new(&fake);
	server = fake_server(
	        &fake, (const char *const[]){ "auth", "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5", NULL },
	        "AUTH MAILDROP", "");
	return 0;
}

static void secrets(void **state)
{
	(void)state;
	log_in("SCRAM-SHA-256", "SCRAM-SHA-256", "pencil", 0);
	log_in("SCRAM-SHA-1", "SCRAM-SHA-1", "pencil", 0);
	log_in("CRAM-MD5", "PLAIN", "pencil", 0);
	log_in("SCRAM-SHA-256", "SCRAM-SHA-256", "pen", LM_E_AUTH);
}

/* ---- certificates ---- */

struct pem {
	char certificate[2048], key[1024];
};

static void drain_bio(BIO *bio, char *to, size_t size)
{
	int n = BIO_read(bio, to, (int)size - 1);

	assert_true(n > 0);
	to[n] = '\0';
	BIO_free(bio);
}

static void make_certificate(struct pem *pem, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	BIO *bio;

	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
	                           0);
	X509_set_issuer_name(x, subject);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	drain_bio(bio, pem->certificate, sizeof(pem->certificate));
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	drain_bio(bio, pem->key, sizeof(pem->key));
	X509_free(x);
	EVP_PKEY_free(key);
}

struct shaker {
	int fd;
	char name[64]; /* in the certificate that was shown; empty: none was */
};

static void *shake(void *arg)
{
	struct shaker *s = arg;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	X509 *peer = NULL;

	SSL_set_fd(ssl, s->fd);
	SSL_set_tlsext_host_name(ssl, "one.example");
	if (SSL_connect(ssl) == 1)
		peer = SSL_get1_peer_certificate(ssl);
	if (peer)
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, s->name,
		                          sizeof(s->name));
	X509_free(peer);
	SSL_free(ssl);
	SSL_CTX_free(context);
	close(s->fd);
	return NULL;
}

static int setup_tls(void **state)
{
	static struct pem own;
	const char *const options[] = { "pop3s", "127.0.0.1:0", "cert", own.certificate,
		                        "key",   own.key,       NULL };

	(void)state;
	make_certificate(&own, "own.example");
	fake_new(&fake);
	server = fake_server(&fake, options, "CERTIFICATE", "TLS");
	return 0;
}

static void begin(struct shaker *s, pthread_t *thread)
{
	s->fd = fake_connect(&fake, server, "pop3s");
	s->name[0] = '\0';
	assert_int_equal(pthread_create(thread, NULL, shake, s), 0);
}

static void certificates(void **state)
{
	struct lm_host_value *e;
	struct shaker s;
	struct pem pem;
	pthread_t thread;

	(void)state;
	make_certificate(&pem, "one.example");
	begin(&s, &thread);
	e = fake_expect(&fake, "CERTIFICATE");
	assert_string_equal(fake_text(e, "argument"), "one.example");
	assert_string_equal(fake_text(fake_get(e, "info"), "listener"), "pop3s");
	fake_call(&fake, "answerCertificate",
	          FAKE_ARGS(POP3_OF(e), fake_string(&fake, pem.certificate),
	                    fake_string(&fake, pem.key)));
	e = fake_expect(&fake, "TLS");
	assert_true(fake_truth(fake_get(e, "info"), "tls"));
	fake_expect(&fake, "DISCONNECT");
	pthread_join(thread, NULL);
	assert_string_equal(s.name, "one.example");
}

static void own_certificate(void **state)
{
	struct lm_host_value *e;
	struct shaker s;
	pthread_t thread;

	(void)state;
	begin(&s, &thread);
	e = fake_expect(&fake, "CERTIFICATE");
	fake_call(&fake, "proceed", FAKE_ARGS(POP3_OF(e)));
	pthread_join(thread, NULL);
	assert_string_equal(s.name, "own.example");
}

static void no_certificate(void **state)
{
	struct lm_host_value *e;
	struct shaker s;
	pthread_t thread;

	(void)state;
	begin(&s, &thread);
	e = fake_expect(&fake, "CERTIFICATE");
	fake_call(&fake, "answer", FAKE_ARGS(POP3_OF(e), fake_number(&fake, LM_E_DENIED)));
	pthread_join(thread, NULL);
	assert_string_equal(s.name, "");
}

/* ---- languages ---- */

static int setup_language(void **state)
{
	(void)state;
	fake_new(&fake);
	return 0;
}

static struct lm_host_value *text(const char *key, const char *words)
{
	return fake_array(&fake, 2, fake_string(&fake, key),
	                  words ? fake_string(&fake, words) : fake_undefined(&fake));
}

static void languages(void **state)
{
	struct lm_host_value *s = fake_call(&fake, "serverNew", 0, NULL), *e, *words;
	const char *const options[] = { "pop3",  "127.0.0.1:0", "smtp", "off",        "smtps",
		                        "off",   "pop3s",       "off",  "submission", "off",
		                        "store", "none",        NULL };
	int fd;

	(void)state;
	server = s->number;
	for (const char *const *o = options; *o; o += 2)
		fake_call(&fake, "serverSet",
		          FAKE_ARGS(s, fake_string(&fake, o[0]), fake_string(&fake, o[1])));
	words = fake_array(&fake, 1, text("no.such.key", "x"));
	assert_null(fake_try(
	        &fake, "serverLanguage",
	        FAKE_ARGS(s, fake_string(&fake, "xx"), fake_string(&fake, "Test"), words)));
	assert_err(fake.error.code, LM_E_CONFIG);
	assert_non_null(strstr(fake.error.text, "no.such.key"));
	words = fake_array(&fake, 1, text("success.capa", NULL));
	fake_call(&fake, "serverLanguage",
	          FAKE_ARGS(s, fake_string(&fake, "xx"), fake_string(&fake, "Test"), words));
	fake_call(&fake, "serverSet",
	          FAKE_ARGS(s, fake_string(&fake, "language"), fake_string(&fake, "xx")));
	fake_call(&fake, "serverStart",
	          FAKE_ARGS(s, fake_array(&fake, 1, fake_number(&fake, LM_EVENT_SAY)),
	                    fake_array(&fake, 0)));
	fd = fake_connect(&fake, server, "pop3");
	lm_rig_expect(fd, "+OK");
	lm_rig_say(fd, "CAPA\r\n");
	e = fake_expect(&fake, "SAY");
	assert_string_equal(fake_text(e, "key"), "success.capa");
	fake_call(&fake, "answer",
	          FAKE_ARGS(POP3_OF(e), fake_undefined(&fake), fake_string(&fake, "well then")));
	lm_rig_expect(fd, "+OK well then\r\n");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(certificates, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(own_certificate, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(no_certificate, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(languages, setup_language, teardown),
	};

	return cmocka_run_group_tests_name("bridge/login", tests, NULL, NULL);
}
