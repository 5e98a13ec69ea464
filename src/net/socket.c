/* The plain transport: a connected socket. */
#include "net/transport.h"

#include "base/error.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_transport {
	struct lm_transport base;
	struct lm_watch *watch;
	int fd;
};

static struct socket_transport *self(struct lm_transport *t)
{
	return lm_container(t, struct socket_transport, base);
}

static int socket_read(struct lm_transport *t, uint8_t *buf, size_t cap, size_t *out_len)
{
	ssize_t n;

	do
		n = recv(self(t)->fd, buf, cap, 0);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return LM_E_CLOSED;
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? LM_E_AGAIN : LM_E_IO;
	*out_len = (size_t)n;
	return 0;
}

static int socket_write(struct lm_transport *t, struct lm_bytes octets, size_t *out_len)
{
	ssize_t n;

	if (!octets.len) {
		*out_len = 0;
		return 0;
	}
	do
		n = send(self(t)->fd, octets.data, octets.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
		return LM_E_AGAIN;
	if (n < 0)
		return errno == EPIPE || errno == ECONNRESET ? LM_E_CLOSED : LM_E_IO;
	*out_len = (size_t)n;
	return 0;
}

static void socket_want(struct lm_transport *t, unsigned io)
{
	lm_watch_want(self(t)->watch, io);
}

static void socket_shutdown(struct lm_transport *t)
{
	(void)shutdown(self(t)->fd, SHUT_WR);
}

static const struct lm_tls_info *socket_tls(const struct lm_transport *t)
{
	(void)t;
	return NULL;
}

static void socket_free(struct lm_transport *t, bool abort)
{
	struct socket_transport *s = self(t);

	if (abort) {
		const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	lm_watch_free(s->watch);
	close(s->fd);
	lm_free(s);
}

static const struct lm_transport_ops socket_ops = {
	"socket", socket_read, socket_write, socket_want, socket_shutdown, socket_tls, socket_free,
};

static void on_ready(void *ctx, unsigned io)
{
	struct socket_transport *s = ctx;

	s->base.changed(s->base.ctx, io);
}

int lm_transport_socket(struct lm_loop *loop, int fd, struct lm_transport **out_transport)
{
	struct socket_transport *s = lm_alloc_zero(1, sizeof(*s));
	const int on = 1;
	int err = s ? lm_watch_new(loop, fd, on_ready, s, &s->watch) : LM_E_NOMEM;

	if (err) {
		close(fd);
		lm_free(s);
		return err;
	}
	s->base.ops = &socket_ops;
	s->fd = fd;
	/* Not there on a Unix socket, which has no delay either. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*out_transport = &s->base;
	return 0;
}
