/** @file
 * Accounts: who may log in, and what is kept to check it. A mail store is not a password file, so
 * this is an interface of its own.
 *
 * Calls block, but for peek; they run on pool threads (Threads: any, several at once).
 */
#ifndef LM_STORE_ACCOUNT_H
#define LM_STORE_ACCOUNT_H

#include "base/buf.h"

#include <lettermill/store.h>

struct lm_scram_record {
	uint32_t iterations;
	uint8_t salt[16], stored_key[32], server_key[32];
};

/** A copy of one account; fixed size, wiped by lm_account_wipe. */
struct lm_account {
	char name[256];  /**< canonical, as it was made */
	char crypt[384]; /**< crypt(3) string; "" when only `secret` is known */
	bool has_scram;
	struct lm_scram_record sha1, sha256; /**< key lengths 20 and 32 */
	char secret[256];                    /**< clear secret; "" none */
	unsigned flags;                      /**< enum lm_account_flag */
};
void lm_account_wipe(struct lm_account *account);

struct lm_accounts_ops {
	const char *name;
	/** Without case. LM_E_NOT_FOUND; LM_E_STORE, LM_E_IO. */
	int (*lookup)(struct lm_accounts *, struct lm_bytes name, struct lm_account *out_account);
	/** As lookup, on any thread, without waiting for anything: LM_E_AGAIN where it would have
	 * to. The SCRAM records may be missing. NULL: always LM_E_AGAIN. */
	int (*peek)(struct lm_accounts *, struct lm_bytes name, struct lm_account *out_account);
	/** LM_E_NOT_FOUND; *out_name (255 octets and NUL) is the canonical name. Fast: called for
	 * every RCPT. */
	int (*find)(struct lm_accounts *, struct lm_bytes name, char out_name[256]);
	/** 1 when some account keeps a clear secret (APOP may be offered), 0, or an error. */
	int (*any_secret)(struct lm_accounts *);
	/** Insert or (replace) update. */
	int (*put)(struct lm_accounts *, const struct lm_account *, bool replace,
	           struct lm_error *out_error);
	int (*remove)(struct lm_accounts *, struct lm_bytes name, struct lm_error *out_error);
	int (*each)(struct lm_accounts *,
	            int (*each)(void *ctx, struct lm_bytes name, unsigned flags), void *ctx,
	            struct lm_error *out_error);
	void (*close)(struct lm_accounts *);
};
struct lm_accounts {
	const struct lm_accounts_ops *ops;
};

/** Accounts in memory, for --user and tests: the clear secret is kept, so every mechanism works. */
LM_MUST int lm_accounts_static_new(struct lm_accounts **out_accounts);
LM_MUST int lm_accounts_static_add(struct lm_accounts *accounts, struct lm_bytes name,
                                   struct lm_bytes password);

/** Is the name of a form accounts may have. */
LM_MUST bool lm_account_name_ok(struct lm_bytes name);
/** Fill in crypt, SCRAM keys (and the secret) of a new password. Slow. */
LM_MUST int lm_account_set_password(struct lm_account *account, struct lm_bytes password,
                                    unsigned flags, struct lm_error *out_error);
/** Compare a password: 0 or LM_E_AUTH. `account` NULL: the same work for nobody, LM_E_AUTH. Slow on
 * purpose. */
LM_MUST int lm_account_check_password(const struct lm_account *account, struct lm_bytes password);

#endif
