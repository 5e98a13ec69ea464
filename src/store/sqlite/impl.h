/** @file
 * The parts of the SQLite store and how they meet.
 *
 *   draft.c    loop thread: collects a message; large ones go to a segment on the crew
 *   mailbox.c  loop thread: snapshot, cache, expunge; misses go to the readers
 *   change.c   removing and moving: loop thread, then the writer
 *   guid.c     loop thread, then the readers: which guids are known
 *   listing.c  listings kept between sessions, until their maildrop changes
 *   crew.c     threads that take work from a queue: readers (a connection each) and the crew
 *   writer.c   the one thread that changes the database: what queued up is one transaction
 *   segment.c  files of large messages, append only
 *   spool.c    writer thread: bodies of a group on their way to one segment
 *   keeper.c   a thread for checkpoints, reclaiming and compacting, off everybody's path
 *
 * Locks are taken alone, but for `gate`, which the writer holds through a transaction.
 */
#ifndef LM_STORE_SQLITE_IMPL_H
#define LM_STORE_SQLITE_IMPL_H

#include "base/buf.h"
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite.h"

#include <stdatomic.h>

struct lm_sqlite;

enum {
	LM_HOLD_MAX = 262144,        /**< a draft in memory, while the store's budget lasts */
	LM_HOLD_BUDGET = 32 << 20,   /**< for all drafts beyond LM_DB_CHUNK together */
	LM_SEGMENT_SEAL = 128 << 20, /**< octets from which on nothing is appended */
};

/* crew.c */

/** One piece of work for a thread; embedded in who wants it. */
struct lm_work {
	struct lm_work *next;
	struct lm_store_op *op; /**< what to look for on cancel; NULL: cannot be canceled */
	void (*run)(struct lm_work *work, sqlite3_stmt **reader);
	void (*canceled)(struct lm_work *work);
};

struct lm_crew {
	pthread_mutex_t mutex;
	pthread_cond_t some;
	struct lm_work *first, *last;
	bool stop;
	unsigned idle, started;
	pthread_t threads[8];
	struct lm_reader {
		struct lm_crew *crew;
		sqlite3 *db;
		sqlite3_stmt *stmts[8];
	} readers[8];
};

/** `sqls`: statements each thread prepares on a connection of its own, NULL at the end; or NULL:
 * no connection. */
LM_MUST int lm_crew_start(struct lm_crew *crew, unsigned threads, const char *path,
                          const char *const *sqls, struct lm_error *out_error);
/** Finish what is queued, end the threads. */
void lm_crew_stop(struct lm_crew *crew);
void lm_crew_add(struct lm_crew *crew, struct lm_work *work);
/** Take out work that has not begun; it was canceled. */
LM_MUST bool lm_crew_cancel(struct lm_crew *crew, const struct lm_store_op *op);

/* segment.c */

struct lm_segment {
	struct lm_segment *next, *next_free;
	uint64_t id;
	int fd;            /**< to append, while busy; -1 else or not open */
	uint64_t end;      /**< where the next message goes; the owner's while busy */
	uint64_t live;     /**< octets of messages that are there */
	uint64_t messages; /**< how many */
	bool busy, sealed;
};

struct lm_segments {
	pthread_mutex_t mutex;
	char folder[LM_DB_PATH_MAX + 32];
	int folder_fd;
	struct lm_segment *buckets[256], *free;
	size_t free_open;
	uint64_t next_id;
};

/** Take stock after a start: truncate tails, remove what nobody refers to. */
LM_MUST int lm_segments_open(struct lm_segments *segments, const char *path, sqlite3 *db,
                             struct lm_error *out_error);
/** The folder alone, to read from. */
LM_MUST int lm_segments_open_only(struct lm_segments *segments, const char *path,
                                  struct lm_error *out_error);
void lm_segments_close(struct lm_segments *segments);
void lm_segment_name(uint64_t id, char out[32]);
/** A segment to append to, for the caller alone. */
LM_MUST int lm_segment_take(struct lm_segments *segments, struct lm_segment **out_segment);
/** Give back; what lies beyond `end` is cut off. */
void lm_segment_give(struct lm_segments *segments, struct lm_segment *segment, uint64_t end);
/** Append at *at, move *at. Errors: LM_E_FULL, LM_E_IO. */
LM_MUST int lm_segment_write(const struct lm_segment *segment, uint64_t *at,
                             struct lm_bytes octets);
LM_MUST int lm_segment_sync(const struct lm_segment *segment);
/** Write past the page cache from now on, where the file system can: a hint. Memory, places and
 * lengths must be multiples of 4096 then. */
void lm_segment_direct(const struct lm_segment *segment, bool direct);
/** Read octets that must be there. Errors: LM_E_CORRUPT (missing), LM_E_IO. */
LM_MUST int lm_segment_read(struct lm_segments *segments, uint64_t id, uint64_t place, size_t len,
                            uint8_t *out);
/** A message is there now, or no more. */
void lm_segment_count(struct lm_segments *segments, uint64_t id, uint64_t size, bool added);
/** Remove files without messages. */
void lm_segments_reclaim(struct lm_segments *segments);
/** A sealed segment more than half of which is dead, marked busy; NULL when there is none. */
struct lm_segment *lm_segments_sparse(struct lm_segments *segments);

/* spool.c */

/** The writer thread's own segment, for drafts held in memory. */
struct lm_spool {
	struct lm_segment *segment; /**< NULL: none taken */
	uint64_t start;             /**< behind what is committed */
	uint64_t at, end;           /**< of this group: where `room` goes; behind the last octet */
	uint8_t *memory, *room;     /**< room: aligned, inside memory */
	bool dirty;                 /**< this group has put something there */
};

/** Take octets and say where they will be. Errors: LM_E_FULL, LM_E_IO, LM_E_NOMEM. */
LM_MUST int lm_spool_add(struct lm_sqlite *store, struct lm_bytes octets, uint64_t *out_segment,
                         uint64_t *out_place);
/** Write what this group has added, then sync it; nothing to do is fine. Errors: LM_E_FULL,
 * LM_E_IO. */
LM_MUST int lm_spool_flush(struct lm_sqlite *store);
LM_MUST int lm_spool_sync(struct lm_sqlite *store);
/** The group is over: cut off what failed, give back a segment that is full. */
void lm_spool_settle(struct lm_sqlite *store, int result);
void lm_spool_done(struct lm_sqlite *store);

/* writer.c */

/** A change that waits for the next transaction; embedded in who wants it. */
struct lm_write {
	struct lm_write *next;
	struct lm_store_op *op; /**< NULL: the store's own, cannot be canceled */
	/** Writer thread, before the transaction: octets to the writer's segment. May be NULL. */
	int (*prepare)(struct lm_sqlite *store, struct lm_write *write);
	/** Writer thread, inside the transaction. LM_E_NOT_FOUND and LM_E_EXISTS: nothing was
	 * changed, the others go on. Any other error ends the transaction for all. */
	int (*apply)(struct lm_sqlite *store, struct lm_write *write);
	/** It is over: free and complete. Writer thread, or whoever cancels. */
	void (*finish)(struct lm_sqlite *store, struct lm_write *write, int result);
	size_t weight; /**< octets it holds */
	bool frees;    /**< gives room back: tried again alone when the disk is full */
	int result;
};

enum lm_writer_stmt {
	LM_W_FIND_DROP,
	LM_W_ADD_DROP,
	LM_W_ADD_MESSAGE,
	LM_W_ADD_ENTRY,
	LM_W_HAS_ENTRY,
	LM_W_MOVE_ENTRY,
	LM_W_HAS_GUID,
	LM_W_ADD_GUID,
	LM_W_DEL_ENTRY,
	LM_W_UNREF,
	LM_W_PLACE,
	LM_W_DEL_MESSAGE,
	LM_W_MOVE,
	LM_W_NEXT_ID,
	LM_W_COUNT
};

struct lm_freed {
	uint64_t segment, size;
};

struct lm_writer {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t some;
	struct lm_write *first, *last;
	size_t count, wanted; /**< queued; and how many to wake the writer for, 0: it is awake */
	bool started, stop;
	atomic_bool broken; /**< a commit or a sync failed: nothing is acknowledged any more */
	/* The writer thread's own. */
	sqlite3 *db;
	sqlite3_stmt *stmts[LM_W_COUNT];
	uint64_t next_id, saved_next_id;
	int64_t now; /**< ms since 1970, of this transaction */
	struct lm_freed *freed;
	size_t freed_count, freed_cap;
	struct lm_spool spool;
	struct lm_drop_slot *drops; /**< ids of maildrops used lately */
};

LM_MUST int lm_writer_start(struct lm_sqlite *store, const char *path, struct lm_error *out_error);
void lm_writer_stop(struct lm_sqlite *store);
void lm_writer_add(struct lm_sqlite *store, struct lm_write *write);
LM_MUST bool lm_writer_cancel(struct lm_sqlite *store, const struct lm_store_op *op);
/** Writer thread: the id of a maildrop, made where it is new. */
LM_MUST int lm_writer_drop(struct lm_writer *writer, struct lm_bytes folded, int64_t *out_id);
/** Writer thread: octets of a segment are free once this transaction is through. */
LM_MUST int lm_writer_freed(struct lm_writer *writer, uint64_t segment, uint64_t size);

/* keeper.c */

struct lm_keeper {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t some, done;
	bool started, stop, reclaim;
	bool dormant;             /**< waits until something is written, without a time */
	unsigned asked, answered; /**< lm_sqlite_tidy */
	sqlite3 *db, *flush_db;
	pthread_mutex_t gate; /**< held by the writer through a transaction */
	atomic_bool wants_gate;
	atomic_int frames;  /**< pages in the log */
	atomic_int due;     /**< how many of them call for a checkpoint */
	int64_t last_write; /**< ms; under mutex */
};

LM_MUST int lm_keeper_start(struct lm_sqlite *store, const char *path, struct lm_error *out_error);
/** End the thread; the writer still runs and may enter. */
void lm_keeper_stop(struct lm_sqlite *store);
void lm_keeper_done(struct lm_sqlite *store);
/** Writer thread: enter and leave a transaction. */
void lm_keeper_enter(struct lm_keeper *keeper);
void lm_keeper_leave(struct lm_keeper *keeper);
/** Writer thread, or inside the gate: how many pages the log has now. */
void lm_keeper_logged(struct lm_keeper *keeper, int frames);
/** Something was written; `reclaim`: and messages in segments went. */
void lm_keeper_poke(struct lm_keeper *keeper, bool reclaim);

/* listing.c: what maildrops held when somebody looked last. Threads: any. */

enum { LM_LISTING_SLOTS = 4096 };

/** A snapshot, shared by sessions; only its count of users changes once it was put. */
struct lm_listing {
	atomic_uint refs;
	unsigned state; /**< lm_listings_state before it was read */
	int64_t drop;   /**< 0: nothing was ever delivered */
	size_t count;
	struct lm_message *messages; /**< their UIDLs behind them */
	char name[];                 /**< folded */
};

struct lm_listings {
	pthread_mutex_t mutex;
	struct lm_listing *slots[LM_LISTING_SLOTS]; /**< by hash of the name */
	size_t octets, hand;
	atomic_uint changes[LM_LISTING_SLOTS]; /**< counted per hash */
};

/** An empty one; NULL: out of memory. */
struct lm_listing *lm_listing_new(struct lm_bytes name, int64_t drop);
/** NULL is allowed. */
void lm_listing_unref(struct lm_listing *listing);
void lm_listings_init(struct lm_listings *listings);
void lm_listings_done(struct lm_listings *listings);
/** The present listing, to unref, or NULL where it has to be read. */
struct lm_listing *lm_listings_get(struct lm_listings *listings, struct lm_bytes name);
/** What to note in a listing, asked before the database is. */
unsigned lm_listings_state(struct lm_listings *listings, struct lm_bytes name);
void lm_listings_put(struct lm_listings *listings, struct lm_listing *listing);
/** Something may have come or gone: call behind the commit and before it is answered. */
void lm_listings_changed(struct lm_listings *listings, struct lm_bytes name);

/* store.c */

struct lm_sqlite {
	struct lm_store head;
	int lock_fd;
	uint32_t store_id;
	struct lm_name_locks locks;
	struct lm_listings listings;
	struct lm_segments segments;
	struct lm_writer writer;
	struct lm_crew readers, crew;
	struct lm_keeper keeper;
	atomic_size_t held; /**< octets reserved of LM_HOLD_BUDGET */
	char path[LM_DB_PATH_MAX + 8];
};

/** The lock that one process has. Errors: LM_E_IN_USE naming it. */
LM_MUST int lm_sqlite_lock(const char *path, int *out_fd, struct lm_error *out_error);

enum lm_reader_stmt { LM_R_FIND_DROP, LM_R_LIST, LM_R_MESSAGE, LM_R_GUID, LM_R_BEGIN, LM_R_COMMIT };
extern const char *const lm_reader_sqls[];

/** The id of a maildrop, 0 where nothing was ever delivered. Reader thread. */
LM_MUST int lm_sqlite_find_drop(sqlite3_stmt *stmt, struct lm_bytes name, int64_t *out_drop);
struct lm_bytes lm_sqlite_box_name(const struct lm_mailbox *mailbox);
/** As lm_sqlite_find_drop said when it was opened. */
int64_t lm_sqlite_box_drop(const struct lm_mailbox *mailbox);

void lm_sqlite_mailbox_open(struct lm_store *, struct lm_bytes user, struct lm_store_op *);
void lm_sqlite_mailbox_list(struct lm_mailbox *, struct lm_store_op *);
void lm_sqlite_message_read(struct lm_mailbox *, uint64_t id, uint64_t offset,
                            struct lm_store_op *);
bool lm_sqlite_message_at_hand(struct lm_mailbox *, uint64_t id, uint64_t offset,
                               struct lm_bytes *out_chunk, bool *out_last);
void lm_sqlite_mailbox_expunge(struct lm_mailbox *, const uint64_t *ids, size_t count,
                               struct lm_store_op *);
void lm_sqlite_message_move(struct lm_mailbox *, const uint64_t *ids, size_t count,
                            struct lm_bytes to, struct lm_store_op *);
void lm_sqlite_mailbox_close(struct lm_mailbox *, struct lm_store_op *);
void lm_sqlite_mailbox_has_guids(struct lm_store *, struct lm_bytes user,
                                 const struct lm_guid *guids, size_t count, bool *out_known,
                                 struct lm_store_op *);
void lm_sqlite_draft_begin(struct lm_store *, const struct lm_delivery *, struct lm_store_op *);
void lm_sqlite_draft_write(struct lm_draft *, struct lm_bytes octets, struct lm_store_op *);
void lm_sqlite_draft_commit(struct lm_draft *, struct lm_store_op *);
void lm_sqlite_draft_abort(struct lm_draft *);

#endif
