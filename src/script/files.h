/** @file
 * Whole files written at once: into a temporary one beside the target, synced, then put in its
 * place by rename; so that nobody ever sees half of it, and what was told to be written is on disk.
 *
 * Threads: any; a writer belongs to its caller.
 */
#ifndef LM_SCRIPT_FILES_H
#define LM_SCRIPT_FILES_H

#include "base/buf.h"

#include <limits.h>
#include <sys/types.h>

struct lm_file_writer {
	int fd;
	bool appends;
	off_t before;        /**< octets the file had, where it is appended to */
	const char *name;    /**< for messages; the caller's */
	char path[PATH_MAX]; /**< the target; a link is followed */
	char temp[PATH_MAX];
};

/** `path` absolute, `name` for messages (borrowed until the end). Errors: LM_E_NOT_FOUND (the
 * folder), LM_E_DENIED, LM_E_UNSUPPORTED (the target is no regular file), LM_E_FULL, LM_E_IO. */
LM_MUST int lm_file_writer_begin(struct lm_file_writer *w, const char *path, const char *name,
                                 struct lm_error *out_error);
/** Write at the end of what is there, in place; on failure that is all there is again. */
LM_MUST int lm_file_writer_append(struct lm_file_writer *w, const char *path, const char *name,
                                  struct lm_error *out_error);
LM_MUST int lm_file_writer_add(struct lm_file_writer *w, struct lm_bytes octets,
                               struct lm_error *out_error);
/** Ends the writer in any case. `only_new`: LM_E_EXISTS where the target is there. */
LM_MUST int lm_file_writer_commit(struct lm_file_writer *w, bool only_new,
                                  struct lm_error *out_error);
void lm_file_writer_abort(struct lm_file_writer *w);

/** Rename; `only_new` as above, without a moment in which both could be. Errors: also errno as
 * LM_E_*; *out_errno (may be NULL) is EXDEV for another file system. */
LM_MUST int lm_file_rename(const char *from, const char *to, const char *name, bool only_new,
                           int *out_errno, struct lm_error *out_error);
/** Sync the folder a file is in, as far as it can be. */
void lm_file_sync_folder(const char *path);
/** "cannot <what> <name>: <reason>", with the codes scripts look for: LM_E_UNSUPPORTED for what is
 * of the wrong kind. Returns it. */
int lm_file_fail(int errnum, const char *what, const char *name, struct lm_error *out_error);

/** Remove a folder with all that is in it; links are removed, never followed. */
LM_MUST int lm_file_remove_tree(const char *path, const char *name, struct lm_error *out_error);

#endif
