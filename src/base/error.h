/** @file
 * Internal side of the error table: wire replies, and filling struct lm_error.
 */
#ifndef LM_BASE_ERROR_H
#define LM_BASE_ERROR_H

#include <lettermill/reply.h>

struct lm_err_info {
	int err;
	const char *name, *text;
	int smtp;
	const char *enhanced; /**< "4.3.0" */
	enum lm_pop3_code pop3;
	int exit_code;
};

/** The row of an error; an unknown number gives LM_E_STORE's, a temporary failure. */
const struct lm_err_info *lm_err_info(int err);

/** Fill *out (may be NULL) and return err: `return lm_fail(out_error, LM_E_CONFIG, "…", …);` */
int lm_fail(struct lm_error *out, int err, const char *fmt, ...) LM_PRINTF(3, 4);
/** The same with ": " and strerror of `errnum` behind. */
int lm_fail_errno(struct lm_error *out, int err, int errnum, const char *fmt, ...) LM_PRINTF(4, 5);
/** LM_E_* of an errno value: ENOMEM, ENOSPC and EDQUOT, EACCES …; LM_E_IO for the rest. */
int lm_err_from_errno(int errnum);

#endif
