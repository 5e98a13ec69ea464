/** @file
 * The inside of a link, shared by the files of this room only: pump.c moves octets, link.c is its
 * life and its clock.
 */
#ifndef LM_LINK_LINK_IMPL_H
#define LM_LINK_LINK_IMPL_H

#include "base/buf.h"
#include "link/link.h"

enum lm_link_state {
	LM_LINK_PLAYING,   /**< octets go to and from the session */
	LM_LINK_HANDSHAKE, /**< TLS is being set up; the session sees nothing */
	LM_LINK_LINGERING, /**< said all; what the peer still sends is thrown away, lest the close
	                      become a reset that swallows the last word */
	LM_LINK_CLOSED,
};

enum {
	/** Input kept for a session that takes no more; reading pauses beyond. */
	LM_LINK_INPUT_MAX = 64 * 1024,
	/** Unsent output above which nothing is fed or fetched that would make more. */
	LM_LINK_OUTPUT_HIGH = 64 * 1024,
	/** Octets moved by one turn of the loop before others have theirs. */
	LM_LINK_TURN_MAX = 512 * 1024,
	LM_LINK_LINGER_MS = 2000,
	LM_LINK_LINGER_OCTETS = 1024 * 1024,
};

struct lm_link {
	struct lm_loop *loop;
	struct lm_transport *transport;
	struct lm_session *session;
	const struct lm_link_owner *owner;
	void *ctx;
	const char *server_name;
	struct lm_task task;
	struct lm_timer timer;
	struct lm_buf input;
	struct lm_source *source;
	struct lm_bytes chunk; /* of source, not yet taken */
	struct lm_link_stats stats;
	struct lm_error *error; /* why it ended, where more than a code is known */
	lm_time_ms stuck_since; /* unsent output without progress; LM_NEVER: none */
	lm_time_ms phase_until; /* end of handshake or lingering; LM_NEVER: none */
	uint32_t handshake_timeout, write_timeout;
	uint32_t write_floor, drip; /* octets written since stuck_since, below write_floor */
	uint32_t turn;              /* octets written in this turn */
	uint32_t linger;            /* octets thrown away */
	int16_t result;
	uint8_t state;       /* enum lm_link_state */
	bool has_begun : 1;  /* the session was asked for its first event */
	bool is_shaking : 1; /* the handshake has begun */
	bool has_asked : 1;  /* … and the owner knows which name it is for */
	bool is_posted : 1, is_freed : 1, is_pumping : 1, is_blocked : 1;
	bool has_chunk : 1, chunk_is_last : 1, source_waits : 1;
	bool has_ended : 1; /* the peer sends no more */
	bool has_failed : 1, must_abort : 1;
	bool is_owing : 1; /* octets were written and may not have left yet */
};

/** Have the link looked at again, soon, from the loop. */
void lm_link_schedule(struct lm_link *link);
/** Note the first failure; the pump ends the link with it. */
void lm_link_fail(struct lm_link *link, int err);

/**
 * Move what can be moved, `in` (octets of the shared buffer) first, then do what the session wants.
 * The link may be freed when it returns.
 */
void lm_link_pump(struct lm_link *link, struct lm_bytes in);
/** The transport is readable. As lm_link_pump. */
void lm_link_readable(struct lm_link *link);

/** End the session and the link. The link may be freed when it returns. */
void lm_link_finish(struct lm_link *link);
/** Begin the handshake over the present transport. The link may be freed when it returns. */
void lm_link_start_tls(struct lm_link *link);
/** Go on with it. The same. */
void lm_link_handshake(struct lm_link *link);
/** Arm the timer for the next deadline, if it is not armed early enough. */
void lm_link_set_timer(struct lm_link *link);
void lm_link_close_source(struct lm_link *link);

#endif
