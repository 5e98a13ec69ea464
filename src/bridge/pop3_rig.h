/** @file
 * POP3 sessions with a script, step by step, for tests of the bridge.
 */
#ifndef LM_BRIDGE_POP3_RIG_H
#define LM_BRIDGE_POP3_RIG_H

#include "bridge/fake_host_rig.h"
#include "server/serve_rig.h"

/** What a POP3 server of these tests asks script for. */
#define POP3_DECIDES "AUTH MAILDROP RETR TOP QUIT"

/** Session and event of an entry, as the first two arguments of an answer. */
#define POP3_OF(e) fake_get((e), "session"), fake_get((e), "event")

/** A connection that said USER and PASS; the entry of AUTH. */
struct lm_host_value *pop3_auth(struct fake *fake, int fd);
/** Script said yes to that; the entry of MAILDROP. */
struct lm_host_value *pop3_maildrop(struct fake *fake, int fd);
/** Script gave two messages, of 14 and 3 octets, "first" and "second". */
void pop3_give_two(struct fake *fake, struct lm_host_value *e);
/** Logged in, with those two. */
int pop3_login(struct fake *fake, double server);
/** RETR 1 was said; its entry. */
struct lm_host_value *pop3_retr(struct fake *fake, int fd);
/** Close with a reset. */
void pop3_reset(int fd);

#endif
