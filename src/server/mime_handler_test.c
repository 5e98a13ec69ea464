/* POP3 from mime stores: logins, listings, what retrieving and leaving does to messages. */
#include "lm_test.h"

#include "server/mime_handler_impl.h"
#include "server/serve_rig.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

struct mill {
	struct lm_rig rig;
	char folder[80];
	struct lm_mime_store *store;
	struct lm_mime_handler *handler;
	struct lm_log log;
	atomic_uint failed, complaints;
};

static void count_log(void *ctx, const struct lm_log_event *event)
{
	struct mill *m = ctx;

	if (strcmp(event->id, "mime.pop3failed") == 0)
		atomic_fetch_add(&m->failed, 1);
	if (strcmp(event->id, "mime.fail") == 0)
		atomic_fetch_add(&m->complaints, 1);
}

static void put(const struct mill *m, const char *name, struct lm_bytes octets)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", m->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets.data, octets.len), (ssize_t)octets.len);
	close(fd);
}

static void put_text(const struct mill *m, const char *name, const char *text)
{
	put(m, name, lm_str(text));
}

/* A rig with a folder fit for localfs. */
static void mill_new(struct mill *m)
{
	static const char *const folders[] = { "", "/archive", "/staged", "/dup" };
	char path[300];

	*m = (struct mill){ .store = NULL };
	lm_rig_new(&m->rig, (const char *const[]){ "auth", "SCRAM-SHA-256 CRAM-MD5 PLAIN", NULL });
	snprintf(m->folder, sizeof(m->folder), "%s/mail", m->rig.folder);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", m->folder, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
}

static void mill_start(struct mill *m, const char *url, struct lm_mime_handler_params params)
{
	struct lm_error why = { 0 };

	if (lm_mime_store_open(url, NULL, 0, &m->store, &why))
		fail_msg("%s: %s", url, why.text);
	m->log = (struct lm_log){ count_log, m, LM_LOG_DEBUG };
	params.store = m->store;
	params.password = params.password ? params.password : "secret";
	params.log = &m->log;
	assert_err(lm_mime_handler_new(&params, &m->handler, NULL), 0);
	assert_err(lm_server_handler(m->rig.server, lm_mime_handler_ops(), m->handler), 0);
	lm_rig_start(&m->rig);
}

static void mill_start_localfs(struct mill *m, struct lm_mime_handler_params params)
{
	char url[100];

	snprintf(url, sizeof(url), "localfs:%s", m->folder);
	params.count_octets = true;
	mill_start(m, url, params);
}

/* All sessions end, and what they left to be done is done. */
static void mill_stop(struct mill *m)
{
	lm_server_drain(m->rig.server, 0);
	lm_server_wait(m->rig.server);
}

static void mill_free(struct mill *m)
{
	lm_mime_handler_free(NULL);
	lm_rig_free(&m->rig);
	lm_mime_handler_free(m->handler);
	lm_mime_store_close(m->store);
}

static void expect_tagged(struct mill *m, enum lm_mime_tag tag, size_t count)
{
	struct lm_mime_query q;

	assert_err(lm_mime_store_query(m->store, 1U << tag, SIZE_MAX, &q, NULL), 0);
	assert_int_equal(q.count, count);
}

static void expect_all(int fd, const char *say, const char *want)
{
	char *got;

	lm_rig_say(fd, say);
	got = lm_rig_read(fd, "\r\n.\r\n");
	assert_string_equal(strchr(got, '\n') + 1, want);
	free(got);
}

static int greeted(const struct mill *m)
{
	int fd = lm_rig_connect(&m->rig, "pop3");

	lm_rig_expect(fd, "+OK ");
	return fd;
}

static void quit(int fd)
{
	lm_rig_chat(fd, "QUIT\r\n", "+OK");
	lm_rig_expect_end(fd);
}

static void any_name_and_one_password(void **state)
{
	struct mill m;
	int fd;

	(void)state;
	mill_new(&m);
	mill_start(&m, "fake:", (struct lm_mime_handler_params){ .limit = 3 });
	fd = greeted(&m);
	lm_rig_chat(fd, "USER who ever\r\n", "-ERR");
	lm_rig_chat(fd, "USER whoever\r\n", "+OK");
	lm_rig_chat(fd, "PASS wrong\r\n", "-ERR [AUTH]");
	lm_rig_chat(fd, "USER whoever\r\n", "+OK");
	lm_rig_chat(fd, "PASS secret\r\n", "+OK");
	lm_rig_chat(fd, "STAT\r\n", "+OK 3 90");
	expect_all(fd, "LIST\r\n", "1 20\r\n2 30\r\n3 40\r\n.\r\n");
	expect_all(fd, "UIDL\r\n", "1 guid_1\r\n2 guid_2\r\n3 guid_3\r\n.\r\n");
	expect_all(fd, "RETR 2\r\n", "payload_data\r\n.\r\n");
	lm_rig_chat(fd, "RETR 4\r\n", "-ERR");
	quit(fd);
	/* PLAIN; then for somebody else, which is not allowed. */
	fd = greeted(&m);
	lm_rig_chat(fd, "AUTH PLAIN Ym9iAGFubmEAc2VjcmV0\r\n", "-ERR");
	lm_rig_chat(fd, "AUTH PLAIN AGFubmEAc2VjcmV0\r\n", "+OK");
	quit(fd);
	mill_free(&m);
}

static void only_who_is_listed(void **state)
{
	static const char *const users[] = { "Carl", "dora" };
	struct mill m;
	int fd;

	(void)state;
	mill_new(&m);
	mill_start(&m, "fake:", (struct lm_mime_handler_params){ .users = users, .user_count = 2 });
	fd = greeted(&m);
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_chat(fd, "PASS secret\r\n", "-ERR [AUTH]");
	lm_rig_chat(fd, "USER carl\r\n", "+OK");
	lm_rig_chat(fd, "PASS secret\r\n", "+OK");
	quit(fd);
	mill_free(&m);
}

static void nobody_without_a_password(void **state)
{
	struct mill m;
	int fd;

	(void)state;
	mill_new(&m);
	mill_start(&m, "fake:", (struct lm_mime_handler_params){ .password = "" });
	fd = greeted(&m);
	lm_rig_chat(fd, "USER anna\r\n", "+OK");
	lm_rig_chat(fd, "PASS \r\n", "-ERR");
	lm_rig_chat(fd, "PASS secret\r\n", "-ERR");
	close(fd);
	mill_free(&m);
}

static void a_name_in_use_in_any_case(void **state)
{
	struct mill m;
	int first, second;

	(void)state;
	mill_new(&m);
	mill_start(&m, "fake:", (struct lm_mime_handler_params){ .limit = 1 });
	first = lm_rig_login(&m.rig, "anna");
	second = greeted(&m);
	lm_rig_chat(second, "USER ANNA\r\n", "+OK");
	lm_rig_chat(second, "PASS secret\r\n", "-ERR [IN-USE]");
	lm_rig_chat(second, "USER bert\r\n", "+OK");
	lm_rig_chat(second, "PASS secret\r\n", "+OK");
	quit(first);
	/* Free again before QUIT is answered, and after a lost connection. */
	first = lm_rig_login(&m.rig, "Anna");
	close(first);
	quit(second);
	lm_rig_await_open(&m.rig, 0);
	quit(lm_rig_login(&m.rig, "anna"));
	mill_free(&m);
}

static void retrieving_consumes(void **state)
{
	struct mill m;
	int fd;

	(void)state;
	mill_new(&m);
	put_text(&m, "a_1.eml", "Subject: a\r\n\r\n.dot\r\n");
	put_text(&m, "b_2.eml", "Subject: b\r\n\r\nno end");
	put_text(&m, "c_3.eml", "");
	mill_start_localfs(&m, (struct lm_mime_handler_params){ .limit = 0 });
	fd = lm_rig_login(&m.rig, "anna");
	expect_all(fd, "LIST\r\n", "1 20\r\n2 22\r\n3 0\r\n.\r\n");
	expect_all(fd, "UIDL\r\n", "1 a_1\r\n2 b_2\r\n3 c_3\r\n.\r\n");
	expect_all(fd, "TOP 1 0\r\n", "Subject: a\r\n\r\n.\r\n");
	expect_all(fd, "RETR 1\r\n", "Subject: a\r\n\r\n..dot\r\n.\r\n");
	expect_all(fd, "RETR 2\r\n", "Subject: b\r\n\r\nno end\r\n.\r\n");
	lm_rig_chat(fd, "RETR 3\r\n", "+OK");
	lm_rig_expect(fd, ".");
	quit(fd);
	fd = lm_rig_login(&m.rig, "anna");
	lm_rig_chat(fd, "STAT\r\n", "+OK 0 0");
	quit(fd);
	mill_stop(&m);
	assert_int_equal(m.failed, 0);
	expect_tagged(&m, LM_TAG_ARCHIVE, 3);
	expect_tagged(&m, LM_TAG_UNREAD, 0);
	mill_free(&m);
}

static void a_message_is_there_for_the_whole_session(void **state)
{
	struct mill m;
	int fd;

	(void)state;
	mill_new(&m);
	put_text(&m, "a_1.eml", "Subject: a\r\n\r\nx\r\n");
	mill_start_localfs(&m, (struct lm_mime_handler_params){ .limit = 0 });
	fd = lm_rig_login(&m.rig, "anna");
	expect_all(fd, "RETR 1\r\n", "Subject: a\r\n\r\nx\r\n.\r\n");
	expect_all(fd, "RETR 1\r\n", "Subject: a\r\n\r\nx\r\n.\r\n");
	expect_all(fd, "TOP 1 1\r\n", "Subject: a\r\n\r\nx\r\n.\r\n");
	lm_rig_chat(fd, "DELE 1\r\n", "+OK");
	quit(fd);
	mill_stop(&m);
	assert_int_equal(m.complaints, 0);
	expect_tagged(&m, LM_TAG_ARCHIVE, 1);
	mill_free(&m);
}

static void leaving_without_quit_marks_the_last(void **state)
{
	struct mill m;
	int fd;

	(void)state;
	mill_new(&m);
	put_text(&m, "a_1.eml", "Subject: a\r\n\r\nx\r\n");
	put_text(&m, "b_2.eml", "Subject: b\r\n\r\nx\r\n");
	put_text(&m, "c_3.eml", "Subject: c\r\n\r\nx\r\n");
	mill_start_localfs(&m, (struct lm_mime_handler_params){ .limit = 0 });
	fd = lm_rig_login(&m.rig, "anna");
	expect_all(fd, "RETR 1\r\n", "Subject: a\r\n\r\nx\r\n.\r\n");
	expect_all(fd, "RETR 2\r\n", "Subject: b\r\n\r\nx\r\n.\r\n");
	lm_rig_chat(fd, "DELE 3\r\n", "+OK");
	close(fd);
	lm_rig_await_open(&m.rig, 0);
	/* Looking without taking is no reason. */
	fd = lm_rig_login(&m.rig, "anna");
	expect_all(fd, "TOP 1 0\r\n", "Subject: c\r\n\r\n.\r\n");
	close(fd);
	lm_rig_await_open(&m.rig, 0);
	mill_stop(&m);
	assert_int_equal(m.failed, 1);
	assert_int_equal(m.complaints, 0);
	expect_tagged(&m, LM_TAG_POP3FAILED, 1);
	expect_tagged(&m, LM_TAG_ARCHIVE, 1);
	expect_tagged(&m, LM_TAG_UNREAD, 1);
	mill_free(&m);
}

static void deleted_messages_are_archived_at_quit(void **state)
{
	struct mill m;
	int fd;

	(void)state;
	mill_new(&m);
	put_text(&m, "a_1.eml", "Subject: a\r\n\r\nx\r\n");
	put_text(&m, "b_2.eml", "Subject: b\r\n\r\nx\r\n");
	mill_start_localfs(&m, (struct lm_mime_handler_params){ .limit = 0 });
	fd = lm_rig_login(&m.rig, "anna");
	lm_rig_chat(fd, "DELE 1\r\n", "+OK");
	lm_rig_chat(fd, "RSET\r\n", "+OK");
	lm_rig_chat(fd, "DELE 2\r\n", "+OK");
	quit(fd);
	mill_stop(&m);
	expect_tagged(&m, LM_TAG_ARCHIVE, 1);
	expect_tagged(&m, LM_TAG_UNREAD, 1);
	mill_free(&m);
}

/* Larger than memory is spared for it; the client reads late. */
static void large_messages_wait_in_a_file(void **state)
{
	enum { LINES = 40000, LINE = 62 };
	struct mill m;
	char *text = malloc((size_t)LINES * LINE + 1), *got;
	int fd;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < LINES; i++)
		snprintf(text + (size_t)i * LINE, LINE + 1, "%059d.\r\n", i);
	mill_new(&m);
	put_text(&m, "a_1.eml", text);
	mill_start_localfs(&m, (struct lm_mime_handler_params){ .spool_dir = m.rig.folder });
	for (int i = 0; i < 3; i++) {
		fd = lm_rig_login(&m.rig, "anna");
		lm_rig_chat(fd, "STAT\r\n", i ? "+OK 0 0" : "+OK 1 2480000");
		if (!i) {
			lm_rig_say(fd, "RETR 1\r\n");
			got = lm_rig_read(fd, "\r\n.\r\n");
			assert_true(strlen(got) > (size_t)LINES * LINE);
			assert_memory_equal(strchr(got, '\n') + 1, text, (size_t)LINES * LINE);
			free(got);
		}
		quit(fd);
	}
	free(text);
	mill_free(&m);
}

static void what_cannot_be_handed_out_stays(void **state)
{
	static char text[600000];
	struct mill m;
	int fd;

	(void)state;
	memset(text, 'x', sizeof(text) - 3);
	text[sizeof(text) - 3] = '\r';
	text[sizeof(text) - 2] = '\n';
	mill_new(&m);
	put_text(&m, "a_1.eml", text);
	mill_start_localfs(&m, (struct lm_mime_handler_params){ .spool_dir = "/nonexistent" });
	fd = lm_rig_login(&m.rig, "anna");
	lm_rig_chat(fd, "RETR 1\r\n", "-ERR");
	lm_rig_chat(fd, "NOOP\r\n", "+OK");
	quit(fd);
	fd = lm_rig_login(&m.rig, "anna");
	lm_rig_chat(fd, "STAT\r\n", "+OK 1 ");
	quit(fd);
	mill_stop(&m);
	assert_int_equal(m.complaints, 1);
	expect_tagged(&m, LM_TAG_UNREAD, 1);
	mill_free(&m);
}

static void sessions_may_go_at_any_time(void **state)
{
	static const char all[] =
	        "USER anna\r\nPASS secret\r\nLIST\r\nRETR 1\r\nRETR 2\r\nDELE 3\r\nQUIT\r\n";
	struct mill m;
	char some[sizeof(all)];

	(void)state;
	mill_new(&m);
	for (int i = 0; i < 9; i++) {
		char name[20];

		snprintf(name, sizeof(name), "m_%d.eml", i);
		put_text(&m, name, "Subject: x\r\n\r\nx\r\n");
	}
	mill_start_localfs(&m, (struct lm_mime_handler_params){ .limit = 4 });
	for (size_t n = 1; n < sizeof(all); n++) {
		int fd = lm_rig_connect(&m.rig, "pop3");

		memcpy(some, all, n);
		some[n] = '\0';
		lm_rig_say(fd, some);
		close(fd);
	}
	lm_rig_await_all(&m.rig, sizeof(all) - 1);
	quit(lm_rig_login(&m.rig, "anna"));
	mill_stop(&m);
	assert_int_equal(m.complaints, 0);
	mill_free(&m);
}

/* ---- names ---- */

static struct lm_mh_item named(const char *guid, const char *name)
{
	return (struct lm_mh_item){ .item = { .guid = lm_str(guid), .name = lm_str(name) } };
}

static void uidls_are_allowed_and_unique(void **state)
{
	char longest[72] = "";
	struct lm_mh_item items[] = {
		named("plain", "1"), named("", "2"),          named("two words", "3"),
		named("same", "4"),  named("same", "5"),      named("\x01\x02", "6"),
		named(longest, "7"), named(longest + 1, "8"),
	};
	enum { N = sizeof(items) / sizeof(*items) };
	struct lm_message messages[N], again[N];
	struct lm_arena arena;

	(void)state;
	memset(longest, 'x', 71);
	longest[71] = '\0';
	items[6] = named(longest, "7");
	items[7] = named(longest + 1, "8");
	lm_arena_init(&arena, 1 << 20);
	assert_err(lm_mh_name(items, N, &arena, messages), 0);
	assert_err(lm_mh_name(items, N, &arena, again), 0);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(messages[i].id, i + 1);
		assert_true(messages[i].uidl.len >= 1 && messages[i].uidl.len <= 70);
		for (size_t j = 0; j < messages[i].uidl.len; j++)
			assert_in_range(messages[i].uidl.data[j], 0x21, 0x7E);
		for (size_t j = 0; j < i; j++)
			assert_false(lm_bytes_equal(messages[i].uidl, messages[j].uidl));
		assert_bytes(again[i].uidl, messages[i].uidl);
	}
	assert_bytes(messages[0].uidl, lm_str("plain"));
	assert_bytes(messages[7].uidl, lm_str(longest + 1));
	assert_memory_equal(messages[2].uidl.data, "twowords-", 9);
	lm_arena_reset(&arena);
}

static void memory_may_run_out(void **state)
{
	const struct lm_mime_handler_params params = { .password = "secret",
		                                       .spool_dir = "/tmp",
		                                       .users = (const char *const[]){ "a" },
		                                       .user_count = 1 };
	struct lm_mime_handler *handler;
	int err = LM_E_NOMEM;

	(void)state;
	for (unsigned long n = 1; err; n++) {
		lm_alloc_fail_at(n);
		err = lm_mime_handler_new(&params, &handler, NULL);
		lm_alloc_fail_at(0);
		assert_true(err == 0 || err == LM_E_NOMEM);
		assert_true(n < 100);
	}
	lm_mime_handler_free(handler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_name_and_one_password),
		cmocka_unit_test(only_who_is_listed),
		cmocka_unit_test(nobody_without_a_password),
		cmocka_unit_test(a_name_in_use_in_any_case),
		cmocka_unit_test(retrieving_consumes),
		cmocka_unit_test(a_message_is_there_for_the_whole_session),
		cmocka_unit_test(leaving_without_quit_marks_the_last),
		cmocka_unit_test(deleted_messages_are_archived_at_quit),
		cmocka_unit_test(large_messages_wait_in_a_file),
		cmocka_unit_test(what_cannot_be_handed_out_stays),
		cmocka_unit_test(sessions_may_go_at_any_time),
		cmocka_unit_test(uidls_are_allowed_and_unique),
		cmocka_unit_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
