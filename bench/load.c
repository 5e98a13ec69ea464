/* Load generator: bounded POP3 and SMTP load on loopback, figures as one JSON line. */
#include "load.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { THREADS_MAX = 64 };

#define STEP(s, kind, n)                    \
	{                                   \
		(s), strlen(s), (kind), (n) \
	}

static char *message_data(size_t size)
{
	static const char head[] =
	        "From: a@example.org\r\nTo: b@example.org\r\nSubject: bench\r\n\r\n";
	char *text = malloc(size + sizeof(head) + 8), *p = text;

	memcpy(p, head, sizeof(head) - 1);
	p += sizeof(head) - 1;
	while ((size_t)(p - text) + 2 < size) {
		size_t n = size - (size_t)(p - text) - 2;

		n = n > 76 ? 76 : n;
		memset(p, 'x', n);
		memcpy(p + n, "\r\n", 2);
		p += n + 2;
	}
	memcpy(p, ".\r\n", 4);
	return text;
}

static char *noops(unsigned count)
{
	char *text = malloc(count * 6 + 1);

	for (unsigned i = 0; i < count; i++)
		memcpy(text + (size_t)i * 6, "NOOP\r\n", 7);
	return text;
}

static char *retr_all(unsigned count)
{
	char *text = malloc(count * 16 + 1);
	size_t len = 0;

	for (unsigned i = 1; i <= count; i++)
		len += (size_t)snprintf(text + len, count * 16 + 1 - len, "RETR %u\r\n", i);
	return text;
}

static struct scenario smtp(const char *name, size_t size, bool reconnect)
{
	char *data = message_data(size);

	return (struct scenario){
		.name = name,
		.smtp = true,
		.reconnect = reconnect,
		.work = 1,
		.before = { STEP("EHLO bench.example.org\r\n", EXPECT_LINE, 1) },
		.round = { STEP("MAIL FROM:<a@example.org>\r\n", EXPECT_LINE, 1),
		           STEP("RCPT TO:<u%u@example.org>\r\n", EXPECT_LINE, 1),
		           STEP("DATA\r\n", EXPECT_LINE, 1), STEP(data, EXPECT_LINE, 1),
		           reconnect ? (struct step)STEP("QUIT\r\n", EXPECT_LINE, 1)
		                     : (struct step){ 0 } },
	};
}

/* The envelope in one packet, as mail servers send it where PIPELINING is offered. */
static struct scenario smtp_pipelined(const char *name, size_t size)
{
	struct scenario s = smtp(name, size, false);
	struct step body = s.round[3];

	s.round[0] = (struct step)STEP(
	        "MAIL FROM:<a@example.org>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n", EXPECT_LINE, 3);
	s.round[1] = body;
	s.round[2] = (struct step){ 0 };
	return s;
}

struct scenario scenario_make(const char *name, size_t size, unsigned count)
{
	struct scenario s = { .name = name,
		              .before = { STEP("USER u%u\r\n", EXPECT_LINE, 1),
		                          STEP("PASS secret\r\n", EXPECT_LINE, 1) } };

	if (strcmp(name, "smtp") == 0 || strcmp(name, "smtp-connect") == 0)
		return smtp(name, size, name[4] != '\0');
	if (strcmp(name, "smtp-pipelined") == 0)
		return smtp_pipelined(name, size);
	if (strcmp(name, "pop3-login") == 0) {
		s.reconnect = true;
		s.work = 1;
		s.round[0] = (struct step)STEP("STAT\r\n", EXPECT_LINE, 1);
		s.round[1] = (struct step)STEP("QUIT\r\n", EXPECT_LINE, 1);
	} else if (strcmp(name, "pop3-retr") == 0) {
		s.work = 1;
		s.round[0] = (struct step)STEP("RETR 1\r\n", EXPECT_DOT, 1);
	} else if (strcmp(name, "pop3-retr-pipelined") == 0) {
		char *all = retr_all(count);

		s.work = count;
		s.round[0] = (struct step){ all, strlen(all), EXPECT_DOT, count };
	} else if (strcmp(name, "pop3-noop") == 0) {
		char *all = noops(count);

		s.work = count;
		s.round[0] = (struct step){ all, strlen(all), EXPECT_LINE, count };
	} else {
		fprintf(stderr, "unknown scenario %s\n", name);
		exit(64);
	}
	return s;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void report(struct load *loads, unsigned threads)
{
	uint64_t work = 0, octets = 0, errors = 0, n = 0;
	double elapsed = 0;
	uint32_t *all;
	const char *error = "";

	for (unsigned i = 0; i < threads; i++) {
		work += loads[i].work;
		octets += loads[i].octets;
		errors += loads[i].errors;
		n += loads[i].latencies_count;
		elapsed = loads[i].elapsed > elapsed ? loads[i].elapsed : elapsed;
		error = loads[i].error[0] ? loads[i].error : error;
	}
	all = malloc((n + 1) * sizeof(*all));
	n = 0;
	for (unsigned i = 0; i < threads; i++) {
		memcpy(all + n, loads[i].latencies, loads[i].latencies_count * sizeof(*all));
		n += loads[i].latencies_count;
	}
	qsort(all, n, sizeof(*all), by_value);
	printf("{\"scenario\":\"%s\",\"work\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"mb_per_s\":%."
	       "2f,\"errors\":%llu,"
	       "\"p50_us\":%u,\"p99_us\":%u,\"error\":\"%s\"}\n",
	       loads[0].scenario->name, (unsigned long long)work, elapsed, (double)work / elapsed,
	       (double)octets / elapsed / 1e6, (unsigned long long)errors, n ? all[n / 2] : 0,
	       n ? all[n * 99 / 100] : 0, error);
	free(all);
}

static SSL_CTX *tls_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

static _Noreturn void usage(void)
{
	fprintf(stderr,
	        "usage: load SCENARIO PORT [-c CONNECTIONS] [-t THREADS] [-d SECONDS] [-s SIZE]\n"
	        "            [-n MESSAGES] [-o FIRST-USER] [-T] [-i]\n"
	        "scenarios: pop3-login pop3-retr pop3-retr-pipelined smtp smtp-connect "
	        "smtp-pipelined\n"
	        "-T: TLS; -i: log in, say so, and hold until standard input ends\n");
	exit(64);
}

struct settings {
	unsigned connections, threads, count, first;
	size_t size;
	struct load shape;
};

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static void parse(int argc, char **argv, struct settings *s)
{
	int o;

	while ((o = getopt(argc, argv, "c:t:d:s:n:o:Ti")) != -1) {
		if (o == 'c')
			s->connections = number(optarg);
		else if (o == 't')
			s->threads = number(optarg);
		else if (o == 'd')
			s->shape.seconds = strtod(optarg, NULL);
		else if (o == 's')
			s->size = number(optarg);
		else if (o == 'n')
			s->count = number(optarg);
		else if (o == 'o')
			s->first = number(optarg);
		else if (o == 'T')
			s->shape.tls = tls_context();
		else if (o == 'i')
			s->shape.idle = true;
		else
			usage();
	}
	if (s->shape.idle)
		s->threads = 1;
	if (argc - optind != 2 || s->threads == 0 || s->connections < s->threads ||
	    s->threads > THREADS_MAX)
		usage();
}

static void use_all_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	struct settings s = { .connections = 64,
		              .threads = 2,
		              .count = 100,
		              .size = 4096,
		              .shape = { .host = "127.0.0.1", .seconds = 3 } };
	struct scenario scenario;
	struct load loads[THREADS_MAX];
	pthread_t ids[THREADS_MAX];

	parse(argc, argv, &s);
	use_all_descriptors();
	scenario = scenario_make(argv[optind], s.size, s.count);
	s.shape.scenario = &scenario;
	s.shape.port = (uint16_t)number(argv[optind + 1]);
	s.shape.connections = s.connections / s.threads;
	for (unsigned i = 0; i < s.threads; i++) {
		loads[i] = s.shape;
		loads[i].first = s.first + i * s.shape.connections;
		pthread_create(&ids[i], NULL, load_thread, &loads[i]);
	}
	for (unsigned i = 0; i < s.threads; i++)
		pthread_join(ids[i], NULL);
	report(loads, s.threads);
	return 0;
}
