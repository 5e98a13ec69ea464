/** @file
 * Stores and accounts as administrators see them: by URL, blocking.
 */
#ifndef LETTERMILL_STORE_H
#define LETTERMILL_STORE_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_accounts;

/** What a new password may be used for besides PLAIN, LOGIN, USER/PASS and SCRAM. */
enum lm_account_flag {
	LM_ACCOUNT_KEEP_SECRET = 1, /**< keep the clear secret, for APOP and CRAM-MD5 */
};

/**
 * Open the accounts kept beside a store ("sqlite:PATH"). Creates them where there are none. May be
 * open in several processes. Errors: LM_E_CONFIG (unknown URL), LM_E_IO, LM_E_DENIED, LM_E_CORRUPT.
 * Threads: any, object included.
 */
LM_API LM_MUST int lm_accounts_open(const char *url, struct lm_accounts **out_accounts,
                                    struct lm_error *out_error);
LM_API void lm_accounts_close(struct lm_accounts *accounts);

/**
 * Make an account, or with `replace` give an existing one a new password. The password is kept as
 * yescrypt and as SCRAM keys. Names: 1 to 255 octets of UTF-8 without control characters, spaces,
 * or "/"; they are compared without case. Blocking and slow on purpose (hashing). Errors:
 * LM_E_EXISTS, LM_E_NOT_FOUND, LM_E_SYNTAX.
 */
LM_API LM_MUST int lm_accounts_set(struct lm_accounts *accounts, struct lm_bytes name,
                                   struct lm_bytes password, unsigned flags, bool replace,
                                   struct lm_error *out_error);
/** Remove an account; its mail stays. Errors: LM_E_NOT_FOUND. */
LM_API LM_MUST int lm_accounts_remove(struct lm_accounts *accounts, struct lm_bytes name,
                                      struct lm_error *out_error);
/** Call `each` for every account in the order of names; a non-zero result stops and is returned. */
LM_API LM_MUST int lm_accounts_each(struct lm_accounts *accounts,
                                    int (*each)(void *ctx, struct lm_bytes name, unsigned flags),
                                    void *ctx, struct lm_error *out_error);

/**
 * Look at everything a store keeps: the database, each message's checksum, the files of large
 * messages, the references between them. `report` gets one line of text for each problem, on the
 * calling thread. 0: sound; LM_E_CORRUPT: something was reported. Changes nothing. Errors:
 * LM_E_IN_USE (a server has it open), LM_E_CONFIG, LM_E_NOT_FOUND, LM_E_IO. Blocking.
 */
LM_API LM_MUST int lm_store_check(const char *url, void (*report)(void *ctx, const char *problem),
                                  void *ctx, struct lm_error *out_error);

#ifdef __cplusplus
}
#endif
#endif
