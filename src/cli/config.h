/** @file
 * The configuration file: "name = value" a line, names as on the command line.
 */
#ifndef LM_CLI_CONFIG_H
#define LM_CLI_CONFIG_H

#include "cli/args.h"

/**
 * Read a file. Empty lines and lines that begin with # or ; say nothing, nor does what follows
 * " ;". Repeatable options may stand several times. `path` is borrowed by what is added. Errors:
 * LM_E_CONFIG with file, line and, for an unknown name, the nearest one; what was added before
 * stays.
 */
LM_MUST int lm_cli_config_read(const char *path, struct lm_cli_settings *settings,
                               struct lm_error *out_error);

/** The same with the names of another table. */
LM_MUST int lm_cli_config_read_table(const char *path, const struct lm_option *options,
                                     size_t count, struct lm_cli_settings *settings,
                                     struct lm_error *out_error);

#endif
