/* The mailboxes behind the tags: opened when asked for, and where an item is among them. */
#include "store/boxes/impl.h"

#include "base/error.h"

#include <stdio.h>

void lm_box_name(const struct lm_boxes *b, enum lm_mime_tag tag, char out_name[LM_NAME_MAX + 1])
{
	if (tag == LM_TAG_UNREAD)
		snprintf(out_name, LM_NAME_MAX + 1, "%s", b->base);
	else
		snprintf(out_name, LM_NAME_MAX + 1, "%s/%s", b->base, lm_mime_tag_name(tag));
}

void lm_box_close(struct lm_boxes *b, enum lm_mime_tag tag)
{
	struct lm_box *box = &b->boxes[tag];
	struct lm_boxes_op wait;

	if (box->mailbox) {
		b->store->ops->mailbox_close(box->mailbox, &lm_boxes_start(b, &wait)->op);
		(void)!lm_boxes_wait(b, &wait);
	}
	lm_free(box->gone);
	*box = (struct lm_box){ .mailbox = NULL };
}

static int list(struct lm_boxes *b, struct lm_box *box)
{
	struct lm_boxes_op wait;
	int err;

	b->store->ops->mailbox_list(box->mailbox, &lm_boxes_start(b, &wait)->op);
	err = lm_boxes_wait(b, &wait);
	if (err)
		return err;
	box->messages = wait.op.messages;
	box->count = wait.op.count;
	box->gone = lm_alloc_zero(box->count + 1, sizeof(*box->gone));
	return box->gone ? 0 : LM_E_NOMEM;
}

int lm_box_open(struct lm_boxes *b, enum lm_mime_tag tag, struct lm_error *out_error)
{
	struct lm_box *box = &b->boxes[tag];
	char name[LM_NAME_MAX + 1];
	struct lm_boxes_op wait;
	int err;

	if (box->mailbox && !box->stale)
		return 0;
	lm_box_close(b, tag);
	lm_box_name(b, tag, name);
	b->store->ops->mailbox_open(b->store, lm_str(name), &lm_boxes_start(b, &wait)->op);
	err = lm_boxes_wait(b, &wait);
	if (err)
		return lm_fail(out_error, err, "mailbox %s: %s", name, lm_err_text(err));
	box->mailbox = wait.op.mailbox;
	err = list(b, box);
	if (err)
		lm_box_close(b, tag);
	return err ? lm_fail(out_error, err, "mailbox %s: %s", name, lm_err_text(err)) : 0;
}

static bool find_in(struct lm_box *box, struct lm_bytes name, size_t *out_index)
{
	for (size_t i = 0; i < box->count; i++) {
		size_t at = (box->hint + i) % box->count;

		if (box->gone[at] || !lm_bytes_equal(box->messages[at].uidl, name))
			continue;
		box->hint = at + 1;
		*out_index = at;
		return true;
	}
	return false;
}

int lm_box_find(struct lm_boxes *b, const struct lm_mime_item *item, enum lm_mime_tag *out_tag,
                size_t *out_index, struct lm_error *out_error)
{
	static const enum lm_mime_tag order[] = { LM_TAG_UNREAD,     LM_TAG_STAGED,
		                                  LM_TAG_ARCHIVE,    LM_TAG_DUP,
		                                  LM_TAG_POP3FAILED, LM_TAG_CONVERSIONERROR };
	unsigned first = (unsigned)item->tag < LM_TAG_COUNT ? item->tag : LM_TAG_UNREAD;

	for (size_t i = 0; i <= LM_TAG_COUNT; i++) {
		enum lm_mime_tag tag = i ? order[i - 1] : (enum lm_mime_tag)first;
		int err = lm_box_open(b, tag, out_error);

		if (err)
			return err;
		if (!find_in(&b->boxes[tag], item->name, out_index))
			continue;
		*out_tag = tag;
		return 0;
	}
	return lm_fail(out_error, LM_E_NOT_FOUND, "no such message");
}
