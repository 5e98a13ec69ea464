/* Stores shared by threads: opened once, everything durable, failures told to all they concern. */
#include "lm_test.h"

#include "base/buf.h"
#include "script/store.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS = 4, MESSAGES = 40 };

struct place {
	struct lm_script_stores *stores;
	char folder[64], url[128];
};

static int begin(struct place *place, const char *pattern)
{
	snprintf(place->folder, sizeof(place->folder), "/tmp/lm-share-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->url, sizeof(place->url), pattern, place->folder);
	return lm_script_stores_new(&place->stores);
}

static void end(struct place *place)
{
	char command[128];

	lm_script_stores_free(place->stores);
	snprintf(command, sizeof(command), "rm -rf '%s'", place->folder);
	assert_int_equal(system(command), 0);
}

static struct lm_script_store *open_as(struct place *place, const char *mailbox)
{
	const struct lm_script_store_place where = { .url = place->url, .mailbox = mailbox };
	struct lm_script_store *store = NULL;
	struct lm_error error = { 0 };

	if (lm_script_store_open(place->stores, &where, &store, &error))
		fail_msg("%s", error.text);
	return store;
}

static int pull(void *ctx, struct lm_bytes *out_piece, struct lm_error *out_error)
{
	struct lm_bytes *rest = ctx;
	size_t len = rest->len < 3 ? rest->len : 3;

	(void)out_error;
	*out_piece = lm_bytes(rest->data, len);
	*rest = lm_bytes_from(*rest, len);
	return 0;
}

static int add(struct lm_script_store *store, const char *guid, enum lm_mime_tag tag,
               struct lm_error *out_error)
{
	const struct lm_mime_item item = { .guid = lm_str(guid), .tag = tag };
	struct lm_bytes text = lm_str(guid);
	char name[LM_SCRIPT_STORE_NAME];

	return lm_script_store_add(store, &item, pull, &text, name, out_error);
}

static size_t count(struct lm_script_store *store, unsigned tags)
{
	struct lm_script_items items = { .count = 0 };
	size_t found;

	assert_err(lm_script_store_query(store, tags, SIZE_MAX, &items, NULL), 0);
	found = items.count;
	lm_arena_reset(&items.arena);
	return found;
}

struct worker {
	pthread_t thread;
	struct place *place;
	int number;
	const char *mailbox;
};

static void read_all(struct lm_script_store *store)
{
	struct lm_script_items items = { .count = 0 };

	assert_err(lm_script_store_query(store, 0, SIZE_MAX, &items, NULL), 0);
	for (size_t i = 0; i < items.count; i++) {
		struct lm_stash stash;

		lm_stash_init(&stash);
		assert_err(lm_script_store_read(store, &items.items[i], false, &stash, NULL), 0);
		assert_true(lm_stash_size(&stash) > 0);
		lm_stash_done(&stash);
	}
	lm_arena_reset(&items.arena);
}

static void *work(void *ctx)
{
	struct worker *w = ctx;

	for (int i = 0; i < MESSAGES; i++) {
		struct lm_script_store *store = open_as(w->place, w->mailbox);
		char guid[32];

		snprintf(guid, sizeof(guid), "%d.%d", w->number, i);
		assert_err(add(store, guid, LM_TAG_UNREAD, NULL), 0);
		assert_int_equal(lm_script_store_has(store, lm_str(""), lm_str(guid), NULL), 1);
		assert_err(add(store, guid, LM_TAG_UNREAD, NULL), LM_E_EXISTS);
		if (i % 10 == 0)
			read_all(store);
		lm_script_store_unref(store);
	}
	return NULL;
}

/* Two threads on the mailbox of nobody, two on maildrops of their own. */
static void threads_share_a_store(void **state)
{
	static const char *const mailboxes[THREADS] = { NULL, NULL, "anna", "bert" };
	struct worker workers[THREADS];
	struct lm_script_store *store;
	struct place place = { .stores = NULL };

	assert_err(begin(&place, *state), 0);
	store = open_as(&place, NULL);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ 0, &place, i, mailboxes[i] };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	assert_int_equal(count(store, 0), 2 * MESSAGES);
	lm_script_store_unref(store);
	store = open_as(&place, "ANNA");
	assert_int_equal(count(store, 0), MESSAGES);
	lm_script_store_unref(store);
	end(&place);
}

/* The last use closes a store that rests on disk: another program may have it then. */
static void the_last_one_closes(void **state)
{
	struct lm_script_store *a, *b, *c;
	struct lm_mime_store *other;
	struct place place = { .stores = NULL };

	(void)state;
	assert_err(begin(&place, "sqlite:%s/mail.db"), 0);
	a = open_as(&place, NULL);
	b = open_as(&place, "inbox");
	c = open_as(&place, "carl");
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_err(lm_mime_store_open(place.url, NULL, 0, &other, NULL), LM_E_IN_USE);
	lm_script_store_unref(a);
	lm_script_store_unref(c);
	assert_err(lm_mime_store_open(place.url, NULL, 0, &other, NULL), LM_E_IN_USE);
	lm_script_store_unref(b);
	assert_err(lm_mime_store_open(place.url, NULL, 0, &other, NULL), 0);
	lm_mime_store_close(other);
	lm_script_store_unref(NULL);
	end(&place);
}

static void memory_stays(void **state)
{
	struct lm_script_store *store;
	struct place place = { .stores = NULL };

	(void)state;
	assert_err(begin(&place, "memory:"), 0);
	store = open_as(&place, NULL);
	assert_err(add(store, "x", LM_TAG_UNREAD, NULL), 0);
	assert_err(add(store, "y", LM_TAG_DUP, NULL), 0);
	lm_script_store_unref(store);
	store = open_as(&place, NULL);
	assert_int_equal(count(store, 0), 1);
	assert_int_equal(count(store, 1U << LM_TAG_DUP), 1);
	lm_script_store_unref(store);
	end(&place);
}

static void settings_make_another_store(void **state)
{
	struct lm_mime_setting settings[] = { { "orderBy", "desc" }, { "commitmode", "on" } };
	struct lm_mime_setting turned[] = { { "commitmode", "on" }, { "orderBy", "desc" } };
	struct lm_script_store_place where = { .url = "memory:" };
	struct lm_script_store *stores[4];
	struct place place = { .stores = NULL };

	(void)state;
	assert_err(begin(&place, "memory:"), 0);
	assert_err(lm_script_store_open(place.stores, &where, &stores[0], NULL), 0);
	where.settings = settings;
	where.setting_count = 2;
	assert_err(lm_script_store_open(place.stores, &where, &stores[1], NULL), 0);
	where.settings = turned;
	assert_err(lm_script_store_open(place.stores, &where, &stores[2], NULL), 0);
	turned[0].value = "off";
	assert_err(lm_script_store_open(place.stores, &where, &stores[3], NULL), 0);
	assert_ptr_not_equal(stores[0], stores[1]);
	assert_ptr_equal(stores[1], stores[2]);
	assert_ptr_not_equal(stores[2], stores[3]);
	for (int i = 0; i < 4; i++)
		lm_script_store_unref(stores[i]);
	turned[0].name = "nonsense";
	assert_err(lm_script_store_open(place.stores, &where, &stores[0], NULL), LM_E_CONFIG);
	end(&place);
}

struct failing {
	struct lm_script_store *store;
	int number, err;
	struct lm_error error;
	pthread_t thread;
};

static void *add_one(void *ctx)
{
	struct failing *f = ctx;
	char guid[16];

	snprintf(guid, sizeof(guid), "%d", f->number);
	f->err = add(f->store, guid, LM_TAG_UNREAD, &f->error);
	return NULL;
}

/* What add() called safe is there, whoever flushed; no failure is told as a success, though queries
 * flush, too. */
static void a_failed_commit_is_nobodys_success(void **state)
{
	struct failing f[THREADS];
	struct place place = { .stores = NULL };
	size_t good = 0;

	(void)state;
	assert_err(begin(&place, "faulty:draft_commit=2+:FULL:sqlite:%s/mail.db"), 0);
	f[0].store = open_as(&place, NULL);
	for (int i = 0; i < THREADS; i++) {
		f[i] = (struct failing){ .store = f[0].store, .number = i };
		assert_int_equal(pthread_create(&f[i].thread, NULL, add_one, &f[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(f[i].thread, NULL), 0);
		assert_true(f[i].err == 0 || f[i].err == LM_E_FULL);
		assert_true(f[i].err == 0 || strstr(f[i].error.text, "no space"));
		good += f[i].err == 0;
	}
	assert_true(good <= 1);
	assert_true(count(f[0].store, 0) >= good && count(f[0].store, 0) <= 1);
	lm_script_store_unref(f[0].store);
	end(&place);
}

static int break_off(void *ctx, struct lm_bytes *out_piece, struct lm_error *out_error)
{
	int *pieces = ctx;

	(void)out_error;
	*out_piece = lm_str("piece");
	return --*pieces ? 0 : LM_E_IO;
}

static void a_source_that_breaks_leaves_nothing(void **state)
{
	const struct lm_mime_item item = { .guid = lm_str("x") };
	char name[LM_SCRIPT_STORE_NAME];
	struct lm_script_store *store;
	struct place place = { .stores = NULL };
	int pieces = 3;

	(void)state;
	assert_err(begin(&place, "sqlite:%s/mail.db"), 0);
	store = open_as(&place, NULL);
	assert_err(lm_script_store_add(store, &item, break_off, &pieces, name, NULL), LM_E_IO);
	assert_int_equal(count(store, 0), 0);
	assert_int_equal(lm_script_store_has(store, lm_str(""), lm_str("x"), NULL), 0);
	lm_script_store_unref(store);
	end(&place);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ "threads_share_a_store memory", threads_share_a_store, NULL, NULL,
		  (void *)"memory:" },
		{ "threads_share_a_store sqlite", threads_share_a_store, NULL, NULL,
		  (void *)"sqlite:%s/mail.db" },
		cmocka_unit_test(the_last_one_closes),
		cmocka_unit_test(memory_stays),
		cmocka_unit_test(settings_make_another_store),
		cmocka_unit_test(a_failed_commit_is_nobodys_success),
		cmocka_unit_test(a_source_that_breaks_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
