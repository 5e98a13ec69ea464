/* Who gets in: limits, PROXY headers, guessing, and certificates that change. */
#include "net/tls.h"
#include "server/serve_rig.h"

#include "lm_test.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void connections_past_the_limit_are_told_so(void **state)
{
	struct lm_rig rig;
	struct lm_server_stats stats;
	int fds[3], fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "max-connections", "3", NULL });
	lm_rig_start(&rig);
	for (int i = 0; i < 3; i++) {
		fds[i] = lm_rig_connect(&rig, i ? "smtp" : "pop3");
		lm_rig_expect(fds[i], i ? "220 " : "+OK ");
	}
	fd = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(fd, "421 4.3.2 ");
	lm_rig_expect_end(fd);
	fd = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(fd, "-ERR [SYS/TEMP] ");
	lm_rig_expect_end(fd);
	fd = lm_rig_connect(&rig, "pop3s");
	lm_rig_expect_end(fd);
	lm_server_stats(rig.server, &stats);
	assert_int_equal(stats.sessions_refused, 3);
	assert_int_equal(stats.sessions_total, 3);
	close(fds[0]);
	lm_rig_await_open(&rig, 2);
	fd = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(fd, "+OK ");
	close(fd);
	close(fds[1]);
	close(fds[2]);
	lm_rig_free(&rig);
}

#define FROM(address) "PROXY TCP4 " address " 192.0.2.250 4711 25\r\n"

static int proxied(const struct lm_rig *rig, const char *listener, const char *header)
{
	int fd = lm_rig_connect(rig, listener);

	lm_rig_say(fd, header);
	return fd;
}

static void a_listed_peer_speaks_for_others(void **state)
{
	static const char split[] = FROM("192.0.2.7");
	struct lm_rig rig;
	int a, b, c;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "proxy-from", "127.0.0.0/8",
	                                        "max-connections-per-address", "1", NULL });
	lm_rig_start(&rig);
	a = lm_rig_connect(&rig, "smtp");
	for (size_t i = 0; split[i]; i++)
		lm_rig_say(a, (const char[]){ split[i], '\0' });
	lm_rig_expect(a, "220 ");
	b = proxied(&rig, "pop3", FROM("192.0.2.7"));
	lm_rig_expect(b, "-ERR [SYS/TEMP] ");
	lm_rig_expect_end(b);
	b = proxied(&rig, "pop3", FROM("192.0.2.8"));
	lm_rig_expect(b, "+OK ");
	/* Who comes from elsewhere may not say a password in the clear. */
	lm_rig_chat(b, "USER anna\r\n", "-ERR");
	c = proxied(&rig, "pop3", "PROXY UNKNOWN\r\n");
	lm_rig_expect(c, "+OK ");
	lm_rig_chat(c, "USER anna\r\n", "+OK");
	close(a);
	close(b);
	close(c);
	lm_rig_await_open(&rig, 0);
	a = proxied(&rig, "smtp", FROM("192.0.2.7"));
	lm_rig_expect(a, "220 ");
	close(a);
	lm_rig_free(&rig);
}

static void a_broken_proxy_header_is_closed_without_a_word(void **state)
{
	static const char *const broken[] = {
		"EHLO client.example\r\n",
		"PROXY TCP4 192.0.2.7\r\n",
		"PROXY TCP4 192.0.2.7 192.0.2.8 99999 25\r\n",
		"PROXY TCP4 192.0.2.7 192.0.2.8 4711 25",
		"\r\n\r\n\r\nQUIT",
	};
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "proxy-from", "127.0.0.1", NULL });
	lm_rig_start(&rig);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		fd = proxied(&rig, i % 2 ? "smtp" : "pop3", broken[i]);
		shutdown(fd, SHUT_WR);
		lm_rig_expect_end(fd);
	}
	/* One that says nothing does not hold up the end. */
	fd = lm_rig_connect(&rig, "smtp");
	lm_server_drain(rig.server, 60000);
	lm_server_wait(rig.server);
	close(fd);
	lm_rig_free(&rig);
}

static void an_unlisted_peer_is_not_believed(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "proxy-from", "192.0.2.0/24", NULL });
	lm_rig_start(&rig);
	fd = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(fd, "+OK ");
	lm_rig_chat(fd, FROM("192.0.2.7"), "-ERR");
	close(fd);
	lm_rig_free(&rig);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void guessing_gets_slower_and_ends(void **state)
{
	struct lm_rig rig;
	struct lm_server_stats stats;
	int64_t began;
	int fd;

	(void)state;
	lm_rig_new(&rig,
	           (const char *const[]){ "max-auth-failures", "3", "auth-delay", "100ms", NULL });
	lm_rig_start(&rig);
	fd = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(fd, "+OK ");
	began = now_ms();
	for (int i = 0; i < 3; i++) {
		lm_rig_chat(fd, "USER anna\r\n", "+OK");
		lm_rig_chat(fd, "PASS wrong\r\n", "-ERR [AUTH] ");
	}
	/* 100 + 200 + 400, less what the timer's grain may take. */
	assert_true(now_ms() - began >= 650);
	lm_rig_expect_end(fd);
	fd = lm_rig_connect(&rig, "submission");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "AUTH PLAIN AGFubmEAd3Jvbmc=\r\n", "535 5.7.8 ");
	lm_rig_chat(fd, "AUTH PLAIN AG5vYm9keQB3cm9uZw==\r\n", "535 5.7.8 ");
	lm_rig_chat(fd, "AUTH PLAIN AGFubmEAc2VjcmV0\r\n", "235 ");
	close(fd);
	lm_server_stats(rig.server, &stats);
	assert_int_equal(stats.auth_failures, 5);
	lm_rig_free(&rig);
}

static void an_address_that_guesses_gets_one_try_a_session(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "proxy-from", "127.0.0.1", "max-auth-failures", "2",
	                                        "auth-delay", "1ms", "allow-plaintext-login", "yes",
	                                        NULL });
	lm_rig_start(&rig);
	for (int i = 0; i < 8; i++) {
		fd = proxied(&rig, "pop3", FROM("192.0.2.7"));
		lm_rig_expect(fd, "+OK ");
		lm_rig_chat(fd, "USER anna\r\n", "+OK");
		lm_rig_chat(fd, "PASS wrong\r\n", "-ERR");
		if (i < 7)
			lm_rig_chat(fd, "STAT\r\n", "-ERR");
		else
			lm_rig_expect_end(fd);
		if (i < 7)
			close(fd);
	}
	fd = proxied(&rig, "pop3", FROM("192.0.2.8"));
	lm_rig_expect(fd, "+OK ");
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_chat(fd, "PASS wrong\r\n", "-ERR");
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_chat(fd, "PASS secret\r\n", "+OK");
	close(fd);
	lm_rig_free(&rig);
}

static void an_account_waits_between_logins(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "login-delay", "1h", NULL });
	lm_rig_start(&rig);
	fd = lm_rig_login(&rig, "anna");
	lm_rig_chat(fd, "QUIT\r\n", "+OK");
	lm_rig_expect_end(fd);
	fd = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(fd, "+OK ");
	lm_rig_chat(fd, "USER Anna\r\n", "+OK");
	lm_rig_chat(fd, "PASS secret\r\n", "-ERR [LOGIN-DELAY] ");
	close(fd);
	close(lm_rig_login(&rig, "bert"));
	lm_rig_free(&rig);
}

/* PROXY v2: TCP over IPv4 from 192.0.2.7, with an SSL TLV that says the client came by TLS. */
static const char secured_header[] = "\r\n\r\n\0\r\nQUIT\n"
                                     "\x21\x11\0\x14"
                                     "\xc0\0\x02\x07\xc0\0\x02\x08\x12\x67\0\x6e"
                                     "\x20\0\x05\x01\0\0\0\0";

static void a_proxy_that_speaks_tls_makes_passwords_safe(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "proxy-from", "127.0.0.1", NULL });
	lm_rig_start(&rig);
	fd = lm_rig_connect(&rig, "pop3");
	assert_int_equal(send(fd, secured_header, sizeof(secured_header) - 1, 0),
	                 sizeof(secured_header) - 1);
	lm_rig_expect(fd, "+OK ");
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_chat(fd, "PASS secret\r\n", "+OK");
	close(fd);
	lm_rig_free(&rig);
}

/* The certificate of pop3s, as DER; free with OPENSSL_free. */
static int certificate(const struct lm_rig *rig, unsigned char **out_der)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *tls = SSL_new(context);
	int fd = lm_rig_connect(rig, "pop3s"), len;
	char greeting[4] = { 0 };
	X509 *peer;

	SSL_set_fd(tls, fd);
	assert_int_equal(SSL_connect(tls), 1);
	assert_true(SSL_read(tls, greeting, 3) == 3);
	assert_string_equal(greeting, "+OK");
	peer = SSL_get1_peer_certificate(tls);
	assert_non_null(peer);
	*out_der = NULL;
	len = i2d_X509(peer, out_der);
	X509_free(peer);
	SSL_free(tls);
	SSL_CTX_free(context);
	close(fd);
	return len;
}

static void in_folder(const struct lm_rig *rig, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", rig->folder, name);
}

static void a_reload_takes_new_certificates_for_new_sessions(void **state)
{
	struct lm_rig rig;
	struct lm_error error = { 0 };
	unsigned char *first, *again, *second;
	char cert[128], key[128];
	int first_len, again_len, second_len, fd;

	(void)state;
	lm_rig_new(&rig, NULL);
	lm_rig_start(&rig);
	first_len = certificate(&rig, &first);
	fd = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(fd, "220 mill.example ");
	in_folder(&rig, "new.pem", cert);
	in_folder(&rig, "newkey.pem", key);
	assert_err(lm_tls_make_self_signed("wind.example", cert, key, &error), 0);
	assert_err(lm_server_set(rig.server, "cert", cert, NULL), 0);
	assert_err(lm_server_set(rig.server, "key", "/nowhere/key.pem", NULL), 0);
	assert_int_not_equal(lm_server_reload(rig.server, &error), 0);
	again_len = certificate(&rig, &again);
	assert_bytes(lm_bytes(again, (size_t)again_len), lm_bytes(first, (size_t)first_len));
	assert_err(lm_server_set(rig.server, "key", key, NULL), 0);
	assert_err(lm_server_set(rig.server, "hostname", "wind.example", NULL), 0);
	assert_err(lm_server_reload(rig.server, &error), 0);
	/* Each worker swaps in its own time. */
	for (int i = 0; i < 1000; i++) {
		second_len = certificate(&rig, &second);
		if (second_len != first_len || memcmp(second, first, (size_t)first_len) != 0)
			break;
		OPENSSL_free(second);
		second = NULL;
	}
	assert_non_null(second);
	lm_rig_chat(fd, "HELO client.example\r\n", "250 mill.example");
	lm_rig_chat(fd, "QUIT\r\n", "221 2.0.0 ");
	lm_rig_expect_end(fd);
	assert_err(lm_server_set(rig.server, "pop3", "127.0.0.1:1", NULL), 0);
	assert_err(lm_server_reload(rig.server, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "pop3"));
	OPENSSL_free(first);
	OPENSSL_free(again);
	OPENSSL_free(second);
	lm_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_past_the_limit_are_told_so),
		cmocka_unit_test(a_listed_peer_speaks_for_others),
		cmocka_unit_test(a_broken_proxy_header_is_closed_without_a_word),
		cmocka_unit_test(an_unlisted_peer_is_not_believed),
		cmocka_unit_test(guessing_gets_slower_and_ends),
		cmocka_unit_test(an_address_that_guesses_gets_one_try_a_session),
		cmocka_unit_test(an_account_waits_between_logins),
		cmocka_unit_test(a_proxy_that_speaks_tls_makes_passwords_safe),
		cmocka_unit_test(a_reload_takes_new_certificates_for_new_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
