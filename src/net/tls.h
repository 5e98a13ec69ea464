/** @file
 * TLS settings: certificates by name, versions, client certificates. OpenSSL underneath. RFC 8314,
 * 9325.
 */
#ifndef LM_NET_TLS_H
#define LM_NET_TLS_H

#include <lettermill/error.h>

/** Versions as the seeds number them (infinity protocol enum). */
enum lm_tls_version { LM_TLS_1_0 = 2, LM_TLS_1_1 = 3, LM_TLS_1_2 = 4, LM_TLS_1_3 = 5 };

struct lm_tls_pair {
	const char *name; /**< SNI host name this pair is for, "*.example.org" allowed; NULL: the
	                     default */
	/** PEM files, or the PEM itself. The certificate comes with its chain; several, of other
	 * kinds (ECDSA, RSA), may stand behind each other, with a key for each. */
	const char *cert_file, *key_file;
};

struct lm_tls_params {
	bool server;
	const struct lm_tls_pair
	        *pairs; /**< server: at least a default one. ECDSA and RSA may both be given */
	size_t pair_count;
	enum lm_tls_version min, max; /**< 0: 1.2 and 1.3 */
	const char
	        *alpn; /**< "pop3", or NULL (RFC 7301: a peer that names only others is refused) */
	const char *ca_file; /**< server: client certificates are asked for and, if sent, must be
	                        signed by these. client: trust these instead of the system's. A PEM
	                        file, or the PEM itself */
	const char *key_passphrase; /**< of keys that have one; NULL: such keys are refused */
	/** OpenSSL's cipher list, with the TLS 1.3 suites ("TLS_...") among it. Versions for which
	 * it names none are not spoken. NULL: forward secrecy and authenticated encryption only. */
	const char *ciphers;
	bool require_client_cert;
	bool strict_sni;  /**< refuse names that no pair has (unrecognized_name) */
	bool verify_peer; /**< client */
	bool legacy_connect, legacy_renegotiation; /**< client: servers without RFC 5746 */
};

/** Shared, counted settings. */
struct lm_tls_context;
/** Files are read now. Errors: LM_E_TLS, LM_E_CONFIG with the file's name (of a PEM itself: "cert",
 * "key", "client-ca", "ca") and the reason. */
LM_MUST int lm_tls_context_new(const struct lm_tls_params *params,
                               struct lm_tls_context **out_context, struct lm_error *out_error);
/** Threads: any. */
struct lm_tls_context *lm_tls_context_ref(struct lm_tls_context *context);
void lm_tls_context_unref(struct lm_tls_context *context);

/** Is this not the name of a file but what stands in one: "-----BEGIN …", maybe behind white space?
 */
bool lm_tls_is_pem(const char *text);

/** Write a new self-signed ECDSA P-256 certificate for `hostname` and localhost (825 days) and its
 * key (mode 0600). Existing files are never overwritten (LM_E_EXISTS). */
LM_MUST int lm_tls_make_self_signed(const char *hostname, const char *cert_file,
                                    const char *key_file, struct lm_error *out_error);
/** The same as PEM text; the caller frees both with lm_free (and wipes the key). */
LM_MUST int lm_tls_make_self_signed_pem(const char *hostname, char **out_cert, char **out_key,
                                        struct lm_error *out_error);

#endif
