/* What becomes of each message of a maildrop. */
#include "cli/fetch.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MAX_ID = 2000, SHOWN_DIGEST = 16 };

static int by_id(const void *a, const void *b)
{
	const struct lm_drop_message *x = *(struct lm_drop_message *const *)a,
	                             *y = *(struct lm_drop_message *const *)b;
	size_t len = x->id.len < y->id.len ? x->id.len : y->id.len;
	int order = len ? memcmp(x->id.data, y->id.data, len) : 0;

	if (order == 0 && x->id.len != y->id.len)
		order = x->id.len < y->id.len ? -1 : 1;
	if (order == 0)
		order = x->number < y->number ? -1 : x->number > y->number;
	return order;
}

/* Calls `found` with each message that has the id of one before it. */
static int find_twins(struct lm_drop *drop,
                      void (*found)(void *ctx, struct lm_drop_message *first,
                                    struct lm_drop_message *twin),
                      void *ctx)
{
	struct lm_drop_message **sorted = lm_alloc_zero(drop->count + 1,
	                                                sizeof(struct lm_drop_message *));
	size_t first = 0;

	if (!sorted)
		return LM_E_NOMEM;
	for (size_t i = 0; i < drop->count; i++)
		sorted[i] = &drop->items[i];
	qsort(sorted, drop->count, sizeof(struct lm_drop_message *), by_id);
	for (size_t i = 1; i < drop->count; i++) {
		if (sorted[i]->id.len > 0 && lm_bytes_equal(sorted[i]->id, sorted[first]->id))
			found(ctx, sorted[first], sorted[i]);
		else
			first = i;
	}
	lm_free(sorted);
	return 0;
}

/* RFC 1939 7 lets identical copies share an id, broken servers let others: headers tell. */
static void need_hash(void *ctx, struct lm_drop_message *first, struct lm_drop_message *twin)
{
	(void)ctx;
	(void)first;
	twin->chosen = true;
}

int lm_fetch_find_nameless(struct lm_fetch *fetch, size_t *out_count)
{
	struct lm_drop *drop = &fetch->drop;
	int err = find_twins(drop, need_hash, NULL);

	for (size_t i = 0; i < drop->count; i++)
		if (drop->items[i].id.len == 0)
			drop->items[i].chosen = true;
	*out_count = lm_drop_chosen(drop);
	return err;
}

int lm_fetch_name(struct lm_fetch *fetch, struct lm_drop_message *message, const uint8_t *digest,
                  size_t len)
{
	char id[MAX_ID];
	size_t at = 0;

	if (message->id.len > 0)
		at = (size_t)snprintf(id, sizeof(id), "%.*s#", LM_FMT(message->id));
	if (at > sizeof(id) - 100)
		return 0;
	at += (size_t)snprintf(id + at, sizeof(id) - at, "top-");
	for (size_t i = 0; i < len && i < SHOWN_DIGEST; i++)
		at += (size_t)snprintf(id + at, sizeof(id) - at, "%02x", digest[i]);
	at += (size_t)snprintf(id + at, sizeof(id) - at, "-%" PRIu64, message->octets);
	message->id = lm_arena_copy(&fetch->drop.ids, lm_bytes(id, at));
	message->chosen = false;
	return message->id.data ? 0 : LM_E_NOMEM;
}

/* Same id, headers and size: one copy is enough. Without the headers nobody knows. */
static void judge_twin(void *ctx, struct lm_drop_message *first, struct lm_drop_message *twin)
{
	struct lm_fetch *f = ctx;

	(void)first;
	f->fates[twin - f->drop.items] = twin->chosen ? LM_FATE_UNCLEAR : LM_FATE_KNOWN;
}

static int judge(struct lm_fetch *f, size_t index)
{
	const struct lm_drop_message *m = &f->drop.items[index];
	int known = 0;

	if (f->fates[index] != LM_FATE_WANTED)
		return 0;
	if (m->id.len > 0 && !f->again)
		known = lm_fetch_memory_has(&f->memory, m->id, m->octets);
	if (known < 0)
		return known;
	if (known)
		f->fates[index] = LM_FATE_KNOWN;
	else if (f->max_size >= 0 && m->octets > (uint64_t)f->max_size)
		f->fates[index] = LM_FATE_LARGE;
	else if (f->limit >= 0 && f->wanted >= (uint64_t)f->limit)
		f->fates[index] = LM_FATE_LEFT;
	if (f->fates[index] == LM_FATE_WANTED) {
		f->wanted++;
		f->wanted_octets += m->octets;
	}
	return 0;
}

static int check_names(const struct lm_fetch *f, struct lm_error *out_error)
{
	size_t nameless = 0;

	for (size_t i = 0; i < f->drop.count; i++)
		nameless += f->drop.items[i].id.len == 0;
	if (nameless == 0 || f->again)
		return 0;
	if (f->keep || f->new_only)
		return lm_fail(out_error, LM_E_UNSUPPORTED,
		               "the server has neither UIDL nor TOP, so messages fetched before "
		               "cannot be told from new ones: --keep and --new-only need --again "
		               "here, which fetches all of them each time");
	if (!f->quiet)
		lm_cli_complain("warning: the server has neither UIDL nor TOP: when this is "
		                "interrupted, messages will be fetched twice");
	return 0;
}

static void count(struct lm_fetch *f, enum lm_fate fate)
{
	f->known += fate == LM_FATE_KNOWN;
	f->large += fate == LM_FATE_LARGE;
	f->left += fate == LM_FATE_LEFT;
	f->unclear += fate == LM_FATE_UNCLEAR;
}

int lm_fetch_plan(struct lm_fetch *fetch, struct lm_error *out_error)
{
	int err = check_names(fetch, out_error);

	if (err < 0)
		return err;
	fetch->fates = lm_alloc_zero(fetch->drop.count + 1, 1);
	if (!fetch->fates)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	err = find_twins(&fetch->drop, judge_twin, fetch);
	for (size_t i = 0; i < fetch->drop.count && err == 0; i++)
		err = judge(fetch, i);
	if (err < 0)
		return lm_fail(out_error, err, "cannot look up what was fetched before: %s",
		               lm_err_text(err));
	for (size_t i = 0; i < fetch->drop.count; i++) {
		count(fetch, fetch->fates[i]);
		if (fetch->fates[i] != LM_FATE_WANTED || fetch->dry_run)
			lm_fetch_tell_fate(fetch, i);
	}
	return 0;
}
