/** @file
 * What a server's sessions are made from: one immutable, counted snapshot of options, certificates
 * and accounts. A reload makes a new one; sessions keep the one they began with.
 *
 * Threads: made and read by any; nothing in it changes but the count.
 */
#ifndef LM_SERVER_CONFIG_H
#define LM_SERVER_CONFIG_H

#include "net/tls.h"
#include "server/languages.h"
#include "server/options.h"
#include "server/store_handler.h"

#include <lettermill/pop3.h>
#include <lettermill/smtp.h>

/** What a listener serves. */
enum lm_service {
	LM_SERVICE_SMTP,
	LM_SERVICE_SMTPS,
	LM_SERVICE_SUBMISSION,
	LM_SERVICE_LMTP,
	LM_SERVICE_POP3,
	LM_SERVICE_POP3S,
	LM_SERVICE_COUNT
};

struct lm_service_info {
	const char *name; /**< the option's */
	enum lm_protocol protocol;
	bool implicit_tls; /**< TLS from the first octet, RFC 8314 */
};

const struct lm_service_info *lm_service_info(enum lm_service service);
/** The option of a service's address. */
const struct lm_option_address *lm_service_address(const struct lm_server_options *options,
                                                   enum lm_service service);
/** "smtp", "submission", "lmtp" or "pop3", for the log. */
const char *lm_protocol_name(enum lm_protocol protocol);

/** Whether a peer is on this machine, or as good as: nobody overhears what it says in the clear. */
enum lm_nearness { LM_REMOTE, LM_LOCAL, LM_NEARNESS_COUNT };
enum lm_nearness lm_nearness(const char *address);

struct lm_config {
	_Atomic unsigned refs;
	struct lm_server_options options;
	struct lm_tls_context *tls[2];          /**< 0 mail, 1 POP3, which differ in ALPN */
	struct lm_store_handler *store_handler; /**< NULL: no store */
	char *mechanisms;
	struct lm_smtp_server_params smtp[LM_SERVICE_COUNT][LM_NEARNESS_COUNT];
	struct lm_pop3_server_params pop3[LM_SERVICE_COUNT][LM_NEARNESS_COUNT];
};

/** What a snapshot stands on. Everything is borrowed and outlives it. */
struct lm_config_base {
	struct lm_store *store;          /**< NULL: none */
	struct lm_accounts *accounts[2]; /**< of the option "user"; those kept beside the store */
	size_t account_count;
	struct lm_pool *pool;
	const struct lm_log *log;
	struct lm_languages languages; /**< of POP3 */
	uint64_t decides;              /**< events that leave a session as decisions */
	bool auth_by_handler;          /**< a handler judges logins, so it may know bearer tokens */
};

/** `options` are complete; they are copied. Errors: LM_E_TLS, LM_E_CONFIG, LM_E_NOMEM … */
LM_MUST int lm_config_new(const struct lm_server_options *options,
                          const struct lm_config_base *base, struct lm_config **out_config,
                          struct lm_error *out_error);
struct lm_config *lm_config_ref(struct lm_config *config);
void lm_config_unref(struct lm_config *config);

/** The TLS settings for a protocol; NULL where TLS is not to be had. */
struct lm_tls_context *lm_config_tls(const struct lm_config *config, enum lm_protocol protocol);

#endif
