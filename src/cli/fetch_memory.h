/** @file
 * Which messages were fetched before: the store knows, or a file of our own does.
 *
 * The file is a line of format, then a line "ID OCTETS" a message, only ever appended to; a line
 * without its end, which a crash left, counts as not written.
 */
#ifndef LM_CLI_FETCH_MEMORY_H
#define LM_CLI_FETCH_MEMORY_H

#include "base/arena.h"
#include "base/buf.h"

#include <lettermill/mime_store.h>

struct lm_fetch_memory {
	struct lm_mime_store *store; /**< borrowed; NULL: does not remember */
	struct lm_bytes source;      /**< its sourceid; borrowed */
	int fd;                      /**< of the file; -1: none */
	char *path;
	struct lm_buf text; /**< of the file */
	struct lm_bytes *lines;
	size_t line_count;
	struct lm_buf fresh; /**< lines to be appended */
};

/**
 * Ask `store` where it remembers; read the file at `path` where that is not NULL, with its folder,
 * and make it if it is not there. Close with done, also on error. Errors: LM_E_IN_USE (another
 * fetch has the file), LM_E_CORRUPT (the file is none of ours), LM_E_IO, LM_E_DENIED …
 */
LM_MUST int lm_fetch_memory_open(struct lm_fetch_memory *memory, struct lm_mime_store *store,
                                 struct lm_bytes source, const char *path,
                                 struct lm_error *out_error);
void lm_fetch_memory_done(struct lm_fetch_memory *memory);
/** 1: fetched before; 0: not; a negative enum lm_err. */
LM_MUST int lm_fetch_memory_has(const struct lm_fetch_memory *memory, struct lm_bytes id,
                                uint64_t octets);
/** Note one; it is kept once lm_fetch_memory_flush said so. */
LM_MUST int lm_fetch_memory_note(struct lm_fetch_memory *memory, struct lm_bytes id,
                                 uint64_t octets);
LM_MUST int lm_fetch_memory_flush(struct lm_fetch_memory *memory, struct lm_error *out_error);

/** The path of the file for this place and store: $XDG_STATE_HOME/lettermill/fetch/…, or below
 * ~/.local/state. LM_E_CONFIG where there is no home; LM_E_LIMIT. */
LM_MUST int lm_fetch_memory_path(const char *source, const char *store_url, char *out, size_t cap,
                                 struct lm_error *out_error);

#endif
