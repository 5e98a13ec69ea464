/** @file
 * What goes wrong in a script costs its own session a temporary failure, and nobody else anything:
 * a fault in every hook of POP3 and SMTP, with a second session on the same workers.
 */
#ifndef LM_SCRIPT_HANDLER_FAULT_RIG_H
#define LM_SCRIPT_HANDLER_FAULT_RIG_H

#include <stdbool.h>

struct lm_fault {
	const char *script; /**< of the hook; the good one does not run behind it */
	const char *told;   /**< in the log */
	bool is_timeout;    /**< 451 4.4.7 instead of 4.3.0 */
	bool is_idle; /**< leaves the worker to others: all sessions have it at the same time */
	bool is_dear; /**< costs a worker: only in the documented hooks */
};

/** A server, and for each hook a session that has the fault there. */
void lm_fault_run(const struct lm_fault *fault);

#endif
