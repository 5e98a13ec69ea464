/* Mime stores: the tags, and the way from the public calls to a backend. */
#include "store/mime.h"

#include "base/error.h"

/* Longest sourceid and guid anybody may add; UIDLs have at most 70 octets, users 255. */
enum { MAX_ID = 64 * 1024, MAX_METADATA = 1 << 20 };

static const char *const tag_names[LM_TAG_COUNT] = {
	[LM_TAG_UNREAD] = "unread",         [LM_TAG_ARCHIVE] = "archive",
	[LM_TAG_STAGED] = "staged",         [LM_TAG_DUP] = "dup",
	[LM_TAG_POP3FAILED] = "pop3failed", [LM_TAG_CONVERSIONERROR] = "conversionerror",
};

static bool is_tag(enum lm_mime_tag tag)
{
	return (unsigned)tag < LM_TAG_COUNT;
}

const char *lm_mime_tag_name(enum lm_mime_tag tag)
{
	return is_tag(tag) ? tag_names[tag] : NULL;
}

int lm_mime_tag_parse(const char *name, enum lm_mime_tag *out_tag, struct lm_error *out_error)
{
	for (unsigned i = 0; name && i < LM_TAG_COUNT; i++)
		if (strcmp(tag_names[i], name) == 0) {
			*out_tag = (enum lm_mime_tag)i;
			return 0;
		}
	return lm_fail(out_error, LM_E_NOT_FOUND,
	               "no tag \"%.40s\"; there are unread, archive, staged, dup, pop3failed and "
	               "conversionerror",
	               name ? name : "");
}

void lm_mime_store_close(struct lm_mime_store *store)
{
	if (!store)
		return;
	(void)!store->ops->flush(store, NULL);
	store->ops->close(store);
}

unsigned lm_mime_store_caps(const struct lm_mime_store *store)
{
	return store->caps;
}

int lm_mime_store_query(struct lm_mime_store *store, unsigned tags, size_t limit,
                        struct lm_mime_query *out_query, struct lm_error *out_error)
{
	if (tags & ~(unsigned)LM_TAGS_ALL)
		return lm_fail(out_error, LM_E_MISUSE, "a query for tags there are not");
	return store->ops->query(store, tags, limit, out_query, out_error);
}

int lm_mime_store_read(struct lm_mime_store *store, const struct lm_mime_item *item,
                       int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                       struct lm_error *out_error)
{
	return store->ops->read(store, item, sink, ctx, out_error);
}

int lm_mime_store_consume(struct lm_mime_store *store, const struct lm_mime_item *item,
                          int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                          struct lm_error *out_error)
{
	int err = lm_mime_store_mark(store, item, LM_TAG_STAGED, out_error);

	if (err == 0)
		err = lm_mime_store_read(store, item, sink, ctx, out_error);
	if (err == 0)
		err = lm_mime_store_mark(store, item, LM_TAG_ARCHIVE, out_error);
	return err;
}

int lm_mime_store_mark(struct lm_mime_store *store, const struct lm_mime_item *item,
                       enum lm_mime_tag tag, struct lm_error *out_error)
{
	if (!is_tag(tag))
		return lm_fail(out_error, LM_E_UNSUPPORTED, "no tag %d", (int)tag);
	return store->ops->mark(store, item, tag, out_error);
}

int lm_mime_store_has(struct lm_mime_store *store, struct lm_bytes sourceid, struct lm_bytes guid)
{
	if (!(store->caps & LM_MIME_REMEMBERS))
		return LM_E_UNSUPPORTED;
	return store->ops->has(store, sourceid, guid);
}

int lm_mime_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                      struct lm_mime_add **out_add, struct lm_error *out_error)
{
	if (item->sourceid.len > MAX_ID || item->guid.len > MAX_ID ||
	    item->metadata.len > MAX_METADATA)
		return lm_fail(out_error, LM_E_LIMIT,
		               "sourceid, guid or metadata of a message is too long");
	return store->ops->add_begin(store, item, out_add, out_error);
}

int lm_mime_add_write(struct lm_mime_add *add, struct lm_bytes octets, struct lm_error *out_error)
{
	if (add->err)
		return lm_fail(out_error, add->err, "the message could not be written before");
	if (octets.len)
		add->err = add->store->ops->add_write(add, octets, out_error);
	return add->err;
}

int lm_mime_add_end(struct lm_mime_add *add, char *out_name, struct lm_error *out_error)
{
	char name[LM_MIME_NAME_SIZE];
	int err = add->err;

	if (err) {
		lm_mime_add_abort(add);
		return lm_fail(out_error, err, "the message could not be written before");
	}
	err = add->store->ops->add_end(add, name, out_error);
	if (err == 0 && out_name)
		memcpy(out_name, name, strlen(name) + 1);
	return err;
}

void lm_mime_add_abort(struct lm_mime_add *add)
{
	if (add)
		add->store->ops->add_abort(add);
}

int lm_mime_store_flush(struct lm_mime_store *store, struct lm_error *out_error)
{
	return store->ops->flush(store, out_error);
}

const char *lm_mime_store_mailbox(const struct lm_mime_store *store)
{
	return store->ops->mailbox ? store->ops->mailbox(store) : NULL;
}

int lm_mime_store_beside(struct lm_mime_store *store, const char *mailbox,
                         struct lm_mime_store **out_store, struct lm_error *out_error)
{
	int err;

	if (!store->ops->beside)
		return lm_fail(out_error, LM_E_CONFIG, "a store without mailboxes");
	err = store->ops->beside(store, mailbox, out_store, out_error);
	if (err == 0)
		(*out_store)->commit = store->commit;
	return err;
}
