/* Removing and moving messages. A change to several is written down first, so that what a crash
 * interrupts is finished by whoever opens the mailbox next. */
#include "store/maildir/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAN "lettermill.change"
#define HEAD "lettermill-change"

enum { PLAN_MAX = 1 << 28 };

struct change {
	struct lm_md_folder *from;
	struct lm_md_folder *to; /* NULL: remove */
	bool touched[LM_MD_SUBS];
};

/* To a name of its own where another file has it there. */
static int move_file(struct change *c, const char *name, enum lm_md_sub sub)
{
	struct lm_md_name parsed;
	struct lm_md_stamp stamp;
	char fresh[2 * LM_MD_NAME_MAX];
	int err = lm_md_rename(c->from->subs[sub], name, c->to->subs[sub], name);

	if (err != LM_E_EXISTS)
		return err;
	lm_md_name_parse(name, &parsed);
	lm_md_stamp_next(c->from->md, &stamp);
	lm_md_name_make(c->from->md, &stamp, NULL, fresh);
	memcpy(fresh + strlen(fresh), name + parsed.unique, strlen(name + parsed.unique) + 1);
	return lm_md_rename(c->from->subs[sub], name, c->to->subs[sub], fresh);
}

static int do_file(struct change *c, const char *name, enum lm_md_sub sub)
{
	int err;

	if (c->to)
		err = move_file(c, name, sub);
	else
		err = unlinkat(c->from->subs[sub], name, 0) ? lm_md_errno(errno) : 0;
	if (!err)
		c->touched[sub] = true;
	return err;
}

/* What is gone already needs nothing. */
static int do_entry(struct change *c, const struct lm_md_entry *entry)
{
	char name[LM_MD_NAME_MAX + 1];
	enum lm_md_sub sub = entry->sub;
	int err = do_file(c, entry->name, sub);

	for (int tries = 0; err == LM_E_NOT_FOUND && tries < 5; tries++) {
		if (lm_md_find(c->from, lm_bytes(entry->name, entry->unique), name, &sub))
			return 0;
		err = do_file(c, name, sub);
	}
	return err == LM_E_NOT_FOUND ? 0 : err;
}

/* The new place first: power may fail between the two. */
static int sync_subs(const struct change *c)
{
	int err = 0;

	for (int i = 0; i < LM_MD_SUBS && !err; i++) {
		if (c->touched[i] && c->to)
			err = lm_md_sync(c->to->subs[i]);
		if (c->touched[i] && !err)
			err = lm_md_sync(c->from->subs[i]);
	}
	return err;
}

/* HEAD with '>' and the target, or '!' to remove, then the unique parts; each ends in NUL. */
static int plan_text(const struct lm_md_box *box, const size_t *indexes, size_t count,
                     struct lm_bytes to, bool moves, struct lm_buf *out)
{
	int err = lm_buf_add_str(out, moves ? HEAD ">" : HEAD "!");

	if (!err)
		err = lm_buf_add(out, to);
	if (!err)
		err = lm_buf_add(out, lm_bytes("", 1));
	for (size_t i = 0; i < count && !err; i++) {
		const struct lm_md_entry *entry = &box->listing->entries[indexes[i]];

		err = lm_buf_add(out, lm_bytes(entry->name, entry->unique));
		if (!err)
			err = lm_buf_add(out, lm_bytes("", 1));
	}
	return err;
}

static int plan_write(const struct lm_md_folder *folder, struct lm_bytes text)
{
	int fd = openat(folder->fd, PLAN ".new",
	                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	int err = fd >= 0 ? lm_md_write(fd, text) : lm_md_errno(errno);

	if (!err)
		err = lm_md_sync(fd);
	if (fd >= 0)
		close(fd);
	if (!err && renameat(folder->fd, PLAN ".new", folder->fd, PLAN))
		err = lm_md_errno(errno);
	return err ? err : lm_md_sync(folder->fd);
}

static int plan(const struct lm_md_box *box, const size_t *indexes, size_t count,
                struct lm_bytes to, bool moves)
{
	struct lm_buf text;
	int err;

	lm_buf_init(&text, PLAN_MAX);
	err = plan_text(box, indexes, count, to, moves, &text);
	if (!err)
		err = plan_write(box->folder, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return err;
}

/* Synced, or it would be carried out again when the messages have come back. */
static int plan_remove(const struct lm_md_folder *folder)
{
	if (unlinkat(folder->fd, PLAN, 0))
		return lm_md_errno(errno);
	return lm_md_sync(folder->fd);
}

static int carry_out(struct lm_md_box *box, struct change *c, const size_t *indexes, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		err = do_entry(c, &box->listing->entries[indexes[i]]);
		if (!err)
			box->gone[indexes[i]] = 1;
	}
	return err ? err : sync_subs(c);
}

/* What the names told of guids is the index's alone from now on. */
static int keep_guids(const struct lm_md_box *box, const size_t *indexes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct lm_md_name parsed;

		lm_md_name_parse(box->listing->entries[indexes[i]].name, &parsed);
		if (parsed.has_guid)
			return lm_md_guids_sync(box->folder);
	}
	return 0;
}

static int change_all(struct lm_md_box *box, struct change *c, const size_t *indexes, size_t count,
                      struct lm_bytes to)
{
	int err = keep_guids(box, indexes, count), later;

	if (!err && count > 1)
		err = plan(box, indexes, count, to, c->to != NULL);
	if (err)
		return err;
	err = carry_out(box, c, indexes, count);
	later = count > 1 ? plan_remove(box->folder) : 0;
	return err ? err : later;
}

/* Each index once. Errors: LM_E_NOT_FOUND, LM_E_NOMEM. */
static int resolve(struct lm_md_box *box, const uint64_t *ids, size_t count, size_t *out_indexes,
                   size_t *out_count)
{
	size_t n = 0;

	if (count && !box->listing)
		return LM_E_NOT_FOUND;
	if (count && !box->gone)
		box->gone = lm_alloc_zero(box->listing->count + 1, 1);
	if (count && !box->gone)
		return LM_E_NOMEM;
	for (size_t i = 0; i < count; i++) {
		size_t index;

		if (!lm_md_listing_find(box->listing, ids[i], &index) || box->gone[index] == 1)
			return LM_E_NOT_FOUND;
		if (box->gone[index] == 2) /* the same id twice */
			continue;
		box->gone[index] = 2;
		out_indexes[n++] = index;
	}
	*out_count = n;
	return 0;
}

/* What was only marked is there still. */
static void unmark(struct lm_md_box *box)
{
	for (size_t i = 0; box->gone && i < box->listing->count; i++)
		if (box->gone[i] == 2)
			box->gone[i] = 0;
}

int lm_md_expunge(struct lm_md_box *box, const uint64_t *ids, size_t count)
{
	struct change c = { .from = box->folder };
	size_t *indexes = lm_alloc((count + 1) * sizeof(*indexes)), n = 0;
	int err = indexes ? resolve(box, ids, count, indexes, &n) : LM_E_NOMEM;

	if (!err)
		err = change_all(box, &c, indexes, n, lm_bytes(NULL, 0));
	unmark(box);
	lm_free(indexes);
	return err;
}

static int all_there(const struct lm_md_box *box, const size_t *indexes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct lm_md_entry *entry = &box->listing->entries[indexes[i]];
		char name[LM_MD_NAME_MAX + 1];
		enum lm_md_sub sub;
		int err = faccessat(box->folder->subs[entry->sub], entry->name, F_OK,
		                    AT_SYMLINK_NOFOLLOW);

		if (err)
			err = lm_md_find(box->folder, lm_bytes(entry->name, entry->unique), name,
			                 &sub);
		if (err)
			return err;
	}
	return 0;
}

static int move_to(struct lm_md_box *box, const size_t *indexes, size_t count, struct lm_bytes to)
{
	struct change c = { .from = box->folder };
	int err = lm_md_folder_get(box->folder->md, to, true, &c.to);

	if (!err && c.to != box->folder)
		err = change_all(box, &c, indexes, count, to);
	lm_md_folder_unref(c.to);
	return err;
}

int lm_md_move(struct lm_md_box *box, const uint64_t *ids, size_t count, struct lm_bytes to)
{
	size_t *indexes = lm_alloc((count + 1) * sizeof(*indexes)), n = 0;
	int err = indexes ? resolve(box, ids, count, indexes, &n) : LM_E_NOMEM;

	if (!err)
		err = all_there(box, indexes, n);
	if (!err && n)
		err = move_to(box, indexes, n, to);
	unmark(box);
	lm_free(indexes);
	return err;
}

/* A plan somebody left. */
struct recovery {
	struct change change;
	struct lm_bytes *uniques;
	size_t count;
	enum lm_md_sub sub;
};

static int compare(const void *a, const void *b)
{
	const struct lm_bytes *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = n ? memcmp(x->data, y->data, n) : 0;

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int recover_file(void *ctx, const char *name, unsigned char type)
{
	struct recovery *r = ctx;
	struct lm_md_name parsed;
	struct lm_bytes unique;
	int err;

	(void)type;
	lm_md_name_parse(name, &parsed);
	unique = lm_bytes(name, parsed.unique);
	if (!bsearch(&unique, r->uniques, r->count, sizeof(unique), compare))
		return 0;
	err = do_file(&r->change, name, r->sub);
	return err == LM_E_NOT_FOUND ? 0 : err;
}

static int split(struct lm_bytes text, struct recovery *r)
{
	r->uniques = lm_alloc((text.len + 1) * sizeof(*r->uniques) / 2 + sizeof(*r->uniques));
	if (!r->uniques)
		return LM_E_NOMEM;
	while (text.len) {
		const uint8_t *end = memchr(text.data, 0, text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;

		if (len)
			r->uniques[r->count++] = lm_bytes(text.data, len);
		text = lm_bytes_from(text, len + (end != NULL));
	}
	qsort(r->uniques, r->count, sizeof(*r->uniques), compare);
	return 0;
}

static int follow(struct lm_md_folder *folder, struct lm_bytes text)
{
	const struct lm_bytes head = lm_str(HEAD);
	struct recovery r = { .change.from = folder };
	struct lm_bytes to;
	int err = 0;

	if (text.len < head.len + 2 || memcmp(text.data, head.data, head.len) != 0)
		return 0; /* nobody's plan: it was synced before it had its name */
	text = lm_bytes_from(text, head.len);
	to = lm_bytes(text.data + 1, strnlen((const char *)text.data + 1, text.len - 1));
	if (text.data[0] == '>')
		err = lm_md_folder_get(folder->md, to, true, &r.change.to);
	if (!err)
		err = split(lm_bytes_from(text, to.len + 2), &r);
	for (int i = LM_MD_NEW; i <= LM_MD_CUR && !err; i++) {
		r.sub = (enum lm_md_sub)i;
		err = lm_md_each(folder, r.sub, recover_file, &r);
	}
	if (!err)
		err = sync_subs(&r.change);
	lm_md_folder_unref(r.change.to);
	lm_free(r.uniques);
	return err;
}

static int read_plan(int fd, struct lm_buf *out)
{
	struct stat st;
	uint8_t *room;
	size_t got = 0;
	int err;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return LM_E_CORRUPT;
	lm_buf_init(out, PLAN_MAX);
	err = lm_buf_room(out, (size_t)st.st_size + 1, &room);
	if (err)
		return err;
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, room + got, (size_t)st.st_size - got);

		if (n <= 0)
			return LM_E_IO;
		got += (size_t)n;
	}
	lm_buf_grew(out, got);
	return 0;
}

int lm_md_recover(struct lm_md_folder *folder)
{
	int fd = openat(folder->fd, PLAN,
	                O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct lm_buf text = { .max = 0 };
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : lm_md_errno(errno);
	err = read_plan(fd, &text);
	close(fd);
	if (!err)
		err = follow(folder, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return err ? err : plan_remove(folder);
}
