/* The error table. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct lm_err_info table[] = {
#define E(name, number, text, smtp, enhanced, pop3, exit_code) \
	{ -(number), #name, text, smtp, enhanced, LM_POP3_##pop3, exit_code },
#include <lettermill/errors.def>
#undef E
};

static const struct lm_err_info *find(int err)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].err == err)
			return &table[i];
	return NULL;
}

const struct lm_err_info *lm_err_info(int err)
{
	const struct lm_err_info *row = find(err);

	return row ? row : find(LM_E_STORE);
}

const char *lm_err_name(int err)
{
	const struct lm_err_info *row = find(err);

	return err == 0 ? "OK" : row ? row->name : "UNKNOWN";
}

const char *lm_err_text(int err)
{
	const struct lm_err_info *row = find(err);

	return err == 0 ? "success" : row ? row->text : "unknown error";
}

int lm_err_exit_code(int err)
{
	const struct lm_err_info *row = find(err);

	return err == 0 ? 0 : row ? row->exit_code : 70;
}

static int vfail(struct lm_error *out, int err, const char *fmt, va_list args)
{
	if (out) {
		out->code = err;
		vsnprintf(out->text, sizeof(out->text), fmt, args);
	}
	return err;
}

int lm_fail(struct lm_error *out, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfail(out, err, fmt, args);
	va_end(args);
	return err;
}

int lm_fail_errno(struct lm_error *out, int err, int errnum, const char *fmt, ...)
{
	char room[80];
	va_list args;
	size_t len;

	if (!out)
		return err;
	va_start(args, fmt);
	vfail(out, err, fmt, args);
	va_end(args);
	len = strlen(out->text);
	snprintf(out->text + len, sizeof(out->text) - len, ": %s",
	         strerror_r(errnum, room, sizeof(room)));
	return err;
}

int lm_err_from_errno(int errnum)
{
	switch (errnum) {
	case 0:
		return 0;
	case EAGAIN:
	case EINTR:
		return LM_E_AGAIN;
	case ENOMEM:
		return LM_E_NOMEM;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return LM_E_FULL;
	case EPERM:
	case EACCES:
	case EROFS:
		return LM_E_DENIED;
	case ENOENT:
		return LM_E_NOT_FOUND;
	case EEXIST:
		return LM_E_EXISTS;
	case EPIPE:
	case ECONNRESET:
		return LM_E_CLOSED;
	case ETIMEDOUT:
		return LM_E_TIMEOUT;
	default:
		return LM_E_IO;
	}
}
