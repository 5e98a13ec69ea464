/* Deliveries to several Maildirs: written down before the first link, so that what a crash
 * interrupts is finished at the next start, in every maildrop or in none.
 *
 * A file of each process's store, locked while it lives. A record is strings that end in NUL: the
 * name in tmp, the name in new, the places, and an empty one. The file in tmp goes last: without it
 * a record is done. */
#include "store/maildir/impl.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "lettermill.deliveries."

enum { JOURNAL_MAX = 64 << 20 };

static int make_file(struct lm_maildir *md)
{
	struct lm_md_journal *j = &md->journal;

	if (j->fd >= 0)
		return 0;
	snprintf(j->name, sizeof(j->name), PREFIX "%ld-%08x", (long)getpid(), md->serial);
	j->fd = openat(md->root_fd, j->name,
	               O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (j->fd < 0)
		return lm_md_errno(errno);
	if (flock(j->fd, LOCK_EX | LOCK_NB))
		return lm_md_errno(errno);
	return lm_md_sync(md->root_fd);
}

static int add(struct lm_buf *text, const char *string)
{
	return lm_buf_add(text, lm_bytes(string, strlen(string) + 1));
}

int lm_md_journal_note(struct lm_maildir *md, const struct lm_md_draft *draft)
{
	struct lm_buf *text = &md->journal.text;
	int err = add(text, draft->tmp_name);

	if (!err)
		err = add(text, draft->name);
	for (size_t i = 0; i < draft->folder_count && !err; i++)
		err = add(text, draft->folders[i]->place);
	return err ? err : add(text, "");
}

int lm_md_journal_write(struct lm_maildir *md)
{
	struct lm_md_journal *j = &md->journal;
	int err = make_file(md);

	if (!err && lseek(j->fd, 0, SEEK_SET) != 0)
		err = LM_E_IO;
	if (!err)
		err = lm_md_write(j->fd, lm_buf_bytes(&j->text));
	return err ? err : lm_md_sync(j->fd);
}

void lm_md_journal_clear(struct lm_maildir *md)
{
	struct lm_md_journal *j = &md->journal;

	if (lm_buf_len(&j->text) && j->fd >= 0 && ftruncate(j->fd, 0)) {
		/* A record whose file in tmp is gone is as good as none. */
	}
	lm_buf_clear(&j->text);
}

void lm_md_journal_done(struct lm_maildir *md)
{
	struct lm_md_journal *j = &md->journal;

	if (j->fd >= 0) {
		unlinkat(md->root_fd, j->name, 0);
		close(j->fd);
	}
	lm_buf_done(&j->text);
}

struct record {
	const char *tmp_name, *name;
	const char *places; /* one behind the other, each ends in NUL */
	size_t count;
};

static const char *place_of(const struct record *record, size_t index)
{
	const char *place = record->places;

	for (; index; index--)
		place += strlen(place) + 1;
	return place;
}

/* Cut one whole record off; false: there is none. */
static bool next_record(struct lm_bytes *text, struct record *out)
{
	*out = (struct record){ .tmp_name = "" };
	for (size_t field = 0;; field++) {
		const uint8_t *end = text->len ? memchr(text->data, 0, text->len) : NULL;
		const char *string = (const char *)text->data;

		if (!end)
			return false;
		*text = lm_bytes_from(*text, (size_t)(end - text->data) + 1);
		if (!*string)
			return out->count > 0;
		if (field == 0)
			out->tmp_name = string;
		else if (field == 1)
			out->name = string;
		else if (out->count++ == 0)
			out->places = string;
	}
}

static bool is_there(const struct lm_md_folder *folder, const char *name)
{
	char found[LM_MD_NAME_MAX + 1];
	struct lm_md_name parsed;
	enum lm_md_sub sub;

	lm_md_name_parse(name, &parsed);
	return lm_md_find(folder, lm_bytes(name, parsed.unique), found, &sub) == 0;
}

/* With the guids locked, where the message has one. */
static int link_checked(struct lm_md_folder *from, const struct record *record,
                        struct lm_md_folder *to, const struct lm_md_name *parsed)
{
	bool stored = true;
	uint64_t place;
	int err;

	if (parsed->has_guid && lm_md_guids_has(to, &parsed->guid))
		return 0;
	if (linkat(from->subs[LM_MD_TMP], record->tmp_name, to->subs[LM_MD_NEW], record->name, 0))
		return errno == EEXIST ? 0 : lm_md_errno(errno);
	err = lm_md_sync(to->subs[LM_MD_NEW]);
	if (err || !parsed->has_guid)
		return err;
	err = lm_md_guids_begin(to, &parsed->guid, 1, &place);
	if (!err)
		err = lm_md_guids_settle(to, place, &parsed->guid, &stored, 1);
	return err;
}

static int link_into(struct lm_md_folder *from, const struct record *record, const char *place)
{
	struct lm_md_folder *to = NULL;
	struct lm_md_name parsed;
	int err = lm_md_folder_at(from->md, place, true, &to);

	if (err)
		return err;
	lm_md_name_parse(record->name, &parsed);
	if (parsed.has_guid)
		err = lm_md_guids_lock(to);
	if (!err) {
		err = link_checked(from, record, to, &parsed);
		if (parsed.has_guid)
			lm_md_guids_unlock(to);
	}
	lm_md_folder_unref(to);
	return err;
}

/* Links were made in order: what stands before one that is there was made, too, and may have been
 * read and removed since. */
static size_t first_missing(struct lm_maildir *md, const struct record *record)
{
	for (size_t i = record->count; i > 0; i--) {
		struct lm_md_folder *folder = NULL;
		bool there;

		if (lm_md_folder_at(md, place_of(record, i - 1), false, &folder))
			continue;
		there = is_there(folder, record->name);
		lm_md_folder_unref(folder);
		if (there)
			return i;
	}
	return 0;
}

static int finish_record(struct lm_maildir *md, const struct record *record)
{
	struct lm_md_folder *from = NULL;
	int err = lm_md_folder_at(md, record->places, false, &from);

	if (err)
		return err == LM_E_NOT_FOUND ? 0 : err;
	if (faccessat(from->subs[LM_MD_TMP], record->tmp_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		for (size_t i = first_missing(md, record); i < record->count && !err; i++)
			err = link_into(from, record, place_of(record, i));
		if (!err)
			unlinkat(from->subs[LM_MD_TMP], record->tmp_name, 0);
	}
	lm_md_folder_unref(from);
	return err;
}

static int finish_file(struct lm_maildir *md, int fd)
{
	struct lm_buf text;
	struct lm_bytes rest;
	struct record record;
	struct stat st;
	uint8_t *room;
	int err = 0;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > JOURNAL_MAX)
		return LM_E_CORRUPT;
	lm_buf_init(&text, JOURNAL_MAX + 1);
	err = lm_buf_room(&text, (size_t)st.st_size + 1, &room);
	if (!err && pread(fd, room, (size_t)st.st_size, 0) != st.st_size)
		err = LM_E_IO;
	if (!err)
		lm_buf_grew(&text, (size_t)st.st_size);
	rest = lm_buf_bytes(&text);
	while (!err && next_record(&rest, &record))
		err = finish_record(md, &record);
	lm_buf_done(&text);
	return err;
}

/* A file that can be locked is nobody's any more. */
static int recover_file(struct lm_maildir *md, const char *name)
{
	int fd = openat(md->root_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : lm_md_errno(errno);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		err = finish_file(md, fd);
		if (!err)
			unlinkat(md->root_fd, name, 0);
	}
	close(fd);
	return err;
}

int lm_md_journal_recover(struct lm_maildir *md, struct lm_error *out_error)
{
	int fd = openat(md->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *one;

	md->journal.fd = -1;
	lm_buf_init(&md->journal.text, JOURNAL_MAX);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return lm_fail_errno(out_error, lm_md_errno(errno), errno, "maildir");
	}
	while (!err && (one = readdir(dir))) {
		if (strncmp(one->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		err = recover_file(md, one->d_name);
		if (err)
			lm_fail(out_error, err, "maildir: cannot finish %s: %s", one->d_name,
			        lm_err_text(err));
	}
	closedir(dir);
	return err;
}
