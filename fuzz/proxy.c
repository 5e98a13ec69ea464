/* The PROXY protocol parser: growing prefixes agree, and nothing beyond its limit is asked for. */
#include "target.h"

#include "net/listener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (size_t n = 0; n <= size && n <= 600; n++) {
		struct lm_proxy_info info;
		size_t taken = 0;
		int got = lm_proxy_parse(lm_bytes(data, n), &taken, &info);

		FUZZ_CHECK(got <= 1);
		FUZZ_CHECK(got != 0 || n < 536);
		if (got == 1)
			FUZZ_CHECK(taken <= n && memchr(info.peer, 0, sizeof(info.peer)));
		if (got)
			break;
	}
	return 0;
}
