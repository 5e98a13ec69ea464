/* URLs of clients: whatever is typed, parts are clean strings or there is an error in one line. */
#include "target.h"

#include <lettermill/client.h>

static void check_text(const char *text, size_t room)
{
	FUZZ_CHECK(memchr(text, '\0', room));
	for (; *text; text++)
		FUZZ_CHECK((uint8_t)*text >= 0x20 && *text != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = lm_strdup_bytes(lm_bytes(data, size));
	struct lm_client_url url;
	struct lm_error e = { 0 };
	int err;

	FUZZ_CHECK(text);
	err = lm_client_url_parse(text, &url, &e);
	FUZZ_CHECK(err == 0 || err == LM_E_SYNTAX);
	if (err) {
		check_text(e.text, sizeof(e.text));
	} else {
		FUZZ_CHECK(url.host[0] && url.protocol >= LM_SMTP && url.protocol <= LM_POP3);
		check_text(url.host, sizeof(url.host));
		check_text(url.user, sizeof(url.user));
		check_text(url.password, sizeof(url.password));
		check_text(url.mechanism, sizeof(url.mechanism));
		check_text(url.path, sizeof(url.path));
	}
	lm_free(text);
	return 0;
}
