/* The handler on the I/O workers: what scripts decide goes to them, the rest is decided here. */
#include "script/handler.h"

#include "base/error.h"
#include "script/handler_impl.h"

enum { CPU = 5000, HEAP = 512 << 20, GONE_PATIENCE = 30000 };

const char *lm_script_namespace(enum lm_protocol protocol)
{
	return protocol == LM_POP3 ? "pop3" : protocol == LM_LMTP ? "lmtp" : "smtp";
}

lm_time_ms lm_script_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (lm_time_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_hooked(const struct lm_script_handler *h, enum lm_event_type type)
{
	return lm_hooks_of(h, type) != NULL;
}

/* ---- sessions ---- */

static struct lm_ss *session_of(struct lm_script_handler *h, void **slot,
                                const struct lm_event *event)
{
	if (!*slot)
		*slot = lm_ss_new(h, event->info);
	return *slot;
}

static enum lm_verdict refuse(struct lm_reply *out_reply, int err)
{
	out_reply->result = err;
	return LM_ANSWERED;
}

static enum lm_verdict ask_script(struct lm_ss *ss, const struct lm_event *event,
                                  struct lm_ss_body *body, struct lm_reply *out_reply,
                                  struct lm_ticket ticket)
{
	struct lm_ss_message *m = lm_ss_message_new(ss, event, ticket);
	int err;

	if (!m) {
		lm_ss_body_unref(body);
		return refuse(out_reply, LM_E_NOMEM);
	}
	m->body = body;
	err = lm_sp_post(m);
	return err ? refuse(out_reply, err) : LM_PENDING;
}

/* ---- what is decided here ---- */

static enum lm_verdict decide_message(struct lm_ss *ss, const struct lm_event *event,
                                      struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_ss_body *body = ss->body ? ss->body : lm_ss_body_new();

	ss->body = NULL;
	if (!body)
		return refuse(out_reply, LM_E_NOMEM);
	if (body->broken) {
		lm_ss_body_unref(body);
		return refuse(out_reply, LM_E_IO);
	}
	return ask_script(ss, event, body, out_reply, ticket);
}

/* Behind a login the list lies ready. */
static enum lm_verdict give_list(const struct lm_ss *ss, struct lm_reply *out_reply)
{
	const struct lm_script_handler *h = ss->handler;

	if (!ss->drop.is_given && h->has_store)
		return LM_PROCEED;
	out_reply->messages = ss->drop.messages;
	out_reply->message_count = ss->drop.count;
	return LM_ANSWERED;
}

/* A transaction goes on to the store where that knows any of the recipients. */
static bool goes_to_store(const struct lm_ss *ss)
{
	return ss->handler->has_store && ss->left_to_store;
}

static enum lm_verdict decide_unhooked(struct lm_ss *ss, const struct lm_event *event,
                                       struct lm_reply *out_reply, struct lm_ticket ticket)
{
	bool has_store = ss->handler->has_store;

	switch (event->type) {
	case LM_EVENT_AUTH:
		return has_store ? LM_PROCEED : refuse(out_reply, LM_E_AUTH);
	case LM_EVENT_MAILDROP:
		return give_list(ss, out_reply);
	case LM_EVENT_RETR:
	case LM_EVENT_TOP:
		return has_store ? LM_PROCEED : refuse(out_reply, LM_E_NOT_FOUND);
	case LM_EVENT_RCPT:
		if (has_store) {
			atomic_store(&ss->passed, true);
			return LM_PROCEED;
		}
		out_reply->text = lm_str("Relaying denied");
		return refuse(out_reply, LM_E_DENIED);
	case LM_EVENT_DATA:
		if (is_hooked(ss->handler, LM_EVENT_MESSAGE))
			return goes_to_store(ss) || !has_store ? LM_PROCEED : LM_ANSWERED;
		if (has_store)
			return LM_PROCEED;
		out_reply->smtp_code = 554;
		out_reply->enhanced[0] = 5;
		out_reply->enhanced[1] = 3;
		out_reply->text = lm_str("Nobody takes messages here");
		return refuse(out_reply, LM_E_DENIED);
	case LM_EVENT_BODY:
		return lm_ss_take(ss, event, goes_to_store(ss), out_reply, ticket);
	default:
		return LM_PROCEED;
	}
}

/* SECRET and the like are onAuth's, where there is one; the list of a login needs no script. */
static bool asks_script(const struct lm_ss *ss, const struct lm_event *event)
{
	const struct lm_script_handler *h = ss->handler;

	if (event->type == LM_EVENT_AUTH && h->by_event[LM_EVENT_AUTH][1] < 0)
		return is_hooked(h, LM_EVENT_AUTH) && event->auth.kind == LM_AUTH_PASSWORD;
	if (event->type == LM_EVENT_MAILDROP && ss->drop.is_given)
		return false;
	return is_hooked(h, event->type);
}

static enum lm_verdict decide(void *context, void **slot, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_script_handler *h = context;
	struct lm_ss *ss = session_of(h, slot, event);

	if (!ss)
		return refuse(out_reply, LM_E_NOMEM);
	if (atomic_load(&ss->closes)) {
		out_reply->flags = LM_REPLY_CLOSE;
		return refuse(out_reply, LM_E_CLOSED);
	}
	if (event->type == LM_EVENT_DATA)
		atomic_store(&ss->passes, goes_to_store(ss));
	if (!asks_script(ss, event))
		return decide_unhooked(ss, event, out_reply, ticket);
	if (event->type == LM_EVENT_MESSAGE)
		return decide_message(ss, event, out_reply, ticket);
	return ask_script(ss, event, NULL, out_reply, ticket);
}

/* ---- what is heard ---- */

static void transaction_over(struct lm_ss *ss)
{
	lm_ss_body_unref(ss->body);
	ss->body = NULL;
	ss->left_to_store = false;
	ss->fresh = true;
}

/* The script of a DELE has set the mark itself. */
static void heard_yes(struct lm_ss *ss, const struct lm_event *event)
{
	if (event->type == LM_EVENT_RCPT && atomic_exchange(&ss->passed, false))
		ss->left_to_store = true;
	else if (event->type == LM_EVENT_RSET && event->info->protocol == LM_POP3)
		lm_ss_mark(ss, 0);
	else if (event->type == LM_EVENT_DELE && !is_hooked(ss->handler, LM_EVENT_DELE))
		lm_ss_mark(ss, (uint32_t)event->message.number);
}

static void heard_decision(struct lm_ss *ss, const struct lm_event *event,
                           const struct lm_reply *reply)
{
	if (reply && reply->result == LM_E_TIMEOUT)
		lm_sp_late(ss, event->id);
	if (!reply || reply->result == 0)
		heard_yes(ss, event);
	atomic_store(&ss->passed, false);
	if (event->type == LM_EVENT_MESSAGE)
		transaction_over(ss);
}

static void post_notice(struct lm_ss *ss, const struct lm_event *event)
{
	struct lm_ss_message *m = lm_ss_message_new(ss, event, (struct lm_ticket){ 0 });

	/* A notice that cannot be had is not one that changes anything. */
	if (m && lm_sp_post(m))
		return;
}

/* Scripts hear of the end where they know the session, or want to know of every one. */
static void session_over(struct lm_ss *ss, const struct lm_event *event)
{
	struct lm_ss_message *m;

	lm_sp_gone(ss);
	if (!atomic_load(&ss->place) && !is_hooked(ss->handler, LM_EVENT_DISCONNECT)) {
		lm_ss_free(ss);
		return;
	}
	m = lm_ss_message_new(ss, event, (struct lm_ticket){ 0 });
	if (m)
		lm_free(ss->last);
	else
		m = ss->last;
	ss->last = NULL;
	/* Only a session without a place can fail to get there. */
	if (lm_sp_post(m))
		lm_ss_free(ss);
}

static void notice(void *context, void **slot, const struct lm_event *event,
                   const struct lm_reply *reply)
{
	struct lm_script_handler *h = context;
	struct lm_ss *ss = *slot;

	if (event->id) {
		if (ss)
			heard_decision(ss, event, reply);
		return;
	}
	if (event->type == LM_EVENT_DISCONNECT) {
		if (!ss && is_hooked(h, LM_EVENT_DISCONNECT))
			ss = session_of(h, slot, event);
		if (ss)
			session_over(ss, event);
		*slot = NULL;
		return;
	}
	if (is_hooked(h, event->type))
		ss = session_of(h, slot, event);
	if (ss && is_hooked(h, event->type))
		post_notice(ss, event);
	if (ss && event->type == LM_EVENT_ABORT)
		transaction_over(ss);
}

/* ---- making one ---- */

static uint64_t decisions(const struct lm_script_handler *h)
{
	const uint64_t notices = LM_EVENT_BIT(LM_EVENT_TLS) | LM_EVENT_BIT(LM_EVENT_ABORT) |
	                         LM_EVENT_BIT(LM_EVENT_DISCONNECT);
	bool is_pop3 = h->protocol == LM_POP3;
	uint64_t set = 0;

	for (int type = 0; type < LM_EVENT_COUNT; type++)
		if (is_hooked(h, (enum lm_event_type)type))
			set |= LM_EVENT_BIT(type);
	if (set & LM_EVENT_BIT(LM_EVENT_MESSAGE))
		set |= LM_EVENT_BIT(LM_EVENT_BODY) | LM_EVENT_BIT(LM_EVENT_DATA) |
		       LM_EVENT_BIT(LM_EVENT_RCPT);
	if (is_pop3 && (set & LM_EVENT_BIT(LM_EVENT_AUTH)))
		set |= LM_EVENT_BIT(LM_EVENT_MAILDROP);
	if (!h->has_store && is_pop3)
		set |= LM_EVENT_BIT(LM_EVENT_AUTH) | LM_EVENT_BIT(LM_EVENT_MAILDROP) |
		       LM_EVENT_BIT(LM_EVENT_RETR) | LM_EVENT_BIT(LM_EVENT_TOP);
	else if (!h->has_store)
		set |= LM_EVENT_BIT(LM_EVENT_AUTH) | LM_EVENT_BIT(LM_EVENT_RCPT) |
		       LM_EVENT_BIT(LM_EVENT_DATA);
	return set & ~notices;
}

static struct lm_script_handler *handler_new(struct lm_runtime *rt,
                                             const struct lm_script_handler_params *params)
{
	struct lm_script_handler *h = lm_alloc_zero(1, sizeof(*h));

	if (!h)
		return NULL;
	h->script = rt->script;
	h->rt = rt;
	h->protocol = params->protocol;
	h->has_store = params->has_store;
	h->limits.cpu = params->cpu ? params->cpu : CPU;
	h->limits.heap = params->heap ? params->heap : HEAP;
	h->gone_patience = params->gone_patience ? params->gone_patience : GONE_PATIENCE;
	h->looked = lm_script_now();
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

static void set_ops(struct lm_script_handler *h)
{
	h->ops = (struct lm_handler_ops){
		.size = sizeof(h->ops),
		.name = "script",
		.decide = decide,
		.notice = notice,
		.decides = decisions(h),
	};
	h->ops.hears = h->ops.decides;
	if (h->protocol == LM_POP3)
		h->ops.hears |= LM_EVENT_BIT(LM_EVENT_DELE) | LM_EVENT_BIT(LM_EVENT_RSET);
}

static bool thrown(struct lm_runtime *rt, int err)
{
	struct lm_error error;

	/* What the VM threw is the better story. */
	if (err != LM_E_SCRIPT) {
		lm_fail(&error, err, "script workers: %s", lm_err_text(err));
		lm_js_throw_error(rt->js, &error);
	}
	return false;
}

bool lm_script_handler_new(struct lm_runtime *rt, const struct lm_script_handler_params *params,
                           struct lm_script_handler **out_handler)
{
	struct lm_script_handler *h = handler_new(rt, params);
	unsigned size = params->pool_size ? params->pool_size : 1;
	int err;

	if (!h)
		return thrown(rt, LM_E_NOMEM);
	if (!lm_hooks_open(h, rt, params)) {
		lm_script_handler_free(h);
		return false;
	}
	set_ops(h);
	err = lm_sp_new(h, h->has_functions ? rt : NULL, size, &h->pool);
	if (err) {
		lm_script_handler_free(h);
		return thrown(rt, err);
	}
	*out_handler = h;
	return true;
}

const struct lm_handler_ops *lm_script_handler_ops(const struct lm_script_handler *h)
{
	return &h->ops;
}

void lm_script_handler_free(struct lm_script_handler *h)
{
	if (!h)
		return;
	lm_sp_free(h->pool);
	lm_hooks_close(h);
	pthread_mutex_destroy(&h->lock);
	lm_free(h);
}
