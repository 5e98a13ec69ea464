/** @file
 * Passwords and tokens from where people keep them: a command, the netrc file.
 */
#ifndef LM_CLI_SECRET_H
#define LM_CLI_SECRET_H

#include <lettermill/error.h>

/**
 * Run `command` by sh, without standard input; *out_line is the first line it prints, without its
 * end. `what` ("password") is for errors. Wipe and free it with lm_secret_free. Errors: LM_E_CONFIG
 * (it fails, prints nothing, or too much), LM_E_IO, LM_E_NOMEM.
 */
LM_MUST int lm_secret_run(const char *command, const char *what, char **out_line,
                          struct lm_error *out_error);
/** NULL is allowed. */
void lm_secret_free(char *secret);

/**
 * The entry for `host` in the netrc file at `path`, of the login name `user` (NULL: of any), else
 * its default entry. 1: found; what it does not say is NULL. 0: there is none, or no file. Errors:
 * LM_E_DENIED (others may read the file, and it has the entry), LM_E_SYNTAX with the line, LM_E_IO,
 * LM_E_NOMEM.
 */
LM_MUST int lm_netrc_find(const char *path, const char *host, const char *user, char **out_user,
                          char **out_password, struct lm_error *out_error);

#endif
