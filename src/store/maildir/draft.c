/* A message on its way: a small one waits in memory, a large one streams into tmp; then the
 * deliverer takes it. */
#include "store/maildir/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct lm_maildir *store_of(const struct lm_md_draft *draft)
{
	return (struct lm_maildir *)draft->head.store;
}

int lm_md_outcome(int err)
{
	switch (err) {
	case 0:
	case LM_E_EXISTS:
	case LM_E_FULL:
	case LM_E_IO:
	case LM_E_NOMEM:
	case LM_E_SYNTAX:
	case LM_E_CANCELED:
		return err;
	default:
		return LM_E_STORE;
	}
}

static void draft_free(struct lm_md_draft *draft)
{
	if (draft->fd >= 0)
		close(draft->fd);
	for (size_t i = 0; i < draft->folder_count; i++)
		lm_md_folder_unref(draft->folders[i]);
	lm_free(draft->folders);
	lm_buf_done(&draft->text);
	lm_free(draft->names);
	lm_free(draft);
}

void lm_md_draft_finish(struct lm_md_draft *draft, int result)
{
	struct lm_store_op *op = draft->op;
	bool aborted = draft->aborted;

	draft_free(draft);
	if (!aborted)
		lm_op_complete(&op->op, lm_md_outcome(result));
}

/* The mailbox "" is the store's folder itself, and comes alone. */
static int take_names(struct lm_md_draft *draft, const struct lm_delivery *delivery)
{
	char place[LM_MD_PLACE_MAX];
	int err = 0;

	if (delivery->mailbox_count == 1 && delivery->mailboxes[0].len == 0)
		return lm_md_place(store_of(draft)->pattern, lm_bytes(NULL, 0), place);
	err = lm_names_new(delivery->mailboxes, delivery->mailbox_count, &draft->names);
	for (size_t i = 0; !err && i < draft->names->count; i++)
		err = lm_md_place(store_of(draft)->pattern, draft->names->name[i], place);
	return err;
}

void lm_md_draft_begin(struct lm_store *store, const struct lm_delivery *delivery,
                       struct lm_store_op *op)
{
	struct lm_md_draft *draft = lm_alloc_zero(1, sizeof(*draft));
	int err = draft ? 0 : LM_E_NOMEM;

	op->draft = NULL;
	if (draft) {
		draft->head.store = store;
		draft->fd = -1;
		lm_buf_init(&draft->text, LM_MD_CHUNK);
		draft->has_guid = delivery->guid.guid.len > 0;
		err = lm_guid_key(&delivery->guid, &draft->guid);
		if (!err)
			err = take_names(draft, delivery);
		if (err)
			draft_free(draft);
		else
			op->draft = &draft->head;
	}
	lm_op_complete(&op->op, err);
}

static int open_folders(struct lm_md_draft *draft)
{
	size_t count = draft->names ? draft->names->count : 1;
	int err = 0;

	if (!draft->folders)
		draft->folders = lm_alloc_zero(count, sizeof(struct lm_md_folder *));
	if (!draft->folders)
		return LM_E_NOMEM;
	while (!err && draft->folder_count < count) {
		struct lm_bytes name = draft->names ? draft->names->name[draft->folder_count]
		                                    : lm_bytes(NULL, 0);

		err = lm_md_folder_get(store_of(draft), name, true,
		                       &draft->folders[draft->folder_count]);
		draft->folder_count += !err;
	}
	return err;
}

static int make_file(struct lm_md_draft *draft)
{
	struct lm_md_stamp stamp;
	int err = 0;

	if (draft->fd >= 0)
		return 0;
	err = open_folders(draft);
	if (err)
		return err;
	lm_md_stamp_next(store_of(draft), &stamp);
	lm_md_name_make(store_of(draft), &stamp, NULL, draft->tmp_name);
	draft->fd = openat(draft->folders[0]->subs[LM_MD_TMP], draft->tmp_name,
	                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	return draft->fd >= 0 ? 0 : lm_md_errno(errno);
}

static void note_facts(struct lm_md_draft *draft, struct lm_bytes octets)
{
	const uint8_t *at = octets.data, *end = octets.data + octets.len;

	if (!octets.len)
		return;
	for (; (at = memchr(at, '\n', (size_t)(end - at))); at++) {
		bool crlf = (at > octets.data ? at[-1] : draft->tail[1]) == '\r';

		draft->bare += !crlf;
	}
	draft->tail[0] = octets.len > 1 ? end[-2] : draft->tail[1];
	draft->tail[1] = end[-1];
	draft->size += octets.len;
}

static int write_out(struct lm_md_draft *draft)
{
	int err = make_file(draft);

	if (!err)
		err = lm_md_write(draft->fd, lm_buf_bytes(&draft->text));
	lm_buf_clear(&draft->text);
	if (!err)
		err = lm_md_write(draft->fd, draft->pending);
	draft->pending = lm_bytes(NULL, 0);
	return err;
}

static void run_write(struct lm_job *job)
{
	struct lm_md_draft *draft = lm_container(job, struct lm_md_draft, job);

	draft->err = write_out(draft);
	job->result = 0;
}

static void write_done(struct lm_op *op)
{
	struct lm_md_draft *draft = lm_container(op, struct lm_md_draft, job.op);

	lm_op_complete(&draft->op->op, lm_md_outcome(draft->err));
}

/* Where it is taken, the draft is the pool's. */
static int submit(struct lm_md_draft *draft, void (*work)(struct lm_job *),
                  void (*done)(struct lm_op *), struct lm_store_op *op)
{
	draft->op = op;
	draft->job = (struct lm_job){ .work = work, .op = { .loop = op->op.loop, .done = done } };
	return lm_pool_submit(store_of(draft)->pool, &draft->job);
}

void lm_md_draft_write(struct lm_draft *base, struct lm_bytes octets, struct lm_store_op *op)
{
	struct lm_md_draft *draft = (struct lm_md_draft *)base;
	int err = draft->err;

	if (!err)
		note_facts(draft, octets);
	if (!err && lm_buf_len(&draft->text) + octets.len > LM_MD_CHUNK) {
		draft->pending = octets;
		err = submit(draft, run_write, write_done, op);
		if (!err)
			return;
	} else if (!err) {
		err = lm_buf_add(&draft->text, octets);
	}
	draft->err = err;
	lm_op_complete(&op->op, lm_md_outcome(err));
}

void lm_md_draft_abort(struct lm_draft *base)
{
	struct lm_md_draft *draft = (struct lm_md_draft *)base;

	draft->aborted = true;
	if (draft->folder_count)
		lm_md_deliverer_add(store_of(draft), draft); /* to remove may take a while */
	else
		draft_free(draft);
}

/* Many at once: the file system makes one of their syncs, beside the deliverer's of the folders. */
static void run_commit(struct lm_job *job)
{
	struct lm_md_draft *draft = lm_container(job, struct lm_md_draft, job);

	draft->err = write_out(draft);
	if (!draft->err)
		draft->err = lm_md_sync(draft->fd);
	job->result = 0;
}

static void commit_written(struct lm_op *op)
{
	struct lm_md_draft *draft = lm_container(op, struct lm_md_draft, job.op);

	lm_md_deliverer_add(store_of(draft), draft);
}

void lm_md_draft_commit(struct lm_draft *base, struct lm_store_op *op)
{
	struct lm_md_draft *draft = (struct lm_md_draft *)base;
	int err = draft->err;

	lm_md_stamp_next(store_of(draft), &draft->stamp);
	if (!err)
		err = submit(draft, run_commit, commit_written, op);
	if (!err)
		return;
	lm_md_draft_abort(base);
	lm_op_complete(&op->op, lm_md_outcome(err));
}
