/* Brings events to handlers and their answers back: in order, now or later, once. */
#include "server/serving.h"

enum { SPARES = 64 };

void lm_reply_drop(const struct lm_reply *reply)
{
	if (reply && reply->source)
		reply->source->ops->close(reply->source);
}

static size_t handler_count(const struct lm_conn *conn)
{
	return conn->worker->shared->handler_count + conn->worker->shared->has_store;
}

/* Handler `i` of a connection; the last is the store's. */
static const struct lm_handler_ops *handler_at(const struct lm_conn *conn, size_t i,
                                               void **out_context)
{
	const struct lm_shared *shared = conn->worker->shared;

	if (i == shared->handler_count) {
		*out_context = conn->setup->store_context;
		return lm_store_handler_ops();
	}
	*out_context = conn->worker->contexts[i];
	return shared->handlers[i].ops;
}

static void tell(struct lm_conn *conn, const struct lm_event *event, const struct lm_reply *reply,
                 bool decision)
{
	for (size_t i = 0; i < handler_count(conn); i++) {
		void *context;
		const struct lm_handler_ops *ops = handler_at(conn, i, &context);

		if (ops->notice && (!decision || (ops->hears & LM_EVENT_BIT(event->type))))
			ops->notice(context, &conn->slots[i], event, reply);
	}
}

static struct lm_decision *decision_take(struct lm_worker *w)
{
	struct lm_decision *d = w->spare;

	if (!d)
		return lm_alloc_zero(1, sizeof(*d));
	w->spare = d->next_spare;
	w->spare_count--;
	return d;
}

static void decision_give(struct lm_worker *w, struct lm_decision *d)
{
	lm_free(d->held_text);
	if (w->spare_count >= SPARES) {
		lm_free(d);
		return;
	}
	*d = (struct lm_decision){ .next_spare = w->spare };
	w->spare = d;
	w->spare_count++;
}

static void count(struct lm_conn *conn, const struct lm_event *event, const struct lm_reply *reply)
{
	struct lm_worker *w = conn->worker;
	struct lm_counters *counters = &w->counters;
	enum lm_event_type type = event->type;

	if (!reply || reply->result != 0)
		return;
	if (type == LM_EVENT_MAILDROP && conn->setup->config->options.login_delay) {
		lm_limits_login(w->shared->limits, event->info->user, lm_loop_now(w->loop));
	} else if (type == LM_EVENT_MESSAGE) {
		lm_count(&counters->messages_in, 1);
		conn->messages_in++;
	} else if (type == LM_EVENT_RETR && reply->source) {
		lm_count(&counters->messages_out, 1);
		conn->messages_out++;
	}
}

/* A source goes with the reply, whatever becomes of it. */
static void hand_over(struct lm_conn *conn, const struct lm_event *event,
                      const struct lm_reply *reply)
{
	if (event->type == LM_EVENT_CERTIFICATE)
		lm_conn_certificate(conn, event, reply);
	else
		(void)lm_link_answer(conn->link, event->id, reply);
}

static void send_answer(struct lm_decision *d, const struct lm_reply *reply)
{
	struct lm_conn *conn = d->conn;

	lm_timer_disarm(conn->worker->loop, &d->timer);
	tell(conn, &d->event, reply, true);
	count(conn, &d->event, reply);
	conn->open = NULL;
	hand_over(conn, &d->event, reply);
	if (d->asking)
		d->answered = true;
	else
		decision_give(conn->worker, d);
}

static void delay_over(struct lm_timer *timer)
{
	struct lm_decision *d = lm_container(timer, struct lm_decision, timer);

	send_answer(d, d->has_held ? &d->held : NULL);
}

/* Keeps what a refusal is made of; the handler's own slices do not live that long. */
static void hold_back(struct lm_decision *d, const struct lm_reply *reply, lm_time_ms delay)
{
	struct lm_loop *loop = d->conn->worker->loop;

	d->delaying = true;
	if (reply) {
		d->has_held = true;
		d->held = LM_REPLY_INIT;
		d->held.result = reply->result;
		d->held.smtp_code = reply->smtp_code;
		memcpy(d->held.enhanced, reply->enhanced, sizeof(d->held.enhanced));
		d->held.pop3_code = reply->pop3_code;
		d->held.flags = reply->flags;
		if (reply->text.len && (d->held_text = lm_strdup_bytes(reply->text)))
			d->held.text = lm_bytes(d->held_text, reply->text.len);
		lm_reply_drop(reply);
	}
	d->timer.fire = delay_over;
	lm_timer_arm(loop, &d->timer, lm_loop_now(loop) + delay);
}

/* A handler, or nobody (NULL), has decided. */
static void decided(struct lm_decision *d, const struct lm_reply *reply)
{
	struct lm_conn *conn = d->conn;
	struct lm_reply storage;
	lm_time_ms delay = 0;

	if (reply && reply->result > 0) {
		/* Nonsense must not pass as a yes. */
		lm_reply_drop(reply);
		storage = LM_REPLY_INIT;
		storage.result = LM_E_MISUSE;
		reply = &storage;
	}
	if (d->event.type == LM_EVENT_AUTH)
		conn->auth_unsure = reply && reply->result != 0 && reply->result != LM_E_AUTH &&
		                    reply->result != LM_E_NOT_FOUND && reply->result != LM_E_DENIED;
	if (d->event.type == LM_EVENT_AUTH_DONE &&
	    lm_guard_auth_done(conn, &d->event, &reply, &storage, &delay))
		hold_back(d, reply, delay);
	else
		send_answer(d, reply);
}

static void too_late(struct lm_timer *timer)
{
	struct lm_decision *d = lm_container(timer, struct lm_decision, timer);
	struct lm_reply reply = LM_REPLY_INIT;

	lm_log(d->conn->worker->shared->log, LM_LOG_WARN, "handler.timeout",
	       LM_LOG_NUMBER("session", d->event.info->id),
	       LM_LOG_TEXT("event", lm_str(lm_event_name(d->event.type))));
	reply.result = LM_E_TIMEOUT;
	decided(d, &reply);
}

static void wait_for_ticket(struct lm_decision *d)
{
	struct lm_loop *loop = d->conn->worker->loop;

	d->timer.fire = too_late;
	lm_timer_arm(loop, &d->timer,
	             lm_loop_now(loop) + d->conn->setup->config->options.handler_timeout);
}

/* Calls one handler; true when the question is settled, or waits for its ticket. */
static bool ask_one(struct lm_decision *d, size_t i)
{
	struct lm_conn *conn = d->conn;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_ticket ticket = { conn->worker, conn->key, d->event.id };
	enum lm_verdict verdict;
	void *context;
	const struct lm_handler_ops *ops = handler_at(conn, i, &context);

	if (!(ops->decides & LM_EVENT_BIT(d->event.type)))
		return false;
	d->asking = true;
	verdict = ops->decide(context, &conn->slots[i], &d->event, &reply, ticket);
	d->asking = false;
	if (d->answered || d->delaying || d->passed) {
		/* The ticket was used inside the call: that was the answer. */
		bool settled = !d->passed;

		if (verdict == LM_ANSWERED)
			lm_reply_drop(&reply);
		if (d->answered)
			decision_give(conn->worker, d);
		else
			d->passed = false;
		return settled;
	}
	if (verdict == LM_ANSWERED)
		decided(d, &reply);
	else if (verdict == LM_PENDING)
		wait_for_ticket(d);
	return verdict != LM_PROCEED;
}

static void ask(struct lm_decision *d)
{
	size_t n = handler_count(d->conn);
	struct lm_reply reply = LM_REPLY_INIT;

	if (d->event.type == LM_EVENT_MAILDROP && d->next == 0 &&
	    !lm_guard_login_due(d->conn, &d->event, &reply)) {
		decided(d, &reply);
		return;
	}
	while (d->next < n)
		if (ask_one(d, d->next++))
			return;
	decided(d, NULL);
}

void lm_dispatch_event(struct lm_conn *conn, const struct lm_event *event)
{
	struct lm_decision *d;

	if (event->id == 0) {
		tell(conn, event, NULL, false);
		return;
	}
	d = decision_take(conn->worker);
	if (!d) {
		struct lm_reply reply = LM_REPLY_INIT;

		reply.result = LM_E_NOMEM;
		hand_over(conn, event, &reply);
		return;
	}
	d->conn = conn;
	d->event = *event;
	conn->open = d;
	ask(d);
}

int lm_dispatch_answer(struct lm_worker *worker, const struct lm_ticket *ticket,
                       const struct lm_reply *reply)
{
	struct lm_conn *conn = lm_conn_find(worker, ticket->session);
	struct lm_decision *d = conn ? conn->open : NULL;

	if (!d || d->event.id != ticket->event || d->delaying || d->passed) {
		lm_reply_drop(reply);
		return LM_E_NOT_FOUND;
	}
	if (reply) {
		decided(d, reply);
	} else if (d->asking) {
		d->passed = true;
	} else {
		lm_timer_disarm(worker->loop, &d->timer);
		ask(d);
	}
	return 0;
}

void lm_dispatch_cancel(struct lm_conn *conn)
{
	struct lm_decision *d = conn->open;

	if (!d)
		return;
	conn->open = NULL;
	lm_timer_disarm(conn->worker->loop, &d->timer);
	decision_give(conn->worker, d);
}

void lm_dispatch_done(struct lm_worker *worker)
{
	while (worker->spare) {
		struct lm_decision *d = worker->spare;

		worker->spare = d->next_spare;
		lm_free(d);
	}
	worker->spare_count = 0;
}
