/* Certificates that handlers choose by name: at once, later, never, wrongly, and for nobody. */
#include "net/test_certs.h"
#include "server/serve_rig.h"
#include "server/serving.h"

#include "lm_test.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXT_MAX = 8192, TICKETS = 64 };

/* What the name asked for makes the handler do; tickets it kept, and a thread that answers some. */
struct desk {
	char cert[TEXT_MAX], key[TEXT_MAX];
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct lm_ticket kept[TICKETS], due[TICKETS];
	_Atomic size_t kept_count, due_count;
	bool ends;
	pthread_t thread;
	_Atomic unsigned asked, heard, visits;
	char log[8192];
};

static struct lm_reply other(struct desk *desk)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.certificate = lm_str(desk->cert);
	reply.key = lm_str(desk->key);
	return reply;
}

static void *answer_later(void *arg)
{
	struct desk *desk = arg;

	pthread_mutex_lock(&desk->lock);
	while (!desk->ends || desk->due_count) {
		if (desk->due_count) {
			struct lm_ticket ticket = desk->due[--desk->due_count];
			struct lm_reply reply = other(desk);

			pthread_mutex_unlock(&desk->lock);
			lm_ticket_answer(ticket, &reply);
			lm_ticket_answer(ticket, &reply);
			pthread_mutex_lock(&desk->lock);
		} else {
			pthread_cond_wait(&desk->more, &desk->lock);
		}
	}
	pthread_mutex_unlock(&desk->lock);
	return NULL;
}

static void keep(struct desk *desk, struct lm_ticket ticket, bool due)
{
	pthread_mutex_lock(&desk->lock);
	if (due && desk->due_count < TICKETS)
		desk->due[desk->due_count++] = ticket;
	else if (!due && desk->kept_count < TICKETS)
		desk->kept[desk->kept_count++] = ticket;
	pthread_cond_broadcast(&desk->more);
	pthread_mutex_unlock(&desk->lock);
}

static void await_kept(struct desk *desk, size_t wanted)
{
	pthread_mutex_lock(&desk->lock);
	while (desk->kept_count < wanted)
		pthread_cond_wait(&desk->more, &desk->lock);
	pthread_mutex_unlock(&desk->lock);
}

static bool asks(const struct lm_event *event, const char *name)
{
	return lm_bytes_equal(event->argument, lm_str(name));
}

/* A visit is counted when its slot is taken, and must be told of its end. */
static void visit(struct desk *desk, void **slot)
{
	if (!*slot) {
		*slot = desk;
		atomic_fetch_add(&desk->visits, 1);
	}
}

static enum lm_verdict decide(void *context, void **slot, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct desk *desk = context;

	visit(desk, slot);
	if (event->type == LM_EVENT_CONNECT)
		return LM_PROCEED;
	if (event->type == LM_EVENT_NOOP) {
		keep(desk, ticket, false);
		return LM_PENDING;
	}
	atomic_fetch_add(&desk->asked, 1);
	assert_int_equal(event->type, LM_EVENT_CERTIFICATE);
	assert_true(event->info->peer_address[0] && !event->info->tls.active);
	if (asks(event, "proceed.example"))
		return LM_PROCEED;
	if (asks(event, "close.example"))
		lm_ticket_close(ticket);
	if (asks(event, "later.example") || asks(event, "kept.example") ||
	    asks(event, "close.example")) {
		keep(desk, ticket, asks(event, "later.example"));
		return LM_PENDING;
	}
	if (asks(event, "inside.example") || asks(event, "passed.example")) {
		struct lm_reply reply = other(desk);

		lm_ticket_answer(ticket, asks(event, "inside.example") ? &reply : NULL);
		return LM_PENDING;
	}
	*out_reply = other(desk);
	if (asks(event, "yes.example"))
		out_reply->certificate = lm_str("");
	else if (asks(event, "no.example"))
		out_reply->result = LM_E_DENIED;
	else if (asks(event, "fault.example"))
		out_reply->result = LM_E_SCRIPT;
	else if (asks(event, "nonsense.example"))
		out_reply->result = 7;
	else if (asks(event, "garbage.example"))
		out_reply->key = lm_str("garbage");
	else if (asks(event, "source.example"))
		out_reply->source = lm_source_from_bytes(lm_str("nobody reads this"));
	return LM_ANSWERED;
}

static void notice(void *context, void **slot, const struct lm_event *event,
                   const struct lm_reply *reply)
{
	struct desk *desk = context;

	(void)reply;
	if (event->type == LM_EVENT_CERTIFICATE)
		atomic_fetch_add(&desk->heard, 1);
	if (event->type == LM_EVENT_DISCONNECT && *slot)
		atomic_fetch_sub(&desk->visits, 1);
}

static const struct lm_handler_ops ops = {
	.size = sizeof(struct lm_handler_ops),
	.name = "certificates",
	.decide = decide,
	.notice = notice,
	.decides = LM_EVENT_BIT(LM_EVENT_CONNECT) | LM_EVENT_BIT(LM_EVENT_CERTIFICATE) |
	           LM_EVENT_BIT(LM_EVENT_NOOP),
	.hears = LM_EVENT_BIT(LM_EVENT_CERTIFICATE),
};

static void write_log(void *ctx, const struct lm_log_event *event)
{
	struct desk *desk = ctx;
	size_t len;

	pthread_mutex_lock(&desk->lock);
	len = strlen(desk->log);
	if (event->level == LM_LOG_ERROR && sizeof(desk->log) - len > 1024) {
		len += lm_log_render_text(event, desk->log + len, 1000);
		desk->log[len] = '\0';
	}
	pthread_mutex_unlock(&desk->lock);
}

static void read_text(char out[TEXT_MAX], const char *name)
{
	FILE *in = fopen(test_certs_path(name), "r");

	assert_non_null(in);
	out[fread(out, 1, TEXT_MAX - 1, in)] = '\0';
	fclose(in);
}

static void desk_open(struct desk *desk, struct lm_rig *rig, const char *const *options)
{
	static struct lm_log log;
	struct lm_error error = { 0 };

	memset(desk, 0, sizeof(*desk));
	pthread_mutex_init(&desk->lock, NULL);
	pthread_cond_init(&desk->more, NULL);
	read_text(desk->cert, "other.pem");
	read_text(desk->key, "other.key");
	assert_int_equal(pthread_create(&desk->thread, NULL, answer_later, desk), 0);
	log = (struct lm_log){ .write = write_log, .ctx = desk, .level = LM_LOG_ERROR };
	lm_rig_new(rig, options);
	lm_server_log(rig->server, &log);
	assert_err(lm_server_set(rig->server, "cert", test_certs_path("server.pem"), &error), 0);
	assert_err(lm_server_set(rig->server, "key", test_certs_path("server.key"), &error), 0);
	assert_err(lm_server_handler(rig->server, &ops, desk), 0);
	lm_rig_start(rig);
}

static void desk_close(struct desk *desk, struct lm_rig *rig)
{
	lm_rig_await_open(rig, 0);
	assert_int_equal(desk->visits, 0);
	pthread_mutex_lock(&desk->lock);
	desk->ends = true;
	pthread_cond_broadcast(&desk->more);
	pthread_mutex_unlock(&desk->lock);
	pthread_join(desk->thread, NULL);
	lm_rig_free(rig);
	pthread_mutex_destroy(&desk->lock);
	pthread_cond_destroy(&desk->more);
}

/* A client's end: the common name it was shown, or the alert that ended it. */
struct outcome {
	char name[64];
	int alert; /* SSL_AD_…; 0: none */
	bool is_greeted;
};

static int connect_to(const struct lm_rig *rig, const char *listener)
{
	int fd = lm_rig_connect(rig, listener);

	if (strcmp(listener, "pop3") == 0) {
		lm_rig_expect(fd, "+OK ");
		lm_rig_chat(fd, "STLS\r\n", "+OK ");
	} else if (strcmp(listener, "smtp") == 0) {
		lm_rig_expect(fd, "220 ");
		lm_rig_chat(fd, "EHLO client.example\r\n", "250");
		lm_rig_chat(fd, "STARTTLS\r\n", "220 ");
	}
	return fd;
}

static struct outcome shake(const struct lm_rig *rig, const char *listener, const char *name)
{
	struct outcome out = { "", 0, false };
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *tls = SSL_new(context);
	int fd = connect_to(rig, listener);
	char octets[200];
	X509 *peer;

	if (name)
		SSL_set_tlsext_host_name(tls, name);
	SSL_set_fd(tls, fd);
	ERR_clear_error();
	if (SSL_connect(tls) == 1) {
		const char *say = strcmp(listener, "smtp") == 0 ? "RSET\r\n" : "CAPA\r\n";

		peer = SSL_get1_peer_certificate(tls);
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, out.name,
		                          sizeof(out.name));
		X509_free(peer);
		out.is_greeted = SSL_write(tls, say, 6) == 6 &&
		                 SSL_read(tls, octets, sizeof(octets)) > 0;
	} else {
		int reason = ERR_GET_REASON(ERR_peek_error());

		out.alert = reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : -1;
	}
	SSL_free(tls);
	SSL_CTX_free(context);
	close(fd);
	return out;
}

static void names_get_what_handlers_choose(void **state)
{
	static const char *const listeners[] = { "pop3s", "smtps", "pop3", "smtp" };
	static const struct {
		const char *asked, *shown;
		int alert;
	} table[] = {
		{ "other.example", "other", 0 },
		{ "OTHER.Example", "other", 0 },
		{ "proceed.example", "server", 0 },
		{ "yes.example", "server", 0 },
		{ "inside.example", "other", 0 },
		{ "passed.example", "server", 0 },
		{ "later.example", "other", 0 },
		{ "source.example", "other", 0 },
		{ "no.example", "", SSL_AD_UNRECOGNIZED_NAME },
		{ "fault.example", "", SSL_AD_INTERNAL_ERROR },
		{ "nonsense.example", "", SSL_AD_INTERNAL_ERROR },
		{ "garbage.example", "", SSL_AD_INTERNAL_ERROR },
	};
	enum { ROWS = sizeof(table) / sizeof(*table) };
	struct desk desk;
	struct lm_rig rig;

	(void)state;
	desk_open(&desk, &rig, NULL);
	for (unsigned i = 0; i < 4; i++) {
		struct outcome got;

		for (unsigned k = 0; k < ROWS; k++) {
			got = shake(&rig, listeners[i], table[k].asked);
			assert_string_equal(got.name, table[k].shown);
			assert_int_equal(got.alert, table[k].alert);
			assert_true(got.is_greeted == !table[k].alert);
			assert_int_equal(desk.asked, i * ROWS + k + 1);
		}
		got = shake(&rig, listeners[i], NULL);
		assert_string_equal(got.name, "server");
		assert_int_equal(desk.asked, (i + 1) * ROWS);
	}
	lm_rig_await_open(&rig, 0);
	assert_int_equal(desk.heard, 4 * ROWS);
	assert_non_null(strstr(desk.log, "certificate.fail"));
	assert_non_null(strstr(desk.log, "garbage.example"));
	assert_null(strstr(desk.log, "-----"));
	desk_close(&desk, &rig);
}

static void silence_refuses_the_handshake(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	struct lm_reply reply;
	struct outcome got;

	(void)state;
	desk_open(&desk, &rig, (const char *const[]){ "handler-timeout", "50ms", NULL });
	got = shake(&rig, "pop3s", "kept.example");
	assert_int_equal(got.alert, SSL_AD_INTERNAL_ERROR);
	reply = other(&desk);
	lm_ticket_answer(desk.kept[0], &reply);
	got = shake(&rig, "pop3", "kept.example");
	assert_int_equal(got.alert, SSL_AD_INTERNAL_ERROR);
	lm_ticket_answer(desk.kept[1], NULL);
	desk_close(&desk, &rig);
}

/* A silent handler is waited for no longer than a silent client. */
static void the_handshake_has_an_end(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	struct outcome got;

	(void)state;
	desk_open(&desk, &rig, (const char *const[]){ "idle-timeout", "50ms", NULL });
	got = shake(&rig, "pop3s", "kept.example");
	assert_true(got.alert != 0 && !got.is_greeted);
	lm_rig_await_open(&rig, 0);
	lm_ticket_answer(desk.kept[0], NULL);
	desk_close(&desk, &rig);
}

static void a_ticket_closes_the_handshake(void **state)
{
	struct desk desk;
	struct lm_rig rig;

	(void)state;
	desk_open(&desk, &rig, NULL);
	for (int i = 0; i < 10; i++) {
		struct outcome got = shake(&rig, i % 2 ? "pop3" : "pop3s", "close.example");

		assert_int_equal(got.alert, -1);
		assert_int_equal(desk.kept_count, i + 1);
	}
	desk_close(&desk, &rig);
}

/* Begins a handshake and says no more. */
static int begin_hello(const struct lm_rig *rig, const char *listener)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *tls = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int fd = connect_to(rig, listener), len;
	char hello[4096];

	SSL_set_bio(tls, in, out);
	SSL_set_tlsext_host_name(tls, "kept.example");
	SSL_connect(tls);
	len = BIO_read(out, hello, sizeof(hello));
	assert_true(len > 0 && send(fd, hello, (size_t)len, MSG_NOSIGNAL) == len);
	SSL_free(tls);
	SSL_CTX_free(context);
	return fd;
}

static void vanish(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void clients_may_vanish_while_the_question_is_open(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	int fds[20];

	(void)state;
	desk_open(&desk, &rig, NULL);
	for (size_t i = 0; i < 20; i++)
		fds[i] = begin_hello(&rig, i % 2 ? "pop3" : "pop3s");
	await_kept(&desk, 20);
	for (size_t i = 0; i < 20; i++)
		vanish(fds[i]);
	/* Whoever answers finds out; some are answered twice, some closed. */
	for (size_t i = 0; i < 20; i++) {
		struct lm_reply reply = other(&desk);

		if (i % 3 == 0)
			lm_ticket_close(desk.kept[i]);
		lm_ticket_answer(desk.kept[i], i % 3 == 1 ? NULL : &reply);
		lm_ticket_answer(desk.kept[i], &reply);
	}
	lm_rig_await_open(&rig, 0);
	for (size_t i = 0; i < 20; i++)
		lm_ticket_answer(desk.kept[i], NULL);
	assert_string_equal(shake(&rig, "pop3s", "other.example").name, "other");
	desk_close(&desk, &rig);
}

static void a_drain_does_not_wait_for_the_answer(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	int fd;

	(void)state;
	desk_open(&desk, &rig, NULL);
	fd = begin_hello(&rig, "pop3s");
	await_kept(&desk, 1);
	lm_server_drain(rig.server, 60000);
	lm_server_wait(rig.server);
	lm_ticket_answer(desk.kept[0], NULL);
	close(fd);
	desk_close(&desk, &rig);
}

static void read_start(SSL *tls, const char *wanted)
{
	char octets[200] = "";

	assert_true(SSL_read(tls, octets, sizeof(octets) - 1) > 0);
	assert_int_equal(strncmp(octets, wanted, strlen(wanted)), 0);
}

/* A ticket of the handshake is none of the session's own. */
static void tickets_are_told_apart(void **state)
{
	struct lm_reply no = LM_REPLY_INIT, yes = LM_REPLY_INIT;
	struct desk desk;
	struct lm_rig rig;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *tls = SSL_new(context);
	int fd;

	(void)state;
	desk_open(&desk, &rig, NULL);
	fd = lm_rig_connect(&rig, "pop3s");
	SSL_set_tlsext_host_name(tls, "later.example");
	SSL_set_fd(tls, fd);
	assert_int_equal(SSL_connect(tls), 1);
	read_start(tls, "+OK");
	/* NOOP is for those who are logged in. */
	assert_int_equal(SSL_write(tls, "USER anna\r\n", 11), 11);
	read_start(tls, "+OK");
	assert_int_equal(SSL_write(tls, "PASS secret\r\n", 13), 13);
	read_start(tls, "+OK");
	assert_int_equal(SSL_write(tls, "NOOP\r\n", 6), 6);
	await_kept(&desk, 1);
	assert_int_not_equal(desk.kept[0].event, desk.due[0].event);
	no.result = LM_E_DENIED;
	lm_ticket_answer(desk.due[0], &no);
	lm_ticket_answer(desk.kept[0], &yes);
	read_start(tls, "+OK");
	SSL_free(tls);
	SSL_CTX_free(context);
	close(fd);
	desk_close(&desk, &rig);
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
		cmocka_unit_test(names_get_what_handlers_choose),
		cmocka_unit_test(silence_refuses_the_handshake),
		cmocka_unit_test(the_handshake_has_an_end),
		cmocka_unit_test(a_ticket_closes_the_handshake),
		cmocka_unit_test(clients_may_vanish_while_the_question_is_open),
		cmocka_unit_test(a_drain_does_not_wait_for_the_answer),
		cmocka_unit_test(tickets_are_told_apart),
	};

	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
