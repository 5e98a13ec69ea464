/** @file
 * The inside of a runtime, shared by runtime*.c, modules.c and the core modules.
 */
#ifndef LM_SCRIPT_RUNTIME_IMPL_H
#define LM_SCRIPT_RUNTIME_IMPL_H

#include "script/js/sources.h"
#include "script/runtime.h"

#include <pthread.h>

enum {
	LM_RUNTIME_MAX_PATH = 4096,
	LM_RUNTIME_MAX_FILE = 64 << 20,
	LM_RUNTIME_MAX_TEXT = 256 << 20, /**< of a string for the console */
	LM_RUNTIME_GRACE = 5000,         /**< ms that timers still count once the program ends */
};

/** The process-wide rest of a program. */
struct lm_script_own {
	pthread_mutex_t lock; /* guards runtimes, and each one's `interrupted` and `is_posted` */
	struct lm_runtime_private *runtimes;
	atomic_int exit_code;
	pthread_mutex_t input_lock; /* guards input */
	struct lm_buf input;        /* standard input, what was read and not yet asked for */
	bool input_ended;
};

/** What comes back to the runtime's loop. Its own memory: a posted task cannot be taken back. */
struct lm_runtime_turn {
	struct lm_task task;
	struct lm_runtime *rt; /* NULL: the runtime is gone */
	bool is_posted;        /* under the script's lock */
};

struct lm_runtime_stopper {
	void (*stop)(void *ctx);
	void *ctx;
	struct lm_runtime_stopper *next;
};

enum lm_module_when { LM_MODULE_CORE, LM_MODULE_LAZY, LM_MODULE_LOAD };

enum lm_module_progress { LM_MODULE_ABSENT, LM_MODULE_LOADING, LM_MODULE_LOADED };

struct lm_module_slot {
	enum lm_module_progress progress;
	void *state;
};

struct lm_runtime_private {
	struct lm_runtime *rt;
	struct lm_runtime_private *prev, *next; /* of the script */
	pthread_cond_t wake;                    /* with the script's lock */
	bool interrupted;                       /* under the script's lock */
	void (*waker)(void *ctx);               /* the same; NULL: none */
	void *waker_ctx;
	struct lm_runtime_turn *turn;
	struct lm_runtime_stopper *stoppers;
	struct lm_timer grace;
	struct lm_js_value *fire, *immediate; /* held: js/timers.js */
	struct lm_timer alarm;                /* the next of setTimeout */
	struct lm_module_slot *slots;
	double alarm_at, grace_end; /* ms of the monotonic clock */
	unsigned holds, drives;
	bool has_timers; /* armed ones that hold */
	bool has_immediates;
	bool is_running; /* in lm_runtime_run */
	bool is_ending;  /* the program's end was seen */
	bool is_over;    /* and the grace is over */
};

/** The loop may have nothing to wait for any more: let lm_runtime_run look. */
void lm_runtime_settle(struct lm_runtime *rt);
/** Come back by the loop's next turn. */
void lm_runtime_post_turn(struct lm_runtime *rt);
/** The same under the script's lock. Threads: any. */
void lm_runtime_post_turn_locked(struct lm_runtime_private *own);
/** Milliseconds of the monotonic clock. */
double lm_runtime_now(void);
/** setImmediate's functions of this turn (timers.c). */
void lm_timers_run_immediates(struct lm_runtime *rt);
/** The program is to end: stop what runs (runtime_wait.c). */
void lm_runtime_end(struct lm_runtime *rt);

/** @name modules.c */
/**@{*/
/** Run one embedded script: a function of (infinity, native, internal). False: thrown. */
bool lm_module_run(struct lm_runtime *rt, const struct lm_js_source *source,
                   struct lm_js_value *native);
/** All modules that come with every runtime, and getters for those that come at the first look. */
bool lm_modules_open(struct lm_runtime *rt);
void lm_modules_close(struct lm_runtime *rt);
/**@}*/

/** @name Arguments of native functions
 * js/X.js has checked them: what is wrong here throws a plain TypeError. */
/**@{*/
/** The octets of a string, added to `out`; false: thrown. */
bool lm_native_text(const struct lm_js_call *call, size_t i, struct lm_buf *out);
/** The same as a C string without NUL inside, to be freed with lm_free; NULL: thrown. */
char *lm_native_cstr(const struct lm_js_call *call, size_t i);
/** Throw out of memory; NULL. */
struct lm_js_value *lm_native_nomem(struct lm_js *js);
/**@}*/

/** Absolute, with symbolic links followed; NULL: thrown, naming it. */
char *lm_runtime_real_path(struct lm_runtime *rt, const char *path);
/** A script's text as the engine wants it: without a byte order mark, and "#!" as a comment. */
bool lm_runtime_read_script(struct lm_runtime *rt, const char *path, struct lm_buf *out);

/** A finished line of any level, whatever the console's is. `text` may have several lines. */
void lm_script_print_always(struct lm_script *script, bool to_stderr, char letter,
                            struct lm_bytes text);
/** message, and a line for each call, as reports have them. */
int lm_script_describe(const struct lm_js_error *error, struct lm_buf *out);

/** Signals of the main thread: SIGINT and SIGTERM end the program, then `quit`. One at a time in a
 * process. */
struct lm_script_signals;
LM_MUST int lm_script_signals_begin(struct lm_script *script, void (*quit)(int code),
                                    struct lm_script_signals **out_signals,
                                    struct lm_error *out_error);
/** As they were before. NULL is allowed. */
void lm_script_signals_end(struct lm_script_signals *signals);

#endif
