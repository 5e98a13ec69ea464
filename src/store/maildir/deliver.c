/* The thread that brings messages from tmp to new: what queued up shares the syncs of the folders,
 * and nothing is answered before they are done. */
#include "store/maildir/impl.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { GROUP = 256, GROUPS_UNSYNCED = 16 };

/* A Maildir that messages of a group go to. */
struct target {
	struct lm_md_folder *folder;
	bool guids, locked, touched;
	int err;
	uint64_t place; /* of the guids in the index */
	size_t first, count;
};

struct group {
	struct lm_maildir *md;
	struct lm_md_draft *drafts[GROUP];
	size_t count;
	struct target *targets; /* by place */
	size_t target_count;
	struct lm_guid_key *keys; /* of all targets, one behind the other */
	bool *stored;
	struct lm_md_draft **owners;
	size_t key_count;
};

static int compare_targets(const void *a, const void *b)
{
	const struct target *x = a, *y = b;
	int order = strcmp(x->folder->place, y->folder->place);

	return order ? order : (x->folder > y->folder) - (x->folder < y->folder);
}

static struct target *target_of(const struct group *g, struct lm_md_folder *folder)
{
	struct target key = { .folder = folder };

	return bsearch(&key, g->targets, g->target_count, sizeof(key), compare_targets);
}

static bool is_live(const struct lm_md_draft *draft)
{
	return !draft->err && !draft->aborted;
}

/* In one order everywhere, so that two processes never wait for each other. */
static int collect_targets(struct group *g)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < g->count; i++)
		n += g->drafts[i]->folder_count;
	g->targets = lm_alloc_zero(n + 1, sizeof(*g->targets));
	g->keys = lm_alloc_zero(n + 1, sizeof(*g->keys));
	g->stored = lm_alloc_zero(n + 1, sizeof(*g->stored));
	g->owners = lm_alloc_zero(n + 1, sizeof(struct lm_md_draft *));
	if (!g->targets || !g->keys || !g->stored || !g->owners)
		return LM_E_NOMEM;
	n = 0;
	for (size_t i = 0; i < g->count; i++)
		for (size_t k = 0; is_live(g->drafts[i]) && k < g->drafts[i]->folder_count; k++)
			g->targets[n++] = (struct target){ .folder = g->drafts[i]->folders[k],
				                           .guids = g->drafts[i]->has_guid };
	qsort(g->targets, n, sizeof(*g->targets), compare_targets);
	for (size_t i = 0; i < n; i++) {
		if (kept && compare_targets(&g->targets[kept - 1], &g->targets[i]) == 0)
			g->targets[kept - 1].guids |= g->targets[i].guids;
		else
			g->targets[kept++] = g->targets[i];
	}
	g->target_count = kept;
	return 0;
}

static void lock_guids(struct group *g)
{
	for (size_t i = 0; i < g->target_count; i++) {
		struct target *t = &g->targets[i];

		if (!t->guids)
			continue;
		t->err = lm_md_guids_lock(t->folder);
		t->locked = !t->err;
	}
}

static bool taken_in_group(const struct group *g, size_t before, const struct lm_md_draft *draft,
                           const struct lm_md_folder *folder)
{
	for (size_t i = 0; i < before; i++) {
		const struct lm_md_draft *other = g->drafts[i];

		if (!is_live(other) || !other->has_guid ||
		    memcmp(&other->guid, &draft->guid, sizeof(draft->guid)) != 0)
			continue;
		for (size_t k = 0; k < other->folder_count; k++)
			if (other->folders[k] == folder)
				return true;
	}
	return false;
}

static int check_guid(const struct group *g, size_t index)
{
	const struct lm_md_draft *draft = g->drafts[index];

	for (size_t k = 0; k < draft->folder_count; k++) {
		struct target *t = target_of(g, draft->folders[k]);

		if (t->err)
			return t->err;
		if (lm_md_guids_has(t->folder, &draft->guid) ||
		    taken_in_group(g, index, draft, t->folder))
			return LM_E_EXISTS;
	}
	return 0;
}

static void check_guids(struct group *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (is_live(g->drafts[i]) && g->drafts[i]->has_guid)
			g->drafts[i]->err = check_guid(g, i);
}

static void gather_keys(struct group *g, struct target *t)
{
	t->first = g->key_count;
	for (size_t i = 0; i < g->count; i++) {
		struct lm_md_draft *draft = g->drafts[i];

		for (size_t k = 0; is_live(draft) && draft->has_guid && k < draft->folder_count;
		     k++) {
			if (draft->folders[k] != t->folder)
				continue;
			g->owners[g->key_count] = draft;
			g->keys[g->key_count++] = draft->guid;
		}
	}
	t->count = g->key_count - t->first;
}

static void begin_guids(struct group *g)
{
	for (size_t i = 0; i < g->target_count; i++) {
		struct target *t = &g->targets[i];

		if (!t->locked)
			continue;
		gather_keys(g, t);
		if (!t->count)
			continue;
		t->err = lm_md_guids_begin(t->folder, &g->keys[t->first], t->count, &t->place);
		for (size_t k = 0; t->err && k < t->count; k++)
			g->owners[t->first + k]->err = t->err;
		if (t->err)
			t->count = 0;
	}
}

static void name_drafts(struct group *g)
{
	for (size_t i = 0; i < g->count; i++) {
		struct lm_md_draft *draft = g->drafts[i];
		struct lm_md_facts facts = {
			.size = draft->size,
			.wire_size = draft->size + draft->bare,
			.ends = draft->tail[0] == '\r' && draft->tail[1] == '\n',
			.guid = draft->has_guid ? &draft->guid : NULL,
		};

		if (is_live(draft))
			lm_md_name_make(g->md, &draft->stamp, &facts, draft->name);
	}
}

static void write_journal(struct group *g)
{
	bool any = false;
	int err = 0;

	for (size_t i = 0; i < g->count && !err; i++) {
		if (!is_live(g->drafts[i]) || g->drafts[i]->folder_count < 2)
			continue;
		any = true;
		err = lm_md_journal_note(g->md, g->drafts[i]);
	}
	if (any && !err)
		err = lm_md_journal_write(g->md);
	for (size_t i = 0; i < g->count && err; i++)
		if (is_live(g->drafts[i]) && g->drafts[i]->folder_count > 1)
			g->drafts[i]->err = err;
}

static void remove_from(const struct lm_md_draft *draft, size_t folders)
{
	for (size_t i = 0; i < folders; i++)
		unlinkat(draft->folders[i]->subs[LM_MD_NEW], draft->name, 0);
}

static int link_everywhere(struct lm_md_draft *draft)
{
	int tmp = draft->folders[0]->subs[LM_MD_TMP];

	for (size_t i = 0; i < draft->folder_count; i++) {
		if (linkat(tmp, draft->tmp_name, draft->folders[i]->subs[LM_MD_NEW], draft->name,
		           0) == 0)
			continue;
		draft->err = lm_md_errno(errno);
		remove_from(draft, i);
		return draft->err == LM_E_EXISTS ? LM_E_STORE : draft->err;
	}
	return 0;
}

static int publish(struct lm_md_draft *draft)
{
	const int *subs = draft->folders[0]->subs;
	int err;

	if (draft->folder_count > 1)
		return link_everywhere(draft);
	err = lm_md_rename(subs[LM_MD_TMP], draft->tmp_name, subs[LM_MD_NEW], draft->name);
	return err == LM_E_EXISTS ? LM_E_STORE : err; /* a name that nobody else can have */
}

static void publish_all(struct group *g)
{
	for (size_t i = 0; i < g->count; i++) {
		struct lm_md_draft *draft = g->drafts[i];

		if (!is_live(draft))
			continue;
		draft->err = publish(draft);
		for (size_t k = 0; !draft->err && k < draft->folder_count; k++)
			target_of(g, draft->folders[k])->touched = true;
	}
}

static void sync_folders(struct group *g)
{
	bool failed = false;

	for (size_t i = 0; i < g->target_count; i++) {
		struct target *t = &g->targets[i];

		if (t->touched)
			t->err = lm_md_sync(t->folder->subs[LM_MD_NEW]);
		failed = failed || t->err;
	}
	for (size_t i = 0; i < g->count && failed; i++) {
		struct lm_md_draft *draft = g->drafts[i];

		for (size_t k = 0; is_live(draft) && k < draft->folder_count; k++)
			draft->err = target_of(g, draft->folders[k])->err;
		if (draft->err && draft->name[0])
			remove_from(draft, draft->folder_count);
	}
}

static void fail_owners(struct group *g, const struct target *t, int err)
{
	for (size_t k = 0; err && k < t->count; k++)
		if (!g->owners[t->first + k]->err)
			g->owners[t->first + k]->err = err;
}

/* The names are on disk and tell of the guids, too: the index is synced when nobody waits for it.
 */
static void note_unsynced(struct lm_md_deliverer *d, struct lm_md_folder *folder)
{
	for (size_t i = 0; i < d->unsynced_count; i++)
		if (d->unsynced[i] == folder)
			return;
	lm_md_folder_ref(folder);
	d->unsynced[d->unsynced_count++] = folder;
}

static void sync_guids(struct lm_md_deliverer *d)
{
	for (size_t i = 0; i < d->unsynced_count; i++) {
		if (lm_md_guids_sync(d->unsynced[i])) {
			/* Nothing rests on it yet: whoever removes the message syncs, too. */
		}
		lm_md_folder_unref(d->unsynced[i]);
	}
	d->unsynced_count = 0;
	d->unsynced_groups = 0;
}

static void settle_guids(struct group *g)
{
	for (size_t k = 0; k < g->key_count; k++)
		g->stored[k] = !g->owners[k]->err;
	for (size_t i = 0; i < g->target_count; i++) {
		struct target *t = &g->targets[i];

		if (!t->locked)
			continue;
		fail_owners(g, t,
		            lm_md_guids_settle(t->folder, t->place, &g->keys[t->first],
		                               &g->stored[t->first], t->count));
		lm_md_guids_unlock(t->folder);
		if (g->md->deliverer.unsynced_count == LM_MD_UNSYNCED)
			sync_guids(&g->md->deliverer);
		note_unsynced(&g->md->deliverer, t->folder);
	}
}

static void clean_up(struct group *g)
{
	for (size_t i = 0; i < g->count; i++) {
		struct lm_md_draft *draft = g->drafts[i];

		if (draft->fd >= 0 && (!is_live(draft) || draft->folder_count > 1))
			unlinkat(draft->folders[0]->subs[LM_MD_TMP], draft->tmp_name, 0);
	}
	lm_md_journal_clear(g->md);
}

static void run_group(struct group *g)
{
	int err = collect_targets(g);

	for (size_t i = 0; i < g->count && err; i++)
		if (!g->drafts[i]->err)
			g->drafts[i]->err = err;
	if (!err) {
		lock_guids(g);
		check_guids(g);
		begin_guids(g);
		name_drafts(g);
		write_journal(g);
		publish_all(g);
		sync_folders(g);
		settle_guids(g);
	}
	clean_up(g);
	for (size_t i = 0; i < g->count; i++)
		lm_md_draft_finish(g->drafts[i], g->drafts[i]->err);
	lm_free(g->targets);
	lm_free(g->keys);
	lm_free(g->stored);
	lm_free(g->owners);
}

/* When there is nothing else to do, or now and then. */
static void sync_guids_in_time(struct lm_md_deliverer *d)
{
	bool idle;

	if (!d->unsynced_count)
		return;
	pthread_mutex_lock(&d->mutex);
	idle = !d->first;
	pthread_mutex_unlock(&d->mutex);
	if (idle || ++d->unsynced_groups >= GROUPS_UNSYNCED)
		sync_guids(d);
}

static bool next_group(struct lm_md_deliverer *d, struct group *g)
{
	sync_guids_in_time(d);
	pthread_mutex_lock(&d->mutex);
	while (!d->first && !d->stop)
		pthread_cond_wait(&d->some, &d->mutex);
	while (d->first && g->count < GROUP) {
		g->drafts[g->count++] = d->first;
		d->first = d->first->next;
	}
	if (!d->first)
		d->last = NULL;
	pthread_mutex_unlock(&d->mutex);
	return g->count > 0;
}

static void *run(void *arg)
{
	struct lm_maildir *md = arg;
	struct group group = { .md = md };

	while (next_group(&md->deliverer, &group)) {
		run_group(&group);
		group = (struct group){ .md = md };
	}
	return NULL;
}

void lm_md_deliverer_init(struct lm_maildir *md)
{
	pthread_mutex_init(&md->deliverer.mutex, NULL);
	pthread_cond_init(&md->deliverer.some, NULL);
}

int lm_md_deliverer_start(struct lm_maildir *md)
{
	struct lm_md_deliverer *d = &md->deliverer;

	if (pthread_create(&d->thread, NULL, run, md))
		return LM_E_STORE;
	d->started = true;
	return 0;
}

void lm_md_deliverer_stop(struct lm_maildir *md)
{
	struct lm_md_deliverer *d = &md->deliverer;

	if (d->started) {
		pthread_mutex_lock(&d->mutex);
		d->stop = true;
		pthread_cond_signal(&d->some);
		pthread_mutex_unlock(&d->mutex);
		pthread_join(d->thread, NULL);
	}
	pthread_cond_destroy(&d->some);
	pthread_mutex_destroy(&d->mutex);
}

void lm_md_deliverer_add(struct lm_maildir *md, struct lm_md_draft *draft)
{
	struct lm_md_deliverer *d = &md->deliverer;

	draft->next = NULL;
	pthread_mutex_lock(&d->mutex);
	if (d->last)
		d->last->next = draft;
	else
		d->first = draft;
	d->last = draft;
	pthread_cond_signal(&d->some);
	pthread_mutex_unlock(&d->mutex);
}
