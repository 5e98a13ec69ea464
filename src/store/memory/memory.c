/* The store in memory: one mutex, maildrops in a hash table, bodies shared by reference count. */
#include "store/memory/memory.h"

#include "base/buf.h"
#include "base/error.h"

#include <stdatomic.h>
#include <sys/random.h>

enum { BUCKETS = 1024 };

struct body {
	atomic_size_t refs;
	uint64_t id, octets;
	size_t len;
	uint8_t data[];
};

struct maildrop {
	struct maildrop *next;
	char *name;
	struct body **bodies; /* by id */
	size_t count, cap;
	struct lm_guid_set guids; /* what was ever given */
};

struct memory {
	struct lm_store head;
	struct lm_name_locks locks;
	pthread_mutex_t mutex; /* maildrops and next_id */
	struct maildrop *buckets[BUCKETS];
	uint64_t next_id;
	uint32_t store_id;
};

struct box {
	struct lm_mailbox head;
	struct lm_name_lock *lock;
	struct lm_message *messages; /* the UIDLs' text behind it */
	struct body **bodies;
	size_t count;
};

struct draft {
	struct lm_draft head;
	struct lm_names *names;
	struct lm_buf text;
	bool has_guid;
	struct lm_guid_key guid;
};

static const struct lm_store_ops ops;

static void body_unref(struct body *body)
{
	if (atomic_fetch_sub(&body->refs, 1) == 1)
		lm_free(body);
}

static struct maildrop *find(struct memory *m, struct lm_bytes name)
{
	struct maildrop *drop = m->buckets[lm_name_hash(name) % BUCKETS];

	while (drop && !lm_bytes_equal(lm_str(drop->name), name))
		drop = drop->next;
	return drop;
}

static struct maildrop *find_or_make(struct memory *m, struct lm_bytes name)
{
	struct maildrop **bucket = &m->buckets[lm_name_hash(name) % BUCKETS];
	struct maildrop *drop = find(m, name);

	if (drop)
		return drop;
	drop = lm_alloc_zero(1, sizeof(*drop));
	if (!drop)
		return NULL;
	drop->name = lm_strdup_bytes(name);
	if (!drop->name) {
		lm_free(drop);
		return NULL;
	}
	drop->next = *bucket;
	*bucket = drop;
	return drop;
}

static int make_room(struct maildrop *drop, size_t more)
{
	struct body **bodies;
	size_t cap = drop->cap ? drop->cap * 2 : 8;

	if (drop->cap - drop->count >= more)
		return 0;
	cap = cap - drop->count < more ? drop->count + more : cap;
	bodies = lm_realloc(drop->bodies, cap, sizeof(*bodies));
	if (!bodies)
		return LM_E_NOMEM;
	drop->bodies = bodies;
	drop->cap = cap;
	return 0;
}

static void drop_free(struct maildrop *drop)
{
	for (size_t i = 0; i < drop->count; i++)
		body_unref(drop->bodies[i]);
	lm_guid_set_done(&drop->guids);
	lm_free(drop->bodies);
	lm_free(drop->name);
	lm_free(drop);
}

static void memory_close(struct lm_store *store)
{
	struct memory *m = (struct memory *)store;

	for (size_t i = 0; i < BUCKETS; i++) {
		struct maildrop *next, *drop = m->buckets[i];

		for (; drop; drop = next) {
			next = drop->next;
			drop_free(drop);
		}
	}
	lm_name_locks_done(&m->locks);
	pthread_mutex_destroy(&m->mutex);
	lm_free(m);
}

static int box_new(struct memory *m, struct lm_bytes user, struct box **out_box)
{
	char name[LM_NAME_MAX + 1];
	struct box *box;
	int err = lm_name_fold(user, name);

	if (err)
		return err;
	box = lm_alloc_zero(1, sizeof(*box));
	if (!box)
		return LM_E_NOMEM;
	box->head.store = &m->head;
	err = lm_name_lock(&m->locks, lm_str(name), &box->lock);
	if (err)
		lm_free(box);
	else
		*out_box = box;
	return err;
}

static void mailbox_open(struct lm_store *store, struct lm_bytes user, struct lm_store_op *op)
{
	struct box *box = NULL;
	int err = box_new((struct memory *)store, user, &box);

	op->mailbox = box ? &box->head : NULL;
	lm_op_complete(&op->op, err);
}

/* Called with the mutex held. */
static int take_snapshot(struct memory *m, struct box *box, const struct maildrop *drop)
{
	size_t count = drop ? drop->count : 0;
	struct lm_message *messages = lm_alloc(count * (sizeof(*messages) + LM_UIDL_LEN));
	struct body **bodies = lm_alloc(count * sizeof(struct body *));
	char *uidl = (char *)&messages[count];

	if (!messages || !bodies) {
		lm_free(messages);
		lm_free(bodies);
		return LM_E_NOMEM;
	}
	for (size_t i = 0; i < count; i++, uidl += LM_UIDL_LEN) {
		bodies[i] = drop->bodies[i];
		atomic_fetch_add(&bodies[i]->refs, 1);
		lm_uidl_write(m->store_id, bodies[i]->id, uidl);
		messages[i] = (struct lm_message){ bodies[i]->id, bodies[i]->octets,
			                           lm_bytes(uidl, LM_UIDL_LEN) };
	}
	box->messages = messages;
	box->bodies = bodies;
	box->count = count;
	return 0;
}

static void mailbox_list(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	struct box *box = (struct box *)mailbox;
	struct memory *m = (struct memory *)mailbox->store;
	int err = 0;

	if (!box->messages) {
		pthread_mutex_lock(&m->mutex);
		err = take_snapshot(m, box, find(m, lm_name_lock_name(box->lock)));
		pthread_mutex_unlock(&m->mutex);
	}
	op->messages = box->messages;
	op->count = box->count;
	lm_op_complete(&op->op, err);
}

/* Where the id is or would go. */
static size_t place_of(struct body *const *bodies, size_t count, uint64_t id)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (bodies[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool has(const struct maildrop *drop, uint64_t id)
{
	size_t at = place_of(drop->bodies, drop->count, id);

	return at < drop->count && drop->bodies[at]->id == id;
}

static void message_read(struct lm_mailbox *mailbox, uint64_t id, uint64_t offset,
                         struct lm_store_op *op)
{
	struct box *box = (struct box *)mailbox;
	size_t at = place_of(box->bodies, box->count, id);

	if (at == box->count || box->bodies[at]->id != id || offset > box->bodies[at]->len) {
		lm_op_complete(&op->op, LM_E_NOT_FOUND);
		return;
	}
	op->chunk = lm_bytes_from(lm_bytes(box->bodies[at]->data, box->bodies[at]->len), offset);
	op->last = true;
	lm_op_complete(&op->op, 0);
}

static bool has_all(const struct maildrop *drop, const uint64_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!drop || !has(drop, ids[i]))
			return false;
	return true;
}

/* NULL: the same id came before. */
static struct body *take_out(struct maildrop *drop, uint64_t id)
{
	size_t at = place_of(drop->bodies, drop->count, id);
	struct body *body;

	if (at == drop->count || drop->bodies[at]->id != id)
		return NULL;
	body = drop->bodies[at];
	memmove(&drop->bodies[at], &drop->bodies[at + 1],
	        (drop->count - at - 1) * sizeof(struct body *));
	drop->count--;
	return body;
}

/* There is room. */
static void put_in(struct maildrop *drop, struct body *body)
{
	size_t at = place_of(drop->bodies, drop->count, body->id);

	if (at < drop->count && drop->bodies[at]->id == body->id) {
		body_unref(body);
		return;
	}
	memmove(&drop->bodies[at + 1], &drop->bodies[at],
	        (drop->count - at) * sizeof(struct body *));
	drop->bodies[at] = body;
	drop->count++;
}

static int expunge(struct maildrop *drop, const uint64_t *ids, size_t count)
{
	if (!has_all(drop, ids, count))
		return LM_E_NOT_FOUND;
	for (size_t i = 0; i < count; i++) {
		struct body *body = take_out(drop, ids[i]);

		if (body)
			body_unref(body);
	}
	return 0;
}

static void mailbox_expunge(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                            struct lm_store_op *op)
{
	struct box *box = (struct box *)mailbox;
	struct memory *m = (struct memory *)mailbox->store;
	int err;

	pthread_mutex_lock(&m->mutex);
	err = expunge(find(m, lm_name_lock_name(box->lock)), ids, count);
	pthread_mutex_unlock(&m->mutex);
	lm_op_complete(&op->op, err);
}

static int move(struct memory *m, struct lm_bytes from, const uint64_t *ids, size_t count,
                struct lm_bytes to)
{
	struct maildrop *source = find(m, from), *target;

	if (!has_all(source, ids, count))
		return LM_E_NOT_FOUND;
	if (count == 0 || lm_bytes_equal(from, to))
		return 0;
	target = find_or_make(m, to);
	if (!target || make_room(target, count))
		return LM_E_NOMEM;
	for (size_t i = 0; i < count; i++) {
		struct body *body = take_out(source, ids[i]);

		if (body)
			put_in(target, body);
	}
	return 0;
}

static void message_move(struct lm_mailbox *mailbox, const uint64_t *ids, size_t count,
                         struct lm_bytes to, struct lm_store_op *op)
{
	struct box *box = (struct box *)mailbox;
	struct memory *m = (struct memory *)mailbox->store;
	char name[LM_NAME_MAX + 1];
	int err = lm_name_fold(to, name);

	if (!err) {
		pthread_mutex_lock(&m->mutex);
		err = move(m, lm_name_lock_name(box->lock), ids, count, lm_str(name));
		pthread_mutex_unlock(&m->mutex);
	}
	lm_op_complete(&op->op, err);
}

/* Called with the mutex held. */
static int look_up(const struct maildrop *drop, const struct lm_guid *guids, size_t count,
                   bool *out_known)
{
	for (size_t i = 0; i < count; i++) {
		struct lm_guid_key key;
		int err = lm_guid_key(&guids[i], &key);

		if (err)
			return err;
		out_known[i] = guids[i].guid.len && drop && lm_guid_set_has(&drop->guids, &key);
	}
	return 0;
}

static void mailbox_has_guids(struct lm_store *store, struct lm_bytes user,
                              const struct lm_guid *guids, size_t count, bool *out_known,
                              struct lm_store_op *op)
{
	struct memory *m = (struct memory *)store;
	char name[LM_NAME_MAX + 1];
	int err = lm_name_fold(user, name);

	if (!err) {
		pthread_mutex_lock(&m->mutex);
		err = look_up(find(m, lm_str(name)), guids, count, out_known);
		pthread_mutex_unlock(&m->mutex);
	}
	lm_op_complete(&op->op, err);
}

static void mailbox_close(struct lm_mailbox *mailbox, struct lm_store_op *op)
{
	struct box *box = (struct box *)mailbox;
	struct memory *m = (struct memory *)mailbox->store;

	for (size_t i = 0; i < box->count; i++)
		body_unref(box->bodies[i]);
	lm_free(box->bodies);
	lm_free(box->messages);
	lm_name_unlock(&m->locks, box->lock);
	lm_free(box);
	if (op)
		lm_op_complete(&op->op, 0);
}

static int draft_new(struct memory *m, const struct lm_delivery *delivery, struct draft **out_draft)
{
	struct draft *draft = lm_alloc_zero(1, sizeof(*draft));
	int err;

	if (!draft)
		return LM_E_NOMEM;
	draft->has_guid = delivery->guid.guid.len > 0;
	err = lm_guid_key(&delivery->guid, &draft->guid);
	if (!err)
		err = lm_names_new(delivery->mailboxes, delivery->mailbox_count, &draft->names);
	if (err) {
		lm_free(draft);
		return err;
	}
	draft->head.store = &m->head;
	lm_buf_init(&draft->text, SIZE_MAX / 4);
	*out_draft = draft;
	return 0;
}

static void draft_begin(struct lm_store *store, const struct lm_delivery *delivery,
                        struct lm_store_op *op)
{
	struct draft *draft = NULL;
	int err = draft_new((struct memory *)store, delivery, &draft);

	op->draft = draft ? &draft->head : NULL;
	lm_op_complete(&op->op, err);
}

static void draft_write(struct lm_draft *base, struct lm_bytes octets, struct lm_store_op *op)
{
	struct draft *draft = (struct draft *)base;

	lm_op_complete(&op->op, lm_buf_add(&draft->text, octets));
}

static void draft_abort(struct lm_draft *base)
{
	struct draft *draft = (struct draft *)base;

	lm_buf_done(&draft->text);
	lm_free(draft->names);
	lm_free(draft);
}

static struct body *body_new(struct lm_bytes text)
{
	struct body *body = lm_alloc(sizeof(*body) + text.len);

	if (!body)
		return NULL;
	atomic_init(&body->refs, 1);
	body->len = text.len;
	body->octets = lm_retr_octets(text.len, text);
	if (text.len)
		memcpy(body->data, text.data, text.len);
	return body;
}

static int prepare(struct memory *m, const struct draft *draft, struct lm_bytes name)
{
	struct maildrop *drop = find_or_make(m, name);
	int err = drop ? make_room(drop, 1) : LM_E_NOMEM;

	if (err || !draft->has_guid)
		return err;
	if (lm_guid_set_has(&drop->guids, &draft->guid))
		return LM_E_EXISTS;
	return lm_guid_set_room(&drop->guids, 1);
}

static int deliver(struct memory *m, const struct draft *draft, struct body *body)
{
	const struct lm_names *names = draft->names;

	for (size_t i = 0; i < names->count; i++) {
		int err = prepare(m, draft, names->name[i]);

		if (err)
			return err;
	}
	body->id = m->next_id++;
	for (size_t i = 0; i < names->count; i++) {
		struct maildrop *drop = find(m, names->name[i]);

		atomic_fetch_add(&body->refs, 1);
		put_in(drop, body);
		if (draft->has_guid)
			lm_guid_set_add(&drop->guids, &draft->guid);
	}
	return 0;
}

static void draft_commit(struct lm_draft *base, struct lm_store_op *op)
{
	struct draft *draft = (struct draft *)base;
	struct memory *m = (struct memory *)base->store;
	struct body *body = body_new(lm_buf_bytes(&draft->text));
	int err = LM_E_NOMEM;

	if (body) {
		pthread_mutex_lock(&m->mutex);
		err = deliver(m, draft, body);
		pthread_mutex_unlock(&m->mutex);
		body_unref(body);
	}
	draft_abort(base);
	lm_op_complete(&op->op, err);
}

static void cancel(struct lm_store *store, struct lm_store_op *op)
{
	/* Every operation is decided before its call returns. */
	(void)store;
	(void)op;
}

static const struct lm_store_ops ops = {
	.version = 1,
	.name = "memory",
	.close = memory_close,
	.mailbox_open = mailbox_open,
	.mailbox_list = mailbox_list,
	.message_read = message_read,
	.mailbox_expunge = mailbox_expunge,
	.message_move = message_move,
	.mailbox_has_guids = mailbox_has_guids,
	.mailbox_close = mailbox_close,
	.draft_begin = draft_begin,
	.draft_write = draft_write,
	.draft_commit = draft_commit,
	.draft_abort = draft_abort,
	.cancel = cancel,
};

int lm_memory_open(const char *rest, struct lm_store **out_store, struct lm_error *out_error)
{
	struct memory *m;
	uint32_t store_id;

	if (*rest)
		return lm_fail(out_error, LM_E_CONFIG, "memory: takes nothing behind the colon");
	if (getrandom(&store_id, sizeof(store_id), 0) != sizeof(store_id))
		return lm_fail(out_error, LM_E_IO, "no random octets");
	m = lm_alloc_zero(1, sizeof(*m));
	if (!m)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	m->head.ops = &ops;
	m->next_id = 1;
	m->store_id = store_id;
	lm_name_locks_init(&m->locks);
	pthread_mutex_init(&m->mutex, NULL);
	*out_store = &m->head;
	return 0;
}

int lm_memory_accounts(const char *rest, struct lm_accounts **out_accounts,
                       struct lm_error *out_error)
{
	(void)rest;
	if (lm_accounts_static_new(out_accounts))
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	return 0;
}
