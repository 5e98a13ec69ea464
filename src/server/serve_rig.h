/** @file
 * What tests of a whole server share: one on free ports with its files in a folder of its own, and
 * raw dialogues over loopback sockets.
 */
#ifndef LM_SERVER_SERVE_RIG_H
#define LM_SERVER_SERVE_RIG_H

#include <lettermill/lettermill.h>

struct lm_rig {
	struct lm_server *server;
	char folder[64];
};

/**
 * Make a server with `memory:`, users anna and bert (password "secret"), all listeners but LMTP on
 * free loopback ports, two workers and short delays. `options` are further name, value, …, NULL;
 * they come later, so they win. Not started.
 */
void lm_rig_new(struct lm_rig *out_rig, const char *const *options);
void lm_rig_start(struct lm_rig *rig);
/** Free the server and remove its folder. */
void lm_rig_free(struct lm_rig *rig);

/** A blocking socket connected to a listener, with a receive timeout of 30 s. */
int lm_rig_connect(const struct lm_rig *rig, const char *listener);
/** Write all of a string. */
void lm_rig_say(int fd, const char *text);
/** Read up to and with `end` (the last octets there are); fails the test on EOF before it. Returns
 * the octets with a NUL behind, to be freed with free(). */
char *lm_rig_read(int fd, const char *end);
/** Read one reply line and check that it starts with `start`. */
void lm_rig_expect(int fd, const char *start);
/** Say, then expect; multi-line SMTP replies are read to their last line. */
void lm_rig_chat(int fd, const char *say, const char *start);
/** The peer has closed, and nothing came before. */
void lm_rig_expect_end(int fd);
/** Wait, without busy looping for ever, until `wanted` sessions are open. */
void lm_rig_await_open(const struct lm_rig *rig, uint64_t wanted);
/** Wait until `total` sessions have begun and all have ended: a connection that nobody has greeted
 * may still lie in the listener's queue, where it is not yet an open session. */
void lm_rig_await_all(const struct lm_rig *rig, uint64_t total);

/** Deliver a message ("Subject: …", lines end in CRLF, no lone dot) to `to` by SMTP. */
void lm_rig_deliver(const struct lm_rig *rig, const char *to, const char *message);
/** Log in by USER and PASS; the session stays open. */
int lm_rig_login(const struct lm_rig *rig, const char *user);

#endif
