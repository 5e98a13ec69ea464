/** @file
 * What the files of this room share: things by number, the queue of entries, arguments, pipes.
 *
 * Threads: a bridge belongs to the script's thread; what any thread may call says so.
 */
#ifndef LM_BRIDGE_BRIDGE_IMPL_H
#define LM_BRIDGE_BRIDGE_IMPL_H

#include "base/error.h"
#include "base/mem.h"

#include <lettermill/bridge.h>
#include <lettermill/event.h>
#include <lettermill/loop.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- things by number ---- */

enum lm_bx_kind { LM_BX_SERVER = 1, LM_BX_SESSION, LM_BX_PIPE, LM_BX_CLIENT };

/** What script knows by a number; embedded first in it. Numbers are never used again, and a double
 * holds them. */
struct lm_bx_thing {
	uint64_t number; /**< 0: none yet */
	enum lm_bx_kind kind;
};

/** The things there are: a ring in which number n has the place n modulo `size`. */
struct lm_bx_table {
	struct lm_bx_thing **places;
	size_t size, count;
	uint64_t next;
};
/** Give a number. Errors: LM_E_NOMEM. */
LM_MUST int lm_bx_add(struct lm_bridge *bridge, struct lm_bx_thing *thing);
/** Harmless for a thing without a number. */
void lm_bx_remove(struct lm_bridge *bridge, struct lm_bx_thing *thing);
/** NULL: there is no such thing (any more). */
struct lm_bx_thing *lm_bx_find(struct lm_bridge *bridge, uint64_t number, enum lm_bx_kind kind);
/** Any thing of a kind, for who removes them one by one; NULL: none. */
struct lm_bx_thing *lm_bx_any(struct lm_bridge *bridge, enum lm_bx_kind kind);

/* ---- the queue ---- */

/** Something for the script's thread; embedded in what it is about, or allocated. */
struct lm_bx_entry {
	struct lm_bx_entry *next;
	/**
	 * On the script's thread: give *out_value, or leave it NULL where script need not know, and
	 * free the entry. False: thrown; freed all the same.
	 */
	bool (*tell)(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
	             struct lm_host_value **out_value);
	/** Free it untold. `host` NULL: script is over, what was kept is lost. */
	void (*drop)(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry);
};
/** Takes the entry. Threads: any. */
void lm_bx_push(struct lm_bridge *bridge, struct lm_bx_entry *entry);
/** The same under the bridge's lock; lm_bx_unlock gives that back and wakes. */
void lm_bx_push_locked(struct lm_bridge *bridge, struct lm_bx_entry *entry);
void lm_bx_unlock(struct lm_bridge *bridge);

/** Types above those of events. */
enum lm_bx_type { LM_BX_STOPPED = 1001, LM_BX_WANT, LM_BX_GONE, LM_BX_CLOSED };

/* ---- entries as values ---- */

enum lm_bx_shape { LM_BX_NUMBER, LM_BX_BOOL, LM_BX_TEXT, LM_BX_BYTES, LM_BX_ARRAY, LM_BX_OBJECT };

/** A member of an entry; those inside of an array or object follow it. */
struct lm_bx_field {
	const char *name; /**< a literal; NULL in arrays */
	enum lm_bx_shape shape;
	union {
		double number;
		bool truth;
		struct lm_bytes octets; /**< BYTES: memory of lm_alloc, owned */
		size_t count;           /**< ARRAY, OBJECT: how many are in it */
	};
};

enum { LM_BX_FIELDS = 40 };
/** Fields while they are gathered, on the stack of the thread that tells; octets are borrowed until
 * the entry is made. */
struct lm_bx_draft {
	struct lm_bx_field own[LM_BX_FIELDS];
	struct lm_bx_field *fields; /**< `own`, or memory when there are many */
	size_t count, room;
	size_t octets;
	size_t open; /**< the array or object that gets the next one */
	int error;   /**< the first that happened */
};
/** @name Gathering: names are literals. Threads: any. */
/**@{*/
void lm_bx_draft_init(struct lm_bx_draft *draft);
/** Only where no entry was made of it. */
void lm_bx_draft_done(struct lm_bx_draft *draft);
void lm_bx_number(struct lm_bx_draft *draft, const char *name, double value);
void lm_bx_bool(struct lm_bx_draft *draft, const char *name, bool value);
void lm_bx_text(struct lm_bx_draft *draft, const char *name, struct lm_bytes octets);
/** `data` (lm_alloc) is the draft's then, on failure too; script gets it without a copy. */
void lm_bx_bytes(struct lm_bx_draft *draft, const char *name, void *data, size_t len);
/** What follows is inside of it, until lm_bx_close with what this returned. */
size_t lm_bx_open(struct lm_bx_draft *draft, const char *name, enum lm_bx_shape shape);
void lm_bx_close(struct lm_bx_draft *draft, size_t outer);
/**@}*/

/** Numbers that are known only when an entry is told. */
struct lm_bx_late {
	const char *names[4];
	double numbers[4];
	size_t count;
};
/** An object of nothing else. NULL: thrown. On the script's thread. */
struct lm_host_value *lm_bx_numbers(struct lm_bridge *bridge, struct lm_host *host,
                                    const struct lm_bx_late *numbers);

/** An entry that is told as an object: `type` and fields. One allocation. */
struct lm_bx_told {
	struct lm_bx_entry head;
	unsigned type; /**< enum lm_event_type or enum lm_bx_type */
	bool secret;   /**< wiped when freed */
	/** Optional: on the script's thread, before it is told: adds what is known only there.
	 * False: thrown. */
	bool (*dress)(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_told *told,
	              struct lm_bx_late *late);
	/** Optional: on the script's thread, it was thrown while this was told. */
	void (*lost)(struct lm_bridge *bridge, struct lm_bx_told *told);
	void *owner;    /**< of the two above */
	uint64_t event; /**< theirs, too */
	unsigned more;
	size_t size, count;
	struct lm_bx_field fields[];
};
/** Make an entry of a draft, which is done then in any case. NULL: out of memory. Push `head`.
 * Threads: any. */
struct lm_bx_told *lm_bx_told_new(struct lm_bx_draft *draft, unsigned type);

/* ---- calls of native functions ---- */

struct lm_bx_call {
	struct lm_bridge *bridge;
	struct lm_host *host;
	const struct lm_host_ops *ops;
	const char *native;
	size_t count;
	struct lm_host_value *const *args;
};
#define N(name, params, doc) struct lm_host_value *lm_bx_##name(const struct lm_bx_call *call);
#include "bridge/natives.def"
#undef N

/** Throw: `code` LM_E_MISUSE is a TypeError. Gives NULL. The text begins with the native's name. */
struct lm_host_value *lm_bx_throw(const struct lm_bx_call *call, int code, const char *fmt, ...)
        LM_PRINTF(3, 4);
/** The same for an error that is told in full already. */
struct lm_host_value *lm_bx_throw_error(const struct lm_bx_call *call,
                                        const struct lm_error *error);
static inline struct lm_host_value *lm_bx_undefined(const struct lm_bx_call *call)
{
	return call->ops->undefined(call->host);
}

/** @name Arguments
 * `name` is for the TypeError that false means. What is left out is undefined (or null). */
/**@{*/
struct lm_host_value *lm_bx_arg(const struct lm_bx_call *call, size_t i);
enum lm_host_kind lm_bx_arg_kind(const struct lm_bx_call *call, size_t i);
/** A whole number from 0 to 2^53. */
LM_MUST bool lm_bx_arg_count(const struct lm_bx_call *call, size_t i, const char *name,
                             uint64_t *out_number);
/** A whole number within limits; undefined gives `otherwise`. */
LM_MUST bool lm_bx_arg_int(const struct lm_bx_call *call, size_t i, const char *name, int least,
                           int most, int otherwise, int *out_number);
/** The same of any value; `what` is for the complaint. */
LM_MUST bool lm_bx_to_count(const struct lm_bx_call *call, struct lm_host_value *value,
                            const char *what, uint64_t *out_number);
LM_MUST bool lm_bx_to_int(const struct lm_bx_call *call, struct lm_host_value *value,
                          const char *what, int least, int most, int otherwise, int *out_number);
/** An array of at most `max` members. */
LM_MUST bool lm_bx_arg_array(const struct lm_bx_call *call, size_t i, const char *name, size_t max,
                             size_t *out_count);
/** The octets of a string. Free `memory` with lm_bx_string_done, which wipes it. */
struct lm_bx_string {
	struct lm_bytes octets; /**< a NUL follows */
	bool given;             /**< false: undefined */
	uint8_t *memory;
	uint8_t own[256];
};
/** `optional`: undefined is no octets. `max`: longer ones are a TypeError. */
LM_MUST bool lm_bx_arg_string(const struct lm_bx_call *call, size_t i, const char *name,
                              bool optional, size_t max, struct lm_bx_string *out_string);
LM_MUST bool lm_bx_to_string(const struct lm_bx_call *call, struct lm_host_value *value,
                             const char *what, bool optional, size_t max,
                             struct lm_bx_string *out_string);
void lm_bx_string_done(struct lm_bx_string *string);
/** The thing an argument names. True with NULL: there is none (any more). */
LM_MUST bool lm_bx_arg_thing(const struct lm_bx_call *call, size_t i, const char *name,
                             enum lm_bx_kind kind, struct lm_bx_thing **out_thing);
/**@}*/

/* ---- octets of script, read in place ---- */

/** A source over a Uint8Array; read on any one thread, its value is let go on the script's.
 * Errors: LM_E_NOMEM. */
LM_MUST int lm_bx_source_bytes(const struct lm_bx_call *call, struct lm_host_value *bytes,
                               struct lm_source **out_source);

/**
 * A source that script writes piece by piece (pipeWrite, pipeFail). It is read on `loop`, which
 * must live until the source is closed. *out_pipe is what script calls it. Errors: LM_E_NOMEM.
 */
LM_MUST int lm_bx_pipe_new(struct lm_bridge *bridge, struct lm_loop *loop, uint64_t *out_pipe,
                           struct lm_source **out_source);

/* ---- the bridge ---- */

/** `taken` for a client. */
void lm_bx_client_taken(struct lm_bridge *bridge, struct lm_bx_thing *client, uint64_t octets);

struct lm_bx_clients;

struct lm_bridge {
	struct lm_bridge_host host;
	struct lm_bx_table table;
	struct lm_bx_entry *batch;     /**< taken out of the queue, not yet told */
	size_t running;                /**< servers and clients that keep the program alive */
	struct lm_bx_clients *clients; /**< client.c's own; NULL: none yet */

	pthread_mutex_t lock; /**< guards what follows */
	struct lm_bx_entry *first, **last;
	bool idle;   /**< the last take found nothing: the next push wakes */
	bool closed; /**< nobody is to be woken any more */
};

/** Something that runs begins, or ends. On the script's thread, not while the bridge is freed. */
void lm_bx_running(struct lm_bridge *bridge, bool begins);

/** Stop all clients and their thread, and free them and `bridge->clients`; entries may be queued
 * still, and are freed without being told later. `host` may be NULL. */
void lm_bx_clients_free(struct lm_bridge *bridge, struct lm_host *host);

#endif
