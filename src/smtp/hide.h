/** @file
 * What an SMTP server may keep to itself.
 */
#ifndef LM_SMTP_HIDE_H
#define LM_SMTP_HIDE_H

#include <lettermill/base.h>

/** Whether params.hide may have this word, in any case: an extension or a command that a server can
 * do without. */
bool lm_smtp_can_hide(struct lm_bytes word);
/** Whether it is an EHLO keyword, in any case. */
bool lm_smtp_is_extension(struct lm_bytes word);

#endif
