/** @file
 * Where messages are copied to: a store, a folder of .eml files, an mbox.
 */
#ifndef LM_CLI_STORE_TARGET_H
#define LM_CLI_STORE_TARGET_H

#include "cli/mbox.h"
#include "cli/outdir.h"
#include "cli/store.h"

#include <sys/types.h>

struct lm_target {
	bool dry;
	struct lm_mime_store *store;
	int dir; /* of the folder, or of the mbox; -1: neither */
	struct lm_mbox_writer mbox;
	const char *mbox_name; /* in dir */
	off_t mbox_begin;      /* of the message being written */
	/* The message being written. */
	struct lm_mime_add *add;
	struct lm_outfile file;
	char stem[40];
};

/** Whether a word names an mbox; *out_path is its file. */
bool lm_target_is_mbox(const char *word, const char **out_path);
/** TARGET of "export". Complaints are said: the result is an exit code. */
int lm_target_open(const struct lm_cli_call *call, const char *to, struct lm_target *out_target);
/** Begin a message; several cannot be open at once. */
LM_MUST int lm_target_begin(struct lm_target *target, const struct lm_mime_item *item,
                            struct lm_error *out_error);
LM_MUST int lm_target_write(struct lm_target *target, struct lm_bytes octets,
                            struct lm_error *out_error);
LM_MUST int lm_target_end(struct lm_target *target, struct lm_error *out_error);
void lm_target_abort(struct lm_target *target);
/** Everything on disk, under its name; the target is gone whatever comes back. */
LM_MUST int lm_target_close(struct lm_target *target, struct lm_error *out_error);

#endif
