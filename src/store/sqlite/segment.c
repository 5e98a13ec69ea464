/* Files of large messages: each appended to by one owner at a time, sealed at a size, removed when
 * empty. */
#include "store/sqlite/impl.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FREE_OPEN_MAX = 16 };

void lm_segment_name(uint64_t id, char out[32])
{
	snprintf(out, 32, "%016llx.seg", (unsigned long long)id);
}

static struct lm_segment *find(struct lm_segments *segments, uint64_t id)
{
	struct lm_segment *s = segments->buckets[id % 256];

	while (s && s->id != id)
		s = s->next;
	return s;
}

static struct lm_segment *add(struct lm_segments *segments, uint64_t id)
{
	struct lm_segment *s = lm_alloc_zero(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	s->fd = -1;
	s->next = segments->buckets[id % 256];
	segments->buckets[id % 256] = s;
	if (id >= segments->next_id)
		segments->next_id = id + 1;
	return s;
}

static int io_error(int errnum)
{
	int err = lm_err_from_errno(errnum);

	return err == LM_E_FULL || err == LM_E_NOMEM ? err : LM_E_IO;
}

static int open_file(const struct lm_segments *segments, uint64_t id, int flags)
{
	char name[32];

	lm_segment_name(id, name);
	return openat(segments->folder_fd, name, flags | O_CLOEXEC, 0600);
}

static int load(struct lm_segments *segments, sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	int rc, err = lm_db_prepare(db,
	                            "SELECT segment, count(*), sum(size), max(place + size)"
	                            " FROM message WHERE segment IS NOT NULL GROUP BY segment",
	                            &stmt);

	if (err)
		return err;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct lm_segment *s = add(segments, (uint64_t)sqlite3_column_int64(stmt, 0));

		if (!s) {
			sqlite3_finalize(stmt);
			return LM_E_NOMEM;
		}
		s->messages = (uint64_t)sqlite3_column_int64(stmt, 1);
		s->live = (uint64_t)sqlite3_column_int64(stmt, 2);
		s->end = (uint64_t)sqlite3_column_int64(stmt, 3);
		s->sealed = true; /* until its file was seen */
	}
	sqlite3_finalize(stmt);
	return lm_db_err(rc);
}

/* A file that has rows: what lies behind the last one was never committed. */
static void adopt(struct lm_segments *segments, struct lm_segment *s)
{
	int fd = open_file(segments, s->id, O_WRONLY);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size >= s->end &&
	    ftruncate(fd, (off_t)s->end) == 0 && s->end < LM_SEGMENT_SEAL) {
		s->sealed = false;
		s->next_free = segments->free;
		segments->free = s;
	}
	close(fd);
}

static int scan(struct lm_segments *segments)
{
	DIR *dir = opendir(segments->folder);
	struct dirent *entry;

	if (!dir)
		return LM_E_IO;
	while ((entry = readdir(dir))) {
		struct lm_segment *s;
		char *end;
		uint64_t id = strtoull(entry->d_name, &end, 16);

		if (end != entry->d_name + 16 || strcmp(end, ".seg") != 0)
			continue;
		if (id >= segments->next_id)
			segments->next_id = id + 1;
		s = find(segments, id);
		if (s)
			adopt(segments, s);
		else
			unlinkat(segments->folder_fd, entry->d_name, 0);
	}
	closedir(dir);
	return 0;
}

/* The folder itself must survive, so its parent is synced. */
static int open_folder(struct lm_segments *segments)
{
	bool made = mkdir(segments->folder, 0700) == 0;
	int parent;

	if (!made && errno != EEXIST)
		return io_error(errno);
	segments->folder_fd = open(segments->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (segments->folder_fd < 0)
		return io_error(errno);
	if (!made)
		return 0;
	parent = openat(segments->folder_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || fsync(parent)) {
		int err = io_error(errno);

		if (parent >= 0)
			close(parent);
		return err;
	}
	close(parent);
	return 0;
}

int lm_segments_open_only(struct lm_segments *segments, const char *path,
                          struct lm_error *out_error)
{
	int err;

	pthread_mutex_init(&segments->mutex, NULL);
	segments->folder_fd = -1;
	segments->next_id = 1;
	snprintf(segments->folder, sizeof(segments->folder), "%s-segments", path);
	err = open_folder(segments);
	if (!err)
		return 0;
	lm_segments_close(segments);
	return lm_fail_errno(out_error, err, errno, "%s", segments->folder);
}

int lm_segments_open(struct lm_segments *segments, const char *path, sqlite3 *db,
                     struct lm_error *out_error)
{
	int err = lm_segments_open_only(segments, path, out_error);

	if (err)
		return err;
	err = load(segments, db);
	if (!err)
		err = scan(segments);
	if (!err)
		return 0;
	lm_segments_close(segments);
	return lm_fail(out_error, err, "%s: %s", segments->folder, lm_err_text(err));
}

void lm_segments_close(struct lm_segments *segments)
{
	for (size_t i = 0; i < 256; i++) {
		struct lm_segment *next, *s = segments->buckets[i];

		for (; s; s = next) {
			next = s->next;
			if (s->fd >= 0)
				close(s->fd);
			lm_free(s);
		}
		segments->buckets[i] = NULL;
	}
	segments->free = NULL;
	if (segments->folder_fd >= 0)
		close(segments->folder_fd);
	segments->folder_fd = -1;
	pthread_mutex_destroy(&segments->mutex);
}

static struct lm_segment *take_free(struct lm_segments *segments)
{
	struct lm_segment *s = segments->free;

	if (!s)
		return NULL;
	segments->free = s->next_free;
	s->next_free = NULL;
	s->busy = true;
	if (s->fd >= 0)
		segments->free_open--;
	return s;
}

int lm_segment_take(struct lm_segments *segments, struct lm_segment **out_segment)
{
	struct lm_segment *s;
	bool is_new = false;

	pthread_mutex_lock(&segments->mutex);
	s = take_free(segments);
	if (!s) {
		is_new = true;
		s = add(segments, segments->next_id);
		if (s)
			s->busy = true;
	}
	pthread_mutex_unlock(&segments->mutex);
	if (!s)
		return LM_E_NOMEM;
	if (s->fd < 0)
		s->fd = open_file(segments, s->id, O_WRONLY | (is_new ? O_CREAT | O_EXCL : 0));
	if (s->fd < 0 || (is_new && fsync(segments->folder_fd))) {
		int err = io_error(errno);

		lm_segment_give(segments, s, s->end);
		return err;
	}
	*out_segment = s;
	return 0;
}

void lm_segment_give(struct lm_segments *segments, struct lm_segment *s, uint64_t end)
{
	bool usable = s->fd >= 0 && end < LM_SEGMENT_SEAL;

	if (s->fd >= 0 && ftruncate(s->fd, (off_t)end))
		usable = false;
	pthread_mutex_lock(&segments->mutex);
	s->end = end;
	s->busy = false;
	s->sealed = !usable;
	if (usable) {
		s->next_free = segments->free;
		segments->free = s;
	}
	if (s->fd >= 0 && (!usable || segments->free_open >= FREE_OPEN_MAX)) {
		close(s->fd);
		s->fd = -1;
	}
	if (s->fd >= 0)
		segments->free_open++;
	pthread_mutex_unlock(&segments->mutex);
}

/* Returns whether anything changed. */
static bool set_direct(int fd, bool direct)
{
	int before = fcntl(fd, F_GETFL), after;

	if (before < 0)
		return false;
	after = direct ? before | O_DIRECT : before & ~O_DIRECT;
	return after != before && fcntl(fd, F_SETFL, after) == 0;
}

void lm_segment_direct(const struct lm_segment *s, bool direct)
{
	(void)set_direct(s->fd, direct);
}

/* Where the file system or the device wants more than alignment the page cache must do. */
int lm_segment_write(const struct lm_segment *s, uint64_t *at, struct lm_bytes octets)
{
	uint64_t place = *at;

	while (octets.len) {
		ssize_t n = pwrite(s->fd, octets.data, octets.len, (off_t)place);

		if (n < 0 && (errno == EINTR || (errno == EINVAL && set_direct(s->fd, false))))
			continue;
		if (n <= 0)
			return n < 0 ? io_error(errno) : LM_E_IO;
		place += (uint64_t)n;
		octets = lm_bytes_from(octets, (size_t)n);
	}
	*at = place;
	return 0;
}

int lm_segment_sync(const struct lm_segment *s)
{
	return fdatasync(s->fd) ? io_error(errno) : 0;
}

static int read_all(int fd, uint64_t place, size_t len, uint8_t *out)
{
	while (len) {
		ssize_t n = pread(fd, out, len, (off_t)place);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? LM_E_IO : LM_E_CORRUPT;
		out += n;
		place += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int lm_segment_read(struct lm_segments *segments, uint64_t id, uint64_t place, size_t len,
                    uint8_t *out)
{
	int fd = open_file(segments, id, O_RDONLY), err;

	if (fd < 0)
		return errno == ENOENT ? LM_E_CORRUPT : io_error(errno);
	err = read_all(fd, place, len, out);
	close(fd);
	return err;
}

void lm_segment_count(struct lm_segments *segments, uint64_t id, uint64_t size, bool added)
{
	struct lm_segment *s;

	pthread_mutex_lock(&segments->mutex);
	s = find(segments, id);
	if (s && added) {
		s->live += size;
		s->messages++;
	} else if (s && s->messages) {
		s->live -= s->live < size ? s->live : size;
		s->messages--;
	}
	pthread_mutex_unlock(&segments->mutex);
}

/* One that can be used again is emptied, a sealed one taken out. Called with the mutex held. */
static struct lm_segment *unlink_empty(struct lm_segment **bucket)
{
	for (; *bucket; bucket = &(*bucket)->next) {
		struct lm_segment *s = *bucket;

		if (s->busy || s->messages || !s->sealed)
			continue;
		*bucket = s->next;
		return s;
	}
	return NULL;
}

static void unseal_empty(struct lm_segments *segments)
{
	pthread_mutex_lock(&segments->mutex);
	for (struct lm_segment *s = segments->free; s; s = s->next_free) {
		int fd;

		if (s->messages || !s->end)
			continue;
		fd = s->fd >= 0 ? s->fd : open_file(segments, s->id, O_WRONLY);
		if (fd >= 0 && ftruncate(fd, 0) == 0)
			s->end = 0;
		if (fd >= 0 && fd != s->fd)
			close(fd);
	}
	pthread_mutex_unlock(&segments->mutex);
}

void lm_segments_reclaim(struct lm_segments *segments)
{
	unseal_empty(segments);
	for (size_t i = 0; i < 256; i++) {
		for (;;) {
			struct lm_segment *s;
			char name[32];

			pthread_mutex_lock(&segments->mutex);
			s = unlink_empty(&segments->buckets[i]);
			pthread_mutex_unlock(&segments->mutex);
			if (!s)
				break;
			lm_segment_name(s->id, name);
			unlinkat(segments->folder_fd, name, 0);
			lm_free(s);
		}
	}
}

struct lm_segment *lm_segments_sparse(struct lm_segments *segments)
{
	struct lm_segment *found = NULL;

	pthread_mutex_lock(&segments->mutex);
	for (size_t i = 0; i < 256 && !found; i++)
		for (struct lm_segment *s = segments->buckets[i]; s && !found; s = s->next)
			if (s->sealed && !s->busy && s->messages && s->live < s->end / 2)
				found = s;
	if (found)
		found->busy = true;
	pthread_mutex_unlock(&segments->mutex);
	return found;
}
