/** @file
 * Passwords from people and from programs.
 */
#ifndef LM_CLI_PASSWORD_H
#define LM_CLI_PASSWORD_H

#include <lettermill/error.h>

#define LM_CLI_MAX_PASSWORD 255

/**
 * At a terminal ask twice on standard error, without echo; otherwise take the first line of
 * standard input without its line end. `out` has room for LM_CLI_MAX_PASSWORD octets and a NUL; the
 * caller wipes it. Errors: LM_E_SYNTAX (empty, too long, with NUL, the two differ), LM_E_IO,
 * LM_E_CANCELED (a signal came; the terminal is as it was).
 */
LM_MUST int lm_cli_read_password(char *out, struct lm_error *out_error);
/** Ask once at the controlling terminal, wherever standard input comes from. As above; without a
 * terminal LM_E_UNSUPPORTED. */
LM_MUST int lm_cli_ask_password(const char *prompt, char *out, struct lm_error *out_error);

#endif
