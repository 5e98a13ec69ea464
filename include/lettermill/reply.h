/** @file
 * The one reply object: what a handler says to an event of POP3, SMTP or LMTP.
 */
#ifndef LETTERMILL_REPLY_H
#define LETTERMILL_REPLY_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** POP3 response codes, RFC 2449 8, RFC 3206, RFC 6856. */
enum lm_pop3_code {
	LM_POP3_NONE,
	LM_POP3_AUTH,
	LM_POP3_IN_USE,
	LM_POP3_LOGIN_DELAY,
	LM_POP3_SYS_TEMP,
	LM_POP3_SYS_PERM,
	LM_POP3_UTF8,
};

enum lm_reply_flag {
	LM_REPLY_CLOSE = 1 << 0,   /**< close the connection behind the reply */
	LM_REPLY_SILENT = 1 << 1,  /**< with CLOSE: send no reply at all */
	LM_REPLY_DISCARD = 1 << 2, /**< LM_EVENT_MAIL, RCPT, DATA: say yes and drop the message */
	LM_REPLY_PROVEN = 1 << 3,  /**< LM_EVENT_AUTH of CRAM-MD5 with a yes: the handler compared
	                              the response with the challenge; no secret is needed */
};

/** One message of a maildrop as POP3 shows it. */
struct lm_message {
	uint64_t id;     /**< the handler's own number; comes back in events */
	uint64_t octets; /**< exactly what RETR sends, before dot-stuffing, with its last CRLF */
	struct lm_bytes
	        uidl; /**< 1 to 70 octets 0x21 to 0x7E, unique in the maildrop, never reused */
};

/** What a check of a shared-secret mechanism needs; unset members are empty. */
struct lm_secret {
	struct lm_bytes plain;      /**< the clear secret (APOP, CRAM-MD5) */
	struct lm_bytes salt;       /**< SCRAM, raw octets */
	uint32_t iterations;        /**< SCRAM, at least 4096 */
	struct lm_bytes stored_key; /**< SCRAM, raw octets (20 or 32) */
	struct lm_bytes server_key; /**< SCRAM, raw octets */
};

struct lm_source;

/**
 * A handler's answer. Zero it (LM_REPLY_INIT), then set what differs from success.
 * All slices are borrowed until the call that hands the reply over returns, but for `messages`
 * and `source`, which say their own lifetime.
 */
struct lm_reply {
	uint32_t size; /**< sizeof(struct lm_reply); lets later versions grow */
	int result; /**< 0: yes. Negative enum lm_err: no; the tables make the wire reply from it */
	int smtp_code;               /**< 0: the table's; else 200 to 599 */
	uint8_t enhanced[3];         /**< RFC 3463 class, subject, detail; class 0: the table's */
	enum lm_pop3_code pop3_code; /**< LM_POP3_NONE: the table's */
	struct lm_bytes
	        text;   /**< empty: the table's. CR, LF and NUL in it make the reply LM_E_MISUSE;
	                     in SMTP, lines after the first are split at 512 octets */
	unsigned flags; /**< enum lm_reply_flag */

	/* What certain events ask for besides yes or no. */
	struct lm_bytes user; /**< AUTH: canonical name of who is logged in now; empty: as given */
	struct lm_secret secret; /**< AUTH of kind LM_AUTH_SECRET */
	const struct lm_message
	        *messages; /**< MAILDROP: borrowed until QUIT was answered or DISCONNECT returned */
	size_t message_count;
	struct lm_source
	        *source; /**< RETR, TOP: the message's octets; ownership passes to the taker */
	/** CERTIFICATE: a certificate with its chain and its key, PEM; borrowed as other slices. */
	struct lm_bytes certificate, key;
	const struct lm_reply *recipients; /**< MESSAGE over LMTP: one a recipient of the envelope,
	                                      or NULL: all alike */
	size_t recipient_count;
};

#define LM_REPLY_INIT ((struct lm_reply){ .size = sizeof(struct lm_reply) })

/**
 * Where a message's octets come from, pulled piece by piece. Implemented by handlers.
 * All calls, and `ready`, come on the loop thread of the session that reads.
 */
struct lm_source_ops {
	/**
	 * Give the next octets: 0 with *out_chunk (valid until the next read or close) and
	 * *out_last; LM_E_AGAIN: none yet, `ready` will be called exactly once, after this call
	 * returned, when it is worth asking again; any other error: the message cannot be had, and
	 * the session is cut so that no client takes a broken message for a whole one. `max`: as
	 * many octets are useful now.
	 */
	int (*read)(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
	            bool *out_last);
	/** Free the source. Called once; `ready` must not be called after it. */
	void (*close)(struct lm_source *source);
};

struct lm_source {
	const struct lm_source_ops *ops;
	void (*ready)(void *ctx); /**< set by the taker before the first read */
	void *ready_ctx;
};

/**
 * A source over a copy of octets. Ownership: the caller's until given away in a reply; `ops->close`
 * frees it. Returns NULL when out of memory. Threads: any.
 */
LM_API struct lm_source *lm_source_from_bytes(struct lm_bytes octets);

#ifdef __cplusplus
}
#endif
#endif
