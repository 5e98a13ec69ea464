/* Adding to a store of maildrops: commits are left under way, so that the store makes groups of
 * them. */
#include "store/boxes/impl.h"

#include "base/error.h"

#include <openssl/sha.h>

struct lm_boxes_add {
	struct lm_mime_add head;
	struct lm_draft *draft; /* NULL: dry run */
	struct lm_buf held;     /* on its way into the draft */
	struct lm_guid guid;
	uint8_t text[]; /* the guid's */
};

/* A commit under way. */
struct lm_boxes_commit {
	struct lm_store_op op;
	struct lm_boxes *b;
	struct lm_boxes_commit *next, **link;
	struct lm_guid guid;
	uint8_t text[];
};

static struct lm_boxes *boxes_of(const struct lm_mime_add *add)
{
	return (struct lm_boxes *)add->store;
}

/* Names longer than stores take stand for themselves by their digest. */
static struct lm_bytes shorten(struct lm_bytes id, uint8_t digest[SHA256_DIGEST_LENGTH])
{
	if (id.len <= LM_GUID_MAX)
		return id;
	SHA256(id.data, id.len, digest);
	return lm_bytes(digest, SHA256_DIGEST_LENGTH);
}

static bool guid_equal(const struct lm_guid *a, const struct lm_guid *b)
{
	return lm_bytes_equal(a->guid, b->guid) && lm_bytes_equal(a->source, b->source);
}

static void copy_guid(const struct lm_guid *from, uint8_t *text, struct lm_guid *to)
{
	if (from->source.len)
		memcpy(text, from->source.data, from->source.len);
	if (from->guid.len)
		memcpy(text + from->source.len, from->guid.data, from->guid.len);
	to->source = lm_bytes(text, from->source.len);
	to->guid = lm_bytes(text + from->source.len, from->guid.len);
}

static int has(struct lm_boxes *b, const struct lm_guid *guid)
{
	struct lm_boxes_op wait;
	bool known = false;
	int err;

	for (const struct lm_boxes_commit *c = b->commits; c; c = c->next)
		if (guid_equal(&c->guid, guid))
			return 1;
	b->store->ops->mailbox_has_guids(b->store, lm_str(b->base), guid, 1, &known,
	                                 &lm_boxes_start(b, &wait)->op);
	err = lm_boxes_wait(b, &wait);
	return err ? err : known;
}

int lm_boxes_has(struct lm_mime_store *store, struct lm_bytes sourceid, struct lm_bytes guid)
{
	uint8_t digests[2][SHA256_DIGEST_LENGTH];
	const struct lm_guid g = { shorten(sourceid, digests[0]), shorten(guid, digests[1]) };

	return guid.len ? has((struct lm_boxes *)store, &g) : 0;
}

static int begin_draft(struct lm_boxes *b, struct lm_boxes_add *add,
                       const struct lm_mime_item *item, struct lm_error *out_error)
{
	struct lm_bytes base = lm_str(b->base);
	const struct lm_delivery delivery = {
		.mailboxes = &base, .mailbox_count = 1, .size_hint = item->octets, .guid = add->guid
	};
	struct lm_boxes_op wait;
	int err;

	b->store->ops->draft_begin(b->store, &delivery, &lm_boxes_start(b, &wait)->op);
	err = lm_boxes_wait(b, &wait);
	if (err)
		return lm_fail(out_error, err, "mailbox %s: %s", b->base, lm_err_text(err));
	add->draft = wait.op.draft;
	return 0;
}

int lm_boxes_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                       struct lm_mime_add **out_add, struct lm_error *out_error)
{
	struct lm_boxes *b = (struct lm_boxes *)store;
	uint8_t digests[2][SHA256_DIGEST_LENGTH];
	const struct lm_guid guid = { shorten(item->sourceid, digests[0]),
		                      shorten(item->guid, digests[1]) };
	struct lm_boxes_add *add;
	int err = b->commit_err;

	if (err)
		return lm_fail(out_error, err, "mailbox %s: %s", b->base, lm_err_text(err));
	add = lm_alloc(sizeof(*add) + guid.source.len + guid.guid.len);
	if (!add)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	*add = (struct lm_boxes_add){ .head.store = store };
	lm_buf_init(&add->held, LM_BOXES_PIECE);
	copy_guid(&guid, add->text, &add->guid);
	if (store->commit)
		err = begin_draft(b, add, item, out_error);
	if (err)
		lm_free(add);
	else
		*out_add = &add->head;
	return err;
}

static int write_draft(struct lm_boxes_add *add, struct lm_bytes octets, struct lm_error *out_error)
{
	struct lm_boxes *b = boxes_of(&add->head);
	struct lm_boxes_op wait;
	int err;

	if (!octets.len)
		return 0;
	b->store->ops->draft_write(add->draft, octets, &lm_boxes_start(b, &wait)->op);
	err = lm_boxes_wait(b, &wait);
	return err ? lm_fail(out_error, err, "mailbox %s: %s", b->base, lm_err_text(err)) : 0;
}

int lm_boxes_add_write(struct lm_mime_add *base, struct lm_bytes octets, struct lm_error *out_error)
{
	struct lm_boxes_add *add = (struct lm_boxes_add *)base;
	int err;

	if (!add->draft)
		return 0;
	/* What goes past the held octets must not overtake them. */
	if (octets.len > LM_BOXES_PIECE / 2 ||
	    lm_buf_len(&add->held) + octets.len > LM_BOXES_PIECE) {
		err = write_draft(add, lm_buf_bytes(&add->held), out_error);
		if (err)
			return err;
		lm_buf_clear(&add->held);
	}
	if (octets.len > LM_BOXES_PIECE / 2)
		return write_draft(add, octets, out_error);
	err = lm_buf_add(&add->held, octets);
	return err ? lm_fail(out_error, err, "out of memory") : 0;
}

static void add_free(struct lm_boxes_add *add)
{
	lm_buf_done(&add->held);
	lm_free(add);
}

void lm_boxes_add_abort(struct lm_mime_add *base)
{
	struct lm_boxes_add *add = (struct lm_boxes_add *)base;

	if (add->draft)
		boxes_of(base)->store->ops->draft_abort(add->draft);
	add_free(add);
}

/* Somebody else may have added the same message meanwhile: then it is there. */
static void committed(struct lm_op *op)
{
	struct lm_boxes_commit *c = lm_container(op, struct lm_boxes_commit, op.op);
	struct lm_boxes *b = c->b;

	if (op->result && op->result != LM_E_EXISTS && !b->commit_err)
		b->commit_err = op->result;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	b->commit_count--;
	lm_free(c);
	lm_loop_stop(b->loop);
}

static int begin_commit(struct lm_boxes *b, struct lm_boxes_add *add)
{
	struct lm_boxes_commit *c = lm_alloc(sizeof(*c) + add->guid.source.len +
	                                     add->guid.guid.len);

	if (!c)
		return LM_E_NOMEM;
	*c = (struct lm_boxes_commit){ .op.op = { .loop = b->loop, .done = committed },
		                       .b = b,
		                       .next = b->commits,
		                       .link = &b->commits };
	copy_guid(&add->guid, c->text, &c->guid);
	if (c->next)
		c->next->link = &c->next;
	b->commits = c;
	b->commit_count++;
	b->boxes[LM_TAG_UNREAD].stale = true;
	b->store->ops->draft_commit(add->draft, &c->op);
	add->draft = NULL;
	return 0;
}

int lm_boxes_add_end(struct lm_mime_add *base, char *out_name, struct lm_error *out_error)
{
	struct lm_boxes_add *add = (struct lm_boxes_add *)base;
	struct lm_boxes *b = boxes_of(base);
	int known = add->guid.guid.len ? has(b, &add->guid) : 0, err = known < 0 ? known : 0;

	*out_name = '\0';
	if (known == 1)
		err = LM_E_EXISTS;
	if (err == 0 && add->draft)
		err = write_draft(add, lm_buf_bytes(&add->held), NULL);
	if (err == 0 && add->draft)
		err = begin_commit(b, add);
	lm_boxes_add_abort(base);
	while (b->commit_count >= LM_BOXES_COMMITS)
		lm_loop_run(b->loop);
	return err ? lm_fail(out_error, err, "mailbox %s: %s", b->base, lm_err_text(err)) : 0;
}

int lm_boxes_flush(struct lm_mime_store *store, struct lm_error *out_error)
{
	struct lm_boxes *b = (struct lm_boxes *)store;
	int err;

	while (b->commit_count)
		lm_loop_run(b->loop);
	err = b->commit_err;
	b->commit_err = 0;
	return err ? lm_fail(out_error, err, "mailbox %s: %s", b->base, lm_err_text(err)) : 0;
}
