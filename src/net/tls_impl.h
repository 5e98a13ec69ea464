/** @file
 * The inside of TLS, shared by the tls_*.c files only.
 */
#ifndef LM_NET_TLS_IMPL_H
#define LM_NET_TLS_IMPL_H

#include "net/tls.h"
#include "net/transport.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

/** A name with certificates of its own. */
struct lm_tls_name {
	char *name; /* lower case, maybe "*.…" */
	SSL_CTX *ctx;
};

struct lm_tls_context {
	atomic_uint refs;
	bool server, strict_sni, verify_peer;
	SSL_CTX *ctx;
	BIO_METHOD *bio;
	struct lm_tls_name *names;
	size_t name_count;
	uint8_t alpn[256]; /* as on the wire: length, name */
	unsigned alpn_len;
	pthread_mutex_t lock;
	/* Client: the last session that may be resumed, and with whom. */
	SSL_SESSION *session;
	char *session_name;
	/* Server: what contexts for chosen certificates are made with, and those made so far. */
	struct lm_tls_params made_params;
	struct lm_tls_made *made;
	size_t made_count;
	uint64_t made_clock;
};

/** A server's question: who is this name? */
struct lm_tls_ask {
	enum { LM_TLS_ASK_NOTHING, LM_TLS_ASK_OPEN, LM_TLS_ASK_CHOSEN } state;
	int alert;    /* refused with it; 0: not */
	SSL_CTX *ctx; /* chosen, with a reference; NULL: the context's own */
	size_t len;
	uint8_t name[TLSEXT_MAXLEN_host_name]; /* lower case */
};

/** For OpenSSL: notes the name, waits, and does what was chosen. */
int lm_tls_on_client_hello(SSL *ssl, int *alert, void *arg);
/** That of a transport; NULL where nobody is asked. */
struct lm_tls_ask *lm_tls_ask(SSL *ssl);
/** As lm_transport_tls_choose. */
LM_MUST int lm_tls_ask_choose(struct lm_tls_ask *ask, struct lm_tls_context *context,
                              const struct lm_tls_choice *choice, struct lm_error *out_error);
void lm_tls_ask_free(struct lm_tls_ask *ask);

/** A context as the first of the settings is, but without certificates. */
LM_MUST int lm_tls_derive_ctx(struct lm_tls_context *context, SSL_CTX **out_ctx,
                              struct lm_error *out_error);
/** Free all contexts made for choices. */
void lm_tls_forget_made(struct lm_tls_context *context);

/** The certificates for a host name (NUL-terminated); NULL where no pair has it. */
SSL_CTX *lm_tls_find_name(const struct lm_tls_context *context, const char *name);
/** For OpenSSL: choose the certificates by SNI. `arg` is the context. */
int lm_tls_on_server_name(SSL *ssl, int *alert, void *arg);

/** Why the last OpenSSL call of this thread failed, in words. Lives until the next on the thread.
 */
const char *lm_tls_reason(void);

/** Client: keep a session for the next connection to that name; takes it over. */
void lm_tls_keep_session(struct lm_tls_context *context, const char *name, SSL_SESSION *session);
/** Client: the session kept for that name or NULL; the caller frees it. A ticket is used once. */
SSL_SESSION *lm_tls_take_session(struct lm_tls_context *context, const char *name);
/** For OpenSSL, set by the transport: a session came. */
int lm_tls_on_new_session(SSL *ssl, SSL_SESSION *session);

/** The methods of the BIO between a transport's SSL and the transport below. */
BIO_METHOD *lm_tls_bio_method(void);

/** Set versions and ciphers. */
LM_MUST int lm_tls_set_versions(SSL_CTX *ctx, const struct lm_tls_params *params,
                                struct lm_error *out_error);
/** Load the certificates and keys of a pair; passphrase may be NULL. */
LM_MUST int lm_tls_load_pair(SSL_CTX *ctx, const struct lm_tls_pair *pair, const char *passphrase,
                             struct lm_error *out_error);
/** Trust the authorities in a file or PEM text; a server also names them to its clients. */
LM_MUST int lm_tls_load_authorities(SSL_CTX *ctx, const char *source, bool server,
                                    struct lm_error *out_error);

/** Client: trust whom the system trusts. */
void lm_tls_trust_system(SSL_CTX *ctx);
/** What is wrong with a peer's certificate, for people. */
struct lm_tls_doubt {
	char text[160];
	size_t len;
};
/** Where a client's transport keeps it; NULL: out of memory. */
struct lm_tls_doubt *lm_tls_doubt(SSL *ssl);
/** For OpenSSL, client: notes it there. */
int lm_tls_on_verify(int is_good, X509_STORE_CTX *store);

/** All there is to know of a finished handshake, in one block (lm_free); NULL: out of memory. */
struct lm_tls_info *lm_tls_info_new(SSL *ssl, bool server, const char *server_name);

/** Tests only: OpenSSL's object under a TLS transport. */
SSL *lm_tls_ssl(struct lm_transport *tls);

#endif
