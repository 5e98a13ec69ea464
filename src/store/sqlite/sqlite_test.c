/* What only the SQLite store promises: versions, damage, full disks, failing writes, room given
 * back, many loops at once. */
#include "lm_test.h"

#include "store/rig.h"
#include "store/sqlite/impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path_of(const struct rig *rig)
{
	return rig->url + strlen("sqlite:");
}

static void sql(const struct rig *rig, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path_of(rig), &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void close_store(struct rig *rig)
{
	lm_store_close(rig->store);
	rig->store = NULL;
}

static void other_versions_are_told_apart(void **state)
{
	struct rig *rig = *state;
	struct lm_error error;

	assert_err(rig_deliver(rig, "a", lm_str("kept\r\n")), 0);
	close_store(rig);
	sql(rig, "PRAGMA user_version = 99");
	assert_err(lm_store_open(rig->url, &rig->store, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "newer"));
	sql(rig, "PRAGMA user_version = 2; PRAGMA application_id = 7");
	assert_err(lm_store_open(rig->url, &rig->store, &error), LM_E_CONFIG);
	assert_non_null(strstr(error.text, "not one of Lettermill's"));
	sql(rig, "PRAGMA application_id = 0; PRAGMA user_version = 0");
	assert_err(lm_store_open(rig->url, &rig->store, &error), LM_E_CONFIG);
	sql(rig, "PRAGMA application_id = 1280141676; PRAGMA user_version = 2");
	assert_err(lm_store_open(rig->url, &rig->store, &error), 0);
	rig_expect(rig, "a", 0, lm_str("kept\r\n"));
}

static void the_first_version_is_migrated(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = { "a" };

	assert_err(rig_deliver(rig, "a", lm_str("kept\r\n")), 0);
	close_store(rig);
	sql(rig, "DROP TABLE guid; PRAGMA user_version = 1");
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	rig_expect(rig, "a", 0, lm_str("kept\r\n"));
	assert_err(rig_deliver_guid(rig, names, 1, "1", lm_str("new\r\n")), 0);
	assert_err(rig_deliver_guid(rig, names, 1, "1", lm_str("new\r\n")), LM_E_EXISTS);
	rig_reopen(rig);
	assert_true(rig_knows(rig, "a", "1"));
}

static void a_file_that_is_no_database_is_refused(void **state)
{
	struct rig *rig = *state;
	struct lm_store *store;
	struct lm_error error;
	char url[300];
	FILE *f;

	snprintf(url, sizeof(url), "sqlite:%s/other", rig->folder);
	f = fopen(url + strlen("sqlite:"), "w");
	assert_non_null(f);
	for (int i = 0; i < 5000; i++)
		fputs("From nobody\n", f);
	fclose(f);
	assert_err(lm_store_open(url, &store, &error), LM_E_CORRUPT);
	snprintf(url, sizeof(url), "sqlite:%s/no/such/folder", rig->folder);
	assert_err(lm_store_open(url, &store, &error), LM_E_IO);
	assert_non_null(strstr(error.text, "does not exist"));
}

static void show(void *ctx, const char *problem)
{
	snprintf(ctx, 400, "%s", problem);
}

static void damage_costs_one_message(void **state)
{
	struct rig *rig = *state;
	static uint8_t big[300000];
	struct rig_box box;
	struct lm_buf got;
	char problem[400] = "";

	rig_fill(big, sizeof(big), 5);
	lm_buf_init(&got, 1 << 20);
	for (int i = 0; i < 4; i++) {
		assert_err(rig_deliver(rig, "a", lm_str("small\r\n")), 0);
		assert_err(rig_deliver(rig, "a", lm_bytes(big, sizeof(big))), 0);
	}
	close_store(rig);
	assert_err(lm_store_check(rig->url, show, problem, NULL), 0);
	sql(rig, "UPDATE message SET body = x'736D616C6D0D0A' WHERE id = 3");
	assert_err(lm_store_check(rig->url, show, problem, NULL), LM_E_CORRUPT);
	assert_string_equal(problem, "damaged: message 3 at octet 0");
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	assert_err(lm_store_check(rig->url, show, problem, NULL), LM_E_IN_USE);
	assert_err(rig_open(rig, "a", &box), 0);
	for (size_t i = 0; i < 8; i++) {
		lm_buf_clear(&got);
		assert_err(rig_read(rig, &box, box.messages[i].id, &got),
		           i == 2 ? LM_E_CORRUPT : 0);
	}
	/* It can be removed all the same. */
	assert_err(rig_expunge(rig, &box, &box.messages[2].id, 1), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 7);
	lm_buf_done(&got);
}

static size_t segments_in(const struct rig *rig, char last[600])
{
	struct dirent *entry;
	char folder[300];
	size_t count = 0;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s-segments", path_of(rig));
	dir = opendir(folder);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(last, 600, "%s/%s", folder, entry->d_name);
		count++;
	}
	closedir(dir);
	return count;
}

static void damage_in_a_segment_is_found(void **state)
{
	struct rig *rig = *state;
	static uint8_t big[300000];
	struct rig_box box;
	struct lm_buf got;
	char file[600], problem[400] = "";
	int fd;

	rig_fill(big, sizeof(big), 5);
	lm_buf_init(&got, 1 << 20);
	assert_err(rig_deliver(rig, "a", lm_bytes(big, sizeof(big))), 0);
	assert_err(rig_deliver(rig, "a", lm_bytes(big, sizeof(big))), 0);
	assert_int_equal(segments_in(rig, file), 1);
	fd = open(file, O_WRONLY);
	assert_int_equal(pwrite(fd, "x", 1, 200000), 1);
	close(fd);
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), LM_E_CORRUPT);
	assert_true(lm_buf_len(&got) <= 196608); /* nothing of the damaged chunk */
	assert_bytes(lm_buf_bytes(&got), lm_bytes(big, lm_buf_len(&got)));
	lm_buf_clear(&got);
	assert_err(rig_read(rig, &box, box.messages[1].id, &got), 0);
	assert_err(rig_close(rig, &box), 0);
	close_store(rig);
	assert_err(lm_store_check(rig->url, show, problem, NULL), LM_E_CORRUPT);
	assert_string_equal(problem, "damaged: message 1 at octet 196608");
	unlink(file);
	assert_err(lm_store_check(rig->url, show, problem, NULL), LM_E_CORRUPT);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	assert_int_equal(rig_count(rig, "a"), 2);
	lm_buf_done(&got);
}

static uint64_t size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) ? 0 : (uint64_t)st.st_size;
}

static void room_is_given_back(void **state)
{
	enum { BIG = 45 << 20 };
	struct rig *rig = *state;
	uint8_t *big = malloc(BIG);
	struct rig_box box;
	char file[600];
	uint64_t before;

	assert_non_null(big);
	rig_fill(big, BIG, 5);
	for (int i = 0; i < 3; i++)
		assert_err(rig_deliver(rig, "a", lm_bytes(big, BIG)), 0);
	assert_int_equal(segments_in(rig, file), 1); /* sealed now */
	before = size_of(file);
	assert_true(before == 3 * (uint64_t)BIG);

	/* One of three lives: it moves, the file goes. */
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(
	        rig_expunge(rig, &box, (uint64_t[]){ box.messages[0].id, box.messages[2].id }, 2),
	        0);
	assert_err(rig_close(rig, &box), 0);
	lm_sqlite_tidy(rig->store);
	assert_int_equal(segments_in(rig, file), 1);
	assert_true(size_of(file) == BIG);
	rig_expect(rig, "a", 0, lm_bytes(big, BIG));
	rig_reopen(rig);
	rig_expect(rig, "a", 0, lm_bytes(big, BIG));

	/* None lives. */
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(rig_expunge(rig, &box, &box.messages[0].id, 1), 0);
	assert_err(rig_close(rig, &box), 0);
	lm_sqlite_tidy(rig->store);
	assert_true(segments_in(rig, file) == 0 || size_of(file) == 0);
	rig_reopen(rig);
	assert_int_equal(segments_in(rig, file), 0);
	free(big);
}

/* More than the writer's room holds, of sizes that meet no edge. */
static void middling_bodies_of_one_group(void **state)
{
	enum { COUNT = 40, LEAST = 70000 };
	struct rig *rig = *state;
	static uint8_t text[LEAST + COUNT * 1777];
	static struct wait_op waits[COUNT];
	struct lm_draft *drafts[COUNT];
	char file[600];

	rig_fill(text, sizeof(text), 7);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			assert_err(rig_begin(rig, (const char *[]){ "a" }, 1, &drafts[i]), 0);
			assert_err(rig_write(rig, drafts[i], lm_bytes(text + i, LEAST + i * 1777)),
			           0);
		}
		for (size_t i = 0; i < COUNT; i++)
			rig->store->ops->draft_commit(drafts[i], &wait_start(rig, &waits[i])->op);
		for (size_t i = 0; i < COUNT; i++)
			assert_err(wait_for(rig, &waits[i]), 0);
		assert_int_equal(segments_in(rig, file), 1);
		rig_reopen(rig);
		for (size_t i = 0; i < 2 * COUNT && i < rig_count(rig, "a"); i++)
			rig_expect(rig, "a", i,
			           lm_bytes(text + i % COUNT, LEAST + i % COUNT * 1777));
	}
	assert_int_equal(rig_count(rig, "a"), 2 * COUNT);
	close_store(rig);
	assert_err(lm_store_check(rig->url, NULL, NULL, NULL), 0);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
	struct rig *rig = *state;
	static uint8_t text[30000], middling[100000], big[500000];
	struct rig_box box;
	size_t stored = 0;
	int err = 0;

	close_store(rig);
	if (mount("lm-test", rig->folder, "tmpfs", 0, "size=8m")) {
		assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
		lm_test_skip("mount needs root");
	}
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	rig_fill(text, sizeof(text), 1);
	rig_fill(middling, sizeof(middling), 3);
	rig_fill(big, sizeof(big), 2);
	for (int i = 0; i < 1000 && !err; i++) {
		err = rig_deliver(rig, "a",
		                  i % 10 == 9   ? lm_bytes(big, sizeof(big))
		                  : i % 10 == 5 ? lm_bytes(middling, sizeof(middling))
		                                : lm_bytes(text, sizeof(text)));
		stored += !err;
	}
	assert_err(err, LM_E_FULL);
	assert_true(stored > 10);
	assert_int_equal(rig_count(rig, "a"), stored);
	/* What is there can be read; with some room it goes on without a new start. */
	rig_expect(rig, "a", 0, lm_bytes(text, sizeof(text)));
	assert_int_equal(mount("lm-test", rig->folder, "tmpfs", MS_REMOUNT, "size=32m"), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	for (size_t i = 0; i < stored; i++)
		assert_err(rig_expunge(rig, &box, &box.messages[i].id, 1), 0);
	assert_err(rig_close(rig, &box), 0);
	lm_sqlite_tidy(rig->store);
	assert_err(rig_deliver(rig, "a", lm_bytes(text, sizeof(text))), 0);
	rig_expect(rig, "a", 0, lm_bytes(text, sizeof(text)));
	close_store(rig);
	assert_err(lm_store_check(rig->url, NULL, NULL, NULL), 0);
	assert_int_equal(umount2(rig->folder, MNT_DETACH), 0);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
}

/* In a child: deliver until a write fails; then nothing may be acknowledged any more. */
static void deliver_until_broken(const char *url, int out)
{
	static uint8_t text[30000];
	struct rig *rig = calloc(1, sizeof(*rig));
	struct rlimit limit = { .rlim_cur = 3 << 20, .rlim_max = RLIM_INFINITY };
	uint32_t stored = 0;
	int err = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (lm_loop_new(&rig->loop) || lm_store_open(url, &rig->store, NULL) ||
	    setrlimit(RLIMIT_FSIZE, &limit))
		_exit(2);
	while (!(err = rig_deliver(rig, "a", lm_bytes(text, sizeof(text)))))
		stored++;
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	if (err != LM_E_IO || rig_deliver(rig, "a", lm_str("x")) != LM_E_IO ||
	    rig_deliver(rig, "b", lm_str("x")) != LM_E_IO)
		_exit(3);
	if (rig_count(rig, "a") < stored) /* reading goes on */
		_exit(4);
	if (write(out, &stored, sizeof(stored)) != sizeof(stored))
		_exit(5);
	_exit(0);
}

static void a_failed_commit_is_never_forgotten(void **state)
{
	struct rig *rig = *state;
	uint32_t stored = 0;
	int ends[2], status;
	pid_t pid;

	close_store(rig);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		deliver_until_broken(rig->url, ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(read(ends[0], &stored, sizeof(stored)), sizeof(stored));
	close(ends[0]);
	close(ends[1]);
	assert_err(lm_store_check(rig->url, NULL, NULL, NULL), 0);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	assert_in_range(rig_count(rig, "a"), stored, stored + 1);
	assert_int_equal(rig_count(rig, "b"), 0);
	assert_err(rig_deliver(rig, "b", lm_str("again")), 0);
}

static void accounts_are_open_beside_the_store(void **state)
{
	struct rig *rig = *state;
	struct lm_accounts *accounts;
	struct lm_account account = { .name = "ann", .crypt = "*" };
	char name[256];

	assert_err(lm_accounts_open(rig->url, &accounts, NULL), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(account.name, sizeof(account.name), "ann%d", i);
		assert_err(accounts->ops->put(accounts, &account, false, NULL), 0);
		assert_err(rig_deliver(rig, account.name, lm_str("x\r\n")), 0);
		assert_err(accounts->ops->find(accounts, lm_str(account.name), name), 0);
	}
	lm_accounts_close(accounts);
}

struct worker {
	pthread_t thread;
	struct rig rig;
	int failed;
	unsigned index;
};

/* Each on a loop of its own: deliver to everybody, read and remove one's own. */
static void *work(void *arg)
{
	struct worker *w = arg;
	static const char *const names[] = { "w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7" };
	uint8_t *text = malloc(100000);
	struct rig_box box;
	struct lm_buf got;

	lm_buf_init(&got, 1 << 20);
	rig_fill(text, 100000, w->index);
	for (int i = 0; i < 30; i++)
		w->failed |= rig_deliver_to(&w->rig, names, 8,
		                            lm_bytes(text, i % 5 ? 2000 : 100000), 50000);
	w->failed |= rig_open(&w->rig, names[w->index], &box);
	for (size_t i = 0; i < box.count && !w->failed; i++) {
		lm_buf_clear(&got);
		w->failed |= rig_read(&w->rig, &box, box.messages[i].id, &got);
		if (i % 2)
			w->failed |= rig_expunge(&w->rig, &box, &box.messages[i].id, 1);
	}
	w->failed |= rig_close(&w->rig, &box);
	lm_buf_done(&got);
	free(text);
	return NULL;
}

static void many_loops_share_a_store(void **state)
{
	struct rig *rig = *state;
	struct worker *workers = calloc(8, sizeof(*workers));

	assert_non_null(workers);
	for (unsigned i = 0; i < 8; i++) {
		workers[i].index = i;
		workers[i].rig.store = rig->store;
		assert_err(lm_loop_new(&workers[i].rig.loop), 0);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 5; i++)
		lm_sqlite_tidy(rig->store);
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_err(workers[i].failed, 0);
		lm_loop_free(workers[i].rig.loop);
	}
	for (char name[] = "w0"; name[1] < '8'; name[1]++)
		assert_true(rig_count(rig, name) >= 120);
	free(workers);
	close_store(rig);
	assert_err(lm_store_check(rig->url, NULL, NULL, NULL), 0);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
}

static void what_was_read_ahead_is_at_hand(void **state)
{
	struct rig *rig = *state;
	const struct lm_store_ops *ops = rig->store->ops;
	struct lm_bytes chunk;
	struct rig_box box;
	struct lm_buf got;
	bool last = false;

	for (unsigned i = 0; i < 3; i++)
		assert_err(rig_deliver(rig, "a", lm_str(i == 1 ? "two\r\n" : "other\r\n")), 0);
	lm_buf_init(&got, 100);
	assert_err(rig_open(rig, "a", &box), 0);
	assert_false(ops->message_at_hand(box.mailbox, box.messages[1].id, 0, &chunk, &last));
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), 0);
	assert_true(ops->message_at_hand(box.mailbox, box.messages[1].id, 0, &chunk, &last));
	assert_true(last && lm_bytes_equal(chunk, lm_str("two\r\n")));
	assert_true(ops->message_at_hand(box.mailbox, box.messages[1].id, 3, &chunk, &last));
	assert_true(last && lm_bytes_equal(chunk, lm_str("\r\n")));
	assert_false(ops->message_at_hand(box.mailbox, box.messages[1].id, 6, &chunk, &last));
	assert_false(ops->message_at_hand(box.mailbox, box.messages[2].id + 1, 0, &chunk, &last));
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&got);
}

static void a_listing_is_as_new_as_the_last_answer(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;

	for (size_t i = 0; i < 4; i++) {
		/* Twice: read, then remembered. */
		assert_int_equal(rig_count(rig, "a"), i);
		assert_int_equal(rig_count(rig, "A"), i);
		assert_int_equal(rig_count(rig, "b"), i);
		assert_err(rig_deliver_to(rig, (const char *[]){ "a", "B" }, 2, lm_str("x\r\n"), 9),
		           0);
	}
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(rig_deliver(rig, "a", lm_str("late\r\n")), 0);
	assert_int_equal(box.count, 4);
	assert_err(rig_expunge(rig, &box, &box.messages[1].id, 1), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 4);
	assert_int_equal(rig_count(rig, "b"), 4);
	rig_expect(rig, "a", 3, lm_str("late\r\n"));
}

static struct lm_listing *made_up_listing(struct lm_listings *listings, int i, size_t count)
{
	struct lm_listing *listing;
	char name[16];

	snprintf(name, sizeof(name), "n%d", i);
	listing = lm_listing_new(lm_str(name), i + 1);
	assert_non_null(listing);
	listing->state = lm_listings_state(listings, lm_str(name));
	listing->count = count;
	lm_listings_put(listings, listing);
	return listing;
}

/* Sixteen megabytes hold a few hundred listings of a thousand messages, the latest among them. */
static void listings_are_kept_within_bounds(void **state)
{
	struct lm_listings *listings = lm_alloc_zero(1, sizeof(*listings));
	size_t kept = 0;

	(void)state;
	assert_non_null(listings);
	lm_listings_init(listings);
	for (int i = 0; i < 2000; i++)
		lm_listing_unref(made_up_listing(listings, i, 1000));
	for (int i = 0; i < 2000; i++) {
		char name[16];
		struct lm_listing *found;

		snprintf(name, sizeof(name), "n%d", i);
		found = lm_listings_get(listings, lm_str(name));
		kept += found != NULL;
		assert_true(!found || found->drop == i + 1);
		assert_true(found || i < 1999);
		lm_listing_unref(found);
	}
	assert_in_range(kept, 100, 400);
	lm_listing_unref(made_up_listing(listings, 7, 1000000));
	assert_null(lm_listings_get(listings, lm_str("n7")));
	lm_listings_done(listings);
	lm_free(listings);
}

/* The store and its accounts say the same of a folder at fault. */
static void expect_blamed(const char *url, int want, const char *folder, const char *why)
{
	struct lm_accounts *accounts;
	struct lm_store *store;
	struct lm_error error;

	assert_err(lm_store_open(url, &store, &error), want);
	assert_non_null(strstr(error.text, folder));
	assert_non_null(strstr(error.text, why));
	assert_null(strstr(error.text, ".lock"));
	assert_err(lm_accounts_open(url, &accounts, &error), want);
	assert_non_null(strstr(error.text, folder));
	assert_non_null(strstr(error.text, why));
}

static void a_folder_that_does_not_exist_is_named(void **state)
{
	struct rig *rig = *state;
	struct lm_store *store;
	struct lm_error error;
	char url[300], folder[300];

	snprintf(folder, sizeof(folder), "folder %s/no/such does not exist", rig->folder);
	snprintf(url, sizeof(url), "sqlite:%s/no/such/x.db", rig->folder);
	expect_blamed(url, LM_E_IO, folder, "make it");
	expect_blamed("sqlite:/nonexistent/x.db", LM_E_IO, "folder /nonexistent does not",
	              "make it");
	/* What stands in the way but is no folder is another matter. */
	snprintf(url, sizeof(url), "%s/x.db", rig->url);
	assert_err(lm_store_open(url, &store, &error), LM_E_IO);
	assert_null(strstr(error.text, "does not exist"));
}

static void a_folder_that_cannot_be_written_is_named(void **state)
{
	static const uid_t nobody = 65534;
	struct rig *rig = *state;
	bool root = geteuid() == 0;
	char url[300], folder[300];
	struct lm_store *store;

	snprintf(folder, sizeof(folder), "%s/closed", rig->folder);
	snprintf(url, sizeof(url), "sqlite:%s/closed/x.db", rig->folder);
	assert_int_equal(mkdir(folder, 0500), 0);
	/* root may write everywhere. */
	if (root)
		assert_int_equal(seteuid(nobody), 0);
	expect_blamed(url, LM_E_DENIED, "/closed must be writable", "denied");
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_err(lm_store_open(url, &store, NULL), 0);
	lm_store_close(store);
}

#define T(f)                                                       \
	{                                                          \
#f, f, rig_setup, rig_teardown, (void *)"sqlite:@" \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(other_versions_are_told_apart),
		T(the_first_version_is_migrated),
		T(a_file_that_is_no_database_is_refused),
		T(a_folder_that_does_not_exist_is_named),
		T(a_folder_that_cannot_be_written_is_named),
		T(damage_costs_one_message),
		T(damage_in_a_segment_is_found),
		T(room_is_given_back),
		T(middling_bodies_of_one_group),
		T(a_full_disk_refuses_and_recovers),
		T(a_failed_commit_is_never_forgotten),
		T(accounts_are_open_beside_the_store),
		T(many_loops_share_a_store),
		T(what_was_read_ahead_is_at_hand),
		T(a_listing_is_as_new_as_the_last_answer),
		cmocka_unit_test(listings_are_kept_within_bounds),
	};

	return cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
