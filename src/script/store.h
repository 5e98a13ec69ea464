/** @file
 * infinity.store behind its JavaScript: mime stores that the scripts of a program share.
 *
 * Several workers want the same store, and most stores can be opened once only: so each is opened
 * once for a program, by URL and settings, counted, and used by one thread at a time. Maildrops of
 * one store are opened beside each other. "memory:" stays until the program ends.
 *
 * Threads: any, for all calls. Nothing here calls the engine.
 */
#ifndef LM_SCRIPT_STORE_H
#define LM_SCRIPT_STORE_H

#include "base/arena.h"
#include "mime/stash.h"

#include <lettermill/mime_store.h>

struct lm_script_stores;
struct lm_script_store;

/** For struct lm_script. Errors: LM_E_NOMEM. */
LM_MUST int lm_script_stores_new(struct lm_script_stores **out_stores);
/** Behind the last runtime: closes what is open still. NULL is allowed. */
void lm_script_stores_free(struct lm_script_stores *stores);

/** What a store is opened with: as for lm_mime_store_open, without its setting "mailbox". */
struct lm_script_store_place {
	const char *url;
	const struct lm_mime_setting *settings;
	size_t setting_count;
	const char *mailbox; /**< NULL: the store's own choice */
};
/** A counted reference. Errors: those of lm_mime_store_open. */
LM_MUST int lm_script_store_open(struct lm_script_stores *stores,
                                 const struct lm_script_store_place *place,
                                 struct lm_script_store **out_store, struct lm_error *out_error);
/** The last one flushes and closes. NULL is allowed. */
void lm_script_store_unref(struct lm_script_store *store);
unsigned lm_script_store_caps(const struct lm_script_store *store);

/** The calls of <lettermill/mime_store.h>. */
struct lm_script_items {
	struct lm_arena arena; /**< of what follows; lm_arena_reset frees all */
	struct lm_mime_item *items;
	size_t count;
};
LM_MUST int lm_script_store_query(struct lm_script_store *store, unsigned tags, size_t limit,
                                  struct lm_script_items *out_items, struct lm_error *out_error);
/** `out` is the caller's, initialised and still to be ended. With `stage` it is marked staged
 * before: to consume it, mark it archive behind. */
LM_MUST int lm_script_store_read(struct lm_script_store *store, const struct lm_mime_item *item,
                                 bool stage, struct lm_stash *out, struct lm_error *out_error);
LM_MUST int lm_script_store_mark(struct lm_script_store *store, const struct lm_mime_item *item,
                                 enum lm_mime_tag tag, struct lm_error *out_error);
/** 1, 0 or an error. */
LM_MUST int lm_script_store_has(struct lm_script_store *store, struct lm_bytes sourceid,
                                struct lm_bytes guid, struct lm_error *out_error);
LM_MUST int lm_script_store_flush(struct lm_script_store *store, struct lm_error *out_error);

enum { LM_SCRIPT_STORE_NAME = 256 };
/**
 * Add a message, flushed when this returns: those who add at once share a flush. `pull` gives its
 * octets piece by piece, none at the end. out_name: as lm_mime_add_end's.
 */
LM_MUST int
lm_script_store_add(struct lm_script_store *store, const struct lm_mime_item *item,
                    int (*pull)(void *ctx, struct lm_bytes *out_piece, struct lm_error *out_error),
                    void *ctx, char out_name[LM_SCRIPT_STORE_NAME], struct lm_error *out_error);

#endif
