/* Accepting connections in batches, and what to do when descriptors run out. */
#include "net/listener.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,     /* then other descriptors have their turn */
	PAUSE_MS = 100, /* without descriptors there is no use in trying at once */
};

struct lm_listener {
	struct lm_loop *loop;
	struct lm_watch *watch;
	struct lm_timer pause;
	void (*accepted)(void *ctx, const struct lm_accepted *);
	void *ctx;
	int fd, spare;
	bool is_wildcard, is_accepting, is_freed;
	char local[64];
	uint16_t local_port;
};

static void describe(const struct sockaddr_storage *name, char *out_text, uint16_t *out_port)
{
	const struct sockaddr_in6 *v6 = (const void *)name;
	const struct sockaddr_in *v4 = (const void *)name;

	*out_port = 0;
	if (name->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, out_text, 64);
		*out_port = ntohs(v4->sin_port);
	} else if (name->ss_family == AF_INET6) {
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out_text, 64);
		else
			inet_ntop(AF_INET6, &v6->sin6_addr, out_text, 64);
		*out_port = ntohs(v6->sin6_port);
	} else {
		snprintf(out_text, 64, "unix");
	}
}

static void local_name(int fd, char *out_text, uint16_t *out_port)
{
	struct sockaddr_storage name = { .ss_family = AF_UNIX };
	socklen_t len = sizeof(name);

	(void)getsockname(fd, (struct sockaddr *)&name, &len);
	describe(&name, out_text, out_port);
}

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void hand_over(struct lm_listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct lm_accepted a = { .fd = fd };

	describe(peer, a.peer, &a.peer_port);
	if (l->is_wildcard && fd >= 0) {
		local_name(fd, a.local, &a.local_port);
	} else {
		memcpy(a.local, l->local, sizeof(a.local));
		a.local_port = l->local_port;
	}
	l->accepted(l->ctx, &a);
}

static void set_pause(struct lm_listener *l)
{
	lm_watch_want(l->watch, 0);
	lm_timer_arm(l->loop, &l->pause, lm_loop_now(l->loop) + PAUSE_MS);
}

/* The spare descriptor lets the peers see a close instead of waiting in the queue for nothing. */
static void drop_waiting(struct lm_listener *l)
{
	for (int i = 0; i < BATCH && !l->is_freed; i++) {
		struct sockaddr_storage peer = { .ss_family = AF_UNIX };
		socklen_t len = sizeof(peer);
		int fd;

		if (l->spare >= 0)
			close(l->spare);
		fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		l->spare = open_spare();
		if (fd < 0)
			break;
		hand_over(l, -1, &peer);
	}
	if (!l->is_freed)
		set_pause(l);
}

/* False: nothing more to accept now. */
static bool accept_one(struct lm_listener *l)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNIX };
	socklen_t len = sizeof(peer);
	int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		hand_over(l, fd, &peer);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
		drop_waiting(l);
		return false;
	case ENOMEM:
	case ENOBUFS:
		set_pause(l);
		return false;
	default:
		/* The connection went while it waited: accept(2) names a dozen such errors. */
		return true;
	}
}

static void on_ready(void *ctx, unsigned io)
{
	struct lm_listener *l = ctx;

	(void)io;
	l->is_accepting = true;
	for (int i = 0; i < BATCH && !l->is_freed; i++)
		if (!accept_one(l))
			break;
	l->is_accepting = false;
	if (l->is_freed)
		lm_free(l);
}

static void on_pause_over(struct lm_timer *timer)
{
	struct lm_listener *l = lm_container(timer, struct lm_listener, pause);

	lm_watch_want(l->watch, LM_IO_READ);
}

static bool is_wildcard(int fd)
{
	struct sockaddr_storage name = { .ss_family = AF_UNIX };
	const struct sockaddr_in6 *v6 = (const void *)&name;
	const struct sockaddr_in *v4 = (const void *)&name;
	socklen_t len = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &len))
		return true;
	if (name.ss_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
	return name.ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY);
}

int lm_listener_new(struct lm_loop *loop, int fd,
                    void (*accepted)(void *ctx, const struct lm_accepted *), void *ctx,
                    struct lm_listener **out_listener)
{
	struct lm_listener *l = lm_alloc_zero(1, sizeof(*l));
	int err = l ? lm_watch_new(loop, fd, on_ready, l, &l->watch) : LM_E_NOMEM;

	if (err) {
		close(fd);
		lm_free(l);
		return err;
	}
	l->loop = loop;
	l->fd = fd;
	l->spare = open_spare();
	l->accepted = accepted;
	l->ctx = ctx;
	l->pause.fire = on_pause_over;
	l->is_wildcard = is_wildcard(fd);
	local_name(fd, l->local, &l->local_port);
	lm_watch_want(l->watch, LM_IO_READ);
	*out_listener = l;
	return 0;
}

void lm_listener_free(struct lm_listener *listener)
{
	if (!listener)
		return;
	lm_timer_disarm(listener->loop, &listener->pause);
	lm_watch_free(listener->watch);
	close(listener->fd);
	if (listener->spare >= 0)
		close(listener->spare);
	listener->is_freed = true;
	if (!listener->is_accepting)
		lm_free(listener);
}
