/** @file
 * Transports: octets in and out of something that waits: a socket, TLS over it, or one end of a
 * pair in memory.
 */
#ifndef LM_NET_TRANSPORT_H
#define LM_NET_TRANSPORT_H

#include "loop/loop.h"

#include <lettermill/event.h>

struct lm_transport;

/**
 * All calls return at once. `changed` (set by the owner) is called from the loop, never from inside
 * a call, each turn again while what is wanted is possible: so a read that did not fill its buffer
 * need not be tried again, and what was not read now is told of later.
 */
struct lm_transport_ops {
	const char *name;
	/** Octets into buf: 0 with *out_len > 0; LM_E_AGAIN; LM_E_CLOSED for an orderly end;
	 * LM_E_IO, LM_E_TLS. */
	int (*read)(struct lm_transport *, uint8_t *buf, size_t cap, size_t *out_len);
	/** Octets out: 0 with *out_len > 0 (maybe short); LM_E_AGAIN; LM_E_CLOSED; LM_E_IO,
	 * LM_E_TLS. Without octets: 0 when all that was taken has been passed on, LM_E_AGAIN while
	 * it has not, and is lost if the transport is freed now. */
	int (*write)(struct lm_transport *, struct lm_bytes octets, size_t *out_len);
	/** Say what to wait for: set of enum lm_io. Reading off is back-pressure. */
	void (*want)(struct lm_transport *, unsigned io);
	/** No more will be written: close_notify, FIN. */
	void (*shutdown)(struct lm_transport *);
	/** The TLS state, NULL in the plain. Lives as long as the transport. */
	const struct lm_tls_info *(*tls)(const struct lm_transport *);
	/** Close and free; with `abort` a reset instead of an orderly end where the medium has one.
	 * `changed` is not called any more. */
	void (*free)(struct lm_transport *, bool abort);
};

struct lm_transport {
	const struct lm_transport_ops *ops;
	void (*changed)(void *ctx, unsigned io);
	void *ctx;
};

/** Over a connected, non-blocking socket, which it owns from now on (also on error). TCP_NODELAY is
 * set. */
LM_MUST int lm_transport_socket(struct lm_loop *loop, int fd, struct lm_transport **out_transport);

/** Two ends in memory; each end's `changed` runs from the loop. `capacity`: octets under way a
 * direction. */
LM_MUST int lm_transport_pair(struct lm_loop *loop, size_t capacity, struct lm_transport **out_a,
                              struct lm_transport **out_b);

/** Over `below`, which it owns from now on (also on error): `octets` (copied, at most 64 KB) are
 * read first, for who read too far, such as behind a PROXY header. LM_E_NOMEM. */
LM_MUST int lm_transport_unread(struct lm_loop *loop, struct lm_transport *below,
                                struct lm_bytes octets, struct lm_transport **out_transport);

struct lm_tls_context;

/**
 * TLS over another transport, which it owns from now on (also on error). `server` says which side;
 * `server_name` (client) is sent as SNI and checked against the certificate. The handshake goes on
 * by itself inside read and write, which say LM_E_AGAIN until it is done; lm_transport_tls_done
 * tells. A TLS transport keeps no buffers while it waits. `below` must not be TLS itself. An end
 * without close_notify is LM_E_TLS: what came before it may have been cut. LM_E_MISUSE when the
 * context is for the other side.
 */
LM_MUST int lm_transport_tls(struct lm_loop *loop, struct lm_transport *below,
                             struct lm_tls_context *context, bool server, const char *server_name,
                             struct lm_transport **out_transport);
/** What becomes of a handshake that waits for certificates. */
enum lm_tls_verdict {
	LM_TLS_CONFIGURED,   /**< those of the context */
	LM_TLS_GIVEN,        /**< those given here */
	LM_TLS_UNRECOGNIZED, /**< none: nobody has that name (alert unrecognized_name) */
	LM_TLS_UNAVAILABLE,  /**< none: it cannot be known now (alert internal_error) */
};
struct lm_tls_choice {
	enum lm_tls_verdict verdict;
	/** LM_TLS_GIVEN: PEM as in lm_tls_pair, never a file. An empty key: it stands in the
	 * certificate. Borrowed until return. All other settings are the context's. */
	struct lm_bytes certificate, key;
};

/** Server, before the handshake begins: let it wait when the client says which server it wants (RFC
 * 6066 3), until lm_transport_tls_choose. `changed` tells; nothing is read meanwhile. LM_E_NOMEM.
 */
LM_MUST int lm_transport_tls_ask(struct lm_transport *tls);
/** That name while the handshake waits: 1 to 255 octets without NUL, A to Z in lower case; else
 * empty. Lives until the first read or write behind the choice. */
struct lm_bytes lm_transport_tls_asked(const struct lm_transport *tls);
/** Choose, once; the handshake goes on with the next read. Errors: LM_E_CONFIG (broken PEM) and
 * LM_E_NOMEM, as if LM_TLS_UNAVAILABLE was chosen; LM_E_NOT_FOUND: it does not wait. */
LM_MUST int lm_transport_tls_choose(struct lm_transport *tls, const struct lm_tls_choice *choice,
                                    struct lm_error *out_error);

/** 1: handshake done. 0: not yet. Negative: failed; *out_error (may be NULL) says why in words. */
int lm_transport_tls_done(struct lm_transport *tls, struct lm_error *out_error);
/** Why nothing goes any more, in words; "" where nothing more than a code is known. Any transport;
 * lives as long as it. */
const char *lm_transport_reason(const struct lm_transport *transport);
/** What is wrong with the peer's certificate, where the context does not verify, or "". Any
 * transport; lives as long as it. */
const char *lm_transport_tls_doubt(const struct lm_transport *transport);

#endif
