/** @file
 * A stream's inside, for the files that make infinity.stream.
 */
#ifndef LM_SCRIPT_STREAM_IMPL_H
#define LM_SCRIPT_STREAM_IMPL_H

#include "script/stream.h"
#include "script/stream_store.h"

#include <sys/types.h>

/** infinity.fileMode, as the seeds' documents number them. */
enum lm_file_mode {
	LM_FILE_CREATE = 0xFF00,
	LM_FILE_READ = 0,
	LM_FILE_WRITE = 1,
	LM_FILE_READ_WRITE = 2,
	LM_FILE_ACCESS = 3, /**< the bits of read and write */
	LM_FILE_EXCLUSIVE = 4,
	LM_FILE_SHARE_EXCLUSIVE = 16,
	LM_FILE_SHARE_DENY_WRITE = 32,
	LM_FILE_SHARE_DENY_NONE = 64,
};

struct lm_stream {
	atomic_uint refs;
	struct lm_stream_store *store;
	uint64_t position;
	bool no_reading, no_writing;
	char *name; /**< as the script gave it; "" none */
	char *path; /**< absolute, where the file is to be deleted; else NULL */
	dev_t dev;
	ino_t ino;
};

/** Open a file. `path` is absolute, `name` what messages and fileName show; auto_delete: remove the
 * file with the last reference. Errors: LM_E_NOT_FOUND, LM_E_EXISTS, LM_E_DENIED, LM_E_IN_USE (a
 * lock of another stream), LM_E_UNSUPPORTED (no regular file), LM_E_MISUSE (the mode), LM_E_IO. */
LM_MUST int lm_stream_open(const char *path, const char *name, unsigned mode, bool auto_delete,
                           struct lm_stream **out_stream, struct lm_error *out_error);
LM_MUST int lm_stream_write_at(struct lm_stream *stream, uint64_t at, struct lm_bytes octets,
                               struct lm_error *out_error);
/** Truncate or grow; the position comes along where it would be beyond the end. */
LM_MUST int lm_stream_resize(struct lm_stream *stream, uint64_t size, struct lm_error *out_error);
/** Copy up to `count` octets from one's position to the other's, moving both. Both may be one. */
LM_MUST int lm_stream_copy(struct lm_stream *to, struct lm_stream *from, uint64_t count,
                           uint64_t *out_count, struct lm_error *out_error);
/** Add up to `count` octets from the position on to `out`, moving it. Errors also: LM_E_LIMIT. */
LM_MUST int lm_stream_take(struct lm_stream *stream, uint64_t count, struct lm_buf *out,
                           struct lm_error *out_error);
/** The same up to behind the next LF. */
LM_MUST int lm_stream_take_line(struct lm_stream *stream, struct lm_buf *out,
                                struct lm_error *out_error);

/** Let go of a handle's stream at once; again it does nothing. */
void lm_stream_handle_close(struct lm_js *js, struct lm_js_value *handle);

#endif
