/* SMTP and LMTP transcripts. Options: tls require_tls require_auth noplain mech=A,B max_size=N
 * max_rcpt=N keep xclient xforward early max_errors=N max_line=N hide=A,B unannounced=A,B
 * banner=WORD max_before=N (commands before a login) accept (unknown parameters) */
#include "chat_main.h"

#include <lettermill/smtp.h>

#include <stdio.h>
#include <stdlib.h>

static enum lm_protocol protocol_of(const struct chat *chat)
{
	return chat_option(chat, "lmtp")         ? LM_LMTP
	       : chat_option(chat, "submission") ? LM_SUBMISSION
	                                         : LM_SMTP;
}

static uint64_t number(const struct chat *chat, const char *name, uint64_t otherwise)
{
	const char *v = chat_option(chat, name);

	return v ? strtoull(v, NULL, 10) : otherwise;
}

/* "A,B" as "A B". */
static const char *words(const char *list, char *room, size_t size)
{
	snprintf(room, size, "%s", list ? list : "");
	for (char *p = room; *p; p++)
		*p = *p == ',' ? ' ' : *p;
	return list ? room : NULL;
}

static struct lm_session *make(const struct chat *chat, lm_time_ms now)
{
	static struct lm_smtp_server_params params;
	static char mechanisms[200], hidden[200], unannounced[200], banner[200];
	struct lm_smtp_server_peer peer = { .id = 1,
		                            .peer_address = "192.0.2.1",
		                            .peer_port = 4711,
		                            .local_address = "192.0.2.2",
		                            .local_port = 25 };
	struct lm_session *session = NULL;

	lm_smtp_server_params_init(&params, protocol_of(chat));
	params.hostname = "mail.example.org";
	params.mechanisms = words(chat_option(chat, "mech"), mechanisms, sizeof(mechanisms));
	params.hide = words(chat_option(chat, "hide"), hidden, sizeof(hidden));
	params.unannounced = words(chat_option(chat, "unannounced"), unannounced,
	                           sizeof(unannounced));
	params.banner = words(chat_option(chat, "banner"), banner, sizeof(banner));
	params.max_unauthenticated = (unsigned)number(chat, "max_before", 0);
	params.unknown_parameters = chat_option(chat, "accept") != NULL;
	params.decides = chat_option(chat, "bare") ? 0 : UINT64_MAX;
	params.tls = chat_option(chat, "tls") != NULL;
	params.require_tls = chat_option(chat, "require_tls") != NULL;
	if (chat_option(chat, "require_auth"))
		params.require_auth = true;
	params.plain_login = chat_option(chat, "noplain") == NULL;
	params.max_message_size = number(chat, "max_size", params.max_message_size);
	params.max_recipients = (unsigned)number(chat, "max_rcpt", params.max_recipients);
	params.max_errors = (unsigned)number(chat, "max_errors", 10);
	params.max_line = number(chat, "max_line", params.max_line);
	params.bare = chat_option(chat, "keep") ? LM_BARE_KEEP : LM_BARE_REFUSE;
	params.early_talkers = chat_option(chat, "early") != NULL;
	peer.xclient = chat_option(chat, "xclient") != NULL;
	peer.xforward = chat_option(chat, "xforward") != NULL;
	return lm_smtp_server_new(&params, &peer, now, &session) == 0 ? session : NULL;
}

int main(void)
{
	static const char *const prefixes[] = { "smtp", "submission", "lmtp", NULL };

	return chat_main(prefixes, make);
}
