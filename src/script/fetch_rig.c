/* A toy HTTP server for the tests of fetch. */
#include "script/fetch_rig.h"

#include "lm_test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_OPEN = 600, REQUEST_MAX = 4 << 20 };

struct fetch_server {
	int fd, port;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards the rest */
	pthread_cond_t changed;
	int open[MAX_OPEN]; /* descriptors; -1: free */
	int threads, requests;
	bool ending;
};

struct connection {
	struct fetch_server *server;
	int slot, fd;
	char *text; /* the request, with a NUL behind */
	size_t len, body;
};

/* ---- answers ---- */

static bool send_all(const struct connection *c, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_text(const struct connection *c, const char *text)
{
	return send_all(c, text, strlen(text));
}

static void wait_for_end(const struct connection *c)
{
	char room[256];

	while (recv(c->fd, room, sizeof(room), 0) > 0)
		continue;
}

static void answer_echo(const struct connection *c, const char *rest)
{
	char head[128];

	(void)rest;
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", c->len);
	if (send_text(c, head))
		send_all(c, c->text, c->len);
}

static void answer_status(const struct connection *c, const char *rest)
{
	char head[128];

	snprintf(head, sizeof(head),
	         "HTTP/1.1 %.3s Told so\r\nContent-Length: %d\r\nX-Told: yes\r\n\r\n", rest,
	         strncmp(rest, "204", 3) && strncmp(rest, "304", 3) ? 4 : 0);
	if (send_text(c, head) && strncmp(rest, "204", 3) != 0 && strncmp(rest, "304", 3) != 0)
		send_text(c, "told");
}

/* /to/307/http://… */
static void answer_to(const struct connection *c, const char *rest)
{
	char head[2048];

	snprintf(head, sizeof(head),
	         "HTTP/1.1 %.3s Elsewhere\r\nLocation: %s\r\nContent-Length: 4\r\n\r\nnope", rest,
	         rest + 4);
	send_text(c, head);
}

static void answer_loop(const struct connection *c, const char *rest)
{
	long left = strtol(rest, NULL, 10);
	char head[256];

	snprintf(head, sizeof(head), "HTTP/1.1 302 Found\r\nLocation: %s%ld\r\n\r\n",
	         left ? "../loop/" : "/status/200?", left ? left - 1 : 0);
	send_text(c, head);
}

static void answer_hang(const struct connection *c, const char *rest)
{
	(void)rest;
	wait_for_end(c);
}

static void answer_half(const struct connection *c, const char *rest)
{
	(void)rest;
	if (send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"))
		wait_for_end(c);
}

static void answer_cut(const struct connection *c, const char *rest)
{
	(void)rest;
	send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut");
}

static void answer_endless(const struct connection *c, const char *rest)
{
	char chunk[1200];

	(void)rest;
	memset(chunk, 'x', sizeof(chunk));
	if (!send_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
		return;
	while (send_text(c, "400\r\n") && send_all(c, chunk, 0x400) && send_text(c, "\r\n"))
		continue;
}

/* "hello hello hello hello" */
static const unsigned char gzipped[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
	                                 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0x01,
	                                 0xe3, 0x51, 0x3d, 0x8d, 0x17, 0x00, 0x00, 0x00 };

static void answer_gzip(const struct connection *c, const char *rest)
{
	unsigned char body[sizeof(gzipped)];
	char head[128];

	memcpy(body, gzipped, sizeof(body));
	if (strncmp(rest, "bad", 3) == 0)
		body[12] ^= 0x55;
	snprintf(head, sizeof(head),
	         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
	         sizeof(body));
	if (send_text(c, head))
		send_all(c, body, sizeof(body));
}

static void answer_octets(const struct connection *c, const char *rest)
{
	unsigned char body[256];

	(void)rest;
	for (int i = 0; i < 256; i++)
		body[i] = (unsigned char)i;
	if (send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n"))
		send_all(c, body, sizeof(body));
}

static void answer_headers(const struct connection *c, const char *rest)
{
	(void)rest;
	send_text(c, "HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n"
	             "HTTP/1.1 200 Fine enough\r\nSet-Cookie: a=1, b\r\nset-cookie: c=2\r\n"
	             "X-Two: one\r\nx-two:  two \r\nX-Folded: a\r\n  b\r\nX-Empty:\r\n"
	             "X-Octets: \xc3\xa4\xff\r\nContent-Length: 0\r\n\r\n");
}

static void answer_many_headers(const struct connection *c, const char *rest)
{
	(void)rest;
	if (!send_text(c, "HTTP/1.1 200 OK\r\n"))
		return;
	while (send_text(c, "X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"))
		continue;
}

static void answer_garbage(const struct connection *c, const char *rest)
{
	(void)rest;
	send_text(c, "220 this is a mail server\r\n");
}

static void answer_nothing(const struct connection *c, const char *rest)
{
	(void)c;
	(void)rest;
}

static void answer(const struct connection *c)
{
	static const struct {
		const char *path;
		void (*answer)(const struct connection *c, const char *rest);
	} answers[] = {
		{ "/echo", answer_echo },       { "/status/", answer_status },
		{ "/to/", answer_to },          { "/loop/", answer_loop },
		{ "/hang", answer_hang },       { "/half", answer_half },
		{ "/cut", answer_cut },         { "/endless", answer_endless },
		{ "/gzip/", answer_gzip },      { "/octets", answer_octets },
		{ "/headers", answer_headers }, { "/many", answer_many_headers },
		{ "/garbage", answer_garbage }, { "/nothing", answer_nothing },
	};
	char path[1500] = "";
	const char *at = strchr(c->text, ' ');

	if (at)
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(at + 1, " \r\n"), at + 1);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		if (strncmp(path, answers[i].path, strlen(answers[i].path)) == 0) {
			answers[i].answer(c, path + strlen(answers[i].path));
			return;
		}
	send_text(c, "HTTP/1.1 404 Not here\r\nContent-Length: 0\r\n\r\n");
}

/* ---- connections ---- */

static bool is_whole(struct connection *c)
{
	const char *end, *length;

	c->text[c->len] = '\0';
	end = strstr(c->text, "\r\n\r\n");
	if (!end)
		return false;
	length = strcasestr(c->text, "\r\nContent-Length:");
	c->body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
	return c->len >= (size_t)(end + 4 - c->text) + c->body;
}

static void note(struct fetch_server *s, const struct connection *ended)
{
	pthread_mutex_lock(&s->mutex);
	if (ended) {
		s->threads--;
		s->open[ended->slot] = -1;
		close(ended->fd);
	} else {
		s->requests++;
	}
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
}

static void *serve(void *ctx)
{
	struct connection *c = ctx;
	ssize_t n = 1;

	c->text = malloc(REQUEST_MAX + 1);
	while (c->text && n > 0 && c->len < REQUEST_MAX && !is_whole(c)) {
		n = recv(c->fd, c->text + c->len, REQUEST_MAX - c->len, 0);
		c->len += n > 0 ? (size_t)n : 0;
	}
	if (n > 0 && c->text) {
		note(c->server, NULL);
		answer(c);
	}
	free(c->text);
	note(c->server, c);
	free(c);
	return NULL;
}

static void begin(struct fetch_server *s, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	pthread_t thread;

	pthread_mutex_lock(&s->mutex);
	for (c->slot = 0; s->open[c->slot] >= 0; c->slot++)
		assert_true(c->slot < MAX_OPEN - 1);
	*c = (struct connection){ .server = s, .slot = c->slot, .fd = fd };
	s->open[c->slot] = fd;
	s->threads++;
	pthread_mutex_unlock(&s->mutex);
	assert_int_equal(pthread_create(&thread, NULL, serve, c), 0);
	pthread_detach(thread);
}

static void *run(void *ctx)
{
	struct fetch_server *s = ctx;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0)
		begin(s, fd);
	return NULL;
}

struct fetch_server *fetch_server_new(void)
{
	struct fetch_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	assert_non_null(s);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(s->fd, 200), 0);
	s->port = ntohs(at.sin_port);
	for (int i = 0; i < MAX_OPEN; i++)
		s->open[i] = -1;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
	return s;
}

int fetch_server_port(const struct fetch_server *s)
{
	return s->port;
}

void fetch_server_await(struct fetch_server *s, int requests)
{
	pthread_mutex_lock(&s->mutex);
	while (s->requests < requests)
		pthread_cond_wait(&s->changed, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

void fetch_server_await_idle(struct fetch_server *s)
{
	pthread_mutex_lock(&s->mutex);
	while (s->threads)
		pthread_cond_wait(&s->changed, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

void fetch_server_free(struct fetch_server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	pthread_mutex_lock(&s->mutex);
	for (int i = 0; i < MAX_OPEN; i++)
		if (s->open[i] >= 0)
			shutdown(s->open[i], SHUT_RDWR);
	pthread_mutex_unlock(&s->mutex);
	fetch_server_await_idle(s);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}
