/* A server whose hooks are scripts, for tests. */
#include "script/handler_rig.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static void write_log(void *ctx, const struct lm_log_event *event)
{
	struct lm_hr *hr = ctx;
	char line[2000];

	lm_log_render_text(event, line, sizeof(line));
	pthread_mutex_lock(&hr->lock);
	(void)!lm_buf_add_str(&hr->logged, line);
	(void)!lm_buf_add_str(&hr->logged, "\n");
	pthread_mutex_unlock(&hr->lock);
	if (getenv("LM_SHOW_LOG"))
		fprintf(stderr, "%s\n", line);
}

void lm_hr_begin(struct lm_hr *hr, enum lm_protocol protocol)
{
	*hr = (struct lm_hr){ .protocol = protocol };
	pthread_mutex_init(&hr->lock, NULL);
	lm_buf_init(&hr->logged, 1 << 30);
	hr->log = (struct lm_log){ .write = write_log, .ctx = hr, .level = LM_LOG_DEBUG };
	hr->rig = lm_rig_new();
	hr->rig->script.log = &hr->log;
	hr->rig->script.console = LM_CONSOLE_LOG;
}

void lm_hr_hook(struct lm_hr *hr, const char *property, const char *text)
{
	char name[80];

	snprintf(name, sizeof(name), "%s.js", property);
	lm_rig_file(hr->rig, name, text);
}

static size_t find_hooks(struct lm_hr *hr, struct lm_script_hooked *out, char names[][40])
{
	size_t all, count = 0;
	const struct lm_script_hook *hooks = lm_script_hooks(&all);

	for (size_t i = 0; i < all; i++) {
		char path[200];

		if (!(hooks[i].protocols & 1U << hr->protocol))
			continue;
		snprintf(names[count], 40, "%s.js", hooks[i].property);
		snprintf(path, sizeof(path), "%s/%s", hr->rig->folder, names[count]);
		if (access(path, F_OK))
			continue;
		out[count] = (struct lm_script_hooked){ .hook = &hooks[i], .file = names[count] };
		count++;
	}
	return count;
}

static const char *listener(const struct lm_hr *hr)
{
	return hr->protocol == LM_POP3 ? "pop3" : hr->protocol == LM_LMTP ? "lmtp" : "smtp";
}

static void set(struct lm_hr *hr, const char *name, const char *value)
{
	struct lm_error error = { 0 };

	if (lm_server_set(hr->server, name, value, &error))
		fail_msg("%s = %s: %s", name, value, error.text);
}

static void serve(struct lm_hr *hr, const char *const *options)
{
	static const char *const off[] = { "smtp", "smtps", "submission", "lmtp", "pop3", "pop3s" };
	struct lm_error error = { 0 };

	assert_err(lm_server_new(&hr->server), 0);
	for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++)
		set(hr, off[i], strcmp(off[i], listener(hr)) == 0 ? "127.0.0.1:0" : "off");
	set(hr, "store", "none");
	set(hr, "tls", "no");
	set(hr, "data-dir", hr->rig->folder);
	set(hr, "hostname", "mill.example");
	set(hr, "workers", "2");
	set(hr, "auth-delay", "1ms");
	for (; options && *options; options += 2)
		set(hr, options[0], options[1]);
	lm_server_log(hr->server, &hr->log);
	assert_err(lm_server_handler(hr->server, lm_script_handler_ops(hr->handler), hr->handler),
	           0);
	if (lm_server_start(hr->server, &error))
		fail_msg("start: %s", error.text);
}

void lm_hr_start(struct lm_hr *hr, void (*change)(struct lm_script_handler_params *params),
                 const char *const *options)
{
	struct lm_script_hooked hooked[40];
	char names[40][40];
	struct lm_script_handler_params params = {
		.protocol = hr->protocol, .hooked = hooked, .pool_size = 2, .cpu = 200
	};
	struct lm_js_error error = { 0 };

	params.hooked_count = find_hooks(hr, hooked, names);
	if (change)
		change(&params);
	if (!lm_script_handler_new(hr->rig->rt, &params, &hr->handler)) {
		(void)lm_js_catch(hr->rig->rt->js, &error, NULL);
		fail_msg("handler: %s", error.message);
	}
	serve(hr, options);
}

void lm_hr_end(struct lm_hr *hr)
{
	lm_server_free(hr->server);
	lm_script_handler_free(hr->handler);
	lm_rig_free(hr->rig);
	lm_buf_done(&hr->logged);
	pthread_mutex_destroy(&hr->lock);
}

/* ---- dialogues ---- */

int lm_hr_connect(struct lm_hr *hr)
{
	return lm_hr_connect_from(hr, 1);
}

int lm_hr_connect_from(struct lm_hr *hr, unsigned last)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		                    .sin_addr = { htonl(INADDR_LOOPBACK - 1 + last) } };
	const char *where = lm_server_endpoint(hr->server, listener(hr));
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct timeval patience = { .tv_sec = 30 };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(where && fd >= 0);
	at.sin_port = htons((uint16_t)strtoul(strrchr(where, ':') + 1, NULL, 10));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

void lm_hr_send(int fd, struct lm_bytes octets)
{
	while (octets.len) {
		ssize_t n = send(fd, octets.data, octets.len, MSG_NOSIGNAL);

		assert_true(n > 0);
		octets = lm_bytes_from(octets, (size_t)n);
	}
}

void lm_hr_say(int fd, const char *text)
{
	lm_hr_send(fd, lm_str(text));
}

static void read_line(int fd, char *out, size_t size)
{
	size_t len = 0;

	do {
		if (len + 1 >= size || recv(fd, out + len, 1, 0) != 1) {
			out[len] = '\0';
			fail_msg("no more after \"%s\" (%s)", out, strerror(errno));
		}
	} while (out[len++] != '\n');
	out[len] = '\0';
}

static bool goes_on(const char *line)
{
	return strlen(line) > 3 && line[3] == '-' && line[0] >= '2' && line[0] <= '5';
}

char *lm_hr_reply(int fd, const char *start)
{
	size_t size = 100000, len = 0;
	char *all = malloc(size), *line;

	assert_non_null(all);
	do {
		line = all + len;
		read_line(fd, line, size - len);
		len += strlen(line);
	} while (goes_on(line));
	if (strncmp(line, start, strlen(start)) != 0)
		fail_msg("got %s instead of %s", line, start);
	return all;
}

void lm_hr_expect(int fd, const char *start)
{
	free(lm_hr_reply(fd, start));
}

void lm_hr_chat(int fd, const char *say, const char *start)
{
	lm_hr_say(fd, say);
	lm_hr_expect(fd, start);
}

static bool has_ended(const struct lm_buf *b)
{
	struct lm_bytes all = lm_buf_bytes(b);

	return (all.len == 3 && memcmp(all.data, ".\r\n", 3) == 0) ||
	       (all.len >= 5 && memcmp(all.data + all.len - 5, "\r\n.\r\n", 5) == 0);
}

void lm_hr_lines(int fd, struct lm_buf *out)
{
	while (!has_ended(out)) {
		uint8_t *room;
		ssize_t n;

		assert_err(lm_buf_room(out, 1 << 16, &room), 0);
		/* The end and what follows must not be read together. */
		n = recv(fd, room, lm_buf_len(out) < 1000000 ? 1 : 1 << 16, 0);
		assert_true(n > 0);
		lm_buf_grew(out, (size_t)n);
	}
	out->len -= 3;
}

void lm_hr_expect_end(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

/* ---- what was told ---- */

static size_t count_in(pthread_mutex_t *lock, struct lm_buf *lines, const char *text)
{
	size_t count = 0;
	const char *at;

	pthread_mutex_lock(lock);
	for (at = lm_rig_cstr(lines); (at = strstr(at, text)); at++)
		count++;
	pthread_mutex_unlock(lock);
	return count;
}

static void await_in(pthread_mutex_t *lock, struct lm_buf *lines, const char *text, size_t count)
{
	const struct timespec nap = { .tv_nsec = 2000000 };

	for (int i = 0; i < 15000; i++) {
		if (count_in(lock, lines, text) >= count)
			return;
		nanosleep(&nap, NULL);
	}
	fail_msg("never told: %s\nin: %s", text, lm_rig_cstr(lines));
}

size_t lm_hr_count_logged(struct lm_hr *hr, const char *text)
{
	return count_in(&hr->lock, &hr->logged, text);
}

bool lm_hr_has_logged(struct lm_hr *hr, const char *text)
{
	return lm_hr_count_logged(hr, text) > 0;
}

void lm_hr_await_log(struct lm_hr *hr, const char *text)
{
	await_in(&hr->lock, &hr->logged, text, 1);
}

void lm_hr_await_print(struct lm_hr *hr, const char *text)
{
	lm_hr_await_prints(hr, text, 1);
}

void lm_hr_await_prints(struct lm_hr *hr, const char *text, size_t count)
{
	await_in(&hr->rig->lock, &hr->rig->out, text, count);
}

int lm_hr_session(struct lm_hr *hr, const char *user)
{
	int fd = lm_hr_connect(hr);
	char line[200];

	if (hr->protocol != LM_POP3) {
		lm_hr_expect(fd, "220 ");
		lm_hr_chat(fd,
		           hr->protocol == LM_LMTP ? "LHLO c.example\r\n" : "EHLO c.example\r\n",
		           "250 ");
		return fd;
	}
	lm_hr_expect(fd, "+OK");
	if (!user)
		return fd;
	snprintf(line, sizeof(line), "USER %s\r\n", user);
	lm_hr_chat(fd, line, "+OK");
	lm_hr_chat(fd, "PASS secret\r\n", "+OK");
	return fd;
}
