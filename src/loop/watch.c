/* Readiness of descriptors by uv_poll. */
#include "loop/loop_impl.h"

#include "base/error.h"

struct lm_watch {
	uv_poll_t poll;
	struct lm_loop *loop;
	void (*ready)(void *ctx, unsigned io);
	void *ctx;
	unsigned want;
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct lm_watch *watch = lm_container(poll, struct lm_watch, poll);
	struct lm_loop *loop = watch->loop;
	unsigned io = 0;

	if (status < 0) {
		/* libuv has stopped watching; the next read or write names the error. */
		watch->want = 0;
		io = LM_IO_READ | LM_IO_WRITE;
	}
	if (events & UV_READABLE)
		io |= LM_IO_READ;
	if (events & UV_WRITABLE)
		io |= LM_IO_WRITE;
	watch->ready(watch->ctx, io);
	lm_loop_drain(loop);
}

int lm_watch_new(struct lm_loop *loop, int fd, void (*ready)(void *ctx, unsigned io), void *ctx,
                 struct lm_watch **out_watch)
{
	struct lm_watch *watch = lm_alloc_zero(1, sizeof(*watch));
	int status;

	if (!watch)
		return LM_E_NOMEM;
	status = uv_poll_init(&loop->uv, &watch->poll, fd);
	if (status) {
		lm_free(watch);
		return lm_err_from_errno(-status);
	}
	watch->loop = loop;
	watch->ready = ready;
	watch->ctx = ctx;
	*out_watch = watch;
	return 0;
}

void lm_watch_want(struct lm_watch *watch, unsigned io)
{
	int events = 0;

	if (io == watch->want)
		return;
	watch->want = io;
	if (io & LM_IO_READ)
		events |= UV_READABLE;
	if (io & LM_IO_WRITE)
		events |= UV_WRITABLE;
	/* It can only fail for a closed handle. */
	(void)uv_poll_start(&watch->poll, events, on_ready);
}

static void on_closed(uv_handle_t *handle)
{
	lm_free(lm_container((uv_poll_t *)handle, struct lm_watch, poll));
}

void lm_watch_free(struct lm_watch *watch)
{
	if (watch)
		uv_close((uv_handle_t *)&watch->poll, on_closed);
}
