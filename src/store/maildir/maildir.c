/* The Maildir store: its folder found or made, what a crash left finished, its parts started. */
#include "store/maildir/impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 16 /* most of them wait for the disk */, QUEUE_MAX = 1 << 20, PATH_SHOWN = 150 };

static void store_free(struct lm_maildir *md)
{
	lm_pool_free(md->pool);
	lm_pool_free(md->questions);
	lm_md_deliverer_stop(md);
	lm_md_journal_done(md);
	lm_md_folders_done(&md->folders);
	pthread_mutex_destroy(&md->stamp_mutex);
	if (md->root_fd >= 0)
		close(md->root_fd);
	lm_free(md->pattern);
	lm_free(md);
}

static void maildir_close(struct lm_store *store)
{
	store_free((struct lm_maildir *)store);
}

static void cancel(struct lm_store *store, struct lm_store_op *op)
{
	/* Nothing waits long: every operation ends with its true result. */
	(void)store;
	(void)op;
}

static const struct lm_store_ops ops = {
	.version = 1,
	.caps = LM_STORE_DURABLE | LM_STORE_SHARED,
	.name = "maildir",
	.close = maildir_close,
	.mailbox_open = lm_md_mailbox_open,
	.mailbox_list = lm_md_mailbox_list,
	.message_read = lm_md_message_read,
	.message_at_hand = lm_md_message_at_hand,
	.mailbox_expunge = lm_md_mailbox_expunge,
	.message_move = lm_md_message_move,
	.mailbox_has_guids = lm_md_mailbox_has_guids,
	.mailbox_close = lm_md_mailbox_close,
	.draft_begin = lm_md_draft_begin,
	.draft_write = lm_md_draft_write,
	.draft_commit = lm_md_draft_commit,
	.draft_abort = lm_md_draft_abort,
	.cancel = cancel,
};

static int open_folder(const char *path, bool create, int *out_fd, struct lm_error *out_error)
{
	int fd, made = create ? mkdir(path, 0700) : 0;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return lm_fail(out_error, create ? LM_E_IO : LM_E_NOT_FOUND,
		               "%.*s does not exist%s", PATH_SHOWN, path,
		               create ? " and cannot be made: make the folder it is in" : "");
	if (fd < 0)
		return lm_fail_errno(out_error, lm_md_errno(errno), errno, "%.*s", PATH_SHOWN,
		                     path);
	(void)made; /* it is there, or the open has said why not */
	*out_fd = fd;
	return 0;
}

int lm_md_root_open(const char *path, bool create, int *out_fd, char **out_pattern,
                    struct lm_error *out_error)
{
	const char *user = strstr(path, "%u");
	const char *slash = NULL;
	char *pattern = NULL, *root;
	int err;

	for (const char *at = path; user && at < user; at++)
		slash = *at == '/' ? at : slash;
	if (!*path)
		return lm_fail(out_error, LM_E_CONFIG, "maildir: needs a path behind the colon");
	if (strlen(path) > 1000)
		return lm_fail(out_error, LM_E_CONFIG, "maildir: the path is too long");
	if (!user)
		root = lm_strdup_bytes(lm_str(path));
	else if (!slash)
		root = lm_strdup_bytes(lm_str("."));
	else
		root = lm_strdup_bytes(lm_bytes(path, slash == path ? 1 : (size_t)(slash - path)));
	if (user)
		pattern = lm_strdup_bytes(lm_str(slash ? slash + 1 : path));
	if (!root || (user && !pattern))
		err = lm_fail(out_error, LM_E_NOMEM, "out of memory");
	else
		err = open_folder(root, create, out_fd, out_error);
	lm_free(root);
	if (err)
		lm_free(pattern);
	else
		*out_pattern = pattern;
	return err;
}

/* As file names may have it: ":" begins flags, "," sizes, "/" is no name. */
static int set_host(struct lm_maildir *md)
{
	if (gethostname(md->host, 64))
		return LM_E_IO;
	md->host[63] = '\0';
	for (char *at = md->host; *at; at++)
		if (*at <= ' ' || *at >= 0x7F || strchr("/:,", *at))
			*at = '_';
	if (!md->host[0])
		memcpy(md->host, "localhost", 10);
	return 0;
}

static int start(struct lm_maildir *md, struct lm_error *out_error)
{
	int err = lm_md_journal_recover(md, out_error);

	if (err)
		return err;
	err = lm_md_deliverer_start(md);
	if (!err)
		err = lm_pool_new(THREADS, QUEUE_MAX, &md->pool);
	if (!err)
		err = lm_pool_new(1, QUEUE_MAX, &md->questions);
	return err ? lm_fail(out_error, err, "cannot start threads") : 0;
}

int lm_maildir_open(const char *path, struct lm_store **out_store, struct lm_error *out_error)
{
	struct lm_maildir *md = lm_alloc_zero(1, sizeof(*md));
	int err;

	if (!md)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	md->head.ops = &ops;
	md->root_fd = md->journal.fd = -1;
	lm_md_folders_init(&md->folders);
	pthread_mutex_init(&md->stamp_mutex, NULL);
	lm_md_deliverer_init(md);
	err = lm_md_root_open(path, true, &md->root_fd, &md->pattern, out_error);
	if (!err &&
	    (set_host(md) || getrandom(&md->serial, sizeof(md->serial), 0) != sizeof(md->serial)))
		err = lm_fail(out_error, LM_E_IO, "no host name or no random octets");
	if (!err)
		err = start(md, out_error);
	if (err)
		store_free(md);
	else
		*out_store = &md->head;
	return err;
}
