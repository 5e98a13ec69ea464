/* POP3 transcripts. Options: apop stamp=X language=X tls require_tls noplain nologin mech=A,B
 * expire=N delay=N max_errors=N hide=A,B implementation=X */
#include "chat_main.h"

#include <lettermill/pop3.h>

#include <stdio.h>
#include <stdlib.h>

static int number(const struct chat *chat, const char *name, int otherwise)
{
	const char *v = chat_option(chat, name);

	return v ? (int)strtol(v, NULL, 10) : otherwise;
}

/* Commas become spaces; NULL where it is not given. */
static const char *words(const struct chat *chat, const char *name, char out[200])
{
	const char *v = chat_option(chat, name);

	if (!v)
		return NULL;
	snprintf(out, 200, "%s", v);
	for (char *p = out; *p; p++)
		*p = *p == ',' ? ' ' : *p;
	return out;
}

static struct lm_session *make(const struct chat *chat, lm_time_ms now)
{
	static struct lm_pop3_server_params params;
	static char mechanisms[200], hide[200];
	struct lm_pop3_server_peer peer = { .id = 1,
		                            .peer_address = "192.0.2.1",
		                            .peer_port = 4711,
		                            .local_address = "192.0.2.2",
		                            .local_port = 110 };
	struct lm_session *session = NULL;

	lm_pop3_server_params_init(&params);
	params.hostname = "mail.example.org";
	params.mechanisms = words(chat, "mech", mechanisms);
	params.hide = words(chat, "hide", hide);
	params.implementation = chat_option(chat, "implementation");
	params.language = chat_option(chat, "language");
	params.decides = chat_option(chat, "bare") ? 0 : UINT64_MAX;
	params.tls = chat_option(chat, "tls") != NULL;
	params.require_tls = chat_option(chat, "require_tls") != NULL;
	params.plain_login = chat_option(chat, "noplain") == NULL;
	params.apop = chat_option(chat, "apop") != NULL;
	params.expire = number(chat, "expire", -1);
	params.login_delay = number(chat, "delay", 0);
	params.max_errors = (unsigned)number(chat, "max_errors", 10);
	peer.stamp = chat_option(chat, "stamp");
	return lm_pop3_server_new(&params, &peer, now, &session) == 0 ? session : NULL;
}

int main(void)
{
	static const char *const prefixes[] = { "pop3", NULL };

	return chat_main(prefixes, make);
}
