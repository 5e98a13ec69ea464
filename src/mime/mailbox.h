/** @file
 * Addresses in header fields (RFC 5322 3.4, RFC 6532, RFC 6854), read by GMime.
 *
 * A list is cut into its items here, which GMime then reads one by one: so nesting cannot exhaust
 * the stack, time stays linear, and nothing of a list that is not understood gets lost.
 *
 * Threads: any; nothing here keeps state that changes.
 */
#ifndef LM_MIME_MAILBOX_H
#define LM_MIME_MAILBOX_H

#include "base/buf.h"

/** Gets one address, as it stands in an envelope: local part with its quotes, "@", domain. A
 * negative result stops and is returned. */
typedef int (*lm_mailbox_fn)(void *ctx, struct lm_bytes address);

/**
 * Call `each` for every address of a field's body, folded or not: groups unfolded, comments, names
 * and routes left out. Commas and semicolons separate. A local part in ASCII with another domain
 * gets the domain's xn-- form, which every server takes. `<>` gives an empty address. Errors:
 * LM_E_SYNTAX, the text names the item (512 octets at most without comments and name); LM_E_NOMEM;
 * those of `each`.
 */
LM_MUST int lm_mailbox_each(struct lm_bytes body, lm_mailbox_fn each, void *ctx,
                            struct lm_error *out_error);

/** Whether an address can stand in an envelope: no control characters; blanks and brackets only in
 * quotes. */
LM_MUST bool lm_mailbox_fits(struct lm_bytes address);

/** Add a mailbox as From writes it, the name (UTF-8, may be empty) encoded where it must be.
 * Errors: LM_E_SYNTAX (no UTF-8, control characters), LM_E_LIMIT, LM_E_NOMEM. */
LM_MUST int lm_mailbox_format(struct lm_bytes name, struct lm_bytes address, struct lm_buf *out);

/** Valid UTF-8. */
LM_MUST bool lm_mailbox_is_utf8(struct lm_bytes text);

/** An octet of 0x80 or above is in it. */
LM_MUST bool lm_mailbox_is_8bit(struct lm_bytes text);

#endif
