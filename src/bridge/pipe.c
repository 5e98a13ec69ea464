/* Pipes: script writes a message piece by piece, a session's loop reads it. */
#include "bridge/session.h"

enum { PIPE_HIGH = 256 * 1024, PIPE_LOW = 64 * 1024 };

/* Octets that script wrote; let go on its thread. */
struct piece {
	struct lm_bx_entry release;
	struct piece *next;
	struct lm_host_ref *ref;
	struct lm_bytes rest;
};

struct pipe {
	struct lm_bx_thing thing; /* while script may write; then it holds it, too */
	struct lm_bridge *bridge;
	struct lm_loop *loop;
	struct lm_source source;
	struct lm_task task;
	struct lm_bx_entry want, gone;
	struct piece *read; /* the loop's: what it has in hand */

	pthread_mutex_t lock; /* guards what follows */
	unsigned holders;     /* script, source, a posted task, queued entries */
	struct piece *first, **last;
	size_t queued;
	bool open;          /* there is a reader */
	bool ended, failed; /* by script */
	bool asked;         /* the reader found nothing and waits for `ready` */
	bool posted;
	bool owes; /* script was told to wait for WANT */
};

static void hold(struct pipe *p)
{
	p->holders++;
}

/* Gives the lock back. */
static void let_go(struct pipe *p)
{
	bool over = --p->holders == 0;

	pthread_mutex_unlock(&p->lock);
	if (!over)
		return;
	pthread_mutex_destroy(&p->lock);
	lm_free(p);
}

static void piece_drop(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry)
{
	struct piece *piece = lm_container(entry, struct piece, release);

	if (host)
		bridge->host.ops->drop(host, piece->ref);
	lm_free(piece);
}

static bool piece_tell(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                       struct lm_host_value **out_value)
{
	(void)out_value;
	piece_drop(bridge, host, entry);
	return true;
}

/* ---- the reader, on its loop ---- */

static void piece_done(struct pipe *p)
{
	if (p->read)
		lm_bx_push(p->bridge, &p->read->release);
	p->read = NULL;
}

/* The session takes what is there; the piece in hand stays until the next read. Under the lock. */
static int next_chunk(struct pipe *p, size_t max, struct lm_bytes *out_chunk, bool *out_last)
{
	struct piece *piece = p->first;
	size_t n;

	*out_chunk = lm_bytes(NULL, 0);
	*out_last = p->ended && !piece;
	if (p->failed)
		return LM_E_IO;
	if (!piece) {
		p->asked = !p->ended;
		return p->ended ? 0 : LM_E_AGAIN;
	}
	n = piece->rest.len < max ? piece->rest.len : max;
	*out_chunk = lm_bytes(piece->rest.data, n);
	piece->rest = lm_bytes_from(piece->rest, n);
	p->queued -= n;
	if (piece->rest.len)
		return 0;
	p->first = piece->next;
	if (!p->first)
		p->last = &p->first;
	p->read = piece;
	*out_last = p->ended && !p->first;
	return 0;
}

static int pipe_read(struct lm_source *head, size_t max, struct lm_bytes *out_chunk, bool *out_last)
{
	struct pipe *p = lm_container(head, struct pipe, source);
	bool wants;
	int err;

	piece_done(p);
	pthread_mutex_lock(&p->lock);
	err = next_chunk(p, max, out_chunk, out_last);
	wants = p->owes && p->queued < PIPE_LOW && !p->failed;
	if (wants) {
		p->owes = false;
		hold(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (wants)
		lm_bx_push(p->bridge, &p->want);
	return err;
}

static void pipe_close(struct lm_source *head)
{
	struct pipe *p = lm_container(head, struct pipe, source);
	struct piece *piece;
	bool gone;

	piece_done(p);
	pthread_mutex_lock(&p->lock);
	p->open = false;
	piece = p->first;
	p->first = NULL;
	p->last = &p->first;
	gone = !p->ended && !p->failed;
	if (gone)
		hold(p);
	pthread_mutex_unlock(&p->lock);
	while (piece) {
		struct piece *next = piece->next;

		lm_bx_push(p->bridge, &piece->release);
		piece = next;
	}
	if (gone)
		lm_bx_push(p->bridge, &p->gone);
	pthread_mutex_lock(&p->lock);
	let_go(p);
}

static void pipe_task(struct lm_task *task)
{
	struct pipe *p = lm_container(task, struct pipe, task);
	bool ready;

	pthread_mutex_lock(&p->lock);
	p->posted = false;
	ready = p->open && p->asked;
	p->asked = false;
	pthread_mutex_unlock(&p->lock);
	if (ready)
		p->source.ready(p->source.ready_ctx);
	pthread_mutex_lock(&p->lock);
	let_go(p);
}

/* ---- the writer ---- */

/* Under the lock, which a reader needs to go: so its loop is still there. */
static void wake_reader(struct pipe *p)
{
	if (!p->open || !p->asked || p->posted)
		return;
	p->posted = true;
	hold(p);
	lm_loop_post(p->loop, &p->task);
}

/* Script does not write any more. */
static void leave(struct pipe *p)
{
	lm_bx_remove(p->bridge, &p->thing);
	pthread_mutex_lock(&p->lock);
	let_go(p);
}

static bool tell_type(struct lm_bridge *bridge, struct lm_host *host, struct pipe *p,
                      enum lm_bx_type type, struct lm_host_value **out_value)
{
	const struct lm_host_ops *ops = bridge->host.ops;
	struct lm_host_value *object = ops->object(host), *value;

	value = object ? ops->number(host, type) : NULL;
	if (!value || !ops->set(host, object, "type", value))
		return false;
	value = ops->number(host, (double)p->thing.number);
	if (!value || !ops->set(host, object, "pipe", value))
		return false;
	*out_value = object;
	return true;
}

static void entry_over(struct pipe *p)
{
	pthread_mutex_lock(&p->lock);
	let_go(p);
}

static bool tell_want(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                      struct lm_host_value **out_value)
{
	struct pipe *p = lm_container(entry, struct pipe, want);
	bool ok = !p->thing.number || tell_type(bridge, host, p, LM_BX_WANT, out_value);

	entry_over(p);
	return ok;
}

static void drop_want(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry)
{
	(void)bridge;
	(void)host;
	entry_over(lm_container(entry, struct pipe, want));
}

static bool tell_gone(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                      struct lm_host_value **out_value)
{
	struct pipe *p = lm_container(entry, struct pipe, gone);
	bool ok = !p->thing.number || tell_type(bridge, host, p, LM_BX_GONE, out_value);

	if (p->thing.number)
		leave(p);
	entry_over(p);
	return ok;
}

static void drop_gone(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry)
{
	(void)bridge;
	(void)host;
	entry_over(lm_container(entry, struct pipe, gone));
}

int lm_bx_pipe_new(struct lm_bridge *bridge, struct lm_loop *loop, uint64_t *out_pipe,
                   struct lm_source **out_source)
{
	static const struct lm_source_ops ops = { .read = pipe_read, .close = pipe_close };
	struct pipe *p = lm_alloc_zero(1, sizeof(*p));
	int err;

	if (!p)
		return LM_E_NOMEM;
	p->thing.kind = LM_BX_PIPE;
	err = lm_bx_add(bridge, &p->thing);
	if (err) {
		lm_free(p);
		return err;
	}
	p->bridge = bridge;
	p->loop = loop;
	p->source.ops = &ops;
	p->task.run = pipe_task;
	p->want = (struct lm_bx_entry){ .tell = tell_want, .drop = drop_want };
	p->gone = (struct lm_bx_entry){ .tell = tell_gone, .drop = drop_gone };
	pthread_mutex_init(&p->lock, NULL);
	p->holders = 2;
	p->last = &p->first;
	p->open = true;
	*out_pipe = p->thing.number;
	*out_source = &p->source;
	return 0;
}

static struct piece *piece_new(const struct lm_bx_call *call, struct lm_host_value *bytes)
{
	struct piece *piece = lm_alloc_zero(1, sizeof(*piece));

	if (!piece)
		return NULL;
	piece->ref = call->ops->keep(call->host, bytes);
	if (!piece->ref) {
		lm_free(piece);
		return NULL;
	}
	piece->release = (struct lm_bx_entry){ .tell = piece_tell, .drop = piece_drop };
	piece->rest = call->ops->view(call->host, bytes);
	return piece;
}

/* True: more is wanted. *io_piece is NULL when it was taken. */
static bool put(struct pipe *p, struct piece **io_piece, bool last)
{
	struct piece *piece = *io_piece;
	bool more;

	pthread_mutex_lock(&p->lock);
	if (p->open && piece) {
		*p->last = piece;
		p->last = &piece->next;
		p->queued += piece->rest.len;
		*io_piece = NULL;
	}
	p->ended |= last;
	if (piece || last)
		wake_reader(p);
	more = p->open && p->queued < PIPE_HIGH;
	p->owes = p->open && !more && !last;
	pthread_mutex_unlock(&p->lock);
	return more;
}

static bool read_write(const struct lm_bx_call *call, struct pipe **out_pipe, bool *out_last)
{
	struct lm_bx_thing *thing;
	enum lm_host_kind kind = lm_bx_arg_kind(call, 1), last = lm_bx_arg_kind(call, 2);

	if (!lm_bx_arg_thing(call, 0, "pipe", LM_BX_PIPE, &thing))
		return false;
	if (kind != LM_HOST_BYTES && kind != LM_HOST_UNDEFINED) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "\"bytes\" must be a Uint8Array, or left out");
		return false;
	}
	if (last != LM_HOST_BOOL && last != LM_HOST_UNDEFINED) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "\"last\" must be true or false");
		return false;
	}
	*out_pipe = thing ? lm_container(thing, struct pipe, thing) : NULL;
	*out_last = last == LM_HOST_BOOL && call->ops->to_bool(call->host, call->args[2]);
	return true;
}

struct lm_host_value *lm_bx_pipeWrite(const struct lm_bx_call *call)
{
	struct piece *piece = NULL;
	struct pipe *p;
	bool last, more;

	if (!read_write(call, &p, &last))
		return NULL;
	if (!p)
		return call->ops->boolean(call->host, false);
	if (lm_bx_arg_kind(call, 1) == LM_HOST_BYTES &&
	    call->ops->view(call->host, call->args[1]).len) {
		piece = piece_new(call, call->args[1]);
		if (!piece)
			return lm_bx_throw(call, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	}
	more = put(p, &piece, last);
	if (piece)
		piece_drop(call->bridge, call->host, &piece->release);
	if (last)
		leave(p);
	return call->ops->boolean(call->host, more);
}

struct lm_host_value *lm_bx_pipeFail(const struct lm_bx_call *call)
{
	struct lm_bx_thing *thing;
	struct pipe *p;

	if (!lm_bx_arg_thing(call, 0, "pipe", LM_BX_PIPE, &thing))
		return NULL;
	if (!thing)
		return lm_bx_undefined(call);
	p = lm_container(thing, struct pipe, thing);
	pthread_mutex_lock(&p->lock);
	p->failed = true;
	wake_reader(p);
	pthread_mutex_unlock(&p->lock);
	leave(p);
	return lm_bx_undefined(call);
}

void lm_bx_pipes_free(struct lm_bridge *bridge)
{
	struct lm_bx_thing *thing;

	while ((thing = lm_bx_any(bridge, LM_BX_PIPE)))
		leave(lm_container(thing, struct pipe, thing));
}
