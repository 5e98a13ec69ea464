/* Whether something else than CRLF dot CRLF ends a message: asked on a bare socket, for our client
 * would never say it. */
#include "cli/doctor.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE = 3000 /* ms for a reply that should not come */, MAX_REPLY = 8192 };

static int dial(const struct lm_client_params *params)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	const struct timeval patience = { .tv_sec = params->timeout / 1000 };
	char port[8];
	int fd = -1;

	snprintf(port, sizeof(port), "%u", params->port ? (unsigned)params->port : 25u);
	if (getaddrinfo(params->host, port, &hints, &list) != 0)
		return -1;
	for (a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* The code of the reply that comes within `wait` ms; 0: none came; -1: the connection is gone. */
static int hear(int fd, int wait)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char line[MAX_REPLY];
	size_t len = 0;

	if (poll(&p, 1, wait) == 0)
		return 0;
	for (;;) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || len + 1 >= sizeof(line))
			return -1;
		if (line[len++] != '\n')
			continue;
		if (len >= 4 && line[3] != '-')
			break;
		len = 0;
	}
	for (int i = 0; i < 3; i++)
		if (line[i] < '0' || line[i] > '9')
			return -1;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
}

static int say(int fd, const char *fmt, const char *what, int wait)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), fmt, what);

	if (len < 0 || (size_t)len >= sizeof(text) ||
	    send(fd, text, (size_t)len, MSG_NOSIGNAL) != (ssize_t)len)
		return -1;
	return hear(fd, wait);
}

/* Up to where the server waits for a message. */
static int begin(int fd, const struct lm_doctor *d, const char *recipient)
{
	int wait = (int)d->remote.params.timeout, code = hear(fd, wait);
	const char *helo = d->remote.params.helo;
	bool lmtp = d->remote.params.protocol == LM_LMTP;

	if (code == 220)
		code = say(fd, lmtp ? "LHLO %s\r\n" : "EHLO %s\r\n", helo ? helo : "[127.0.0.1]",
		           wait);
	if (code == 250)
		code = say(fd, "MAIL FROM:<%s>\r\n", recipient, wait);
	if (code == 250)
		code = say(fd, "RCPT TO:<%s>\r\n", recipient, wait);
	if (code / 100 == 2)
		code = say(fd, "DATA\r\n%s", "", wait);
	return code;
}

static void judge(struct lm_doctor *d, const char *name, int code)
{
	if (code == 0)
		lm_doctor_say(d, LM_FINE, "smuggling", "%s does not end a message", name);
	else if (code / 100 == 2)
		lm_doctor_say(d, LM_WRONG, "smuggling",
		              "%s ends a message: a second one can be hidden in a first (%d)", name,
		              code);
	else if (code > 0)
		lm_doctor_say(d, LM_FINE, "smuggling", "%s is refused: %d", name, code);
	else
		lm_doctor_say(d, LM_FINE, "smuggling", "%s ends the connection", name);
}

static void try_end(struct lm_doctor *d, const char *recipient, const char *name, const char *end)
{
	int fd = dial(&d->remote.params), code;

	if (fd < 0) {
		lm_doctor_say(d, LM_REMARK, "smuggling", "could not be tried: no connection");
		return;
	}
	code = begin(fd, d, recipient);
	if (code != 354) {
		lm_doctor_say(d, LM_REMARK, "smuggling", "could not be tried: %d", code);
		close(fd);
		return;
	}
	code = say(fd, "Subject: lettermill doctor\r\n\r\nA line%s", end, PATIENCE);
	judge(d, name, code);
	if (code == 0)
		(void)say(fd, "rest\r\n.\r\n%s", "", (int)d->remote.params.timeout);
	(void)say(fd, "QUIT\r\n%s", "", PATIENCE);
	close(fd);
}

void lm_doctor_smuggle(struct lm_doctor *doctor, const char *recipient)
{
	static const struct {
		const char *name, *end;
	} ends[] = { { "LF dot LF", "\n.\n" },
		     { "LF dot CRLF", "\n.\r\n" },
		     { "CRLF dot LF", "\r\n.\n" },
		     { "CR dot CR", "\r.\r" } };

	if (doctor->remote.params.tls == LM_TLS_IMPLICIT || doctor->remote.params.host[0] == '/') {
		lm_doctor_say(doctor, LM_REMARK, "smuggling",
		              "is tried on TCP connections without TLS only");
		return;
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		try_end(doctor, recipient, ends[i].name, ends[i].end);
}
