/** @file
 * Octets on their way: in memory up to a mark, beyond it in a temporary file without a name.
 *
 * Threads: any; a stash belongs to its caller.
 */
#ifndef LM_MIME_STASH_H
#define LM_MIME_STASH_H

#include "base/buf.h"

enum { LM_STASH_MEMORY = 1 << 20 };

struct lm_stash {
	struct lm_buf memory; /**< what is not in the file */
	int fd;               /**< -1: none */
	uint64_t written;     /**< octets in the file */
};

void lm_stash_init(struct lm_stash *s);
void lm_stash_done(struct lm_stash *s);

/** Errors: LM_E_NOMEM, LM_E_FULL, LM_E_IO; the text names the folder ($TMPDIR, else /tmp). */
LM_MUST int lm_stash_add(struct lm_stash *s, struct lm_bytes octets, struct lm_error *out_error);
/** No more comes; what is left goes to the file, if there is one. Errors: the same. */
LM_MUST int lm_stash_end(struct lm_stash *s, struct lm_error *out_error);
uint64_t lm_stash_size(const struct lm_stash *s);

/** Read after the end: up to `room` octets from `at` on into `out`; *out_len 0: there are no more.
 * Errors: LM_E_IO. */
LM_MUST int lm_stash_read(const struct lm_stash *s, uint64_t at, uint8_t *out, size_t room,
                          size_t *out_len);

/** A temporary file without a name, as a stash has it; the caller closes it. Errors: LM_E_DENIED,
 * LM_E_FULL, LM_E_IO …; the text names the folder. */
LM_MUST int lm_stash_file(int *out_fd, struct lm_error *out_error);

#endif
