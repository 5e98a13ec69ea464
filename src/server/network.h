/** @file
 * Blocks of addresses (CIDR, RFC 4632): who is trusted.
 */
#ifndef LM_SERVER_NETWORK_H
#define LM_SERVER_NETWORK_H

#include <lettermill/error.h>

/** IPv4 is kept as IPv4-mapped IPv6, so that ::ffff:10.0.0.1 and 10.0.0.1 are one. */
struct lm_network {
	uint8_t address[16];
	unsigned bits; /**< of 128 */
};

/** "10.0.0.0/8", "192.0.2.1", "2001:db8::/32". Errors: LM_E_CONFIG (also for bits set behind the
 * prefix: probably a slip). */
LM_MUST int lm_network_parse(const char *text, struct lm_network *out_network,
                             struct lm_error *out_error);
/** As lm_network_parse reads it. `out` has room for 64. */
void lm_network_format(const struct lm_network *network, char *out);
/** Is the numeric address in one of the networks? False for what is not an address (a socket
 * path). Threads: any. */
bool lm_network_contains(const struct lm_network *networks, size_t count, const char *address);

#endif
