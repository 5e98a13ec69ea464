/** @file
 * The other face, inside: a client with a loop of its own, run until an outcome is there.
 */
#ifndef LM_CLIENT_BLOCKING_H
#define LM_CLIENT_BLOCKING_H

#include "base/arena.h"
#include "client/client_impl.h"

struct lm_blocking {
	struct lm_loop *loop;
	struct lm_client *client;
	/* The call under way. */
	int (*event)(void *ctx, const struct lm_event *event);
	void *ctx;
	const struct lm_request *requests; /* not pushed yet */
	size_t left, open;                 /* their number; pushed, no outcome yet */
	struct lm_source *source;          /* for DATA */
	int stopped;                       /* what `event` said that was not 0 */
	bool is_failing;                   /* a refusal is an error of the call */
	bool is_leaving;                   /* it returns when the connection has ended */
	struct lm_error error;
	/* The connection's end. */
	bool is_closed;
	struct lm_error why;
	/* What the last call has to show. */
	struct lm_arena results;
};

/** One call: requests pushed as far as they are taken, and the loop run until each has its outcome.
 * A result of `event` that is not 0 is returned at the end; else, with `is_failing`, the first
 * request's failure; else that of the connection. */
LM_MUST int lm_blocking_run(struct lm_client *client, const struct lm_request *requests,
                            size_t count, bool is_failing,
                            int (*event)(void *ctx, const struct lm_event *event), void *ctx,
                            struct lm_error *out_error);

/** Behind its client. NULL is allowed. */
void lm_blocking_free(struct lm_blocking *blocking);

#endif
