/** @file
 * Clients of scripts: what script asks on its thread, and the one thread where they all live.
 *
 * Threads: natives run on the script's thread and post; all else is the clients' thread, where not
 * said otherwise.
 */
#ifndef LM_BX_CLIENT_H
#define LM_BX_CLIENT_H

#include "bridge/bridge_impl.h"
#include "bridge/client_letter.h"

#include "base/buf.h"

#include <lettermill/client.h>

enum {
	/** Octets of messages told and not yet taken; more waits in the connection. */
	LM_BX_UNTAKEN_MAX = 256 * 1024,
	/** Of one listing; a server must not fill the memory. */
	LM_BX_ITEMS_MAX = 1 << 30,
};

struct lm_bx_client;

/** All of a bridge. */
struct lm_bx_clients {
	struct lm_bridge *bridge;
	struct lm_bx_client *first; /**< the script's thread's */
	struct lm_loop *loop;
	pthread_t thread;
	/** The last one that ended, kept for its TLS settings: to read the system's authorities
	 * takes longer than most sessions. */
	struct lm_client *donor;
};

/** What a client is made of, until it is made. Strings are owned, and wiped. */
struct lm_bx_plan {
	struct lm_client_params params;
	char *texts[16];
	size_t lens[16];
	size_t count;
};
/** From script's object. NULL: thrown. */
struct lm_bx_plan *lm_bx_plan_read(const struct lm_bx_call *call, struct lm_host_value *options);
/** NULL is allowed. */
void lm_bx_plan_free(struct lm_bx_plan *plan);

/** @name Members of script's objects; false: thrown. What is not there changes nothing. */
/**@{*/
struct lm_host_value *lm_bx_member(const struct lm_bx_call *call, struct lm_host_value *object,
                                   const char *name, enum lm_host_kind *out_kind);
LM_MUST bool lm_bx_member_number(const struct lm_bx_call *call, struct lm_host_value *object,
                                 const char *name, double least, double most, double *out_number);
LM_MUST bool lm_bx_member_bool(const struct lm_bx_call *call, struct lm_host_value *object,
                               const char *name, bool *out_truth);
LM_MUST bool lm_bx_member_text(const struct lm_bx_call *call, struct lm_host_value *object,
                               const char *name, struct lm_arena *arena, struct lm_bytes *out_text);
/** letter->wishes. */
LM_MUST bool lm_bx_letter_read(const struct lm_bx_call *call, struct lm_host_value *options,
                               struct lm_bx_letter *letter);
/**@}*/

/** The word that a client is over; there from its beginning, so that it can be said when memory has
 * run out. */
struct lm_bx_closed {
	struct lm_bx_entry head;
	uint64_t client;
	struct lm_error why;
};

/** A request under way. */
struct lm_bx_ask {
	struct lm_task task;
	struct lm_bx_ask *next;
	struct lm_bx_client *client;
	uint64_t number; /**< script's */
	struct lm_request request;
	struct lm_credentials credentials;
	struct lm_arena texts;
	struct lm_buf items; /**< a line each */
	int lost;            /**< why items are missing */

	/* SEND */
	struct lm_bx_letter *letter;
	struct lm_source *source; /**< what script gives */
	struct lm_bytes rest;     /**< of its last piece */
	bool has_begun, is_last;  /**< reading; `rest` is the end */
	bool is_ready;            /**< may be pushed */
	bool is_posted, is_freed; /**< reading goes on later; or must not */
};
struct lm_bx_ask *lm_bx_ask_new(struct lm_bx_client *client, uint64_t number);
void lm_bx_ask_free(struct lm_bx_ask *ask);

struct lm_bx_asks {
	struct lm_bx_ask *first, *last;
};

struct lm_bx_client {
	struct lm_bx_thing thing; /**< the script's thread's */
	struct lm_bx_clients *all;
	struct lm_task start, resume, abort, end;
	struct lm_bx_plan *plan;
	struct lm_bx_closed *closed;      /**< NULL: pushed */
	bool is_over;                     /**< the script's thread's: its CLOSED was told */
	bool is_aborted;                  /**< the script's thread's */
	struct lm_bx_client *prev, *next; /**< the script's thread's */

	uint64_t number; /**< as `thing` says, for the clients' thread */
	struct lm_client *client;
	struct lm_bx_asks asked;  /**< the connection has them */
	struct lm_bx_asks queued; /**< not yet */
	bool has_login;           /**< the answer to OPEN is not the last word on the beginning */
	bool is_open, has_closed;
	uint32_t body_event; /**< BODY that waits for `taken`; 0: none */

	atomic_size_t untaken; /**< any thread's */
	atomic_bool waits;     /**< any thread's: who clears it posts `resume` */
};

/** @name Tasks of a client */
/**@{*/
void lm_bx_client_start(struct lm_task *task);
void lm_bx_client_resume(struct lm_task *task);
void lm_bx_client_abort(struct lm_task *task);
/** The last one: frees it. */
void lm_bx_client_end(struct lm_task *task);
/** Of an ask: it joins the others. */
void lm_bx_client_ask(struct lm_task *task);
/**@}*/
/** Free without a word; nothing of it is running. Threads: any, once its loop stands still. */
void lm_bx_client_free(struct lm_bx_client *client);

/** The octets for a SEND, or for none: `source` is taken in any case. */
void lm_bx_client_octets(struct lm_bx_client *client, uint64_t number, struct lm_source *source);
/** Push what may be pushed, in order. */
void lm_bx_client_push(struct lm_bx_client *client);
/** An ask that never gets to the connection. */
void lm_bx_client_refuse(struct lm_bx_ask *ask, const struct lm_error *why);

/** Read the message of a SEND as far as it is there. */
void lm_bx_ask_read(struct lm_bx_ask *ask);

/** The CLOSED entry on the script's thread. */
bool lm_bx_client_is_over(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                          struct lm_host_value **out_value);
void lm_bx_client_drop_over(struct lm_bridge *bridge, struct lm_host *host,
                            struct lm_bx_entry *entry);
/** Octets of BODY entries were used; returns whether `resume` is to be posted. Threads: any. */
bool lm_bx_client_used(struct lm_bx_client *client, uint64_t octets);

/** LM_REQUEST_NONE: no such one. Threads: any. */
enum lm_request_type lm_bx_request_type(struct lm_bytes name);

/** @name Entries for script */
/**@{*/
/** `ask` NULL: the beginning. */
void lm_bx_client_tell_outcome(struct lm_bx_client *client, struct lm_bx_ask *ask,
                               const struct lm_outcome *outcome);
/** Errors: LM_E_NOMEM. */
LM_MUST int lm_bx_client_tell_body(struct lm_bx_client *client, uint64_t request,
                                   struct lm_bytes octets);
void lm_bx_client_tell_token(struct lm_bx_client *client);
void lm_bx_client_tell_trace(struct lm_bx_client *client, bool from_server, struct lm_bytes line);
/**@}*/

#endif
