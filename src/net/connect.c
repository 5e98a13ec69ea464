/* Connecting: every address of a host in turn, a little apart, until one answers (RFC 8305). */
#include "net/connect.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	ADDRESSES_MAX = 16,
	/* RFC 8305 8: Connection Attempt Delay. */
	STAGGER_MS = 250,
	/* A Unix socket whose queue is full says so at once. */
	RETRY_MS = 50,
};

union any_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
	struct sockaddr_storage room;
};

struct attempt {
	struct lm_connect *connect;
	struct lm_watch *watch;
	int fd;
};

struct lm_connect {
	struct lm_loop *loop;
	struct lm_lookup *lookup;
	void (*done)(void *ctx, int result, const struct lm_connected *connected,
	             const struct lm_error *why);
	void *ctx;
	struct lm_timer timer;
	struct lm_task task;
	union any_address addresses[ADDRESSES_MAX];
	socklen_t lengths[ADDRESSES_MAX];
	struct attempt attempts[ADDRESSES_MAX];
	size_t count, next, open; /* addresses, the next to try, attempts under way */
	int errnum;               /* the failure that says most */
	uint16_t port;
	bool is_posted, is_freed;
	char host[];
};

static bool is_path(const struct lm_connect *c)
{
	return c->host[0] == '/';
}

static void drop(struct attempt *a)
{
	if (a->fd < 0)
		return;
	lm_watch_free(a->watch);
	close(a->fd);
	a->watch = NULL;
	a->fd = -1;
	a->connect->open--;
}

static void drop_all(struct lm_connect *c)
{
	lm_timer_disarm(c->loop, &c->timer);
	for (size_t i = 0; i < c->count; i++)
		drop(&c->attempts[i]);
}

/* Behind it `c` may be gone. */
static void tell(struct lm_connect *c, int result, const struct lm_connected *connected,
                 const struct lm_error *why)
{
	drop_all(c);
	c->done(c->ctx, result, connected, why);
}

/* A network that is not there says less than a host that refuses. */
static bool says_more(int errnum, int than)
{
	if (!than)
		return true;
	return (than == ENETUNREACH || than == EAFNOSUPPORT || than == EADDRNOTAVAIL) &&
	       errnum != than;
}

static int result_of(int errnum)
{
	switch (errnum) {
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return LM_E_NOMEM;
	case EACCES:
	case EPERM:
		return LM_E_DENIED;
	default:
		return LM_E_CONNECT;
	}
}

static void fail(struct lm_connect *c)
{
	int err = result_of(c->errnum);
	char room[80], where[320];
	struct lm_error why;
	const char *reason = strerror_r(c->errnum, room, sizeof(room));

	if (is_path(c))
		snprintf(where, sizeof(where), "%s", c->host);
	else
		snprintf(where, sizeof(where), "%s port %u", c->host, c->port);
	lm_fail(&why, err, "connect to %.150s: %c%s", where, tolower((unsigned char)reason[0]),
	        reason[0] ? reason + 1 : "");
	tell(c, err, NULL, &why);
}

static uint16_t describe(const union any_address *address, char *out)
{
	const bool v6 = address->any.sa_family == AF_INET6;

	if (address->any.sa_family != AF_INET && !v6) {
		memcpy(out, "unix", 5);
		return 0;
	}
	if (!inet_ntop(address->any.sa_family,
	               v6 ? (const void *)&address->v6.sin6_addr : &address->v4.sin_addr, out, 64))
		out[0] = '\0';
	return ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port);
}

static void succeed(struct lm_connect *c, struct attempt *a)
{
	union any_address local = { .any = { .sa_family = AF_UNSPEC } };
	struct lm_connected connected = { .transport = NULL };
	struct lm_error why = { 0 };
	socklen_t len = sizeof(local);
	int fd = a->fd, err;

	connected.peer_port = describe(&c->addresses[a - c->attempts], connected.peer);
	if (getsockname(fd, &local.any, &len) == 0)
		connected.local_port = describe(&local, connected.local);
	lm_watch_free(a->watch);
	a->watch = NULL;
	a->fd = -1;
	c->open--;
	err = lm_transport_socket(c->loop, fd, &connected.transport);
	if (err) {
		lm_fail(&why, err, "connect to %.150s: %s", c->host, lm_err_text(err));
		tell(c, err, NULL, &why);
		return;
	}
	tell(c, 0, &connected, &why);
}

/* `c` lives on. */
static void note_failure(struct lm_connect *c, int errnum)
{
	if (says_more(errnum, c->errnum))
		c->errnum = errnum;
}

static void go_on(struct lm_connect *c);

static void on_ready(void *ctx, unsigned io)
{
	struct attempt *a = ctx;
	struct lm_connect *c = a->connect;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	(void)io;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &errnum, &len))
		errnum = errno;
	if (!errnum) {
		succeed(c, a);
		return;
	}
	drop(a);
	note_failure(c, errnum);
	go_on(c);
}

/* 0: under way or connected; else the errno. */
static int begin(struct attempt *a, const union any_address *address, socklen_t len)
{
	struct lm_connect *c = a->connect;
	int err;

	a->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return errno;
	c->open++;
	/* A connection that is there at once is told like any other: it is writable. */
	err = connect(a->fd, &address->any, len) && errno != EINPROGRESS ? errno : 0;
	if (!err && lm_watch_new(c->loop, a->fd, on_ready, a, &a->watch))
		err = ENOMEM;
	if (err)
		drop(a);
	else
		lm_watch_want(a->watch, LM_IO_WRITE);
	return err;
}

/* Try the next that can be tried, or fail when that was all. */
static void go_on(struct lm_connect *c)
{
	while (c->next < c->count) {
		struct attempt *a = &c->attempts[c->next];
		int errnum = begin(a, &c->addresses[c->next], c->lengths[c->next]);

		if (errnum == EAGAIN && is_path(c)) {
			lm_timer_arm(c->loop, &c->timer, lm_loop_now(c->loop) + RETRY_MS);
			return;
		}
		c->next++;
		if (!errnum) {
			if (c->next < c->count)
				lm_timer_arm(c->loop, &c->timer, lm_loop_now(c->loop) + STAGGER_MS);
			return;
		}
		note_failure(c, errnum);
	}
	if (!c->open)
		fail(c);
}

static void on_timer(struct lm_timer *timer)
{
	go_on(lm_container(timer, struct lm_connect, timer));
}

static void add(struct lm_connect *c, const struct addrinfo *info)
{
	if (c->count == ADDRESSES_MAX || info->ai_addrlen > sizeof(c->addresses[0]))
		return;
	memcpy(&c->addresses[c->count], info->ai_addr, info->ai_addrlen);
	c->lengths[c->count] = info->ai_addrlen;
	c->attempts[c->count] = (struct attempt){ .connect = c, .fd = -1 };
	c->count++;
}

static const struct addrinfo *next_of(const struct addrinfo *info, int family, bool same)
{
	while (info && (info->ai_family == family) != same)
		info = info->ai_next;
	return info;
}

/* RFC 8305 4: the families take turns, beginning with the one the system prefers. */
static void take_turns(struct lm_connect *c, const struct addrinfo *addresses)
{
	const int family = addresses->ai_family;
	const struct addrinfo *first = addresses, *second = next_of(addresses, family, false);

	while (first || second) {
		if (first) {
			add(c, first);
			first = next_of(first->ai_next, family, true);
		}
		if (second) {
			add(c, second);
			second = next_of(second->ai_next, family, false);
		}
	}
}

static void on_looked_up(void *ctx, int result, const struct addrinfo *addresses,
                         const struct lm_error *why)
{
	struct lm_connect *c = ctx;

	if (result) {
		tell(c, result, NULL, why);
		return;
	}
	take_turns(c, addresses);
	lm_lookup_free(c->lookup);
	c->lookup = NULL;
	go_on(c);
}

static void on_task(struct lm_task *task)
{
	struct lm_connect *c = lm_container(task, struct lm_connect, task);

	c->is_posted = false;
	if (c->is_freed)
		lm_free(c);
	else
		go_on(c);
}

static int start(struct lm_connect *c)
{
	struct sockaddr_un *path = &c->addresses[0].path;
	size_t len = strlen(c->host);

	if (!is_path(c))
		return lm_lookup_new(c->loop, c->host, c->port, on_looked_up, c, &c->lookup);
	path->sun_family = AF_UNIX;
	c->attempts[0] = (struct attempt){ .connect = c, .fd = -1 };
	c->lengths[0] = sizeof(*path);
	if (len < sizeof(path->sun_path))
		c->count = 1;
	else
		c->errnum = ENAMETOOLONG;
	memcpy(path->sun_path, c->host, c->count ? len : 0);
	c->is_posted = true;
	lm_loop_post(c->loop, &c->task);
	return 0;
}

static struct lm_connect *make(struct lm_loop *loop, const char *host, uint16_t port,
                               void (*done)(void *ctx, int result,
                                            const struct lm_connected *connected,
                                            const struct lm_error *why),
                               void *ctx)
{
	size_t len = strlen(host);
	struct lm_connect *c = lm_alloc_zero(1, sizeof(*c) + len + 1);

	if (!c)
		return NULL;
	memcpy(c->host, host, len + 1);
	c->loop = loop;
	c->port = port;
	c->done = done;
	c->ctx = ctx;
	c->timer.fire = on_timer;
	c->task.run = on_task;
	return c;
}

int lm_connect_new(struct lm_loop *loop, const char *host, uint16_t port,
                   void (*done)(void *ctx, int result, const struct lm_connected *connected,
                                const struct lm_error *why),
                   void *ctx, struct lm_connect **out_connect)
{
	struct lm_connect *c = make(loop, host, port, done, ctx);
	int err = c ? start(c) : LM_E_NOMEM;

	if (err) {
		lm_free(c);
		return err;
	}
	*out_connect = c;
	return 0;
}

int lm_connect_new_known(struct lm_loop *loop, const char *host, uint16_t port,
                         const struct addrinfo *addresses,
                         void (*done)(void *ctx, int result, const struct lm_connected *connected,
                                      const struct lm_error *why),
                         void *ctx, struct lm_connect **out_connect)
{
	struct lm_connect *c = make(loop, host, port, done, ctx);

	if (!c)
		return LM_E_NOMEM;
	take_turns(c, addresses);
	c->is_posted = true;
	lm_loop_post(loop, &c->task);
	*out_connect = c;
	return 0;
}

bool lm_connect_is_looking_up(const struct lm_connect *connect)
{
	return connect->lookup != NULL;
}

void lm_connect_free(struct lm_connect *connect)
{
	if (!connect)
		return;
	drop_all(connect);
	lm_lookup_free(connect->lookup);
	connect->is_freed = true;
	if (!connect->is_posted)
		lm_free(connect);
}
