/** @file
 * The log on standard error: one line an event, as text or JSON, each with its time (UTC).
 */
#ifndef LM_CLI_LOG_H
#define LM_CLI_LOG_H

#include <lettermill/log.h>

/** A hook that writes to standard error. `json` is kept in the hook itself. Threads: the hook may
 * be called from any; each event is one write(2), so lines do not mix. */
void lm_cli_log_init(struct lm_log *out_log, bool json, enum lm_log_level level);

/** A line as the hook writes it, with its line end; returns its length, at most cap. `ms`: since
 * 1970. */
size_t lm_cli_log_line(const struct lm_log_event *event, bool json, int64_t ms, char *out,
                       size_t cap);

#endif
