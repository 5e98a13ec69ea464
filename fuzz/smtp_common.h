/** @file
 * The SMTP and LMTP targets differ in one word.
 */
#ifndef LM_FUZZ_SMTP_COMMON_H
#define LM_FUZZ_SMTP_COMMON_H

#include "session_driver.h"

#include <lettermill/smtp.h>

static inline struct lm_session *fuzz_smtp(struct lm_smtp_server_params *params,
                                           enum lm_protocol protocol)
{
	struct lm_smtp_server_peer peer = { .id = 1,
		                            .peer_address = "192.0.2.1",
		                            .peer_port = 1,
		                            .local_address = "192.0.2.2",
		                            .local_port = 25,
		                            .xclient = true,
		                            .xforward = true };
	struct lm_session *s = NULL;

	lm_smtp_server_params_init(params, protocol);
	params->hostname = "h";
	params->decides = UINT64_MAX;
	params->mechanisms = "PLAIN LOGIN XOAUTH2";
	params->tls = params->plain_login = params->early_talkers = true;
	params->max_message_size = 2000;
	params->max_recipients = 100;
	params->unknown_parameters = true;
	params->max_unauthenticated = 40;
	params->hide = "EXPN LIMITS";
	return lm_smtp_server_new(params, &peer, 1000, &s) == 0 ? s : NULL;
}

#endif
