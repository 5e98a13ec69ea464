/** @file
 * What streams keep their octets in: memory, an unlinked file, or a named one. A stream and the
 * sources made of it share a store; what a source sees of it never changes, as the stream takes a
 * copy before it changes any of that.
 *
 * Threads: one thread changes it (the stream's), any may read what was there when it got its
 * reference.
 */
#ifndef LM_SCRIPT_STREAM_STORE_H
#define LM_SCRIPT_STREAM_STORE_H

#include "mime/stash.h"

#include <stdatomic.h>

struct lm_stream_store {
	atomic_uint refs;
	struct lm_buf memory; /**< while there is no file */
	int fd;               /**< -1: none */
	char *name;           /**< of a named file, for messages; NULL: it has none */
	uint64_t size;        /**< of an unlinked file */
};

/** An empty one in memory; NULL: out of memory. */
struct lm_stream_store *lm_stream_store_new(void);
/** One over a file; takes `fd` (on success) and copies `name`. NULL: out of memory. */
struct lm_stream_store *lm_stream_store_of_file(int fd, const char *name);
struct lm_stream_store *lm_stream_store_ref(struct lm_stream_store *store);
void lm_stream_store_unref(struct lm_stream_store *store);

/** Errors of all: LM_E_NOMEM, LM_E_IO, LM_E_FULL, LM_E_LIMIT (beyond what files can have). */
LM_MUST int lm_stream_store_size(const struct lm_stream_store *store, uint64_t *out_size,
                                 struct lm_error *out_error);
LM_MUST int lm_stream_store_read(const struct lm_stream_store *store, uint64_t at, uint8_t *out,
                                 size_t room, size_t *out_len, struct lm_error *out_error);
/** Write at any place; what lies between the end and it becomes zeros. *store may be another one
 * afterwards. */
LM_MUST int lm_stream_store_write(struct lm_stream_store **store, uint64_t at,
                                  struct lm_bytes octets, struct lm_error *out_error);
LM_MUST int lm_stream_store_resize(struct lm_stream_store **store, uint64_t size,
                                   struct lm_error *out_error);
/** A store of its own with the same octets, in memory or an unlinked file. */
LM_MUST int lm_stream_store_copy(const struct lm_stream_store *store,
                                 struct lm_stream_store **out_copy, struct lm_error *out_error);

#endif
