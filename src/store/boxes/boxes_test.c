/* Stores of maildrops as mime stores: which mailbox, what fails late, what several do at once. */
#include "store/mime_rig.h"
#include "store/rig.h"

#include <lettermill/store.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct mime_rig *rig_of(const char *pattern)
{
	return mime_rig_new(pattern);
}

static void give_account(const char *url, const char *name)
{
	struct lm_accounts *accounts;

	assert_err(lm_accounts_open(url, &accounts, NULL), 0);
	assert_err(lm_accounts_set(accounts, lm_str(name), lm_str("secret"), 0, false, NULL), 0);
	lm_accounts_close(accounts);
}

static void the_mailbox_is_the_only_account(void **state)
{
	struct mime_rig *rig = rig_of("sqlite:@/mail.db");

	(void)state;
	assert_err(mime_rig_add(rig, "u", "1", lm_str("x"), NULL), 0);
	assert_err(mime_rig_reopen(rig, "mailbox", "inbox"), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 1);
	give_account(rig->url, "anna@example.org");
	assert_err(mime_rig_reopen(rig, NULL, NULL), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 0);
	assert_err(mime_rig_add(rig, "u", "1", lm_str("for anna"), NULL), 0);
	assert_err(mime_rig_reopen(rig, "mailbox", "ANNA@example.org"), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 1);
	give_account(rig->url, "berta@example.org");
	assert_err(mime_rig_reopen(rig, NULL, NULL), LM_E_CONFIG);
	assert_err(mime_rig_reopen(rig, "mailbox", "a/b"), LM_E_CONFIG);
	assert_err(mime_rig_reopen(rig, "mailbox", "berta@example.org"), 0);
	mime_rig_free(rig);
}

static int add_to(struct lm_mime_store *store, const char *text)
{
	const struct lm_mime_item item = { .guid = lm_str(text) };
	struct lm_mime_add *add;
	int err = lm_mime_add_begin(store, &item, &add, NULL);

	if (err)
		return err;
	err = lm_mime_add_write(add, lm_str(text), NULL);
	if (err)
		lm_mime_add_abort(add);
	else
		err = lm_mime_add_end(add, NULL, NULL);
	return err ? err : lm_mime_store_flush(store, NULL);
}

static size_t count_of(struct lm_mime_store *store)
{
	struct lm_mime_query query;

	assert_err(lm_mime_store_query(store, 0, SIZE_MAX, &query, NULL), 0);
	return query.count;
}

static void maildrops_beside_each_other(void **state)
{
	struct mime_rig *rig = rig_of(*state);
	struct lm_mime_store *anna, *bert, *first;
	struct lm_error error;

	assert_err(lm_mime_store_beside(rig->store, "anna", &anna, &error), 0);
	assert_string_equal(lm_mime_store_mailbox(anna), "anna");
	assert_err(lm_mime_store_beside(anna, "bert", &bert, &error), 0);
	assert_err(lm_mime_store_beside(anna, "a/b", &first, &error), LM_E_CONFIG);
	assert_err(add_to(rig->store, "first"), 0);
	assert_err(add_to(anna, "one"), 0);
	assert_err(add_to(anna, "one"), LM_E_EXISTS);
	assert_err(add_to(bert, "one"), 0);
	assert_err(add_to(bert, "two"), 0);
	lm_mime_store_close(rig->store);
	rig->store = NULL;
	assert_int_equal(count_of(anna), 1);
	lm_mime_store_close(anna);
	assert_int_equal(count_of(bert), 2);
	assert_err(lm_mime_store_beside(bert, NULL, &first, &error), 0);
	lm_mime_store_close(bert);
	assert_int_equal(count_of(first), 1);
	lm_mime_store_close(first);
	mime_rig_free(rig);
}

static void one_heap_has_no_maildrops(void **state)
{
	struct mime_rig *rig = rig_of("fake:");
	struct lm_mime_store *other;
	struct lm_error error;

	(void)state;
	assert_null(lm_mime_store_mailbox(rig->store));
	assert_err(lm_mime_store_beside(rig->store, "anna", &other, &error), LM_E_CONFIG);
	mime_rig_free(rig);
}

static void a_late_failure_is_told_by_the_flush(void **state)
{
	struct mime_rig *rig = rig_of("faulty:draft_commit=3+:FULL:sqlite:@/mail.db");
	struct lm_error error = { 0 };
	char guid[8];
	int err = 0;

	(void)state;
	for (int i = 0; i < 10 && err == 0; i++) {
		snprintf(guid, sizeof(guid), "%d", i);
		err = mime_rig_add(rig, "u", guid, lm_str("x"), NULL);
	}
	assert_true(err == 0 || err == LM_E_FULL);
	assert_err(lm_mime_store_flush(rig->store, &error), LM_E_FULL);
	assert_non_null(strstr(error.text, "no space"));
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 2);
	mime_rig_free(rig);
}

static void failures_are_passed_on(void **state)
{
	static const char *const specs[] = { "mailbox_open", "mailbox_list", "message_read",
		                             "draft_begin", "draft_write" };

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
		struct lm_buf got = { .max = 100 };
		char pattern[100];
		struct lm_mime_query query;
		struct mime_rig *rig;
		int err;

		snprintf(pattern, sizeof(pattern), "faulty:%s=1:IO:memory:", specs[i]);
		rig = rig_of(pattern);
		err = mime_rig_add(rig, "u", "1", lm_str("x"), NULL);
		if (err == 0)
			err = lm_mime_store_query(rig->store, 0, 0, &query, NULL);
		if (err == 0)
			err = lm_mime_store_read(rig->store, &query.items[0], mime_rig_sink, &got,
			                         NULL);
		assert_err(err, LM_E_IO);
		assert_err(mime_rig_add(rig, "u", "2", lm_str("x"), NULL), 0);
		assert_true(mime_rig_query(rig, 0, 0).count >= 1);
		lm_buf_done(&got);
		mime_rig_free(rig);
	}
}

static void many_are_added_at_once(void **state)
{
	struct mime_rig *rig = rig_of("sqlite:@/mail.db");
	char guid[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(guid, sizeof(guid), "%d", i);
		assert_err(mime_rig_add(rig, "u", guid, lm_str("Subject: x\r\n\r\nx\r\n"), NULL),
		           0);
		if (i % 100 == 0)
			assert_err(mime_rig_add(rig, "u", guid, lm_str("again"), NULL),
			           LM_E_EXISTS);
	}
	assert_err(lm_mime_store_flush(rig->store, NULL), 0);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, 1000);
	mime_rig_free(rig);
}

static void what_was_listed_stays_readable(void **state)
{
	struct mime_rig *rig = rig_of("sqlite:@/mail.db");
	struct lm_mime_query query;
	struct lm_mime_item first;

	(void)state;
	for (int i = 0; i < 5; i++) {
		char guid[8];

		snprintf(guid, sizeof(guid), "%d", i);
		assert_err(mime_rig_add(rig, "u", guid, lm_str(guid), NULL), 0);
	}
	query = mime_rig_query(rig, 0, 0);
	assert_int_equal(query.count, 5);
	first = query.items[0];
	assert_err(lm_mime_store_mark(rig->store, &first, LM_TAG_DUP, NULL), 0);
	assert_err(lm_mime_store_mark(rig->store, &first, LM_TAG_UNREAD, NULL), 0);
	assert_err(mime_rig_add(rig, "u", "new", lm_str("new"), NULL), 0);
	for (size_t i = 0; i < 5; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%zu", i);
		mime_rig_expect(rig, &query.items[i], lm_str(text));
	}
	mime_rig_free(rig);
}

/* Adds for ever, telling after each flush how many are safe. */
static void add_for_ever(const char *url, int tell)
{
	struct mime_rig rig = { .pattern = "" };

	snprintf(rig.url, sizeof(rig.url), "%s", url);
	if (lm_mime_store_open(url, NULL, 0, &rig.store, NULL))
		_exit(1);
	for (uint32_t i = 0;; i++) {
		char guid[16];

		snprintf(guid, sizeof(guid), "%u", i);
		if (mime_rig_add(&rig, "u", guid, lm_str("Subject: x\r\n\r\nx\r\n"), NULL))
			_exit(1);
		if (i % 10 == 9 && (lm_mime_store_flush(rig.store, NULL) ||
		                    write(tell, &i, sizeof(i)) != sizeof(i)))
			_exit(1);
	}
}

static uint32_t kill_while_adding(const char *url)
{
	uint32_t safe = 0;
	int pipes[2], status;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		add_for_ever(url, pipes[1]);
	for (int i = 0; i < 5; i++)
		assert_int_equal(read(pipes[0], &safe, sizeof(safe)), sizeof(safe));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(pipes[0]);
	close(pipes[1]);
	return safe + 1;
}

/* Nothing that was flushed is lost, and the next run knows what is there. */
static void killed_and_begun_again(void **state)
{
	struct mime_rig *rig = rig_of(*state);
	uint32_t safe;
	size_t count, doubles = 0;

	lm_mime_store_close(rig->store);
	rig->store = NULL;
	safe = kill_while_adding(rig->url);
	assert_err(mime_rig_reopen(rig, NULL, NULL), 0);
	count = mime_rig_query(rig, 0, 0).count;
	assert_true(count >= safe);
	for (uint32_t i = 0; i < safe + 20; i++) {
		char guid[16];
		int err;

		snprintf(guid, sizeof(guid), "%u", i);
		err = mime_rig_add(rig, "u", guid, lm_str("Subject: x\r\n\r\nx\r\n"), NULL);
		assert_true(err == 0 || err == LM_E_EXISTS);
		doubles += err == LM_E_EXISTS;
	}
	assert_true(doubles >= safe);
	assert_int_equal(mime_rig_query(rig, 0, 0).count, count + safe + 20 - doubles);
	mime_rig_free(rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mailbox_is_the_only_account),
		{ "maildrops_beside_each_other sqlite", maildrops_beside_each_other, NULL, NULL,
		  (void *)"sqlite:@/mail.db" },
		{ "maildrops_beside_each_other memory", maildrops_beside_each_other, NULL, NULL,
		  (void *)"memory:" },
		cmocka_unit_test(one_heap_has_no_maildrops),
		cmocka_unit_test(a_late_failure_is_told_by_the_flush),
		cmocka_unit_test(failures_are_passed_on),
		cmocka_unit_test(many_are_added_at_once),
		cmocka_unit_test(what_was_listed_stays_readable),
		{ "killed_and_begun_again sqlite", killed_and_begun_again, NULL, NULL,
		  (void *)"sqlite:@/mail.db" },
		{ "killed_and_begun_again maildir", killed_and_begun_again, NULL, NULL,
		  (void *)"maildir:@/box" },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
