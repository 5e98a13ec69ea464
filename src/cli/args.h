/** @file
 * Options as they were given, by command line or file, before they mean anything.
 */
#ifndef LM_CLI_ARGS_H
#define LM_CLI_ARGS_H

#include "server/options.h"

struct lm_cli_setting {
	const struct lm_option *option;
	char *value;      /**< owned; wiped when freed if the option is a secret */
	const char *file; /**< where it was read, borrowed; NULL: the command line */
	int line;
};

struct lm_cli_settings {
	struct lm_cli_setting *items;
	size_t count;
};

struct lm_cli_args {
	struct lm_cli_settings settings;
	char **operands; /**< those of argv that are no options, in order; owned array */
	size_t operand_count;
	bool help, version;
	bool secret_seen; /**< a secret stood on the command line */
};

/**
 * Read argv[1..argc) against the options: --name value, --name=value, --flag, letters of the table
 * (-v, -vq, -f value, -fvalue), -h, --help, --version, "--" before operands only. Secrets are
 * copied and then overwritten in argv, so that they leave the process list. Free with done, also on
 * error. Errors: LM_E_CONFIG, LM_E_NOMEM.
 */
LM_MUST int lm_cli_args_parse(const struct lm_option *options, size_t count, int argc, char **argv,
                              struct lm_cli_args *out_args, struct lm_error *out_error);
void lm_cli_args_done(struct lm_cli_args *args);

LM_MUST int lm_cli_settings_add(struct lm_cli_settings *settings, const struct lm_option *option,
                                const char *value, const char *file, int line);
void lm_cli_settings_done(struct lm_cli_settings *settings);
/** The last value of an option, or NULL. */
const char *lm_cli_settings_get(const struct lm_cli_settings *settings, const char *name);

/**
 * Call `set` with every setting that counts: those of `file` (may be NULL) whose option is not in
 * `line` too, then those of `line`; options of the executable itself are left out. Stops at the
 * first error; out_error then says where the setting stood.
 */
LM_MUST int lm_cli_settings_apply(const struct lm_cli_settings *file,
                                  const struct lm_cli_settings *line,
                                  int (*set)(void *ctx, const char *name, const char *value,
                                             struct lm_error *out_error),
                                  void *ctx, struct lm_error *out_error);

#endif
