/** @file
 * A program of scripts: the process-wide rest (struct lm_script), a VM with its loop for the main
 * script and for each worker (struct lm_runtime), and the modules both load (modules.def).
 *
 * Threads: a runtime belongs to the thread that made it; of struct lm_script everything but the
 * marked members is constant while runtimes exist.
 */
#ifndef LM_SCRIPT_RUNTIME_H
#define LM_SCRIPT_RUNTIME_H

#include "loop/loop.h"
#include "script/engine/engine.h"

#include <lettermill/log.h>
#include <stdatomic.h>

struct lm_script_memory;
struct lm_script_stores;

/** Levels of the console, as the seeds number them: what is below is not printed. */
enum lm_console_level {
	LM_CONSOLE_LOG,  /**< log and all others */
	LM_CONSOLE_INFO, /**< info and debug */
	LM_CONSOLE_WARN,
	LM_CONSOLE_ERROR,
	LM_CONSOLE_NONE,
};

struct lm_script {
	const char *main_file; /**< absolute */
	const char *root;      /**< its folder: scripts are relative to it; infinity.current.root */
	const char *data_root; /**< data files are relative to it */
	const char *run_dir;   /**< the executable's folder; infinity.current.run */
	const char *const *args;
	size_t arg_count;
	enum lm_console_level console;
	bool watch; /**< take changed handler files for new sessions */
	const struct lm_log *log;
	/** One finished line of the console or the log, without its end; NULL: nowhere. Threads:
	 * any. */
	void (*print)(void *ctx, bool to_stderr, struct lm_bytes line);
	void *print_ctx;
	struct lm_pool *pool; /**< for jobs that block; results come back by lm_op on a loop */
	/** Raw octets of console.write to standard output; NULL: nowhere. Threads: any. */
	void (*write)(void *ctx, struct lm_bytes octets);
	struct lm_script_memory *memory; /**< infinity.memory; threads: any */
	/** infinity.store: what is open (store.h); NULL: scripts have no stores. Threads: any. */
	struct lm_script_stores *stores;
	atomic_bool terminated;    /**< infinity.terminated; threads: any */
	struct lm_script_own *own; /**< lm_script_init */
};

/** Begin a program; the members above are set, but for `memory`,
 * `stores`, `terminated` and `own`. Behind it runtimes can be made; free with lm_script_done, also
 * on error. Errors: LM_E_NOMEM. */
LM_MUST int lm_script_init(struct lm_script *script, struct lm_error *out_error);
/** Behind the last runtime. Zeroed memory is fine. */
void lm_script_done(struct lm_script *script);
/** What the program ends with, 0 to 255; the first that is not 0 stays. Threads: any. */
void lm_script_set_exit(struct lm_script *script, int code);
int lm_script_exit(const struct lm_script *script);

struct lm_runtime {
	struct lm_js *js;
	struct lm_loop *loop;
	struct lm_script *script;
	bool is_main;
	struct lm_js_value *infinity, *internal; /**< held */
	struct lm_js_value *global;              /**< held; the global object */
	struct lm_runtime_private *own;
};

/** Make a runtime on the calling thread, with its core modules loaded. */
LM_MUST int lm_runtime_new(struct lm_script *script, struct lm_loop *loop, bool is_main,
                           const struct lm_js_limits *limits, struct lm_runtime **out_runtime,
                           struct lm_error *out_error);
/** Pending timers and operations are forgotten; modules are closed. NULL is allowed. */
void lm_runtime_free(struct lm_runtime *rt);
/** Its thread was stopped for good (lm_js_abandon): the program goes on without it, its memory is
 * lost. Threads: any. */
void lm_runtime_lost(struct lm_runtime *rt);

/** @name Staying alive
 * The main runtime's program ends when nobody holds it: each server that runs, armed timer, and
 * operation under way holds once. */
/**@{*/
void lm_runtime_hold(struct lm_runtime *rt);
void lm_runtime_release(struct lm_runtime *rt);
/** Call `stop` once, on the runtime's thread and outside of script, when the program is to end; it
 * should begin to drain. A program that ends already: at the loop's next turn. */
LM_MUST int lm_runtime_on_terminate(struct lm_runtime *rt, void (*stop)(void *ctx), void *ctx);
void lm_runtime_off_terminate(struct lm_runtime *rt, void (*stop)(void *ctx), void *ctx);
/** Run the loop until nobody holds the runtime. Once the program is to end, timers count only while
 * a driven call (lm_runtime_drive) waits, and for five seconds at most. */
void lm_runtime_run(struct lm_runtime *rt);
/**
 * Call a function, await what it gives, and call `done` once with the value or what it threw:
 * inside this call, or from the loop. It holds the runtime meanwhile. Where the runtime ends first,
 * `done` is not called. False: out of memory (and thrown).
 */
bool lm_runtime_drive(struct lm_runtime *rt, struct lm_js_value *function, size_t count,
                      struct lm_js_value *const args[],
                      void (*done)(void *ctx, bool good, struct lm_js_value *value), void *ctx);
/** Wait without running script; false: infinity.terminated was set meanwhile, or the runtime's
 * event was given up (lm_runtime_interrupt). */
bool lm_runtime_sleep(struct lm_runtime *rt, lm_time_ms ms);
/** Ends the sleep under way, and those to come until lm_runtime_resume. Threads: any. */
void lm_runtime_interrupt(struct lm_runtime *rt);
void lm_runtime_resume(struct lm_runtime *rt);
/** It was, and not resumed. */
bool lm_runtime_is_interrupted(struct lm_runtime *rt);
/** For who blocks in another way: `wake` is called where a sleep would end, by whatever thread, and
 * must not block. NULL: no more; it does not run any longer then. One at a time. */
void lm_runtime_set_waker(struct lm_runtime *rt, void (*wake)(void *ctx), void *ctx);
/** Set infinity.terminated and wake all that wait. Threads: any. */
void lm_script_terminate(struct lm_script *script);
/**@}*/

/** @name Files
 * Absolute names of script and data files (infinity.current: one folder for scripts, one for data).
 * Refused: NUL, empty. Free with lm_free. NULL and thrown on an error. */
/**@{*/
char *lm_runtime_script_path(struct lm_runtime *rt, struct lm_bytes name);
char *lm_runtime_data_path(struct lm_runtime *rt, struct lm_bytes name);
/** The whole file; thrown: LM_E_NOT_FOUND …, naming it. */
bool lm_runtime_read_file(struct lm_runtime *rt, const char *path, struct lm_buf *out);
/**@}*/

/** @name Reporting */
/**@{*/
/** One console line at a level, prefixed as the seeds' are: "[I 2021-04-01 18:41:04,702] text". */
void lm_script_print(struct lm_script *script, enum lm_console_level level, char letter,
                     struct lm_bytes text);
/** A script's error nobody caught: to the console with file, line, column and stack. `where` says
 * what ran: "main.js", "pop3 onLogin, session 7". */
void lm_script_report(struct lm_script *script, const char *where, const struct lm_js_error *error);
/** The same for who is the last to see an error; in the main runtime it ends the program with 1. */
void lm_runtime_fail(struct lm_runtime *rt, const char *where, const struct lm_js_error *error);
/** The same of what a call threw; false: nothing was thrown. */
bool lm_runtime_fail_caught(struct lm_runtime *rt, const char *where);
/**@}*/

/** @name Modules */
/**@{*/
struct lm_script_native {
	const char *name;
	lm_js_fn fn; /**< call->data is the struct lm_runtime */
};

/**
 * A module: embedded scripts and the native functions they need. Each script is the body of a
 * function of (infinity, native, internal): it adds what it publishes to `infinity`. `native` holds
 * the functions below; `internal` is js/internal.js: checks with uniform messages, and what modules
 * give each other (internal.need("infinity.stream") loads another first).
 */
struct lm_script_module {
	const char *name;                          /**< "infinity.stream" */
	const struct lm_js_source *const *sources; /**< up to NULL */
	const struct lm_script_native *natives;    /**< up to a NULL name; may be NULL */
	/** Make what one runtime needs of it, and take it down again. Optional. */
	int (*open)(struct lm_runtime *rt, void **out_state, struct lm_error *out_error);
	void (*close)(void *state);
};
/** The modules of modules.def, lm_script_module_SYMBOL each. */
#define M(symbol, name, when, others, properties) \
	extern const struct lm_script_module lm_script_module_##symbol;
#include "script/modules.def"
#undef M
/** What `open` gave; NULL before. */
void *lm_runtime_state(const struct lm_runtime *rt, const struct lm_script_module *module);
/** Load a module by any of its names. False: thrown. Loaded ones are passed over. */
bool lm_runtime_load(struct lm_runtime *rt, struct lm_bytes name);
/**@}*/

/** What `lettermill run` wants. */
struct lm_script_params {
	uint32_t size;
	const char *main_file;
	const char *const *args;
	size_t arg_count;
	enum lm_console_level console;
	const char *data_dir; /**< NULL: as scripts; "@executable": the executable's folder */
	bool watch;
	const struct lm_log *log;
	void (*print)(void *ctx, bool to_stderr, struct lm_bytes line);
	void *print_ctx;
	void (*write)(void *ctx, struct lm_bytes octets); /**< see struct lm_script */
	/** End the process at once: a second signal came. NULL: it means nothing. Threads: any. */
	void (*quit)(int code);
};
/** Run a program to its end on the calling thread; *out_exit is its exit code (1 when a script's
 * error ended it, which was reported). Before any other thread starts: lm_js_setup. Errors:
 * LM_E_NOT_FOUND (the main file), LM_E_UNSUPPORTED (no engine), LM_E_NOMEM. */
LM_MUST int lm_script_main(const struct lm_script_params *params, int *out_exit,
                           struct lm_error *out_error);

#endif
