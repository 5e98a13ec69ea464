/** @file
 * mbox files (RFC 4155, with ">From " quoting as mboxrd has it): LF in the file, CRLF in messages.
 */
#ifndef LM_CLI_MBOX_H
#define LM_CLI_MBOX_H

#include <lettermill/error.h>

#include <stdio.h>

/** What reading tells, message by message. */
struct lm_mbox_events {
	void (*begin)(void *ctx);
	void (*octets)(void *ctx, struct lm_bytes octets);
	void (*end)(void *ctx);
};
/** Read to the end. Errors: LM_E_SYNTAX (does not begin with a "From " line), LM_E_IO, LM_E_NOMEM.
 */
LM_MUST int lm_mbox_read(int fd, const struct lm_mbox_events *events, void *ctx,
                         struct lm_error *out_error);

/** Writes messages; zeroed with `file` it is ready. */
struct lm_mbox_writer {
	FILE *file;
	bool inside, cr; /* within a line; a CR waits for what follows it */
	char front[64];  /* a line's beginning that may turn out to need quoting */
	size_t front_len;
	bool undecided;
};
/** The "From " line; 0: a time nobody knows. */
void lm_mbox_begin(struct lm_mbox_writer *w, int64_t timestamp_ms);
void lm_mbox_write(struct lm_mbox_writer *w, struct lm_bytes octets);
/** Errors of all that was written: LM_E_FULL, LM_E_IO. */
LM_MUST int lm_mbox_end(struct lm_mbox_writer *w, struct lm_error *out_error);

#endif
