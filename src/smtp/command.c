/* The tables of commands and decisions, made of commands.def. */
#include "smtp/smtp.h"

#include "wire/text.h"

enum {
	ON_ALL = LM_SMTP_ON(START) | LM_SMTP_ON(READY) | LM_SMTP_ON(MAIL) | LM_SMTP_ON(RCPT) |
	         LM_SMTP_ON(CHUNK),
	ON_IDLE = LM_SMTP_ON(START) | LM_SMTP_ON(READY),
	ON_READY = LM_SMTP_ON(READY),
	ON_MAIL = LM_SMTP_ON(MAIL) | LM_SMTP_ON(RCPT),
	ON_RCPT = LM_SMTP_ON(RCPT),
};
enum {
	SECRET = LM_SMTP_SECRET,
	LAST = LM_SMTP_LAST,
	WORLD = LM_SMTP_WORLD,
	PLAIN = LM_SMTP_PLAIN,
};
enum { BY_SMTP = LM_SMTP_BY_SMTP, BY_LMTP = LM_SMTP_BY_LMTP, BY_BOTH = BY_SMTP | BY_LMTP };

static const struct lm_smtp_command commands[] = {
#define C(verb, protocols, states, argument, flags, event, yes, fallback, check, apply, rfc, doc) \
	{ #verb,                                                                                  \
	  BY_##protocols,                                                                         \
	  states,                                                                                 \
	  LM_SMTP_ARG_##argument,                                                                 \
	  lm_smtp_check_##check,                                                                  \
	  { LM_EVENT_##event, flags, LM_SMTP_R_##yes, LM_SMTP_R_##fallback,                       \
	    lm_smtp_apply_##apply },                                                              \
	  rfc,                                                                                    \
	  doc },
#define D(event, flags, yes, fallback, apply)
#include "smtp/commands.def"
#undef C
#undef D
};

static const struct lm_smtp_row decisions[] = {
#define C(...)
#define D(event, flags, yes, fallback, apply) \
	{ LM_EVENT_##event, flags, LM_SMTP_R_##yes, LM_SMTP_R_##fallback, lm_smtp_apply_##apply },
#include "smtp/commands.def"
#undef C
#undef D
};

const struct lm_smtp_command *lm_smtp_commands(size_t *out_count)
{
	*out_count = sizeof(commands) / sizeof(*commands);
	return commands;
}

const struct lm_smtp_command *lm_smtp_command_find(enum lm_protocol protocol, struct lm_bytes verb)
{
	unsigned by = protocol == LM_LMTP ? BY_LMTP : BY_SMTP;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if ((commands[i].protocols & by) && lm_equal_nocase(verb, lm_str(commands[i].verb)))
			return &commands[i];
	return NULL;
}

const struct lm_smtp_row *lm_smtp_row_of(enum lm_event_type event)
{
	for (size_t i = 0; i < sizeof(decisions) / sizeof(*decisions); i++)
		if (decisions[i].event == event)
			return &decisions[i];
	return NULL;
}
