/* Waiting for operations of an asynchronous store, on a loop nobody else runs. */
#include "store/boxes/impl.h"

static void ended(struct lm_op *op)
{
	struct lm_boxes_op *wait = lm_container(op, struct lm_boxes_op, op.op);

	wait->done = true;
	lm_loop_stop(op->loop);
}

struct lm_boxes_op *lm_boxes_start(struct lm_boxes *b, struct lm_boxes_op *wait)
{
	*wait = (struct lm_boxes_op){ .op.op = { .loop = b->loop, .done = ended } };
	return wait;
}

int lm_boxes_wait(struct lm_boxes *b, struct lm_boxes_op *wait)
{
	while (!wait->done)
		lm_loop_run(b->loop);
	return wait->op.op.result;
}
