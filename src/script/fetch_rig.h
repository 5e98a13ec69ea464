/** @file
 * A toy HTTP server for the tests of fetch: one thread a connection, one answer each, by path.
 */
#ifndef LM_SCRIPT_FETCH_RIG_H
#define LM_SCRIPT_FETCH_RIG_H

#include <stddef.h>

struct fetch_server;

/** On a free port of 127.0.0.1. A failure ends the test. */
struct fetch_server *fetch_server_new(void);
int fetch_server_port(const struct fetch_server *server);
/** Wait until this many requests came in all. */
void fetch_server_await(struct fetch_server *server, int requests);
/** Wait until no connection is open. */
void fetch_server_await_idle(struct fetch_server *server);
/** Breaks off what is open. */
void fetch_server_free(struct fetch_server *server);

#endif
