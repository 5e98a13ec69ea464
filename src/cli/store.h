/** @file
 * What the parts of `lettermill store` share: opening stores, telling how it went.
 */
#ifndef LM_CLI_STORE_H
#define LM_CLI_STORE_H

#include "cli/action.h"
#include "cli/progress.h"

#include <lettermill/mime_store.h>

/** How a work of many messages goes. */
struct lm_store_tally {
	const struct lm_cli_call *call;
	size_t done, known, failed; /**< `known`: left out, they were there before */
	uint64_t octets;
	int err; /**< of the first that failed */
	struct lm_progress progress;
	lm_time_ms began;
};

/** Where the settings of a store are taken from: "set" and "mailbox", or "to-set", "to-mailbox". */
struct lm_store_options {
	const char *set, *mailbox; /**< names of options */
	bool written;              /**< --dry-run and --limit count */
};
extern const struct lm_store_options lm_store_source, lm_store_target;

/** Settings from the options, for URL's store; free with lm_free. Complaints are said: the result
 * is an exit code. */
int lm_store_settings(const struct lm_cli_call *call, const struct lm_store_options *options,
                      const char *url, struct lm_mime_setting **out_settings, size_t *out_count);
/** Only who adds makes a store: elsewhere one that is not there is said, as an exit code, and in a
 * dry run *url becomes that of an empty one. */
int lm_store_there(const struct lm_cli_call *call, const struct lm_store_options *options,
                   const char **url);
/** Open, or say why not: the result is an exit code. */
int lm_store_open_for(const struct lm_cli_call *call, const struct lm_store_options *options,
                      const char *url, struct lm_mime_store **out_store);

/** Whether a word is the URL of a store, not a path. */
bool lm_store_is_url(const char *word);
/** --tags as a set; the result is an exit code. */
int lm_store_tags(const struct lm_cli_call *call, unsigned *out_tags);
/** Say an error (with "success": false on standard output where --json); its exit code. */
int lm_store_failed(const struct lm_cli_call *call, const struct lm_error *why);
/** The time for progress, and milliseconds of the Unix clock. */
lm_time_ms lm_store_now(void);
int64_t lm_store_clock(void);

void lm_tally_begin(struct lm_store_tally *tally, const struct lm_cli_call *call, size_t total,
                    uint64_t octets);
/** One more message of `octets`: 0 done, LM_E_EXISTS known, else failed, which is said. `what`:
 * the message, for people. */
void lm_tally_one(struct lm_store_tally *tally, int err, struct lm_bytes what, uint64_t octets,
                  const struct lm_error *why);
/** Something failed that is no message of its own. */
void lm_tally_failed(struct lm_store_tally *tally, const struct lm_error *why);
/** Say how it went, "3 messages, 105 octets VERB"; the exit code: 0, 1 when only some went well,
 * else the first error's. */
int lm_tally_end(struct lm_store_tally *tally, const char *verb);

/* The actions in files of their own. */
int lm_store_run_add(const struct lm_cli_call *call);
int lm_store_run_import(const struct lm_cli_call *call);
int lm_store_run_export(const struct lm_cli_call *call);

#endif
