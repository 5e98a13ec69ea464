/* Listening sockets: TCP over both families, and Unix. */
#include "net/listener.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

union any_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
};

static int fail_address(const struct lm_address *address, int errnum, struct lm_error *out_error)
{
	char text[128];
	int err = lm_err_from_errno(errnum);

	if (errnum == EADDRINUSE)
		err = LM_E_EXISTS;
	else if (errnum == ENOENT || errnum == EADDRNOTAVAIL)
		err = LM_E_CONFIG; /* no such folder, no such address of this machine */
	lm_address_format(address, text);
	return lm_fail_errno(out_error, err, errnum, "cannot listen on %s", text);
}

static bool is_any(const struct lm_address *address)
{
	return address->text[0] == '*';
}

/* "*" is both families on one IPv6 socket, or IPv4 where there is no IPv6. */
static socklen_t fill(const struct lm_address *address, bool v6, union any_address *out)
{
	memset(out, 0, sizeof(*out));
	if (v6) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(address->port);
		if (!is_any(address))
			(void)inet_pton(AF_INET6, address->text, &out->v6.sin6_addr);
		return sizeof(out->v6);
	}
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons(address->port);
	if (!is_any(address))
		(void)inet_pton(AF_INET, address->text, &out->v4.sin_addr);
	return sizeof(out->v4);
}

/* Returns the descriptor, or -1 with errno set. */
static int bind_inet(const struct lm_address *address, bool v6, bool share)
{
	const int on = 1, only_v6 = !is_any(address);
	union any_address name;
	socklen_t len = fill(address, v6, &name);
	int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)))
		goto failed;
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)))
		goto failed;
	if (bind(fd, &name.any, len) == 0)
		return fd;
failed:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int bind_any(const struct lm_address *address, bool share)
{
	int fd;

	if (!is_any(address))
		return bind_inet(address, strchr(address->text, ':') != NULL, share);
	fd = bind_inet(address, true, share);
	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		fd = bind_inet(address, false, share);
	return fd;
}

static uint16_t port_of(int fd)
{
	union any_address name = { 0 };
	socklen_t len = sizeof(name);

	if (getsockname(fd, &name.any, &len))
		return 0;
	return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

/* Whether the path is free; a socket that nobody answers on is taken away. */
static int clear_path(const struct lm_address *address, const union any_address *name,
                      struct lm_error *out_error)
{
	struct stat st;
	int fd, answered;

	if (lstat(address->text, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return lm_fail(out_error, LM_E_EXISTS, "%s exists and is not a socket",
		               address->text);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_address(address, errno, out_error);
	answered = connect(fd, &name->any, sizeof(name->path)) == 0 || errno != ECONNREFUSED;
	close(fd);
	if (answered)
		return lm_fail(out_error, LM_E_EXISTS, "%s is in use by another process",
		               address->text);
	if (unlink(address->text) && errno != ENOENT)
		return fail_address(address, errno, out_error);
	return 0;
}

static int bind_unix(const struct lm_address *address, int *out_fd, struct lm_error *out_error)
{
	union any_address name = { .path = { .sun_family = AF_UNIX } };
	size_t len = strlen(address->text);
	int fd, err;

	if (len >= sizeof(name.path.sun_path))
		return lm_fail(out_error, LM_E_CONFIG, "socket path is too long");
	memcpy(name.path.sun_path, address->text, len + 1);
	err = clear_path(address, &name, out_error);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_address(address, errno, out_error);
	if (bind(fd, &name.any, sizeof(name.path))) {
		err = fail_address(address, errno, out_error);
		close(fd);
		return err;
	}
	*out_fd = fd;
	return 0;
}

int lm_listen_probe(const struct lm_address *address, struct lm_error *out_error)
{
	int fd;

	if (address->is_unix || !address->port)
		return 0;
	fd = bind_any(address, false);
	if (fd < 0)
		return fail_address(address, errno, out_error);
	close(fd);
	return 0;
}

int lm_listen(struct lm_address *address, int *out_fd, struct lm_error *out_error)
{
	int fd = -1, err = 0;

	if (address->is_unix)
		err = bind_unix(address, &fd, out_error);
	else if ((fd = bind_any(address, true)) < 0)
		err = fail_address(address, errno, out_error);
	if (err)
		return err;
	if (listen(fd, BACKLOG)) {
		err = fail_address(address, errno, out_error);
		close(fd);
		return err;
	}
	if (!address->is_unix && !address->port)
		address->port = port_of(fd);
	*out_fd = fd;
	return 0;
}
