/* POP3 transcripts. Options: apop stamp=X language=X tls require_tls noplain nologin mech=A,B
 * expire=N delay=N max_errors=N hide=A,B implementation=X; languages: fr with some words, nl with
 * others than ours, x-ask which asks for all of them; undecided=EVENT: nobody answers those. */
#include "chat_main.h"

#include <lettermill/pop3.h>

#include "lm_test.h"

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

/* Every key whose words are a matter of language. */
static size_t all_open(struct lm_pop3_text texts[100])
{
	static const struct {
		const char *key, *fixed;
	} rows[] = {
#define R(id, key, kind, code, fixed) { key, fixed },
#include "pop3/replies.def"
#undef R
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!rows[i].fixed)
			texts[n++] = (struct lm_pop3_text){ rows[i].key, NULL };
	return n;
}

static void add_languages(struct lm_pop3_server_params *params)
{
	static const struct lm_pop3_text french[] = {
		{ "success.greeting", "a votre service" },
		{ "success.user.accepted", "bonjour {user}, PASS s'il vous pla\xc3\xaet" },
		{ "success.dele.deleted", "message {n} ({uidl}, {size}) supprim\xc3\xa9" },
		{ "failure.invalid_params.most", "{verb}: {min} \xc3\xa0 {max} ({state})" },
		{ "failure.invalid_command", "{text}?" },
	};
	static const struct lm_pop3_text dutch[] = { { "success.quit", "doei{s}" } };
	static struct lm_pop3_text open[100];
	static struct lm_pop3_language languages[3];

	languages[0] = (struct lm_pop3_language){ "fr",
		                                  "Fran\xc3\xa7"
		                                  "ais",
		                                  french, 5 };
	languages[1] = (struct lm_pop3_language){ "nl", "Hollands", dutch, 1 };
	languages[2] = (struct lm_pop3_language){ "x-ask", "Asked", open, all_open(open) };
	params->languages = languages;
	params->language_count = 3;
	for (size_t i = 0; i < 3; i++)
		assert_err(lm_pop3_language_check(&languages[i], NULL), 0);
}

static uint64_t decided(const struct chat *chat)
{
	const char *not = chat_option(chat, "undecided");
	uint64_t all = UINT64_MAX;

	if (chat_option(chat, "bare"))
		return 0;
	for (int t = 1; not &&t < LM_EVENT_COUNT; t++)
		if (strcmp(lm_event_name((enum lm_event_type)t), not ) == 0)
			all &= ~LM_EVENT_BIT(t);
	return all;
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
	params.decides = decided(chat);
	if (chat_option(chat, "languages"))
		add_languages(&params);
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
