/* Where the files of a localfs store lie, and how they get elsewhere without overwriting any. */
#include "store/localfs/impl.h"

#include "base/error.h"
#include "store/store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* An item's name and what became of its file since the query. */
struct lm_localfs_move {
	uint64_t sum;
	char *name;
	struct lm_localfs_file now;
};

bool lm_localfs_is_file(const struct lm_localfs *l, const struct lm_localfs_file *file)
{
	struct stat st;

	return fstatat(l->dir[file->place], file->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

/* Where renameat2 is not to be had: a second name, then the first one taken away. */
static int rename_by_link(int from_dir, const char *from, int to_dir, const char *to)
{
	if (linkat(from_dir, from, to_dir, to, 0) != 0)
		return -1;
	return unlinkat(from_dir, from, 0);
}

int lm_localfs_rename(struct lm_localfs *l, const struct lm_localfs_file *from,
                      const struct lm_localfs_file *to, struct lm_error *out_error)
{
	int a = l->dir[from->place], b = l->dir[to->place];
	int done = renameat2(a, from->name, b, to->name, RENAME_NOREPLACE);

	if (done != 0 && (errno == EINVAL || errno == ENOSYS))
		done = rename_by_link(a, from->name, b, to->name);
	if (done != 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%s/%s%s", l->path,
		                     lm_localfs_folder(to->place), to->name);
	l->dirty[from->place] = l->dirty[to->place] = true;
	return 0;
}

int lm_localfs_rename_free(struct lm_localfs *l, const struct lm_localfs_file *from,
                           const char *stem, const char *infix, struct lm_localfs_file *to,
                           struct lm_error *out_error)
{
	int err = LM_E_EXISTS;

	for (unsigned n = 0; err == LM_E_EXISTS; n++) {
		if (!lm_localfs_variant(stem, n, infix, to->name))
			return lm_fail(out_error, LM_E_EXISTS, "%s: no name is free for %s",
			               l->path, stem);
		err = lm_localfs_rename(l, from, to, out_error);
	}
	return err;
}

void lm_localfs_forget_moves(struct lm_localfs *l)
{
	for (size_t i = 0; i < l->move_count; i++)
		lm_free(l->moves[i].name);
	lm_free(l->moves);
	l->moves = NULL;
	l->move_count = l->move_cap = 0;
}

static struct lm_localfs_move *find_move(struct lm_localfs *l, struct lm_bytes name)
{
	uint64_t sum = lm_checksum(name);

	for (size_t i = l->move_count; i > 0; i--) {
		struct lm_localfs_move *m = &l->moves[i - 1];

		if (m->sum == sum && lm_bytes_equal(lm_str(m->name), name))
			return m;
	}
	return NULL;
}

/* Room for one more; before the file moves, so that nothing is forgotten behind it. */
static int prepare_move(struct lm_localfs *l, struct lm_bytes name, struct lm_localfs_move **out)
{
	struct lm_localfs_move *moves = find_move(l, name);

	if (moves) {
		*out = moves;
		return 0;
	}
	if (l->move_count == l->move_cap) {
		size_t cap = l->move_cap ? l->move_cap * 2 : 16;

		moves = lm_realloc(l->moves, cap, sizeof(*moves));
		if (!moves)
			return LM_E_NOMEM;
		l->moves = moves;
		l->move_cap = cap;
	}
	*out = &l->moves[l->move_count];
	**out = (struct lm_localfs_move){ lm_checksum(name), lm_strdup_bytes(name), { 0 } };
	if (!(*out)->name)
		return LM_E_NOMEM;
	(void)!lm_localfs_parse(name, &(*out)->now);
	l->move_count++;
	return 0;
}

/* A name that was not asked for but typed: the file may rest elsewhere by now. */
static bool find_elsewhere(const struct lm_localfs *l, struct lm_localfs_file *file)
{
	static const char *const infixes[] = { ".pop3failed", ".decodeerror" };
	char name[NAME_MAX + 1], stem[NAME_MAX + 1];

	if (file->place != LM_AT_ROOT)
		return false;
	memcpy(name, file->name, sizeof(name));
	lm_localfs_strip(name, false, stem);
	for (unsigned p = LM_AT_ARCHIVE; p < LM_AT_PLACES; p++) {
		file->place = (enum lm_localfs_place)p;
		if (lm_localfs_is_file(l, file))
			return true;
	}
	file->place = LM_AT_ROOT;
	for (unsigned i = 0; i < 2; i++)
		if (lm_localfs_variant(stem, 0, infixes[i], file->name) &&
		    lm_localfs_is_file(l, file))
			return true;
	return false;
}

int lm_localfs_find(struct lm_localfs *l, struct lm_bytes name, struct lm_localfs_file *out_file,
                    struct lm_error *out_error)
{
	struct lm_localfs_move *move = find_move(l, name);
	bool known = move || lm_localfs_parse(name, out_file) == 0;

	if (move)
		*out_file = move->now;
	if (known && (lm_localfs_is_file(l, out_file) || (!move && find_elsewhere(l, out_file))))
		return 0;
	return lm_fail(out_error, LM_E_NOT_FOUND, "%s: no such message", l->path);
}

static int move_to(struct lm_localfs *l, const struct lm_localfs_file *from, enum lm_mime_tag tag,
                   struct lm_localfs_file *to, struct lm_error *out_error)
{
	char stem[NAME_MAX + 1];

	lm_localfs_strip(from->name, tag == LM_TAG_UNREAD, stem);
	switch (tag) {
	case LM_TAG_ARCHIVE:
		to->place = LM_AT_ARCHIVE;
		return lm_localfs_rename_free(l, from, stem, "", to, out_error);
	case LM_TAG_STAGED:
		to->place = LM_AT_STAGED;
		return lm_localfs_rename_free(l, from, stem, "", to, out_error);
	case LM_TAG_DUP:
		to->place = LM_AT_DUP;
		return lm_localfs_rename_free(l, from, stem, "", to, out_error);
	case LM_TAG_POP3FAILED:
		to->place = LM_AT_ROOT;
		return lm_localfs_rename_free(l, from, stem, ".pop3failed", to, out_error);
	case LM_TAG_CONVERSIONERROR:
		to->place = LM_AT_ROOT;
		return lm_localfs_rename_free(l, from, stem, ".decodeerror", to, out_error);
	default:
		to->place = LM_AT_ROOT;
		if (!lm_localfs_variant(stem, 0, "", to->name))
			return lm_fail(out_error, LM_E_LIMIT, "%s: name too long", from->name);
		return lm_localfs_rename(l, from, to, out_error);
	}
}

int lm_localfs_mark(struct lm_mime_store *store, const struct lm_mime_item *item,
                    enum lm_mime_tag tag, struct lm_error *out_error)
{
	struct lm_localfs *l = (struct lm_localfs *)store;
	struct lm_localfs_file from, to = { 0 };
	struct lm_localfs_move *move;
	int err = lm_localfs_publish(l, out_error);

	if (err == 0)
		err = lm_localfs_find(l, item->name, &from, out_error);
	if (err || !store->commit || lm_localfs_tag(from.place, from.name) == tag)
		return err;
	err = prepare_move(l, item->name, &move);
	if (err)
		return lm_fail(out_error, err, "out of memory");
	move->now = from;
	err = move_to(l, &from, tag, &to, out_error);
	if (err == 0)
		move->now = to;
	return err;
}
