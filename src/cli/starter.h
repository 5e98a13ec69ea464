/** @file
 * The files that `lettermill init` writes: those of starter/, in the executable
 * (tools/embed_folder).
 */
#ifndef LM_CLI_STARTER_H
#define LM_CLI_STARTER_H

#include <lettermill/base.h>

struct lm_starter_file {
	const char *name; /**< relative, with slashes */
	struct lm_bytes text;
};

/** Up to a NULL name. */
extern const struct lm_starter_file lm_starter_files[];

#endif
