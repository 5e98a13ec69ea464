/* Queries of a localfs store: names first, sorted, then as much as is asked for is looked at. */
#include "store/localfs/impl.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct names {
	char **at;
	size_t count, cap;
};

/* One file that answers a query. */
struct hit {
	char *name; /* owned */
	enum lm_localfs_place place;
};

struct hits {
	struct hit *at;
	size_t count, cap;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		lm_free(names->at[i]);
	lm_free(names->at);
}

static int names_add(struct names *names, const char *name)
{
	if (names->count == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		char **at = lm_realloc(names->at, cap, sizeof(*at));

		if (!at)
			return LM_E_NOMEM;
		names->at = at;
		names->cap = cap;
	}
	names->at[names->count] = lm_strdup_bytes(lm_str(name));
	return names->at[names->count] ? (names->count++, 0) : LM_E_NOMEM;
}

static int read_all(DIR *stream, struct names *names)
{
	struct dirent *entry;
	int err = 0;

	errno = 0;
	while (err == 0 && (entry = readdir(stream)))
		err = names_add(names, entry->d_name);
	return err ? err : lm_err_from_errno(errno);
}

int lm_localfs_names(const struct lm_localfs *l, enum lm_localfs_place place, char ***out_names,
                     size_t *out_count, struct lm_error *out_error)
{
	int fd = openat(l->dir[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	struct names names = { 0 };
	int err;

	if (!stream) {
		err = lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%s/%s", l->path,
		                    lm_localfs_folder(place));
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = read_all(stream, &names);
	closedir(stream);
	if (err) {
		names_done(&names);
		return lm_fail(out_error, err, "%s/%s: cannot list", l->path,
		               lm_localfs_folder(place));
	}
	*out_names = names.at;
	*out_count = names.count;
	return 0;
}

/* Names that say ".dup" belong into dup/. What cannot be moved stays, unseen by readers. */
static void tidy_dups(struct lm_localfs *l, char **names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct lm_localfs_file from, to = { .place = LM_AT_DUP };
		char stem[NAME_MAX + 1];

		if (lm_localfs_tag(LM_AT_ROOT, names[i]) != LM_TAG_DUP ||
		    lm_localfs_parse(lm_str(names[i]), &from) || !lm_localfs_is_file(l, &from))
			continue;
		lm_localfs_strip(names[i], false, stem);
		if (lm_localfs_rename_free(l, &from, stem, "", &to, NULL) == 0)
			names[i][0] = '.'; /* shown by its new place only */
	}
}

static int hits_add(struct hits *hits, char *name, enum lm_localfs_place place)
{
	if (hits->count == hits->cap) {
		size_t cap = hits->cap ? hits->cap * 2 : 64;
		struct hit *at = lm_realloc(hits->at, cap, sizeof(*at));

		if (!at)
			return LM_E_NOMEM;
		hits->at = at;
		hits->cap = cap;
	}
	hits->at[hits->count++] = (struct hit){ name, place };
	return 0;
}

static void hits_done(struct hits *hits)
{
	for (size_t i = 0; i < hits->count; i++)
		lm_free(hits->at[i].name);
	lm_free(hits->at);
}

static int collect(struct lm_localfs *l, enum lm_localfs_place place, unsigned tags,
                   struct hits *hits, struct lm_error *out_error)
{
	char **names = NULL;
	size_t count = 0;
	int err = lm_localfs_names(l, place, &names, &count, out_error);

	if (err)
		return err;
	if (place == LM_AT_ROOT && l->head.commit)
		tidy_dups(l, names, count);
	for (size_t i = 0; i < count; i++) {
		enum lm_mime_tag tag = lm_localfs_tag(place, names[i]);

		if (err == 0 && tag < LM_TAG_COUNT && tags & LM_TAG_BIT(tag)) {
			err = hits_add(hits, names[i], place);
			names[i] = err ? names[i] : NULL;
		}
		lm_free(names[i]);
	}
	lm_free(names);
	return err ? lm_fail(out_error, err, "out of memory") : 0;
}

static int compare(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (int)x->place - (int)y->place;
}

static void sort(struct hits *hits, bool descending)
{
	if (hits->count)
		qsort(hits->at, hits->count, sizeof(*hits->at), compare);
	for (size_t i = 0; descending && i < hits->count / 2; i++) {
		struct hit other = hits->at[i];

		hits->at[i] = hits->at[hits->count - 1 - i];
		hits->at[hits->count - 1 - i] = other;
	}
}

void lm_localfs_forget_items(struct lm_localfs *l)
{
	for (size_t i = 0; i < l->count; i++)
		lm_free(l->names[i]);
	lm_free(l->names);
	lm_free(l->items);
	l->names = NULL;
	l->items = NULL;
	l->count = 0;
}

/* 1: taken; 0: no regular file, or gone meanwhile. */
static int take(struct lm_localfs *l, const struct hit *hit)
{
	const char *folder = lm_localfs_folder(hit->place);
	size_t len = strlen(folder), dot = strcspn(hit->name, ".");
	struct stat st;
	char *name;

	if (fstatat(l->dir[hit->place], hit->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	name = lm_alloc(len + strlen(hit->name) + 1);
	if (!name)
		return LM_E_NOMEM;
	memcpy(name, folder, len);
	memcpy(name + len, hit->name, strlen(hit->name) + 1);
	l->names[l->count] = name;
	l->items[l->count++] = (struct lm_mime_item){
		.name = lm_str(name),
		.guid = lm_bytes(name + len, dot),
		.octets = (uint64_t)st.st_size,
		.timestamp_ms = st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
		.tag = lm_localfs_tag(hit->place, hit->name),
	};
	return 1;
}

static int answer(struct lm_localfs *l, const struct hits *hits, size_t limit,
                  struct lm_mime_query *out_query)
{
	struct lm_mime_query query = { 0 };
	size_t most = hits->count < limit ? hits->count : limit;

	l->items = lm_alloc_zero(most + 1, sizeof(*l->items));
	l->names = lm_alloc_zero(most + 1, sizeof(*l->names));
	if (!l->items || !l->names)
		return LM_E_NOMEM;
	for (size_t i = 0; i < hits->count && l->count < most; i++) {
		int taken = take(l, &hits->at[i]);

		if (taken < 0)
			return taken;
		if (taken)
			query.total_octets += l->items[l->count - 1].octets;
	}
	query.items = l->items;
	query.count = l->count;
	*out_query = query;
	return 0;
}

int lm_localfs_query(struct lm_mime_store *store, unsigned tags, size_t limit,
                     struct lm_mime_query *out_query, struct lm_error *out_error)
{
	static const unsigned at_root = LM_TAG_BIT(LM_TAG_UNREAD) | LM_TAG_BIT(LM_TAG_DUP) |
	                                LM_TAG_BIT(LM_TAG_POP3FAILED) |
	                                LM_TAG_BIT(LM_TAG_CONVERSIONERROR);
	static const unsigned at[LM_AT_PLACES] = { at_root, LM_TAG_BIT(LM_TAG_ARCHIVE),
		                                   LM_TAG_BIT(LM_TAG_STAGED),
		                                   LM_TAG_BIT(LM_TAG_DUP) };
	struct lm_localfs *l = (struct lm_localfs *)store;
	struct hits hits = { 0 };
	int err = lm_localfs_publish(l, out_error);

	tags = tags ? tags : LM_TAG_BIT(LM_TAG_UNREAD);
	limit = limit ? limit : l->limit;
	lm_localfs_forget_items(l);
	lm_localfs_forget_moves(l);
	for (unsigned p = 0; err == 0 && p < LM_AT_PLACES; p++)
		if (tags & at[p])
			err = collect(l, (enum lm_localfs_place)p, tags, &hits, out_error);
	if (err == 0) {
		sort(&hits, l->descending);
		err = answer(l, &hits, limit, out_query);
		if (err)
			lm_fail(out_error, err, "out of memory");
	}
	hits_done(&hits);
	return err;
}
