/** @file
 * New files in a folder: whole, synced, never in the place of another.
 */
#ifndef LM_CLI_OUTDIR_H
#define LM_CLI_OUTDIR_H

#include <lettermill/error.h>

#define LM_OUTDIR_NAME 64

struct lm_outfile {
	int dir, fd; /**< `dir` is borrowed */
	char temporary[LM_OUTDIR_NAME];
};

/** Open the folder; errors: LM_E_NOT_FOUND, LM_E_DENIED, LM_E_IO. */
LM_MUST int lm_outdir_open(const char *path, int *out_dir, struct lm_error *out_error);
/** Begin a file under a temporary name. */
LM_MUST int lm_outfile_begin(struct lm_outfile *file, int dir, struct lm_error *out_error);
LM_MUST int lm_outfile_write(struct lm_outfile *file, struct lm_bytes octets,
                             struct lm_error *out_error);
/** Sync, and rename it to STEM.eml, or STEM.1.eml and so on where that is taken; `out_name` has
 * LM_OUTDIR_NAME octets. On an error nothing is left. */
LM_MUST int lm_outfile_end(struct lm_outfile *file, const char *stem, char *out_name,
                           struct lm_error *out_error);
void lm_outfile_abort(struct lm_outfile *file);

#endif
