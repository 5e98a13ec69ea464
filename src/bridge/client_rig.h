/** @file
 * What tests of clients share: the test itself is the server they talk to.
 */
#ifndef LM_BRIDGE_CLIENT_RIG_H
#define LM_BRIDGE_CLIENT_RIG_H

#include "bridge/fake_host_rig.h"

/** A client of the fake host, and the server's end of its connection. */
struct peer {
	struct fake fake;
	int listener, fd;
	uint16_t port;
	struct lm_host_value *options;
	double client;
};

/** A host, a listener, and options for a client of `protocol` that may be added to. */
void peer_init(struct peer *p, const char *protocol);
/** Make the client, and accept it. */
void peer_connect(struct peer *p);
/** All of it, until the client is ready: POP3 or SMTP. */
void peer_open(struct peer *p, const char *protocol);
/** Hang up, free the client behind its CLOSED entry, and the host; nothing may be left. */
void peer_end(struct peer *p);
/** The same when the client is gone already, or must go with the bridge. */
void peer_free(struct peer *p);

void peer_say(const struct peer *p, const char *text);
/** Read one line and compare it, without its end. */
void peer_expect(const struct peer *p, const char *line);
void peer_skip_line(const struct peer *p);
/** Read so many octets. Free with free(). */
char *peer_read(const struct peer *p, size_t count);
void peer_hang_up(struct peer *p);

/** Request `number` of `type` with options (NULL: none). */
void peer_request(struct peer *p, double number, const char *type, struct lm_host_value *options);
struct lm_host_value *peer_option(struct peer *p, const char *name, struct lm_host_value *value);
/** { sender, recipients: [{ address }] } */
struct lm_host_value *peer_envelope(struct peer *p);
/** The next entry is the outcome of a request, with this result. */
struct lm_host_value *peer_outcome(struct peer *p, double number, int result);

#endif
