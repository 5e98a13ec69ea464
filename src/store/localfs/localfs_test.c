/* The localfs store: names, folders as people fill them, and what goes wrong with disks. */
#include "store/localfs/impl.h"
#include "store/mime_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 400 };

static const char *path_of(const struct mime_rig *rig, const char *name)
{
	static char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
	return path;
}

static void put_file(const struct mime_rig *rig, const char *name, const char *text)
{
	FILE *file = fopen(path_of(rig, name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static bool is_there(const struct mime_rig *rig, const char *name)
{
	struct stat st;

	return lstat(path_of(rig, name), &st) == 0;
}

static size_t temporaries(const struct mime_rig *rig)
{
	DIR *folder = opendir(rig->folder);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		count += strncmp(entry->d_name, ".lm-", 4) == 0;
	closedir(folder);
	return count;
}

static void get_file(const struct mime_rig *rig, const char *name, char *out, size_t cap)
{
	FILE *file = fopen(path_of(rig, name), "r");

	assert_non_null(file);
	out[fread(out, 1, cap - 1, file)] = '\0';
	fclose(file);
}

static void stem_is(const char *sourceid, const char *guid, const char *want)
{
	char stem[LM_LOCALFS_STEM_MAX + 1];

	lm_localfs_stem(lm_str(sourceid), lm_str(guid), stem);
	assert_string_equal(stem, want);
}

static void names_are_made_of_what_servers_say(void **state)
{
	char stem[LM_LOCALFS_STEM_MAX + 1], other[LM_LOCALFS_STEM_MAX + 1];
	static char long_id[10241];

	(void)state;
	stem_is("u@example.com", "1", "u@example.com_1");
	stem_is("a", "../../etc/passwd", "a_..%2F..%2Fetc%2Fpasswd");
	stem_is("..", "x", "%2E._x");
	stem_is(".hidden", "x", "%2Ehidden_x");
	stem_is("a/b", "c d%", "a%2Fb_c%20d%25");
	stem_is("", "", "_");
	stem_is("a", "1.dup", "a_1%2Edup");
	stem_is("a", "1.dup.dup", "a_1.dup%2Edup");
	stem_is("a", ".decodeerror", "a_%2Edecodeerror");
	stem_is("a", "x.pop3failed", "a_x%2Epop3failed");
	stem_is("\xC3\xA9\n", "~*?", "%C3%A9%0A_%7E%2A%3F");
	memset(long_id, '/', sizeof(long_id) - 1);
	lm_localfs_stem(lm_str(long_id), lm_str(long_id), stem);
	assert_true(strlen(stem) < LM_LOCALFS_STEM_MAX);
	long_id[10239] = 'x';
	lm_localfs_stem(lm_str(long_id), lm_str(long_id), other);
	assert_string_not_equal(stem, other);
	lm_localfs_stem(lm_str("a"), lm_bytes("b\0c", 3), stem);
	assert_string_equal(stem, "a_b%00c");
}

static void a_folder_as_people_fill_it(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_mime_query query;

	put_file(rig, "b.x_2.eml", "Subject: b\r\n");
	put_file(rig, "a_1.eml", "Subject: a\r\n\r\n");
	put_file(rig, "c_3.dup.eml", "dup");
	put_file(rig, "d.decodeerror.eml", "x");
	put_file(rig, "notes.txt", "n");
	put_file(rig, ".eml", "n");
	put_file(rig, ".hidden.eml", "n");
	assert_err(mime_rig_reopen(rig, "commitmode", "false"), 0);
	query = mime_rig_query(rig, 0, 0);
	assert_int_equal(query.count, 2);
	assert_int_equal(query.total_octets, 26);
	assert_bytes(query.items[0].name, lm_str("a_1.eml"));
	assert_bytes(query.items[0].guid, lm_str("a_1"));
	assert_bytes(query.items[1].guid, lm_str("b"));
	assert_true(is_there(rig, "c_3.dup.eml"));
	assert_int_equal(mime_rig_query(rig, 1 << LM_TAG_DUP, 0).count, 1);
	assert_int_equal(mime_rig_query(rig, 1 << LM_TAG_CONVERSIONERROR, 0).count, 1);
	assert_err(mime_rig_reopen(rig, "orderBy", "desc"), 0);
	query = mime_rig_query(rig, 0, 1);
	assert_bytes(query.items[0].name, lm_str("b.x_2.eml"));
	assert_false(is_there(rig, "c_3.dup.eml"));
	assert_true(is_there(rig, "dup/c_3.dup.eml"));
}

static void the_limit_is_ten_by_default(void **state)
{
	struct mime_rig *rig = *state;

	for (int i = 0; i < 12; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%02d.eml", i);
		put_file(rig, name, "x");
	}
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 10);
	assert_int_equal(mime_rig_query(rig, 0, 11).count, 11);
	assert_int_equal(mime_rig_query(rig, 0, SIZE_MAX).count, 12);
}

static void marks_are_places(void **state)
{
	static const struct {
		enum lm_mime_tag tag;
		const char *name;
	} steps[] = {
		{ LM_TAG_STAGED, "staged/a.eml" },
		{ LM_TAG_ARCHIVE, "archive/a.eml" },
		{ LM_TAG_POP3FAILED, "a.pop3failed.eml" },
		{ LM_TAG_CONVERSIONERROR, "a.decodeerror.eml" },
		{ LM_TAG_DUP, "dup/a.eml" },
		{ LM_TAG_UNREAD, "a.eml" },
	};
	struct mime_rig *rig = *state;
	const struct lm_mime_item item = { .name = lm_str("a.eml") };

	put_file(rig, "a.eml", "x");
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		assert_err(lm_mime_store_mark(rig->store, &item, steps[i].tag, NULL), 0);
		assert_true(is_there(rig, steps[i].name));
	}
	put_file(rig, "archive/b.dup.eml", "b");
	put_file(rig, "b.eml", "other");
	assert_err(lm_mime_store_mark(rig->store,
	                              &(struct lm_mime_item){ .name = lm_str("archive/b.dup.eml") },
	                              LM_TAG_UNREAD, NULL),
	           LM_E_EXISTS);
	assert_true(is_there(rig, "archive/b.dup.eml"));
}

static void nothing_is_overwritten(void **state)
{
	struct mime_rig *rig = *state;
	char name[256], text[2000];

	assert_err(mime_rig_add(rig, "u", "7", lm_str("one"), name), 0);
	assert_string_equal(name, "u_7.eml");
	assert_err(mime_rig_add(rig, "u", "7", lm_str("two"), name), 0);
	assert_string_equal(name, "u_7.dup.eml");
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	assert_err(mime_rig_add(rig, "u", "7", lm_str("three"), name), 0);
	assert_string_equal(name, "u_7.dup.dup.eml");
	for (int i = 3; i < 20; i++)
		assert_err(mime_rig_add(rig, "u", "7", lm_str("more"), name), 0);
	assert_string_equal(name, "u_7.19.dup.eml");
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	get_file(rig, "u_7.eml", text, sizeof(text));
	assert_string_equal(text, "one");
	get_file(rig, "u_log.txt", text, sizeof(text));
	assert_non_null(strstr(text, "Z: {\"reasonCode\":0,\"dupCount\":0,\"guid\":7,"
	                             "\"fname\":\"u_7.eml\"}\r\n"));
	assert_non_null(
	        strstr(text, "\"dupCount\":2,\"guid\":7,\"fname\":\"u_7.dup.dup.eml\"}\r\n"));
	assert_int_equal(mime_rig_query(rig, 0, SIZE_MAX).count, 1);
	assert_int_equal(mime_rig_query(rig, 1 << LM_TAG_DUP, SIZE_MAX).count, 19);
	put_file(rig, "archive/u_7.eml", "older");
	assert_err(lm_mime_store_mark(rig->store,
	                              &(struct lm_mime_item){ .name = lm_str("u_7.eml") },
	                              LM_TAG_ARCHIVE, NULL),
	           0);
	get_file(rig, "archive/u_7.eml", text, sizeof(text));
	assert_string_equal(text, "older");
	assert_true(is_there(rig, "archive/u_7.dup.eml"));
}

static void log_lines_stay_lines(void **state)
{
	struct mime_rig *rig = *state;
	char text[2000];

	assert_err(mime_rig_add(rig, "u", "a\r\n\"\\\x1b\xff", lm_str("x"), NULL), 0);
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	get_file(rig, "u_log.txt", text, sizeof(text));
	assert_non_null(strstr(text, "\"guid\":\"a\\u000d\\u000a\\u0022\\u005c\\u001b\\u00ff\""));
	assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
}

static void links_are_not_followed(void **state)
{
	struct mime_rig *rig = *state;
	const struct lm_mime_item item = { .name = lm_str("link.eml") };
	struct lm_buf got = { .max = 100 };
	char text[100], name[256];

	put_file(rig, "secret", "secret");
	assert_int_equal(symlink("secret", path_of(rig, "link.eml")), 0);
	assert_int_equal(symlink("secret", path_of(rig, "u_log.txt")), 0);
	assert_int_equal(symlink("nowhere", path_of(rig, "u_1.eml")), 0);
	assert_int_equal(mkfifo(path_of(rig, "pipe.eml"), 0600), 0);
	assert_int_equal(mkdir(path_of(rig, "folder.eml"), 0700), 0);
	assert_int_equal(mime_rig_query(rig, 0, SIZE_MAX).count, 0);
	assert_err(lm_mime_store_read(rig->store, &item, mime_rig_sink, &got, NULL),
	           LM_E_NOT_FOUND);
	assert_err(lm_mime_store_read(rig->store,
	                              &(struct lm_mime_item){ .name = lm_str("pipe.eml") },
	                              mime_rig_sink, &got, NULL),
	           LM_E_NOT_FOUND);
	assert_err(lm_mime_store_mark(rig->store, &item, LM_TAG_ARCHIVE, NULL), LM_E_NOT_FOUND);
	assert_err(mime_rig_add(rig, "u", "1", lm_str("x"), name), 0);
	assert_string_equal(name, "u_1.dup.eml");
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	get_file(rig, "secret", text, sizeof(text));
	assert_string_equal(text, "secret");
	assert_false(is_there(rig, "nowhere"));
}

static void folders_must_be_there(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_error error = { 0 };

	lm_mime_store_close(rig->store);
	rig->store = NULL;
	assert_int_equal(rmdir(path_of(rig, "staged")), 0);
	assert_err(lm_mime_store_open(rig->url, NULL, 0, &rig->store, &error), LM_E_NOT_FOUND);
	assert_non_null(strstr(error.text, "Please mkdir "));
	assert_non_null(strstr(error.text, "/staged. it is needed for staged"));
	assert_int_equal(symlink("archive", path_of(rig, "staged")), 0);
	assert_err(lm_mime_store_open(rig->url, NULL, 0, &rig->store, &error), LM_E_CONFIG);
	assert_err(lm_mime_store_open("localfs:", NULL, 0, &rig->store, &error), LM_E_CONFIG);
	assert_err(lm_mime_store_open("localfs:/nonexistent", NULL, 0, &rig->store, &error),
	           LM_E_NOT_FOUND);
	assert_err(lm_mime_store_open("localfs:/dev/null", NULL, 0, &rig->store, &error),
	           LM_E_CONFIG);
}

static void the_path_may_be_a_setting(void **state)
{
	struct mime_rig *rig = *state;
	const struct lm_mime_setting path = { "path", rig->folder }, other = { "path", "/tmp" };

	put_file(rig, "a.eml", "x");
	lm_mime_store_close(rig->store);
	rig->store = NULL;
	assert_err(lm_mime_store_open(rig->url, &other, 1, &rig->store, NULL), LM_E_CONFIG);
	assert_err(lm_mime_store_open("localfs:", &path, 1, &rig->store, NULL), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 1);
}

static void a_full_disk_leaves_nothing_half(void **state)
{
	struct mime_rig *rig = *state;
	const struct lm_mime_item item = { .sourceid = lm_str("u"), .guid = lm_str("1") };
	static uint8_t data[100000];
	struct rlimit before, small;
	struct lm_mime_add *add;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){ 65536, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_err(lm_mime_add_begin(rig->store, &item, &add, NULL), 0);
	assert_err(lm_mime_add_write(add, lm_bytes(data, sizeof(data)), NULL), LM_E_FULL);
	assert_err(lm_mime_add_write(add, lm_str("more"), NULL), LM_E_FULL);
	assert_err(lm_mime_add_end(add, NULL, NULL), LM_E_FULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(temporaries(rig), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 0);
	assert_err(mime_rig_add(rig, "u", "1", lm_str("x"), NULL), 0);
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 1);
}

static void take_away_a_temporary(const struct mime_rig *rig)
{
	DIR *folder = opendir(rig->folder);
	struct dirent *entry;

	assert_non_null(folder);
	while ((entry = readdir(folder)) && strncmp(entry->d_name, ".lm-", 4) != 0)
		;
	LM_ASSERT(entry);
	assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
	closedir(folder);
}

/* Names are given in the midst of adding, too: who waits for the flush must hear of what failed. */
static void a_flush_tells_what_was_lost_before_it(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_mime_query query;
	char guid[16];

	for (unsigned i = 1; i < LM_LOCALFS_PENDING; i++) {
		snprintf(guid, sizeof(guid), "%u", i);
		assert_err(mime_rig_add(rig, "u", guid, lm_str("x"), NULL), 0);
	}
	take_away_a_temporary(rig);
	assert_true(mime_rig_add(rig, "u", "last", lm_str("x"), NULL) < 0);
	assert_true(lm_mime_store_flush(rig->store, NULL) < 0);
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	assert_int_equal(mime_rig_query(rig, 0, SIZE_MAX).count, LM_LOCALFS_PENDING - 1);
	assert_err(mime_rig_add(rig, "u", "more", lm_str("x"), NULL), 0);
	take_away_a_temporary(rig);
	assert_true(lm_mime_store_query(rig->store, 0, 0, &query, NULL) < 0);
	assert_true(lm_mime_store_flush(rig->store, NULL) < 0);
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
}

static void an_aborted_message_leaves_nothing(void **state)
{
	struct mime_rig *rig = *state;
	const struct lm_mime_item item = { .sourceid = lm_str("u"), .guid = lm_str("1") };
	struct lm_mime_add *add;

	assert_err(lm_mime_add_begin(rig->store, &item, &add, NULL), 0);
	assert_err(lm_mime_add_write(add, lm_str("x"), NULL), 0);
	assert_int_equal(temporaries(rig), 1);
	lm_mime_add_abort(add);
	lm_mime_add_abort(NULL);
	assert_int_equal(temporaries(rig), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 0);
}

/* Adds messages for ever, telling after each flush how many are safe. */
static void add_for_ever(struct mime_rig *rig, int tell)
{
	static uint8_t data[30000];

	memset(data, 'x', sizeof(data));
	for (uint32_t i = 0;; i++) {
		char guid[16];

		snprintf(guid, sizeof(guid), "%u", i + 1);
		if (mime_rig_add(rig, "u", guid, lm_bytes(data, sizeof(data)), NULL))
			_exit(1);
		if (i % 7 == 6 && (lm_mime_store_flush(rig->store, NULL) ||
		                   write(tell, &i, sizeof(i)) != sizeof(i)))
			_exit(1);
	}
}

static void killed_in_the_midst(void **state)
{
	struct mime_rig *rig = *state;
	struct lm_mime_query query;
	uint32_t safe = 0;
	int pipes[2], status;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		add_for_ever(rig, pipes[1]);
	for (int i = 0; i < 6; i++)
		assert_int_equal(read(pipes[0], &safe, sizeof(safe)), sizeof(safe));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(pipes[0]);
	close(pipes[1]);
	assert_err(mime_rig_reopen(rig, NULL, NULL), 0);
	query = mime_rig_query(rig, 0, SIZE_MAX);
	assert_true(query.count > safe);
	for (size_t i = 0; i < query.count; i++)
		assert_int_equal(query.items[i].octets, 30000);
}

static void left_overs_are_swept(void **state)
{
	struct mime_rig *rig = *state;
	const struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	const struct lm_mime_item item = { .sourceid = lm_str("u"), .guid = lm_str("1") };
	struct lm_mime_store *second;
	struct lm_mime_add *add;

	put_file(rig, ".lm-1-1-00000000.tmp", "half");
	put_file(rig, ".lm-1-2-00000000.tmp", "young");
	assert_int_equal(utimensat(AT_FDCWD, path_of(rig, ".lm-1-1-00000000.tmp"), old, 0), 0);
	assert_err(lm_mime_add_begin(rig->store, &item, &add, NULL), 0);
	assert_err(lm_mime_store_open(rig->url, NULL, 0, &second, NULL), 0);
	lm_mime_store_close(second);
	assert_false(is_there(rig, ".lm-1-1-00000000.tmp"));
	assert_true(is_there(rig, ".lm-1-2-00000000.tmp"));
	assert_int_equal(temporaries(rig), 2);
	assert_err(lm_mime_add_end(add, NULL, NULL), 0);
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 1);
}

static void count_problem(void *ctx, const char *problem)
{
	assert_non_null(problem);
	++*(size_t *)ctx;
}

static void check_says_what_nobody_sees(void **state)
{
	struct mime_rig *rig = *state;
	size_t problems = 0;

	put_file(rig, "a.eml", "x");
	assert_err(lm_mime_store_check(rig->url, NULL, 0, count_problem, &problems, NULL), 0);
	put_file(rig, "staged/b.eml", "x");
	put_file(rig, ".c.eml", "x");
	put_file(rig, ".lm-1-1-00000000.tmp", "x");
	assert_int_equal(symlink("a.eml", path_of(rig, "link.eml")), 0);
	assert_int_equal(mkdir(path_of(rig, "archive/folder.eml"), 0700), 0);
	assert_err(lm_mime_store_check(rig->url, NULL, 0, count_problem, &problems, NULL),
	           LM_E_CORRUPT);
	assert_int_equal(problems, 5);
	assert_true(is_there(rig, ".lm-1-1-00000000.tmp"));
}

#define T(test)                                                                     \
	{                                                                           \
#test, test, mime_rig_setup, mime_rig_teardown, (void *)"localfs:@" \
	}
int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_made_of_what_servers_say),
		T(a_folder_as_people_fill_it),
		T(the_limit_is_ten_by_default),
		T(marks_are_places),
		T(nothing_is_overwritten),
		T(log_lines_stay_lines),
		T(links_are_not_followed),
		T(folders_must_be_there),
		T(the_path_may_be_a_setting),
		T(a_full_disk_leaves_nothing_half),
		T(a_flush_tells_what_was_lost_before_it),
		T(an_aborted_message_leaves_nothing),
		T(killed_in_the_midst),
		T(left_overs_are_swept),
		T(check_says_what_nobody_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
