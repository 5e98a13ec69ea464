/* Which guids a Maildir was ever given: a line for each in the file "lettermill.guids", and the
 * "G=" in the names of the messages.
 *
 * A line is a state, 32 hex digits, LF. '?' is written before a message gets its name and becomes
 * '+' once that name is on disk, or '-' when it never came. Whoever finds a '?' under the lock
 * follows a process that is gone, and looks whether the message is there.
 *
 * While a message is where it was delivered its name tells of its guid, so the file need not be on
 * disk before the delivery is answered: it is synced soon, and before this store removes or moves
 * the message. */
#include "store/maildir/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = 2 * LM_GUID_KEY_LEN + 2, LINES = 1024 };

void lm_md_guids_init(struct lm_md_guids *guids)
{
	*guids = (struct lm_md_guids){ .fd = -1 };
	pthread_mutex_init(&guids->mutex, NULL);
	pthread_mutex_init(&guids->set_mutex, NULL);
}

void lm_md_guids_done(struct lm_md_guids *guids)
{
	if (guids->fd >= 0)
		close(guids->fd);
	lm_guid_set_done(&guids->set);
	pthread_mutex_destroy(&guids->mutex);
	pthread_mutex_destroy(&guids->set_mutex);
}

static int add(struct lm_md_guids *g, const struct lm_guid_key *key)
{
	int err;

	pthread_mutex_lock(&g->set_mutex);
	err = lm_guid_set_room(&g->set, 1);
	if (!err)
		lm_guid_set_add(&g->set, key);
	pthread_mutex_unlock(&g->set_mutex);
	return err;
}

static int make_room(struct lm_md_guids *g, size_t count)
{
	int err;

	pthread_mutex_lock(&g->set_mutex);
	err = lm_guid_set_room(&g->set, count);
	pthread_mutex_unlock(&g->set_mutex);
	return err;
}

static int write_at(struct lm_md_guids *g, const void *octets, size_t len, uint64_t at)
{
	ssize_t n = pwrite(g->fd, octets, len, (off_t)at);

	if (n == (ssize_t)len)
		return 0;
	return n < 0 ? lm_md_errno(errno) : LM_E_FULL;
}

static int open_file(struct lm_md_folder *folder)
{
	struct lm_md_guids *g = &folder->guids;
	struct stat st;

	if (g->fd < 0) {
		g->fd = openat(folder->fd, "lettermill.guids",
		               O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		               0600);
		if (g->fd < 0)
			return lm_md_errno(errno);
		if (fstat(g->fd, &st) || !S_ISREG(st.st_mode)) {
			close(g->fd);
			g->fd = -1;
			return LM_E_CORRUPT;
		}
	}
	return 0;
}

static int note_name(void *ctx, const char *name, unsigned char type)
{
	struct lm_md_name parsed;

	(void)type;
	lm_md_name_parse(name, &parsed);
	return parsed.has_guid ? add(ctx, &parsed.guid) : 0;
}

static int scan_names(struct lm_md_folder *folder)
{
	int err = lm_md_each(folder, LM_MD_NEW, note_name, &folder->guids);

	return err ? err : lm_md_each(folder, LM_MD_CUR, note_name, &folder->guids);
}

/* A line that is damaged says nothing; check names it. */
static int take_line(struct lm_md_guids *g, const char *line, uint64_t at, uint64_t *pending)
{
	struct lm_guid_key key;

	if (line[LINE - 1] != '\n' || !lm_md_unhex(line + 1, &key))
		return 0;
	if (line[0] == '?' && *pending == UINT64_MAX)
		*pending = at;
	return line[0] == '+' ? add(g, &key) : 0;
}

static int take_lines(struct lm_md_guids *g, uint64_t *pending)
{
	char *lines = lm_alloc(LINES * LINE);
	ssize_t n = 0;
	int err = lines ? 0 : LM_E_NOMEM;

	while (!err) {
		n = pread(g->fd, lines, LINES * LINE, (off_t)g->loaded);
		if (n < 0)
			err = lm_md_errno(errno);
		if (n < LINE)
			break;
		for (ssize_t at = 0; at + LINE <= n && !err; at += LINE, g->loaded += LINE)
			err = take_line(g, lines + at, g->loaded, pending);
	}
	lm_free(lines);
	return err;
}

static int settle_line(struct lm_md_guids *g, uint64_t at)
{
	char line[LINE + 1] = "";
	struct lm_guid_key key;
	ssize_t n = pread(g->fd, line, LINE, (off_t)at);

	if (n != LINE || line[0] != '?' || !lm_md_unhex(line + 1, &key))
		return 0;
	return write_at(g, lm_guid_set_has(&g->set, &key) ? "+" : "-", 1, at);
}

/* From the first '?' on, by what the names say. The names are made safe first. */
static int settle_pending(struct lm_md_folder *folder, uint64_t from)
{
	struct lm_md_guids *g = &folder->guids;
	int err = lm_md_sync(folder->subs[LM_MD_NEW]);

	if (!err)
		err = scan_names(folder);
	for (uint64_t at = from; at < g->loaded && !err; at += LINE)
		err = settle_line(g, at);
	return err;
}

/* Take in what others added, or all of it the first time. */
static int refresh(struct lm_md_folder *folder)
{
	struct lm_md_guids *g = &folder->guids;
	uint64_t pending = UINT64_MAX;
	struct stat st;
	int err = open_file(folder);

	if (err)
		return err;
	if (fstat(g->fd, &st))
		return lm_md_errno(errno);
	if ((uint64_t)st.st_size < g->loaded) /* somebody cut it: what we know stays known */
		g->loaded = (uint64_t)st.st_size / LINE * LINE;
	if ((uint64_t)st.st_size >= g->loaded + LINE)
		err = take_lines(g, &pending);
	if (!err && pending != UINT64_MAX) {
		err = settle_pending(folder, pending);
		g->scanned = g->scanned || !err;
	}
	if (!err && !g->scanned) {
		err = scan_names(folder);
		g->scanned = !err;
	}
	pthread_mutex_lock(&g->set_mutex);
	g->complete = g->complete || !err;
	pthread_mutex_unlock(&g->set_mutex);
	return err;
}

/* `flags`: LOCK_NB or 0. */
static int lock_file(struct lm_md_folder *folder, int flags)
{
	int err = open_file(folder), rc;

	if (err)
		return err;
	do
		rc = flock(folder->guids.fd, LOCK_EX | flags);
	while (rc && errno == EINTR);
	if (rc && errno == EWOULDBLOCK)
		return LM_E_AGAIN;
	return rc ? lm_md_errno(errno) : 0;
}

int lm_md_guids_lock(struct lm_md_folder *folder)
{
	int err;

	pthread_mutex_lock(&folder->guids.mutex);
	err = lock_file(folder, 0);
	if (!err)
		err = refresh(folder);
	if (err)
		lm_md_guids_unlock(folder);
	return err;
}

/* LM_E_AGAIN: a delivery is under way, here or in another process. */
static int try_refresh(struct lm_md_folder *folder)
{
	int err;

	if (pthread_mutex_trylock(&folder->guids.mutex))
		return LM_E_AGAIN;
	err = lock_file(folder, LOCK_NB);
	if (err == LM_E_AGAIN) {
		pthread_mutex_unlock(&folder->guids.mutex);
		return err;
	}
	if (!err)
		err = refresh(folder);
	lm_md_guids_unlock(folder);
	return err;
}

void lm_md_guids_unlock(struct lm_md_folder *folder)
{
	if (folder->guids.fd >= 0)
		flock(folder->guids.fd, LOCK_UN);
	pthread_mutex_unlock(&folder->guids.mutex);
}

bool lm_md_guids_has(const struct lm_md_folder *folder, const struct lm_guid_key *key)
{
	return lm_guid_set_has(&folder->guids.set, key);
}

int lm_md_guids_begin(struct lm_md_folder *folder, const struct lm_guid_key *keys, size_t count,
                      uint64_t *out_place)
{
	struct lm_md_guids *g = &folder->guids;
	char *lines = lm_alloc(count * LINE + 1);
	int err = lines ? make_room(g, count) : LM_E_NOMEM;

	for (size_t i = 0; i < count && !err; i++) {
		char *line = lines + i * LINE;

		line[0] = '?';
		lm_md_hex(&keys[i], line + 1);
		line[LINE - 1] = '\n';
	}
	/* A torn tail is written over. */
	if (!err)
		err = write_at(g, lines, count * LINE, g->loaded);
	lm_free(lines);
	if (err)
		return err;
	*out_place = g->loaded;
	g->loaded += count * LINE;
	return 0;
}

int lm_md_guids_settle(struct lm_md_folder *folder, uint64_t place, const struct lm_guid_key *keys,
                       const bool *stored, size_t count)
{
	struct lm_md_guids *g = &folder->guids;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		if (stored[i])
			err = add(g, &keys[i]);
		if (!err)
			err = write_at(g, stored[i] ? "+" : "-", 1, place + i * LINE);
	}
	return err;
}

int lm_md_guids_sync(struct lm_md_folder *folder)
{
	int rc, err;

	pthread_mutex_lock(&folder->guids.mutex);
	err = open_file(folder);
	pthread_mutex_unlock(&folder->guids.mutex);
	if (err)
		return err;
	do
		rc = fdatasync(folder->guids.fd);
	while (rc && errno == EINTR);
	return rc ? lm_md_errno(errno) : 0;
}

/* LM_E_AGAIN: nothing is known yet. */
static int answer(struct lm_md_folder *folder, const struct lm_guid *guids, size_t count,
                  bool *out_known)
{
	struct lm_md_guids *g = &folder->guids;
	int err;

	pthread_mutex_lock(&g->set_mutex);
	err = g->complete ? 0 : LM_E_AGAIN;
	for (size_t i = 0; i < count && !err; i++) {
		struct lm_guid_key key;

		err = lm_guid_key(&guids[i], &key);
		out_known[i] = !err && guids[i].guid.len && lm_guid_set_has(&g->set, &key);
	}
	pthread_mutex_unlock(&g->set_mutex);
	return err;
}

static int wait_and_refresh(struct lm_md_folder *folder)
{
	int err = lm_md_guids_lock(folder);

	if (!err)
		lm_md_guids_unlock(folder);
	return err;
}

/* A delivery may take a while, syncing; who asks about another message need not wait for it. It is
 * looked at once more when a message is delivered. */
static int ask(struct lm_md_folder *folder, const struct lm_guid *guids, size_t count,
               bool *out_known)
{
	int err = try_refresh(folder);

	if (!err || err == LM_E_AGAIN)
		err = answer(folder, guids, count, out_known);
	if (err != LM_E_AGAIN)
		return err;
	err = wait_and_refresh(folder);
	return err ? err : answer(folder, guids, count, out_known);
}

int lm_md_guids_ask(struct lm_maildir *md, struct lm_bytes name, const struct lm_guid *guids,
                    size_t count, bool *out_known)
{
	struct lm_md_folder *folder = NULL;
	int err = lm_md_folder_get(md, name, false, &folder);

	if (err == LM_E_NOT_FOUND) {
		for (size_t i = 0; i < count; i++)
			out_known[i] = false;
		return 0;
	}
	if (!err)
		err = ask(folder, guids, count, out_known);
	lm_md_folder_unref(folder);
	return err;
}
