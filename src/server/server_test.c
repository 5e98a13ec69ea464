/* A whole server over loopback: what comes in by SMTP goes out by POP3, octet for octet. */
#include "server/serve_rig.h"

#include "lm_test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char message[] = "From: carl@client.example\r\nTo: anna\r\nSubject: dots\r\n\r\n"
                              "first\r\n..stuffed\r\n\x80\xff octets\r\n";

static void what_was_sent_is_what_is_fetched(void **state)
{
	struct lm_rig rig;
	struct lm_server_stats stats;
	char *got, *at;
	int fd;

	(void)state;
	lm_rig_new(&rig, NULL);
	lm_rig_start(&rig);
	lm_rig_deliver(&rig, "anna", message);
	fd = lm_rig_login(&rig, "anna");
	lm_rig_chat(fd, "STAT\r\n", "+OK 1 ");
	lm_rig_chat(fd, "RETR 1\r\n", "+OK");
	got = lm_rig_read(fd, "\r\n.\r\n");
	at = strstr(got, "From: carl");
	assert_non_null(at);
	assert_bytes(lm_bytes(at, strlen(at) - 3), lm_str(message));
	assert_int_equal(strncmp(got, "Return-Path: <carl@client.example>\r\nReceived: ", 46), 0);
	free(got);
	lm_rig_chat(fd, "DELE 1\r\n", "+OK");
	lm_rig_chat(fd, "QUIT\r\n", "+OK");
	lm_rig_expect_end(fd);
	fd = lm_rig_login(&rig, "anna");
	lm_rig_chat(fd, "STAT\r\n", "+OK 0 0");
	close(fd);
	lm_rig_await_open(&rig, 0);
	lm_server_stats(rig.server, &stats);
	assert_int_equal(stats.messages_in, 1);
	assert_int_equal(stats.messages_out, 1);
	assert_int_equal(stats.sessions_total, 3);
	assert_true(stats.octets_in > sizeof(message) && stats.octets_out > sizeof(message));
	lm_rig_free(&rig);
}

static void a_stranger_gets_no_mail(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, NULL);
	lm_rig_start(&rig);
	fd = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<>\r\n", "250 ");
	lm_rig_chat(fd, "RCPT TO:<nobody>\r\n", "550 5.1.1 ");
	close(fd);
	fd = lm_rig_connect(&rig, "submission");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<>\r\n", "530 5.7.0 ");
	close(fd);
	lm_rig_free(&rig);
}

static void lmtp_listens_on_a_socket(void **state)
{
	struct lm_rig rig;
	struct stat st;
	char path[100];
	int fd;

	(void)state;
	lm_rig_new(&rig, NULL);
	snprintf(path, sizeof(path), "%s/lmtp", rig.folder);
	assert_err(lm_server_set(rig.server, "lmtp", path, NULL), 0);
	lm_rig_start(&rig);
	assert_string_equal(lm_server_endpoint(rig.server, "lmtp"), path);
	for (int i = 0; i < 4; i++) {
		fd = lm_rig_connect(&rig, "lmtp");
		lm_rig_expect(fd, "220 ");
		lm_rig_chat(fd, "LHLO client.example\r\n", "250");
		lm_rig_chat(fd, "MAIL FROM:<>\r\n", "250 ");
		lm_rig_chat(fd, "RCPT TO:<anna>\r\n", "250 ");
		lm_rig_chat(fd, "RCPT TO:<bert>\r\n", "250 ");
		lm_rig_chat(fd, "DATA\r\n", "354 ");
		lm_rig_say(fd, message);
		lm_rig_chat(fd, ".\r\n", "250 ");
		lm_rig_expect(fd, "250 ");
		close(fd);
	}
	fd = lm_rig_login(&rig, "bert");
	lm_rig_chat(fd, "STAT\r\n", "+OK 4 ");
	close(fd);
	lm_server_drain(rig.server, 0);
	lm_server_wait(rig.server);
	lm_rig_free(&rig);
	assert_int_equal(stat(path, &st), -1);
}

static void what_cannot_be_is_said_before_anything_runs(void **state)
{
	struct lm_rig rig, other;
	struct lm_error error = { 0 };
	char taken[32];

	(void)state;
	lm_rig_new(&rig, NULL);
	assert_err(lm_server_set(rig.server, "pop4", "1", &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "pop3"));
	assert_null(lm_server_endpoint(rig.server, "pop3"));
	assert_null(lm_server_endpoint(rig.server, "imap"));
	assert_err(lm_server_reload(rig.server, &error), LM_E_MISUSE);
	lm_rig_start(&rig);
	assert_err(lm_server_start(rig.server, &error), LM_E_MISUSE);
	assert_err(
	        lm_server_callbacks(rig.server,
	                            &(struct lm_callbacks){ .size = sizeof(struct lm_callbacks) }),
	        LM_E_MISUSE);
	assert_null(lm_server_endpoint(rig.server, "lmtp"));
	snprintf(taken, sizeof(taken), "%s", lm_server_endpoint(rig.server, "pop3"));
	lm_rig_new(&other, (const char *const[]){ "store", "nonsense:", NULL });
	assert_err(lm_server_start(other.server, &error), LM_E_CONFIG);
	assert_true(error.text[0] != '\0');
	assert_err(lm_server_set(other.server, "store", "memory:", NULL), 0);
	assert_err(lm_server_set(other.server, "cert", "/nowhere/cert.pem", NULL), 0);
	assert_int_not_equal(lm_server_start(other.server, &error), 0);
	assert_non_null(strstr(error.text, "/nowhere/cert.pem"));
	assert_err(lm_server_set(other.server, "cert", NULL, NULL), 0);
	assert_err(lm_server_set(other.server, "pop3", taken, NULL), 0);
	assert_err(lm_server_start(other.server, &error), LM_E_EXISTS);
	assert_non_null(strstr(error.text, taken));
	assert_err(lm_server_set(other.server, "pop3", "127.0.0.1:0", NULL), 0);
	assert_err(lm_server_set(other.server, "user", "no colon", NULL), LM_E_CONFIG);
	assert_err(lm_server_set(other.server, "user", "a/b:secret", NULL), 0);
	assert_err(lm_server_start(other.server, &error), LM_E_CONFIG);
	assert_null(strstr(error.text, "secret"));
	assert_err(lm_server_set(other.server, "user", NULL, NULL), 0);
	lm_rig_start(&other);
	lm_rig_free(&other);
	lm_rig_free(&rig);
}

static void mail_survives_a_restart(void **state)
{
	struct lm_rig rig;
	char store[100];
	int fd;

	(void)state;
	lm_rig_new(&rig, NULL);
	snprintf(store, sizeof(store), "sqlite:%s/mail.db", rig.folder);
	assert_err(lm_server_set(rig.server, "store", store, NULL), 0);
	lm_rig_start(&rig);
	lm_rig_deliver(&rig, "anna", message);
	lm_server_free(rig.server);
	assert_err(lm_server_new(&rig.server), 0);
	assert_err(lm_server_set(rig.server, "store", store, NULL), 0);
	assert_err(lm_server_set(rig.server, "data-dir", rig.folder, NULL), 0);
	assert_err(lm_server_set(rig.server, "user", "anna:secret", NULL), 0);
	assert_err(lm_server_set(rig.server, "smtp", "off", NULL), 0);
	assert_err(lm_server_set(rig.server, "smtps", "off", NULL), 0);
	assert_err(lm_server_set(rig.server, "submission", "off", NULL), 0);
	assert_err(lm_server_set(rig.server, "pop3s", "off", NULL), 0);
	assert_err(lm_server_set(rig.server, "pop3", "0", NULL), 0);
	lm_rig_start(&rig);
	fd = lm_rig_login(&rig, "anna");
	lm_rig_chat(fd, "STAT\r\n", "+OK 1 ");
	close(fd);
	lm_rig_free(&rig);
}

static enum lm_verdict always(void *ctx, void **connection, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	(void)ctx;
	(void)connection;
	(void)event;
	(void)out_reply;
	(void)ticket;
	return LM_ANSWERED;
}

static void handlers_can_do_without_a_store(void **state)
{
	struct lm_callbacks callbacks = { .size = sizeof(callbacks),
		                          .on_auth = always,
		                          .on_maildrop = always,
		                          .on_rcpt = always };
	struct lm_rig rig;
	struct lm_error error = { 0 };
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "store", "none", NULL });
	assert_err(lm_server_start(rig.server, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "user"));
	assert_err(lm_server_set(rig.server, "user", NULL, NULL), 0);
	assert_err(lm_server_callbacks(rig.server, &callbacks), 0);
	lm_rig_start(&rig);
	fd = lm_rig_login(&rig, "anyone");
	lm_rig_chat(fd, "STAT\r\n", "+OK 0 0");
	close(fd);
	fd = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<>\r\n", "250 ");
	lm_rig_chat(fd, "RCPT TO:<anyone>\r\n", "250 ");
	lm_rig_chat(fd, "DATA\r\n", "354 ");
	lm_rig_chat(fd, ".\r\n", "451 4.3.5 ");
	close(fd);
	assert_err(lm_server_set(rig.server, "language", "nl", NULL), 0);
	assert_err(lm_server_reload(rig.server, NULL), 0);
	lm_rig_free(&rig);
}

static void without_tls_nobody_is_offered_any(void **state)
{
	struct lm_rig rig;
	struct lm_error error = { 0 };
	char path[100], *said;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "tls", "no", "smtps", "off", NULL });
	assert_err(lm_server_start(rig.server, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "pop3s"));
	assert_err(lm_server_set(rig.server, "pop3s", "off", NULL), 0);
	lm_rig_start(&rig);
	snprintf(path, sizeof(path), "%s/cert.pem", rig.folder);
	assert_int_equal(access(path, F_OK), -1);
	fd = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(fd, "+OK");
	lm_rig_say(fd, "CAPA\r\n");
	said = lm_rig_read(fd, "\r\n.\r\n");
	assert_null(strstr(said, "STLS"));
	free(said);
	lm_rig_chat(fd, "STLS\r\n", "-ERR");
	close(fd);
	fd = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "STARTTLS\r\n", "454 ");
	close(fd);
	lm_rig_free(&rig);
}

static void login_is_required_as_was_said(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "require-login", "no", NULL });
	lm_rig_start(&rig);
	fd = lm_rig_connect(&rig, "submission");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<>\r\n", "250 ");
	close(fd);
	assert_err(lm_server_set(rig.server, "require-login", "yes", NULL), 0);
	assert_err(lm_server_set(rig.server, "apop", "no", NULL), 0);
	assert_err(lm_server_reload(rig.server, NULL), 0);
	lm_rig_await_open(&rig, 0);
	fd = lm_rig_connect(&rig, "smtp");
	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	lm_rig_chat(fd, "MAIL FROM:<>\r\n", "530 5.7.0 ");
	close(fd);
	lm_rig_free(&rig);
}

static void apop_is_offered_as_was_said(void **state)
{
	static const char *const said[] = { "auto", "yes", "no" };
	static const bool stamps[] = { true, true, false };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct lm_rig rig;
		char *greeting;
		int fd;

		lm_rig_new(&rig, (const char *const[]){ "apop", said[i], NULL });
		lm_rig_start(&rig);
		fd = lm_rig_connect(&rig, "pop3");
		greeting = lm_rig_read(fd, "\r\n");
		assert_int_equal(strchr(greeting, '<') != NULL, stamps[i]);
		free(greeting);
		close(fd);
		lm_rig_free(&rig);
	}
}

static void an_address_is_free_when_shut(void **state)
{
	struct lm_rig rig, next;
	char where[32];
	int fd;

	(void)state;
	lm_rig_new(&rig, NULL);
	lm_rig_start(&rig);
	snprintf(where, sizeof(where), "%s", lm_server_endpoint(rig.server, "pop3"));
	fd = lm_rig_login(&rig, "anna");
	lm_server_drain(rig.server, 60000);
	lm_server_wait_shut(rig.server);
	lm_rig_new(&next, (const char *const[]){ "pop3", where, NULL });
	lm_rig_start(&next);
	close(fd);
	fd = lm_rig_login(&next, "anna");
	close(fd);
	lm_server_wait(rig.server);
	lm_server_wait_shut(rig.server);
	lm_rig_free(&next);
	lm_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_is_what_is_fetched),
		cmocka_unit_test(a_stranger_gets_no_mail),
		cmocka_unit_test(lmtp_listens_on_a_socket),
		cmocka_unit_test(what_cannot_be_is_said_before_anything_runs),
		cmocka_unit_test(mail_survives_a_restart),
		cmocka_unit_test(handlers_can_do_without_a_store),
		cmocka_unit_test(without_tls_nobody_is_offered_any),
		cmocka_unit_test(login_is_required_as_was_said),
		cmocka_unit_test(apop_is_offered_as_was_said),
		cmocka_unit_test(an_address_is_free_when_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
