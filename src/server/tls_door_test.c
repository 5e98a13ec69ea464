/* A server's certificates: from memory, under a passphrase, its own without a disk, and demanded of
 * clients. */
#include "net/test_certs.h"
#include "net/tls.h"
#include "server/serve_rig.h"

#include "lm_test.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 400 * 1024 };

/* A file of test_certs as text behind `front`; free() it. */
static char *text_of(const char *front, const char *name)
{
	FILE *in = fopen(test_certs_path(name), "r");
	char *text = calloc(1, TEXT_MAX);
	size_t len = strlen(front);

	assert_non_null(in);
	assert_non_null(text);
	memcpy(text, front, len);
	assert_true(fread(text + len, 1, TEXT_MAX - len - 1, in) > 0);
	fclose(in);
	return text;
}

/* What a client hears first; "" where the handshake or the session fails. `names` gets the common
 * name of the server's certificate. */
static bool greets(const struct lm_rig *rig, const char *own, char common_name[64])
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int fd = lm_rig_connect(rig, "pop3s");
	char greeting[4] = { 0 };
	SSL *tls;
	X509 *peer;
	bool ok;

	if (own) {
		char file[64];

		snprintf(file, sizeof(file), "%s.pem", own);
		assert_int_equal(SSL_CTX_use_certificate_chain_file(context, test_certs_path(file)),
		                 1);
		snprintf(file, sizeof(file), "%s.key", own);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(context, test_certs_path(file),
		                                             SSL_FILETYPE_PEM),
		                 1);
	}
	tls = SSL_new(context);
	SSL_set_fd(tls, fd);
	ok = SSL_connect(tls) == 1 && SSL_read(tls, greeting, 3) == 3 &&
	     strcmp(greeting, "+OK") == 0;
	peer = SSL_get1_peer_certificate(tls);
	common_name[0] = '\0';
	if (peer)
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, common_name,
		                          64);
	X509_free(peer);
	SSL_free(tls);
	SSL_CTX_free(context);
	close(fd);
	return ok;
}

static void set(const struct lm_rig *rig, const char *name, const char *value)
{
	struct lm_error error = { 0 };

	if (lm_server_set(rig->server, name, value, &error))
		fail_msg("%s", error.text);
}

/* Each worker takes a reload in its own time. */
static void await_name(const struct lm_rig *rig, const char *wanted)
{
	char name[64] = "";

	for (int i = 0; i < 1000 && strcmp(name, wanted) != 0; i++)
		assert_true(greets(rig, NULL, name));
	assert_string_equal(name, wanted);
}

static void certificates_come_from_memory(void **state)
{
	char *cert = text_of("", "server.pem"), *key = text_of("", "server.key");
	char *other = text_of("\n", "other.pem"), *other_key = text_of(" ", "other.key");
	struct lm_error error = { 0 };
	struct lm_rig rig;
	char name[64];

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "cert", cert, "key", key, NULL });
	lm_rig_start(&rig);
	assert_true(greets(&rig, NULL, name));
	assert_string_equal(name, "server");
	set(&rig, "cert", other);
	assert_err(lm_server_reload(rig.server, &error), LM_E_CONFIG);
	assert_string_equal(error.text, "key does not belong to certificate");
	set(&rig, "key", other_key);
	assert_err(lm_server_reload(rig.server, &error), 0);
	await_name(&rig, "other");
	lm_rig_free(&rig);
	free(cert);
	free(key);
	free(other);
	free(other_key);
}

/* A chain as long as anybody may have one. */
static void a_long_text_is_taken(void **state)
{
	char *cert = text_of("", "server.pem"), *ca = text_of("", "ca.pem");
	char *key = text_of("", "server.key");
	char *all = calloc(1, TEXT_MAX);
	struct lm_rig rig;
	char name[64];

	(void)state;
	assert_non_null(all);
	while (strlen(all) < 256 * 1024)
		memcpy(all + strlen(all), ca, strlen(ca) + 1);
	lm_rig_new(&rig, (const char *const[]){ "cert", cert, "key", key, "client-ca", all, NULL });
	lm_rig_start(&rig);
	assert_true(greets(&rig, NULL, name));
	assert_true(greets(&rig, "client", name));
	lm_rig_free(&rig);
	free(cert);
	free(key);
	free(ca);
	free(all);
}

static void a_passphrase_is_needed_where_there_is_one(void **state)
{
	char *cert = text_of("", "locked.pem"), *key = text_of("", "locked.key");
	struct lm_error error = { 0 };
	struct lm_rig rig;
	char name[64];

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "cert", cert, "key", key, NULL });
	assert_err(lm_server_start(rig.server, &error), LM_E_CONFIG);
	assert_true(strncmp(error.text, "key: ", 5) == 0 && !strstr(error.text, "-----"));
	set(&rig, "key-passphrase", "wrong");
	assert_err(lm_server_start(rig.server, &error), LM_E_CONFIG);
	set(&rig, "key-passphrase", "secret");
	lm_rig_start(&rig);
	assert_true(greets(&rig, NULL, name));
	assert_string_equal(name, "locked");
	lm_rig_free(&rig);
	free(cert);
	free(key);
}

static void clients_must_show_a_certificate(void **state)
{
	char *ca = text_of("", "ca.pem"), *cert = text_of("", "server.pem");
	char *key = text_of("", "server.key"), name[64];
	struct lm_rig rig;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "cert", cert, "key", key, "client-ca", ca,
	                                        "require-client-cert", "yes", NULL });
	lm_rig_start(&rig);
	assert_false(greets(&rig, NULL, name));
	assert_false(greets(&rig, "stranger", name));
	assert_true(greets(&rig, "client", name));
	lm_rig_free(&rig);
	free(ca);
	free(cert);
	free(key);
}

static void ciphers_are_the_configured_ones(void **state)
{
	struct lm_error error = { 0 };
	struct lm_rig rig;
	char name[64];

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "tls-ciphers", "TLS_NONSENSE", NULL });
	assert_err(lm_server_start(rig.server, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "ciphers: "));
	set(&rig, "tls-ciphers", "TLS_AES_256_GCM_SHA384");
	lm_rig_start(&rig);
	assert_true(greets(&rig, NULL, name));
	lm_rig_free(&rig);
}

/* Without a store and a folder nothing is left on disk; a reload keeps what clients trust. */
static void a_server_may_make_its_certificate_in_memory(void **state)
{
	struct lm_error error = { 0 };
	struct lm_rig rig;
	struct stat st;
	char name[64], path[128];

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "store", "none", NULL });
	set(&rig, "user", NULL);
	set(&rig, "data-dir", NULL);
	snprintf(path, sizeof(path), "%s/home", rig.folder);
	assert_int_equal(setenv("XDG_DATA_HOME", path, 1), 0);
	lm_rig_start(&rig);
	assert_true(greets(&rig, NULL, name));
	assert_string_equal(name, "mill.example");
	assert_err(lm_server_reload(rig.server, &error), 0);
	set(&rig, "hostname", "wind.example");
	assert_err(lm_server_reload(rig.server, &error), 0);
	await_name(&rig, "wind.example");
	assert_int_equal(stat(path, &st), -1);
	unsetenv("XDG_DATA_HOME");
	lm_rig_free(&rig);
}

static int make_certs(void **state)
{
	(void)state;
	test_certs_make();
	return 0;
}

static int remove_certs(void **state)
{
	(void)state;
	test_certs_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_come_from_memory),
		cmocka_unit_test(a_long_text_is_taken),
		cmocka_unit_test(a_passphrase_is_needed_where_there_is_one),
		cmocka_unit_test(clients_must_show_a_certificate),
		cmocka_unit_test(ciphers_are_the_configured_ones),
		cmocka_unit_test(a_server_may_make_its_certificate_in_memory),
	};

	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
