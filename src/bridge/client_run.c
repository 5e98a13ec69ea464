/* The life of a client on the clients' thread: it connects, has asks, and ends. */
#include "bridge/client.h"

static void drop_donor(struct lm_bx_clients *all, struct lm_client *next)
{
	lm_client_free(all->donor);
	all->donor = next;
}

/* ---- Asks in their order ---- */

static void append(struct lm_bx_asks *asks, struct lm_bx_ask *ask)
{
	ask->next = NULL;
	if (asks->last)
		asks->last->next = ask;
	else
		asks->first = ask;
	asks->last = ask;
}

static void put_first(struct lm_bx_asks *asks, struct lm_bx_ask *ask)
{
	ask->next = asks->first;
	asks->first = ask;
	if (!asks->last)
		asks->last = ask;
}

static struct lm_bx_ask *take(struct lm_bx_asks *asks)
{
	struct lm_bx_ask *ask = asks->first;

	if (!ask)
		return NULL;
	asks->first = ask->next;
	if (!asks->first)
		asks->last = NULL;
	return ask;
}

static bool remove_one(struct lm_bx_asks *asks, const struct lm_bx_ask *ask)
{
	struct lm_bx_asks rest = { NULL, NULL };
	struct lm_bx_ask *each;
	bool found = false;

	while ((each = take(asks))) {
		found |= each == ask;
		if (each != ask)
			append(&rest, each);
	}
	*asks = rest;
	return found;
}

static void finish(struct lm_bx_ask *ask, const struct lm_outcome *outcome)
{
	lm_bx_client_tell_outcome(ask->client, ask, outcome);
	lm_bx_ask_free(ask);
}

/* `why` says all there is to say. */
static void fail(struct lm_bx_ask *ask, const struct lm_error *why, enum lm_side side)
{
	const struct lm_outcome outcome = {
		.type = ask->request.type,
		.result = why->code ? why->code : LM_E_CLOSED,
		.side = side,
		.text = lm_str(why->code ? why->text : "the connection has ended"),
	};

	finish(ask, &outcome);
}

void lm_bx_client_refuse(struct lm_bx_ask *ask, const struct lm_error *why)
{
	struct lm_bx_client *client = ask->client;

	(void)remove_one(&client->queued, ask);
	fail(ask, why, LM_SIDE_CLIENT);
	lm_bx_client_push(client);
}

/* False: it must wait for others. */
static bool give(struct lm_bx_client *client, struct lm_bx_ask *ask)
{
	struct lm_error why;
	int err = client->client ? lm_client_request(client->client, &ask->request) : LM_E_CLOSED;

	if (err == LM_E_LIMIT && client->asked.first)
		return false;
	if (!err) {
		append(&client->asked, ask);
		return true;
	}
	lm_fail(&why, err, "not sent: %s", lm_err_text(err));
	fail(ask, &why, LM_SIDE_CLIENT);
	return true;
}

void lm_bx_client_push(struct lm_bx_client *client)
{
	while (client->queued.first && client->queued.first->is_ready) {
		struct lm_bx_ask *ask = take(&client->queued);

		if (give(client, ask))
			continue;
		put_first(&client->queued, ask);
		return;
	}
}

void lm_bx_client_ask(struct lm_task *task)
{
	struct lm_bx_ask *ask = lm_container(task, struct lm_bx_ask, task);
	struct lm_bx_client *client = ask->client;
	struct lm_error why = { 0 };

	if (client->has_closed) {
		fail(ask, &why, LM_SIDE_NETWORK);
		return;
	}
	ask->is_ready = !ask->letter;
	append(&client->queued, ask);
	lm_bx_client_push(client);
}

void lm_bx_client_octets(struct lm_bx_client *client, uint64_t number, struct lm_source *source)
{
	struct lm_bx_ask *ask = client->queued.first;

	while (ask && ask->number != number)
		ask = ask->next;
	if (!ask || !ask->letter || ask->source) {
		source->ops->close(source);
		return;
	}
	ask->source = source;
	lm_bx_ask_read(ask);
}

/* ---- Events ---- */

static void on_beginning(struct lm_bx_client *client, const struct lm_outcome *outcome)
{
	if (!outcome->result && outcome->type == LM_REQUEST_OPEN && client->has_login)
		return;
	client->is_open = !outcome->result;
	lm_bx_client_tell_outcome(client, NULL, outcome);
}

static void on_outcome(struct lm_bx_client *client, const struct lm_outcome *outcome)
{
	struct lm_bx_ask *ask = outcome->tag;

	if (!ask) {
		on_beginning(client, outcome);
		return;
	}
	(void)remove_one(&client->asked, ask);
	if (ask->letter && lm_bx_letter_round(ask->letter, outcome))
		put_first(&client->queued, ask);
	else
		finish(ask, outcome);
	lm_bx_client_push(client);
}

static void on_body(struct lm_bx_client *client, const struct lm_event *event)
{
	struct lm_reply no = LM_REPLY_INIT;
	const struct lm_bx_ask *ask = client->asked.first;
	size_t untaken;

	no.result = lm_bx_client_tell_body(client, ask ? ask->number : 0, event->argument);
	if (no.result) {
		(void)lm_client_answer(client->client, event->id, &no);
		return;
	}
	untaken = atomic_fetch_add(&client->untaken, event->argument.len) + event->argument.len;
	if (untaken < LM_BX_UNTAKEN_MAX) {
		(void)lm_client_answer(client->client, event->id, NULL);
		return;
	}
	client->body_event = event->id;
	atomic_store(&client->waits, true);
	/* What script took in between it did without a word. */
	if (lm_bx_client_used(client, 0))
		lm_bx_client_resume(&client->resume);
}

bool lm_bx_client_used(struct lm_bx_client *client, uint64_t octets)
{
	const size_t before = atomic_load(&client->untaken);
	const size_t n = octets < before ? (size_t)octets : before;

	if (atomic_fetch_sub(&client->untaken, n) - n >= LM_BX_UNTAKEN_MAX / 2)
		return false;
	return atomic_exchange(&client->waits, false);
}

void lm_bx_client_resume(struct lm_task *task)
{
	struct lm_bx_client *client = lm_container(task, struct lm_bx_client, resume);
	const uint32_t id = client->body_event;

	client->body_event = 0;
	if (id && client->client)
		(void)lm_client_answer(client->client, id, NULL);
}

static void on_data(struct lm_bx_client *client, const struct lm_event *event)
{
	const struct lm_bx_ask *ask = client->asked.first;
	struct lm_reply reply = LM_REPLY_INIT;

	if (ask && ask->letter)
		reply.source = lm_bx_letter_source(ask->letter);
	reply.result = reply.source ? 0 : LM_E_NOMEM;
	(void)lm_client_answer(client->client, event->id, &reply);
}

static void on_item(struct lm_bx_client *client, const struct lm_event *event)
{
	struct lm_bx_ask *ask = client->asked.first;
	int err;

	if (!ask || ask->lost)
		return;
	if (ask->request.type == LM_REQUEST_LIST)
		err = lm_buf_printf(&ask->items, "%zu %llu\n", event->message.number,
		                    (unsigned long long)event->message.octets);
	else if (ask->request.type == LM_REQUEST_UIDL)
		err = lm_buf_printf(&ask->items, "%zu %.*s\n", event->message.number,
		                    LM_FMT(event->argument));
	else
		err = lm_buf_printf(&ask->items, "%.*s\n", LM_FMT(event->argument));
	ask->lost = err;
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct lm_bx_client *client = ctx;

	if (event->type == LM_EVENT_BODY)
		on_body(client, event);
	else if (event->type == LM_EVENT_DATA)
		on_data(client, event);
	else if (event->type == LM_EVENT_ITEM)
		on_item(client, event);
	else if (event->type == LM_EVENT_OUTCOME)
		on_outcome(client, event->outcome);
}

static void on_token(void *ctx, struct lm_client *client)
{
	(void)client;
	lm_bx_client_tell_token(ctx);
}

static void on_trace(void *ctx, bool from_server, struct lm_bytes line)
{
	lm_bx_client_tell_trace(ctx, from_server, line);
}

/* ---- The end ---- */

static void close_with(struct lm_bx_client *client, const struct lm_error *why)
{
	const struct lm_error last = *why;
	struct lm_bx_closed *closed = client->closed;
	struct lm_bx_ask *ask;

	client->has_closed = true;
	while ((ask = take(&client->asked)))
		fail(ask, &last, LM_SIDE_NETWORK);
	while ((ask = take(&client->queued)))
		fail(ask, &last, LM_SIDE_NETWORK);
	client->closed = NULL;
	closed->why = last;
	lm_bx_push(client->all->bridge, &closed->head);
}

/* Certificates that were read may serve the next one. */
static void retire(struct lm_bx_client *client)
{
	const struct lm_session_info *info = lm_client_info(client->client);

	if (info && info->tls.active)
		drop_donor(client->all, client->client);
	else
		lm_client_free(client->client);
	client->client = NULL;
}

static void on_closed(void *ctx, const struct lm_error *why)
{
	struct lm_bx_client *client = ctx;
	const struct lm_error last = *why;

	retire(client);
	close_with(client, &last);
}

void lm_bx_client_abort(struct lm_task *task)
{
	struct lm_bx_client *client = lm_container(task, struct lm_bx_client, abort);

	if (client->client)
		lm_client_abort(client->client);
}

static void drop(struct lm_bx_asks *asks)
{
	struct lm_bx_ask *ask;

	while ((ask = take(asks)))
		lm_bx_ask_free(ask);
}

void lm_bx_client_free(struct lm_bx_client *client)
{
	/* First, for the message it sends belongs to an ask. */
	lm_client_free(client->client);
	drop(&client->asked);
	drop(&client->queued);
	lm_bx_plan_free(client->plan);
	lm_free(client->closed);
	lm_free(client);
}

void lm_bx_client_end(struct lm_task *task)
{
	lm_bx_client_free(lm_container(task, struct lm_bx_client, end));
}

/* ---- The beginning ---- */

/* As lm_client_new decides it. */
static bool has_login(const struct lm_client_params *p)
{
	return !p->no_login &&
	       (p->user || p->token || p->ask_token || (p->mechanism && p->cert_file));
}

void lm_bx_client_start(struct lm_task *task)
{
	static const struct lm_client_owner owner = { on_event, on_closed };
	struct lm_bx_client *client = lm_container(task, struct lm_bx_client, start);
	struct lm_client_params *p = &client->plan->params;
	struct lm_error why;
	int err;

	client->has_login = has_login(p);
	p->ctx = client;
	p->ask_token = p->ask_token ? on_token : NULL;
	p->trace = p->trace ? on_trace : NULL;
	p->like = client->all->donor;
	err = lm_client_new(client->all->loop, p, &owner, client, &client->client, &why);
	lm_bx_plan_free(client->plan);
	client->plan = NULL;
	if (err)
		close_with(client, &why);
}
