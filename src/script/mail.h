/** @file
 * infinity.mail from C: who takes messages from scripts takes mails, too.
 *
 * In JavaScript every mail has toBytes(), toString() and toStream(); what is large is best taken as
 * a source, which copies nothing of a message that came from a file.
 *
 * Threads: a mail belongs to its runtime; a source made of it to whoever reads it.
 */
#ifndef LM_SCRIPT_MAIL_H
#define LM_SCRIPT_MAIL_H

#include "script/runtime.h"

#include <lettermill/reply.h>

/** Whether a value is the handle that internal.handle(mail) gives for an infinity.mail. */
bool lm_mail_is(struct lm_js *js, struct lm_js_value *handle);

/**
 * A source over the message as it would be saved now, Bcc included (lm_outgoing drops it); the mail
 * may be changed, freed or collected meanwhile. Runs script. False: thrown (no mail, freed, or what
 * was set is no message).
 */
bool lm_mail_source(struct lm_js *js, struct lm_js_value *handle, struct lm_source **out_source);

#endif
