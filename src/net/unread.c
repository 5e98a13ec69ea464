/* A transport that gives back octets which were read too far, then is the one below. */
#include "base/buf.h"
#include "net/transport.h"

struct unread {
	struct lm_transport base;
	struct lm_transport *below;
	struct lm_loop *loop;
	struct lm_buf octets;
	struct lm_task task;
	unsigned want;
	bool is_posted, is_freed;
};

static struct unread *self(struct lm_transport *t)
{
	return lm_container(t, struct unread, base);
}

static void poke(struct unread *u)
{
	if (u->is_posted || !(u->want & LM_IO_READ) || !lm_buf_len(&u->octets))
		return;
	u->is_posted = true;
	lm_loop_post(u->loop, &u->task);
}

static void on_task(struct lm_task *task)
{
	struct unread *u = lm_container(task, struct unread, task);

	u->is_posted = false;
	if (u->is_freed) {
		lm_free(u);
		return;
	}
	if (!(u->want & LM_IO_READ) || !lm_buf_len(&u->octets))
		return;
	/* Asked again while it is so, as with any transport; the owner may free us in this call. */
	poke(u);
	u->base.changed(u->base.ctx, LM_IO_READ);
}

static int unread_read(struct lm_transport *t, uint8_t *buf, size_t cap, size_t *out_len)
{
	struct unread *u = self(t);
	struct lm_bytes octets = lm_buf_bytes(&u->octets);
	size_t n = octets.len;

	if (!n)
		return u->below->ops->read(u->below, buf, cap, out_len);
	if (n > cap)
		n = cap;
	memcpy(buf, octets.data, n);
	lm_buf_drop(&u->octets, n);
	if (!lm_buf_len(&u->octets))
		lm_buf_done(&u->octets);
	*out_len = n;
	return 0;
}

static int unread_write(struct lm_transport *t, struct lm_bytes octets, size_t *out_len)
{
	return self(t)->below->ops->write(self(t)->below, octets, out_len);
}

static void unread_want(struct lm_transport *t, unsigned io)
{
	struct unread *u = self(t);

	u->want = io;
	u->below->ops->want(u->below, io);
	poke(u);
}

static void unread_shutdown(struct lm_transport *t)
{
	self(t)->below->ops->shutdown(self(t)->below);
}

static const struct lm_tls_info *unread_tls(const struct lm_transport *t)
{
	const struct unread *u = lm_container(t, const struct unread, base);

	return u->below->ops->tls(u->below);
}

static void unread_free(struct lm_transport *t, bool abort)
{
	struct unread *u = self(t);

	u->below->ops->free(u->below, abort);
	lm_buf_done(&u->octets);
	u->is_freed = true;
	if (!u->is_posted)
		lm_free(u);
}

static const struct lm_transport_ops unread_ops = {
	"unread", unread_read, unread_write, unread_want, unread_shutdown, unread_tls, unread_free,
};

static void on_below(void *ctx, unsigned io)
{
	struct unread *u = ctx;

	u->base.changed(u->base.ctx, io);
}

int lm_transport_unread(struct lm_loop *loop, struct lm_transport *below, struct lm_bytes octets,
                        struct lm_transport **out_transport)
{
	struct unread *u = lm_alloc_zero(1, sizeof(*u));

	if (u) {
		lm_buf_init(&u->octets, LM_SCRATCH_READ_SIZE);
		u->loop = loop;
		u->below = below;
		u->base.ops = &unread_ops;
		u->task.run = on_task;
	}
	if (!u || lm_buf_add(&u->octets, octets)) {
		below->ops->free(below, true);
		lm_free(u);
		return LM_E_NOMEM;
	}
	below->changed = on_below;
	below->ctx = u;
	*out_transport = &u->base;
	return 0;
}
