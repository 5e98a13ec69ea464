/* The blocking face: a loop that is run until there is an outcome. */
#include "client/blocking.h"

#include "base/error.h"

enum { RESULTS_MAX = 64 * 1024 * 1024 };

static bool is_done(const struct lm_blocking *b)
{
	return b->is_closed || (!b->open && !b->left && !b->is_leaving);
}

static void note(struct lm_blocking *b, const struct lm_outcome *outcome)
{
	if (outcome->result && b->is_failing && !b->error.code)
		lm_client_outcome_error(outcome, &b->error);
}

static void tell(struct lm_blocking *b, const struct lm_event *event)
{
	if (b->event && !b->stopped)
		b->stopped = b->event(b->ctx, event);
	/* Who has had enough gets no more, and nothing more is asked for. */
	if (b->stopped)
		b->left = 0;
}

/* A request that is not taken is told of like the others, when its turn has come. */
static void push(struct lm_blocking *b)
{
	while (b->left && !b->is_closed) {
		const struct lm_request *request = b->requests;
		struct lm_outcome outcome = { .type = request->type,
			                      .tag = request->tag,
			                      .side = LM_SIDE_CLIENT };
		const struct lm_event event = { .type = LM_EVENT_OUTCOME, .outcome = &outcome };

		outcome.result = lm_client_request(b->client, request);
		if (outcome.result && b->open)
			return;
		b->requests++;
		b->left--;
		if (!outcome.result) {
			b->open++;
			continue;
		}
		outcome.text = lm_str(lm_err_text(outcome.result));
		note(b, &outcome);
		tell(b, &event);
	}
}

static void on_decision(struct lm_blocking *b, const struct lm_event *event)
{
	struct lm_reply reply = LM_REPLY_INIT;

	if (event->type == LM_EVENT_BODY) {
		tell(b, event);
		reply.result = b->stopped > 0 ? LM_E_CANCELED : b->stopped;
	} else {
		reply.source = b->source;
		reply.result = b->source ? 0 : LM_E_MISUSE;
		b->source = NULL;
	}
	(void)lm_client_answer(b->client, event->id, &reply);
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct lm_blocking *b = ctx;

	if (event->id) {
		on_decision(b, event);
	} else if (event->type == LM_EVENT_OUTCOME) {
		note(b, event->outcome);
		b->open--;
		tell(b, event);
		push(b);
	} else {
		tell(b, event);
	}
	if (is_done(b))
		lm_loop_stop(b->loop);
}

static void on_closed(void *ctx, const struct lm_error *why)
{
	struct lm_blocking *b = ctx;

	b->is_closed = true;
	b->why = *why;
	lm_loop_stop(b->loop);
}

static const struct lm_client_owner owner = { on_event, on_closed };

/* What a call comes to. */
static int verdict(struct lm_blocking *b, struct lm_error *out_error)
{
	if (b->stopped)
		return b->error.code ? lm_fail(out_error, b->stopped, "%s", b->error.text)
		                     : lm_fail(out_error, b->stopped, "stopped by the program");
	if (b->error.code)
		return lm_fail(out_error, b->error.code, "%s", b->error.text);
	if (b->is_closed && b->why.code)
		return lm_fail(out_error, b->why.code, "%s", b->why.text);
	return 0;
}

int lm_blocking_run(struct lm_client *client, const struct lm_request *requests, size_t count,
                    bool is_failing, int (*event)(void *ctx, const struct lm_event *event),
                    void *ctx, struct lm_error *out_error)
{
	struct lm_blocking *b = client->blocking;

	if (!b)
		return lm_fail(out_error, LM_E_MISUSE, "the client is not one of lm_client_open");
	if (b->is_closed)
		return lm_fail(out_error, b->why.code ? b->why.code : LM_E_CLOSED, "%s",
		               b->why.code ? b->why.text : "the connection has ended");
	b->event = event;
	b->ctx = ctx;
	b->requests = requests;
	b->left = count;
	b->is_failing = is_failing;
	b->stopped = 0;
	b->error = (struct lm_error){ .code = 0 };
	lm_arena_reset(&b->results);
	push(b);
	/* Nobody closes where nothing was asked for. */
	b->is_leaving = b->is_leaving && b->open;
	if (!is_done(b))
		lm_loop_run(b->loop);
	return verdict(b, out_error);
}

void lm_blocking_free(struct lm_blocking *b)
{
	if (!b)
		return;
	lm_arena_reset(&b->results);
	lm_loop_free(b->loop);
	lm_free(b);
}

static int open_client(struct lm_blocking *b, const struct lm_client_params *params,
                       struct lm_error *out_error)
{
	int err = lm_loop_new(&b->loop);

	if (err)
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	err = lm_client_new(b->loop, params, &owner, b, &b->client, out_error);
	if (err)
		return err;
	b->client->blocking = b;
	/* Opening and, where it waits already, the login. */
	b->open = 1 + b->client->held.count;
	b->is_failing = true;
	lm_loop_run(b->loop);
	return verdict(b, out_error);
}

int lm_client_open(const struct lm_client_params *params, struct lm_client **out_client,
                   struct lm_error *out_error)
{
	struct lm_blocking *b = lm_alloc_zero(1, sizeof(*b));
	int err;

	if (!b)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	lm_arena_init(&b->results, RESULTS_MAX);
	err = open_client(b, params, out_error);
	if (!err)
		*out_client = b->client;
	else if (b->client)
		lm_client_free(b->client);
	else
		lm_blocking_free(b);
	return err;
}

/* --- requests that need no more than their outcome --- */

static int run_one(struct lm_client *client, enum lm_request_type type, struct lm_error *out_error)
{
	const struct lm_request request = LM_REQUEST_INIT(type);

	return lm_blocking_run(client, &request, 1, true, NULL, NULL, out_error);
}

int lm_client_quit(struct lm_client *client, struct lm_error *out_error)
{
	int err;

	if (client->blocking)
		client->blocking->is_leaving = true;
	err = run_one(client, LM_REQUEST_QUIT, out_error);
	if (client->blocking)
		client->blocking->is_leaving = false;
	return err;
}

int lm_client_login(struct lm_client *client, const struct lm_credentials *credentials,
                    struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_LOGIN);

	request.credentials = credentials;
	return lm_blocking_run(client, &request, 1, true, NULL, NULL, out_error);
}

int lm_client_noop(struct lm_client *client, struct lm_error *out_error)
{
	return run_one(client, LM_REQUEST_NOOP, out_error);
}

int lm_client_reset(struct lm_client *client, struct lm_error *out_error)
{
	return run_one(client, LM_REQUEST_RSET, out_error);
}

int lm_client_do(struct lm_client *client, const struct lm_request *request,
                 int (*event)(void *ctx, const struct lm_event *event), void *ctx,
                 struct lm_error *out_error)
{
	if (request->type == LM_REQUEST_SEND)
		return lm_fail(out_error, LM_E_MISUSE, "SEND has a call of its own");
	return lm_blocking_run(client, request, 1, true, event, ctx, out_error);
}

int lm_client_do_all(struct lm_client *client, const struct lm_request *requests, size_t count,
                     int (*event)(void *ctx, const struct lm_event *event), void *ctx,
                     struct lm_error *out_error)
{
	for (size_t i = 0; i < count; i++)
		if (requests[i].type == LM_REQUEST_SEND)
			return lm_fail(out_error, LM_E_MISUSE, "SEND has a call of its own");
	return lm_blocking_run(client, requests, count, false, event, ctx, out_error);
}
