/** @file
 * The SMTP and LMTP client targets differ in one word. The first octet of an input says what the
 * session is made with, the rest is what the server says.
 */
#ifndef LM_FUZZ_SMTP_CLIENT_COMMON_H
#define LM_FUZZ_SMTP_CLIENT_COMMON_H

#include "session_driver.h"

#include <lettermill/smtp.h>

/** Bits of the first octet; the two lowest choose the login. */
enum fuzz_smtp_client {
	FUZZ_NO_PIPELINING = 4,
	FUZZ_NO_CHUNKING = 8,
	FUZZ_TRACE = 16,
	FUZZ_SMALL = 32,
};

static inline int fuzz_login(struct lm_session *s, unsigned how)
{
	/* No mechanism with chance in it, so that runs compare. */
	static const char *const mechanisms[] = { "PLAIN", "LOGIN", "CRAM-MD5", NULL };
	struct lm_credentials c = { .user = lm_str("fuzz"), .mechanism = mechanisms[how & 3] };
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_LOGIN);

	if (c.mechanism)
		c.password = lm_str("secret");
	c.ask_token = !c.mechanism;
	r.credentials = &c;
	return lm_session_request(s, &r, 1000);
}

static inline int fuzz_ask_all(struct lm_session *s)
{
	static struct lm_recipient to[] = { { .address = { (const uint8_t *)"b@x", 3 } },
		                            { .address = { (const uint8_t *)"c@x", 3 } } };
	static const struct lm_envelope letters[] = {
		{ .recipients = to, .recipient_count = 2 },
		{ .recipients = to, .recipient_count = 1, .size = 21, .eight_bit = true },
	};
	static const enum lm_request_type types[] = {
		LM_REQUEST_SEND, LM_REQUEST_CAPA, LM_REQUEST_SEND,
		LM_REQUEST_VRFY, LM_REQUEST_RSET, LM_REQUEST_QUIT,
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types) && !err; i++) {
		struct lm_request r = LM_REQUEST_INIT(types[i]);

		r.argument = lm_str("who");
		r.envelope = &letters[i != 0];
		err = lm_session_request(s, &r, 1000);
	}
	return err;
}

static inline struct lm_session *fuzz_smtp_client(struct lm_smtp_client_session_params *params,
                                                  enum lm_protocol protocol, unsigned how)
{
	struct lm_session *s = NULL;

	lm_smtp_client_session_params_init(params, protocol);
	params->helo = "h";
	params->plain_login = params->force_8bit = true;
	params->no_pipelining = how & FUZZ_NO_PIPELINING;
	params->no_chunking = how & FUZZ_NO_CHUNKING;
	params->trace = how & FUZZ_TRACE;
	params->tls = LM_TLS_OFF; /* what follows STARTTLS depends on the pieces by right */
	if (how & FUZZ_SMALL)
		params->max_line = params->max_reply = 60;
	if (lm_smtp_client_session_new(params, 1000, &s))
		return NULL;
	FUZZ_CHECK(fuzz_login(s, how) == 0 && fuzz_ask_all(s) == 0);
	return s;
}

#endif
