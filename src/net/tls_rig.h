/** @file
 * Tests only: two ends of a TLS connection over a pair in memory, and settings for them.
 */
#ifndef LM_NET_TLS_RIG_H
#define LM_NET_TLS_RIG_H

#include "base/buf.h"
#include "net/tls_impl.h"

/** One end of the conversation. */
struct tls_side {
	struct tls_test *test;
	struct lm_transport *transport;
	struct lm_buf got, to_send;
	struct lm_error error;
	int done, end;
	/** Called when a certificate is to be chosen, each time it could be. */
	void (*asked)(struct tls_side *side, struct lm_bytes name);
};

struct tls_test {
	struct lm_loop *loop;
	struct lm_timer guard;
	struct tls_side client, server;
	size_t want; /**< octets each side waits for */
	void *ctx;   /**< of the test */
};

/** Settings; the test fails with the reason where they make none. */
struct lm_tls_context *tls_rig_context(const struct lm_tls_params *params);
/** NAME.pem and NAME.key of test_certs, for `sni`; lives until the next 8 calls. */
const struct lm_tls_pair *tls_rig_pair(const char *sni, const char *name);
struct lm_tls_params tls_rig_server(const char *name);
struct lm_tls_params tls_rig_client(void);

/** Make both ends; `name` is whom the client asks for, or NULL. */
void tls_rig_begin(struct tls_test *test, size_t capacity, struct lm_tls_context *server,
                   struct lm_tls_context *client, const char *name);
/** Let an end do what it can. */
void tls_rig_pump(struct tls_side *side);
/** Until each end has failed or has got `want` octets behind the handshake. */
void tls_rig_run(struct tls_test *test, size_t want);
void tls_rig_end(struct tls_test *test);
/** Both meet once with these settings. */
void tls_rig_meet(struct tls_test *test, struct lm_tls_params server, struct lm_tls_params client,
                  const char *name);
const struct lm_tls_info *tls_rig_info(const struct tls_side *side);

#endif
