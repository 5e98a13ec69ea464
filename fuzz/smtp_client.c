/* The SMTP client session: a server that says anything. */
#include "smtp_client_common.h"

static unsigned how;

static struct lm_session *make(void)
{
	static struct lm_smtp_client_session_params params;

	return fuzz_smtp_client(&params, LM_SMTP, how);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	how = size ? data[0] : 0;
	fuzz_session(make, lm_bytes_from(lm_bytes(data, size), 1));
	return 0;
}
