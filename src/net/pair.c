/* Two transports joined in memory. */
#include "net/transport.h"

#include "base/buf.h"

struct end {
	struct lm_transport base;
	struct pair *pair;
	struct lm_buf in;    /* what the other end wrote */
	struct lm_task task; /* calls `changed` */
	unsigned want;
	bool is_posted, is_freed;
	bool no_more; /* nothing will be written into `in` any more */
	bool reset;   /* the other end aborted */
};

struct pair {
	struct lm_loop *loop;
	size_t capacity;
	struct end ends[2];
};

static struct end *self(struct lm_transport *t)
{
	return lm_container(t, struct end, base);
}

static struct end *other(const struct end *e)
{
	return &e->pair->ends[e == &e->pair->ends[0]];
}

static unsigned readiness(const struct end *e)
{
	const struct end *o = other(e);
	unsigned io = 0;

	if (lm_buf_len(&e->in) || e->no_more || e->reset)
		io |= LM_IO_READ;
	if (lm_buf_len(&o->in) < e->pair->capacity || o->is_freed)
		io |= LM_IO_WRITE;
	return io;
}

/* Like a poll: told again each turn as long as it holds. */
static void poke(struct end *e)
{
	if (e->is_posted || e->is_freed || !(readiness(e) & e->want))
		return;
	e->is_posted = true;
	lm_loop_post(e->pair->loop, &e->task);
}

static void release(struct pair *pair)
{
	for (int i = 0; i < 2; i++)
		if (!pair->ends[i].is_freed || pair->ends[i].is_posted)
			return;
	lm_free(pair);
}

static void tell(struct lm_task *task)
{
	struct end *e = lm_container(task, struct end, task);
	unsigned io = e->is_freed ? 0 : readiness(e) & e->want;

	if (io)
		e->base.changed(e->base.ctx, io);
	e->is_posted = false;
	poke(e);
	release(e->pair);
}

static int pair_read(struct lm_transport *t, uint8_t *buf, size_t cap, size_t *out_len)
{
	struct end *e = self(t);
	struct lm_bytes in = lm_buf_bytes(&e->in);
	size_t n = in.len;

	if (!n && e->reset)
		return LM_E_IO;
	if (!n)
		return e->no_more ? LM_E_CLOSED : LM_E_AGAIN;
	if (n > cap)
		n = cap;
	memcpy(buf, in.data, n);
	lm_buf_drop(&e->in, n);
	*out_len = n;
	poke(other(e));
	return 0;
}

static int pair_write(struct lm_transport *t, struct lm_bytes octets, size_t *out_len)
{
	struct end *e = self(t), *o = other(e);
	size_t room = e->pair->capacity - lm_buf_len(&o->in);

	if (e->reset || o->is_freed || o->no_more)
		return LM_E_CLOSED;
	if (!room && octets.len)
		return LM_E_AGAIN;
	if (octets.len > room)
		octets.len = room;
	if (lm_buf_add(&o->in, octets))
		return LM_E_NOMEM;
	*out_len = octets.len;
	poke(o);
	return 0;
}

static void pair_want(struct lm_transport *t, unsigned io)
{
	self(t)->want = io;
	poke(self(t));
}

static void pair_shutdown(struct lm_transport *t)
{
	struct end *o = other(self(t));

	o->no_more = true;
	poke(o);
}

static const struct lm_tls_info *pair_tls(const struct lm_transport *t)
{
	(void)t;
	return NULL;
}

static void pair_free(struct lm_transport *t, bool abort)
{
	struct end *e = self(t), *o = other(e);

	/* As with sockets: octets left unread make the close a reset. */
	o->reset = o->reset || abort || lm_buf_len(&e->in) > 0;
	lm_buf_done(&e->in);
	e->is_freed = true;
	o->no_more = true;
	poke(o);
	release(e->pair);
}

static const struct lm_transport_ops pair_ops = {
	"pair", pair_read, pair_write, pair_want, pair_shutdown, pair_tls, pair_free,
};

int lm_transport_pair(struct lm_loop *loop, size_t capacity, struct lm_transport **out_a,
                      struct lm_transport **out_b)
{
	struct pair *pair = lm_alloc_zero(1, sizeof(*pair));

	if (!pair)
		return LM_E_NOMEM;
	pair->loop = loop;
	pair->capacity = capacity;
	for (int i = 0; i < 2; i++) {
		struct end *e = &pair->ends[i];

		e->base.ops = &pair_ops;
		e->pair = pair;
		e->task.run = tell;
		lm_buf_init(&e->in, capacity);
	}
	*out_a = &pair->ends[0].base;
	*out_b = &pair->ends[1].base;
	return 0;
}
