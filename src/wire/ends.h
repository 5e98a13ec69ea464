/** @file
 * Line ends of a message on its way out by POP3 (docs/octets.md).
 */
#ifndef LM_WIRE_ENDS_H
#define LM_WIRE_ENDS_H

#include "base/mem.h"

#include <lettermill/reply.h>

/** A source over another one: lines of a message whose first line ends in LF alone get CRLF; else
 * octets are what they are. Takes `inner`, also on failure. Errors: LM_E_NOMEM. */
LM_MUST int lm_source_lines(struct lm_source *inner, struct lm_source **out_source);

#endif
