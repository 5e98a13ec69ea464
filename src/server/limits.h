/** @file
 * How many connections may be open, in all and from one address, and who guesses passwords.
 * Memory is bounded: one small record an address with open connections, and a fixed table of the
 * addresses that failed to log in most lately.
 *
 * Threads: any.
 */
#ifndef LM_SERVER_LIMITS_H
#define LM_SERVER_LIMITS_H

#include "base/mem.h"

/** One client as limits see it: an IPv4 address, or an IPv6 /64, which one customer has. */
struct lm_peer_key {
	uint8_t octets[16];
	bool counted; /**< false: this machine itself, or no address; never limited on its own */
};
struct lm_peer_key lm_peer_key(const char *address);

struct lm_limits;
LM_MUST int lm_limits_new(struct lm_limits **out_limits);
void lm_limits_free(struct lm_limits *limits);

/** Take one connection's place; one lm_limits_leave with the same key a success. `per_address` 0:
 * no limit. Errors: LM_E_LIMIT, LM_E_NOMEM. */
LM_MUST int lm_limits_enter(struct lm_limits *limits, const struct lm_peer_key *key, uint64_t total,
                            uint64_t per_address);
void lm_limits_leave(struct lm_limits *limits, const struct lm_peer_key *key);

/** A login failed: how many did from there lately, this one included; 0 where not counted. They are
 * forgotten LM_AUTH_MEMORY ms after the last, or at a success. */
enum { LM_AUTH_MEMORY = 600000 };
unsigned lm_limits_auth_failed(struct lm_limits *limits, const struct lm_peer_key *key,
                               lm_time_ms now);
void lm_limits_auth_ok(struct lm_limits *limits, const struct lm_peer_key *key);

/** Note a POP3 login of an account (compared without case), and whether its last was at least
 * `delay` ms ago (RFC 2449 6.5). With thousands of accounts the oldest logins may be forgotten. */
void lm_limits_login(struct lm_limits *limits, struct lm_bytes account, lm_time_ms now);
bool lm_limits_login_due(struct lm_limits *limits, struct lm_bytes account, lm_time_ms delay,
                         lm_time_ms now);

/** How long the n-th failure (from 1) waits for its answer: `base`, doubled each time, 16 times or
 * 30 s at most (never less than base). */
lm_time_ms lm_limits_auth_delay(lm_time_ms base, unsigned n);

#endif
