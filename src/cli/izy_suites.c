/* The self-test: server, client and store against each other, in izy's four suites. */
#include "cli/izy.h"

#include "base/error.h"
#include "base/mem.h"

#include <lettermill/client.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PASSWORD "gooduser"
enum { PATIENCE = 20, CONNECTIONS = 2, MAX_STEPS = 16, DRAIN = 10 * 1000 };

/* Say a line (NULL: nothing) on one of two connections, and expect lines: "*" stands for any
 * octets, the line "..." for any lines. DROP: close the connection without a word. */
#define DROP "\r\n"
struct step {
	const char *say, *expect;
	int who;
};

static const struct suite {
	const char *name;
	bool fetch; /* then the client of the library fetches the same */
	struct step steps[MAX_STEPS];
} suites[] = {
	{ "badlogin",
	  false,
	  { { NULL, "+OK*<*@localhost>", 0 },
	    { "USER baduser", "+OK*", 0 },
	    { "PASS badpass", "-ERR [AUTH]*", 0 },
	    { "STAT", "-ERR*", 0 },
	    { "QUIT", "+OK*", 0 } } },
	{ "listandquit",
	  false,
	  { { NULL, "+OK*", 0 },
	    { "USER gooduser", "+OK*", 0 },
	    { "PASS " PASSWORD, "+OK*", 0 },
	    { "CAPA", "+OK*\n...\nUIDL\n...\n.", 0 },
	    { "STAT", "+OK 1 20", 0 },
	    { "LIST", "+OK*\n1 20\n.", 0 },
	    { "UIDL", "+OK*\n1 guid_1\n.", 0 },
	    { NULL, "+OK*", 1 },
	    { "USER GoodUser", "+OK*", 1 },
	    { "PASS " PASSWORD, "-ERR [IN-USE]*", 1 },
	    { "QUIT", "+OK*", 0 },
	    { "USER GoodUser", "+OK*", 1 },
	    { "PASS " PASSWORD, "+OK*", 1 },
	    { "QUIT", "+OK*", 1 } } },
	{ "pop3failed",
	  false,
	  { { NULL, "+OK*", 0 },
	    { "USER dropper", "+OK*", 0 },
	    { "PASS " PASSWORD, "+OK*", 0 },
	    { "LIST", "+OK*\n1 20\n.", 0 },
	    { "RETR 1", "+OK*\npayload_data\n.", 0 },
	    { DROP, NULL, 0 } } },
	{ "retrsuccess",
	  true,
	  { { NULL, "+OK*", 0 },
	    { "USER reader", "+OK*", 0 },
	    { "PASS " PASSWORD, "+OK*", 0 },
	    { "LIST", "+OK*\n1 30\n.", 0 }, /* the first was marked above */
	    { "RETR 1", "+OK*\npayload_data\n.", 0 },
	    { "RETR 2", "-ERR*", 0 },
	    { "QUIT", "+OK*", 0 } } },
};

/* ---- raw dialogues ---- */

static FILE *dial(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	const struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *file = NULL;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return NULL;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		file = fdopen(fd, "r+");
	if (!file)
		close(fd);
	return file;
}

static bool matches(const char *pattern, size_t len, const char *text)
{
	if (len == 0)
		return !*text;
	if (*pattern == '*')
		return matches(pattern + 1, len - 1, text) ||
		       (*text && matches(pattern, len, text + 1));
	return *pattern == *text && matches(pattern + 1, len - 1, text + 1);
}

static bool read_line(FILE *from, char *line, int cap)
{
	size_t len;

	if (!fgets(line, cap, from))
		return false;
	len = strlen(line);
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	return true;
}

/* One expected line; with `skipping`, at the end of any others. */
static bool expect_line(FILE *from, const char *pattern, size_t len, bool skipping)
{
	char line[600];

	do {
		if (!read_line(from, line, sizeof(line))) {
			printf("-----------expected----------\n\"%.*s\"\n---------------actual-----"
			       "----------\n"
			       "nothing\n",
			       (int)len, pattern);
			return false;
		}
		if (matches(pattern, len, line))
			return true;
	} while (skipping && strcmp(line, ".") != 0);
	printf("-----------expected----------\n\"%.*s\"\n---------------actual---------------\n\"%"
	       "s\"\n",
	       (int)len, pattern, line);
	return false;
}

static bool expect(FILE *from, const char *pattern)
{
	bool skipping = false;

	for (;;) {
		size_t len = strcspn(pattern, "\n");

		if (len == 3 && strncmp(pattern, "...", len) == 0)
			skipping = true;
		else if (!expect_line(from, pattern, len, skipping))
			return false;
		else
			skipping = false;
		if (!pattern[len])
			return true;
		pattern += len + 1;
	}
}

static bool run_step(const struct step *step, uint16_t port, FILE **connections)
{
	FILE **c = &connections[step->who];

	if (!*c)
		*c = dial(port);
	if (!*c) {
		printf("cannot connect: %s\n", strerror(errno));
		return false;
	}
	if (step->say && strcmp(step->say, DROP) == 0) {
		fclose(*c);
		*c = NULL;
		return true;
	}
	printf(">>>>>> verifyCmd %s\n", step->say ? step->say : "(greeting)");
	if (step->say && (fprintf(*c, "%s\r\n", step->say) < 0 || fflush(*c) != 0))
		return false;
	return expect(*c, step->expect);
}

static bool run_steps(const struct suite *suite, uint16_t port)
{
	FILE *connections[CONNECTIONS] = { NULL };
	bool good = true;

	for (size_t i = 0; good && i < MAX_STEPS; i++)
		if (suite->steps[i].expect || suite->steps[i].say)
			good = run_step(&suite->steps[i], port, connections);
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (connections[i])
			fclose(connections[i]);
	return good;
}

/* ---- the library's own client ---- */

struct got {
	char text[64];
	size_t len;
};

static int keep(void *ctx, struct lm_bytes octets)
{
	struct got *got = ctx;

	if (octets.len >= sizeof(got->text) - got->len)
		return LM_E_LIMIT;
	memcpy(got->text + got->len, octets.data, octets.len);
	got->len += octets.len;
	return 0;
}

static bool fetch(uint16_t port)
{
	struct lm_client_params params;
	struct lm_client *client = NULL;
	struct lm_error why = { 0 };
	struct got got = { .len = 0 };
	int err;

	lm_client_params_init(&params, LM_POP3);
	params.host = "127.0.0.1";
	params.port = port;
	params.tls = LM_TLS_OFF;
	params.timeout = PATIENCE * 1000;
	params.user = "reader";
	params.password = PASSWORD;
	err = lm_client_open(&params, &client, &why);
	if (!err)
		err = lm_pop3_client_retr(client, 1, 0, keep, &got, &why);
	if (!err)
		err = lm_client_quit(client, &why);
	lm_client_free(client);
	if (err)
		printf("the client: %s\n", why.text);
	else if (strcmp(got.text, "payload_data\r\n") != 0)
		printf("the client got \"%s\"\n", got.text);
	else
		return true;
	return false;
}

/* ---- all of it ---- */

static unsigned run_suites(uint16_t port)
{
	unsigned passed = 0;

	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
		bool good;

		printf("======== %s ==========\n", suites[i].name);
		good = run_steps(&suites[i], port) && (!suites[i].fetch || fetch(port));
		printf("%s: %s\n", suites[i].name, good ? "passed" : "FAILED");
		fflush(stdout);
		passed += good;
	}
	return passed;
}

/* The server's certificate lives no longer than the test. */
static void remove_folder(const char *folder)
{
	static const char *const names[] = { "cert.pem", "key.pem" };
	char path[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

/* What the sessions left in the store. */
static bool marked(struct lm_mime_store *store, enum lm_mime_tag tag, size_t count)
{
	struct lm_mime_query query = { .count = 0 };
	int err = lm_mime_store_query(store, 1U << tag, SIZE_MAX, &query, NULL);

	if (!err && query.count == count)
		return true;
	printf("the store: FAILED: %zu messages are %s, not %zu\n", query.count,
	       lm_mime_tag_name(tag), count);
	return false;
}

static int test_server(struct lm_izy_server_params *params, struct lm_error *out_error)
{
	const unsigned all = sizeof(suites) / sizeof(*suites);
	struct lm_izy_server *server;
	unsigned passed;
	int err = lm_izy_server_start(params, &server, out_error);

	if (err)
		return err;
	printf("POP3 Server running on port %u\n", lm_izy_server_port(server));
	passed = run_suites(lm_izy_server_port(server));
	lm_izy_server_drain(server, DRAIN);
	lm_izy_server_wait(server);
	lm_izy_server_free(server);
	if (!marked(params->store, LM_TAG_POP3FAILED, 1) ||
	    !marked(params->store, LM_TAG_ARCHIVE, 2))
		passed -= passed > 0;
	printf("%u of %u suites passed\n", passed, all);
	if (passed < all)
		return lm_fail(out_error, LM_E_PROTO, "%u of %u suites", all - passed, all);
	return 0;
}

int lm_izy_fullclientserver(const struct lm_izy *izy)
{
	const char *tmp = getenv("TMPDIR");
	char folder[200];
	struct lm_izy_server_params params = {
		.address = "127.0.0.1",
		.password = PASSWORD,
		.servername = "localhost",
		.data_dir = folder,
		.quiet = true,
	};
	struct lm_error why = { 0 };
	uint64_t port;
	int err = lm_izy_number(izy, LM_IZY_PORT, UINT16_MAX, &port, &why);

	snprintf(folder, sizeof(folder), "%.150s/lettermill.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!err && !mkdtemp(folder))
		err = lm_fail_errno(&why, LM_E_IO, errno, "%s", folder);
	if (err)
		return lm_izy_failed(&why);
	params.port = (uint16_t)port;
	err = lm_mime_store_open("fake:", NULL, 0, &params.store, &why);
	if (!err)
		err = test_server(&params, &why);
	lm_mime_store_close(params.store);
	remove_folder(folder);
	if (err == LM_E_PROTO)
		return 1;
	return err ? lm_izy_failed(&why) : lm_cli_finish_output();
}
