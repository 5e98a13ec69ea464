/** @file
 * A bridge's server and its sessions: what workers and the script's thread each know of them.
 */
#ifndef LM_BRIDGE_SESSION_H
#define LM_BRIDGE_SESSION_H

#include "bridge/bridge_impl.h"

#include <lettermill/server.h>

enum lm_bx_state { LM_BX_NEW, LM_BX_RUNS, LM_BX_ENDS, LM_BX_ENDED };

enum { LM_BX_LISTENERS = 6 };
struct lm_bx_listener {
	const char *name;
	int port; /**< 0: none */
	bool on;
};

struct lm_bx_server {
	struct lm_bx_thing thing;
	struct lm_bridge *bridge;
	struct lm_server *server;
	struct lm_handler_ops ops;
	uint64_t decides, hears; /**< what script wants; ops has more */
	enum lm_bx_state state;
	pthread_t waiter; /**< behind a drain */
	struct lm_bx_entry stopped;
	struct lm_bx_listener listeners[LM_BX_LISTENERS];
	struct lm_bx_server *next; /**< of those that go with the bridge */
};

enum { LM_BX_MEMBERS = 24 };

/** What script was told of a session, by the members of `info`. */
struct lm_bx_facts {
	struct lm_bytes known[LM_BX_MEMBERS];
	uint8_t *memory;
};

/** A session; made by its worker, freed by the script's thread behind its last entry. */
struct lm_bx_session {
	struct lm_bx_thing thing; /**< the script's */
	struct lm_bx_server *server;
	struct lm_ticket self; /**< of no event; set under the bridge's lock */
	enum lm_protocol protocol;

	/* ---- its worker's ---- */
	bool told; /**< script knows it, or will */
	struct lm_bx_facts facts;
	/** Octets of a message that wait to be told together; only where script does not decide
	 * DATA. */
	uint8_t *stash;
	size_t stashed;
	bool begun; /**< a part of the message was told */

	/* ---- under the bridge's lock ---- */
	size_t untaken;          /**< octets of BODY that script has not used */
	struct lm_ticket paused; /**< the BODY that waits for it; event 0: none */

	/* ---- the script's ---- */
	struct lm_ticket open;       /**< the decision under way; event 0: none */
	enum lm_secret_need need;    /**< of the decision under way, if it is AUTH */
	struct lm_message *messages; /**< its maildrop, which its worker reads */
	uint8_t *names;              /**< the same's */
	struct lm_bx_entry end;      /**< the last entry, which must not fail */
};

/** Octets of BODY that are told ahead, and when it goes on behind that. */
enum { LM_BX_BODY_HIGH = 256 * 1024, LM_BX_BODY_LOW = 128 * 1024 };

/** Octets of a message that are told at once, with its end where that fits. */
enum { LM_BX_STASH = 64 * 1024 };

extern const struct lm_handler_ops lm_bx_handler_ops;

/** Cut it. On the script's thread. */
void lm_bx_session_cut(struct lm_bridge *bridge, struct lm_bx_session *session);

/** "pop3". */
const char *lm_bx_protocol_name(enum lm_protocol protocol);
/** Add what has changed of `info` since; the first time all. LM_E_NOMEM: nothing was added. */
LM_MUST int lm_bx_facts_put(struct lm_bx_facts *facts, const struct lm_session_info *info, bool all,
                            struct lm_bx_draft *draft);
/** The members of an event; `heard`: it is no more than told, without secrets. */
void lm_bx_event_put(const struct lm_event *event, bool heard, struct lm_bx_draft *draft);
/** The members that DATA would have. */
void lm_bx_transaction_put(const struct lm_envelope *envelope, struct lm_bx_draft *draft);

/** The decision that a native's first two arguments are about. False: thrown. True with NULL: it is
 * too late, and no matter. */
LM_MUST bool lm_bx_decision_of(const struct lm_bx_call *call, struct lm_bx_session **out_session);
/** Give the answer; undefined. */
struct lm_host_value *lm_bx_answer_with(const struct lm_bx_call *call,
                                        struct lm_bx_session *session,
                                        const struct lm_reply *reply);

/** Stop it if it runs, end it and its number; entries may point to its memory still. */
void lm_bx_server_end(struct lm_bridge *bridge, struct lm_bx_server *server);
/** Free those that script did not end. */
void lm_bx_pipes_free(struct lm_bridge *bridge);

#endif
