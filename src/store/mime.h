/** @file
 * For those who write a mime store: the table of operations, settings, the registry's row.
 *
 * <lettermill/mime_store.h> is the contract of each operation; what stands here is added to it.
 * mime.c checks arguments before a backend is called. A backend is one folder with one row in
 * mime_open.c, which alone includes it. Commit mode is the backend's work: where it is off, an
 * operation looks whether it could be done, and changes nothing. What add_end took is seen by
 * query, read and mark at once, flushed or not.
 */
#ifndef LM_STORE_MIME_H
#define LM_STORE_MIME_H

#include "base/mem.h"

#include <lettermill/mime_store.h>

/** Settings by number; their names are izy's (mime_open.c). */
enum lm_mime_key {
	LM_MIME_PATH,
	LM_MIME_COMMITMODE,
	LM_MIME_VERBOSE,
	LM_MIME_TABLENAME,
	LM_MIME_ACCESSTOKEN,
	LM_MIME_GROUPID,
	LM_MIME_ITEMID,
	LM_MIME_SIMULATE,
	LM_MIME_LIMIT,
	LM_MIME_ORDERBY,
	LM_MIME_DATASERVICE,
	LM_MIME_MAILBOX,
	LM_MIME_CAFILE,
	LM_MIME_TIMEOUT,
	LM_MIME_KEYS
};

/** Settings as they were given and as they are understood. */
struct lm_mime_conf {
	const char *value[LM_MIME_KEYS]; /**< borrowed until open returns; NULL: not given */
	bool commit, descending, simulate, verbose;
	size_t limit;       /**< 0: not given */
	unsigned timeout_s; /**< 0: not given */
};

struct lm_mime_ops {
	/** Flushed before; also behind an open that failed half-way. */
	void (*close)(struct lm_mime_store *store);
	int (*query)(struct lm_mime_store *store, unsigned tags, size_t limit,
	             struct lm_mime_query *out_query, struct lm_error *out_error);
	int (*read)(struct lm_mime_store *store, const struct lm_mime_item *item,
	            int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
	            struct lm_error *out_error);
	int (*mark)(struct lm_mime_store *store, const struct lm_mime_item *item,
	            enum lm_mime_tag tag, struct lm_error *out_error);
	/** NULL without LM_MIME_REMEMBERS. */
	int (*has)(struct lm_mime_store *store, struct lm_bytes sourceid, struct lm_bytes guid);
	/** Sets the head of *out_add itself. */
	int (*add_begin)(struct lm_mime_store *store, const struct lm_mime_item *item,
	                 struct lm_mime_add **out_add, struct lm_error *out_error);
	int (*add_write)(struct lm_mime_add *add, struct lm_bytes octets,
	                 struct lm_error *out_error);
	/** `out_name` is never NULL. */
	int (*add_end)(struct lm_mime_add *add, char *out_name, struct lm_error *out_error);
	void (*add_abort)(struct lm_mime_add *add);
	int (*flush)(struct lm_mime_store *store, struct lm_error *out_error);
	/** lm_mime_store_mailbox and lm_mime_store_beside; NULL, both, where there is one heap. */
	const char *(*mailbox)(const struct lm_mime_store *store);
	int (*beside)(struct lm_mime_store *store, const char *mailbox,
	              struct lm_mime_store **out_store, struct lm_error *out_error);
};

/** Room for an item's name with its NUL, as lm_mime_add_end promises it. */
enum { LM_MIME_NAME_SIZE = 256 };

/** The heads of every store and of every message being added. */
struct lm_mime_store {
	const struct lm_mime_ops *ops;
	unsigned caps; /* enum lm_mime_cap; set by open */
	bool commit;   /* set behind open */
};
struct lm_mime_add {
	struct lm_mime_store *store;
	int err; /* the first error of a write: nothing but the end or abort is left */
};

/** One kind of store. `url` is whole, `rest` what stands behind "SCHEME:". */
struct lm_mime_backend {
	const char *scheme;
	unsigned keys; /**< set of 1 << enum lm_mime_key it knows beside those all know */
	int (*open)(const char *url, const char *rest, const struct lm_mime_conf *conf,
	            struct lm_mime_store **out_store, struct lm_error *out_error);
	/** lm_mime_store_check; NULL: what can be opened is sound. */
	int (*check)(const char *url, const char *rest, const struct lm_mime_conf *conf,
	             void (*report)(void *ctx, const char *problem), void *ctx,
	             struct lm_error *out_error);
};

/** The maildrop that a store of several shows, "" for a Maildir's own; NULL: it has no names. */
const char *lm_mime_store_mailbox(const struct lm_mime_store *store);
/**
 * Open another maildrop of what is open already, with the same settings; NULL: the one that is
 * taken where nobody says. Each is closed by itself, in any order. Errors: LM_E_CONFIG (no store of
 * several, no name), LM_E_NOMEM. Threads: each store has its own; `store` must not be in use
 * during the call.
 */
LM_MUST int lm_mime_store_beside(struct lm_mime_store *store, const char *mailbox,
                                 struct lm_mime_store **out_store, struct lm_error *out_error);

#define LM_TAG_BIT(tag) (1U << (tag))
enum { LM_TAGS_ALL = (1 << LM_TAG_COUNT) - 1 };

/** The setting `key` where the URL says nothing behind its scheme, else what the URL says; both is
 * LM_E_CONFIG unless they are equal, neither is LM_E_CONFIG, too. */
LM_MUST int lm_mime_place(const char *rest, const struct lm_mime_conf *conf, enum lm_mime_key key,
                          const char **out_place, struct lm_error *out_error);

#endif
