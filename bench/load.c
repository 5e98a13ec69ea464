/* Load generator: bounded POP3 and SMTP load on loopback, figures as one JSON line. */
#include "load.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

struct scenario scenario_make(const char *name, size_t size, unsigned count)
{
	struct scenario s = { .name = name,
		              .before = { STEP("USER u%u\r\n", EXPECT_LINE, 1),
		                          STEP("PASS secret\r\n", EXPECT_LINE, 1) } };

	if (strcmp(name, "smtp") == 0 || strcmp(name, "smtp-connect") == 0)
		return smtp(name, size, name[4] != '\0');
	if (strcmp(name, "smtp-idle") == 0) {
		s = smtp(name, size, false);
		return s;
	}
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
	fprintf(stderr, "usage: load SCENARIO PORT [-c CONNECTIONS] [-t THREADS] [-d SECONDS] [-s "
	                "SIZE] [-n MESSAGES] [-T] [-i]\n"
	                "scenarios: pop3-login pop3-retr pop3-retr-pipelined smtp smtp-connect; -T "
	                "TLS, -i hold idle\n");
	exit(64);
}

int main(int argc, char **argv)
{
	unsigned connections = 64, threads = 2, count = 100;
	struct load shape = { .host = "127.0.0.1", .seconds = 3 };
	struct rlimit files;
	size_t size = 4096;
	int o;

	while ((o = getopt(argc, argv, "c:t:d:s:n:Ti")) != -1) {
		switch (o) {
		case 'c':
			connections = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 't':
			threads = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			shape.seconds = strtod(optarg, NULL);
			break;
		case 's':
			size = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'T':
			shape.tls = tls_context();
			break;
		case 'i':
			shape.idle = true;
			threads = 1;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2 || threads == 0 || connections < threads || threads > 64)
		usage();
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	struct scenario scenario = scenario_make(argv[optind], size, count);
	struct load loads[64];
	pthread_t ids[64];

	shape.scenario = &scenario;
	shape.port = (uint16_t)strtoul(argv[optind + 1], NULL, 10);
	shape.connections = connections / threads;
	for (unsigned i = 0; i < threads; i++) {
		loads[i] = shape;
		loads[i].first = i * shape.connections;
		pthread_create(&ids[i], NULL, load_thread, &loads[i]);
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	report(loads, threads);
	return 0;
}
