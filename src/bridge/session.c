/* The bridge as a server's handler: copies what script wants to know into the queue. */
#include "bridge/session.h"

static struct lm_bx_session *session_of(void **slot, struct lm_bx_server *server,
                                        const struct lm_event *event)
{
	struct lm_bx_session *s = *slot;

	if (s)
		return s;
	s = lm_alloc_zero(1, sizeof(*s));
	if (!s)
		return NULL;
	s->thing.kind = LM_BX_SESSION;
	s->server = server;
	s->protocol = event->info->protocol;
	*slot = s;
	return s;
}

static void session_free(struct lm_bx_session *s)
{
	lm_free(s->facts.memory);
	lm_free(s->messages);
	lm_free(s->names);
	lm_free(s->stash);
	lm_free(s);
}

/* ---- on the script's thread ---- */

void lm_bx_session_cut(struct lm_bridge *bridge, struct lm_bx_session *s)
{
	struct lm_ticket self;

	pthread_mutex_lock(&bridge->lock);
	self = s->self;
	pthread_mutex_unlock(&bridge->lock);
	if (self.worker)
		lm_ticket_close(self);
}

/* The listener's name: that of the port, or (behind a proxy) of the protocol. */
static const char *find_listener(const struct lm_bx_session *s, int port)
{
	const char *protocol = lm_bx_protocol_name(s->protocol);

	for (size_t i = 0; i < LM_BX_LISTENERS; i++) {
		const struct lm_bx_listener *l = &s->server->listeners[i];

		if (l->port && l->port == port)
			return l->name;
	}
	return protocol;
}

/* Filled in here, because a start knows its ports only when it is over. In the first entry `info`
 * comes first, and its listener is the first in it. */
static void set_listener(struct lm_bx_session *s, struct lm_bx_told *told)
{
	int port = 0;

	LM_ASSERT(told->count > 1);
	for (size_t i = 2; i < told->count; i++)
		if (told->fields[i].name && strcmp(told->fields[i].name, "localPort") == 0)
			port = (int)told->fields[i].number;
	told->fields[1].octets = lm_str(find_listener(s, port));
}

static bool greet(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_told *told)
{
	struct lm_bx_session *s = told->owner;

	if (!s->thing.number) {
		int err = lm_bx_add(bridge, &s->thing);

		if (err) {
			struct lm_error error = { 0 };

			(void)lm_fail(&error, err, "%s", lm_err_text(err));
			bridge->host.ops->fail(host, &error);
			return false;
		}
		set_listener(s, told);
	}
	if (told->event) {
		s->open = s->self;
		s->open.event = (uint32_t)told->event;
		s->need = (enum lm_secret_need)told->more;
	}
	return true;
}

static void add_late(struct lm_bx_late *late, const char *name, uint64_t number)
{
	late->names[late->count] = name;
	late->numbers[late->count++] = (double)number;
}

static bool dress(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_told *told,
                  struct lm_bx_late *late)
{
	const struct lm_bx_session *s = told->owner;

	if (!greet(bridge, host, told))
		return false;
	add_late(late, "server", s->server->thing.number);
	add_late(late, "session", s->thing.number);
	add_late(late, "event", told->event);
	return true;
}

/* What script was not told it must not miss. */
static void lost(struct lm_bridge *bridge, struct lm_bx_told *told)
{
	lm_bx_session_cut(bridge, told->owner);
}

static bool tell_end(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                     struct lm_host_value **out_value)
{
	struct lm_bx_session *s = lm_container(entry, struct lm_bx_session, end);
	struct lm_bx_late numbers = { .count = 0 };

	add_late(&numbers, "type", LM_EVENT_DISCONNECT);
	add_late(&numbers, "server", s->server->thing.number);
	add_late(&numbers, "session", s->thing.number);
	add_late(&numbers, "event", 0);
	lm_bx_remove(bridge, &s->thing);
	session_free(s);
	*out_value = lm_bx_numbers(bridge, host, &numbers);
	return *out_value != NULL;
}

static void drop_end(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry)
{
	struct lm_bx_session *s = lm_container(entry, struct lm_bx_session, end);

	(void)host;
	lm_bx_remove(bridge, &s->thing);
	session_free(s);
}

/* ---- on the worker ---- */

static struct lm_bx_told *told_new(struct lm_bx_session *s, const struct lm_event *event,
                                   struct lm_bx_draft *draft, uint32_t id)
{
	struct lm_bx_told *told = lm_bx_told_new(draft, event->type);

	if (!told)
		return NULL;
	told->dress = dress;
	told->lost = lost;
	told->owner = s;
	told->event = id;
	told->more = event->auth.need;
	told->secret = event->type == LM_EVENT_AUTH;
	s->told = true;
	return told;
}

static int begin(struct lm_bx_session *s, const struct lm_event *event, struct lm_bx_draft *draft)
{
	lm_bx_draft_init(draft);
	return lm_bx_facts_put(&s->facts, event->info, !s->told, draft);
}

/* Script does not ask to be told of DATA: its messages come in few entries. */
static bool is_stashing(const struct lm_bx_session *s)
{
	return !(s->server->decides & LM_EVENT_BIT(LM_EVENT_DATA));
}

/* What is left of a message that nobody wants any more goes, too. */
static void begin_message(struct lm_bx_session *s)
{
	lm_free(s->stash);
	s->stash = NULL;
	s->stashed = 0;
	s->begun = false;
}

/* The stash becomes a member, and the first of a message tells whose it is. */
static void put_stash(struct lm_bx_session *s, const struct lm_event *event,
                      struct lm_bx_draft *draft)
{
	if (s->stash)
		lm_bx_bytes(draft, "bytes", s->stash, s->stashed);
	if (!s->begun)
		lm_bx_transaction_put(event->envelope, draft);
	s->begun = true;
	s->stash = NULL;
	s->stashed = 0;
}

static struct lm_bx_told *decision_new(struct lm_bx_session *s, const struct lm_event *event)
{
	struct lm_bx_draft draft;
	int err = begin(s, event, &draft);

	if (err)
		return NULL;
	lm_bx_event_put(event, false, &draft);
	if (event->type == LM_EVENT_MESSAGE && is_stashing(s))
		put_stash(s, event, &draft);
	return told_new(s, event, &draft, event->id);
}

static enum lm_verdict refuse(struct lm_reply *reply, int err)
{
	reply->result = err;
	return LM_ANSWERED;
}

/* Told before it is known whether the next piece has to wait: so nothing of it can be missed. */
static enum lm_verdict tell_body(struct lm_bx_session *s, const struct lm_event *event,
                                 struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_bridge *bridge = s->server->bridge;
	size_t len = s->stashed;
	struct lm_bx_told *told;
	struct lm_bx_draft draft;
	bool full;

	if (begin(s, event, &draft))
		return refuse(out_reply, LM_E_NOMEM);
	if (is_stashing(s)) {
		put_stash(s, event, &draft);
	} else {
		lm_bx_bytes(&draft, "bytes", s->stash, len);
		s->stash = NULL;
		s->stashed = 0;
	}
	told = told_new(s, event, &draft, 0);
	if (!told)
		return refuse(out_reply, LM_E_NOMEM);
	pthread_mutex_lock(&bridge->lock);
	s->untaken += len;
	full = s->untaken >= LM_BX_BODY_HIGH;
	if (full)
		s->paused = ticket;
	lm_bx_push_locked(bridge, &told->head);
	lm_bx_unlock(bridge);
	return full ? LM_PENDING : LM_ANSWERED;
}

static enum lm_verdict decide_body(struct lm_bx_session *s, const struct lm_event *event,
                                   struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_bytes piece = event->argument;
	uint8_t *wider;

	if (!piece.len)
		return LM_ANSWERED;
	wider = lm_realloc(s->stash, s->stashed + piece.len, 1);
	if (!wider)
		return refuse(out_reply, LM_E_NOMEM);
	memcpy(wider + s->stashed, piece.data, piece.len);
	s->stash = wider;
	s->stashed += piece.len;
	if (is_stashing(s) && s->stashed < LM_BX_STASH)
		return LM_ANSWERED;
	return tell_body(s, event, out_reply, ticket);
}

/* Script may have been told of it by a notice before. */
static void set_self(struct lm_bx_session *s, struct lm_ticket ticket)
{
	pthread_mutex_lock(&s->server->bridge->lock);
	s->self = (struct lm_ticket){ ticket.worker, ticket.session, 0 };
	pthread_mutex_unlock(&s->server->bridge->lock);
}

/* Script has said yes to its credentials already: another way there and back would only cost. */
static bool is_good_login(const struct lm_event *event)
{
	return event->type == LM_EVENT_AUTH_DONE && event->auth.ok;
}

static enum lm_verdict handler_decide(void *context, void **slot, const struct lm_event *event,
                                      struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_bx_server *server = context;
	struct lm_bx_session *s = session_of(slot, server, event);
	struct lm_bx_told *told;

	if (!s)
		return refuse(out_reply, LM_E_NOMEM);
	if (!s->self.worker)
		set_self(s, ticket);
	if (event->type == LM_EVENT_DATA)
		begin_message(s);
	if (event->type == LM_EVENT_DATA && is_stashing(s))
		return LM_ANSWERED;
	if (event->type == LM_EVENT_BODY)
		return decide_body(s, event, out_reply, ticket);
	if (!(server->decides & LM_EVENT_BIT(event->type)) || is_good_login(event))
		return LM_PROCEED;
	told = decision_new(s, event);
	if (!told)
		return refuse(out_reply, LM_E_NOMEM);
	lm_bx_push(server->bridge, &told->head);
	return LM_PENDING;
}

static void hear(struct lm_bx_session *s, const struct lm_event *event,
                 const struct lm_reply *reply)
{
	struct lm_bx_told *told = NULL;
	struct lm_bx_draft draft;

	if (!begin(s, event, &draft)) {
		lm_bx_event_put(event, true, &draft);
		if (reply)
			lm_bx_number(&draft, "result", reply->result);
		told = told_new(s, event, &draft, 0);
	}
	if (told)
		lm_bx_push(s->server->bridge, &told->head);
	else if (s->self.worker)
		lm_ticket_close(s->self);
}

static void handler_notice(void *context, void **slot, const struct lm_event *event,
                           const struct lm_reply *reply)
{
	struct lm_bx_server *server = context;
	struct lm_bx_session *s = *slot;

	if (event->type == LM_EVENT_DISCONNECT) {
		*slot = NULL;
		if (!s)
			return;
		if (!s->told) {
			session_free(s);
			return;
		}
		s->end.tell = tell_end;
		s->end.drop = drop_end;
		lm_bx_push(server->bridge, &s->end);
		return;
	}
	if (!(server->hears & LM_EVENT_BIT(event->type)))
		return;
	s = session_of(slot, server, event);
	if (s)
		hear(s, event, reply);
}

const struct lm_handler_ops lm_bx_handler_ops = {
	.size = sizeof(struct lm_handler_ops),
	.name = "bridge",
	.decide = handler_decide,
	.notice = handler_notice,
};
