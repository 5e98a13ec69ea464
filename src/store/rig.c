/* The stores' test rig. */
#include "lm_test.h"

#include "store/rig.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void rig_remove(const char *folder)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_url(struct rig *rig)
{
	const char *at = strchr(rig->pattern, '@');

	if (!at) {
		snprintf(rig->url, sizeof(rig->url), "%s", rig->pattern);
		return;
	}
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/lm-store-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->url, sizeof(rig->url), "%.*s%s/mail.db%s", (int)(at - rig->pattern),
	         rig->pattern, rig->folder, at + 1);
}

static void open_store(struct rig *rig)
{
	struct lm_error error = { 0 };

	if (lm_store_open(rig->url, &rig->store, &error))
		fail_msg("%s: %s", rig->url, error.text);
}

struct rig *rig_new(const char *pattern)
{
	struct rig *rig = lm_alloc_zero(1, sizeof(*rig));

	assert_non_null(rig);
	rig->pattern = pattern;
	make_url(rig);
	assert_err(lm_loop_new(&rig->loop), 0);
	open_store(rig);
	return rig;
}

void rig_free(struct rig *rig)
{
	lm_store_close(rig->store);
	lm_loop_free(rig->loop);
	if (rig->folder[0])
		rig_remove(rig->folder);
	lm_free(rig);
}

int rig_setup(void **state)
{
	*state = rig_new(*state);
	return 0;
}

int rig_teardown(void **state)
{
	rig_free(*state);
	return 0;
}

void rig_reopen(struct rig *rig)
{
	lm_store_close(rig->store);
	open_store(rig);
}

static void ended(struct lm_op *op)
{
	struct wait_op *wait = lm_container(op, struct wait_op, op.op);

	assert_false(wait->done);
	wait->done = true;
	lm_loop_stop(op->loop);
}

struct wait_op *wait_start(struct rig *rig, struct wait_op *wait)
{
	*wait = (struct wait_op){ .op.op = { .loop = rig->loop, .done = ended } };
	return wait;
}

int wait_for(struct rig *rig, struct wait_op *wait)
{
	while (!wait->done)
		lm_loop_run(rig->loop);
	return wait->op.op.result;
}

static int begin(struct rig *rig, const char *const *names, size_t count, const char *guid,
                 struct lm_draft **out_draft)
{
	struct lm_bytes *mailboxes = lm_alloc_zero(count, sizeof(*mailboxes));
	struct lm_delivery delivery = { .mailboxes = mailboxes,
		                        .mailbox_count = count,
		                        .sender = lm_str("sender@example.org"),
		                        .envelope = lm_str("RET=HDRS ENVID=1"),
		                        .guid = { lm_str("there"), lm_str(guid) } };
	struct wait_op wait;
	int err;

	assert_non_null(mailboxes);
	for (size_t i = 0; i < count; i++)
		mailboxes[i] = lm_str(names[i]);
	rig->store->ops->draft_begin(rig->store, &delivery, &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	err = wait_for(rig, &wait);
	if (!err)
		*out_draft = wait.op.draft;
	lm_free(mailboxes);
	return err;
}

int rig_begin(struct rig *rig, const char *const *names, size_t count, struct lm_draft **out_draft)
{
	return begin(rig, names, count, "", out_draft);
}

int rig_deliver_guid(struct rig *rig, const char *const *names, size_t count, const char *guid,
                     struct lm_bytes text)
{
	struct lm_draft *draft;
	int err = begin(rig, names, count, guid, &draft);

	if (err)
		return err;
	err = rig_write(rig, draft, text);
	if (!err)
		return rig_commit(rig, draft);
	draft->store->ops->draft_abort(draft);
	return err;
}

bool rig_knows(struct rig *rig, const char *user, const char *guid)
{
	struct lm_guid guids[2] = { { lm_str("elsewhere"), lm_str(guid) },
		                    { lm_str("there"), lm_str(guid) } };
	bool known[2] = { true, false };
	struct wait_op wait;

	rig->store->ops->mailbox_has_guids(rig->store, lm_str(user), guids, 2, known,
	                                   &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	assert_err(wait_for(rig, &wait), 0);
	assert_false(known[0]);
	return known[1];
}

int rig_write(struct rig *rig, struct lm_draft *draft, struct lm_bytes text)
{
	struct wait_op wait;

	draft->store->ops->draft_write(draft, text, &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	return wait_for(rig, &wait);
}

int rig_commit(struct rig *rig, struct lm_draft *draft)
{
	struct wait_op wait;

	draft->store->ops->draft_commit(draft, &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	return wait_for(rig, &wait);
}

int rig_deliver_to(struct rig *rig, const char *const *names, size_t count, struct lm_bytes text,
                   size_t piece)
{
	struct lm_draft *draft;
	int err = rig_begin(rig, names, count, &draft);

	if (err)
		return err;
	for (size_t at = 0; at < text.len && !err; at += piece) {
		struct lm_bytes rest = lm_bytes_from(text, at);

		if (rest.len > piece)
			rest.len = piece;
		err = rig_write(rig, draft, rest);
	}
	if (!err)
		return rig_commit(rig, draft);
	draft->store->ops->draft_abort(draft);
	return err;
}

int rig_deliver(struct rig *rig, const char *name, struct lm_bytes text)
{
	return rig_deliver_to(rig, &name, 1, text, SIZE_MAX / 2);
}

int rig_open(struct rig *rig, const char *user, struct rig_box *out_box)
{
	struct lm_mailbox *mailbox;
	struct wait_op wait;
	int err;

	rig->store->ops->mailbox_open(rig->store, lm_str(user), &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	err = wait_for(rig, &wait);
	if (err)
		return err;
	mailbox = wait.op.mailbox;
	mailbox->store->ops->mailbox_list(mailbox, &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	err = wait_for(rig, &wait);
	*out_box = (struct rig_box){ mailbox, wait.op.messages, wait.op.count };
	if (err)
		rig_close(rig, out_box);
	return err;
}

int rig_read(struct rig *rig, struct rig_box *box, uint64_t id, struct lm_buf *out)
{
	struct lm_mailbox *mailbox = box->mailbox;
	uint64_t offset = 0;

	for (;;) {
		struct wait_op wait;
		int err;

		mailbox->store->ops->message_read(mailbox, id, offset, &wait_start(rig, &wait)->op);
		assert_false(wait.done);
		err = wait_for(rig, &wait);
		if (err)
			return err;
		assert_true(wait.op.chunk.len > 0 || wait.op.last);
		assert_err(lm_buf_add(out, wait.op.chunk), 0);
		offset += wait.op.chunk.len;
		if (wait.op.last)
			return 0;
	}
}

int rig_expunge(struct rig *rig, struct rig_box *box, const uint64_t *ids, size_t count)
{
	struct wait_op wait;

	box->mailbox->store->ops->mailbox_expunge(box->mailbox, ids, count,
	                                          &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	return wait_for(rig, &wait);
}

int rig_move(struct rig *rig, struct rig_box *box, const uint64_t *ids, size_t count,
             const char *to)
{
	struct wait_op wait;

	box->mailbox->store->ops->message_move(box->mailbox, ids, count, lm_str(to),
	                                       &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	return wait_for(rig, &wait);
}

int rig_close(struct rig *rig, struct rig_box *box)
{
	struct wait_op wait;

	box->mailbox->store->ops->mailbox_close(box->mailbox, &wait_start(rig, &wait)->op);
	assert_false(wait.done);
	return wait_for(rig, &wait);
}

void rig_fill(uint8_t *data, size_t len, unsigned seed)
{
	uint64_t x = seed * 2654435761u + 88172645463325252u;

	for (size_t i = 0; i < len; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(data + i, &x, len - i < 8 ? len - i : 8);
	}
}

void rig_expect(struct rig *rig, const char *user, size_t index, struct lm_bytes text)
{
	struct rig_box box;
	struct lm_buf got;

	lm_buf_init(&got, 64 << 20);
	assert_err(rig_open(rig, user, &box), 0);
	assert_true(index < box.count);
	assert_int_equal(box.messages[index].octets, lm_retr_octets(text.len, text));
	assert_err(rig_read(rig, &box, box.messages[index].id, &got), 0);
	assert_true(lm_bytes_equal(lm_buf_bytes(&got), text));
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&got);
}

size_t rig_count(struct rig *rig, const char *user)
{
	struct rig_box box;

	assert_err(rig_open(rig, user, &box), 0);
	assert_err(rig_close(rig, &box), 0);
	return box.count;
}
