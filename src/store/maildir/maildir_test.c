/* What only the Maildir store promises: files of other programs, their renames and removals, names
 * that stay inside, what a crash left, several processes. */
#include "lm_test.h"

#include "store/maildir/impl.h"
#include "store/rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const ann[] = { "ann" };
static const char *const both[] = { "ann", "bob" };

static const char *path_of(const struct rig *rig, const char *rest)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/mail.db/%s", rig->folder, rest);
	return path;
}

/* As another program delivers. */
static void put_file(const struct rig *rig, const char *rest, struct lm_bytes text)
{
	int fd = open(path_of(rig, rest), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len);
	close(fd);
}

static void make_maildir(const struct rig *rig, const char *name)
{
	static const char *const subs[] = { "", "/new", "/cur", "/tmp" };

	for (size_t i = 0; i < 4; i++) {
		char rest[100];

		snprintf(rest, sizeof(rest), "%s%s", name, subs[i]);
		assert_int_equal(mkdir(path_of(rig, rest), 0700), 0);
	}
}

/* The name of the only file in a folder. */
static const char *only_file(const struct rig *rig, const char *folder)
{
	static char name[300];
	DIR *dir = opendir(path_of(rig, folder));
	struct dirent *one;
	int count = 0;

	assert_non_null(dir);
	while ((one = readdir(dir)))
		if (one->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s", one->d_name);
			count++;
		}
	closedir(dir);
	assert_int_equal(count, 1);
	return name;
}

static int count_files(const struct rig *rig, const char *folder)
{
	DIR *dir = opendir(path_of(rig, folder));
	struct dirent *one;
	int count = 0;

	assert_non_null(dir);
	while ((one = readdir(dir)))
		count += one->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void rename_in(const struct rig *rig, const char *from, const char *to)
{
	char old[600];

	snprintf(old, sizeof(old), "%s", path_of(rig, from));
	assert_int_equal(rename(old, path_of(rig, to)), 0);
}

/* One message as POP3 would see it. */
static void expect_served(struct rig *rig, const char *user, size_t index, const char *uidl,
                          struct lm_bytes want, uint64_t octets)
{
	struct rig_box box;
	struct lm_buf got;

	lm_buf_init(&got, 4 << 20);
	assert_err(rig_open(rig, user, &box), 0);
	assert_true(index < box.count);
	if (uidl)
		assert_bytes(box.messages[index].uidl, lm_str(uidl));
	assert_int_equal(box.messages[index].octets, octets);
	assert_err(rig_read(rig, &box, box.messages[index].id, &got), 0);
	assert_bytes(lm_buf_bytes(&got), want);
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&got);
}

static void files_of_others_are_served_with_crlf(void **state)
{
	struct rig *rig = *state;

	make_maildir(rig, "ann");
	put_file(rig, "ann/new/1000.1.host", lm_str("Subject: a\n\nbody\n.\n"));
	put_file(rig, "ann/cur/1001.M5P1.host,S=10,W=12:2,S", lm_str("a: b\n\nno end"));
	put_file(rig, "ann/cur/1001.M4P1.host:2,RS", lm_str("a: b\r\n\r\nwith CRLF\r\nand \n"));
	put_file(rig, "ann/cur/1002.x.host:2,", lm_str(""));
	put_file(rig, "ann/cur/1003.x.host:2,", lm_str("no line end"));
	assert_int_equal(rig_count(rig, "ann"), 5);
	expect_served(rig, "ann", 0, "1000.1.host", lm_str("Subject: a\r\n\r\nbody\r\n.\r\n"), 23);
	expect_served(rig, "ann", 1, "1001.M4P1.host", lm_str("a: b\r\n\r\nwith CRLF\r\nand \n"),
	              26);
	expect_served(rig, "ann", 2, "1001.M5P1.host", lm_str("a: b\r\n\r\nno end"), 16);
	expect_served(rig, "ann", 3, "1002.x.host", lm_str(""), 0);
	expect_served(rig, "ann", 4, "1003.x.host", lm_str("no line end"), 13);
}

static void a_large_file_of_others_is_converted_in_pieces(void **state)
{
	struct rig *rig = *state;
	struct lm_buf lf, crlf, got;
	struct rig_box box;
	static const uint64_t offsets[] = { 0, 200000, 70000, 70001, 299999, 5, 131072 };

	lm_buf_init(&lf, 1 << 20);
	lm_buf_init(&crlf, 1 << 20);
	lm_buf_init(&got, 1 << 20);
	for (int i = 0; lm_buf_len(&crlf) < 300000; i++) {
		assert_err(lm_buf_printf(&lf, "%*d\n", i % 70, i), 0);
		assert_err(lm_buf_printf(&crlf, "%*d\r\n", i % 70, i), 0);
	}
	make_maildir(rig, "ann");
	put_file(rig, "ann/new/1.1.h", lm_buf_bytes(&lf));
	assert_err(rig_open(rig, "ann", &box), 0);
	assert_int_equal(box.messages[0].octets, lm_buf_len(&crlf));
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), 0);
	assert_true(lm_bytes_equal(lm_buf_bytes(&got), lm_buf_bytes(&crlf)));
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		struct wait_op wait;

		rig->store->ops->message_read(box.mailbox, box.messages[0].id, offsets[i],
		                              &wait_start(rig, &wait)->op);
		assert_err(wait_for(rig, &wait), 0);
		assert_true(wait.op.chunk.len > 0);
		assert_memory_equal(wait.op.chunk.data, crlf.data + offsets[i], wait.op.chunk.len);
	}
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&lf);
	lm_buf_done(&crlf);
	lm_buf_done(&got);
}

static void what_was_renamed_is_found_again(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	struct lm_buf got;

	lm_buf_init(&got, 1000);
	make_maildir(rig, "ann");
	put_file(rig, "ann/new/1.1.h", lm_str("one\r\n"));
	put_file(rig, "ann/cur/2.1.h:2,", lm_str("two\r\n"));
	put_file(rig, "ann/cur/3.1.h:2,", lm_str("three\r\n"));
	assert_err(rig_open(rig, "ann", &box), 0);
	rename_in(rig, "ann/new/1.1.h", "ann/cur/1.1.h:2,S");
	rename_in(rig, "ann/cur/2.1.h:2,", "ann/cur/2.1.h:2,FRS");
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), 0);
	assert_err(rig_read(rig, &box, box.messages[1].id, &got), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str("one\r\ntwo\r\n"));
	rename_in(rig, "ann/cur/3.1.h:2,", "ann/new/3.1.h");
	assert_err(
	        rig_expunge(rig, &box, (uint64_t[]){ box.messages[0].id, box.messages[2].id }, 2),
	        0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "ann"), 1);
	expect_served(rig, "ann", 0, "2.1.h", lm_str("two\r\n"), 5);
	lm_buf_done(&got);
}

static void what_is_gone_is_not_found(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	struct lm_buf got;
	uint64_t ids[2];

	lm_buf_init(&got, 1000);
	for (int i = 0; i < 2; i++)
		assert_err(rig_deliver(rig, "ann", lm_str("text\r\n")), 0);
	make_maildir(rig, "bob");
	put_file(rig, "bob/new/1.1.h", lm_str("one\r\n"));
	put_file(rig, "bob/new/2.1.h", lm_str("two\r\n"));
	assert_err(rig_open(rig, "bob", &box), 0);
	assert_int_equal(unlink(path_of(rig, "bob/new/1.1.h")), 0);
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), LM_E_NOT_FOUND);
	assert_err(rig_read(rig, &box, box.messages[1].id, &got), 0);
	ids[0] = box.messages[1].id;
	ids[1] = box.messages[0].id;
	assert_err(rig_move(rig, &box, ids, 2, "ann"), LM_E_NOT_FOUND);
	assert_int_equal(rig_count(rig, "ann"), 2);
	/* To remove what is gone is no failure. */
	assert_err(rig_expunge(rig, &box, ids, 2), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "bob"), 0);
	lm_buf_done(&got);
}

static void what_is_no_file_is_not_followed(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	char secret[600];

	make_maildir(rig, "ann");
	put_file(rig, "secret", lm_str("not mail\n"));
	snprintf(secret, sizeof(secret), "%s", path_of(rig, "secret"));
	assert_int_equal(symlink(secret, path_of(rig, "ann/new/1.1.h")), 0);
	assert_int_equal(mkfifo(path_of(rig, "ann/new/2.1.h"), 0600), 0);
	assert_int_equal(mkdir(path_of(rig, "ann/cur/3.1.h"), 0700), 0);
	put_file(rig, "ann/new/.hidden", lm_str("not mail\n"));
	assert_int_equal(rig_count(rig, "ann"), 0);
	/* Nor are folders. */
	assert_int_equal(symlink(rig->folder, path_of(rig, "bob")), 0);
	assert_err(rig_deliver(rig, "bob", lm_str("text\r\n")), LM_E_STORE);
	assert_err(rig_open(rig, "bob", &box), LM_E_STORE);
	assert_int_equal(symlink(rig->folder, path_of(rig, "ann/.sub")), 0);
	assert_err(rig_deliver(rig, "ann/sub", lm_str("text\r\n")), LM_E_STORE);
	assert_int_equal(access(path_of(rig, "../new"), F_OK), -1);
}

/* A file that becomes a symbolic link under an open session. */
static void a_link_put_in_place_of_a_file_is_not_read(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	struct lm_buf got;

	lm_buf_init(&got, 1000);
	make_maildir(rig, "ann");
	put_file(rig, "secret", lm_str("not mail\n"));
	put_file(rig, "ann/new/1.1.h", lm_str("mail\r\n"));
	assert_err(rig_open(rig, "ann", &box), 0);
	assert_int_equal(unlink(path_of(rig, "ann/new/1.1.h")), 0);
	assert_int_equal(symlink("../../secret", path_of(rig, "ann/new/1.1.h")), 0);
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), LM_E_CORRUPT);
	assert_int_equal(lm_buf_len(&got), 0);
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&got);
}

static void expect_place(const char *pattern, const char *name, const char *want)
{
	char place[LM_MD_PLACE_MAX];

	assert_err(lm_md_place(pattern, lm_str(name), place), 0);
	assert_string_equal(place, want);
}

static void names_never_leave_the_folder(void **state)
{
	char place[LM_MD_PLACE_MAX];

	(void)state;
	expect_place(NULL, "ann", "ann");
	expect_place(NULL, "ann@example.org", "ann@example.org");
	expect_place(NULL, "", ".");
	expect_place(NULL, "/staged", "./.staged");
	expect_place(NULL, "ann/staged", "ann/.staged");
	expect_place(NULL, "..", "=2e.");
	expect_place(NULL, ".", "=2e");
	expect_place(NULL, "../../etc", "=2e./.=2e=2e=2fetc");
	expect_place(NULL, "ann/../x", "ann/.=2e=2e=2fx");
	expect_place(NULL, "new", "=6eew");
	expect_place(NULL, "lettermill.guids", "=6cettermill.guids");
	expect_place(NULL, "a b=%\n", "a=20b=3d=25=0a");
	expect_place("%u/Maildir", "ann", "ann/Maildir");
	expect_place("x-%u/%u", "%u", "x-=25u/=25u");
	expect_place("%u/Maildir", "ann/dup", "ann/Maildir/.dup");
	assert_err(lm_md_place("%u", lm_str(""), place), LM_E_SYNTAX);
	assert_err(lm_md_place("%u", lm_str("/tag"), place), LM_E_SYNTAX);
	assert_err(lm_md_place(NULL, lm_str("ann/"), place), LM_E_SYNTAX);
}

static void long_names_stay_apart(void **state)
{
	struct rig *rig = *state;
	char one[256], two[256];

	memset(one, '!', 255);
	one[255] = '\0';
	memcpy(two, one, 256);
	two[254] = '?';
	assert_err(rig_deliver(rig, one, lm_str("one\r\n")), 0);
	assert_err(rig_deliver(rig, two, lm_str("two\r\n")), 0);
	rig_expect(rig, one, 0, lm_str("one\r\n"));
	rig_expect(rig, two, 0, lm_str("two\r\n"));
}

static void the_folder_itself_is_a_mailbox(void **state)
{
	struct rig *rig = *state;
	static const char *const none[] = { "" };

	assert_err(rig_deliver_to(rig, none, 1, lm_str("here\r\n"), 10), 0);
	assert_err(rig_deliver(rig, "/archive", lm_str("there\r\n")), 0);
	assert_err(rig_deliver(rig, "new", lm_str("a user\r\n")), 0);
	rig_expect(rig, "", 0, lm_str("here\r\n"));
	assert_int_equal(count_files(rig, "new"), 1);
	assert_int_equal(count_files(rig, ".archive/new"), 1);
	assert_int_equal(access(path_of(rig, ".archive/maildirfolder"), F_OK), 0);
	assert_int_equal(rig_count(rig, ""), 1);
	rig_expect(rig, "new", 0, lm_str("a user\r\n"));
}

static void file_names_say_what_dovecot_reads(void **state)
{
	struct rig *rig = *state;
	struct lm_md_name parsed;
	const char *name;

	assert_err(rig_deliver_guid(rig, ann, 1, "g", lm_str("a: b\r\n\r\nx\n")), 0);
	name = only_file(rig, "ann/new");
	assert_non_null(strstr(name, ",S=10,W=11"));
	lm_md_name_parse(name, &parsed);
	assert_true(parsed.own && parsed.has_guid && !parsed.ends);
	assert_int_equal(parsed.size, 10);
	assert_null(memchr(name, ',', parsed.unique));
	assert_int_equal(name[parsed.unique], ',');
	lm_md_name_parse("12.M34P5.h,x,S=7,W=9:2,S", &parsed);
	assert_int_equal(parsed.sec, 12);
	assert_int_equal(parsed.usec, 34);
	assert_int_equal(parsed.unique, strlen("12.M34P5.h,x"));
	assert_false(parsed.own);
	lm_md_name_parse("no time at all,S=,W=x,L=q,G=12", &parsed);
	assert_int_equal(parsed.sec, 0);
	assert_false(parsed.own || parsed.has_guid);
	assert_int_equal(parsed.unique, strlen("no time at all,S=,W=x,L=q,G=12"));
}

static void odd_names_get_a_uidl_that_pop3_can_say(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;

	make_maildir(rig, "ann");
	put_file(rig, "ann/new/1.with space.h", lm_str("x\r\n"));
	put_file(rig, "ann/new/1.with\nline end.h", lm_str("x\r\n"));
	put_file(rig,
	         "ann/new/"
	         "1.long.hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh",
	         lm_str("x\r\n"));
	assert_err(rig_open(rig, "ann", &box), 0);
	assert_int_equal(box.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_in_range(box.messages[i].uidl.len, 1, 70);
		for (size_t k = 0; k < box.messages[i].uidl.len; k++)
			assert_in_range(box.messages[i].uidl.data[k], 0x21, 0x7E);
		for (size_t k = 0; k < i; k++)
			assert_false(lm_bytes_equal(box.messages[i].uidl, box.messages[k].uidl));
	}
	assert_err(rig_close(rig, &box), 0);
}

static void a_truncated_file_is_damage(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	struct lm_buf got;
	char rest[400];

	lm_buf_init(&got, 1000);
	assert_err(rig_deliver(rig, "ann", lm_str("some text\r\n")), 0);
	assert_err(rig_open(rig, "ann", &box), 0);
	snprintf(rest, sizeof(rest), "ann/new/%s", only_file(rig, "ann/new"));
	assert_int_equal(truncate(path_of(rig, rest), 4), 0);
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), LM_E_CORRUPT);
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&got);
}

struct problems {
	int count;
	char text[4000];
};

static void note(void *ctx, const char *problem)
{
	struct problems *p = ctx;
	size_t len = strlen(p->text);

	p->count++;
	snprintf(p->text + len, sizeof(p->text) - len, "%s\n", problem);
}

static void check_names_what_is_wrong(void **state)
{
	struct rig *rig = *state;
	struct problems p = { 0 };
	char rest[400];

	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("some text\r\n")), 0);
	assert_err(rig_deliver(rig, "bob/tag", lm_str("fine\r\n")), 0);
	assert_err(lm_store_check(rig->url, note, &p, NULL), 0);
	assert_int_equal(p.count, 0);
	snprintf(rest, sizeof(rest), "ann/new/%s", only_file(rig, "ann/new"));
	assert_int_equal(truncate(path_of(rig, rest), 4), 0);
	assert_int_equal(symlink("/etc/passwd", path_of(rig, "bob/.tag/cur/1.1.h:2,")), 0);
	put_file(rig, "ann/lettermill.guids",
	         lm_str("+this is not a line of hex digits.\n"
	                "torn"));
	assert_err(lm_store_check(rig->url, note, &p, NULL), LM_E_CORRUPT);
	assert_int_equal(p.count, 3);
	assert_non_null(strstr(p.text, "4 octets, its name says 11"));
	assert_non_null(strstr(p.text, "bob/.tag/cur/1.1.h:2,: no regular file"));
	assert_non_null(strstr(p.text, "lettermill.guids: damaged in line 1"));
	assert_err(lm_store_check("maildir:/nowhere/at/all", note, &p, NULL), LM_E_NOT_FOUND);
}

static void stale_files_in_tmp_are_swept(void **state)
{
	struct rig *rig = *state;
	struct timespec old[2] = { { .tv_sec = time(NULL) - 37 * 3600 },
		                   { .tv_sec = time(NULL) - 37 * 3600 } };

	make_maildir(rig, "ann");
	put_file(rig, "ann/tmp/old", lm_str("x"));
	put_file(rig, "ann/tmp/young", lm_str("x"));
	assert_int_equal(utimensat(AT_FDCWD, path_of(rig, "ann/tmp/old"), old, 0), 0);
	assert_int_equal(rig_count(rig, "ann"), 0);
	assert_string_equal(only_file(rig, "ann/tmp"), "young");
}

static void processes_share_a_maildir(void **state)
{
	struct rig *rig = *state, other = *rig;
	struct rig_box box, second;

	assert_err(lm_store_open(rig->url, &other.store, NULL), 0);
	assert_err(rig_open(rig, "ann", &box), 0);
	assert_err(rig_open(&other, "ann", &second), LM_E_IN_USE);
	assert_err(rig_deliver_guid(&other, ann, 1, "1", lm_str("one\r\n")), 0);
	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("again\r\n")), LM_E_EXISTS);
	assert_err(rig_deliver_guid(rig, ann, 1, "2", lm_str("two\r\n")), 0);
	assert_true(rig_knows(&other, "ann", "2"));
	assert_err(rig_deliver_guid(&other, both, 2, "2", lm_str("again\r\n")), LM_E_EXISTS);
	assert_err(rig_close(rig, &box), 0);
	assert_err(rig_open(&other, "ann", &second), 0);
	assert_int_equal(second.count, 2);
	assert_err(rig_close(&other, &second), 0);
	lm_store_close(other.store);
}

static void guids_survive_a_lost_index(void **state)
{
	struct rig *rig = *state;

	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("one\r\n")), 0);
	assert_int_equal(unlink(path_of(rig, "ann/lettermill.guids")), 0);
	rig_reopen(rig);
	assert_true(rig_knows(rig, "ann", "1"));
	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("again\r\n")), LM_E_EXISTS);
}

static void set_state(const struct rig *rig, char state)
{
	int fd = open(path_of(rig, "ann/lettermill.guids"), O_RDWR);

	assert_int_equal(pwrite(fd, &state, 1, 0), 1);
	close(fd);
}

static void what_was_under_way_is_told_by_the_names(void **state)
{
	struct rig *rig = *state;
	char rest[400];

	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("one\r\n")), 0);
	set_state(rig, '?'); /* killed behind the rename */
	rig_reopen(rig);
	assert_true(rig_knows(rig, "ann", "1"));
	snprintf(rest, sizeof(rest), "ann/new/%s", only_file(rig, "ann/new"));
	assert_int_equal(unlink(path_of(rig, rest)), 0);
	rig_reopen(rig);
	assert_true(rig_knows(rig, "ann", "1")); /* it was noted for good */
	set_state(rig, '?');                     /* killed before it */
	rig_reopen(rig);
	assert_false(rig_knows(rig, "ann", "1"));
	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("one\r\n")), 0);
	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("one\r\n")), LM_E_EXISTS);
}

static void a_torn_tail_is_written_over(void **state)
{
	struct rig *rig = *state;
	struct problems p = { 0 };
	struct stat st;

	assert_err(rig_deliver_guid(rig, ann, 1, "1", lm_str("one\r\n")), 0);
	assert_int_equal(stat(path_of(rig, "ann/lettermill.guids"), &st), 0);
	assert_int_equal(truncate(path_of(rig, "ann/lettermill.guids"), st.st_size + 20), 0);
	rig_reopen(rig);
	assert_err(rig_deliver_guid(rig, ann, 1, "2", lm_str("two\r\n")), 0);
	rig_reopen(rig);
	assert_true(rig_knows(rig, "ann", "1"));
	assert_true(rig_knows(rig, "ann", "2"));
	assert_err(lm_store_check(rig->url, note, &p, NULL), 0);
}

static void put_plan(const struct rig *rig, const char *head, const struct rig_box *box)
{
	struct lm_buf text;

	lm_buf_init(&text, 1000);
	assert_err(lm_buf_add(&text, lm_bytes(head, strlen(head) + 1)), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_err(lm_buf_add(&text, box->messages[i].uidl), 0);
		assert_err(lm_buf_add(&text, lm_bytes("", 1)), 0);
	}
	put_file(rig, "ann/lettermill.change", lm_buf_bytes(&text));
	lm_buf_done(&text);
}

static void a_change_that_was_cut_short_is_finished(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;

	for (int i = 0; i < 4; i++)
		assert_err(rig_deliver(rig, "ann", lm_str("text\r\n")), 0);
	assert_err(rig_open(rig, "ann", &box), 0);
	put_plan(rig, "lettermill-change>bob", &box);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "ann"), 2);
	assert_int_equal(rig_count(rig, "bob"), 2);
	assert_int_equal(rig_count(rig, "ann"), 2); /* once */
	assert_err(rig_open(rig, "ann", &box), 0);
	put_plan(rig, "lettermill-change!", &box);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "ann"), 0);
	assert_int_equal(rig_count(rig, "bob"), 2);
	put_file(rig, "ann/lettermill.change", lm_str("somebody else's file"));
	assert_int_equal(rig_count(rig, "ann"), 0);
}

/* As a process leaves it that was killed between two links. */
static void a_delivery_to_several_is_finished(void **state)
{
	struct rig *rig = *state;
	static const char text[] = "1.tmp\0001.M1P1R1.h,L=c,S=6,W=6\0ann\0bob\0\0"
	                           "2.tmp\0002.M1P1R1.h,L=c,S=6,W=6\0ann\0bob\0\0"
	                           "3.tmp\0003.M1P1R1.h,L=c,S=6,W=6\0ann\0bo";

	make_maildir(rig, "ann");
	lm_store_close(rig->store);
	put_file(rig, "ann/tmp/1.tmp", lm_str("one..\n"));
	put_file(rig, "ann/tmp/2.tmp", lm_str("two..\n"));
	put_file(rig, "ann/tmp/3.tmp", lm_str("three\n"));
	/* The second was linked to bob already, and ann has removed hers. */
	make_maildir(rig, "bob");
	put_file(rig, "bob/cur/2.M1P1R1.h,L=c,S=6,W=6:2,S", lm_str("two..\n"));
	put_file(rig, "lettermill.deliveries.1-1", lm_bytes(text, sizeof(text)));
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	assert_int_equal(rig_count(rig, "ann"), 1);
	assert_int_equal(rig_count(rig, "bob"), 2);
	assert_string_equal(only_file(rig, "ann/tmp"), "3.tmp"); /* its record was not whole */
	assert_int_equal(access(path_of(rig, "lettermill.deliveries.1-1"), F_OK), -1);
}

static void a_folder_that_was_replaced_is_noticed(void **state)
{
	struct rig *rig = *state;

	assert_err(rig_deliver(rig, "ann", lm_str("old\r\n")), 0);
	rename_in(rig, "ann", "ann.away");
	assert_int_equal(rig_count(rig, "ann"), 0);
	assert_err(rig_deliver(rig, "ann", lm_str("new\r\n")), 0);
	assert_int_equal(rig_count(rig, "ann"), 1);
	assert_int_equal(count_files(rig, "ann.away/new"), 1);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
	struct rig *rig = *state;
	static uint8_t data[200000];
	int err = 0, stored = 0;
	char rest[600];
	struct problems p = { 0 };

	lm_store_close(rig->store);
	if (mount("none", path_of(rig, ""), "tmpfs", 0, "size=2m")) {
		assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
		lm_test_skip("mount is not permitted here");
	}
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	while (!err && stored < 1000) {
		rig_fill(data, sizeof(data), (unsigned)stored);
		err = rig_deliver_guid(rig, ann, 1, stored ? "x" : "y",
		                       lm_bytes(data, sizeof(data)));
		err = err ? err : rig_deliver(rig, "ann", lm_bytes(data, sizeof(data)));
		stored += !err;
		if (err == LM_E_EXISTS)
			err = rig_deliver(rig, "ann", lm_bytes(data, sizeof(data)));
	}
	assert_err(err, LM_E_FULL);
	assert_true(stored > 0);
	rig_reopen(rig); /* tidying is over */
	assert_int_equal(count_files(rig, "ann/tmp"), 0);
	assert_err(lm_store_check(rig->url, note, &p, NULL), 0);
	while (count_files(rig, "ann/new") > 1) {
		struct rig_box box;

		assert_err(rig_open(rig, "ann", &box), 0);
		assert_err(rig_expunge(rig, &box, &box.messages[0].id, 1), 0);
		assert_err(rig_close(rig, &box), 0);
	}
	assert_err(rig_deliver(rig, "ann", lm_bytes(data, sizeof(data))), 0);
	snprintf(rest, sizeof(rest), "%s", path_of(rig, ""));
	lm_store_close(rig->store);
	assert_int_equal(umount2(rest, MNT_DETACH), 0);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
}

static void paths_that_cannot_be_are_named(void **state)
{
	struct lm_store *store;
	struct lm_error error;
	char file[] = "/tmp/lm-file-XXXXXX", url[100];
	int fd = mkstemp(file);

	(void)state;
	assert_err(lm_store_open("maildir:", &store, &error), LM_E_CONFIG);
	assert_err(lm_store_open("maildir:/nowhere/at/all", &store, &error), LM_E_IO);
	assert_non_null(strstr(error.text, "/nowhere/at/all"));
	assert_err(lm_store_open("maildir:/nowhere/at/%u/all", &store, &error), LM_E_IO);
	assert_non_null(strstr(error.text, "/nowhere/at"));
	snprintf(url, sizeof(url), "maildir:%s", file);
	assert_err(lm_store_open(url, &store, &error), LM_E_IO);
	assert_non_null(strstr(error.text, file));
	close(fd);
	unlink(file);
}

/* What is written by name alone must not need the files again. */
static void own_messages_are_listed_without_reading(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	char rest[400];

	assert_err(rig_deliver(rig, "ann", lm_str("text")), 0);
	snprintf(rest, sizeof(rest), "ann/new/%s", only_file(rig, "ann/new"));
	assert_int_equal(truncate(path_of(rig, rest), 0), 0);
	rig_reopen(rig);
	assert_err(rig_open(rig, "ann", &box), 0);
	assert_int_equal(box.messages[0].octets, 6);
	assert_err(rig_close(rig, &box), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		T(files_of_others_are_served_with_crlf),
		T(a_large_file_of_others_is_converted_in_pieces),
		T(what_was_renamed_is_found_again),
		T(what_is_gone_is_not_found),
		T(what_is_no_file_is_not_followed),
		T(a_link_put_in_place_of_a_file_is_not_read),
		cmocka_unit_test(names_never_leave_the_folder),
		T(long_names_stay_apart),
		T(the_folder_itself_is_a_mailbox),
		T(file_names_say_what_dovecot_reads),
		T(odd_names_get_a_uidl_that_pop3_can_say),
		T(a_truncated_file_is_damage),
		T(check_names_what_is_wrong),
		T(stale_files_in_tmp_are_swept),
		T(processes_share_a_maildir),
		T(guids_survive_a_lost_index),
		T(what_was_under_way_is_told_by_the_names),
		T(a_torn_tail_is_written_over),
		T(a_change_that_was_cut_short_is_finished),
		T(a_delivery_to_several_is_finished),
		T(a_folder_that_was_replaced_is_noticed),
		T(a_full_disk_refuses_and_recovers),
		cmocka_unit_test(paths_that_cannot_be_are_named),
		T(own_messages_are_listed_without_reading),
	};

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tests[i].initial_state = (void *)(uintptr_t) "maildir:@";
	return cmocka_run_group_tests_name("maildir", tests, NULL, NULL);
}
