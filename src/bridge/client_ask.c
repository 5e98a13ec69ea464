/* A request of a script's client; the message of a SEND is read to its end before it is sent. */
#include "bridge/client.h"

enum { TEXTS_MAX = 1 << 20, PIECE = 64 * 1024, TURN_MAX = 1 << 20 };

struct lm_bx_ask *lm_bx_ask_new(struct lm_bx_client *client, uint64_t number)
{
	struct lm_bx_ask *ask = lm_alloc_zero(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->client = client;
	ask->number = number;
	ask->request = LM_REQUEST_INIT(LM_REQUEST_NONE);
	ask->request.tag = ask;
	lm_arena_init(&ask->texts, TEXTS_MAX);
	lm_buf_init(&ask->items, LM_BX_ITEMS_MAX);
	return ask;
}

void lm_bx_ask_free(struct lm_bx_ask *ask)
{
	if (!ask)
		return;
	lm_bx_letter_free(ask->letter);
	/* The letter may have been sent from there. */
	if (ask->source)
		ask->source->ops->close(ask->source);
	lm_buf_done(&ask->items);
	lm_arena_reset(&ask->texts);
	ask->is_freed = true;
	if (!ask->is_posted)
		lm_free(ask);
}

/* ---- The message ---- */

static void end_reading(struct lm_bx_ask *ask)
{
	struct lm_error why = { 0 };
	int err = lm_bx_letter_end(ask->letter, &why);

	if (err) {
		lm_bx_client_refuse(ask, &why);
		return;
	}
	if (!ask->letter->in_place.data) {
		ask->source->ops->close(ask->source);
		ask->source = NULL;
	}
	ask->request.envelope = &ask->letter->envelope;
	ask->is_ready = true;
	lm_bx_client_push(ask->client);
}

static void on_ready(void *ctx)
{
	lm_bx_ask_read(ctx);
}

static void on_turn(struct lm_task *task)
{
	struct lm_bx_ask *ask = lm_container(task, struct lm_bx_ask, task);

	ask->is_posted = false;
	if (ask->is_freed)
		lm_free(ask);
	else
		lm_bx_ask_read(ask);
}

/* 0, LM_E_AGAIN, or the message cannot be had. */
static int next_piece(struct lm_bx_ask *ask, struct lm_error *out_error)
{
	const bool is_first = !ask->has_begun;
	int err;

	if (is_first) {
		ask->source->ready = on_ready;
		ask->source->ready_ctx = ask;
	}
	err = ask->source->ops->read(ask->source, SIZE_MAX, &ask->rest, &ask->is_last);
	if (err == LM_E_AGAIN)
		return err;
	if (err)
		return lm_fail(out_error, LM_E_CANCELED, "not sent: the message cannot be had");
	ask->has_begun = true;
	if (is_first && ask->is_last && lm_bx_letter_stays(ask->letter, ask->rest))
		ask->rest.len = 0;
	return 0;
}

static int read_or_write(struct lm_bx_ask *ask, size_t *done, struct lm_error *out_error)
{
	const size_t n = ask->rest.len < PIECE ? ask->rest.len : PIECE;
	int err;

	if (!n)
		return next_piece(ask, out_error);
	err = lm_bx_letter_write(ask->letter, lm_bytes(ask->rest.data, n), out_error);
	ask->rest = lm_bytes_from(ask->rest, n);
	*done += n;
	return err;
}

void lm_bx_ask_read(struct lm_bx_ask *ask)
{
	struct lm_error why = { 0 };
	size_t done = 0;
	int err = 0;

	while (!err && done < TURN_MAX && (ask->rest.len || !ask->is_last))
		err = read_or_write(ask, &done, &why);
	if (err == LM_E_AGAIN)
		return;
	if (err) {
		lm_bx_client_refuse(ask, &why);
	} else if (ask->rest.len || !ask->is_last) { /* others have their turn, too */
		ask->task.run = on_turn;
		ask->is_posted = true;
		lm_loop_post(ask->client->all->loop, &ask->task);
	} else {
		end_reading(ask);
	}
}
