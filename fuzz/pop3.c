/* The POP3 server session; only mechanisms without chance in their challenges, so that runs
 * compare. */
#include "session_driver.h"

#include <lettermill/pop3.h>

static struct lm_session *make(void)
{
	static struct lm_pop3_server_params params;
	struct lm_pop3_server_peer peer = { .id = 1,
		                            .peer_address = "192.0.2.1",
		                            .peer_port = 1,
		                            .local_address = "192.0.2.2",
		                            .local_port = 110,
		                            .stamp = "1.2" };
	struct lm_session *s = NULL;

	lm_pop3_server_params_init(&params);
	params.hostname = "h";
	params.decides = UINT64_MAX;
	params.mechanisms = "PLAIN LOGIN XOAUTH2";
	params.tls = params.plain_login = params.apop = true;
	return lm_pop3_server_new(&params, &peer, 1000, &s) == 0 ? s : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_session(make, lm_bytes(data, size));
	return 0;
}
