/* SMTP and LMTP clients' transcripts. Options: tls (STARTTLS is due) opportunistic noplain nopipe
 * nochunk force8 max_line=N max_reply=N trace helo=NAME */
#include "chat_main.h"

#include <lettermill/smtp.h>

#include <stdlib.h>

static size_t number(const struct chat *chat, const char *name, size_t otherwise)
{
	const char *v = chat_option(chat, name);

	return v ? (size_t)strtoull(v, NULL, 10) : otherwise;
}

static enum lm_tls_mode mode(const struct chat *chat)
{
	const char *tls = chat_option(chat, "tls");

	if (chat_option(chat, "opportunistic"))
		return LM_TLS_OPPORTUNISTIC;
	return !tls ? LM_TLS_OFF : strcmp(tls, "implicit") == 0 ? LM_TLS_IMPLICIT : LM_TLS_STARTTLS;
}

static struct lm_session *make(const struct chat *chat, lm_time_ms now)
{
	static struct lm_smtp_client_session_params params;
	struct lm_session *session = NULL;

	lm_smtp_client_session_params_init(&params,
	                                   chat_option(chat, "lmtp-client") ? LM_LMTP : LM_SMTP);
	params.host = "mail.example.org";
	params.helo = chat_option(chat, "helo") ? chat_option(chat, "helo") : "client.example";
	params.tls = mode(chat);
	params.plain_login = chat_option(chat, "noplain") == NULL;
	params.no_pipelining = chat_option(chat, "nopipe") != NULL;
	params.no_chunking = chat_option(chat, "nochunk") != NULL;
	params.force_8bit = chat_option(chat, "force8") != NULL;
	params.trace = chat_option(chat, "trace") != NULL;
	params.max_line = number(chat, "max_line", params.max_line);
	params.max_reply = number(chat, "max_reply", params.max_reply);
	return lm_smtp_client_session_new(&params, now, &session) == 0 ? session : NULL;
}

int main(void)
{
	static const char *const prefixes[] = { "client-smtp", "client-lmtp", NULL };

	return chat_main(prefixes, make);
}
