/** @file
 * The trace headers of a message that was received (RFC 5321 4.4, RFC 3848, RFC 6531 3.7.3).
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef LM_SMTP_TRACE_H
#define LM_SMTP_TRACE_H

#include "base/buf.h"

#include <lettermill/event.h>

/**
 * Add "Return-Path:" and "Received:" with their CRLFs to `out`: what goes in front of the message
 * at final delivery. Needs room for 4 KB. `hostname` is ours, `id` the message's own number,
 * `unix_time` in seconds. Whatever the peer said is reduced to characters that cannot leave the
 * header. "for" appears only with a single recipient (RFC 5321 7.2). Errors: LM_E_LIMIT,
 * LM_E_NOMEM.
 */
LM_MUST int lm_smtp_trace(struct lm_buf *out, const struct lm_session_info *info,
                          const struct lm_envelope *envelope, const char *hostname, uint64_t id,
                          int64_t unix_time);

/** The protocol of a session as "with" names it: "ESMTPSA", "LMTP", "UTF8SMTPS" … `out` has room
 * for 16 octets, NUL included. Returns it. */
const char *lm_smtp_with(const struct lm_session_info *info, bool smtputf8, char out[16]);

#endif
