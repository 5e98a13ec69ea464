/* A scripted server: blocking sockets on a thread, OpenSSL where it is told to. */
#include "client_peer.h"

#include "lm_test.h"
#include "net/test_certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct talk {
	struct client_peer *peer;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void complain(struct client_peer *peer, const char *what, const char *about)
{
	if (!peer->trouble[0])
		snprintf(peer->trouble, sizeof(peer->trouble), "%s: %s", what, about);
}

static bool say(struct talk *t, const char *text, size_t len)
{
	while (len) {
		ssize_t n = t->ssl ? SSL_write(t->ssl, text, (int)len)
		                   : send(t->fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_octet(struct talk *t, char *out)
{
	return (t->ssl ? SSL_read(t->ssl, out, 1) : recv(t->fd, out, 1, 0)) == 1;
}

static bool expect(struct talk *t, const char *start)
{
	char line[256] = "";
	size_t len = 0;

	while (len < sizeof(line) - 1 && (!len || line[len - 1] != '\n')) {
		if (!read_octet(t, &line[len])) {
			complain(t->peer, "the client closed instead of", start);
			return false;
		}
		len++;
	}
	line[len] = '\0';
	if (strncmp(line, start, strlen(start)) == 0)
		return true;
	complain(t->peer, start, line);
	return false;
}

static void dribble(struct talk *t, const char *text)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000 };

	for (size_t i = 0; say(t, &text[i], 1); i = text[i + 1] ? i + 1 : 0)
		nanosleep(&pause, NULL);
}

/* The handshake may well be meant to fail. */
static bool secure(struct talk *t, const char *name)
{
	char file[64];

	if (!name[0])
		return read_octet(t, file) && say(t, "what?\r\n", 7);
	t->ctx = SSL_CTX_new(TLS_server_method());
	snprintf(file, sizeof(file), "%s.pem", name + 1);
	if (SSL_CTX_use_certificate_chain_file(t->ctx, test_certs_path(file)) != 1)
		complain(t->peer, "certificate", name + 1);
	snprintf(file, sizeof(file), "%s.key", name + 1);
	(void)SSL_CTX_use_PrivateKey_file(t->ctx, test_certs_path(file), SSL_FILETYPE_PEM);
	t->ssl = SSL_new(t->ctx);
	SSL_set_fd(t->ssl, t->fd);
	return SSL_accept(t->ssl) == 1;
}

static void reset(struct talk *t)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Whether to go on. */
static bool step(struct talk *t, const char *what)
{
	char octet;

	switch (what[0]) {
	case '>':
		return say(t, what + 1, strlen(what + 1));
	case '<':
		return expect(t, what + 1);
	case '~':
		dribble(t, what + 1);
		return false;
	case '*':
		while (read_octet(t, &octet))
			;
		return false;
	case 'T':
		return secure(t, what + 1);
	case '!':
		reset(t);
		return false;
	default:
		SSL_free(t->ssl);
		t->ssl = NULL;
		return false;
	}
}

static void play(struct client_peer *peer, const char *const *script)
{
	const struct timeval patience = { .tv_sec = 20 };
	struct talk t = { .peer = peer, .fd = accept(peer->fd, NULL, NULL) };

	if (t.fd < 0) {
		complain(peer, "accept", strerror(errno));
		return;
	}
	(void)setsockopt(t.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (*script && step(&t, *script))
		script++;
	if (t.ssl && !*script)
		(void)SSL_shutdown(t.ssl);
	SSL_free(t.ssl);
	SSL_CTX_free(t.ctx);
	close(t.fd);
}

static void *run(void *arg)
{
	struct client_peer *peer = arg;

	for (size_t i = 0; peer->scripts[i]; i++)
		play(peer, peer->scripts[i]);
	return NULL;
}

static int listening(uint16_t *out_port)
{
	const struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(fd, 16), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*out_port = ntohs(at.sin_port);
	return fd;
}

void client_peer_start(struct client_peer *peer, const char *const *const *scripts)
{
	*peer = (struct client_peer){ .scripts = scripts };
	peer->fd = listening(&peer->port);
	assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
}

void client_peer_end(struct client_peer *peer)
{
	assert_int_equal(pthread_join(peer->thread, NULL), 0);
	close(peer->fd);
	if (peer->trouble[0])
		fail_msg("%s", peer->trouble);
}

uint16_t client_peer_dead_port(void)
{
	uint16_t port;

	close(listening(&port));
	return port;
}
