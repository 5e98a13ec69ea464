/** @file
 * What a POP3 server offers, and what it keeps to itself (params.hide).
 */
#ifndef LM_POP3_CAPA_H
#define LM_POP3_CAPA_H

#include <lettermill/pop3.h>

/** Whether params.hide may have this word, in any case: a capability, or a command RFC 1939 does
 * not demand. */
bool lm_pop3_can_hide(struct lm_bytes word);
/** Whether params.hide has it, or the command's capability: USER hides PASS and SASL hides AUTH,
 * and the other way round. */
bool lm_pop3_hides(const struct lm_pop3_server_params *params, const char *word);

#endif
