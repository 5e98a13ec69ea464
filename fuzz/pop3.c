/* The POP3 server session; only mechanisms without chance in their challenges, so that runs
 * compare. Input that begins with "~" speaks to a session whose words are all asked for; with "{",
 * to one whose greeting is the template in the first line. */
#include "session_driver.h"

#include <lettermill/pop3.h>

#include <string.h>

enum { TEMPLATE_MAX = 300 };

static struct lm_pop3_text texts[100];
static struct lm_pop3_language language = { "x", "X", texts, 0 };
static const char *tag;

static void ask_for_all(void)
{
	static const struct {
		const char *key, *fixed;
	} rows[] = {
#define R(id, key, kind, code, fixed) { key, fixed },
#include "pop3/replies.def"
#undef R
	};

	language.text_count = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!rows[i].fixed)
			texts[language.text_count++] = (struct lm_pop3_text){ rows[i].key, NULL };
	FUZZ_CHECK(lm_pop3_language_check(&language, NULL) == 0);
}

/* What the check lets pass can be said. The length of the template, its line end included. */
static size_t greet_with(const uint8_t *data, size_t size)
{
	static char words[TEMPLATE_MAX];
	const uint8_t *end = memchr(data, '\n', size < TEMPLATE_MAX ? size : TEMPLATE_MAX - 1);
	size_t len = end ? (size_t)(end - data) : 0;

	memcpy(words, data, len);
	words[len] = '\0';
	texts[0] = (struct lm_pop3_text){ "success.greeting", words };
	language.text_count = 1;
	tag = lm_pop3_language_check(&language, NULL) == 0 ? "x" : NULL;
	return end ? len + 1 : 0;
}

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
	params.language = tag;
	params.languages = &language;
	params.language_count = tag != NULL;
	params.decides = UINT64_MAX;
	params.mechanisms = "PLAIN LOGIN XOAUTH2";
	params.tls = params.plain_login = params.apop = true;
	return lm_pop3_server_new(&params, &peer, 1000, &s) == 0 ? s : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t skip = 0;

	tag = NULL;
	if (size && data[0] == '~') {
		ask_for_all();
		tag = "x";
		skip = 1;
	} else if (size && data[0] == '{') {
		skip = greet_with(data, size);
	}
	fuzz_session(make, lm_bytes(data + skip, size - skip));
	return 0;
}
