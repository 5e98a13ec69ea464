/** @file
 * Tests only: a link with a toy session between an owner that answers and a scripted peer.
 */
#ifndef LM_LINK_LINK_RIG_H
#define LM_LINK_LINK_RIG_H

#include "base/buf.h"
#include "link/link.h"
#include "link/toy_session.h"
#include "net/tls.h"

struct link_test {
	struct lm_loop *loop;
	struct lm_link *link;
	struct lm_timer guard;
	/* the owner's side */
	struct lm_tls_context *tls;
	bool answer_later, free_later, is_closed, was_disconnected, refuse_tls, abort_in_event;
	int error, events, answers;
	uint32_t open_id;
	enum lm_event_type open_type;
	char reason[240];
	struct lm_source *source;
	/* the peer's side */
	struct lm_transport *peer;
	struct lm_buf received, to_send;
	size_t want, limit;
	bool is_waiting, peer_reads;
	int peer_end;
};

/** What stands at a place of every source. */
uint8_t rig_octet_at(size_t at);
/** A source of `size` octets that makes its reader wait now and then, and fails at `fail_at` unless
 * that is 0. */
struct lm_source *rig_source(struct link_test *test, size_t size, size_t fail_at, bool *is_closed);

/** Start; `params` with what is not the rig's own, `idle` for the session. */
void rig_begin_with(struct link_test *test, size_t capacity, struct lm_link_params params,
                    lm_time_ms idle);
void rig_begin(struct link_test *test, size_t capacity);
/** The link is gone already, or goes now. */
void rig_end(struct link_test *test);

/** Answer the open decision with yes. */
void rig_answer(struct link_test *test);
/** Have the peer read and write what it can. */
void rig_peer_pump(struct link_test *test);
void rig_on_peer(void *ctx, unsigned io);
/** Queue text for the peer to send. */
void rig_send_more(struct link_test *test, const char *text);
/** Send, then run until as much as `want` came, and compare. */
void rig_expect(struct link_test *test, const char *text, const char *want);
/** One round of the loop. */
void rig_turn(struct link_test *test);
void rig_wait_closed(struct link_test *test);

#endif
