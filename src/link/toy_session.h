/** @file
 * Tests only: a session of one-word lines that uses everything a link offers.
 *
 * ECHO x: answers x. ASK x: a decision, then "yes" or "no". BODY: a decision, then the source's
 * octets and "end". TLS: "go", then the handshake, then "secure". QUIT: "bye". BAD: a fatal error.
 * ABORT: cut. Lines end in LF. A connect decision comes first, then "hello".
 */
#ifndef LM_LINK_TOY_SESSION_H
#define LM_LINK_TOY_SESSION_H

#include <lettermill/session.h>

enum { TOY_IDLE_MS = 300000 };

/** `idle`: milliseconds until "timeout" and the end. NULL: out of memory. */
struct lm_session *toy_session_new(lm_time_ms idle);
/** How often tick was called, and the TLS details of tls_up. */
unsigned toy_session_ticks(const struct lm_session *session);

#endif
