/** @file
 * The load generator's parts: what a scenario says, and one thread of connections that says it.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum expect { EXPECT_LINE, EXPECT_DOT };

/** Octets to send, and the replies that must come before the next step. */
struct step {
	const char *text; /**< `%u` stands for the connection's number */
	size_t len;
	enum expect expect;
	unsigned replies; /**< how many of that kind */
};

struct scenario {
	const char *name;
	bool smtp;             /**< replies are numbers, else +OK and -ERR */
	bool reconnect;        /**< each round is a session of its own */
	struct step before[8]; /**< once a connection; a step with replies 0 ends the list */
	struct step round[8];
	unsigned work; /**< units of work a round */
};

struct load {
	const struct scenario *scenario;
	const char *host;
	uint16_t port;
	SSL_CTX *tls;                /**< NULL: plain */
	unsigned connections, first; /**< numbers first … first+connections-1 */
	double seconds;
	bool idle; /**< stop after `before` and hold the connections until stdin closes */
	/* results */
	uint64_t work, octets, errors, latencies_count;
	uint32_t *latencies; /**< microseconds a round */
	double elapsed;
	char error[160];
};

/** Run one thread's connections; fills the results. */
void *load_thread(void *load);

/** Build a scenario by name ("pop3-login", "pop3-retr", "pop3-retr-pipelined", "smtp",
 * "smtp-connect"); exits on an unknown one. `size`: octets of a message; `count`: messages to read
 * a round. */
struct scenario scenario_make(const char *name, size_t size, unsigned count);

double load_now(void);

#endif
