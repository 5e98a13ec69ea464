/* POP3 transcripts of the client. Options: tls=off|opportunistic|starttls|implicit (off) noplain
 * window=N (1) max_line=N max_message=N max_items=N timeout=N trace */
#include "chat_main.h"

#include <lettermill/pop3.h>

#include <stdlib.h>

static uint64_t number(const struct chat *chat, const char *name, uint64_t otherwise)
{
	const char *v = chat_option(chat, name);

	return v ? strtoull(v, NULL, 10) : otherwise;
}

static enum lm_tls_mode tls_mode(const struct chat *chat)
{
	const char *v = chat_option(chat, "tls");

	return !v || strcmp(v, "off") == 0       ? LM_TLS_OFF
	       : strcmp(v, "opportunistic") == 0 ? LM_TLS_OPPORTUNISTIC
	       : strcmp(v, "starttls") == 0      ? LM_TLS_STARTTLS
	                                         : LM_TLS_IMPLICIT;
}

static struct lm_session *make(const struct chat *chat, lm_time_ms now)
{
	static struct lm_pop3_client_session_params params;
	struct lm_session *session = NULL;

	lm_pop3_client_session_params_init(&params);
	params.host = "mail.example.org";
	params.tls = tls_mode(chat);
	params.plain_login = chat_option(chat, "noplain") == NULL;
	params.pipeline = (unsigned)number(chat, "window", 1);
	params.max_line = number(chat, "max_line", params.max_line);
	params.max_message = number(chat, "max_message", params.max_message);
	params.max_items = number(chat, "max_items", params.max_items);
	params.timeout = (lm_time_ms)number(chat, "timeout", 60 * 1000);
	params.trace = chat_option(chat, "trace") != NULL;
	return lm_pop3_client_session_new(&params, now, &session) == 0 ? session : NULL;
}

int main(void)
{
	static const char *const prefixes[] = { "client-pop3", "~pop3", NULL };

	return chat_main(prefixes, make);
}
