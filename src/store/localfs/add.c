/* Adding to a localfs store: written under a name of no meaning, synced, then given its own. */
#include "store/localfs/impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A file so old that nobody locks is left over from somebody who was killed. */
enum { LEFT_OVER_S = 600 };
enum { MAX_LOGGED_GUID = 1024, MAX_LOG_LINE = 16 * 1024 };

struct lm_localfs_add {
	struct lm_mime_add head;
	int fd; /* -1: dry run */
	char temp[64];
	char stem[LM_LOCALFS_STEM_MAX + 1], source[LM_LOCALFS_STEM_MAX + 1];
	char name[NAME_MAX + 1]; /* promised by add_end */
	unsigned dups;
	int64_t timestamp_ms;
	struct lm_buf guid; /* for the log, cut */
};

static struct lm_localfs *store_of(const struct lm_mime_add *add)
{
	return (struct lm_localfs *)add->store;
}

static void add_free(struct lm_localfs_add *add)
{
	if (add->fd >= 0)
		close(add->fd);
	lm_buf_done(&add->guid);
	lm_free(add);
}

static int open_temp(struct lm_localfs *l, struct lm_localfs_add *add, struct lm_error *out_error)
{
	uint32_t salt = 0;

	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		return lm_fail(out_error, LM_E_IO, "no random octets");
	snprintf(add->temp, sizeof(add->temp), ".lm-%ld-%u-%08x.tmp", (long)getpid(), ++l->serial,
	         salt);
	add->fd = openat(l->dir[LM_AT_ROOT], add->temp,
	                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (add->fd < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%s/%s", l->path,
		                     add->temp);
	(void)flock(add->fd, LOCK_EX | LOCK_NB); /* for the sweep */
	return 0;
}

int lm_localfs_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                         struct lm_mime_add **out_add, struct lm_error *out_error)
{
	struct lm_localfs *l = (struct lm_localfs *)store;
	struct lm_localfs_add *add;
	struct lm_bytes guid = item->guid;
	int err;

	if (l->broken)
		return lm_fail(out_error, LM_E_IO, "%s: a sync failed; open it again", l->path);
	add = lm_alloc_zero(1, sizeof(*add));
	if (!add)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	add->head.store = store;
	add->fd = -1;
	add->timestamp_ms = item->timestamp_ms;
	lm_localfs_stem(item->sourceid, guid, add->stem);
	lm_localfs_source(item->sourceid, add->source);
	lm_buf_init(&add->guid, MAX_LOGGED_GUID);
	if (guid.len > MAX_LOGGED_GUID)
		guid.len = MAX_LOGGED_GUID;
	err = lm_buf_add(&add->guid, guid);
	if (err)
		lm_fail(out_error, err, "out of memory");
	else if (store->commit)
		err = open_temp(l, add, out_error);
	if (err)
		add_free(add);
	else
		*out_add = &add->head;
	return err;
}

int lm_localfs_add_write(struct lm_mime_add *base, struct lm_bytes octets,
                         struct lm_error *out_error)
{
	struct lm_localfs_add *add = (struct lm_localfs_add *)base;

	while (add->fd >= 0 && octets.len) {
		ssize_t n = write(add->fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%s/%s",
			                     store_of(base)->path, add->temp);
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

void lm_localfs_add_abort(struct lm_mime_add *base)
{
	struct lm_localfs_add *add = (struct lm_localfs_add *)base;

	if (add->fd >= 0)
		unlinkat(store_of(base)->dir[LM_AT_ROOT], add->temp, 0);
	add_free(add);
}

static bool is_taken(const struct lm_localfs *l, const char *name)
{
	struct stat st;

	for (size_t i = 0; i < l->pending_count; i++)
		if (strcmp(l->pending[i]->name, name) == 0)
			return true;
	return fstatat(l->dir[LM_AT_ROOT], name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int choose_name(struct lm_localfs_add *add, struct lm_error *out_error)
{
	struct lm_localfs *l = store_of(&add->head);

	for (;; add->dups++) {
		if (!lm_localfs_variant(add->stem, add->dups, "", add->name))
			return lm_fail(out_error, LM_E_LIMIT, "%s: no name is free for %s", l->path,
			               add->stem);
		if (!is_taken(l, add->name))
			return 0;
	}
}

static void set_time(const struct lm_localfs_add *add)
{
	const struct timespec at = { add->timestamp_ms / 1000, add->timestamp_ms % 1000 * 1000000 };
	const struct timespec both[2] = { at, at };

	if (add->timestamp_ms > 0)
		(void)!futimens(add->fd, both); /* a nicety */
}

int lm_localfs_add_end(struct lm_mime_add *base, char *out_name, struct lm_error *out_error)
{
	struct lm_localfs_add *add = (struct lm_localfs_add *)base;
	struct lm_localfs *l = store_of(base);
	int err = choose_name(add, out_error);

	if (err) {
		lm_localfs_add_abort(base);
		return err;
	}
	memcpy(out_name, add->name, strlen(add->name) + 1);
	if (add->fd < 0) {
		add_free(add);
		return 0;
	}
	set_time(add);
	/* The disk begins now; the flush then waits for little. */
	(void)sync_file_range(add->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	l->pending[l->pending_count++] = add;
	return l->pending_count == LM_LOCALFS_PENDING ? lm_localfs_publish(l, out_error) : 0;
}

static void put_json(struct lm_buf *line, struct lm_bytes text)
{
	(void)!lm_buf_add_str(line, "\"");
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\')
			(void)!lm_buf_add(line, lm_bytes(&c, 1));
		else
			(void)!lm_buf_printf(line, "\\u%04x", c);
	}
	(void)!lm_buf_add_str(line, "\"");
}

/* izy's guids are message numbers, and numbers in its log. */
static bool is_number(struct lm_bytes guid)
{
	if (guid.len == 0 || guid.len > 15 || guid.data[0] == '0')
		return false;
	for (size_t i = 0; i < guid.len; i++)
		if (guid.data[i] < '0' || guid.data[i] > '9')
			return false;
	return true;
}

static void log_line(const struct lm_localfs_add *add, struct lm_buf *line)
{
	struct lm_bytes guid = lm_buf_bytes(&add->guid);
	struct timespec now;
	struct tm tm;
	char date[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)!lm_buf_printf(line, "%s.%03ldZ: {\"reasonCode\":0,\"dupCount\":%u,\"guid\":", date,
	                     now.tv_nsec / 1000000, add->dups);
	if (is_number(guid))
		(void)!lm_buf_add(line, guid);
	else
		put_json(line, guid);
	(void)!lm_buf_add_str(line, ",\"fname\":");
	put_json(line, lm_str(add->name));
	(void)!lm_buf_add_str(line, "}\r\n");
}

/* The message is safe without it, so a log that cannot be written is no error. */
static void write_log(struct lm_localfs *l, const struct lm_localfs_add *add)
{
	char name[NAME_MAX + 1];
	struct lm_buf line;
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "%s_log.txt", add->source);
	fd = openat(l->dir[LM_AT_ROOT], name,
	            O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	lm_buf_init(&line, MAX_LOG_LINE);
	log_line(add, &line);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)!write(fd, lm_buf_bytes(&line).data, lm_buf_len(&line));
	lm_buf_done(&line);
	close(fd);
}

static int name_it(struct lm_localfs *l, struct lm_localfs_add *add, struct lm_error *out_error)
{
	struct lm_localfs_file from = { .place = LM_AT_ROOT }, to = { .place = LM_AT_ROOT };
	int err = LM_E_EXISTS;

	memcpy(from.name, add->temp, strlen(add->temp) + 1);
	for (; err == LM_E_EXISTS; add->dups++) {
		if (!lm_localfs_variant(add->stem, add->dups, "", to.name))
			return lm_fail(out_error, LM_E_LIMIT, "%s: no name is free for %s", l->path,
			               add->stem);
		err = lm_localfs_rename(l, &from, &to, out_error);
	}
	if (err)
		return err;
	add->dups--;
	memcpy(add->name, to.name, sizeof(add->name));
	write_log(l, add);
	return 0;
}

static int sync_all(struct lm_localfs *l, struct lm_error *out_error)
{
	for (size_t i = 0; i < l->pending_count; i++)
		if (fsync(l->pending[i]->fd) != 0) {
			l->broken = true;
			return lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
			                     "%s: cannot sync", l->path);
		}
	return 0;
}

int lm_localfs_publish(struct lm_localfs *l, struct lm_error *out_error)
{
	int err = sync_all(l, out_error);
	bool synced = err == 0;

	for (size_t i = 0; i < l->pending_count; i++) {
		struct lm_localfs_add *add = l->pending[i];
		int one = synced ? name_it(l, add, err ? NULL : out_error) : LM_E_IO;

		if (one)
			lm_localfs_add_abort(&add->head);
		else
			add_free(add);
		err = err ? err : one;
	}
	l->pending_count = 0;
	l->lost = l->lost ? l->lost : err;
	return err;
}

int lm_localfs_flush(struct lm_mime_store *store, struct lm_error *out_error)
{
	struct lm_localfs *l = (struct lm_localfs *)store;
	int before = l->lost, err = lm_localfs_publish(l, out_error);

	l->lost = 0;
	if (err == 0 && before)
		err = lm_fail(out_error, before, "%s: a message was not stored", l->path);
	for (unsigned p = 0; p < LM_AT_PLACES; p++) {
		if (!l->dirty[p])
			continue;
		l->dirty[p] = false;
		if (fsync(l->dir[p]) == 0)
			continue;
		l->broken = true;
		if (err == 0)
			err = lm_fail_errno(out_error, LM_E_IO, errno, "%s: cannot sync", l->path);
	}
	if (err == 0 && l->broken)
		err = lm_fail(out_error, LM_E_IO, "%s: a sync failed; open it again", l->path);
	return err;
}

static bool is_left_over(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_mtim.tv_sec + LEFT_OVER_S < time(NULL) && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void lm_localfs_sweep(struct lm_localfs *l)
{
	char **names;
	size_t count;

	if (lm_localfs_names(l, LM_AT_ROOT, &names, &count, NULL))
		return;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(names[i]);
		int fd = -1;

		if (len > 8 && memcmp(names[i], ".lm-", 4) == 0 &&
		    strcmp(names[i] + len - 4, ".tmp") == 0)
			fd = openat(l->dir[LM_AT_ROOT], names[i],
			            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && is_left_over(fd))
			unlinkat(l->dir[LM_AT_ROOT], names[i], 0);
		if (fd >= 0)
			close(fd);
		lm_free(names[i]);
	}
	lm_free(names);
}
