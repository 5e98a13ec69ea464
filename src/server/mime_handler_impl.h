/** @file
 * The insides of the mime handler: mime_handler.c (doors, logins, names in use), mime_drop.c
 * (maildrops and what happens to their messages), mime_uidl.c (names for messages), mime_spool.c
 * (messages on their way).
 *
 * Threads: everything belongs to its worker's thread, but for struct lm_mime_handler (unchanging,
 * apart from the names in use, which a lock guards) and for a job while the store's thread has it:
 * then the job's members are that thread's.
 */
#ifndef LM_SERVER_MIME_HANDLER_IMPL_H
#define LM_SERVER_MIME_HANDLER_IMPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "server/mime_handler.h"
#include "server/worker.h"

#include <pthread.h>

/** SCRAM keys of the one password. */
struct lm_mh_keys {
	uint8_t salt[16], stored[32], server[32];
	size_t len;
};

/** A name with a session. */
struct lm_mh_lock {
	struct lm_mh_lock *prev, *next;
	size_t len;
	char name[];
};

struct lm_mime_handler {
	struct lm_mime_store *store;
	struct lm_pool *pool; /* of one thread */
	char *password, *spool_dir;
	char **users;
	size_t user_count;
	unsigned tags;
	size_t limit;
	bool count_octets;
	const struct lm_log *log;
	struct lm_mh_keys sha1, sha256;
	pthread_mutex_t mutex; /* guards the next */
	struct lm_mh_lock *locks;
};

/** One worker's part; stays until the last operation of the worker has ended. */
struct lm_mh_worker {
	struct lm_mime_handler *handler;
	struct lm_worker *worker;
	struct lm_loop *loop;
	size_t pending;
	bool stopped;
};

/** Where a message's octets wait: in memory, or in a file when they are many. */
struct lm_mh_spool {
	struct lm_buf memory;
	int fd; /* -1: none */
	uint64_t octets;
	const char *dir;
};

struct lm_mh_item {
	struct lm_mime_item item;
	bool consumed;
};

/** One session's maildrop. Counted: the session, and each job. */
struct lm_mh_drop {
	struct lm_mh_worker *worker;
	unsigned refs;
	uint64_t session;
	struct lm_mh_lock *lock;
	bool gone, quit;
	struct lm_arena arena;
	struct lm_mh_item *items;
	struct lm_message *messages;
	size_t count;
	struct lm_mh_item *last; /* retrieved; NULL: none */
};

/** Something for the store's thread to do: `work` sets job->result, `done` gets it on the loop. */
struct lm_mh_job {
	struct lm_job job;
	struct lm_mh_worker *worker;
	void (*done)(struct lm_mh_job *job, int result);
};
/** LM_E_AGAIN when there is too much to do: `done` will not come. */
LM_MUST int lm_mh_submit(struct lm_mh_job *job, struct lm_mh_worker *worker,
                         void (*work)(struct lm_job *job),
                         void (*done)(struct lm_mh_job *job, int result));

/** Take a name; NULL with *out_error LM_E_IN_USE or LM_E_NOMEM. */
struct lm_mh_lock *lm_mh_lock(struct lm_mime_handler *h, struct lm_bytes name, int *out_error);
/** NULL is allowed. */
void lm_mh_unlock(struct lm_mime_handler *h, struct lm_mh_lock *lock);

enum lm_verdict lm_mh_maildrop(struct lm_mh_worker *w, void **slot, const struct lm_event *event,
                               struct lm_reply *out_reply, struct lm_ticket ticket);
enum lm_verdict lm_mh_retr(struct lm_mh_drop *drop, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
enum lm_verdict lm_mh_quit(struct lm_mh_drop *drop, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
/** The session is over. NULL is allowed. */
void lm_mh_drop_leave(struct lm_mh_drop *drop);

/**
 * Name the messages of a maildrop for UIDL: the guid where RFC 1939 7 allows it and no other item
 * has it, else what of it is allowed with a hash of guid and store name behind. Ids are 1 to
 * `count`. LM_E_NOMEM.
 */
LM_MUST int lm_mh_name(const struct lm_mh_item *items, size_t count, struct lm_arena *arena,
                       struct lm_message *out_messages);

void lm_mh_spool_init(struct lm_mh_spool *spool, const char *dir);
void lm_mh_spool_done(struct lm_mh_spool *spool);
/** A sink for the store. Errors: LM_E_FULL, LM_E_IO, LM_E_NOMEM, LM_E_LIMIT. Threads: any, one at
 * a time. */
int lm_mh_spool_add(void *spool, struct lm_bytes octets);
/** A source over what was spooled; takes it over, also on failure (NULL: out of memory). */
struct lm_source *lm_mh_spool_source(struct lm_mh_spool *spool, struct lm_mh_worker *worker);

#endif
