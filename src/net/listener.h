/** @file
 * Addresses and listening sockets.
 */
#ifndef LM_NET_LISTENER_H
#define LM_NET_LISTENER_H

#include "loop/loop.h"

struct lm_address {
	char text[112]; /**< "127.0.0.1", "::1", or a socket path */
	uint16_t port;
	bool is_unix;
};

/** "[ADDR:]PORT", "[v6]:PORT", "*:PORT", "/path" or "unix:/path"; without ADDR it is 127.0.0.1.
 * Numbers only, no names. LM_E_CONFIG. */
LM_MUST int lm_address_parse(const char *text, struct lm_address *out_address,
                             struct lm_error *out_error);
/** "127.0.0.1:25", "[::1]:25", "/path", "unix:path": what lm_address_parse reads. `out` has room
 * for 128. */
void lm_address_format(const struct lm_address *address, char *out);

/**
 * Bind and listen, backlog 4096, SO_REUSEPORT so that each worker has its own. Port 0: a free one,
 * written back to *address. A stale Unix socket (nobody answers) is replaced; a live one, or any
 * other file, is LM_E_EXISTS. A Unix socket is bound once: further workers get a dup(2) of it.
 * LM_E_CONFIG: this machine has no such address or folder; LM_E_DENIED, LM_E_IO.
 */
LM_MUST int lm_listen(struct lm_address *address, int *out_fd, struct lm_error *out_error);
/** Whether somebody listens there already (LM_E_EXISTS): SO_REUSEPORT would let a second server
 * share the port in silence. To be asked once before the first lm_listen on a TCP address. */
LM_MUST int lm_listen_probe(const struct lm_address *address, struct lm_error *out_error);

struct lm_listener;
struct lm_accepted {
	int fd; /**< non-blocking, close-on-exec; the callee owns it */
	char peer[64], local[64];
	uint16_t peer_port, local_port;
};
/**
 * Accept in batches on a listening descriptor (owned from now on). Out of descriptors (EMFILE,
 * ENFILE) it drops what waits, says so through `accepted` with fd -1, pauses 100 ms and goes on:
 * never a spinning loop.
 */
LM_MUST int lm_listener_new(struct lm_loop *loop, int fd,
                            void (*accepted)(void *ctx, const struct lm_accepted *), void *ctx,
                            struct lm_listener **out_listener);
/** Accept no more; closes the descriptor. Safe inside `accepted`. NULL is allowed. */
void lm_listener_free(struct lm_listener *listener);

/** PROXY protocol v1 and v2, a sans-IO parser: 1 parsed (*out_taken octets, *out_info filled;
 * `local` true for LOCAL, UNKNOWN and families without an IP stream: keep the socket's own
 * addresses), 0 more needed, LM_E_PROTO. Never more than 536 octets are asked for. What was read
 * behind the header goes back by lm_transport_unread. */
struct lm_proxy_info {
	bool local;
	char peer[64], dest[64];
	uint16_t peer_port, dest_port;
	bool tls;
};
int lm_proxy_parse(struct lm_bytes in, size_t *out_taken, struct lm_proxy_info *out_info);

#endif
