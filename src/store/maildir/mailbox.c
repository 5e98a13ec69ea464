/* Sessions on mailboxes: what they ask that blocks is a job for the pool. */
#include "store/maildir/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	AHEAD_FIRST = 32 << 10,
	AHEAD_MAX = 256 << 10,
	CACHE_MAX = AHEAD_MAX + 4 * LM_MD_CHUNK,
};

/* A job under way, with room for what any of them needs. */
struct task {
	struct lm_job job;
	struct lm_store_op *op;
	struct lm_maildir *md;
	struct lm_md_box *box;
	int (*run)(struct task *task);
	/* One of: */
	size_t index;
	uint64_t offset;
	const struct lm_guid *guids;
	bool *out_known;
	size_t count;
	char name[LM_NAME_MAX + 1];
	uint64_t ids[];
};

static struct lm_maildir *store_of(const struct lm_md_box *box)
{
	return (struct lm_maildir *)box->head.store;
}

static void work(struct lm_job *job)
{
	struct task *task = lm_container(job, struct task, job);

	job->result = task->run(task);
}

static void done(struct lm_op *op)
{
	struct task *task = lm_container(op, struct task, job.op);
	struct lm_store_op *outer = task->op;
	int result = op->result;

	lm_free(task);
	lm_op_complete(&outer->op, result);
}

/* NULL: the operation was completed with an error. */
static struct task *task_new(struct lm_maildir *md, struct lm_md_box *box,
                             int (*run)(struct task *), size_t ids, struct lm_store_op *op)
{
	struct task *task;
	size_t size;

	if (!lm_mul(ids, sizeof(uint64_t), &size) || !lm_add(size, sizeof(*task), &size))
		size = SIZE_MAX / 2;
	task = lm_alloc_zero(1, size);
	if (!task) {
		lm_op_complete(&op->op, LM_E_NOMEM);
		return NULL;
	}
	task->md = md;
	task->box = box;
	task->op = op;
	task->run = run;
	task->count = ids;
	task->job = (struct lm_job){ .work = work, .op = { .loop = op->op.loop, .done = done } };
	return task;
}

static void submit_to(struct lm_pool *pool, struct task *task)
{
	struct lm_store_op *op = task->op;

	if (lm_pool_submit(pool, &task->job) == 0)
		return;
	lm_free(task);
	lm_op_complete(&op->op, LM_E_STORE);
}

static void submit(struct task *task)
{
	submit_to(task->md->pool, task);
}

static void box_free(struct lm_md_box *box)
{
	if (box->lock_fd >= 0)
		close(box->lock_fd);
	lm_md_read_done(box);
	lm_buf_done(&box->cache);
	lm_free(box->pieces);
	lm_free(box->gone);
	lm_md_listing_unref(box->listing);
	lm_md_folder_unref(box->folder);
	lm_free(box);
}

static int lock(struct lm_md_box *box)
{
	box->lock_fd = openat(box->folder->fd, "lettermill.lock",
	                      O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (box->lock_fd < 0)
		return lm_md_errno(errno);
	if (flock(box->lock_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? LM_E_IN_USE : lm_md_errno(errno);
	return 0;
}

/* That a folder cannot be used is the store's trouble, not the user's. */
static int trouble(int err)
{
	return err == LM_E_DENIED || err == LM_E_NOT_FOUND ? LM_E_STORE : err;
}

static int run_open(struct task *task)
{
	struct lm_md_box *box = lm_alloc_zero(1, sizeof(*box));
	int err;

	if (!box)
		return LM_E_NOMEM;
	box->head.store = &task->md->head;
	box->lock_fd = box->fd = -1;
	lm_buf_init(&box->cache, CACHE_MAX);
	err = lm_md_folder_get(task->md, lm_str(task->name), true, &box->folder);
	if (!err)
		err = lock(box);
	if (!err)
		err = lm_md_recover(box->folder);
	if (err)
		box_free(box);
	else
		task->op->mailbox = &box->head;
	return trouble(err);
}

/* The mailbox "" is the store's folder itself. */
static int fold(struct lm_bytes name, char out[LM_NAME_MAX + 1])
{
	if (name.len)
		return lm_name_fold(name, out);
	out[0] = '\0';
	return 0;
}

void lm_md_mailbox_open(struct lm_store *store, struct lm_bytes user, struct lm_store_op *op)
{
	struct task *task = task_new((struct lm_maildir *)store, NULL, run_open, 0, op);
	int err;

	op->mailbox = NULL;
	if (!task)
		return;
	err = fold(user, task->name);
	if (!err) {
		submit(task);
		return;
	}
	lm_free(task);
	lm_op_complete(&op->op, err);
}

static int run_list(struct task *task)
{
	struct lm_md_box *box = task->box;
	int err = box->listing ? 0 : lm_md_listing_get(box->folder, &box->listing);

	if (!err) {
		task->op->messages = box->listing->messages;
		task->op->count = box->listing->count;
	}
	return trouble(err);
}

void lm_md_mailbox_list(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	struct lm_md_box *box = (struct lm_md_box *)mailbox;
	struct task *task = task_new(store_of(box), box, run_list, 0, op);

	if (task)
		submit(task);
}

static int run_read(struct task *task)
{
	struct lm_store_op *op = task->op;
	int err = lm_md_read_run(task->box, task->index, task->offset);

	if (!err && !lm_md_serve(task->box, task->index, task->offset, &op->chunk, &op->last))
		err = LM_E_CORRUPT;
	return err == LM_E_DENIED ? LM_E_CORRUPT : err; /* this message alone */
}

static void widen(struct lm_md_box *box, size_t index)
{
	if (index != box->expect)
		box->window = 0;
	else if (box->window)
		box->window = box->window >= AHEAD_MAX / 2 ? AHEAD_MAX : box->window * 2;
	else
		box->window = AHEAD_FIRST;
}

static bool find(const struct lm_md_box *box, uint64_t id, size_t *out_index)
{
	return box->listing && lm_md_listing_find(box->listing, id, out_index) &&
	       !(box->gone && box->gone[*out_index]);
}

bool lm_md_message_at_hand(struct lm_mailbox *mailbox, uint64_t id, uint64_t offset,
                           struct lm_bytes *out_chunk, bool *out_last)
{
	struct lm_md_box *box = (struct lm_md_box *)mailbox;
	size_t index;

	return find(box, id, &index) && lm_md_serve(box, index, offset, out_chunk, out_last);
}

void lm_md_message_read(struct lm_mailbox *mailbox, uint64_t id, uint64_t offset,
                        struct lm_store_op *op)
{
	struct lm_md_box *box = (struct lm_md_box *)mailbox;
	struct task *task;
	size_t index;

	if (!find(box, id, &index)) {
		lm_op_complete(&op->op, LM_E_NOT_FOUND);
		return;
	}
	if (lm_md_serve(box, index, offset, &op->chunk, &op->last)) {
		lm_op_complete(&op->op, 0);
		return;
	}
	task = task_new(store_of(box), box, run_read, 0, op);
	if (!task)
		return;
	widen(box, index);
	task->index = index;
	task->offset = offset;
	submit(task);
}

static int run_expunge(struct task *task)
{
	int err = lm_md_expunge(task->box, task->ids, task->count);

	return err == LM_E_DENIED ? LM_E_STORE : err;
}

static int run_move(struct task *task)
{
	int err = lm_md_move(task->box, task->ids, task->count, lm_str(task->name));

	return err == LM_E_DENIED ? LM_E_STORE : err;
}

void lm_md_mailbox_expunge(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                           struct lm_store_op *op)
{
	struct lm_md_box *box = (struct lm_md_box *)mailbox;
	struct task *task = task_new(store_of(box), box, run_expunge, count, op);

	if (!task)
		return;
	if (count)
		memcpy(task->ids, ids, count * sizeof(*ids));
	submit(task);
}

void lm_md_message_move(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                        struct lm_bytes to, struct lm_store_op *op)
{
	struct lm_md_box *box = (struct lm_md_box *)mailbox;
	struct task *task = task_new(store_of(box), box, run_move, count, op);
	char place[LM_MD_PLACE_MAX];
	int err;

	if (!task)
		return;
	err = fold(to, task->name);
	if (!err)
		err = lm_md_place(store_of(box)->pattern, lm_str(task->name), place);
	if (err) {
		lm_free(task);
		lm_op_complete(&op->op, err);
		return;
	}
	if (count)
		memcpy(task->ids, ids, count * sizeof(*ids));
	submit(task);
}

static int run_ask(struct task *task)
{
	return lm_md_guids_ask(task->md, lm_str(task->name), task->guids, task->count,
	                       task->out_known);
}

void lm_md_mailbox_has_guids(struct lm_store *store, struct lm_bytes user,
                             const struct lm_guid *guids, size_t count, bool *out_known,
                             struct lm_store_op *op)
{
	struct task *task = task_new((struct lm_maildir *)store, NULL, run_ask, 0, op);
	int err;

	if (!task)
		return;
	err = fold(user, task->name);
	if (err) {
		lm_free(task);
		lm_op_complete(&op->op, err);
		return;
	}
	task->guids = guids;
	task->count = count;
	task->out_known = out_known;
	submit_to(task->md->questions, task);
}

void lm_md_mailbox_close(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	box_free((struct lm_md_box *)mailbox);
	if (op)
		lm_op_complete(&op->op, 0);
}
