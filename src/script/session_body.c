/* Messages that come in: kept as they arrive, shown to scripts as string, octets or stream. */
#include "base/error.h"
#include "script/handler_impl.h"
#include "script/session.h"
#include "script/stream.h"
#include "server/worker.h"

enum { TEXT_MAX = 1 << 30, CHUNK = 64 * 1024 };

struct lm_ss_body *lm_ss_body_new(void)
{
	struct lm_ss_body *body = lm_alloc_zero(1, sizeof(*body));

	if (!body)
		return NULL;
	atomic_init(&body->refs, 1);
	lm_stash_init(&body->stash);
	return body;
}

void lm_ss_body_unref(struct lm_ss_body *body)
{
	if (!body || atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) != 1)
		return;
	lm_stash_done(&body->stash);
	lm_stream_unref(body->stream);
	lm_free(body);
}

static struct lm_ss_body *body_ref(struct lm_ss_body *body)
{
	atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
	return body;
}

/* ---- on the I/O worker ---- */

/* What no longer fits into memory is written by a thread that may wait. */
struct writing {
	struct lm_job job;
	struct lm_ss_body *body;
	struct lm_worker *worker;
	struct lm_ticket ticket;
	bool passes;
	size_t len;
	uint8_t octets[];
};

static void write_work(struct lm_job *job)
{
	struct writing *w = lm_container(job, struct writing, job);

	job->result = lm_stash_add(&w->body->stash, lm_bytes(w->octets, w->len), NULL);
}

static void write_done(struct lm_op *op)
{
	struct lm_job *job = lm_container(op, struct lm_job, op);
	struct writing *w = lm_container(job, struct writing, job);
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = op->result;
	if (op->result)
		w->body->broken = true;
	lm_ticket_answer(w->ticket, w->passes && !op->result ? NULL : &reply);
	lm_worker_release(w->worker);
	lm_ss_body_unref(w->body);
	lm_free(w);
}

static int start_writing(struct lm_ss *ss, struct lm_bytes octets, bool passes,
                         struct lm_ticket ticket)
{
	struct writing *w = lm_alloc(sizeof(*w) + octets.len);
	int err;

	if (!w)
		return LM_E_NOMEM;
	*w = (struct writing){
		.job = { .work = write_work,
		         .op = { .loop = lm_worker_loop(ticket.worker), .done = write_done } },
		.body = ss->body,
		.worker = ticket.worker,
		.ticket = ticket,
		.passes = passes,
		.len = octets.len,
	};
	memcpy(w->octets, octets.data, octets.len);
	err = lm_pool_submit(ss->handler->script->pool, &w->job);
	if (err) {
		lm_free(w);
		return err;
	}
	body_ref(ss->body);
	lm_worker_hold(ticket.worker);
	return 0;
}

static bool fits_memory(const struct lm_stash *stash, size_t more)
{
	return stash->fd < 0 && lm_buf_len(&stash->memory) + more <= LM_STASH_MEMORY;
}

enum lm_verdict lm_ss_take(struct lm_ss *ss, const struct lm_event *event, bool passes,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	int err = 0;

	if (!ss->body)
		ss->body = lm_ss_body_new();
	if (!ss->body || ss->body->broken) {
		err = ss->body ? LM_E_IO : LM_E_NOMEM;
	} else if (fits_memory(&ss->body->stash, event->argument.len)) {
		err = lm_stash_add(&ss->body->stash, event->argument, NULL);
		if (!err && passes)
			return LM_PROCEED;
	} else {
		err = start_writing(ss, event->argument, passes, ticket);
		if (!err)
			return LM_PENDING;
	}
	if (err && ss->body)
		ss->body->broken = true;
	out_reply->result = err;
	return LM_ANSWERED;
}

/* ---- on the script worker ---- */

static struct lm_js_value *throw_error(struct lm_js *js, int err, const char *what)
{
	struct lm_error error;

	lm_fail(&error, err, "%s: %s", what, lm_err_text(err));
	return lm_js_throw_error(js, &error);
}

static uint64_t size_of(struct lm_ss_body *body)
{
	uint64_t size = 0;

	if (!body->stream)
		return lm_stash_size(&body->stash);
	return lm_stream_size(body->stream, &size, NULL) ? 0 : size;
}

static int read_at(struct lm_ss_body *body, uint64_t at, uint8_t *out, size_t room, size_t *out_len)
{
	if (body->stream)
		return lm_stream_read_at(body->stream, at, out, room, out_len, NULL);
	return lm_stash_read(&body->stash, at, out, room, out_len);
}

static int read_all(struct lm_ss_body *body, uint8_t *out, size_t size)
{
	size_t at = 0, len = 1;

	while (at < size && len) {
		int err = read_at(body, at, out + at, size - at, &len);

		if (err)
			return err;
		at += len;
	}
	return at == size ? 0 : LM_E_IO;
}

/* The whole of it in memory of its own; NULL: thrown. */
static uint8_t *load(struct lm_js *js, struct lm_ss_body *body, size_t *out_size)
{
	uint64_t size = size_of(body);
	uint8_t *octets;
	int err;

	if (size > TEXT_MAX)
		return (void *)lm_js_throw(js, LM_JS_RANGE_ERROR,
		                           "a message of %llu octets is too large for memory: use "
		                           "session.stream",
		                           (unsigned long long)size);
	octets = lm_alloc(size ? (size_t)size : 1);
	err = octets ? 0 : LM_E_NOMEM;
	if (!err && !body->stream)
		err = lm_stash_end(&body->stash, NULL);
	if (!err)
		err = read_all(body, octets, (size_t)size);
	if (err) {
		lm_free(octets);
		return (void *)throw_error(js, err, "the message cannot be read");
	}
	*out_size = (size_t)size;
	return octets;
}

static bool is_in_memory(const struct lm_ss_body *body)
{
	return body->stash.fd < 0 && (!body->stream || lm_stash_size(&body->stash));
}

struct lm_js_value *lm_ss_body_text(struct lm_js *js, struct lm_ss_body *body)
{
	struct lm_js_value *text;
	uint8_t *octets;
	size_t size;

	if (is_in_memory(body))
		return lm_js_string(js, lm_buf_bytes(&body->stash.memory));
	octets = load(js, body, &size);
	if (!octets)
		return NULL;
	text = lm_js_string(js, lm_bytes(octets, size));
	lm_free(octets);
	return text;
}

static void free_octets(void *data, void *ctx)
{
	(void)ctx;
	lm_free(data);
}

static void free_body(void *data, void *ctx)
{
	(void)data;
	lm_ss_body_unref(ctx);
}

/* What lies in memory is shown where it lies; other views of the message then see what a script
 * writes into it, which is its own business. */
struct lm_js_value *lm_ss_body_bytes(struct lm_js *js, struct lm_ss_body *body)
{
	uint8_t *octets;
	size_t size;

	if (is_in_memory(body) && lm_stash_size(&body->stash)) {
		struct lm_buf *memory = &body->stash.memory;

		return lm_js_bytes_over(js, memory->data + memory->head, lm_buf_len(memory),
		                        free_body, body_ref(body));
	}
	octets = load(js, body, &size);
	return octets ? lm_js_bytes_over(js, octets, size, free_octets, NULL) : NULL;
}

static int make_stream(struct lm_ss_body *body)
{
	struct lm_stream *stream;
	int err;

	if (body->stash.fd >= 0) {
		body->stream = lm_stream_of_stash(&body->stash);
		return body->stream ? 0 : LM_E_NOMEM;
	}
	stream = lm_stream_new();
	err = stream ? lm_stream_append(stream, lm_buf_bytes(&body->stash.memory), NULL)
	             : LM_E_NOMEM;
	if (err)
		lm_stream_unref(stream);
	else
		body->stream = stream;
	return err;
}

struct lm_js_value *lm_ss_body_stream(struct lm_js *js, struct lm_ss_body *body)
{
	int err = body->stream ? 0 : make_stream(body);

	return err ? throw_error(js, err, "the message cannot become a stream")
	           : lm_stream_handle(js, body->stream);
}
