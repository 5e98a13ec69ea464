/** @file
 * Test support: a session with a peer and a handler that are easy to script.
 */
#ifndef LM_POP3_DRIVE_H
#define LM_POP3_DRIVE_H

#include "pop3/server.h"

struct drive {
	struct lm_pop3_server_params params;
	struct lm_session *session;
	lm_time_ms now;
	struct lm_buf said;   /**< all output so far */
	struct lm_buf events; /**< names of the events, each with a space behind */
	const struct lm_message *messages;
	size_t message_count;
	struct lm_bytes body;              /**< what RETR and TOP send */
	struct lm_reply reply;             /**< the answer to the next event of type `reply_to` */
	enum lm_event_type reply_to, hold; /**< `hold`: leave it unanswered */
	struct lm_event held;
	uint64_t deleted[8]; /**< ids of the last QUIT */
	size_t deleted_count;
	int failed;       /**< first error of any call */
	size_t most_held; /**< largest output seen */
	unsigned sources_closed;
};

/** Parameters as lm_pop3_server_params_init has them, every event decided. */
void drive_init(struct drive *d);
/** Make the session. */
int drive_open(struct drive *d);
void drive_done(struct drive *d);
/** Do whatever can be done without more input. */
void drive_pump(struct drive *d);
/** Give octets, as far as they are taken; returns how many were. */
size_t drive_feed(struct drive *d, struct lm_bytes in);
/** Text given whole; the output it brought stands in `said` alone. */
void drive_say(struct drive *d, const char *text);
/** USER and PASS. */
void drive_login(struct drive *d);
/** What was said since the last drive_say is `want`. */
#define drive_expect(d, want) assert_bytes(lm_buf_bytes(&(d)->said), lm_str(want))
/** A source that gives nothing and counts in d->sources_closed. */
struct lm_source *drive_source(struct drive *d);

static inline struct lm_pop3_server *drive_inside(struct drive *d)
{
	return lm_container(d->session, struct lm_pop3_server, session);
}

#endif
