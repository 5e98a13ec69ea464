/** @file
 * Mime stores: messages in a heap with tags, to be queried, consumed, marked and added to. Every
 * store has this face; "fake:", "localfs:PATH" and "cloud:URL" have only this one.
 *
 * All calls block. Threads: a store belongs to one thread at a time.
 */
#ifndef LETTERMILL_MIME_STORE_H
#define LETTERMILL_MIME_STORE_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_mime_tag {
	LM_TAG_UNREAD,
	LM_TAG_ARCHIVE,
	LM_TAG_STAGED,
	LM_TAG_DUP,
	LM_TAG_POP3FAILED,
	LM_TAG_CONVERSIONERROR,
	LM_TAG_COUNT
};
/** "unread"; NULL for what is no tag. Threads: any. */
LM_API const char *lm_mime_tag_name(enum lm_mime_tag tag);
/** LM_E_NOT_FOUND, naming the known ones. Threads: any. */
LM_API LM_MUST int lm_mime_tag_parse(const char *name, enum lm_mime_tag *out_tag,
                                     struct lm_error *out_error);

/** One message. In results all slices live until the next query on the store or its end. */
struct lm_mime_item {
	struct lm_bytes name;     /**< what the store calls it: a file name, a number; what mark and
	                             consume go by */
	struct lm_bytes sourceid; /**< where it came from: the POP3 user */
	struct lm_bytes guid;     /**< its name there: the UIDL, or the number */
	uint64_t octets;          /**< izy's "size"; adding: 0 unknown */
	int64_t timestamp_ms;     /**< messageUTCTimestamp, of the Unix clock; 0 unknown */
	struct lm_bytes metadata; /**< opaque */
	enum lm_mime_tag tag;
};

struct lm_mime_query {
	uint64_t total_octets; /**< of the items below, izy's "totalSize" */
	size_t count;
	const struct lm_mime_item *items;
};

/** A setting of a store, by izy's name behind "mimestore.": path, commitmode, verbose, tablename,
 * accesstoken, groupid, itemid, simulate, limit, orderBy, dataservice; and "mailbox", "cafile",
 * "timeout". docs/stores.md says which store has which. */
struct lm_mime_setting {
	const char *name, *value;
};

struct lm_mime_store;
struct lm_mime_add;

/**
 * Open by URL: "fake:", "localfs:PATH", "cloud:URL", "maildir:PATH", "sqlite:PATH", "memory:".
 * Settings unknown to the store are LM_E_CONFIG, naming the nearest. commitmode: on unless it says
 * false, 0, no or off: then nothing is moved, marked or stored, and the calls say what would
 * happen by succeeding. (izy's own command form starts with off.) "mailbox" names the maildrop in
 * stores that have several; default: the store's own choice, see docs/stores.md.
 * Errors: LM_E_CONFIG, LM_E_NOT_FOUND ("Please mkdir …"), LM_E_IN_USE, LM_E_IO, LM_E_DENIED,
 * LM_E_CORRUPT.
 */
LM_API LM_MUST int lm_mime_store_open(const char *url, const struct lm_mime_setting *settings,
                                      size_t setting_count, struct lm_mime_store **out_store,
                                      struct lm_error *out_error);
/** Flushes. NULL is allowed. */
LM_API void lm_mime_store_close(struct lm_mime_store *store);

/** What a store can, beyond the least. */
enum lm_mime_cap {
	LM_MIME_REMEMBERS = 1, /**< lm_mime_store_has knows what was ever added, and a second
	                          lm_mime_add_end of the same sourceid and guid is LM_E_EXISTS */
	LM_MIME_DURABLE = 2,   /**< what lm_mime_store_flush acknowledged survives kill -9 */
};
LM_API unsigned lm_mime_store_caps(const struct lm_mime_store *store);

/**
 * Messages with one of `tags` (set of 1 << enum lm_mime_tag; 0: those the store shows to readers),
 * in the store's order, at most `limit` (0: the store's default; SIZE_MAX: all).
 */
LM_API LM_MUST int lm_mime_store_query(struct lm_mime_store *store, unsigned tags, size_t limit,
                                       struct lm_mime_query *out_query, struct lm_error *out_error);
/** Octets of an item to `sink`, without changing anything. */
LM_API LM_MUST int lm_mime_store_read(struct lm_mime_store *store, const struct lm_mime_item *item,
                                      int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                                      struct lm_error *out_error);
/** The same, and consume it: it is marked staged, handed out, then marked archive. When `sink`
 * fails it stays staged. */
LM_API LM_MUST int lm_mime_store_consume(struct lm_mime_store *store,
                                         const struct lm_mime_item *item,
                                         int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                                         struct lm_error *out_error);
/** Errors: LM_E_NOT_FOUND (gone meanwhile), LM_E_UNSUPPORTED (a tag the store has not). */
LM_API LM_MUST int lm_mime_store_mark(struct lm_mime_store *store, const struct lm_mime_item *item,
                                      enum lm_mime_tag tag, struct lm_error *out_error);

/** 1: a message of this source and guid was added before; 0: not; LM_E_UNSUPPORTED without
 * LM_MIME_REMEMBERS. */
LM_API LM_MUST int lm_mime_store_has(struct lm_mime_store *store, struct lm_bytes sourceid,
                                     struct lm_bytes guid);
/** Begin to add. Several may be open at once. `item` is copied; octets must come exactly. */
LM_API LM_MUST int lm_mime_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                                     struct lm_mime_add **out_add, struct lm_error *out_error);
LM_API LM_MUST int lm_mime_add_write(struct lm_mime_add *add, struct lm_bytes octets,
                                     struct lm_error *out_error);
/** The message is whole; `add` is gone whatever comes back. It is durable once lm_mime_store_flush
 * said so: many together cost little more than one. Errors: LM_E_EXISTS, LM_E_FULL, LM_E_IO …
 * *out_name (may be NULL; 256 octets of room) is what the store calls it; "" where names are only
 * given on disk (sqlite:, memory:, maildir:). */
LM_API LM_MUST int lm_mime_add_end(struct lm_mime_add *add, char *out_name,
                                   struct lm_error *out_error);
/** Forget it; nothing of it is left. NULL is allowed. */
LM_API void lm_mime_add_abort(struct lm_mime_add *add);
/** Everything that was ended is on disk now, where the store is LM_MIME_DURABLE. On an error none
 * of those since the last flush may be taken for safe. */
LM_API LM_MUST int lm_mime_store_flush(struct lm_mime_store *store, struct lm_error *out_error);

/**
 * Look at everything a store keeps, as lm_store_check does, which it is for sqlite: and maildir:;
 * in localfs: at names nobody reads, links, files of others who ended half-way, messages somebody
 * began to consume. Settings as lm_mime_store_open takes them. `report` gets one line of text for
 * each problem. 0: sound; LM_E_CORRUPT: something was reported. Changes nothing.
 */
LM_API LM_MUST int lm_mime_store_check(const char *url, const struct lm_mime_setting *settings,
                                       size_t setting_count,
                                       void (*report)(void *ctx, const char *problem), void *ctx,
                                       struct lm_error *out_error);

#ifdef __cplusplus
}
#endif
#endif
