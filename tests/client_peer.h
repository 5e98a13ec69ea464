/** @file
 * A scripted server for tests: says what it is told to, right or wrong, on a thread of its own.
 */
#ifndef LM_TESTS_CLIENT_PEER_H
#define LM_TESTS_CLIENT_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * A script is steps, then NULL: then the connection is closed in order.
 * ">text" say; "<text" a line must come that starts so; "~text" say an octet every 20 ms for as
 * long as anybody listens, over and over; "*" read until the other side closes; "!" close with a
 * reset; "-" close without TLS's close_notify; "T name" TLS with that certificate of test_certs
 * ("T" fails the handshake by talking plain).
 */
struct client_peer {
	const char *const *const *scripts; /* one for each connection, in order; NULL at the end */
	uint16_t port;
	int fd;
	pthread_t thread;
	char trouble[300]; /* what went against the script; "" nothing */
};

void client_peer_start(struct client_peer *out_peer, const char *const *const *scripts);
/** Wait until all scripts were played; fails the test where one was not kept to. */
void client_peer_end(struct client_peer *peer);
/** A port of 127.0.0.1 on which nobody listens. */
uint16_t client_peer_dead_port(void);

#endif
