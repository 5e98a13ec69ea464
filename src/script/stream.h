/** @file
 * infinity.stream from C: octets in memory or in a file, with a position.
 *
 * Threads: a stream belongs to one runtime; a source made of it to whoever reads it.
 */
#ifndef LM_SCRIPT_STREAM_H
#define LM_SCRIPT_STREAM_H

#include "mime/stash.h"
#include "script/runtime.h"

#include <lettermill/reply.h>

struct lm_stream;

/** Counted references: the JavaScript object has one. */
struct lm_stream *lm_stream_ref(struct lm_stream *stream);
void lm_stream_unref(struct lm_stream *stream);

/** An empty one in memory (beyond 1 MB in an unlinked file). NULL: out of memory. */
struct lm_stream *lm_stream_new(void);
/** A read-only one over what was stashed, which is moved into it (`stash` is empty then). */
struct lm_stream *lm_stream_of_stash(struct lm_stash *stash);

/** The handle that internal.handle(stream) gives for an infinity.stream; NULL for anything else.
 * Borrowed. A freed stream has none either (throw "was freed"). */
struct lm_stream *lm_stream_of(struct lm_js *js, struct lm_js_value *handle);
/** A handle for a stream; internal.streamOver(handle) makes an infinity.stream of it. Takes a
 * reference of its own. NULL: thrown. */
struct lm_js_value *lm_stream_handle(struct lm_js *js, struct lm_stream *stream);

/** Errors of all: LM_E_IO, LM_E_FULL, LM_E_DENIED (opened for reading only), LM_E_NOMEM. */
LM_MUST int lm_stream_size(struct lm_stream *stream, uint64_t *out_size,
                           struct lm_error *out_error);
/** Read at `at`, without moving the position; *out_len 0: the end. */
LM_MUST int lm_stream_read_at(struct lm_stream *stream, uint64_t at, uint8_t *out, size_t room,
                              size_t *out_len, struct lm_error *out_error);
/** Write at the end. */
LM_MUST int lm_stream_append(struct lm_stream *stream, struct lm_bytes octets,
                             struct lm_error *out_error);
/** A source over all of it as it is now, whatever the position; the stream may be changed, freed or
 * collected meanwhile. */
LM_MUST int lm_stream_source(struct lm_stream *stream, struct lm_source **out_source,
                             struct lm_error *out_error);

#endif
