/** @file
 * Dates and message ids as RFC 5322 writes them.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef LM_MIME_DATE_H
#define LM_MIME_DATE_H

#include "base/buf.h"

/** Room for a date with its NUL. */
enum { LM_DATE_ROOM = 40 };

/**
 * RFC 5322 3.3 date-time in UTC, "Sat, 21 Nov 2026 02:33:14 +0000", NUL behind it. Seconds since
 * 1970 outside the years 1900 to 9999, which the format cannot say, give its nearest end. Returns
 * the length.
 */
size_t lm_date_format(int64_t unix_time, char out[LM_DATE_ROOM]);

/**
 * Add a Message-ID with its angle brackets (RFC 5322 3.6.4) to `out`. `unique` must differ for all
 * messages of one second on this host. What has no place in a domain becomes a hyphen; NULL or
 * empty `hostname` is "localhost". Errors: LM_E_LIMIT, LM_E_NOMEM.
 */
LM_MUST int lm_message_id(struct lm_buf *out, int64_t unix_time, uint64_t unique,
                          const char *hostname);

#endif
