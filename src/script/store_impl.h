/** @file
 * The parts of infinity.store: store_registry.c (what is open), store_use.c (using it), store.c
 * (for script).
 */
#ifndef LM_SCRIPT_STORE_IMPL_H
#define LM_SCRIPT_STORE_IMPL_H

#include "script/store.h"

#include <pthread.h>

struct lm_script_store_root;
struct lm_script_store_waiter;

/** One mailbox of one store, or a store without mailboxes. */
struct lm_script_store {
	struct lm_script_store *next;      /* the root's */
	struct lm_script_store_root *root; /* constant */
	size_t refs;                       /* guarded by the registry's mutex, as the next */
	bool is_default;                   /* it is what is meant where no mailbox was named */
	pthread_mutex_t mutex;             /* guards the rest */
	struct lm_mime_store *mime;
	struct lm_script_store_waiter *waiters; /* who ended an add and waits for a flush */
};

#endif
