/* Reads the PROXY header a listed peer owes before anything else, octet-exact: what follows it
 * belongs to the session or to its TLS. */
#include "server/serving.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER_MAX = 536, HEADER_TIMEOUT = 10000 };

struct lm_proxy_wait {
	struct lm_worker *worker;
	struct lm_proxy_wait *prev, *next;
	struct lm_watch *watch;
	struct lm_timer timer;
	struct lm_accepted accepted;
	enum lm_service service;
	size_t len;
	uint8_t header[HEADER_MAX];
};

/* The descriptor lives on. */
static void wait_free(struct lm_proxy_wait *p)
{
	struct lm_worker *w = p->worker;

	if (p->watch)
		lm_watch_free(p->watch);
	lm_timer_disarm(w->loop, &p->timer);
	if (p->prev)
		p->prev->next = p->next;
	else
		w->proxies = p->next;
	if (p->next)
		p->next->prev = p->prev;
	lm_free(p);
	lm_worker_release(w);
}

static void give_up(struct lm_proxy_wait *p, const char *why)
{
	int fd = p->accepted.fd;

	lm_log(p->worker->shared->log, LM_LOG_WARN, "connection.refused",
	       LM_LOG_TEXT("service", lm_str(lm_service_info(p->service)->name)),
	       LM_LOG_TEXT("peer", lm_str(p->accepted.peer)), LM_LOG_TEXT("why", lm_str(why)));
	lm_count(&p->worker->counters.refused, 1);
	wait_free(p);
	close(fd);
}

static void parsed(struct lm_proxy_wait *p, const struct lm_proxy_info *info)
{
	struct lm_worker *w = p->worker;
	struct lm_accepted a = p->accepted;
	enum lm_service service = p->service;

	if (!info->local) {
		memcpy(a.peer, info->peer, sizeof(a.peer));
		memcpy(a.local, info->dest, sizeof(a.local));
		a.peer_port = info->peer_port;
		a.local_port = info->dest_port;
	}
	/* The session's own watch takes over. */
	lm_watch_free(p->watch);
	p->watch = NULL;
	lm_conn_begin(w, service, &a, info->tls);
	/* Last, since it may end a draining worker. */
	wait_free(p);
}

/* What was looked at and cannot be the end yet is header as a whole, so taking it is exact. */
static bool take(struct lm_proxy_wait *p, size_t n)
{
	return recv(p->accepted.fd, p->header + p->len, n, 0) == (ssize_t)n;
}

static void readable(void *ctx, unsigned io)
{
	struct lm_proxy_wait *p = ctx;
	struct lm_proxy_info info;
	size_t taken = 0;
	ssize_t got = recv(p->accepted.fd, p->header + p->len, HEADER_MAX - p->len, MSG_PEEK);
	int result;

	(void)io;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		give_up(p, "no PROXY header");
		return;
	}
	result = lm_proxy_parse(lm_bytes(p->header, p->len + (size_t)got), &taken, &info);
	if (result == 1 && taken >= p->len && take(p, taken - p->len)) {
		parsed(p, &info);
	} else if (result == 0 && p->len + (size_t)got < HEADER_MAX && take(p, (size_t)got)) {
		p->len += (size_t)got;
	} else {
		give_up(p, "malformed PROXY header");
	}
}

static void too_slow(struct lm_timer *timer)
{
	give_up(lm_container(timer, struct lm_proxy_wait, timer), "PROXY header too slow");
}

void lm_proxy_begin(struct lm_worker *w, enum lm_service service,
                    const struct lm_accepted *accepted)
{
	struct lm_proxy_wait *p = lm_alloc_zero(1, sizeof(*p));

	if (!p) {
		close(accepted->fd);
		return;
	}
	*p = (struct lm_proxy_wait){ .worker = w, .next = w->proxies, .service = service };
	p->accepted = *accepted;
	p->timer.fire = too_slow;
	if (lm_watch_new(w->loop, accepted->fd, readable, p, &p->watch) != 0) {
		close(accepted->fd);
		lm_free(p);
		return;
	}
	if (w->proxies)
		w->proxies->prev = p;
	w->proxies = p;
	lm_worker_hold(w);
	lm_watch_want(p->watch, LM_IO_READ);
	lm_timer_arm(w->loop, &p->timer, lm_loop_now(w->loop) + HEADER_TIMEOUT);
}

void lm_proxy_close_all(struct lm_worker *w)
{
	while (w->proxies)
		give_up(w->proxies, "the server ends");
}
