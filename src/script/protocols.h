/** @file
 * The modules infinity.pop3, infinity.smtp and infinity.lmtp: clients and servers of one protocol
 * each, which share what a runtime keeps of them.
 */
#ifndef LM_SCRIPT_PROTOCOLS_H
#define LM_SCRIPT_PROTOCOLS_H

#include "script/runtime.h"

#include <lettermill/event.h>

extern const struct lm_script_module lm_script_module_pop3, lm_script_module_smtp,
        lm_script_module_lmtp;

/** What lm_runtime_state gives for each of them. */
struct lm_script_protocol {
	struct lm_clients *clients; /**< client.h */
};

/** Of LM_POP3, LM_SMTP (and LM_SUBMISSION) or LM_LMTP; NULL: the module is not loaded. */
struct lm_script_protocol *lm_script_protocol_of(const struct lm_runtime *rt,
                                                 enum lm_protocol protocol);

#endif
