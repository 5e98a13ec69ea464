/* A source that tells how far it was read. */
#include "client/client_impl.h"

struct counted {
	struct lm_source base;
	struct lm_source *inner;
	const struct lm_client_params *params;
	uint64_t done, total;
};

static void on_ready(void *ctx)
{
	struct counted *c = ctx;

	c->base.ready(c->base.ready_ctx);
}

static int counted_read(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                        bool *out_last)
{
	struct counted *c = lm_container(source, struct counted, base);
	int err = c->inner->ops->read(c->inner, max, out_chunk, out_last);

	if (err)
		return err;
	c->done += out_chunk->len;
	c->params->progress(c->params->ctx, c->done, c->total);
	return 0;
}

static void counted_close(struct lm_source *source)
{
	struct counted *c = lm_container(source, struct counted, base);

	c->inner->ops->close(c->inner);
	lm_free(c);
}

static const struct lm_source_ops counted_ops = { counted_read, counted_close };

struct lm_source *lm_client_counted(struct lm_source *source, const struct lm_client_params *params,
                                    uint64_t total)
{
	struct counted *c = lm_alloc_zero(1, sizeof(*c));

	if (!c)
		return NULL;
	c->base.ops = &counted_ops;
	c->inner = source;
	c->params = params;
	c->total = total;
	source->ready = on_ready;
	source->ready_ctx = c;
	return &c->base;
}
