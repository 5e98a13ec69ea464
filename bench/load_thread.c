/* One thread of the load generator: connections on one epoll, each walking its scenario. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT = 256 * 1024, LATENCIES = 1 << 20 };

struct conn {
	int fd;
	unsigned number;
	SSL *ssl;
	bool connected, greeted, in_round;
	size_t step;
	char *out;
	size_t out_len, out_sent;
	unsigned left; /* replies of this step still to come */
	bool in_dot;   /* inside a multi-line reply */
	char head[5];  /* beginning of the line being read */
	size_t line_len;
	double began;
};

struct thread {
	struct load *load;
	int epoll;
	struct conn *conns;
	uint8_t *input;
	double deadline;
	unsigned open, ready;
};

double load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(struct thread *t, const char *what, const char *detail)
{
	t->load->errors++;
	if (!t->load->error[0])
		snprintf(t->load->error, sizeof(t->load->error), "%s %.100s", what, detail);
}

static void conn_close(struct thread *t, struct conn *c)
{
	if (c->fd < 0)
		return;
	SSL_free(c->ssl);
	close(c->fd);
	free(c->out);
	*c = (struct conn){ .fd = -1, .number = c->number };
	t->open--;
}

static bool conn_open(struct thread *t, struct conn *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(t->load->port) };
	struct epoll_event ev = { EPOLLIN | EPOLLOUT | EPOLLET, { .ptr = c } };
	int one = 1;

	inet_pton(AF_INET, t->load->host, &a.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->began = load_now();
	c->left = 1;
	if (t->load->tls) {
		c->ssl = SSL_new(t->load->tls);
		SSL_set_fd(c->ssl, c->fd);
		SSL_set_connect_state(c->ssl);
	}
	t->open++;
	if ((connect(c->fd, (struct sockaddr *)&a, sizeof(a)) && errno != EINPROGRESS) ||
	    epoll_ctl(t->epoll, EPOLL_CTL_ADD, c->fd, &ev)) {
		fail(t, "connect", strerror(errno));
		conn_close(t, c);
		return false;
	}
	return true;
}

static void flush_output(struct thread *t, struct conn *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, c->out + c->out_sent,
		                               (int)(c->out_len - c->out_sent))
		                   : send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
		                          MSG_NOSIGNAL);

		if (n <= 0)
			return;
		c->out_sent += (size_t)n;
		t->load->octets += (size_t)n;
	}
}

static void send_step(struct thread *t, struct conn *c, const struct step *s)
{
	size_t room = s->len + 64;

	c->out = realloc(c->out, room);
	if (strstr(s->text, "%u") && s->len < 200)
		c->out_len = (size_t)snprintf(c->out, room, s->text, c->number, c->number,
		                              c->number);
	else
		memcpy(c->out, s->text, c->out_len = s->len);
	c->out_sent = 0;
	c->left = s->replies;
	flush_output(t, c);
}

static void round_done(struct thread *t, struct conn *c)
{
	struct load *l = t->load;
	double now = load_now();

	l->work += l->scenario->work;
	if (l->latencies_count < LATENCIES)
		l->latencies[l->latencies_count++] = (uint32_t)((now - c->began) * 1e6);
	c->began = now;
	if (now >= t->deadline)
		conn_close(t, c);
	else if (l->scenario->reconnect) {
		conn_close(t, c);
		conn_open(t, c);
	}
}

/* All replies of a step are there: what comes next. */
static void advance(struct thread *t, struct conn *c)
{
	const struct scenario *s = t->load->scenario;
	const struct step *list = c->in_round ? s->round : s->before;

	if (!c->greeted)
		c->greeted = true;
	else
		c->step++;
	if (!c->in_round && (c->step == 8 || s->before[c->step].replies == 0)) {
		t->ready++;
		if (t->load->idle)
			return;
		c->in_round = true;
		c->step = 0;
		list = s->round;
		if (!s->reconnect)
			c->began = load_now();
	} else if (c->in_round && (c->step == 8 || s->round[c->step].replies == 0)) {
		round_done(t, c);
		if (c->fd < 0 || s->reconnect)
			return;
		c->step = 0;
	}
	send_step(t, c, &list[c->step]);
}

/* A line that is not the inside of a multi-line reply. */
static void reply_line(struct thread *t, struct conn *c)
{
	const struct scenario *s = t->load->scenario;
	const struct step *list = c->in_round ? s->round : s->before;

	if (s->smtp && c->head[3] == '-')
		return;
	if (s->smtp ? c->head[0] != '2' && c->head[0] != '3' : c->head[0] != '+') {
		fail(t, "refused:", c->head);
		conn_close(t, c);
		return;
	}
	if (c->greeted && list[c->step].expect == EXPECT_DOT)
		c->in_dot = true;
	else if (--c->left == 0)
		advance(t, c);
}

static void line_done(struct thread *t, struct conn *c)
{
	bool dot = c->line_len == 3 && c->head[0] == '.';

	c->line_len = 0;
	if (!c->in_dot) {
		reply_line(t, c);
	} else if (dot) {
		c->in_dot = false;
		if (--c->left == 0)
			advance(t, c);
	}
}

static void take(struct thread *t, struct conn *c, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	int fd = c->fd;

	t->load->octets += n;
	while (p < end && c->fd == fd) {
		const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((lf ? lf + 1 : end) - p);

		for (size_t i = 0; i < len && c->line_len + i < sizeof(c->head) - 1; i++)
			c->head[c->line_len + i] = (char)p[i];
		c->line_len += len;
		p += len;
		if (lf)
			line_done(t, c);
	}
}

static void pump(struct thread *t, struct conn *c)
{
	int fd = c->fd;

	flush_output(t, c);
	while (c->fd == fd && fd >= 0) {
		ssize_t n = c->ssl ? SSL_read(c->ssl, t->input, INPUT)
		                   : recv(fd, t->input, INPUT, 0);

		if (n > 0) {
			take(t, c, t->input, (size_t)n);
			continue;
		}
		if (c->ssl) {
			int e = SSL_get_error(c->ssl, (int)n);

			if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
				return;
		} else if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) {
			return;
		}
		fail(t, "connection lost", n < 0 ? strerror(errno) : "");
		conn_close(t, c);
	}
}

static void hold_idle(struct thread *t)
{
	char octet;

	printf("{\"idle\":%u}\n", t->ready);
	fflush(stdout);
	while (read(STDIN_FILENO, &octet, 1) > 0)
		;
	t->deadline = 0;
}

void *load_thread(void *arg)
{
	struct load *l = arg;
	struct thread t = { .load = l,
		            .epoll = epoll_create1(EPOLL_CLOEXEC),
		            .input = malloc(INPUT) };
	struct epoll_event events[256];
	double start = load_now();

	l->latencies = malloc(LATENCIES * sizeof(*l->latencies));
	t.conns = calloc(l->connections, sizeof(*t.conns));
	t.deadline = start + l->seconds;
	for (unsigned i = 0; i < l->connections; i++) {
		t.conns[i] = (struct conn){ .fd = -1, .number = l->first + i };
		conn_open(&t, &t.conns[i]);
	}
	while (t.open && load_now() < t.deadline + (l->idle ? 60 : 10)) {
		int n = epoll_wait(t.epoll, events, 256, 200);

		for (int i = 0; i < n; i++)
			pump(&t, events[i].data.ptr);
		if (l->idle && t.ready + l->errors >= l->connections) {
			hold_idle(&t);
			break;
		}
	}
	l->elapsed = load_now() - start;
	for (unsigned i = 0; i < l->connections; i++)
		conn_close(&t, &t.conns[i]);
	close(t.epoll);
	free(t.conns);
	free(t.input);
	return NULL;
}
