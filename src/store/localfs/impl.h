/** @file
 * The parts of the localfs store: folders, names, listing, adding.
 */
#ifndef LM_STORE_LOCALFS_IMPL_H
#define LM_STORE_LOCALFS_IMPL_H

#include "base/buf.h"
#include "store/localfs/localfs.h"

#include <limits.h>

/** Where a file lies: the store's folder or one of the three in it. */
enum lm_localfs_place { LM_AT_ROOT, LM_AT_ARCHIVE, LM_AT_STAGED, LM_AT_DUP, LM_AT_PLACES };

/** A file of the store; `name` is no path. */
struct lm_localfs_file {
	enum lm_localfs_place place;
	char name[NAME_MAX + 1];
};

struct lm_localfs_move;
struct lm_localfs_add;

/** Ended messages that wait for the flush; each has a descriptor. */
enum { LM_LOCALFS_PENDING = 128 };

struct lm_localfs {
	struct lm_mime_store head;
	char *path; /* for messages only: all is opened below dir[LM_AT_ROOT] */
	int dir[LM_AT_PLACES];
	bool dirty[LM_AT_PLACES]; /* entries changed since the last fsync */
	bool descending, broken;
	size_t limit;
	/* The last query's, in one piece each; and what was moved since. */
	struct lm_mime_item *items;
	char **names;
	size_t count;
	struct lm_localfs_move *moves;
	size_t move_count, move_cap;
	/* Ended, not yet under their own names. */
	struct lm_localfs_add *pending[LM_LOCALFS_PENDING];
	size_t pending_count;
	int lost; /* why a message that was ended is none, until the next flush tells */
	unsigned serial;
};

/* name.c */

/** "archive/" for LM_AT_ARCHIVE; "" for the store's folder. */
const char *lm_localfs_folder(enum lm_localfs_place place);
/** What the name of a file in the store's folder says; LM_TAG_COUNT: not shown at all. */
enum lm_mime_tag lm_localfs_tag(enum lm_localfs_place place, const char *name);
/** The file an item's name stands for, unchecked. LM_E_NOT_FOUND: it cannot stand for one. */
LM_MUST int lm_localfs_parse(struct lm_bytes name, struct lm_localfs_file *out_file);
/** sourceid_guid, escaped and cut, without ".eml". */
enum { LM_LOCALFS_STEM_MAX = 200 };
void lm_localfs_stem(struct lm_bytes sourceid, struct lm_bytes guid,
                     char out_stem[LM_LOCALFS_STEM_MAX + 1]);
/** The sourceid alone, for its log file. */
void lm_localfs_source(struct lm_bytes sourceid, char out_source[LM_LOCALFS_STEM_MAX + 1]);
/** The stem of a file without ".eml", the marks of its tag, and with `dups` without ".dup"s. */
void lm_localfs_strip(const char *name, bool dups, char out_stem[NAME_MAX + 1]);
/** The n-th name to try: STEM INFIX.eml, STEM.dup INFIX.eml, STEM.dup.dup …; false: no more. */
LM_MUST bool lm_localfs_variant(const char *stem, unsigned n, const char *infix,
                                char out_name[NAME_MAX + 1]);

/* place.c */

/** A regular file, and no link to one. */
bool lm_localfs_is_file(const struct lm_localfs *l, const struct lm_localfs_file *file);
/** Give a file another name, never an existing one: LM_E_EXISTS. Changes nothing on errors. */
LM_MUST int lm_localfs_rename(struct lm_localfs *l, const struct lm_localfs_file *from,
                              const struct lm_localfs_file *to, struct lm_error *out_error);
/** The same to the first free variant of a stem; to->place is set, to->name becomes the name. */
LM_MUST int lm_localfs_rename_free(struct lm_localfs *l, const struct lm_localfs_file *from,
                                   const char *stem, const char *infix, struct lm_localfs_file *to,
                                   struct lm_error *out_error);
/** Where an item is now. */
LM_MUST int lm_localfs_find(struct lm_localfs *l, struct lm_bytes name,
                            struct lm_localfs_file *out_file, struct lm_error *out_error);
int lm_localfs_mark(struct lm_mime_store *store, const struct lm_mime_item *item,
                    enum lm_mime_tag tag, struct lm_error *out_error);
void lm_localfs_forget_moves(struct lm_localfs *l);

/* query.c */

int lm_localfs_query(struct lm_mime_store *store, unsigned tags, size_t limit,
                     struct lm_mime_query *out_query, struct lm_error *out_error);
void lm_localfs_forget_items(struct lm_localfs *l);
/** Names in a folder, unsorted; each freed with lm_free, the array, too. */
LM_MUST int lm_localfs_names(const struct lm_localfs *l, enum lm_localfs_place place,
                             char ***out_names, size_t *out_count, struct lm_error *out_error);

/* add.c */

int lm_localfs_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                         struct lm_mime_add **out_add, struct lm_error *out_error);
int lm_localfs_add_write(struct lm_mime_add *add, struct lm_bytes octets,
                         struct lm_error *out_error);
int lm_localfs_add_end(struct lm_mime_add *add, char *out_name, struct lm_error *out_error);
void lm_localfs_add_abort(struct lm_mime_add *add);
/** Sync the files that were ended and give them their names; *not* the folder. A failure is told
 * again by the next flush, as it need not be about the message of whoever called. */
LM_MUST int lm_localfs_publish(struct lm_localfs *l, struct lm_error *out_error);
int lm_localfs_flush(struct lm_mime_store *store, struct lm_error *out_error);
/** Remove what others left who ended in the midst of adding. */
void lm_localfs_sweep(struct lm_localfs *l);

#endif
