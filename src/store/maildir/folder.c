/* Maildirs that are open: found or made by walking down from the store's folder, shared by all who
 * use them, and kept a while behind the last. */
#include "store/maildir/impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	IDLE_MAX = 64, /* kept open without a user */
	FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	STALE_SECONDS = 36 * 3600, /* what every reader of Maildirs may take for left behind */
};

const char *const lm_md_sub_names[LM_MD_SUBS] = { "tmp", "new", "cur" };

int lm_md_errno(int errnum)
{
	int err = lm_err_from_errno(errnum);

	return errnum == EMLINK ? LM_E_LIMIT : err == LM_E_AGAIN || !err ? LM_E_IO : err;
}

int lm_md_sync(int fd)
{
	int rc;

	do
		rc = fsync(fd);
	while (rc && errno == EINTR);
	return rc ? lm_md_errno(errno) : 0;
}

int lm_md_write(int fd, struct lm_bytes octets)
{
	while (octets.len) {
		ssize_t n = write(fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? lm_md_errno(errno) : LM_E_IO;
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

/* Some file systems cannot refuse to replace: there a link does it. */
int lm_md_rename(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return lm_md_errno(errno);
	if (linkat(from_fd, from, to_fd, to, 0) || unlinkat(from_fd, from, 0))
		return lm_md_errno(errno);
	return 0;
}

/* Open a sub-folder, made where it is missing and `create`. */
static int step(int at, const char *name, bool create, int *out_fd)
{
	int fd = openat(at, name, FOLDER);

	if (fd < 0 && errno == ENOENT && create) {
		if (mkdirat(at, name, 0700) && errno != EEXIST)
			return lm_md_errno(errno);
		fd = openat(at, name, FOLDER);
		if (fd >= 0 && lm_md_sync(at)) {
			close(fd);
			return LM_E_IO;
		}
	}
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? LM_E_DENIED : lm_md_errno(errno);
	*out_fd = fd;
	return 0;
}

static int walk(int root, const char *place, bool create, int *out_fd)
{
	char name[LM_MD_PLACE_MAX];
	int at = root, next = -1, err = 0;

	while (!err && *place) {
		size_t len = strcspn(place, "/");

		memcpy(name, place, len);
		name[len] = '\0';
		place += len + (place[len] == '/');
		if (!len)
			continue;
		err = step(at, name, create, &next);
		if (at != root)
			close(at);
		at = next;
	}
	if (!err)
		*out_fd = at;
	return err;
}

/* Maildir++ marks sub-folders with a file. */
static int mark_sub(const struct lm_md_folder *folder)
{
	const char *last = strrchr(folder->place, '/');
	int fd;

	if (!last || last[1] != '.' || last[2] == '\0')
		return 0;
	fd = openat(folder->fd, "maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : lm_md_errno(errno);
}

static int open_subs(struct lm_md_folder *folder, bool create)
{
	int err = 0;

	for (int i = 0; i < LM_MD_SUBS && !err; i++)
		err = step(folder->fd, lm_md_sub_names[i], create, &folder->subs[i]);
	return err || !create ? err : mark_sub(folder);
}

static int sweep_file(void *ctx, const char *name, unsigned char type)
{
	const struct lm_md_folder *folder = ctx;
	time_t before = time(NULL) - STALE_SECONDS;
	struct stat st;

	(void)type;
	if (fstatat(folder->subs[LM_MD_TMP], name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_mtime < before && st.st_atime < before)
		unlinkat(folder->subs[LM_MD_TMP], name, 0);
	return 0;
}

static void folder_free(struct lm_md_folder *folder)
{
	for (int i = 0; i < LM_MD_SUBS; i++)
		if (folder->subs[i] >= 0)
			close(folder->subs[i]);
	if (folder->fd >= 0)
		close(folder->fd);
	lm_md_listing_unref(folder->listing);
	lm_md_guids_done(&folder->guids);
	pthread_mutex_destroy(&folder->mutex);
	lm_free(folder);
}

static int folder_open(struct lm_maildir *md, const char *place, bool create,
                       struct lm_md_folder **out_folder)
{
	size_t len = strlen(place);
	struct lm_md_folder *folder = lm_alloc_zero(1, sizeof(*folder) + len + 1);
	struct stat st;
	int err;

	if (!folder)
		return LM_E_NOMEM;
	memcpy(folder->place, place, len);
	folder->md = md;
	folder->fd = -1;
	memset(folder->subs, 0xFF, sizeof(folder->subs));
	pthread_mutex_init(&folder->mutex, NULL);
	lm_md_guids_init(&folder->guids);
	err = walk(md->root_fd, place, create, &folder->fd);
	if (!err)
		err = open_subs(folder, create);
	if (!err && fstat(folder->fd, &st))
		err = lm_md_errno(errno);
	if (err) {
		folder_free(folder);
		return err;
	}
	folder->dev = st.st_dev;
	folder->ino = st.st_ino;
	if (lm_md_each(folder, LM_MD_TMP, sweep_file, folder)) {
		/* Tidying only: what cannot be read now is tidied another time. */
	}
	*out_folder = folder;
	return 0;
}

static struct lm_md_folder **bucket_of(struct lm_maildir *md, const char *place)
{
	return &md->folders.buckets[lm_name_hash(lm_str(place)) % LM_MD_BUCKETS];
}

/* Called with the mutex held. */
static struct lm_md_folder **find(struct lm_maildir *md, const char *place)
{
	struct lm_md_folder **at = bucket_of(md, place);

	while (*at && strcmp((*at)->place, place) != 0)
		at = &(*at)->next;
	return at;
}

/* Somebody may have moved the folder away and put another in its place. */
static bool still_there(const struct lm_md_folder *folder)
{
	struct stat st;

	return fstatat(folder->md->root_fd, folder->place, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == folder->dev && st.st_ino == folder->ino;
}

/* Called with the mutex held: take it out of the table; its users keep it. */
static void forget(struct lm_maildir *md, struct lm_md_folder **at)
{
	struct lm_md_folder *folder = *at;

	*at = folder->next;
	folder->next = folder; /* in no bucket */
	if (folder->refs)
		return;
	md->folders.idle--;
	folder_free(folder);
}

static struct lm_md_folder *look_up(struct lm_maildir *md, const char *place)
{
	struct lm_md_folder **at, *folder;

	pthread_mutex_lock(&md->folders.mutex);
	at = find(md, place);
	folder = *at;
	if (folder && !still_there(folder)) {
		forget(md, at);
		folder = NULL;
	}
	if (folder && folder->refs++ == 0)
		md->folders.idle--;
	pthread_mutex_unlock(&md->folders.mutex);
	return folder;
}

/* Another thread may have been faster: then its folder is the one. */
static struct lm_md_folder *put(struct lm_maildir *md, struct lm_md_folder *folder)
{
	struct lm_md_folder **at;

	pthread_mutex_lock(&md->folders.mutex);
	at = find(md, folder->place);
	if (*at) {
		folder_free(folder);
		folder = *at;
		if (folder->refs == 0)
			md->folders.idle--;
	} else {
		*at = folder;
	}
	folder->refs++;
	pthread_mutex_unlock(&md->folders.mutex);
	return folder;
}

int lm_md_folder_at(struct lm_maildir *md, const char *place, bool create,
                    struct lm_md_folder **out_folder)
{
	struct lm_md_folder *folder = look_up(md, place);
	int err;

	if (!folder) {
		err = folder_open(md, place, create, &folder);
		if (err)
			return err;
		folder = put(md, folder);
	}
	*out_folder = folder;
	return 0;
}

int lm_md_folder_get(struct lm_maildir *md, struct lm_bytes name, bool create,
                     struct lm_md_folder **out_folder)
{
	char place[LM_MD_PLACE_MAX];
	int err = lm_md_place(md->pattern, name, place);

	return err ? err : lm_md_folder_at(md, place, create, out_folder);
}

/* Called with the mutex held. */
static void forget_oldest(struct lm_maildir *md)
{
	struct lm_md_folder **oldest = NULL;

	for (size_t i = 0; i < LM_MD_BUCKETS; i++)
		for (struct lm_md_folder **at = &md->folders.buckets[i]; *at; at = &(*at)->next)
			if ((*at)->refs == 0 && (!oldest || (*at)->used < (*oldest)->used))
				oldest = at;
	if (oldest)
		forget(md, oldest);
}

void lm_md_folder_ref(struct lm_md_folder *folder)
{
	pthread_mutex_lock(&folder->md->folders.mutex);
	folder->refs++;
	pthread_mutex_unlock(&folder->md->folders.mutex);
}

void lm_md_folder_unref(struct lm_md_folder *folder)
{
	struct lm_maildir *md;

	if (!folder)
		return;
	md = folder->md;
	pthread_mutex_lock(&md->folders.mutex);
	if (--folder->refs == 0 && folder->next == folder) {
		folder_free(folder);
	} else if (folder->refs == 0) {
		folder->used = ++md->folders.clock;
		if (++md->folders.idle > IDLE_MAX)
			forget_oldest(md);
	}
	pthread_mutex_unlock(&md->folders.mutex);
}

void lm_md_folders_init(struct lm_md_folders *folders)
{
	memset(folders, 0, sizeof(*folders));
	pthread_mutex_init(&folders->mutex, NULL);
}

void lm_md_folders_done(struct lm_md_folders *folders)
{
	for (size_t i = 0; i < LM_MD_BUCKETS; i++)
		while (folders->buckets[i]) {
			struct lm_md_folder *folder = folders->buckets[i];

			folders->buckets[i] = folder->next;
			folder_free(folder);
		}
	pthread_mutex_destroy(&folders->mutex);
}
