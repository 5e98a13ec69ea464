/** @file
 * lettermill pop3 fetch: a whole maildrop into a mime store. fetch.c is the command, fetch_plan.c
 * decides what becomes of each message, fetch_run.c speaks with the server, fetch_tell.c reports.
 *
 * Law: a message is stored, the store flushed, that noted, and only then is it deleted on the
 * server; QUIT alone makes that true there. So whatever ends a fetch, the next one goes on with it.
 */
#ifndef LM_CLI_FETCH_H
#define LM_CLI_FETCH_H

#include "cli/fetch_memory.h"
#include "cli/maildrop.h"
#include "cli/progress.h"
#include "cli/remote.h"
#include "loop/loop.h"

#include <openssl/evp.h>

enum lm_fate {
	LM_FATE_WANTED,  /**< to be fetched */
	LM_FATE_KNOWN,   /**< fetched before, or another copy of one that is */
	LM_FATE_LARGE,   /**< above --max-size */
	LM_FATE_LEFT,    /**< behind --limit */
	LM_FATE_UNCLEAR, /**< cannot be told from another one: left alone */
};

/** One that the store took, and that is not flushed yet. */
struct lm_fetched {
	size_t index;
	uint64_t octets;
	bool was_there; /**< the store knew it already */
	char name[256];
};

/** Most that are at risk of being fetched anew after a crash, and for how long. */
enum { LM_FETCH_BATCH = 500, LM_FETCH_BATCH_MS = 5000 };
#define LM_FETCH_BATCH_OCTETS (UINT64_C(64) << 20)

struct lm_fetch {
	const struct lm_cli_call *call;
	struct lm_remote remote;
	char source[900]; /**< sourceid: "user@host", with a port that is not the usual one */
	bool keep, new_only, again, dry_run, json, quiet;
	int64_t limit, max_size; /**< -1: none */

	struct lm_mime_store *store;
	struct lm_fetch_memory memory;
	struct lm_drop drop;
	uint8_t *fates; /**< enum lm_fate of each message of the drop */

	struct lm_loop *loop;
	struct lm_client *client;
	struct lm_progress progress;
	lm_time_ms began;

	/* Under way. */
	size_t next;      /**< message that is asked for next */
	size_t in_flight; /**< requests */
	size_t hashing;   /**< messages whose headers are still to be hashed */
	bool planned, quitting, quit_done, over, closed;
	struct lm_mime_add *add;
	uint64_t add_number;   /**< of the message it is for */
	struct lm_error wrong; /**< with the message under way; code 0: nothing */
	uint64_t add_octets;
	EVP_MD_CTX *hash;
	struct lm_fetched batch[LM_FETCH_BATCH];
	size_t batch_count;
	uint64_t batch_octets;
	lm_time_ms batch_began;
	int interrupted; /**< number of the signal; 0: none */

	/* What came of it. */
	uint64_t wanted, wanted_octets, fetched, octets, known, large, left, unclear, failed;
	uint64_t done_octets;  /**< of LIST, for the bar */
	uint64_t marked;       /**< DELE that was answered yes */
	struct lm_error fatal; /**< what ended it early; code 0: nothing */
	bool store_failed;     /**< that was the store, not the server */
};

/** Decide on every message; the drop is listed, ids are final. Errors: LM_E_UNSUPPORTED (the server
 * names no messages, but that is needed), LM_E_NOMEM, the memory's. */
LM_MUST int lm_fetch_plan(struct lm_fetch *fetch, struct lm_error *out_error);
/** How many messages need a hash of their headers as id, as they have none, or share one; those are
 * `chosen`. Errors: LM_E_NOMEM. */
LM_MUST int lm_fetch_find_nameless(struct lm_fetch *fetch, size_t *out_count);
/** Make the hash a part of the id. Errors: LM_E_NOMEM. */
LM_MUST int lm_fetch_name(struct lm_fetch *fetch, struct lm_drop_message *message,
                          const uint8_t *digest, size_t len);

/** From connecting to the end of the connection; what came of it is in `fetch`. */
void lm_fetch_run(struct lm_fetch *fetch);

void lm_fetch_tell_stored(struct lm_fetch *fetch, const struct lm_fetched *one);
void lm_fetch_tell_failed(struct lm_fetch *fetch, const struct lm_drop_message *message,
                          const struct lm_error *why);
/** Of one that was not asked for: known, large, left or unclear. With --dry-run also the wanted. */
void lm_fetch_tell_fate(struct lm_fetch *fetch, size_t index);
/** The summary; returns the exit code. */
int lm_fetch_tell_end(struct lm_fetch *fetch, lm_time_ms now);

#endif
