/** @file
 * Getting connected: a name or a path becomes a transport.
 *
 * Names are looked up on a thread of their own, so that a resolver that hangs holds up nobody: who
 * has waited long enough frees, and goes on. Addresses are tried as RFC 8305 says: both families in
 * turn, the next one 250 ms behind the last or at once when that failed, the first to answer wins.
 */
#ifndef LM_NET_CONNECT_H
#define LM_NET_CONNECT_H

#include "net/transport.h"

struct addrinfo;

struct lm_lookup;
/**
 * Look a host's addresses up. `done` comes from the loop, once, unless freed before: `result` 0
 * with the addresses (of sockets to connect with; they live until lm_lookup_free), or LM_E_NO_HOST,
 * LM_E_AGAIN, LM_E_NOMEM with *why. Errors: LM_E_NOMEM.
 */
LM_MUST int lm_lookup_new(struct lm_loop *loop, const char *host, uint16_t port,
                          void (*done)(void *ctx, int result, const struct addrinfo *addresses,
                                       const struct lm_error *why),
                          void *ctx, struct lm_lookup **out_lookup);
/** Safe inside `done`. NULL is allowed. */
void lm_lookup_free(struct lm_lookup *lookup);

struct lm_connected {
	struct lm_transport *transport; /**< the callee owns it */
	char peer[64], local[64];       /**< textual addresses, or "unix" */
	uint16_t peer_port, local_port;
};

struct lm_connect;
/**
 * Connect to `host` (a name, an address, or a path that begins with "/") and `port`. `done` comes
 * from the loop, once, unless freed before: `result` 0 with *connected; else LM_E_NO_HOST,
 * LM_E_CONNECT, LM_E_TIMEOUT …, and *why says where and why in words. There is no time limit: free
 * it. Errors: LM_E_NOMEM.
 */
LM_MUST int lm_connect_new(struct lm_loop *loop, const char *host, uint16_t port,
                           void (*done)(void *ctx, int result, const struct lm_connected *connected,
                                        const struct lm_error *why),
                           void *ctx, struct lm_connect **out_connect);
/** The same with addresses that are known already (copied, at most 16 of them); `host` is for
 * errors. */
LM_MUST int lm_connect_new_known(struct lm_loop *loop, const char *host, uint16_t port,
                                 const struct addrinfo *addresses,
                                 void (*done)(void *ctx, int result,
                                              const struct lm_connected *connected,
                                              const struct lm_error *why),
                                 void *ctx, struct lm_connect **out_connect);
/** The name's addresses are not known yet. */
bool lm_connect_is_looking_up(const struct lm_connect *connect);
/** Give up what runs. Safe inside `done`. NULL is allowed. */
void lm_connect_free(struct lm_connect *connect);

#endif
