/** @file
 * What the process remembers of passwords that were right, and what it makes up for names that do
 * not exist. Both hang on a random key that never leaves the process.
 *
 * Threads: any, several at once.
 */
#ifndef LM_SERVER_VERIFY_H
#define LM_SERVER_VERIFY_H

#include "base/mem.h"

struct lm_verify;

/** `entries`: most right passwords remembered; `life`: for how long. Errors: LM_E_NOMEM, LM_E_IO
 * (no randomness), LM_E_MISUSE. */
LM_MUST int lm_verify_new(size_t entries, lm_time_ms life, struct lm_verify **out_verify);
/** Wipes. NULL is allowed. */
void lm_verify_free(struct lm_verify *verify);

/**
 * Was this password right for this account not long ago? `crypt` is what the account keeps
 * (its crypt(3) string, or the clear secret where there is none): with another one nothing is
 * remembered, so a changed password counts at once. Only an HMAC is kept.
 */
LM_MUST bool lm_verify_known(struct lm_verify *verify, const char *account, const char *crypt,
                             struct lm_bytes password, lm_time_ms now);
/** The password was right. */
void lm_verify_remember(struct lm_verify *verify, const char *account, const char *crypt,
                        struct lm_bytes password, lm_time_ms now);

/** 32 octets for a name (without ASCII case) and a purpose: the same each time in this process,
 * unpredictable outside. LM_E_NOMEM. */
LM_MUST int lm_verify_made_up(const struct lm_verify *verify, const char *purpose,
                              struct lm_bytes name, uint8_t out[32]);

#endif
