/* What a Maildir holds: its names read, put in order, and sized; kept until new or cur change. */
#include "store/maildir/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	SCANS_MAX = 3,          /* while other programs rename under our eyes */
	TICK_NS = 20 * 1000000, /* changes closer together than this may bear one time */
	NAMES_MAX = 1 << 30,    /* octets of names */
};

struct scan {
	const struct lm_md_folder *folder;
	struct lm_buf names; /* each ends in NUL */
	struct row {
		size_t name; /* in names */
		uint64_t sec, usec;
		uint32_t unique;
		uint8_t sub, pass;
	} * rows;
	size_t count, cap;
	uint8_t sub, pass;
};

int lm_md_each(const struct lm_md_folder *folder, enum lm_md_sub sub,
               int (*each)(void *ctx, const char *name, unsigned char type), void *ctx)
{
	int fd = openat(folder->subs[sub], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *one;
	int err = 0;

	if (!dir) {
		err = lm_md_errno(errno);
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (errno = 0, one = readdir(dir)))
		if (one->d_name[0] != '.')
			err = each(ctx, one->d_name, one->d_type);
	if (!err && errno)
		err = lm_md_errno(errno);
	closedir(dir);
	return err;
}

static int add_row(void *ctx, const char *name, unsigned char type)
{
	struct scan *scan = ctx;
	struct lm_md_name parsed;
	int err;

	if (type != DT_REG && type != DT_UNKNOWN)
		return 0;
	if (scan->count == scan->cap) {
		size_t cap = scan->cap ? scan->cap * 2 : 64;
		struct row *rows = lm_realloc(scan->rows, cap, sizeof(*rows));

		if (!rows)
			return LM_E_NOMEM;
		scan->rows = rows;
		scan->cap = cap;
	}
	lm_md_name_parse(name, &parsed);
	scan->rows[scan->count] = (struct row){ .name = lm_buf_len(&scan->names),
		                                .sec = parsed.sec,
		                                .usec = parsed.usec,
		                                .unique = (uint32_t)parsed.unique,
		                                .sub = scan->sub,
		                                .pass = scan->pass };
	err = lm_buf_add(&scan->names, lm_bytes(name, strlen(name) + 1));
	scan->count += !err;
	return err;
}

/* New before cur: what moves from one to the other meanwhile is seen at least once. */
static int scan_once(struct scan *scan)
{
	int err;

	scan->pass++;
	scan->sub = LM_MD_NEW;
	err = lm_md_each(scan->folder, LM_MD_NEW, add_row, scan);
	scan->sub = LM_MD_CUR;
	return err ? err : lm_md_each(scan->folder, LM_MD_CUR, add_row, scan);
}

static int64_t ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* When new and cur changed last; `recent`: they may change again without another time. By the clock
 * that file systems take: on a busy machine it is behind the exact one by more than a tick. */
static int times(const struct lm_md_folder *folder, int64_t out[2], bool recent[2])
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	for (int i = 0; i < 2; i++) {
		if (fstat(folder->subs[i ? LM_MD_CUR : LM_MD_NEW], &st))
			return lm_md_errno(errno);
		out[i] = ns_of(&st.st_mtim);
		recent[i] = ns_of(&now) - out[i] < TICK_NS;
	}
	return 0;
}

/* A file that is renamed while its folder is read may be missed: then once more, and what any pass
 * has seen counts. */
static int scan_all(struct scan *scan, int64_t out_changed[2])
{
	bool recent[2] = { false, false }, ignored[2];
	int64_t after[2] = { 0, 0 };

	do {
		int err = times(scan->folder, out_changed, recent);

		if (!err)
			err = scan_once(scan);
		if (!err)
			err = times(scan->folder, after, ignored);
		if (err)
			return err;
		for (int i = 0; i < 2; i++)
			if (out_changed[i] != after[i] || recent[i])
				out_changed[i] = 0;
	} while (!out_changed[1] && scan->pass < SCANS_MAX);
	return 0;
}

static struct lm_bytes unique_of(const struct scan *scan, const struct row *row)
{
	return lm_bytes(scan->names.data + row->name, row->unique);
}

static int compare_octets(struct lm_bytes a, struct lm_bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.data, b.data, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_rows(const void *a, const void *b, void *ctx)
{
	const struct row *x = a, *y = b;
	int order;

	if (x->sec != y->sec)
		return x->sec < y->sec ? -1 : 1;
	if (x->usec != y->usec)
		return x->usec < y->usec ? -1 : 1;
	order = compare_octets(unique_of(ctx, x), unique_of(ctx, y));
	if (order)
		return order;
	if (x->pass != y->pass) /* the latest sight first */
		return x->pass > y->pass ? -1 : 1;
	return (x->sub < y->sub) - (x->sub > y->sub);
}

static bool exists(const struct scan *scan, const struct row *row)
{
	struct stat st;

	return fstatat(scan->folder->subs[row->sub], (char *)scan->names.data + row->name, &st,
	               AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

/* One row for each message: where it was seen last. Two files of one name are shown once: the
 * names of a Maildir tell messages apart. */
static void unite(struct scan *scan)
{
	size_t kept = 0;

	for (size_t i = 0; i < scan->count; i++) {
		const struct row *row = &scan->rows[i];

		if (kept &&
		    lm_bytes_equal(unique_of(scan, &scan->rows[kept - 1]), unique_of(scan, row)))
			continue;
		if (row->pass != scan->pass && !exists(scan, row))
			continue;
		scan->rows[kept++] = *row;
	}
	scan->count = kept;
}

void lm_md_listing_unref(struct lm_md_listing *listing)
{
	if (!listing || atomic_fetch_sub(&listing->refs, 1) != 1)
		return;
	lm_buf_done(&listing->names);
	lm_free(listing->entries);
	lm_free(listing->messages);
	lm_free(listing->by_id);
	lm_free(listing);
}

/* What RETR sends of a file that another program wrote: see docs/octets.md. */
static int measure(int fd, struct lm_md_entry *entry)
{
	uint64_t size = 0, lfs = 0, crlfs = 0;
	uint8_t *room = lm_alloc(LM_MD_CHUNK), before = 0, last = 0;
	ssize_t n = room ? 0 : -1;

	while (room && (n = read(fd, room, LM_MD_CHUNK)) > 0) {
		for (const uint8_t *at = room, *end = room + n;
		     (at = memchr(at, '\n', (size_t)(end - at))); at++) {
			lfs++;
			crlfs += (at > room ? at[-1] : last) == '\r';
		}
		before = n > 1 ? room[n - 2] : last;
		last = room[n - 1];
		size += (uint64_t)n;
	}
	lm_free(room);
	if (n < 0)
		return room ? lm_md_errno(errno) : LM_E_NOMEM;
	entry->convert = lfs && !crlfs;
	entry->octets = size;
	if (entry->convert)
		entry->octets += lfs + (last == '\n' ? 0 : 2);
	else if (size && !(before == '\r' && last == '\n'))
		entry->octets += 2;
	return 0;
}

/* Unreadable: its read will tell, and until then it has no size. Errors: LM_E_NOT_FOUND. */
static int size_up(const struct lm_md_folder *folder, struct lm_md_entry *entry)
{
	struct stat st;
	int fd, err = lm_md_open(folder, entry, &fd);

	if (err)
		return err == LM_E_NOT_FOUND ? err : 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		entry->known = measure(fd, entry) == 0;
	close(fd);
	return 0;
}

static bool same_message(const struct lm_md_entry *a, const struct lm_md_entry *b)
{
	return lm_bytes_equal(lm_bytes(a->name, a->unique), lm_bytes(b->name, b->unique));
}

static int compare_entries(const struct lm_md_entry *a, const struct lm_md_entry *b)
{
	if (a->sec != b->sec)
		return a->sec < b->sec ? -1 : 1;
	if (a->usec != b->usec)
		return a->usec < b->usec ? -1 : 1;
	return compare_octets(lm_bytes(a->name, a->unique), lm_bytes(b->name, b->unique));
}

/* From the name, from the listing before, or by reading: then what is gone by now is left out. */
static void size_all(const struct lm_md_folder *folder, struct lm_md_listing *listing,
                     const struct lm_md_listing *before)
{
	size_t old = 0, kept = 0;

	for (size_t i = 0; i < listing->count; i++) {
		struct lm_md_entry *entry = &listing->entries[i];

		while (!entry->known && before && old < before->count &&
		       compare_entries(&before->entries[old], entry) < 0)
			old++;
		if (!entry->known && before && old < before->count && before->entries[old].known &&
		    same_message(&before->entries[old], entry)) {
			entry->known = true;
			entry->octets = before->entries[old].octets;
			entry->convert = before->entries[old].convert;
		}
		if (entry->known || size_up(folder, entry) == 0)
			listing->entries[kept++] = *entry;
	}
	listing->count = kept;
}

static void fill_entries(struct lm_md_listing *listing, const struct scan *scan)
{
	for (size_t i = 0; i < scan->count; i++) {
		const struct row *row = &scan->rows[i];
		const char *name = (const char *)listing->names.data + row->name;
		struct lm_md_name parsed;
		struct lm_md_entry *entry = &listing->entries[i];

		lm_md_name_parse(name, &parsed);
		*entry = (struct lm_md_entry){ .name = name,
			                       .sec = row->sec,
			                       .usec = row->usec,
			                       .unique = row->unique,
			                       .sub = row->sub,
			                       .known = parsed.own,
			                       .own = parsed.own,
			                       .size = parsed.size };
		if (parsed.own)
			entry->octets = parsed.size + (parsed.size && !parsed.ends ? 2 : 0);
	}
}

static int compare_ids(const void *a, const void *b, void *ctx)
{
	const struct lm_message *messages = ctx;
	uint64_t x = messages[*(const uint32_t *)a].id, y = messages[*(const uint32_t *)b].id;

	return x < y ? -1 : x > y;
}

/* Ids are made of names; where two are the same the later one gives way. */
static void fill_ids(struct lm_md_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		listing->by_id[i] = (uint32_t)i;
	qsort_r(listing->by_id, listing->count, sizeof(uint32_t), compare_ids, listing->messages);
	for (size_t i = 1; i < listing->count; i++) {
		uint64_t before = listing->messages[listing->by_id[i - 1]].id;
		uint64_t *id = &listing->messages[listing->by_id[i]].id;

		if (*id <= before)
			*id = before + 1;
	}
}

static int fill_messages(struct lm_md_listing *listing)
{
	size_t n = listing->count;
	char *uidl;

	listing->messages = lm_alloc(n * (sizeof(*listing->messages) + LM_MD_UIDL_MAX) + 1);
	listing->by_id = lm_alloc((n + 1) * sizeof(uint32_t));
	if (!listing->messages || !listing->by_id)
		return LM_E_NOMEM;
	uidl = (char *)&listing->messages[n];
	for (size_t i = 0; i < n; i++, uidl += LM_MD_UIDL_MAX) {
		const struct lm_md_entry *entry = &listing->entries[i];
		struct lm_bytes unique = lm_bytes(entry->name, entry->unique);

		listing->messages[i] = (struct lm_message){
			.id = lm_checksum(unique) >> 1,
			.octets = entry->octets,
			.uidl = lm_bytes(uidl, lm_md_uidl(unique, uidl)),
		};
	}
	fill_ids(listing);
	return 0;
}

static int make_listing(const struct lm_md_folder *folder, struct scan *scan,
                        const struct lm_md_listing *before, struct lm_md_listing *listing)
{
	int err = scan_all(scan, listing->changed);

	if (err)
		return err;
	if (scan->count > UINT32_MAX / 2)
		return LM_E_LIMIT;
	if (scan->count)
		qsort_r(scan->rows, scan->count, sizeof(*scan->rows), compare_rows, scan);
	unite(scan);
	listing->names = scan->names;
	scan->names = (struct lm_buf){ .max = 0 };
	listing->count = scan->count;
	listing->entries = lm_alloc_zero(scan->count + 1, sizeof(*listing->entries));
	if (!listing->entries)
		return LM_E_NOMEM;
	fill_entries(listing, scan);
	size_all(folder, listing, before);
	return fill_messages(listing);
}

static int read_listing(const struct lm_md_folder *folder, const struct lm_md_listing *before,
                        struct lm_md_listing **out_listing)
{
	struct scan scan = { .folder = folder };
	struct lm_md_listing *listing = lm_alloc_zero(1, sizeof(*listing));
	int err;

	if (!listing)
		return LM_E_NOMEM;
	atomic_init(&listing->refs, 1);
	lm_buf_init(&scan.names, NAMES_MAX);
	err = make_listing(folder, &scan, before, listing);
	lm_buf_done(&scan.names);
	lm_free(scan.rows);
	if (err)
		lm_md_listing_unref(listing);
	else
		*out_listing = listing;
	return err;
}

static bool is_present(const struct lm_md_folder *folder, const struct lm_md_listing *listing)
{
	int64_t now[2] = { 0, 0 };
	bool ignored[2];

	return listing && listing->changed[0] && listing->changed[1] &&
	       times(folder, now, ignored) == 0 && now[0] == listing->changed[0] &&
	       now[1] == listing->changed[1];
}

int lm_md_listing_get(struct lm_md_folder *folder, struct lm_md_listing **out_listing)
{
	struct lm_md_listing *listing = NULL;
	int err = 0;

	pthread_mutex_lock(&folder->mutex);
	if (!is_present(folder, folder->listing)) {
		err = read_listing(folder, folder->listing, &listing);
		if (!err) {
			lm_md_listing_unref(folder->listing);
			folder->listing = listing;
		}
	}
	if (!err) {
		atomic_fetch_add(&folder->listing->refs, 1);
		*out_listing = folder->listing;
	}
	pthread_mutex_unlock(&folder->mutex);
	return err;
}

bool lm_md_listing_find(const struct lm_md_listing *listing, uint64_t id, size_t *out_index)
{
	size_t low = 0, high = listing->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (listing->messages[listing->by_id[mid]].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == listing->count || listing->messages[listing->by_id[low]].id != id)
		return false;
	*out_index = listing->by_id[low];
	return true;
}

struct search {
	struct lm_bytes unique;
	char *out_name;
};

static int look(void *ctx, const char *name, unsigned char type)
{
	const struct search *search = ctx;
	struct lm_md_name parsed;

	if (type != DT_REG && type != DT_UNKNOWN)
		return 0;
	if (strncmp(name, (const char *)search->unique.data, search->unique.len) != 0)
		return 0;
	lm_md_name_parse(name, &parsed);
	if (parsed.unique != search->unique.len)
		return 0;
	memcpy(search->out_name, name, strlen(name) + 1);
	return LM_E_EXISTS;
}

int lm_md_find(const struct lm_md_folder *folder, struct lm_bytes unique,
               char out_name[LM_MD_NAME_MAX + 1], enum lm_md_sub *out_sub)
{
	struct search search = { unique, out_name };
	int err = 0;

	/* Once more where it was renamed while the folder was read. */
	for (int i = 0; i < 4; i++) {
		enum lm_md_sub sub = i % 2 ? LM_MD_CUR : LM_MD_NEW;

		err = lm_md_each(folder, sub, look, &search);
		if (err == LM_E_EXISTS) {
			*out_sub = sub;
			return 0;
		}
		if (err)
			return err;
	}
	return LM_E_NOT_FOUND;
}

int lm_md_open(const struct lm_md_folder *folder, const struct lm_md_entry *entry, int *out_fd)
{
	static const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char name[LM_MD_NAME_MAX + 1];
	enum lm_md_sub sub = entry->sub;
	int fd = openat(folder->subs[sub], entry->name, flags);

	/* It may be renamed once more behind each look. */
	for (int tries = 0; fd < 0 && errno == ENOENT && tries < 5; tries++) {
		int err = lm_md_find(folder, lm_bytes(entry->name, entry->unique), name, &sub);

		if (err)
			return err;
		fd = openat(folder->subs[sub], name, flags);
	}
	if (fd < 0)
		return errno == ELOOP ? LM_E_CORRUPT : lm_md_errno(errno);
	*out_fd = fd;
	return 0;
}
