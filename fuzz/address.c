/* Listening addresses: what parses formats to something that parses to the same. */
#include "target.h"

#include "net/listener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = lm_strdup_bytes(lm_bytes(data, size)), again[128];
	struct lm_address a, b;
	struct lm_error e;

	FUZZ_CHECK(text);
	if (lm_address_parse(text, &a, &e) == 0) {
		lm_address_format(&a, again);
		FUZZ_CHECK(lm_address_parse(again, &b, &e) == 0);
		FUZZ_CHECK(a.port == b.port && a.is_unix == b.is_unix &&
		           strcmp(a.text, b.text) == 0);
	}
	lm_free(text);
	return 0;
}
