/** @file
 * One table of errors (errors.def) and the detail that crosses a border with them.
 */
#ifndef LETTERMILL_ERROR_H
#define LETTERMILL_ERROR_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Results: 0 is success, these are the rest (all negative). */
enum lm_err {
	LM_OK = 0,
#define E(name, number, text, smtp, enhanced, pop3, exit_code) LM_E_##name = -(number),
#include "errors.def"
#undef E
};

/** What went wrong in words, for people. Caller's memory; may be NULL wherever it is an output. */
struct lm_error {
	int code;       /**< a negative enum lm_err, or 0 */
	char text[240]; /**< one line, NUL-terminated, names the thing and what to do */
};

/** "IO" for LM_E_IO; "OK" for 0; "UNKNOWN" else. Threads: any. */
LM_API const char *lm_err_name(int err);
/** A short English text for an error. Threads: any. */
LM_API const char *lm_err_text(int err);
/** The exit code (sysexits(3)) a command ends with for this error; 0 for 0. Threads: any. */
LM_API int lm_err_exit_code(int err);

#ifdef __cplusplus
}
#endif
#endif
