/** @file
 * A session of the script handler: what its I/O worker and its script worker each know of it, and
 * the message that an event becomes on the way from one to the other.
 *
 * Threads: three kinds of members, marked. What is between threads is under the place's lock.
 */
#ifndef LM_SCRIPT_SESSION_H
#define LM_SCRIPT_SESSION_H

#include "loop/loop.h"
#include "mime/stash.h"
#include "script/engine/engine.h"

#include <lettermill/handler.h>
#include <stdatomic.h>

struct lm_script_handler;
struct lm_script_hook;
struct lm_sp_place;
struct lm_sp_compiled;
struct lm_stream;

/** What is known of a connection and who is behind it. Never changes, is made anew. Counted. */
struct lm_ss_facts {
	atomic_uint refs;
	struct lm_session_info info; /**< its strings point into `octets` */
	char octets[];
};
/** *io_facts (may be NULL) is what was known before; true: it was replaced. False also when out of
 * memory: then what is known stays old. */
bool lm_ss_facts_update(struct lm_ss_facts **io_facts, const struct lm_session_info *info);
struct lm_ss_facts *lm_ss_facts_ref(struct lm_ss_facts *facts);
void lm_ss_facts_unref(struct lm_ss_facts *facts);

/** A message that came in. Counted: the transaction, jobs under way and scripts hold it. */
struct lm_ss_body {
	atomic_uint refs;
	struct lm_stash stash;
	struct lm_stream
	        *stream; /**< made of it when a script asked; then the stash may be empty */
	bool broken;     /**< a part of it was lost */
};
struct lm_ss_body *lm_ss_body_new(void);
void lm_ss_body_unref(struct lm_ss_body *body);

/** One event for a script; one allocation. */
struct lm_ss_message {
	struct lm_ss_message *next;
	struct lm_ss *session;
	enum lm_event_type type;
	struct lm_ticket ticket;   /**< event 0: a notice, nobody waits */
	bool late;                 /**< between: nobody waits any more */
	lm_time_ms began;          /**< its hook did */
	bool fresh;                /**< the transaction known before is over */
	struct lm_ss_facts *facts; /**< NULL: as before */
	struct lm_ss_body *body;   /**< MESSAGE */
	struct lm_bytes argument, verb;
	struct lm_auth auth;
	size_t number; /**< of the message meant; 0 none */
	uint64_t id, octets;
	int64_t lines;
	bool has_envelope;
	size_t first_recipient; /**< RCPT: how many came before the one that is in `envelope` */
	struct lm_envelope envelope;
	uint32_t *marks; /**< 0: all taken away; n: message n was marked */
	size_t mark_count;
	size_t size; /**< octets of `memory` */
	uint8_t memory[];
};
/** A copy of all that a script may look at. NULL: out of memory. */
struct lm_ss_message *lm_ss_message_new(struct lm_ss *session, const struct lm_event *event,
                                        struct lm_ticket ticket);
void lm_ss_message_free(struct lm_ss_message *message);

/** A list of messages, as a script gave it. */
struct lm_ss_drop {
	bool is_given;
	size_t count;
	struct lm_message *messages; /**< uidl in `uids`, id is the place in the list */
	char *uids;
	double *ids; /**< the script's own */
	uint8_t *deleted;
};
void lm_ss_drop_done(struct lm_ss_drop *drop);

/** Changes of marks that scripts have not heard of. */
struct lm_ss_marks {
	uint32_t *list;
	size_t count, room;
};

struct lm_ss {
	struct lm_script_handler *handler;
	uint64_t id;
	atomic_bool closes; /**< disconnect() was called between events */
	atomic_bool passed; /**< the last RCPT was left to the store */
	atomic_bool passes; /**< the open transaction goes to the store, too */

	/* ---- its I/O worker's ---- */
	struct lm_ss_message *last; /**< its memory: the end must not fail */
	struct lm_ss_facts *facts;
	struct lm_ss_body *body; /**< that comes just now */
	struct lm_ss_marks marks;
	bool left_to_store; /**< a recipient of the transaction is the store's */
	bool fresh;         /**< the transaction ended since the last message to the script */

	/* ---- between, under its place's lock ---- */
	struct lm_sp_place *_Atomic place; /**< changes under the locks of both places */
	struct lm_ss *prev, *next;         /**< of the place's sessions */
	struct lm_ss_message *open;        /**< the decision under way */
	bool is_touched;                   /**< it may have something in its VM */
	lm_time_ms gone;                   /**< when its connection was lost; 0: it was not */

	/* ---- its script worker's; `drop` is read by the other behind a login's answer ---- */
	struct lm_js_value *state;       /**< held; NULL: none in this VM */
	struct lm_ss_box *box;           /**< how script refers to it */
	struct lm_sp_compiled *compiled; /**< its generation of hooks in this VM */
	struct lm_ss_code *code;         /**< its generation; counted */
	struct lm_ss_message *now;       /**< what its hook runs for */
	bool pending;                    /**< the hook waits for a promise */
	bool renewed;                    /**< it had a state in a VM that is gone */
	struct lm_ss_message *waiting, **waiting_last;
	struct lm_ss_facts *known;
	struct lm_bytes username, password; /**< owned; the second is wiped */
	struct lm_ss_message *mail;         /**< of the open transaction */
	struct lm_ss_message *recipients;   /**< the same, the newest first */
	struct lm_ss_drop drop;
};

/** What JavaScript holds of a session: nothing once that is over. */
struct lm_ss_box {
	struct lm_ss *session;
};
extern const struct lm_js_class lm_ss_box_class;

struct lm_ss *lm_ss_new(struct lm_script_handler *handler, const struct lm_session_info *info);
/** Neither thread knows it any more; its state was dropped. */
void lm_ss_free(struct lm_ss *session);
/** Note a change of marks for the next message. */
void lm_ss_mark(struct lm_ss *session, uint32_t number);
/** The envelope as it stands: of MAIL, and recipients that were taken; NULL: no transaction. */
const struct lm_envelope *lm_ss_sender(const struct lm_ss *session);
/** The transaction a script was told of is over. */
void lm_ss_forget_transaction(struct lm_ss *session);

/** @name Incoming messages (session_body.c)
 * On the I/O worker: keep the octets of a BODY. `passes`: the next handler gets them, too. */
enum lm_verdict lm_ss_take(struct lm_ss *session, const struct lm_event *event, bool passes,
                           struct lm_reply *out_reply, struct lm_ticket ticket);
/** A message as values: string, Uint8Array, handle of a stream. NULL: thrown. */
struct lm_js_value *lm_ss_body_text(struct lm_js *js, struct lm_ss_body *body);
struct lm_js_value *lm_ss_body_bytes(struct lm_js *js, struct lm_ss_body *body);
struct lm_js_value *lm_ss_body_stream(struct lm_js *js, struct lm_ss_body *body);

/** @name Outgoing messages (session_source.c) */
/** Takes the memory of `octets`, also on failure. */
LM_MUST int lm_ss_source_memory(struct lm_buf *octets, struct lm_source **out_source);

/** @name On the script worker (session_run.c, session_js.c, outcome.c) */
/** Make the calls of js/session.js known to a VM; false: thrown. */
bool lm_ss_setup(struct lm_sp_place *place);
void lm_ss_setdown(struct lm_sp_place *place);
/** The native functions, made anew for each VM. NULL: thrown. */
struct lm_js_value *lm_ss_natives(struct lm_sp_place *place);
/** Run a message's hook, or put it behind the one that runs. Takes the message. */
void lm_ss_run(struct lm_sp_place *place, struct lm_ss_message *message);
/** A promise of its hook was settled. */
void lm_ss_settled(struct lm_sp_place *place, struct lm_ss *session, bool good,
                   struct lm_js_value *value);
/** Give up hooks that nobody waits for but messages behind them. */
void lm_ss_sweep(struct lm_sp_place *place);
/** Its VM is gone: forget what was in it. Gives the message that was under way, or NULL, and in
 * *out_waiting those behind it. */
struct lm_ss_message *lm_ss_uproot(struct lm_ss *session, struct lm_ss_message **out_waiting);
/** What a hook's call gave becomes the answer; the list of a login is kept. */
void lm_ss_conclude(struct lm_sp_place *place, struct lm_ss_message *message,
                    struct lm_js_value *value);
/** The hook went wrong: told, and answered with a temporary failure. */
void lm_ss_fail(struct lm_sp_place *place, struct lm_ss_message *message,
                const struct lm_js_error *error);
/** A warning about what a hook gave. */
void lm_ss_warn(struct lm_sp_place *place, const struct lm_ss_message *message,
                struct lm_bytes member, struct lm_bytes found);

#endif
