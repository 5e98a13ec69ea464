/* The SMTP server session. */
#include "smtp_common.h"

static struct lm_session *make(void)
{
	static struct lm_smtp_server_params params;

	return fuzz_smtp(&params, LM_SMTP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_session(make, lm_bytes(data, size));
	return 0;
}
