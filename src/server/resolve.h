/** @file
 * From an address to the accounts that may be meant by it, and what was found lately.
 *
 * Pure: whether an account exists is asked elsewhere (struct lm_accounts, on the pool).
 * Threads: rules are read only; a cache belongs to one thread.
 */
#ifndef LM_SERVER_RESOLVE_H
#define LM_SERVER_RESOLVE_H

#include "base/mem.h"

enum { LM_RESOLVE_NAMES = 5, LM_RESOLVE_NAME_MAX = 255 };

struct lm_resolve_rules {
	const char *const *domains; /**< ours; none: every account name is its own address */
	size_t domain_count;
	const char *catch_all;  /**< gets everything; NULL none */
	const char *postmaster; /**< gets what nobody named postmaster gets; NULL none */
};

/** Account names to look for, in this order; the first that exists is meant. */
struct lm_candidates {
	char names[LM_RESOLVE_NAMES][LM_RESOLVE_NAME_MAX + 1];
	size_t count;
	bool foreign; /**< the domain is not ours: nothing to look for */
};

/**
 * An address as RCPT gave it, without angle brackets; quoted local parts are unquoted. local@D of
 * our domain D means local@D, else local; without a domain it is tried in ours (that is how
 * postmaster comes, RFC 5321 4.5.1). For postmaster the account of the rules is the last. What
 * cannot be an account gives no candidates.
 */
void lm_resolve_address(const struct lm_resolve_rules *rules, struct lm_bytes address,
                        struct lm_candidates *out_candidates);

/** A login name: itself; and local for local@D of our domain D. */
void lm_resolve_login(const struct lm_resolve_rules *rules, struct lm_bytes name,
                      struct lm_candidates *out_candidates);

/** What addresses led to which account, for a short while. Bounded: a new entry replaces an old. */
struct lm_resolve_cache;
LM_MUST int lm_resolve_cache_new(size_t entries, lm_time_ms life,
                                 struct lm_resolve_cache **out_cache);
/** NULL is allowed. */
void lm_resolve_cache_free(struct lm_resolve_cache *cache);
/** The account of an address (compared without ASCII case), or NULL. Lives until the next put. */
const char *lm_resolve_cache_get(const struct lm_resolve_cache *cache, struct lm_bytes address,
                                 lm_time_ms now);
/** Remember; where there is no memory nothing is remembered. */
void lm_resolve_cache_put(struct lm_resolve_cache *cache, struct lm_bytes address,
                          const char *account, lm_time_ms now);

#endif
