/** @file
 * The parts of the Maildir store and how they meet.
 *
 *   name.c       where mailboxes lie, and what file names say
 *   folder.c     Maildirs that are open: made where missing, shared by all who use them
 *   listing.c    pool threads: what a Maildir holds, in order, with sizes
 *   read.c       pool threads: octets of messages, found again where another program renamed them
 *   mailbox.c    loop thread: sessions, and the jobs they give to the pool
 *   change.c     pool threads: removing and moving, all or none
 *   guids.c      which guids a Maildir was ever given
 *   draft.c      loop thread, then pool threads: a message on its way into tmp
 *   deliver.c    the one thread that brings messages from tmp to new, many with one sync
 *   journal.c    deliveries to several Maildirs, finished after a crash
 *   check.c      looking a store over
 *
 * Other programs may deliver, rename and remove at any time: no name is trusted to be there still.
 * Paths are walked from the store's folder, and no symbolic link below it is followed.
 */
#ifndef LM_STORE_MAILDIR_IMPL_H
#define LM_STORE_MAILDIR_IMPL_H

#include "base/buf.h"
#include "store/maildir/maildir.h"

#include <stdatomic.h>

struct lm_maildir;
struct lm_md_draft;

enum {
	LM_MD_NAME_MAX = 255,   /**< a file's name */
	LM_MD_PLACE_MAX = 1500, /**< a mailbox's folder, from the store's */
	LM_MD_CHUNK = 65536,    /**< octets handed out at once, and held of a draft */
	LM_MD_UIDL_MAX = 70,
};

/* name.c */

/** Where the mailbox of a folded name lies below the store's folder. Errors: LM_E_SYNTAX. */
LM_MUST int lm_md_place(const char *pattern, struct lm_bytes name, char out[LM_MD_PLACE_MAX]);

/** A moment no other message of this process has. */
struct lm_md_stamp {
	int64_t sec;
	unsigned usec;
};

/** What the name of a message's file says. */
struct lm_md_name {
	uint64_t sec, usec; /**< of its delivery, 0 unknown */
	size_t unique;      /**< octets that tell it from all others: without sizes and flags */
	bool own;           /**< of this store: `size` and `ends` count, its octets are exact */
	bool ends;          /**< in CRLF */
	uint64_t size;
	bool has_guid;
	struct lm_guid_key guid;
};
void lm_md_name_parse(const char *name, struct lm_md_name *out_name);

/** What the name of a new message shall say. */
struct lm_md_facts {
	uint64_t size, wire_size; /**< as it is; with CRLF for each LF */
	bool ends;
	const struct lm_guid_key *guid; /**< NULL: none */
};
/** `out`: the unique part, `facts` behind it where not NULL. */
void lm_md_name_make(struct lm_maildir *md, const struct lm_md_stamp *stamp,
                     const struct lm_md_facts *facts, char out[LM_MD_NAME_MAX + 1]);
void lm_md_stamp_next(struct lm_maildir *md, struct lm_md_stamp *out_stamp);
/** Write the UIDL of a file's unique part; its length. */
size_t lm_md_uidl(struct lm_bytes unique, char out[LM_MD_UIDL_MAX]);
void lm_md_hex(const struct lm_guid_key *key, char out[2 * LM_GUID_KEY_LEN]);
LM_MUST bool lm_md_unhex(const char *hex, struct lm_guid_key *out_key);

/* folder.c */

struct lm_md_guids {
	pthread_mutex_t mutex; /**< held, with the file's lock, while messages get their names */
	int fd;                /**< -1: not open yet */
	bool scanned;
	uint64_t loaded; /**< octets of the file that are in `set` */
	/** Who changes `set` holds both mutexes, who reads it one of them. */
	pthread_mutex_t set_mutex;
	struct lm_guid_set set;
	bool complete; /**< under set_mutex: `set` holds all there was at some time */
};

enum lm_md_sub { LM_MD_TMP, LM_MD_NEW, LM_MD_CUR, LM_MD_SUBS };
extern const char *const lm_md_sub_names[LM_MD_SUBS];

/** An open Maildir, shared. */
struct lm_md_folder {
	struct lm_maildir *md;
	struct lm_md_folder *next; /* the table's */
	unsigned refs;             /* the table's */
	uint64_t used;             /* the table's: when last */
	uint64_t dev, ino;
	int fd, subs[LM_MD_SUBS];
	struct lm_md_guids guids;
	pthread_mutex_t mutex; /**< listing */
	struct lm_md_listing *listing;
	char place[];
};

enum { LM_MD_BUCKETS = 1024 };
struct lm_md_folders {
	pthread_mutex_t mutex;
	struct lm_md_folder *buckets[LM_MD_BUCKETS];
	size_t idle;
	uint64_t clock;
};

/** The Maildir of a folded name, to unref; `create`: made where it is missing, else
 * LM_E_NOT_FOUND. Blocks. */
LM_MUST int lm_md_folder_get(struct lm_maildir *md, struct lm_bytes name, bool create,
                             struct lm_md_folder **out_folder);
/** The same of a place as lm_md_place says it. */
LM_MUST int lm_md_folder_at(struct lm_maildir *md, const char *place, bool create,
                            struct lm_md_folder **out_folder);
void lm_md_folder_ref(struct lm_md_folder *folder);
/** NULL is allowed. */
void lm_md_folder_unref(struct lm_md_folder *folder);
void lm_md_folders_init(struct lm_md_folders *folders);
void lm_md_folders_done(struct lm_md_folders *folders);
/** Sync a directory or file; LM_E_IO, LM_E_FULL … */
LM_MUST int lm_md_sync(int fd);
/** Rename without replacing anything. Errors: LM_E_EXISTS, LM_E_NOT_FOUND … */
LM_MUST int lm_md_rename(int from_fd, const char *from, int to_fd, const char *to);
LM_MUST int lm_md_write(int fd, struct lm_bytes octets);
LM_MUST int lm_md_errno(int errnum);

/* listing.c */

struct lm_md_entry {
	const char *name; /**< in `sub`, when last seen */
	uint64_t sec, usec;
	uint32_t unique;
	uint8_t sub;
	bool known; /**< octets and convert are */
	bool own;
	bool convert;    /**< LF becomes CRLF */
	uint64_t octets; /**< what RETR sends */
	uint64_t size;   /**< own: the file's */
};

/** What a Maildir held; shared, nothing in it changes. */
struct lm_md_listing {
	atomic_uint refs;
	struct lm_buf names;
	size_t count;
	struct lm_md_entry *entries;
	struct lm_message *messages; /**< their UIDLs behind them */
	uint32_t *by_id;             /**< indexes, in order of messages[].id */
	int64_t changed[2];          /**< ns: when new and cur were, 0 not to be relied on */
};
LM_MUST int lm_md_listing_get(struct lm_md_folder *folder, struct lm_md_listing **out_listing);
/** NULL is allowed. */
void lm_md_listing_unref(struct lm_md_listing *listing);
LM_MUST bool lm_md_listing_find(const struct lm_md_listing *listing, uint64_t id,
                                size_t *out_index);
/** Look for the file whose unique part is `unique` in new and cur. Errors: LM_E_NOT_FOUND. */
LM_MUST int lm_md_find(const struct lm_md_folder *folder, struct lm_bytes unique,
                       char out_name[LM_MD_NAME_MAX + 1], enum lm_md_sub *out_sub);
/** Open a message to read, found again where it was renamed. Errors: LM_E_NOT_FOUND, LM_E_CORRUPT
 * (no file) … */
LM_MUST int lm_md_open(const struct lm_md_folder *folder, const struct lm_md_entry *entry,
                       int *out_fd);
/** Call `each` for each message's file of a sub-folder until it is not 0. */
LM_MUST int lm_md_each(const struct lm_md_folder *folder, enum lm_md_sub sub,
                       int (*each)(void *ctx, const char *name, unsigned char type), void *ctx);

/* mailbox.c */

struct lm_md_piece {
	size_t index;
	uint64_t offset;
	size_t at, len;
	bool last;
};

enum { LM_MD_PIECES = 128 };

struct lm_md_box {
	struct lm_mailbox head;
	struct lm_md_folder *folder;
	struct lm_md_listing *listing;
	int lock_fd;
	uint8_t *gone; /**< by index: removed or moved by this session; NULL: none */
	struct lm_buf cache;
	struct lm_md_piece *pieces;
	size_t piece_count;
	size_t expect, window;
	/* The file being read. */
	int fd;
	size_t fd_index;
	uint64_t fd_size, raw, out;
};

/* read.c */

/** Fill the cache from message `index`, offset `offset` on. Pool thread. */
LM_MUST int lm_md_read_run(struct lm_md_box *box, size_t index, uint64_t offset);
LM_MUST bool lm_md_serve(struct lm_md_box *box, size_t index, uint64_t offset,
                         struct lm_bytes *out_chunk, bool *out_last);
void lm_md_read_done(struct lm_md_box *box);

/* change.c */

LM_MUST int lm_md_expunge(struct lm_md_box *box, const uint64_t *ids, size_t count);
LM_MUST int lm_md_move(struct lm_md_box *box, const uint64_t *ids, size_t count,
                       struct lm_bytes to);
/** Finish what a process that is gone began; the mailbox's lock is held. */
LM_MUST int lm_md_recover(struct lm_md_folder *folder);

/* guids.c */

void lm_md_guids_init(struct lm_md_guids *guids);
void lm_md_guids_done(struct lm_md_guids *guids);
/** Lock, for all processes, and take in what others added. */
LM_MUST int lm_md_guids_lock(struct lm_md_folder *folder);
void lm_md_guids_unlock(struct lm_md_folder *folder);
/* Locked: */
LM_MUST bool lm_md_guids_has(const struct lm_md_folder *folder, const struct lm_guid_key *key);
/** Note that messages with these guids are about to appear; *out_place for settle. */
LM_MUST int lm_md_guids_begin(struct lm_md_folder *folder, const struct lm_guid_key *keys,
                              size_t count, uint64_t *out_place);
/** They are there, durably (or `stored[i]` false: never came). */
LM_MUST int lm_md_guids_settle(struct lm_md_folder *folder, uint64_t place,
                               const struct lm_guid_key *keys, const bool *stored, size_t count);
/** Not locked: what is in the index is on disk. */
LM_MUST int lm_md_guids_sync(struct lm_md_folder *folder);
/** Pool thread: answer a question. */
LM_MUST int lm_md_guids_ask(struct lm_maildir *md, struct lm_bytes name,
                            const struct lm_guid *guids, size_t count, bool *out_known);

/* draft.c */

struct lm_md_draft {
	struct lm_draft head;
	struct lm_md_draft *next; /**< the deliverer's queue */
	struct lm_store_op *op;
	struct lm_job job;
	struct lm_names *names; /**< NULL: the mailbox "" */
	struct lm_md_folder **folders;
	size_t folder_count;
	bool has_guid;
	struct lm_guid_key guid;
	struct lm_buf text; /**< not written yet */
	struct lm_bytes pending;
	int fd; /**< in tmp of the first folder; -1: not made yet */
	bool aborted;
	char tmp_name[LM_MD_NAME_MAX + 1], name[LM_MD_NAME_MAX + 1];
	struct lm_md_stamp stamp;
	uint64_t size, bare; /**< octets; LFs without a CR */
	bool any_crlf;
	uint8_t tail[2];
	int err;
};
/** Its folders are open, or were not asked for yet; free it, complete its op. Deliverer thread. */
void lm_md_draft_finish(struct lm_md_draft *draft, int result);
/** What a failure below is to those who deliver: never LM_E_NOT_FOUND, LM_E_DENIED … */
int lm_md_outcome(int err);

/* deliver.c */

enum { LM_MD_UNSYNCED = 64 };
struct lm_md_deliverer {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t some;
	struct lm_md_draft *first, *last;
	bool started, stop;
	/* Its own: Maildirs whose index of guids is to be synced. */
	struct lm_md_folder *unsynced[LM_MD_UNSYNCED];
	size_t unsynced_count, unsynced_groups;
};
void lm_md_deliverer_init(struct lm_maildir *md);
LM_MUST int lm_md_deliverer_start(struct lm_maildir *md);
/** Finishes what is queued. */
void lm_md_deliverer_stop(struct lm_maildir *md);
void lm_md_deliverer_add(struct lm_maildir *md, struct lm_md_draft *draft);

/* journal.c */

/** Deliveries to several Maildirs that are under way. */
struct lm_md_journal {
	int fd; /**< -1: not made yet */
	char name[64];
	struct lm_buf text;
};
/** Note a draft; then write and sync all that was noted. */
LM_MUST int lm_md_journal_note(struct lm_maildir *md, const struct lm_md_draft *draft);
LM_MUST int lm_md_journal_write(struct lm_maildir *md);
/** All of it is done. */
void lm_md_journal_clear(struct lm_maildir *md);
/** At the store's start: finish what processes that are gone began. */
LM_MUST int lm_md_journal_recover(struct lm_maildir *md, struct lm_error *out_error);
void lm_md_journal_done(struct lm_maildir *md);

/* maildir.c */

struct lm_maildir {
	struct lm_store head;
	int root_fd;
	char *pattern;   /**< below root_fd, with "%u"; NULL: none */
	char host[128];  /**< as file names have it */
	unsigned serial; /**< tells this store from others of the process */
	struct lm_pool *pool;
	struct lm_pool *questions; /**< for guids: not behind all the syncs of deliveries */
	struct lm_md_folders folders;
	struct lm_md_deliverer deliverer;
	struct lm_md_journal journal;
	pthread_mutex_t stamp_mutex;
	struct lm_md_stamp last_stamp;
};

/** Open the folder a store's path means, and its pattern. Free *out_pattern, close *out_fd. */
LM_MUST int lm_md_root_open(const char *path, bool create, int *out_fd, char **out_pattern,
                            struct lm_error *out_error);

void lm_md_mailbox_open(struct lm_store *, struct lm_bytes user, struct lm_store_op *);
void lm_md_mailbox_list(struct lm_mailbox *, struct lm_store_op *);
void lm_md_message_read(struct lm_mailbox *, uint64_t id, uint64_t offset, struct lm_store_op *);
bool lm_md_message_at_hand(struct lm_mailbox *, uint64_t id, uint64_t offset,
                           struct lm_bytes *out_chunk, bool *out_last);
void lm_md_mailbox_expunge(struct lm_mailbox *, const uint64_t *ids, size_t count,
                           struct lm_store_op *);
void lm_md_message_move(struct lm_mailbox *, const uint64_t *ids, size_t count, struct lm_bytes to,
                        struct lm_store_op *);
void lm_md_mailbox_has_guids(struct lm_store *, struct lm_bytes user, const struct lm_guid *guids,
                             size_t count, bool *out_known, struct lm_store_op *);
void lm_md_mailbox_close(struct lm_mailbox *, struct lm_store_op *);
void lm_md_draft_begin(struct lm_store *, const struct lm_delivery *, struct lm_store_op *);
void lm_md_draft_write(struct lm_draft *, struct lm_bytes octets, struct lm_store_op *);
void lm_md_draft_commit(struct lm_draft *, struct lm_store_op *);
void lm_md_draft_abort(struct lm_draft *);

#endif
