/* The blocking face of POP3. */
#include "client/blocking.h"

struct stat_call {
	uint64_t count, octets;
};

static int on_stat(void *ctx, const struct lm_event *event)
{
	struct stat_call *call = ctx;

	if (event->type == LM_EVENT_OUTCOME)
		*call = (struct stat_call){ event->outcome->count, event->outcome->octets };
	return 0;
}

int lm_pop3_client_stat(struct lm_client *client, uint64_t *out_count, uint64_t *out_octets,
                        struct lm_error *out_error)
{
	const struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_STAT);
	struct stat_call call = { 0 };
	int err = lm_blocking_run(client, &request, 1, true, on_stat, &call, out_error);

	if (err)
		return err;
	*out_count = call.count;
	*out_octets = call.octets;
	return 0;
}

struct list_call {
	int (*octets)(void *ctx, uint64_t number, uint64_t octets);
	int (*id)(void *ctx, uint64_t number, struct lm_bytes id);
	void *ctx;
};

static int on_item(void *ctx, const struct lm_event *event)
{
	const struct list_call *call = ctx;

	if (event->type != LM_EVENT_ITEM)
		return 0;
	if (call->id)
		return call->id(call->ctx, event->message.number, event->argument);
	return call->octets(call->ctx, event->message.number, event->message.octets);
}

static int list(struct lm_client *client, enum lm_request_type type, uint64_t number,
                struct list_call *call, struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(type);

	request.number = number;
	return lm_blocking_run(client, &request, 1, true, on_item, call, out_error);
}

int lm_pop3_client_list(struct lm_client *client, uint64_t number,
                        int (*each)(void *ctx, uint64_t number, uint64_t octets), void *ctx,
                        struct lm_error *out_error)
{
	struct list_call call = { .octets = each, .ctx = ctx };

	return list(client, LM_REQUEST_LIST, number, &call, out_error);
}

int lm_pop3_client_uidl(struct lm_client *client, uint64_t number,
                        int (*each)(void *ctx, uint64_t number, struct lm_bytes id), void *ctx,
                        struct lm_error *out_error)
{
	struct list_call call = { .id = each, .ctx = ctx };

	return list(client, LM_REQUEST_UIDL, number, &call, out_error);
}

struct fetch_call {
	lm_sink_fn sink;
	void *ctx;
};

static int on_body(void *ctx, const struct lm_event *event)
{
	const struct fetch_call *call = ctx;
	int result = 0;

	if (event->type == LM_EVENT_BODY)
		result = call->sink(call->ctx, event->argument);
	return result < 0 ? result : 0;
}

int lm_pop3_client_retr(struct lm_client *client, uint64_t number, uint64_t expected,
                        lm_sink_fn sink, void *ctx, struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_RETR);
	struct fetch_call call = { sink, ctx };

	request.number = number;
	request.expected = expected;
	return lm_blocking_run(client, &request, 1, true, on_body, &call, out_error);
}

int lm_pop3_client_top(struct lm_client *client, uint64_t number, int64_t lines, lm_sink_fn sink,
                       void *ctx, struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_TOP);
	struct fetch_call call = { sink, ctx };

	request.number = number;
	request.lines = lines;
	return lm_blocking_run(client, &request, 1, true, on_body, &call, out_error);
}

int lm_pop3_client_dele(struct lm_client *client, uint64_t number, struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_DELE);

	request.number = number;
	return lm_blocking_run(client, &request, 1, true, NULL, NULL, out_error);
}
