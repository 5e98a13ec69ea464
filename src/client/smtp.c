/* The blocking face of SMTP and LMTP. */
#include "base/error.h"
#include "client/blocking.h"

struct send_call {
	struct lm_arena *arena;
	struct lm_send_result result;
	int err;
};

/* What the session said of each recipient lives no longer than the event. */
static int keep_recipients(struct send_call *call, const struct lm_outcome *outcome)
{
	size_t count = outcome->recipient_count, size;
	struct lm_outcome *own;

	if (!count)
		return 0;
	if (!lm_mul(count, sizeof(*own), &size))
		return LM_E_NOMEM;
	own = lm_arena_alloc(call->arena, size);
	if (!own)
		return LM_E_NOMEM;
	for (size_t i = 0; i < count; i++) {
		own[i] = outcome->recipients[i];
		own[i].command = lm_arena_copy(call->arena, own[i].command);
		own[i].text = lm_arena_copy(call->arena, own[i].text);
		own[i].recipients = NULL;
		own[i].recipient_count = 0;
	}
	call->result.recipients = own;
	call->result.recipient_count = count;
	return 0;
}

static int on_send(void *ctx, const struct lm_event *event)
{
	struct send_call *call = ctx;

	if (event->type != LM_EVENT_OUTCOME)
		return 0;
	call->result.unknown = event->outcome->unknown;
	return keep_recipients(call, event->outcome);
}

int lm_smtp_client_send(struct lm_client *client, const struct lm_envelope *envelope,
                        struct lm_source *source, struct lm_send_result *out_result,
                        struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_SEND);
	struct lm_blocking *b = client->blocking;
	struct send_call call = { .arena = b ? &b->results : NULL };
	int err;

	request.envelope = envelope;
	if (b)
		b->source = source;
	err = lm_blocking_run(client, &request, 1, true, on_send, &call, out_error);
	if (!b)
		source->ops->close(source);
	else if (b->source)
		b->source->ops->close(b->source);
	if (b)
		b->source = NULL;
	if (out_result)
		*out_result = call.result;
	return err;
}

struct verify_call {
	struct lm_arena *arena;
	struct lm_bytes text;
};

static int on_verify(void *ctx, const struct lm_event *event)
{
	struct verify_call *call = ctx;

	if (event->type != LM_EVENT_OUTCOME)
		return 0;
	call->text = lm_arena_copy(call->arena, event->outcome->text);
	return event->outcome->text.len && !call->text.data ? LM_E_NOMEM : 0;
}

int lm_smtp_client_verify(struct lm_client *client, struct lm_bytes who, struct lm_bytes *out_text,
                          struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_VRFY);
	struct verify_call call = { .arena = client->blocking ? &client->blocking->results : NULL };
	int err;

	request.argument = who;
	err = lm_blocking_run(client, &request, 1, true, on_verify, &call, out_error);
	if (!err)
		*out_text = call.text;
	return err;
}
