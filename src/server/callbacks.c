/* A callback table as a handler: which member decides which event stands in one table. */
#include "server/serving.h"

#include "base/mem.h"

static const size_t members[LM_EVENT_COUNT] = {
#define M(event, member) [LM_EVENT_##event] = offsetof(struct lm_callbacks, member)
	M(CONNECT, on_connect),
	M(HELO, on_helo),
	M(AUTH, on_auth),
	M(AUTH_DONE, on_auth_done),
	M(MAILDROP, on_maildrop),
	M(STAT, on_stat),
	M(LIST, on_list),
	M(UIDL, on_uidl),
	M(RETR, on_retr),
	M(TOP, on_top),
	M(DELE, on_dele),
	M(RSET, on_rset),
	M(NOOP, on_noop),
	M(CAPA, on_capa),
	M(LANG, on_lang),
	M(UTF8, on_utf8),
	M(QUIT, on_quit),
	M(MAIL, on_mail),
	M(RCPT, on_rcpt),
	M(DATA, on_data),
	M(BODY, on_body),
	M(MESSAGE, on_message),
	M(VRFY, on_vrfy),
	M(EXPN, on_expn),
	M(HELP, on_help),
	M(COMMAND, on_command),
	M(USER, on_user),
	M(SAY, on_say),
	M(CERTIFICATE, on_certificate),
#undef M
};

struct table {
	struct lm_handler_ops ops;
	struct lm_callbacks callbacks;
};

static lm_decide_fn member(const struct lm_callbacks *callbacks, enum lm_event_type type)
{
	lm_decide_fn fn = NULL;

	if (members[type])
		memcpy(&fn, (const char *)callbacks + members[type], sizeof(fn));
	return fn;
}

static enum lm_verdict table_decide(void *context, void **session_slot,
                                    const struct lm_event *event, struct lm_reply *out_reply,
                                    struct lm_ticket ticket)
{
	const struct table *t = context;
	lm_decide_fn fn = member(&t->callbacks, event->type);

	return fn ? fn(t->callbacks.ctx, session_slot, event, out_reply, ticket) : LM_PROCEED;
}

static void table_notice(void *context, void **session_slot, const struct lm_event *event,
                         const struct lm_reply *reply)
{
	const struct table *t = context;

	(void)reply;
	t->callbacks.on_notice(t->callbacks.ctx, session_slot, event);
}

int lm_callbacks_new(const struct lm_callbacks *callbacks, struct lm_installed *out_handler,
                     void **out_memory)
{
	struct table *t = lm_alloc_zero(1, sizeof(*t));
	size_t known = callbacks->size < sizeof(t->callbacks) ? callbacks->size
	                                                      : sizeof(t->callbacks);

	if (!t)
		return LM_E_NOMEM;
	memcpy(&t->callbacks, callbacks, known);
	t->ops = (struct lm_handler_ops){
		.size = sizeof(t->ops),
		.name = "callbacks",
		.decide = table_decide,
		.notice = t->callbacks.on_notice ? table_notice : NULL,
	};
	for (int type = 0; type < LM_EVENT_COUNT; type++)
		if (member(&t->callbacks, (enum lm_event_type)type))
			t->ops.decides |= LM_EVENT_BIT(type);
	*out_handler = (struct lm_installed){ &t->ops, t };
	*out_memory = t;
	return 0;
}
